"""The server's connection seen as a walk through the specification's table, and the check that it is one.

An *observation* is the state of the server's connection before and after one event (CONNECT, a chunk of DATA, EOF,
RESET), the names that its hook `on_state` called in between, and the bytes that it wrote. The *abstraction function*
is `abstract`: the hook's name together with the phase of the connection gives a state of the table ("waiting" in the
middle of a value is NREAD), and the phase alone gives the state in which the connection comes to rest.

The server *refines* the table if for every observation there is a live world of the specification whose rows, taken
by `feed` for the same event, go through the same states in the same order. The server need not name all of them:

- NEW_CMD, the hub, when no line is there to be parsed: the server looks for a line and goes on to what follows;
- NREAD between PARSE_CMD and NEW_CMD: a plain ``set`` whose value lies in the same chunk is stored in one motion;
- MWRITE before CLOSING, and CLOSING: the server hands out its last replies and closes in one motion;
- a row from a state to itself (more of a value): a stutter, one observation or none;
- MWRITE, if the server wrote in the middle of the event: it works in bounded steps, and the specification writes once.

So an observed transition is one row, or the composition of rows through those states and no others. A transition that
matches no world is refused with the row that would have to be in the table, or whose guard would have to hold. The
bytes are judged by the oracle: a world that owes others is not live.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from mcconform import conversation as talk
from mcconform import options
from mcconform.conversation import Conversation
from mcconform.observed import Uniques
from mcconform.oracle import Oracle
from mcserver import inproc, replies
from mcserver.connection import Connection
from mcserver.phases import Phase
from mcspec import Event, Happening, Now, Rules, State, step
from mcspec.connection import FRAMINGS, NAMES, TABLE

RESTS = {
    Phase.COMMAND: State.WAITING,
    Phase.VALUE: State.NREAD,
    Phase.SWALLOW: State.SWALLOW,
    Phase.CLOSED: State.CLOSED,
}
"""The state in which a connection of the server rests, by its phase; RETRIEVAL is no phase to rest in."""

_INSIDE = {
    "read": State.READ,
    "new_cmd": State.NEW_CMD,
    "parse_cmd": State.PARSE_CMD,
    "mwrite": State.MWRITE,
    "closing": State.CLOSING,
    "closed": State.CLOSED,
}

_TARGETS = {
    NAMES[id(row)]: (state, event, row.to)
    for table in (TABLE, *FRAMINGS.values())
    for (state, event), rows in table.items()
    for row in rows
}


class RefusedError(Exception):
    """The server took a transition that no live world of the specification takes."""


class Taken(NamedTuple):
    """One row that the specification took: its name and the state that it leads to."""

    name: str
    to: State


def abstract(name: str, phase: Phase) -> State:
    """The state of the table for a name that the hook called in a phase.

    Raises:
        KeyError: if the hook calls a name that stands for no state.
    """
    if name in {"waiting", "nread", "swallow"} or (name == "read" and phase is not Phase.COMMAND):
        return RESTS[phase]
    return _INSIDE[name]


def phase_of(engine: Connection) -> Phase:
    """The phase of a connection, but for one that the specification does not have.

    Where memory is full under ``-M`` the server refuses a value at its header and swallows it. The specification
    cannot know how full a server is, so it receives the value and refuses it at its end: the client sees the same.
    """
    if (
        engine.phase is Phase.SWALLOW
        and getattr(getattr(engine, "_arrival", None), "_refusal", None) == replies.NO_MEMORY_STORING
    ):
        return Phase.VALUE
    return engine.phase


@dataclass
class Seen:
    """What was seen: how often each transition, as which compositions of rows, and every row."""

    events: Counter[Event] = field(default_factory=Counter)
    transitions: Counter[tuple[State, State]] = field(default_factory=Counter)
    compositions: dict[tuple[State, State], Counter[tuple[str, ...]]] = field(default_factory=dict)
    rows: Counter[str] = field(default_factory=Counter)
    unspecified: int = 0

    def note(self, walk: Sequence[tuple[State, State, tuple[str, ...]]]) -> None:
        """Take in a walk that was accepted."""
        for before, after, rows in walk:
            self.transitions[before, after] += 1
            self.compositions.setdefault((before, after), Counter())[rows] += 1
            self.rows.update(rows)


class _Line:
    """One connection of the server under observation."""

    def __init__(self, line: inproc.Connection) -> None:
        self.line = line
        self.engine = line._engine
        self.rest = State.LISTENING
        self.path: list[State] = []
        self.wrote_early = False
        self.errors: list[str] = []
        if self.engine is not None:
            self.engine.on_state = self._hear

    def _hear(self, name: str) -> None:
        assert self.engine is not None
        if name == "mwrite" and self.engine.more:
            self.wrote_early = True
        else:
            self.path.append(abstract(name, phase_of(self.engine)))

    def happen(self, event: Event, chunk: bytes) -> bytes:
        """Let an event happen; what the server wrote. One that the server has closed is asked itself."""
        self.path, self.wrote_early = [self.rest], False
        written = b""
        if event is Event.DATA and self.line.closed and self.engine is not None:
            written = b"".join(self.engine.feed(chunk))
        elif event is Event.DATA:
            self.line.send(chunk)
        elif event is Event.EOF and self.line.closed and self.engine is not None:
            self.engine.eof()
        elif event is Event.EOF:
            self.line.half_close()
        elif event is Event.RESET and self.line.closed and self.engine is not None:
            self.engine.abort()
        elif event is Event.RESET:
            self.line.reset()
        written += self.line.receive()
        self.rest = RESTS[phase_of(self.engine)] if self.engine is not None else State.CLOSED
        self.path.append(self.rest)
        self.path = [state for index, state in enumerate(self.path) if index == 0 or state is not self.path[index - 1]]
        return written


class Walk(NamedTuple):
    """How far an observed path follows the rows of one world: its transitions, and what is wrong after them."""

    steps: list[tuple[State, State, tuple[str, ...]]]
    fault: str


def follow(path: Sequence[State], event: Event, rows: Sequence[Taken], *, wrote_early: bool) -> Walk:
    """Match an observed path with the rows of one world."""
    steps: list[tuple[State, State, tuple[str, ...]]] = []
    at, held = 0, []
    spoken = _protocol(rows[0].name) if rows else ""
    for index, row in enumerate(rows):
        held.append(row.name)
        wanted = path[at + 1] if at + 1 < len(path) else None
        if row.to is wanted:
            steps.append((path[at], row.to, tuple(held)))
            at, held = at + 1, []
        elif row.to is path[at] and len(held) == 1 and _TARGETS[row.name][0] is row.to:
            steps.append((row.to, row.to, (row.name,)))
            held = []
        elif not _hidden(row, rows[index + 1].to if index + 1 < len(rows) else None, wrote_early=wrote_early):
            return Walk(steps, _fault(path, at, event, held, spoken, taken=bool(steps)))
    if held or at + 1 != len(path):
        return Walk(steps, _fault(path, at, event, held, spoken, taken=bool(steps)))
    return Walk(steps, "")


def _hidden(row: Taken, after: State | None, *, wrote_early: bool) -> bool:
    """Whether the server may go where `row` leads, and on to `after`, without naming it."""
    if row.to is State.NEW_CMD:
        return after is not State.PARSE_CMD
    if row.to is State.NREAD:
        return _TARGETS[row.name][0] is State.PARSE_CMD and after is State.NEW_CMD
    if row.to is State.MWRITE:
        return wrote_early or after is State.CLOSING
    return row.to is State.CLOSING


def _protocol(name: str) -> str:
    """What a row's name begins with where its table is not that of text."""
    return name.rpartition(": ")[0]


