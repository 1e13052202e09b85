"""The actions of the connection table: each makes of one world every allowed world after it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mcspec import access, answers, arith, meta, meta_answers, meta_store, text
from mcspec.machine import STORES, STREAMS, Conn, Headers, Packets, State, Turn
from mcspec.pattern import Owed

if TYPE_CHECKING:
    from mcspec.machine import Context


def nothing(turn: Turn, _context: Context) -> tuple[Turn, ...]:
    """Do nothing."""
    return (turn,)


def refuse(turn: Turn, _context: Context) -> tuple[Turn, ...]:
    """Tell a connection too many that it is one."""
    return owe(turn, Owed((text.TOO_MANY,), ("text.conn.too-many",)), leaving=True)


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
    return owe(turn, Owed((text.LINE_MEMORY,), clauses), leaving=True)


def cut_off(turn: Turn, context: Context) -> tuple[Turn, ...]:
    """Close without an answer; a server with that trait loses replies that it had queued."""
    request = turn.conn.request
    clauses = request.clauses if isinstance(request, text.Hang) else ("text.line.too-long",)
    if turn.conn.queued or turn.owed:
        clauses = (*clauses, STREAMS[turn.conn.protocol].owed_before_close)
    drops = context.rules.traits.close_drops == "queued"
    return owe(turn, Owed((), clauses, drops=drops), leaving=True)


def execute(turn: Turn, context: Context) -> tuple[Turn, ...]:
    """Carry out a request of one line."""
    assert turn.conn.request is not None  # PARSE_CMD is entered by cut_line only
    request = turn.conn.request
    if isinstance(request, meta.Line):
        return finish(turn, meta_answers.carry_out(request, turn.cache, context.now, context.rules))
    assert not isinstance(request, meta.MetaStore | Headers | Packets | access.Token)  # these have rows before it
    return finish(turn, answers.carry_out(request, turn.cache, context.now, context.rules))


def expect_value(turn: Turn, context: Context) -> tuple[Turn, ...]:
    """Wait for the value and its CR LF; on a server with that trait ms takes its cas unique now."""
    request = turn.conn.request
    assert isinstance(request, STORES)  # guarded by wants_value
    need = arith.block_length(request.length)
    if isinstance(request, meta.MetaStore) and context.rules.traits.unique_taken == "line":
        symbol = turn.cache.next_cas
        request = request._replace(taken=symbol)
        turn = turn._replace(cache=turn.cache._replace(next_cas=symbol + 1))
    return (turn._replace(conn=turn.conn._replace(request=request, need=need, since=context.now)),)


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
        return finish(turn, stored)
    if block[-2:] != b"\r\n":
        return finish(turn, (answers.Done(turn.cache, answers.bad_chunk(request)),))
    return finish(turn, answers.store(request, block[:-2], turn.cache, since, context.now, context.rules))


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
    return finish(turn, (answers.Done(turn.cache, owed),))


def leave(turn: Turn, _context: Context) -> tuple[Turn, ...]:
    """Close after what is queued."""
    assert isinstance(turn.conn.request, text.Quit)  # guarded by quits
    clauses = turn.conn.request.clauses
    if turn.conn.queued:
        clauses = (*clauses, "text.quit.after-replies")
    return owe(turn, Owed((), clauses), leaving=True)


def write(turn: Turn, _context: Context) -> tuple[Turn, ...]:
    """Send all that is queued."""
    return (turn._replace(conn=turn.conn._replace(queued=0)),)


def farewell(turn: Turn, context: Context) -> tuple[Turn, ...]:
    """The client has finished: nothing more is owed."""
    inside = turn.conn.state is not State.WAITING
    stream = STREAMS[turn.conn.protocol]
    clause = stream.fin_inside if inside else stream.half_close
    drops = inside and context.rules.traits.close_drops == "queued"
    return owe(turn, Owed((), (clause,), drops=drops))


def ignore(turn: Turn, _context: Context) -> tuple[Turn, ...]:
    """Whatever comes after the end changes nothing and is owed nothing."""
    return (turn._replace(owed=(Owed((), (STREAMS[turn.conn.protocol].closed_is_final,)),)),)


def release(turn: Turn, _context: Context) -> tuple[Turn, ...]:
    """Forget everything of the connection but the protocol that it spoke."""
    return (turn._replace(conn=Conn(State.CLOSED, protocol=turn.conn.protocol)),)


def owe(turn: Turn, owed: Owed, *, leaving: bool = False) -> tuple[Turn, ...]:
    """A request is over, and this is owed for it."""
    return finish(turn, (answers.Done(turn.cache, owed),), leaving=leaving)


def finish(turn: Turn, done: tuple[answers.Done, ...], *, leaving: bool = False) -> tuple[Turn, ...]:
    """A request is over: note what is owed for it in each allowed world."""
    conn = turn.conn
    names = STREAMS[conn.protocol]
    stream: tuple[str, ...] = (names.chunks,) if conn.parts > 1 else ()
    if turn.owed:
        stream = (*stream, names.pipelined)
    if conn.erred:
        stream = (*stream, names.error_keeps_open)
    turns = []
    for end in done:
        owed = end.owed._replace(clauses=stream + end.owed.clauses, request=conn.line)
        first = owed.pieces[0] if owed.pieces else b""
        erred = isinstance(first, bytes) and names.refused(first)
        after = conn._replace(
            request=None,
            queued=conn.queued + (1 if owed.pieces else 0),
            leaving=leaving,
            parts=1 if conn.buffer else 0,
            erred=erred,
        )
        turns.append(Turn(after, end.cache, (*turn.owed, owed), turn.rows, turn.unspecified or end.unspecified))
    return tuple(turns)
