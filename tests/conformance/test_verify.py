"""`mcspec verify`: the table, exit codes, traces that are saved in four forms and followed again."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from mcconform import jsonform, verification
from mcconform.cli import verify
from mcconform.reports import traces
from mcconform.verification import Job
from mcspec import models

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Run

    Command = Callable[..., Run]

PLANT = "the exptime counts from the end of the value"
LAW = "law.half-sent.since"


def test_the_laws_of_a_model_hold(mcspec: Command) -> None:
    done = mcspec("verify", "session", "framing", "--bounds", "small")
    assert done.returncode == 0, done.stdout + done.stderr
    rows = re.findall(r"^(session|framing) +small +([\d,]+) +([\d,]+) +(\d+) +[\d,]+$", done.stdout, re.MULTILINE)
    assert [row[0] for row in rows] == ["session", "framing"]
    for law in (*models.load()["session"].laws, *models.load()["framing"].laws):
        assert re.search(rf"^{re.escape(law.clause)} +holds", done.stdout, re.MULTILINE)
    assert "17 laws hold" in done.stdout


def test_what_was_built_wrong_is_told_and_is_no_failure(mcspec: Command, tmp_path: Path) -> None:
    done = mcspec("verify", "sketch-posted", "--bounds", "small", "--trace-out", "out")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 laws hold, 9 broken as known" in done.stdout
    assert "law.sketch-posted.progress is broken in sketch-posted; the shortest trace:" in done.stdout
    assert "sequenceDiagram" in done.stdout
    assert len(list((tmp_path / "out").glob("*.json"))) == 9


def test_every_planted_bug_is_caught_and_traced(mcspec: Command, tmp_path: Path) -> None:
    """The saved trace breaks its law when it is followed, an altered one is refused where it was altered."""
    done = mcspec("verify", "half-sent", "--mutants", "--trace-out", "out")
    assert done.returncode == 0, done.stdout + done.stderr
    count = len(models.load()["half-sent"].plants)
    assert f"{count} of {count} planted bugs caught, 0 laws that none breaks" in done.stdout
    (saved,) = (tmp_path / "out").glob("half-sent.since-*value.json")
    followed = mcspec("replay", str(saved))
    assert (followed.returncode, followed.stdout.split()[:2]) == (1, ["FAILED", f"{LAW}:"])

    record = json.loads(saved.read_text(encoding="utf-8"))
    record["steps"][2]["text"] = "sends something else"
    saved.write_text(json.dumps(record), encoding="utf-8")
    altered = mcspec("replay", str(saved))
    assert altered.returncode == 1
    assert f"REFUSED {LAW}: step 3 of {len(record['steps'])} is refused" in altered.stdout
    assert re.search(r"enabled +client", altered.stdout)

    record["plant"] = None
    saved.write_text(json.dumps(record), encoding="utf-8")
    without = mcspec("replay", str(saved))
    assert (without.returncode, without.stdout.split()[0]) == (0, "FIXED")


def test_the_conversation_of_a_trace_is_judged_like_any_other(mcspec: Command, tmp_path: Path) -> None:
    """What breaks the law in a model with a planted bug is a vector for a server; the bundled one stands it."""
    trace = verification.run(Job("half-sent", "small", PLANT)).broken[LAW]
    files = traces.save(trace, tmp_path)
    assert [file.suffixes[-1] for file in files] == [".json", ".mmd", ".json"]
    assert jsonform.loads(files[2].read_text(encoding="utf-8")) == traces.conversation(trace)
    done = mcspec("replay", str(files[2]), "inproc:", "--allow-flush")
    assert (done.returncode, done.stdout.split()[0]) == (0, "FIXED"), done.stdout + done.stderr


@pytest.mark.parametrize("name", [name for name, model in models.load().items() if model.plants])
def test_traces_of_every_model_are_saved_and_followed(name: str, tmp_path: Path) -> None:
    """In every form, whatever their moves are; what a client can do is a conversation."""
    for plant in models.load()[name].plants[::4]:
        trace = verification.run(Job(name, "small", plant.name)).broken[plant.clause]
        for file in traces.save(trace, tmp_path):
            assert file.stat().st_size
        saved = json.loads((tmp_path / f"{traces.name(trace)}.json").read_text(encoding="utf-8"))
        assert verification.follow(saved).broken


def test_a_trace_without_a_client_is_no_conversation() -> None:
    plant = next(plant for plant in models.load()["framing"].plants if plant.clause == "law.framing.block")
    trace = verification.run(Job("framing", "small", plant.name)).broken[plant.clause]
    assert traces.conversation(trace) is None


def test_mermaid() -> None:
    trace = verification.run(Job("half-sent", "small", PLANT)).broken[LAW]
    lines = traces.mermaid(trace).splitlines()
    assert lines[0] == "sequenceDiagram"
    assert "    participant client_0" in lines
    assert sum("->>" in line for line in lines) == len(trace.lines)
    assert lines[-1].endswith(f"{LAW} is broken")
    assert not any(";" in line or "#" in line for line in lines)


@pytest.mark.parametrize("kind", ["broken", "held"])
def test_a_law_that_does_not_do_as_known_is_a_failure(kind: str, tmp_path: Path) -> None:
    """A law that breaks, and one that holds though the model says that it is broken."""
    model = models.load()["half-sent"]
    if kind == "broken":
        report = verification.run(Job("half-sent", "small", PLANT))
    else:
        report = verification.run(Job("half-sent", "small"))
        model = model._replace(breaks=frozenset({LAW}))
    out = Console(record=True, width=120, soft_wrap=True, force_terminal=False)
    status = verify._laws(out, [model], {report.job: report}, tmp_path, named=False)
    text = out.export_text()
    assert status == 1
    assert "1 WRONG" in text
    assert re.search(rf"{LAW} +{'BROKEN' if kind == 'broken' else 'HOLDS'}", text)
    assert ("the shortest trace" in text) == (kind == "broken")


def test_a_bug_that_no_law_catches_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the table of planted bugs, with the law that nothing breaks."""
    model = models.load()["half-sent"]
    (plant,) = (plant for plant in model.plants if plant.name == PLANT)
    lazy = model._replace(plants=(plant._replace(name="nothing", alter=lambda design: design),), laws=model.laws[:2])
    job = Job("half-sent", "small", "nothing")
    sound = verification.run(Job("half-sent", "small"))._replace(job=job)
    monkeypatch.setattr(verify, "_explore", lambda _out, _jobs: {job: sound})
    out = Console(record=True, width=120, soft_wrap=True)
    assert verify._mutants(out, [lazy], "small", None) == 1
    text = out.export_text()
    assert f"MISSED by {LAW}" in text
    assert f"VACUOUS {LAW}: no planted bug breaks it" in text


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (("verify", "sesion"), "did you mean session?"),
        (("verify", "--bounds", "huge"), "huge"),
        (("verify", "sketch-posted", "--mutants"), "no planted bugs"),
        (("replay", "trace.json"), "no trace of a model"),
    ],
)
def test_mistakes_are_one_line(mcspec: Command, tmp_path: Path, arguments: tuple[str, ...], hint: str) -> None:
    (tmp_path / "trace.json").write_text(json.dumps({"format": verification.FORMAT, "model": "none"}))
    done = mcspec(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert hint in done.stderr


def test_laws_are_listed_and_explained(mcspec: Command) -> None:
    assert LAW in mcspec("list", "law.half").stdout
    assert "law." not in mcspec("list").stdout
    explained = mcspec("explain", LAW).stdout
    assert explained.startswith(f"{LAW} (law)")
    assert PLANT in explained


def test_a_run_that_is_killed_leaves_no_process(tmp_path: Path) -> None:
    """Its workers see that nobody waits for them any more."""
    command = [sys.executable, "-c", "from mcconform.cli import main; main()", "verify", "dispatch", "sketch-meant"]
    with subprocess.Popen([*command, "--bounds", "large"], cwd=tmp_path, stderr=subprocess.DEVNULL) as process:
        workers: set[int] = set()
        deadline = time.monotonic() + 60
        while len(workers) < min(2, os.cpu_count() or 1) and time.monotonic() < deadline:
            time.sleep(0.2)
            workers = {pid for pid in _children(process.pid) if b"spawn_main" in _file(pid, "cmdline")}
        assert workers
        process.kill()
    while any(b"spawn_main" in _file(pid, "cmdline") for pid in workers) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not [pid for pid in workers if b"spawn_main" in _file(pid, "cmdline")]


def _file(pid: int, name: str) -> bytes:
    """A file of a process in /proc; empty if the process has gone or is a zombie."""
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""


def _children(parent: int) -> list[int]:
    """The processes that a process has started."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            fields = _file(int(entry.name), "stat").rpartition(b")")[2].split()
            if len(fields) > 1 and int(fields[1]) == parent:
                found.append(int(entry.name))
    return found
