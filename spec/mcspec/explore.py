"""An explicit-state explorer: every state that a model can reach, breadth first, and the laws that must hold there.

Theory of operation
-------------------
A `System` is a set of first states and a function from a state to its moves. States are any hashable values; two that
are equal are one. The explorer visits states in the order of their distance from a first state, so the trace to the
first state that breaks a law is among the shortest there are. Four kinds of law are looked at:

- STATE: holds in every reachable state;
- MOVE: holds of every transition (state before, move, state after);
- REST: holds in every state that has no move: where a model may stop, and where it stops because something is wrong;
- AGAIN: from every reachable state a state in which it holds can be reached (CTL: AG EF).

Nothing is sampled: a verdict is a proof for the model at its bounds. The exploration ends at `most` states with an
incomplete result that says so, and proves nothing.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Hashable, Iterable, Sequence
from enum import Enum
from typing import Any, NamedTuple


class Move(NamedTuple):
    """What leads from a state to the next: `source` does something to `target`, in the words of `text`.

    `wire` is what a client does where the move is one that it can do to a real server: ``("open", conn)``,
    ``("send", conn, bytes)``, ``("half-close", conn)``, ``("reset", conn)`` or ``("advance", seconds)``.
    """

    source: str
    target: str
    text: str
    wire: tuple[Any, ...] = ()


class Kind(Enum):
    """When a law is looked at."""

    STATE = "in every state"
    MOVE = "at every move"
    REST = "in every state without a move"
    AGAIN = "can always be reached again"


class Law(NamedTuple):
    """A property, which is a clause: its id (`law.<model>.<name>`), when it is looked at, its words, the predicate."""

    clause: str
    kind: Kind
    text: str
    holds: Callable[..., bool]


class System(NamedTuple):
    """A model at certain bounds. `show` tells a state in words where only the system can."""

    starts: tuple[Hashable, ...]
    moves: Callable[[Any], Iterable[tuple[Move, Any]]]
    show: Callable[[Any], str] | None = None


class Step(NamedTuple):
    """One step of a trace: the move and the state after it."""

    move: Move
    state: Any


class Violation(NamedTuple):
    """The first state or move that breaks a law, with a shortest trace that leads there."""

    clause: str
    kind: Kind
    start: Any
    steps: tuple[Step, ...]


class Exploration(NamedTuple):
    """What an exploration saw. `states`, `transitions` and `depth` are numbers; `broken` is by clause."""

    states: int
    transitions: int
    depth: int
    complete: bool
    broken: dict[str, Violation]


Tick = Callable[[int, int], None]
"""Told now and then how many states and transitions there are so far."""

EVERY = 20_000
"""States between two ticks."""

_NEW, _UNSURE, _YES = range(3)


class _Search:
    """The states seen, how each was reached, and the laws that were broken."""

    def __init__(self, laws: Sequence[Law]) -> None:
        self.states: list[Any] = []
        self.number: dict[Any, int] = {}
        self.parents = array("q")
        self.via: list[Move | None] = []
        self.last: list[int] = []
        """A successor of each state, -1 if it has none: only where a law asks what can be reached again."""
        self.laws = {kind: [law for law in laws if law.kind is kind] for kind in Kind}
        self.broken: dict[str, Violation] = {}

    def add(self, state: Any, parent: int, move: Move | None) -> None:
        """Note a new state, and look at the laws that hold in every state."""
        number = self.number[state] = len(self.states)
        self.states.append(state)
        self.parents.append(parent)
        self.via.append(move)
        self.look(self.laws[Kind.STATE], number)

    def look(self, laws: list[Law], number: int) -> None:
        """Look at laws on a state."""
        for law in laws:
            if law.clause not in self.broken and not law.holds(self.states[number]):
                self.fail(law, number)

    def fail(self, law: Law, number: int, *last: Step) -> None:
        """The law is broken in that state, or by the last step from it."""
        steps = list(last)
        while (move := self.via[number]) is not None:
            steps.insert(0, Step(move, self.states[number]))
            number = self.parents[number]
        self.broken[law.clause] = Violation(law.clause, law.kind, self.states[number], tuple(steps))

    def first_without(self, law: Law, moves: Callable[[Any], Iterable[tuple[Move, Any]]]) -> int | None:
        """The first state from which no state that the law holds in can be reached.

        Of each state one successor is remembered, and following these settles nearly all. For the others all
        successors are made once more: that costs less than remembering every edge of everybody.
        """
        reaches = bytearray(_YES if law.holds(state) else _NEW for state in self.states)
        for number in range(len(reaches)):
            path = []
            while number >= 0 and reaches[number] == _NEW:
                reaches[number] = _UNSURE
                path.append(number)
                number = self.last[number]  # noqa: PLW2901
            if path and number >= 0 and reaches[number] == _YES:
                for at in path:
                    reaches[at] = _YES
        back: dict[int, list[int]] = {number: [] for number, mark in enumerate(reaches) if mark == _UNSURE}
        todo = []
        for number in back:
            for _, after in moves(self.states[number]):
                target = self.number[after]
                if reaches[target] == _YES:
                    todo.append(number)
                else:
                    back[target].append(number)
        while todo:
            number = todo.pop()
            if reaches[number] == _UNSURE:
                reaches[number] = _YES
                todo += back[number]
        lost = reaches.find(_UNSURE)
        return None if lost < 0 else lost


def explore(
    system: System, laws: Sequence[Law], *, most: int | None = None, stop: str = "", tick: Tick | None = None
) -> Exploration:
    """Visit every reachable state.

    Args:
        system: what to explore.
        laws: what to look at; of each the first violation is kept.
        most: states after which to give up.
        stop: the clause whose violation ends the exploration, for who wants nothing else.
        tick: progress.
    """
    search = _Search(laws)
    number, states, parents, via, moves = search.number, search.states, search.parents, search.via, system.moves
    state_laws, move_laws, rest_laws, again_laws = (search.laws[kind] for kind in Kind)
    find = number.get
    for start in system.starts:
        if start not in number:
            search.add(start, -1, None)
    at = transitions = depth = 0
    level_end = len(states)
    while at < len(states) and (most is None or len(states) <= most) and stop not in search.broken:
        if at == level_end:
            depth, level_end = depth + 1, len(states)
        state = states[at]
        before = transitions
        last = -1
        for move, after in moves(state):
            transitions += 1
            seen = find(after)
            if seen is None:
                # What `add` does, in place: this is the loop in which all the time goes.
                last = number[after] = len(states)
                states.append(after)
                parents.append(at)
                via.append(move)
                if state_laws:
                    search.look(state_laws, last)
            else:
                last = seen
            for law in move_laws:
                if law.clause not in search.broken and not law.holds(state, move, after):
                    search.fail(law, at, Step(move, after))
        if transitions == before and rest_laws:
            search.look(rest_laws, at)
        if again_laws:
            search.last.append(last)
        at += 1
        if tick is not None and at % EVERY == 0:
            tick(at, transitions)
    complete = at == len(states)
    if complete:
        for law in again_laws:
            lost = search.first_without(law, moves)
            if lost is not None:
                search.fail(law, lost)
    return Exploration(len(states), transitions, depth, complete, search.broken)


class Replay(NamedTuple):
    """A trace followed in a system: how many of its steps could be taken, and the states it may be in.

    `enabled` are the moves that were possible where a step was refused; empty if all were taken.
    """

    taken: int
    states: frozenset[Any]
    enabled: tuple[Move, ...]


def replay(system: System, trace: Iterable[tuple[str, str, str]]) -> Replay:
    """Follow a trace given as (source, target, text) of its moves, in every state that it may lead to."""
    states = frozenset(system.starts)
    taken = 0
    for wanted in trace:
        found, enabled = set(), {}
        for state in states:
            for move, after in system.moves(state):
                enabled[move[:3]] = move
                if move[:3] == tuple(wanted):
                    found.add(after)
        if not found:
            return Replay(taken, states, tuple(enabled.values()))
        states = frozenset(found)
        taken += 1
    return Replay(taken, states, ())
