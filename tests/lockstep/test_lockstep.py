"""A slice of the lock-step campaign, and three planted bugs that it must find."""

from __future__ import annotations

import multiprocessing

import pytest

from mcconform import lockstep
from mcconform.lockstep import Tally
from mcserver import inproc
from mcspec import Rules, clauses
from mcspec.connection import NAMES
from tests.lockstep.campaign import HELD
from tests.mutants import hand, loader

STREAMS = 6000
CHAPTERS = ("text.", "meta.", "binary.", "packet.", "udp.")
"""What the streams are drawn from; other chapters are about the server as a whole, or who may come in."""
PLANTED = ("incr wraps at 2^63", "a delayed flush is a second late", "cas does not compare")


@pytest.mark.slow
def test_no_difference_and_nothing_left_out() -> None:
    """The slice holds the streams that the campaign promises, and reaches what the specification has."""
    tally = Tally()
    difference = lockstep.run(inproc.create, Rules(), range(STREAMS), HELD, tally, traced=1)
    assert difference is None, difference
    assert tally.streams == STREAMS
    assert tally.median(tally.requests) >= 8
    assert tally.median(tally.connections) >= 2
    assert tally.hits >= 0.3 * (tally.hits + tally.misses)
    assert tally.unspecified <= 0.02 * STREAMS
    known = {clause for clause in clauses.load() if clause.startswith(CHAPTERS)}
    assert len(tally.clauses & known) >= 0.93 * len(known)
    rows = {row for row in NAMES.values() if not row.startswith("stranger:")}
    assert len(rows & set(tally.rows)) >= 0.8 * len(rows)


def _search(name: str, found: multiprocessing.Queue[tuple[int, str]]) -> None:
    mutant = next(one for one in hand.HAND if one.name == name)
    create = loader.factory(mutant.module, hand.apply(mutant, loader.source(mutant.module)))
    for seed in range(10000):
        difference = lockstep.run(create, Rules(), [seed], HELD)
        if difference is not None and difference.refusal is not None:
            found.put((seed, difference.refusal.clause))
            return
    found.put((-1, ""))


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_bug_is_found(name: str) -> None:
    """Within 10,000 streams, and at a clause."""
    context = multiprocessing.get_context("fork")
    found: multiprocessing.Queue[tuple[int, str]] = context.Queue()
    process = context.Process(target=_search, args=(name, found))
    process.start()
    seed, clause = found.get(timeout=120)
    process.join()
    assert 0 <= seed < 10000
    assert clause in clauses.load()
