"""One abstract operation, said in any protocol on one cache: equal items, and answers that mean the same."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import count
from random import Random

import pytest
from hypothesis import Phase, assume, find, given, settings

from mcspec import Rules
from tests.cross import planted, planted_frames
from tests.cross.conftest import LostError, in_process
from tests.cross.meanings import RETRIEVALS, Operation
from tests.cross.operations import PROTOCOLS, Protocol, sayable
from tests.cross.plans import plans
from tests.cross.runs import (
    NOBODYS,
    End,
    Exchange,
    Misread,
    Plan,
    Turn,
    aloud,
    expected,
    ranked,
    rightly,
    run,
    said,
    specified,
    without,
)
from tests.cross.wire_text import TABLE

LINES = ("text", "meta")
SHARED = ("text", "meta", "binary")
"""What one server speaks at a time; packets are for a server that was told so."""


def each(protocol: Protocol) -> Iterator[Plan]:
    """Every operation that the protocol has a word for, quiet or not, of a key that is there or not."""
    there = [Turn(Operation("set", (b"a",), b"5")), Turn(Operation("gets", (b"a",)))]
    for name in TABLE:
        for quiet in (False, True) if name not in RETRIEVALS else (False,):
            op = Operation(name, (b"a",), b"6", flags=7, exptime=100, delta=2, quiet=quiet)
            if sayable(op, protocol):
                other = op._replace(unique=NOBODYS) if name == "cas" else op
                yield from ([*there, Turn(op)], [*there, Turn(other)], [Turn(op)])


def found(condition: Callable[[Plan], bool], protocols: tuple[Protocol, ...]) -> Plan:
    """A plan of which the condition holds: one of the short ones, or one of 3,000 that are drawn.

    Raises NoSuchExample if there is none.
    """
    short = next((plan for protocol in protocols for plan in each(protocol) if condition(plan)), None)
    if short is not None:
        return short
    search = settings(max_examples=3000, phases=[Phase.generate], database=None)
    return find(plans(waits=True, protocols=protocols), condition, settings=search, random=Random(7))


def variants(plan: Plan, protocols: tuple[Protocol, ...]) -> Iterator[Plan]:
    """As it was drawn: all protocols on one cache, on connections and in datagrams; then all in each of them."""
    yield plan
    for protocol in protocols:
        yield said(plan, protocol)
        yield said(plan, protocol, udp=True)


def both(plan: Plan) -> tuple[Plan, Plan]:
    """All in text and all in meta."""
    return said(plan, "text"), said(plan, "meta")


def shared(ways: Iterable[Plan]) -> Iterator[Plan]:
    """Those that a server can do that was not told to speak packets."""
    return (way for way in ways if all(turn.protocol != "packet" for turn in way))


def afflicted(plan: Plan, where: str) -> Iterator[Plan]:
    """The ways to say it in which a bug planted there shows."""
    for protocol in PROTOCOLS if where == "datagrams" else (where,):
        yield said(plan, protocol, udp=where == "datagrams")


# ------------------------------------------------------------------------------------------------ the specification


def comparable(ends: set[End], plan: Plan) -> set[End]:
    """What is counted is equal too; but meta counts a touch as a get, of a miss."""
    meta = any(turn.protocol == "meta" for turn in plan)
    return {end._replace(counts=()) for end in ends} if meta else ends


def same_for_the_specification(plan: Plan, ways: Iterable[Plan], rules: Rules, misread: Misread = rightly) -> bool:
    """Whether all ways have the same allowed ends: whole caches (cas order, use and time), counters and answers."""
    meant = specified(aloud(said(plan, "text")), rules)
    try:
        return all(
            comparable(specified(variant, rules, misread), variant)
            == comparable({end._replace(answers=expected(variant, end.answers)) for end in meant}, variant)
            for variant in ways
        )
    except ValueError:  # what came is no reply to this request
        return False


@settings(max_examples=150)
@given(plans(waits=True))
def test_the_specification_makes_no_difference(plan: Plan) -> None:
    assert same_for_the_specification(plan, variants(plan, PROTOCOLS), Rules())


@pytest.mark.parametrize("name", planted.PLANTED)
def test_the_specification_with_a_planted_bug(name: str) -> None:
    rules = planted.misread(name)
    assert found(lambda plan: not same_for_the_specification(plan, both(plan), rules), LINES)


@pytest.mark.parametrize(("where", "name"), planted_frames.PLANTED)
def test_the_specification_with_a_planted_bug_in_frames(where: str, name: str) -> None:
    misread = planted_frames.misread(where, name)
    assert found(lambda plan: not same_for_the_specification(plan, afflicted(plan, where), Rules(), misread), PROTOCOLS)


# ------------------------------------------------------------------------------------------------ the bundled server

Server = tuple[Exchange, Callable[[int], None], bytes]
"""A server, what moves its clock, and the prefix that keys of this run have."""


def same_for_a_server(plan: Plan, ways: Iterable[Plan], start: Callable[[], Server]) -> bool:
    """Whether all ways are answered alike and leave the same behind."""
    meant = run(aloud(said(plan, "text")), *start())
    try:
        return all(
            run(variant, *start()) == meant._replace(answers=expected(variant, meant.answers)) for variant in ways
        )
    except ValueError:  # what came is no reply to this request
        return False


def same_in_packets(plan: Plan, packets: Callable[[], Server]) -> bool:
    """Whether a server that speaks packets does with a plan what one that speaks text does."""
    plan = without(plan, "packet")
    meant = run(aloud(said(plan, "text")), *engine(), packets=True)
    try:
        return all(
            run(variant, *packets(), packets=True) == meant._replace(answers=expected(variant, meant.answers))
            for variant in (said(plan, "packet"), said(plan, "packet", udp=True))
        )
    except ValueError:
        return False


def engine(*options: str) -> Server:
    """An empty server in this process."""
    return (*in_process(*options), b"")


def packets_engine() -> Server:
    """One that was told to speak packets."""
    return engine("-B", "packet")


@settings(max_examples=150)
@given(plans(waits=True, protocols=SHARED))
def test_the_server_makes_no_difference(plan: Plan) -> None:
    assert same_for_a_server(plan, variants(plan, SHARED), engine)


@settings(max_examples=100)
@given(plans(waits=True, protocols=("packet",)))
def test_the_server_makes_no_difference_in_packets(plan: Plan) -> None:
    assert same_in_packets(plan, packets_engine)


@settings(max_examples=40)
@given(plans(waits=True, protocols=SHARED))
def test_the_server_answers_as_the_specification_allows(plan: Plan) -> None:
    for variant in variants(plan, SHARED):
        allowed = {ranked(end.answers).answers for end in specified(variant, Rules())}
        assert ranked(run(variant, *engine()).answers).answers in allowed


@settings(max_examples=40)
@given(plans(waits=True, protocols=("packet",)))
def test_the_server_answers_packets_as_the_specification_allows(plan: Plan) -> None:
    plan = without(plan, "packet")
    for variant in (said(plan, "packet"), said(plan, "packet", udp=True)):
        allowed = {ranked(end.answers).answers for end in specified(variant, Rules())}
        turns = sum(not turn.wait for turn in variant)
        answers = run(variant, *packets_engine(), packets=True).answers[:turns]
        assert ranked(answers).answers in allowed


@pytest.mark.parametrize("name", planted.PLANTED)
def test_the_server_with_a_planted_bug(name: str) -> None:
    def start() -> Server:
        exchange, wait, prefix = engine()
        return planted.misreading(name, exchange), wait, prefix

    assert found(lambda plan: not same_for_a_server(plan, both(plan), start), LINES)


@pytest.mark.parametrize(("where", "name"), planted_frames.PLANTED)
def test_the_server_with_a_planted_bug_in_frames(where: str, name: str) -> None:
    def start(*options: str) -> Server:
        exchange, wait, prefix = engine(*options)
        return planted_frames.misreading(where, name, exchange), wait, prefix

    if where == "packet":
        assert found(lambda plan: not same_in_packets(plan, lambda: start("-B", "packet")), PROTOCOLS)
    else:
        assert found(lambda plan: not same_for_a_server(plan, shared(afflicted(plan, where)), start), SHARED)


# ------------------------------------------------------------------------------------------------ memcached


def still(seconds: int) -> None:
    """Nobody moves a real clock."""
    raise AssertionError(seconds)


NUMBERS = count()
"""Every run has keys of its own."""


@pytest.mark.memcached
@settings(max_examples=60)
@given(plan=plans(waits=False, protocols=SHARED))
def test_memcached_makes_no_difference(released: Exchange, plan: Plan) -> None:
    try:
        assert same_for_a_server(plan, variants(plan, SHARED), lambda: (released, still, b"%07d" % next(NUMBERS)))
    except LostError:
        assume(False)


# ------------------------------------------------------------------------------------------------ the table


def test_only_flush_has_no_word_in_meta() -> None:
    assert [name for name, row in TABLE.items() if row.meta is None] == ["flush"]


@pytest.mark.parametrize("udp", [False, True])
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_every_operation(protocol: Protocol, *, udp: bool) -> None:
    number = 0
    for plan in each(protocol):
        ways = [said(plan, protocol, udp=udp)]
        assert same_for_the_specification(plan, ways, Rules()), plan
        if protocol == "packet":
            assert same_in_packets(plan, packets_engine), plan
        else:
            assert same_for_a_server(plan, ways, engine), plan
        number += 1
    assert number >= 2 * len(TABLE)


def test_a_plan_may_hold_everything() -> None:
    """What the laws draw holds every operation, every protocol, connections and datagrams."""
    names: set[str] = set()
    ways: set[tuple[str, bool, bool]] = set()

    @settings(max_examples=200, database=None, derandomize=True)
    @given(plans(waits=False))
    def draw(plan: Plan) -> None:
        names.update(turn.op.name for turn in plan)
        ways.update((turn.protocol, turn.op.quiet, turn.udp) for turn in plan)

    draw()
    either = (False, True)
    assert names == set(TABLE)
    assert ways == {(protocol, quiet, udp) for protocol in PROTOCOLS for quiet in either for udp in either}
