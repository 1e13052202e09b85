"""Half a request on one connection while another goes on: two connections, one item, real bytes, the whole of `step`.

Connection 0 sends one request, byte by byte, and may go away in the middle. Between any two of its bytes connection 1
may send whole requests about the same key, and the clock may tick. What connection 1 finds is compared with an account
that knows two things only: which requests are complete, and what a complete one does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from mcspec.actions import expect_value, farewell, store_value
from mcspec.arith import Span
from mcspec.cache import NO, Cache
from mcspec.explore import Kind, Law, Move, System
from mcspec.frozen import FrozenMap
from mcspec.machine import TEXT, Conn, Context, Event, State, Turn
from mcspec.models import Model, Plant
from mcspec.models.framing_plants import store_in_silence
from mcspec.pattern import Owed
from mcspec.rules import Rules
from mcspec.world import Happening, Outcome, World, step

KEY = b"mcspeca"
Held = tuple[bytes, int | None] | None
"""What the account says of the key: value and the second in which it dies (None: never), or that it is absent."""


class Script(NamedTuple):
    """What connection 0 sends.

    `works` maps what is held, the second of the line and the present second to what is held then; `late` is whether it
    does so at the end of the block and not of the line; `replies` maps what is held to the answer.
    """

    line: bytes
    block: bytes
    works: Callable[[Held, int, int], Held]
    replies: Callable[[Held], bytes]
    late: bool = True


class Side(NamedTuple):
    """What connection 1 sends, whole: what is held then, and the answer."""

    data: bytes
    works: Callable[[Held, int], Held]
    replies: Callable[[Held], bytes]


class Bounds(NamedTuple):
    """Requests of connection 1, seconds that may pass, bytes that connection 0 may send at once."""

    requests: int
    seconds: int
    chunk: int


class Half(NamedTuple):
    """The world, how far which script is, the second, the account, and the requests left to connection 1."""

    world: World
    script: int
    sent: int
    second: int
    line_at: int
    held: Held
    left: int
    wrong: str = ""


class Design(NamedTuple):
    """The rules, and the step of the world."""

    rules: Rules
    step: Callable[[World, Happening, Span, Rules], tuple[Outcome, ...]] = step


def _alive(held: Held, second: int) -> Held:
    return None if held is None or (held[1] is not None and held[1] <= second) else held


def _joined(held: Held) -> Held:
    return None if held is None else (held[0] + b"hi", held[1])


SCRIPTS = (
    Script(b"set mcspeca 0 0 2\r\n", b"hi\r\n", lambda _h, _l, _n: (b"hi", None), lambda _h: b"STORED\r\n"),
    Script(b"set mcspeca 0 1 2\r\n", b"hi\r\n", lambda _h, line, _n: (b"hi", line + 1), lambda _h: b"STORED\r\n"),
    Script(b"set mcspeca 0 0 2 noreply\r\n", b"\r\n\r\n", lambda _h, _l, _n: (b"\r\n", None), lambda _h: b""),
    Script(
        b"append mcspeca 0 0 2\r\n",
        b"hi\r\n",
        lambda held, _l, _n: _joined(held),
        lambda held: b"STORED\r\n" if held else b"NOT_STORED\r\n",
    ),
    Script(b"set mcspeca 0 0 2\r\n", b"hiho", lambda held, _l, _n: held, lambda _h: b"CLIENT_ERROR bad data chunk\r\n"),
    Script(
        b"set mcspeca x 0 2\r\n",
        b"hi\r\n",
        lambda held, _l, _n: held,
        lambda _h: b"CLIENT_ERROR bad command line format\r\n",
    ),
    Script(
        b"add mcspeca 0 0 9\r\n",
        b"123456789\r\n",
        lambda held, _l, _n: held,
        lambda _h: b"SERVER_ERROR object too large for cache\r\n",
    ),
    Script(
        b"set mcspeca 0 0 9\r\n",
        b"123456789\r\n",
        lambda _h, _l, _n: None,
        lambda _h: b"SERVER_ERROR object too large for cache\r\n",
        late=False,
    ),
    Script(
        b"delete mcspeca\r\n", b"", lambda _h, _l, _n: None, lambda held: b"DELETED\r\n" if held else b"NOT_FOUND\r\n"
    ),
)
SIDES = (
    Side(
        b"get mcspeca\r\n",
        lambda held, _n: held,
        lambda held: b"VALUE mcspeca 0 %d\r\n%b\r\nEND\r\n" % (len(held[0]), held[0]) if held else b"END\r\n",
    ),
    Side(b"set mcspeca 0 0 1\r\nz\r\n", lambda _h, _n: (b"z", None), lambda _h: b"STORED\r\n"),
    Side(
        b"touch mcspeca 1\r\n",
        lambda h, n: (h[0], n + 1) if h else None,
        lambda h: b"TOUCHED\r\n" if h else b"NOT_FOUND\r\n",
    ),
    Side(b"delete mcspeca\r\n", lambda _h, _n: None, lambda held: b"DELETED\r\n" if held else b"NOT_FOUND\r\n"),
    Side(b"flush_all\r\n", lambda _h, _n: None, lambda _h: b"OK\r\n"),
)


def canonical(world: World) -> World:
    """The world without what no later answer depends on."""
    cache = world.cache
    items = FrozenMap(
        {key: i._replace(cas=1, stored=Span(0, 0), fetched=NO, seen=None) for key, i in cache.items.items()}
    )
    conns = {number: _plain(conn) for number, conn in world.conns.items()}
    return World(Cache(items=items, next_cas=2), FrozenMap(conns))


def _plain(conn: Conn) -> Conn:
    return conn._replace(parts=0, erred=False, protocol=TEXT, request=conn.request if conn.need else None, line=b"")


def build(bounds: Bounds, design: Design) -> System:
    """The system at these bounds."""
    # A value of four bytes fits and one of nine does not.
    limits = design.rules.limits._replace(item=design.rules.limits.item_header + design.rules.limits.item_cas + 14)
    rules = design.rules._replace(limits=limits)
    world = World(conns=FrozenMap({0: Conn(State.WAITING, protocol=TEXT), 1: Conn(State.WAITING, protocol=TEXT)}))
    starts = tuple(Half(world, number, 0, 0, 0, None, bounds.requests) for number in range(len(SCRIPTS)))
    ticks = Move("clock", "clock", "a second passes", ("advance", 1))
    ends = {
        event: Move("client 0", "server", f"goes away ({event.value})", (name, 0))
        for event, name in ((Event.EOF, "half-close"), (Event.RESET, "reset"))
    }
    asks = [Move("client 1", "server", f"sends {side.data.decode()!r}", ("send", 1, side.data)) for side in SIDES]
    sends = {
        chunk: Move("client 0", "server", f"sends {chunk.decode()!r}", ("send", 0, chunk))
        for script in SCRIPTS
        for at in range(len(script.line + script.block))
        for chunk in _chunks(script, at, bounds.chunk)
    }

    def outcome(state: Half, conn: int, event: Event, chunk: bytes = b"") -> Outcome:
        now = Span(state.second, state.second)
        return _only(design.step(state.world, Happening(conn, event, chunk), now, rules))

    def ask(state: Half, side: Side) -> Half:
        after = outcome(state, 1, Event.DATA, side.data)
        held = _alive(state.held, state.second)
        alone = state._replace(world=World(state.world.cache, state.world.conns.drop(0)))
        wrong = ""
        if _reply(after) != _reply(outcome(alone, 1, Event.DATA, side.data)):
            wrong = "independent"
        elif after.world.conns[0] != state.world.conns[0]:
            wrong = "untouched"
        elif _reply(after) != side.replies(held):
            timed = state.held != held or (held is not None and held[1] is not None)
            wrong = "since" if timed else "atomic"
        held = side.works(held, state.second)
        return state._replace(world=canonical(after.world), held=held, left=state.left - 1, wrong=wrong)

    def send(state: Half, chunk: bytes) -> Half:
        script = SCRIPTS[state.script]
        after = outcome(state, 0, Event.DATA, chunk)
        sent = state.sent + len(chunk)
        crossed = state.sent < len(script.line) <= sent
        line_at = state.second if crossed else state.line_at
        held = _alive(state.held, state.second)
        whole = sent == len(script.line) + len(script.block)
        wrong = "" if _reply(after) == (script.replies(held) if whole else b"") else "answer"
        if whole if script.late else crossed:
            held = script.works(held, line_at, state.second)
        world = canonical(after.world)
        return Half(world, state.script, sent, state.second, line_at, held, state.left, wrong)

    def moves(state: Half) -> Iterator[tuple[Move, Half]]:
        script = SCRIPTS[state.script]
        stream = script.line + script.block
        if state.wrong or state.sent > len(stream):
            return
        for chunk in _chunks(script, state.sent, bounds.chunk):
            yield sends[chunk], send(state, chunk)
        if state.left:
            for move, side in zip(asks, SIDES, strict=True):
                yield move, ask(state, side)
        if state.second < bounds.seconds:
            yield ticks, state._replace(second=state.second + 1)
        if state.sent < len(stream):
            for event, move in ends.items():
                after = outcome(state, 0, event)
                kept = after.world.cache.items == state.world.cache.items and not _reply(after)
                wrong = "" if kept and after.world.conns[0].state is State.CLOSED else "abandoned"
                yield move, state._replace(world=canonical(after.world), sent=len(stream) + 1, wrong=wrong)

    return System(starts, moves)


def _chunks(script: Script, sent: int, most: int) -> list[bytes]:
    """What may come next: up to `most` bytes, the rest of the line, or all the rest."""
    stream = script.line + script.block
    near = range(sent + 1, min(sent + most, len(stream)) + 1)
    ends = {*near, max(len(script.line), sent), len(stream)} - {sent}
    return [stream[sent:end] for end in sorted(ends)]


def _only(outcomes: tuple[Outcome, ...]) -> Outcome:
    """The outcome, where nothing of these requests leaves a choice."""
    (outcome,) = outcomes
    return outcome


def _reply(outcome: Outcome) -> bytes:
    return b"".join(piece for owed in outcome.owed for piece in owed.pieces if isinstance(piece, bytes))


def _law(name: str, words: str) -> Law:
    return Law(f"law.half-sent.{name}", Kind.REST, words, lambda state: state.wrong != name)


LAWS = (
    _law(
        "atomic", "A request has no effect before it is complete: others find what was there, or the whole of the new."
    ),
    _law("since", "An exptime counts from the line that gave it, however long the value takes to come."),
    _law("independent", "A request is answered as if no other connection had half a request under way."),
    _law("untouched", "What one connection sends changes nothing of what another has half received."),
    _law("abandoned", "Who goes away in the middle of a request leaves the cache as it was and is owed nothing."),
    _law("answer", "A request is answered when its last byte has come, once, whatever others did meanwhile."),
)


# ------------------------------------------------------------------------------------------------ planted bugs


def expect_and_unlink(turn: Turn, context: Context) -> tuple[Turn, ...]:
    """Takes the old item out when the line has come."""
    return tuple(t._replace(cache=t.cache._replace(items=t.cache.items.drop(KEY))) for t in expect_value(turn, context))


def expect_and_reserve(turn: Turn, context: Context) -> tuple[Turn, ...]:
    """Links the new item when the line has come, to be filled later."""
    item = turn.cache.items.find(KEY)
    items = turn.cache.items.put(KEY, item._replace(value=b"\0\0")) if item else turn.cache.items
    return tuple(t._replace(cache=t.cache._replace(items=items)) for t in expect_value(turn, context))


def store_what_came(turn: Turn, context: Context) -> tuple[Turn, ...]:
    """Stores half a value when its client goes away."""
    item = turn.cache.items.find(KEY)
    items = turn.cache.items.put(KEY, item._replace(value=turn.conn.buffer)) if item else turn.cache.items
    return tuple(t._replace(cache=t.cache._replace(items=items)) for t in farewell(turn, context))


def store_from_now(turn: Turn, context: Context) -> tuple[Turn, ...]:
    """Counts the exptime from the last byte of the value."""
    return store_value(turn._replace(conn=turn.conn._replace(since=context.now)), context)


def store_any_chunk(turn: Turn, context: Context) -> tuple[Turn, ...]:
    """Does not look at how a block ends."""
    conn = turn.conn
    whole = conn.buffer[: conn.need - 2] + b"\r\n" + conn.buffer[conn.need :]
    return store_value(turn._replace(conn=conn._replace(buffer=whole)), context)


def answer_abandoned(turn: Turn, context: Context) -> tuple[Turn, ...]:
    """Answers a request that was not completed."""
    return tuple(t._replace(owed=(Owed((b"ERROR\r\n",), ()),)) for t in farewell(turn, context))


def never_large(_cache: Cache, _mode: str, _key: bytes) -> Cache:
    """Forgets everything when a value is refused, whatever the command."""
    return Cache()


def shared_buffer(world: World, happening: Happening, now: Span, rules: Rules) -> tuple[Outcome, ...]:
    """Bytes of one connection end up in the value of another."""
    outcomes = step(world, happening, now, rules)
    victim = world.conns.find(0)
    if happening.conn == 1 and victim is not None and victim.state is State.NREAD and victim.buffer:
        mixed = victim._replace(buffer=happening.chunk[: len(victim.buffer)])
        outcomes = tuple(o._replace(world=World(o.world.cache, o.world.conns.put(0, mixed))) for o in outcomes)
    return outcomes


def locked_key(world: World, happening: Happening, now: Span, rules: Rules) -> tuple[Outcome, ...]:
    """While somebody sends a value nobody finds anything."""
    victim = world.conns.find(0)
    if happening.conn == 1 and victim is not None and victim.state is State.NREAD:
        hidden = step(world._replace(cache=Cache()), happening, now, rules)
        return tuple(o._replace(world=World(world.cache, o.world.conns)) for o in hidden)
    return step(world, happening, now, rules)


def one_at_a_time(world: World, happening: Happening, now: Span, rules: Rules) -> tuple[Outcome, ...]:
    """While somebody sends a request nobody else is served."""
    busy = world.conns.find(0)
    if happening.conn == 1 and busy is not None and busy.buffer:
        return (Outcome(world, 1, ()),)
    return step(world, happening, now, rules)


def _row(state: State, event: Event, old: str, **changes: object) -> Callable[[Design], Design]:
    return lambda design: design._replace(rules=design.rules.planted(state, event, old, **changes))


_P, _N, _T = State.PARSE_CMD, State.NREAD, Event.TURN

PLANTS = tuple(
    Plant(name, f"law.half-sent.{law}", alter)
    for name, law, alter in (
        ("the old item goes when the line has come", "atomic", _row(_P, _T, "expect_value", action=expect_and_unlink)),
        ("the new item is linked before its value", "atomic", _row(_P, _T, "expect_value", action=expect_and_reserve)),
        ("a block that ends badly is stored", "answer", _row(_N, _T, "store_value", action=store_any_chunk)),
        ("a stored value is not answered", "answer", _row(_N, _T, "store_value", action=store_in_silence)),
        ("the exptime counts from the end of the value", "since", _row(_N, _T, "store_value", action=store_from_now)),
        ("half a value is stored at the end", "abandoned", _row(_N, Event.EOF, "farewell", action=store_what_came)),
        ("half a value is stored at a reset", "abandoned", _row(_N, Event.RESET, "farewell", action=store_what_came)),
        (
            "half a request is answered",
            "abandoned",
            _row(State.WAITING, Event.EOF, "farewell", action=answer_abandoned),
        ),
        ("an end within a value is not noticed", "abandoned", _row(_N, Event.EOF, "farewell", to=State.NREAD)),
        (
            "a refused add takes the old item",
            "atomic",
            lambda design: design._replace(rules=design.rules.replaced(oversize=never_large)),
        ),
        ("two connections share a buffer", "untouched", lambda design: design._replace(step=shared_buffer)),
        ("a key is locked while its value comes", "independent", lambda design: design._replace(step=locked_key)),
        ("one client is served at a time", "independent", lambda design: design._replace(step=one_at_a_time)),
        ("nothing that follows a line is read", "answer", _row(State.NREAD, Event.DATA, "nothing", to=State.CLOSING)),
    )
)


def show(state: Half) -> str:
    """A state in words."""
    stream = SCRIPTS[state.script].line + SCRIPTS[state.script].block
    sent = (
        f"connection 0 has sent {stream[: state.sent].decode()!r}" if state.sent <= len(stream) else "connection 0 left"
    )
    held = "nothing" if state.held is None else repr(state.held[0].decode())
    return f"{sent}, second {state.second}, the key holds {held}" + (
        f": {state.wrong} is broken" if state.wrong else ""
    )


MODEL = Model(
    name="half-sent",
    summary="two connections and one key: one request byte by byte, whole requests between its bytes, a clock",
    design=Design(Rules()),
    bounds={"small": Bounds(2, 1, 1), "standard": Bounds(3, 2, 2), "large": Bounds(10, 6, 3)},
    build=build,
    laws=LAWS,
    plants=PLANTS,
    show=show,
)
