"""The rows of the connection table that are the binary protocol's own: its guards, its actions, and where they lead."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mcspec import answers, arith, binary, binary_answers
from mcspec.actions import drop, finish, nothing, owe
from mcspec.arith_frames import HEADER, REQUEST
from mcspec.guards import always, block_here, bytes_to_drop, replies_queued
from mcspec.machine import Event, Row, State
from mcspec.pattern import Owed

if TYPE_CHECKING:
    from mcspec.machine import Conn, Context, Table, Turn


# ------------------------------------------------------------------------------------------------ guards


def magic_wrong(conn: Conn, _context: Context) -> bool:
    """A header has come that is no request's."""
    return len(conn.buffer) >= HEADER and conn.buffer[0] != REQUEST


def head_here(conn: Conn, context: Context) -> bool:
    """Header, extras and key have come."""
    return len(conn.buffer) >= binary.need(conn.buffer, context.rules)


def head_endless(conn: Conn, context: Context) -> bool | None:
    """Extras and key are longer than what a read buffer holds, and it is full (maybe: who holds more may go on)."""
    limit = context.rules.limits.read_buffer
    return None if len(conn.buffer) >= limit and binary.need(conn.buffer, context.rules) > limit else False


def wants_body(conn: Conn, context: Context) -> bool:
    """A store whose value fits is to be received."""
    return _stores(conn) and _fits(conn, context)


def body_too_large(conn: Conn, context: Context) -> bool:
    """A store announces a value that cannot fit."""
    return _stores(conn) and not _fits(conn, context)


def _stores(conn: Conn) -> bool:
    return isinstance(conn.request, binary.Request) and conn.request.command.word in binary.STORES


def _fits(conn: Conn, context: Context) -> bool:
    request, rules = conn.request, context.rules
    assert isinstance(request, binary.Request)  # asked of stores only
    flags = int.from_bytes(request.extras[:4], "big")
    return rules.functions.fits(request.key, flags, request.length, rules)


def refused_for_good(conn: Conn, _context: Context) -> bool:
    """The request is refused, and the connection closes."""
    return isinstance(conn.request, binary.Refusal) and conn.request.closes


def refused(conn: Conn, _context: Context) -> bool:
    """The request is refused, and the connection stays."""
    return isinstance(conn.request, binary.Refusal)


def quits_binary(conn: Conn, _context: Context) -> bool:
    """The request is quit."""
    return isinstance(conn.request, binary.Request) and conn.request.command.word == "quit"


# ------------------------------------------------------------------------------------------------ actions


def hang_up(turn: Turn, context: Context) -> tuple[Turn, ...]:
    """Close without an answer; a server with that trait loses replies that it had queued."""
    clauses: tuple[str, ...] = ("binary.choice.for-ever",) if turn.conn.line else ()
    clauses = (*clauses, "binary.header.magic")
    if turn.conn.queued or turn.owed:
        clauses = (*clauses, "binary.stream.owed-before-close")
    turn = turn._replace(conn=turn.conn._replace(line=turn.conn.buffer[:HEADER]))
    return owe(turn, Owed((), clauses, drops=context.rules.traits.close_drops == "queued"), leaving=True)


def overflow(turn: Turn, _context: Context) -> tuple[Turn, ...]:
    """Close without an answer, for want of room."""
    return owe(turn, Owed((), ("binary.header.endless",)), leaving=True)


def cut_head(turn: Turn, context: Context) -> tuple[Turn, ...]:
    """Take header, extras and key off the buffer and read them."""
    conn = turn.conn
    end = binary.need(conn.buffer, context.rules)
    head = conn.buffer[:end]
    request = context.rules.functions.read(head, context.rules)
    if end > HEADER:
        request = request._replace(clauses=("binary.header.waits", *request.clauses))
    if not conn.line and context.rules.protocol == "auto":
        # The first request of the connection: what came before it is remembered as its line.
        request = request._replace(clauses=("binary.choice.first-byte", *request.clauses))
    return (turn._replace(conn=conn._replace(buffer=conn.buffer[end:], request=request, line=head)),)


def expect_body(turn: Turn, context: Context) -> tuple[Turn, ...]:
    """Wait for the value."""
    request = turn.conn.request
    assert isinstance(request, binary.Request)  # guarded by wants_body
    return (turn._replace(conn=turn.conn._replace(need=request.length, since=context.now)),)


def store_body(turn: Turn, context: Context) -> tuple[Turn, ...]:
    """Store the value."""
    conn = turn.conn
    request = conn.request
    assert isinstance(request, binary.Request)  # NREAD is entered by expect_body only
    value, rest = conn.buffer[: conn.need], conn.buffer[conn.need :]
    since = conn.since or context.now
    turn = turn._replace(conn=conn._replace(buffer=rest, need=0, since=None))
    return finish(turn, binary_answers.store(request, value, turn.cache, since, context.now, context.rules))


