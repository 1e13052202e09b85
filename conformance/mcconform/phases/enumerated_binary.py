"""Vectors enumerated in a small scope: every binary opcode, on items in several states, with every kind of cas unique.

What is refused for its shape ends the connection, so that each wrong shape has a conversation of its own. Each request
is followed by a look at the item and a NOOP, by which what is quiet shows that it is.
"""

from __future__ import annotations

from struct import pack
from typing import TYPE_CHECKING

from mcconform.conversation import PREFIX, CasRef, Conversation, Open, Part, Repeat, Send, Settle, Step
from mcconform.streams_binary import (
    ADD,
    APPEND,
    BODY_LENGTHS,
    DECR,
    DELETE,
    EXTRA_LENGTHS,
    FLUSH,
    GAT,
    GATK,
    GET,
    GETK,
    INCR,
    KEY_LENGTHS,
    NAMES,
    NOOP,
    PREPEND,
    QUIET,
    QUIT,
    REPLACE,
    SET,
    STAT,
    TOUCH,
    VERSION,
    packet,
)
from mcconform.streams_lanes import OVERHEAD

if TYPE_CHECKING:
    from collections.abc import Iterator

LOUD = {quiet: loud for loud, quiet in QUIET.items()}
"""The loud twin of each quiet opcode."""

COUNTER = pack(">QQI", 3, 10, 0)
EXTRAS = {
    **dict.fromkeys((SET, ADD, REPLACE), pack(">II", 7, 0)),
    **dict.fromkeys((INCR, DECR), COUNTER),
    **dict.fromkeys((TOUCH, GAT, GATK), pack(">I", 0)),
}
"""Extras that an opcode needs, of itself and its quiet twin."""

VALUED = frozenset((SET, ADD, REPLACE, APPEND, PREPEND))
KEYLESS = frozenset((QUIT, FLUSH, NOOP, VERSION, STAT))

STATES = {
    "missing": None,
    "text": b"abc",
    "counter": b"12",
    "largest": b"18446744073709551615",
}
"""What stands under the key before the request."""

CAS: dict[str, int | None] = {"none": None, "right": 0, "wrong": 1}
"""Offsets from the item's cas unique."""

EXPTIMES = (1, 2592000, 2592001, 2**31 - 1, 2**31, 2**32 - 1)
ODD_COUNTERS = {
    "delta-0": pack(">QQI", 0, 10, 0), "delta-max": pack(">QQI", 2**64 - 1, 10, 0),
    "initial-0": pack(">QQI", 3, 0, 0), "initial-max": pack(">QQI", 3, 2**64 - 1, 0),
    "never": pack(">QQI", 3, 10, 2**32 - 1), "almost-never": pack(">QQI", 3, 10, 2**32 - 2),
}  # fmt: skip

_STORES = ("set", "setq", "add", "addq", "replace", "replaceq")
_JOINS = ("append", "appendq", "prepend", "prependq")
_DELTAS = ("incr", "incrq", "decr", "decrq")
_EDGES = ("keylen-", "extlen-", "bodylen-")

SECTIONS: dict[str, tuple[str, ...]] = {
    "choice": ("magic-", "mixed"),
    "header": (*_EDGES, "magic-", "ignored-"),
    "shape": ("extras-", *_EDGES),
    "body": (*_EDGES, "size", "unknown"),
    "key": ("keylen-", "mixed"),
    "reply": ("cas-", "unknown", "pipeline"),
    "quiet": (*(NAMES[quiet] for quiet in LOUD), "pipeline"),
    "cas": ("cas-", "mixed"),
    "exptime": ("exptime-",),
    "store": (*_STORES, "size", "value"),
    "join": (*_JOINS, "size"),
    "count": (*_DELTAS, *_JOINS),
    "delta": _DELTAS,
    "shared": ("mixed",),
    "stream": ("pipeline", "value", "mixed"),
    "unknown": ("unknown", "verbosity"),
    "sasl": ("sasl-",),
}
"""What the vectors are called that decide a section of the chapter; a section not named here is that of an opcode."""

