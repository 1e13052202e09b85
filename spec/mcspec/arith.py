"""Rules on integers only: counters, decimal digits, sizes, expiry, cas uniques and the framing of lines and blocks.

Written in plain arithmetic (no shifts, no bit-and) so that a symbolic executor can go through every path. Where a rule
has no sure answer it says so: UNSURE of a moment, OPEN of a cas unique, None of a line.
"""

from __future__ import annotations

from typing import NamedTuple

NEVER, PAST, RELATIVE, ABSOLUTE = 0, 1, 2, 3
DEAD, ALIVE, UNSURE = 0, 1, 2
DIFFERENT, SAME, OPEN = 0, 1, 2

NO_NUMBER = -1
"""What a fold over digits holds from the first byte on that makes it no number, or too large a one."""


class Span(NamedTuple):
    """A moment known to lie in `lo <= t <= hi` (seconds, in ticks of the server's clock)."""

    lo: float
    hi: float


# ---------------------------------------------------------------------------------------------------- numbers


def incremented(value: int, delta: int, modulus: int) -> int:
    """Value + delta, wrapped at `modulus`."""
    return (value + delta) % modulus


def wraps(value: int, delta: int, modulus: int) -> bool:
    """Whether value + delta reaches `modulus`."""
    return value + delta >= modulus


def decremented(value: int, delta: int) -> int:
    """Value - delta, but never below 0."""
    return value - delta if delta < value else 0


def truncated(number: int, modulus: int) -> int:
    """The residue of `number` that an unsigned register keeps: 0 and above, below `modulus`."""
    return number % modulus


def signed32(number: int) -> int:
    """The 32 low bits of `number`, read as a two's complement integer."""
    low = truncated(number, 2**32)
    return low if low < 2**31 else low - 2**32


def top_bit(number: int, modulus: int) -> bool:
    """Whether a register with `modulus` values would show `number` as negative if it were signed."""
    return number * 2 >= modulus


def digit_step(number: int, byte: int, limit: int) -> int:
    """The decimal number with one more digit; NO_NUMBER if `byte` is no digit, or the result not below `limit`."""
    if number < 0 or byte < 48 or byte > 57:
        return NO_NUMBER
    longer = number * 10 + byte - 48
    return longer if longer < limit else NO_NUMBER


def padding(length: int, room: int) -> int:
    """How many blanks fill a number of `length` digits up to the `room` of the one that it replaces."""
    return room - length if length < room else 0


# ---------------------------------------------------------------------------------------------------- sizes


def flags_size(flags: int, cost: int) -> int:
    """Bytes that client flags take in an item: `cost`, but none for flags of 0."""
    return cost if flags else 0


def item_size(key: int, flags_bytes: int, value: int, overhead: int) -> int:
    """Bytes of an item: overhead, key and its terminator, flags, value and its CR LF."""
    return overhead + key + 1 + flags_bytes + block_length(value)


def length_allowed(length: int, longest: int) -> bool:
    """Whether a header may announce a value of `length` bytes."""
    return 0 <= length <= longest


def opaque_allowed(argument: int, longest: int) -> bool:
    """Whether an opaque with so many bytes behind its letter may be sent."""
    return argument + 1 <= longest


def pressed(allocated: int, memory: int) -> bool:
    """Whether so much was ever stored (over a quarter of the memory) that a server may have run out of room."""
    return allocated * 4 > memory


# ---------------------------------------------------------------------------------------------------- time


def expiry_class(exptime: int, relative: int) -> int:
    """Which rule an exptime (seconds, signed 32 bits) follows: NEVER, PAST, RELATIVE or ABSOLUTE."""
    if exptime == 0:
        return NEVER
    if exptime < 0:
        return PAST
    return RELATIVE if exptime <= relative else ABSOLUTE


def shifted(span: Span, seconds: int) -> Span:
    """The moment `seconds` after `span`."""
    return Span(span.lo + seconds, span.hi + seconds)


def around(second: int, slack: int) -> Span:
    """A second of the calendar, on a server's clock that may be off by `slack`."""
    return Span(second - slack, second + slack)


def clock_slack(now: Span) -> int:
    """Seconds by which the clock may be off: 0 if we hold it, else 2.

    A server counts whole seconds since its own start: on a clock that we do not hold the phase is unknown.
    """
    return 0 if now.lo == now.hi else 2


def reached(now: Span, moment: Span) -> int:
    """Whether `moment` has been reached at `now`: ALIVE (not yet), DEAD (reached) or UNSURE."""
    if now.lo >= moment.hi:
        return DEAD
    return ALIVE if now.hi < moment.lo else UNSURE


def both(first: int, second: int) -> int:
    """DEAD if both are, ALIVE if one of them is, else UNSURE."""
    if ALIVE in (first, second):
        return ALIVE
    return DEAD if first == second == DEAD else UNSURE


def until(now: Span, moment: Span) -> Span:
    """The seconds from `now` to `moment`."""
    return Span(moment.lo - now.hi, moment.hi - now.lo)


def since(now: Span, used: Span, stored: Span) -> Span:
    """The seconds since an item was used, as a server may tell them: no fewer, and no more than since the store."""
    return Span(max(0, now.lo - used.hi), max(0, now.hi - stored.lo))


def ends_before(dies: Span, due: Span) -> int:
    """Whether a life ends before a moment: DEAD (it does), ALIVE (not before it) or UNSURE."""
    if dies.hi < due.lo:
        return DEAD
    later = dies.lo > due.hi or (dies.lo == due.hi and dies.lo == dies.hi)
    return ALIVE if later else UNSURE


# ---------------------------------------------------------------------------------------------------- cas uniques


def cas_compared(given: int, held: int) -> int:
    """How the cas unique of a command compares with that of the item: SAME, DIFFERENT, or OPEN if `held` is 0."""
    if held == 0:
        return OPEN
    return SAME if given == held else DIFFERENT


def cas_in_order(store: int, unique: int, other: int, seen: int) -> bool:
    """Whether store number `store` may have got `unique` when store number `other` got `seen`: they grow together."""
    return unique != seen and (store < other) == (unique < seen)


# ---------------------------------------------------------------------------------------------------- framing


def line_over(end: int, held: int, limit: int) -> bool:
    """Whether a line is too long: of `held` bytes the `end`-th is its LF (0: it has not come), `limit` are allowed."""
    return end > limit if end else held >= limit


def line_over_by_reads(length: int, limit: int, buffer: int) -> bool | None:
    """The same where a server looks at what one read brought: not sure (None) from the limit to the read buffer."""
    if length <= limit:
        return False
    return True if length > buffer else None


def block_length(value: int) -> int:
    """Bytes of a data block: the value and its CR LF."""
    return value + 2


def missing(need: int, held: int) -> int:
    """Bytes of a block that are still to come when `need` were and `held` have come."""
    return need - held if held < need else 0
