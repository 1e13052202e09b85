"""The cache under every interleaving of its operations: items, cas uniques, deadlines, flushes, counters, memory.

Theory of operation
-------------------
A state is a core and, for each connection, the cas unique that it saw last. A core is the specification's own cache
made canonical, the clock, and the account that the laws read. What an operation does depends on the core alone, so it
is worked out, and judged, once for each core: a move carries the laws that its step breaks. Cores are interned: two
that are equal are one object.

A connection is more than its name only where it remembers a cas unique; what depends on no memory is done by the first
connection alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from mcspec.arith import Span
from mcspec.cache import Cache
from mcspec.explore import Move, System
from mcspec.models import Model
from mcspec.models.cache_account import (
    FOREVER,
    ITEM,
    KEYS,
    NO_FLUSH,
    RELATIVE,
    STALE,
    Account,
    Held,
    Op,
    Outcome,
    Terms,
    follow,
    renamed,
    size,
)
from mcspec.models.cache_laws import LAWS, Deed, broken
from mcspec.models.cache_plants import PLANTS
from mcspec.models.cache_steps import canonical, empty, guess, perform
from mcspec.rules import Rules

SHARED = frozenset(("gets", "cas", "set"))
"""The words that both connections use; of the others the first connection speaks for both."""


TICK = Op("tick")


class Scene(NamedTuple):
    """What is explored together: per key the words that are used on it, and what they say.

    `values` are values with their flags; `exptimes` those of storage commands, `touches` those of touch and gat;
    `clock` the last second; `connections` how many there are: two where cas uniques are seen, else one.
    """

    words: tuple[str, ...]
    values: tuple[tuple[bytes, int], ...] = ((b"1", 0),)
    exptimes: tuple[int, ...] = (0,)
    touches: tuple[int, ...] = ()
    delays: tuple[int, ...] = ()
    deltas: tuple[int, ...] = (1, 3)
    clock: int = 0
    terms: Terms = Terms()
    connections: int = 1
    keys: tuple[bytes, ...] = KEYS


class Act(Move):
    """A move, and the clauses that it breaks."""

    breaks: frozenset[str]


class Core:
    """A cache, its account and the clock, on a stage; equal to itself only, since there is one of each."""

    __slots__ = ("account", "cache", "clock", "plain", "recalled", "stage")

    def __init__(self, stage: Stage, cache: Cache, account: Account, clock: int) -> None:
        self.stage, self.cache, self.account, self.clock = stage, cache, account, clock
        self.plain: tuple[Step, ...] | None = None
        self.recalled: dict[int, tuple[Step, ...]] = {}


class Step(NamedTuple):
    """One outcome of an operation: the core after it, the new names of cas uniques, the one shown (0: none), the moves.

    There is a move for each connection that the operation is explored for.
    """

    core: Core
    names: dict[int, int]
    shown: int
    acts: tuple[Act, ...]


class State(NamedTuple):
    """A core, and the cas unique that each connection saw last (STALE: of an item that is gone)."""

    core: Core
    seen: tuple[int, ...]


# ------------------------------------------------------------------------------------------------ operations


def _on_key(scene: Scene, word: str, key: bytes) -> list[Op]:
    """The operations of a word on a key; of cas those whose unique is no memory of the client: 0 and a guess."""
    (first, flags), (last, last_flags) = scene.values[0], scene.values[-1]
    if word in ("touch", "gat"):
        return [Op(word, key, number=exptime) for exptime in scene.touches]
    if word in ("incr", "decr"):
        return [Op(word, key, number=delta) for delta in scene.deltas]
    if word == "set":
        return [Op(word, key, value, flag, exptime) for value, flag in scene.values for exptime in scene.exptimes]
    if word in ("add", "replace"):
        return [Op(word, key, first, flags, exptime) for exptime in scene.exptimes[:2]]
    if word == "append":
        return [Op(word, key, b" ", 1 - last_flags, -1)]
    if word == "prepend":
        return [Op(word, key, b"x", 1 - last_flags, -1)]
    if word == "cas":
        return [Op(word, key, last, last_flags)]
    if word == "size":
        too_large = b"1" * (ITEM - size(b"") + 1)
        return [Op("set", key, b"1 ", flags), *(Op(mode, key, too_large, flags) for mode in ("set", "add", "append"))]
    return [Op(word, key)]


# ------------------------------------------------------------------------------------------------ words and wire


def _which(unique: int) -> str:
    """A cas unique in words: its number is the model's own."""
    if unique in (0, STALE):
        return "an older unique" if unique else "0"
    return "an unseen unique" if unique % 10 else "the unique it saw"


