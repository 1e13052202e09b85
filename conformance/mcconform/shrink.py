"""Makes a failing conversation as short as it gets while the same clause still fails.

Bounded by a number of runs and not by seconds, so that the same failure shrinks to the same conversation on every
machine.  A candidate counts only if it fails with the same kind of difference at the same clause.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from mcconform import headers, safety
from mcconform.conversation import PREFIX, Advance, Conversation, Datagram, Part, Repeat, Send, Settle, Step, width

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mcconform.verdict import Difference, Result

MOST_RUNS = 400
"""Candidates that are tried for one failure."""

MOST_MISSING = 60
"""The same where each candidate costs a time-out: the failure is an answer that does not come."""

DEATHS = ("crash", "hang")
"""Differences that are the same whatever clause was being judged when the server went away."""

ALIKE = {"unexpected bytes": "wrong reply"}
"""Differences that are one: bytes that nobody asked for are a wrong reply as soon as something else is owed."""


class _Search:
    """The best conversation so far, and how many runs are left."""

    def __init__(self, result: Result, again: Callable[[Conversation], Result]) -> None:
        self.best = result
        self._again = again
        self._safe = safety.danger(result.conversation) is None
        slow = result.difference is not None and result.difference.kind in ("missing reply", "not closed", "hang")
        self.most = MOST_MISSING if slow else MOST_RUNS
        self.runs = 0
        self.enough: Callable[[], bool] = lambda: False

    def better(self, candidate: Conversation) -> bool:
        """Whether the candidate fails in the same way; then it is the best from now on."""
        if self.enough():
            self.most = self.runs
        if self.runs >= self.most or candidate.steps == self.best.conversation.steps:
            return False
        if self._safe and safety.danger(candidate) is not None:
            # It would still fail, but could not be replayed on a server that holds somebody's data.
            return False
        self.runs += 1
        result = self._again(candidate)
        found, wanted = result.difference, self.best.difference
        if found is None or wanted is None or ALIKE.get(found.kind, found.kind) != ALIKE.get(wanted.kind, wanted.kind):
            return False
        if found.clause != wanted.clause and found.kind not in DEATHS and not _underlying(found, wanted):
            return False
        self.best = result
        return True


def shrink(
    result: Result,
    again: Callable[[Conversation], Result],
    most: int | None = None,
    enough: Callable[[], bool] = lambda: False,
) -> tuple[Result, int]:
    """The shortest failing result found, and the number of runs it took: ``most`` at most, or until ``enough``.

    A failure that does not repeat is returned as it was.
    """
    search = _Search(result, again)
    search.most = search.most if most is None else most
    search.enough = enough
    passes = (_without_steps, _joined, _without_cuts, _without_requests, _shorter)
    while True:
        before = search.best
        for candidates in passes:
            _exhaust(search, candidates)
        if search.best is before or search.runs >= search.most:
            search.most += 1
            search.better(_renumbered(search.best.conversation))
            return search.best, search.runs


def _underlying(found: Difference, wanted: Difference) -> bool:
    """Whether a difference named after the stream's circumstances turned out to be one of the request itself."""
    return wanted.clause.startswith("text.stream.") and found.clause in wanted.clauses


def _exhaust(search: _Search, candidates: Callable[[Conversation], Iterator[Conversation]]) -> None:
    """Take the first candidate that still fails, and begin again from there, until none does."""
    progress = True
    while progress and search.runs < search.most:
        progress = False
        for candidate in candidates(search.best.conversation):
            if search.better(candidate):
                progress = True
                break
            if search.runs >= search.most:
                break


def _renumbered(conversation: Conversation) -> Conversation:
    """Connections numbered from 0 in the order of their first use."""
    numbers = {conn: number for number, conn in enumerate(conversation.connections)}
    steps = [
        step if isinstance(step, Advance) or step.conn is None else replace(step, conn=numbers[step.conn])
        for step in conversation.steps
    ]
    return _with(conversation, steps)


def _with(conversation: Conversation, steps: list[Step]) -> Conversation:
    return replace(conversation, steps=tuple(steps))


