"""The rows of the connection table that are the packet protocol's own: its guards, its actions, and where they lead."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mcspec import packet, packet_answers, text
from mcspec.actions import drop, farewell, finish, nothing, owe
from mcspec.guards import always, block_here, bytes_to_drop, holds_swallow, quits, replies_queued
from mcspec.machine import Event, Row, State
from mcspec.pattern import Owed

if TYPE_CHECKING:
    from mcspec.machine import Conn, Context, Table, Turn


def packet_ready(conn: Conn, context: Context) -> bool:
    """A packet has come whole, or so much of it that it is sure to be refused."""
    return packet.cut(conn.buffer, context.rules) is not None


def length_wrong(conn: Conn, _context: Context) -> bool:
    """No packet can have this length."""
    return isinstance(conn.request, packet.BadLength)


def half_sent(conn: Conn, _context: Context) -> bool:
    """Some of a packet has come, and not all."""
    return conn.buffer != b""


def cut_packet(turn: Turn, context: Context) -> tuple[Turn, ...]:
    """Take the first packet off the buffer, or what has come of one that is refused."""
    buffer = turn.conn.buffer
    found = packet.cut(buffer, context.rules)
    assert found is not None  # guarded by packet_ready
    conn = turn.conn._replace(buffer=buffer[found.taken :], request=found.request, need=found.rest)
    return (turn._replace(conn=conn._replace(line=buffer[: found.seen])),)


def refuse_length(turn: Turn, _context: Context) -> tuple[Turn, ...]:
    """Say that the length is wrong; where the next packet would begin, nobody knows."""
    request = turn.conn.request
    assert isinstance(request, packet.BadLength)  # guarded by length_wrong
    clauses = (*request.clauses, "packet.error.form")
    if turn.conn.queued:
        clauses = (*clauses, "packet.stream.owed-before-close")
    return owe(turn, Owed((packet.error(packet.WRONG_LENGTH, 0),), clauses), leaving=True)


def execute_packet(turn: Turn, context: Context) -> tuple[Turn, ...]:
    """Carry out a packet, or refuse it."""
    conn = turn.conn
    assert isinstance(conn.request, packet.Asked | packet.Refused)  # length_wrong and quits stand before it
    turn = turn._replace(conn=conn._replace(buffer=conn.buffer[conn.need :], need=0))
    return finish(turn, packet_answers.carry_out(conn.request, turn.cache, context.now, context.rules))


def leave_packets(turn: Turn, _context: Context) -> tuple[Turn, ...]:
    """Close after what is queued."""
    request = turn.conn.request
    assert isinstance(request, text.Quit)  # guarded by quits
    clauses = (*request.clauses, "packet.quit.closes")
    if turn.conn.queued:
        clauses = (*clauses, "packet.quit.after-replies")
    return owe(turn, Owed((), clauses), leaving=True)


def abandon(turn: Turn, _context: Context) -> tuple[Turn, ...]:
    """The client has finished inside a packet: it is as if none of it had come."""
    return owe(turn, Owed((), ("packet.stream.end-inside",)))


_S, _E = State, Event

ROWS: Table = {
    (_S.NEW_CMD, _E.TURN): (
        Row(packet_ready, cut_packet, _S.PARSE_CMD),
        Row(replies_queued, nothing, _S.MWRITE, ("packet.stream.prompt",)),
        Row(always, nothing, _S.WAITING),
    ),
    (_S.PARSE_CMD, _E.TURN): (
        Row(length_wrong, refuse_length, _S.MWRITE),
        Row(holds_swallow, nothing, _S.SWALLOW, ("packet.swallow.refused",)),
        Row(quits, leave_packets, _S.MWRITE, ("packet.quit.closes",)),
        Row(always, execute_packet, _S.NEW_CMD),
    ),
    (_S.SWALLOW, _E.TURN): (
        Row(block_here, execute_packet, _S.NEW_CMD, ("packet.swallow.refused",)),
        Row(bytes_to_drop, drop, _S.SWALLOW, ("packet.swallow.refused",)),
        Row(replies_queued, nothing, _S.MWRITE, ("packet.stream.prompt",)),
    ),
    (_S.WAITING, _E.EOF): (
        Row(half_sent, abandon, _S.CLOSING, ("packet.stream.end-inside",)),
        Row(always, farewell, _S.CLOSING, ("packet.stream.half-close",)),
    ),
}
