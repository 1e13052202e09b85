"""Binary requests on a connection: every opcode and quiet form, cut anywhere, right and wrong in each of its lengths.

The automaton is that of `mcspec.models.framed`: `connection.feed` with real bytes, whatever is sent and however it is
cut. Limits are shrunk so that every side of each can be sent byte by byte; of bodies that no limit shrinks, the
beginning is sent. Each request has an opaque of its own, which its answer must bring back.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from mcspec.binary import Rows
from mcspec.explore import System
from mcspec.models import Model
from mcspec.models.binary_plants import PLANTS
from mcspec.models.framed import (
    HIT,
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
from mcspec.pattern import Framed, Piece
from mcspec.rules import Rules

NAME = "binary"
NONE = b"zzz"
BODY = 2**30
"""Bytes of the longest body."""

GET, SET, ADD, REPLACE, DELETE, INCR, DECR, QUIT, FLUSH, GETQ, NOOP, VERSION, GETK, GETKQ, APPEND, PREPEND, STAT = (
    range(0x11)
)
TOUCH, GAT, GATQ, GATK, GATKQ = 0x1C, 0x1D, 0x1E, 0x23, 0x24
QUIET = {
    SET: 0x11,
    ADD: 0x12,
    REPLACE: 0x13,
    DELETE: 0x14,
    INCR: 0x15,
    DECR: 0x16,
    FLUSH: 0x18,
    APPEND: 0x19,
    PREPEND: 0x1A,
}
"""The opcode that is silent when it succeeds."""
QUIET_MISS = {GET: GETQ, GETK: GETKQ, GAT: GATQ, GATK: GATKQ}
"""The opcode that is silent on a miss."""

OK, NOT_FOUND, EXISTS, TOO_LARGE, INVALID, NOT_STORED, NON_NUMERIC, UNKNOWN = 0, 1, 2, 3, 4, 5, 6, 0x81


def reply(pieces: tuple[Piece, ...]) -> Reply:
    """Opaque, opcode and status of a reply; a status of -1 if its lengths are not its own."""
    first = pieces[0]
    if isinstance(first, Framed):
        assert isinstance(first.unframe, Rows)  # no other piece of this protocol is framed
        return int.from_bytes(first.unframe.opaque, "big"), first.unframe.opcode, OK
    data = b"".join(piece if isinstance(piece, bytes) else bytes(getattr(piece, "size", 0)) for piece in pieces)
    magic, opcode, keylen, extlen, _, status, bodylen, opaque, _ = struct.unpack(">BBHBBHIIQ", data[:24])
    right = magic == 0x81 and len(data) == 24 + bodylen and keylen + extlen <= bodylen
    return opaque, opcode, status if right else -1


class Sent(NamedTuple):
    """What a request is made for: its parts, what its header says where that is not so, and what comes of it.

    With `closes` the connection ends with the answer, after header, extras and key. With `whole` false the announced
    body never comes to its end.
    """

    name: str
    opcode: int
    key: bytes = b""
    extras: bytes = b""
    value: bytes = b""
    status: int = OK
    leaves: Held = START
    cas: int = 0
    keylen: int = -1
    extlen: int = -1
    bodylen: int = -1
    magic: int = 0x80
    closes: bool = False
    whole: bool = True
    steady: bool = False
    law: str = ""

    def data(self, opcode: int, opaque: int) -> bytes:
        """The bytes of the request, with what is ignored in its header set."""
        body = self.extras + self.key + self.value
        lengths = (len(self.key), len(self.extras), len(body))
        keylen, extlen, bodylen = (
            true if said < 0 else said
            for said, true in zip((self.keylen, self.extlen, self.bodylen), lengths, strict=True)
        )
        return struct.pack(">BBHBBHIIQ", self.magic, opcode, keylen, extlen, 9, 9, bodylen, opaque, self.cas) + body

    def asks(self, opaque: int) -> Iterator[Ask]:
        """The request, and its quiet form if there is one."""
        yield self.ask(self.opcode, opaque, told=True)
        if self.opcode in QUIET:
            yield self.ask(QUIET[self.opcode], opaque + 1, told=self.status != OK)
        if self.opcode in QUIET_MISS:
            yield self.ask(QUIET_MISS[self.opcode], opaque + 1, told=self.status != NOT_FOUND)

    def ask(self, opcode: int, opaque: int, *, told: bool) -> Ask:
        """The request with this opcode and opaque."""
        data, head = self.data(opcode, opaque), 24 + len(self.extras) + len(self.key)
        name = self.name if opcode == self.opcode else f"quiet {self.name}"
        due = len(data)
        if self.closes:
            due = 24 if self.magic != 0x80 else head
        elif not self.whole:
            due = len(data) + 1
        answered = told and self.whole and self.magic == 0x80
        return Ask(
            name,
            data,
            (opaque, opcode, self.status) if answered else None,
            due,
            max(head, len(self.value) if self.status != TOO_LARGE else 0),
            self.leaves,
            quiet=not told,
            closes=self.closes,
            unfinished=not self.whole,
            steady=self.steady,
            law=self.law,
        )


INSIDE = struct.pack(">BBHBBHIIQ", 0x80, NOOP, 0, 0, 0, 0, 0, 0xBAD, 0)
"""A request that is a part of another's body."""
PLAIN = bytes(8)
"""Flags and exptime of 0."""


