"""The binary protocol: a header of 24 bytes and what follows it become a request, a result becomes a packet.

`read` is total: header, extras and key are a request, or a refusal with what it does to the bytes that follow. Opcodes
are looked up in `OPCODES`, one row each. The order of the checks is that of `arith_frames.header_class`, then that of
`_shape`, because with two faults in a header the order decides the answer.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from mcspec import arith
from mcspec.arith_frames import (
    A_KEY,
    ANY_KEY,
    BODY_LONG,
    CONTRADICTS,
    HEADER,
    KEY_LONG,
    NO_KEY,
    SOUND,
)
from mcspec.pattern import VERSION, Fit, Framed

if TYPE_CHECKING:
    from mcspec.pattern import Piece, Text
    from mcspec.rules import Rules

RESPONSE = 0x81
"""The first byte of every packet that a server sends."""

OK, NOT_FOUND, EXISTS, TOO_LARGE, INVALID, NOT_STORED, NON_NUMERIC = range(7)
AUTH, CONTINUE, UNKNOWN, NO_MEMORY = 0x20, 0x21, 0x81, 0x82
"""What stands in the status of a packet."""

TEXTS = {
    NOT_FOUND: b"Not found",
    EXISTS: b"Data exists for key.",
    TOO_LARGE: b"Too large.",
    INVALID: b"Invalid arguments",
    NOT_STORED: b"Not stored.",
    NON_NUMERIC: b"Non-numeric server-side value for incr or decr",
    AUTH: b"Auth failure.",
    UNKNOWN: b"Unknown command",
    NO_MEMORY: b"Out of memory allocating item",
}
"""The body of each refusal."""

VERBOSITY = 0x1B
"""An opcode that is written down elsewhere, and that no release has known."""

LEFT_OVER = "of a value of 2^31 bytes or more as many are dropped as an earlier connection had left to drop"
"""Why nothing is said of such a value, where it is not refused by its header: the count of that connection is kept."""

NO_CREATE = 0xFFFFFFFF
"""The expiration with which incr and decr do not create an item."""


class Header(NamedTuple):
    """The fields of a request's header that are looked at."""

    magic: int
    opcode: int
    keylen: int
    extlen: int
    bodylen: int
    opaque: bytes
    cas: int


class Opcode(NamedTuple):
    """What an opcode means: its word, and what its request must look like.

    `extras` are bytes, all or (if `optional`) none of them; `key` is NO_KEY, A_KEY or ANY_KEY; `valued` says that a
    value may follow, and `shows_key` that the reply repeats the key.
    """

    word: str
    quiet: bool = False
    extras: int = 0
    optional: bool = False
    key: int = A_KEY
    valued: bool = False
    shows_key: bool = False


OPCODES: dict[int, Opcode] = {
    0x00: Opcode("get"),
    0x01: Opcode("set", extras=8, valued=True),
    0x02: Opcode("add", extras=8, valued=True),
    0x03: Opcode("replace", extras=8, valued=True),
    0x04: Opcode("delete"),
    0x05: Opcode("incr", extras=20),
    0x06: Opcode("decr", extras=20),
    0x07: Opcode("quit", key=NO_KEY),
    0x08: Opcode("flush", extras=4, optional=True, key=NO_KEY),
    0x09: Opcode("get", quiet=True),
    0x0A: Opcode("noop", key=NO_KEY),
    0x0B: Opcode("version", key=NO_KEY),
    0x0C: Opcode("get", shows_key=True),
    0x0D: Opcode("get", quiet=True, shows_key=True),
    0x0E: Opcode("append", valued=True),
    0x0F: Opcode("prepend", valued=True),
    0x10: Opcode("stat", key=ANY_KEY),
    0x11: Opcode("set", quiet=True, extras=8, valued=True),
    0x12: Opcode("add", quiet=True, extras=8, valued=True),
    0x13: Opcode("replace", quiet=True, extras=8, valued=True),
    0x14: Opcode("delete", quiet=True),
    0x15: Opcode("incr", quiet=True, extras=20),
    0x16: Opcode("decr", quiet=True, extras=20),
    0x17: Opcode("quit", quiet=True, key=NO_KEY),
    0x18: Opcode("flush", quiet=True, extras=4, optional=True, key=NO_KEY),
    0x19: Opcode("append", quiet=True, valued=True),
    0x1A: Opcode("prepend", quiet=True, valued=True),
    0x1C: Opcode("touch", extras=4),
    0x1D: Opcode("gat", extras=4),
    0x1E: Opcode("gat", quiet=True, extras=4),
    0x20: Opcode("sasl-list", key=NO_KEY),
    0x21: Opcode("sasl-auth", valued=True),
    0x22: Opcode("sasl-step", valued=True),
    0x23: Opcode("gat", extras=4, shows_key=True),
    0x24: Opcode("gat", quiet=True, extras=4, shows_key=True),
}
"""The opcodes that servers know; every other one is unknown, 0x1b (verbosity) and 0x30 to 0x3c (ranges) among them."""

STORES = frozenset(("set", "add", "replace", "append", "prepend"))
"""The words of requests that store the value which follows."""

