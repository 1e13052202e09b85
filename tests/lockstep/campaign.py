"""Run many random streams: in lock-step with the engine in this process, or through a live server.

    python -m tests.lockstep.campaign --streams 1000000
    python -m tests.lockstep.campaign --streams 100000 --target 127.0.0.1:11211 --profile auto

The same seeds give the same streams. Prints the shape of the streams and what of the specification they reached, and
the first difference with the seed that shows it. Exit code 0 if there was none, 1 if there was.
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import sys
import time
from typing import NamedTuple

from mcconform import lockstep
from mcconform.lockstep import Tally
from mcconform.runner import Judge, Setting, run
from mcconform.streams import Scope, conversation
from mcconform.targets.tcp import SocketTarget, parse_address
from mcconform.verdict import Verdict
from mcserver import inproc
from mcspec import Rules, clauses, profiles
from mcspec.connection import NAMES

BATCH = 500
LIVE = Scope(foreign=True, advance=False, large=3000, binary=True)
"""Without time that passes: the same stream means the same on a clock that we do not hold."""
HELD = Scope(options=True, large=3000, binary=True, udp=True, packets=True)


class Batch(NamedTuple):
    """Seeds to run, where, and under which profile."""

    first: int
    length: int
    target: str
    profile: str


class Answer(NamedTuple):
    """What came of a batch: the tally, and a description of each difference."""

    tally: Tally
    differences: list[str]


def work(batch: Batch) -> Answer:
    """Run one batch."""
    seeds = range(batch.first, batch.first + batch.length)
    if batch.target:
        return _live(batch, seeds)
    tally, differences = Tally(), []
    for seed in seeds:
        found = lockstep.run(inproc.create, Rules(), [seed], HELD, tally)
        if found is not None:
            differences.append(f"seed {seed}: {found.refusal or found.error}")
    return Answer(tally, differences)


def _live(batch: Batch, seeds: range) -> Answer:
    setting = Setting(Judge(profiles.load(batch.profile).rules), allow_flush=True)
    target = SocketTarget(parse_address(batch.target))
    tally, differences = Tally(), []
    for seed in seeds:
        stream = conversation(random.Random(seed), LIVE, f"seed {seed}")
        result = run(stream, target, setting, b"%06d" % (seed % 1000000))
        tally.streams += 1
        tally.unspecified += result.verdict is Verdict.UNSPECIFIED
        tally.clauses |= result.passed
        if result.verdict not in (Verdict.PASS, Verdict.DEVIATES, Verdict.UNSPECIFIED):
            differences.append(f"seed {seed}: {result.verdict.value} {result.difference or result.reason}")
    return Answer(tally, differences)


def main() -> int:
    """Run the campaign; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, default=10000)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--jobs", type=int, default=multiprocessing.cpu_count())
    parser.add_argument("--target", default="", help="HOST:PORT of a live server; default: the engine in this process")
    parser.add_argument("--profile", default="base")
    options = parser.parse_args()
    batches = [
        Batch(first, min(BATCH, options.first + options.streams - first), options.target, options.profile)
        for first in range(options.first, options.first + options.streams, BATCH)
    ]
    tally, found, began = Tally(), 0, time.monotonic()
    with multiprocessing.Pool(1 if options.target else options.jobs) as pool:
        for number, answer in enumerate(pool.imap_unordered(work, batches), 1):
            tally.merge(answer.tally)
            for difference in answer.differences:
                found += 1
                if found <= 20:
                    print(difference)
            if sys.stderr.isatty() or number % 100 == 0:
                print(f"{tally.streams} streams, {found} differences", file=sys.stderr, flush=True)
    seconds = time.monotonic() - began
    if options.target:
        print(f"{tally.streams} streams, {len(tally.clauses)} clauses, {tally.unspecified} ended unspecified")
    else:
        print(tally)
        print("rows not reached:", ", ".join(sorted(set(NAMES.values()) - set(tally.rows))) or "none")
    print("clauses not reached:", ", ".join(sorted(set(clauses.load()) - tally.clauses)) or "none")
    print(f"{found} differences, {seconds:.0f} s, {tally.streams / seconds:.0f} streams/s")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
