"""`mcspec check` against a real memcached with the profile that it chooses itself, and against the bundled server.

By default the splits, which are most of the work, stop after some seconds; MCSPEC_FULL=1 runs all of them, as
`mcspec check HOST:PORT text meta --allow-flush` does by default.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests import conftest
from tests.e2e.support import mcspec

Start = Callable[..., conftest.RunningServer]
FULL = os.environ.get("MCSPEC_FULL") == "1"
SEED = "3"
LEAST_DECIDED = 190
WITH_OPTIONS = ["text.flush.not-allowed", "text.conn.too-many"]
"""Must-clauses about servers started with other options: nobody can decide them at an address."""

LONGEST = 90.0
SPLIT_SECONDS = "4"


def check(target: str, profile: str, folder: Path, *more: str) -> tuple[int, dict[str, dict[str, Any]], str]:
    """Run it; the exit status, the clause events by id, and what was printed."""
    report = folder / "run.ndjson"
    began = time.monotonic()
    done = mcspec(
        "check",
        target,
        "text",
        "meta",
        "--allow-flush",
        "--seed",
        SEED,
        "--report",
        f"ndjson={report}",
        *more,
        cwd=folder,
    )
    assert time.monotonic() - began < LONGEST
    log = [json.loads(line) for line in report.read_text(encoding="ascii").splitlines()]
    start, end = log[0], log[-1]
    assert (start["event"], end["event"], start["profile"]) == ("start", "end", profile)
    assert end["failed"] == [], done.stdout
    assert end["exit"] == done.returncode
    assert "harness-error" not in end["verdicts"], [event for event in log if event.get("verdict") == "harness-error"]
    return done.returncode, {event["id"]: event for event in log if event["event"] == "clause"}, done.stdout


def verify(clauses: dict[str, dict[str, Any]], shown: str) -> None:
    """Enough was decided, and what was not is named, with the reason."""
    must = {name: event for name, event in clauses.items() if event["level"] == "must"}
    undecided = [name for name, event in must.items() if event["verdict"] not in ("pass", "deviates")]
    print(f"{len(must) - len(undecided)} of {len(must)} must-clauses are decided; undecided: {undecided}")
    assert undecided == WITH_OPTIONS
    assert len(must) - len(undecided) >= LEAST_DECIDED
    for name in undecided:
        assert must[name]["reason"]
        assert f"{name}: unsupported: needs the server options" in shown


@pytest.mark.slow
@pytest.mark.memcached
def test_memcached_breaks_no_clause_of_its_profile(start_memcached: Start, tmp_path: Path) -> None:
    phases = [] if FULL else ["--phases", "vectors,stateful,malformed", "--max-examples", "100"]
    target = start_memcached().target
    status, clauses, shown = check(target, "memcached-1.6.18", tmp_path, *phases)
    assert status == 0
    verify(clauses, shown)


@pytest.mark.slow
def test_the_bundled_server_breaks_no_clause(start_mcserver: Start, tmp_path: Path) -> None:
    phases = [] if FULL else ["--phases", "vectors,stateful,malformed", "--max-examples", "100"]
    status, clauses, shown = check(start_mcserver().target, "base", tmp_path, *phases)
    assert status == 0
    verify(clauses, shown)
    assert not [name for name, event in clauses.items() if event["verdict"] == "deviates"]


@pytest.mark.slow
@pytest.mark.memcached
@pytest.mark.parametrize("which", ["memcached", "mcserver"])
def test_splits(which: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    server = request.getfixturevalue(f"start_{which}")()
    profile = "base" if which == "mcserver" else "memcached-1.6.18"
    assert check(server.target, profile, tmp_path, "--phases", "splits", "--max-time", SPLIT_SECONDS)[0] == 0


def test_strict_exits_1_on_what_an_address_cannot_decide_and_0_without_it(
    start_mcserver: Start, tmp_path: Path
) -> None:
    """One chapter suffices: what `--strict` adds is the same for all."""
    server = start_mcserver().target
    few = ["--phases", "vectors", "--exclude", "text.exptime.*", "--exclude", "text.flush.*"]
    few += ["--exclude", "text.stream.*", "--exclude", "text.get*", "--exclude", "text.gat*"]
    done = mcspec("check", server, "text.conn", "text.quit", "--allow-flush", "--strict", *few, cwd=tmp_path)
    assert done.returncode == 1, done.stdout
    assert "undecided must-clauses: 1" in done.stdout
    assert "text.conn.too-many" in done.stdout
    done = mcspec("check", server, "text.quit", "text.version", "--strict", "--phases", "vectors", cwd=tmp_path)
    assert done.returncode == 0, done.stdout


@pytest.mark.slow
@pytest.mark.memcached
def test_strict_holds_where_the_tool_may_choose_the_options(memcached_program: str, tmp_path: Path) -> None:
    user = "-u root" if os.geteuid() == 0 else ""
    command = f"{memcached_program} {user} -l 127.0.0.1 -p {{port}} -U 0 -t 1 {{options}}"
    # Its connection limit counts open files, and it does not start with a limit as low as the vector's.
    done = mcspec("check", "--spawn", command, WITH_OPTIONS[0], "--strict", "--phases", "vectors", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_strict_holds_for_the_bundled_server(tmp_path: Path) -> None:
    done = mcspec("check", *WITH_OPTIONS, "--strict", "--phases", "vectors", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
