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
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from mcspec import admin, answers, arith, meta, meta_answers, meta_store, text
from mcspec.cache import Cache, Now
from mcspec.pattern import Owed

if TYPE_CHECKING:
    from mcspec.rules import Rules

Request = text.Request | meta.Line | meta.MetaStore | admin.Said
STORES = text.Store | meta.MetaStore
"""The requests that a value follows."""

BINARY = 0x80
"""The first byte of a connection that speaks the binary protocol, of another chapter."""


class State(Enum):
    """The states of a connection."""

    LISTENING = "listening"
    NEW_CMD = "new_cmd"
    WAITING = "waiting"
    READ = "read"
    PARSE_CMD = "parse_cmd"
    NREAD = "nread"
    SWALLOW = "swallow"
    MWRITE = "mwrite"
    CLOSING = "closing"
    CLOSED = "closed"

    __hash__ = object.__hash__


class Event(Enum):
    """What can happen to a connection; TURN is its own next move."""

    CONNECT = "connect"
    TURN = "turn"
    DATA = "data"
    EOF = "eof"
    RESET = "reset"

    __hash__ = object.__hash__


class Conn(NamedTuple):
    """One connection. `need` is the length in bytes, CR LF included, of the block being received or swallowed.

    `since` is the moment of the store line, from which its exptime counts.
    `parts` counts the chunks that the present request has come in, `erred` remembers that the last one was refused,
    `queued` that replies wait to be written, `leaving` that the connection closes after them, `fresh` that no byte has
    come yet.
    """

    state: State = State.LISTENING
    buffer: bytes = b""
    request: Request | None = None
    line: bytes = b""
    need: int = 0
    since: Now | None = None
    queued: int = 0
    leaving: bool = False
    parts: int = 0
    erred: bool = False
    fresh: bool = True


class Turn(NamedTuple):
    """One world in the making: the connection, the cache, what is owed since the event, the rows taken."""

    conn: Conn
    cache: Cache
    owed: tuple[Owed, ...]
    rows: tuple[str, ...]
    unspecified: str | None = None


class Context(NamedTuple):
    """What an action may read beside the turn: the moment, the rules, and the number of open connections."""

    now: Now
    rules: Rules
    crowd: int
    trace: bool = False


Guard = Callable[[Conn, Context], bool | None]
Action = Callable[[Turn, Context], tuple[Turn, ...]]


class Row(NamedTuple):
    """One row of the table; `clauses` are owed to the row itself, whatever its action adds."""

    guard: Guard
    action: Action
    to: State
    clauses: tuple[str, ...] = ()


# ------------------------------------------------------------------------------------------------ guards


def always(_conn: Conn, _context: Context) -> bool:
    """Holds always."""
    return True


def room(_conn: Conn, context: Context) -> bool:
    """Fewer connections are open than the limit allows."""
    return context.crowd < context.rules.limits.connections


def line_ready(conn: Conn, _context: Context) -> bool:
    """The buffer holds an LF."""
    return b"\n" in conn.buffer


def replies_queued(conn: Conn, _context: Context) -> bool:
    """Replies wait to be written."""
    return conn.queued > 0


def _retrieval_line(conn: Conn, context: Context) -> bool:
    traits = context.rules.traits
    start = conn.buffer[:256]
    if traits.leading_space == "ignored":
        start = start.lstrip(b" ")
    return start.startswith(text.RETRIEVALS if traits.long_retrieval == "all" else text.RETRIEVALS[:2])


def line_over(conn: Conn, context: Context) -> bool | None:
    """A line that is no retrieval is longer than the limit (where reads decide: maybe)."""
    limits = context.rules.limits
    if len(conn.buffer) < limits.line:
        return False
    held, end = len(conn.buffer), conn.buffer.find(b"\n") + 1
    over: bool | None = arith.line_over(end, held, limits.line)
    if context.rules.traits.line_limit == "racy":
        over = arith.line_over_by_reads(end or held, limits.line, limits.read_buffer)
    return False if over is False or _retrieval_line(conn, context) else over


def retrieval_over(conn: Conn, context: Context) -> bool:
    """A retrieval line is longer than its own limit (where reads decide there is none)."""
    limit = context.rules.limits.retrieval_line
    if len(conn.buffer) < limit or context.rules.traits.line_limit == "racy":
        return False
    end = conn.buffer.find(b"\n") + 1
    return arith.line_over(end, len(conn.buffer), limit) and _retrieval_line(conn, context)


def wants_value(conn: Conn, context: Context) -> bool:
    """A store command whose value fits is to be received."""
    request = conn.request
    return isinstance(request, STORES) and _fits(request, context.rules)


