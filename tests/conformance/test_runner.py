"""The runner: verdicts on servers that behave and on servers that do not."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from mcconform import runner, shrink, targets
from mcconform.conversation import Advance, CasRef, Conversation, HalfClose, Send, Settle, say
from mcconform.verdict import Verdict
from mcspec import profiles

if TYPE_CHECKING:
    from mcconform.verdict import Result

A = "mcspec-a"


def run(adapter: str, setting: runner.Setting, *steps: object, **more: object) -> Result:
    made = Conversation("test", tuple(say(0, step) if isinstance(step, str) else step for step in steps), **more)  # type: ignore[arg-type, misc]
    return runner.run(made, targets.make(f"inproc:adapters:{adapter}"), setting, b"prefix")


def test_a_server_that_behaves_passes(setting: runner.Setting) -> None:
    result = run("honest", setting, f"set {A} 0 0 1\r\nx\r\n", f"get {A}\r\n")
    assert result.verdict is Verdict.PASS
    assert {"text.set.stored", "text.get.hit"} <= result.passed == result.held


def test_a_wrong_reply_is_told_in_canonical_bytes(setting: runner.Setting) -> None:
    result = run("wrong", setting, f"set {A} 0 0 1\r\nx\r\n")
    assert result.difference is not None
    assert (result.difference.kind, result.difference.clause) == ("wrong reply", "text.set.stored")
    assert result.difference.expected == ("STORED\\r\\n",)
    assert result.difference.observed.startswith(b"SAVED\r\n")
    assert A.encode() in result.difference.context
    assert b"prefix" not in b"".join(line.data for line in result.transcript)


def test_a_missing_reply_is_found(setting: runner.Setting) -> None:
    result = run("silent", setting, f"set {A} 0 0 1\r\n5\r\n", f"incr {A} 1\r\n")
    assert result.difference is not None
    assert result.difference.clause.startswith("text.")
    assert b"incr" in result.difference.context


def test_an_answer_that_nobody_asked_for_is_found(setting: runner.Setting) -> None:
    result = run("loud", setting, f"set {A} 0 0 1 noreply\r\nx\r\n")
    assert result.difference is not None
    assert result.difference.clause.startswith("text.noreply")


def test_what_is_unspecified_is_not_judged(setting: runner.Setting) -> None:
    result = run("honest", setting, f"set {A} 0 0 1\r\n \r\n", f"incr {A} 1\r\n")
    assert result.verdict is Verdict.UNSPECIFIED
    assert "text.set.stored" in result.passed


@pytest.mark.parametrize(("exptime", "stalls", "verdict"), [(2, 1, "inconclusive"), (2, 9, "fail"), (0, 1, "fail")])
def test_a_stall_is_no_failure_where_an_item_had_a_deadline(
    setting: runner.Setting, exptime: int, stalls: int, verdict: str
) -> None:
    target = targets.make("inproc:adapters:stalling")
    target.clock = "sleep"
    sys.modules["adapters"].STALLED[:] = [1] * stalls
    steps = tuple(say(0, line) for line in (f"set {A} 0 {exptime} 1\r\nx\r\n", f"get {A}\r\n"))
    assert runner.run(Conversation("test", steps), target, setting, b"prefix").verdict == verdict


@pytest.mark.parametrize(
    ("half", "late", "verdict"),
    [("set b 0 0 9\r\nx", 1, "inconclusive"), ("set b 0 0 9\r\nx", 9, "fail"), ("", 1, "fail")],
)
def test_what_was_half_sent_may_be_read_late(setting: runner.Setting, half: str, late: int, verdict: str) -> None:
    """Connections are read by threads: while one is inside a request, a wrong reply on another is looked for again."""
    target = targets.make("inproc:adapters:stalling")
    target.immediate = False
    sys.modules["adapters"].STALLED[:] = [1] * late
    steps = (say(0, f"version\r\n{half}"), say(1, f"set {A} 0 0 1\r\nx\r\n"), say(1, f"get {A}\r\n"))
    result = runner.run(Conversation("test", steps), target, setting._replace(timeout=0.1, patience=0.1), b"prefix")
    assert result.verdict == verdict, result.difference


def test_flushing_needs_leave(setting: runner.Setting) -> None:
    result = run("honest", setting._replace(allow_flush=False), "flush_all\r\n")
    assert result.verdict is Verdict.UNSUPPORTED
    assert "--allow-flush" in result.reason


def test_references_are_bound_while_it_runs(setting: runner.Setting) -> None:
    steps = (f"set {A} 0 0 1\r\nx\r\n", f"gets {A}\r\n", Settle())
    cas = Send(0, (f"cas {A} 0 0 1 ".encode(), CasRef(A.encode()), b"\r\ny\r\n"))
    assert "text.cas.stored" in run("honest", setting, *steps, cas).passed
    other = Send(0, (f"cas {A} 0 0 1 ".encode(), CasRef(A.encode(), 5), b"\r\ny\r\n"))
    assert "text.cas.exists" in run("honest", setting, *steps, other).passed


def test_time_passes_at_will_in_process(setting: runner.Setting) -> None:
    result = run("honest", setting, f"set {A} 0 9 1\r\nx\r\n", Advance(8), f"get {A}\r\n", Advance(1), f"get {A}\r\n")
    assert "text.exptime.relative" in result.passed


def test_half_close(setting: runner.Setting) -> None:
    assert "text.stream.half-close" in run("honest", setting, f"get {A}\r\n", HalfClose(0)).passed


def test_options_change_the_rules(setting: runner.Setting) -> None:
    assert "text.flush.not-allowed" in run("honest", setting, "flush_all\r\n", options=("-F",)).passed


def test_deviations_are_told_apart_from_failures(setting: runner.Setting) -> None:
    base = profiles.load("base").rules
    lenient = base._replace(traits=base.traits._replace(short_line="error"))
    judged = setting._replace(judge=runner.Judge(base, lenient))
    result = run("honest", judged, "\r\n")
    assert result.verdict is Verdict.DEVIATES
    assert result.deviates[-1] == "text.line.short"
    assert "text.line.short" in result.passed - result.held
    assert run("honest", setting._replace(judge=runner.Judge(lenient)), "\r\n").verdict is Verdict.FAIL


@pytest.mark.parametrize("adapter", ["wrong", "cut"])
def test_failures_shrink_to_what_is_needed(adapter: str, setting: runner.Setting) -> None:
    target = targets.make(f"inproc:adapters:{adapter}")
    stream = b"version\r\nset mcspec-a 0 0 3 noreply\r\nabc\r\nget mcspec-a\r\nset mcspec-b 5 0 1\r\nx\r\nversion\r\n"
    made = Conversation(
        "long", (say(1, "version\r\n"), Send(0, (stream,), tuple(range(1, len(stream)))), say(0, "get mcspec-b\r\n"))
    )

    def again(candidate: Conversation) -> Result:
        return runner.run(candidate, target, setting, b"prefix")

    first = again(made)
    assert first.difference is not None
    smallest, runs = shrink.shrink(first, again)
    assert smallest.difference is not None
    assert 0 < runs <= shrink.MOST_RUNS
    assert smallest.conversation.size < 60
    assert len(smallest.conversation.steps) <= 2
    cuts = [cut for step in smallest.conversation.steps if isinstance(step, Send) for cut in step.cuts]
    assert len(cuts) <= (2 if adapter == "cut" else 0), smallest.conversation
    again_smallest, _ = shrink.shrink(first, again)
    assert again_smallest.conversation == smallest.conversation
