"""Fuzzing: random and mutated streams at random chunkings, judged by the oracle, on a server that we start.

What is found: a *crash* (the process ended), a *hang* (a fresh connection gets no answer, or the process burns its CPU
while nobody asks for anything), and every difference that the oracle sees (a desync is a wrong reply).  Streams go
beyond what the specification covers; there the oracle is silent, and crashes and hangs are still seen.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mcconform import ending, runner, sentinels, shrink
from mcconform.conversation import Conversation, Part, Send, Settle, Step
from mcconform.keys import Prefixes
from mcconform.phases import malformed
from mcconform.streams import Scope, conversation
from mcconform.targets import SpawnTarget, TargetError
from mcconform.targets.tcp import CAREFUL
from mcconform.verdict import Difference, Result, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable

QUICK = 1.0
"""Seconds to wait for an answer."""

WATCH = 2.0
"""Seconds between two looks at the server's health."""

IDLE = 0.25
"""Seconds of silence over which the CPU time is measured."""

BUSY = 0.8
"""Share of them above which a server that has nothing to do is spinning."""

HISTORY = 60
"""Conversations that are run again when the last one alone does not show what was found."""

SHRINK_RUNS = 150
"""Candidates of the shrinker where each may cost a restart of the server."""

SHRINK_SECONDS = 15.0
"""Seconds after which the shrinker is content with what it has."""

OPEN = "text.stream.error-keeps-open"


@dataclass
class Progress:
    """How far a run is."""

    conversations: int = 0
    bytes: int = 0
    unspecified: int = 0
    clauses: set[str] | None = None


