"""What vectors and random streams leave out of packets, of datagrams and of who may come in."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from mcspec import Cache, Event, Happening, Now, Outcome, Rules, World, match, packet, profiles, step, udp

if TYPE_CHECKING:
    from collections.abc import Callable

    Step = Callable[[World, Happening, Now, Rules], tuple[Outcome, ...]]

NOW = Now(1e9, 1e9)
CONNECT, EOF, RESET = Event.CONNECT, Event.EOF, Event.RESET

PACKETS = Rules(protocol="packet")
USERS = ((b"u", b"p"),)
STRANGERS = Rules(authentication="ascii", credentials=USERS)
WORDS = profiles.load("memcached-1.6.18").rules._replace(authentication="ascii", credentials=USERS)
CUT = profiles.load("memcached-1.6.45").rules._replace(authentication="ascii", credentials=USERS)
SASL = Rules(authentication="sasl", credentials=USERS)

NOOP, QUIT, UNKNOWN = packet.packet(0), packet.packet(packet.CODES["quit"]), packet.packet(0x99, bytes(90))
BLANKS = packet.packet(packet.CODES["set"], struct.pack(">QIiB", 0, 0, 0, 1) + b"a ")
COUNT_UP = packet.packet(packet.CODES["incr"], bytes(16) + b"a")
ELSEWHERE = packet.packet(packet.CODES["stats"], b"extstore")
TOKEN, WRONG = b"set a 0 0 3\r\nu p\r\n", b"set a 0 0 3\r\nu q\r\n"


def _sasl(opcode: int, key: bytes, value: bytes = b"") -> bytes:
    return struct.pack(">BBHBBHIIQ", 0x80, opcode, len(key), 0, 0, 0, len(key) + len(value), 0, 0) + key + value


HEADER = b"\x80\x0a" + bytes(22)
LOGIN = _sasl(0x21, b"PLAIN", b"\0u\0p")

WALKS: tuple[tuple[Rules, tuple[Event | bytes, ...]], ...] = (
    (PACKETS, (CONNECT, NOOP, RESET)),
    (PACKETS, (CONNECT, NOOP + QUIT, EOF, RESET, NOOP)),
    (PACKETS, (CONNECT, NOOP + UNKNOWN[:20], UNKNOWN[20:40], RESET)),
    (PACKETS, (CONNECT, NOOP + UNKNOWN[:20], EOF)),
    (PACKETS, (CONNECT, BLANKS + COUNT_UP)),
    (PACKETS, (CONNECT, ELSEWHERE)),
    (STRANGERS, (CONNECT, b"version\r\n", EOF)),
    (STRANGERS, (CONNECT, b"version\r\n", RESET)),
    (STRANGERS, (CONNECT, b"version\r\n" + TOKEN[:15], EOF)),
    (STRANGERS, (CONNECT, TOKEN[:15], RESET)),
    (STRANGERS, (CONNECT, b"version\r\nquit\r\n", b"x", EOF, RESET)),
    (STRANGERS, (CONNECT, b"set a 0 0 16383\r\n")),
    *((rules, (CONNECT, b"version\r\n" + WRONG, b"x" * 2100, b"x" * 20000)) for rules in (WORDS, CUT)),
    *((rules, (CONNECT, b"set a 0 0 1\r\nu\r\nset a\r\n" + TOKEN + b"mn\r\n")) for rules in (WORDS, CUT)),
    (SASL, (CONNECT, LOGIN + _sasl(0x21, b"FOO"))),
    (SASL, (CONNECT, LOGIN + _sasl(0x21, b"PLAIN"))),
    (SASL, (CONNECT, _sasl(0x21, b"PLAIN", b"\0u@v\0p"))),
)

DATAGRAMS: tuple[tuple[Rules, tuple[bytes, ...]], ...] = (
    (Rules(), (b"mn\r\n", udp.Frame(1, 0, 1).pack(), udp.Frame(1, 0, 2).pack() + b"mn\r\n")),
    (Rules(), (udp.Frame(1, 1, 1).pack() + b"set a 0 0 1\r\nx\r\nget a a\r\nget a b\r\nmn",)),
    (Rules(), (udp.Frame(1, 0, 1).pack() + b"set a 0 0 1400\r\n" + bytes(1400) + b"\r\nget a\r\nset a 0 0 5\r\n",)),
    (CUT._replace(authentication=""), (udp.Frame(1, 0, 1).pack() + b"set a 0 0 5\r\n",)),
    *(
        (rules._replace(authentication=""), (udp.Frame(1, 0, 1).pack() + HEADER * 2 + HEADER[:cut],))
        for cut in (0, 9)
        for rules in (Rules(), WORDS, CUT)
    ),
    (PACKETS, (udp.Frame(1, 0, 1).pack() + NOOP + QUIT, udp.Frame(1, 0, 1).pack() + NOOP[:3])),
)


def walk(step_: Step) -> None:
    """Every walk and every datagram, through every allowed world, and replies that are no replies."""
    for rules, events in WALKS:
        worlds = [World()]
        for one in events:
            happening = Happening(0, Event.DATA, one) if isinstance(one, bytes) else Happening(0, one)
            worlds = [outcome.world for world in worlds for outcome in step_(world, happening, NOW, rules)]
    met = step_(World(Cache(clean=frozenset(), uncovered=True)), Happening(0, CONNECT), NOW, PACKETS)[0].world
    step_(met, Happening(0, Event.DATA, COUNT_UP), NOW, PACKETS)
    for rules, datagrams in DATAGRAMS:
        for one in datagrams:
            step_(World(), Happening(7, Event.DATAGRAM, one), NOW, rules)
    udp.datagrams(1, bytes(2000), Rules())
    (asked,) = step(met, Happening(0, Event.DATA, packet.packet(packet.CODES["stats"])), NOW, PACKETS)
    for reply in (b"\0\0", NOOP, packet.packet(packet.STAT, b"\0x"), packet.packet(packet.STAT, b"\1ab")[:-1]):
        match(Cache(), asked.owed[0].pieces, reply)
    (asked,) = step(met, Happening(0, Event.DATA, packet.packet(packet.CODES["version"])), NOW, PACKETS)
    for reply in (NOOP, packet.packet(packet.TEXT, b"1")):
        match(Cache(), asked.owed[0].pieces, reply)