def refuse_body(turn: Turn, context: Context) -> tuple[Turn, ...]:
    """Refuse a value that cannot fit: set loses the old item now; the answer comes after the value."""
    request = turn.conn.request
    assert isinstance(request, binary.Request)  # guarded by body_too_large
    if arith.signed32(request.length) < 0:
        return (turn._replace(unspecified=binary.LEFT_OVER),)
    cache = context.rules.functions.oversize(turn.cache, request.command.word, request.key)
    refusal = binary_answers.too_large(request)
    return (turn._replace(cache=cache, conn=turn.conn._replace(request=refusal, need=refusal.swallow)),)


def expect_rest(turn: Turn, _context: Context) -> tuple[Turn, ...]:
    """Wait for the rest of the body of a refused request."""
    assert isinstance(turn.conn.request, binary.Refusal)  # guarded by refused
    return (turn._replace(conn=turn.conn._replace(need=turn.conn.request.swallow)),)


def answer_swallowed(turn: Turn, _context: Context) -> tuple[Turn, ...]:
    """Drop the rest of the body and give the answer that was put off."""
    conn = turn.conn
    assert isinstance(conn.request, binary.Refusal)  # SWALLOW is entered with a refusal only
    owed = binary_answers.refusal(conn.request)
    if conn.request.swallow:
        owed = owed._replace(clauses=("binary.body.swallowed", *owed.clauses))
    turn = turn._replace(conn=conn._replace(buffer=conn.buffer[conn.need :], need=0))
    return finish(turn, (answers.Done(turn.cache, owed),))


def refuse_and_leave(turn: Turn, _context: Context) -> tuple[Turn, ...]:
    """Answer with the refusal and close."""
    assert isinstance(turn.conn.request, binary.Refusal)  # guarded by refused_for_good
    owed = binary_answers.refusal(turn.conn.request)
    if turn.conn.queued or turn.owed:
        owed = owed._replace(clauses=("binary.stream.owed-before-close", *owed.clauses))
    return owe(turn, owed, leaving=True)


def leave_binary(turn: Turn, _context: Context) -> tuple[Turn, ...]:
    """Close after what is queued, with a packet for quit and without one for its quiet form."""
    request = turn.conn.request
    assert isinstance(request, binary.Request)  # guarded by quits_binary
    pieces = () if request.command.quiet else binary.reply(request.opcode, request.opaque)
    clause = "binary.quit.quiet" if request.command.quiet else "binary.quit.closes"
    clauses = (*request.clauses, clause)
    if turn.conn.queued or turn.owed:
        clauses = (*clauses[:-1], "binary.stream.owed-before-close", clause)
    return owe(turn, Owed(pieces, clauses), leaving=True)


def execute_request(turn: Turn, context: Context) -> tuple[Turn, ...]:
    """Carry out a request that no value follows."""
    request = turn.conn.request
    assert isinstance(request, binary.Request)  # every other one has a row before this
    return finish(turn, binary_answers.carry_out(request, turn.cache, context.now, context.rules))


_S, _E = State, Event

ROWS: Table = {
    (_S.NEW_CMD, _E.TURN): (
        Row(magic_wrong, hang_up, _S.CLOSING, ("binary.header.magic",)),
        Row(head_endless, overflow, _S.CLOSING, ("binary.header.endless",)),
        Row(head_here, cut_head, _S.PARSE_CMD),
        Row(replies_queued, nothing, _S.MWRITE, ("binary.stream.prompt",)),
        Row(always, nothing, _S.WAITING),
    ),
    (_S.PARSE_CMD, _E.TURN): (
        Row(wants_body, expect_body, _S.NREAD),
        Row(body_too_large, refuse_body, _S.SWALLOW, ("binary.store.too-large",)),
        Row(refused_for_good, refuse_and_leave, _S.MWRITE),
        Row(refused, expect_rest, _S.SWALLOW),
        Row(quits_binary, leave_binary, _S.MWRITE),
        Row(always, execute_request, _S.NEW_CMD),
    ),
    (_S.NREAD, _E.TURN): (
        Row(block_here, store_body, _S.NEW_CMD, ("binary.store.value",)),
        Row(replies_queued, nothing, _S.MWRITE, ("binary.stream.prompt",)),
    ),
    (_S.SWALLOW, _E.TURN): (
        Row(block_here, answer_swallowed, _S.NEW_CMD),
        Row(bytes_to_drop, drop, _S.SWALLOW, ("binary.body.swallowed",)),
        Row(replies_queued, nothing, _S.MWRITE, ("binary.stream.prompt",)),
    ),
}
