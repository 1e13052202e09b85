"""Phase ``splits``: the same bytes cut differently.

Every two-way split of every hand-picked vector (of a long one no more than there are examples, chosen by the seed),
pieces of a few fixed sizes, one byte at a time, random compositions, and pipelines of several vectors in one write.
The outcome must not depend on any of it; the oracle, which knows nothing of chunks, judges.  Beyond its first
``WHOLE`` bytes a stream is cut around the boundaries of the grammar only.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from mcconform.conversation import Conversation, Part, Repeat, Send, Settle, Step, StopReading, width
from mcconform.live import MOST_WORLDS
from mcconform.oracle import Oracle
from mcconform.phases.base import Plan, plain
from mcconform.phases.vectors import picked
from mcspec import Now, Rules

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator

WHOLE = 4096
"""Bytes up to which a stream is cut at every place."""

NEAR = 8
"""Bytes around a boundary of the grammar that are cut in longer streams."""

MOST_PIECES = 4096
"""A composition has at most so many pieces."""

LARGE, MOST_LARGE = 65536, 8
"""Above so many bytes a stream is cut in two in so many places at most: each costs as much as a hundred short ones."""

LINES = 2000
"""Lines that the two-way splits of one stream may have together: fifty pipelined requests cost as much as fifty."""

SIZES = (2, 7)
"""Piece sizes in bytes of the fixed compositions."""

MOST_COUNTED = 8
"""The same for streams that read what a server counts: they run one after the other."""

CUT = ((), ("-B", "packet"))
"""Server options with which vectors are cut: none, and those that choose a protocol."""

MOST_BINARY = 20
"""The same for binary streams, most of whose bytes are headers, of which one is like another."""

MOST_APART = 16
"""The same for streams that ask for a server of their own: these too run one after the other."""

COMPOSITIONS = 2
"""Random compositions of each vector."""

PIPELINES = 5
"""Pipelines of several vectors, per hundred examples."""


class Group(NamedTuple):
    """The splits of one vector, or one pipeline (``source`` is empty)."""

    source: str
    conversations: list[Conversation]


def groups(plan: Plan) -> Iterator[Group]:
    """The splits of the vectors of the selection that do not fail as they are."""
    rng = plan.random("splits")
    sources = [c for c in picked() if plan.wanted(c) and c.clock == "none" and c.options in CUT]
    sources = [c for c in sources if c.id not in plan.failed and not _stops(c) and not c.datagrams]
    seen: set[tuple[Step, ...]] = set()
    for source in sources:
        joined = join(source)
        if joined.steps not in seen:
            # Vectors that differ only in how they are cut have the same splits.
            seen.add(joined.steps)
            yield Group(source.id, list(of(joined, rng, max(1, plan.max_examples))))
    pool = [c for c in sources if plain(c) and c.size <= 200 and b"quit" not in _text(c)]
    pool = [c for c in pool if c.flushes or not c.alone]
    for number in range(plan.max_examples * PIPELINES // 100 if len(pool) > 1 else 0):
        yield Group("", [_pipeline(rng, pool, number, plan.rules)])


def join(conversation: Conversation) -> Conversation:
    """The conversation with Sends that follow each other on one connection joined into one write."""
    steps: list[Step] = []
    for step in conversation.steps:
        before = steps[-1] if steps else None
        if isinstance(step, Send) and isinstance(before, Send) and before.conn == step.conn:
            steps[-1] = Send(step.conn, _merged(before.parts + step.parts))
        else:
            steps.append(replace(step, cuts=()) if isinstance(step, Send) else step)
    return replace(conversation, steps=tuple(steps))


def of(joined: Conversation, rng: random.Random, most: int = WHOLE) -> Iterator[Conversation]:
    """Every split of a joined conversation, ``most`` two-way ones at most; the joined one itself comes first."""
    yield _cut(joined, "joined", {})
    found = [(i, place) for i, step in enumerate(joined.steps) if isinstance(step, Send) for place in places(step)]
    most = min(most, MOST_LARGE if joined.size > LARGE else max(MOST_LARGE, LINES // _lines(joined)))
    if joined.alone and not joined.flushes:
        most = min(most, MOST_COUNTED)
    if joined.options:
        most = min(most, MOST_APART)
    elif joined.speech(0) == "binary":
        most = min(most, MOST_BINARY)
    if len(found) > most:
        found = sorted(rng.sample(found, most))
    for index, place in found:
        yield _cut(joined, f"split-{index}-{place}", {index: (place,)})
    lengths = {i: sum(map(width, s.parts)) for i, s in enumerate(joined.steps) if isinstance(s, Send)}
    if sum(lengths.values()) <= MOST_PIECES:
        yield _cut(joined, "bytes", {i: tuple(range(1, n)) for i, n in lengths.items()})
    for size in SIZES:
        if sum(lengths.values()) <= MOST_PIECES * size:
            yield _cut(joined, f"pieces-{size}", {i: tuple(range(size, n, size)) for i, n in lengths.items()})
    for number in range(COMPOSITIONS):
        yield _cut(joined, f"random-{number}", {i: _composition(rng, n) for i, n in lengths.items()})


def places(step: Send) -> list[int]:
    """Where a write is cut in two: everywhere if it is short, else as the module says.

    The inside of a repetition looks the same everywhere: its ends and the neighbourhood of round offsets, where buffers
    and limits have their edges, stand for it.
    """
    total = sum(map(width, step.parts))
    found: set[int] = set()
    offset = 0
    for part in step.parts:
        end = offset + width(part)
        edges = [offset, end]
        if isinstance(part, Repeat):
            edges += [at for at in (2048, 16384) if offset < at < end]
        elif end <= WHOLE:
            found.update(range(offset, end))
        elif isinstance(part, bytes):
            edges += [offset + at for at, byte in enumerate(part) if byte in b"\r\n "]
        for edge in edges:
            found.update(range(edge - NEAR, edge + NEAR + 1))
        offset = end
    return sorted(at for at in found if 0 < at < total)


def _cut(joined: Conversation, name: str, cuts: dict[int, tuple[int, ...]]) -> Conversation:
    steps = tuple(
        replace(step, cuts=cuts[index]) if isinstance(step, Send) and index in cuts else step
        for index, step in enumerate(joined.steps)
    )
    return replace(joined, id=f"{joined.id}.{name}", steps=steps)


def _composition(rng: random.Random, total: int) -> tuple[int, ...]:
    count = min(rng.randrange(1, 12), max(0, total - 1))
    return tuple(sorted(rng.sample(range(1, total), count))) if count else ()


def _merged(parts: tuple[Part, ...]) -> tuple[Part, ...]:
    merged: list[Part] = []
    for part in parts:
        before = merged[-1] if merged else None
        if isinstance(part, bytes) and isinstance(before, bytes):
            merged[-1] = before + part
        else:
            merged.append(part)
    return tuple(merged)


def _lines(conversation: Conversation) -> int:
    """Line feeds that it writes, at least 1."""
    count = 0
    for step in conversation.steps:
        for part in step.parts if isinstance(step, Send) else ():
            if isinstance(part, Repeat):
                count += part.unit.count(b"\n") * part.times
            elif isinstance(part, bytes):
                count += part.count(b"\n")
    return max(1, count)


def _stops(conversation: Conversation) -> bool:
    """Whether it stops reading, or asks for a dump: a server may let what came with that line wait for ever."""
    return any(isinstance(step, StopReading) for step in conversation.steps) or b"lru_crawler m" in _text(conversation)


def _text(conversation: Conversation) -> bytes:
    return b"".join(step.literal() or b"" for step in conversation.steps if isinstance(step, Send))


def _pipeline(rng: random.Random, pool: list[Conversation], number: int, rules: Rules) -> Conversation:
    chosen = [rng.choice(pool) for _ in range(rng.randrange(2, 7))]
    while len(chosen) > 1 and _worlds(b"".join(map(_text, chosen)), rules) > MOST_WORLDS // 2:
        # Where every answer has two forms, six answers in a row that nobody has seen have sixty-four.
        chosen.pop()
    stream = b"".join(map(_text, chosen))
    cuts = _composition(rng, len(stream)) if rng.random() < 0.5 else ()
    clauses = tuple(dict.fromkeys(clause for conversation in chosen for clause in conversation.clauses))
    note = "joined: " + ", ".join(conversation.id for conversation in chosen)
    return Conversation(f"pipeline-{number}", (Send(0, (stream,), cuts), Settle()), clauses, note=note)


def _worlds(stream: bytes, rules: Rules) -> int:
    """How many worlds are possible when the whole stream has been sent and nothing was received."""
    oracle = Oracle(rules)
    oracle.open(0, Now(0, 0))
    oracle.send(0, stream, Now(0, 0))
    return len(oracle.worlds)
