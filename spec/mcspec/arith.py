"""Rules on integers only: counters, expiry, sizes, the cas decision, the framing counters.

Written in plain arithmetic (no shifts, no bit-and) so that a symbolic executor can go through every path.
"""

from __future__ import annotations

from typing import NamedTuple

NEVER, PAST, RELATIVE, ABSOLUTE = 0, 1, 2, 3
DEAD, ALIVE, UNSURE = 0, 1, 2


class Span(NamedTuple):
    """A moment known to lie in `lo <= t <= hi` (seconds, in ticks of the server's clock)."""

    lo: float
    hi: float


def incremented(value: int, delta: int, modulus: int) -> int:
    """Value + delta, wrapped at `modulus`."""
    return (value + delta) % modulus


def decremented(value: int, delta: int) -> int:
    """Value - delta, but never below 0."""
    return value - delta if delta < value else 0


def signed32(number: int) -> int:
    """The 32 low bits of `number`, read as a two's complement integer."""
    low: int = number % (2**32)
    return low if low < 2**31 else low - 2**32


def expiry_class(exptime: int, relative: int) -> int:
    """Which rule an exptime (seconds, signed 32 bits) follows: NEVER, PAST, RELATIVE or ABSOLUTE."""
    if exptime == 0:
        return NEVER
    if exptime < 0:
        return PAST
    return RELATIVE if exptime <= relative else ABSOLUTE


def reached(now: Span, moment: Span) -> int:
    """Whether `moment` has been reached at `now`: ALIVE (not yet), DEAD (reached) or UNSURE."""
    if now.lo >= moment.hi:
        return DEAD
    return ALIVE if now.hi < moment.lo else UNSURE


def item_size(key: int, flags_size: int, value: int, overhead: int) -> int:
    """Bytes of an item: overhead, key and its terminator, flags, value and its CR LF."""
    return overhead + key + 1 + flags_size + value + 2
