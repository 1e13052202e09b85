"""Runs batches of conversations in processes of their own: judging is work for a processor, and there are several.

A worker knows the server by its address (or by its adapter's name) only.  It runs a batch in order and stops at the
first failure; the campaign, which may own the server's process, makes sure of every failure itself.
"""

from __future__ import annotations

import multiprocessing
import os
from concurrent.futures import Future, ProcessPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

from mcconform import runner
from mcconform.targets import InprocTarget, SocketTarget, SpawnTarget, Target
from mcconform.targets.tcp import Address
from mcconform.verdict import Result, Verdict

if TYPE_CHECKING:
    from mcconform.conversation import Conversation


class Batch(NamedTuple):
    """Conversations, each with its key prefix, and how they are run."""

    conversations: list[Conversation]
    prefixes: list[bytes]
    setting: runner.Setting


Where = str | Address
"""An adapter's name, or an address."""


def where(target: Target) -> Where | None:
    """How a worker reaches this target; None if it cannot."""
    if isinstance(target, InprocTarget):
        return target.address
    if isinstance(target, SocketTarget):
        return target.where
    if isinstance(target, SpawnTarget):
        return target.process().address
    return None


class Workers:
    """A pool of processes; closes with the context."""

    def __init__(self, place: Where) -> None:
        """Start one process for each processor, and one more: a process often waits for a gap between chunks."""
        count = (os.cpu_count() or 1) + (0 if isinstance(place, str) else 1)
        # A forked process would inherit the threads' locks of this one; a spawned one starts clean.
        context = multiprocessing.get_context("spawn")
        self._pool = ProcessPoolExecutor(min(count, 8), context, _begin, (place,))

    def submit(self, batch: Batch) -> Future[list[Result]]:
        """Run a batch; the results end with the first failure."""
        return self._pool.submit(_run, batch)

    def close(self) -> None:
        """Finish what runs, drop what waits."""
        self._pool.shutdown(cancel_futures=True)


_TARGETS: list[Target] = []
"""The target of this worker process."""


def _begin(place: Where) -> None:
    """Called once in each worker."""
    _TARGETS.append(InprocTarget(place) if isinstance(place, str) else SocketTarget(place))


def _run(batch: Batch) -> list[Result]:
    results: list[Result] = []
    for number, (conversation, prefix) in enumerate(zip(batch.conversations, batch.prefixes, strict=True), 1):
        # That new connections are served is shown by the conversation after it.
        setting = batch.setting._replace(fresh=number == len(batch.conversations))
        result = attempt(conversation, _TARGETS[0], setting, prefix)
        results.append(result)
        if result.difference is not None:
            break
    return results


def attempt(conversation: Conversation, target: Target, setting: runner.Setting, prefix: bytes) -> Result:
    """Run a conversation; an exception is an error of the harness and a Result, too."""
    try:
        return runner.run(conversation, target, setting, prefix)
    except (OSError, ValueError, AssertionError, LookupError, AttributeError, TypeError) as error:
        return Result(conversation, Verdict.HARNESS_ERROR, reason=f"{type(error).__name__}: {error}")