def too_large(conn: Conn, context: Context) -> bool:
    """A store command announces a value that cannot fit."""
    request = conn.request
    return isinstance(request, STORES) and not _fits(request, context.rules)


def _fits(request: text.Store | meta.MetaStore, rules: Rules) -> bool:
    return rules.functions.fits(request.key, request.flags, request.length, rules)


def refused_with_block(conn: Conn, _context: Context) -> bool:
    """The line was refused, and the block it announces is to be swallowed."""
    return isinstance(conn.request, text.Answer) and conn.request.swallow > 0


def hangs_up(conn: Conn, _context: Context) -> bool:
    """The line is one upon which the server closes without a word."""
    return isinstance(conn.request, text.Hang)


def quits(conn: Conn, _context: Context) -> bool:
    """The line is quit."""
    return isinstance(conn.request, text.Quit)


def block_here(conn: Conn, _context: Context) -> bool:
    """The whole block has arrived."""
    return arith.missing(conn.need, len(conn.buffer)) == 0


def bytes_to_drop(conn: Conn, _context: Context) -> bool:
    """Some of a block to be swallowed has arrived."""
    return conn.buffer != b"" and arith.missing(conn.need, len(conn.buffer)) > 0


def leaving(conn: Conn, _context: Context) -> bool:
    """The connection closes once all is written."""
    return conn.leaving


def holds_value(conn: Conn, _context: Context) -> bool:
    """A value is being received."""
    return conn.need > 0 and isinstance(conn.request, STORES)


def holds_swallow(conn: Conn, _context: Context) -> bool:
    """A block is being swallowed."""
    return conn.need > 0


# ------------------------------------------------------------------------------------------------ actions


def nothing(turn: Turn, _context: Context) -> tuple[Turn, ...]:
    """Do nothing."""
    return (turn,)


def refuse(turn: Turn, _context: Context) -> tuple[Turn, ...]:
    """Tell a connection too many that it is one."""
    return _owe(turn, Owed((text.TOO_MANY,), ("text.conn.too-many",)), leaving=True)


def cut_line(turn: Turn, context: Context) -> tuple[Turn, ...]:
    """Take the first line off the buffer and read it."""
    buffer = turn.conn.buffer
    end = buffer.index(b"\n") + 1
    line = buffer[:end]
    request = context.rules.functions.parse(line, context.rules)
    return (turn._replace(conn=turn.conn._replace(buffer=buffer[end:], request=request, line=line)),)


def line_memory(turn: Turn, _context: Context) -> tuple[Turn, ...]:
    """Give up on a retrieval line without end."""
    clauses = ("text.line.get-too-long", "text.stream.owed-before-close")
    return _owe(turn, Owed((text.LINE_MEMORY,), clauses), leaving=True)


def cut_off(turn: Turn, context: Context) -> tuple[Turn, ...]:
    """Close without an answer; a server with that trait loses replies that it had queued."""
    request = turn.conn.request
    clauses = request.clauses if isinstance(request, text.Hang) else ("text.line.too-long",)
    if turn.conn.queued or turn.owed:
        clauses = (*clauses, "text.stream.owed-before-close")
    drops = context.rules.traits.close_drops == "queued"
    return _owe(turn, Owed((), clauses, drops=drops), leaving=True)


def execute(turn: Turn, context: Context) -> tuple[Turn, ...]:
    """Carry out a request of one line."""
    assert turn.conn.request is not None  # PARSE_CMD is entered by cut_line only
    request = turn.conn.request
    if isinstance(request, meta.Line):
        return _finish(turn, meta_answers.carry_out(request, turn.cache, context.now, context.rules))
    assert not isinstance(request, meta.MetaStore)  # wants_value and too_large stand before execute
    return _finish(turn, answers.carry_out(request, turn.cache, context.now, context.rules))


def expect_value(turn: Turn, context: Context) -> tuple[Turn, ...]:
    """Wait for the value and its CR LF."""
    assert isinstance(turn.conn.request, STORES)  # guarded by wants_value
    need = arith.block_length(turn.conn.request.length)
    return (turn._replace(conn=turn.conn._replace(need=need, since=context.now)),)


def refuse_large(turn: Turn, context: Context) -> tuple[Turn, ...]:
    """Refuse a value that cannot fit: set and ms lose the old item now; the answer comes after the block."""
    request = turn.conn.request
    assert isinstance(request, STORES)  # guarded by too_large
    mode = "set" if isinstance(request, meta.MetaStore) else request.mode
    cache = context.rules.functions.oversize(turn.cache, mode, request.key)
    answer = meta_store.too_large(request) if isinstance(request, meta.MetaStore) else answers.too_large(request)
    return (turn._replace(cache=cache, conn=turn.conn._replace(request=answer, need=answer.swallow)),)