ANNOUNCED = 70000
"""A body up to so many bytes is sent; of a longer one, a little."""


def about(section: str, name: str) -> bool:
    """Whether the vector of this name shows clauses of this section, so that a narrow selection runs it."""
    asked = SECTIONS.get(section, (section, f"{section}q"))
    return any(
        word == one or (one.endswith("-") and word.startswith(one)) for word in name.split(".")[2:4] for one in asked
    )


def _key(state: str) -> bytes:
    return PREFIX + b"-" + state.encode()


def _setup() -> list[Part]:
    """All items, each looked at, so that its cas unique is known."""
    parts: list[Part] = []
    for state, value in STATES.items():
        if value is not None:
            parts += packet(SET, _key(state), pack(">II", 5, 0), value)
        parts += packet(GETK, _key(state))
    return parts


def _on_every_state(name: str, opcode: int, extras: bytes, offset: int | None = None) -> Conversation:
    """One request for the item in each state, each looked at afterwards."""
    steps: list[Step] = [Send(0, tuple(_setup())), Settle(0)]
    value = b"45" if LOUD.get(opcode, opcode) in VALUED else b""
    for number, state in enumerate(STATES, 1):
        key = _key(state)
        cas: CasRef | int = 0 if offset is None else CasRef(key, offset, encoding="u64")
        parts = packet(opcode, key, extras, value, cas=cas, opaque=number << 24 | 0x80)
        parts += [*packet(GETK, key, opaque=number), *packet(NOOP, opaque=number + 16)]
        steps += [Send(0, tuple(parts)), Send(0, (*packet(GETK, key), b""))]
    return _vector(name, steps)


def _vector(name: str, steps: list[Step], options: tuple[str, ...] = ()) -> Conversation:
    kept = [
        Send(step.conn, tuple(part for part in step.parts if part != b"")) if isinstance(step, Send) else step
        for step in steps
    ]
    return Conversation(f"enum.binary.{name}", (*kept, Settle()), options=options)


def keyed() -> Iterator[Conversation]:
    """Every opcode with a key, with no cas unique, the item's and another."""
    for opcode, name in NAMES.items():
        loud = LOUD.get(opcode, opcode)
        if loud in KEYLESS or not (loud in EXTRAS or loud in VALUED or loud in (GET, GETK, DELETE)):
            continue
        for word, offset in CAS.items():
            yield _on_every_state(f"{name}.cas-{word}", opcode, EXTRAS.get(loud, b""), offset)
        if loud in (INCR, DECR):
            for word, extras in ODD_COUNTERS.items():
                yield _on_every_state(f"{name}.{word}", opcode, extras)
        if loud in (SET, ADD, TOUCH, GAT, GATK, INCR):
            for exptime in EXPTIMES:
                before = EXTRAS[loud][:-4]
                yield _on_every_state(f"{name}.exptime-{exptime}", opcode, before + pack(">I", exptime))
        if loud in (SET, ADD, REPLACE):
            for flags in (2**31, 2**32 - 1):
                yield _on_every_state(f"{name}.flags-{flags}", opcode, pack(">II", flags, 0))


def shapes() -> Iterator[Conversation]:
    """Every opcode with a key or none, a value or none, and extras that are too few, right, too many."""
    for opcode, name in NAMES.items():
        loud = LOUD.get(opcode, opcode)
        right = EXTRAS.get(loud, b"")
        sizes = sorted({0, 4, 8, 20, len(right), len(right) + 1, max(0, len(right) - 1)})
        for size in sizes:
            for key in (b"", PREFIX + b"-s"):
                for value in (b"", b"v"):
                    parts = packet(opcode, key, (right + bytes(24))[:size], value, opaque=0x01020304)
                    word = f"{name}.extras-{size}.{'key' if key else 'no-key'}.{'value' if value else 'no-value'}"
                    steps: list[Step] = [Send(0, (*packet(NOOP), *parts, *packet(NOOP, opaque=5)))]
                    yield _vector(word, [*steps, Settle(0), Send(0, tuple(packet(GETK, PREFIX + b"-s")))])


