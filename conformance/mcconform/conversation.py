"""The Conversation: the one data type that flows through the judge.

Strategies generate it, vectors store it, the runner executes it, shrinking shrinks it, ``replay`` replays it and a
report shows it.  A step works on one numbered connection; its atoms are *chunks of bytes*, not commands, so half a
request may wait while another connection runs.  A connection opens at its first step.

Every generated key begins with ``mcspec``.  The runner replaces these six bytes, wherever they stand in what one
connection writes, by a prefix of the same length that no other conversation of the run uses, and puts them back in
whatever it reports: lengths and cuts stay as they are. So does it with their base64, which is eight bytes without
padding: the two forms of a key stay those of one key.

A connection is TCP (or whatever stream the target offers in its place) unless it is opened as UDP: then it is one
client's socket, to which whole datagrams are written, frame header and all.
"""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

from mcconform import headers

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

PREFIX = b"mcspec"
"""The canonical key prefix, in bytes."""

PREFIX_BASE64 = b64encode(PREFIX)
"""How the base64 of a key with that prefix begins."""


CasEncoding = Literal["decimal", "u64"]
"""How a cas unique is written: digits, or eight bytes, the most significant first."""

TimeEncoding = Literal["decimal", "u32", "i32"]
"""How a time is written: digits, or four bytes, the most significant first."""

Transport = Literal["tcp", "udp"]
"""What carries a connection; ``tcp`` stands for any stream: a Unix socket, TLS, an engine in this process."""


@dataclass(frozen=True, slots=True)
class CasRef:
    """The cas unique last seen for a key, plus an offset; 0 while none has been seen."""

    key: bytes
    offset: int = 0
    conn: int | None = None
    encoding: CasEncoding = "decimal"


@dataclass(frozen=True, slots=True)
class TimeRef:
    """The server's unix time plus an offset in seconds."""

    offset: int = 0
    encoding: TimeEncoding = "decimal"


@dataclass(frozen=True, slots=True)
class Repeat:
    """Some bytes many times: values of a megabyte that fit on a line."""

    unit: bytes
    times: int

    def bytes(self) -> bytes:
        """All of it."""
        return self.unit * self.times


Part = bytes | Repeat | CasRef | TimeRef


@dataclass(frozen=True, slots=True)
class Open:
    """Connect; over UDP: make a socket, which no server hears of."""

    conn: int = 0
    transport: Transport = "tcp"


@dataclass(frozen=True, slots=True)
class Send:
    """Write the rendered parts, split at the cuts (byte offsets); every piece is a write of its own."""

    conn: int
    parts: tuple[Part, ...]
    cuts: tuple[int, ...] = ()

    def literal(self) -> bytes | None:
        """The bytes if no reference needs binding, else None."""
        return _joined(self.parts)


@dataclass(frozen=True, slots=True)
class Datagram:
    """Send the rendered parts as one datagram, frame header and all, on a connection opened as UDP."""

    conn: int
    parts: tuple[Part, ...]

    def literal(self) -> bytes | None:
        """The bytes if no reference needs binding, else None."""
        return _joined(self.parts)


def _joined(parts: tuple[Part, ...]) -> bytes | None:
    if any(isinstance(part, CasRef | TimeRef) for part in parts):
        return None
    return b"".join(_literal(part) for part in parts)


@dataclass(frozen=True, slots=True)
class Settle:
    """Wait until everything owed has arrived on one connection, or on all (None)."""

    conn: int | None = None


