"""Judging what was recorded: transcripts of sends and receives, without a server.

A transcript is a sequence of steps `{"conn": c, "send": text}` and `{"conn": c, "recv": text, "settled": bool,
"eof": bool, "quiet": bool}`, over UDP `{"conn": c, "datagram": text}`; texts are latin-1. The first
step may name the `options` of the server. `settled` says that the sentinel (`version`) sent just before was
answered, `eof` that the server closed, and `quiet` (optional) that a second passed without another byte.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from mcconform import options
from mcconform.oracle import Oracle
from mcspec import Now, Rules, describe
from mcspec.pattern import VERSION

if TYPE_CHECKING:
    from pathlib import Path

Step = Mapping[str, Any]

RECORDED = Now(1.78e9, 1.78e9 + 5)
"""When a recording of unknown date is taken to have happened: any time in 2026 does."""


def judge(steps: Iterable[Step], rules: Rules, *, used: bool = False, now: Now = RECORDED) -> Oracle:
    """Tell an oracle of a whole transcript; its `refusal` is the first difference.

    `used`: the server had been used and flushed before the first step.

    Raises:
        ValueError: if a step is neither a send nor a receive.
    """
    steps = tuple(steps)
    wanted = steps[0].get("options", ()) if steps and isinstance(steps[0], Mapping) else ()
    oracle = Oracle(options.apply(rules, wanted), alone=not used, used=used)
    opened: set[int] = set()
    version = {describe(oracle.worlds[0].cache, (VERSION,))}
    for step in steps:
        try:
            conn = int(step["conn"])
            if conn not in opened:
                opened.add(conn)
                oracle.open(conn, now, "udp" if "datagram" in step else "tcp")
            if "datagram" in step:
                oracle.datagram(conn, step["datagram"].encode("latin-1"), now)
                continue
            if "send" in step:
                oracle.send(conn, step["send"].encode("latin-1"), now)
                continue
            data, eof = step["recv"].encode("latin-1"), bool(step["eof"])
        except (KeyError, TypeError, UnicodeEncodeError) as error:
            raise ValueError(f"not a step of a transcript: {step!r}") from error
        oracle.received(conn, data)
        if eof:
            oracle.ended(conn)
        # A recorder that waits for one VERSION line may have taken the answer to a version of the stream for it.
        late = set(oracle.expected(conn)) == version
        if (step["settled"] and not late) or (step.get("quiet") and not oracle.may_withhold(conn)):
            oracle.settled(conn)
        if oracle.over:
            break
    return oracle


def read(path: Path) -> Iterator[dict[str, Any]]:
    """The conversations of a recording: JSON Lines, gzipped if the name ends in .gz."""
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)
