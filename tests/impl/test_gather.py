"""System calls of a reply: a get of many keys leaves in one, gathered from where the values lie when they are large."""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.impl.support import Running, talk

#: Bytes of a value; the reply to 100 of them; the call that sends it, and how many buffers that takes.
CASES = [(10, "write", 0), (500, "write", 0), (1000, "writev", 101)]


@pytest.fixture
def traced(tmp_path: Path) -> Iterator[Callable[[], tuple[Running, Path]]]:
    """Start a server whose system calls that send are written to a file."""
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("strace is not installed: it shows the system calls")
    started: list[tuple[subprocess.Popen[str], Path]] = []

    def begin() -> tuple[Running, Path]:
        calls, pid = tmp_path / "calls", tmp_path / "pid"
        trace = [strace, "-f", "-qq", "-e", "trace=write,writev,sendto,sendmsg,sendmmsg", "-o", str(calls)]
        server = [sys.executable, "-m", "mcserver", "-v", "-l", "127.0.0.1", "-p", "-1", "-P", str(pid)]
        process = subprocess.Popen([*trace, *server], stderr=subprocess.PIPE, text=True)
        assert process.stderr is not None
        line = process.stderr.readline()
        if "listening on " not in line:
            process.wait(timeout=10)
            process.stderr.close()
            pytest.skip(f"strace may not trace here: {line.strip()}")
        started.append((process, pid))
        return Running(process, line.split("listening on ")[1].strip()), calls

    yield begin
    for process, pid in started:
        os.kill(int(pid.read_text(encoding="ascii")), signal.SIGTERM)
        assert process.wait(timeout=20) == 0
        assert process.stderr is not None
        process.stderr.close()


def test_a_get_of_100_keys_is_one_system_call(traced: Callable[[], tuple[Running, Path]]) -> None:
    """Up to 64 KiB it is one buffer, which costs no more than gathering; above that every value is a buffer."""
    running, calls = traced()
    keys = [b"key-%02d" % number for number in range(100)]
    with running.connect() as sock:
        for size, call, buffers in CASES:
            sets = b"".join(b"set %b 0 0 %d noreply\r\n%b\r\n" % (key, size, b"v" * size) for key in keys)
            assert talk(sock, sets + b"mn\r\n", b"MN\r\n") == b"MN\r\n"
            before = len(calls.read_text().splitlines())
            reply = talk(sock, b"get " + b" ".join(keys) + b"\r\n", b"END\r\n")
            assert len(reply) == sum(len(b"VALUE key-00 0 %d\r\n\r\n" % size) + size for _ in keys) + len(b"END\r\n")
            assert talk(sock, b"mn\r\n", b"MN\r\n") == b"MN\r\n"
            made = [line for line in calls.read_text().splitlines()[before:] if "MN\\r\\n" not in line]
            assert len(made) == 1, made
            found = re.match(r"\d+ +(\w+)\(", made[0])
            assert found is not None
            assert found[1] == call
            assert made[0].endswith(f" = {len(reply)}")
            if buffers:
                assert f", {buffers}) = " in made[0]
