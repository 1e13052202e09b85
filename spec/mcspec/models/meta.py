"""Stale, win, recache, vivify and invalidate: the marks of the meta protocol under every interleaving of clients.

Theory of operation
-------------------
Every move of a client is a whole request in bytes, carried out by `step`. A state is a core - the cache made canonical,
the account that the laws read, and the clock - and for each connection the cas unique that it saw last. What a request
does depends on the core alone and is worked out once for each. Nobody guesses a cas unique: a client sends one that it
saw, or one that is above all others where the unique of the item is known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from mcspec.arith import Span
from mcspec.cache import NO, Cache, Item, bind
from mcspec.explore import Move, System
from mcspec.frozen import FrozenMap
from mcspec.machine import TEXT, Conn, Event, State
from mcspec.models import Model
from mcspec.models.meta_account import CHOSEN, FOREVER, KEYS, NEWER, STALE, Account, Op, Reply, follow
from mcspec.models.meta_laws import LAWS, Deed, broken
from mcspec.models.meta_plants import PLANTS, End
from mcspec.pattern import Piece, Unique
from mcspec.pattern import Span as Range
from mcspec.rules import Rules
from mcspec.world import Happening, World, step

_CONNS = FrozenMap({0: Conn(State.WAITING, protocol=TEXT)})
_TICK = Op("tick")
_ANY = "any"
"""The C of a request that sends NEWER, where that is no guess; any other sends the unique that its client saw last."""


class Scene(NamedTuple):
    """What is explored together: the requests on each key, by the connections; the clock's last second."""

    requests: tuple[Op, ...]
    clock: int
    connections: int = 2
    others: tuple[Op, ...] = ()
    """Requests on the second key."""


class Design(NamedTuple):
    """The rules; what a planted bug makes of a request before it is carried out, and of its ends after it."""

    rules: Rules = Rules()
    reads: Callable[[Op], Op] = lambda op: op
    tampers: Callable[[Op, Cache, list[End]], list[End]] = lambda _op, _cache, found: found


# ------------------------------------------------------------------------------------------------ requests


def wire(op: Op) -> bytes:
    """The bytes of a request."""
    key, value = op.key, op.value
    if op.command == "set":
        return b"set %s 0 0 %d\r\n%s\r\n" % (key, len(value), value)
    if op.command == "touch":
        return b"touch %s %d\r\n" % (key, op.number("T"))
    flags = "".join(" " + flag for flag in op.flags).encode()
    length = b" %d" % len(value) if op.command == "ms" else b""
    return b"%s %s%s%s\r\n" % (op.command.encode(), key, length, flags) + (value + b"\r\n" if length else b"")


def ends(op: Op, cache: Cache, clock: int, design: Design) -> list[End]:
    """Every allowed end of a request."""
    now = Span(clock, clock)
    happening = Happening(0, Event.DATA, wire(design.reads(op)))
    found: list[End] = []
    for outcome in step(World(cache, _CONNS), happening, now, design.rules):
        pieces = tuple(piece for owed in outcome.owed for piece in owed.pieces)
        said = None if outcome.unspecified else _said(pieces, outcome.world.cache)
        if said is not None:
            found.append((_reply(said[0]), said[1]))
    return design.tampers(op, cache, found)


def _said(pieces: tuple[Piece, ...], cache: Cache) -> tuple[bytes, Cache] | None:
    """The bytes of a reply: a cas unique that nobody saw gets the number of its rank; None if it cannot have it."""
    text = b""
    for piece in pieces:
        if isinstance(piece, bytes):
            text += piece
        elif isinstance(piece, Unique):
            known = cache.known.find(piece.symbol)
            bound = bind(cache, piece.symbol, 10 * piece.symbol if known is None else known)
            if bound is None:
                return None
            cache = bound
            text += b"%d" % cache.known[piece.symbol]
        elif isinstance(piece, Range) and piece.lo == piece.hi:
            text += b"%d" % piece.lo
        else:
            text += b"?"
    return text, cache


def _reply(text: bytes) -> Reply:
    """A reply taken apart."""
    if not text:
        return Reply()
    head, _, rest = text.partition(b"\r\n")
    code, *words = head.decode().split()
    if code == "VALUE":
        return Reply(code, (), rest[: int(words[2])])
    return Reply(code, tuple(words[1:]), rest[: int(words[0])]) if code == "VA" else Reply(code, tuple(words))


# ------------------------------------------------------------------------------------------------ canonical states


