"""What a campaign says of each clause.

A clause *holds* if an observed outcome went through it as base has it.  It *deviates* if only the profile's own form of
it was seen, or if a hand-picked vector that aims at it is accepted by the profile and refused by base.  It *failed* if
a difference names it.  Otherwise it is undecided, and the reason is the best that a conversation aiming at it gave.
What the profile says not to apply is unsupported for that reason, and does not count as undecided.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from mcconform import flags, opcodes
from mcconform.verdict import Result, Verdict
from mcspec.clauses import LEVELS

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from mcspec.clauses import Clause

_REASONS = (
    Verdict.HARNESS_ERROR,
    Verdict.INCONCLUSIVE,
    Verdict.FAIL,
    Verdict.UNSPECIFIED,
    Verdict.UNSUPPORTED,
)
"""Which result's reason is told first of a clause that nothing decided."""


ABSENT = "does not apply"
"""How the reason begins of a clause that is not for this server."""


class Tally:
    """Counts for every clause."""

    def __init__(
        self,
        clauses: Mapping[str, Clause],
        selected: Collection[str],
        level: str,
        absent: Mapping[str, str] | None = None,
    ) -> None:
        self._clauses = clauses
        self._absent = absent or {}
        self._selected = frozenset(selected)
        self._levels = LEVELS[: LEVELS.index(level) + 1]
        self._held: Counter[str] = Counter()
        self._seen: Counter[str] = Counter()
        self._deviated: Counter[str] = Counter()
        self._failed: Counter[str] = Counter()
        self._reasons: dict[str, tuple[int, str]] = {}
        self.verdicts: Counter[str] = Counter()
        self._flags: Counter[flags.Used] = Counter()
        self._opcodes: Counter[opcodes.Used] = Counter()

    def add(self, result: Result, *, aimed: bool) -> None:
        """Count a result; ``aimed`` says that its conversation was written for the clauses that it names."""
        self.verdicts[str(result.verdict)] += 1
        self._flags.update(result.flags)
        self._opcodes.update(result.opcodes)
        self._held.update(result.held)
        self._seen.update(result.passed)
        if result.difference is not None:
            self._failed[result.difference.clause] += 1
        if aimed and result.verdict is Verdict.DEVIATES:
            seen = result.passed | set(result.deviates)
            self._deviated.update(clause for clause in result.conversation.clauses if clause in seen)
        if result.verdict in _REASONS:
            rank = _REASONS.index(result.verdict)
            reason = result.reason or f"blocked: {result.conversation.id} failed at {_name(result)}"
            for clause in result.conversation.clauses:
                if rank < self._reasons.get(clause, (len(_REASONS), ""))[0]:
                    self._reasons[clause] = rank, reason

    def judged(self, clause: str) -> bool:
        """Whether a failure of this clause is one of the run: selected, and of a level that counts.

        A clause that no document names is always judged: a difference must not vanish.
        """
        known = self._clauses.get(clause)
        return known is None or (clause in self._selected and known.level in self._levels)

    def verdict(self, clause: str) -> tuple[str, str]:
        """The verdict on a clause, and the reason if it is not decided."""
        if self._failed[clause]:
            return str(Verdict.FAIL), ""
        if self._deviated[clause] or (self._seen[clause] and not self._held[clause]):
            return str(Verdict.DEVIATES), ""
        if self._held[clause]:
            return str(Verdict.PASS), ""
        if clause in self._absent:
            return str(Verdict.UNSUPPORTED), f"{ABSENT}: {self._absent[clause]}"
        rank, reason = self._reasons.get(clause, (len(_REASONS), "no conversation went through it"))
        if rank < len(_REASONS) and _REASONS[rank] is not Verdict.FAIL:
            return str(_REASONS[rank]), reason
        return str(Verdict.BLOCKED if rank < len(_REASONS) else Verdict.INCONCLUSIVE), reason

    def events(self) -> list[dict[str, object]]:
        """One event for each selected clause, in the order of the document, then those of flags and opcodes."""
        found = []
        for name, clause in self._clauses.items():
            if name not in self._selected:
                continue
            verdict, reason = self.verdict(name)
            event: dict[str, object] = {
                "event": "clause", "id": name, "level": clause.level, "section": clause.section, "verdict": verdict,
                "held": self._held[name], "deviated": self._deviated[name], "failed": self._failed[name],
            }  # fmt: skip
            if reason:
                event["reason"] = reason
            found.append(event)
        return [*found, *flags.events(self._flags), *opcodes.events(self._opcodes)]

    def failed(self) -> list[str]:
        """The judged clauses that failed."""
        return sorted(clause for clause in self._failed if self.judged(clause))

    def outside(self) -> list[str]:
        """The clauses that failed without being judged."""
        return sorted(clause for clause in self._failed if not self.judged(clause))

    def undecided(self) -> list[str]:
        """The selected must-clauses about which nothing was decided."""
        decided = (Verdict.FAIL, Verdict.DEVIATES, Verdict.PASS)
        return [
            name
            for name, clause in self._clauses.items()
            if name in self._selected
            and name not in self._absent
            and clause.level == "must"
            and self.verdict(name)[0] not in decided
        ]


def _name(result: Result) -> str:
    return result.difference.clause if result.difference is not None else "something else"
