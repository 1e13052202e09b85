"""One world of the specification that is still possible, with what it owes and what has come of that.

The oracle holds several of them; none knows of the others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mcspec import Fit, Outcome, Owed, Rules, State, World, counters, match, statistics
from mcspec.cache import GONE
from mcspec.pattern import STATISTICS, lines

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mcconform.reassembly import Message

MOST_WORLDS = 64
"""More live worlds than this is an error of the harness: the conversation forks too much to be judged."""

_ENDINGS = (b"END\r\n", b"MN\r\n", STATISTICS)
_BATCH = 20
"""Requests of one read after which a server may write what it has, in the middle of the read."""

_TIMED = ("text.exptime.relative", "text.exptime.absolute", "text.flush.delayed")

MID_REQUEST = (State.NREAD, State.SWALLOW)
"""States of a connection on which a request is half received."""


class Live:
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

    def copy(self) -> Live:
        """An independent copy."""
        twin = Live(self.world, self.rules)
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
            busy = any(other.state in MID_REQUEST for number, other in self.world.conns.items() if number != conn)
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
            if owed.report and conn in self.moments and not self.report(conn, lines(owed.pieces, data[: found.taken])):
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

    def deliver(self, conn: int, message: Message) -> str | None:
        """Match a message that came over UDP with the one that is owed next; the kind of the difference if any."""
        queue = self.queues.setdefault(conn, [])
        first = next((at for at, owed in enumerate(queue) if owed.pieces), None)
        self.unread[conn] = message.data
        if first is None:
            return "unexpected bytes"
        if queue[first].datagram != message.request:
            return "wrong reply"
        later = queue[first + 1 :]
        del queue[first + 1 :]
        kind = self.advance(conn)
        if kind is None and queue:
            # The message is whole: what is only the beginning of an answer is none.
            kind = "wrong reply"
        queue += later
        return kind

    def confirm(self, conn: int) -> None:
        """Silence was kept where it was due."""
        silent = self.silent.get(conn)
        if silent:
            for owed in silent:
                self.passed.update(owed.clauses)
            silent.clear()


def deadlines(live: Live) -> bool:
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


def queue(live: Live, conn: int, outcome: Outcome, *, counting: bool) -> list[Live]:
    """The live world with what the outcome owes; several where the server may lose queued replies."""
    lives = [live]
    opens = True
    for index, owed in enumerate(outcome.owed):
        if owed.drops:
            # Merged each time: a chunk of many such requests would else double them with every one.
            lives = merged([shorter for one in lives for shorter in _lossy(one, conn, opens=opens)])
            if len(lives) > MOST_WORLDS:
                return lives
        for one in lives:
            if counting:
                one.count(owed, conn)
            # What lost the replies before it is itself the first that was not written yet.
            one.queues.setdefault(conn, []).append(owed._replace(opens=True) if opens or owed.drops else owed)
        # Some releases write all they have after each retrieval, after mn and after a value that came in more than one
        # read (it is the first request to be completed in a chunk), and all of them after so many requests.
        retrieval = bool(owed.pieces) and owed.pieces[-1] in _ENDINGS
        # Of binary replies they write some at once and some later: a NOOP's and most errors, but no miss of a get.
        binary = bool(owed.pieces) and isinstance(owed.pieces[0], bytes) and owed.pieces[0][:1] == b"\x81"
        opens = index == 0 or retrieval or binary or len(outcome.owed) >= _BATCH
    return lives


def _lossy(live: Live, conn: int, *, opens: bool) -> Iterable[Live]:
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


def merged(lives: list[Live]) -> list[Live]:
    """The lives without those that are equal to another one."""
    found: dict[object, Live] = {}
    for live in lives:
        twin = found.setdefault(live.key(), live)
        if twin is not live:
            twin.passed &= live.passed
            if twin.log is not live.log or twin.tally is not live.tally:
                twin.tally = counters.either(twin.total(), live.total())
            for conn, moments in live.moments.items():
                pairs = zip(twin.moments.get(conn, ()), moments, strict=True)
                twin.moments[conn] = tuple(a._replace(tally=counters.either(a.tally, b.tally)) for a, b in pairs)
            twin.base = statistics.joined(twin.base, live.base)
    return list(found.values())
