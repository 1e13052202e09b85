"""How the run of a conversation ends: with a verdict, and the first difference in canonical bytes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from mcconform.conversation import PREFIX
from mcconform.observed import Canon
from mcconform.verdict import Difference, Line, Result, Verdict

if TYPE_CHECKING:
    from mcconform.blame import Refusal
    from mcconform.conduct import Conduct

GRACE = 0.3
"""Seconds that a process which closed a connection is given to be seen dead."""

LOST = "a datagram did not come"
"""Why a conversation over UDP decided nothing."""


def verdict(run: Conduct) -> Result:
    """What a conversation that has been run came to."""
    run.hear()
    oracle = run.oracle
    passed = frozenset(oracle.passed)
    held = passed if run.setting.judge.base is None else run.held
    if run.base is not None:
        held = frozenset(run.base.passed)
    used = tuple(run.flags), tuple(run.opcodes)
    result = Result(run.original, Verdict.PASS, passed, held, run.deviates, flags=used[0], opcodes=used[1])
    if oracle.refusal is not None:
        canon = Canon(run.prefix)
        transcript = tuple(
            Line(line.kind, line.conn, canon(line.data) if line.kind == "receive" else line.data) for line in run.lines
        )
        difference = _difference(run, oracle.refusal, canon)
        return replace(result, verdict=Verdict.FAIL, deviates=(), difference=difference, transcript=transcript)
    if oracle.exhausted:
        reason = "more than 64 worlds are possible: the judge cannot follow"
        return replace(result, verdict=Verdict.HARNESS_ERROR, reason=reason)
    if oracle.lost:
        return replace(result, verdict=Verdict.INCONCLUSIVE, reason=LOST)
    if oracle.unspecified is not None:
        return replace(result, verdict=Verdict.UNSPECIFIED, reason=oracle.unspecified)
    return replace(result, verdict=Verdict.DEVIATES) if run.deviates else result


def _difference(run: Conduct, found: Refusal, canon: Canon) -> Difference:
    # A process that dies closes its connections first and is seen to be dead a little later.
    death = run.target.death(GRACE if found.kind in ("closed", "missing reply") else 0.0)
    return Difference(
        kind="crash" if death else found.kind,
        clauses=tuple(found.clauses),
        conn=found.conn,
        expected=tuple(text.replace(run.prefix.decode(), PREFIX.decode()) for text in found.expected),
        observed=canon(found.observed + run.more),
        context=found.context.replace(run.prefix, PREFIX),
        detail=f"the server ended: {death}" if death else "",
    )


def failed(run: Conduct, kind: str, detail: str) -> Result:
    """A failure outside of what the oracle sees: the server is gone."""
    death = run.target.death(GRACE)
    run.hear()
    sent = [line.data for line in run.lines if line.kind == "send"]
    difference = Difference(
        kind,
        ("text.stream.error-keeps-open",),
        run.last or 0,
        ("an open connection",),
        b"",
        b"".join(sent[-3:]),
        f"the server ended: {death}" if death else detail,
    )
    passed = frozenset(run.oracle.passed)
    transcript = tuple(run.lines)
    return Result(run.original, Verdict.FAIL, passed, difference=difference, transcript=transcript)