def counted(delta: int, initial: int = 0, exptime: int = 0) -> bytes:
    """The extras of incr and decr."""
    return struct.pack(">QQI", delta, initial, exptime)


def sound() -> Iterator[Sent]:
    """Requests that are carried out, or refused for what the cache holds."""
    for code, name in ((GET, "get"), (GETK, "getk"), (GAT, "gat"), (GATK, "gatk"), (TOUCH, "touch")):
        extras = b"" if code in (GET, GETK) else bytes(4)
        yield Sent(f"{name} of a hit", code, HIT, extras)
        yield Sent(f"{name} of a miss", code, NONE, extras, status=NOT_FOUND, steady=True)
    yield Sent("get of a key of any bytes", GET, b"\n\0 ", status=NOT_FOUND, steady=True)
    yield Sent("set", SET, MISS, PLAIN, b"ab", leaves=stored(MISS, b"ab"))
    yield Sent("set of the longest key", SET, b"\xff\n ", PLAIN, b"a", leaves=stored(b"\xff\n ", b"a"))
    yield Sent("set of no bytes", SET, HIT, PLAIN, leaves=stored(HIT, b""))
    yield Sent("set of the longest value", SET, MISS, PLAIN, b"abcdef", leaves=stored(MISS, b"abcdef"))
    yield Sent("set of a value that ends a line", SET, MISS, PLAIN, b"a\r\n", leaves=stored(MISS, b"a\r\n"))
    yield Sent("set with its cas unique", SET, HIT, PLAIN, b"a", leaves=stored(HIT, b"a"), cas=UNIQUE)
    yield Sent("set with another cas unique", SET, HIT, PLAIN, b"a", EXISTS, cas=UNIQUE + 1)
    yield Sent("set with a cas unique of none", SET, NONE, PLAIN, b"a", NOT_FOUND, cas=UNIQUE, steady=True)
    yield Sent("add of none", ADD, MISS, PLAIN, b"a", leaves=stored(MISS, b"a"))
    yield Sent("add of a hit", ADD, HIT, PLAIN, b"a", EXISTS)
    yield Sent("replace of a hit", REPLACE, HIT, PLAIN, b"a", leaves=stored(HIT, b"a"))
    yield Sent("replace of none", REPLACE, NONE, PLAIN, b"a", NOT_FOUND, steady=True)
    yield Sent("append", APPEND, HIT, value=b"6", leaves=stored(HIT, b"56"))
    yield Sent("prepend", PREPEND, HIT, value=b"4", leaves=stored(HIT, b"45"), cas=UNIQUE)
    yield Sent("append to none", APPEND, NONE, value=b"6", status=NOT_STORED, steady=True)
    yield Sent("delete", DELETE, HIT, leaves=START[1:])
    yield Sent("delete with another cas unique", DELETE, HIT, status=EXISTS, cas=UNIQUE + 1)
    yield Sent("delete of none", DELETE, NONE, status=NOT_FOUND, steady=True)
    yield Sent("incr", INCR, HIT, counted(1), leaves=stored(HIT, b"6"))
    yield Sent("decr", DECR, HIT, counted(1), leaves=stored(HIT, b"4"), cas=UNIQUE)
    yield Sent("incr that creates", INCR, MISS, counted(1, 9), leaves=stored(MISS, b"9"))
    yield Sent("decr that may not create", DECR, NONE, counted(1, 9, 2**32 - 1), status=NOT_FOUND, steady=True)
    yield Sent("incr of a text", INCR, TEXT, counted(1), status=NON_NUMERIC)
    yield Sent("flush", FLUSH, leaves=())
    yield Sent("flush with a delay", FLUSH, extras=bytes(4), leaves=())
    yield Sent("noop", NOOP, steady=True, law="noop")
    yield Sent("version", VERSION, steady=True)
    yield Sent("stat", STAT)


