"""`feed` of a word is the fold of `feed` over its bytes in binary and in packets too.

As `test_fold`, with words of the two protocols: few, for each has many beginnings. Of all the requests in the menus of
the two models the laws `law.binary.chunks` and `law.packet.chunks` say the same.
"""

from __future__ import annotations

import struct

import pytest

from mcspec import Event, Rules, State
from mcspec.actions import drop
from mcspec.machine import Conn, Context, Turn
from mcspec.rows_binary import head_here
from mcspec.rows_packet import packet_ready
from tests.refinement.test_fold import DOCUMENT, RULES, Check, check


def _asked(opcode: int, key: bytes = b"", extras: bytes = b"", value: bytes = b"") -> bytes:
    length = len(extras + key + value)
    return struct.pack(">BBHBBHIIQ", 0x80, opcode, len(key), len(extras), 0, 0, length, 7, 0) + extras + key + value


def _packet(code: int, data: bytes = b"", length: int = -1) -> bytes:
    return struct.pack(">IB", 5 + len(data) if length < 0 else length, code) + data


def _head(key: bytes) -> bytes:
    return struct.pack(">QIiB", 0, 0, 0, len(key)) + key


WORDS = {
    "binary": (
        _asked(0x00, b"a"),
        _asked(0x01, b"a", bytes(8), b"9\r"),
        _asked(0x11, b"a", bytes(8), b"too large"),
        _asked(0x7F, value=b"\x80\n"),
    ),
    "packet": (
        _packet(0x00),
        _packet(0x01, b"a"),
        _packet(0x42, _head(b"a") + b"9\r"),
        _packet(0x02, _head(b"a") + b"too large"),
        _packet(0x7F, b"\0\0\0\x05\0"),
        _packet(0x07, b"short"),
        _packet(0x0F),
        _packet(0x00, length=4),
        _packet(0x00, length=2**30 + 1),
    ),
}


def rules(protocol: str) -> Rules:
    """Limits shrunk, and connections that speak that protocol."""
    return RULES._replace(protocol=protocol)


@pytest.fixture(scope="module", params=sorted(WORDS))
def covered(request: pytest.FixtureRequest) -> tuple[str, Check]:
    """A protocol, and what the comparison said of it."""
    return request.param, check(rules(request.param), WORDS[request.param])


def test_feed_is_the_fold_of_its_bytes_in_every_reachable_state(covered: tuple[str, Check]) -> None:
    """Whole and byte by byte, every beginning of every word leads to the same."""
    protocol, found = covered
    assert found.wrong is None
    assert f"{found.states} of {protocol}" in DOCUMENT
    assert found.checks > 10_000


def _late(conn: Conn, context: Context) -> bool:
    """Looks at what is there at the beginning of a chunk only."""
    return _READY[context.rules.protocol](conn, context) and conn.parts < 3


_READY = {"binary": head_here, "packet": packet_ready}


def _drop_nothing(turn: Turn, context: Context) -> tuple[Turn, ...]:
    """Drops a chunk and does not count it."""
    return tuple(a._replace(conn=a.conn._replace(need=turn.conn.need)) for a in drop(turn, context))


@pytest.mark.parametrize("protocol", sorted(WORDS))
def test_a_row_that_looks_at_chunks_is_found(protocol: str) -> None:
    """A replaced row of the table is refused, with a state and a word."""
    ready = _READY[protocol].__name__
    for state, old, changes in (
        (State.NEW_CMD, ready, {"guard": _late}),
        (State.SWALLOW, "drop", {"action": _drop_nothing}),
    ):
        wrong = rules(protocol).planted(state, Event.TURN, old, protocol=protocol, **changes)
        assert check(wrong, WORDS[protocol]).wrong is not None