def _fault(path: Sequence[State], at: int, event: Event, held: Sequence[str], spoken: str, *, taken: bool) -> str:
    """What is wrong where an observed path leaves the table, in words; `taken` tells that the event has had its row."""
    rows = " then ".join(f"`{name}`" for name in held) or "no row"
    if at + 1 >= len(path):
        return f"the server stays in {path[at].value}, where the specification takes {rows}"
    before, after = path[at], path[at + 1]
    event = event if at == 0 else Event.TURN
    found = _ways(before, event, after, spoken)
    if not found and taken:  # a chunk that only made the value longer: what comes next is a turn
        found = _ways(before, Event.TURN, after, spoken)
    ways = " or ".join(" then ".join(f"`{row.name}`" for row in way) for way in found)
    wrong = f"{ways} does not hold here" if ways else f"there is no row `{before.value} {event.value} -> {after.value}`"
    return f"the server goes {before.value} -> {after.value}: {wrong}; the specification takes {rows}"


def _ways(before: State, event: Event, after: State, spoken: str) -> list[list[Taken]]:
    """The rows, or failing that the shortest compositions of rows, that lead from a state to another."""
    targets = {name: target for name, target in _TARGETS.items() if _protocol(name) == spoken}
    ways = [[Taken(name, to)] for name, (state, cause, to) in targets.items() if (state, cause) == (before, event)]
    while ways:
        found = [way for way in ways if way[-1].to is after]
        if found:
            return found
        ways = [
            [*way, Taken(name, to)]
            for way in ways
            for name, (state, cause, to) in targets.items()
            if (state, cause) == (way[-1].to, Event.TURN) and state is not to
            if _hidden(way[-1], to, wrote_early=False)
        ]
    return []


