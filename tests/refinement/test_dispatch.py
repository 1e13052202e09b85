"""The hand-over of connections is that of the dispatch model: runs of the model, and recordings of the server."""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random

import pytest

from mcspec.dispatch import TABLE, Bounds, Command, Loop, State
from mcspec.models import planted
from mcspec.models.dispatch import MODEL
from tests.refinement.dispatch import COMMANDS, Recorded, RefusedError, Setting, ended, follow, read

EVENTS = {name: event for event, names in COMMANDS.items() for name in names}


def walk(
    random: Random, bounds: Bounds, table: tuple[Command, ...] = TABLE, most: int = 400
) -> tuple[list[Recorded], Setting, State]:
    """A random run of a table: what of it is recorded, how its server was started, and where it ended."""
    ranges = {"one": 1, "choice": 2, "client": bounds.clients, "worker": bounds.workers}
    moves = [(row, i, j) for row in table for i in range(ranges[row.over[0]]) for j in range(ranges[row.over[1]])]
    state = State.start(bounds.clients, bounds.workers, random.choice(bounds.limits))
    recorded: list[Recorded] = []
    for _ in range(most):
        enabled = [(row, i, j) for row, i, j in moves if row.guard(state, i, j)]
        if not enabled:
            break
        row, i, j = random.choice(enabled)
        event = EVENTS.get(row.name)
        if event is not None:
            recorded.append(_event(event, state, i, j))
        state = row.effect(state, i, j)
    return recorded, Setting(bounds.workers, state.limit, state.fast), state


def _event(event: str, before: State, i: int, j: int) -> Recorded:
    """The event of a command with its two indices."""
    if event in ("accept", "reject", "close"):
        return Recorded(event, i, j if event == "close" else -1)
    if event == "push":
        return Recorded(event, before.held, i)
    if event == "pop":
        return Recorded(event, before.queues[i][0], i)
    return Recorded(event, -1, i if event in ("notify", "wake", "exit") else -1)


def recordings(count: int = 300) -> list[tuple[list[Recorded], Setting, State]]:
    """Random runs, as a server of two workers would record them."""
    return [walk(Random(seed), Bounds(5, 2, (1, 2, 3))) for seed in range(count)]


RUNS = recordings()


def test_runs_of_the_model_are_followed() -> None:
    """Whatever the model does is allowed, and every event is among it."""
    seen = set()
    for events, setting, last in RUNS:
        after = follow(events, setting)
        assert (after.queues, after.pipes, after.loops, after.open) == (last.queues, last.pipes, last.loops, last.open)
        assert ended(after) == (set(last.loops) == {Loop.EXITED})
        seen |= {event.event for event in events}
    assert seen == set(COMMANDS)


@pytest.mark.parametrize("event", sorted(set(COMMANDS) - {"close", "reject", "drain", "exit"}))
def test_a_run_without_one_of_its_events_is_refused(event: str) -> None:
    """But for its last ones of a kind, after which nothing depends on it."""
    altered = refused = 0
    for events, setting, _ in RUNS:
        places = [at for at, one in enumerate(events) if one.event == event]
        for at in places[:-1]:
            altered += 1
            try:
                follow([*events[:at], *events[at + 1 :]], setting)
            except RefusedError:
                refused += 1
    assert refused == altered > 20


def _refusals(alter: Callable[[list[Recorded], int], list[Recorded] | None]) -> list[str]:
    """What is said of each run with an alteration at one place; "" if it was followed."""
    said = []
    for events, setting, _ in RUNS:
        for at in range(len(events)):
            altered = alter(events, at)
            if altered is not None:
                try:
                    follow(altered, setting)
                    said.append("")
                except RefusedError as refused:
                    said.append(str(refused))
    return said


def _exchanged(events: list[Recorded], at: int, first: str, second: str) -> list[Recorded] | None:
    pair = events[at : at + 2]
    if [one.event for one in pair] != [first, second] or len({one.worker for one in pair} - {-1}) > 1:
        return None
    return [*events[:at], *reversed(pair), *events[at + 2 :]]


@pytest.mark.parametrize(
    ("first", "second"), [("push", "notify"), ("wake", "pop"), ("accept", "push"), ("pop", "close")]
)
def test_what_must_come_first_comes_first(first: str, second: str) -> None:
    """Two events of the same worker that follow each other, in the other order."""
    said = _refusals(lambda events, at: _exchanged(events, at, first, second))
    assert len(said) > 20
    assert all(said)


def test_a_connection_goes_to_the_worker_that_was_told() -> None:
    """The byte is written to another worker's pipe, or another worker takes the connection."""
    for event in ("notify", "pop"):

        def alter(events: list[Recorded], at: int, event: str = event) -> list[Recorded] | None:
            one = events[at]
            return (
                [*events[:at], one._replace(worker=1 - one.worker), *events[at + 1 :]] if one.event == event else None
            )

        said = _refusals(alter)
        assert all(said)
        assert len(said) > 100


def test_a_connection_is_closed_once_and_by_its_worker() -> None:
    def twice(events: list[Recorded], at: int) -> list[Recorded] | None:
        return [*events[: at + 1], *events[at:]] if events[at].event == "close" else None

    def by_the_other(events: list[Recorded], at: int) -> list[Recorded] | None:
        one = events[at]
        return [*events[:at], one._replace(worker=1 - one.worker), *events[at + 1 :]] if one.event == "close" else None

    for said in (_refusals(twice), _refusals(by_the_other)):
        assert all(said)
        assert len(said) > 100


def test_one_more_than_the_limit_is_refused() -> None:
    """A run beside a limit that is one lower."""
    said = []
    for events, setting, _ in RUNS:
        try:
            follow(events, setting._replace(limit=setting.limit - 1))
        except RefusedError as refused:
            said.append(str(refused))
    assert len(said) > 100
    assert all("accept connection" in one for one in said)


@pytest.mark.parametrize(
    "name",
    [
        "push-twice",
        "take-and-leave-it-queued",
        "close-is-not-counted",
        "limit-off-by-one",
        "no-limit",
        "exit-with-a-queue",
        "wake-empties-the-pipe",
        "accept-while-stopping",
        "turn-away-too-early",
        "stop-with-a-connection-in-hand",
        "resume-after-the-end",
    ],
)
def test_a_server_with_a_planted_bug_is_refused(name: str) -> None:
    """Of its runs those are refused in which the bug shows in what is recorded."""
    table = planted(MODEL, name)
    refused = 0
    for seed in range(100):
        events, setting, last = walk(Random(seed), Bounds(5, 2, (1, 2, 3)), table)
        try:
            after = follow(events, setting)
            refused += (after.open, after.loops, after.queues) != (last.open, last.loops, last.queues)
        except RefusedError:
            refused += 1
    assert refused > 0


def test_lines_are_events() -> None:
    assert read(['{"event": "push", "conn": 3, "worker": 1, "at": 0.5}', '{"event": "drain"}']) == (
        Recorded("push", 3, 1),
        Recorded("drain"),
    )
    for line, said in (("push", "worker"), ("pop", "conn and worker"), ("hop", "no event")):
        text = json.dumps({"event": line, **({"conn": 3} if line == "push" else {})})
        with pytest.raises(RefusedError, match=said):
            read([text])