def swallowed() -> Iterator[Sent]:
    """Requests that are refused when their body has come, and leave the connection open."""
    yield Sent("set of too large a value", SET, HIT, PLAIN, INSIDE + INSIDE, TOO_LARGE, START[1:])
    yield Sent("set of one byte more than fits", SET, HIT, PLAIN, b"abcdefg", TOO_LARGE, START[1:])
    yield Sent("add of too large a value", ADD, HIT, PLAIN, INSIDE, TOO_LARGE)
    yield Sent("append of too large a value", APPEND, HIT, value=INSIDE, status=TOO_LARGE)
    for opcode in (0x1B, 0x20, 0x25, 0x30, 0x3C, 0x80, 0xFF):
        unknown = Sent(f"opcode {opcode:#x}", opcode, status=UNKNOWN, steady=True)
        yield unknown
        if opcode != 0x20:
            yield unknown._replace(name=f"opcode {opcode:#x} with a body", key=b"k", extras=b"e", value=INSIDE)
    yield Sent("an unknown opcode with a body of two bytes' length", 0x7F, value=bytes(260), status=UNKNOWN)
    for opcode in (0x21, 0x22):
        yield Sent(f"SASL ({opcode:#x}) where there is none", opcode, b"PL", value=INSIDE, status=UNKNOWN, steady=True)


SHAPES = (
    *((GET, b"", b"k", b""), (GETK, b"", b"k", b""), (SET, PLAIN, b"k", b"v"), (ADD, PLAIN, b"k", b"v")),
    *((REPLACE, PLAIN, b"k", b"v"), (APPEND, b"", b"k", b"v"), (PREPEND, b"", b"k", b"v"), (DELETE, b"", b"k", b"")),
    *((INCR, counted(1), b"k", b""), (DECR, counted(1), b"k", b""), (QUIT, b"", b"", b""), (FLUSH, b"", b"", b"")),
    *((NOOP, b"", b"", b""), (VERSION, b"", b"", b""), (STAT, b"", b"", b""), (TOUCH, bytes(4), b"k", b"")),
    *((GAT, bytes(4), b"k", b""), (GATK, bytes(4), b"k", b"")),
)
"""Extras, key and value of each opcode as they should be."""


def misshapen() -> Iterator[Sent]:
    """Of each opcode the requests with a byte more or less of extras, of key or behind them: they close."""
    for opcode, extras, key, value in SHAPES:
        right = Sent(f"opcode {opcode:#x}", opcode, key, extras, value, INVALID, closes=True)
        yield right._replace(name=f"{right.name} with a byte more of extras", extras=extras + b"\0")
        if extras:
            yield right._replace(name=f"{right.name} with a byte less of extras", extras=extras[:-1])
        if key:
            yield right._replace(name=f"{right.name} without its key", key=b"")
        elif opcode != STAT:
            yield right._replace(name=f"{right.name} with a key", key=b"k")
        if not value:
            yield right._replace(name=f"{right.name} with a request behind it", value=INSIDE)


