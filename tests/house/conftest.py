"""Lists, at the end of a run, the files that begin to be too long for a head."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SMELL = 400


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    lengths = {
        path.relative_to(ROOT).as_posix(): len(path.read_bytes().splitlines())
        for root in ("spec", "impl", "conformance")
        for path in (ROOT / root).rglob("*.py")
    }
    for name, lines in sorted(lengths.items()):
        if lines > SMELL:
            terminalreporter.write_line(f"LONG {name}: {lines} lines ({SMELL} is a smell, 600 a fault)")
