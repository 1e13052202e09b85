"""Every switch that --help names does something: an answer that is different without it."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mcserver.inproc import create
from mcserver.options import OptionError, parse
from mcserver.usage import HELP
from tests.impl.support import Running, read_to_end, talk, wait_for

Start = Callable[..., Running]


def fill(count: int, size: int) -> bytes:
    """Set `count` items of `size` bytes in silence."""
    line = b"set fill%d-%d 0 0 %d noreply\r\n%b\r\n"
    return b"".join(line % (size, number, size, bytes(size)) for number in range(count))


CANARY = b"set a 0 5 100000\r\n" + bytes(100_000) + b"\r\n"
BIG = b"set b 0 0 100000 noreply\r\n" + bytes(100_000) + b"\r\n"

# Switch, command line, input, and what the last line of the answer is with it; without it, it is something else.
IN_PROCESS = [
    ("m", "-m 8", b"stats settings\r\n", rb"STAT maxbytes 8388608\r\n"),
    ("M", "-M -m 8", fill(100, 100_000) + CANARY, rb"^SERVER_ERROR out of memory storing object\r\n$"),
    ("I", "-I 2k", b"set a 0 0 3000\r\n" + bytes(3000) + b"\r\n", rb"SERVER_ERROR object too large for cache\r\n$"),
    ("F", "-F", b"flush_all\r\n", rb"CLIENT_ERROR flush_all not allowed\r\n$"),
    ("A", "-A", b"shutdown x\r\n", rb"CLIENT_ERROR invalid shutdown mode\r\n$"),
    ("X", "-X", b"lru_crawler mgdump all\r\n", rb"ERROR key dump not allowed\r\n$"),
    ("W", "-W", b"watch\r\n", rb"CLIENT_ERROR watch commands not allowed\r\n$"),
    ("C", "-C", b"set a 0 0 1\r\nx\r\ngets a\r\n", rb"VALUE a 0 1 0\r\nx\r\nEND\r\n$"),
    ("C", "-C", b"set a 0 0 1\r\nx\r\nme a\r\n", rb" cas=0 fetch=no cls=1 size=53\r\n$"),
    (
        "C",
        "-C",
        b"set a 0 0 1048524\r\n" + bytes(1048524) + b"\r\nset b 0 0 1048525\r\n" + bytes(1048525) + b"\r\n",
        rb"STORED\r\nSERVER_ERROR object too large for cache\r\n$",
    ),
    ("D", "-D !", b"set a!b 0 0 1\r\nx\r\nstats detail dump\r\n", rb"PREFIX a get 0 hit 0 set 1 del 0\r\nEND\r\n$"),
    ("f", "-f 2", b"set a 0 0 100\r\n" + bytes(100) + b"\r\nstats slabs\r\n", rb"STAT 2:chunk_size 192\r\n"),
    ("n", "-n 100", b"set a 0 0 1\r\nx\r\nstats slabs\r\n", rb"STAT 1:chunk_size 152\r\n"),
    ("R", "-R 1", b"mn\r\n" * 4 + b"stats\r\n", rb"STAT conn_yields [1-9]"),
    (
        "slab_chunk_max",
        "-o slab_chunk_max=8",
        b"set a 0 0 20000\r\n" + bytes(20_000) + b"\r\nstats slabs\r\n",
        rb":chunk_size 8192\r\n",
    ),
    ("temporary_ttl", "-m 8 -o temporary_ttl=5", CANARY + fill(200, 100_000) + b"mg a t\r\n", rb"HD t5\r\n$"),
    (
        "no_lru_maintainer",
        "-m 8 -o no_lru_maintainer",
        BIG + fill(50, 100_000) + b"mg b\r\n" * 3 + fill(60, 110_000) + b"mg b\r\n",
        rb"HD\r\nEN\r\n$",
    ),
    (
        "lru_maintainer",
        "-m 8 -o no_lru_maintainer,lru_maintainer",
        BIG + fill(50, 100_000) + b"mg b\r\n" * 3 + fill(60, 110_000) + b"mg b\r\n",
        rb"HD\r\nHD\r\n$",
    ),
    ("no_lru_crawler", "-o no_lru_crawler", b"lru_crawler crawl all\r\n", rb"CLIENT_ERROR lru crawler disabled\r\n$"),
    ("lru_crawler", "-o no_lru_crawler,lru_crawler", b"lru_crawler crawl all\r\n", rb"OK\r\n$"),
    ("no_modern", "-o no_modern", b"slabs reassign 1 1\r\n", rb"CLIENT_ERROR slab reassignment disabled\r\n$"),
    ("modern", "-o no_modern,modern", b"slabs reassign 1 1\r\n", rb"SAME src and dst class are identical\r\n$"),
    ("debugtime", "-o debugtime", b"debugtime p\r\n", rb"OK\r\n$"),
]
# What is on already is told apart from this instead of nothing.
AGAINST = {"lru_maintainer": "-m 8 -o no_lru_maintainer", "lru_crawler": "-o no_lru_crawler", "modern": "-o no_modern"}
# The canary needs a small server to be in danger.
AGAINST |= {"temporary_ttl": "-m 8", "no_lru_maintainer": "-m 8"}


@pytest.mark.parametrize(("switch", "options", "data", "answer"), IN_PROCESS, ids=[row[0] for row in IN_PROCESS])
def test_in_process(switch: str, options: str, data: bytes, answer: bytes) -> None:
    """The answer with the switch is not that without it."""
    found = []
    for line in (options, AGAINST.get(switch, "")):
        connection = create(line.split()).open()
        connection.send(data)
        found.append(re.search(answer, connection.receive()) is not None)
    assert found == [True, False]


def test_connection_limit(start: Start) -> None:
    """-c."""
    server = start("-c", "1")
    with server.connect() as first, server.connect() as second:
        assert talk(first, b"mn\r\n", b"\r\n") == b"MN\r\n"
        assert read_to_end(second) == b"ERROR Too many open connections\r\n"


@pytest.mark.skipif(sys.platform != "linux", reason="the length of the queue is Linux's")
def test_backlog(start: Start) -> None:
    """-b: so many and one more wait to be accepted, while the server does nothing."""
    server = start("-b", "2")
    os.kill(server.process.pid, signal.SIGSTOP)
    waiting: list[socket.socket] = []
    try:
        waiting += [server.connect() for _ in range(3)]
        host, _, port = server.where.rpartition(":")
        with pytest.raises(TimeoutError):
            socket.create_connection((host, int(port)), timeout=0.3)
    finally:
        os.kill(server.process.pid, signal.SIGCONT)
        for sock in waiting:
            sock.close()


def test_idle_timeout(start: Start) -> None:
    """-o idle_timeout: a client that is silent is disconnected, and counted."""
    server = start("-o", "idle_timeout=1")
    with server.connect() as silent:
        silent.settimeout(30)
        assert silent.recv(1) == b""
    with server.connect() as sock:
        assert b"STAT idle_kicks 1\r\n" in talk(sock, b"stats\r\n", b"END\r\n")


def test_verbosity(start: Start) -> None:
    """-v reports the listener (else `start` could not find it), -vv every command line."""
    server = start("-v")
    with server.connect() as sock:
        talk(sock, b"get something\r\n", b"END\r\n")
    server.stop()
    assert server.process.stderr is not None
    assert "get something" in server.process.stderr.read()


@pytest.mark.parametrize("options", [["-t", "65"], ["-U", "65536"], ["-B", "text"], ["-P", ""]])
def test_what_this_server_is_not(options: list[str]) -> None:
    """Switches say what they take."""
    with pytest.raises(OptionError, match="type "):
        parse(options)
    assert parse(["-t", "1", "-U", "0", "-p", "11211", "-B", "auto"]).settings == parse([]).settings


def test_pid_file(start: Start, tmp_path: Path) -> None:
    """-P: the process id, for as long as the process runs."""
    path = tmp_path / "pid"
    server = start("-P", str(path))
    with server.connect() as sock:
        talk(sock, b"mn\r\n", b"\r\n")
    assert path.read_text(encoding="ascii") == f"{server.process.pid}\n"
    assert server.stop() == 0
    assert list(tmp_path.iterdir()) == []


def test_pid_file_that_cannot_be_written(tmp_path: Path) -> None:
    """One line, status 1."""
    command = [sys.executable, "-m", "mcserver", "-p", "-1", "-l", "127.0.0.1", "-P", str(tmp_path / "no" / "pid")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "pid file" in done.stderr


def test_daemon(tmp_path: Path) -> None:
    """-d: the command ends at once; a process without its terminal and directory serves on, paths given stay valid."""
    command = [sys.executable, "-m", "mcserver", "-d", "-p", "0", "-s", "socket", "-P", "pid"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=30, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    pid_file = tmp_path / "pid"
    assert wait_for(pid_file.exists, 30)
    pid = int(pid_file.read_text(encoding="ascii"))
    try:
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(30)
            sock.connect(str(tmp_path / "socket"))
            assert b"STAT pid %d\r\n" % pid in talk(sock, b"stats\r\n", b"END\r\n")
        if sys.platform == "linux":
            assert Path(f"/proc/{pid}/cwd").readlink() == Path("/")
        assert os.getsid(pid) == pid
    finally:
        os.kill(pid, signal.SIGTERM)
    assert wait_for(lambda: list(tmp_path.iterdir()) == [], 30)


#: Switches whose tests stand in other files: where to listen and what only answers (`test_cli`, `test_server`,
#: `test_listeners`), threads and who has to wait (`test_workers`), UDP, protocols and who may come in (`test_udp`,
#: `test_protocols`, `test_sasl`, `test_auth_text`, `test_tls`).
ELSEWHERE = {"p", "s", "a", "l", "V", "h", "maxconns_fast", "no_maxconns_fast", "trace_dispatch", "S", "Y", "Z"} | {
    f"ssl_{word}"
    for word in "chain_cert key keyformat verify_mode ca_cert ciphers min_version wbuf_size session_cache".split()
}
#: Switches tested by the functions above.
ABOVE = {"c", "b", "idle_timeout", "v", "t", "U", "B", "P", "d"}


def test_no_switch_is_forgotten() -> None:
    """--help and the tests name the same switches."""
    named = set(re.findall(r"^-(\w), ", HELP, re.MULTILINE)) - {"o"}
    for words in re.findall(r"^ {27}(\S+)  |^ {27}(\[no_\]\w+) |^ {27}(modern, no_modern) ", HELP, re.MULTILINE):
        word = "".join(words)
        names = [word.partition("=")[0].removeprefix("[no_]")]
        if word.startswith("[no_]"):
            names.append("no_" + names[0])
        named |= set(word.split(", ")) if "," in word else set(names)
    assert named == {row[0] for row in IN_PROCESS} | ABOVE | ELSEWHERE
