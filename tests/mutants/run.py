"""Try mutants of the engine and print the kill table.

    python -m tests.mutants.run                 all hand-written and all operator mutants
    python -m tests.mutants.run --hand          the hand-written ones, each judged by its own clause
    python -m tests.mutants.run --sample 40     so many operator mutants, chosen evenly
    python -m tests.mutants.run --streams 0     by the vectors alone

A kill is a failure at a named clause; of a hand-written mutant, at the clause that it is meant to break. Where the
engine raises, the specification judges what the server's loop makes of that: the connection ends without the replies
of the chunk, or the datagram stays unanswered; where it does not even start, nobody answers. That kills an operator
mutant, which was not made to raise, where a reply was owed; it kills no hand-written one. A mutant that only hangs is
no kill.
Those that live are listed in `survivors.txt`, and clauses that no mutant can break in `unkillable.txt`, each with the
reason. The rate without the survivors that are equivalent, by the list, is printed too, and decides nothing.
Exit code 1 if a hand-written mutant survives, if less than 90 % of all operator mutants are killed, or if the unmutated
engine fails.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import NamedTuple

from tests.mutants import hand, loader, operators
from tests.mutants.judge import KILLED, STREAMS, SURVIVED, Verdict, prepare, try_out

ENOUGH = 0.9
"""The part of the operator mutants that must be killed."""

SURVIVORS = Path(__file__).with_name("survivors.txt")
"""Operator mutants that live, each with the reason: equivalent, or outside what a client can see."""


UNKILLABLE = Path(__file__).with_name("unkillable.txt")
"""Clauses that have no hand-written mutant, each with the reason."""


class Tried(NamedTuple):
    """One mutant and what came of it."""

    group: str
    name: str
    verdict: Verdict


def explained(file: Path = SURVIVORS) -> dict[str, str]:
    """Reasons by name, from a list of exceptions: lines `name | reason`."""
    reasons = {}
    for line in file.read_text(encoding="utf-8").splitlines():
        if line.strip() and not line.startswith("#"):
            name, _, reason = line.partition(" | ")
            reasons[name.strip()] = reason.strip()
    return reasons


def try_hand(mutant: hand.Hand) -> Tried:
    """Judge a hand-written mutant by its own clause."""
    text = hand.apply(mutant, loader.source(mutant.module))
    return Tried("hand", mutant.name, try_out(mutant.module, text, mutant.clause, streams=3000))


def try_operator(mutant: operators.Mutant, streams: int = STREAMS) -> Tried:
    """Judge an operator mutant by all vectors, then by random streams."""
    return Tried("operator", mutant.id, try_out(mutant.module, mutant.text, streams=streams))


def control() -> list[Tried]:
    """The unmutated engine must pass, by the specification and not by comparison with itself."""
    name = loader.FILES[0]
    return [Tried("control", "the engine as it is", try_out(name, loader.source(name), limit=120, control=True))]


@cache
def all_operators() -> tuple[operators.Mutant, ...]:
    """Every operator mutant of the engine."""
    return tuple(mutant for name in loader.FILES for mutant in operators.mutants(name, loader.source(name)))


def main() -> int:
    """Run what was asked for; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hand", action="store_true", help="only the hand-written mutants")
    parser.add_argument("--sample", type=int, default=0, help="so many operator mutants instead of all")
    parser.add_argument("--jobs", type=int, default=multiprocessing.cpu_count())
    parser.add_argument("--module", default="", help="only mutants of this engine file")
    parser.add_argument("--streams", type=int, default=STREAMS, help="random streams for each operator mutant")
    options = parser.parse_args()
    chosen = [mutant for mutant in all_operators() if options.module in ("", mutant.module)]
    if options.sample:
        chosen = chosen[:: max(1, len(chosen) // options.sample)][: options.sample]
    tried = control()
    prepare()
    with ThreadPoolExecutor(options.jobs) as pool:
        found = pool.map(try_hand, [mutant for mutant in hand.HAND if options.module in ("", mutant.module)])
        tried += _watched(found, "hand-written")
        if not options.hand:
            found = pool.map(lambda mutant: try_operator(mutant, options.streams), chosen)
            tried += _watched(found, "operator")
    return report(tried)


def _watched(found: object, name: str) -> list[Tried]:
    """The results as a list, with a word on standard error now and then."""
    tried: list[Tried] = []
    for one in found:  # type: ignore[attr-defined]
        tried.append(one)
        if len(tried) % 50 == 0:
            print(f"{len(tried)} {name} mutants tried", file=sys.stderr, flush=True)
    return tried


def report(tried: list[Tried]) -> int:
    """Print the table; the exit code."""
    reasons = explained()
    print(f"{'group':10} {'verdict':9} {'seconds':>7}  {'clause it was killed at':34} mutant")
    for group, name, verdict in tried:
        print(f"{group:10} {verdict.how:9} {verdict.seconds:7.1f}  {verdict.clause:34} {name}")
    bad = 0
    for group in ("hand", "operator"):
        counts = Counter(one.verdict.how for one in tried if one.group == group)
        if not counts:
            continue
        total = sum(counts.values())
        rate = counts[KILLED] / total
        lived = [one for one in tried if one.group == group and one.verdict.how != KILLED]
        same = sum(reasons.get(one.name, "").startswith("equivalent") for one in lived)
        print(f"{group}: {counts[KILLED]} of {total} killed ({100 * rate:.1f} %), {dict(counts)}")
        if group == "operator":
            raised = sum(bool(one.verdict.raised) for one in tried if one.group == group)
            print(f"  {raised} of the kills where the engine raised; equivalent by the list: {same};", end=" ")
            print(f"without those {100 * counts[KILLED] / max(1, total - same):.1f} % killed")
        bad += group == "hand" and counts[KILLED] < total
        bad += rate < ENOUGH
        for one in lived:
            reason = reasons.get(one.name, "NO REASON GIVEN")
            print(f"  {one.verdict.how}: {one.name}: {one.verdict.shown} ({reason})")
    for one in tried:
        if one.group == "control" and one.verdict.how != SURVIVED:
            print(f"the unmutated engine fails: {one.verdict}")
            bad += 1
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
