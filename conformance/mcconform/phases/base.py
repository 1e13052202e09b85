"""What a phase is given and what it yields."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from mcconform.conversation import Conversation, Send, Settle
from mcconform.verdict import Result
from mcspec import Rules

Submit = Callable[[Conversation], Result]
"""Runs a conversation and records what came of it."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What the phases of one campaign share.

    ``max_examples`` bounds each generated phase; ``allow_flush`` lets generators use commands that touch what is not
    ours; ``wanted`` says whether a conversation that aims at these clauses is in the selection.
    """

    seed: int
    max_examples: int
    allow_flush: bool
    wanted: Callable[[Conversation], bool]
    failed: set[str] = field(default_factory=set)
    """Ids of vectors that failed as they are: their splits would only fail again."""
    rules: Rules = field(default_factory=Rules)
    """By which conversations are judged: some rules fork more than others."""
    meta: bool = True
    """Whether generators draw the meta protocol: a server that does not speak it may be judged without it."""
    binary: bool = False
    """Whether they draw the binary protocol; likewise."""
    packet: bool = False
    """Whether they draw packets, for a server that speaks nothing else."""
    udp: bool = False
    """Whether they draw datagrams."""

    def random(self, phase: str) -> random.Random:
        """A generator of random numbers of its own for each phase: what one draws does not move another."""
        return random.Random(f"{self.seed} {phase}")


def plain(conversation: Conversation) -> bool:
    """Whether it is one connection's stream and nothing else: what can be cut and joined at will."""
    return (
        conversation.connections == (0,)
        and not conversation.options
        and conversation.speech(0) == "text"
        and all(isinstance(step, Send | Settle) for step in conversation.steps)
        and all(step.literal() is not None for step in conversation.steps if isinstance(step, Send))
    )
