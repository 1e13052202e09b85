"""Compare the dispatch model with its Promela twin, which Spin explores.

    python -m tests.spin.twin

The same reachable states and transitions at three sizes and with every bug that the twin can plant; the temporal
properties under weak fairness, and a bug that breaks each; runs that Spin simulates, replayed in the model.
Exit code 1 if anything differs. Needs `spin` and a C compiler.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import as_file, files
from pathlib import Path
from typing import NamedTuple

from mcspec.dispatch import NOBODY, TABLE, Bounds, Command, Peer, State, build, serves
from mcspec.explore import Replay, System, explore, replay
from mcspec.models import load, planted

COMPILER = next((name for name in ("gcc", "cc", "clang") if shutil.which(name)), None)
TIMEOUT = 600
"""Seconds that no program comes near on a slow machine."""


class Size(NamedTuple):
    """Clients, workers and the limit on open connections."""

    clients: int
    workers: int
    limit: int


class Bug(NamedTuple):
    """A bug of the twin (-DBUG=number; 0 is none), its name in the model, the property that it breaks, and where."""

    number: int
    name: str
    breaks: str
    size: Size


class Count(NamedTuple):
    """What was explored."""

    states: int
    transitions: int


class Check(NamedTuple):
    """What Spin finds out about a temporal property, and the states that it stored for it."""

    holds: bool
    states: int


class Trail(NamedTuple):
    """A simulated run: its steps (source, target, text), and what Spin's variables are at its end."""

    steps: tuple[tuple[str, str, str], ...]
    end: dict[str, int]


SIZES = (Size(2, 2, 1), Size(3, 2, 1), Size(3, 2, 2))
PROPERTY_SIZE = Size(3, 2, 2)
"""Of three clients, two fill the server and the third makes it pause."""
SEEDS = range(1, 13)
PROPERTIES = ("served", "answered", "resumed", "drained")
UNFAIR = {"served": False, "answered": False, "resumed": False, "drained": True}
"""Whether a property holds without fairness: a client that asks on and on can keep everybody else waiting, except that
a server that drains answers everybody once."""

NONE = Bug(0, "", "", Size(2, 2, 2))
ENDLESS = Bug(5, "answers-without-end", "drained", Size(2, 2, 2))
"""No law of the explorer sees this one: the end can always be reached, but need not be."""
BUGS = (
    Bug(1, "one-byte-is-enough", "served", Size(2, 2, 2)),
    Bug(2, "leaving-goes-unseen", "answered", Size(2, 2, 2)),
    Bug(3, "resume-at-close-only", "resumed", Size(2, 2, 1)),
    Bug(4, "stopping-waits-for-the-silent", "drained", Size(2, 2, 2)),
    ENDLESS,
)


def missing() -> str:
    """The programs that are needed and not there; empty if all are."""
    return " ".join(
        name for name, found in (("spin", shutil.which("spin")), ("a C compiler", COMPILER)) if found is None
    )


def system(size: Size, bug: Bug = NONE) -> System:
    """The model at that size, with the bug in it."""
    return build(Bounds(size.clients, size.workers, (size.limit,)), _table(bug))


def _table(bug: Bug) -> tuple[Command, ...]:
    if bug == NONE:
        return TABLE
    if bug == ENDLESS:
        rows = (row for row in TABLE if row.name != "last-answer")
        return tuple(row._replace(guard=_answers_always) if row.name == "answer" else row for row in rows)
    altered: tuple[Command, ...] = planted(load()["dispatch"], bug.name)
    return altered


def _answers_always(s: State, c: int, w: int) -> bool:
    return s.peers[c] == Peer.SENT and serves(s, c, w)


def by_explorer(size: Size, bug: Bug = NONE) -> Count:
    """What the explorer counts."""
    found = explore(system(size, bug), ())
    assert found.complete
    return Count(found.states, found.transitions)


def by_spin(size: Size, bug: Bug = NONE) -> Count:
    """What Spin counts. Its transitions are states stored and met again: one more, since no step led to the first."""
    with _twin() as twin, _verifier(twin, size, bug, "-DNOCLAIM", "-DSAFETY", "-DNOREDUCE") as pan:
        said = _run(pan)
    states, again = _number(r"(\d+) states, stored", said), _number(r"(\d+) states, matched", said)
    return Count(states, states + again - 1)


def check(size: Size, bug: Bug = NONE, *names: str, fair: bool = True) -> dict[str, Check]:
    """What becomes of the temporal properties, or of those named only."""
    found = {}
    with _twin() as twin, _verifier(twin, size, bug, "-DNFAIR=4") as pan:
        for name in names or PROPERTIES:
            said = _run(pan, "-a", *(["-f"] if fair else []), "-N", name)
            found[name] = Check(_number(r"errors: (\d+)", said) == 0, _number(r"(\d+) states, stored", said))
    return found


def simulate(size: Size, seed: int) -> Trail:
    """A random run of the twin."""
    with _twin() as twin, tempfile.TemporaryDirectory() as folder:
        said = _call(["spin", "-T", "-u600", f"-n{seed}", *_defines(size, NONE), str(twin)], Path(folder))
    steps = tuple(
        (source, target, text) for source, target, text in re.findall(r"^@(.*?);(.*?);(.*)$", said, re.MULTILINE)
    )
    return Trail(
        steps, {name: int(value) for name, value in re.findall(r"^\t\t([\w\[\]]+) = (\d+)$", said, re.MULTILINE)}
    )


