"""Random requests of the binary protocol: every opcode and its quiet twin, on items that text and meta use too.

`request(rng, drawn)` yields the parts of one request. Most are meant to work. Some have a header that lies: lengths at
the edges of signed and unsigned numbers, extras and keys where none may be, opcodes that nobody knows. A body that is
announced and too long to be worth sending is sent in part.
"""

from __future__ import annotations

from struct import pack
from typing import TYPE_CHECKING

from mcconform.conversation import PREFIX, CasRef, Repeat
from mcconform.headers import MAGIC

if TYPE_CHECKING:
    from random import Random

    from mcconform.conversation import Part
    from mcconform.streams_meta import Drawn

GET, SET, ADD, REPLACE, DELETE, INCR, DECR, QUIT, FLUSH, GETQ = range(10)
NOOP, VERSION, GETK, GETKQ, APPEND, PREPEND, STAT = range(0x0A, 0x11)
VERBOSITY, TOUCH, GAT, GATQ = range(0x1B, 0x1F)
SASL_LIST, SASL_AUTH, SASL_STEP, GATK, GATKQ = range(0x20, 0x25)

QUIET = {
    GET: GETQ, GETK: GETKQ, GAT: GATQ, GATK: GATKQ, SET: 0x11, ADD: 0x12, REPLACE: 0x13, DELETE: 0x14, INCR: 0x15,
    DECR: 0x16, QUIT: 0x17, FLUSH: 0x18, APPEND: 0x19, PREPEND: 0x1A,
}  # fmt: skip
"""The quiet twin of each opcode that has one."""

NAMES = {
    GET: "get", SET: "set", ADD: "add", REPLACE: "replace", DELETE: "delete", INCR: "incr", DECR: "decr", QUIT: "quit",
    FLUSH: "flush", NOOP: "noop", VERSION: "version", GETK: "getk", APPEND: "append", PREPEND: "prepend", STAT: "stat",
    VERBOSITY: "verbosity", TOUCH: "touch", GAT: "gat", GATK: "gatk", SASL_LIST: "sasl-list", SASL_AUTH: "sasl-auth",
    SASL_STEP: "sasl-step",
}  # fmt: skip
NAMES |= {quiet: f"{NAMES[loud]}q" for loud, quiet in QUIET.items()}
"""What each opcode is called."""

FOREVER, NEVER = 0, 0xFFFFFFFF
"""Expirations of a counter: it lives on, or it is not made where there is none."""

ODD_KEYS = (PREFIX + b"a b", PREFIX + b"\n", PREFIX + b"\r\n", PREFIX + b"\0", PREFIX + b"k" * 244)
"""Keys that a line cannot say, or hardly."""

KEY_LENGTHS = (0, 1, 6, 249, 250, 251, 255, 256, 32767, 32768, 65535)
EXTRA_LENGTHS = (0, 1, 3, 4, 5, 7, 8, 9, 19, 20, 21, 127, 128, 255)
BODY_LENGTHS = (
    0, 1, 23, 24, 255, 256, 65535, 65536, 2**20 - 1, 2**20, 2**20 + 1, 2**24, 2**30 - 1, 2**30, 2**30 + 1, 2**31 - 1,
    2**31, 2**31 + 1, 2**32 - 1,
)  # fmt: skip
"""The edges of the length fields, as signed and unsigned numbers."""

EXPTIMES = (0, 0, 0, 0, 100, 2592000, 2592001, 2000000000, 2**31 - 1, 2**31, 2**32 - 1)
SOON = (1, 2, 3)
DELTAS = (0, 1, 1, 2, 10, 2**32, 2**63, 2**64 - 1)
FLAGS = (0, 0, 1, 65535, 2**31, 2**32 - 1)
OPAQUES = (0, 1, 0xDEADBEEF, 0x80000000, 0xFFFFFFFF, 0x0D0A0D0A)


