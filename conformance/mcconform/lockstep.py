"""Lock-step: the specification and a server's engine driven through the same chunks, without a socket.

After every chunk the engine must have said everything that it owes, and nothing else: each byte is judged when it
appears. A stream costs less than a millisecond, so a million of them is an afternoon walk, not a night.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any, Protocol

from mcconform import conversation as talk
from mcconform import options
from mcconform.blame import Refusal
from mcconform.observed import Uniques
from mcconform.oracle import Oracle
from mcconform.streams import Scope
from mcconform.streams import conversation as generated
from mcspec import Now, Outcome, Rules

if TYPE_CHECKING:
    from mcconform.conversation import Conversation


class EngineConnection(Protocol):
    """One connection to an engine in this process; everything sent is processed before `send` returns."""

    @property
    def closed(self) -> bool:
        """Whether the server has ended the connection."""
        ...

    def send(self, chunk: bytes) -> None:
        """Deliver bytes."""
        ...

    def receive(self) -> bytes:
        """Everything written since the last call."""
        ...

    def half_close(self) -> None:
        """Deliver the client's FIN."""
        ...

    def reset(self) -> None:
        """Break the connection."""
        ...


class Engine(Protocol):
    """An engine in this process with a clock set by hand."""

    @property
    def now(self) -> float:
        """The server's unix time in seconds."""
        ...

    def advance(self, seconds: float) -> None:
        """Move the clock."""
        ...

    def open(self) -> EngineConnection:
        """Connect."""
        ...

    def datagram(self, data: bytes) -> list[bytes]:
        """What answers a datagram of a UDP client."""
        ...


Factory = Callable[[Sequence[str]], Engine]

TRACED = 16
"""One stream in this many tells which rows of the connection table it took."""

HITS = frozenset(
    """
    meta.mg.hit meta.mg.value meta.md.deleted meta.md.invalidates meta.md.compare meta.ma.done meta.ma.value
    meta.me.line
    text.get.hit text.gets.hit text.gat.hit text.gats.hit text.set.replaces text.add.exists text.replace.stored
    text.append.joined text.append.too-large text.prepend.joined text.prepend.too-large text.cas.stored text.cas.exists
    text.cas.zero text.incr.adds text.incr.wraps text.decr.subtracts text.decr.floor text.delta.non-numeric
    text.delete.deleted text.touch.touched
    binary.get.hit binary.getk.hit binary.gat.hit binary.touch.hit binary.delete.deleted
    packet.get.hit packet.gat.hit packet.touch.touched packet.delete.deleted
    """.split()
)
MISSES = frozenset(
    """
    meta.mg.miss meta.md.miss meta.ma.miss meta.me.miss
    text.get.miss text.gat.miss text.set.stored text.add.stored text.replace.missing text.append.missing
    text.prepend.missing text.cas.missing text.delta.missing text.delete.missing text.touch.missing
    binary.get.miss binary.getk.miss binary.gat.miss binary.touch.miss binary.delete.miss binary.delta.miss
    binary.delta.creates
    packet.get.miss packet.gat.miss packet.touch.missing packet.delete.missing packet.count.missing
    """.split()
)
"""Clauses of requests that found an item, and that found none; those of storing and counting are the same in all
protocols."""


@dataclass
class Tally:
    """What a run of streams did: the shape of the streams and what of the specification they reached."""

    streams: int = 0
    unspecified: int = 0
    hits: int = 0
    misses: int = 0
    requests: Counter[int] = field(default_factory=Counter)
    connections: Counter[int] = field(default_factory=Counter)
    rows: Counter[str] = field(default_factory=Counter)
    clauses: set[str] = field(default_factory=set)

    def merge(self, other: Tally) -> None:
        """Add what another run did."""
        self.streams += other.streams
        self.unspecified += other.unspecified
        self.hits += other.hits
        self.misses += other.misses
        self.requests += other.requests
        self.connections += other.connections
        self.rows += other.rows
        self.clauses |= other.clauses

    @staticmethod
    def median(counts: Counter[int]) -> int:
        """The median of a distribution given as counts; 0 of an empty one."""
        half, seen = sum(counts.values()) / 2, 0
        for value in sorted(counts):
            seen += counts[value]
            if seen >= half:
                return value
        return 0

    def __str__(self) -> str:
        looked = self.hits + self.misses
        return (
            f"{self.streams} streams, median {self.median(self.requests)} requests on"
            f" {self.median(self.connections)} connections, {100 * self.hits / max(1, looked):.0f} % hits,"
            f" {len(self.rows)} rows, {len(self.clauses)} clauses, {self.unspecified} ended unspecified"
        )


@dataclass(frozen=True)
class Difference:
    """A stream on which the engine broke a clause; `error` says what the engine raised, if it did."""

    stream: Conversation
    refusal: Refusal | None
    error: str = ""


def judge(
    stream: Conversation, engine: Engine, rules: Rules, tally: Tally | None = None, *, trace: bool = False
) -> Difference | None:
    """Run one stream through the engine and the specification; the difference if there is one.

    `trace` adds the rows of the connection table to the tally, which costs a fifth of the speed.
    """
    counted = _Counted()
    oracle = Oracle(rules, observer=counted.note if tally is not None else None, trace=trace)
    error = _Drive(stream, engine, oracle).run()
    if error:
        return Difference(stream, oracle.refusal, error)
    if oracle.exhausted:
        return Difference(stream, None, "more live worlds than the oracle can follow")
    if tally is not None:
        counted.add_to(tally, oracle)
    return Difference(stream, oracle.refusal) if oracle.refusal is not None else None


