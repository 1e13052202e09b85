"""A server in another process, and a few ways to talk to it or to one in this process."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from mcserver.inproc import Server


class Running:
    """A server process and the address it printed."""

    def __init__(self, process: subprocess.Popen[str], where: str) -> None:
        """Wrap a started process that listens at `where`."""
        self.process = process
        self.where = where

    def connect(self) -> socket.socket:
        """Open a new client socket with a timeout of 5 s."""
        if self.where.startswith("/"):
            sock = socket.socket(socket.AF_UNIX)
            sock.settimeout(5)
            sock.connect(self.where)
            return sock
        host, _, port = self.where.rpartition(":")
        sock = socket.create_connection((host.strip("[]"), int(port)), timeout=5)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock

    def rss(self) -> int:
        """Read the resident memory of the process, in KiB."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmRSS"):
                return int(line.split()[1])
        return 0

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and return the exit code."""
        self.process.send_signal(number)
        return self.process.wait(timeout=5)


def spawn(options: Sequence[str]) -> Running:
    """Start ``python -m mcserver -v`` with `options` and wait until it listens."""
    process = subprocess.Popen(
        [sys.executable, "-m", "mcserver", "-v", *options], stderr=subprocess.PIPE, text=True, env=dict(os.environ)
    )
    assert process.stderr is not None
    line = process.stderr.readline()
    assert "listening on " in line, line
    return Running(process, line.split("listening on ")[1].strip())


def ask(server: Server, *chunks: bytes) -> bytes:
    """Send `chunks` on a new connection to a server in this process, end it and return the replies."""
    connection = server.open()
    for chunk in chunks:
        connection.send(chunk)
    replies = connection.receive()
    connection.reset()
    return replies


def talk(sock: socket.socket, data: bytes, end: bytes) -> bytes:
    """Send `data` and read until the reply ends with `end` (5 s at most)."""
    sock.sendall(data)
    got = b""
    while not got.endswith(end):
        chunk = sock.recv(1 << 20)
        if not chunk:
            break
        got += chunk
    return got


def read_to_end(sock: socket.socket) -> bytes:
    """Read until the server closes (5 s of silence at most)."""
    got = b""
    with contextlib.suppress(ConnectionResetError):
        while chunk := sock.recv(1 << 20):
            got += chunk
    return got


def wait_for(condition: Callable[[], bool], seconds: float = 5.0) -> bool:
    """Poll `condition` until it holds; False when it does not within `seconds`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return condition()
