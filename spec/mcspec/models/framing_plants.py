"""Planted bugs of the framing automaton: a row of the connection table, or a guard or action of it, replaced."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from mcspec.actions import (
    answer_refused,
    execute,
    expect_block,
    expect_value,
    farewell,
    ignore,
    leave,
    refuse_large,
    store_value,
)
from mcspec.guards import line_over
from mcspec.machine import Conn, Context, Event, State, Turn
from mcspec.models import Plant
from mcspec.pattern import Owed
from mcspec.rules import Rules


def _buffer(turn: Turn, buffer: bytes, need: int = 0) -> Turn:
    return turn._replace(conn=turn.conn._replace(buffer=buffer, need=need))


def line_over_by_one(conn: Conn, context: Context) -> bool:
    """Looks at the limit one byte late."""
    return len(conn.buffer) > context.rules.limits.line and line_over(conn, context) is True


def line_over_early(conn: Conn, context: Context) -> bool | None:
    """Counts the LF that has not come."""
    return line_over(conn._replace(buffer=b"x" + conn.buffer), context) if b"\n" not in conn.buffer else False


def line_over_exact(conn: Conn, context: Context) -> bool | None:
    """Takes the limit for the first length that is too long."""
    return len(conn.buffer) >= context.rules.limits.line or line_over(conn, context)


def line_at_the_end(conn: Conn, _context: Context) -> bool:
    """Looks for the LF in the last byte that came."""
    return conn.buffer[-1:] == b"\n"


def block_longer(conn: Conn, _context: Context) -> bool:
    """Waits for a byte more than was announced."""
    return len(conn.buffer) > conn.need


def block_shorter(conn: Conn, _context: Context) -> bool:
    """Is content with a byte less."""
    return len(conn.buffer) >= conn.need - 1


def store_without_lf(turn: Turn, context: Context) -> tuple[Turn, ...]:
    """Leaves the last byte of the block in the buffer."""
    block = turn.conn.buffer[: turn.conn.need]
    return tuple(_buffer(after, block[-1:] + after.conn.buffer) for after in store_value(turn, context))


def drop_forgetting(turn: Turn, _context: Context) -> tuple[Turn, ...]:
    """Drops what has arrived and does not count it."""
    return (_buffer(turn, b"", turn.conn.need),)


def drop_all(turn: Turn, context: Context) -> tuple[Turn, ...]:
    """Takes what follows the block for a part of it."""
    return tuple(_buffer(after, b"") for after in answer_refused(turn, context))


def swallow_without_crlf(turn: Turn, context: Context) -> tuple[Turn, ...]:
    """Swallows the value and not its CR LF."""
    return tuple(_buffer(a, a.conn.buffer, max(a.conn.need - 2, 1)) for a in expect_block(turn, context))


def large_without_crlf(turn: Turn, context: Context) -> tuple[Turn, ...]:
    """Likewise for a value that is too large."""
    return tuple(_buffer(a, a.conn.buffer, max(a.conn.need - 2, 1)) for a in refuse_large(turn, context))


def answer_early(turn: Turn, context: Context) -> tuple[Turn, ...]:
    """Answers STORED when the line has come."""
    early = Owed((b"STORED\r\n",), ())
    return tuple(a._replace(owed=(*a.owed, early)) for a in expect_value(turn, context))


def store_backwards(turn: Turn, context: Context) -> tuple[Turn, ...]:
    """Turns the value round."""
    value, rest = turn.conn.buffer[: turn.conn.need - 2], turn.conn.buffer[turn.conn.need - 2 :]
    return store_value(turn._replace(conn=turn.conn._replace(buffer=value[::-1] + rest)), context)


def store_any_block(turn: Turn, context: Context) -> tuple[Turn, ...]:
    """Does not look at how a block ends."""
    need = turn.conn.need
    whole = turn.conn.buffer[: need - 2] + b"\r\n" + turn.conn.buffer[need:]
    return store_value(turn._replace(conn=turn.conn._replace(buffer=whole)), context)


def store_nothing(turn: Turn, context: Context) -> tuple[Turn, ...]:
    """Says STORED and stores nothing."""
    return tuple(after._replace(cache=turn.cache) for after in store_value(turn, context))


def answer_by_chunks(turn: Turn, context: Context) -> tuple[Turn, ...]:
    """Answers otherwise when a request came in more than one chunk."""
    late = Owed((b"SERVER_ERROR busy\r\n",), ())
    return tuple(t._replace(owed=(*t.owed[:-1], late)) if turn.conn.parts > 1 else t for t in execute(turn, context))


def flush_when_closed(turn: Turn, context: Context) -> tuple[Turn, ...]:
    """Carries out what comes on a connection that is closed."""
    return tuple(t._replace(cache=t.cache._replace(next_cas=t.cache.next_cas + 1)) for t in ignore(turn, context))


def plain_gets(conn: Conn, context: Context) -> bool | None:
    """Takes gets for a line like any other."""
    buffer = conn.buffer.replace(b"gets ", b"set   ") if conn.buffer.startswith(b"gets ") else conn.buffer
    return line_over(conn._replace(buffer=buffer), context)


def store_in_silence(turn: Turn, context: Context) -> tuple[Turn, ...]:
    """Answers no store command."""
    return tuple(a._replace(owed=()) for a in store_value(turn, context))


def answer_the_end(turn: Turn, context: Context) -> tuple[Turn, ...]:
    """Answers a client that has gone."""
    return tuple(a._replace(owed=(Owed((b"ERROR\r\n",), ()),)) for a in farewell(turn, context))


def answer_when_closed(turn: Turn, context: Context) -> tuple[Turn, ...]:
    """Answers on a connection that is closed."""
    return tuple(a._replace(owed=(Owed((b"ERROR\r\n",), ()),)) for a in ignore(turn, context))


def stay(turn: Turn, context: Context) -> tuple[Turn, ...]:
    """Forgets that it was told to leave."""
    return tuple(a._replace(conn=a.conn._replace(leaving=False)) for a in leave(turn, context))


def never(_conn: Conn, _context: Context) -> bool:
    """Holds never."""
    return False


def function(**functions: Any) -> Callable[[Rules], Rules]:
    """A function of the record replaced."""
    return lambda rules: rules.replaced(**functions)


def _turn(state: State, old: str, **changes: Any) -> Any:
    """A design with another guard, action or target in a row of the machine's own moves."""
    return partial(_plant, state=state, event=Event.TURN, old=old, **changes)