@dataclass(frozen=True, slots=True)
class Advance:
    """Let time pass, in seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class HalfClose:
    """Send FIN; go on reading."""

    conn: int = 0


@dataclass(frozen=True, slots=True)
class Reset:
    """Send RST."""

    conn: int = 0


@dataclass(frozen=True, slots=True)
class Close:
    """Close both directions, in an orderly way."""

    conn: int = 0


@dataclass(frozen=True, slots=True)
class StopReading:
    """Stop reading; what the server answers piles up."""

    conn: int = 0


@dataclass(frozen=True, slots=True)
class Resume:
    """Read again."""

    conn: int = 0


Step = Open | Send | Datagram | Settle | Advance | HalfClose | Reset | Close | StopReading | Resume


@dataclass(frozen=True, slots=True)
class Conversation:
    """Server options it needs, and steps on numbered connections.

    ``clauses`` are the ids that it aims at; what it went through is decided while it runs.  ``exact`` says that it
    makes sense only where the clock is injected.
    """

    id: str
    steps: tuple[Step, ...]
    clauses: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    note: str = ""
    exact: bool = False

    @property
    def clock(self) -> str:
        """``none``, ``moving`` (any clock that can be waited for) or ``exact`` (only an injected one)."""
        if self.exact:
            return "exact"
        return "moving" if any(isinstance(step, Advance) for step in self.steps) else "none"

    @property
    def connections(self) -> tuple[int, ...]:
        """The numbers of its connections, in order of first use."""
        seen: dict[int, None] = {}
        for step in self.steps:
            if not isinstance(step, Advance) and step.conn is not None:
                seen.setdefault(step.conn)
        return tuple(seen)

    @property
    def datagrams(self) -> frozenset[int]:
        """The numbers of its connections that are opened as UDP."""
        return frozenset(step.conn for step in self.steps if isinstance(step, Open) and step.transport == "udp")

    @property
    def flushes(self) -> bool:
        """Whether some connection writes a flush, in whatever position and protocol."""
        packets = self.packets
        return any(headers.flushes(stream, packets=packets) for stream in streams(self).values())

    @property
    def packets(self) -> bool:
        """Whether it asks for a server that speaks the packet protocol."""
        return self.protocol == "packet"

    @property
    def protocol(self) -> str:
        """The protocol that its options fix for every connection, or nothing: ``ascii``, ``binary``, ``packet``."""
        fixed = ""
        for word, value in pairwise((*self.options, "")):
            if word == "-B":
                fixed = "" if value in ("auto", "negotiating") else value
        return fixed or ("binary" if "-S" in self.options else "ascii" if "-Y" in self.options else "")

    def speech(self, conn: int) -> str:
        """What a connection speaks, as far as the client has a say: ``text``, ``binary`` or ``packet``.

        What the options fix; else what its first byte chooses, text where it writes nothing.
        """
        if self.protocol:
            return "text" if self.protocol == "ascii" else self.protocol
        first = next((_literal(part) for part in self._parts(conn) if part != b""), b"")
        return "binary" if first[:1] == b"\x80" else "text"

    def _parts(self, conn: int) -> Iterator[Part]:
        for step in self.steps:
            if isinstance(step, Send) and step.conn == conn:
                yield from step.parts

    @property
    def alone(self) -> bool:
        """Whether it must have the server for itself: it flushes it, or reads what is counted of the whole of it."""
        packets = self.packets
        return self.flushes or any(headers.reports(stream, packets=packets) for stream in streams(self).values())

    @property
    def size(self) -> int:
        """Bytes that it writes, a reference of unknown length counted as ten."""
        written = (step for step in self.steps if isinstance(step, Send | Datagram))
        return sum(sum(width(part) for part in step.parts) for step in written)


def width(part: Part) -> int:
    """Bytes of a part once rendered; ten for a reference in digits, whose length is known only then."""
    if isinstance(part, Repeat):
        return len(part.unit) * part.times
    if isinstance(part, bytes):
        return len(part)
    return {"decimal": 10, "u64": 8, "u32": 4, "i32": 4}[part.encoding]


def say(conn: int, *parts: Part | str, cuts: Iterable[int] = ()) -> Send:
    """A Send, with text given as latin-1 strings."""
    return Send(conn, tuple(part.encode("latin-1") if isinstance(part, str) else part for part in parts), tuple(cuts))


def streams(conversation: Conversation) -> dict[int, bytes]:
    """What each connection writes, joined; a reference stands as ``0``, or as so many NULs: no letter of a command."""
    joined: dict[int, list[bytes]] = {}
    for step in conversation.steps:
        if isinstance(step, Send | Datagram):
            held = joined.setdefault(step.conn, [])
            held.extend(_literal(part) for part in step.parts)
    return {conn: b"".join(pieces) for conn, pieces in joined.items()}


def _literal(part: Part) -> bytes:
    if isinstance(part, Repeat):
        return part.bytes()
    if isinstance(part, bytes):
        return part
    return b"0" if part.encoding == "decimal" else bytes(width(part))


def pieces(data: bytes, cuts: Sequence[int]) -> list[bytes]:
    """Split data at the offsets; no piece is empty, and no data is no piece.

    >>> pieces(b"abcdef", (2, 4, 99))
    [b'ab', b'cd', b'ef']
    """
    edges = [0, *sorted({cut for cut in cuts if 0 < cut < len(data)}), len(data)]
    return [data[low:high] for low, high in pairwise(edges) if low < high]


def rename(conversation: Conversation, prefix: bytes) -> Conversation:
    """The same conversation with the canonical key prefix replaced, also where steps or parts cut through it.

    Raises:
        ValueError: if the prefix has another length than the canonical one.
    """
    if len(prefix) != len(PREFIX):
        raise ValueError(f"a key prefix has {len(PREFIX)} bytes")
    steps: list[Step] = list(conversation.steps)
    for conn in conversation.connections:
        _rename_stream(steps, conn, prefix)
    return replace(conversation, steps=tuple(steps))


def swapped(data: bytes, old: bytes, new: bytes) -> bytes:
    """The data with one key prefix in place of another of the same length, also in base64."""
    return data.replace(old, new).replace(b64encode(old), b64encode(new))


def _rename_stream(steps: list[Step], conn: int, prefix: bytes) -> None:
    """Rewrite the literals of one connection in place; a reference or a datagram ends a run of joined literals."""
    run: list[tuple[int, int, bytes]] = []
    parts: dict[int, list[Part]] = {}

    def flush() -> None:
        joined = swapped(b"".join(literal for _, _, literal in run), PREFIX, prefix)
        offset = 0
        for index, place, literal in run:
            parts[index][place] = joined[offset : offset + len(literal)]
            offset += len(literal)
        run.clear()

    for index, step in enumerate(steps):
        if not isinstance(step, Send | Datagram) or step.conn != conn:
            continue
        if isinstance(step, Datagram):
            flush()
        parts[index] = list(step.parts)
        for place, part in enumerate(step.parts):
            if isinstance(part, bytes):
                run.append((index, place, part))
                continue
            flush()
            if isinstance(part, CasRef):
                parts[index][place] = replace(part, key=part.key.replace(PREFIX, prefix))
            elif isinstance(part, Repeat):
                parts[index][place] = replace(part, unit=swapped(part.unit, PREFIX, prefix))
    flush()
    for index, renamed in parts.items():
        step = steps[index]
        if isinstance(step, Send | Datagram):
            steps[index] = replace(step, parts=tuple(renamed))
