"""Which clause a difference breaks, and how it is told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mcspec import Owed, State, describe, idle
from mcspec.machine import STREAMS, Stream

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mcconform.live import Live


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


def expectations(conn: int, lives: Iterable[Live]) -> tuple[str, ...]:
    """What each world expects next on a connection, in words."""
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


def refuse(conn: int, refused: list[tuple[Live, str]]) -> Refusal:
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
    expected = expectations(conn, [pair[0] for pair in refused])
    return Refusal(kind, conn, clauses, expected, live.unread.get(conn, b""), context)


def _blame(live: Live, conn: int, owed: Owed | None, silent: list[Owed], kind: str) -> tuple[tuple[str, ...], bytes]:
    if silent and kind in ("wrong reply", "unexpected bytes", "not closed"):
        # Something came where silence was due, or a request that should have ended the connection did not.
        return silent[-1].clauses, silent[-1].request
    if owed is not None:
        late = kind == "missing reply" and not idle(live.world.conns.find(conn))
        return ((*owed.clauses, stream_of(live, conn).prompt) if late else owed.clauses), owed.request
    stream = stream_of(live, conn)
    return (stream.error_keeps_open if kind == "closed" else stream.pipelined,), b""


def stream_of(live: Live, conn: int) -> Stream:
    """The clauses about streams of the protocol that a connection speaks in this world."""
    found = live.world.conns.find(conn)
    return STREAMS[found.protocol if found is not None else ""]
