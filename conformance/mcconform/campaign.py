"""A campaign: phases make conversations, the runner judges them, events tell of it.

On a clock that can only be waited for, the timed conversations of the ``vectors`` phase run in threads of their own
while the others go on, so that all of them share one wait.
Conversations that flush the server, read its counters or use keys that others may, run alone, last.
"""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mcconform import events, phases, runner, safety, shrink, workers
from mcconform.jsonform import short_id
from mcconform.keys import Prefixes
from mcconform.phases import malformed, splits, stateful, vectors
from mcconform.targets.tcp import CAREFUL
from mcconform.verdict import Result, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from mcconform.conversation import Conversation
    from mcconform.phases.base import Plan
    from mcconform.tally import Tally
    from mcconform.targets import Target
    from mcspec.clauses import Clause

THREADS = 96
"""Timed conversations that wait at the same time."""


FEW = 20
"""Vectors that are run, with or without splits, in this process: starting others would take longer."""

BATCH = 40
"""Vectors that one process runs in a row."""

CONFIRMED = 3
"""Missing answers that are confirmed with patience; later ones are believed at once."""

MOST_SILENT = 60
"""Missing answers after which a campaign gives up: each costs a time-out."""


@dataclass(frozen=True, slots=True)
class Limits:
    """When to stop: seconds (None: never) and failed clauses (0: never); and whether to shrink."""

    max_time: float | None = None
    max_failures: int = 0
    shrink: bool = True


class _Enough(Exception):  # noqa: N818 - a signal within this module, no error
    """A limit is reached."""


