"""The layout of the packet protocol: ``<u32 length><u8 code><data>``, its codes and its errors. Big-endian throughout.

The length counts all bytes of the packet, its own four included.
"""

from struct import Struct
from typing import Final, NamedTuple

LENGTH: Final = Struct(">I")
HEAD: Final = Struct(">IB")
HEAD_SIZE: Final = HEAD.size
#: Smallest and greatest length of a packet, in bytes.
LENGTH_MIN: Final = HEAD_SIZE
LENGTH_MAX: Final = 1 << 30
#: Data of a request that carries no value has at most so many bytes; longer ones are dropped as they come.
PLAIN_MAX: Final = 1024

#: Start of a store's data: cas unique, flags, exptime, length of the key.
STORE: Final = Struct(">QIiB")
#: Start of a hit's data: flags, cas unique, length of the key.
HIT: Final = Struct(">IBIQB")
U64: Final = Struct(">Q")
U32: Final = Struct(">I")
I32: Final = Struct(">i")
#: Cas unique and delta of incr and decr; cas unique and number of their reply.
TWO_U64: Final = Struct(">QQ")

NOOP: Final = 0x00
GET: Final = 0x01
SET: Final = 0x02
ADD: Final = 0x03
REPLACE: Final = 0x04
APPEND: Final = 0x05
PREPEND: Final = 0x06
DELETE: Final = 0x07
INCREMENT: Final = 0x08
DECREMENT: Final = 0x09
TOUCH: Final = 0x0A
GAT: Final = 0x0B
FLUSH: Final = 0x0C
VERSION: Final = 0x0D
STATS: Final = 0x0E
QUIT: Final = 0x0F
VERBOSITY: Final = 0x10
#: Added to a code: say nothing when all is well, or of a get or gat when there is nothing.
QUIET: Final = 0x40

OK: Final = 0x80
VALUE: Final = 0x81
NUMBER: Final = 0x82
TEXT: Final = 0x83
STAT: Final = 0x84


class Error(NamedTuple):
    """The code of an error and the text that goes with it."""

    code: int
    text: bytes


UNKNOWN: Final = Error(0xE0, b"unknown command")
NOT_FOUND: Final = Error(0xE1, b"not found")
EXISTS: Final = Error(0xE2, b"data exists for key")
NOT_STORED: Final = Error(0xE3, b"not stored")
INVALID: Final = Error(0xE4, b"invalid arguments")
TOO_LARGE: Final = Error(0xE5, b"too large")
NOT_NUMERIC: Final = Error(0xE6, b"non-numeric value")
OUT_OF_MEMORY: Final = Error(0xE7, b"out of memory")
NOT_ALLOWED: Final = Error(0xE8, b"not allowed")
BAD_LENGTH: Final = Error(0xE9, b"bad length")


def reply(code: int, data: bytes = b"") -> bytes:
    """One packet."""
    return HEAD.pack(HEAD_SIZE + len(data), code) + data


def failure(code: int, error: Error) -> bytes:
    """The reply that refuses a request of code `code`."""
    return reply(error.code, bytes((code,)) + error.text)


def row(name: bytes, value: bytes) -> bytes:
    """One statistic."""
    return reply(STAT, bytes((len(name),)) + name + value)
