"""Planted bugs of the packet model: a row of the table, a guard or action of it, a function or a code replaced."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from mcspec import arith_frames, packet
from mcspec.actions import drop, ignore
from mcspec.arith_frames import FRAMED, LENGTH, SHORTEST, UNSEEN
from mcspec.machine import PACKET, Conn, Context, Event, State, Turn
from mcspec.models import Plant
from mcspec.models.framing_plants import function, never
from mcspec.pattern import Owed
from mcspec.rows_packet import abandon, cut_packet, execute_packet, packet_ready, refuse_length
from mcspec.rules import Rules

Turns = tuple[Turn, ...]


def _backwards(buffer: bytes) -> bytes:
    return buffer[:LENGTH][::-1] + buffer[LENGTH:] if len(buffer) >= LENGTH else buffer


def low_byte_first(rules: Rules) -> Rules:
    """Reads lengths low byte first."""

    def guard(conn: Conn, context: Context) -> bool:
        return packet_ready(conn._replace(buffer=_backwards(conn.buffer)), context)

    def action(turn: Turn, context: Context) -> Turns:
        return cut_packet(turn._replace(conn=turn.conn._replace(buffer=_backwards(turn.conn.buffer))), context)

    return rules.planted(State.NEW_CMD, Event.TURN, "packet_ready", protocol=PACKET, guard=guard, action=action)


def at_least_four(held: int, length: int, longest: int) -> int:
    """Takes a packet without a code for one."""
    return FRAMED if held >= LENGTH and length == LENGTH else arith_frames.packet_class(held, length, longest)


def one_more(held: int, length: int, longest: int) -> int:
    """Lets a packet be a byte too long."""
    return arith_frames.packet_class(held, length, longest + 1)


def one_less(held: int, length: int, longest: int) -> int:
    """Refuses the longest packet."""
    return arith_frames.packet_class(held, length, longest - 1)


def signed(held: int, length: int, longest: int) -> int:
    """Takes a length for a signed number, and one below zero for none that is too large."""
    return arith_frames.packet_class(held, SHORTEST if length >= 2**31 else length, longest)


def with_its_code(held: int, length: int, longest: int) -> int:
    """Judges a length when the code is there as well."""
    return UNSEEN if held < SHORTEST else arith_frames.packet_class(held, length, longest)


def whole_only(conn: Conn, context: Context) -> bool:
    """Waits for all of a packet, also of one that it refuses."""
    found = packet.cut(conn.buffer, context.rules)
    return found is not None and found.rest == 0


def one_byte_more(conn: Conn, context: Context) -> bool:
    """Waits for the first byte of the next packet."""
    found = packet.cut(conn.buffer, context.rules)
    return found is not None and found.taken < len(conn.buffer)


def one_a_read(rules: Rules) -> Rules:
    """Writes the answer to one packet, and looks at the next when more arrives."""

    def guard(conn: Conn, context: Context) -> bool:
        return packet_ready(conn, context) and not conn.queued

    rules = _planted(rules, State.NEW_CMD, Event.TURN, "packet_ready", guard=guard)
    return _planted(rules, State.MWRITE, Event.TURN, "always", to=State.WAITING)


def _cut(change: Callable[[int], int]) -> Callable[[Turn, Context], Turns]:
    """Cuts a packet off, and drops another number of bytes after it."""

    def action(turn: Turn, context: Context) -> Turns:
        found = cut_packet(turn, context)
        return tuple(a._replace(conn=a.conn._replace(need=change(a.conn.need) if a.conn.need else 0)) for a in found)

    return action


def drop_forgetting(turn: Turn, context: Context) -> Turns:
    """Drops what has arrived and does not count it."""
    return tuple(a._replace(conn=a.conn._replace(need=turn.conn.need)) for a in drop(turn, context))


def drop_all(turn: Turn, context: Context) -> Turns:
    """Takes what follows a refused packet in its chunk for a part of it."""
    return tuple(a._replace(conn=a.conn._replace(buffer=b"")) for a in execute_packet(turn, context))


def twice(turn: Turn, context: Context) -> Turns:
    """Carries a packet out twice, and answers once."""
    (first,) = execute_packet(turn, context)
    conn = first.conn._replace(request=turn.conn.request, need=0)
    (second,) = execute_packet(first._replace(conn=conn), context)
    return (first._replace(cache=second.cache),)


def in_silence(turn: Turn, context: Context) -> Turns:
    """Drops a packet whose code it does not know without a word."""
    unknown = isinstance(turn.conn.request, packet.Refused) and turn.conn.request.error == packet.UNKNOWN
    return tuple(a._replace(owed=turn.owed) if unknown else a for a in execute_packet(turn, context))


def quiet_refusals(turn: Turn, context: Context) -> Turns:
    """Lets quiet packets be silent whatever comes of them."""
    request = turn.conn.request
    quiet = isinstance(request, packet.Asked) and request.command.quiet
    return tuple(a._replace(owed=turn.owed) if quiet else a for a in execute_packet(turn, context))


def loud_echo(turn: Turn, context: Context) -> Turns:
    """Gives back a quiet code without its quiet bit."""
    request = turn.conn.request
    if isinstance(request, packet.Asked):
        turn = turn._replace(conn=turn.conn._replace(request=request._replace(code=request.code & ~packet.QUIET)))
    return execute_packet(turn, context)


def last_first(turn: Turn, context: Context) -> Turns:
    """Puts an answer before the others of the chunk."""
    return tuple(a._replace(owed=(*a.owed[len(turn.owed) :], *turn.owed)) for a in execute_packet(turn, context))


def hang_up_on_unknown(turn: Turn, context: Context) -> Turns:
    """Closes after an unknown code."""
    unknown = isinstance(turn.conn.request, packet.Refused) and turn.conn.request.error == packet.UNKNOWN
    return tuple(a._replace(conn=a.conn._replace(leaving=unknown)) for a in execute_packet(turn, context))


def answer_the_half(turn: Turn, context: Context) -> Turns:
    """Answers what was half received when its client has gone."""
    return tuple(a._replace(owed=(Owed((packet.packet(packet.OK),), ()),)) for a in abandon(turn, context))


def answer_when_closed(turn: Turn, context: Context) -> Turns:
    """Answers on a connection that is closed."""
    return tuple(a._replace(owed=(Owed((packet.packet(packet.OK),), ()),)) for a in ignore(turn, context))


def read_on(turn: Turn, context: Context) -> Turns:
    """Refuses a length and looks for the next one behind it."""
    return tuple(a._replace(conn=a.conn._replace(leaving=False)) for a in refuse_length(turn, context))


def refuse_first(turn: Turn, context: Context) -> Turns:
    """Throws away what it owes when it closes."""
    return tuple(a._replace(owed=a.owed[len(turn.owed) :]) for a in refuse_length(turn, context))


def _planted(rules: Rules, state: State, event: Event, old: str, **changes: Any) -> Rules:
    return rules.planted(state, event, old, protocol=PACKET, **changes)


def _turn(state: State, old: str, **changes: Any) -> Callable[[Rules], Rules]:
    return partial(_planted, state=state, event=Event.TURN, old=old, **changes)


def _executes(action: Callable[[Turn, Context], Turns]) -> Callable[[Rules], Rules]:
    """In both rows that carry a packet out."""

    def alter(rules: Rules) -> Rules:
        rules = _planted(rules, State.PARSE_CMD, Event.TURN, "execute_packet", action=action)
        return _planted(rules, State.SWALLOW, Event.TURN, "block_here", action=action)

    return alter


def _command(code: int, **changes: Any) -> Callable[[Rules], Rules]:
    """Another entry for a code; without changes none."""

    def alter(rules: Rules) -> Rules:
        entry = rules.dispatch[code]
        changed = entry._replace(**changes) if entry is not None and changes else None
        return rules._replace(dispatch=(*rules.dispatch[:code], changed, *rules.dispatch[code + 1 :]))

    return alter


def _also(code: int, of: int) -> Callable[[Rules], Rules]:
    """A code that means what another means."""
    return lambda rules: rules._replace(
        dispatch=(*rules.dispatch[:code], rules.dispatch[of], *rules.dispatch[code + 1 :])
    )


def _limit(**limits: int) -> Callable[[Rules], Rules]:
    """A limit moved by so much."""
    return lambda rules: rules._replace(
        limits=rules.limits._replace(**{name: getattr(rules.limits, name) + by for name, by in limits.items()})
    )


_CUT = partial(_turn, State.NEW_CMD, "packet_ready")

PLANTS = tuple(
    Plant(name, f"law.packet.{law}", alter)
    for name, law, alter in (
        ("lengths go low byte first", "order", low_byte_first),
        ("a packet may lack its code", "length", function(packet_class=at_least_four)),
        ("a packet may be a byte too long", "length", function(packet_class=one_more)),
        ("the longest packet is refused", "length", function(packet_class=one_less)),
        ("a length is a signed number", "length", function(packet_class=signed)),
        ("a length is judged with its code", "length", function(packet_class=with_its_code)),
        ("a wrong length does not close", "length", _turn(State.PARSE_CMD, "length_wrong", action=read_on)),
        ("what is refused is held to its end", "bounds", _CUT(guard=whole_only)),
        ("a value has no limit", "bounds", function(fits=lambda *_: True)),
        ("a value that just fits is refused", "accepts", _limit(item=-1)),
        ("the longest key is refused", "accepts", _limit(key=-1)),
        ("the key counts as value", "accepts", function(packet_value=lambda data, _: data - arith_frames.STORE_HEAD)),
        ("a packet waits for the next one", "prompt", _CUT(guard=one_byte_more)),
        ("one packet a read", "chunks", one_a_read),
        ("dropping ends a byte early", "place", _CUT(action=_cut(lambda need: need - 1))),
        ("dropping takes a byte more", "prompt", _CUT(action=_cut(lambda need: need + 1))),
        ("the data of what is refused is not dropped", "place", _CUT(action=_cut(lambda _: 0))),
        ("dropping forgets what it dropped", "prompt", _turn(State.SWALLOW, "drop", action=drop_forgetting)),
        ("dropping never ends", "progress", _turn(State.SWALLOW, "block_here", guard=never)),
        ("what follows what is dropped is lost", "chunks", _turn(State.SWALLOW, "block_here", action=drop_all)),
        ("a packet is carried out twice", "framing", _executes(twice)),
        ("an unknown code is met with silence", "one-answer", _executes(in_silence)),
        ("quiet packets hide their errors", "one-answer", _executes(quiet_refusals)),
        ("a quiet set is answered", "quiet", _command(0x42, quiet=False)),
        ("a quiet get is answered on a miss", "quiet", _command(0x41, quiet=False)),
        ("the quiet bit is not given back", "echo", _executes(loud_echo)),
        ("the last is answered first", "in-order", _executes(last_first)),
        ("a code too many", "answers", _also(0x11, of=0)),
        ("a reply is taken for a request", "answers", _also(0x80, of=0)),
        ("a code is lost", "accepts", _command(0x03)),
        ("a wrong length loses what is owed", "owed", _turn(State.PARSE_CMD, "length_wrong", action=refuse_first)),
        ("an unknown code closes", "open", _executes(hang_up_on_unknown)),
        ("quit does not close", "closes", _turn(State.PARSE_CMD, "quits", to=State.NEW_CMD)),
        (
            "half a packet is answered",
            "end",
            partial(_planted, state=State.WAITING, event=Event.EOF, old="half_sent", action=answer_the_half),
        ),
        (
            "a closed connection answers",
            "closed",
            partial(_planted, state=State.CLOSED, event=Event.DATA, old="ignore", action=answer_when_closed),
        ),
        (
            "a closed connection opens again",
            "closed",
            partial(_planted, state=State.CLOSED, event=Event.DATA, old="ignore", to=State.READ),
        ),
    )
)
