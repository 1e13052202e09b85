"""Conversations: their JSON form, renaming, pieces."""

from __future__ import annotations

from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcconform import safety
from mcconform.conversation import (
    PREFIX,
    Advance,
    CasRef,
    Close,
    Conversation,
    HalfClose,
    Open,
    Repeat,
    Reset,
    Resume,
    Send,
    Settle,
    StopReading,
    TimeRef,
    pieces,
    rename,
    say,
    streams,
)
from mcconform.jsonform import dumps, loads, short_id

conns = st.integers(0, 3)
parts = st.one_of(
    st.binary(max_size=30),
    st.builds(CasRef, st.binary(max_size=10), st.integers(-2, 2), st.none() | conns),
    st.builds(TimeRef, st.integers(-9, 9)),
    st.builds(Repeat, st.binary(min_size=1, max_size=3), st.integers(0, 9)),
)
sends = st.builds(
    Send, conns, st.lists(parts, max_size=4).map(tuple), st.lists(st.integers(1, 40), max_size=4).map(tuple)
)
marks = st.one_of(*(st.builds(kind, conns) for kind in (Open, HalfClose, Reset, Close, StopReading, Resume)))
others = st.one_of(st.builds(Settle, st.none() | conns), st.builds(Advance, st.integers(0, 99)))
words = st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=8)
conversations = st.builds(
    Conversation,
    words,
    st.lists(st.one_of(sends, marks, others), max_size=8).map(tuple),
    st.lists(words, max_size=2).map(tuple),
    st.lists(words, max_size=2).map(tuple),
    words,
    st.booleans(),
)


@given(conversations)
def test_json_lines_round_trip_exactly(conversation: Conversation) -> None:
    line = dumps(conversation)
    assert "\n" not in line
    assert loads(line) == conversation
    assert dumps(loads(line)) == line


@given(conversations)
def test_the_short_id_does_not_depend_on_the_name(conversation: Conversation) -> None:
    other = Conversation("x", conversation.steps, (), conversation.options, "note")
    assert short_id(conversation) == short_id(other)


@pytest.mark.parametrize(
    "line",
    [
        "", "[]", "{}", '{"id": 1, "steps": []}', '{"id": "a", "steps": [{}]}', '{"id": "a", "steps": [{"fly": 0}]}',
        '{"id": "a", "steps": [{"send": 5}]}', '{"id": "a", "steps": [{"send": "\\u1234"}]}',
        '{"id": "a", "steps": [], "clauses": "x"}', '{"id": "a", "steps": [{"settle": "x"}]}',
    ],
)  # fmt: skip
def test_what_is_no_conversation_is_refused_with_a_value_error(line: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        loads(line)


@given(st.binary(max_size=40), st.lists(st.integers(-5, 50), max_size=8))
def test_pieces_join_to_the_whole(data: bytes, cuts: list[int]) -> None:
    found = pieces(data, cuts)
    assert b"".join(found) == data
    assert all(found)


@given(st.integers(0, 6), st.integers(0, 6))
def test_renaming_reaches_a_key_cut_by_parts_and_steps(first: int, second: int) -> None:
    low, high = sorted((first, second))
    whole = Conversation(
        "c",
        (
            say(0, b"get " + PREFIX[:low]),
            Settle(0),
            Send(0, (PREFIX[low:high], PREFIX[high:] + b"-a\r\n")),
            say(1, b"set mcspec"),
        ),
    )
    renamed = rename(whole, b"abcdef")
    assert streams(renamed) == {0: b"get abcdef-a\r\n", 1: b"set abcdef"}
    assert [type(step) for step in renamed.steps] == [type(step) for step in whole.steps]


def test_renaming_a_reference_renames_its_key_and_nothing_joins_across_it() -> None:
    whole = Conversation("c", (Send(0, (b"cas mcs", CasRef(b"mcspec-a"), b"pec")),))
    assert rename(whole, b"abcdef").steps == (Send(0, (b"cas mcs", CasRef(b"abcdef-a"), b"pec")),)


def test_a_prefix_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="6 bytes"):
        rename(Conversation("c", ()), b"long-prefix")


def test_clock_needs() -> None:
    assert Conversation("a", (say(0, "x"),)).clock == "none"
    assert Conversation("a", (Advance(1),)).clock == "moving"
    assert Conversation("a", (Advance(1),), exact=True).clock == "exact"


def test_renaming_reaches_a_key_in_base64() -> None:
    """Both forms of a key are renamed alike, are ours to write, and are taken away again."""
    stored = Conversation("x", (say(0, "ms bWNzcGVjLWE= 1 b\r\nx\r\nget mcspec-a\r\n"),))
    sent = rename(stored, b"zq0000").steps[0]
    assert isinstance(sent, Send)
    assert sent.literal() == b"ms %s 1 b\r\nx\r\nget zq0000-a\r\n" % b64encode(b"zq0000-a")
    assert safety.danger(stored) is None
    assert set(safety.keys(stored)) == {b"bWNzcGVjLWE=", b"mcspec-a"}