def packet(
    opcode: int,
    key: bytes = b"",
    extras: bytes = b"",
    value: Part = b"",
    *,
    cas: CasRef | int = 0,
    opaque: int = 0,
    magic: int = MAGIC,
    key_length: int | None = None,
    extra_length: int | None = None,
    body_length: int | None = None,
    rest: tuple[int, int] = (0, 0),
) -> list[Part]:
    """One request; lengths other than the true ones are lies, ``rest`` are data type and vbucket."""
    size = len(value.bytes()) if isinstance(value, Repeat) else len(value) if isinstance(value, bytes) else 0
    keylen = len(key) if key_length is None else key_length
    extlen = len(extras) if extra_length is None else extra_length
    bodylen = len(extras) + len(key) + size if body_length is None else body_length
    head = pack(">BBHBBHII", magic, opcode, keylen, extlen, rest[0], rest[1], bodylen, opaque)
    if isinstance(cas, CasRef):
        found: list[Part] = [head, cas, extras + key]
    else:
        found = [head + pack(">Q", cas) + extras + key]
    if isinstance(value, bytes) and isinstance(found[-1], bytes):
        found[-1] += value
    else:
        found.append(value)
    return [part for part in found if part != b""]


def request(rng: Random, drawn: Drawn, *, foreign: bool = True, endings: bool = True) -> list[Part]:
    """One request, with what it may have; ``foreign`` and ``endings`` as in a stream's scope."""
    draw = rng.random()
    if draw < 0.3:
        return _store(rng, drawn)
    if draw < 0.52:
        return _retrieval(rng, drawn)
    if draw < 0.66:
        return _counter(rng, drawn)
    if draw < 0.73:
        return packet(_loud(rng, DELETE), _key(rng, drawn), cas=_cas(rng, drawn), opaque=_opaque(rng))
    if draw < 0.78:
        return packet(TOUCH, _key(rng, drawn), pack(">I", _exptime(rng, drawn)), opaque=_opaque(rng))
    if draw < 0.9:
        return packet(rng.choice((NOOP, NOOP, NOOP, VERSION)), opaque=_opaque(rng))
    if draw < 0.95:
        return _strange(rng, foreign=foreign, endings=endings, soon=drawn.soon)
    return _lying(rng, drawn, endings=endings)


def _key(rng: Random, drawn: Drawn) -> bytes:
    return rng.choice(ODD_KEYS) if rng.random() < 0.06 else rng.choice(drawn.keys)


def _cas(rng: Random, drawn: Drawn) -> CasRef | int:
    draw = rng.random()
    if draw < 0.7:
        return 0
    if draw < 0.93:
        return CasRef(rng.choice(drawn.keys), 0 if draw < 0.88 else 1, encoding="u64")
    return rng.choice((1, 2, 999, 2**63, 2**64 - 1))


def _opaque(rng: Random) -> int:
    return rng.choice(OPAQUES) if rng.random() < 0.1 else rng.randrange(2**16)


def _loud(rng: Random, opcode: int) -> int:
    """The opcode, or its quiet twin."""
    return QUIET[opcode] if rng.random() < 0.3 else opcode


def _exptime(rng: Random, drawn: Drawn) -> int:
    if drawn.soon and rng.random() < 0.1:
        return rng.choice(SOON)
    return rng.choice(EXPTIMES) if rng.random() < 0.2 else 0


def _store(rng: Random, drawn: Drawn) -> list[Part]:
    opcode = rng.choice((SET, SET, SET, ADD, REPLACE, APPEND, PREPEND))
    extras = b"" if opcode in (APPEND, PREPEND) else pack(">II", rng.choice(FLAGS), _exptime(rng, drawn))
    key, loud = _key(rng, drawn), _loud(rng, opcode)
    return packet(loud, key, extras, drawn.value, cas=_cas(rng, drawn), opaque=_opaque(rng))


def _retrieval(rng: Random, drawn: Drawn) -> list[Part]:
    opcode = rng.choice((GET, GET, GETK, GAT, GATK))
    extras = pack(">I", _exptime(rng, drawn)) if opcode in (GAT, GATK) else b""
    cas = 0 if rng.random() < 0.95 else 7
    return packet(_loud(rng, opcode), _key(rng, drawn), extras, cas=cas, opaque=_opaque(rng))