def unknown() -> Iterator[Conversation]:
    """Opcodes that nobody carries out, with a body of every kind."""
    for opcode in (0x1F, 0x25, 0x2F, *range(0x30, 0x41), 0x7F, 0x80, 0x81, 0xFE, 0xFF):
        parts = packet(opcode, opaque=1)
        parts += packet(opcode, PREFIX, b"\0" * 4, b"value", opaque=2)
        parts += packet(opcode, b"", b"", b"v" * 300, opaque=3)
        yield _vector(f"unknown.{opcode:02x}", [Send(0, (*parts, *packet(NOOP, opaque=4)))])


def headers() -> Iterator[Conversation]:
    """Every length field of a header at its edges, for opcodes of several shapes; magics and ignored fields."""
    shaped = {GET: b"", SET: bytes(8), INCR: COUNTER, APPEND: b"", NOOP: b"", STAT: b"", TOUCH: bytes(4), 0x7F: b""}
    for opcode, extras in shaped.items():
        key = b"" if opcode in KEYLESS else PREFIX + b"-h"
        name = NAMES.get(opcode, "unknown")
        for size in KEY_LENGTHS:
            yield from _edge(f"{name}.keylen-{size}", opcode, extras, key_length=size, body=size + len(extras))
            yield from _edge(
                f"{name}.keylen-{size}.body-less", opcode, extras, key_length=size, body=size + len(extras) - 1
            )
        for size in EXTRA_LENGTHS:
            yield from _edge(f"{name}.extlen-{size}", opcode, b"", key, extra_length=size, body=size + len(key))
            yield from _edge(f"{name}.extlen-{size}.body-less", opcode, b"", key, extra_length=size, body=size - 1)
        for size in BODY_LENGTHS:
            yield from _edge(f"{name}.bodylen-{size}", opcode, extras, key, body=size)
    for magic in (0x00, 0x0A, 0x67, 0x7F, 0x81, 0x82, 0xFF):
        steps: list[Step] = [Send(0, (*packet(NOOP), *packet(NOOP, magic=magic), *packet(NOOP)))]
        yield _vector(f"magic-{magic:02x}", steps)
    for rest in ((1, 0), (255, 65535), (0, 32768)):
        yield _vector(f"ignored-{rest[0]}-{rest[1]}", [Send(0, tuple(packet(NOOP, rest=rest, opaque=2**32 - 1)))])


def _edge(
    name: str, opcode: int, extras: bytes, key: bytes = b"", *, body: int, key_length: int | None = None,
    extra_length: int | None = None,
) -> Iterator[Conversation]:  # fmt: skip
    """A header with such lengths and, as far as it costs little, the body that it announces."""
    if body < 0:
        return
    parts = packet(opcode, key, extras, key_length=key_length, extra_length=extra_length, body_length=body, opaque=9)
    held = len(key) + len(extras)
    more = body - held if body <= ANNOUNCED else 600
    filler: list[Part] = []
    if more > 0:
        # What stands where a key should is one of ours.
        filler = [(PREFIX * 100)[:more], b"m" * max(0, more - 600)]
    yield _vector(name, [Send(0, (*packet(NOOP), *parts, *filler, *packet(NOOP, opaque=10)))])


