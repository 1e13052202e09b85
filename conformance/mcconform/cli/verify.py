"""``mcspec verify``."""

from __future__ import annotations

import difflib
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.table import Table

from mcconform import verification
from mcconform.cli.common import FAILED, HOLDS, UsageError
from mcconform.reports import traces
from mcconform.reports.terminal import console
from mcconform.verification import Job, Report, Trace
from mcspec import models

if TYPE_CHECKING:
    from rich.console import Console

    from mcspec.models import Model

TRACES = Path(".mcspec") / "traces"
"""Where traces are saved, below the working directory."""

VERDICTS = {(False, False): "holds", (True, False): "BROKEN", (False, True): "HOLDS", (True, True): "broken, as known,"}
"""By whether a law is broken, and whether it is known to be."""

EVERY = 10.0
"""Seconds between two lines of progress where there is no terminal."""

EPILOG = """\b
Examples:
  mcspec verify                        all models at standard bounds
  mcspec verify session cache          two of them
  mcspec verify --bounds large         ten times the states in all, in minutes
  mcspec verify --mutants              plant every bug, and see which law catches it
  mcspec verify sketch-posted          what a protocol that was never built gets wrong, step by step
  mcspec list law                      the laws

Exit status: 0 all laws hold, 1 a law is broken (or a planted bug is not caught), 2 usage.
"""


@click.command(epilog=EPILOG)
@click.argument("names", nargs=-1, metavar="[MODEL]...")
@click.option(
    "--bounds",
    type=click.Choice(models.BOUNDS),
    help="How large the models are.  [default: standard; small with --mutants]",
)
@click.option("--trace-out", type=click.Path(file_okay=False, path_type=Path), default=TRACES, show_default=True,
              metavar="DIR", help="Where traces of broken laws are saved.")  # fmt: skip
@click.option("--mutants", is_flag=True, help="Plant every bug in turn: a law that none of them breaks says nothing.")
@click.pass_context
def verify(
    context: click.Context, /, names: tuple[str, ...], bounds: str | None, trace_out: Path, *, mutants: bool
) -> None:
    """Explore every state that the specification's models can reach, and prove their laws.

    A model that is built wrong on purpose (the sketch of 2004 as it was posted) must break exactly the laws that it is
    known to break. What is proved, at what bounds and under which assumptions is told in docs/verification.md.
    """
    known = models.load()
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1, 0.5)
            hint = f"did you mean {near[0]}?" if near else f"type one of {', '.join(known)}"
            raise UsageError(f"no model {name!r}; {hint}")
    chosen = [known[name] for name in dict.fromkeys(names)] or list(known.values())
    out = console()
    if mutants:
        context.exit(_mutants(out, chosen, bounds or "small", trace_out if names else None))
    reports = _explore(out, [Job(model.name, bounds or "standard") for model in chosen])
    context.exit(_laws(out, chosen, reports, trace_out, named=bool(names)))


def _explore(out: Console, jobs: list[Job]) -> dict[Job, Report]:
    """Run the jobs, with progress."""
    done: dict[Job, Report] = {}
    began = last = time.monotonic()
    at: dict[Job, int] = {}
    status = out.status("", spinner="dots") if out.is_terminal else None
    if status is not None:
        status.start()

    def tell(job: Job, states: int, _transitions: int) -> None:
        nonlocal last
        at[job] = states
        under_way = ", ".join(f"{job.model} {count:,}" for job, count in at.items() if job not in done)
        text = f"{len(done)} of {len(jobs)} done; states so far: {under_way}"
        if status is not None:
            status.update(text)
        elif time.monotonic() - last > EVERY:
            last = time.monotonic()
            click.echo(f"{last - began:4.0f} s  {text}", err=True)

    try:
        for report in verification.run_all(jobs, tell):
            done[report.job] = report
    finally:
        if status is not None:
            status.stop()
    return {job: done[job] for job in jobs}


