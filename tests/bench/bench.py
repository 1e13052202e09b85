"""Measure the server's CPU time per request beside memcached's: `python tests/bench/bench.py` or `make bench`.

Both servers run through the whole measurement; slices of load alternate between them, so that whatever else happens on
the machine hits both alike. What counts is user and system time of the server process, as the kernel counts it in
/proc/PID/stat; the client is a process of its own and costs neither of them anything.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

HOST = "127.0.0.1"
VALUE = b"v" * 100
KEYS = 1000
LEAST_SLICES = 20
GOAL = 1.5
TICKS = os.sysconf("SC_CLK_TCK")
MISSING = 2


class Operation(NamedTuple):
    """What one slice of load consists of."""

    name: str
    command: str
    depth: int


OPERATIONS = (
    Operation("get, depth 1", "get", 1),
    Operation("set, depth 1", "set", 1),
    Operation("get, depth 100", "get", 100),
    Operation("set, depth 100", "set", 100),
)


def client(port: int) -> None:
    """The load: for each line `COMMAND DEPTH SECONDS` on stdin, the number of requests done on stdout."""
    connection = socket.create_connection((HOST, port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    stores = [b"set key-%04d 0 0 100\r\n%s\r\n" % (number, VALUE) for number in range(KEYS)]
    fetches = [b"get key-%04d\r\n" % number for number in range(KEYS)]
    for line in sys.stdin:
        command, depth, seconds = line.split()
        size = len(b"STORED\r\n") if command == "set" else len(b"VALUE key-0000 0 100\r\n") + len(VALUE) + 2 + 5
        single = stores if command == "set" else fetches
        count = int(depth)
        batches = [b"".join(single[at : at + count]) for at in range(0, KEYS, count)]
        done = _load(connection, batches, size * count, time.perf_counter() + float(seconds))
        print(done * count, flush=True)


def _load(connection: socket.socket, batches: list[bytes], size: int, end: float) -> int:
    send, receive = connection.sendall, connection.recv
    done = 0
    while time.perf_counter() < end:
        for batch in batches:
            send(batch)
            left = size
            while left:
                left -= len(receive(left))
        done += len(batches)
    return done


class Side:
    """A server under load, and its client."""

    def __init__(self, name: str, command: Sequence[str], cores: tuple[int, int] | None) -> None:
        self.name = name
        self.port = _free_port()
        words = [word.replace("{port}", str(self.port)) for word in command]
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process
        # Before the program starts: memcached serves from a thread, which inherits its core and cannot be moved later.
        server_on, client_on = (None, None) if cores is None else ([str(core)] for core in cores)
        self.server = subprocess.Popen(
            _pinned(words, server_on), stdin=subprocess.DEVNULL, stdout=self.errors, stderr=self.errors
        )
        self._wait()
        self.client = subprocess.Popen(
            _pinned([sys.executable, __file__, "--client", str(self.port)], client_on),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def _wait(self) -> None:
        end = time.monotonic() + 10
        while time.monotonic() < end and self.server.poll() is None:
            try:
                socket.create_connection((HOST, self.port), 1).close()
            except OSError:
                time.sleep(0.02)
            else:
                return
        self.errors.seek(0)
        sys.exit(f"bench: {self.name} does not start: {self.errors.read().decode(errors='replace')[-300:]}")

    def cpu(self) -> float:
        """Seconds of CPU time that the server has used."""
        fields = Path(f"/proc/{self.server.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def slice(self, operation: Operation, seconds: float) -> tuple[float, int]:
        """One slice of load: CPU seconds of the server, and requests."""
        assert self.client.stdin is not None
        assert self.client.stdout is not None
        before = self.cpu()
        print(operation.command, operation.depth, seconds, file=self.client.stdin, flush=True)
        return self._spent(self.client.stdout.readline(), before)

    def _spent(self, line: str, before: float) -> tuple[float, int]:
        if not line:
            sys.exit(f"bench: the client of {self.name} has ended")
        return self.cpu() - before, int(line)

    def stop(self) -> None:
        """End both processes."""
        if self.client.stdin is not None:
            self.client.stdin.close()
        self.client.wait(10)
        if self.client.stdout is not None:
            self.client.stdout.close()
        self.server.send_signal(signal.SIGTERM)
        self.server.wait(10)
        self.errors.close()


def _pinned(words: list[str], core: list[str] | None) -> list[str]:
    """The command, run on one core: a Python that moves itself there and becomes the program."""
    if core is None:
        return words
    become = "import os, sys; os.sched_setaffinity(0, {int(sys.argv[1])}); os.execvp(sys.argv[2], sys.argv[2:])"
    return [sys.executable, "-c", become, *core, *words]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def find_memcached() -> str:
    """The memcached to compare with: $MCSPEC_MEMCACHED, else the one that is installed; exits 2 without."""
    places = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])
    program = shutil.which(os.environ.get("MCSPEC_MEMCACHED") or "memcached", path=places)
    if program is None:
        print("bench: no memcached to compare with: apt-get install memcached", file=sys.stderr)
        sys.exit(MISSING)
    return program


def ours(*python: str) -> list[str]:
    """The command of the bundled server."""
    return [sys.executable, *python, "-m", "mcserver", "-l", HOST, "-p", "{port}"]


def theirs(program: str) -> list[str]:
    """The command of memcached."""
    as_root = ["-u", "root"] if os.geteuid() == 0 else []
    return [program, *as_root, "-l", HOST, "-p", "{port}", "-t", "1", "-U", "0", "-m", "64"]


def measure(seconds: float, cores: tuple[int, int] | None) -> None:
    """Run the slices and print the table. A slice is long against the tick in which the kernel counts CPU time."""
    program = find_memcached()
    per_slice = max(0.25, seconds / (len(OPERATIONS) * 2 * LEAST_SLICES))
    slices = max(LEAST_SLICES, round(seconds / (len(OPERATIONS) * 2 * per_slice)))
    sides = [Side("mcserver", ours(), cores), Side("memcached", theirs(program), cores)]
    version = subprocess.run([program, "-V"], capture_output=True, text=True, check=False).stdout.strip()
    where = "anywhere" if cores is None else "one core" if cores[0] == cores[1] else "cores of their own"
    print(
        f"server CPU time (user + sys) per request, 100-byte values; mcserver beside {version} -t 1\n"
        f"{slices} slices of {per_slice:g} s of each, alternating; server and client on {where};"
        f" Python {sys.version.split()[0]}\n"
    )
    print(f"{'operation':16}{'mcserver':>12}{'memcached':>12}{'ratio':>8}   {'quartiles':14}")
    missed = []
    try:
        for operation in OPERATIONS:
            for side in sides:
                side.slice(Operation("fill", "set", 100), 0.05)
                side.slice(operation, 0.1)
            rows = [_row(sides, operation, per_slice, turn) for turn in range(slices)]
            ours_, theirs_ = ([row[which] for row in rows] for which in (0, 1))
            ratios = [a / b for a, b in rows if b > 0]
            low, middle, high = statistics.quantiles(ratios, n=4, method="inclusive")
            print(
                f"{operation.name:16}{statistics.median(ours_):9.2f} us{statistics.median(theirs_):9.2f} us"
                f"{middle:8.2f}   {low:.2f} .. {high:.2f}",
                flush=True,
            )
            if operation.depth == 1 and middle > GOAL:
                missed.append(operation.name)
    finally:
        for side in sides:
            side.stop()
    goal = f"goal: at most {GOAL} at depth 1"
    print(f"\n{goal}: {'missed by ' + '; '.join(missed) + ' (--profile shows why)' if missed else 'met'}")


def _row(sides: list[Side], operation: Operation, seconds: float, turn: int) -> tuple[float, float]:
    """Microseconds per request of both in one turn; who goes first alternates."""
    spent = [0.0, 0.0]
    for which in (0, 1) if turn % 2 else (1, 0):
        cpu, requests = sides[which].slice(operation, seconds)
        spent[which] = cpu / max(1, requests) * 1e6
    return spent[0], spent[1]


def profile(seconds: float, cores: tuple[int, int] | None) -> None:
    """Print where the server's time goes: user and system time, and the functions of the server (cProfile)."""
    with tempfile.TemporaryDirectory() as folder:
        for operation in OPERATIONS:
            file = str(Path(folder) / "profile")
            plain, bent = Side("mcserver", ours(), cores), Side("mcserver", ours("-m", "cProfile", "-o", file), cores)
            for side in (plain, bent):
                side.slice(Operation("fill", "set", 100), 0.05)
            _split(plain, operation, seconds)
            bent.slice(operation, seconds)
            plain.stop()
            bent.stop()
            show = (
                "import pstats, sys\n"
                "stats = pstats.Stats(sys.argv[1])\n"
                "rows = sorted(stats.stats.items(), key=lambda item: -item[1][2])[:8]\n"
                "whole = sum(row[2] for row in stats.stats.values())\n"
                "for (path, line, name), (_, calls, own, _, _) in rows:\n"
                "    place = path.rpartition('/')[2]\n"
                "    print(f'  {100 * own / whole:5.1f} %  {calls:9}  {place}:{line} {name}')\n"
            )
            print("  own time   calls  function (under cProfile; uvloop and the system calls in it are `run`)")
            sys.stdout.flush()
            subprocess.run([sys.executable, "-c", show, file], check=True)


