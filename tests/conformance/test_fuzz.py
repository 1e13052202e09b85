"""`mcspec fuzz` finds what was planted, each in less than a minute, and makes it small."""

from __future__ import annotations

import json
import re
import shlex
import sys
import time
from typing import TYPE_CHECKING

import pytest

from conftest import PLANTED

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Run


def spawn(bug: str) -> str:
    return f"{shlex.quote(sys.executable)} {shlex.quote(str(PLANTED))} {bug} -l 127.0.0.1 -p {{port}}"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("bug", "kind"),
    [("crash", "crash"), ("hang", "hang"), ("sleep", "hang"), ("desync", "wrong reply"), ("wrong", "wrong reply")],
)
def test_planted_bugs_are_found(mcspec: Callable[..., Run], tmp_path: Path, bug: str, kind: str) -> None:
    began = time.monotonic()
    done = mcspec("fuzz", "--spawn", spawn(bug), "--seconds", "60", "--seed", "5")
    assert done.returncode == 1, done.stdout + done.stderr
    assert time.monotonic() - began < 100
    assert re.search(rf"FAILED \S+ \(\w+\): ({kind}|unexpected bytes)", done.stdout), done.stdout
    (saved,) = (tmp_path / ".mcspec" / "failures").iterdir()
    record = json.loads(saved.read_text(encoding="ascii"))
    assert len(record["conversation"]["steps"]) <= 8
    again = mcspec("replay", record["id"])
    assert (again.returncode, again.stdout.split()[0]) == (1, "FAILED"), again.stdout + again.stderr


def test_a_server_without_bugs_is_let_alone(mcspec: Callable[..., Run]) -> None:
    done = mcspec("fuzz", "--spawn", spawn("none"), "--seconds", "4", "--seed", "5")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "no crash, no hang, no difference" in done.stdout