SASL = frozenset(("sasl-list", "sasl-auth", "sasl-step"))


class Request(NamedTuple):
    """A request that is well formed; a value of `length` bytes follows it."""

    opcode: int
    command: Opcode
    key: bytes
    extras: bytes
    length: int
    opaque: bytes
    cas: int
    clauses: tuple[str, ...]


class Refusal(NamedTuple):
    """A refusal: the status, the bytes that are dropped before it is sent, and whether the connection closes after it.

    `might` and `details` are what is counted, as in `Owed`; `body` is a text other than that of the status.
    """

    opcode: int
    status: int
    opaque: bytes
    clauses: tuple[str, ...]
    swallow: int = 0
    closes: bool = False
    might: tuple[str, ...] = ()
    details: tuple[tuple[int, bytes], ...] = ()
    body: bytes = b""


def header(data: bytes) -> Header:
    """The header that the first 24 bytes are; all numbers are big-endian."""
    return Header(
        data[0],
        data[1],
        int.from_bytes(data[2:4], "big"),
        data[4],
        int.from_bytes(data[8:12], "big"),
        data[12:16],
        int.from_bytes(data[16:24], "big"),
    )


def longest_body(rules: Rules) -> int:
    """Bytes of the longest body that is looked at."""
    return rules.limits.body if rules.traits.body_limit == "refused" else 2**32 - 1


def need(data: bytes, rules: Rules) -> int:
    """Bytes that must have come before a request is looked at: header, extras and key; `data` are those that have.

    A server with that trait looks at the header alone, and refuses what that tells to be wrong.
    """
    if len(data) < HEADER:
        return HEADER
    head = header(data)
    if rules.traits.header_first == "yes" and refused(head, rules) is not None:
        return HEADER
    return rules.functions.header_need(len(data), head.magic, head.keylen, head.extlen)


def read(data: bytes, rules: Rules) -> Request | Refusal:
    """Read one request; `data` are as many bytes as it `need`s."""
    head = header(data)
    refusal = refused(head, rules)
    if refusal is not None:
        return refusal
    command = OPCODES[head.opcode]
    extras, key = data[HEADER : HEADER + head.extlen], data[HEADER + head.extlen :]
    length = rules.functions.value_length(head.keylen, head.extlen, head.bodylen) if command.valued else 0
    return Request(head.opcode, command, key, extras, length, head.opaque, head.cas, _clauses(data, head, key, rules))


def refused(head: Header, rules: Rules) -> Refusal | None:
    """The refusal of a request for what stands in its header; None if it is carried out."""
    functions = rules.functions
    kind = functions.header_class(
        functions.header_need(HEADER, head.magic, head.keylen, head.extlen),
        head.magic,
        head.keylen,
        head.extlen,
        head.bodylen,
        admitted=True,
        longest_body=longest_body(rules),
        longest_key=rules.limits.key,
    )
    if kind == CONTRADICTS and rules.traits.contradiction == "shape":
        kind = KEY_LONG if head.keylen > rules.limits.key else SOUND
    if kind in _FAULTS:
        status, clause = _FAULTS[kind]
        return Refusal(head.opcode, status, head.opaque, ("binary.header.order", clause), closes=True)
    command = OPCODES.get(head.opcode)
    if command is None:
        return _unknown(head, rules)
    fault = _shape(head, command, rules)
    if fault is not None:
        return Refusal(head.opcode, INVALID, head.opaque, ("binary.shape.refused", fault), closes=True)
    if command.word in SASL and rules.authentication != "sasl":
        rest = functions.value_length(head.keylen, head.extlen, head.bodylen)
        return Refusal(head.opcode, UNKNOWN, head.opaque, ("binary.sasl.off",), swallow=_behind(head, rest, rules))
    return None


def _behind(head: Header, rest: int, rules: Rules) -> int:
    """Bytes to drop of a refused body: those behind its key, or all of them where only the header was looked at.

    Servers that take bodies of 2^31 bytes and more read their length as signed here, and drop nothing of them.
    """
    return max(0, arith.signed32(head.bodylen if rules.traits.header_first == "yes" else rest))


_FAULTS = {
    CONTRADICTS: (UNKNOWN, "binary.header.contradicts"),
    BODY_LONG: (INVALID, "binary.header.body-limit"),
    KEY_LONG: (INVALID, "binary.header.key-limit"),
}
"""What is wrong with lengths that no opcode may have: the status, and the clause."""


def _clauses(data: bytes, head: Header, key: bytes, rules: Rules) -> tuple[str, ...]:
    clauses: tuple[str, ...] = ("binary.header.fields",)
    if data[5] or data[6:8] != b"\0\0":
        clauses = (*clauses, "binary.header.ignored")
    if len(key) == rules.limits.key:
        clauses = (*clauses, "binary.key.limit")
    if any(byte < 33 or byte > 126 for byte in key):
        clauses = (*clauses, "binary.key.any-byte")
    if head.extlen == 0 and OPCODES[head.opcode].optional:
        clauses = (*clauses, "binary.shape.optional")
    return clauses


