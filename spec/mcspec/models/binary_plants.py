"""Planted bugs of the binary model: a row of the table, a guard or action of it, or a function replaced."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from mcspec import arith_frames, binary
from mcspec.actions import drop, farewell, ignore
from mcspec.arith_frames import BODY_LONG, CONTRADICTS, HEADER, KEY_LONG, SOUND, WAIT
from mcspec.machine import BINARY, Conn, Context, Event, State, Turn
from mcspec.models import Plant
from mcspec.models.framing_plants import function, never
from mcspec.pattern import Owed
from mcspec.rows_binary import (
    answer_swallowed,
    cut_head,
    execute_request,
    expect_body,
    expect_rest,
    hang_up,
    head_here,
    leave_binary,
    refuse_and_leave,
    refuse_body,
    store_body,
)
from mcspec.rules import Rules

Turns = tuple[Turn, ...]
Action = Callable[[Turn, Context], Turns]


# ------------------------------------------------------------------------------------------------ headers


def _field(at: int, size: int) -> Callable[[Rules], Rules]:
    """Reads a field of the header low byte first."""

    def swapped(buffer: bytes) -> bytes:
        return buffer[:at] + buffer[at : at + size][::-1] + buffer[at + size :] if len(buffer) >= HEADER else buffer

    def guard(conn: Conn, context: Context) -> bool:
        return head_here(conn._replace(buffer=swapped(conn.buffer)), context)

    def action(turn: Turn, context: Context) -> Turns:
        return cut_head(turn._replace(conn=turn.conn._replace(buffer=swapped(turn.conn.buffer))), context)

    return _turn(State.NEW_CMD, "head_here", guard=guard, action=action)


def header_only(_held: int, _magic: int, _keylen: int, _extlen: int) -> int:
    """Looks at a request when its header is there."""
    return HEADER


def without_extras(held: int, magic: int, keylen: int, _extlen: int) -> int:
    """Does not wait for the extras."""
    return arith_frames.header_need(held, magic, keylen, 0)


def with_body(conn: Conn, context: Context) -> bool:
    """Waits for the body as well, whatever it is to do with it."""
    if not head_here(conn, context) or len(conn.buffer) < HEADER:
        return False
    return len(conn.buffer) >= HEADER + binary.header(conn.buffer).bodylen


def _class(change: Callable[[int, int, int, int], int]) -> Callable[[Rules], Rules]:
    """Judges a header otherwise, from its class, keylen, extlen and bodylen."""

    def judged(held: int, magic: int, keylen: int, extlen: int, bodylen: int, **limits: Any) -> int:
        found = arith_frames.header_class(held, magic, keylen, extlen, bodylen, **limits)
        return found if found == WAIT else change(found, keylen, extlen, bodylen)

    return function(header_class=judged)


def size_first(found: int, keylen: int, _extlen: int, bodylen: int) -> int:
    """Tells of too long a key before it tells of a contradiction."""
    return KEY_LONG if keylen > 3 and bodylen < keylen else found


def body_may_be_shorter(found: int, keylen: int, extlen: int, bodylen: int) -> int:
    """Compares the body with the key alone."""
    return SOUND if found == CONTRADICTS and keylen <= bodylen < keylen + extlen else found


def body_a_byte_shorter(found: int, _keylen: int, _extlen: int, bodylen: int) -> int:
    """Refuses the longest body."""
    return BODY_LONG if found == SOUND and bodylen == 2**30 else found


def body_signed(found: int, _keylen: int, _extlen: int, bodylen: int) -> int:
    """Takes a length of the body for a signed number, and one below zero for no long one."""
    return SOUND if found == BODY_LONG and bodylen >= 2**31 else found


def any_key(found: int, _keylen: int, _extlen: int, _bodylen: int) -> int:
    """Has no limit for keys."""
    return SOUND if found == KEY_LONG else found


def magic_is_ignored(conn: Conn, _context: Context) -> bool:
    """Takes every response for a request."""
    return len(conn.buffer) >= HEADER and conn.buffer[0] < binary.RESPONSE - 1


def answer_magic(turn: Turn, context: Context) -> Turns:
    """Says what is wrong with a header that is none."""
    fault = Owed(binary.reply(0, bytes(4), binary.INVALID), ())
    return tuple(a._replace(owed=(*turn.owed, fault)) for a in hang_up(turn, context))


def hang_up_first(turn: Turn, context: Context) -> Turns:
    """Throws away what it owes when it closes."""
    return tuple(a._replace(owed=a.owed[len(turn.owed) :]) for a in hang_up(turn, context))


# ------------------------------------------------------------------------------------------------ bodies


def _need(action: Action, change: Callable[[int], int]) -> Action:
    """Waits for another number of bytes of a body."""

    def changed(turn: Turn, context: Context) -> Turns:
        found = action(turn, context)
        return tuple(a._replace(conn=a.conn._replace(need=max(0, change(a.conn.need)))) for a in found)

    return changed


def whole_body(turn: Turn, context: Context) -> Turns:
    """Drops the whole body, although extras and key were taken from it."""
    head = binary.header(turn.conn.line)
    return tuple(a._replace(conn=a.conn._replace(need=head.bodylen)) for a in expect_rest(turn, context))


def drop_forgetting(turn: Turn, context: Context) -> Turns:
    """Drops what has arrived and does not count it."""
    return tuple(a._replace(conn=a.conn._replace(need=turn.conn.need)) for a in drop(turn, context))


def drop_all(turn: Turn, context: Context) -> Turns:
    """Takes what follows a refused request in its chunk for a part of it."""
    return tuple(a._replace(conn=a.conn._replace(buffer=b"")) for a in answer_swallowed(turn, context))


def answer_early(turn: Turn, context: Context) -> Turns:
    """Answers a store when its header has come."""
    request = turn.conn.request
    assert isinstance(request, binary.Request)  # a store
    early = Owed(binary.reply(request.opcode, request.opaque), ())
    return tuple(a._replace(owed=(*a.owed, early)) for a in expect_body(turn, context))


def store_backwards(turn: Turn, context: Context) -> Turns:
    """Turns the value round."""
    conn = turn.conn
    value, rest = conn.buffer[: conn.need], conn.buffer[conn.need :]
    return store_body(turn._replace(conn=conn._replace(buffer=value[::-1] + rest)), context)


def store_a_line(turn: Turn, context: Context) -> Turns:
    """Takes a CR LF off the end of a value, as of a line."""
    conn = turn.conn
    value, rest = conn.buffer[: conn.need], conn.buffer[conn.need :]
    kept = value.removesuffix(b"\r\n")
    return store_body(turn._replace(conn=conn._replace(buffer=kept + rest, need=len(kept))), context)


def keep_the_old(turn: Turn, context: Context) -> Turns:
    """Leaves the old item where a set failed."""
    return tuple(a._replace(cache=turn.cache) for a in refuse_body(turn, context))


# ------------------------------------------------------------------------------------------------ answers


def _of(changed: Callable[[binary.Request], binary.Request]) -> Callable[[Rules], Rules]:
    """Carries out and answers another request than was read."""

    def read(data: bytes, rules: Rules) -> binary.Request | binary.Refusal:
        found = binary.read(data, rules)
        return changed(found) if isinstance(found, binary.Request) else found

    return function(read=read)


def _quiet(opcode: int, *, quiet: bool) -> Callable[[Rules], Rules]:
    """Takes a quiet opcode for one that is not, or the other way round."""
    return _of(
        lambda asked: asked._replace(command=asked.command._replace(quiet=quiet)) if asked.opcode == opcode else asked
    )


def loud_opcode(asked: binary.Request) -> binary.Request:
    """Answers a quiet get with the opcode of get."""
    return asked._replace(opcode={0x09: 0x00, 0x0D: 0x0C}.get(asked.opcode, asked.opcode))


def last_first(turn: Turn, context: Context) -> Turns:
    """Puts an answer before the others of the chunk."""
    return tuple(a._replace(owed=(*a.owed[len(turn.owed) :], *turn.owed)) for a in execute_request(turn, context))


def noop_last(turn: Turn, context: Context) -> Turns:
    """Answers noop before what was asked before it."""
    request = turn.conn.request
    noop = isinstance(request, binary.Request) and request.command.word == "noop"
    return last_first(turn, context) if noop else execute_request(turn, context)


def noop_in_silence(turn: Turn, context: Context) -> Turns:
    """Takes noop for something that needs no answer."""
    request = turn.conn.request
    noop = isinstance(request, binary.Request) and request.command.word == "noop"
    return tuple(a._replace(owed=turn.owed) if noop else a for a in execute_request(turn, context))


def untold(turn: Turn, context: Context) -> Turns:
    """Drops a request that it does not know without a word."""
    return tuple(a._replace(owed=turn.owed) for a in answer_swallowed(turn, context))


def refuse_twice(turn: Turn, context: Context) -> Turns:
    """Says that a value is too large before it comes, and again after it."""
    request = turn.conn.request
    assert isinstance(request, binary.Request)  # a store
    early = Owed(binary.reply(request.opcode, request.opaque, binary.TOO_LARGE), ())
    return tuple(a._replace(owed=(*a.owed, early)) for a in refuse_body(turn, context))


# ------------------------------------------------------------------------------------------------ ends


def stay(action: Action) -> Action:
    """Forgets that it was to close."""
    return lambda turn, context: tuple(a._replace(conn=a.conn._replace(leaving=False)) for a in action(turn, context))


def _last_word(action: Action) -> Action:
    """Says something where there is nothing to say."""
    word = Owed(binary.reply(0x0A, bytes(4)), ())
    return lambda turn, context: tuple(a._replace(owed=(word,)) for a in action(turn, context))


def _planted(rules: Rules, state: State, event: Event, old: str, **changes: Any) -> Rules:
    return rules.planted(state, event, old, protocol=BINARY, **changes)


def _at(state: State, event: Event, old: str, **changes: Any) -> Callable[[Rules], Rules]:
    return partial(_planted, state=state, event=event, old=old, **changes)


def _turn(state: State, old: str, **changes: Any) -> Callable[[Rules], Rules]:
    return _at(state, Event.TURN, old, **changes)


def _limit(**limits: int) -> Callable[[Rules], Rules]:
    """A limit moved by so much."""
    return lambda rules: rules._replace(
        limits=rules.limits._replace(**{name: getattr(rules.limits, name) + by for name, by in limits.items()})
    )


_HEAD = partial(_turn, State.NEW_CMD)
_PARSE = partial(_turn, State.PARSE_CMD)

PLANTS = tuple(
    Plant(name, f"law.binary.{law}", alter)
    for name, law, alter in (
        ("the body's length goes low byte first", "order", _field(8, 4)),
        ("the key's length goes low byte first", "lengths", _field(2, 2)),
        ("a request is looked at without its key", "body", function(header_need=header_only)),
        ("a request is looked at without its extras", "body", function(header_need=without_extras)),
        ("a request is held with its body", "bounded", _HEAD("head_here", guard=with_body)),
        ("a long key is told before a contradiction", "lengths", _class(size_first)),
        ("a body may be shorter than its parts", "lengths", _class(body_may_be_shorter)),
        ("the longest body is refused", "lengths", _class(body_a_byte_shorter)),
        ("a length of a body is a signed number", "lengths", _class(body_signed)),
        ("keys have no limit", "lengths", _class(any_key)),
        ("the longest key is refused", "open", _limit(key=-1)),
        ("a value that just fits is refused", "accepts", _limit(item=-1)),
        ("a value has no limit", "bounded", function(fits=lambda *_: True)),
        ("extras count as value", "prompt", function(value_length=lambda key, _, body: body - key)),
        ("a response is taken for a request", "magic", _HEAD("magic_wrong", guard=magic_is_ignored)),
        ("a wrong magic is answered", "magic", _HEAD("magic_wrong", action=answer_magic)),
        ("a wrong magic loses what is owed", "owed", _HEAD("magic_wrong", action=hang_up_first)),
        ("longer extras are let in", "answers", function(extras_right=lambda has, due, **_: has >= due)),
        ("shorter extras are let in", "closes", function(extras_right=lambda has, due, **_: has <= due)),
        ("a key may be missing", "closes", function(key_right=lambda *_: True)),
        ("what is behind a key is read as a header", "closes", function(body_right=lambda *_, **__: True)),
        ("a value ends a byte early", "body", _PARSE("expect_body", action=_need(expect_body, lambda n: n - 1))),
        ("a value waits for a byte more", "prompt", _PARSE("expect_body", action=_need(expect_body, lambda n: n + 1))),
        ("dropping ends a byte early", "body", _PARSE("expect_rest", action=_need(expect_rest, lambda n: n - 1))),
        ("a key is dropped twice", "prompt", _PARSE("expect_rest", action=whole_body)),
        ("a large value is not dropped", "body", _PARSE("refuse_body", action=_need(refuse_body, lambda _: 0))),
        ("dropping forgets what it dropped", "prompt", _turn(State.SWALLOW, "drop", action=drop_forgetting)),
        ("what follows what is dropped is lost", "chunks", _turn(State.SWALLOW, "block_here", action=drop_all)),
        ("dropping never ends", "ready", _turn(State.SWALLOW, "block_here", guard=never)),
        ("a value never ends", "ready", _turn(State.NREAD, "block_here", guard=never)),
        ("a store is answered before its value", "one-answer", _PARSE("expect_body", action=answer_early)),
        ("a value is stored backwards", "stored", _turn(State.NREAD, "store_body", action=store_backwards)),
        ("a value loses its last line end", "stored", _turn(State.NREAD, "store_body", action=store_a_line)),
        ("a failed set leaves the old item", "stored", _PARSE("refuse_body", action=keep_the_old)),
        ("setq is answered", "quiet", _quiet(0x11, quiet=False)),
        ("getq is answered on a miss", "quiet", _quiet(0x09, quiet=False)),
        ("delete is quiet", "one-answer", _quiet(0x04, quiet=True)),
        ("getq brings back the opcode of get", "echo", _of(loud_opcode)),
        ("the opaque goes missing", "echo", _of(lambda asked: asked._replace(opaque=bytes(4)))),
        ("the cas unique is not looked at", "answers", _of(lambda asked: asked._replace(cas=0))),
        ("the last is answered first", "in-order", _PARSE("execute_request", action=last_first)),
        ("noop overtakes", "noop", _PARSE("execute_request", action=noop_last)),
        ("noop is silent", "noop", _PARSE("execute_request", action=noop_in_silence)),
        (
            "what is refused is met with silence",
            "one-answer",
            _turn(State.SWALLOW, "block_here", action=untold),
        ),
        ("too large a value is refused twice", "one-answer", _PARSE("refuse_body", action=refuse_twice)),
        ("an unknown opcode closes", "open", _PARSE("expect_rest", action=refuse_and_leave, to=State.MWRITE)),
        ("a fault does not close", "closes", _PARSE("refuse_and_leave", action=stay(refuse_and_leave))),
        ("quit does not close", "closes", _PARSE("leave_binary", action=stay(leave_binary))),
        ("half a header is answered", "end", _at(State.WAITING, Event.EOF, "farewell", action=_last_word(farewell))),
        ("half a value keeps the connection", "end", _at(State.NREAD, Event.RESET, "farewell", to=State.NREAD)),
        ("a closed connection answers", "closed", _at(State.CLOSED, Event.DATA, "ignore", action=_last_word(ignore))),
        ("a closed connection opens again", "closed", _at(State.CLOSED, Event.DATA, "ignore", to=State.READ)),
    )
)
