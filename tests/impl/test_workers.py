"""Several threads: one cache, the hand-over as it is recorded, limits, watchers and the end."""

import json
import re
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.impl.support import Running, read_to_end, talk, wait_for

Start = Callable[..., Running]
Event = dict[str, Any]


@pytest.fixture(autouse=True)
def clients_leave(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Close every connection that a test has made."""
    opened: list[socket.socket] = []
    connect = Running.connect

    def remembered(running: Running) -> socket.socket:
        opened.append(connect(running))
        return opened[-1]

    monkeypatch.setattr(Running, "connect", remembered)
    yield
    for sock in opened:
        sock.close()


@pytest.fixture
def restless() -> Iterator[Start]:
    """Start servers that switch threads as often as Python can, so that what is not locked goes wrong."""
    running: list[Running] = []

    def begin(*options: str) -> Running:
        code = "import sys; from mcserver.cli import main; sys.setswitchinterval(1e-6); sys.exit(main(sys.argv[1:]))"
        command = [sys.executable, "-c", code, "-v", "-l", "127.0.0.1", "-p", "-1", *options]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        assert process.stderr is not None
        line = process.stderr.readline()
        running.append(Running(process, line.split("listening on ")[1].strip()))
        return running[-1]

    yield begin
    for one in running:
        one.process.kill()
        one.process.wait(timeout=10)
        assert one.process.stderr is not None
        one.process.stderr.close()


def number(sock: socket.socket, name: str) -> int:
    """One number of ``stats``."""
    found = re.search(rf"STAT {name} (\d+)\r\n".encode(), talk(sock, b"stats\r\n", b"END\r\n"))
    assert found is not None
    return int(found[1])


def recorded(path: Path) -> list[Event]:
    return [json.loads(line) for line in path.read_text(encoding="ascii").splitlines()]


def follow(events: list[Event], threads: int, limit: int) -> None:
    """Go through a record: every event must be possible where it stands, and nothing be left at the end."""
    queues: list[deque[int]] = [deque() for _ in range(threads)]
    pipes = [0] * threads
    served: list[set[int]] = [set() for _ in range(threads)]
    running = set(range(threads))
    accepted: set[int] = set()  # and not handed over yet
    seen = 0
    accepting, draining = True, False
    for event in events:
        kind, conn, worker = event["event"], event.get("conn", 0), event.get("worker", 0)
        total = len(accepted) + sum(map(len, queues)) + sum(map(len, served))
        if kind in {"accept", "reject"}:
            seen += 1
            assert conn == seen
            assert accepting
            assert not draining
            assert (total < limit) == (kind == "accept")
            if kind == "accept":
                accepted.add(conn)
                if threads == 1:
                    served[worker].add(accepted.pop())
        elif kind == "push":
            accepted.remove(conn)
            queues[worker].append(conn)
        elif kind == "notify":
            pipes[worker] += 1
        elif kind == "wake":
            assert event["bytes"] == pipes[worker] > 0
            pipes[worker] = 0
        elif kind == "pop":
            assert queues[worker].popleft() == conn
            served[worker].add(conn)
        elif kind == "close":
            served[worker].remove(conn)
        elif kind == "stop-accepting":
            assert accepting
            assert total == limit
            accepting = False
        elif kind == "resume-accepting":
            assert not accepting
            accepting = True
        elif kind == "drain":
            draining = True
        else:
            assert kind == "exit"
            assert draining
            assert not served[worker]
            assert not queues[worker]
            running.remove(worker)
    assert not running
    assert not accepted


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_one_cache(restless: Start, tmp_path: Path, threads: int) -> None:
    """Nothing is lost where clients of all threads change the same items at the same time."""
    record = tmp_path / "record"
    running = restless("-t", str(threads), "-o", f"trace_dispatch={record}")
    clients = [running.connect() for _ in range(8)]
    talk(clients[0], b"set counter 0 0 1\r\n0\r\nset text 0 0 0\r\n\r\n", b"STORED\r\nSTORED\r\n")
    batch = b"incr counter 1 noreply\r\nappend text 0 0 1 noreply\r\nx\r\n" * 50

    def work(sock: socket.socket) -> None:
        for _ in range(20):
            assert talk(sock, batch + b"mn\r\n", b"MN\r\n") == b"MN\r\n"

    workers = [threading.Thread(target=work, args=(client,)) for client in clients]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    reply = talk(clients[0], b"get counter text\r\n", b"END\r\n")
    assert reply == b"VALUE counter 0 4\r\n8000\r\nVALUE text 0 8000\r\n" + b"x" * 8000 + b"\r\nEND\r\n"
    assert number(clients[3], "threads") == threads
    assert number(clients[4], "curr_connections") == 8
    assert number(clients[5], "incr_hits") == 8000
    assert number(clients[6], "cmd_set") == 8002
    shown = talk(clients[7], b"stats conns\r\n", b"END\r\n")
    assert shown.count(b":state conn_read\r\n") == 7
    assert shown.count(b":state conn_parse_cmd\r\n") == 1
    for client in clients:
        client.close()
    assert running.stop() == 0
    events = recorded(record)
    follow(events, threads, 1024)
    kinds = [event["event"] for event in events]
    assert kinds.count("accept") == kinds.count("close") == 8
    assert kinds.count("pop") == kinds.count("push") == (8 if threads > 1 else 0)
    if threads > 1:  # in turn
        assert [event["worker"] for event in events if event["event"] == "push"] == [at % threads for at in range(8)]


@pytest.mark.parametrize("threads", ["1", "3"])
def test_clients_too_many_are_told(start: Start, tmp_path: Path, threads: str) -> None:
    record = tmp_path / "record"
    running = start("-t", threads, "-c", "3", "-o", f"trace_dispatch={record}")
    clients = [running.connect() for _ in range(3)]
    for client in clients:
        talk(client, b"mn\r\n", b"\r\n")
    for _ in range(3):
        with running.connect() as refused:
            refused.sendall(b"mn\r\n" * 1000)
            assert read_to_end(refused) == b"ERROR Too many open connections\r\n"
    assert number(clients[0], "rejected_connections") == 3
    assert number(clients[0], "connection_structures") == 4
    clients.pop().close()
    assert wait_for(lambda: number(clients[0], "curr_connections") == 2)
    with running.connect() as again:
        assert talk(again, b"mn\r\n", b"\r\n") == b"MN\r\n"
    assert running.stop() == 0
    events = recorded(record)
    follow(events, int(threads), 3)
    assert [event["event"] for event in events].count("reject") == 3


@pytest.mark.parametrize("threads", ["1", "2"])
def test_clients_too_many_wait(start: Start, tmp_path: Path, threads: str) -> None:
    """-o no_maxconns_fast: they are accepted when there is room again; nobody waits, nothing stops."""
    record = tmp_path / "record"
    running = start("-t", threads, "-c", "2", "-o", f"no_maxconns_fast,trace_dispatch={record}")
    first, second = running.connect(), running.connect()
    for client in (first, second):
        talk(client, b"mn\r\n", b"\r\n")
    assert (number(first, "accepting_conns"), number(first, "listen_disabled_num")) == (1, 0)
    with running.connect() as third:
        third.sendall(b"mn\r\n")
        assert wait_for(lambda: number(first, "accepting_conns") == 0)
        assert number(first, "listen_disabled_num") == 1
        third.settimeout(0.2)
        with pytest.raises(TimeoutError):
            third.recv(10)
        second.close()
        third.settimeout(10)
        assert third.recv(10) == b"MN\r\n"
        assert (number(first, "accepting_conns"), number(first, "rejected_connections")) == (1, 0)
        assert number(first, "time_in_listen_disabled_us") > 0
    assert running.stop() == 0
    events = recorded(record)
    follow(events, int(threads), 2)
    assert [event["event"] for event in events].count("stop-accepting") == 1


def test_a_storm_of_short_connections(start: Start, tmp_path: Path) -> None:
    """Many come and go at once, some too many; the record holds, and nobody is counted for ever."""
    record = tmp_path / "record"
    running = start("-t", "3", "-c", "6", "-o", f"no_maxconns_fast,trace_dispatch={record}")

    def come_and_go() -> None:
        for _ in range(8):
            with running.connect() as sock:
                assert talk(sock, b"mn\r\n", b"\r\n") == b"MN\r\n"

    threads = [threading.Thread(target=come_and_go) for _ in range(9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with running.connect() as sock:
        assert wait_for(lambda: number(sock, "curr_connections") == 1)
    assert running.stop() == 0
    follow(recorded(record), 3, 6)


def test_connections_that_have_just_come_are_closed_before_the_end(start: Start, tmp_path: Path) -> None:
    """A thread has ended when its last connection is closed, also one that it took together with the word to stop."""
    for attempt in range(5):
        record = tmp_path / f"record{attempt}"
        running = start("-t", "2", "-o", f"trace_dispatch={record}")
        for _ in range(20):
            running.connect()
        assert running.stop() == 0
        follow(recorded(record), 2, 1024)


@pytest.mark.parametrize("threads", ["1", "2"])
def test_replies_owed_are_sent_before_the_end(start: Start, threads: str) -> None:
    """SIGTERM: what has come whole is answered, half a command is not, idle clients see the end."""
    running = start("-t", threads)
    busy, half, idle = (running.connect() for _ in range(3))
    talk(busy, b"set a 0 0 200000\r\n" + b"v" * 200_000 + b"\r\n", b"\r\n")
    half.sendall(b"set b 0 0 10\r\nabc")
    talk(idle, b"mn\r\n", b"\r\n")
    busy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
    busy.sendall(b"get a a a a a a a a a a\r\n" * 4 + b"mn\r\n")
    assert busy.recv(10, socket.MSG_PEEK)
    running.process.terminate()
    got = read_to_end(busy)
    assert got.count(b"END\r\n") == 4
    assert got.endswith(b"MN\r\n")
    assert (read_to_end(half), read_to_end(idle)) == (b"", b"")
    assert running.process.wait(timeout=10) == 0


@pytest.mark.parametrize("threads", ["1", "2"])
def test_a_client_that_never_reads_does_not_keep_the_server(start: Start, threads: str) -> None:
    running = start("-t", threads)
    with running.connect() as sock, running.connect() as other:
        talk(other, b"set a 0 0 1000000\r\n" + b"v" * 1_000_000 + b"\r\n", b"\r\n")
        sock.sendall(b"get " + b"a " * 100 + b"\r\n")
        assert sock.recv(1)
        assert running.stop() == 0


@pytest.mark.parametrize("words", [b"shutdown", b"shutdown graceful"])
def test_shutdown_from_a_thread(start: Start, words: bytes) -> None:
    running = start("-t", "2", "-A")
    with running.connect() as sock, running.connect() as other:
        other.sendall(words + b"\r\n")
        assert (read_to_end(sock), read_to_end(other)) == (b"", b"")
    assert running.process.wait(timeout=10) == 0


def test_watchers_in_other_threads(start: Start) -> None:
    """A line reaches whoever watches, wherever he is served; one who does not read loses lines, and the server none."""
    running = start("-t", "3")
    watchers = [running.connect() for _ in range(3)]
    for watcher in watchers:
        assert talk(watcher, b"watch fetchers\r\n", b"\r\n") == b"OK\r\n"
    with running.connect() as sock:
        talk(sock, b"get something\r\n", b"END\r\n")
        for watcher in watchers:
            assert b"type=item_get key=something status=not_found" in talk(watcher, b"", b"\n")
        for _ in range(200):
            talk(sock, b"get something\r\n" * 200, b"END\r\n" * 200)
        assert talk(sock, b"mn\r\n", b"MN\r\n") == b"MN\r\n"


def test_idle_clients_of_all_threads_are_disconnected(start: Start) -> None:
    running = start("-t", "2", "-o", "idle_timeout=1")
    clients = [running.connect() for _ in range(4)]
    for client in clients:
        client.settimeout(20)
        assert read_to_end(client) == b""
    with running.connect() as sock:
        assert number(sock, "idle_kicks") == 4


def test_a_flood_in_one_thread_does_not_starve_another(start: Start) -> None:
    running = start("-t", "2")
    flood, other = running.connect(), running.connect()
    stop = threading.Event()

    def read() -> None:
        while flood.recv(1 << 20):
            pass

    def write() -> None:
        while not stop.is_set():
            flood.sendall(b"get nothing\r\nversion\r\n" * 2000)
        flood.shutdown(socket.SHUT_WR)

    threads = [threading.Thread(target=read), threading.Thread(target=write)]
    for thread in threads:
        thread.start()
    waits: list[float] = []
    for _ in range(100):
        began = time.monotonic()
        talk(other, b"version\r\n", b"\n")
        waits.append(time.monotonic() - began)
    stop.set()
    for thread in threads:
        thread.join(timeout=20)
    assert sorted(waits)[50] < 0.5