def _laws(out: Console, chosen: list[Model], reports: dict[Job, Report], folder: Path, *, named: bool) -> int:
    """Print what the models came to, and the traces of what is broken; the exit status."""
    table = Table("model", "bounds", "states", "transitions", "depth", "states/s", box=None, pad_edge=False)
    verdicts = Table("law", "verdict", "what it says", box=None, pad_edge=False)
    wrong: list[Trace] = []
    expected: list[Trace] = []
    for model, (job, report) in zip(chosen, reports.items(), strict=True):
        speed = f"{report.states / max(report.seconds, 1e-3):,.0f}"
        numbers = (f"{report.states:,}", f"{report.transitions:,}", f"{report.depth:,}", speed)
        table.add_row(model.name, job.bounds, *numbers)
        for law in model.laws:
            trace = report.broken.get(law.clause)
            breaks = law.clause in model.breaks
            moves = "" if trace is None else f" in {len(trace.lines)}"
            verdicts.add_row(law.clause, VERDICTS[trace is not None, breaks] + moves, law.text)
            if trace is not None:
                (expected if breaks else wrong).append(trace)
            elif breaks:
                wrong.append(Trace(job, law.clause, "", ()))
    for column in table.columns[2:]:
        column.justify = "right"
    out.print(table)
    out.print()
    out.print(verdicts)
    for trace in [*wrong, *(expected if named else ())]:
        _tell(out, trace, folder)
    held = sum(len(model.laws) for model in chosen) - len(wrong) - len(expected)
    known = f", {len(expected)} broken as known" if expected else ""
    out.print(f"\n{held} laws hold{known}" + (f", {len(wrong)} WRONG" if wrong else ""))
    return FAILED if wrong else HOLDS


def _tell(out: Console, trace: Trace, folder: Path) -> None:
    """Print a trace and save it."""
    if not trace.start:
        out.print(f"\n{trace.law} holds, though the model says that it is broken")
        return
    planted = f" with the planted bug {trace.job.plant!r}" if trace.job.plant else ""
    out.print(f"\n{trace.law} is broken in {trace.job.model}{planted}; the shortest trace:")
    for line in traces.words(trace):
        out.print(line)
    out.print(traces.mermaid(trace), end="")
    for path in traces.save(trace, folder):
        out.print(f"  saved  {path}")


def _mutants(out: Console, chosen: list[Model], bounds: str, folder: Path | None) -> int:
    """Plant every bug and print which law catches it; the exit status."""
    jobs = [Job(model.name, bounds, plant.name) for model in chosen for plant in model.plants]
    if not jobs:
        raise UsageError("these models have no planted bugs: type the name of another")
    reports = _explore(out, jobs)
    table = Table("model", "bounds", "planted bug", "caught by", "moves", box=None, pad_edge=False)
    table.columns[4].justify = "right"
    caught: set[str] = set()
    missed = 0
    for model in chosen:
        for plant in model.plants:
            report = reports[Job(model.name, bounds, plant.name)]
            trace = report.broken.get(plant.clause)
            if trace is None or plant.clause in model.breaks:
                missed += 1
                table.add_row(model.name, bounds, plant.name, f"MISSED by {plant.clause}", "")
                continue
            caught.add(plant.clause)
            table.add_row(model.name, bounds, plant.name, plant.clause, str(len(trace.lines)))
            if folder is not None:
                traces.save(trace, folder)
    out.print(table)
    caught |= {clause for model in chosen for clause in model.breaks}
    vacuous = [law.clause for model in chosen for law in model.laws if law.clause not in caught]
    for clause in vacuous:
        out.print(f"VACUOUS {clause}: no planted bug breaks it")
    out.print(f"\n{len(jobs) - missed} of {len(jobs)} planted bugs caught, {len(vacuous)} laws that none breaks")
    return FAILED if missed or vacuous else HOLDS
