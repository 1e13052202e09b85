"""What neither vectors nor recordings nor random streams hold: odd events, lines of other chapters, wrong replies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mcconform.oracle import Oracle
from mcspec import Event, Happening, Now, Outcome, Rules, World, profiles

if TYPE_CHECKING:
    from collections.abc import Callable

    Step = Callable[[World, Happening, Now, Rules], tuple[Outcome, ...]]

NOW = Now(1e9, 1e9)
LONG = b"k" * 251

CONNECT, EOF, RESET = Event.CONNECT, Event.EOF, Event.RESET

WALKS: tuple[tuple[str, tuple[Event | bytes, ...]], ...] = (
    ("base", (b"bytes before the connection",)),
    ("base", (CONNECT, CONNECT)),
    ("base", (CONNECT, b"quit\r\n", EOF, b"more", RESET, CONNECT, b"version\r\n")),
    ("base", (CONNECT, b"\x80\x0b")),
    ("base", (CONNECT, b"lru_crawler enable\r\n")),
    ("base", (CONNECT, b"stats items\r\n")),
    ("base", (CONNECT, b"ms a 2000000 q\r\n" + bytes(2000000) + b"\r\nmg a\r\n")),
    *(
        ("base", (CONNECT, line))
        for line in (b"ma YQ==YQ== b\r\n", b"md a I E0\r\n", b"mg a N0 T2147483647 R2147483647\r\n")
    ),
    ("base", (CONNECT, b"ms YQ==YQ== 1 b\r\n")),
    ("base", (CONNECT, b"mg a N-1 R2592001\r\n")),
    *(("memcached-1.6.18", (CONNECT, b"me %s b\r\n" % key)) for key in (b"YQ==YQ==", b"!")),
    ("memcached-1.6.18", (CONNECT, b"delete a b c d e\r\n")),
    ("memcached-1.6.45", (CONNECT, b" verbosity 1\r\n")),
    ("memcached-1.6.45", (CONNECT, b"get " + LONG + b" noreply\r\n")),
    ("memcached-1.6.45", (CONNECT, b"gat 0 a " + LONG + b"\r\n")),
    ("memcached-1.6.45", (CONNECT, b"set a \t 0 1\r\n")),
)
"""Under a profile, what happens to one connection."""

REQUESTS = b"set a 0 0 1\r\nx\r\ngets a\r\ngets a\r\nversion\r\nstats\r\n"
STORED, VALUE, VERSION, STATISTICS = (
    b"STORED\r\n",
    b"VALUE a 0 1 5\r\nx\r\nEND\r\n",
    b"VERSION 1\r\n",
    b"STAT pid 1\r\nEND\r\n",
)
WRONG = (
    b"NOT_" + STORED,
    STORED + b"VALUE a 0 1 05\r\n",
    STORED + b"VALUE a 0 1 x",
    STORED + b"VALUE a 0 1 123456789012345678901\r\n",
    STORED + VALUE + VALUE.replace(b"5", b"6"),
    STORED + 2 * VALUE + b"VERSION\r\n",
    STORED + 2 * VALUE + b"REVISION",
    STORED + 2 * VALUE + VERSION + b"STAT pid\r\n",
    STORED + 2 * VALUE + VERSION + STATISTICS + b"END\r\n",
)
"""Answers to REQUESTS that no server may give."""


FULL = Rules(evictions=False)._replace(limits=Rules().limits._replace(memory=4))
"""A server under -M whose memory is used up by any item."""


def walk(step: Step) -> None:
    """Every walk, through every allowed world; and what a full server does with items of the meta protocol."""
    full = (b"ms b 1\r\nx\r\nms b 1\r\nx\r\n", b"ma a N0\r\n", b"mg a N0\r\n")
    walks = [(profiles.load(profile).rules, events) for profile, events in WALKS]
    walks += [(FULL, (CONNECT, full[0], made)) for made in full[1:]]
    for rules, events in walks:
        worlds = [World()]
        for one in events:
            happening = Happening(0, Event.DATA, one) if isinstance(one, bytes) else Happening(0, one)
            worlds = [outcome.world for world in worlds for outcome in step(world, happening, NOW, rules)]


def listen() -> None:
    """The right answer, byte by byte, is accepted; each wrong one is refused."""
    right = _asked()
    for byte in STORED + 2 * VALUE + VERSION + STATISTICS:
        assert right.expected(0)
        right.received(0, bytes((byte,)))
    right.settled(0)
    assert right.refusal is None
    for answer in WRONG:
        wrong = _asked()
        wrong.received(0, answer)
        assert wrong.refusal is not None, answer


def _asked() -> Oracle:
    oracle = Oracle(Rules(), alone=False)
    oracle.open(0, NOW)
    oracle.send(0, REQUESTS, NOW)
    return oracle
