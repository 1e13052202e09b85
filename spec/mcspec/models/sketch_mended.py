"""The receive loop of the 2004 sketch, completed; its planted bugs put back what was wrong with the sketch.

Lengths go over the wire high byte first and count all of the packet, 5 at least and the size of the buffer at most;
any other length is refused, and an unknown code is answered.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mcspec.explore import Move
from mcspec.models import Model, Plant
from mcspec.models.sketch import BOUNDS, build, laws, show
from mcspec.sketch import (
    MOVES,
    SHORTEST,
    WORD,
    At,
    Loop,
    State,
    branch,
    call,
    code,
    go,
    load,
    posted,
    step,
    valid,
)

NAME = "sketch-mended"

DESIGN = posted(1)._replace(
    orders=("big",),
    load=load("big", At.VALID),
    valid=valid(lambda length, size: not SHORTEST <= length <= size),
    code=code(answers=True),
)


def patient(state: State) -> tuple[Move, State]:
    """Waits for a byte more than the packet has."""
    return branch(state, state.rbytes > state.pktlen, At.CALL, At.SHIFT)


def zero_skipped(state: State) -> tuple[Move, State]:
    """Takes a length of zero for an empty packet that can be skipped: by its length."""
    return DESIGN.valid(state) if state.pktlen else go(state, At.SUBTRACT)


def whole_room(state: State) -> int:
    """Reads as much as an empty buffer could take."""
    return state.size


def not_subtracted(state: State) -> tuple[Move, State]:
    """Forgets that the packet is dealt with."""
    return go(state, At.STEP)


def not_shifted(state: State) -> tuple[Move, State]:
    """Leaves the bytes that remain where they are."""
    return MOVES[At.SHIFT], state._replace(at=At.RCURR, p=0, pktlen=0)


def plant(name: str, law: str, **lines: Any) -> Plant:
    """A bug in these lines."""

    def alter(loop: Loop) -> Loop:
        return loop._replace(**lines)

    return Plant(name, f"law.{NAME}.{law}", alter)


def limits(name: str, law: str, refused: Callable[[int, int], bool]) -> Plant:
    """A bug in the lengths that are refused."""
    return plant(name, law, valid=valid(refused))


MODEL = Model(
    name=NAME,
    summary="the receive loop of the 2004 sketch, completed",
    design=DESIGN,
    bounds=BOUNDS,
    build=build,
    laws=laws(NAME),
    plants=(
        # What the sketch does.
        plant("next-in-words", "bounds", step=step(WORD)),
        plant("data-in-words", "framing", call=call(WORD)),
        plant("host-order", "order", orders=("little", "big"), load=load("little", At.VALID)),
        plant("unknown-in-silence", "answers", code=code(answers=False)),
        limits("no-limits", "bounds", lambda _length, _size: False),
        limits("no-minimum", "underflow", lambda length, size: length > size),
        limits("no-maximum", "accepts", lambda length, _size: length < SHORTEST),
        # What else one gets wrong in it.
        plant("zero-skipped", "progress", valid=zero_skipped),
        limits("empty-packet", "answers", lambda length, size: not SHORTEST - 1 <= length <= size),
        limits("full-buffer", "accepts", lambda length, size: not SHORTEST <= length < size),
        plant("one-byte-more", "prompt", test=patient),
        plant("no-first-check", "bounds", entry=lambda state: go(state, At.LOAD)),
        plant("no-check", "bounds", check=lambda state: go(state, At.LOAD)),
        plant("one-packet-a-read", "prompt", check=lambda state: go(state, At.SHIFT)),
        plant("not-subtracted", "bounds", subtract=not_subtracted),
        plant("not-shifted", "place", shift=not_shifted),
        plant("not-shortened", "place", rcurr=lambda state: go(state, At.WAIT)),
        plant("whole-room", "bounds", room=whole_room),
    ),
    show=show,
)