def expect_block(turn: Turn, _context: Context) -> tuple[Turn, ...]:
    """Wait for the block that a refused line announced."""
    assert isinstance(turn.conn.request, text.Answer)  # guarded by refused_with_block
    return (turn._replace(conn=turn.conn._replace(need=turn.conn.request.swallow)),)


def store_value(turn: Turn, context: Context) -> tuple[Turn, ...]:
    """Store the block if it ends in CR LF."""
    conn = turn.conn
    request = conn.request
    assert isinstance(request, STORES)  # NREAD is entered by expect_value only
    block, rest = conn.buffer[: conn.need], conn.buffer[conn.need :]
    since = conn.since or context.now
    turn = turn._replace(conn=conn._replace(buffer=rest, need=0, since=None))
    if isinstance(request, meta.MetaStore):
        stored = meta_store.store(request, block, turn.cache, since, context.now, context.rules)
        return _finish(turn, stored)
    if block[-2:] != b"\r\n":
        return _finish(turn, (answers.Done(turn.cache, answers.bad_chunk(request)),))
    return _finish(turn, answers.store(request, block[:-2], turn.cache, since, context.now, context.rules))


def drop(turn: Turn, _context: Context) -> tuple[Turn, ...]:
    """Drop what has arrived of the block."""
    conn = turn.conn
    return (turn._replace(conn=conn._replace(buffer=b"", need=arith.missing(conn.need, len(conn.buffer)))),)


def answer_refused(turn: Turn, _context: Context) -> tuple[Turn, ...]:
    """Drop the rest of the block and give the answer that was put off."""
    conn = turn.conn
    assert isinstance(conn.request, text.Answer)  # SWALLOW is entered with an answer only
    owed = answers.answer(conn.request)
    turn = turn._replace(conn=conn._replace(buffer=conn.buffer[conn.need :], need=0))
    owed = owed._replace(clauses=(*owed.clauses, "text.store.swallowed"))
    return _finish(turn, (answers.Done(turn.cache, owed),))


def leave(turn: Turn, _context: Context) -> tuple[Turn, ...]:
    """Close after what is queued."""
    assert isinstance(turn.conn.request, text.Quit)  # guarded by quits
    clauses = turn.conn.request.clauses
    if turn.conn.queued:
        clauses = (*clauses, "text.quit.after-replies")
    return _owe(turn, Owed((), clauses), leaving=True)


def write(turn: Turn, _context: Context) -> tuple[Turn, ...]:
    """Send all that is queued."""
    return (turn._replace(conn=turn.conn._replace(queued=0)),)


def farewell(turn: Turn, context: Context) -> tuple[Turn, ...]:
    """The client has finished: nothing more is owed."""
    inside = turn.conn.state is not State.WAITING
    clause = "text.stream.fin-in-value" if inside else "text.stream.half-close"
    drops = inside and context.rules.traits.close_drops == "queued"
    return _owe(turn, Owed((), (clause,), drops=drops))


def ignore(turn: Turn, _context: Context) -> tuple[Turn, ...]:
    """Whatever comes after the end changes nothing and is owed nothing."""
    return (turn._replace(owed=(Owed((), ("text.stream.closed-is-final",)),)),)


def release(turn: Turn, _context: Context) -> tuple[Turn, ...]:
    """Forget everything of the connection."""
    return (turn._replace(conn=Conn(State.CLOSED)),)


def _owe(turn: Turn, owed: Owed, *, leaving: bool = False) -> tuple[Turn, ...]:
    return _finish(turn, (answers.Done(turn.cache, owed),), leaving=leaving)


def _finish(turn: Turn, done: tuple[answers.Done, ...], *, leaving: bool = False) -> tuple[Turn, ...]:
    """A request is over: note what is owed for it in each allowed world."""
    conn = turn.conn
    stream: tuple[str, ...] = ("text.stream.chunks",) if conn.parts > 1 else ()
    if turn.owed:
        stream = (*stream, "text.stream.pipelined")
    if conn.erred:
        stream = (*stream, "text.stream.error-keeps-open")
    turns = []
    for end in done:
        owed = end.owed._replace(clauses=stream + end.owed.clauses, request=conn.line)
        first = owed.pieces[0] if owed.pieces else b""
        erred = isinstance(first, bytes) and first.startswith((b"ERROR", b"CLIENT_ERROR", b"SERVER_ERROR"))
        after = conn._replace(
            request=None,
            queued=conn.queued + (1 if owed.pieces else 0),
            leaving=leaving,
            parts=1 if conn.buffer else 0,
            erred=erred,
        )
        turns.append(Turn(after, end.cache, (*turn.owed, owed), turn.rows, turn.unspecified or end.unspecified))
    return tuple(turns)