def _command(op: Op) -> str:
    """The command line."""
    key = op.key.decode()
    if op.value:
        return f"{op.word} {key} {op.flags} {op.number} {len(op.value)}"
    if op.word == "gat":
        return f"gat {op.number} {key}"
    return " ".join([op.word, *([key] if key else []), *([str(op.number)] if op.word in _NUMBERED else [])])


_NUMBERED = frozenset(("touch", "incr", "decr", "flush_all"))


def _reply(outcome: Outcome) -> str:
    if outcome.value:
        return f"{outcome.value.decode()!r} with flags {outcome.flags}"
    return str(outcome.number) if outcome.status == "COUNTED" else outcome.status.replace("_", " ").lower()


def _described(connection: int, op: Op, outcome: Outcome, terms: Terms) -> tuple[str, str, str, tuple[Any, ...]]:
    """The fields of a move. `wire` is empty where a real server has other limits, or a cas unique of its own."""
    if op is TICK:
        return "clock", "server", "a second passes", ("advance", 1)
    line = _command(op)
    words = f"{line} {op.value.decode()!r}" if op.value else line
    if op.word == "cas":
        words, line = f"{words}, {_which(op.unique)}", f"{line} {op.unique}"
    absolute = op.word not in ("incr", "decr") and op.number > RELATIVE
    wrapped = op.word == "incr" and outcome.status == "COUNTED" and outcome.number < op.number
    shrunk = absolute or wrapped or terms.memory > 0 or outcome.status in ("TOO_LARGE", "TOO_LONG", "nothing")
    wire = line.encode() + b"\r\n" + (op.value + b"\r\n" if op.value else b"")
    own = shrunk or (op.word == "cas" and op.unique)
    return f"client {connection}", "server", f"{words}: {_reply(outcome)}", () if own else ("send", connection, wire)


# ------------------------------------------------------------------------------------------------ the system


