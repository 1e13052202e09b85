"""Explores the specification's models: every model at its bounds, or every planted bug of every model.

Each exploration is a job of its own, and there are several processors. What a job came to is plain data: the numbers,
the laws that were broken, and of each the shortest trace.
"""

from __future__ import annotations

import multiprocessing
import os
import time
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from typing import TYPE_CHECKING, Any, NamedTuple

from mcspec import models
from mcspec.explore import Kind, Replay, System, Violation, explore, replay

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from concurrent.futures import Future

    from mcspec.explore import Law
    from mcspec.models import Model

FORMAT = "mcspec-trace-1"
"""What a saved trace calls itself."""


class Job(NamedTuple):
    """One exploration: a model at certain bounds, with a planted bug or without."""

    model: str
    bounds: str
    plant: str = ""


class Line(NamedTuple):
    """One step of a trace in words; `wire` as in `mcspec.explore.Move`."""

    source: str
    target: str
    text: str
    state: str
    wire: tuple[Any, ...] = ()


class Trace(NamedTuple):
    """A law that was broken, and how."""

    job: Job
    law: str
    start: str
    lines: tuple[Line, ...]


class Report(NamedTuple):
    """What an exploration came to; `seconds` of one processor."""

    job: Job
    states: int
    transitions: int
    depth: int
    seconds: float
    complete: bool
    broken: Mapping[str, Trace]


def system(job: Job) -> tuple[Model, System]:
    """The model of a job and its system. Raises KeyError if there is no such model, bounds or planted bug."""
    model = models.load()[job.model]
    design = models.planted(model, job.plant) if job.plant else model.design
    return model, model.build(model.bounds[job.bounds], design)


def run(job: Job, tick: Callable[[int, int], None] | None = None) -> Report:
    """Explore; with a planted bug only until its law is broken."""
    model, made = system(job)
    stop = next((plant.clause for plant in model.plants if plant.name == job.plant), "")
    began = time.process_time()
    seen = explore(made, model.laws, stop=stop, tick=tick)
    seconds = time.process_time() - began
    broken = {clause: _trace(job, made.show or model.show, violation) for clause, violation in seen.broken.items()}
    return Report(job, seen.states, seen.transitions, seen.depth, seconds, seen.complete, broken)


def _trace(job: Job, show: Callable[[Any], str], violation: Violation) -> Trace:
    lines = tuple(Line(*step.move[:3], show(step.state), step.move.wire) for step in violation.steps)
    return Trace(job, violation.clause, show(violation.start), lines)


def run_all(jobs: Sequence[Job], progress: Callable[[Job, int, int], None]) -> Iterator[Report]:
    """Explore in as many processes as there are processors; reports in the order in which they are done."""
    # A forked process would inherit the threads' locks of this one; a spawned one starts clean.
    context = multiprocessing.get_context("spawn")
    queue = context.SimpleQueue()
    with ProcessPoolExecutor(min(os.cpu_count() or 1, len(jobs)), context, _begin, (queue,)) as pool:
        left: set[Future[Report]] = {pool.submit(_run, job) for job in jobs}
        try:
            while left:
                done, left = wait(left, 0.2, FIRST_COMPLETED)
                while not queue.empty():
                    progress(*queue.get())
                for future in done:
                    yield future.result()
        finally:
            for future in left:
                future.cancel()


_QUEUE: Any = None


def _begin(queue: Any) -> None:
    global _QUEUE  # noqa: PLW0603 - what a process is born with has no other place
    _QUEUE = queue


def _run(job: Job) -> Report:
    def tick(states: int, transitions: int) -> None:
        parent = multiprocessing.parent_process()
        if parent is not None and not parent.is_alive():
            # Whoever asked was killed: nobody wants to know any more.
            os._exit(1)
        _QUEUE.put((job, states, transitions))

    return run(job, tick)


# ------------------------------------------------------------------------------------------------ saved traces


def record(trace: Trace) -> dict[str, object]:
    """A trace as a JSON object that `mcspec replay` reads."""
    names = ("source", "target", "text", "state")
    steps = [dict(zip(names, line[:4], strict=True)) for line in trace.lines]
    job = trace.job
    return {
        "format": FORMAT,
        "model": job.model,
        "bounds": job.bounds,
        "plant": job.plant or None,
        "law": trace.law,
        "start": trace.start,
        "steps": steps,
    }


class Followed(NamedTuple):
    """A saved trace, followed: the law, whether the trace breaks it, and the replay."""

    law: Law
    broken: bool
    replay: Replay
    steps: int


def follow(saved: Mapping[str, Any]) -> Followed:
    """Follow a saved trace in its model.

    Raises:
        ValueError: if it is no trace of a model that there is.
    """
    try:
        job = Job(str(saved["model"]), str(saved["bounds"]), str(saved.get("plant") or ""))
        steps = [(str(step["source"]), str(step["target"]), str(step["text"])) for step in saved["steps"]]
        model, made = system(job)
        (law,) = (law for law in model.laws if law.clause == saved["law"])
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"no trace of a model: {error}") from error
    followed = replay(made, steps)
    whole = followed.taken == len(steps)
    return Followed(law, whole and _breaks(law, model, made, steps, followed), followed, len(steps))


def _breaks(law: Law, model: Model, made: System, steps: Sequence[tuple[str, str, str]], followed: Replay) -> bool:
    """Whether the law is broken where a trace has led."""
    if law.kind is Kind.MOVE:
        before = replay(made, steps[:-1]).states
        return any(
            not law.holds(state, move, after)
            for state in before
            for move, after in made.moves(state)
            if move[:3] == steps[-1]
        )
    if law.kind is Kind.AGAIN:
        onward = System(tuple(followed.states), made.moves)
        return law.clause in explore(onward, model.laws, stop=law.clause).broken
    resting = law.kind is Kind.STATE
    return any(not law.holds(state) for state in followed.states if resting or not list(made.moves(state)))
