"""``mcspec check``."""

from __future__ import annotations

import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mcconform import phases, runner, targets
from mcconform.campaign import Campaign, Limits
from mcconform.cli.common import (
    FAILED,
    FAILURES,
    HARNESS,
    HOLDS,
    UsageError,
    judge,
    ours,
    selection,
    split_arguments,
    target,
    tls,
    version,
    with_tls,
)
from mcconform.events import FORMAT, Event, NdjsonReport
from mcconform.phases.base import Plan
from mcconform.phases.vectors import about
from mcconform.reports.exercised import KINDS, ExercisedReport
from mcconform.reports.saved import SavedFailures
from mcconform.reports.terminal import TerminalReport, console
from mcconform.tally import Tally
from mcconform.verdict import Verdict
from mcspec import clauses, profiles

if TYPE_CHECKING:
    from collections.abc import Callable

    from mcconform.conversation import Conversation
    from mcconform.targets import Target

Sink = NdjsonReport | ExercisedReport

EPILOG = """\b
Examples:
  mcspec check                                      the bundled server, everything
  mcspec check localhost:11211 text --allow-flush   a running server that may be flushed
  mcspec check binary udp:localhost:11211           two chapters, over TCP and UDP of one port
  mcspec check localhost:11212 --tls --ca chain.pem
  mcspec check unix:/run/memcached.sock 'text.*.noreply*'
  mcspec check localhost:11211 --exclude text.flush --phases vectors --strict
  mcspec check --spawn 'memcached -p {port} -U 0 {options}' --report ndjson=run.ndjson
  mcspec check meta --report flags                  the meta chapter, with a table of flags
  mcspec check --spawn 'mcserver -p {port} -o debugtime {options}' --clock debugtime

Without --allow-flush nothing is written that would flush or reconfigure the server, or touch a key without this run's
prefix, whatever the server makes of the bytes. A server that this command starts itself is its own and may be flushed.
"""


@click.command(epilog=EPILOG)
@click.argument("arguments", nargs=-1, metavar="[TARGET] [CLAUSE]...")
@click.option(
    "--spawn", metavar="CMD", help="Start the server: 'CMD -p {port} {options}' ({socket} for a Unix socket)."
)
@click.option("--profile", default="auto", metavar="NAME", help="Judge by this profile: a name, a .toml file, or auto.")
@with_tls
@click.option("--exclude", multiple=True, metavar="GLOB", help="Leave these clauses out (repeatable).")
@click.option(
    "--phases", "phase_list", default=",".join(phases.NAMES), metavar="LIST", show_default=True, help="Phases."
)
@click.option(
    "--level", type=click.Choice(clauses.LEVELS), default="must", show_default=True, help="Lowest level that can fail."
)
@click.option("--seed", type=click.IntRange(0), metavar="N", help="Seed of everything generated  [default: random]")
@click.option(
    "--max-examples",
    type=click.IntRange(0),
    default=300,
    show_default=True,
    help="Examples per phase; splits per vector.",
)
@click.option("--max-time", type=click.FloatRange(0), metavar="S", help="Start nothing new after S seconds.")
@click.option("--max-failures", type=click.IntRange(0), default=0, metavar="N", help="Stop after N failed clauses.")
@click.option("--no-shrink", is_flag=True, help="Report failures as they were found.")
@click.option("--strict", is_flag=True, help="Undecided must-clauses are failures.")
@click.option(
    "--report",
    "reports",
    multiple=True,
    metavar="KIND",
    help="ndjson=PATH: write the event log to a file. flags: print how often each flag of each meta command was "
    "exercised, alone and in pairs. opcodes: the same of binary opcodes and codes of packets (repeatable).",
)
@click.option(
    "--clock",
    type=click.Choice(targets.CLOCKS),
    default="auto",
    show_default=True,
    help="How time passes: injected (a server in this process), debugtime (the server's command of that name), sleep "
    "(wait, and allow for what a second is), none (leave out what needs time). auto: injected or sleep.",
)
@click.option("--allow-flush", is_flag=True, help="The server may be flushed and reconfigured: nobody needs its data.")
@click.pass_context
def check(context: click.Context, /, arguments: tuple[str, ...], **options: Any) -> None:
    """Judge TARGET (HOST:PORT, udp:HOST:PORT, unix:PATH, inproc:MODULE:FACTORY) clause by clause.

    CLAUSE is the beginning of a clause id (text.set) or a glob (text.*.noreply). Without TARGET the bundled server is
    started on a free port.
    """
    name, patterns = split_arguments(arguments)
    chosen = selection(patterns, options["exclude"])
    wanted = _phases(options["phase_list"])
    sinks = _reports(options["reports"])
    secure = tls(options)
    with target(name, options["spawn"], options["clock"], leave=options["allow_flush"], tls=secure) as made:
        status = _check(made, name or _spawned(options["spawn"]), list(chosen), wanted, sinks, options)
    context.exit(status)


