"""The eviction order: what released servers evicted is what the specification permits, and no other order would do."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcspec import lru
from mcspec.arith import Span
from mcspec.lru import Order, Place, Policy

DATA = Path(__file__).resolve().parents[1] / "data"
RELEASES = ("1.6.18", "1.6.45")
SLAB = 1
POLICIES = {"flat": Policy(segmented=False), "segmented": Policy()}


def recorded(release: str, mode: str) -> list[dict[str, Any]]:
    lines = (DATA / f"lru-{release}-{mode}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def moment(step: dict[str, Any]) -> Span:
    """When it happened on a clock of whole seconds, whose phase nobody knows."""
    began, ended = step["at"]
    return Span(int(began) - 1, int(ended) + 1)


def permits(steps: list[dict[str, Any]], policy: Policy, stored: Any = lru.stored, used: Any = lru.used) -> str | None:
    """The first eviction that is not permitted; None if all are. The first shows how much room there is."""
    orders: set[Order] = {()}
    room = len(steps)
    for number, step in enumerate(steps):
        key, now, gone = step["key"].encode(), moment(step), tuple(one.encode() for one in step["gone"])
        before, orders = orders, set()
        for order in before:
            room = min(room, len(order)) if gone else room
            if step["do"] == "set":
                ends = stored(order, key, SLAB, now, policy, room=room)
                orders |= {end.order for end in ends if tuple(k for k in end.evicted if k != key) == gone}
            elif not gone:
                orders |= set(used(order, key, step["do"], now, policy))
        if not orders:
            return f"step {number}: {step['do']} {step['key']} evicted {step['gone']}"
    return None


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("mode", POLICIES)
def test_what_released_servers_evicted_is_permitted(release: str, mode: str) -> None:
    steps = recorded(release, mode)
    assert sum(bool(step["gone"]) for step in steps) > 40
    assert permits(steps, POLICIES[mode]) is None


def moves_at_once(order: Order, key: bytes, word: str, now: Span, policy: Policy) -> tuple[Order, ...]:
    return lru.used(order, key, word, now, policy._replace(bump=-10))


def never_moves(order: Order, key: bytes, word: str, now: Span, policy: Policy) -> tuple[Order, ...]:
    return lru.used(order, key, word, now, policy._replace(bump=10**6))


def looks_count(order: Order, key: bytes, _word: str, now: Span, policy: Policy) -> tuple[Order, ...]:
    return lru.used(order, key, "get", now, policy)


def newest_goes(order: Order, slab: int, _policy: Policy) -> tuple[bytes, ...]:
    return tuple(place.key for place in order if place.slab == slab)[-1:]


def stays_in_place(order: Order, key: bytes, slab: int, now: Span) -> Order:
    at = next((index for index, place in enumerate(order) if place.key == key), len(order))
    return (*order[:at], Place(key, slab, now), *order[at + 1 :])


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize(
    ("mode", "bug"),
    [
        ("flat", {"used": moves_at_once}),
        ("flat", {"used": never_moves}),
        ("flat", {"used": looks_count}),
        ("flat", {"stored": partial(lru.stored, chooses=newest_goes)}),
        ("flat", {"stored": partial(lru.stored, places=stays_in_place)}),
        ("segmented", {"stored": partial(lru.stored, chooses=newest_goes)}),
        ("segmented", {"stored": partial(lru.stored, places=stays_in_place)}),
    ],
)
def test_other_rules_permit_something_else(release: str, mode: str, bug: dict[str, Any]) -> None:
    """The recordings tell the rules apart: with any of them changed, some eviction is not permitted."""
    assert permits(recorded(release, mode), POLICIES[mode], **bug) is not None


@pytest.mark.parametrize("release", RELEASES)
def test_the_two_orders_are_told_apart(release: str) -> None:
    assert permits(recorded(release, "segmented"), POLICIES["flat"]) is not None
    assert permits(recorded(release, "flat"), POLICIES["segmented"]) is not None


keys = st.sampled_from((b"a", b"b", b"c", b"d"))
events = st.lists(st.tuples(keys, st.sampled_from(("set", "get", "incr", "me")), st.integers(0, 40)), max_size=25)


@given(events, st.booleans(), st.integers(0, 3))
def test_what_an_exact_clock_allows_a_window_allows(history: list[Any], segmented: bool, early: int) -> None:  # noqa: FBT001
    """Whoever knows a moment to some seconds only must allow whatever the order may be."""
    policy = Policy(segmented=segmented)
    exact: Order = ()
    windowed: set[Order] = {()}
    clock = 0
    for key, word, seconds in history:
        clock += seconds
        now, window = Span(clock, clock), Span(clock - early, clock + 3 - early)
        if word == "set":
            exact = lru.placed(exact, key, SLAB, now)
            windowed = {lru.placed(order, key, SLAB, window) for order in windowed}
        else:
            (exact,) = lru.used(exact, key, word, now, policy)
            windowed = {after for order in windowed for after in lru.used(order, key, word, window, policy)}
        shapes = {tuple((place.key, place.uses) for place in order) for order in windowed}
        assert tuple((place.key, place.uses) for place in exact) in shapes


def test_an_item_of_another_class_never_goes() -> None:
    order = lru.placed(lru.placed((), b"a", 1, Span(0, 0)), b"b", 2, Span(0, 0))
    assert lru.may_evict(order, 2, Policy()) == (b"b",)
    assert lru.may_evict(order, 3, Policy()) == ()
    assert lru.may_evict(order, 2, Policy(evictions=False)) == ()
    (end,) = lru.stored(order, b"c", 2, Span(1, 1), Policy(evictions=False), room=1)
    assert (end.refused, end.order) == (True, order)
