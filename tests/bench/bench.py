"""Measure the server's CPU time per request beside memcached's: `python tests/bench/bench.py` or `make bench`.

Text and binary are compared with memcached, packets with this server's own text. Both servers run through the whole
measurement; slices of load alternate between them, so that whatever else happens on the machine hits both alike. What
counts is user and system time of the server process, as the kernel counts it in /proc/PID/stat; the client is a process
of its own and costs neither of them anything.
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
LEAST_SLICES = 20
GOAL = 1.5
TICKS = os.sysconf("SC_CLK_TCK")
MISSING = 2


class Operation(NamedTuple):
    """What one slice of load consists of."""

    protocol: str
    command: str
    depth: int

    @property
    def name(self) -> str:
        """As tables show it."""
        return f"{self.protocol} {self.command}, depth {self.depth}"


def operations(protocol: str) -> list[Operation]:
    """What is measured of a protocol."""
    return [Operation(protocol, command, depth) for depth in (1, 100) for command in ("get", "set")]


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
            _pinned([sys.executable, str(Path(__file__).with_name("load.py")), str(self.port)], client_on),
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
        print(*operation, seconds, file=self.client.stdin, flush=True)
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


def ours(*python: str, protocol: str = "auto") -> list[str]:
    """The command of the bundled server."""
    return [sys.executable, *python, "-m", "mcserver", "-l", HOST, "-p", "{port}", "-B", protocol]


def theirs(program: str) -> list[str]:
    """The command of memcached."""
    as_root = ["-u", "root"] if os.geteuid() == 0 else []
    return [program, *as_root, "-l", HOST, "-p", "{port}", "-t", "1", "-U", "0", "-m", "64"]


class Table(NamedTuple):
    """Two servers beside each other; a row is one operation of each."""

    heads: tuple[str, str]
    commands: tuple[list[str], list[str]]
    rows: list[tuple[Operation, Operation]]


def tables(program: str) -> list[Table]:
    """What is compared: both protocols with memcached; packets, which memcached has not, with text."""
    shared = [*operations("text"), *operations("binary")]
    return [
        Table(("mcserver", "memcached"), (ours(), theirs(program)), [(one, one) for one in shared]),
        Table(
            ("packet", "text"),
            (ours(protocol="packet"), ours(protocol="ascii")),
            list(zip(operations("packet"), operations("text"), strict=True)),
        ),
    ]


def measure(seconds: float, cores: tuple[int, int] | None) -> None:
    """Run the slices and print the tables. A slice is long against the tick in which the kernel counts CPU time."""
    program = find_memcached()
    wanted = tables(program)
    count = sum(len(table.rows) for table in wanted)
    per_slice = max(0.25, seconds / (count * 2 * LEAST_SLICES))
    slices = max(LEAST_SLICES, round(seconds / (count * 2 * per_slice)))
    version = subprocess.run([program, "-V"], capture_output=True, text=True, check=False).stdout.strip()
    where = "anywhere" if cores is None else "one core" if cores[0] == cores[1] else "cores of their own"
    print(
        f"server CPU time (user + sys) per request, 100-byte values; mcserver beside {version} -t 1\n"
        f"{slices} slices of {per_slice:g} s of each, alternating; server and client on {where};"
        f" Python {sys.version.split()[0]}"
    )
    missed = []
    for table in wanted:
        for name, middle in _fill(table, per_slice, slices, cores):
            if name.endswith("depth 1") and middle > GOAL and table.heads[1] == "memcached":
                missed.append(name)
    goal = f"goal: at most {GOAL} times memcached at depth 1"
    print(f"\n{goal}: {'missed by ' + '; '.join(missed) + ' (--profile shows why)' if missed else 'met'}")


def _fill(table: Table, seconds: float, slices: int, cores: tuple[int, int] | None) -> list[tuple[str, float]]:
    """Measure and print one table; names and ratios of its rows."""
    sides = [Side(head, command, cores) for head, command in zip(table.heads, table.commands, strict=True)]
    print(f"\n{'operation':24}{sides[0].name:>12}{sides[1].name:>12}{'ratio':>8}   {'quartiles':14}")
    done = []
    try:
        for row in table.rows:
            for side, operation in zip(sides, row, strict=True):
                side.slice(operation._replace(command="set", depth=100), 0.05)
                side.slice(operation, 0.1)
            spent = [_turn(sides, row, seconds, turn) for turn in range(slices)]
            one, other = ([pair[which] for pair in spent] for which in (0, 1))
            low, middle, high = statistics.quantiles([a / b for a, b in spent if b > 0], n=4, method="inclusive")
            print(
                f"{row[0].name:24}{statistics.median(one):9.2f} us{statistics.median(other):9.2f} us"
                f"{middle:8.2f}   {low:.2f} .. {high:.2f}",
                flush=True,
            )
            done.append((row[0].name, middle))
    finally:
        for side in sides:
            side.stop()
    return done


def _turn(sides: list[Side], row: tuple[Operation, Operation], seconds: float, turn: int) -> tuple[float, float]:
    """Microseconds per request of both in one turn; who goes first alternates."""
    spent = [0.0, 0.0]
    for which in (0, 1) if turn % 2 else (1, 0):
        cpu, done = sides[which].slice(row[which], seconds)
        spent[which] = cpu / max(1, done) * 1e6
    return spent[0], spent[1]


def profile(seconds: float, cores: tuple[int, int] | None) -> None:
    """Print where the server's time goes: user and system time, and the functions of the server (cProfile)."""
    with tempfile.TemporaryDirectory() as folder:
        for operation in (one for protocol in ("text", "binary", "packet") for one in operations(protocol)):
            file = str(Path(folder) / "profile")
            protocol = "packet" if operation.protocol == "packet" else "auto"
            plain = Side("mcserver", ours(protocol=protocol), cores)
            bent = Side("mcserver", ours("-m", "cProfile", "-o", file, protocol=protocol), cores)
            for side in (plain, bent):
                side.slice(operation._replace(command="set", depth=100), 0.05)
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
        help="how long, about (default: 60; but at least 40 slices of 0.25 s an operation, some three minutes in all)",
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--separate-cores", action="store_true", help="server and client on a core each (default)")
    where.add_argument("--same-core", action="store_true", help="server and client on one core")
    parser.add_argument("--profile", action="store_true", help="print where the server's time goes instead")
    options = parser.parse_args()
    available = sorted(os.sched_getaffinity(0))
    cores = (available[0], available[0]) if options.same_core else (available[0], available[-1])
    if options.profile:
        profile(max(0.5, options.seconds / 24), cores)
    else:
        measure(options.seconds, cores)


if __name__ == "__main__":
    main()
