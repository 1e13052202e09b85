"""Nothing stands in the specification that no test reaches: no row, no clause, no branch."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import mcspec
from mcspec import Event, Rules, State
from mcspec.actions import release
from mcspec.guards import always
from mcspec.machine import Row
from tests.spec import coverage_drive

pytestmark = pytest.mark.timeout(600)  # whichever test comes first waits for the drive

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = Path(mcspec.__file__).parent
MODULES = (
    *("access", "actions", "admin", "answers", "arith", "binary", "binary_answers", "cache", "connection", "counters"),
    *("counting", "flushing", "guards", "lru", "machine", "meta", "meta_answers", "meta_store", "packet"),
    *("packet_answers", "pattern", "rows_access", "rows_binary", "rows_packet", "scan", "statistics", "storing"),
    *("text", "udp", "world"),
)
"""What `step` and `match` run through; the models are explored to their last state elsewhere."""

SETTINGS = """\
[run]
branch = true
data_file = {data}
include = {files}
[report]
exclude_also = if TYPE_CHECKING:
"""


class Report(NamedTuple):
    """What a drive left out: rows, clauses, and for each module its lines and branches."""

    rows: list[str]
    clauses: list[str]
    files: dict[str, Any]

    def left_out(self, module: str) -> list[Any]:
        """Lines, and branches as pairs of lines, that were not reached."""
        found = self.files[module]
        return [*found["missing_lines"], *found["missing_branches"]]


def measured(folder: Path, *arguments: str) -> Report:
    """Run the drive under `coverage`, in a process of its own: it would slow down every test after it."""
    settings, drive, branches = folder / "settings", folder / "drive.json", folder / "branches.json"
    files = ",".join(str(PACKAGE / f"{name}.py") for name in MODULES)
    settings.write_text(SETTINGS.format(data=folder / "data", files=files), encoding="utf-8")
    coverage = [sys.executable, "-m", "coverage"]
    for command in (
        [*coverage, "run", f"--rcfile={settings}", "-m", "tests.spec.coverage_drive", str(drive), *arguments],
        [*coverage, "json", f"--rcfile={settings}", "-q", "-o", str(branches)],
    ):
        subprocess.run(command, cwd=ROOT, check=True)
    found = json.loads(branches.read_text(encoding="utf-8"))["files"]
    return Report(
        **json.loads(drive.read_text(encoding="utf-8")),
        files={Path(name).stem: measure for name, measure in found.items()},
    )


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    return measured(tmp_path_factory.mktemp("coverage"))


@pytest.mark.slow
def test_every_row_of_the_table_is_taken(report: Report) -> None:
    assert not report.rows


def test_every_clause_is_owed_by_some_outcome(report: Report) -> None:
    assert not report.clauses


@pytest.mark.parametrize("module", MODULES)
def test_every_branch_is_reached(report: Report, module: str) -> None:
    assert not report.left_out(module)


def test_a_row_that_nothing_reaches_is_named() -> None:
    """Planted behind a row that is always taken; the rows that are reached are not named."""
    at = (State.CLOSED, Event.DATA)
    before = Rules().table
    planted = {**before, at: (*before[at], Row(always, release, State.WAITING))}
    reached = coverage_drive.drive("closed-is-final", Rules(table=planted))
    unreached = reached.unreached_rows(planted)
    assert "closed data / release -> waiting" in unreached
    assert "closed data / ignore -> closed" not in unreached
    assert "parse_cmd turn [quits] / leave -> mwrite" not in unreached


def test_a_clause_that_nothing_owes_is_named() -> None:
    table = Rules().table
    unreached = coverage_drive.drive("closed-is-final").unreached_clauses(table)
    assert {"text.incr.wraps", "text.stream.half-close"} <= unreached
    assert not {"text.quit.closes", "text.stream.closed-is-final"} & unreached


def test_a_branch_that_nothing_reaches_is_named(tmp_path: Path) -> None:
    """A request that holds no line of text leaves something out of every module."""
    part = measured(tmp_path, "--only=binary-noop")
    assert part.rows
    assert part.clauses
    assert [module for module in MODULES if not part.left_out(module)] == []
