"""What a server does around the specification's rules, and planted bugs of both."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from mcspec.actions import cut_line, execute, store_value
from mcspec.machine import Context, Event, State, Turn
from mcspec.models import Plant
from mcspec.models.framing_plants import (
    answer_early,
    answer_when_closed,
    large_without_crlf,
    never,
    stay,
    store_in_silence,
)
from mcspec.pattern import Owed
from mcspec.rules import Rules


class Design(NamedTuple):
    """The specification's rules and what a server does around them."""

    rules: Rules
    reads: Callable[[int, int], bool] = lambda queued, high: queued < high
    """Whether it reads, by replies queued and their limit: back-pressure."""
    queues: Callable[[bytes, bytes], bytes] = lambda out, new: out + new
    """The queue after new replies."""
    writes: Callable[[bytes, bool], bool] = lambda _out, _unread: True
    """Whether it writes what is queued, by the queue and whether there is input."""
    writes_closed: bool = True
    """Whether it writes what is queued once the connection closes."""
    reads_closed: bool = False
    """Whether it goes on reading then."""


def answer_the_quiet(turn: Turn, context: Context) -> tuple[Turn, ...]:
    """Answers a request that wants no reply."""
    return tuple(_answered(after) for after in execute(turn, context))


def answer_quiet_values(turn: Turn, context: Context) -> tuple[Turn, ...]:
    """Likewise for a store command."""
    return tuple(_answered(after) for after in store_value(turn, context))


def _answered(turn: Turn) -> Turn:
    owed = turn.owed[-1]
    loud = owed if owed.pieces else owed._replace(pieces=(b"OK\r\n",))
    return turn._replace(owed=(*turn.owed[:-1], loud))


def store_and_tell_twice(turn: Turn, context: Context) -> tuple[Turn, ...]:
    """Answers a store command twice."""
    return tuple(after._replace(owed=(*after.owed, after.owed[-1])) for after in store_value(turn, context))


def cut_and_forget(turn: Turn, context: Context) -> tuple[Turn, ...]:
    """Reads one line of what has come and drops the rest."""
    return tuple(after._replace(conn=after.conn._replace(buffer=b"")) for after in cut_line(turn, context))


def mute_errors(turn: Turn, context: Context) -> tuple[Turn, ...]:
    """Answers no line that it does not know."""
    return tuple(
        after._replace(owed=tuple(Owed((), ()) if owed.pieces == (b"ERROR\r\n",) else owed for owed in after.owed))
        for after in execute(turn, context)
    )


def _rules(state: State, event: Event, old: str, **changes: object) -> Callable[[Design], Design]:
    return lambda design: design._replace(rules=design.rules.planted(state, event, old, **changes))


def _around(**changes: object) -> Callable[[Design], Design]:
    return lambda design: design._replace(**changes)  # type: ignore[arg-type]


_S, _T = State, Event.TURN

PLANTS = tuple(
    Plant(name, f"law.session.{law}", alter)
    for name, law, alter in (
        ("it reads whatever the queue", "bounded", _around(reads=lambda _queued, _high: True)),
        ("it reads once more when the queue is full", "bounded", _around(reads=lambda queued, high: queued <= high)),
        ("a line that goes on for ever is kept", "bounded", _rules(_S.NEW_CMD, _T, "line_ready", guard=never)),
        ("the last reply is sent first", "order", _around(queues=lambda out, new: new + out)),
        ("a full queue forgets the oldest reply", "order", _around(queues=lambda out, new: (out + new)[-1:])),
        ("a full queue forgets the newest reply", "order", _around(queues=lambda out, new: (out + new)[:1])),
        ("a value is answered twice", "order", _rules(_S.NREAD, _T, "store_value", action=store_and_tell_twice)),
        ("STORED is sent before the value", "silence", _rules(_S.PARSE_CMD, _T, "expect_value", action=answer_early)),
        ("noreply is ignored", "silence", _rules(_S.PARSE_CMD, _T, "execute", action=answer_the_quiet)),
        ("noreply of set is ignored", "silence", _rules(_S.NREAD, _T, "store_value", action=answer_quiet_values)),
        (
            "the CR LF of a large value is a line",
            "silence",
            _rules(_S.PARSE_CMD, _T, "too_large", action=large_without_crlf),
        ),
        ("what is queued is lost at the end", "answered", _around(writes_closed=False)),
        (
            "the second request of a chunk is lost",
            "answered",
            _rules(_S.NEW_CMD, _T, "line_ready", action=cut_and_forget),
        ),
        ("a stored value is not answered", "answered", _rules(_S.NREAD, _T, "store_value", action=store_in_silence)),
        ("nonsense is not answered", "answered", _rules(_S.PARSE_CMD, _T, "execute", action=mute_errors)),
        ("quit does not close", "closed", _rules(_S.PARSE_CMD, _T, "leave", action=stay)),
        ("it goes on reading after HTTP", "closed", _rules(_S.PARSE_CMD, _T, "hangs_up", to=State.NEW_CMD)),
        (
            "a closed connection reads and answers",
            "closed",
            lambda design: _rules(_S.CLOSED, Event.DATA, "ignore", action=answer_when_closed)(design)._replace(
                reads_closed=True
            ),
        ),
        ("it writes only while there is input", "rest", _around(writes=lambda _out, unread: unread)),
        ("the client's end is not noticed", "rest", _rules(_S.WAITING, Event.EOF, "farewell", to=State.WAITING)),
        ("it does not read while anything is queued, and does not write", "idle", _around(writes=lambda _o, _u: False)),
        ("the reader never wakes up", "idle", _around(reads=lambda _queued, _high: False)),
    )
)
