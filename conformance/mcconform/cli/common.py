"""What the commands share: targets, profiles, selections, and errors of one line."""

from __future__ import annotations

import difflib
import shlex
import sys
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mcconform import runner, targets
from mcspec import Rules, clauses, profiles

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from mcconform.targets import Target
    from mcspec.clauses import Clause

HOLDS, FAILED, USAGE, HARNESS = 0, 1, 2, 3
"""Exit codes."""

FAILURES = Path(".mcspec") / "failures"
"""Where failures are saved, below the working directory."""


class UsageError(click.ClickException):
    """One line that says what is wrong and what to type; exit code 2."""

    exit_code = USAGE


def bundled() -> str:
    """The command that starts the bundled server."""
    return f"{shlex.quote(sys.executable)} -m mcserver -l 127.0.0.1 -p {{port}} {{options}}"


@contextmanager
def target(
    name: str | None, spawn: str | None, clock: str = "auto", *, leave: bool = False, tls: targets.Tls | None = None
) -> Iterator[Target]:
    """The target that the arguments name, stopped at the end if we started it.

    ``clock`` is one of `targets.CLOCKS`; ``leave`` allows to hold the clock of a server that others may use.

    Raises:
        UsageError: if both are given, or the target cannot be reached.
    """
    if name is not None and spawn is not None:
        raise UsageError(f"both a target ({name}) and --spawn are given: type one of them")
    try:
        made = targets.make(name, tls) if name is not None else targets.SpawnTarget(spawn or bundled(), tls)
    except targets.TargetError as error:
        raise UsageError(str(error)) from error
    if clock == "debugtime" and not (leave or ours(made)):
        raise UsageError("--clock debugtime stops the clock of the whole server: it needs --allow-flush")
    try:
        held = targets.with_clock(made, clock)
    except targets.TargetError as error:
        made.close()
        raise UsageError(str(error)) from error
    made = held
    try:
        yield made
    finally:
        made.close()


def with_tls(command: Callable[..., None]) -> Callable[..., None]:
    """The options of a command that say how to speak TLS; `tls` reads them."""
    for option in (
        click.option("--insecure", is_flag=True, help="With --tls: accept any certificate."),
        click.option("--ca", metavar="FILE", help="With --tls: what the server's certificate must lead to."),
        click.option("--tls", is_flag=True, help="Speak TLS."),
    ):
        command = option(command)
    return command


def tls(options: Mapping[str, Any]) -> targets.Tls | None:
    """How to speak TLS, if at all.

    Raises:
        UsageError: if the options contradict each other, or a file cannot be read.
    """
    if not options["tls"]:
        if options["ca"] or options["insecure"]:
            raise UsageError("--ca and --insecure say how to speak TLS: type --tls as well")
        return None
    if options["ca"] and options["insecure"]:
        raise UsageError("--ca and --insecure contradict each other: type one of them")
    made = targets.Tls(options["ca"] or "", options["insecure"])
    try:
        made.context()
    except targets.TargetError as error:
        raise UsageError(str(error)) from error
    return made


def version(made: Target) -> bytes:
    """What the target answers to ``version``, without ``VERSION`` and the line end; empty if it answers otherwise.

    Raises:
        UsageError: if it cannot be reached or does not answer within two seconds.
    """
    try:
        session = made.session(())
    except targets.TargetError as error:
        raise UsageError(str(error)) from error
    over_udp = made.transport == "udp"
    try:
        session.open(0, "udp" if over_udp else "tcp")
        if over_udp:
            session.datagram(0, b"\0\1\0\0\0\1\0\0version\r\n")
        else:
            session.write(0, b"version\r\n")
        data = b""
        while not data.endswith(b"\n"):
            arrived = session.pump(runner.TIMEOUT)
            if not arrived or any(piece is None for _, piece in arrived):
                raise UsageError(f"{made.address}: no answer to `version`; is that a memcached-compatible server?")
            data += b"".join(piece for _, piece in arrived if piece is not None)
    except targets.TargetError as error:
        raise UsageError(str(error)) from error
    finally:
        session.end()
    data = data[8:] if over_udp else data
    return data.removeprefix(b"VERSION ").strip() if data.startswith(b"VERSION ") else b""


def judge(name: str, server: bytes) -> tuple[str, runner.Judge]:
    """The profile's name and rules; ``auto`` goes by the version that the server answered.

    Raises:
        UsageError: if there is no such profile.
    """
    try:
        chosen = profiles.match(server) if name == "auto" else name
        profile = profiles.load(chosen)
    except profiles.ProfileError as error:
        raise UsageError(str(error)) from error
    base: Rules = profiles.load("base").rules
    return profile.name, runner.Judge(profile.rules, None if profile.rules == base else base)


def selection(patterns: Sequence[str], exclude: Sequence[str] = ()) -> Mapping[str, Clause]:
    """The clauses that match any pattern (all, if there is none) and no exclusion.

    Raises:
        UsageError: if a pattern matches nothing, or nothing is left.
    """
    known = clauses.load()
    for pattern in (*patterns, *exclude):
        if not any(matches(name, pattern) for name in known):
            near = difflib.get_close_matches(pattern, known, 1, 0.5)
            hint = f"did you mean {near[0]}?" if near else "type `mcspec list` to see them"
            raise UsageError(f"no clause matches {pattern!r}; {hint}")
    chosen = {
        name: clause
        for name, clause in known.items()
        if (not patterns or any(matches(name, pattern) for pattern in patterns))
        and not any(matches(name, pattern) for pattern in exclude)
    }
    if not chosen:
        raise UsageError("nothing is left to check: every selected clause is excluded")
    return chosen


def matches(name: str, pattern: str) -> bool:
    """Whether a clause id begins with the pattern, or matches it as a glob."""
    return name.startswith(pattern) or fnmatchcase(name, pattern)


def split_arguments(arguments: Sequence[str]) -> tuple[str | None, list[str]]:
    """The target (the only argument with ``:`` or ``/``) and the clause patterns.

    Raises:
        UsageError: if there are two targets.
    """
    found = [argument for argument in arguments if targets.is_target(argument)]
    if len(found) > 1:
        raise UsageError(f"two targets are given ({found[0]} and {found[1]}): type one of them")
    return (found[0] if found else None), [argument for argument in arguments if argument not in found]


def ours(made: Target) -> bool:
    """Whether the server was started for this run, so that nothing in it belongs to anybody else."""
    return made.transport in ("spawn", "inproc")
