"""Where the framed protocols and datagrams differ by design from text on a connection: the complete list.

`test_laws.py` holds for everything else; among it what one might look for here: what is counted, the order of cas
uniques, what an expired or flushed item is, the blanks behind a counter that became shorter.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from tests.cross.meanings import FOUND, Answer, Operation
from tests.cross.runs import NOBODYS
from tests.cross.wire_binary import HEADER, REPLY
from tests.cross.wire_binary import packed as asked
from tests.cross.wire_packet import packed

BAD_LINE = b"CLIENT_ERROR bad command line format\r\n"
STATUS = {1: b"Not found", 2: b"Data exists for key.", 4: b"Invalid arguments", 5: b"Not stored."}
STATUS |= {6: b"Non-numeric server-side value for incr or decr", 0x81: b"Unknown command"}


def said(opcode: int, status: int = 0, extras: bytes = b"", body: bytes = b"", opaque: int | None = None) -> bytes:
    """A reply; its cas unique is 0 here, whatever it is on the wire. A status says its own text."""
    body = extras + (STATUS[status] if status else body)
    shown = opcode if opaque is None else opaque
    return HEADER.pack(REPLY, opcode, 0, len(extras), 0, status, len(body), shown, 0) + body


def refused(code: int, of: int, text: bytes) -> bytes:
    """A packet that refuses."""
    return packed(code, bytes([of]) + text)


class Difference(NamedTuple):
    """The nearest that both have to one intent, each with its answer; then what is left."""

    text: tuple[bytes, bytes]
    framed: tuple[bytes, bytes]
    alike: bytes
    """The reply that would mean what that of text does; the specification refuses it."""

    before: tuple[Operation, ...] = ()
    look: Operation | None = None
    after_text: tuple[Answer, ...] = ()
    after_framed: tuple[Answer, ...] = ()


A, HIT, MISS = Operation("get", (b"a",)), (Answer(FOUND, b"a", b"x"),), ()
SET = (Operation("set", (b"a",), b"x"),)
SEVEN = (Operation("set", (b"a",), b"x", flags=7),)
FIVE = (Operation("set", (b"a",), b"5"),)
STORE = struct.pack(">LL", 0, 0)


def _hit(value: bytes) -> tuple[Answer, ...]:
    return (Answer(FOUND, b"a", value),)


BINARY: dict[str, Difference] = {
    "noreply silences all; a quiet opcode lets a refusal pass": Difference(
        (b"add a 0 0 1 noreply\r\ny\r\n", b""), (asked(0x12, STORE, b"a", b"y"), said(0x12, 2)), b"", SET
    ),
    "noreply silences all; a quiet opcode lets a miss of delete pass": Difference(
        (b"delete a noreply\r\n", b""), (asked(0x14, b"", b"a"), said(0x14, 1)), b""
    ),
    "noreply silences all; a quiet opcode lets errors pass": Difference(
        (b"incr a 1 noreply\r\n", b""),
        (asked(0x15, struct.pack(">QQL", 1, 0, 0), b"a"), said(0x15, 6)),
        b"",
        SET,
    ),
    "noreply silences a touch; binary has no quiet one, and shows the flags": Difference(
        (b"touch a 100 noreply\r\n", b""),
        (asked(0x1C, struct.pack(">L", 100), b"a"), said(0x1C, 0, struct.pack(">L", 7))),
        b"",
        SEVEN,
    ),
    "add on an item: not stored, or data exists": Difference(
        (b"add a 0 0 1\r\ny\r\n", b"NOT_STORED\r\n"),
        (asked(0x02, STORE, b"a", b"y"), said(0x02, 2)),
        said(0x02, 5),
        SET,
    ),
    "replace of nothing: not stored, or not found": Difference(
        (b"replace a 0 0 1\r\ny\r\n", b"NOT_STORED\r\n"),
        (asked(0x03, STORE, b"a", b"y"), said(0x03, 1)),
        said(0x03, 5),
    ),
    "an exptime has a sign only in text: four bytes of ones are far in the future": Difference(
        (b"set a 0 -1 1\r\nx\r\n", b"STORED\r\n"),
        (asked(0x01, struct.pack(">LL", 0, 0xFFFF_FFFF), b"a", b"x"), said(0x01)),
        said(0x01, 5),
        (),
        A,
        MISS,
        HIT,
    ),
    "cas unique 0: cas takes it for that of no item, a header for none given": Difference(
        (b"cas a 0 0 1 0\r\ny\r\n", b"EXISTS\r\n"),
        (asked(0x01, STORE, b"a", b"y"), said(0x01)),
        said(0x01, 2),
        SET,
        A,
        HIT,
        _hit(b"y"),
    ),
    "add with a cas unique: only a header can say it, and it never adds": Difference(
        (b"add a 0 0 1\r\ny\r\n", b"STORED\r\n"),
        (asked(0x02, STORE, b"a", b"y", NOBODYS), said(0x02, 1)),
        said(0x02),
        (),
        A,
        _hit(b"y"),
        MISS,
    ),
    "delete compares: only a header can say it": Difference(
        (b"delete a\r\n", b"DELETED\r\n"),
        (asked(0x04, b"", b"a", b"", NOBODYS), said(0x04, 2)),
        said(0x04),
        SET,
        A,
        MISS,
        HIT,
    ),
    "append compares: only a header can say it": Difference(
        (b"append a 0 0 1\r\ny\r\n", b"STORED\r\n"),
        (asked(0x0E, b"", b"a", b"y", NOBODYS), said(0x0E, 2)),
        said(0x0E),
        SET,
        A,
        _hit(b"xy"),
        HIT,
    ),
    "arithmetic compares: only a header can say it": Difference(
        (b"incr a 1\r\n", b"6\r\n"),
        (asked(0x05, struct.pack(">QQL", 1, 0, 0), b"a", b"", NOBODYS), said(0x05, 2)),
        said(0x05, body=struct.pack(">Q", 6)),
        FIVE,
        A,
        _hit(b"6"),
        _hit(b"5"),
    ),
    "a missing counter: binary makes it, unless its exptime is all ones": Difference(
        (b"incr a 1\r\n", b"NOT_FOUND\r\n"),
        (asked(0x05, struct.pack(">QQL", 1, 13, 0), b"a"), said(0x05, body=struct.pack(">Q", 13))),
        said(0x05, 1),
        (),
        A,
        MISS,
        _hit(b"13"),
    ),
    "a key with a blank: text can show it, and not ask for it": Difference(
        (b"get a b\r\n", b"END\r\n"),
        (asked(0x00, b"", b"a b"), said(0x00, 0, bytes(4), b"x")),
        said(0x00, 1),
        (),
    ),
    "a block ends in CR LF only in text": Difference(
        (b"set a 0 0 1\r\nxyz", b"CLIENT_ERROR bad data chunk\r\n"),
        (asked(0x01, STORE, b"a", b"xyz"), said(0x01)),
        said(0x01, 4),
        (),
        A,
        MISS,
        _hit(b"xyz"),
    ),
    "a request that is none: text has its own, and noop has no word": Difference(
        (b"noop\r\n", b"ERROR\r\n"), (asked(0x0A, b"", b""), said(0x0A)), said(0x0A, 0x81)
    ),
    "verbosity: binary does not know it": Difference(
        (b"verbosity 1\r\n", b"OK\r\n"), (asked(0x1B, b"", b""), said(0x1B, 0x81)), said(0x1B)
    ),
}
"""By name; the answers are those of the base profile and of memcached."""

PUT = struct.pack(">QLlB", 0, 0, 0, 1)
STALE_PUT = struct.pack(">QLlB", NOBODYS, 0, 0, 1)
STORED = packed(0x80, bytes(8))

PACKET: dict[str, Difference] = {
    "noreply silences all; a quiet code lets a refusal pass": Difference(
        (b"add a 0 0 1 noreply\r\ny\r\n", b""),
        (packed(0x43, PUT + b"ay"), refused(0xE3, 0x43, b"not stored")),
        b"",
        SET,
    ),
    "noreply silences all; a quiet code lets a miss of delete pass": Difference(
        (b"delete a noreply\r\n", b""), (packed(0x47, bytes(8) + b"a"), refused(0xE1, 0x47, b"not found")), b""
    ),
    "cas unique 0: cas takes it for that of no item, a packet for none given": Difference(
        (b"cas a 0 0 1 0\r\ny\r\n", b"EXISTS\r\n"),
        (packed(0x02, PUT + b"ay"), STORED),
        refused(0xE2, 0x02, b"data exists for key"),
        SET,
        A,
        HIT,
        _hit(b"y"),
    ),
    "add with a cas unique: only a packet can say it, and it never adds": Difference(
        (b"add a 0 0 1\r\ny\r\n", b"STORED\r\n"),
        (packed(0x03, STALE_PUT + b"ay"), refused(0xE1, 0x03, b"not found")),
        STORED,
        (),
        A,
        _hit(b"y"),
        MISS,
    ),
    "delete compares: only a packet can say it": Difference(
        (b"delete a\r\n", b"DELETED\r\n"),
        (packed(0x07, struct.pack(">Q", NOBODYS) + b"a"), refused(0xE2, 0x07, b"data exists for key")),
        packed(0x80, b""),
        SET,
        A,
        MISS,
        HIT,
    ),
    "append compares: only a packet can say it": Difference(
        (b"append a 0 0 1\r\ny\r\n", b"STORED\r\n"),
        (packed(0x05, STALE_PUT + b"ay"), refused(0xE2, 0x05, b"data exists for key")),
        STORED,
        SET,
        A,
        _hit(b"xy"),
        HIT,
    ),
    "arithmetic compares, and shows the new cas unique: only a packet can": Difference(
        (b"incr a 1\r\n", b"6\r\n"),
        (packed(0x08, struct.pack(">QQ", NOBODYS, 1) + b"a"), refused(0xE2, 0x08, b"data exists for key")),
        packed(0x82, struct.pack(">QQ", 0, 6)),
        FIVE,
        A,
        _hit(b"6"),
        _hit(b"5"),
    ),
    "a key with a blank: a packet can say any key": Difference(
        (b"get a b\r\n", b"END\r\n"),
        (packed(0x01, b"a b"), packed(0x81, bytes(12) + b"\x03a bx")),
        refused(0xE1, 0x01, b"not found"),
    ),
    "a block ends in CR LF only in text": Difference(
        (b"set a 0 0 1\r\nxyz", b"CLIENT_ERROR bad data chunk\r\n"),
        (packed(0x02, PUT + b"axyz"), STORED),
        refused(0xE4, 0x02, b"invalid arguments"),
        (),
        A,
        MISS,
        _hit(b"xyz"),
    ),
    "a request that is none: text has its own, and noop has no word": Difference(
        (b"noop\r\n", b"ERROR\r\n"), (packed(0x00, b""), packed(0x80, b"")), refused(0xE0, 0x00, b"unknown command")
    ),
}
"""By name; the packet protocol is this project's, and has no other server."""

