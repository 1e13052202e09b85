"""The specification's integer rules, as the same functions as in `differ_server`: the right side of diffbehavior."""

from __future__ import annotations

from mcspec import arith, cache, flushing, scan, storing, text
from mcspec.arith import Span
from mcspec.cache import Cache, Item
from mcspec.frozen import FrozenMap
from mcspec.rules import Rules
from mcspec.storing import Entry

U64 = 2**64
LATEST = 2**31
RULES = Rules()


def _cache(*, cas: int = 1, stored: int = 1) -> tuple[Cache, Item]:
    item = Item(b"x", 0, None, 1, Span(stored, stored))
    return Cache(items=FrozenMap().put(b"k", item), known=FrozenMap().put(1, cas)), item


def incr(value: int, delta: int) -> int | None:
    return _counted(value, delta, up=True)


def decr(value: int, delta: int) -> int | None:
    return _counted(value, delta, up=False)


def _counted(value: int, delta: int, *, up: bool) -> int | None:
    if not (0 <= value < U64 and 0 <= delta < U64):
        return None
    return arith.incremented(value, delta, RULES.limits.counter) if up else arith.decremented(value, delta)


def unsigned(number: int) -> int | None:
    if not -U64 < number < U64:
        return None
    scan._c_number = lambda _word: (number < 0, abs(number))
    return scan.c_unsigned(b"")


def flags(number: int) -> int | None:
    return arith.truncated(number, RULES.limits.flags) if 0 <= number < U64 else None


def length_allowed(length: int) -> bool:
    scan.strict_signed = lambda _word, _longest, *, bare_minus: length  # noqa: ARG005 - as it is called
    return text.announced(b"", RULES) is not None


def item_size(client_flags: int, length: int) -> int:
    return cache.size(b"key", client_flags, length, RULES)


def missing(need: int, skipped: int) -> int | None:
    return arith.missing(need, 8 - skipped) if need >= 0 and 0 <= skipped <= 8 else None


def alive(exptime: int, stored: int, now: int) -> bool | None:
    if not (2 < stored <= now < LATEST and -LATEST <= exptime < LATEST):
        return None
    dies, _ = cache.deadline(exptime, Span(stored, stored), RULES)
    if dies is cache.GONE:
        return False  # spares the symbolic run a comparison with minus infinity, which is no integer
    return dies is None or arith.reached(Span(now, now), dies) == arith.ALIVE


def flushed(delay: int, ordered: int, stored: int, now: int) -> bool | None:
    if not (2 < ordered <= now < LATEST and 2 < stored <= now and delay < LATEST):
        return None
    held, item = _cache(stored=stored)
    flushes = [
        b"k" not in after.items or cache.flushed(after, item, Span(now, now), RULES) == arith.DEAD
        for after in flushing.flush(held, delay, Span(ordered, ordered), RULES)
    ]
    # A unix time gone by: only a server that was up then has to flush, and the one beside us was not yet two seconds
    # before it was made.
    return flushes[0] if len(flushes) == 1 else delay > ordered - 2


def cas(given: int, held: int) -> bool | None:
    if not (0 <= given < U64 and 0 < held < U64):
        return None
    entry = Entry("cas", b"k", 0, 0, b"y", Span(10, 10), given)
    (result,) = storing.store(_cache(cas=held)[0], entry, Span(10, 10), RULES)
    return result.status == cache.STORED