def canonical(cache: Cache, clock: int) -> tuple[Cache, dict[int, int]]:
    """The cache that stands for all that no client can tell from this one, and the new names of cas uniques."""
    alive = {key: item for key, item in cache.items.items() if item.dies is None or item.dies.hi > clock}
    rank = {symbol: at for at, symbol in enumerate(sorted({i.cas for i in alive.values() if i.cas > 0}), 1)}
    items = {
        key: _plain(alive[key], rank, clock)
        if key in alive
        else Item(b"1", 0, Span(clock, clock), 0, Span(clock, clock))
        for key in cache.items
    }
    names = {seen: 10 * rank[symbol] for symbol, seen in cache.known.items() if symbol in rank}
    names |= {-1 - item.cas: -1 - item.cas for item in alive.values() if item.cas < 0}
    known = {0: STALE, **{rank[symbol]: 10 * rank[symbol] for symbol in cache.known if symbol in rank}}
    return Cache(FrozenMap(items), next_cas=len(rank) + 1, known=FrozenMap(known)), names


def _plain(item: Item, rank: dict[int, int], clock: int) -> Item:
    cas = rank.get(item.cas, item.cas)
    return item._replace(cas=cas, stored=Span(clock, clock), expiry_clause="", fetched=NO, seen=None)


# ------------------------------------------------------------------------------------------------ the system


class Act(Move):
    """A move, and the clauses that it breaks."""

    breaks: frozenset[str]


class Core:
    """A cache, its account and the clock; equal to itself only, since there is one of each."""

    __slots__ = ("account", "cache", "clock", "stage", "steps")

    def __init__(self, stage: Stage, cache: Cache, account: Account, clock: int) -> None:
        self.stage, self.cache, self.account, self.clock = stage, cache, account, clock
        self.steps: dict[Op, tuple[Step, ...]] = {}


class Step(NamedTuple):
    """One end of a request: the core after it, the new names of cas uniques, the one shown (0: none), the moves."""

    core: Core
    names: dict[int, int]
    shown: int
    acts: tuple[Act, ...]


class Situation(NamedTuple):
    """A core, and the cas unique that each connection saw last (STALE: of an item that is gone)."""

    core: Core
    seen: tuple[int, ...]


class Stage:
    """A scene under a design."""

    def __init__(self, scene: Scene, design: Design) -> None:
        self.scene, self.design = scene, design
        self.cores: dict[tuple[Cache, Account, int], Core] = {}
        self.requests = (*scene.requests, *(op._replace(key=KEYS[1]) for op in scene.others))

    def start(self) -> Situation:
        """Nothing stored."""
        core, _ = self.core(Cache(known=FrozenMap({0: STALE})), (None,) * len(KEYS), 0)
        return Situation(core, (STALE,) * self.scene.connections)

    def core(self, cache: Cache, account: Account, clock: int) -> tuple[Core, dict[int, int]]:
        """The core that stands for these, and the new names of cas uniques."""
        cache, names = canonical(cache, clock)
        account = tuple(h._replace(unique=names.get(h.unique, STALE)) if h and h.unique else h for h in account)
        key = (cache, account, clock)
        if key not in self.cores:
            self.cores[key] = Core(self, *key)
        return self.cores[key], names

    def moves(self, state: Situation) -> Iterator[tuple[Move, Situation]]:
        """Every request of every connection, and the clock."""
        core, seen = state
        for number, saw in enumerate(seen):
            for request in self.requests:
                op = self.asked(request, core, saw)
                if op is None or (number and op is request and not op.has("c")):
                    continue  # whoever remembers nothing and learns nothing: the first connection speaks for all
                if op not in core.steps:
                    core.steps[op] = tuple(self.steps(core, op))
                for one in core.steps[op]:
                    yield one.acts[number], _after(one, seen, number)
        if core.clock < self.scene.clock:
            if _TICK not in core.steps:
                core.steps[_TICK] = tuple(self.steps(core, _TICK))
            for one in core.steps[_TICK]:
                yield one.acts[0], _after(one, seen, 0)

    def asked(self, request: Op, core: Core, saw: int) -> Op | None:
        """The request with the cas unique that its client sends; None where it would be a guess."""
        which = request.flag("C")
        if which is None:
            return request
        held = core.account[KEYS.index(request.key)]
        if which == _ANY and (held is None or not held.unique):
            return None
        number = NEWER if which == _ANY else saw
        return request._replace(flags=tuple(f"C{number}" if flag[0] == "C" else flag for flag in request.flags))

    def steps(self, core: Core, op: Op) -> Iterator[Step]:
        """Every end of a request, judged."""
        clock = core.clock + (op is _TICK)
        found = [(Reply("OK"), core.cache)] if op is _TICK else ends(op, core.cache, clock, self.design)
        for reply, cache in found or [(Reply("nothing"), core.cache)]:
            account = follow(core.account, op, reply, clock)
            breaks = broken(Deed(core.account, core.cache, op, reply, clock, account, cache))
            shown = next((int(one[1:]) for one in reply.shown if one[0] == "c"), 0) if op.command != "md" else 0
            after, names = self.core(cache, account, clock)
            yield Step(after, names, names.get(shown, STALE) if shown else 0, self.acts(op, reply, breaks))

    def acts(self, op: Op, reply: Reply, breaks: frozenset[str]) -> tuple[Act, ...]:
        """The moves of a request, one for each connection."""
        made = []
        for connection in range(1, self.scene.connections + 1):
            source = "clock" if op is _TICK else f"client {connection}"
            made.append(Act(source, "server", _described(op, reply), _sent(op, connection)))
            made[-1].breaks = breaks
        return tuple(made)


