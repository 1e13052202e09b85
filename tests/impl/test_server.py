"""The server as a process: sockets, back-pressure, fairness, shutdown."""

import contextlib
import socket
import stat
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from mcserver import PROTOCOL_VERSION
from tests.impl.support import Running, read_to_end, talk, wait_for

Start = Callable[..., Running]
VERSION = b"VERSION " + PROTOCOL_VERSION.encode() + b"\r\n"
MEGABYTE = b"v" * 1_000_000
#: What one client may cost the server that asks for much and reads nothing, in KiB.
ALLOWANCE = 8 * 1024


def curr_connections(sock: socket.socket) -> int:
    """Ask the server how many clients it has."""
    lines = talk(sock, b"stats\r\n", b"END\r\n").split(b"\r\n")
    return next(int(line.split()[2]) for line in lines if line.startswith(b"STAT curr_connections"))


def test_tcp(start: Start) -> None:
    """Requests on several connections share one cache."""
    running = start()
    with running.connect() as one, running.connect() as two:
        assert talk(one, b"set a 5 0 5\r\nhello\r\n", b"\r\n") == b"STORED\r\n"
        assert talk(two, b"get a\r\n", b"END\r\n") == b"VALUE a 5 5\r\nhello\r\nEND\r\n"
        assert curr_connections(two) == 2


def test_large_value_in_both_directions(start: Start) -> None:
    """A value of the largest size survives the trip."""
    value = bytes(range(256)) * 4095
    with start().connect() as sock:
        assert talk(sock, b"set a 0 0 %d\r\n" % len(value) + value + b"\r\n", b"\r\n") == b"STORED\r\n"
        head = b"VALUE a 0 %d\r\n" % len(value)
        assert talk(sock, b"get a\r\n", b"\r\nEND\r\n") == head + value + b"\r\nEND\r\n"


@pytest.mark.parametrize("last", [b"quit\r\n", b"x" * 5000, b"foo HTTP/1.1\r\n", b"get " + b"x" * (1 << 20)])
def test_replies_arrive_before_the_end(start: Start, last: bytes) -> None:
    """Whatever ends the conversation, what was owed before is read, although more input was on its way."""
    with start().connect() as sock:
        sock.sendall(b"set a 0 0 1000000\r\n" + MEGABYTE + b"\r\nget a a\r\nversion\r\n" + last + b"version\r\n" * 5000)
        got = read_to_end(sock)
        assert got.startswith(b"STORED\r\nVALUE a 0 1000000\r\n")
        assert VERSION in got[2_000_000:]
        assert got.count(VERSION) == 1


def test_half_close(start: Start) -> None:
    """Everything complete is answered after the client's FIN, then the server closes."""
    running = start()
    with running.connect() as sock:
        sock.sendall(b"set a 0 0 1000000\r\n" + MEGABYTE + b"\r\n" + b"get a\r\n" * 20 + b"get unfinished")
        sock.shutdown(socket.SHUT_WR)
        got = read_to_end(sock)
    assert got.count(b"END\r\n") == 20
    with running.connect() as other:
        assert wait_for(lambda: curr_connections(other) == 1)


def test_connection_limit(start: Start) -> None:
    """The client too many gets the line and the end; a place is free once one left."""
    running = start("-c", "2")
    one, two, three = running.connect(), running.connect(), running.connect()
    with one, two, three:
        assert talk(one, b"version\r\n", b"\n") + talk(two, b"version\r\n", b"\n") == VERSION * 2
        assert read_to_end(three) == b"ERROR Too many open connections\r\n"
        one.close()
        assert wait_for(lambda: curr_connections(two) == 1)
        with running.connect() as four:
            assert talk(four, b"version\r\n", b"\n") == VERSION


def load(sock: socket.socket) -> None:
    """Store ten values of 1 MB and one small one."""
    for number in range(10):
        talk(sock, b"set k%d 0 0 1000000\r\n" % number + MEGABYTE + b"\r\n", b"STORED\r\n")
    talk(sock, b"set small 0 0 1\r\n1\r\n", b"STORED\r\n")
    talk(sock, b"get k0 k1\r\n", b"END\r\n")


