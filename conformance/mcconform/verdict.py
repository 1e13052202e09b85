"""What one conversation came to."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from mcconform import opcodes
    from mcconform.conversation import Conversation
    from mcconform.flags import Used


class Verdict(StrEnum):
    """The verdicts, from the best to the least informative."""

    PASS = "pass"  # noqa: S105 - no password
    DEVIATES = "deviates"
    FAIL = "fail"
    UNSUPPORTED = "unsupported"
    UNSPECIFIED = "unspecified"
    INCONCLUSIVE = "inconclusive"
    BLOCKED = "blocked"
    HARNESS_ERROR = "harness-error"


class Line(NamedTuple):
    """One line of a transcript: ``send``, ``receive``, ``end`` or another step, canonical bytes, no times."""

    kind: str
    conn: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Difference:
    """The first difference between what was observed and what is allowed, in canonical bytes.

    ``kind`` is one of ``wrong reply``, ``missing reply``, ``unexpected bytes``, ``closed``, ``not closed``, ``crash``
    and ``hang``; ``clauses`` are ordered, the most specific last.
    """

    kind: str
    clauses: tuple[str, ...]
    conn: int
    expected: tuple[str, ...]
    observed: bytes
    context: bytes
    detail: str = ""

    @property
    def clause(self) -> str:
        """The clause that a report names: the most specific one."""
        return self.clauses[-1] if self.clauses else UNNAMED


UNNAMED = "unnamed"
"""Stands for a clause where a difference belongs to none, which no chapter should allow."""


@dataclass(frozen=True, slots=True)
class Result:
    """What running one conversation showed."""

    conversation: Conversation
    verdict: Verdict
    passed: frozenset[str] = frozenset()
    held: frozenset[str] = frozenset()
    """Those among them that hold as base has them; the same as ``passed`` where base is the profile."""
    deviates: tuple[str, ...] = ()
    difference: Difference | None = None
    reason: str = ""
    transcript: tuple[Line, ...] = ()
    flags: tuple[Used, ...] = ()
    """What of the flags of meta commands was carried out."""
    opcodes: tuple[opcodes.Used, ...] = ()
    """The binary opcodes and codes of packets that were sent, and how they ended."""
