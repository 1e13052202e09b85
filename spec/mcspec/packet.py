"""The packet protocol: `<u32 length><u8 code><data>`, the proposal of July 2004, completed.

Theory of operation
-------------------
`DISPATCH` is the table of the proposal: 256 entries, indexed by the code. An entry has a name, the shape of its data
and whether it is quiet; an empty one is an error that is answered. `cut` is total: of the bytes that a connection holds
it says that the beginning of a packet has not come yet (None), or it cuts a packet off, as a request to be carried out
or as a refusal. A packet is refused as soon as that is sure; the rest of it is dropped as it comes, so that no server
need hold it, and the answer is given when its last byte is there.

All numbers go high byte first. What the replies look like is here too (`ok`, `value` ...); which of them is owed is
decided in `packet_answers`.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

from mcspec import arith_frames
from mcspec.arith_frames import BAD_LENGTH, LENGTH, SHORTEST, STORE_HEAD, UNSEEN
from mcspec.pattern import Fit
from mcspec.text import Quit

if TYPE_CHECKING:
    from mcspec.rules import Rules


# ------------------------------------------------------------------------------------------------ requests


class Shape(NamedTuple):
    """The data of a packet: numbers by name with their `struct` letters, then a key, then a value.

    `optional` data may be left out as a whole. Only a `valued` packet says how long its key is, in its last number; in
    any other the key is all that follows the numbers.
    """

    numbers: tuple[tuple[str, str], ...] = ()
    keyed: bool = False
    optional: bool = False
    valued: bool = False

    @property
    def format(self) -> str:
        """The numbers as `struct` reads them."""
        return ">" + "".join(letter for _, letter in self.numbers)

    def allows(self, data: int, longest_key: int) -> bool:
        """Whether there may be `data` bytes of data; of a `valued` packet only the head is looked at."""
        if self.optional and data == 0:
            return True
        head = struct.calcsize(self.format)
        least, most = (head + 1, head + longest_key) if self.keyed else (head, head)
        return arith_frames.data_right(data, least, most)


EMPTY = Shape()
KEY = Shape(keyed=True)
NAME = Shape(keyed=True, optional=True)
TIMED_KEY = Shape((("exptime", "i"),), keyed=True)
COMPARED_KEY = Shape((("cas", "Q"),), keyed=True)
COUNTED_KEY = Shape((("cas", "Q"), ("number", "Q")), keyed=True)
DELAY = Shape((("exptime", "i"),), optional=True)
LEVEL = Shape((("number", "I"),))
STORE = Shape((("cas", "Q"), ("flags", "I"), ("exptime", "i"), ("keylen", "B")), keyed=True, valued=True)


class Command(NamedTuple):
    """An entry of the dispatch table."""

    name: str
    shape: Shape
    quiet: bool = False


QUIET = 0x40
"""What is added to a code to make it quiet."""

_COMMANDS: dict[int, Command] = {
    0x00: Command("noop", EMPTY),
    0x01: Command("get", KEY),
    0x02: Command("set", STORE),
    0x03: Command("add", STORE),
    0x04: Command("replace", STORE),
    0x05: Command("append", STORE),
    0x06: Command("prepend", STORE),
    0x07: Command("delete", COMPARED_KEY),
    0x08: Command("incr", COUNTED_KEY),
    0x09: Command("decr", COUNTED_KEY),
    0x0A: Command("touch", TIMED_KEY),
    0x0B: Command("gat", TIMED_KEY),
    0x0C: Command("flush", DELAY),
    0x0D: Command("version", EMPTY),
    0x0E: Command("stats", NAME),
    0x0F: Command("quit", EMPTY),
    0x10: Command("verbosity", LEVEL),
}
_NEVER_QUIET = ("noop", "version", "stats")


def _dispatch(commands: dict[int, Command]) -> tuple[Command | None, ...]:
    table: list[Command | None] = [None] * 256
    for code, command in commands.items():
        table[code] = command
        if command.name not in _NEVER_QUIET:
            table[code + QUIET] = command._replace(quiet=True)
    return tuple(table)


DISPATCH: tuple[Command | None, ...] = _dispatch(_COMMANDS)
"""What each of the 256 codes asks for; None: nothing that is known."""

CODES: dict[str, int] = {command.name: code for code, command in _COMMANDS.items()}
"""The code of each command, not quiet."""


class Asked(NamedTuple):
    """A packet that is to be carried out. `exptime` is also the delay of flush, `number` a delta or a level."""

    code: int
    command: Command
    clauses: tuple[str, ...]
    key: bytes = b""
    value: bytes = b""
    cas: int = 0
    flags: int = 0
    exptime: int = 0
    number: int = 0
    keylen: int = 0


class Refused(NamedTuple):
    """A packet that is answered with an error; of a value that does not fit, the `command` and its `key`."""

    error: int
    code: int
    clauses: tuple[str, ...]
    command: str = ""
    key: bytes = b""


class BadLength(NamedTuple):
    """A length that no packet can have: nothing after it is read."""

    clauses: tuple[str, ...]


_SHOWN = 64
"""Bytes of a packet that reports show."""


class Cut(NamedTuple):
    """A packet: what it asks for, how many bytes of it have come, and how many are still to come and to be dropped.

    The first `seen` bytes are those that reports show: however it came, the same.
    """

    request: Asked | Refused | BadLength | Quit
    seen: int
    taken: int
    rest: int = 0


_FRAMED = ("packet.frame.length", "packet.frame.big-endian")


def cut(buffer: bytes, rules: Rules) -> Cut | None:
    """The first packet of what a connection holds; None if it has to wait for more of it."""
    length = int.from_bytes(buffer[:LENGTH], "big")
    kind = rules.functions.packet_class(len(buffer), length, rules.limits.packet)
    if kind == UNSEEN:
        return None
    if kind == BAD_LENGTH:
        clause = "packet.frame.too-short" if length < SHORTEST else "packet.frame.too-long"
        return Cut(BadLength(("packet.frame.big-endian", clause)), LENGTH, len(buffer))
    if len(buffer) < SHORTEST:
        return None
    code = buffer[LENGTH]
    command = rules.dispatch[code]
    if command is None:
        clause = "packet.dispatch.never-quiet" if _never_quiet(code) else "packet.dispatch.unknown"
        return _refuse(buffer, length, SHORTEST, Refused(UNKNOWN, code, ("packet.dispatch.table", clause)))
    if command.shape.valued:
        return _cut_store(buffer, length, command, rules)
    data = arith_frames.data_length(length)
    if not command.shape.allows(data, rules.limits.key) or data > rules.limits.packet_data:
        return _refuse(buffer, length, SHORTEST, Refused(INVALID, code, (_SHAPE_CLAUSES[command.shape],)))
    if len(buffer) < length:
        return None
    asked = _asked(buffer, length, command)
    return Cut(Quit(asked.clauses) if command.name == "quit" else asked, min(length, _SHOWN), length)


def _never_quiet(code: int) -> bool:
    return QUIET <= code < 2 * QUIET and DISPATCH[code - QUIET] is not None


_SHAPE_CLAUSES: dict[Shape, str] = {
    EMPTY: "packet.shape.empty",
    KEY: "packet.shape.key",
    NAME: "packet.shape.name",
    TIMED_KEY: "packet.shape.timed-key",
    COMPARED_KEY: "packet.shape.compared-key",
    COUNTED_KEY: "packet.shape.counted-key",
    DELAY: "packet.shape.delay",
    LEVEL: "packet.shape.level",
}
"""The clause that says which data each shape has."""


def _cut_store(buffer: bytes, length: int, command: Command, rules: Rules) -> Cut | None:
    """A store is refused from its head, so that no value need be held that is not stored."""
    code, data = buffer[LENGTH], arith_frames.data_length(length)
    if data < STORE_HEAD:
        return _refuse(buffer, length, SHORTEST, Refused(INVALID, code, ("packet.shape.store",)))
    head = SHORTEST + STORE_HEAD
    if len(buffer) < head:
        return None
    keylen = buffer[head - 1]
    value = rules.functions.packet_value(data, keylen)
    if value < 0 or not 1 <= keylen <= rules.limits.key:
        return _refuse(buffer, length, head, Refused(INVALID, code, ("packet.shape.store",)))
    if len(buffer) < head + keylen:
        return None
    key = buffer[head : head + keylen]
    flags = 0 if command.name in JOINS else int.from_bytes(buffer[13:17], "big")
    if not rules.functions.fits(key, flags, value, rules):
        clause = "packet.store.too-large-deletes" if command.name == "set" else "packet.store.too-large-keeps"
        refused = Refused(TOO_LARGE, code, ("packet.store.too-large", clause), command.name, key)
        return _refuse(buffer, length, head + keylen, refused)
    return None if len(buffer) < length else Cut(_asked(buffer, length, command), min(length, _SHOWN), length)


JOINS = ("append", "prepend")
"""The stores that join their value to the one that is there: they do not look at flags and exptime."""


def _refuse(buffer: bytes, length: int, seen: int, refused: Refused) -> Cut:
    taken = min(len(buffer), length)
    clauses = (*_FRAMED, *(() if taken == length else ("packet.swallow.refused",)), *refused.clauses)
    return Cut(refused._replace(clauses=clauses), seen, taken, length - taken)


def _asked(buffer: bytes, length: int, command: Command) -> Asked:
    """A whole packet of the right shape as a request."""
    code, data = buffer[LENGTH], buffer[SHORTEST:length]
    clauses: tuple[str, ...] = (*_FRAMED, "packet.dispatch.table")
    if command.quiet:
        clauses = (*clauses, "packet.dispatch.quiet")
    if not data:
        return Asked(code, command, clauses)
    shape = command.shape
    numbers = dict(zip((name for name, _ in shape.numbers), struct.unpack_from(shape.format, data), strict=True))
    at = struct.calcsize(shape.format)
    end = at + numbers["keylen"] if shape.valued else len(data)
    key = data[at:end]
    if _looks_framed(data[at:]):
        clauses = (*clauses, "packet.frame.data-is-data")
    if shape.keyed and any(byte <= 32 or byte > 126 for byte in key):
        clauses = (*clauses, "packet.key.any-byte")
    return Asked(code, command, clauses, key=key, value=data[end:], **numbers)


def _looks_framed(data: bytes) -> bool:
    """Whether key and value hold what elsewhere would end a line, or what could be the length of a short packet."""
    return b"\n" in data or b"\0\0\0" in data


# ------------------------------------------------------------------------------------------------ replies

OK, VALUE, NUMBER, TEXT, STAT = range(0x80, 0x85)
"""The codes of replies."""

UNKNOWN, NOT_FOUND, EXISTS, NOT_STORED, INVALID, TOO_LARGE, NOT_NUMERIC, OUT_OF_MEMORY, NOT_ALLOWED, WRONG_LENGTH = (
    range(0xE0, 0xEA)
)
"""The codes of errors."""

ERRORS: dict[int, bytes] = {
    UNKNOWN: b"unknown command",
    NOT_FOUND: b"not found",
    EXISTS: b"data exists for key",
    NOT_STORED: b"not stored",
    INVALID: b"invalid arguments",
    TOO_LARGE: b"too large",
    NOT_NUMERIC: b"non-numeric value",
    OUT_OF_MEMORY: b"out of memory",
    NOT_ALLOWED: b"not allowed",
    WRONG_LENGTH: b"bad length",
}
"""The text of each error, for people: programs look at the code."""

NAMES: dict[int, str] = {
    **dict(enumerate(("OK", "VALUE", "NUMBER", "TEXT", "STAT"), OK)),
    **dict(enumerate(("UNKNOWN", "NOT_FOUND", "EXISTS", "NOT_STORED", "INVALID"), UNKNOWN)),
    **dict(enumerate(("TOO_LARGE", "NOT_NUMERIC", "OUT_OF_MEMORY", "NOT_ALLOWED", "BAD_LENGTH"), TOO_LARGE)),
}
"""The name of each reply, for reports."""


def packet(code: int, data: bytes = b"", more: int = 0) -> bytes:
    """A packet, or its beginning if `more` bytes of data are to follow."""
    return (SHORTEST + len(data) + more).to_bytes(LENGTH, "big") + bytes((code,)) + data


def error(kind: int, code: int) -> bytes:
    """The reply that refuses a packet with this code."""
    return packet(kind, bytes((code,)) + ERRORS[kind])


def is_error(piece: bytes) -> bool:
    """Whether a reply that begins so is an error."""
    return piece[LENGTH:SHORTEST] >= b"\xe0"


def _unframed(data: bytes, at: int, code: int) -> tuple[int, bytes] | Fit:
    """The end and the data of the packet at an offset, if it has that code."""
    head = data[at : at + SHORTEST]
    length = int.from_bytes(head[:LENGTH], "big")
    if len(head) >= LENGTH and (length < SHORTEST or head[LENGTH:] not in (b"", bytes((code,)))):
        return Fit.NOT
    if len(head) < SHORTEST or len(data) - at < length:
        return Fit.PART
    return at + length, data[at + SHORTEST : at + length]


def stat_line(data: bytes, at: int) -> tuple[int, bytes] | Fit:
    """A packet of statistics as the line that it stands for; one without data as the line that ends them."""
    found = _unframed(data, at, STAT)
    if isinstance(found, Fit):
        return found
    end, row = found
    if not row:
        return end, b"END\r\n"
    name = row[1 : 1 + row[0]]
    return (end, b"STAT %s %s\r\n" % (name, row[1 + row[0] :])) if 0 < len(name) == row[0] else Fit.NOT


def text_lines(data: bytes, at: int) -> tuple[int, bytes] | Fit:
    """A packet of text that holds whole lines."""
    return _unframed(data, at, TEXT)


def text_line(data: bytes, at: int) -> tuple[int, bytes] | Fit:
    """A packet of text that holds a line without its ending."""
    found = _unframed(data, at, TEXT)
    return found if isinstance(found, Fit) else (found[0], found[1] + b"\r\n")


STAT_REGEX = r"(?:\x00\x00[\s\S]{2}\x84[^\x00]+)*\x00\x00\x00\x05\x84"
TEXT_REGEX = r"\x00[\s\S]{3}\x83[^\x00]+"
"""Packets of statistics, and a packet of text, for `pattern.regex`.

No row and no text holds a NUL, and every packet begins with one: a matcher that goes back never does so for long.
"""
