"""The explorer's speed on the session model, over the specification's own functions, beside a bare tuple counter.

Both are explored in one run, in turn, with the same explorer: the session model with all its laws, the counter with one
law of the dearest kind (from every state, back to the first) and, for comparison, with none. CPU time of this process.

    python -m tests.bench.explorer [--bounds large] [--rounds 3]
"""

from __future__ import annotations

import argparse
import statistics
import time
from typing import TYPE_CHECKING

from mcspec import models
from mcspec.explore import Kind, Law, Move, System, explore

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Counter = tuple[int, int, int]

MOVES = tuple(Move("counter", "counter", f"counts {axis}") for axis in "abc")
BACK = Law(
    "law.counter.back", Kind.AGAIN, "From every state the counter can come back to the first.", lambda s: s == (0, 0, 0)
)


def counter(size: int) -> System:
    """Three numbers, each of which can be counted up and wraps."""

    def moves(state: Counter) -> Iterator[tuple[Move, Counter]]:
        a, b, c = state
        yield MOVES[0], ((a + 1) % size, b, c)
        yield MOVES[1], (a, (b + 1) % size, c)
        yield MOVES[2], (a, b, (c + 1) % size)

    return System(((0, 0, 0),), moves)


def speed(system: System, laws: Sequence[Law]) -> tuple[int, float]:
    """Transitions, and transitions per second of CPU time."""
    began = time.process_time()
    seen = explore(system, laws)
    return seen.transitions, seen.transitions / (time.process_time() - began)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="The explorer on the session model beside a bare tuple counter.")
    parser.add_argument("--bounds", choices=models.BOUNDS, default="large")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    model = models.load()["session"]
    rows: dict[str, list[float]] = {}
    counts = {}
    for _ in range(arguments.rounds):
        session = model.build(model.bounds[arguments.bounds], model.design)
        size = 1
        while 3 * size**3 < 10**6:
            size += 1
        for name, system, laws in (
            ("session, all laws", session, model.laws),
            ("counter, one AGAIN law", counter(size), (BACK,)),
            ("counter, no law", counter(size), ()),
        ):
            counts[name], fast = speed(system, laws)
            rows.setdefault(name, []).append(fast)
    mine = rows["session, all laws"]
    print(f"{'':26}{'transitions':>14}{'per second':>14}{'session / this':>18}")
    for name, speeds in rows.items():
        ratios = [own / other for own, other in zip(mine, speeds, strict=True)]
        print(f"{name:26}{counts[name]:14,}{statistics.median(speeds):14,.0f}{statistics.median(ratios):18.2f}")


if __name__ == "__main__":
    main()
