"""The layout of the binary protocol's packets, its opcodes, status codes and texts."""

from struct import Struct
from typing import Final, NamedTuple

from mcserver.protocols import MAGIC

#: Magic, opcode, length of the key, of the extras, of the body; opaque, cas unique. Data type and vbucket of a request
#: are not looked at.
REQUEST: Final = Struct(">BBHB3xIIQ")
HEADER_SIZE: Final = REQUEST.size
#: Magic, opcode, length of the key, of the extras, status, length of the body, opaque, cas unique.
REPLY: Final = Struct(">BBHBxHIIQ")
#: The same and the flags of an item.
HIT: Final = Struct(">BBHBxHIIQI")
FLAGS: Final = Struct(">I")
#: Extras of set, add and replace: flags, exptime; of incr and decr: delta, initial value, exptime.
STORE_EXTRAS: Final = Struct(">II")
ARITHMETIC_EXTRAS: Final = Struct(">QQI")
NUMBER: Final = Struct(">Q")

REPLY_MAGIC: Final = 0x81
REQUEST_MAGIC: Final = MAGIC

#: A longer body is refused, in bytes.
BODY_MAX: Final = 1 << 30
#: Header, extras and key of one request have to fit into so many bytes; more ends the connection, unanswered.
HEAD_MAX: Final = 16384

GET: Final = 0x00
SET: Final = 0x01
ADD: Final = 0x02
REPLACE: Final = 0x03
DELETE: Final = 0x04
INCREMENT: Final = 0x05
DECREMENT: Final = 0x06
QUIT: Final = 0x07
FLUSH: Final = 0x08
GETQ: Final = 0x09
NOOP: Final = 0x0A
VERSION: Final = 0x0B
GETK: Final = 0x0C
GETKQ: Final = 0x0D
APPEND: Final = 0x0E
PREPEND: Final = 0x0F
STAT: Final = 0x10
SETQ: Final = 0x11
ADDQ: Final = 0x12
REPLACEQ: Final = 0x13
DELETEQ: Final = 0x14
INCREMENTQ: Final = 0x15
DECREMENTQ: Final = 0x16
QUITQ: Final = 0x17
FLUSHQ: Final = 0x18
APPENDQ: Final = 0x19
PREPENDQ: Final = 0x1A
TOUCH: Final = 0x1C
GAT: Final = 0x1D
GATQ: Final = 0x1E
SASL_LIST: Final = 0x20
SASL_AUTH: Final = 0x21
SASL_STEP: Final = 0x22
GATK: Final = 0x23
GATKQ: Final = 0x24

#: With this exptime an incr or decr that finds nothing makes no item.
NO_INITIAL: Final = 0xFFFFFFFF


class Status(NamedTuple):
    """A status code and the text that goes with it."""

    code: int
    text: bytes


NOT_FOUND: Final = Status(0x01, b"Not found")
EXISTS: Final = Status(0x02, b"Data exists for key.")
TOO_LARGE: Final = Status(0x03, b"Too large.")
INVALID: Final = Status(0x04, b"Invalid arguments")
NOT_STORED: Final = Status(0x05, b"Not stored.")
NON_NUMERIC: Final = Status(0x06, b"Non-numeric server-side value for incr or decr")
AUTH_FAILURE: Final = Status(0x20, b"Auth failure.")
AUTHENTICATED: Final = Status(0x00, b"Authenticated")
AUTH_CONTINUE: Final = Status(0x21, b"")
UNKNOWN: Final = Status(0x81, b"Unknown command")
NO_MEMORY: Final = Status(0x82, b"Out of memory")
NO_MEMORY_STORING: Final = Status(0x82, b"Out of memory allocating item")
NO_MEMORY_COUNTING: Final = Status(0x82, b"Out of memory incrementing value")
NO_MEMORY_CREATING: Final = Status(0x82, b"Out of memory allocating new item")


class Request(NamedTuple):
    """A request whose extras and key have come. `surplus` bytes follow in its body: the value, where it has one."""

    opcode: int
    extras: bytes
    key: bytes
    surplus: int
    opaque: int
    cas: int


def answer(opcode: int, opaque: int, status: Status) -> bytes:
    """A reply that is a status and its text, as errors are."""
    text = status.text
    return REPLY.pack(REPLY_MAGIC, opcode, 0, 0, status.code, len(text), opaque, 0) + text


def success(request: Request, body: bytes = b"", cas: int = 0) -> bytes:
    """A reply without key and extras."""
    return REPLY.pack(REPLY_MAGIC, request.opcode, 0, 0, 0, len(body), request.opaque, cas) + body


def row(opaque: int, name: bytes, value: bytes) -> bytes:
    """One statistic; the row with an empty name ends them."""
    size = len(name) + len(value)
    return REPLY.pack(REPLY_MAGIC, STAT, len(name), 0, 0, size, opaque, 0) + name + value
