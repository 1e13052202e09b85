"""The explorer: every state once, shortest traces, each kind of law, and replay."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcspec.explore import Exploration, Kind, Law, Move, System, explore, replay

if TYPE_CHECKING:
    from collections.abc import Iterator

Graph = dict[int, tuple[int, ...]]

graphs = st.integers(1, 12).flatmap(
    lambda size: st.lists(st.lists(st.integers(0, size - 1), max_size=3).map(tuple), min_size=size, max_size=size)
).map(lambda rows: dict(enumerate(rows)))  # fmt: skip
kinds = st.sampled_from(list(Kind))


def system(graph: Graph) -> System:
    def moves(state: int) -> Iterator[tuple[Move, int]]:
        for number, after in enumerate(graph[state]):
            yield Move("a", "b", f"{state}.{number}"), after

    return System((0,), moves)


def paths(graph: Graph, length: int) -> Iterator[tuple[int, ...]]:
    """All paths of that many moves, by brute force."""
    found: list[tuple[int, ...]] = [(0,)]
    for _ in range(length):
        found = [(*path, after) for path in found for after in graph[path[-1]]]
    yield from found


def reaches(graph: Graph, start: int, goal: set[int]) -> bool:
    seen = {start}
    while (more := {after for state in seen for after in graph[state]} - seen) and not seen & goal:
        seen |= more
    return bool(seen & goal)


def broken_at(graph: Graph, kind: Kind, bad: set[int], path: tuple[int, ...]) -> bool:
    """Whether a path leads to what breaks a law of this kind: the same definition, one path at a time."""
    end = path[-1]
    if kind is Kind.MOVE:
        return len(path) > 1 and end in bad
    if kind is Kind.REST:
        return end in bad and not graph[end]
    if kind is Kind.AGAIN:
        return not reaches(graph, end, set(graph) - bad)
    return end in bad


def look(graph: Graph, kind: Kind, bad: set[int]) -> Exploration:
    holds = (lambda _before, _move, after: after not in bad) if kind is Kind.MOVE else (lambda state: state not in bad)
    return explore(system(graph), [Law("law.test.x", kind, "", holds)])


@given(graphs, kinds, st.sets(st.integers(0, 11)))
def test_verdicts_and_shortest_traces(graph: Graph, kind: Kind, bad: set[int]) -> None:
    """Compared with all paths by brute force: a law is broken iff some path breaks it, and no shorter one does."""
    found = look(graph, kind, bad).broken.get("law.test.x")
    lengths = range(len(found.steps) + 1 if found else min(len(graph) + 1, 7))
    shortest = next((n for n in lengths if any(broken_at(graph, kind, bad, path) for path in paths(graph, n))), None)
    assert shortest == (len(found.steps) if found else None)
    if found:
        assert broken_at(graph, kind, bad, (found.start, *(step.state for step in found.steps)))


@given(graphs)
def test_every_state_and_transition_is_counted_once(graph: Graph) -> None:
    seen = look(graph, Kind.STATE, set())
    reached = {state for state in graph if reaches(graph, 0, {state})}
    assert (seen.states, seen.transitions) == (len(reached), sum(len(graph[state]) for state in reached))
    assert seen.complete


@given(st.integers(1, 6), st.integers(1, 6))
def test_depth(width: int, height: int) -> None:
    """The depth is the distance of the farthest state."""

    def moves(state: tuple[int, int]) -> Iterator[tuple[Move, tuple[int, int]]]:
        for dx, dy in ((1, 0), (0, 1)):
            if state[0] + dx < width and state[1] + dy < height:
                yield Move("a", "b", f"{dx}{dy}"), (state[0] + dx, state[1] + dy)

    seen = explore(System(((0, 0),), moves), [])
    assert (seen.states, seen.depth) == (width * height, width + height - 2)


def test_a_long_way_back() -> None:
    """A goal is reached again over thousands of states, in whatever order they were found."""
    size = 5000
    order = [(number * 1237) % size for number in range(size)]
    after = dict(zip(order, [*order[1:], order[0]], strict=True))
    fan = {0: tuple(range(size)), **{state: (after[state],) for state in range(1, size)}}
    assert not look(fan, Kind.AGAIN, set(range(1, size))).broken
    dead = {**fan, order[-1]: ()}
    assert look(dead, Kind.AGAIN, set(range(1, size))).broken


def test_giving_up_is_told() -> None:
    line = {number: (number + 1,) for number in range(100)} | {100: ()}
    seen = explore(system(line), [], most=10)
    assert (seen.complete, seen.states) == (False, 11)


@pytest.mark.parametrize(("texts", "taken", "states"), [
    (["0.0", "1.0"], 2, {2}), (["0.0", "1.1", "2.0"], 1, {1}), (["0.0"], 1, {1}), ([], 0, {0}),
])  # fmt: skip
def test_replay(texts: list[str], taken: int, states: set[int]) -> None:
    """A trace is followed as far as it can be; where it is refused, what was possible is told."""
    made = system({0: (1,), 1: (2,), 2: ()})
    followed = replay(made, [("a", "b", text) for text in texts])
    assert (followed.taken, followed.states) == (taken, states)
    assert bool(followed.enabled) == (taken < len(texts))


def test_replay_follows_every_state_that_a_move_may_lead_to() -> None:
    def moves(state: int) -> Iterator[tuple[Move, int]]:
        if state == 0:
            yield from ((Move("a", "b", "fork"), after) for after in (1, 2))
        if state == 2:
            yield Move("a", "b", "on"), 3

    assert replay(System((0,), moves), [("a", "b", "fork"), ("a", "b", "on")]).states == {3}


def test_products_are_explored_whole() -> None:
    """n independent counters have as many states as their product."""
    sizes = (3, 4, 5)

    def moves(state: tuple[int, ...]) -> Iterator[tuple[Move, tuple[int, ...]]]:
        for at, size in enumerate(sizes):
            yield Move("a", "b", str(at)), (*state[:at], (state[at] + 1) % size, *state[at + 1 :])

    seen = explore(System(((0, 0, 0),), moves), [])
    assert seen.states == len(list(product(*map(range, sizes)))) == 60
    assert seen.transitions == 180
