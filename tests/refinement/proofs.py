"""Every segmentation of every vector, for the specification and for the server.

    python -m tests.refinement.proofs --whole 120 --most 120

Prints how many streams were cut, how many of them everywhere, and the feeds that it took; the first split that leads
elsewhere. Exit code 0 if there was none, 1 if there was.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections.abc import Callable, Sequence

from mcconform import options
from mcserver import inproc
from mcspec import Event, Happening, Now, Rules, World, step
from tests.refinement.frozen import frozen
from tests.refinement.segments import Act, Split, Tally, places, prove, scripts

WHOLE, MOST, EVERY = 48, 16, 8
"""Bounds of the suite: bytes up to which a stream is cut everywhere, places at which a longer one is cut, and of how
many vectors that aim at no clause of the chapter on text one is cut."""

LONGEST = 20_000
"""Bytes of the vectors that are cut. A few write up to 25 MB; to feed those some hundred times over takes hours."""

EVENTS = {"open": Event.CONNECT, "send": Event.DATA, "half-close": Event.EOF, "reset": Event.RESET}

# Statistics tell what was read, and of the process; what a client's requests changed is in the frozen server.
_STATISTIC = re.compile(rb"(?<=\r\n)(STAT [^ \r\n]+ )[^\r\n]*|\A(STAT [^ \r\n]+ )[^\r\n]*")

_FRAMED = (b"\x81", b"\0")
"""What replies of the binary protocol and packets begin with."""

# What may be refused where anything stood before it in what the server has read (clause admin.dump.first): of these
# lines, and of no others, it matters whether a cut lies before them.
_FIRST = re.compile(rb"^(?=lru_crawler (?:metadump|mgdump)\b|watch\b)", re.MULTILINE)

# A server has dozens of slab classes, which are made and compared with every feed. A handful is enough, unless the
# vector asks for others.
_FEW_CLASSES = ("-f", "10")

Ends = dict[tuple[World, tuple[object, ...]], World]
"""What became of the allowed worlds and was said: without the count of chunks, and a world with it."""


def specified(script: Sequence[Act], rules: Rules, tally: Tally, whole: int, most: int) -> Split | None:
    """Prove a script for the specification: every allowed world, with what it owes.

    The count of chunks is the one field that remembers how a request was cut. Ends are compared without it and go on
    with it, as the finest cut left it: what looks at it is found out.
    """
    now = int(inproc.START)
    worlds: tuple[World, ...] = (World(),)
    for act in script:
        if act.kind == "advance":
            now = int(now + act.seconds)
            continue

        def feed(before: Ends, low: int, high: int, act: Act = act, now: int = now) -> Ends:
            after: Ends = {}
            happening = Happening(act.conn, EVENTS[act.kind], act.data[low:high])
            for (_, said), world in before.items():
                for outcome in step(world, happening, Now(now, now), rules):
                    if outcome.unspecified is not None:
                        return {}  # nothing is said of what comes after
                    conns = outcome.world.conns
                    bare = outcome.world._replace(conns=conns.put(act.conn, conns[act.conn]._replace(parts=0)))
                    told = (*said, *(owed.pieces for owed in outcome.owed if owed.pieces))
                    after.setdefault((bare, told), outcome.world)
            return after

        ends: Ends = {(world, ()): world for world in worlds}
        if act.kind == "send":
            proved = prove(act.data, places(act.data, whole, most), ends, feed, tally, lambda end: end.keys())
            if isinstance(proved, Split):
                return proved
            ends = proved
        else:
            ends = feed(ends, 0, 0)
        worlds = tuple(ends.values())
    return None


def served(script: Sequence[Act], flags: Sequence[str], tally: Tally, whole: int, most: int) -> Split | None:
    """Prove a script for the server: its whole state, with what it wrote.

    Before a line that may be refused for what stands before it there is always a cut.
    """
    script = [act._replace(data=piece) for act in script for piece in _FIRST.split(act.data) if piece or not act.data]
    for index, act in enumerate(script):
        if act.kind != "send":
            continue

        def feed(_before: object, low: int, high: int, index: int = index, act: Act = act) -> object:
            # The state after data[:low] is made anew: it was proved to be the same however it is reached.
            server = inproc.create((*_FEW_CLASSES, *flags))
            lines: dict[int, inproc.Connection] = {}
            for past in script[:index]:
                _do(server, lines, past)
            line = lines[act.conn]
            for piece in (act.data[:low], act.data[low:high]):
                if piece:
                    line.send(piece)
            written = _STATISTIC.sub(rb"\1\2", line.receive())
            if written[:1] in _FRAMED and b"bytes_read" in written:
                written = b""  # the same statistics, whose rows are not lines
            return frozen(server._engine), frozen(line), written

        end = prove(act.data, places(act.data, whole, most), None, feed, tally)
        if isinstance(end, Split):
            return end
    return None


def _do(server: inproc.Server, lines: dict[int, inproc.Connection], act: Act) -> None:
    if act.kind == "advance":
        server.advance(act.seconds)
    elif act.kind == "open":
        lines[act.conn] = server.open()
    elif act.kind == "send":
        lines[act.conn].send(act.data)
        lines[act.conn].receive()
    elif act.kind == "half-close":
        lines[act.conn].half_close()
    else:
        lines[act.conn].reset()


Prover = Callable[[Sequence[Act], Sequence[str], Tally, int, int], Split | None]


def specification(rules: Rules) -> Prover:
    """The prover of the specification under some rules."""
    return lambda script, flags, tally, whole, most: specified(script, options.apply(rules, flags), tally, whole, most)


def all_vectors(prover: Prover, whole: int, most: int, every: int) -> tuple[Tally, Split | None]:
    """Prove the vectors, beyond the chapter on text each `every`-th, up to the first split that leads elsewhere."""
    tally = Tally()
    for script, flags in scripts(LONGEST, every):
        split = prover(script, flags, tally, whole, most)
        if split is not None:
            return tally, split
    return tally, None


def main() -> int:
    """Prove all vectors for both; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--whole", type=int, default=WHOLE, help="bytes up to which a stream is cut everywhere")
    parser.add_argument("--most", type=int, default=MOST, help="places at which a longer stream is cut")
    parser.add_argument("--every", type=int, default=1, help="beyond the chapter on text, cut each so-manieth vector")
    asked = parser.parse_args()
    splits = []
    for name, prover in (("specification", specification(Rules())), ("server", served)):
        began = time.process_time()
        tally, split = all_vectors(prover, asked.whole, asked.most, asked.every)
        splits.append(split)
        print(f"{name}: {tally}, {time.process_time() - began:.0f} s", split or "", flush=True)
    return 1 if any(splits) else 0


if __name__ == "__main__":
    sys.exit(main())