def _split(side: Side, operation: Operation, seconds: float) -> None:
    path = Path(f"/proc/{side.server.pid}/stat")
    first = path.read_text(encoding="ascii").rpartition(")")[2].split()
    _, requests = side.slice(operation, seconds)
    last = path.read_text(encoding="ascii").rpartition(")")[2].split()
    user, system = ((int(last[at]) - int(first[at])) / TICKS / requests * 1e6 for at in (11, 12))
    print(f"\n{operation.name}: {user:.2f} us user, {system:.2f} us system per request ({requests} requests)")


def main() -> None:
    """Read the options."""
    parser = argparse.ArgumentParser(description="Server CPU time per request, mcserver beside memcached -t 1.")
    parser.add_argument(
        "--seconds",
        type=float,
        default=60.0,
        help="how long, about (default: 60; at least 40 slices of 0.25 s an operation)",
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--separate-cores", action="store_true", help="server and client on a core each (default)")
    where.add_argument("--same-core", action="store_true", help="server and client on one core")
    parser.add_argument("--profile", action="store_true", help="print where the server's time goes instead")
    parser.add_argument("--client", type=int, metavar="PORT", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.client is not None:
        client(options.client)
        return
    available = sorted(os.sched_getaffinity(0))
    cores = (available[0], available[0]) if options.same_core else (available[0], available[-1])
    if options.profile:
        profile(max(0.5, options.seconds / (2 * len(OPERATIONS))), cores)
    else:
        measure(options.seconds, cores)


if __name__ == "__main__":
    main()
