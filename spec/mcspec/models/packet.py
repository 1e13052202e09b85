"""Packets on a connection: requests of the packet protocol that arrive cut anywhere, among them all that is wrong.

The automaton is that of `mcspec.models.framed`: `connection.feed` with real bytes, whatever is sent and however it is
cut. Limits are shrunk so that every side of each can be sent byte by byte. The laws are those of the sketch of 2004
(`mcspec.models.sketch`) over the protocol that completes it, and what else the protocol promises.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from mcspec.arith import Span
from mcspec.explore import System
from mcspec.models import Model
from mcspec.models.framed import (
    HIT,
    KEY,
    MISS,
    START,
    TEXT,
    UNIQUE,
    Ask,
    Bounds,
    Held,
    Reply,
    Wire,
    back,
    built,
    common,
    law,
    show,
    shrunk,
    start,
    stored,
)
from mcspec.models.packet_plants import PLANTS
from mcspec.pattern import Framed, Piece
from mcspec.rules import Rules

NAME = "packet"
DATA = 24
"""Bytes of the most data of what is no store."""

OK, FOUND, NUMBER, SAID = 0x80, 0x81, 0x82, 0x83
UNKNOWN, NOT_FOUND, EXISTS, NOT_STORED, INVALID, TOO_LARGE, NOT_NUMERIC, BAD_LENGTH = (
    *(0xE0, 0xE1, 0xE2, 0xE3, 0xE4, 0xE5, 0xE6),
    0xE9,
)
NOOP, GET, SET, ADD, REPLACE, APPEND, PREPEND, DELETE, INCR, DECR, TOUCH, GAT, FLUSH, VERSION, STATS, QUIT, LEVEL = (
    range(0x11)
)
QUIET = 0x40
ONLY_LOUD = (NOOP, VERSION, STATS)

WRONG_LENGTHS = (0, 1, 4, 2**30 + 1, 2**31 - 1, 2**31, 2**31 + 5, 2**32 - 1)
SIZE = 2**30
"""Bytes of the longest packet."""


def packed(code: int, data: bytes = b"", length: int | None = None) -> bytes:
    """A packet; `length` is what it says of itself where that is not so."""
    return struct.pack(">IB", 5 + len(data) if length is None else length, code) + data


def reply(pieces: tuple[Piece, ...]) -> Reply:
    """The code that an error gives back (-1: of no error) and the code of a reply; -1 if its length is not its own."""
    if isinstance(pieces[0], Framed):
        return -1, SAID
    data = b"".join(piece if isinstance(piece, bytes) else bytes(getattr(piece, "size", 0)) for piece in pieces)
    if int.from_bytes(data[:4], "big") != len(data) or any(isinstance(piece, Span | Framed) for piece in pieces):
        return -1, -1
    code = data[4]
    return data[5] if code >= UNKNOWN else -1, code


class Sent(NamedTuple):
    """What a packet is made for: its code, and what comes of it if it is not quiet."""

    name: str
    code: int
    data: bytes
    status: int
    leaves: Held = START
    steady: bool = False

    def asks(self) -> Iterator[Ask]:
        """The packet, and its quiet one if there is one."""
        yield self.ask(self.name, self.code, self.status)
        if self.code <= LEVEL and self.code not in ONLY_LOUD:
            yield self.ask(f"quiet {self.name}", self.code + QUIET, self.status)

    def ask(self, name: str, code: int, status: int) -> Ask:
        """The packet with this code."""
        data = packed(code, self.data)
        told = status >= UNKNOWN if code < 2 * QUIET and code & QUIET else True
        quiet = not told
        if code in (GET + QUIET, GAT + QUIET):
            quiet, told = status == NOT_FOUND, status != NOT_FOUND
        owed = (code if status >= UNKNOWN else -1, status)
        holds = len(data)
        if status == UNKNOWN or (status == INVALID and code & ~QUIET not in range(SET, DELETE)):
            holds = 5
        elif status in (INVALID, TOO_LARGE):
            # The head of a store says that it is refused, at the latest with its key.
            holds = min(holds, 22 + KEY)
        return Ask(name, data, owed if told else None, len(data), max(holds, 5), self.leaves, quiet, steady=self.steady)


def head(key: bytes, cas: int = 0, flags: int = 0, exptime: int = 0, keylen: int | None = None) -> bytes:
    """What stands before the value of a store."""
    return struct.pack(">QIiB", cas, flags, exptime, len(key) if keylen is None else keylen) + key


INSIDE = packed(NOOP)
"""A packet that is data."""
CAS, OTHER = struct.pack(">Q", UNIQUE), struct.pack(">Q", UNIQUE + 1)
ONE = struct.pack(">QQ", 0, 1)


def sound() -> Iterator[Sent]:
    """Packets that are carried out, or refused for what the cache holds."""
    yield Sent("noop", NOOP, b"", OK, steady=True)
    yield Sent("version", VERSION, b"", SAID)
    yield Sent("stats", STATS, b"", SAID)
    yield Sent("verbosity", LEVEL, bytes(4), OK, steady=True)
    for code in (GET, GAT):
        extra = bytes(4) if code == GAT else b""
        name = "get" if code == GET else "gat"
        yield Sent(f"{name} of a hit", code, extra + HIT, FOUND)
        yield Sent(f"{name} of a miss", code, extra + MISS, NOT_FOUND)
        yield Sent(f"{name} of the longest key", code, extra + b"\n\0 "[:KEY], NOT_FOUND, steady=True)
    yield Sent("touch of a hit", TOUCH, bytes(4) + HIT, OK)
    yield Sent("touch of a miss", TOUCH, bytes(4) + b"zzz", NOT_FOUND, steady=True)
    yield Sent("set", SET, head(MISS) + b"ab", OK, stored(MISS, b"ab"))
    yield Sent("set of the longest key", SET, head(b"\xff\n ") + b"a", OK, stored(b"\xff\n ", b"a"))
    yield Sent("set of no bytes", SET, head(HIT), OK, stored(HIT, b""))
    yield Sent("set of the longest value", SET, head(MISS) + b"abcdef", OK, stored(MISS, b"abcdef"))
    yield Sent("set of a packet", SET, head(MISS) + INSIDE, OK, stored(MISS, INSIDE))
    yield Sent("set with its cas unique", SET, head(HIT, UNIQUE) + b"a", OK, stored(HIT, b"a"))
    yield Sent("set with another cas unique", SET, head(HIT, UNIQUE + 1) + b"a", EXISTS)
    yield Sent("set with a cas unique of none", SET, head(MISS, UNIQUE) + b"a", NOT_FOUND)
    yield Sent("add of none", ADD, head(MISS) + b"a", OK, stored(MISS, b"a"))
    yield Sent("add of a hit", ADD, head(HIT) + b"a", NOT_STORED)
    yield Sent("replace of a hit", REPLACE, head(HIT) + b"a", OK, stored(HIT, b"a"))
    yield Sent("replace of none", REPLACE, head(b"zzz") + b"a", NOT_STORED, steady=True)
    yield Sent("append", APPEND, head(HIT) + b"6", OK, stored(HIT, b"56"))
    yield Sent("prepend", PREPEND, head(HIT, UNIQUE) + b"4", OK, stored(HIT, b"45"))
    yield Sent("append to none", APPEND, head(b"zzz") + b"6", NOT_STORED, steady=True)
    yield Sent("delete", DELETE, bytes(8) + HIT, OK, START[1:])
    yield Sent("delete with another cas unique", DELETE, OTHER + HIT, EXISTS)
    yield Sent("delete of none", DELETE, CAS + b"zzz", NOT_FOUND, steady=True)
    yield Sent("incr", INCR, CAS + bytes(7) + b"\x01" + HIT, NUMBER, stored(HIT, b"6"))
    yield Sent("decr", DECR, ONE + HIT, NUMBER, stored(HIT, b"4"))
    yield Sent("incr of a text", INCR, ONE + TEXT, NOT_NUMERIC)
    yield Sent("incr of none", INCR, ONE + b"zzz", NOT_FOUND, steady=True)
    yield Sent("flush", FLUSH, b"", OK, ())
    yield Sent("flush with a delay", FLUSH, bytes(4), OK, ())


def refused() -> Iterator[Sent]:
    """Packets whose data has a shape that their code does not have, or a value that does not fit."""
    for code in (NOOP, VERSION, QUIT):
        yield Sent(f"code {code} with a packet for data", code, INSIDE, INVALID, steady=True)
    yield Sent("get without a key", GET, b"", INVALID, steady=True)
    yield Sent("get of too long a key", GET, b"kkkk", INVALID, steady=True)
    yield Sent("gat without a key", GAT, bytes(4), INVALID, steady=True)
    yield Sent("touch of too long a key", TOUCH, bytes(4) + b"kkkk", INVALID, steady=True)
    yield Sent("delete without a key", DELETE, bytes(8), INVALID, steady=True)
    yield Sent("decr without a delta", DECR, bytes(8), INVALID, steady=True)
    yield Sent("incr of more than a server keeps", INCR, ONE + bytes(DATA - 15), INVALID, steady=True)
    yield Sent("flush with half a delay", FLUSH, bytes(2), INVALID, steady=True)
    yield Sent("verbosity without a level", LEVEL, b"", INVALID, steady=True)
    yield Sent("stats of too long a name", STATS, bytes(DATA + 1), INVALID, steady=True)
    for code in (SET, APPEND):
        name = "set" if code == SET else "append"
        yield Sent(f"{name} without a head", code, bytes(16), INVALID, steady=True)
        yield Sent(f"{name} without a key", code, head(b"") + INSIDE, INVALID, steady=True)
        yield Sent(f"{name} of too long a key", code, head(b"kkkk") + INSIDE, INVALID, steady=True)
        yield Sent(f"{name} whose key is beyond it", code, head(b"k", keylen=2), INVALID, steady=True)
        large = INSIDE + b"ab"
        gone = START[1:] if code == SET else START
        yield Sent(f"{name} of too large a value", code, head(HIT) + large, TOO_LARGE, gone)
        yield Sent(f"{name} of two more than fit", code, head(HIT) + large + b"c", TOO_LARGE, gone)
    yield Sent("add of too large a value", ADD, head(HIT) + INSIDE + b"ab", TOO_LARGE)
    for code in (0x11, QUIET + NOOP, QUIET + VERSION, 0x80, 0xFF):
        yield Sent(f"code {code:#x}", code, b"", UNKNOWN, steady=True)
        yield Sent(f"code {code:#x} with a packet for data", code, INSIDE, UNKNOWN, steady=True)
    yield Sent("an unknown code with much data", 0x7F, INSIDE * 6, UNKNOWN)
    yield Sent("an unknown code with a length of two bytes", 0x7F, INSIDE * 51 + b"a", UNKNOWN)


def framed() -> Iterator[Ask]:
    """What ends a connection, and what is announced and never comes."""
    for code in (QUIT, QUIT + QUIET):
        yield Ask(f"quit ({code:#x})", packed(code), None, 5, 5, START, closes=True)
    for length in WRONG_LENGTHS:
        data = packed(NOOP, INSIDE, length)
        yield Ask(f"a length of {length:,}", data, (NOOP, BAD_LENGTH), 4, 4, START, closes=True, law="length")
    # A length of 5, written low byte first; the longest, of what is dropped and of what does not fit.
    for name, data, holds, broken in (
        ("a length that is 5 backwards", packed(NOOP, length=5 << 24), 5, "order"),
        ("a length that is 6 backwards", packed(GET, HIT, length=6 << 24), 5, "order"),
        ("the longest length and an unknown code", packed(0x7F, INSIDE, SIZE), 5, "length"),
        ("the longest length and too much for its code", packed(GET, INSIDE, SIZE), 5, "length"),
        ("the longest length and a value that cannot fit", packed(ADD, head(MISS) + INSIDE, SIZE), 23, "bounds"),
    ):
        yield Ask(name, data, None, len(data) + 1, holds, START, unfinished=True, law=broken)


def menu(_design: Rules) -> tuple[Ask, ...]:
    """All that a client may send."""
    return (*(ask for sent in (*sound(), *refused()) for ask in sent.asks()), *framed())


WIRE = Wire(NAME, menu, reply, lambda status: status >= UNKNOWN)

LAWS = (
    law(
        NAME,
        "bounds",
        "What is held of a packet stays below what it takes to go on, and of what is refused nothing.",
        "bounded",
    ),
    law(NAME, "place", "A length is read where a packet begins, and nothing inside a packet is read as one.", "body"),
    law(NAME, "length", "A length that no packet can have is refused as soon as it is there, and no other is."),
    law(NAME, "framing", "The cache holds what the packets sent say, each carried out once and whole.", "stored"),
    law(NAME, "closes", "After quit and after a wrong length the connection closes, and nothing behind is read."),
    *common(NAME, "packet"),
    law(NAME, "quiet", "A quiet packet that has nothing to say says nothing, and one that has says it."),
    law(NAME, "echo", "An error gives back the code of its packet, and no other reply does."),
    back(NAME, "progress", "a packet"),
)

DESIGN = shrunk(packet_data=DATA, packet=SIZE)
STARTED = start(DESIGN)


def build(bounds: Bounds, design: Rules) -> System:
    """The automaton of packets at these bounds."""
    return built(WIRE, bounds, design, STARTED)


MODEL = Model(
    name=NAME,
    summary="packets on one connection, cut anywhere, right and wrong",
    design=DESIGN,
    bounds={"small": Bounds(6, 1), "standard": Bounds(1, 4), "large": Bounds(1, 80)},
    build=build,
    laws=LAWS,
    plants=PLANTS,
    show=show,
)
