"""CrossHair goes through every path of the integer and token rules, and each contract refutes a planted bug."""

from __future__ import annotations

from inspect import isfunction

import pytest

from mcspec import arith, arith_frames, scan
from tests.spec import prove
from tests.spec.prove import Mutant, Task, Verdict

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def verdicts() -> list[Verdict]:
    return prove.prove(prove.all_tasks())


@pytest.mark.slow
def test_all_contracts_are_confirmed_and_none_is_empty(verdicts: list[Verdict]) -> None:
    """Over all paths, not by sampling; and each finds a counterexample in each mutant that it is said to refute."""
    assert prove.faults(verdicts) == []
    assert sum(verdict.message == prove.CONFIRMED for verdict in verdicts) >= 40


def test_every_rule_is_called_by_a_contract() -> None:
    """No function of arith, arith_frames and scan is without a claim about it."""
    named = {name for each in prove.CHAPTERS for name in _called(each)}
    rules = {
        name for module in (arith, arith_frames, scan) for name in prove.contracts(module) if not name.startswith("_")
    }
    assert rules <= named


def _called(chapter: str) -> set[str]:
    functions = [item for item in vars(prove.chapter(chapter)).values() if isfunction(item)]
    return {name for function in functions for name in function.__code__.co_names}


def test_a_mutant_that_changes_nothing_is_not_refuted() -> None:
    """What the table says of mutants can be false."""
    same = Mutant("arith", "return value + 2", "return 2 + value", ("block_ends_in_cr_lf",))
    absent = Mutant("arith", "return value + 3", "return value + 2", ("block_ends_in_cr_lf",))
    verdicts = prove.prove(Task("framing", "block_ends_in_cr_lf", mutant) for mutant in (same, absent))
    assert [verdict.refuted for verdict in verdicts] == [False, False]
    assert len(prove.faults(verdicts)) == 2


def test_a_claim_among_the_preconditions_is_found() -> None:
    """CrossHair would call it confirmed whatever it says."""
    assert prove.claims_too_early(_early)
    assert not prove.claims_too_early(_in_place)


def _early(value: int) -> None:
    """Its first claim is false of every value."""
    assert value > 0
    assert arith.block_length(value) == value
    assert value > 0


def _in_place(value: int) -> None:
    """The same claim, where it counts."""
    assert value > 0
    length = arith.block_length(value)
    assert length == value