def sizes() -> Iterator[Conversation]:
    """Values at the item limit, and where buffers change hands."""
    key = PREFIX + b"-z"
    for options, limit in ((("-I", "1k"), 1024), ((), 1024 * 1024)):
        every_way = (SET, 0x11, ADD, 0x12, REPLACE, APPEND, PREPEND, 0x19)
        for opcode in every_way if options else (SET, APPEND):
            for size in range(limit - OVERHEAD - len(key) - 4, limit - OVERHEAD - len(key) + 2):
                extras = EXTRAS.get(LOUD.get(opcode, opcode), b"")
                setup = [] if LOUD.get(opcode, opcode) in (SET, ADD) else packet(SET, key, bytes(8), b"")
                parts = [
                    *setup,
                    *packet(opcode, key, extras, Repeat(b"v", size), opaque=3),
                    *packet(TOUCH, key, bytes(4)),
                ]
                yield _vector(f"size.{NAMES[opcode]}.{limit}.{size}", [Send(0, (*parts, *packet(NOOP)))], options)
    for size in (2047, 2048, 2049, 16383, 16384, 16385, 65535, 65536, 65537):
        parts = [*packet(SET, key, bytes(8), Repeat(b"v", size)), *packet(GET, key), *packet(GETK, key, opaque=1)]
        head = 24 + 8 + len(key)
        cuts = (10, 24, 30, head, head + size // 2, head + size, head + size + 3)
        yield _vector(f"value.{size}", [Send(0, tuple(parts)), Settle(0), Send(0, tuple(packet(GETK, key)))])
        yield Conversation(f"enum.binary.value.{size}.cut", (Send(0, tuple(parts), cuts), Settle()))


def mixed() -> Iterator[Conversation]:
    """One key in text, in meta and in binary, on three connections; keys that no line can say."""
    key = PREFIX + b"-x"
    text: list[Part] = [b"set %s 7 0 2\r\n10\r\ngets %s\r\n" % (key, key)]
    look: list[Part] = [b"gets %s\r\nmg %s v f c t\r\n" % (key, key)]
    for name, parts in {
        "set": packet(SET, key, pack(">II", 9, 0), b"99"),
        "cas": packet(SET, key, pack(">II", 9, 0), b"99", cas=CasRef(key, encoding="u64")),
        "incr": packet(INCR, key, COUNTER),
        "append": packet(APPEND, key, b"", b"1", cas=CasRef(key, encoding="u64")),
        "delete": packet(DELETE, key),
        "touch": packet(TOUCH, key, pack(">I", 100)),
        "half": packet(SET, key, bytes(8), b"half")[:1],
    }.items():
        steps: list[Step] = [Open(0), Open(1), Send(0, tuple(text)), Settle(0), Send(1, tuple(parts)), Settle(1)]
        steps += [Send(0, tuple(look)), Settle(0), Send(2, (b"mg %s s v k\r\n" % key,)), Settle(2)]
        steps += [Send(1, tuple(packet(GETK, key)))] if name != "half" else [Send(0, tuple(look))]
        yield _vector(f"mixed.{name}", steps)
    for number, odd in enumerate((b" ", b"\n", b"\r\n", b"\0", b"\r", b"\xff")):
        odd_key = PREFIX + odd
        steps = [Send(0, tuple(packet(SET, odd_key, bytes(8), b"odd"))), Settle(0), Send(1, (b"get %s\r\n" % odd_key,))]
        yield _vector(f"mixed.key-{number}", [*steps, Settle(1), Send(0, tuple(packet(GETK, odd_key)))])


def pipelines() -> Iterator[Conversation]:
    """Many requests in one chunk: quiet ones that a NOOP flushes, more than a server handles in one turn."""
    key = PREFIX + b"-p"
    for count in (2, 20, 21, 300):
        parts = packet(SET, key, bytes(8), b"v")
        parts += [part for at in range(count) for part in packet(QUIET[GET], key, opaque=at)]
        parts += [part for at in range(count) for part in packet(QUIET[GETK], PREFIX + b"-q", opaque=at)]
        parts += [part for at in range(count) for part in packet(QUIET[SET], key, bytes(8), b"%d" % at, opaque=at)]
        yield _vector(f"pipeline.{count}", [Send(0, (*parts, *packet(NOOP, opaque=1), *packet(GET, key)))])
    for opcode in (QUIT, QUIET[QUIT]):
        steps: list[Step] = [Send(0, (*packet(VERSION), *packet(opcode, opaque=6), *packet(NOOP)))]
        yield _vector(f"pipeline.{NAMES[opcode]}", steps)


def every() -> Iterator[Conversation]:
    """All of them."""
    yield from keyed()
    yield from shapes()
    yield from unknown()
    yield from headers()
    yield from sizes()
    yield from mixed()
    yield from pipelines()