class Fuzzer:
    """Feeds one spawned server until the time is over or something is found."""

    def __init__(self, target: SpawnTarget, judge: runner.Judge, seed: int) -> None:
        self.target = target
        self.setting = runner.Setting(judge._replace(base=None), allow_flush=True, timeout=QUICK, patience=0)
        self.random = random.Random(seed)
        self.prefixes = Prefixes(seed)
        self.progress = Progress(clauses=set())
        self._history: list[Conversation] = []
        self._looked = time.monotonic()
        self._spun = False

    def run(self, seconds: float, tick: Callable[[Progress], None]) -> tuple[Result, int] | None:
        """What was found, shrunk, with the number of runs that took; None if nothing was.

        ``tick`` is called after every conversation.
        """
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            made = self.make()
            result = self.judge(made)
            self.progress.conversations += 1
            self.progress.bytes += made.size
            self.progress.unspecified += result.verdict is Verdict.UNSPECIFIED
            if self.progress.clauses is not None:
                self.progress.clauses |= result.passed
            tick(self.progress)
            self._history = [*self._history[-HISTORY:], made]
            if result.difference is None and time.monotonic() - self._looked > WATCH:
                result = self._look(made) or result
            if result.difference is not None:
                return self._found(result)
        return None

    def make(self) -> Conversation:
        """The next conversation."""
        rng = self.random
        name = f"fuzz-{self.progress.conversations + 1}"
        kind = rng.random()
        scope = Scope(advance=False, large=1500, binary=True)
        if kind < 0.45:
            return conversation(rng, scope, name)
        if kind < 0.75:
            return mutated(rng, conversation(rng, scope, name))
        if kind < 0.85:
            return malformed.conversation(rng, name)
        if kind < 0.93:
            return malformed.broken_binary(rng, name, flush=True)
        data = malformed.tame(bytes(rng.randrange(256) for _ in range(rng.randrange(1, 3000))))
        cuts = tuple(sorted(rng.randrange(len(data)) for _ in range(rng.randrange(6))))
        return Conversation(name, (Send(0, (data,), cuts), Settle()))

    def judge(self, made: Conversation) -> Result:
        """Run one conversation; an answer that does not come is a hang if a fresh connection gets none either."""
        result = runner.run(made, self.target, self.setting, self.prefixes.take())
        silent = result.difference is not None and result.difference.kind in ("missing reply", "not closed")
        if result.verdict is Verdict.UNSPECIFIED or silent:
            trouble = self._trouble()
            if trouble is not None:
                return self._with(result, *trouble)
        return result

    def _trouble(self) -> tuple[str, str] | None:
        """What is wrong with the server as a whole: kind and detail."""
        if not self._answers():
            death = self.target.death(ending.GRACE)
            if death is not None:
                return "crash", f"the server ended: {death}"
            self.target.restart()
            return "hang", f"a fresh connection gets no answer to `version` within {QUICK:g} s"
        return None

    def _answers(self) -> bool:
        try:
            session = self.target.session(())
        except TargetError:
            return False
        try:
            session.open(0)
            session.write(0, sentinels.TEXT)
            arrived = session.pump(self.setting.timeout)
            return bool(arrived) and arrived[0][1] is not None
        except TargetError:
            return False
        finally:
            session.end()

    def _look(self, made: Conversation) -> Result | None:
        """Look whether the server is alive and, with nothing to do, does nothing."""
        self._looked = time.monotonic()
        trouble = self._trouble()
        if trouble is None:
            process = self.target.process()
            before = process.cpu_seconds()
            time.sleep(IDLE)
            after = process.cpu_seconds()
            if before is None or after is None or after - before < BUSY * IDLE:
                return None
            self.target.restart()
            self._spun = True
            trouble = "hang", f"idle, the server used {after - before:.2f} s of CPU time in {IDLE:g} s"
        return self._with(Result(made, Verdict.FAIL), *trouble)

    def _with(self, result: Result, kind: str, detail: str) -> Result:
        sent = b"".join(
            part for step in result.conversation.steps if isinstance(step, Send)
            for part in step.parts if isinstance(part, bytes)
        )  # fmt: skip
        clauses = result.difference.clauses if result.difference is not None else (OPEN,)
        difference = Difference(kind, clauses, 0, ("an answer",), b"", sent[-300:], detail)
        return replace(result, verdict=Verdict.FAIL, difference=difference)

    def _found(self, result: Result) -> tuple[Result, int]:
        """Make sure of it on a fresh server, with what went before if need be, and shrink it."""
        assert result.difference is not None  # the caller has looked
        wanted = result.difference
        fresh, runs = self._confirmed(result, wanted)
        if fresh is None:
            once = replace(wanted, detail=f"{wanted.detail} (seen once: it did not happen again)".strip())
            return replace(result, difference=once), runs
        limit = SHRINK_RUNS if wanted.kind in ("crash", "hang", "missing reply", "not closed") else None
        self.setting = self.setting._replace(timeout=QUICK / 2)
        deadline = time.monotonic() + SHRINK_SECONDS
        smallest, more = shrink.shrink(fresh, self._again, limit, lambda: time.monotonic() > deadline)
        return smallest, runs + more

    def _confirmed(self, result: Result, wanted: Difference) -> tuple[Result | None, int]:
        """The same difference on a fresh server: chunks surely apart, or as they were, or with what went before."""
        alone, gap = result.conversation, self.target.gap
        attempts = [(alone, CAREFUL), (alone, gap), (alone, gap), (joined(self._history, alone.id), gap)]
        for number, (candidate, pause) in enumerate(attempts, 1):
            self.target.gap = pause
            fresh = self._again(candidate)
            if fresh.difference is not None and fresh.difference.kind == wanted.kind:
                return fresh, number
        return None, len(attempts)

    def _again(self, candidate: Conversation) -> Result:
        """Run a candidate; a server that is in trouble afterwards is replaced."""
        result = self.judge(candidate)
        if result.difference is None and self._spun:
            return self._look(candidate) or result
        return result


def mutated(rng: random.Random, made: Conversation) -> Conversation:
    """The conversation with some of its literal bytes damaged, or with steps dropped, doubled or swapped."""
    steps: list[Step] = list(made.steps)
    for _ in range(rng.randrange(1, 4)):
        at = rng.randrange(len(steps))
        step = steps[at]
        kind = rng.randrange(6)
        if kind == 0 and len(steps) > 2:
            del steps[at]
        elif kind == 1:
            steps.insert(at, step)
        elif isinstance(step, Send):
            parts: tuple[Part, ...] = tuple(
                malformed.mutate(rng, part) if isinstance(part, bytes) and part else part for part in step.parts
            )
            steps[at] = replace(step, parts=parts)
    if isinstance(steps[0], Send) and isinstance(steps[0].parts[0], bytes):
        first = steps[0]
        steps[0] = replace(first, parts=(malformed.tame(steps[0].parts[0]), *first.parts[1:]))
    return replace(made, steps=tuple(steps))


def joined(history: list[Conversation], name: str) -> Conversation:
    """Several conversations one after the other, each on connections of its own."""
    steps: list[Step] = []
    base = 0
    for made in history:
        for step in made.steps:
            conn = getattr(step, "conn", None)
            if conn is None:
                steps.extend(Settle(base + number) for number in made.connections)
            else:
                steps.append(replace(step, conn=base + conn))
        base += max(made.connections, default=0) + 1
    return Conversation(name, tuple(steps))