def lengths() -> Iterator[Sent]:
    """Headers whose lengths contradict each other or are over a limit, and which of two faults is told."""
    wrong = Sent("", SET, b"kk", PLAIN, closes=True, law="lengths")
    contradicts = wrong._replace(status=UNKNOWN)
    yield contradicts._replace(name="extras and key a byte longer than the body", bodylen=9)
    yield contradicts._replace(name="a key longer than the body", bodylen=1)
    yield contradicts._replace(name="extras and key in no body", bodylen=0)
    yield contradicts._replace(name="too long a key in no body", key=b"kkkk", bodylen=0)
    yield contradicts._replace(name="an unknown opcode with a key in no body", opcode=0x7F, bodylen=0)
    yield contradicts._replace(name="a get with a key in no body", opcode=GET, extras=b"", bodylen=0)
    invalid = wrong._replace(status=INVALID)
    for size in (BODY + 1, 2**31 - 1, 2**31, 2**31 + 10, 2**32 - 1):
        yield invalid._replace(name=f"a body of {size:,} bytes", bodylen=size)
        yield invalid._replace(name=f"{size:,} bytes behind an unknown opcode", opcode=0x7F, bodylen=size)
    yield invalid._replace(name="too long a key", key=b"kkkk")
    yield invalid._replace(name="too long a key of an unknown opcode", opcode=0x7F, key=b"kkkk", extras=b"")
    yield invalid._replace(name="a key with a length of two bytes", key=b"k" * 256, extras=b"", opcode=GET)
    yield invalid._replace(name="extras of 255 bytes", key=b"k", extras=bytes(255), law="")
    for magic in (0, 0x7F, 0x81, 0xFF):
        yield Sent(f"a header with magic {magic:#x}", NOOP, magic=magic, closes=True, law="magic")
        odd = Sent(f"extras and key behind magic {magic:#x}", SET, b"k", PLAIN, b"v", magic=magic, closes=True)
        yield odd._replace(law="magic")


def endless() -> Iterator[Sent]:
    """Bodies that are announced and never come to their end."""
    large = Sent("", SET, MISS, PLAIN, INSIDE, TOO_LARGE, whole=False)
    yield large._replace(name="the longest body", bodylen=BODY, law="lengths")
    yield large._replace(name="the longest body of an unknown opcode", opcode=0x7F, bodylen=BODY, law="lengths")
    yield large._replace(name="a body of 9 bytes backwards", value=b"", bodylen=9 << 24, law="order")
    yield Sent("half a value", SET, MISS, PLAIN, b"ab", bodylen=13, whole=False)


def menu(_design: Rules) -> tuple[Ask, ...]:
    """All that a client may send, each with an opaque of its own."""
    sent = (*sound(), *swallowed(), *misshapen(), *lengths(), *endless())
    asks = [ask for number, one in enumerate(sent) for ask in one.asks(0x01020300 + 2 * number)]
    quits = Sent("quit", QUIT, closes=True)
    return (*asks, quits.ask(QUIT, 0x11, told=True), quits.ask(0x17, 0x12, told=False))


WIRE = Wire(NAME, menu, reply, lambda status: status != OK)

LAWS = (
    law(
        NAME, "body", "Every byte of a body is stored or dropped with its request, once, and none is read as a header."
    ),
    law(NAME, "stored", "A value is stored as it came, and nothing else is stored or lost."),
    law(NAME, "closes", "After a fault that closes the connection, and after quit, nothing that follows is read."),
    *common(NAME, "request"),
    law(NAME, "quiet", "A quiet request is silent where its clause says so, and nowhere else."),
    law(NAME, "echo", "An answer brings back the opaque and the opcode of its request."),
    law(NAME, "noop", "When noop is answered, all before it was; and it is answered as soon as it is there."),
    law(
        NAME,
        "lengths",
        "Lengths that contradict each other, or are over a limit, are refused as that, and no others are.",
    ),
    law(NAME, "magic", "A header without the magic of a request closes the connection without an answer."),
    law(NAME, "bounded", "No more is held than header, extras and key, or a value that fits."),
    back(NAME, "ready", "a header"),
)

DESIGN = shrunk(body=BODY)
STARTED = start(DESIGN)


def build(bounds: Bounds, design: Rules) -> System:
    """The automaton of binary requests at these bounds."""
    return built(WIRE, bounds, design, STARTED)


MODEL = Model(
    name=NAME,
    summary="binary requests on one connection, cut anywhere: every opcode, and lengths right and wrong",
    design=DESIGN,
    bounds={"small": Bounds(7, 1), "standard": Bounds(1, 2), "large": Bounds(1, 16)},
    build=build,
    laws=LAWS,
    plants=PLANTS,
    show=show,
)