Factory = Callable[[Sequence[str]], inproc.Server]


def observe(stream: Conversation, create: Factory, seen: Seen) -> None:
    """Run a conversation through the server and the specification, event by event.

    Raises:
        RefusedError: at the first transition that is none of the specification's, or the first wrong byte.
    """
    server, rules = create(stream.options), options.apply(Rules(), stream.options)
    oracle = Oracle(rules)
    lines: dict[int, _Line] = {}
    uniques = Uniques()
    ended: set[int] = set()

    def happen(conn: int, event: Event, chunk: bytes = b"") -> None:
        now = Now(int(server.now), int(server.now))
        if event is Event.CONNECT:
            lines[conn] = _Line(server.open())
        line = lines[conn]
        written = line.happen(event, chunk)
        where = f"{stream.id}, connection {conn}, {event.value} {chunk[-60:]!r}"
        worlds = [step(world, Happening(conn, event, chunk), now, rules, trace=True) for world in oracle.worlds]
        outcomes = [outcome for found in worlds for outcome in found]
        if any(outcome.unspecified is not None for outcome in outcomes):
            oracle.unspecified = "found here"
            seen.unspecified += 1
            return
        if State.CLOSED is not line.rest and not line.wrote_early and (State.MWRITE in line.path) != bool(written):
            raise RefusedError(f"{where}: the server writes {written[-60:]!r}, its states are {line.path}")
        walks = []
        for outcome in outcomes:
            rows = [Taken(name, _TARGETS[name][2]) for name in outcome.rows]
            walks.append(follow(line.path, event, rows, wrote_early=line.wrote_early))
        best = max(walks, key=lambda walk: (not walk.fault, len(walk.steps)))
        if best.fault:
            raise RefusedError(f"{where}: {best.fault}")
        seen.events[event] += 1
        seen.note(best.steps)
        if event is Event.CONNECT:
            oracle.open(conn, now)
        elif event is Event.DATA:
            oracle.send(conn, chunk, now)
        elif event is Event.EOF:
            oracle.half_close(conn, now)
        else:
            oracle.reset(conn, now)
        uniques.feed(conn, written)
        oracle.received(conn, written)
        if line.line.closed and conn not in ended and event is not Event.RESET:
            ended.add(conn)
            oracle.ended(conn)
        oracle.settled(conn)
        if oracle.refusal is not None:
            raise RefusedError(f"{where}: {oracle.refusal}")

    for one in stream.steps:
        if isinstance(one, talk.Advance):
            server.advance(one.seconds)
            continue
        if one.conn is None or isinstance(one, talk.Settle):
            continue
        if one.conn not in lines:
            happen(one.conn, Event.CONNECT)
        if isinstance(one, talk.Send):
            data = b"".join(uniques.bind(part, server.now) for part in one.parts)
            for piece in talk.pieces(data, one.cuts):
                happen(one.conn, Event.DATA, piece)
                if oracle.over:
                    return
        elif isinstance(one, talk.HalfClose):
            happen(one.conn, Event.EOF)
        elif isinstance(one, talk.Reset | talk.Close):
            happen(one.conn, Event.RESET)
