"""The world: one cache and its connections, and `step`, the whole specification as one function."""

from __future__ import annotations

from typing import NamedTuple

from mcspec import connection, udp
from mcspec.cache import Cache, Now
from mcspec.frozen import FrozenMap
from mcspec.machine import BINARY, STREAMS, Conn, Context, Event, State
from mcspec.pattern import Owed
from mcspec.rules import Rules


class World(NamedTuple):
    """A server as far as its clients can tell: immutable and hashable."""

    cache: Cache = Cache()
    conns: FrozenMap[int, Conn] = FrozenMap()


class Happening(NamedTuple):
    """An event on connection number `conn`; `chunk` are the bytes of DATA, or a whole DATAGRAM of a UDP client."""

    conn: int
    event: Event
    chunk: bytes = b""


class Outcome(NamedTuple):
    """One allowed outcome: the world after the event and what its connection is owed, request by request.

    `rows` are the rows of the connection table that were taken (only if asked for). `unspecified` is a reason why the
    specification says nothing of this world from here on.
    """

    world: World
    conn: int
    owed: tuple[Owed, ...]
    rows: tuple[str, ...] = ()
    unspecified: str | None = None


def step(world: World, happening: Happening, now: Now, rules: Rules, *, trace: bool = False) -> tuple[Outcome, ...]:
    """Every allowed outcome of an event: total (any connection number, any bytes, any order) and pure.

    `now` is the moment as a span of the server's clock in seconds. The outcome does not depend on how a stream of
    bytes is cut into DATA events.
    """
    number = happening.conn
    if happening.event is Event.DATAGRAM:
        turns = udp.receive(happening.chunk, world.cache, Context(now, rules, 0, trace))
        return tuple(
            Outcome(world._replace(cache=turn.cache), number, turn.owed, turn.rows, turn.unspecified) for turn in turns
        )
    conn = world.conns.find(number) or Conn()
    if conn.state is State.LISTENING and happening.event is not Event.CONNECT:
        return (Outcome(world, number, ()),)
    if happening.event is Event.CONNECT and conn.state is State.CLOSED:
        conn = Conn()
    crowd = 0
    if happening.event is Event.CONNECT:
        crowd = sum(1 for other in world.conns.values() if other.state is not State.CLOSED)
    turns = connection.feed(conn, happening.event, happening.chunk, world.cache, Context(now, rules, crowd, trace))
    others = [other for index, other in world.conns.items() if index != number]
    busy = any(other.buffer or other.need for other in others)
    spoken = {other.protocol for other in others if other.protocol}
    outcomes = []
    for turn in turns:
        owed = turn.owed
        protocol = turn.conn.protocol
        if owed and spoken - {protocol} and BINARY in (*spoken, protocol):
            owed = tuple(one._replace(clauses=("binary.shared.cache", *one.clauses)) for one in owed)
        if busy and owed:
            owed = tuple(one._replace(clauses=(STREAMS[protocol].independent, *one.clauses)) for one in owed)
        after = World(turn.cache, world.conns.put(number, turn.conn))
        outcomes.append(Outcome(after, number, owed, turn.rows, turn.unspecified))
    return tuple(outcomes)


def idle(conn: Conn | None) -> bool:
    """Whether a connection is open and at a command boundary: nothing is half received."""
    return conn is not None and conn.state is State.WAITING and not conn.buffer
