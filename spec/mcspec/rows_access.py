"""The rows of the connection tables by which strangers come in: a table for ASCII authentication, and rows for SASL.

A connection to a server that was started with -Y speaks a protocol of its own, of which `set` is all, until it is let
in; then it speaks text. With -S the machine is that of the binary protocol, with these rows before its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mcspec import access, answers, arith, binary
from mcspec import cache as store_rules
from mcspec.actions import cut_off, execute, finish, nothing, owe
from mcspec.arith_frames import HEADER, NOT_ADMITTED
from mcspec.guards import always, block_here, hangs_up, replies_queued
from mcspec.machine import TEXT, Event, Row, State
from mcspec.pattern import Owed

if TYPE_CHECKING:
    from mcspec.machine import Conn, Context, Table, Turn


# ------------------------------------------------------------------------------------------------ ASCII (-Y)


def stranger_line(conn: Conn, _context: Context) -> bool | None:
    """A line has come; where it is so short that it closes, a server may look at it one byte later."""
    end = conn.buffer.find(b"\n") + 1
    if not end:
        return False
    return None if len(conn.buffer) < _LEAST else True


_LEAST = 3
"""Bytes that some servers wait for before they look at anything."""


def stranger_over(conn: Conn, context: Context) -> bool | None:
    """A line of a stranger is longer than the limit, whatever its first word is (where reads decide: maybe)."""
    limits = context.rules.limits
    held, end = len(conn.buffer), conn.buffer.find(b"\n") + 1
    if context.rules.traits.line_limit == "racy":
        return arith.line_over_by_reads(end or held, limits.line, limits.read_buffer)
    return arith.line_over(end, held, limits.line)


def token_announced(conn: Conn, _context: Context) -> bool:
    """A token is to be received."""
    return isinstance(conn.request, access.Token)


def cut_stranger(turn: Turn, context: Context) -> tuple[Turn, ...]:
    """Take the first line off the buffer and read it as that of a stranger."""
    buffer = turn.conn.buffer
    end = buffer.index(b"\n") + 1
    request = access.read(buffer[:end], context.rules)
    conn = turn.conn._replace(buffer=buffer[end:], request=request, line=buffer[:end])
    return (turn._replace(conn=conn),)


def cut_stranger_off(turn: Turn, context: Context) -> tuple[Turn, ...]:
    """Close without an answer; a server with that trait loses replies that it had queued."""
    drops = context.rules.traits.close_drops == "queued"
    return owe(turn, Owed((), ("access.ascii.long-line",), drops=drops), leaving=True)


def expect_token(turn: Turn, _context: Context) -> tuple[Turn, ...]:
    """Wait for the token and its CR LF."""
    assert isinstance(turn.conn.request, access.Token)  # guarded by token_announced
    return (turn._replace(conn=turn.conn._replace(need=arith.block_length(turn.conn.request.length))),)


def refuse_stranger(turn: Turn, context: Context) -> tuple[Turn, ...]:
    """Answer a line by which nobody comes in."""
    several = turn.conn.queued > 0 or turn.owed != ()
    turns = execute(turn, context)
    if several:
        turns = tuple(_each(after) for after in turns)
    if context.rules.traits.auth_replies == "each":
        return turns
    return tuple(_replacing(after) for after in turns)


def _each(turn: Turn) -> Turn:
    """What was just owed is not the first since the client was last written to."""
    *before, last = turn.owed
    return turn._replace(owed=(*before, last._replace(clauses=("access.ascii.each-answered", *last.clauses))))


def _replacing(turn: Turn) -> Turn:
    """The reply that was just owed may take the place of those before it that were not yet written."""
    *before, last = turn.owed
    return turn._replace(owed=(*before, last._replace(drops=bool(last.pieces))))


def log_in(turn: Turn, context: Context) -> tuple[Turn, ...]:
    """Let the connection in if the token is that of a user; from then on it speaks text."""
    conn = turn.conn
    assert isinstance(conn.request, access.Token)  # NREAD is entered by expect_token only
    verdict = access.judge(conn.buffer[: conn.need], context.rules)
    clauses: tuple[str, ...] = (*conn.request.clauses, verdict.clause)
    if conn.queued or turn.owed:
        clauses = ("access.ascii.each-answered", *clauses)
    turn = turn._replace(conn=conn._replace(buffer=conn.buffer[conn.need :], need=0))
    drops = context.rules.traits.auth_replies == "last"
    turns = owe(turn, Owed((verdict.reply,), clauses, drops=drops, counts=verdict.counts))
    if not verdict.lets_in:
        return turns
    return tuple(after._replace(conn=after.conn._replace(protocol=TEXT)) for after in turns)


# ------------------------------------------------------------------------------------------------ SASL (-S)


def not_admitted(conn: Conn, context: Context) -> bool:
    """The request is one for which a connection must have been let in."""
    rules = context.rules
    if rules.authentication != "sasl":
        return False
    head = binary.header(conn.line)
    kind = rules.functions.header_class(
        rules.functions.header_need(HEADER, head.magic, head.keylen, head.extlen),
        head.magic,
        head.keylen,
        head.extlen,
        head.bodylen,
        admitted=rules.functions.admitted(head.opcode, conn.standing, rules),
        longest_body=binary.longest_body(rules),
        longest_key=rules.limits.key,
    )
    return kind == NOT_ADMITTED


def asks_sasl(conn: Conn, _context: Context) -> bool:
    """The request is LIST, AUTH or STEP, to a server that knows them."""
    return isinstance(conn.request, binary.Request) and conn.request.command.word in binary.SASL


def sasl_refused(conn: Conn, context: Context) -> bool:
    """The request is AUTH or STEP with a name or with data that are too long."""
    return asks_sasl(conn, context) and _refusal(conn, context) is not None


def _refusal(conn: Conn, context: Context) -> tuple[int, bytes, str] | None:
    request, rules = conn.request, context.rules
    assert isinstance(request, binary.Request)  # asked of requests for SASL only
    if len(request.key) > rules.limits.mechanism:
        return binary.INVALID, binary.TEXTS[binary.INVALID], "access.sasl.long-mechanism"
    if store_rules.size(request.key, 0, request.length, rules) > rules.limits.chunked:
        return binary.NO_MEMORY, access.NO_ROOM, "access.sasl.long-data"
    return None


def turn_away(turn: Turn, _context: Context) -> tuple[Turn, ...]:
    """Say that the connection has not been let in, and close it."""
    opcode, opaque = turn.conn.line[1], turn.conn.line[12:16]
    pieces = binary.reply(opcode, opaque, binary.AUTH, value=binary.TEXTS[binary.AUTH])
    return owe(turn, Owed(pieces, ("binary.reply.error", "access.sasl.stranger")), leaving=True)


def refuse_sasl(turn: Turn, context: Context) -> tuple[Turn, ...]:
    """Refuse what is too long; its data is dropped first, and where the connection stands stays."""
    request = turn.conn.request
    assert isinstance(request, binary.Request)  # guarded by sasl_refused
    found = _refusal(turn.conn, context)
    assert found is not None  # likewise
    if arith.signed32(request.length) < 0:
        return (turn._replace(unspecified=binary.LEFT_OVER),)
    status, body, clause = found
    refused = binary.Refusal(
        request.opcode, status, request.opaque, (*request.clauses, clause), request.length, body=body
    )
    return (turn._replace(conn=turn.conn._replace(request=refused, need=request.length)),)


def expect_data(turn: Turn, _context: Context) -> tuple[Turn, ...]:
    """Wait for the data of the mechanism."""
    assert isinstance(turn.conn.request, binary.Request)  # guarded by asks_sasl
    return (turn._replace(conn=turn.conn._replace(need=turn.conn.request.length)),)


def data_here(conn: Conn, context: Context) -> bool:
    """All data of the mechanism have arrived."""
    return asks_sasl(conn, context) and block_here(conn, context)


def answer_sasl(turn: Turn, context: Context) -> tuple[Turn, ...]:
    """Carry out LIST, AUTH or STEP."""
    conn = turn.conn
    request = conn.request
    assert isinstance(request, binary.Request)  # guarded by data_here
    said = access.answer(request.opcode, conn.standing, request.key, conn.buffer[: conn.need], context.rules)
    pieces = binary.reply(request.opcode, request.opaque, said.status, value=said.body)
    rest = conn._replace(buffer=conn.buffer[conn.need :], need=0, standing=said.standing)
    owed = Owed(pieces, (*request.clauses, *said.clauses), counts=said.counts)
    return finish(turn._replace(conn=rest), (answers.Done(turn.cache, owed, said.unspecified),))


# ------------------------------------------------------------------------------------------------ the rows

_S, _E = State, Event

STRANGERS: Table = {
    (_S.NEW_CMD, _E.TURN): (
        Row(stranger_over, cut_stranger_off, _S.CLOSING, ("access.ascii.long-line",)),
        Row(stranger_line, cut_stranger, _S.PARSE_CMD),
        Row(replies_queued, nothing, _S.MWRITE, ("text.stream.prompt",)),
        Row(always, nothing, _S.WAITING),
    ),
    (_S.PARSE_CMD, _E.TURN): (
        Row(token_announced, expect_token, _S.NREAD, ("access.ascii.set",)),
        Row(hangs_up, cut_off, _S.CLOSING, ("access.ascii.short-line",)),
        Row(always, refuse_stranger, _S.NEW_CMD),
    ),
    (_S.NREAD, _E.TURN): (
        Row(block_here, log_in, _S.NEW_CMD),
        Row(replies_queued, nothing, _S.MWRITE, ("text.stream.prompt",)),
    ),
}
"""The rows of a connection that has not been let in, under -Y."""

SASL: Table = {
    (_S.PARSE_CMD, _E.TURN): (
        Row(not_admitted, turn_away, _S.MWRITE, ("access.sasl.stranger",)),
        Row(sasl_refused, refuse_sasl, _S.SWALLOW),
        Row(asks_sasl, expect_data, _S.NREAD),
    ),
    (_S.NREAD, _E.TURN): (Row(data_here, answer_sasl, _S.NEW_CMD),),
}
"""The rows that stand before those of the binary protocol."""
