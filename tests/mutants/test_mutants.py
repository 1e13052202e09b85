"""A sample of the mutants on every run: hand-written ones by their clauses, operator ones by everything."""

from __future__ import annotations

import pytest

from mcspec import clauses
from tests.mutants import hand, loader, run
from tests.mutants.judge import KILLED, SURVIVED, try_out

HAND = hand.HAND[::4]
OPERATORS = run.all_operators()[::40]


def test_the_engine_as_it_is_passes() -> None:
    """The control: the specification finds nothing wrong with what mutants are compared with."""
    name = loader.FILES[0]
    tried = try_out(name, loader.source(name), streams=300, limit=60, control=True)
    assert tried.how == SURVIVED, tried


@pytest.mark.parametrize("name", loader.FILES)
def test_an_unchanged_file_survives(name: str) -> None:
    """An engine loaded as mutants are says what the engine as it is says."""
    assert try_out(name, loader.source(name), streams=300).how == SURVIVED


@pytest.mark.parametrize("mutant", HAND, ids=[mutant.name for mutant in HAND])
def test_hand_written(mutant: hand.Hand) -> None:
    """Killed at a named clause, in seconds."""
    tried = run.try_hand(mutant)
    assert tried.verdict.how == KILLED, tried
    assert tried.verdict.clause in clauses.load()


def test_operator_sample() -> None:
    """Each is killed at a named clause or listed with a reason."""
    tried = [run.try_operator(mutant) for mutant in OPERATORS]
    unexplained = [one for one in tried if one.verdict.how != KILLED and one.name not in run.explained()]
    assert not unexplained
    assert all(one.verdict.clause in clauses.load() for one in tried if one.verdict.how == KILLED)


def test_few_are_listed_as_survivors() -> None:
    """At least nine in ten are killed, if the list is right; `make mutants` finds out."""
    listed, made = len(run.explained()), len(run.all_operators())
    assert (made - listed) / made >= run.ENOUGH
    assert all(run.explained().values())


def test_the_lists_are_in_step_with_the_engine() -> None:
    """Every hand-written mutant still finds its text, names are unique, and there are enough of both kinds."""
    for mutant in hand.HAND:
        assert hand.apply(mutant, loader.source(mutant.module)) != loader.source(mutant.module)
    assert len({mutant.name for mutant in hand.HAND}) == len(hand.HAND) >= 60
    operators = run.all_operators()
    assert len(operators) >= 200
    assert set(run.explained()) <= {mutant.id for mutant in operators}
