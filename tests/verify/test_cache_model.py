"""What the cache model leaves out makes no difference: canonical caches, one clock for a span, wire for words."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest

from mcspec import Event, Happening, Rules, Unique, World, step
from mcspec.arith import Span
from mcspec.cache import Cache
from mcspec.explore import Kind, Law, explore, replay
from mcspec.models import planted
from mcspec.models.cache import BOUNDS, MODEL, Scene, Stage, build
from mcspec.models.cache_account import STALE, Held, Op, Outcome
from mcspec.models.cache_steps import canonical, empty, guess, perform

SCENES = {f"{name}-{number}": scene for name in ("small", "standard") for number, scene in enumerate(BOUNDS[name])}


def canon(stage: Stage, held: Cache, clock: int) -> tuple[Cache, dict[int, int]]:
    return canonical(held, clock, stage.terms, uniques=stage.uniques, returns=False)


def ends(stage: Stage, held: Cache, op: Op, clock: int) -> dict[tuple[Outcome, Cache], Cache]:
    """The outcomes of an operation, with the canonical cache after each; cas uniques under their canonical names."""
    found = {}
    for outcome, after in perform(held, op, Span(clock, clock), stage.rules):
        representative, names = canon(stage, after, clock)
        shown = outcome
        if op.word == "gets" and outcome.number:
            shown = outcome._replace(number=names[outcome.number])
        found[shown, representative] = after
    return found


def operations(stage: Stage, held: Cache, twin: Cache, names: dict[int, int]) -> Iterator[tuple[Op, Op]]:
    """Each operation on a cache, and the same on its canonical twin: a cas unique has another number there."""
    for op in stage.operations:
        yield op, op
        if op.word == "cas":
            for unique, name in {STALE: STALE, **names}.items():
                yield op._replace(unique=unique), op._replace(unique=name)
            item, other = held.items.find(op.key), twin.items.find(op.key)
            if item and other and other.cas:
                yield op._replace(unique=guess(item.cas)), op._replace(unique=guess(other.cas))


@pytest.mark.parametrize("name", SCENES)
def test_a_canonical_cache_behaves_like_those_it_stands_for(name: str) -> None:
    """Side by side: a cache as it grew, and its canonical twin. They allow the same, and stay twins."""
    dice = random.Random(name)
    stage = Stage(SCENES[name], Rules())
    compared = 0
    for _ in range(10):
        held, clock = empty(), 0
        for _ in range(12):
            twin, names = canon(stage, held, clock)
            assert canon(stage, twin, clock)[0] == twin
            if clock < stage.scene.clock and dice.random() < 0.2:
                clock += 1
                assert canon(stage, held, clock)[0] == canon(stage, twin, clock)[0]
                continue
            onward = []
            for op, same in operations(stage, held, twin, names):
                allowed = ends(stage, held, op, clock)
                assert set(allowed) == set(ends(stage, twin, same, clock)), (held, op)
                onward += allowed.values()
                compared += 1
            held = dice.choice(onward)
    assert compared > 500


def test_a_connection_remembers_what_it_saw_itself() -> None:
    system = build(BOUNDS["small"], Rules())
    seen = [
        ("client 1", "server", "set a 0 0 1 '1': stored"),
        ("client 2", "server", "gets a: '1' with flags 0"),
    ]
    stores = "cas a 0 0 1 '1', the unique it saw: stored"
    older = "cas a 0 0 1 '1', an older unique: exists"
    for client, text, taken in (("2", stores, 3), ("1", stores, 2), ("2", older, 2), ("1", older, 3)):
        assert replay(system, [*seen, (f"client {client}", "server", text)]).taken == taken


@pytest.mark.parametrize("early", [0, 1])
def test_what_an_exact_clock_allows_a_span_allows(early: int) -> None:
    """The model's clock is exact. Whoever knows a moment to a second only must allow whatever it may have been."""
    dice = random.Random(early)
    words = ("get", "set", "add", "replace", "touch", "gat", "delete")
    stage = Stage(SCENES["standard-2"]._replace(words=words, delays=(0, 1, 2, 3, -1)), Rules())
    wider = 0
    for _ in range(300):
        held, clock = empty(), 0
        worlds = {held}
        for _ in range(14):
            if dice.random() < 0.3:
                clock += 1
                continue
            op = dice.choice(stage.operations)
            outcome, held = dice.choice(perform(held, op, Span(clock, clock), stage.rules))
            span = Span(clock - early, clock - early + 1)
            allowed = [end for world in worlds for end in perform(world, op, span, stage.rules)]
            worlds = {after for shown, after in allowed if shown == outcome}
            assert worlds, (op, outcome)
            wider += len({shown for shown, _ in allowed}) > 1
    assert wider > 100


WORDS = {
    ("touch", "found"): b"TOUCHED\r\n",
    ("flush_all", "ok"): b"OK\r\n",
    ("incr", "non numeric"): b"CLIENT_ERROR cannot increment or decrement non-numeric value\r\n",
    ("decr", "non numeric"): b"CLIENT_ERROR cannot increment or decrement non-numeric value\r\n",
}


def reply(text: str) -> bytes:
    """The bytes that the words of a move stand for; `*` for a cas unique."""
    command, _, said = text.rpartition(": ")
    word, *rest = command.split()
    if word in ("get", "gets", "gat"):
        if said == "not found":
            return b"END\r\n"
        value, _, flags = said.partition(" with flags ")
        inside = value[1:-1].encode()
        unique = b" *" if word == "gets" else b""
        head = b"VALUE %s %s %d%s" % (rest[-1].encode(), flags.encode(), len(inside), unique)
        return head + b"\r\n" + inside + b"\r\nEND\r\n"
    if said.isdigit():
        return said.encode() + b"\r\n"
    return WORDS.get((word, said)) or said.upper().replace(" ", "_").encode() + b"\r\n"


