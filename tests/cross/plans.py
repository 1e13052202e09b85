"""Random plans: operations, the protocol in which each is said, its connection, and time between them."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.cross.meanings import RETRIEVALS, Operation
from tests.cross.operations import PROTOCOLS
from tests.cross.runs import KEYS, NOBODYS, Plan, Turn, spoken
from tests.cross.wire_text import TABLE

VALUES = (b"", b"x", b"5", b"99", b"100", b"18446744073709551615", b"007")
FLAGS = (0, 7, 2**32 - 1)
FAR = (0, 0, 100_000, 200_000, -1, 2_592_001)
"""Exptimes that no run outlasts, and two that are over at once: a negative one, and a unix time of long ago."""

NEAR = (*FAR, 2, 5)

_counts = st.sampled_from((0, 1, 5, 90, 2**64 - 1))
_names = st.sampled_from([name for name in TABLE if name != "flush"] * 2 + ["flush"])


@st.composite
def _operation(draw: st.DrawFn, exptimes: tuple[int, ...]) -> Operation:
    name = draw(_names)
    if name == "flush":
        return Operation(name, quiet=draw(st.booleans()))
    keys = tuple(draw(st.lists(st.sampled_from(KEYS), min_size=1, max_size=3 if name in RETRIEVALS else 1)))
    return Operation(
        name,
        keys,
        value=draw(st.sampled_from(VALUES)),
        flags=draw(st.sampled_from(FLAGS)),
        exptime=draw(st.sampled_from(exptimes)),
        delta=draw(_counts),
        unique=draw(st.sampled_from((0, 0, 0, NOBODYS, -1))),
        quiet=name not in RETRIEVALS and draw(st.integers(0, 3)) == 0,
    )


@st.composite
def _turn(draw: st.DrawFn, *, waits: bool, protocols: tuple[str, ...]) -> Turn:
    if waits and draw(st.integers(0, 7)) == 0:
        return Turn(Operation("wait"), wait=draw(st.integers(1, 4)))
    op = draw(_operation(NEAR if waits else FAR))
    udp = draw(st.integers(0, 3)) == 0
    return Turn(op, draw(st.sampled_from(protocols)), draw(st.sampled_from((0, 1))), udp)


def plans(*, waits: bool, size: int = 10, protocols: tuple[str, ...] = PROTOCOLS) -> st.SearchStrategy[Plan]:
    """Plans of up to `size` operations; `waits` for those on a clock that can be moved."""
    known = st.sampled_from(KEYS), st.sampled_from(VALUES)
    rest = st.lists(_turn(waits=waits, protocols=protocols), min_size=1, max_size=size)
    return st.builds(lambda key, value, more: spoken([*_seen(key, value), *more]), *known, rest)


def _seen(key: bytes, value: bytes) -> Plan:
    """An item whose cas unique is known, so that `cas` has something to compare with."""
    return [Turn(Operation("set", (key,), value=value)), Turn(Operation("gets", (key,)))]