def _counter(rng: Random, drawn: Drawn) -> list[Part]:
    exptime = rng.choice((FOREVER, FOREVER, NEVER, _exptime(rng, drawn)))
    extras = pack(">QQI", rng.choice(DELTAS), rng.choice((0, 5, 10, 2**64 - 1)), exptime)
    opcode = _loud(rng, rng.choice((INCR, INCR, DECR)))
    return packet(opcode, _key(rng, drawn), extras, cas=_cas(rng, drawn), opaque=_opaque(rng))


def _strange(rng: Random, *, foreign: bool, endings: bool, soon: bool) -> list[Part]:
    """Requests without a key, and those that nobody carries out."""
    draw = rng.random()
    opaque = _opaque(rng)
    if foreign and draw < 0.2:
        delay = pack(">I", rng.choice((0, *SOON, 100) if soon else (0, 100)))
        return packet(_loud(rng, FLUSH), extras=rng.choice((b"", b"", delay)), opaque=opaque)
    if foreign and draw < 0.4:
        return packet(STAT, rng.choice((b"", b"", b"settings", b"items", b"bogus", b"reset")), opaque=opaque)
    if endings and draw < 0.5:
        return packet(_loud(rng, QUIT), opaque=opaque)
    if draw < 0.6:
        opcode = rng.choice((SASL_LIST, SASL_AUTH, SASL_STEP))
        return packet(opcode, b"" if opcode == SASL_LIST else b"PLAIN", b"", b"\0mcuser\0mcpass", opaque=opaque)
    if draw < 0.7 and foreign:
        return packet(VERBOSITY, b"", pack(">I", 0), opaque=opaque)
    opcode = rng.choice((0x1F, 0x25, 0x2F, 0x30, 0x3C, 0x3D, 0x40, 0x7F, 0x80, 0x81, 0xFE, 0xFF))
    return packet(opcode, PREFIX + b"a", rng.choice((b"", b"1234")), rng.choice((b"", b"xyz")), opaque=opaque)


def _lying(rng: Random, drawn: Drawn, *, endings: bool) -> list[Part]:
    """A request whose header does not say what is true of it; most of these end the connection."""
    opcode = rng.choice(tuple(name for name in NAMES if name not in (FLUSH, QUIET[FLUSH], STAT, VERBOSITY)))
    extras = rng.choice((b"", b"\0" * 4, b"\0" * 8, b"\0" * 20))
    key = rng.choice((b"", rng.choice(drawn.keys), rng.choice(drawn.keys)))
    draw = rng.random()
    rest = rng.randrange(256), rng.randrange(65536)
    if not endings:
        # What nobody looks at.
        return packet(NOOP, opaque=_opaque(rng), rest=rest)
    if draw < 0.15:
        return packet(opcode, key, extras, drawn.value, opaque=_opaque(rng), magic=rng.choice((0x81, 0x00, 0x67, 0xFF)))
    if draw < 0.4:
        return packet(opcode, key, extras, drawn.value, opaque=_opaque(rng), key_length=rng.choice(KEY_LENGTHS))
    if draw < 0.6:
        return packet(opcode, key, extras, drawn.value, opaque=_opaque(rng), extra_length=rng.choice(EXTRA_LENGTHS))
    if draw < 0.8:
        return packet(opcode, key, extras, drawn.value, opaque=_opaque(rng), body_length=rng.choice(BODY_LENGTHS))
    return packet(opcode, key, extras, drawn.value, cas=rng.choice((0, 1)), opaque=_opaque(rng), rest=rest)


def large(rng: Random, key: bytes, size: int) -> list[Part]:
    """A store of so many bytes, whose body costs nothing to write down."""
    opcode = rng.choice((SET, SET, ADD, REPLACE, APPEND, PREPEND))
    extras = b"" if opcode in (APPEND, PREPEND) else bytes(8)
    return packet(_loud(rng, opcode), key, extras, Repeat(b"v", size), opaque=_opaque(rng))
