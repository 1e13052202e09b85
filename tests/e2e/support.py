"""What the end-to-end tests share: the command `mcspec`, a client that the oracle judges, a look into a process."""

from __future__ import annotations

import os
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Self

from mcconform.oracle import Oracle
from mcconform.targets.tcp import SLACK, TICK
from mcspec import Now, Rules, profiles
from tests.conftest import RunningServer

ROOT = Path(__file__).parents[2]
PATIENCE = 5.0
"""Seconds of silence after which a server that owes something hangs."""

SENTINEL = b"version\r\n"


def mcspec(*arguments: str, cwd: Path, seconds: float = 100.0) -> subprocess.CompletedProcess[str]:
    """Run the tool as a user does, in a folder of the test's own: it leaves `.mcspec` there."""
    return subprocess.run(
        [Path(sys.executable).parent / "mcspec", *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )


def mcserver_command() -> list[str]:
    """How the bundled server is started, without options."""
    return [sys.executable, "-m", "mcserver"]


def resident(pid: int) -> int:
    """Resident memory of a process in KiB."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1])
    raise AssertionError


def open_files(pid: int) -> int:
    """How many files a process has open."""
    return len(os.listdir(f"/proc/{pid}/fd"))  # noqa: PTH208 - the number is all that is wanted


def until(wanted: int, pid: int, seconds: float = PATIENCE) -> int:
    """Wait until a process has at most that many files open; how many it has."""
    end = time.monotonic() + seconds
    while open_files(pid) > wanted and time.monotonic() < end:
        time.sleep(0.02)
    return open_files(pid)


def cut(data: bytes, sizes: Sequence[int]) -> list[bytes]:
    """The data in pieces of these sizes, over and over; no size is one piece."""
    if not sizes:
        return [data]
    pieces, at = [], 0
    while at < len(data):
        size = sizes[len(pieces) % len(sizes)]
        pieces.append(data[at : at + size])
        at += size
    return pieces


class Heard(NamedTuple):
    """What the oracle made of an exchange."""

    size: int
    closed: bool
    unspecified: str
    """Why the oracle fell silent; empty if it did not."""

    difference: str
    """The difference in words; empty for none."""

    clauses: int
    """Distinct clauses that what was observed went through."""


class _Client:
    """A socket that reads whenever it waits to write, so that neither side can lock the other up."""

    def __init__(self, server: RunningServer) -> None:
        self.socket = server.connect()
        self.socket.setblocking(False)
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.socket, selectors.EVENT_READ | selectors.EVENT_WRITE)
        self.closed = False
        self.heard = bytearray()
        self.told = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.selector.close()
        self.socket.close()

    def read(self, seconds: float) -> bytes:
        """Whatever comes within the time; empty for nothing."""
        self.selector.modify(self.socket, selectors.EVENT_READ)
        return self._read() if not self.closed and self.selector.select(seconds) else b""

    def _read(self) -> bytes:
        try:
            data = self.socket.recv(1 << 18)
        except BlockingIOError:
            return b""
        except ConnectionError:
            data = b""
        self.closed = not data
        self.heard += data
        return data

    def settle(self, oracle: Oracle) -> None:
        """Tell the oracle what was heard until nothing is owed, the server closes, or it stays silent."""
        end = time.monotonic() + PATIENCE
        while True:
            if len(self.heard) > self.told:
                fresh, self.told = bytes(self.heard[self.told :]), len(self.heard)
                oracle.received(0, fresh)
                end = time.monotonic() + PATIENCE
            elif self.closed or oracle.complete(0) or time.monotonic() > end:
                return
            if not self.closed and not oracle.complete(0):
                self.read(end - time.monotonic())

    def write(self, piece: bytes) -> None:
        """Write all of it unless the server closes first."""
        end = time.monotonic() + PATIENCE
        while piece and not self.closed:
            try:
                sent = self.socket.send(piece)
            except BlockingIOError:
                self.selector.modify(self.socket, selectors.EVENT_READ | selectors.EVENT_WRITE)
                assert self.selector.select(PATIENCE), "the server takes nothing and says nothing"
            except ConnectionError:
                while self._read():
                    pass
                self.closed = True
                return
            else:
                piece = piece[sent:]
                end = time.monotonic() + PATIENCE
            self._read()
            assert time.monotonic() < end, "the server takes nothing"


def base() -> Rules:
    """The rules by which the bundled server is judged."""
    return profiles.load("base").rules


def exchange(server: RunningServer, data: bytes, sizes: Sequence[int], window: int = 1 << 30) -> Heard:
    """Write the data in pieces of these sizes; where the oracle then stands at a boundary, a sentinel; judge it all.

    Before another `window` bytes are written everything owed must have come. The oracle needs that where very many
    replies are owed: what it does with them grows with the square of their number.
    """
    oracle = Oracle(base())
    began = time.time()

    def now() -> Now:
        return Now(began - TICK, time.time() + SLACK)

    with _Client(server) as client:
        oracle.open(0, now())
        for at in range(0, len(data), window):
            part = data[at : at + window]
            for piece in cut(part, sizes):
                client.write(piece)
            oracle.send(0, part, now())
            client.settle(oracle)
        if not oracle.over and oracle.at_boundary(0):
            client.write(SENTINEL)
            oracle.send(0, SENTINEL, now())
            client.settle(oracle)
        if client.closed:
            oracle.ended(0)
        oracle.settled(0)
        assert not oracle.exhausted, "more worlds than the oracle can follow: the stream is no good as a test"
        found, difference = oracle.refusal, ""
        if found is not None:
            difference = f"{found.kind} at {found.clause}: expected {found.expected}, got {found.observed[:200]!r}"
        return Heard(len(client.heard), client.closed, oracle.unspecified or "", difference, len(oracle.passed))


def version(server: RunningServer) -> bytes:
    """The answer of a fresh connection to `version`."""
    with server.connect() as fresh:
        fresh.sendall(SENTINEL)
        with fresh.makefile("rb") as lines:
            return lines.readline()


def talk(connection: socket.socket, request: bytes, end: bytes) -> bytes:
    """Write a request and read until the reply ends so."""
    connection.sendall(request)
    data = b""
    while not data.endswith(end):
        more = connection.recv(1 << 16)
        assert more, f"closed after {data!r}"
        data += more
    return data