def _check(
    made: Target,
    shown: str,
    chosen: list[str],
    wanted: list[str],
    sinks: list[Sink],
    options: dict[str, Any],
) -> int:
    server = version(made)
    profile, judged = judge(options["profile"], server)
    seed = random.SystemRandom().randrange(2**32) if options["seed"] is None else int(options["seed"])
    allow_flush = options["allow_flush"] or ours(made)
    known = clauses.load()
    valued = profiles.load(profile if options["profile"] == "auto" else options["profile"])
    absent = {clause: why for clause in chosen if (why := valued.inapplicable(clause)) is not None}
    applicable = [clause for clause in chosen if clause not in absent]
    if not applicable:
        raise UsageError(f"nothing of this applies to a server of profile {profile}: {next(iter(absent.values()))}")
    tally = Tally(known, chosen, options["level"], absent)
    generated = {clause.partition(".")[0] for clause in applicable}
    full = set(chosen) == set(known)
    plan = Plan(
        seed,
        options["max_examples"],
        allow_flush,
        _wanted(set(applicable), full=full),
        rules=judged.rules,
        meta="meta" in generated,
        binary="binary" in generated,
        packet="packet" in generated,
        udp="udp" in generated,
    )
    terminal = TerminalReport(console(), _address(made), shown)
    saved = SavedFailures(
        FAILURES, profile, options["spawn"] if made.transport == "spawn" else None, allow_flush=allow_flush
    )
    consumers: list[Callable[[Event], None]] = [saved, terminal, *sinks]

    def emit(event: Event) -> None:
        for consumer in consumers:
            consumer(event)

    campaign = Campaign(
        made,
        runner.Setting(judged, allow_flush),
        plan,
        known,
        tally,
        Limits(options["max_time"], options["max_failures"], not options["no_shrink"]),
        emit,
    )
    emit(
        {
            "event": "start",
            "format": FORMAT,
            "transport": made.transport,
            "clock": made.clock,
            "server": server.decode("latin-1"),
            "profile": profile,
            "seed": seed,
            "level": options["level"],
            "clauses": len(chosen),
            "phases": wanted,
            "max_examples": options["max_examples"],
            "allow_flush": allow_flush,
        }
    )
    try:
        campaign.run(wanted)
        status = _status(tally, strict=options["strict"])
        for event in tally.events():
            emit(event)
        emit(
            {
                "event": "end",
                "verdicts": dict(sorted(tally.verdicts.items())),
                "undecided": tally.undecided(),
                "failed": tally.failed(),
                "outside": tally.outside(),
                "stopped": campaign.stopped,
                "exit": status,
            }
        )
    finally:
        terminal.close()
        for sink in sinks:
            sink.close()
    return status


def _status(tally: Tally, *, strict: bool) -> int:
    if tally.failed() or (strict and tally.undecided()):
        return FAILED
    return HARNESS if tally.verdicts[str(Verdict.HARNESS_ERROR)] else HOLDS


def _wanted(chosen: set[str], *, full: bool) -> Callable[[Conversation], bool]:
    """A conversation is wanted if it aims at a chosen clause; one that aims at none, if everything is chosen."""

    def wanted(conversation: Conversation) -> bool:
        if not conversation.clauses:
            return full or any(about(clause, conversation.id) for clause in chosen)
        return any(clause in chosen for clause in conversation.clauses)

    return wanted


def _phases(listed: str) -> list[str]:
    names = [name.strip() for name in listed.split(",") if name.strip()]
    for name in names:
        if name not in phases.NAMES:
            raise UsageError(f"no phase {name!r}; type --phases {','.join(phases.NAMES)} or some of them")
    if not names:
        raise UsageError(f"--phases names no phase; type --phases {','.join(phases.NAMES)} or some of them")
    return names


def _reports(listed: tuple[str, ...]) -> list[Sink]:
    sinks: list[Sink] = []
    for report in listed:
        if report in KINDS:
            sinks.append(ExercisedReport(console(), report))
            continue
        kind, equals, path = report.partition("=")
        if kind != "ndjson" or not equals or not path:
            raise UsageError(f"no report {report!r}; type --report ndjson=PATH, --report flags or --report opcodes")
        try:
            sinks.append(NdjsonReport(Path(path)))
        except OSError as error:
            raise UsageError(f"--report {report}: {error.strerror}") from error
    return sinks


def _spawned(spawn: str | None) -> str:
    return f"--spawn '{spawn}'" if spawn else ""


def _address(made: Target) -> str:
    """Where a reader can connect later: a server that we start is on another port each time."""
    return "HOST PORT" if ours(made) else made.address
