"""One abstract operation, said as text or as meta, on one cache: equal items, and answers that mean the same."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from random import Random

import pytest
from hypothesis import Phase, find, given, settings

from mcspec import Rules
from tests.cross.conftest import in_process
from tests.cross.operations import TABLE, write
from tests.cross.plans import plans
from tests.cross.planted import PLANTED, misread, misreading
from tests.cross.runs import Exchange, Plan, aloud, expected, ranked, run, said, specified


def found(condition: Callable[[Plan], bool]) -> Plan:
    """A plan of which the condition holds; raises NoSuchExample if none of 3,000 is."""
    search = settings(max_examples=3000, phases=[Phase.generate], database=None)
    return find(plans(waits=True), condition, settings=search, random=Random(7))


def variants(plan: Plan) -> tuple[Plan, ...]:
    """All in text, all in meta, and as it was drawn: both on one cache, on two connections."""
    return said(plan, "text"), said(plan, "meta"), plan


# ------------------------------------------------------------------------------------------------ the specification


def same_for_the_specification(plan: Plan, rules: Rules) -> bool:
    """Whether every variant has the same allowed ends: whole caches (cas order, use and time included) and answers."""
    meant = specified(aloud(said(plan, "text")), rules)
    return all(
        specified(variant, rules) == {end._replace(answers=expected(variant, end.answers)) for end in meant}
        for variant in variants(plan)
    )


@settings(max_examples=200)
@given(plans(waits=True))
def test_the_specification_makes_no_difference(plan: Plan) -> None:
    assert same_for_the_specification(plan, Rules())


@pytest.mark.parametrize("name", PLANTED)
def test_the_specification_with_a_planted_bug(name: str) -> None:
    rules = misread(name)
    assert found(lambda plan: not same_for_the_specification(plan, rules))


# ------------------------------------------------------------------------------------------------ the bundled server


def engine(name: str | None = None) -> tuple[Exchange, Callable[[int], None]]:
    """An empty server in this process, with a planted bug or none; and what moves its clock."""
    exchange, wait = in_process()
    return (exchange if name is None else misreading(name, exchange)), wait


def same_for_a_server(plan: Plan, start: Callable[[], tuple[Exchange, Callable[[int], None], bytes]]) -> bool:
    """Whether every variant is answered alike and leaves the same behind."""
    meant = run(aloud(said(plan, "text")), *start())
    return all(
        run(variant, *start()) == meant._replace(answers=expected(variant, meant.answers)) for variant in variants(plan)
    )


@settings(max_examples=200)
@given(plans(waits=True))
def test_the_server_makes_no_difference(plan: Plan) -> None:
    assert same_for_a_server(plan, lambda: (*engine(), b""))


@settings(max_examples=100)
@given(plans(waits=True))
def test_the_server_answers_as_the_specification_allows(plan: Plan) -> None:
    for variant in variants(plan):
        allowed = {ranked(end.answers).answers for end in specified(variant, Rules())}
        assert ranked(run(variant, *engine()).answers).answers in allowed


@pytest.mark.parametrize("name", PLANTED)
def test_the_server_with_a_planted_bug(name: str) -> None:
    assert found(lambda plan: not same_for_a_server(plan, lambda: (*engine(name), b"")))


# ------------------------------------------------------------------------------------------------ memcached


def still(seconds: int) -> None:
    """Nobody moves a real clock."""
    raise AssertionError(seconds)


NUMBERS = count()
"""Every run has keys of its own."""


@pytest.mark.memcached
@settings(max_examples=150)
@given(plan=plans(waits=False))
def test_memcached_makes_no_difference(released: Exchange, plan: Plan) -> None:
    assert same_for_a_server(plan, lambda: (released, still, b"%07d" % next(NUMBERS)))


# ------------------------------------------------------------------------------------------------ the table


def test_only_flush_has_no_word_in_meta() -> None:
    assert [name for name, row in TABLE.items() if row.meta is None] == ["flush"]


def test_a_plan_says_everything_in_both_protocols() -> None:
    """What the laws draw holds every operation in each protocol, quiet ones included."""
    drawn: set[tuple[str, bool]] = set()

    @settings(max_examples=500, database=None, derandomize=True)
    @given(plans(waits=False))
    def draw(plan: Plan) -> None:
        for turn in plan:
            drawn.add((write(turn.op, turn.protocol).split()[0].decode(), turn.op.quiet))

    draw()
    words = {word for word, _ in drawn}
    assert words == {*TABLE, "mg", "ms", "md", "ma"} - {"flush"} | {"flush_all"}
    assert {word for word, quiet in drawn if quiet} == words - {"get", "gets", "gat", "gats"}