# ------------------------------------------------------------------------------------------------ the table

_S, _E = State, Event

Table = Mapping[tuple[State, Event], tuple[Row, ...]]

TABLE: Table = {
    (_S.LISTENING, _E.CONNECT): (
        Row(room, nothing, _S.NEW_CMD),
        Row(always, refuse, _S.MWRITE, ("text.conn.too-many",)),
    ),
    (_S.NEW_CMD, _E.TURN): (
        Row(line_over, cut_off, _S.CLOSING, ("text.line.too-long",)),
        Row(retrieval_over, line_memory, _S.MWRITE, ("text.line.get-too-long",)),
        Row(line_ready, cut_line, _S.PARSE_CMD),
        Row(replies_queued, nothing, _S.MWRITE, ("text.stream.prompt",)),
        Row(always, nothing, _S.WAITING),
    ),
    (_S.WAITING, _E.DATA): (Row(always, nothing, _S.READ),),
    (_S.WAITING, _E.EOF): (Row(always, farewell, _S.CLOSING, ("text.stream.half-close",)),),
    (_S.WAITING, _E.RESET): (Row(always, farewell, _S.CLOSING),),
    (_S.READ, _E.TURN): (Row(always, nothing, _S.NEW_CMD),),
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
    (_S.NREAD, _E.DATA): (Row(always, nothing, _S.NREAD),),
    (_S.NREAD, _E.EOF): (Row(always, farewell, _S.CLOSING, ("text.stream.fin-in-value",)),),
    (_S.NREAD, _E.RESET): (Row(always, farewell, _S.CLOSING),),
    (_S.SWALLOW, _E.TURN): (
        Row(block_here, answer_refused, _S.NEW_CMD, ("text.store.swallowed",)),
        Row(bytes_to_drop, drop, _S.SWALLOW, ("text.store.swallowed",)),
        Row(replies_queued, nothing, _S.MWRITE, ("text.stream.prompt",)),
    ),
    (_S.SWALLOW, _E.DATA): (Row(always, nothing, _S.SWALLOW),),
    (_S.SWALLOW, _E.EOF): (Row(always, farewell, _S.CLOSING, ("text.stream.fin-in-value",)),),
    (_S.SWALLOW, _E.RESET): (Row(always, farewell, _S.CLOSING),),
    (_S.MWRITE, _E.TURN): (
        Row(leaving, write, _S.CLOSING),
        Row(holds_value, write, _S.NREAD),
        Row(holds_swallow, write, _S.SWALLOW),
        Row(always, write, _S.NEW_CMD),
    ),
    (_S.CLOSING, _E.TURN): (Row(always, release, _S.CLOSED),),
    (_S.CLOSED, _E.DATA): (Row(always, ignore, _S.CLOSED, ("text.stream.closed-is-final",)),),
    (_S.CLOSED, _E.EOF): (Row(always, ignore, _S.CLOSED, ("text.stream.closed-is-final",)),),
    (_S.CLOSED, _E.RESET): (Row(always, ignore, _S.CLOSED, ("text.stream.closed-is-final",)),),
}


def name(state: State, event: Event, row: Row) -> str:
    """The name of a row: `state event [guard] / action -> state`."""
    guard = f" [{row.guard.__name__}]" if row.guard is not always else ""
    action = f" / {row.action.__name__}" if row.action is not nothing else ""
    return f"{state.value} {event.value}{guard}{action} -> {row.to.value}"


NAMES: dict[int, str] = {id(row): name(s, e, row) for (s, e), rows in TABLE.items() for row in rows}
"""The name of each row of TABLE, by identity: for coverage, explanations and diagrams."""


def feed(conn: Conn, event: Event, chunk: bytes, cache: Cache, context: Context) -> tuple[Turn, ...]:
    """Let `event` happen to a connection and run it to quiescence: every allowed world."""
    table = context.rules.table
    rows = table.get((conn.state, event))
    if rows is None:
        return (Turn(conn, cache, (), ()),)
    if chunk and conn.state is not State.CLOSED:
        if conn.fresh and chunk[0] == BINARY:
            return (Turn(conn, cache, (), (), "a connection that begins with 0x80 speaks the binary protocol"),)
        conn = conn._replace(buffer=conn.buffer + chunk, parts=conn.parts + 1, fresh=False)
    todo = _take(Turn(conn, cache, (), ()), rows, context)
    finished = []
    while todo:
        turn = todo.pop()
        if turn.unspecified is None:
            rows = table.get((turn.conn.state, Event.TURN))
            moved = _take(turn, rows, context) if rows else []
            if moved:
                todo += moved
                continue
        finished.append(turn)
    return tuple(finished)


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