def sent(outcome: Any) -> bytes:
    return b"".join(b"*" if isinstance(p, Unique) else p for owed in outcome.owed for p in owed.pieces)


def opened(*connections: int) -> World:
    world = World()
    for connection in connections:
        world = step(world, Happening(connection, Event.CONNECT), Span(0, 0), Rules())[0].world
    return world


@pytest.mark.parametrize("name", [name for name in SCENES if not SCENES[name].terms.memory])
def test_wire_is_what_the_words_say(name: str) -> None:
    """Walks of moves that a client can do: the whole specification, with its real limits, allows each reply."""
    dice = random.Random(name)
    stage = Stage(SCENES[name], Rules())
    replies = set()
    for _ in range(30):
        state, clock = stage.start(), 0
        worlds = {opened(1, 2)}
        for _ in range(15):
            move, state = dice.choice([(m, after) for m, after in stage.moves(state) if m.wire])
            if move.wire[0] == "advance":
                clock += move.wire[1]
                continue
            _, connection, data = move.wire
            happening = Happening(connection, Event.DATA, data)
            outcomes = [o for w in worlds for o in step(w, happening, Span(clock, clock), Rules())]
            expected = reply(move.text)
            replies.add(expected)
            worlds = {o.world for o in outcomes if sent(o) == expected}
            assert worlds, (move.text, {sent(o) for o in outcomes})
    assert len(replies) > 5


REACHED = {
    "get": "FOUND NOT_FOUND",
    "gets": "FOUND NOT_FOUND",
    "gat": "FOUND NOT_FOUND",
    "touch": "FOUND NOT_FOUND",
    "set": "STORED TOO_LARGE NO_MEMORY",
    "add": "STORED NOT_STORED TOO_LARGE NO_MEMORY",
    "replace": "STORED NOT_STORED NO_MEMORY",
    "append": "STORED NOT_STORED TOO_LONG TOO_LARGE NO_MEMORY",
    "prepend": "STORED NOT_STORED TOO_LONG",
    "cas": "STORED EXISTS NOT_FOUND",
    "incr": "COUNTED NON_NUMERIC NOT_FOUND",
    "decr": "COUNTED NON_NUMERIC NOT_FOUND",
    "delete": "DELETED NOT_FOUND",
    "flush_all": "OK",
    "tick": "OK",
}


@pytest.mark.slow
def test_every_outcome_is_reached() -> None:
    scenes = [*BOUNDS["small"], *(scene for scene in BOUNDS["standard"] if scene.clock < 2)]
    system = build(tuple(scenes), Rules())
    seen = explore(system, ())
    assert seen.complete
    acts = [act for start in system.starts for act in start.core.stage.acts]
    reached: dict[str, set[str]] = {}
    for op, outcome, _ in acts:
        reached.setdefault(op.word, set()).add(outcome.status)
    assert reached == {word: set(statuses.split()) for word, statuses in REACHED.items()}
    matched = {op.unique for op, outcome, _ in acts if op.word == "cas" and outcome.status == "STORED"}
    assert {unique % 10 for unique in matched} == {0, 5}  # one that was seen, and one that was guessed


def test_what_was_stored_is_missed_where_it_may_be_evicted_only() -> None:
    def kept(before: Any, move: Any, _after: Any) -> bool:
        return not (isinstance(before.core.account.slots[0], Held) and move.text == "get a: not found")

    law = Law("law.test.kept", Kind.MOVE, "What is held is found.", kept)
    evicting = [scene for scene in BOUNDS["standard"] if scene.terms.memory and scene.terms.evictions]
    refusing = [scene for scene in BOUNDS["standard"] if scene.terms.memory and not scene.terms.evictions]
    assert explore(build(tuple(evicting), Rules()), [law]).broken
    assert not explore(build(tuple(refusing), Rules()), [law]).broken


def test_a_trace_tells_the_story() -> None:
    model = MODEL
    system = model.build(model.bounds["small"], planted(model, "a store leaves the cas unique"))
    violation = explore(system, model.laws, stop="law.cache.unique-new").broken["law.cache.unique-new"]
    told = [f"{s.move.source}: {s.move.text}" for s in violation.steps]
    assert told == [
        "client 1: set a 0 0 1 '1': stored",
        "client 1: gets a: '1' with flags 0",
        "client 1: set a 0 0 1 '1': stored",
        "client 1: gets a: '1' with flags 0",
    ]
    assert model.show(violation.steps[1].state) == "a is '1' flags 0 unique 10, b: nothing, second 0, client 1 saw 10"
    assert [s.move.wire for s in violation.steps][:2] == [
        ("send", 1, b"set a 0 0 1\r\n1\r\n"),
        ("send", 1, b"gets a\r\n"),
    ]


def within(small: Scene, large: Scene) -> bool:
    """Whether a scene explores all that the smaller one does."""
    lists = ("words", "values", "exptimes", "touches", "delays", "keys")
    parts = all(set(getattr(small, name)) <= set(getattr(large, name)) for name in lists)
    counts = not {"incr", "decr"} & set(small.words) or (
        small.terms.counter == large.terms.counter and set(small.deltas) <= set(large.deltas)
    )
    short = (small.terms.memory > 0) == (large.terms.memory > 0) and small.terms.evictions == large.terms.evictions
    return parts and counts and short and small.clock <= large.clock and small.connections <= large.connections


@pytest.mark.parametrize(("smaller", "larger"), [("small", "standard"), ("standard", "large")])
def test_larger_bounds_leave_nothing_out(smaller: str, larger: str) -> None:
    for scene in BOUNDS[smaller]:
        assert any(within(scene, other) for other in BOUNDS[larger]), scene
