"""Fixtures that every test folder may ask for: a real memcached, the bundled server, a free port."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, settings

HOST = "127.0.0.1"
START_TIMEOUT = 15.0
STOP_TIMEOUT = 10.0

# A slow machine is no property of the code: no deadline. CI repeats itself exactly.
settings.register_profile("house", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
settings.register_profile("ci", settings.get_profile("house"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "house")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests come first, so that none is left to one of several processes at the end."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


class RunningServer(NamedTuple):
    """A server process that accepts connections."""

    host: str
    port: int
    process: subprocess.Popen[bytes]
    log: Path
    """The file that holds what it wrote to stdout and stderr."""

    @property
    def target(self) -> str:
        """The first argument of `mcspec check` for it."""
        return f"{self.host}:{self.port}"

    def connect(self, timeout: float = 5.0) -> socket.socket:
        """A new connection; its operations give up after `timeout` seconds."""
        connection = socket.create_connection((self.host, self.port), timeout=timeout)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection


class NotStartedError(RuntimeError):
    """A server ended or stayed silent instead of accepting connections."""


def find_free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def start_server(command: Callable[[int], Sequence[str]], attempts: int = 3) -> RunningServer:
    """Start `command(port)` and wait until it accepts; another port if somebody was faster to take the first one."""
    for attempt in range(attempts):
        port = find_free_port()
        with tempfile.NamedTemporaryFile(prefix="server-", suffix=".log", delete=False) as log:
            process = subprocess.Popen(list(command(port)), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        server = RunningServer(HOST, port, process, Path(log.name))
        try:
            _wait_until_it_accepts(server)
        except NotStartedError:
            stop_server(server)
            if attempt + 1 == attempts:
                raise
        else:
            return server
    raise AssertionError


def _wait_until_it_accepts(server: RunningServer) -> None:
    end = time.monotonic() + START_TIMEOUT
    while time.monotonic() < end:
        if server.process.poll() is not None:
            raise NotStartedError(f"ended with {server.process.returncode}: {_read(server.log)}")
        try:
            server.connect().close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise NotStartedError(f"does not accept connections after {START_TIMEOUT} s: {_read(server.log)}")


def stop_server(server: RunningServer) -> tuple[int, str]:
    """End it as an operator would (SIGTERM); its exit status and what it wrote."""
    if server.process.poll() is None:
        server.process.send_signal(signal.SIGTERM)
        try:
            server.process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            server.process.kill()
            server.process.wait()
    written = _read(server.log)
    server.log.unlink()
    return server.process.returncode, written


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")


def find_memcached() -> str | None:
    """The memcached to test against: $MCSPEC_MEMCACHED, else the one that is installed."""
    places = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])
    return os.environ.get("MCSPEC_MEMCACHED") or shutil.which("memcached", path=places)


def memcached_command(program: str, port: int, options: Sequence[str] = ()) -> list[str]:
    """How the tests start a real memcached: one thread, no UDP, 64 MiB, this machine only."""
    as_root = ["-u", "root"] if os.geteuid() == 0 else []
    return [program, *as_root, "-l", HOST, "-p", str(port), "-t", "1", "-U", "0", "-m", "64", *options]


@pytest.fixture(scope="session")
def memcached_program() -> str:
    """Path of a real memcached; skips where there is none, fails if one was promised (MCSPEC_REQUIRE_MEMCACHED=1)."""
    program = find_memcached()
    if program is None:
        message = "no memcached is installed (apt-get install memcached libmemcached-tools)"
        if os.environ.get("MCSPEC_REQUIRE_MEMCACHED") == "1":
            pytest.fail(f"MCSPEC_REQUIRE_MEMCACHED=1, but {message}")
        pytest.skip(message)
    return program


@pytest.fixture(scope="session")
def memcached(memcached_program: str) -> Iterator[RunningServer]:
    """A real memcached, shared by all tests of the run: use keys of your own, flush only what you must."""
    server = start_server(lambda port: memcached_command(memcached_program, port))
    yield server
    status, written = stop_server(server)
    assert status in (0, -signal.SIGTERM), f"memcached ended with {status}: {written}"


@pytest.fixture
def start_memcached(memcached_program: str) -> Iterator[Callable[..., RunningServer]]:
    """A function that starts a memcached of this test's own: `start_memcached("-M", "-c", "4")`."""
    servers: list[RunningServer] = []

    def start(*options: str) -> RunningServer:
        servers.append(start_server(lambda port: memcached_command(memcached_program, port, options)))
        return servers[-1]

    yield start
    for server in servers:
        stop_server(server)


@pytest.fixture
def start_mcserver() -> Iterator[Callable[..., RunningServer]]:
    """A function that starts the bundled server, `start_mcserver("-m", "8")`; it must end with status 0."""
    servers: list[RunningServer] = []

    def start(*options: str) -> RunningServer:
        command = [sys.executable, "-m", "mcserver", "-l", HOST]
        servers.append(start_server(lambda port: [*command, "-p", str(port), *options]))
        return servers[-1]

    yield start
    ends = [stop_server(server) for server in servers]
    for status, written in ends:
        assert status == 0, f"mcserver ended with {status}: {written}"
        assert "Traceback" not in written, written


@pytest.fixture
def mcserver_process(start_mcserver: Callable[..., RunningServer]) -> RunningServer:
    """The bundled server with its default options, started for this test alone."""
    return start_mcserver()


@pytest.fixture(scope="session")
def free_port() -> Callable[[], int]:
    """`find_free_port`, for tests that start something else."""
    return find_free_port
