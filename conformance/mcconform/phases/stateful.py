"""Phase ``stateful``: Hypothesis draws long interleaved sequences of operations on several connections.

Hypothesis generates and remembers nothing: it is run from the campaign's seed, without its database and without its
shrinker.  Failing conversations are shrunk by ``mcconform.shrink`` like those of every other phase, which counts runs
instead of seconds and so gives the same answer on a slow machine.  Each clause that an example went through is an
``event``: a fuzzer that collects Hypothesis tests is steered by the coverage of the specification.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import HealthCheck, Phase, event, given, seed, settings
from hypothesis import strategies as st

from mcconform.conversation import Conversation
from mcconform.generate import PER_OPERATION, decode

if TYPE_CHECKING:
    from mcconform.phases.base import Plan, Submit

MOST_OPERATIONS = 40
LEAST_OPERATIONS = 8


def strategy(*, flush: bool, meta: bool = True, binary: bool = False) -> st.SearchStrategy[Conversation]:
    """Conversations of up to ``MOST_OPERATIONS`` operations, drawn as one string of bytes."""
    drawn = st.binary(min_size=LEAST_OPERATIONS * PER_OPERATION, max_size=MOST_OPERATIONS * PER_OPERATION)
    return drawn.map(lambda data: decode(data, "stateful", flush=flush, meta=meta, binary=binary))


def run(plan: Plan, submit: Submit) -> None:
    """Generate and submit ``max_examples`` conversations."""
    number = 0

    @seed(plan.seed)
    @settings(
        max_examples=plan.max_examples,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
    )
    @given(strategy(flush=plan.allow_flush, meta=plan.meta, binary=plan.binary))
    def example(conversation: Conversation) -> None:
        nonlocal number
        number += 1
        named = Conversation(f"stateful-{number}", conversation.steps)
        for clause in sorted(submit(named).passed):
            event(clause)

    if plan.max_examples > 0:
        example()
