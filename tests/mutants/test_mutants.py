"""Every clause has a mutant that its test kills; a sample of the operator mutants."""

from __future__ import annotations

import pytest

from mcspec import clauses
from tests.mutants import hand, loader, run
from tests.mutants.judge import ELSEWHERE, KILLED, SURVIVED, try_out

UNKILLABLE = run.explained(run.UNKILLABLE)
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


@pytest.mark.parametrize("mutant", hand.HAND, ids=[mutant.name for mutant in hand.HAND])
def test_hand_written(mutant: hand.Hand) -> None:
    """Killed at the clause that it is meant to break, in seconds."""
    tried = run.try_hand(mutant)
    assert tried.verdict.how == KILLED, tried
    assert tried.verdict.clause == mutant.clause


def test_every_clause_has_a_mutant() -> None:
    """The hand-written ones, all of which are tried above, leave out what is listed and nothing else."""
    aimed = {mutant.clause for mutant in hand.HAND}
    assert not aimed & set(UNKILLABLE)
    assert aimed | set(UNKILLABLE) == set(clauses.load())
    assert all(clauses.load()[clause].level == "observe" and reason for clause, reason in UNKILLABLE.items())


def test_a_failure_at_another_clause_is_no_kill() -> None:
    """What breaks only delete is caught, but not at a clause of incr."""
    mutant = next(one for one in hand.HAND if one.clause == "text.delete.usage")._replace(clause="text.incr.wraps")
    assert run.try_hand(mutant).verdict.how == ELSEWHERE


def test_operator_sample() -> None:
    """Each is killed at a named clause or listed with a reason."""
    tried = [run.try_operator(mutant) for mutant in OPERATORS]
    unexplained = [one for one in tried if one.verdict.how != KILLED and one.name not in run.explained()]
    assert not unexplained
    assert all(one.verdict.clause in clauses.load() for one in tried if one.verdict.how == KILLED)


def test_few_are_listed_as_survivors() -> None:
    """Nine in ten at least are not, whatever the reasons of the others; `make mutants` finds out."""
    made = len(run.all_operators())
    assert (made - len(run.explained())) / made >= run.ENOUGH
    assert all(run.explained().values())


def test_the_lists_are_in_step_with_the_engine() -> None:
    """Every hand-written mutant still finds its text, names are unique, and there are enough of both kinds."""
    for mutant in hand.HAND:
        assert hand.apply(mutant, loader.source(mutant.module)) != loader.source(mutant.module)
    assert len({mutant.name for mutant in hand.HAND}) == len(hand.HAND) >= 900
    operators = run.all_operators()
    assert len(operators) >= 200
    assert set(run.explained()) <= {mutant.id for mutant in operators}
