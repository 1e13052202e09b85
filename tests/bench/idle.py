"""What idle clients cost a busy one: `python tests/bench/idle.py`.

The median time of a request of one busy client, alone and beside many clients that are connected and silent, and others
that each send one byte a second. Rounds with and without them alternate on two servers of the same kind, so that
whatever else happens on the machine hits both alike. Status 1 when the ratio of the medians is above the goal.
"""

from __future__ import annotations

import argparse
import resource
import selectors
import signal
import socket
import statistics
import subprocess
import sys
import time
from typing import NamedTuple

HOST = "127.0.0.1"
GOAL = 1.5
#: Beside the sockets of idle clients, at either end.
OTHER_FILES = 200
REQUEST = b"get key\r\n"
REPLY = b"VALUE key 0 100\r\n" + b"v" * 100 + b"\r\nEND\r\n"


class Server(NamedTuple):
    """A server, and where it listens."""

    process: subprocess.Popen[str]
    port: int

    def connect(self) -> socket.socket:
        """A new client."""
        sock = socket.create_connection((HOST, self.port), timeout=30)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock


def start(connections: int, threads: int) -> Server:
    """Start a server on a free port."""
    options = ["-v", "-l", HOST, "-p", "-1", "-c", str(connections), "-t", str(threads), "-b", "4096"]
    process = subprocess.Popen([sys.executable, "-m", "mcserver", *options], stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    line = process.stderr.readline()
    if "listening on " not in line:
        sys.exit(f"idle.py: the server did not start: {line.strip()}")
    return Server(process, int(line.rsplit(":", 1)[1]))


def crowd(port: int, idle: int, dripping: int) -> None:
    """Be the other clients: connect, say so on stdout, then send one byte a second on each of the last ones, for ever.

    The bytes are spread over the second, and are those of one long command line at a time.
    """
    clients = [socket.create_connection((HOST, port), timeout=60) for _ in range(idle + dripping)]
    last = clients[idle:]
    print("ready", flush=True)
    line = b"get " + b"k" * 95 + b"\n"
    selector = selectors.DefaultSelector()
    for client in last:
        client.setblocking(False)
        selector.register(client, selectors.EVENT_READ)
    began = time.monotonic()
    sent = 0
    while last:
        due = int((time.monotonic() - began) * len(last))
        while sent < due:
            turn, at = divmod(sent, len(last))
            last[at].send(line[turn % len(line) :][:1])
            sent += 1
        for key, _ in selector.select(0.01):
            key.fileobj.recv(4096)  # type: ignore[union-attr]
    signal.pause()


def measure(sock: socket.socket, seconds: float) -> list[float]:
    """Times of requests, in seconds each, one after the other."""
    times: list[float] = []
    clock = time.perf_counter
    end = clock() + seconds
    while (began := clock()) < end:
        sock.sendall(REQUEST)
        left = len(REPLY)
        while left:
            left -= len(sock.recv(left))
        times.append(clock() - began)
    return times


def main() -> int:
    """Print both medians and their ratio."""
    parser = argparse.ArgumentParser(description="Measure what idle clients cost a busy one.")
    parser.add_argument("--idle", type=int, default=5000, help="silent clients (default: 5000)")
    parser.add_argument("--dripping", type=int, default=1000, help="clients of one byte a second (default: 1000)")
    parser.add_argument("--rounds", type=int, default=10, help="of one second on each server (default: 10)")
    parser.add_argument("--threads", type=int, default=1, help="of the servers (default: 1)")
    parser.add_argument("--crowd", type=int, metavar="PORT", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    needed = chosen.idle + chosen.dripping + OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < needed:
        sys.exit(f"idle.py: {needed} open files are needed and the system allows {hard}: type a smaller --idle")
    if soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
    if chosen.crowd is not None:
        crowd(chosen.crowd, chosen.idle, chosen.dripping)
        return 0
    alone, beside = (start(chosen.idle + chosen.dripping + 10, chosen.threads) for _ in range(2))
    words = ["--crowd", str(beside.port), "--idle", str(chosen.idle), "--dripping", str(chosen.dripping)]
    others = subprocess.Popen([sys.executable, __file__, *words], stdout=subprocess.PIPE, text=True)
    try:
        assert others.stdout is not None
        if others.stdout.readline() != "ready\n":
            sys.exit("idle.py: the other clients could not connect")
        clients = [server.connect() for server in (alone, beside)]
        for client in clients:
            client.sendall(b"set key 0 0 100\r\n" + b"v" * 100 + b"\r\n")
            assert client.recv(100) == b"STORED\r\n"
            measure(client, 0.5)
        times: tuple[list[float], list[float]] = ([], [])
        for _ in range(chosen.rounds):
            for client, found in zip(clients, times, strict=True):
                found.extend(measure(client, 1.0))
    finally:
        for process in (others, alone.process, beside.process):
            process.terminate()
            process.wait(timeout=30)
    first, second = (statistics.median(found) * 1e6 for found in times)
    crowded = f"beside {chosen.idle} idle clients and {chosen.dripping} of one byte a second"
    print(f"alone: {first:.1f} microseconds a request (median of {len(times[0])})")
    print(f"{crowded}: {second:.1f} microseconds (median of {len(times[1])})")
    print(f"ratio: {second / first:.2f} (goal: at most {GOAL})")
    return int(second / first > GOAL)


if __name__ == "__main__":
    sys.exit(main())
