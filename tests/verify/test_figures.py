"""The figures of docs/verification.md: every state, transition and verdict is what the commands beside them print."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from tests.house import documents

SHOWN = next(
    block.text
    for block in documents.blocks(documents.ROOT / "docs/verification.md")
    if block.text.startswith("$ mcspec verify\n")
)
PLANTED = next(
    block.text
    for block in documents.blocks(documents.ROOT / "docs/verification.md")
    if block.text.startswith("$ mcspec verify --mutants")
)


def verify(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", "from mcconform.cli import main; main()", "verify", *arguments],
        env={**os.environ, "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=540,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def figures(text: str) -> list[list[str]]:
    """Of each row of the table the model, the bounds, states, transitions and depth: all that is no speed."""
    return [row.split()[:5] for row in text.splitlines() if re.fullmatch(r"[a-z-]+ +(standard|large) +[\d, ]+", row)]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_standard_bounds() -> None:
    """The laws hold at standard bounds, and the document shows the figures to the digit."""
    out = verify()
    assert figures(SHOWN) == figures(out)
    assert len(figures(out)) >= 8
    for line in SHOWN.splitlines()[1:]:
        if line.startswith("law.") or line.endswith("known"):
            assert line.split() in [printed.split()[: len(line.split())] for printed in out.splitlines()], line


@pytest.mark.slow
def test_planted_bugs() -> None:
    """Every one is caught, and the document says how many."""
    last = verify("--mutants").splitlines()[-1]
    assert re.fullmatch(r"(\d+) of \1 planted bugs caught, 0 laws that none breaks", last)
    assert PLANTED.splitlines()[-1] == last