class _BrokenError(Exception):
    """The engine raised something."""


def _called(method: Callable[..., Any], *arguments: object) -> Any:
    """What the engine answers to a call."""
    try:
        return method(*arguments)
    except Exception as error:
        raise _BrokenError(f"{type(error).__name__}: {error}") from error


class _Drive:
    """Hands a stream to the engine and tells the oracle, step by step."""

    def __init__(self, stream: Conversation, engine: Engine, oracle: Oracle) -> None:
        self.stream = stream
        self.engine = engine
        self.oracle = oracle
        self.uniques = Uniques(packets=stream.packets)
        self.clients = stream.datagrams
        self.lines: dict[int, EngineConnection] = {}
        self.ended: set[int] = set()

    def run(self) -> str:
        """Run the stream; what the engine raised, if it did.

        An engine that raises closes its connection, or leaves the datagram unanswered, as a server's loop would.
        """
        for step in self.stream.steps:
            if isinstance(step, talk.Advance):
                try:
                    _called(self.engine.advance, step.seconds)
                except _BrokenError as error:
                    return str(error)
                continue
            if step.conn is None or isinstance(step, talk.Settle):
                continue
            now = Now(int(self.engine.now), int(self.engine.now))
            try:
                if step.conn in self.clients:
                    self._client(step, now)
                else:
                    self._connection(step, now)
            except _BrokenError as error:
                if step.conn in self.clients:
                    self.oracle.settled(step.conn)
                else:
                    self.oracle.ended(step.conn)
                return str(error)
            if self.oracle.over:
                break
        return ""

    def _client(self, step: talk.Step, now: Now) -> None:
        """A step of a UDP client."""
        oracle = self.oracle
        if isinstance(step, talk.Open):
            oracle.open(step.conn, now, "udp")
        elif isinstance(step, talk.Datagram):
            data = b"".join(self.uniques.bind(part, self.engine.now) for part in step.parts)
            oracle.datagram(step.conn, data, now)
            for answer in _called(self.engine.datagram, data):
                self.uniques.datagram(step.conn, data, answer)
                oracle.received(step.conn, answer)
            oracle.settled(step.conn)

    def _connection(self, step: talk.Step, now: Now) -> None:
        """A step of a connection, which opens at its first one."""
        oracle = self.oracle
        conn = step.conn if not isinstance(step, talk.Advance) else None
        assert conn is not None  # the caller has looked
        if conn not in self.lines:
            self.lines[conn] = _called(self.engine.open)
            oracle.open(conn, now)
            self._listen(conn)
        line = self.lines[conn]
        if isinstance(step, talk.Send):
            data = b"".join(self.uniques.bind(part, self.engine.now) for part in step.parts)
            for piece in talk.pieces(data, step.cuts):
                oracle.send(conn, piece, now)
                self.uniques.sent(conn, piece)
                _called(line.send, piece)
                self._listen(conn)
                if oracle.over:
                    return
        elif isinstance(step, talk.HalfClose):
            oracle.half_close(conn, now)
            _called(line.half_close)
            self._listen(conn)
        elif isinstance(step, talk.Reset | talk.Close):
            oracle.reset(conn, now)
            _called(line.reset)
            self.ended.add(conn)

    def _listen(self, conn: int) -> None:
        """Everything that the engine says to a chunk is there already."""
        line = self.lines[conn]
        data = _called(line.receive)
        if data:
            self.uniques.feed(conn, data)
            self.oracle.received(conn, data)
        if line.closed and conn not in self.ended:
            self.ended.add(conn)
            self.oracle.ended(conn)
        self.oracle.settled(conn)


class _Counted:
    """Counts what one stream went through."""

    def __init__(self) -> None:
        self.requests: Counter[int] = Counter()
        self.rows: list[str] = []
        self.hits = self.misses = 0

    def note(self, outcome: Outcome) -> None:
        """Take an outcome in."""
        self.rows += outcome.rows
        for owed in outcome.owed:
            if owed.request:
                self.requests[outcome.conn] += 1
            for clause in owed.clauses:
                if clause in HITS:
                    self.hits += 1
                elif clause in MISSES:
                    self.misses += 1

    def add_to(self, tally: Tally, oracle: Oracle) -> None:
        """Add the stream to a tally."""
        tally.streams += 1
        tally.unspecified += oracle.unspecified is not None
        tally.hits += self.hits
        tally.misses += self.misses
        tally.requests[sum(self.requests.values())] += 1
        tally.connections[len(self.requests)] += 1
        tally.rows.update(self.rows)
        tally.clauses |= oracle.passed


def run(
    factory: Factory,
    rules: Rules,
    seeds: Iterable[int],
    scope: Scope | None = None,
    tally: Tally | None = None,
    *,
    traced: int = TRACED,
) -> Difference | None:
    """Judge one generated stream for each seed, each on a new engine; the first difference."""
    for seed in seeds:
        stream = generated(Random(seed), scope, f"seed {seed}")
        wanted = (*stream.options, "-U", "11211") if stream.datagrams else stream.options
        engine, its_rules = factory(wanted), options.apply(rules, stream.options)
        difference = judge(stream, engine, its_rules, tally, trace=seed % traced == 0)
        if difference is not None:
            return difference
    return None
