"""Rows of the connection table that look at chunks: each must be found wherever cuts are proved not to matter."""

from __future__ import annotations

from mcspec import Event, Rules, State
from mcspec.actions import cut_line
from mcspec.guards import line_over
from mcspec.machine import Conn, Context, Turn


def _block_ends_with_the_chunk(conn: Conn, _context: Context) -> bool:
    return len(conn.buffer) >= conn.need or conn.buffer.endswith(b"\r\n")


def _line_ends_with_the_chunk(conn: Conn, _context: Context) -> bool:
    return conn.buffer.endswith(b"\n")


def _over_in_one_chunk(conn: Conn, context: Context) -> bool | None:
    return conn.parts == 1 and line_over(conn, context)


def _drop_one_more(turn: Turn, _context: Context) -> tuple[Turn, ...]:
    conn = turn.conn
    return (turn._replace(conn=conn._replace(buffer=b"", need=max(1, conn.need - len(conn.buffer) - 1))),)


def _drop_nothing(turn: Turn, _context: Context) -> tuple[Turn, ...]:
    return (turn._replace(conn=turn.conn._replace(buffer=b"")),)


def _forget_what_is_pipelined(turn: Turn, context: Context) -> tuple[Turn, ...]:
    (after,) = cut_line(turn, context)
    return (after._replace(conn=after.conn._replace(buffer=after.conn.buffer[:6])),)


def planted(rules: Rules) -> dict[str, Rules]:
    """The rules with one bug each, by its name."""
    ready = (State.NEW_CMD, Event.TURN, "line_ready")
    return {
        "a value ends with the chunk": rules.planted(
            State.NREAD, Event.TURN, "block_here", guard=_block_ends_with_the_chunk
        ),
        "a line ends with the chunk": rules.planted(*ready, guard=_line_ends_with_the_chunk),
        "a line is too long in one chunk only": rules.planted(
            State.NEW_CMD, Event.TURN, "line_over", guard=_over_in_one_chunk
        ),
        "a chunk swallowed counts a byte more": rules.planted(State.SWALLOW, Event.TURN, "drop", action=_drop_one_more),
        "a chunk swallowed is not counted": rules.planted(State.SWALLOW, Event.TURN, "drop", action=_drop_nothing),
        "what follows a line is forgotten": rules.planted(*ready, action=_forget_what_is_pipelined),
    }
