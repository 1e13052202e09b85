"""Nothing that could harm other people's data is written without leave."""

from __future__ import annotations

import random

import pytest

from mcconform.conversation import PREFIX, Conversation, Repeat, Send, say, streams
from mcconform.leftovers import farewell
from mcconform.phases import malformed, vectors
from mcconform.safety import change_in, concerns_others, danger, danger_in, keys
from mcconform.streams import Scope, conversation


@pytest.mark.parametrize(
    "stream",
    [
        b"flush_all\r\n", b"xxflush_all", b"set mcspec-a 0 0 9\r\nflush_all\r\n", b"shutdown\r\n",
        b"cache_memlimit 8\r\n", b"set other 0 0 1\r\nx\r\n", b"xset other 0 0 1", b"get a b\r\ndelete  other\r\n",
        b"incr n 1\r\n", b"gat 0 other\r\n", b"gats 0 mcspec-a other\r\n", b"touch k 0", b"ms other 5\r\n",
        b"set mcspec-a 0 0 20\r\ndelete other\r\n", b"slabs reassign 1 2\r\n", b"stats reset\r\n", b"lru mode flat",
        b"\x80\x08\x00\x00", b"verbosity 9\r\n", b"delete noreply\r\n", b"set set other",
        b"get other\r\n", b"version\r\ngets mcspec-a other\r\n",
    ],
)  # fmt: skip
def test_danger_is_seen_at_any_offset(stream: bytes) -> None:
    assert danger_in(stream) is not None


@pytest.mark.parametrize(
    "stream",
    [
        b"get mcspec-x\r\n", b"gets mcspec-a mcspec-b\r\n", b"set mcspec-a 0 0 1\r\nx\r\n",
        b"delete mcspec-b noreply\r\n",
        b"gat 0 mcspec-a mcspec-b\r\n", b"version\r\n", b"stats\r\n", b"incr\r\n", b"set \r\n", b"nonsense\r\n",
    ],
)  # fmt: skip
def test_what_is_harmless_passes(stream: bytes) -> None:
    assert danger_in(stream) is None


def test_danger_is_seen_across_steps_of_one_connection() -> None:
    assert danger(Conversation("c", (say(0, "flush"), say(1, "_all"), say(0, "_all\r\n")))) is not None
    assert danger(Conversation("c", (say(0, "flush"), say(1, "_all\r\n")))) is None


def test_keys_to_clean_up() -> None:
    made = Conversation(
        "c", (say(0, "set mcspec-a 0 0 1\r\nx\r\n"), Send(1, (b"get ", Repeat(b"mcspec-b ", 999), b"\r\n")))
    )
    assert keys(made) == [b"mcspec-a", b"mcspec-b"]


def store(key: bytes) -> Conversation:
    """A binary set of an empty value."""
    header = b"\x80\x01%b\x08\0\0\0%b%b" % (len(key).to_bytes(2, "big"), (8 + len(key)).to_bytes(4, "big"), bytes(12))
    return Conversation("c", (Send(0, (header + bytes(8) + key,)),))


def test_keys_that_others_may_mean_are_known_and_taken_away() -> None:
    """A key of NULs, which a damaged header made, and one that is but the first byte of the prefix."""
    assert concerns_others(store(bytes(8)))
    assert concerns_others(store(PREFIX[:1]))
    assert danger(store(PREFIX[:1])) is not None  # somebody else may have a key of one byte
    assert not concerns_others(store(PREFIX + b"-a"))
    assert farewell(store(bytes(8)), b"q12345", foreign=True, answers=True) == b"md AAAAAAAAAAA= b q\r\nversion\r\n"
    assert farewell(store(bytes(8)), b"q12345", foreign=False, answers=True) == b""
    alone, cut = store(b"m"), store(PREFIX[:1])
    cut = Conversation("c", (*cut.steps, say(0, PREFIX[1:])))
    assert b"delete m noreply\r\n" in farewell(alone, b"q12345", foreign=True, answers=True)
    assert b"delete q noreply\r\n" in farewell(cut, b"q12345", foreign=True, answers=True)


def test_most_vectors_and_streams_run_without_leave() -> None:
    picked = vectors.all_vectors()
    # Those with options get a server of their own anyway, and those that flush or reconfigure are about nothing else.
    ordinary = [vector for vector in picked if not vector.options and not any(map(change_in, streams(vector).values()))]
    assert len(ordinary) > 0.9 * len(picked)
    assert sum(danger(vector) is None for vector in ordinary) > 0.98 * len(ordinary)
    rng = random.Random(1)
    made = [conversation(rng, Scope(foreign=False)) for _ in range(200)]
    made += [malformed.conversation(rng, "m") for _ in range(200)]
    assert sum(danger(one) is None for one in made) > 250
    assert all(stream[:1] != b"\x80" for one in made for stream in streams(one).values())
