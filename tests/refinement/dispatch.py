"""A server's recorded hand-over of connections, followed step by step in the specification's *dispatch* model.

A recording is JSON lines, one event each, in the order in which they happened: `{"event": "push", "conn": 3,
"worker": 1}`. Each event stands for one command of the table in `mcspec.dispatch` (`COMMANDS`). What clients do, and
what the listener sees for itself, is not recorded: an event is taken together with what of that kind it needs before
it, such as a client that connects before it is accepted. The first of these ways whose guards all hold is taken; if
none does, the event is none that the model allows.

Three things of a server are not in the model, whose worker reads one byte of its pipe for each connection that it
takes. A server's worker may read several bytes at once (`"bytes": 2`): what is read early is left in the model's pipe
until its connection is taken. Once awake it may take more connections than it has read bytes for; it reads those bytes
later, and in vain. And when the server drains, each worker is told by a byte of its own, with no connection behind it;
in the model a worker sees that by itself. `Follower` counts the bytes, which must come out even when a worker ends.

A client of the model connects once, so every connection that is accepted or rejected is a client of its own, numbered
in that order; one that waits while the server does not accept is the next that it will accept.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from mcspec.dispatch import NOBODY, TABLE, Command, Hand, Peer, Sock, Stage, State
from mcspec.models.dispatch import show

ROWS = {row.name: row for row in TABLE}

COMMANDS = {
    "accept": ("accept",),
    "reject": ("turn-away",),
    "push": ("push",),
    "notify": ("notify",),
    "wake": ("wake",),
    "pop": ("take",),
    "close": ("close", "last-answer", "dismiss"),
    "stop-accepting": ("pause",),
    "resume-accepting": ("resume",),
    "drain": ("stop",),
    "exit": ("exit",),
}
"""The commands of the table that an event may stand for."""

OF_CONN = frozenset({"accept", "reject", "push", "pop", "close"})
"""Events that tell of a connection."""

OF_WORKER = frozenset({"push", "notify", "wake", "pop", "close", "exit"})
"""Events that tell of a worker."""


class Recorded(NamedTuple):
    """One event of a recording; -1 where it tells of no connection or no worker."""

    event: str
    conn: int = NOBODY
    worker: int = NOBODY
    bytes: int = 1


class Setting(NamedTuple):
    """How the server was started: its workers, its limit of open connections, and whether it has maxconns_fast."""

    workers: int
    limit: int
    fast: bool = True


class RefusedError(Exception):
    """An event that the model does not allow, or that is none."""


def read(lines: Iterable[str]) -> tuple[Recorded, ...]:
    """The events of a recording; fields that are not of the hand-over are left alone.

    Raises:
        RefusedError: at a line that is no event, or lacks a number.
    """
    found = []
    for number, line in enumerate(lines, 1):
        fields = json.loads(line)
        event = fields.get("event")
        if event not in COMMANDS:
            raise RefusedError(f"line {number}: there is no event {event!r}")
        needs = [name for name, all_ in (("conn", OF_CONN), ("worker", OF_WORKER)) if event in all_]
        lacking = [name for name in needs if not isinstance(fields.get(name), int)]
        if lacking:
            raise RefusedError(f"line {number}: {event} without {' and '.join(lacking)}")
        conn, worker = (fields[name] if name in needs else NOBODY for name in ("conn", "worker"))
        found.append(Recorded(event, conn, worker, fields.get("bytes", 1)))
    return tuple(found)


Step = tuple[str, int, int]
"""A command of the table with its two indices."""


class Follower:
    """The states that the model may be in while a recording is followed.

    There are two of them at most: when a listener without maxconns_fast sees that there is no room is not recorded,
    and by the time it stops accepting there may be room again.
    """

    def __init__(self, setting: Setting, events: Sequence[Recorded], table: tuple[Command, ...] = TABLE) -> None:
        self.rows = {row.name: row for row in table}
        self.client: dict[int, int] = {}
        """The client that each of the server's open connections stands for."""
        self.arrived = 0
        """Connections that were accepted or rejected."""
        self.read = [0] * setting.workers
        """Bytes that each worker has read, for which it has not yet taken a connection."""
        self.stops = [0] * setting.workers
        """Bytes in each pipe that tell its worker to stop."""
        self.late = [0] * setting.workers
        """Bytes that each worker has not read, for which it has taken a connection."""
        self.owed = NOBODY
        """The worker that the listener has yet to tell of a connection which that has taken already."""
        self.last = [""] * setting.workers
        """The last thing that each worker did."""
        arrivals = sum(event.event in ("accept", "reject") for event in events)
        # One more may wait for a server that has stopped accepting when the recording ends.
        start = State.start(arrivals + 1, setting.workers, setting.limit)
        self.states = self._took([start], [[("boot", int(setting.fast), 0)]])

    def _took(self, states: Iterable[State], ways: Sequence[Sequence[Step]]) -> list[State]:
        """Where the first of the ways leads from each state whose guards allow one."""
        found: dict[State, None] = {}
        for state in states:
            for steps in ways:
                after = self._after(state, steps)
                if after is not None:
                    found[after] = None
                    break
        return list(found)

    def _after(self, state: State, steps: Sequence[Step]) -> State | None:
        for name, first, second in steps:
            row = self.rows.get(name)
            if row is None or not row.guard(state, first, second):
                return None
            state = row.effect(state, first, second)
        return state

    def _ways(self, state: State, event: Recorded) -> list[list[Step]]:
        """The steps that an event may be, with what is not recorded before them; each way is tried in turn."""
        client = self.client.get(event.conn, NOBODY)
        if event.event in ("accept", "reject"):
            return [[*self._connects(state), (COMMANDS[event.event][0], self.arrived, 0)]]
        if event.event == "close":
            gone: list[Step] = [] if state.peers[client] == Peer.GONE else [("leave", client, 0)]
            return [[*gone, ("close", client, event.worker)], [("dismiss", client, event.worker)]]
        if event.event == "exit":
            shut: list[Step] = [("close-socket", 0, 0)] if state.listening else []
            return [[*shut, ("exit", event.worker, 0)]]
        if event.event == "pop":
            untold = state.told == event.worker and not state.pipes[event.worker]
            told: list[Step] = [("notify", event.worker, 0)] if untold else []
            return [[*told, ("wake", event.worker, 0), ("take", event.worker, 0)]]
        if event.event == "wake" or (event.event == "notify" and self._of_no_connection(state, event)):
            return [[]]
        return [[(COMMANDS[event.event][0], max(event.worker, 0), 0)]]

    def _of_no_connection(self, state: State, event: Recorded) -> bool:
        """Whether a byte tells of the end, or of a connection that was taken before it."""
        return event.worker == self.owed or (state.stage == Stage.DRAINS and state.hand == Hand.READY)

    def _connects(self, state: State) -> list[Step]:
        return [] if state.socks[self.arrived] == Sock.BACKLOG else [("connect", self.arrived, 0)]

    def _seen_full(self) -> list[State]:
        """The states, and those in which the listener has already seen that there is no room."""
        full = (self._after(state, [*self._connects(state), ("full", 0, 0)]) for state in self.states)
        return list(dict.fromkeys([*self.states, *(state for state in full if state is not None)]))

    def _fault(self, state: State, event: Recorded) -> str:
        """What is wrong with an event before any guard is asked: its numbers name nothing, or the wrong one."""
        client = self.client.get(event.conn)
        if event.event in OF_WORKER and not 0 <= event.worker < len(state.loops):
            return f"there is no worker {event.worker}"
        if self.owed not in (NOBODY, event.worker) and event.event not in ("wake", "pop", "close", "drain"):
            return f"worker {self.owed} has not been told of its connection"
        if event.event in ("accept", "reject"):
            return f"connection {event.conn} is open" if client is not None else ""
        if event.event in OF_CONN and client is None:
            return f"connection {event.conn} is not open"
        if event.event == "push" and state.held != client:
            return f"the listener does not hold connection {event.conn}"
        return self._miscounted(state, event)

    def _miscounted(self, state: State, event: Recorded) -> str:
        """What is wrong with the bytes of an event, or with the place of a connection in its queue."""
        worker = event.worker
        if event.event == "wake" and not 0 < event.bytes <= self._unread(state, worker):
            return f"there are no {event.bytes} bytes in the pipe of worker {worker}"
        if event.event == "exit" and (self.stops[worker] or self.late[worker]):
            return f"there is a byte in the pipe of worker {worker}"
        if event.event == "pop" and not self.read[worker] and self.last[worker] not in ("wake", "pop"):
            return f"worker {worker} has not read a byte"
        if event.event == "pop" and state.queues[worker][:1] != (self.client[event.conn],):
            return f"connection {event.conn} is not the first on the queue of worker {worker}"
        return ""

    def _unread(self, state: State, worker: int) -> int:
        """Bytes in a pipe: of connections that were taken, of those that were not, and of the end."""
        written_late = self.late[worker] - (self.owed == worker)
        return written_late + state.pipes[worker] - self.read[worker] + self.stops[worker]

    def _count(self, before: State, event: Recorded) -> None:
        """Count the bytes of an event as the server does; they come in the order in which they were written."""
        worker = event.worker
        if event.event == "wake":
            late = min(event.bytes, self.late[worker])
            of_queue = min(event.bytes - late, before.pipes[worker] - self.read[worker])
            self.late[worker] -= late
            self.read[worker] += of_queue
            self.stops[worker] -= event.bytes - late - of_queue
        elif event.event == "pop" and self.read[worker]:
            self.read[worker] -= 1
        elif event.event == "pop":
            self.late[worker] += 1
            if not before.pipes[worker]:
                self.owed = worker
        elif event.event == "notify" and worker == self.owed:
            self.owed = NOBODY
        elif event.event == "notify" and before.hand == Hand.READY:
            self.stops[worker] += 1
        if event.event in ("wake", "pop", "close", "exit"):
            self.last[worker] = event.event

    def follow(self, event: Recorded) -> None:
        """Take the step that an event is.

        Raises:
            RefusedError: if the model does not allow it from the present state.
        """
        before = self._seen_full()
        faults = [self._fault(state, event) for state in before]
        after: list[State] = []
        for state, fault in zip(before, faults, strict=True):
            after += [] if fault else self._took([state], self._ways(state, event))
        if not after:
            numbers = "".join(
                f" {name} {at}" for name, at in (("connection", event.conn), ("worker", event.worker)) if at >= 0
            )
            raise RefusedError(f"{event.event}{numbers}: {faults[0] or 'not allowed here'}; {shown(before[0])}")
        self._count(before[0], event)
        self.states = list(dict.fromkeys(after))
        if event.event == "accept":
            self.client[event.conn] = self.arrived
        if event.event in ("accept", "reject"):
            self.arrived += 1
        elif event.event == "close":
            del self.client[event.conn]


def shown(state: State) -> str:
    """A state in words, without the clients that are away or gone."""
    parts = show(state).split("; ")
    over = ("/-", "/closed", "/refused")
    return "; ".join(part for part in parts if not (part.startswith("client") and part.endswith(over)))


def follow(events: Sequence[Recorded], setting: Setting, table: tuple[Command, ...] = TABLE) -> State:
    """The model's state after a whole recording.

    Raises:
        RefusedError: at the first event that is no step of the model.
    """
    follower = Follower(setting, events, table)
    for number, event in enumerate(events, 1):
        try:
            follower.follow(event)
        except RefusedError as refused:
            raise RefusedError(f"event {number}: {refused}") from None
    return follower.states[0]


def ended(state: State) -> bool:
    """Whether a server that was asked to stop has come to its end: every worker has ended, nothing is open."""
    return ROWS["stopped"].guard(state, 0, 0) and Sock.OPEN not in state.socks