@pytest.mark.parametrize(
    "request_",
    [
        b"get " + b" ".join(b"k%d" % (number % 10) for number in range(1000)) + b"\r\n",
        b"gets " + b" ".join(b"k%d" % (number % 10) for number in range(1000)) + b"\r\n",
        b"get k0\r\n" * 100_000,
        b"get " + b"small " * 170_000 + b"\r\n",
        b"get " + b"no " * 340_000 + b"\r\n",
        b"stats\r\n" * 100_000,
    ],
    ids=["one line of 1000 MB", "the same with cas", "100000 gets of 1 MB", "170000 keys", "340000 misses", "stats"],
)
def test_client_that_does_not_read(start: Start, request_: bytes) -> None:
    """It costs a bounded amount of memory, and others are served."""
    running = start()
    with running.connect() as other, running.connect() as greedy:
        load(other)
        before = running.rss()
        greedy.settimeout(0.3)
        with contextlib.suppress(TimeoutError):  # when the server stops reading, as it should
            greedy.sendall(request_)
        time.sleep(0.3)
        began = time.monotonic()
        for _ in range(20):
            assert talk(other, b"get small\r\n", b"END\r\n") == b"VALUE small 0 1\r\n1\r\nEND\r\n"
        assert time.monotonic() - began < 1
        assert running.rss() - before < ALLOWANCE


def test_paused_client_gets_everything(start: Start) -> None:
    """A reader that comes late gets every byte, in order."""
    with start().connect() as sock:
        load(sock)
        sock.sendall(b"get k1\r\nget small k2 small\r\n" * 20)
        time.sleep(0.3)
        block = b"VALUE k%d 0 1000000\r\n" + MEGABYTE + b"\r\n"
        small = b"VALUE small 0 1\r\n1\r\n"
        expected = (block % 1 + b"END\r\n" + small + block % 2 + small + b"END\r\n") * 20
        got = bytearray()
        while len(got) < len(expected):
            got += sock.recv(1 << 20)
        assert got == expected


def test_flood_does_not_starve_others(start: Start) -> None:
    """A client that pipelines without end shares the server."""
    running = start()
    with running.connect() as flood, running.connect() as other:

        def read() -> None:
            while flood.recv(1 << 20):
                pass

        def write() -> None:
            for _ in range(60):
                flood.sendall(b"get nothing\r\nversion\r\n" * 2000)
            flood.shutdown(socket.SHUT_WR)

        threads = [threading.Thread(target=read), threading.Thread(target=write)]
        for thread in threads:
            thread.start()
        slowest = 0.0
        for _ in range(50):
            began = time.monotonic()
            talk(other, b"version\r\n", b"\n")
            slowest = max(slowest, time.monotonic() - began)
        for thread in threads:
            thread.join(timeout=20)
        assert slowest < 0.5


def test_announced_values_take_no_memory(start: Start) -> None:
    """Memory goes to what has arrived."""
    running = start()
    before = running.rss()
    clients = [running.connect() for _ in range(40)]
    for client in clients:
        client.sendall(b"set a 0 0 1000000\r\nabc")
    time.sleep(0.2)
    assert running.rss() - before < ALLOWANCE
    for client in clients:
        client.close()


def test_unix_socket(start: Start, tmp_path: Path) -> None:
    """Only its owner may connect; a stale file is replaced; the file goes with the server."""
    path = tmp_path / "mc.sock"
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(path))
    running = start("-s", str(path))
    assert stat.S_IMODE(path.stat().st_mode) == 0o700
    with running.connect() as sock:
        assert talk(sock, b"version\r\n", b"\n") == VERSION
    assert running.stop() == 0
    assert not path.exists()


@pytest.mark.parametrize("number", [2, 15], ids=["SIGINT", "SIGTERM"])
def test_shutdown(start: Start, number: int) -> None:
    """A signal ends the server with status 0, its clients see the end."""
    running = start()
    with running.connect() as sock:
        assert talk(sock, b"version\r\n", b"\n") == VERSION
        assert running.stop(number) == 0
        assert read_to_end(sock) == b""
    assert running.process.stderr is not None
    assert running.process.stderr.read() == ""


def test_several_addresses(start: Start) -> None:
    """-l takes a list, each with a port of its own if wanted."""
    running = start("-l", "127.0.0.2")
    assert running.process.stderr is not None
    second = running.process.stderr.readline().split("listening on ")[1].strip()
    assert (running.where.split(":")[0], second.split(":")[0]) == ("127.0.0.1", "127.0.0.2")
    for where in (running.where, second):
        with Running(running.process, where).connect() as sock:
            assert talk(sock, b"version\r\n", b"\n") == VERSION


def test_clock_ticks(start: Start) -> None:
    """Real time passes in the cache."""
    with start().connect() as sock:
        talk(sock, b"set a 0 2 1\r\n1\r\n", b"\r\n")
        assert talk(sock, b"get a\r\n", b"END\r\n") != b"END\r\n"
        assert wait_for(lambda: talk(sock, b"get a\r\n", b"END\r\n") == b"END\r\n")
