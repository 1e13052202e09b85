"""The connection machine: total, indifferent to chunks, and every row of its table alive."""

from __future__ import annotations

import doctest
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

import mcspec
from mcspec import Event, Happening, Now, Rules, State, World, profiles, step
from mcspec.connection import FRAMINGS, NAMES, TABLE

if TYPE_CHECKING:
    from mcspec import Outcome

NOW = Now(1000, 1000)
TABLES = (TABLE, *FRAMINGS.values())
SMALL = Rules()._replace(limits=Rules().limits._replace(line=40, retrieval_line=60, item=100, item_header=20))
WORDS = [
    b"get a\r\n",
    b"gets a b\n",
    b"set a 0 0 3\r\nabc\r\n",
    b"set a 0 0 2\r\nabc\r\n",
    b"incr a 1\r\n",
    b"set a 0 0 1\r\n9\r\n",
    b"set a 0 0 90\r\n",
    b"v" * 92,
    b"\r\n",
    b"set a x 0 3\r\nabc\r\n",
    b"quit\r\n",
    b"version\r\n",
    b"foo HTTP/1.1\r\n",
    b"touch a 0 noreply\r\n",
    b"delete a\r\n",
    b"x" * 45,
    b"get " + b"k" * 60,
    b"decr a 5\r\n",
    b"append a 0 0 1\r\n0\r\n",
]


def opened(rules: Rules = SMALL) -> World:
    """A world with connection 0 open."""
    (outcome,) = step(World(), Happening(0, Event.CONNECT), NOW, rules)
    return outcome.world


def feed(world: World, chunk: bytes, rules: Rules = SMALL) -> tuple[Outcome, ...]:
    """Outcomes of one chunk on connection 0."""
    return step(world, Happening(0, Event.DATA, chunk), NOW, rules)


def _bare(world: World) -> World:
    """The world without the count of chunks, the one thing that remembers how a request was cut."""
    conn = world.conns[0]._replace(parts=0)
    return world._replace(conns=world.conns.put(0, conn))


def _said(outcome: Outcome) -> list[object]:
    return [owed.pieces for owed in outcome.owed if owed.pieces]


def _ends(world: World, chunks: list[bytes]) -> set[tuple[World, tuple[object, ...]]]:
    """Every end of a sequence of chunks: the world and the replies so far."""
    ends: set[tuple[World, tuple[object, ...]]] = {(world, ())}
    for chunk in chunks:
        ends = {
            (_bare(outcome.world), (*said, *_said(outcome))) for before, said in ends for outcome in feed(before, chunk)
        }
    return ends


@given(st.lists(st.sampled_from(WORDS), min_size=1, max_size=6).map(b"".join), st.data())
def test_chunks_do_not_matter(stream: bytes, data: st.DataObject) -> None:
    """A stream cut anywhere has the worlds and replies of the stream in one piece."""
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    chunks = [stream[low:high] for low, high in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert _ends(opened(), chunks) == _ends(opened(), [stream])


@given(st.lists(st.one_of(st.binary(max_size=60), st.sampled_from(WORDS)), max_size=8))
def test_total_on_any_bytes(chunks: list[bytes]) -> None:
    """No bytes make the specification raise, fork without bound or stick in a transient state."""
    worlds = [opened()]
    for chunk in chunks:
        worlds = [outcome.world for world in worlds for outcome in feed(world, chunk)]
        assert 0 < len(worlds) <= 64
        resting = {State.WAITING, State.NREAD, State.SWALLOW, State.CLOSED, State.NEW_CMD, State.PARSE_CMD}
        assert all(world.conns[0].state in resting for world in worlds)


@pytest.mark.parametrize("event", [event for event in Event if event is not Event.CONNECT])
def test_events_out_of_place_change_nothing(event: Event) -> None:
    """Whatever happens to a connection that was never opened happens to nothing."""
    assert step(World(), Happening(7, event, b"get a\r\n"), NOW, SMALL)[0].world == World()
    closed = feed(opened(), b"quit\r\n")[0].world
    after = step(closed, Happening(0, event, b"set a 0 0 1\r\n1\r\n"), NOW, SMALL)[0].world
    assert after.cache == closed.cache


@pytest.mark.parametrize("profile", ["base", "memcached-1.6.45"])
@pytest.mark.parametrize("word", [b"get", b"gets"])
def test_a_first_key_far_behind(profile: str, word: bytes) -> None:
    """A byte further, released servers differ: nothing is said. base finds it wherever it stands."""
    rules = profiles.load(profile).rules
    for offset in (65532, 65533):
        (opened,) = step(World(), Happening(0, Event.CONNECT), NOW, rules)
        line = word + b" " * (offset - len(word)) + b"a b\r\n"
        outcomes = step(opened.world, Happening(0, Event.DATA, line), NOW, rules)
        assert {one.unspecified is None for one in outcomes} == {profile == "base" or offset == 65532}


def test_row_names_are_unique() -> None:
    """A name stands for one row."""
    assert len(set(NAMES.values())) == sum(len(rows) for table in TABLES for rows in table.values())


def test_transient_states_always_move() -> None:
    """The last TURN row of every transient state holds always: no state is stuck."""
    for table in TABLES:
        for state in (State.NEW_CMD, State.READ, State.PARSE_CMD, State.MWRITE, State.CLOSING):
            assert table[state, Event.TURN][-1].guard.__name__ == "always"


def test_the_example_in_the_documentation() -> None:
    """The doctest of the package runs."""
    failed, tried = doctest.testmod(mcspec)
    assert (failed, tried) == (0, 4)
