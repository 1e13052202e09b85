"""The server's integer rules, as functions of integers: the left side of `crosshair diffbehavior`.

Each calls the server's own code. Numbers are handed to it where it has just read them from bytes, and taken from it
where it is about to write them as bytes: to import this module changes the server, so import it in a process of its
own. Outside of the range of the protocol a rule answers None, here as on the right side.
"""

from __future__ import annotations

from mcserver import arithmetic, cache, numbers, storage
from mcserver.arrival import Arrival
from mcserver.cache import NEVER, Cache, Item, StoreMode
from mcserver.settings import Settings
from mcserver.stats import Stats

U64 = 2**64
LATEST = 2**31
"""Seconds: clocks, deadlines and exptimes are below it."""

_BLOCK, _HEAD = b"VALUE k 0 1\r\nx\r\n", 13
_WORDS = [b"set", b"k", b"0", b"0", b"1"]


class _Number:
    """A number that the server counts with; when it is to be written as text, that is noted instead."""

    written = 0

    def __init__(self, number: int) -> None:
        self.number = number

    def __add__(self, delta: int) -> _Number:
        return _Number(self.number + delta)

    def __sub__(self, delta: int) -> _Number:
        return _Number(self.number - delta)

    def __mod__(self, modulus: int) -> _Number:
        return _Number(self.number % modulus)

    def __lt__(self, other: int) -> bool:
        return self.number < other

    def __gt__(self, other: int) -> bool:
        return self.number > other

    def __index__(self) -> int:
        _Number.written = self.number
        return 0


def _cache(now: int, *, cas: int = 1, stored: int = 1) -> tuple[Cache, Item]:
    held = Cache(Settings(), Stats(), now)
    segment = held.slabs.find(100).hot
    item = held.items[b"k"] = Item(b"k", _BLOCK, _HEAD, 0, NEVER, 100, cas, stored, segment)
    segment.add(item)
    return held, item


def incr(value: int, delta: int) -> int | None:
    return _counted(value, delta, increment=True)


def decr(value: int, delta: int) -> int | None:
    return _counted(value, delta, increment=False)


def _counted(value: int, delta: int, *, increment: bool) -> int | None:
    if not (0 <= value < U64 and 0 <= delta < U64):
        return None
    arithmetic.lenient_u64 = lambda _text: _Number(value)
    _Number.written = 0
    arithmetic.add_delta(_cache(10)[0], b"k", delta, increment=increment)
    return _Number.written


def unsigned(number: int) -> int | None:
    if not -U64 < number < U64:
        return None
    numbers._lenient = lambda _text: (number < 0, abs(number))
    return numbers.lenient_u64(b"")


def flags(number: int) -> int | None:
    if not 0 <= number < U64:
        return None
    numbers._lenient = lambda _text: (False, number)
    return numbers.lenient_u32(b"")


def length_allowed(length: int) -> bool:
    storage.strict_i32 = lambda _token: length
    return storage.read_header(StoreMode.SET, _WORDS) is not None


def item_size(client_flags: int, length: int) -> int:
    return _cache(10)[0].item_size(b"key", client_flags, length)


def missing(need: int, skipped: int) -> int | None:
    if need < 0 or not 0 <= skipped <= 8:
        return None
    arrival = Arrival.__new__(Arrival)
    arrival.kept, arrival.missing = False, need
    arrival.take(b"12345678", skipped)
    return arrival.missing


def alive(exptime: int, stored: int, now: int) -> bool | None:
    if not (2 < stored <= now < LATEST and -LATEST <= exptime < LATEST):
        return None
    held, item = _cache(stored)
    item.exptime = held.deadline(exptime)
    held.now = now
    return not held.dead(item)


def flushed(delay: int, ordered: int, stored: int, now: int) -> bool | None:
    if not (2 < ordered <= now < LATEST and 2 < stored <= now and delay < LATEST):
        return None
    held, item = _cache(ordered, stored=stored)
    held.flush(delay)
    held.now = now
    return b"k" not in held.items or held.flushed(item)


def cas(given: int, held: int) -> bool | None:
    if not (0 <= given < U64 and 0 < held < U64):
        return None
    outcome = _cache(10, cas=held)[0].store(StoreMode.CAS, b"k", _BLOCK, _HEAD, 0, NEVER, 100, given)
    return outcome is cache.Outcome.STORED