class Stage:
    """A scene under a design: its cores, its moves and their steps."""

    def __init__(self, scene: Scene, design: Rules) -> None:
        limits = design.limits._replace(
            item_header=0, item_cas=0, item_flags=0, item=ITEM, relative=RELATIVE, counter=scene.terms.counter
        )
        limits = limits._replace(memory=scene.terms.memory or limits.memory)
        self.rules = design._replace(limits=limits, evictions=scene.terms.evictions)
        self.scene, self.terms = scene, scene.terms
        self.uniques = scene.connections > 1
        flushes = [Op("flush_all", number=delay) for delay in scene.delays]
        self.operations = [
            *(op for word in scene.words for key in scene.keys for op in _on_key(scene, word, key)),
            *flushes,
        ]
        self.cores: dict[tuple[Cache, Account, int], Core] = {}
        self.same = {unique: unique for unique in (STALE, 10, 20, 30, 40)}
        self.names: dict[tuple[tuple[int, int], ...], dict[int, int]] = {}
        self.acts: dict[tuple[Op, Outcome, frozenset[str]], tuple[Act, ...]] = {}

    def start(self) -> State:
        """Nothing stored; the connections remember a cas unique of long ago."""
        core, _ = self.core(empty(), Account(), 0)
        return State(core, (STALE,) * self.scene.connections if self.uniques else ())

    def core(self, cache: Cache, account: Account, clock: int) -> tuple[Core, dict[int, int]]:
        """The core that stands for these, and the new names of cas uniques."""
        returns = self.rules.traits.flush_returns == "may"
        cache, names = canonical(cache, clock, self.terms, uniques=self.uniques, returns=returns)
        account = renamed(account if self.uniques else account._replace(newest=-1), names)
        key = (cache, account, clock)
        core = self.cores.get(key)
        if core is None:
            core = self.cores[key] = Core(self, *key)
        return core, self.names.setdefault(tuple(names.items()), names)

    def moves(self, state: State) -> Iterator[tuple[Move, State]]:
        """Every move of every connection, and of the clock."""
        core, seen = state
        plain: Iterable[Step] | None = core.plain
        if plain is None:
            plain = (step for op in self.plain(core) for step in self.steps(core, op))
            if self.uniques:  # other states, in which the connections remember other uniques, have this core too
                plain = core.plain = tuple(plain)
        for step in plain:
            for connection, act in enumerate(step.acts):
                yield act, _after(step, seen, connection)
        for connection, unique in enumerate(seen):
            steps = core.recalled.get(unique)
            if steps is None:
                steps = core.recalled[unique] = tuple(
                    step
                    for op in self.operations
                    if op.word == "cas" and not op.unique
                    for step in self.steps(core, op._replace(unique=unique))
                )
            for step in steps:
                yield step.acts[connection], _after(step, seen, connection)

    def plain(self, core: Core) -> Iterator[Op]:
        """The operations that need no memory: of cas those with 0 and with a number that nobody has seen."""
        for op in self.operations:
            yield op
            if op.word == "cas":
                item = core.cache.items.find(op.key)
                yield op._replace(unique=guess(item.cas if item and item.cas else 1))
        if core.clock < self.scene.clock:
            yield TICK

    def steps(self, core: Core, op: Op) -> Iterator[Step]:
        """Every outcome of an operation, judged."""
        clock = core.clock
        if op is TICK:
            clock += 1
            ends = [(Outcome("OK"), core.cache)]
        else:
            ends = perform(core.cache, op, Span(clock, clock), self.rules) or [(Outcome("nothing"), core.cache)]
        for outcome, cache in ends:
            account = follow(core.account, op, outcome, clock, self.terms)
            if cache is core.cache and account == core.account and op is not TICK:
                after, names = core, self.same
            else:
                after, names = self.core(cache, account, clock)
            breaks = broken(Deed(core.account, core.cache, op, outcome, clock, account, cache, self.terms))
            shown = names.get(outcome.number, STALE) if op.word == "gets" and outcome.status == "FOUND" else 0
            yield Step(after, names, shown, self.move(op, outcome, breaks))

    def move(self, op: Op, outcome: Outcome, breaks: frozenset[str]) -> tuple[Act, ...]:
        """The moves of an operation with this outcome, built once."""
        acts = self.acts.get((op, outcome, breaks))
        if acts is None:
            connections = self.scene.connections if op.word in SHARED else 1
            made = []
            for connection in range(1, connections + 1):
                act = Act(*_described(connection, op, outcome, self.terms))
                act.breaks = breaks
                made.append(act)
            acts = self.acts[op, outcome, breaks] = tuple(made)
        return acts


def _after(step: Step, seen: tuple[int, ...], connection: int) -> State:
    """The state after a step that this connection took."""
    if not seen:
        return State(step.core, seen)
    names = step.names
    after = [names.get(unique, STALE) for unique in seen]
    if step.shown:
        after[connection] = step.shown
    return State(step.core, tuple(after))


def build(scenes: tuple[Scene, ...], design: Rules) -> System:
    """The scenes side by side: each has a first state of its own."""
    starts = tuple(Stage(scene, design).start() for scene in scenes)
    return System(starts, lambda state: state.core.stage.moves(state))


# ------------------------------------------------------------------------------------------------ bounds


def show(state: State) -> str:
    """The keys, the clock, a pending flush, and what the connections remember."""
    parts = []
    for key, slot in zip(KEYS, state.core.account.slots, strict=True):
        if isinstance(slot, Held):
            until = "" if slot.dies == FOREVER else f" until {slot.dies}"
            unique = f" unique {slot.unique}" if slot.unique else ""
            values = " or ".join(repr(value.decode()) for value in slot.values)
            parts.append(f"{key.decode()} is {values} flags {slot.flags}{until}{unique}")
        else:
            parts.append(f"{key.decode()}: {slot}")
    account = state.core.account
    parts.append(f"second {state.core.clock}")
    if account.due != NO_FLUSH:
        parts.append(f"flush due in second {account.due}")
    parts += [f"client {index} saw {unique}" for index, unique in enumerate(state.seen, 1) if unique != STALE]
    return ", ".join(parts)


