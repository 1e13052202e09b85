"""Runs a Conversation on a target: whether it can be run at all, and when a failure is looked for again."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from mcconform import safety
from mcconform.conduct import Conduct
from mcconform.ending import LOST
from mcconform.targets import EXACT
from mcconform.verdict import Result, Verdict

if TYPE_CHECKING:
    from mcconform.conversation import Conversation
    from mcconform.targets import Target
    from mcspec import Rules

TIMEOUT = 2.0
"""Seconds without a byte after which what is owed counts as missing."""

PATIENCE = 10.0
"""The same when a missing reply is confirmed: slowness is no silence."""

AGES = frozenset({"meta.mg.last-access", "meta.me.line", "meta.flag.ttl"})
"""Clauses of replies that show seconds: they may be wrong because the machine stood still."""

STALLS = 2
"""Times that a difference is looked for again where the clock or threads have a say: a stalled machine is no wrong
server, and what one connection has half sent may be read after what another one sends."""

ONCE = "it failed once: the clock may have moved, or what was half sent was not yet read"
"""Why nothing is decided by a conversation that failed and then did not."""


RESENT = 2
"""Times that a conversation is run again in which a datagram was lost."""


class Judge(NamedTuple):
    """What a conversation is judged by: the profile's rules, and base where it is another profile."""

    rules: Rules
    base: Rules | None = None


class Setting(NamedTuple):
    """How conversations are run."""

    judge: Judge
    allow_flush: bool = False
    timeout: float = TIMEOUT
    patience: float = PATIENCE
    fresh: bool = True
    """Whether a connection that is opened last must work too; the next conversation of a batch shows that as well."""


def run(conversation: Conversation, target: Target, setting: Setting, prefix: bytes) -> Result:
    """Run a conversation; every outcome is a Result.

    A missing reply on a real server is confirmed once with more patience before it is a failure. So is a wrong one
    where an item had a deadline: had the machine stood still for longer than the window allows, it would be right. And
    so is one where a connection spoke while another one was inside a request.
    """
    if not setting.allow_flush:
        danger = safety.danger(conversation)
        if danger is not None:
            return Result(conversation, Verdict.UNSUPPORTED, reason=f"needs --allow-flush: {danger}")
    if conversation.clock == "exact" and target.clock not in EXACT:
        reason = "needs a clock that is known exactly: --clock debugtime, or a server in this process"
        return Result(conversation, Verdict.UNSUPPORTED, reason=reason)
    if conversation.clock == "moving" and target.clock == "none":
        reason = "needs a clock that moves: --clock sleep or debugtime"
        return Result(conversation, Verdict.UNSUPPORTED, reason=reason)
    first = Conduct(conversation, target, setting, prefix, setting.timeout)
    result = first.result()
    for count in range(RESENT):
        if result.reason != LOST:
            break
        # The keys are others each time, so that it does not matter what of it was carried out before.
        first = Conduct(conversation, target, setting, b"%s%d" % (prefix[:-1], count), setting.timeout)
        result = first.result()
    wrong = result.difference is not None and result.difference.kind in ("wrong reply", "unexpected bytes")
    shows = result.difference is not None and not AGES.isdisjoint(result.difference.clauses)
    if wrong and (first.raced or (target.clock == "sleep" and (shows or first.oracle.timed))):
        return _repeated(result, conversation, target, setting, prefix)
    doubtful = result.difference is not None and result.difference.kind in ("missing reply", "not closed", "hang")
    if not doubtful or target.immediate or setting.patience <= setting.timeout:
        return result
    again = Conduct(conversation, target, setting, prefix[:-1] + b"_", setting.patience).result()
    if again.verdict in (Verdict.PASS, Verdict.DEVIATES):
        return replace(again, verdict=Verdict.INCONCLUSIVE, reason=f"an answer took longer than {setting.timeout:g} s")
    return again


def _repeated(result: Result, conversation: Conversation, target: Target, setting: Setting, prefix: bytes) -> Result:
    """The result of a conversation in which the clock or threads have a say: a failure only if every run is one."""
    for count in range(STALLS):
        again = Conduct(conversation, target, setting, b"%s%d" % (prefix[:-1], count), setting.timeout).result()
        if again.difference is None:
            return replace(again, verdict=Verdict.INCONCLUSIVE, reason=ONCE)
        result = again
    return result