class Campaign:
    """Runs phases against one target; emits events; keeps the tally."""

    def __init__(
        self,
        target: Target,
        setting: runner.Setting,
        plan: Plan,
        clauses: Mapping[str, Clause],
        tally: Tally,
        limits: Limits,
        emit: events.Emit,
    ) -> None:
        self.target = target
        self.setting = setting
        self.plan = plan
        self.clauses = clauses
        self.tally = tally
        self.limits = limits
        self.emit = emit
        self.failures: list[tuple[str, Conversation]] = []
        self.stopped = ""
        self._prefixes = Prefixes(plan.seed)
        self._reported: set[str] = set()
        self._deadline = None if limits.max_time is None else time.monotonic() + limits.max_time
        self._phase = ""
        self._silent = 0
        self._judged: dict[str, Verdict] = {}

    def run(self, names: Iterable[str]) -> None:
        """Run the phases named, in their own order."""
        wanted = set(names)
        try:
            for name in phases.NAMES:
                if name in wanted:
                    self._phase = name
                    self.emit({"event": "phase", "name": name})
                    self._run(name)
        except _Enough as reason:
            self.stopped = str(reason)

    def _run(self, name: str) -> None:
        if name == "vectors":
            self._vectors(list(vectors.conversations(self.plan)))
        elif name == "splits":
            self._splits()
        elif name == "malformed":
            for conversation in malformed.conversations(self.plan):
                self.submit(conversation)
        else:
            stateful.run(self.plan, self.submit)

    def _vectors(self, found: list[Conversation]) -> None:
        """Untimed ones at once; timed ones meanwhile in threads; those that need the server for themselves last."""
        waits = self.target.clock == "sleep"
        alone = {c.id for c in found if self._by_itself(c) or c.datagrams} if not self.target.immediate else set()
        timed = [c for c in found if waits and c.clock == "moving" and c.id not in alone]
        apart = alone | {c.id for c in timed}
        with ThreadPoolExecutor(THREADS) as pool:
            waiting: list[Future[Result]] = [pool.submit(self._execute, c) for c in timed]
            try:
                self._together([c for c in found if c.id not in apart])
            finally:
                results = [future.result() for future in waiting]
        for result in results:
            self._record(result)
        # A server is started anew for each set of options: each set once.
        for conversation in sorted((c for c in found if c.id in alone), key=lambda c: (c.options, bool(c.datagrams))):
            self.submit(conversation)

    def _by_itself(self, conversation: Conversation) -> bool:
        """Whether nobody else may use the server meanwhile; what needs leave and has none is refused anywhere."""
        if conversation.alone or conversation.options:
            return True
        return self.setting.allow_flush and safety.concerns_others(conversation)

    def _together(self, found: list[Conversation]) -> None:
        """Conversations that do not disturb each other, in batches at the same time; recorded in their order."""
        place = None if len(found) < FEW else workers.where(self.target)
        if place is None:
            for conversation in found:
                self.submit(conversation)
            return
        pool = workers.Workers(place)
        try:
            batches = [found[at : at + BATCH] for at in range(0, len(found), BATCH)]
            running = [
                (batch, pool.submit(workers.Batch(batch, [self._prefixes.take() for _ in batch], self.setting)))
                for batch in batches
            ]
            for batch, future in running:
                self._check_time()
                results = future.result()
                for result in results:
                    self._record(self._alive(result))
                # A batch ends with its first failure.
                for conversation in batch[len(results) :]:
                    self.submit(conversation)
        finally:
            pool.close()

    def _splits(self) -> None:
        """The splits of each vector, several vectors at the same time; those that others would notice alone, last."""
        groups = list(splits.groups(self.plan))
        flushing = [group for group in groups if self._by_itself(group.conversations[0])]
        place = None if self.target.immediate and len(groups) < FEW else workers.where(self.target)
        if place is None:
            flushing = groups
        else:
            pool = workers.Workers(place)
            try:
                running = [(group, pool.submit(self._batch(group))) for group in groups if group not in flushing]
                for group, future in running:
                    self._check_time()
                    for result in future.result():
                        self._record(self._confirmed(result, group))
            finally:
                pool.close()
        for group in flushing:
            batch = self._batch(group)
            for conversation, prefix in zip(batch.conversations, batch.prefixes, strict=True):
                self._check_time()
                result = workers.attempt(conversation, self.target, batch.setting, prefix)
                self._record(self._confirmed(result, group))
                if result.difference is not None:
                    break

    def _batch(self, group: splits.Group) -> workers.Batch:
        """The outcome does not depend on the cuts: if the vector was judged by base as well, its splits need not be."""
        known = group.source in self._judged
        setting = self.setting._replace(judge=self.setting.judge._replace(base=None)) if known else self.setting
        return workers.Batch(group.conversations, [self._prefixes.take() for _ in group.conversations], setting)

    def _confirmed(self, result: Result, group: splits.Group) -> Result:
        """A split's result: a failure while the server was down is run again; a deviation stays one."""
        result = self._alive(result)
        deviates = self._judged.get(group.source) is Verdict.DEVIATES
        if deviates and result.verdict is Verdict.PASS:
            return replace(result, verdict=Verdict.DEVIATES, held=frozenset())
        return result

    def _alive(self, result: Result) -> Result:
        """The result, or that of another run if the server was down."""
        if result.difference is not None and (result.difference.kind in shrink.DEATHS or self.target.death()):
            return self._execute(result.conversation)
        return result

    def _check_time(self) -> None:
        if self._deadline is not None and time.monotonic() > self._deadline:
            raise _Enough(f"--max-time {self.limits.max_time:g} is over")

    def submit(self, conversation: Conversation) -> Result:
        """Run a conversation and record what came of it."""
        self._check_time()
        return self._record(self._execute(conversation))

    def _execute(self, conversation: Conversation) -> Result:
        return workers.attempt(conversation, self.target, self.setting, self._prefixes.take())

    def _record(self, result: Result) -> Result:
        self.tally.add(result, aimed=self._phase in ("vectors", "splits") and bool(result.conversation.clauses))
        self.emit(events.conversation(self._phase, result))
        if self._phase == "vectors":
            self._judged[result.conversation.id] = result.verdict
        if result.difference is not None:
            self.plan.failed.add(result.conversation.id)
            self._fail(result, result.difference.clause)
            self._tire(result.difference.kind)
        return result

    def _fail(self, result: Result, clause: str) -> None:
        """Tell of the first failure of each clause, shrunk."""
        if clause in self._reported or not self.tally.judged(clause):
            return
        self._reported.add(clause)
        runs = 0
        if self.limits.shrink and result.conversation.clock == "none":
            gap, self.target.gap = self.target.gap, CAREFUL
            try:
                result, runs = shrink.shrink(result, self._again)
            finally:
                self.target.gap = gap
        smallest = result.conversation
        assert result.difference is not None  # shrinking keeps failures
        self._reported.add(result.difference.clause)
        name = short_id(smallest)
        self.failures.append((name, smallest))
        self.emit(events.failure(name, self.clauses.get(clause), result, smallest, runs))
        if self.limits.max_failures and len(self.failures) >= self.limits.max_failures:
            raise _Enough(f"--max-failures {self.limits.max_failures} is reached")

    def _tire(self, kind: str) -> None:
        """A server that has been silent several times is not waited for as long as the first time."""
        if kind not in ("missing reply", "not closed", "hang"):
            return
        self._silent += 1
        if self._silent == CONFIRMED:
            self.setting = self.setting._replace(timeout=min(self.setting.timeout, 1.0), patience=0)
        if self._silent >= MOST_SILENT:
            raise _Enough(f"{MOST_SILENT} answers did not come in time")

    def _again(self, conversation: Conversation) -> Result:
        """Run a candidate of the shrinker: no confirmation, and less patience."""
        quick = self.setting._replace(timeout=min(self.setting.timeout, 0.5), patience=0)
        return runner.run(conversation, self.target, quick, self._prefixes.take())
