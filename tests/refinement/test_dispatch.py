"""The hand-over of connections is that of the dispatch model: runs of the model, and recordings of the server."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

import pytest

from mcspec.dispatch import TABLE, Bounds, Command, Loop, State
from mcspec.models import planted
from mcspec.models.dispatch import MODEL
from tests.refinement.dispatch import COMMANDS, Recorded, RefusedError, Setting, ended, follow, read

EVENTS = {name: event for event, names in COMMANDS.items() for name in names}


def walk(
    random: Random, bounds: Bounds, table: tuple[Command, ...] = TABLE, most: int = 400, calm: int = 0
) -> tuple[list[Recorded], Setting, State]:
    """A random run of a table: what of it is recorded, how its server was started, and where it ended.

    For `calm` steps nobody asks the server to stop.
    """
    ranges = {"one": 1, "choice": 2, "client": bounds.clients, "worker": bounds.workers}
    moves = [(row, i, j) for row in table for i in range(ranges[row.over[0]]) for j in range(ranges[row.over[1]])]
    state = State.start(bounds.clients, bounds.workers, random.choice(bounds.limits))
    recorded: list[Recorded] = []
    for step in range(most):
        enabled = [(row, i, j) for row, i, j in moves if row.guard(state, i, j)]
        enabled = [move for move in enabled if step >= calm or move[0].name != "stop"] or enabled
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


def recordings(count: int, calm: int = 0) -> list[tuple[list[Recorded], Setting, State]]:
    """Random runs, as a server of two workers would record them."""
    return [walk(Random(seed), Bounds(5, 2, (1, 2, 3)), calm=calm) for seed in range(count)]


RUNS = recordings(300)
ENDED = [run for run in recordings(300, calm=60) if set(run[2].loops) == {Loop.EXITED}]


def test_runs_of_the_model_are_followed() -> None:
    """Whatever the model does is allowed, and every event is among it."""
    seen = set()
    for events, setting, last in RUNS:
        after = follow(events, setting)
        unread = tuple(pipe + (loop == Loop.WOKEN) for pipe, loop in zip(last.pipes, last.loops, strict=True))
        assert (after.queues, after.pipes, after.open, after.owned) == (last.queues, unread, last.open, last.owned)
        assert ended(after) == (set(last.loops) == {Loop.EXITED})
        seen |= {event.event for event in events}
    assert seen == set(COMMANDS)


def _to_its_end(events: Sequence[Recorded], setting: Setting) -> None:
    if not ended(follow(events, setting)):
        raise RefusedError("the recording ends before the server does")


@pytest.mark.parametrize("event", sorted(set(COMMANDS) - {"close", "reject", "drain", "exit"}))
def test_a_run_without_one_of_its_events_is_refused(event: str) -> None:
    """At the latest where the server ends; but a server may stop accepting unseen if it never resumes."""
    altered = 0
    for events, setting, _ in ENDED:
        last = max((at for at, one in enumerate(events) if one.event == "resume-accepting"), default=0)
        until = last if event == "stop-accepting" else len(events)
        for at in [at for at, one in enumerate(events[:until]) if one.event == event]:
            altered += 1
            with pytest.raises(RefusedError):
                _to_its_end([*events[:at], *events[at + 1 :]], setting)
    assert altered > 20


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
    if len({one.conn for one in pair} - {-1}) > 1:
        return None
    return [*events[:at], *reversed(pair), *events[at + 2 :]]


@pytest.mark.parametrize(("first", "second"), [("push", "notify"), ("accept", "push"), ("pop", "close")])
def test_what_must_come_first_comes_first(first: str, second: str) -> None:
    """Two events of the same worker and connection that follow each other, in the other order."""
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
            refused += (after.open, after.queues) != (last.open, last.queues)
        except RefusedError:
            refused += 1
    assert refused > 0


# ------------------------------------------------------------------------------------------------ the server

LIMIT = 6
SERVERS = {
    "two workers": ("-t", "2"),
    "three workers": ("-t", "3"),
    "no maxconns_fast": ("-t", "3", "-o", "no_maxconns_fast"),
}


class Running:
    """The bundled server on a socket of its own, recording."""

    def __init__(self, folder: Path, options: Sequence[str]) -> None:
        self.path, self.trace = folder / "socket", folder / "trace"
        command = [sys.executable, "-m", "mcserver", "-s", str(self.path), "-c", str(LIMIT), *options]
        self.process = subprocess.Popen([*command, "-o", f"trace_dispatch={self.trace}"], stderr=subprocess.DEVNULL)
        self.connects = 0
        self.wait(self.path.exists)

    def wait(self, came: Callable[[], bool]) -> None:
        """Wait until something has come."""
        deadline = time.monotonic() + 60
        while not came():
            assert time.monotonic() < deadline
            assert self.process.poll() is None
            time.sleep(0.005)

    def connect(self) -> socket.socket:
        """A connection, accepted or not."""
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(60)
        while True:
            try:
                client.connect(str(self.path))
            except (ConnectionRefusedError, BlockingIOError):  # it does not listen yet, or its backlog is full
                time.sleep(0.005)
            else:
                self.connects += 1
                return client

    def recorded(self, event: str) -> int:
        """How often an event was recorded so far."""
        return self.trace.read_text().count(f'"{event}"') if self.trace.exists() else 0

    def stop(self) -> tuple[Recorded, ...]:
        """Ask it to stop; what it has recorded."""
        self.process.terminate()
        assert self.process.wait(60) == 0
        return read(self.trace.read_text().splitlines())


def restless(running: Running, random: Random, *, fast: bool) -> tuple[Recorded, ...]:
    """Clients that come and go, more of them at times than are let in; half of those that are served ask something."""
    clients: list[socket.socket] = []
    for _ in range(80):
        if len(clients) < LIMIT + 2 and random.random() < 0.6:
            client = running.connect()
            if fast and random.random() < 0.5:
                client.sendall(b"version\r\n")
                if not client.recv(100).startswith(b"VERSION"):
                    client.close()
                    continue
            clients.append(client)
        elif clients:
            clients.pop(random.randrange(len(clients))).close()
    if not fast:
        clients += [running.connect() for _ in range(LIMIT + 1 - len(clients))]
        running.wait(lambda: running.recorded("stop-accepting") > 0)
        for client in clients[:-1]:
            client.close()
        running.wait(lambda: running.recorded("resume-accepting") == running.recorded("stop-accepting"))
    # All have arrived: one whose byte is read together with that of the end is closed after its worker has ended.
    running.wait(lambda: running.recorded("accept") + running.recorded("reject") == running.connects)
    running.wait(lambda: running.recorded("pop") == running.recorded("accept"))
    events = running.stop()
    for client in clients:
        client.close()
    return events


@pytest.mark.parametrize("name", SERVERS)
def test_what_the_server_records_are_steps_of_the_model(name: str, tmp_path: Path) -> None:
    """Every event is one that the model allows where it stands; without one of them, or with another, it is not."""
    fast = "no_maxconns_fast" not in SERVERS[name]
    workers = int(SERVERS[name][1])
    running = Running(tmp_path, SERVERS[name])
    try:
        events = restless(running, Random(workers), fast=fast)
    finally:
        running.process.kill()
    setting = Setting(workers, LIMIT, fast)
    assert ended(follow(events, setting))
    kinds = {event.event for event in events}
    assert kinds == set(COMMANDS) - ({"stop-accepting", "resume-accepting"} if fast else {"reject"})
    for at, event in enumerate(events):
        without = [*events[:at], *events[at + 1 :]]
        if event.event not in ("reject", "stop-accepting", "resume-accepting", "exit", "drain"):
            with pytest.raises(RefusedError):
                _to_its_end(without, setting)
        if event.worker >= 0 and event.event != "push":
            other = event._replace(worker=(event.worker + 1) % workers)
            with pytest.raises(RefusedError):
                _to_its_end([*events[:at], other, *events[at + 1 :]], setting)


def test_lines_are_events() -> None:
    assert read(['{"event": "push", "conn": 3, "worker": 1, "at": 0.5}', '{"event": "drain"}']) == (
        Recorded("push", 3, 1),
        Recorded("drain"),
    )
    for line, said in (("push", "worker"), ("pop", "conn and worker"), ("hop", "no event")):
        text = json.dumps({"event": line, **({"conn": 3} if line == "push" else {})})
        with pytest.raises(RefusedError, match=said):
            read([text])
