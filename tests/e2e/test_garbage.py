"""Garbage of any kind, at any chunking, never kills the server, hangs it or makes it answer out of step."""

from __future__ import annotations

import contextlib
import random
import socket
import time
from collections.abc import Callable, Iterator

import pytest

from tests import conftest
from tests.e2e import garbage
from tests.e2e.support import PATIENCE, exchange, mcserver_command, open_files, resident, talk, until, version

CHUNKINGS = {"whole": [], "segments": [1460], "mixed": [7, 1, 400, 2, 4096], "bytes": [1]}
SEED = 2
ROUNDS = 50
WARM = 10
"""Rounds before memory is looked at: caches of the interpreter and the allocator have to fill."""

GROWTH = 2048
"""KiB that the following rounds may add."""

CONNECTIONS = 200


@pytest.fixture(scope="module")
def server() -> Iterator[conftest.RunningServer]:
    """One server for all streams, so that what one of them broke shows in the next."""
    command = [*mcserver_command(), "-l", conftest.HOST, "-p"]
    running = conftest.start_server(lambda port: [*command, str(port)])
    yield running
    status, written = conftest.stop_server(running)
    assert status == 0, written
    assert "Traceback" not in written, written


def window(kind: Callable[[random.Random], bytes]) -> int:
    """How much is written before the answers are awaited: all, except where the oracle cannot look that far ahead."""
    return 1024 if kind in (garbage.valid, garbage.line_feeds) else garbage.SIZE * 2


@pytest.mark.parametrize("kind", garbage.KINDS, ids=lambda kind: kind.__name__)
def test_the_oracle_agrees_at_every_chunking(
    server: conftest.RunningServer, kind: Callable[[random.Random], bytes]
) -> None:
    data = garbage.make(kind, SEED)
    ends = set()
    slow = kind in (garbage.line_feeds, garbage.long_get)  # for the oracle, not for the server
    for name, sizes in CHUNKINGS.items():
        if slow and name in ("segments", "mixed"):
            continue
        with server.connect() as cleaner:
            # A flushed item stays until a lookup finds and counts it, where the oracle knows of none: so crawl as well.
            assert talk(cleaner, b"flush_all\r\nlru_crawler crawl all\r\n", b"OK\r\nOK\r\n") == b"OK\r\nOK\r\n"
        heard = exchange(server, data, sizes, window(kind))
        assert not heard.difference, (name, heard.difference)
        assert not heard.unspecified, (name, heard.unspecified)
        ends.add(heard.closed)
        assert version(server).startswith(b"VERSION "), name
    assert len(ends) == 1, "whether the server closes must not depend on the chunks"
    assert server.process.poll() is None


def blast(server: conftest.RunningServer, data: bytes) -> None:
    """Write without reading much, and go away."""
    with contextlib.suppress(OSError), server.connect() as client:
        client.settimeout(0.5)
        client.sendall(data[: garbage.SIZE])
        client.shutdown(socket.SHUT_WR)
        end = time.monotonic() + PATIENCE
        while client.recv(1 << 20) and time.monotonic() < end:
            pass


def test_fifty_rounds_cost_neither_memory_nor_files(start_mcserver: Callable[..., conftest.RunningServer]) -> None:
    server = start_mcserver()
    pid = server.process.pid
    streams = [garbage.make(kind, SEED) for kind in garbage.KINDS if kind is not garbage.line_feeds]
    files = open_files(pid)
    before = 0
    for number in range(ROUNDS):
        if number == WARM:
            before = resident(pid)
        for data in streams[number % 3 :: 3]:
            blast(server, data)
        blast(server, b"flush_all\r\n")
    grown = resident(pid) - before
    print(f"resident memory {before} KiB, {grown:+d} KiB after {ROUNDS - WARM} rounds; {files} files")
    assert version(server).startswith(b"VERSION ")
    assert until(files, pid) <= files
    assert grown < GROWTH


def test_garbage_on_many_connections_at_once(start_mcserver: Callable[..., conftest.RunningServer]) -> None:
    server = start_mcserver()
    pid = server.process.pid
    version(server)  # the event loop keeps one more file from the first connection on
    files, rng = open_files(pid), random.Random(SEED)
    streams = [garbage.make(kind, SEED) for kind in garbage.KINDS]
    clients = [server.connect() for _ in range(CONNECTIONS)]
    with contextlib.ExitStack() as stack:
        for client in clients:
            stack.enter_context(client)
            client.setblocking(False)
        for turn in range(10):
            for number, client in enumerate(clients):
                stream = streams[number % len(streams)]
                with contextlib.suppress(OSError):
                    client.send(stream[turn * 500 : turn * 500 + rng.randrange(1, 500)])
                if turn % 2:
                    with contextlib.suppress(OSError):
                        client.recv(1 << 20)
            assert version(server).startswith(b"VERSION ")
        assert open_files(pid) > files
    assert until(files, pid) <= files
    assert version(server).startswith(b"VERSION ")
