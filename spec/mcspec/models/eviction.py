"""The eviction order under every sequence of stores, uses and deletions: who goes when a slab class has no room.

Theory of operation
-------------------
A state is an order as the functions of `lru` made it, the clock, and an account of each key: when it was stored, how
often it was fetched, and when it took its place. A store into a class that has no room is a move for each item that may
go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from mcspec import lru
from mcspec.arith import Span
from mcspec.explore import Move, System
from mcspec.lru import Order, Policy, Stored
from mcspec.models import Model
from mcspec.models.eviction_laws import KEYS, LAWS, Deed, Op, Scene, State, broken, follow
from mcspec.models.eviction_plants import PLANTS


class Act(Move):
    """A move, and the clauses that it breaks."""

    breaks: frozenset[str]


class Design(NamedTuple):
    """The functions that the model calls."""

    stored: Callable[..., tuple[Stored, ...]] = lru.stored
    used: Callable[[Order, bytes, str, Span, Policy], tuple[Order, ...]] = lru.used
    dropped: Callable[[Order, bytes], Order] = lru.dropped


# ------------------------------------------------------------------------------------------------ the system


def _described(op: Op, end: Stored) -> str:
    key = KEYS[op.key].decode()
    if op.word != "set":
        return f"{op.word} {key}"
    gone = " and ".join(one.decode() for one in end.evicted)
    said = "refused" if end.refused else f"evicts {gone}" if gone else "stored"
    return f"set {key} in class {op.slab}: {said}"


_TICK = Op("tick")


class Stage:
    """The scenes under a design."""

    def __init__(self, scenes: tuple[Scene, ...], design: Design) -> None:
        self.scenes, self.design = scenes, design
        self.acts: dict[tuple[Op, str, frozenset[str]], Act] = {}

    def ends(self, scene: Scene, state: State, op: Op) -> tuple[Stored, ...]:
        """Every allowed end of an operation."""
        key, now = KEYS[op.key], Span(state.clock, state.clock)
        if op.word == "set":
            return self.design.stored(state.order, key, op.slab, now, scene.policy, room=scene.rooms[op.slab])
        if op.word == "delete":
            return (Stored(self.design.dropped(state.order, key)),)
        return tuple(Stored(order) for order in self.design.used(state.order, key, op.word, now, scene.policy))

    def moves(self, state: State) -> Iterator[tuple[Move, State]]:
        """Every move of a client, and of the clock."""
        scene = self.scenes[state.scene]
        for key in range(scene.keys):
            there = state.account[key] is not None
            ops = [Op("set", key, slab) for slab in range(len(scene.rooms))]
            ops += [Op(word, key) for word in (*scene.words, "delete") if there]
            for op in ops:
                ends = self.ends(scene, state, op)
                choices = frozenset(KEYS.index(one) for end in ends for one in end.evicted)
                for end in ends:
                    account = follow(scene, state, op, end)
                    deed = Deed(scene, state, op, end, choices, account)
                    yield self.act(op, end, deed), State(state.scene, end.order, account, state.clock)
        if state.clock < scene.clock:
            yield self.act(_TICK, Stored(()), None), state._replace(clock=state.clock + 1)

    def act(self, op: Op, end: Stored, deed: Deed | None) -> Act:
        """The move, which carries the laws that it breaks."""
        breaks = broken(deed) if deed else frozenset()
        text = "a second passes" if op is _TICK else _described(op, end)
        known = (op, text, breaks)
        if known not in self.acts:
            source, wire = ("clock", ("advance", 1)) if op is _TICK else ("client", ())
            act = self.acts[known] = Act(source, "server", text, wire)
            act.breaks = breaks
        return self.acts[known]


def build(scenes: tuple[Scene, ...], design: Design) -> System:
    """The scenes side by side."""
    starts = tuple(State(number, (), (None,) * scene.keys, 0) for number, scene in enumerate(scenes))
    return System(starts, Stage(scenes, design).moves)


def show(state: State) -> str:
    """The order, the clock."""
    uses = ("", " used once", " used often")
    places = [f"{p.key.decode()} (class {p.slab}, since {p.since.lo}{uses[p.uses]})" for p in state.order]
    return f"second {state.clock}: " + (", ".join(places) or "nothing")


_FLAT, _SEGMENTED = Policy(segmented=False, bump=1), Policy(segmented=True, bump=0)
_FULL = Policy(evictions=False)

BOUNDS = {
    "small": (
        Scene(_FLAT, rooms=(3,), clock=2, words=("get", "me")),
        Scene(_SEGMENTED, clock=1),
        Scene(_SEGMENTED, rooms=(1, 1), words=("get",)),
        Scene(_FULL),
    ),
    "standard": (
        Scene(_FLAT, 3, (3,), 2),
        Scene(_FLAT, 3, (3,), 4, ("incr", "me")),
        Scene(_FLAT, 4, (3,), 2, ("incr",)),
        Scene(_FLAT, 3, (2, 1), 2, ("get",)),
        Scene(_SEGMENTED, 3, (3,), 1),
        Scene(_SEGMENTED, 4, (3,)),
        Scene(_SEGMENTED, 4, (2, 1), words=("get",)),
        Scene(_FULL, 3, (2, 1), 1),
    ),
    "large": (
        Scene(_FLAT, 3, (3,), 6),
        Scene(_FLAT, 4, (3,), 4),
        Scene(_SEGMENTED, 4, (3,), 1),
        Scene(_FLAT, 4, (2, 1), 3),
        Scene(_SEGMENTED, 4, (2, 2)),
        Scene(_FULL, 4, (2, 2)),
    ),
}
"""What is explored at each size: scenes, of which each has a first state of its own."""

MODEL = Model(
    "eviction",
    "the eviction order under every sequence of set, delete, get, incr and me of up to four keys in up to two slab "
    "classes with room for up to three items: a flat order with seconds 0 to 4, a segmented one, and one under -M",
    Design(),
    BOUNDS,
    build,
    LAWS,
    PLANTS,
    show,
)
