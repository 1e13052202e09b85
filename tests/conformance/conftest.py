"""What the tests of the judge share."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mcconform.runner import Judge, Setting
from mcspec import profiles

if TYPE_CHECKING:
    from collections.abc import Callable

HERE = Path(__file__).resolve().parent
PLANTED = HERE / "planted.py"

# Adapters of misbehaving servers are named in targets (inproc:adapters:NAME), so they must be importable.
sys.path.insert(0, str(HERE))

Run = subprocess.CompletedProcess[str]


@pytest.fixture
def setting() -> Setting:
    """Judged by base, flushing allowed, no patience."""
    return Setting(Judge(profiles.load("base").rules), allow_flush=True, timeout=1.0, patience=0)


@pytest.fixture
def mcspec(tmp_path: Path) -> Callable[..., Run]:
    """Runs the command in a scratch folder."""

    def run(*arguments: str, seconds: float = 110) -> Run:
        path = os.pathsep.join([str(HERE), *sys.path])
        return subprocess.run(
            [sys.executable, "-c", "from mcconform.cli import main; main()", *arguments],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": path, "NO_COLOR": "1"},
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )

    return run
