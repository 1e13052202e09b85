"""CrossHair goes through every path of the integer rules; a planted bug makes it find a counterexample."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from mcspec import arith

HERE = Path(__file__).resolve().parent
CONTRACTS = 8


def _check(file: Path, **env: str) -> str:
    command = [sys.executable, "-m", "crosshair", "check", "--analysis_kind=asserts", "--report_all", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=100, env=env or None)
    return done.stdout + done.stderr


def test_confirmed_over_all_paths() -> None:
    """Every contract, not one of them by sampling."""
    output = _check(HERE / "contracts.py")
    assert output.count("Confirmed over all paths") == CONTRACTS, output


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("(value + delta) % modulus", "(value + delta) % (modulus - 1)"),
        ("if delta < value else 0", "if delta <= value + 1 else 0"),
        ("if low < 2**31 else", "if low <= 2**31 else"),
        ("if exptime <= relative", "if exptime < relative"),
        ("if now.lo >= moment.hi", "if now.lo > moment.hi"),
        ("overhead + key + 1", "overhead + key + 2"),
    ],
)
def test_a_changed_rule_is_refuted(tmp_path: Path, old: str, new: str) -> None:
    """No contract is vacuous: each of these changes has a counterexample."""
    source = Path(arith.__file__).read_text(encoding="utf-8")
    assert source.count(old) == 1
    package = tmp_path / "mutant"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "arith.py").write_text(source.replace(old, new))
    contracts = (HERE / "contracts.py").read_text(encoding="utf-8")
    contracts = contracts.replace("from mcspec import arith", "from mutant import arith")
    (tmp_path / "contracts.py").write_text(contracts.replace("from mcspec.arith", "from mutant.arith"))
    output = _check(tmp_path / "contracts.py", PYTHONPATH=str(tmp_path), PATH="")
    assert "when calling" in output, output
    assert "ImportError" not in output
