"""``mcspec fuzz``."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

import click

from mcconform import events
from mcconform.cli.common import FAILED, FAILURES, HOLDS, UsageError, judge, target, version
from mcconform.fuzzing import Fuzzer, Progress
from mcconform.jsonform import short_id
from mcconform.reports.saved import SavedFailures
from mcconform.reports.terminal import TerminalReport, console
from mcconform.targets import SpawnTarget
from mcspec import clauses

if TYPE_CHECKING:
    from mcconform.verdict import Result

EVERY = 10.0
"""Seconds between two lines of progress where there is no terminal."""

EPILOG = """\b
Examples:
  mcspec fuzz --spawn 'memcached -p {port} -U 0'
  mcspec fuzz --spawn './myserver --port {port}' --seconds 600 --seed 7

Stops at the first crash, hang or wrong answer, shrinks it and saves it for `mcspec replay`.
"""


@click.command(epilog=EPILOG)
@click.option("--spawn", required=True, metavar="CMD", help="Start the server: 'CMD -p {port} {options}'.")
@click.option("--seconds", type=click.FloatRange(0, min_open=True), default=60.0, show_default=True, help="How long.")
@click.option("--seed", type=click.IntRange(0), metavar="N", help="Seed of the streams  [default: random]")
@click.option("--profile", default="auto", metavar="NAME", help="Judge by this profile: a name, a .toml file, or auto.")
@click.pass_context
def fuzz(context: click.Context, /, spawn: str, seconds: float, seed: int | None, profile: str) -> None:
    """Write random and mutated streams to a server and look for crashes, hangs and wrong answers.

    The server is started by this command and flushed at will. It runs without the conversations' own options.
    """
    if seed is None:
        seed = random.SystemRandom().randrange(2**32)
    with target(None, spawn) as made:
        assert isinstance(made, SpawnTarget)  # because a command was given
        name, judged = judge(profile, version(made))
        click.echo(f"fuzzing --spawn '{spawn}' for {seconds:g} s, profile {name}, seed {seed}")
        fuzzer = Fuzzer(made, judged, seed)
        found = fuzzer.run(seconds, _Ticker())
    done = fuzzer.progress
    reached = len(done.clauses or ())
    click.echo(f"{done.conversations} conversations, {done.bytes} bytes, {reached} of {len(clauses.load())} clauses")
    if found is None:
        click.echo(f"no crash, no hang, no difference ({done.unspecified} conversations beyond the specification)")
        context.exit(HOLDS)
    _tell(*found, name, spawn)
    context.exit(FAILED)


def _tell(result: Result, runs: int, profile: str, spawn: str) -> None:
    if result.difference is None:
        raise UsageError("nothing was found")
    clause = clauses.load().get(result.difference.clause)
    event = events.failure(short_id(result.conversation), clause, result, result.conversation, runs)
    SavedFailures(FAILURES, profile, spawn, allow_flush=True)(event)
    TerminalReport(console(), "HOST PORT", f"--spawn '{spawn}'")(event)


class _Ticker:
    """Progress: a line that is written over on a terminal, a line now and then elsewhere."""

    def __init__(self) -> None:
        self._began = self._last = time.monotonic()
        self._out = console()

    def __call__(self, progress: Progress) -> None:
        now = time.monotonic()
        if now - self._last < (0.5 if self._out.is_terminal else EVERY):
            return
        self._last = now
        rate = progress.conversations / (now - self._began)
        line = f"{progress.conversations} conversations, {rate:.0f}/s, {len(progress.clauses or ())} clauses"
        self._out.print(line, end="\r" if self._out.is_terminal else "\n")