def _shape(head: Header, command: Opcode, rules: Rules) -> str | None:
    """The clause that refuses a request for the lengths in its header; None if they are what its opcode demands."""
    functions = rules.functions
    if not functions.extras_right(head.extlen, command.extras, optional=command.optional):
        return "binary.shape.extras"
    if not functions.key_right(head.keylen, command.key):
        return "binary.shape.key" if command.key == A_KEY else "binary.shape.no-key"
    if functions.value_length(head.keylen, head.extlen, head.bodylen) < 0:
        return "binary.shape.surplus"
    if not functions.body_right(head.keylen, head.extlen, head.bodylen, valued=command.valued):
        reads_on = rules.traits.surplus_body == "next-header" and command.word in ("touch", "gat", "stat")
        return None if reads_on else "binary.shape.surplus"
    return None


def _unknown(head: Header, rules: Rules) -> Refusal:
    clause = "binary.unknown.verbosity" if head.opcode == VERBOSITY else "binary.unknown.opcode"
    clauses: tuple[str, ...] = ("binary.unknown.status", clause)
    if head.bodylen:
        clauses = (*clauses, "binary.unknown.body")
    rest = rules.functions.value_length(head.keylen, head.extlen, head.bodylen)
    if rules.traits.unknown_body == "key-twice":
        # The whole body is dropped, although extras and key were taken from it already.
        rest = max(0, arith.signed32(head.bodylen))
    return Refusal(head.opcode, UNKNOWN, head.opaque, clauses, swallow=_behind(head, rest, rules))


# ---------------------------------------------------------------------------------------------------- packets sent

NO_CAS = bytes(8)


def reply(
    opcode: int,
    opaque: bytes,
    status: int = OK,
    *,
    extras: bytes = b"",
    key: bytes = b"",
    value: bytes = b"",
    cas: Piece = NO_CAS,
) -> tuple[Piece, ...]:
    """A packet that a server sends; `cas` is eight bytes, or a symbol that stands for them."""
    body = extras + key + value
    lengths = len(key).to_bytes(2, "big") + bytes([len(extras), 0])
    head = bytes([RESPONSE, opcode]) + lengths + status.to_bytes(2, "big") + len(body).to_bytes(4, "big") + opaque
    if isinstance(cas, bytes):
        return (head + cas + body,)
    return (head, cas, body) if body else (head, cas)


def is_error(piece: bytes) -> bool:
    """Whether a packet that begins with these bytes is a refusal."""
    return piece[6:8] != b"\0\0"


@dataclass(frozen=True)
class Rows:
    """Takes packets without extras and cas unique apart: each is a row of statistics, an empty one their end.

    Of the reply to `version` (`shown` is its word) the body is the line.
    """

    opcode: int
    opaque: bytes
    shown: str = "STAT"

    def __call__(self, data: bytes, at: int) -> tuple[int, bytes] | Fit:
        """The line of text that the packet at an offset stands for, and where the packet ends."""
        begun = data[at : at + HEADER]
        expected = bytes([RESPONSE, self.opcode])
        if len(begun) < HEADER:
            return Fit.PART if expected.startswith(begun[:2]) else Fit.NOT
        keylen, bodylen = int.from_bytes(begun[2:4], "big"), int.from_bytes(begun[8:12], "big")
        right = reply(self.opcode, self.opaque, key=bytes(keylen), value=bytes(max(0, bodylen - keylen)))
        if bodylen > MOST_ROW or keylen > bodylen or right != (begun + bytes(bodylen),):
            return Fit.NOT
        end = at + HEADER + bodylen
        if len(data) < end:
            return Fit.PART
        key, value = data[at + HEADER : end - bodylen + keylen], data[end - bodylen + keylen : end]
        if b" " in key or (key and self.shown == "VERSION"):
            return Fit.NOT
        if self.shown == "VERSION":
            return end, b"VERSION %s\r\n" % value
        if key == DETAILED:
            return end, value
        return end, b"STAT %s %s\r\n" % (key, value) if bodylen else b"END\r\n"


MOST_ROW = 2**20
"""Bytes that the body of one of those packets has at most."""

DETAILED = b"detailed"
"""The name of the one row that shows the report on prefixes, lines and all."""


def rows(text: Text, opcode: int, opaque: bytes) -> Framed:
    """The piece for a stream of rows that say what the lines of `text` say."""
    head = f"\\x81\\x{opcode:02x}[\\s\\S]{{10}}{re.escape(opaque.decode('latin-1'))}\\x00{{8}}"
    return Framed(text, Rows(opcode, opaque), f"(?:{head}{DETAILED.decode()}[^\\x81]*|(?:{head}[^\\x81]+)*{head})")


def version(opcode: int, opaque: bytes) -> Framed:
    """The piece for the packet that shows the server's version."""
    head = f"\\x81\\x{opcode:02x}[\\s\\S]{{10}}{re.escape(opaque.decode('latin-1'))}\\x00{{8}}"
    return Framed(VERSION, Rows(opcode, opaque, "VERSION"), f"{head}[!-~][ -~]*")