_VALUES = ("get", "set", "add", "replace", "append", "prepend", "incr", "decr", "touch", "gat", "delete", "size")
_EVERY = ("gets", "cas", *_VALUES)
_PAIR = ("get", "gets", "set", "add", "replace", "cas", "touch", "delete")
_TWO = ((b"1", 0), (b"x", 1))

_TIME = Scene(
    ("get", "set", "add", "touch", "gat", "delete"),
    exptimes=(0, 1, 2, -1, 3),
    touches=(0, 1, 2, -1, 3),
    delays=(0, 1, 2, -1, 3),
    clock=4,
)
_ALONE = Scene(_EVERY, _TWO, (0, 1), (0, 2), (0, 2), clock=3, connections=2, keys=KEYS[:1])
_TOGETHER = Scene(_PAIR, _TWO, (0,), (1,), (0, 2), clock=3, connections=2)
_PRODUCT = Scene(
    ("get", "gets", "set", "cas", "incr", "append", "touch", "delete"),
    touches=(1,), delays=(0,), deltas=(1,), clock=1, connections=2,
)  # fmt: skip
_COUNTED = Scene(("gets", "set", "cas", "touch", "incr"), touches=(0,), deltas=(1,), connections=2)
_CARRY = Scene(("get", "set", "incr", "decr"), ((b"9", 0),), terms=Terms(counter=12))
_SHORT = Scene(
    ("get", "set", "add", "replace", "append", "delete", "size"), exptimes=(0, 1), clock=1, terms=Terms(memory=44)
)
_FULL = _SHORT._replace(terms=Terms(memory=44, evictions=False))

BOUNDS = {
    "small": (
        _TIME._replace(touches=(0, 1, -1), delays=(0, 2, 3, -1), clock=3, keys=KEYS[:1]),
        _COUNTED,
        Scene(_VALUES, _TWO, (0, 1), keys=KEYS[:1]),
    ),
    "standard": (_PRODUCT, _ALONE, _TOGETHER, _TIME, _COUNTED, Scene(_VALUES, _TWO), _CARRY, _SHORT, _FULL),
    "large": (
        _PRODUCT,
        _ALONE._replace(exptimes=(0, 1, 2, -1), touches=(0, 1, 2, -1, 3), delays=(0, 1, 2, 3)),
        _TOGETHER._replace(words=(*_PAIR, "incr"), exptimes=(0, 2), touches=(0, 1), deltas=(1,)),
        Scene(_VALUES, _TWO, (0, 1), (0, 2), (2,), clock=2),
        _TIME._replace(clock=6),
        _CARRY,
        *(scene._replace(terms=scene.terms._replace(memory=84), clock=2) for scene in (_SHORT, _FULL)),
    ),
}
"""What is explored at each size: scenes, of which each has a first state of its own."""

MODEL = Model(
    "cache",
    "The cache under every interleaving of its operations. Standard: two keys with get gets set cas incr append touch "
    "delete flush_all, expiry, two connections and seconds 0 and 1; one key with all operations, two connections and "
    "seconds 0 to 3; two keys with two values, get gets set add replace cas touch delete flush_all, two connections "
    "and seconds 0 to 3; two keys with every kind of exptime and delay and seconds 0 to 4; two keys with all values of "
    "at most two bytes that append, incr and the like make, and with cas beside incr, in one second; counters that "
    "wrap at 4 and at 12; memory that is short after eleven bytes, with eviction and without, and seconds 0 to 1. The "
    "clock is exact; that a span of it allows no less is tested, not explored.",
    Rules(),
    BOUNDS,
    build,
    LAWS,
    PLANTS,
    show,
)
