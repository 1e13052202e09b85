"""Judge one mutant of the engine in a process of its own: does a clause fail, and which?"""

from __future__ import annotations

import multiprocessing
import signal
import time
from fnmatch import fnmatch
from random import Random
from typing import TYPE_CHECKING, NamedTuple

from mcconform import options
from mcconform.lockstep import Difference, judge
from mcconform.phases.vectors import all_vectors
from mcconform.streams import Scope, conversation
from mcspec import Rules
from tests.mutants import loader

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.connection import Connection
    from types import FrameType

    from mcconform.conversation import Conversation

LIMIT = 5
"""Seconds that a mutant may live; what nothing has killed by then has survived."""

STUCK = 1.5
"""Seconds in one conversation after which the engine counts as hung."""

KILLED, SURVIVED, CRASHED, HUNG = "killed", "survived", "crashed", "hung"


class Verdict(NamedTuple):
    """What came of a mutant: how it ended, the clause that failed, the conversation that showed it, seconds taken."""

    how: str
    clause: str
    shown: str
    seconds: float


class _TimeUp(BaseException):
    """The alarm; no Exception, so that no handler of the engine swallows it."""


def conversations(glob: str, streams: int) -> Iterator[Conversation]:
    """Vectors that aim at the clauses first, then the other vectors, then random streams."""
    vectors = all_vectors()
    aimed = [one for one in vectors if any(fnmatch(clause, glob) for clause in one.clauses)]
    yield from aimed
    if glob == "*":
        chosen = {one.id for one in aimed}
        yield from (one for one in vectors if one.id not in chosen)
    for seed in range(streams):
        yield conversation(Random(seed), Scope(options=True, large=300), f"seed {seed}")


def try_out(module: str, text: str, glob: str = "*", streams: int = 4000, limit: float = LIMIT) -> Verdict:
    """Fork, import the mutant, judge it until a clause fails, the conversations end or the time is up."""
    here, there = multiprocessing.Pipe(duplex=False)
    began = time.monotonic()
    process = multiprocessing.get_context("fork").Process(
        target=_child, args=(there, module, text, glob, streams, limit)
    )
    process.start()
    there.close()
    found: tuple[str, str, str] = (HUNG, "", "")
    if here.poll(limit + 5):
        try:
            found = here.recv()
        except EOFError:
            found = (CRASHED, "", "the process ended")
    process.kill()
    process.join()
    return Verdict(*found, time.monotonic() - began)


def _child(pipe: Connection, module: str, text: str, glob: str, streams: int, limit: float) -> None:
    def alarm(_signal: int, _frame: FrameType | None) -> None:
        raise _TimeUp

    signal.signal(signal.SIGALRM, alarm)
    deadline = time.monotonic() + limit
    error = place = ""
    try:
        create = loader.factory(module, text)
        for place_conversation in conversations(glob, streams):
            place = place_conversation.id
            if time.monotonic() > deadline:
                break
            signal.setitimer(signal.ITIMER_REAL, STUCK)
            rules = options.apply(Rules(), place_conversation.options)
            found: Difference | None = judge(place_conversation, create(place_conversation.options), rules)
            if found is not None and found.refusal is not None:
                pipe.send((KILLED, found.refusal.clause, place))
                return
            if found is not None:
                error = error or found.error
        pipe.send((CRASHED if error else SURVIVED, "", error))
    except _TimeUp:
        pipe.send((HUNG, "", place))
    except Exception as failure:  # noqa: BLE001 - a mutant that cannot even be imported
        pipe.send((CRASHED, "", f"{type(failure).__name__}: {failure}"))
