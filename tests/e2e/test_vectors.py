"""The exported vectors run by a program of under 150 lines that imports nothing of ours."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from mcspec import clauses
from tests import conftest
from tests.e2e.support import ROOT, mcspec

RUNNER = ROOT / "docs" / "examples" / "run_vectors.py"
MOST_LINES = 150
LEAST = 6000
"""Vectors that an export holds at least."""

Start = Callable[..., conftest.RunningServer]


def test_the_runner_is_short_and_imports_nothing_of_ours() -> None:
    source = RUNNER.read_text(encoding="utf-8")
    assert len(source.splitlines()) < MOST_LINES
    imported = {
        name.split(".")[0]
        for node in ast.walk(ast.parse(source))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or "."]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert imported <= sys.stdlib_module_names
    assert "__import__" not in source
    assert "importlib" not in source


def exported(folder: Path, profile: str) -> list[str]:
    """The lines of an export."""
    done = mcspec("vectors", "export", "--profile", profile, cwd=folder)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def run(target: str, lines: list[str], path: Path, *options: str) -> tuple[int, int, int]:
    """Run the vectors, in a Python without our packages; how many passed, failed and were skipped."""
    path.write_text("".join(f"{line}\n" for line in lines), encoding="ascii")
    command = [sys.executable, "-I", "-S", str(RUNNER), target, str(path), "--flush", *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    found = re.fullmatch(r"(\d+) passed, (\d+) failed, (\d+) skipped", (done.stdout.splitlines() or [""])[-1])
    assert found is not None, done.stdout + done.stderr
    assert done.returncode == (found[2] != "0")
    assert found[2] == "0", done.stdout
    return int(found[1]), int(found[2]), int(found[3])


def run_all(lines: list[str], start: Start, folder: Path) -> int:
    """Run every vector; those that wait side by side, those that wait and flush each on a server of its own."""
    jobs: list[tuple[str, list[str]]] = []
    now: list[str] = []
    shared = start().target
    for number, line in enumerate(lines):
        vector: dict[str, Any] = json.loads(line)
        if vector["clock"] != "moving":
            now.append(line)
        else:
            # The runner makes keys its own by position and time: here each has a position of its own already.
            own = line.replace("mcspec", f"t{number % 10**5:05}")
            jobs.append((start().target if vector["flushes"] else shared, [own]))
    jobs.append((start().target, now))
    with ThreadPoolExecutor(len(jobs)) as pool:
        paths = [folder / f"{number}.jsonl" for number in range(len(jobs))]
        counts = list(pool.map(run, *zip(*jobs, strict=True), paths))
    assert sum(sum(count) for count in counts) == len(lines)
    return sum(count[0] for count in counts)


@pytest.mark.slow
@pytest.mark.memcached
def test_memcached_allows_every_vector_of_its_profile(start_memcached: Start, tmp_path: Path) -> None:
    server = start_memcached()
    with server.connect() as connection:
        connection.sendall(b"version\r\n")
        if b"1.6.18" not in connection.recv(100):
            pytest.skip("the profile is that of release 1.6.18, another one is installed")
    lines = exported(tmp_path, "memcached-1.6.18")
    passed = run_all(lines, start_memcached, tmp_path)
    print(f"{passed} of {len(lines)} vectors ran")
    assert passed >= LEAST


@pytest.mark.slow
def test_the_bundled_server_allows_every_vector_of_base(base: list[str], start_mcserver: Start, tmp_path: Path) -> None:
    passed = run_all(base, start_mcserver, tmp_path)
    print(f"{passed} of {len(base)} vectors ran")
    assert passed >= LEAST


def test_the_bundled_server_allows_every_packet_of_base(base: list[str], start_mcserver: Start, tmp_path: Path) -> None:
    """Vectors that ask for the option run where it was given, the others do not."""
    passed, _, skipped = run(start_mcserver("-B", "packet").target, packets(base), tmp_path / "packets", "-B", "packet")
    print(f"{passed} of {passed + skipped} vectors ran")
    assert passed > 100


def packets(lines: list[str]) -> list[str]:
    """The vectors of the packet protocol that wait for nothing."""
    return [line for line in lines if '"packet.' in line and json.loads(line)["clock"] == "none"]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The export by the base profile."""
    return exported(tmp_path_factory.mktemp("base"), "base")


@pytest.mark.parametrize(
    ("options", "wanted"),
    [(("-I", "1k"), "text.append.too-large"), (("-C",), "meta.flag.cas"), (("-C",), "meta.me.line")],
)
def test_a_wrong_server_does_not_pass(
    options: tuple[str, ...], wanted: str, base: list[str], start_mcserver: Start, tmp_path: Path
) -> None:
    """The runner can fail: a server whose largest item is 1 KiB, or that has no cas uniques, is another server."""
    lines = [line for line in base if f'"{wanted}"' in line and '"options":[]' in line]
    path = tmp_path / "vectors.jsonl"
    path.write_text(f"{lines[0]}\n", encoding="ascii")
    command = [sys.executable, "-I", "-S", str(RUNNER), start_mcserver(*options).target, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 1, done.stdout


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("STORED", "SAVED"),
        (r"Not\\ found", r"Not\\ there"),
        ('"offset":0,"encoding":"u64"', '"offset":1,"encoding":"u64"'),
        ('"uniques":[{"unique":1},{"unique":2}]', '"uniques":[{"unique":1},{"unique":1}]'),
    ],
)
def test_another_answer_does_not_pass(
    old: str, new: str, base: list[str], start_mcserver: Start, tmp_path: Path
) -> None:
    """Another word of text, another one in binary, another cas unique than the one shown, or the same one again."""
    line = next(line for line in base if old in line and '"options":[]' in line)
    path = tmp_path / "vectors.jsonl"
    path.write_text(f"{line}\n{line.replace(old, new)}\n", encoding="ascii")
    command = [sys.executable, "-I", "-S", str(RUNNER), start_mcserver().target, str(path), "--flush"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.stdout.splitlines()[-1] == "1 passed, 1 failed, 0 skipped"
    assert done.returncode == 1


def test_the_export_holds_every_protocol_of_streams(base: list[str]) -> None:
    """Nearly every must-clause has a vector that the runner runs; numbers that depend on the moment are patterns."""
    vectors = [json.loads(line) for line in base]
    held = {clause for vector in vectors if vector["clock"] != "exact" for clause in vector["clauses"]}
    for chapter in ("text", "meta", "binary", "packet"):
        must = {id_ for id_, one in clauses.load().items() if one.level == "must" and id_.startswith(f"{chapter}.")}
        assert len(must & held) > 0.95 * len(must), must - held
    shown = [
        one["regex"]
        for vector in vectors
        for step in vector["steps"]
        for one in step.get("allow", ())
        if "regex" in one
    ]
    assert any(re.search(r"\\ t\(\?:9", pattern) for pattern in shown), "seconds left"
    assert any("h(?:0|1)" in pattern.replace("\\", "") or "(?:h0|h1)" in pattern for pattern in shown), "either"
    assert any("c([1-9][0-9]{0,19})" in pattern for pattern in shown), "a cas unique"
    assert any(r"([\s\S]{8})" in pattern for pattern in shown), "one in eight bytes"