BLANK = {"a key with a blank: text can show it, and not ask for it", "a key with a blank: a packet can say any key"}
"""What is stored before these has a name that an `Operation` of text cannot have."""

CLOSING: dict[str, tuple[tuple[bytes, bytes], tuple[bytes, bytes], str]] = {
    "a key that is too long: text refuses it, binary closes too": (
        (b"get " + b"k" * 251 + b"\r\n", BAD_LINE),
        (asked(0x00, b"", b"k" * 251), said(0x00, 4)),
        "binary",
    ),
    "extras that a get has not: a line cannot have them, binary refuses and closes": (
        (b"get a\r\n", b"END\r\n"),
        (asked(0x00, b"12", b"a"), said(0x00, 4)),
        "binary",
    ),
    "what is no request: text refuses a word, binary closes without an answer": (
        (b"\x81 a\r\n", b"ERROR\r\n"),
        (asked(0x0A, b"", b"") + b"\x81" * 24, said(0x0A)),
        "binary",
    ),
    "a length that cannot be: text has none, a packet is refused and closes": (
        (b"get a\r\n", b"END\r\n"),
        (b"\0\0\0\4", refused(0xE9, 0x00, b"bad length")),
        "packet",
    ),
}
"""By name: what text says and goes on, then what the framed protocol says before it closes."""

DATAGRAMS: dict[str, tuple[tuple[bytes, ...], tuple[bytes, ...]]] = {
    "a request in two pieces: a connection waits for the rest, a datagram forgets it": (
        (b"set a 0 0 1\r\nx", b"\r\nget a\r\n"),
        (b"", BAD_LINE + b"END\r\n"),
    ),
    "quit: a connection ends, the next datagram is served": (
        (b"quit\r\n", b"get a\r\n"),
        (b"", b"END\r\n"),
    ),
    "protocol: a connection keeps its first one, each datagram has its own": (
        (b"set a 0 0 1\r\nx\r\n", asked(0x00, b"", b"a"), b"get a\r\n"),
        (b"STORED\r\n", said(0x00, 0, bytes(4), b"x"), b"VALUE a 0 1\r\nx\r\nEND\r\n"),
    ),
}
"""By name: payloads one after the other, and what is answered over UDP; a connection answers otherwise."""
