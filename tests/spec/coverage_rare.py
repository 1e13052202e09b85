"""What neither vectors nor recordings nor random streams hold: odd events, lines of other chapters, wrong replies."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mcconform import options
from mcconform.oracle import Oracle
from mcspec import Event, Happening, Now, Outcome, Rules, World, counters, lru, profiles, regex, statistics, step

if TYPE_CHECKING:
    from collections.abc import Callable

    Step = Callable[[World, Happening, Now, Rules], tuple[Outcome, ...]]

NOW = Now(1e9, 1e9)
LONG = b"k" * 251

CONNECT, EOF, RESET = Event.CONNECT, Event.EOF, Event.RESET

NOOP, QUIT = b"\x80\x0a" + bytes(22), b"\x80\x07" + bytes(22)
SET, UNKNOWN = b"\x80\1\0\1\x08\0\0\0\0\0\0\x12" + bytes(20) + b"a", b"\x80\xff" + bytes(9) + b"\5" + bytes(12)
COUNT_UP = b"\x80\5\0\1\x14\0\0\0\0\0\0\x15" + bytes(32) + b"a"
"""Requests of the binary protocol; the set has a value of nine bytes, the unknown one of five."""

WALKS: tuple[tuple[str, tuple[Event | bytes, ...]], ...] = (
    ("base", (b"bytes before the connection",)),
    ("base", (CONNECT, CONNECT)),
    ("base", (CONNECT, b"quit\r\n", EOF, b"more", RESET, CONNECT, b"version\r\n")),
    ("base", (CONNECT, NOOP, RESET)),
    ("base", (CONNECT, NOOP + SET, b"x", RESET)),
    ("base", (CONNECT, NOOP + SET, EOF, RESET)),
    ("base", (CONNECT, NOOP + UNKNOWN, b"x", RESET)),
    ("base", (CONNECT, NOOP + UNKNOWN, EOF, EOF)),
    ("base", (CONNECT, QUIT, EOF, RESET, NOOP)),
    ("base", (CONNECT, b"\x80\0\xff\xff\0\0\0\0\0\0\xff\xff" + bytes(12) + bytes(20000), b"\0")),
    ("base", (CONNECT, SET + b" " * 9 + COUNT_UP)),
    ("memcached-1.4.24", (CONNECT, b"\x80\x0e\0\5" + bytes(20))),
    ("memcached-1.6.18", (CONNECT, UNKNOWN + b"12345")),
    ("base", (CONNECT, b"lru_crawler enable\r\n")),
    ("base", (CONNECT, b"stats items\r\n")),
    *(
        ("base", (CONNECT, line))
        for line in (
            *(b"stats sizes_enable\r\n", b"misbehave\r\n", b"watch fetchers\r\n", b"lru_crawler crawl all noreply\r\n"),
            *(b"slabs automove window x\r\n", b"ma a M\0\r\n", b"ms a 1 M\0\r\nx\r\n"),
        )
    ),
    ("base", (CONNECT, b"watch fetch\r\n")),
    ("base", (CONNECT, b"ms a 2000000 q\r\n" + bytes(2000000) + b"\r\nmg a\r\n")),
    *(
        ("base", (CONNECT, line))
        for line in (b"ma YQ==YQ== b\r\n", b"md a I E0\r\n", b"mg a N0 T2147483647 R2147483647\r\n")
    ),
    ("base", (CONNECT, b"ms YQ==YQ== 1 b\r\n")),
    ("base", (CONNECT, b"set a 0 0 1\r\nx\r\nmg a u O%s\r\n" % LONG)),
    ("base", (CONNECT, b"mg a N-1 R2592001\r\n")),
    *(("memcached-1.6.18", (CONNECT, b"me %s b\r\n" % key)) for key in (b"YQ==YQ==", b"!")),
    ("memcached-1.6.18", (CONNECT, b"delete a b c d e\r\n")),
    ("memcached-1.6.45", (CONNECT, b" verbosity 1\r\n")),
    ("memcached-1.6.45", (CONNECT, b"ms a 1\r\nxyz\r\n", b"ms a 1\r\nx\r\n", b"ms a 1 C5 I\r\nx\r\n")),
    ("memcached-1.6.45", (CONNECT, b"get " + LONG + b" noreply\r\n")),
    ("memcached-1.6.45", (CONNECT, b"get" + b" " * 65530 + b"a\r\n")),
    ("memcached-1.6.45", (CONNECT, b"gat 0 a " + LONG + b"\r\n")),
    ("memcached-1.6.45", (CONNECT, b"set a \t 0 1\r\n")),
)
"""Under a profile, what happens to one connection."""

OPTIONED = (
    ("-X", b"stats detail on\r\n"),
    ("-X", b"\x80\x10\0\x09\0\0\0\0\0\0\0\x09" + bytes(12) + b"detail on"),
    ("-A", b"shutdown\r\n"),
)
"""A line to a server that was started with an option."""

HUGE = b"\x80\x21\0\1\0\0\0\0\x80\0\0\1" + bytes(12) + b"a"
"""A login that announces data of 2^31 bytes."""

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
    walks += [(FULL, (CONNECT, COUNT_UP, COUNT_UP))]
    walks += [(options.apply(Rules(), (option,)), (CONNECT, line)) for option, line in OPTIONED]
    walks += [(options.apply(profiles.load("memcached-1.6.18").rules, ("-S",)), (CONNECT, HUGE))]
    for rules, events in walks:
        worlds = [World()]
        for one in events:
            happening = Happening(0, Event.DATA, one) if isinstance(one, bytes) else Happening(0, one)
            worlds = [outcome.world for world in worlds for outcome in step(world, happening, NOW, rules)]


CRAWL, LEFT, DUMP = b"lru_crawler crawl all\r\n", b"set a 0 100 1\r\nx\r\nmg a t\r\n", b"stats detail dump\r\n"
COUNT = b"stats reset\r\nget a\r\nstats\r\n"
REPORT = b"".join(
    b"STAT %s 0\r\n" % name.encode() for name in (*statistics.GENERAL_ROWS, *counters.COUNTERS, "version")
)
REPORT += b"STAT rusage_user 0.000001\r\nSTAT rusage_system 0.000001\r\nEND\r\n"
ODD = (
    (CRAWL, b"BU", True),
    (CRAWL, b"HU", False),
    (LEFT, STORED + b"HD t100\r\n", True),
    (LEFT, STORED + b"HD t5000\r\n", False),
    (DUMP, b"PREFIX a get 1 hit 0 set 0 del 0\r\nEND\r\n", True),
    (b"set a 0 0 1\r\nx\r\nflush_all\r\nstats\r\n", STORED + b"OK\r\n" + REPORT, True),
    (COUNT, b"RESET\r\nEND\r\n" + REPORT, False),
)
"""Requests to a server of our own, an answer or its beginning, and whether it is allowed."""


def listen() -> None:
    """The right answer, byte by byte, is accepted; each wrong one is refused."""
    right = _asked(REQUESTS, alone=False)
    for byte in STORED + 2 * VALUE + VERSION + STATISTICS:
        assert right.expected(0)
        right.received(0, bytes((byte,)))
    right.settled(0)
    assert right.refusal is None
    for requests, answer, allowed in (*((REQUESTS, answer, False) for answer in WRONG), *ODD):
        asked = _asked(requests, alone=requests is not REQUESTS)
        asked.received(0, answer)
        assert (asked.refusal is None) == allowed, answer
    forked()
    busy()
    framed()
    uncovered()
    far()
    assert lru.stored((), b"a", 1, NOW, lru.Policy(evictions=False), room=0)[0].refused


VERSION_PACKET = b"\x81\x0b\0\0\0\0\0\0\0\0\0\1" + bytes(12) + b"1"
ROW = b"\x81\x10\0\3\0\0\0\0\0\0\0\4" + bytes(12) + b"pid1"
WRONG_PACKETS = (
    b"STAT",
    b"\x81\x11",
    ROW[:4] + b"\1" + ROW[5:],
    ROW.replace(b"pid", b"p d"),
    VERSION_PACKET.replace(b"\0\0\0\0", b"\0\1\0\0", 1),
)
"""Packets that are no row of statistics; the last is no version either."""


def framed() -> None:
    """Statistics and a version in packets: byte by byte, and what is none."""
    asked = b"\x80\x0b" + bytes(22) + b"\x80\x10" + bytes(22)
    right = _asked(asked, alone=False)
    for byte in VERSION_PACKET + ROW + ROW[:2] + bytes(22):
        assert right.expected(0)
        right.received(0, bytes((byte,)))
    right.settled(0)
    assert right.refusal is None
    (outcome,) = step(right.worlds[0], Happening(0, Event.DATA, asked), NOW, Rules())
    assert all(re.fullmatch(regex(owed.pieces), said) for owed, said in zip(outcome.owed, FRAMED, strict=True))
    stored = _asked(SET + bytes(9), alone=False)
    for byte in b"\x81\1" + bytes(21) + b"\7":
        stored.received(0, bytes((byte,)))
    stored.settled(0)
    assert stored.refusal is None
    lacking = _asked(asked[24:], alone=True)
    lacking.received(0, ROW + ROW[:2] + bytes(22))
    assert lacking.refusal is not None
    assert lacking.refusal.clause == "stats.general.rows"
    for wrong in WRONG_PACKETS:
        for answer in (wrong, VERSION_PACKET + wrong):
            refused = _asked(asked, alone=False)
            refused.received(0, answer)
            assert refused.refusal is not None, answer


FRAMED = ((VERSION_PACKET).decode("latin-1"), (ROW + ROW[:2] + bytes(22)).decode("latin-1"))


def uncovered() -> None:
    """After a delayed flush on a server that others had used, some releases bring back what they had stored."""
    flush = b"\x80\x08\0\0\4\0\0\0\0\0\0\4" + bytes(15) + b"\x64"
    for request in (b"\x80\0\0\1\0\0\0\0\0\0\0\1" + bytes(12) + b"a", SET + bytes(9)):
        asked = Oracle(profiles.load("memcached-1.6.18").rules, used=True)
        asked.open(0, NOW)
        asked.send(0, flush + request, NOW)
        assert asked.unspecified is not None


def far() -> None:
    """Of more than 68 years to live some releases show another number."""
    asked = Oracle(profiles.load("memcached-1.6.45").rules)
    asked.open(0, NOW)
    asked.open(1, NOW)
    asked.send(0, SET[:28] + b"\xff" * 4 + b"a" + bytes(9), NOW)
    asked.received(0, b"\x81\1" + bytes(21) + b"\7")
    asked.send(1, b"me a\r\n", NOW)
    asked.received(1, b"ME a exp=-%d la=0 cas=7 fetch=no cls=1 size=69\r\n" % (NOW.lo + 1))
    assert asked.refusal is None, asked.refusal


def forked() -> None:
    """Whether there was an item when it was deleted is not known: two worlds become one, with either count."""
    asked = _asked(b"set a 0 1 1\r\nx\r\n", alone=True)
    asked.received(0, STORED)
    asked.send(0, b"delete a noreply\r\n", Now(1e9, 1e9 + 2))
    assert len(asked.worlds) == 1


def busy() -> None:
    """Nothing is said of counters while a value arrives on another connection."""
    asked = _asked(b"set a 0 0 1\r\n", alone=True)
    asked.open(1, NOW)
    asked.send(1, b"stats reset\r\nstats\r\n", NOW)
    asked.received(1, b"RESET\r\n" + REPORT.replace(b"cas_hits 0", b"cas_hits 1"))
    assert asked.refusal is None


def _asked(requests: bytes, *, alone: bool) -> Oracle:
    oracle = Oracle(Rules(), alone=alone)
    oracle.open(0, NOW)
    oracle.send(0, requests, NOW)
    return oracle
