"""The specification's integer rules and the server's own: CrossHair finds no argument on which they differ."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcserver import numbers
from mcspec import arith, scan

ROOT = Path(__file__).resolve().parents[2]

# A change of one name of the server (where it has none, of the specification) that makes the two differ.
PLANTS = {
    "incr": "mcserver.arithmetic.U64 -= 1",
    "decr": "mcserver.arithmetic.max = lambda number, least: number",
    "unsigned": "mcserver.numbers._I64_MAX -= 1",
    "flags": "mcserver.numbers._U32_MASK = 2**31 - 1",
    "length_allowed": "mcserver.storage.VALUE_LENGTH_MAX += 1",
    "item_size": "mcserver.cache.FLAGS_SIZE += 1",
    "missing": "mcserver.incoming.min = lambda here, missing: here",
    "alive": "mcserver.cache.RELATIVE_MAX -= 1",
    "flushed": "mcserver.cache._CLOCK_LEAD += 1",
    "cas": "mcspec.arith.cas_compared = lambda given, held: int(given >= held)",
}

pytestmark = pytest.mark.timeout(600)


def _differ(left: str, right: str, path: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "crosshair", "diffbehavior", "--per_condition_timeout=200", left, right]
    env = {**os.environ, "PYTHONPATH": str(path)}
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, env=env)


@pytest.mark.parametrize("rule", PLANTS)
def test_the_two_are_the_same_on_every_path(rule: str, tmp_path: Path) -> None:
    done = _differ(f"tests.spec.differ_server.{rule}", f"tests.spec.differ_spec.{rule}", tmp_path)
    assert "All paths exhausted" in done.stdout, done.stdout + done.stderr
    assert done.returncode == 0


@pytest.mark.parametrize(("rule", "plant"), PLANTS.items())
def test_a_planted_difference_is_found(rule: str, plant: str, tmp_path: Path) -> None:
    lines = [
        "import mcserver.arithmetic, mcserver.cache, mcserver.incoming, mcserver.numbers",
        "import mcserver.storage, mcspec.arith",
        f"from tests.spec.differ_server import {rule}",
        plant,
    ]
    (tmp_path / "planted.py").write_text("\n".join(lines) + "\n", encoding="utf-8")
    done = _differ(f"planted.{rule}", f"tests.spec.differ_spec.{rule}", tmp_path)
    assert "Given: (" in done.stdout, done.stdout + done.stderr
    assert done.returncode == 1


near = st.builds(lambda power, step: 2**power + step, st.sampled_from((31, 32, 33, 63, 64)), st.integers(-3, 3))


@given(st.integers(-(2**65), 2**65) | near | near.map(lambda number: -number))
def test_exptimes_are_cast_alike(number: int) -> None:
    """By sampling: the server casts with bit operations, of which CrossHair does not reach the end."""
    text = b"%d" % number
    wide = scan.c_signed(text)
    assert numbers.lenient_i32(text + b"\n") == (None if wide is None else arith.signed32(wide))
