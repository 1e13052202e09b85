"""All segmentations of a stream at once, by dynamic programming over the place of the last cut.

If what a machine has become and said after each prefix is the same whichever last segment was fed, from the state that
all segmentations of the shorter prefix lead to, then by induction it is the same for every segmentation: n(n+1)/2 feeds
stand for 2^(n-1) splits of n bytes. Where only some places may be cut, the same holds of the segmentations that cut
there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from mcconform import conversation as talk
from mcconform.conversation import Conversation
from mcconform.observed import Uniques
from mcconform.phases.vectors import picked
from mcserver import inproc

NEAR = (8, 4, 2, 1, 0)
"""Bytes from a boundary of the grammar at which a long stream is cut: the first of these with few enough places."""

_EDGE = re.compile(rb"(?<=[\r\n])|(?=\r)|(?<= )(?=[^ ])|(?<=[^ ])(?= )|(?<!\A)\Z")
_ROUND = (2048, 16384, 65536, 1024 * 1024)

End = TypeVar("End")


class Act(NamedTuple):
    """One act of a client, with everything bound: `kind` is open, send, half-close, reset or advance."""

    kind: str
    conn: int
    data: bytes = b""
    seconds: float = 0.0


class Split(NamedTuple):
    """A prefix and the segment after it that lead elsewhere than other segmentations."""

    prefix: bytes
    segment: bytes


def acts(stream: Conversation) -> tuple[Act, ...]:
    """What the clients of a conversation do: chunks that follow each other joined, references bound by a run."""
    server = inproc.create(stream.options)
    lines: dict[int, inproc.Connection] = {}
    uniques = Uniques()
    done: list[Act] = []
    for step in stream.steps:
        if isinstance(step, talk.Advance):
            server.advance(step.seconds)
            done.append(Act("advance", -1, seconds=step.seconds))
            continue
        if step.conn is None or isinstance(step, talk.Settle | talk.StopReading | talk.Resume):
            continue
        conn = step.conn
        if conn not in lines:
            lines[conn] = server.open()
            done.append(Act("open", conn))
        if isinstance(step, talk.Send):
            data = b"".join(uniques.bind(part, server.now) for part in step.parts)
            lines[conn].send(data)
            if done[-1].kind == "send" and done[-1].conn == conn:
                data = done.pop().data + data
            done.append(Act("send", conn, data))
        elif isinstance(step, talk.HalfClose):
            lines[conn].half_close()
            done.append(Act("half-close", conn))
        elif isinstance(step, talk.Reset | talk.Close):
            lines[conn].reset()
            done.append(Act("reset", conn))
        uniques.feed(conn, lines[conn].receive())
    return tuple(done)


def places(data: bytes, whole: int, most: int) -> list[int]:
    """Where a stream may be cut, with both its ends.

    One of up to `whole` bytes: everywhere. A longer one: near the boundaries of its grammar, at `most` places; where
    even the boundaries are more than that, near the first and the last of them.
    """
    if len(data) <= whole:
        return list(range(len(data) + 1))
    edges = {0, len(data), *(found.start() for found in _EDGE.finditer(data)), *_ROUND}
    chosen: list[int] = []
    for near in NEAR:
        chosen = sorted({at for edge in edges for at in range(edge - near, edge + near + 1) if 0 <= at <= len(data)})
        if len(chosen) <= most:
            return chosen
    return [*chosen[: most // 2], *chosen[-most // 2 :]]


@dataclass
class Tally:
    """Streams, and how many of them were cut everywhere; feeds."""

    streams: int = 0
    whole: int = 0
    feeds: int = 0

    def __str__(self) -> str:
        return f"{self.streams} streams, {self.whole} of them cut everywhere, {self.feeds} feeds"


def scripts(most: int, every: int = 1) -> list[tuple[tuple[Act, ...], tuple[str, ...]]]:
    """What the vectors that write up to `most` bytes do, and their options; those that differ in cuts only, once.

    Of those that aim at no clause of the chapter on text, which all chapters take their lines and values from, only
    each `every`-th, in the order of their files. Datagrams are not cut, nor what asks for a file of users.
    """
    vectors = [vector for vector in picked() if vector.size <= most and _is_stream(vector)]
    text = [vector for vector in vectors if _aims_at_text(vector)]
    others = [vector for vector in vectors if not _aims_at_text(vector)]
    return list({(acts(vector), vector.options): None for vector in (*text, *others[::every])})


def _is_stream(vector: Conversation) -> bool:
    aims_apart = any(clause.startswith(("udp.", "access.")) for clause in vector.clauses)
    return not aims_apart and not {"-S", "-Y"} & set(vector.options)


def _aims_at_text(vector: Conversation) -> bool:
    return any(clause.startswith("text.") for clause in vector.clauses)


def prove(
    data: bytes,
    cuts: Sequence[int],
    start: End,
    feed: Callable[[End, int, int], End],
    tally: Tally,
    compared: Callable[[End], object] = lambda end: end,
) -> End | Split:
    """Compare all segmentations of `data` that cut at `cuts` (both ends included); the end that they share.

    `feed(end, low, high)` is the end after `data[low:high]`, where `end` is the one after `data[:low]`; `compared(end)`
    is what must be equal. Each end goes on as the finest cut left it.
    """
    tally.streams += 1
    tally.whole += len(cuts) == len(data) + 1
    at = [start]
    for index in range(1, len(cuts)):
        finest = feed(at[-1], cuts[index - 1], cuts[index])
        for back in range(index - 1):
            if compared(feed(at[back], cuts[back], cuts[index])) != compared(finest):
                return Split(data[: cuts[back]], data[cuts[back] : cuts[index]])
        tally.feeds += index
        at.append(finest)
    return at[-1]
