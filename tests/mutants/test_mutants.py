"""A sample of the mutants on every run: hand-written ones by their clauses, operator ones by everything."""

from __future__ import annotations

import pytest

from mcspec import clauses
from tests.mutants import hand, loader, run
from tests.mutants.judge import KILLED, SURVIVED, try_out

HAND = hand.HAND[::4]
OPERATORS = run.all_operators()[::40]


@pytest.mark.parametrize("name", loader.FILES)
def test_the_engine_as_it_is_passes(name: str) -> None:
    """The control: an unmutated file survives everything that mutants are judged by."""
    assert try_out(name, loader.source(name), streams=200, limit=20).how == SURVIVED


@pytest.mark.parametrize("mutant", HAND, ids=[mutant.name for mutant in HAND])
def test_hand_written(mutant: hand.Hand) -> None:
    """Killed at a named clause, in seconds."""
    tried = run.try_hand(mutant)
    assert tried.verdict.how == KILLED, tried
    assert tried.verdict.clause in clauses.load()


def test_operator_sample() -> None:
    """At least nine in ten; what survives is listed with a reason."""
    tried = [run.try_operator(mutant) for mutant in OPERATORS]
    assert sum(one.verdict.how == KILLED for one in tried) >= run.ENOUGH * len(tried), tried


def test_the_lists_are_in_step_with_the_engine() -> None:
    """Every hand-written mutant still finds its text, names are unique, and there are enough of both kinds."""
    for mutant in hand.HAND:
        assert hand.apply(mutant, loader.source(mutant.module)) != loader.source(mutant.module)
    assert len({mutant.name for mutant in hand.HAND}) == len(hand.HAND) >= 60
    operators = run.all_operators()
    assert len(operators) >= 200
    assert set(run.explained()) <= {mutant.id for mutant in operators}
