"""Contracts on the integer rules, for CrossHair: each an independent definition, with its precondition first."""

from __future__ import annotations

from mcspec import arith
from mcspec.arith import Span

U64 = 2**64


def incr_wraps(value: int, delta: int) -> None:
    """Incr is addition of 64-bit registers."""
    assert 0 <= value < U64
    assert 0 <= delta < U64
    total = value + delta
    assert arith.incremented(value, delta, U64) == (total if total < U64 else total - U64)


def incr_undone(value: int, delta: int) -> None:
    """Adding what is left to the modulus undoes an addition."""
    assert 0 <= value < U64
    assert 0 < delta < U64
    assert arith.incremented(arith.incremented(value, delta, U64), U64 - delta, U64) == value


def decr_floor(value: int, delta: int) -> None:
    """Decr never goes below zero and never takes more than asked."""
    assert 0 <= value < U64
    assert 0 <= delta < U64
    left = arith.decremented(value, delta)
    assert left >= 0
    assert left + delta >= value
    assert left == 0 or left + delta == value


def signed_in_range(number: int) -> None:
    """A cast to 32 bits keeps the number modulo 2^32 and lies in its range."""
    assert -(2**70) < number < 2**70
    cast = arith.signed32(number)
    assert -(2**31) <= cast < 2**31
    assert (cast - number) % 2**32 == 0


def expiry_classes(exptime: int, limit: int) -> None:
    """The four classes are told apart by sign and limit."""
    assert limit > 0
    kind = arith.expiry_class(exptime, limit)
    assert (kind == arith.NEVER) == (exptime == 0)
    assert (kind == arith.PAST) == (exptime < 0)
    assert (kind == arith.RELATIVE) == (0 < exptime <= limit)
    assert (kind == arith.ABSOLUTE) == (exptime > limit)


def reached_is_sure(low: int, high: int, first: int, last: int) -> None:
    """DEAD and ALIVE are certain for every moment of both spans; UNSURE never is."""
    assert low <= high
    assert first <= last
    kind = arith.reached(Span(low, high), Span(first, last))
    assert (kind == arith.DEAD) == (low >= last)
    assert (kind == arith.ALIVE) == (high < first and not low >= last)


def reached_is_exact(now: int, moment: int) -> None:
    """On an exact clock nothing is unsure."""
    assert (arith.reached(Span(now, now), Span(moment, moment)) == arith.DEAD) == (now >= moment)
    assert arith.reached(Span(now, now), Span(moment, moment)) != arith.UNSURE


def size_counts_each_byte(key: int, flags: int, value: int) -> None:
    """A byte more of key, flags or value is a byte more of item."""
    assert key > 0
    assert flags >= 0
    assert value >= 0
    size = arith.item_size(key, flags, value, 56)
    assert arith.item_size(key + 1, flags, value, 56) == size + 1
    assert arith.item_size(key, flags, value + 1, 56) == size + 1
    assert arith.item_size(1, 0, 0, 56) == 60
