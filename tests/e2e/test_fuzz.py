"""`mcspec fuzz --spawn` finds what was planted in a copy of the server, and nothing in the server."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path

import pytest

from tests.e2e.support import ROOT, mcspec

PLANTED = {
    # A value whose line end is missing ends the process.
    "crash": ("arrival.py", "reply = replies.BAD_DATA_CHUNK\n", '__import__("os").abort()\n'),
    # A value that is swallowed is never over: the loop takes nothing from the chunk, again and again.
    "hang": (
        "incoming.py",
        "size = min(len(data) - pos, self.missing)\n",
        "size = min(len(data) - pos, self.missing) if self.kept else 0\n",
    ),
    # The last byte of a swallowed value is read as an empty command, which is answered.
    "desync": (
        "arrival.py",
        "self.missing = header.length + _LINE_END\n",
        "self.missing = header.length + (_LINE_END if self.kept else 1)\n",
    ),
}
SEEN = {"crash": "crash", "hang": "hang", "desync": "unexpected bytes|wrong reply"}


def spawn(folder: Path, bug: str) -> str:
    """The command of a copy of the server with that bug."""
    package = folder / "mcserver"
    shutil.copytree(ROOT / "impl" / "mcserver", package, ignore=shutil.ignore_patterns("__pycache__", "*.so"))
    name, old, new = PLANTED[bug]
    source = (package / name).read_text(encoding="utf-8")
    assert source.count(old) == 1, f"{name} has changed: plant the bug elsewhere"
    (package / name).write_text(source.replace(old, new), encoding="utf-8")
    command = ["env", f"PYTHONPATH={folder}", sys.executable, "-m", "mcserver", "-l", "127.0.0.1", "-p"]
    return f"{shlex.join(command)} {{port}} {{options}}"


@pytest.mark.slow
@pytest.mark.parametrize("bug", PLANTED)
def test_a_planted_bug_is_found(bug: str, tmp_path: Path) -> None:
    command = spawn(tmp_path / "copy", bug)
    done = mcspec("fuzz", "--spawn", command, "--seconds", "60", "--seed", "1", cwd=tmp_path)
    assert done.returncode == 1, done.stdout + done.stderr
    assert any(word in done.stdout for word in SEEN[bug].split("|")), done.stdout
    saved = list((tmp_path / ".mcspec" / "failures").iterdir())
    assert saved, "it is kept for `mcspec replay`"


@pytest.mark.slow
def test_nothing_is_found_in_the_server_itself(tmp_path: Path) -> None:
    command = f"{shlex.quote(sys.executable)} -m mcserver -l 127.0.0.1 -p {{port}} {{options}}"
    done = mcspec("fuzz", "--spawn", command, "--seconds", "15", "--seed", "1", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "no crash, no hang, no difference" in done.stdout


def test_a_command_without_a_port_is_a_usage_error(tmp_path: Path) -> None:
    done = mcspec("fuzz", "--spawn", "mcserver", "--seconds", "1", cwd=tmp_path)
    assert (done.returncode, done.stderr.count("{port}") > 0) == (2, True)
