"""Every command that README and documentation show is run, and prints what they show.

A fenced block of language `console` is a story in one shell, in a copy of the checkout. Lines after `$ ` are its
commands; every other line must appear, in that order, in what they print. Of both sides numbers and hexadecimal ids are
read as `#` and blanks as one, and a shown line `...` stands for any lines. Port 11211 stands for a free port. A command
that ends with `&` serves until the story ends. Comments directly above the block are its markers:

    <!-- not-run: why -->           for the very few that cannot be run here
    <!-- run-by: FILE -->           run by that test, which looks closer at what it prints
    <!-- output-varies: why -->     run, but not compared
    <!-- exit: 1 -->                the exit status of the last command (0 without the marker)
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.house import documents

TIMEOUT = 240  # seconds; a whole check takes under one minute on a machine that is not busy
NOT_RUN_AT_MOST = 4
LEFT_OUT = shutil.ignore_patterns(
    ".git", ".venv", "build", "generated", "__pycache__", ".*_cache", ".hypothesis", ".mcspec"
)

BLOCKS = [block for path in documents.documents() for block in documents.blocks(path)]
RUN = [pytest.param(block, id=block.name) for block in BLOCKS if block.not_run is None and block.run_by is None]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the checkout whose `.venv` is the environment of this run, so that `make` has nothing to install."""
    folder = tmp_path_factory.mktemp("checkout") / "mcspec"
    shutil.copytree(documents.ROOT, folder, ignore=LEFT_OUT)
    # A stamp file that is newer than pyproject.toml says that the environment is ready.
    environment = folder / ".venv"
    environment.mkdir()
    for name in ("bin", "lib", "pyvenv.cfg"):
        (environment / name).symlink_to(Path(sys.prefix) / name)
    os.utime(folder / "pyproject.toml", (0, 0))
    (environment / "ready").touch()
    return folder


def shim(folder: Path, memcached: str) -> None:
    """A `memcached` that also starts for root, which the real one refuses without -u, and is not seen from outside."""
    as_root = "-u root" if os.geteuid() == 0 else ""
    file = folder / "memcached"
    file.write_text(f'#!/bin/sh\nexec {shlex.quote(memcached)} {as_root} -l 127.0.0.1 "$@"\n', encoding="utf-8")
    file.chmod(0o755)


def script(block: documents.Block, port: int) -> str:
    """The block as a shell script that stops at the first command that fails and waits for servers to accept."""
    lines = ["set -eu"]
    for command in block.commands:
        text = command.replace("11211", str(port))
        lines.append(text)
        if text.rstrip().endswith("&") and str(port) in text:
            accepts = f"(: < /dev/tcp/127.0.0.1/{port}) 2>/dev/null"
            wait = f"for i in $(seq 200); do {accepts} && break; kill -0 $!; sleep 0.05; done"
            lines.append(wait)
    return "\n".join(lines) + "\n"


def normal(line: str) -> str:
    """The line without what differs from run to run: numbers, ids, widths."""
    without_ids = re.sub(r"\b(?=[0-9a-f]*\d)[0-9a-f]{6,}\b", "#", line)
    return " ".join(re.sub(r"\d+(?:\.\d+)*", "#", without_ids).split())


def missing_lines(shown: list[str], printed: list[str]) -> list[str]:
    """The shown lines that do not appear in that order among the printed ones; `...` (any lines) allows a gap."""
    lost, at, gap = [], 0, True
    lines = [text for text in map(normal, printed) if text]
    for line in shown:
        if line.strip() in {"...", "…"}:
            gap = True
            continue
        places = range(at, len(lines)) if gap else range(at, min(at + 1, len(lines)))
        found = next((place for place in places if lines[place] == normal(line)), None)
        if found is None:
            lost.append(line)
        else:
            at, gap = found + 1, False
    return lost


@pytest.mark.slow
@pytest.mark.parametrize("block", RUN)
@pytest.mark.timeout(TIMEOUT + 30)
def test_the_command_works_and_prints_what_is_shown(
    block: documents.Block,
    checkout: Path,
    free_port: Callable[[], int],
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    if any(re.search(r"(^|[ ('\"])memcached ", command) for command in block.commands):
        shim(tmp_path, request.getfixturevalue("memcached_program"))
    programs = [str(tmp_path), str(checkout / ".venv/bin")]
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith(("PYTEST_", "COVERAGE_", "MAKE"))},
        "PATH": os.pathsep.join([*programs, os.environ["PATH"]]),
        "COLUMNS": "120",
        "HOME": str(tmp_path),
        "NO_COLOR": "1",
    }
    story = script(block, free_port())
    printed = tmp_path / "printed"
    with printed.open("wb") as output:
        process = subprocess.Popen(
            ["bash", "-c", story],
            cwd=checkout,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            status = process.wait(TIMEOUT)
        except subprocess.TimeoutExpired:
            status = None
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    text = printed.read_text(encoding="utf-8", errors="replace")
    assert status == block.status, f"{story}\nended with {status}\n{text}"
    if block.output_varies is None:
        assert not missing_lines(block.output, text.splitlines()), text


def test_the_documents_show_commands() -> None:
    assert len(RUN) >= 5


def test_few_commands_are_left_out_and_each_says_why() -> None:
    left_out = [f"{block.name}: {block.not_run}" for block in BLOCKS if block.not_run]
    assert len(left_out) <= NOT_RUN_AT_MOST, left_out


def test_what_another_test_runs_is_run_there() -> None:
    """The file is there, and names the program."""
    for block in BLOCKS:
        if block.run_by is not None:
            test = (documents.ROOT / block.run_by).read_text(encoding="utf-8")
            words = [
                word for command in block.commands for word in re.findall(r"verify|prove|twin|spin|proofs", command)
            ]
            assert words, block.name
            assert any(word in test for word in words), block.name


def test_every_make_target_that_a_document_names_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (documents.ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for block in BLOCKS:
        for command in block.commands:
            words = shlex.split(command, comments=True)
            if words[:1] == ["make"]:
                assert {word for word in words[1:] if "=" not in word} <= targets, command


@pytest.mark.parametrize(
    ("shown", "printed", "lost"),
    [
        (["a 1"], ["x", "a   22"], []),
        (["a", "b"], ["a", "x", "b"], ["b"]),
        (["a", "...", "b"], ["a", "x", "b"], []),
        (["b", "...", "a"], ["a", "b"], ["a"]),
        (["replay 3fa09bc"], ["replay 99ab12d"], []),
        (["no"], ["yes"], ["no"]),
    ],
)
def test_how_output_is_compared(shown: list[str], printed: list[str], lost: list[str]) -> None:
    assert missing_lines(shown, printed) == lost