def variables(state: State) -> dict[str, int]:
    """The state's fields as Spin prints them; queues are left out."""
    values = {name: getattr(state, name) for name in ("stage", "fast", "listening", "accepting", "open", "hand")}
    for name in ("held", "told"):
        at = getattr(state, name)
        values[name] = 255 if at == NOBODY else at
    for name in ("peers", "socks", "pipes", "loops", "owned"):
        values |= {f"{name}[{at}]": value for at, value in enumerate(getattr(state, name))}
    return {name: int(value) for name, value in values.items()}


def follow(size: Size, trail: Trail) -> tuple[Replay, bool]:
    """The run in the model; and whether it ends where Spin's did."""
    met = replay(system(size), trail.steps)
    ends = [variables(state) for state in met.states]
    return met, met.taken == len(trail.steps) and all(end.items() <= trail.end.items() for end in ends)


def misdirect(trail: Trail) -> tuple[int, Trail]:
    """The run with its first byte written to the other worker's pipe, after the number of that step; -1: has none."""
    for at, (source, target, text) in enumerate(trail.steps):
        if text == "writes a byte to its pipe":
            other = "worker 0" if target == "worker 1" else "worker 1"
            return at, Trail((*trail.steps[:at], (source, other, text), *trail.steps[at + 1 :]), trail.end)
    return -1, trail


@contextmanager
def _twin() -> Iterator[Path]:
    with as_file(files("mcspec") / "promela" / "dispatch.pml") as path:
        yield path


@contextmanager
def _verifier(twin: Path, size: Size, bug: Bug, *flags: str) -> Iterator[list[str]]:
    """The program that Spin writes to explore the twin."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        said = _call(["spin", "-a", *_defines(size, bug), str(twin)], folder)
        if COMPILER is None or not (folder / "pan.c").exists() or "Error" in said:
            raise RuntimeError(said)
        _call([COMPILER, "-O1", "-w", *flags, "-o", "pan", "pan.c"], folder)
        yield [str(folder / "pan"), "-w20", "-m1000000"]


def _run(pan: list[str], *options: str) -> str:
    """What the program says, which must have visited everything or found an error."""
    said = _call([*pan, *options], Path(pan[0]).parent)
    if "errors: 0" in said and re.search(r"Search not completed|too small|too many|Out of memory|error:", said):
        raise RuntimeError(said)
    return said


def _defines(size: Size, bug: Bug) -> list[str]:
    return [f"-DNC={size.clients}", f"-DNW={size.workers}", f"-DLIMIT={size.limit}", f"-DBUG={bug.number}"]


def _call(command: list[str], folder: Path) -> str:
    done = subprocess.run(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=TIMEOUT
    )
    return done.stdout


def _number(pattern: str, said: str) -> int:
    found = re.search(pattern, said)
    if found is None:
        raise RuntimeError(said)
    return int(found[1])


def _row(*cells: object) -> None:
    print("  ".join(f"{cell!s:{width}}" for cell, width in zip(cells, (22, 30, 20, 20, 9), strict=False)).rstrip())


def main() -> int:
    """Print everything; 1 if anything differs."""
    if missing():
        print(f"not installed: {missing()}", file=sys.stderr)
        return 2
    wrong = 0

    def row(good: bool, *cells: object, words: tuple[str, str] = ("as it must", "WRONG")) -> None:  # noqa: FBT001
        nonlocal wrong
        wrong += not good
        _row(*cells, words[0] if good else words[1])

    _row("size", "bug", "explorer", "spin")
    for size, bug in [*((size, NONE) for size in SIZES), *((bug.size, bug) for bug in (NONE, *BUGS))]:
        here, there = by_explorer(size, bug), by_spin(size, bug)
        cells = (f"{count.states:,} / {count.transitions:,}" for count in (here, there))
        row(here == there, "/".join(map(str, size)), bug.name or "-", *cells, words=("equal", "DIFFERS"))
    print()
    _row("property", "bug", "verdict", "states")
    for fair in (True, False):
        for name, found in check(PROPERTY_SIZE, fair=fair).items():
            good = found.holds == (fair or UNFAIR[name])
            row(good, name, "-" if fair else "no fairness", "holds" if found.holds else "violated", f"{found.states:,}")
    for bug in BUGS:
        found = check(bug.size, bug, bug.breaks)[bug.breaks]
        row(not found.holds, bug.breaks, bug.name, "holds" if found.holds else "violated", f"{found.states:,}")
    print()
    _row("run", "seed", "steps", "replayed")
    trails = {seed: simulate(PROPERTY_SIZE, seed) for seed in SEEDS}
    for seed, trail in trails.items():
        met, same = follow(PROPERTY_SIZE, trail)
        row(same, "/".join(map(str, PROPERTY_SIZE)), seed, len(trail.steps), met.taken)
    at, bad, seed = next((*misdirect(trail), seed) for seed, trail in trails.items() if misdirect(trail)[0] >= 0)
    met, _ = follow(PROPERTY_SIZE, bad)
    words = (f"refused at step {met.taken}", "NOT REFUSED THERE")
    row(met.taken == at, f"altered at step {at}", seed, len(bad.steps), met.taken, words=words)
    print("  step", at, "was", ", ".join(bad.steps[at]), "where these are possible:")
    for move in met.enabled:
        print("   ", ", ".join(move[:3]))
    print()
    print("everything agrees" if not wrong else f"{wrong} rows differ")
    return min(wrong, 1)


if __name__ == "__main__":
    sys.exit(main())
