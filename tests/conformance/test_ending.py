"""A judge that is told to end leaves no server behind."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mcconform.targets import SpawnTarget
from mcconform.targets.spawn import held_back

if TYPE_CHECKING:
    from collections.abc import Callable

SERVING = f"{shlex.quote(sys.executable)} -m mcserver -l 127.0.0.1 -p {{port}} {{options}}"
SILENT = "sleep 600"
"""A program that never accepts connections."""

PATIENCE = 60.0
"""Seconds after which what does not happen is taken for what never will."""


class Told(KeyboardInterrupt):
    """What a handler raises."""


def eventually(holds: Callable[[], object], what: str) -> None:
    """Wait until it holds."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def running(pid: int) -> bool:
    """Whether a process runs; one of which only the entry is left for its parent does not."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize(
    ("number", "server"),
    [(signal.SIGTERM, SERVING), (signal.SIGHUP, SERVING), (signal.SIGTERM, SILENT)],
    ids=["terminated", "hung-up", "while-it-starts"],
)
def test_a_judge_that_is_told_to_end_stops_its_server(tmp_path: Path, number: signal.Signals, server: str) -> None:
    """While it judges, and while it waits for the server to accept; its exit status tells the signal."""
    noted = tmp_path / "pid"
    noted.touch()
    script = tmp_path / "server.sh"
    script.write_text(f'#!/bin/sh\necho $$ >> {noted}\nexec "$@"\n', encoding="ascii")
    script.chmod(0o755)
    log = tmp_path / "log"
    # A name that no shell reads: the port of a program that takes none.
    command = f"{script} {server}" if "{port}" in server else f"env PORT={{port}} {script} {server}"
    words = ["check", "text.incr", "--phases", "splits", "--seed", "1", "--spawn", command]
    judge = subprocess.Popen(
        [sys.executable, "-c", "from mcconform.cli import main; main()", *words, "--report", f"ndjson={log}"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        eventually(lambda: noted.read_text(encoding="ascii"), "no server was started")
        if server == SERVING:
            eventually(lambda: log.exists() and b'"conversation"' in log.read_bytes(), "nothing was judged")
        judge.send_signal(number)
        said, _ = judge.communicate(timeout=PATIENCE)
    finally:
        judge.kill()
        left = [pid for line in noted.read_text(encoding="ascii").split() if running(pid := int(line))]
        for pid in left:
            os.kill(pid, signal.SIGKILL)
    assert judge.returncode == 128 + number, said
    assert b"Traceback" not in said
    assert not left


def test_what_was_ignored_stays_ignored() -> None:
    """As with nohup."""
    program = """
import os, signal
from mcconform import cli
signal.signal(signal.SIGHUP, signal.SIG_IGN)
cli.cli.main = lambda **_: os.kill(os.getpid(), signal.SIGHUP) or 7
cli.main()
"""
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 7


def test_a_signal_while_a_server_is_being_started_comes_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it was that started cannot be forgotten: it is known before the signal is acted upon, and stopped."""
    made: list[int] = []
    real = subprocess.Popen

    def interrupted(*words: object, **options: object) -> object:
        process = real(*words, **options)  # type: ignore[call-overload]
        made.append(process.pid)
        signal.raise_signal(signal.SIGTERM)
        return process

    def told(_number: int, _frame: object) -> None:
        raise Told

    before = signal.signal(signal.SIGTERM, told)
    try:
        monkeypatch.setattr(subprocess, "Popen", interrupted)
        with pytest.raises(Told):
            SpawnTarget(SERVING)
        assert signal.getsignal(signal.SIGTERM) is told
    finally:
        signal.signal(signal.SIGTERM, before)
    (pid,) = made
    left = running(pid)
    if left:
        os.kill(pid, signal.SIGKILL)
    assert not left


def test_signals_are_held_back_in_the_main_thread_only() -> None:
    """Another thread may change no handlers, and need not: signals do not come to it."""
    found: list[object] = []

    def other() -> None:
        with held_back() as told:
            found.append((told, signal.getsignal(signal.SIGTERM)))

    thread = threading.Thread(target=other)
    thread.start()
    thread.join()
    assert found == [([], signal.getsignal(signal.SIGTERM))]
