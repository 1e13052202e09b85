"""The oracle: which allowed worlds of the specification are still possible, given what a server was seen to do.

It is told of every event in the order in which they happened: what the client sent, what it received, how the
connection ended. It keeps the *live* worlds: those whose owed replies agree with the bytes so far. When the last one
dies, the server has broken a clause, and `refusal` says which one and where. The oracle knows no socket and no clock.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from mcconform.blame import Refusal, expectations, refuse, stream_of
from mcconform.live import MID_REQUEST, MOST_WORLDS, Live, deadlines, merged, queue
from mcconform.reassembly import Fault, Reassembly
from mcspec import Cache, Event, Happening, Now, Outcome, Rules, State, World, idle, step

if TYPE_CHECKING:
    from collections.abc import Callable

    from mcconform.conversation import Transport


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
    lossy: bool = False
    """Whether datagrams can be lost on the way: then one that does not come is no difference."""
    lost: bool = False
    """Whether one was; there is nothing left to judge then."""
    refusal: Refusal | None = None
    unspecified: str | None = None
    exhausted: bool = False
    _lives: list[Live] = field(default_factory=list)
    _fresh: set[int] = field(default_factory=set)
    _clients: dict[int, Reassembly] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._lives.append(Live(World(Cache(clean=frozenset() if self.used else None)), self.rules))

    @property
    def over(self) -> bool:
        """Whether there is nothing left to judge."""
        return self.refusal is not None or self.unspecified is not None or self.exhausted or self.lost

    @property
    def passed(self) -> set[str]:
        """The clauses that observed outcomes went through in every live world."""
        return set.intersection(*(live.passed for live in self._lives)) if self._lives else set()

    @property
    def timed(self) -> bool:
        """Whether a moment may have decided what was allowed: an item had a deadline, or a flush was due."""
        return any(deadlines(live) for live in self._lives)

    @property
    def worlds(self) -> list[World]:
        """The live worlds."""
        return [live.world for live in self._lives]

    # ------------------------------------------------------------------------------------- what the client did

    def open(self, conn: int, now: Now, transport: Transport = "tcp") -> None:
        """The client connected, or (UDP) made a socket, of which the server does not know."""
        for live in self._lives:
            live.ended.discard(conn)
            live.queues[conn], live.unread[conn], live.silent[conn] = [], b"", []
            live.moments.pop(conn, None)
        if transport == "udp":
            self._clients[conn] = Reassembly()
        else:
            self._step(Happening(conn, Event.CONNECT), now)

    def send(self, conn: int, chunk: bytes, now: Now) -> None:
        """The client wrote a chunk."""
        self._step(Happening(conn, Event.DATA, chunk), now)

    def datagram(self, conn: int, data: bytes, now: Now) -> None:
        """The client sent a datagram."""
        self._step(Happening(conn, Event.DATAGRAM, data), now)

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
        grown: list[Live] = []
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
                grown += queue(twin, happening.conn, outcome, counting=self.alone)
        self._lives = grown if len(grown) < 2 else merged(grown)
        if len(self._lives) > MOST_WORLDS:
            self.exhausted = True

    # ------------------------------------------------------------------------------------- what the client saw

    def received(self, conn: int, data: bytes) -> None:
        """The client read these bytes; over UDP they are one datagram."""
        if self.over or not data:
            return
        client = self._clients.get(conn)
        if client is not None:
            self._datagram(conn, client, data)
            return
        self._fresh.add(conn)
        refused: list[tuple[Live, str]] = []
        survivors = []
        for live in self._lives:
            live.unread[conn] = live.unread.get(conn, b"") + data
            kind = live.advance(conn)
            if kind is None:
                survivors.append(live)
            else:
                refused.append((live, kind))
        self._survive(conn, survivors, refused)

    def _datagram(self, conn: int, client: Reassembly, data: bytes) -> None:
        found = client.feed(data)
        if found is None:
            return
        if isinstance(found, Fault):
            if found.gap and self.lossy:
                self.lost = True
                return
            refusal = refuse(conn, [(live, "wrong reply") for live in self._lives])
            self.refusal = replace(refusal, expected=(found.expected,), observed=data)
            return
        kinds = [(live, live.deliver(conn, found)) for live in self._lives]
        survivors = [live for live, kind in kinds if kind is None]
        self._survive(conn, survivors, [(live, kind) for live, kind in kinds if kind is not None])

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
        client = self._clients.get(conn)
        if client is not None and self.lossy and (client.begun or not self.complete(conn)):
            self.lost = True
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
                    live.passed.add(stream_of(live, conn).prompt)
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
        """Whether the connection is open and at a command boundary in every live world; a UDP client always is."""
        return not self.over and (
            conn in self._clients or all(idle(live.world.conns.find(conn)) for live in self._lives)
        )

    def unheard(self, conn: int) -> bool:
        """Whether requests stand last on a connection that are answered with silence."""
        for live in self._lives:
            owed = live.queues.get(conn)
            if live.silent.get(conn) or (owed and not owed[-1].pieces and owed[-1].request):
                return True
        return False

    def crowded(self) -> bool:
        """Whether so many worlds are live that it is time to look at what the server answered."""
        return len(self._lives) > MOST_WORLDS // 8

    def may_withhold(self, conn: int) -> bool:
        """Whether the profile lets the server keep owed replies back while it waits in the middle of a value."""
        if self.rules.traits.prompt == "always" or self.over:
            return False
        return any(live.state(conn) in MID_REQUEST for live in self._lives)

    def expected(self, conn: int) -> tuple[str, ...]:
        """What each live world expects next on a connection, in words."""
        return expectations(conn, self._lives)

    # ------------------------------------------------------------------------------------- refusing

    def _survive(self, conn: int, survivors: list[Live], refused: list[tuple[Live, str]]) -> None:
        if not survivors and refused:
            self.refusal = refuse(conn, refused)
        else:
            self._lives = survivors