def _after(step: Step, seen: tuple[int, ...], connection: int) -> Situation:
    after = [step.names.get(unique, STALE) for unique in seen]
    if step.shown:
        after[connection] = step.shown
    return Situation(step.core, tuple(after))


def _described(op: Op, reply: Reply) -> str:
    """A move in words: the request, and the reply."""
    if op is _TICK:
        return "a second passes"
    said = " ".join((reply.code, *reply.shown)) or "silence"
    value = "" if reply.value is None else f" {reply.value.decode()!r}"
    return f"{wire(op).decode().rstrip()!r}: {said}{value}"


def _sent(op: Op, connection: int) -> tuple[Any, ...]:
    """What a client does to a real server: nothing where a cas unique is the model's own."""
    if op is _TICK:
        return ("advance", 1)
    return () if op.has("C") else ("send", connection, wire(op))


def build(scenes: tuple[Scene, ...], design: Design) -> System:
    """The scenes side by side."""
    starts = tuple(Stage(scene, design).start() for scene in scenes)
    return System(starts, lambda state: state.core.stage.moves(state))


def show(state: Situation) -> str:
    """The items with their marks, the clock, and what the connections remember."""
    parts = [f"second {state.core.clock}"]
    for key, held in zip(KEYS, state.core.account, strict=True):
        if held:
            marks = "".join(f", {name}" for name, there in (("stale", held.stale), ("won", held.won)) if there)
            until = "" if held.dies == FOREVER else f" until {held.dies}"
            parts.append(f"{key.decode()} is {held.value.decode()!r}{until}{marks}")
    parts += [f"client {at} saw {unique}" for at, unique in enumerate(state.seen, 1) if unique != STALE]
    return ", ".join(parts)


# ------------------------------------------------------------------------------------------------ bounds


def _mg(*flags: str) -> Op:
    return Op("mg", flags=flags)


def _md(*flags: str) -> Op:
    return Op("md", flags=flags)


def _ms(*flags: str, value: bytes = b"1") -> Op:
    return Op("ms", flags=flags, value=value)


_CORE = (_mg("v", "c"), _mg("R2", "v"), _mg("N2", "v"), _md("I"), _ms("T2"), _ms("I", "Cseen", value=b"2"))
_PLAIN = tuple(op for op in _CORE if not (op.has("C") or op.has("c")))
_MARKS = (*_CORE, _md("I", "T1"), _md("I", "Cseen"), Op("set", value=b"2"), Op("get"), Op("touch", flags=("T1",)))
_UNIQUES = (
    *(_mg("c", "N0"), _ms("Cseen", "c"), _ms("I", "Cany"), _ms("I", "Cseen", "T1"), _ms(f"E{CHOSEN}", "c")),
    *(_md("Cany"), _md("Cseen"), _md("I", "Cseen"), _md("I", "Cany"), _ms("ME", "c"), _ms(), Op("delete")),
)
_WORDS = (
    *(_mg("k", "Oxy", "q", "v"), _mg("Oxy", "v", "k", "t"), _mg("t", "T2", "q"), _ms("q", "Oab", "k"), _ms("k", "Oab")),
    *(
        _md("q", "k", "Ocd"),
        _md("Ocd", "k", "q", "I"),
        _md("Ocd", "x", "I"),
        _ms("MA", "q", "Oab", value=b""),
        _ms("ME", "q", "k"),
    ),
    *(_md("q", "Cany", "Ocd"), _mg("c"), _ms("Cany", "q", "k")),
)

BOUNDS = {
    "small": (Scene(_MARKS, 1), Scene(_UNIQUES, 0), Scene((*_WORDS, _ms("T1")), 1, 1), Scene(_PLAIN, 0, 1, _PLAIN)),
    "standard": (
        Scene((*_MARKS, *_UNIQUES, *_WORDS), 3, 3),
        Scene((*_CORE, _md("I", "Cseen")), 1, 2, (*_PLAIN, Op("get"), Op("set", value=b"2"))),
    ),
    "large": (
        Scene((*_MARKS, *_UNIQUES, *_WORDS), 8, 4),
        Scene((*_MARKS, *_UNIQUES), 2, 3, (*_PLAIN, Op("get"), Op("set", value=b"2"))),
    ),
}
"""What is explored at each size: scenes, of which each has a first state of its own."""

MODEL = Model(
    "meta",
    "the marks of the meta protocol under every interleaving of whole requests of two or three connections on one or "
    "two keys: mg with N R T c t v k O q, md with I T x C q, ms with T C I E M q, set get touch and delete between",
    Design(),
    BOUNDS,
    build,
    LAWS,
    PLANTS,
    show,
)
