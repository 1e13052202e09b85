"""The connection state machine, as a table.

Theory of operation
-------------------
The states are those of the server that the protocol grew up with: a listening socket, a connection that waits, reads,
parses, receives a value, swallows one, writes and closes. Everything that affects transitions is in `TABLE`: for each
(state, event) a tuple of rows, each row a named guard, a named action, the next state and the clauses it rests on. The
first row whose guard holds is taken. A guard may also say *maybe* (None): then the row is taken in one allowed world
and the rows after it are tried in another. A missing key is the error rule: the event is impossible in that state, and
`feed` leaves the connection as it is.

Events come from outside (CONNECT, DATA, EOF, RESET) or are TURN, the machine's own next move. After an outside event
the machine takes TURN rows until none holds: that is quiescence, the only moment at which the outcome is defined. So
chunks cannot matter: DATA only appends to `buffer`, and every TURN row looks at the buffer alone.

A state in which no TURN row holds is one that waits: WAITING for a line, NREAD for the rest of a value, SWALLOW for
the rest of a block to be dropped, CLOSED for ever. LISTENING stands for the socket that a connection comes from.

Each protocol has a table of its own over the same states. Which one a connection speaks is decided by its first byte,
unless the server was told; what does not depend on the protocol (`shared`) is the same in all tables.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mcspec import rows_access, rows_binary, rows_packet
from mcspec.actions import (
    answer_refused,
    cut_line,
    cut_off,
    drop,
    execute,
    expect_block,
    expect_value,
    farewell,
    ignore,
    leave,
    line_memory,
    nothing,
    refuse,
    refuse_large,
    release,
    store_value,
    write,
)
from mcspec.guards import (
    always,
    block_here,
    bytes_to_drop,
    hangs_up,
    holds_swallow,
    holds_value,
    leaving,
    line_over,
    line_ready,
    quits,
    refused_with_block,
    replies_queued,
    retrieval_over,
    room,
    too_large,
    wants_value,
)
from mcspec.machine import (
    BINARY,
    PACKET,
    STRANGER,
    STREAMS,
    TEXT,
    Conn,
    Context,
    Event,
    Row,
    State,
    Stream,
    Table,
    Turn,
    name,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mcspec.cache import Cache
    from mcspec.machine import Guard
    from mcspec.rules import Rules

MAGIC = 0x80
"""The first byte of a connection that speaks the binary protocol, unless the server was told what to speak."""

_S, _E = State, Event


def shared(stream: Stream) -> Table:
    """The rows that every protocol has: waiting, writing and going, and the end of the client."""
    ends = {
        (state, event): (Row(always, farewell, _S.CLOSING, (clause,) if event is _E.EOF else ()),)
        for state, clause in (
            (_S.WAITING, stream.half_close),
            (_S.NREAD, stream.fin_inside),
            (_S.SWALLOW, stream.fin_inside),
        )
        for event in (_E.EOF, _E.RESET)
    }
    final = (stream.closed_is_final,)
    return {
        (_S.WAITING, _E.DATA): (Row(always, nothing, _S.READ),),
        (_S.READ, _E.TURN): (Row(always, nothing, _S.NEW_CMD),),
        (_S.NREAD, _E.DATA): (Row(always, nothing, _S.NREAD),),
        (_S.SWALLOW, _E.DATA): (Row(always, nothing, _S.SWALLOW),),
        **ends,
        (_S.MWRITE, _E.TURN): (
            Row(leaving, write, _S.CLOSING),
            Row(holds_value, write, _S.NREAD),
            Row(holds_swallow, write, _S.SWALLOW),
            Row(always, write, _S.NEW_CMD),
        ),
        (_S.CLOSING, _E.TURN): (Row(always, release, _S.CLOSED),),
        **{(_S.CLOSED, event): (Row(always, ignore, _S.CLOSED, final),) for event in (_E.DATA, _E.EOF, _E.RESET)},
    }


TABLE: Table = {
    # Who comes has said nothing yet: whatever is spoken later, this is the row.
    (_S.LISTENING, _E.CONNECT): (
        Row(room, nothing, _S.NEW_CMD),
        Row(always, refuse, _S.MWRITE, ("text.conn.too-many",)),
    ),
    **shared(STREAMS[TEXT]),
    (_S.NEW_CMD, _E.TURN): (
        Row(line_over, cut_off, _S.CLOSING, ("text.line.too-long",)),
        Row(retrieval_over, line_memory, _S.MWRITE, ("text.line.get-too-long",)),
        Row(line_ready, cut_line, _S.PARSE_CMD),
        Row(replies_queued, nothing, _S.MWRITE, ("text.stream.prompt",)),
        Row(always, nothing, _S.WAITING),
    ),
    (_S.PARSE_CMD, _E.TURN): (
        Row(wants_value, expect_value, _S.NREAD),
        Row(too_large, refuse_large, _S.SWALLOW, ("text.store.too-large",)),
        Row(refused_with_block, expect_block, _S.SWALLOW, ("text.store.header-error",)),
        Row(hangs_up, cut_off, _S.CLOSING, ("text.line.http",)),
        Row(quits, leave, _S.MWRITE, ("text.quit.closes",)),
        Row(always, execute, _S.NEW_CMD),
    ),
    (_S.NREAD, _E.TURN): (
        Row(block_here, store_value, _S.NEW_CMD, ("text.store.block",)),
        Row(replies_queued, nothing, _S.MWRITE, ("text.stream.prompt",)),
    ),
    (_S.SWALLOW, _E.TURN): (
        Row(block_here, answer_refused, _S.NEW_CMD, ("text.store.swallowed",)),
        Row(bytes_to_drop, drop, _S.SWALLOW, ("text.store.swallowed",)),
        Row(replies_queued, nothing, _S.MWRITE, ("text.stream.prompt",)),
    ),
}
"""The table of the text protocol, classic and meta."""


def _without(table: Table, state: State, *guards: Guard) -> Table:
    """The rows of a protocol that has no such state, and for whose connections these guards never hold."""
    return {
        at: tuple(row for row in rows if row.guard not in guards) for at, rows in table.items() if at[0] is not state
    }


FRAMINGS: Mapping[str, Table] = {
    BINARY: {
        **shared(STREAMS[BINARY]),
        **{at: (*rows_access.SASL.get(at, ()), *rows) for at, rows in rows_binary.ROWS.items()},
    },
    PACKET: {**_without(shared(STREAMS[PACKET]), _S.NREAD, holds_value), **rows_packet.ROWS},
    STRANGER: {**_without(shared(STREAMS[STRANGER]), _S.SWALLOW, holds_swallow, leaving), **rows_access.STRANGERS},
}
"""The tables of the protocols that are framed in another way."""


def _named(table: Table, before: str = "") -> dict[int, str]:
    return {id(row): before + name(*at, row) for at, rows in table.items() for row in rows}


NAMES: dict[int, str] = _named(TABLE)
"""The name of each row of all tables, by identity: for coverage, explanations and diagrams."""
for _protocol, _table in FRAMINGS.items():
    NAMES |= _named(_table, f"{_protocol}: ")


def spoken(first: int, rules: Rules) -> str:
    """The protocol of a connection whose first byte is `first`."""
    if rules.authentication:
        return BINARY if rules.authentication == "sasl" else STRANGER
    if rules.protocol == "auto":
        return BINARY if first == MAGIC else TEXT
    return TEXT if rules.protocol == "ascii" else rules.protocol


def feed(conn: Conn, event: Event, chunk: bytes, cache: Cache, context: Context) -> tuple[Turn, ...]:
    """Let `event` happen to a connection and run it to quiescence: every allowed world."""
    rules, undecided = context.rules, not conn.protocol
    protocol = conn.protocol or (rules.functions.spoken(chunk[0], rules) if chunk else TEXT)
    table = rules.table if protocol == TEXT else rules.framings[protocol]
    rows = table.get((conn.state, event))
    if rows is None:
        return (Turn(conn, cache, (), ()),)
    if chunk and conn.state is not State.CLOSED:
        conn = conn._replace(buffer=conn.buffer + chunk, parts=conn.parts + 1, protocol=protocol)
    todo = _take(Turn(conn, cache, (), ()), rows, context)
    finished = []
    while todo:
        turn = todo.pop()
        if turn.unspecified is None:
            if turn.conn.protocol not in ("", protocol):
                # A stranger was let in: it speaks text from here on, in this world.
                protocol = turn.conn.protocol
                table = rules.table if protocol == TEXT else rules.framings[protocol]
            rows = table.get((turn.conn.state, Event.TURN))
            moved = _take(turn, rows, context) if rows else []
            if moved:
                todo += moved
                continue
        finished.append(turn)
    told = _TOLD.get((rules.authentication, rules.protocol)) if chunk and undecided else None
    return tuple(finished if told is None else [_because(turn, told) for turn in finished])


_TOLD = {
    **{("sasl", protocol): "access.protocol.sasl" for protocol in ("auto", "binary")},
    **{("ascii", protocol): "access.protocol.tokens" for protocol in ("auto", "ascii")},
    ("", "ascii"): "access.protocol.ascii",
    ("", "binary"): "access.protocol.binary",
}
"""The clauses by which connections speak what the server was told to speak."""


def _because(turn: Turn, clause: str) -> Turn:
    """The first that is owed rests on a clause more."""
    first = tuple(one._replace(clauses=(clause, *one.clauses)) for one in turn.owed[:1])
    return turn._replace(owed=(*first, *turn.owed[1:]))


def _take(turn: Turn, rows: tuple[Row, ...], context: Context) -> list[Turn]:
    """Take the first row that holds, and before it each that holds maybe; none: the machine waits."""
    moved = []
    for row in rows:
        holds = row.guard(turn.conn, context)
        if holds is False:
            continue
        if context.trace:
            turn = turn._replace(rows=(*turn.rows, NAMES.get(id(row), row.action.__name__)))
        for after in row.action(turn, context):
            conn = after.conn
            if conn.state is not row.to:
                # The same as two calls of _replace, at a third of their cost: this is the specification's hot spot.
                after = Turn(Conn(row.to, *conn[1:]), *after[1:])  # noqa: PLW2901
            moved.append(after)
        if holds:
            break
    return moved
