"""Random requests of the packet protocol: every code and its quiet twin, and lengths that lie."""

from __future__ import annotations

from struct import pack
from typing import TYPE_CHECKING

from mcconform.conversation import PREFIX, CasRef, Repeat

if TYPE_CHECKING:
    from random import Random

    from mcconform.conversation import Part
    from mcconform.streams_meta import Drawn

(
    NOOP,
    GET,
    SET,
    ADD,
    REPLACE,
    APPEND,
    PREPEND,
    DELETE,
    INCR,
    DECR,
    TOUCH,
    GAT,
    FLUSH,
    VERSION,
    STATS,
    QUIT,
    VERBOSITY,
) = range(17)
QUIET = 0x40
"""What a quiet code has more than its loud twin."""

QUIETS = frozenset((*range(GET, VERSION), QUIT, VERBOSITY))
"""The codes that have one."""

STORES = (SET, SET, SET, SET, ADD, REPLACE, APPEND, PREPEND)
ODD_KEYS = (b"", PREFIX + b"a b", PREFIX + b"\r\n", PREFIX + b"\0", PREFIX + b"k" * 244, PREFIX + b"k" * 245)
LENGTHS = (0, 1, 4, 5, 6, 9, 255, 256, 2**16, 2**30 - 1, 2**30, 2**30 + 1, 2**31 - 1, 2**31, 2**32 - 1)
"""The edges of a packet's length, as a signed and an unsigned number."""

EXPTIMES = (0, 0, 0, 0, 100, -1, 2592000, 2592001, 2**31 - 1, -(2**31))
SOON = (1, 2, 3)
DELTAS = (0, 1, 1, 2, 10, 2**32, 2**63, 2**64 - 1)
FLAGS = (0, 0, 1, 65535, 2**31, 2**32 - 1)


def packet(code: int, *data: Part, length: int | None = None) -> list[Part]:
    """One packet; another length than the true one is a lie."""
    size = 5
    for part in data:
        size += len(part.bytes()) if isinstance(part, Repeat) else 8 if isinstance(part, CasRef) else len(part)  # type: ignore[arg-type]
    found: list[Part] = [pack(">IB", size if length is None else length, code)]
    for part in data:
        if isinstance(part, bytes) and isinstance(found[-1], bytes):
            found[-1] += part
        else:
            found.append(part)
    return found


def request(rng: Random, drawn: Drawn, *, foreign: bool = True, endings: bool = True) -> list[Part]:
    """One request; ``foreign`` and ``endings`` as in a stream's scope."""
    draw = rng.random()
    if draw < 0.3:
        return _store(rng, drawn)
    if draw < 0.5:
        return packet(_loud(rng, GET), _key(rng, drawn))
    if draw < 0.64:
        code = rng.choice((INCR, INCR, DECR))
        return packet(_loud(rng, code), _cas(rng, drawn), pack(">Q", rng.choice(DELTAS)), _key(rng, drawn))
    if draw < 0.71:
        return packet(_loud(rng, DELETE), _cas(rng, drawn), _key(rng, drawn))
    if draw < 0.8:
        return packet(_loud(rng, rng.choice((TOUCH, GAT))), pack(">i", _exptime(rng, drawn)), _key(rng, drawn))
    if draw < 0.88:
        return packet(rng.choice((NOOP, NOOP, VERSION)))
    if draw < 0.94:
        return _strange(rng, foreign=foreign, endings=endings, soon=drawn.soon)
    return _wrong(rng, drawn, endings=endings)


def _key(rng: Random, drawn: Drawn) -> bytes:
    return rng.choice(ODD_KEYS) if rng.random() < 0.06 else rng.choice(drawn.keys)


def _loud(rng: Random, code: int) -> int:
    """The code, or its quiet twin."""
    return code | QUIET if rng.random() < 0.3 else code


def _cas(rng: Random, drawn: Drawn) -> Part:
    draw = rng.random()
    if draw < 0.7:
        return bytes(8)
    if draw < 0.93:
        return CasRef(rng.choice(drawn.keys), 0 if draw < 0.88 else 1, encoding="u64")
    return pack(">Q", rng.choice((1, 2, 999, 2**63, 2**64 - 1)))


def _exptime(rng: Random, drawn: Drawn) -> int:
    if drawn.soon and rng.random() < 0.1:
        return rng.choice(SOON)
    return rng.choice(EXPTIMES) if rng.random() < 0.2 else 0


def _store(rng: Random, drawn: Drawn) -> list[Part]:
    key = _key(rng, drawn)
    head = pack(">IiB", rng.choice(FLAGS), _exptime(rng, drawn), len(key))
    return packet(_loud(rng, rng.choice(STORES)), _cas(rng, drawn), head, key, drawn.value)


def _strange(rng: Random, *, foreign: bool, endings: bool, soon: bool) -> list[Part]:
    draw = rng.random()
    if foreign and draw < 0.25:
        delay = rng.choice((b"", b"", pack(">i", rng.choice((0, *SOON, 100, -1) if soon else (0, 100)))))
        return packet(_loud(rng, FLUSH), delay)
    if foreign and draw < 0.5:
        return packet(STATS, rng.choice((b"", b"", b"settings", b"items", b"bogus", b"reset", b"detail on", b"sizes")))
    if foreign and draw < 0.53:
        # What these three refuse changes nothing.
        code = rng.choice((FLUSH, FLUSH | QUIET, VERBOSITY, STATS))
        return packet(code, rng.choice((b"x", b"123456789", Repeat(b"s", 251))))
    if endings and draw < 0.6:
        return packet(_loud(rng, QUIT))
    if foreign and draw < 0.7:
        return packet(_loud(rng, VERBOSITY), pack(">I", rng.choice((0, 0, 1))))
    code = rng.choice((0x11, 0x3F, 0x40, 0x4D, 0x4E, 0x51, 0x7F, 0x80, 0x81, 0xE0, 0xFF))
    return packet(code, rng.choice((b"", PREFIX + b"a")))


def _wrong(rng: Random, drawn: Drawn, *, endings: bool) -> list[Part]:
    """Data of the wrong shape, or a length that lies."""
    code, draw = rng.randrange(17), rng.random()
    code = NOOP if code in (FLUSH, STATS, VERBOSITY) else code
    if draw < 0.5 or not endings:
        return packet(code, rng.choice((b"", b"x", bytes(8), bytes(17), bytes(17) + rng.choice(drawn.keys))))
    if draw < 0.6:
        return packet(code, Repeat(b"\0", rng.choice((1024, 1025, 5000))))
    key = rng.choice(drawn.keys)
    if draw < 0.75:
        head = pack(">QIiB", 0, 0, 0, rng.choice((0, 1, 7, 8, 251, 255)))
        return packet(rng.choice(STORES), head, key, drawn.value)
    return packet(code, bytes(8), key, length=rng.choice(LENGTHS))


def large(rng: Random, key: bytes, size: int) -> list[Part]:
    """A store of so many bytes, whose value costs nothing to write down."""
    return packet(_loud(rng, rng.choice(STORES)), pack(">QIiB", 0, 0, 0, len(key)), key, Repeat(b"v", size))
