"""The oracle: which allowed worlds of the specification are still possible, given what a server was seen to do.

It is told of every event in the order in which they happened: what the client sent, what it received, how the
connection ended. It keeps the *live* worlds: those whose owed replies agree with the bytes so far. When the last one
dies, the server has broken a clause, and `refusal` says which one and where. The oracle knows no socket and no clock.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mcspec import (
    Cache,
    Event,
    Fit,
    Happening,
    Now,
    Outcome,
    Owed,
    Rules,
    State,
    World,
    counters,
    describe,
    idle,
    match,
    statistics,
    step,
)
from mcspec.cache import GONE
from mcspec.pattern import STATISTICS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

MOST_WORLDS = 64
"""More live worlds than this is an error of the harness: the conversation forks too much to be judged."""

_ENDINGS = (b"END\r\n", b"MN\r\n", STATISTICS)
_BATCH = 20
"""Requests of one read after which a server may write what it has, in the middle of the read."""

PROMPT = "text.stream.prompt"
_TIMED = ("text.exptime.relative", "text.exptime.absolute", "text.flush.delayed")
_MID_REQUEST = (State.NREAD, State.SWALLOW)


@dataclass(frozen=True)
class Refusal:
    """The first difference: its kind, the clauses it breaks (most specific last), and what was expected instead."""

    kind: str
    conn: int
    clauses: tuple[str, ...]
    expected: tuple[str, ...]
    observed: bytes
    context: bytes

    @property
    def clause(self) -> str:
        """The clause to name first."""
        return self.clauses[-1] if self.clauses else "text.stream.pipelined"


class _Live:
    """One world that is still possible, with what it owes and what has come, by connection."""

    __slots__ = (
        "base",
        "ended",
        "fault",
        "log",
        "moments",
        "passed",
        "queues",
        "rules",
        "silent",
        "tally",
        "unread",
        "world",
    )

    def __init__(self, world: World, rules: Rules) -> None:
        self.world = world
        self.rules = rules
        self.log: counters.Log | None = None
        self.tally = counters.Tally()
        self.moments: dict[int, tuple[statistics.Moment, ...]] = {}
        self.base = statistics.Base({})
        self.fault: statistics.Fault | None = None
        self.queues: dict[int, list[Owed]] = {}
        self.unread: dict[int, bytes] = {}
        self.silent: dict[int, list[Owed]] = {}
        self.ended: set[int] = set()
        self.passed: set[str] = set()

    def copy(self) -> _Live:
        """An independent copy."""
        twin = _Live(self.world, self.rules)
        twin.log, twin.tally, twin.moments = self.log, self.tally, dict(self.moments)
        twin.base = self.base.copy()
        twin.queues = {conn: list(queue) for conn, queue in self.queues.items()}
        twin.unread = dict(self.unread)
        twin.silent = {conn: list(queue) for conn, queue in self.silent.items()}
        twin.ended = set(self.ended)
        twin.passed = set(self.passed)
        return twin

    def key(self) -> object:
        """Equal for lives that cannot be told apart from here on: what is owed in silence makes no difference."""
        queues = tuple((conn, _heard(queue)) for conn, queue in sorted(self.queues.items()))
        return self.world, queues, tuple(sorted(item for item in self.unread.items() if item[1]))

    def count(self, owed: Owed, conn: int) -> None:
        """Note what a request counts, and for one that reports what had been counted before it."""
        if owed.counts or owed.might or owed.details:
            self.log = self.log, owed
        if owed.report:
            busy = any(other.state in _MID_REQUEST for number, other in self.world.conns.items() if number != conn)
            moment = statistics.Moment(owed.report.name, self.total(), owed.report.cache, busy)
            self.moments[conn] = (*self.moments.get(conn, ()), moment)

    def total(self) -> counters.Tally:
        """All that has been counted."""
        self.tally, self.log = counters.add(self.tally, self.log, self.rules.delimiter), None
        return self.tally

    def report(self, conn: int, data: bytes) -> bool:
        """Judge the numbers of a report that has come; whether they are right."""
        moment, *rest = self.moments[conn]
        self.moments[conn] = tuple(rest)
        findings = statistics.judge(moment, data, self.base, self.rules)
        self.passed.update(findings.held)
        self.fault = findings.fault
        return findings.fault is None

    def state(self, conn: int) -> State:
        """The state of a connection in this world."""
        found = self.world.conns.find(conn)
        return found.state if found is not None else State.LISTENING

    def advance(self, conn: int) -> str | None:
        """Match what was received with what is owed; the kind of the difference if there is one."""
        queue, data = self.queues.get(conn) or [], self.unread.get(conn, b"")
        while queue:
            owed = queue[0]
            if not owed.pieces:
                self.silent.setdefault(conn, []).append(queue.pop(0))
                continue
            if not data:
                break
            found = match(self.world.cache, owed.pieces, data)
            if found.fit is Fit.NOT:
                self.unread[conn] = data
                return "wrong reply"
            if found.fit is Fit.PART:
                break
            if owed.report and conn in self.moments and not self.report(conn, data[: found.taken]):
                self.unread[conn] = data
                return "wrong reply"
            queue.pop(0)
            data = data[found.taken :]
            if found.cache is not self.world.cache:
                self.world = self.world._replace(cache=found.cache)
            self.passed.update(owed.clauses)
            self.confirm(conn)
        self.unread[conn] = data
        return "unexpected bytes" if data and not queue else None

    def confirm(self, conn: int) -> None:
        """Silence was kept where it was due."""
        silent = self.silent.get(conn)
        if silent:
            for owed in silent:
                self.passed.update(owed.clauses)
            silent.clear()


@dataclass
class Oracle:
    """The judge of one conversation under one set of rules.

    Call `open`, `send`, `half_close`, `reset`, `received`, `ended` and `settled` in the order of events. After each
    look at `refusal`, `unspecified` and `exhausted`; after any of them is set the oracle accepts everything.
    """

    rules: Rules
    alone: bool = True
    """Whether nobody else uses the server: only then do its counters tell of this conversation."""
    used: bool = False
    """Whether others stored and flushed things on this server before: some profiles can bring them back."""
    observer: Callable[[Outcome], None] | None = None
    """Told of the first allowed outcome of every event."""
    trace: bool = False
    """Whether outcomes carry the rows of the table that they took."""
    refusal: Refusal | None = None
    unspecified: str | None = None
    exhausted: bool = False
    _lives: list[_Live] = field(default_factory=list)
    _fresh: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._lives.append(_Live(World(Cache(clean=frozenset() if self.used else None)), self.rules))

    @property
    def over(self) -> bool:
        """Whether there is nothing left to judge."""
        return self.refusal is not None or self.unspecified is not None or self.exhausted

    @property
    def passed(self) -> set[str]:
        """The clauses that observed outcomes went through in every live world."""
        return set.intersection(*(live.passed for live in self._lives)) if self._lives else set()

    @property
    def timed(self) -> bool:
        """Whether a moment may have decided what was allowed: an item had a deadline, or a flush was due."""
        return any(_deadlines(live) for live in self._lives)

    @property
    def worlds(self) -> list[World]:
        """The live worlds."""
        return [live.world for live in self._lives]

    # ------------------------------------------------------------------------------------- what the client did

    def open(self, conn: int, now: Now) -> None:
        """The client connected."""
        for live in self._lives:
            live.ended.discard(conn)
            live.queues[conn], live.unread[conn], live.silent[conn] = [], b"", []
            live.moments.pop(conn, None)
        self._step(Happening(conn, Event.CONNECT), now)

    def send(self, conn: int, chunk: bytes, now: Now) -> None:
        """The client wrote a chunk."""
        self._step(Happening(conn, Event.DATA, chunk), now)

    def half_close(self, conn: int, now: Now) -> None:
        """The client ended its side."""
        self._step(Happening(conn, Event.EOF), now)

    def reset(self, conn: int, now: Now) -> None:
        """The client went away; what was owed to it can no longer be seen."""
        self._step(Happening(conn, Event.RESET), now)
        for live in self._lives:
            live.queues[conn], live.unread[conn], live.silent[conn] = [], b"", []
            live.ended.add(conn)

    def _step(self, happening: Happening, now: Now) -> None:
        if self.over:
            return
        grown: list[_Live] = []
        observer = self.observer
        for live in self._lives:
            outcomes = step(live.world, happening, now, self.rules, trace=self.trace)
            for outcome in outcomes:
                if outcome.unspecified is not None:
                    self.unspecified = outcome.unspecified
                    return
            if observer is not None:
                observer(outcomes[0])
                observer = None
            for index, outcome in enumerate(outcomes):
                twin = live if index == len(outcomes) - 1 else live.copy()
                twin.world = outcome.world
                grown += _queue(twin, happening.conn, outcome, counting=self.alone)
        self._lives = grown if len(grown) < 2 else _merged(grown)
        if len(self._lives) > MOST_WORLDS:
            self.exhausted = True

    # ------------------------------------------------------------------------------------- what the client saw

    def received(self, conn: int, data: bytes) -> None:
        """The client read these bytes."""
        if self.over or not data:
            return
        self._fresh.add(conn)
        refused: list[tuple[_Live, str]] = []
        survivors = []
        for live in self._lives:
            live.unread[conn] = live.unread.get(conn, b"") + data
            kind = live.advance(conn)
            if kind is None:
                survivors.append(live)
            else:
                refused.append((live, kind))
        self._survive(conn, survivors, refused)

    def ended(self, conn: int) -> None:
        """The client saw the connection end, by FIN or by RST."""
        if self.over:
            return
        survivors, refused = [], []
        for live in self._lives:
            if live.state(conn) is not State.CLOSED:
                refused.append((live, "closed"))
            elif any(owed.pieces for owed in live.queues.get(conn, ())):
                refused.append((live, "missing reply"))
            else:
                live.ended.add(conn)
                live.advance(conn)
                live.confirm(conn)
                survivors.append(live)
        self._survive(conn, survivors, refused)

    def settled(self, conn: int, *, prompt: bool = True) -> None:
        """The server had its chance: a world in which it still owes something is refused.

        `prompt=False`: the server may hold replies back here, so what is missing proves nothing.
        """
        if self.over or not prompt:
            return
        survivors, refused = [], []
        for live in self._lives:
            if any(owed.pieces for owed in live.queues.get(conn, ())):
                refused.append((live, "missing reply"))
            elif live.state(conn) is State.CLOSED and conn not in live.ended:
                refused.append((live, "not closed"))
            else:
                live.advance(conn)
                live.confirm(conn)
                if conn in self._fresh and not idle(live.world.conns.find(conn)):
                    live.passed.add(PROMPT)
                survivors.append(live)
        self._fresh.discard(conn)
        self._survive(conn, survivors, refused)

    # ------------------------------------------------------------------------------------- what may be asked

    def complete(self, conn: int) -> bool:
        """Whether some live world owes this connection nothing more and, if it must end, has seen it end."""
        if self.over:
            return True
        for live in self._lives:
            closing = live.state(conn) is State.CLOSED and conn not in live.ended
            if not closing and not live.unread.get(conn) and not any(o.pieces for o in live.queues.get(conn, ())):
                return True
        return False

    def at_boundary(self, conn: int) -> bool:
        """Whether the connection is open and at a command boundary in every live world."""
        return not self.over and all(idle(live.world.conns.find(conn)) for live in self._lives)

    def crowded(self) -> bool:
        """Whether so many worlds are live that it is time to look at what the server answered."""
        return len(self._lives) > MOST_WORLDS // 8

    def may_withhold(self, conn: int) -> bool:
        """Whether the profile lets the server keep owed replies back while it waits in the middle of a value."""
        if self.rules.traits.prompt == "always" or self.over:
            return False
        return any(live.state(conn) in _MID_REQUEST for live in self._lives)

    def expected(self, conn: int) -> tuple[str, ...]:
        """What each live world expects next on a connection, in words."""
        return _expectations(conn, self._lives)

    # ------------------------------------------------------------------------------------- refusing

    def _survive(self, conn: int, survivors: list[_Live], refused: list[tuple[_Live, str]]) -> None:
        if not survivors and refused:
            self.refusal = _refusal(conn, refused)
        else:
            self._lives = survivors


def _deadlines(live: _Live) -> bool:
    """Whether this world has seen the clock matter."""
    cache = live.world.cache
    if cache.flush is not None or any(item.dies not in (None, GONE) for item in cache.items.values()):
        return True
    return any(clause in live.passed for clause in _TIMED)


def _heard(queue: list[Owed]) -> tuple[object, ...]:
    """What of a queue can still make a difference: the replies, and before which the server may have written."""
    heard: list[object] = []
    opens = False
    for owed in queue:
        opens = opens or owed.opens
        if owed.pieces:
            heard.append((owed.pieces, opens))
            opens = False
    return (*heard, opens)


def _queue(live: _Live, conn: int, outcome: Outcome, *, counting: bool) -> list[_Live]:
    """The live world with what the outcome owes; several where the server may lose queued replies."""
    lives = [live]
    opens = True
    for index, owed in enumerate(outcome.owed):
        if owed.drops:
            lives = [shorter for one in lives for shorter in _lossy(one, conn, opens=opens)]
        for one in lives:
            if counting:
                one.count(owed, conn)
            # What lost the replies before it is itself the first that was not written yet.
            one.queues.setdefault(conn, []).append(owed._replace(opens=True) if opens or owed.drops else owed)
        # Some releases write all they have after each retrieval, after mn and after a value that came in more than one
        # read (it is the first request to be completed in a chunk), and all of them after so many requests.
        retrieval = bool(owed.pieces) and owed.pieces[-1] in _ENDINGS
        opens = index == 0 or retrieval or len(outcome.owed) >= _BATCH
    return lives


def _lossy(live: _Live, conn: int, *, opens: bool) -> Iterable[_Live]:
    """What may be left of the queue: all that was written before the read in which the server lost the rest."""
    queue = live.queues.get(conn, [])
    for kept, owed in enumerate(queue):
        if owed.opens:
            twin = live.copy()
            lost = sum(bool(one.report) for one in queue[kept:])
            if lost and conn in twin.moments:
                twin.moments[conn] = twin.moments[conn][:-lost]
            del twin.queues[conn][kept:]
            yield twin
    if opens or not queue:
        yield live


def _merged(lives: list[_Live]) -> list[_Live]:
    merged: dict[object, _Live] = {}
    for live in lives:
        twin = merged.setdefault(live.key(), live)
        if twin is not live:
            twin.passed &= live.passed
            if twin.log is not live.log or twin.tally is not live.tally:
                twin.tally = counters.either(twin.total(), live.total())
            for conn, moments in live.moments.items():
                pairs = zip(twin.moments.get(conn, ()), moments, strict=True)
                twin.moments[conn] = tuple(a._replace(tally=counters.either(a.tally, b.tally)) for a, b in pairs)
            twin.base = statistics.joined(twin.base, live.base)
    return list(merged.values())


def _expectations(conn: int, lives: Iterable[_Live]) -> tuple[str, ...]:
    expected: dict[str, None] = {}
    for live in lives:
        owed = next((owed for owed in live.queues.get(conn, ()) if owed.pieces), None)
        if owed is not None:
            expected[describe(live.world.cache, owed.pieces)] = None
        elif live.state(conn) is State.CLOSED:
            expected["the connection is closed"] = None
        else:
            expected["nothing more"] = None
    return tuple(expected)


def _refusal(conn: int, refused: list[tuple[_Live, str]]) -> Refusal:
    """The difference in the world that came furthest: the one that owes least."""
    live, kind = min(refused, key=lambda pair: len(pair[0].queues.get(conn, ())))
    owed = next((owed for owed in live.queues.get(conn, ()) if owed.pieces), None)
    silent = live.silent.get(conn) or []
    clauses, context = _blame(live, conn, owed, silent, kind)
    if live.fault is not None:
        fault = live.fault
        return Refusal(
            kind, conn, (*clauses, fault.clause), (fault.expected,), fault.observed.encode("latin-1"), context
        )
    expected = _expectations(conn, [pair[0] for pair in refused])
    return Refusal(kind, conn, clauses, expected, live.unread.get(conn, b""), context)


def _blame(live: _Live, conn: int, owed: Owed | None, silent: list[Owed], kind: str) -> tuple[tuple[str, ...], bytes]:
    if silent and kind in ("wrong reply", "unexpected bytes", "not closed"):
        # Something came where silence was due, or a request that should have ended the connection did not.
        return silent[-1].clauses, silent[-1].request
    if owed is not None:
        late = kind == "missing reply" and not idle(live.world.conns.find(conn))
        return ((*owed.clauses, PROMPT) if late else owed.clauses), owed.request
    if kind == "closed":
        return ("text.stream.error-keeps-open",), b""
    return ("text.stream.pipelined",), b""