def _plant(rules: Rules, state: State, event: Event, old: str, **changes: Any) -> Rules:
    return rules.planted(state, event, old, **changes)


PLANTS = tuple(
    Plant(name, f"law.framing.{law}", alter)
    for name, law, alter in (
        ("a line may be a byte too long", "bounded", _turn(State.NEW_CMD, "line_over", guard=line_over_by_one)),
        ("gets may not be longer than other lines", "line-limit", _turn(State.NEW_CMD, "line_over", guard=plain_gets)),
        ("a value is stored backwards", "stored", _turn(State.NREAD, "store_value", action=store_backwards)),
        ("a block that ends badly is stored", "stored", _turn(State.NREAD, "store_value", action=store_any_block)),
        ("nothing is stored", "stored", _turn(State.NREAD, "store_value", action=store_nothing)),
        ("a request in two chunks is refused", "chunks", _turn(State.PARSE_CMD, "execute", action=answer_by_chunks)),
        (
            "a closed connection is obeyed",
            "closed",
            partial(_plant, state=State.CLOSED, event=Event.DATA, old="ignore", action=flush_when_closed),
        ),
        ("a line without end is kept for ever", "bounded", _turn(State.NEW_CMD, "line_over", guard=never)),
        ("a retrieval line without end is kept", "bounded", _turn(State.NEW_CMD, "retrieval_over", guard=never)),
        ("a block waits for a byte too many", "bounded", _turn(State.NREAD, "block_here", guard=block_longer)),
        (
            "the limit counts a byte that has not come",
            "line-limit",
            _turn(State.NEW_CMD, "line_over", guard=line_over_early),
        ),
        ("no line may be as long as the limit", "line-limit", _turn(State.NEW_CMD, "line_over", guard=line_over_exact)),
        (
            "only the last byte is looked at for an LF",
            "chunks",
            _turn(State.NEW_CMD, "line_ready", guard=line_at_the_end),
        ),
        (
            "what follows the block in its chunk is lost",
            "chunks",
            _turn(State.SWALLOW, "answer_refused", action=drop_all),
        ),
        ("the LF of a block is read as a line", "replies", _turn(State.NREAD, "store_value", action=store_without_lf)),
        ("swallowing forgets what it dropped", "block", _turn(State.SWALLOW, "drop", action=drop_forgetting)),
        (
            "the CR LF of a refused block is left",
            "block",
            _turn(State.PARSE_CMD, "expect_block", action=swallow_without_crlf),
        ),
        (
            "the CR LF of a large block is left",
            "block",
            _turn(State.PARSE_CMD, "refuse_large", action=large_without_crlf),
        ),
        ("a value is complete a byte early", "block", _turn(State.NREAD, "block_here", guard=block_shorter)),
        (
            "STORED is sent before the value has come",
            "replies",
            _turn(State.PARSE_CMD, "expect_value", action=answer_early),
        ),
        ("a stored value is not answered", "replies", _turn(State.NREAD, "store_value", action=store_in_silence)),
        ("quit does not close", "quit", _turn(State.PARSE_CMD, "leave", action=stay)),
        ("after HTTP the connection waits", "quit", _turn(State.PARSE_CMD, "hangs_up", to=State.NEW_CMD)),
        (
            "a client that has gone is answered",
            "end",
            partial(_plant, state=State.WAITING, event=Event.EOF, old="farewell", action=answer_the_end),
        ),
        (
            "a client that goes in a value is kept",
            "end",
            partial(_plant, state=State.NREAD, event=Event.RESET, old="farewell", to=State.NREAD),
        ),
        (
            "a closed connection answers",
            "closed",
            partial(_plant, state=State.CLOSED, event=Event.DATA, old="ignore", action=answer_when_closed),
        ),
        (
            "a closed connection opens again",
            "closed",
            partial(_plant, state=State.CLOSED, event=Event.DATA, old="ignore", to=State.READ),
        ),
        ("a block to swallow never ends", "ready", _turn(State.SWALLOW, "block_here", guard=never)),
        ("a value never ends", "ready", _turn(State.NREAD, "block_here", guard=never)),
    )
)
