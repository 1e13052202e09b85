"""The command line: exit codes, one-line errors, reports, replay, explain, list, export."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from mcconform import events

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from conftest import Run

    Command = Callable[..., Run]

QUICK = ("--phases", "vectors,malformed", "--max-examples", "20", "--seed", "1")


def test_check_in_process_holds(mcspec: Command) -> None:
    done = mcspec("check", "inproc:", *QUICK)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "profile  base" in done.stdout
    assert re.search(r"\d+ clauses: .*\d+ pass", done.stdout)


def test_check_starts_the_bundled_server(mcspec: Command) -> None:
    done = mcspec("check", "text.version", "text.incr", "--phases", "vectors", "--strict", "--seed", "1")
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_failed_clause_exits_1_and_is_told_in_full(mcspec: Command, tmp_path: Path) -> None:
    done = mcspec("check", "inproc:adapters:wrong", *QUICK, "--max-failures", "1", "text.set")
    assert done.returncode == 1
    out = done.stdout
    assert "FAILED text.set.stored (must): wrong reply" in out
    assert re.search(r"expected +STORED\\r\\n", out)
    assert re.search(r"observed +SAVED\\r\\n", out)
    assert "printf 'set mcspec" in out
    identity = re.search(r"replay +mcspec replay ([0-9a-f]{8})", out)
    assert identity is not None
    assert (tmp_path / ".mcspec" / "failures" / f"{identity[1]}.json").exists()

    again = mcspec("replay", identity[1], "inproc:adapters:wrong")
    assert (again.returncode, again.stdout.split()[0]) == (1, "FAILED")
    fixed = mcspec("replay", identity[1], "inproc:adapters:honest")
    assert (fixed.returncode, fixed.stdout.split()[0]) == (0, "FIXED")


def test_undecided_must_clauses_are_failures_only_when_strict(mcspec: Command) -> None:
    arguments = ("check", "inproc:", "text.conn", "--phases", "malformed", "--max-examples", "0")
    assert mcspec(*arguments).returncode == 0
    strict = mcspec(*arguments, "--strict")
    assert strict.returncode == 1
    assert "undecided must-clauses: 1\n  text.conn.too-many" in strict.stdout


def test_what_the_profile_says_not_to_apply_is_told_and_is_not_undecided(mcspec: Command) -> None:
    arguments = ("check", "inproc:", "--profile", "memcached-1.6.18", "--phases", "vectors", "--strict")
    done = mcspec(*arguments, "udp.protocol.packet", "meta.mn.replies")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "not applicable: 1: memcached never spoke packets" in done.stdout
    assert "undecided must-clauses" not in done.stdout
    nothing = mcspec(*arguments, "packet")
    assert nothing.returncode == 2
    assert "nothing of this applies to a server of profile memcached-1.6.18" in nothing.stderr


def test_max_time_ends_a_run_and_says_so(mcspec: Command) -> None:
    done = mcspec("check", "inproc:", "--max-time", "0", "--seed", "1", "--phases", "vectors")
    assert done.returncode == 0
    assert "stopped early: --max-time 0 is over" in done.stdout


def test_what_flushes_is_left_alone_without_leave(mcspec: Command, mcserver_process: Any) -> None:
    arguments = ("check", mcserver_process.target, "text.flush.now", "--phases", "vectors,splits", "--seed", "1")
    without = mcspec(*arguments)
    assert "text.flush.now: unsupported: needs --allow-flush" in without.stdout
    assert without.returncode == 0
    assert "1 pass" in mcspec(*arguments, "--allow-flush").stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("check", "127.0.0.1:1"), "refused"),
        (("check", "inproc:no_such_module:create"), "inproc:MODULE:FACTORY"),
        (("check", "localhost:port"), "type HOST:PORT"),
        (("check", "a:1", "b:2"), "two targets"),
        (("check", "inproc:", "text.nonsense"), "no clause matches 'text.nonsense'"),
        (("check", "inproc:", "text.quit", "--exclude", "text"), "nothing is left"),
        (("check", "inproc:", "--phases", "vectors,x"), "no phase 'x'"),
        (("check", "inproc:", "--phases", ""), "no phase"),
        (("check", "inproc:", "--profile", "x"), "no profile 'x'"),
        (("check", "inproc:", "--report", "junit=x"), "ndjson=PATH, --report flags or --report opcodes"),
        (("check", "inproc:", "--report", "ndjson=/no/such/folder/x"), "No such file"),
        (("check", "inproc:", "--level", "maybe"), "must"),
        (("check", "inproc:", "--seed", "x"), "--seed"),
        (("check", "inproc:", "--bogus"), "--bogus"),
        (("check", "--spawn", "true"), "{port}"),
        (("check", "--spawn", "false {port}"), "exit status 1"),
        (("check", "--spawn", "/no/such/program {port}"), "cannot start"),
        (("check", "a:1", "--spawn", "x {port}"), "type one of them"),
        (("bogus",), "bogus"),
        (("replay", "nothing"), "no failure 'nothing'"),
        (("explain",), "--bytes"),
        (("explain", "--bytes", "\\x"), "\\xHH"),
        (("list", "zzz"), "no clause"),
        (("vectors", "export", "zzz"), "no vector"),
        (("fuzz",), "--spawn"),
        (("fuzz", "--spawn", "x", "--seconds", "0"), "--seconds"),
    ],
)
def test_usage_errors_are_one_line_and_exit_2(mcspec: Command, arguments: tuple[str, ...], says: str) -> None:
    done = mcspec(*arguments)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_the_log_is_the_same_in_every_run_and_follows_its_schema(mcspec: Command, tmp_path: Path) -> None:
    logs = []
    for number in (1, 2):
        path = tmp_path / f"{number}.ndjson"
        arguments = ("--seed", "7", "--max-examples", "30", "--report", f"ndjson={path}")
        mcspec("check", "inproc:adapters:wrong", "--phases", "vectors,stateful,malformed", *arguments)
        logs.append(path.read_text(encoding="ascii"))
    assert logs[0] == logs[1]
    schema = events.schema()
    found = [json.loads(line) for line in logs[0].splitlines()]
    for event in found:
        conforms(event, schema["$defs"][event["event"]], schema)  # type: ignore[index]
    kinds = {"start", "phase", "conversation", "failure", "clause", "flags", "opcodes", "end"}
    assert {event["event"] for event in found} == kinds
    assert found[0]["event"] == "start"
    assert found[-1]["event"] == "end"


def conforms(value: Any, schema: Mapping[str, Any], root: Mapping[str, Any]) -> None:
    """As much of JSON schema as ours uses."""
    if "$ref" in schema:
        conforms(value, root["$defs"][schema["$ref"].rpartition("/")[2]], root)
        return
    kinds = {"object": dict, "array": list, "string": str, "integer": int, "boolean": bool}
    if "type" in schema:
        assert isinstance(value, kinds[schema["type"]]), (value, schema)
    if "const" in schema:
        assert value == schema["const"]
    if "enum" in schema:
        assert value in schema["enum"], value
    if "pattern" in schema:
        assert re.search(schema["pattern"], value)
    if isinstance(value, dict):
        assert set(schema.get("required", ())) <= set(value), (value, schema)
        allowed = schema.get("properties", {})
        for name, held in value.items():
            if name in allowed:
                conforms(held, allowed[name], root)
            elif schema.get("additionalProperties") is not None:
                assert schema["additionalProperties"] is not False, name
    if isinstance(value, list) and "items" in schema:
        for held in value:
            conforms(held, schema["items"], root)


def test_explain_a_clause_and_some_bytes(mcspec: Command) -> None:
    clause = mcspec("explain", "text.incr.wraps")
    assert clause.returncode == 0
    assert "2^64" in clause.stdout
    assert "vector incr-wraps" in clause.stdout
    some = mcspec("explain", "--bytes", "set a 0 0 3\\r\\n100\\r\\ndecr a 1\\r\\nget a\\r\\nge")
    assert some.returncode == 0
    assert "text.decr.subtracts" in some.stdout
    assert "VALUE a 0 2\\r\\n99\\r\\nEND\\r\\n" in some.stdout
    assert "VALUE a 0 3\\r\\n99 \\r\\nEND\\r\\n" in some.stdout
    assert "pending  ge" in some.stdout
    old = mcspec("explain", "--bytes", "\\r\\n", "--profile", "memcached-1.6.18")
    assert "ERROR\\r\\n" in old.stdout


def test_list(mcspec: Command) -> None:
    assert len(mcspec("list").stdout.splitlines()) > 120
    assert [line.split()[0] for line in mcspec("list", "text.incr").stdout.splitlines()][1:] == [
        "text.incr.adds",
        "text.incr.wraps",
    ]


def test_help_teaches_by_examples(mcspec: Command) -> None:
    for command in ("check", "fuzz", "explain"):
        assert "Examples:" in mcspec(command, "--help").stdout
    assert "Exit status" in mcspec("--help").stdout


def test_an_export_is_what_was_chosen_and_says_what_is_left_out(mcspec: Command) -> None:
    export = mcspec("vectors", "export", "udp-get")
    assert (export.returncode, export.stdout) == (0, "")
    assert export.stderr == "left out: udp-get (it needs UDP)\n"
    export = mcspec("vectors", "export", "text.incr")
    assert export.returncode == 0
    exported = [json.loads(line) for line in export.stdout.splitlines()]
    assert len(exported) > 5
    assert all(any(clause.startswith("text.incr") for clause in one["clauses"]) for one in exported)


@pytest.mark.memcached
@pytest.mark.slow
def test_memcached_holds_under_its_profile(mcspec: Command, memcached: Any) -> None:
    done = mcspec(
        "check", memcached.target, "--allow-flush", "--phases", "vectors,stateful,malformed", "--max-examples", "150",
        "--seed", "5",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert not re.search(r"\d fail", done.stdout)