def _without_steps(conversation: Conversation) -> Iterator[Conversation]:
    """Drop runs of steps: halves first, then quarters, down to single ones."""
    steps = list(conversation.steps)
    size = max(1, len(steps) // 2)
    while True:
        for start in range(0, len(steps), size):
            rest = steps[:start] + steps[start + size :]
            if any(isinstance(step, Send | Datagram) for step in rest):
                yield _with(conversation, rest)
        if size == 1:
            return
        size //= 2


def _joined(conversation: Conversation) -> Iterator[Conversation]:
    """Join two Sends of one connection, also across a Settle."""
    steps = list(conversation.steps)
    for index, step in enumerate(steps[:-1]):
        after = steps[index + 1]
        if isinstance(step, Send) and isinstance(after, Send) and step.conn == after.conn:
            yield _with(conversation, [*steps[:index], Send(step.conn, step.parts + after.parts), *steps[index + 2 :]])
    if any(isinstance(step, Advance) for step in steps):
        return
    connections = conversation.connections
    if len(connections) > 1:
        # One connection is simpler than two, if it shows the same.
        yield _with(conversation, [_on_first(step, connections[0]) for step in steps])


def _on_first(step: Step, conn: int) -> Step:
    if isinstance(step, Advance) or (isinstance(step, Settle) and step.conn is None):
        return step
    return replace(step, conn=conn)


def _without_cuts(conversation: Conversation) -> Iterator[Conversation]:
    """Drop all cuts of a write, then single ones."""
    for index, step in enumerate(conversation.steps):
        if isinstance(step, Send) and step.cuts:
            steps = list(conversation.steps)
            steps[index] = replace(step, cuts=())
            yield _with(conversation, steps)
            for cut in step.cuts if len(step.cuts) <= 64 else ():
                steps[index] = replace(step, cuts=tuple(other for other in step.cuts if other != cut))
                yield _with(conversation, steps)


def _without_requests(conversation: Conversation) -> Iterator[Conversation]:
    """Drop lines or binary packets within a write."""
    for index, step in enumerate(conversation.steps):
        if not isinstance(step, Send | Datagram):
            continue
        for place, part in enumerate(step.parts):
            if len(step.parts) > 1 and isinstance(part, bytes):
                yield _replaced(conversation, index, place, b"")
            lines = _requests(part)
            if len(lines) > 1:
                for size in (4, 2, 1):
                    for start in range(0, len(lines), size):
                        kept = b"".join(lines[:start] + lines[start + size :])
                        yield _replaced(conversation, index, place, kept)
            elif len(step.parts) > 1 and not isinstance(part, bytes):
                yield _replaced(conversation, index, place, b"1")


def _requests(part: Part) -> list[bytes]:
    """The requests that a literal holds: binary packets by their lengths, else lines."""
    if not isinstance(part, bytes):
        return []
    if part[:1] != b"\x80":
        return part.splitlines(keepends=True)
    found = []
    while part:
        end = headers.HEADER + int.from_bytes(part[8:12], "big") if part[0] == headers.MAGIC else len(part)
        found.append(part[:end])
        part = part[end:]
    return found


def _shorter(conversation: Conversation) -> Iterator[Conversation]:
    """Shorten repetitions by halves, and literals by pieces."""
    for index, step in enumerate(conversation.steps):
        if not isinstance(step, Send | Datagram):
            continue
        for place, part in enumerate(step.parts):
            if isinstance(part, Repeat) and part.times > 1:
                for times in (1, part.times // 2, part.times - part.times // 8, part.times - 1):
                    if times < part.times:
                        yield _replaced(conversation, index, place, Repeat(part.unit, times))
            if isinstance(part, bytes) and len(part) > 1:
                size = max(1, len(part) // 2)
                while True:
                    for start in range(0, len(part), size):
                        kept = part[:start] + part[start + size :]
                        if kept.count(PREFIX) >= part.count(PREFIX) - (size >= len(PREFIX)):
                            yield _replaced(conversation, index, place, kept)
                    if size == 1:
                        break
                    size //= 2


def _replaced(conversation: Conversation, index: int, place: int, part: Part) -> Conversation:
    """The conversation with one part replaced; cuts behind it move along, those inside vanish."""
    step = conversation.steps[index]
    assert isinstance(step, Send | Datagram)  # callers pick steps that write
    if isinstance(step, Datagram):
        parts = [*step.parts[:place], part, *step.parts[place + 1 :]]
        steps = list(conversation.steps)
        steps[index] = replace(step, parts=tuple(one for one in parts if one != b""))
        return replace(conversation, steps=tuple(steps))
    start = sum(map(width, step.parts[:place]))
    end, change = start + width(step.parts[place]), width(part) - width(step.parts[place])
    cuts = {cut if cut <= start else cut + change for cut in step.cuts if cut <= start + width(part) or cut >= end}
    parts = [*step.parts[:place], part, *step.parts[place + 1 :]]
    steps = list(conversation.steps)
    kept = tuple(one for one in parts if one != b"")
    steps[index] = Send(step.conn, kept, tuple(sorted(cut for cut in cuts if cut > 0)))
    return replace(conversation, steps=tuple(steps))
