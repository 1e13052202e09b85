"""The store: items by key in least-recently-used order, with memory accounting, lazy expiry and flush.

Nothing here knows the wire except that an item keeps its value inside the block a ``get`` sends, so that a hit costs no
formatting and no copy. Time is whole seconds and is set from outside (`Cache.now`).
"""

import sys
from collections import OrderedDict
from enum import IntEnum
from itertools import count
from typing import Final

from mcserver.numbers import U64, lenient_u64
from mcserver.settings import ARITHMETIC_ITEM_MAX, FLAGS_SIZE, ITEM_OVERHEAD, RELATIVE_MAX, Settings
from mcserver.stats import Stats

#: An item's bytes as sent: never written to once the item is stored, so replies may refer to them.
Block = bytes | bytearray

#: tuning: how many seconds before its process memcached's clock starts; Unix times up to there flush nothing.
_CLOCK_LEAD = 2
_LINE_END = 2

#: A second that never comes: the deadline of what does not expire, and of a flush that nobody ordered.
NEVER: Final = sys.maxsize


class StoreMode(IntEnum):
    """The storage commands."""

    SET = 0
    ADD = 1
    REPLACE = 2
    APPEND = 3
    PREPEND = 4
    CAS = 5


class Outcome(IntEnum):
    """What an operation on the cache came to."""

    STORED = 0
    NOT_STORED = 1
    EXISTS = 2
    NOT_FOUND = 3
    NON_NUMERIC = 4
    NO_MEMORY = 5


class Item:
    """One stored value. `block` is ``VALUE key flags length CRLF value CRLF``; the value begins at `head`."""

    __slots__ = ("block", "cas", "exptime", "flags", "head", "size", "time")

    def __init__(self, block: Block, head: int, flags: int, exptime: int, size: int, cas: int, time: int) -> None:
        """Make an item; `exptime` is a second as `Cache.deadline` gives it, `time` the second it was stored."""
        self.block = block
        self.head = head
        self.flags = flags
        self.exptime = exptime
        self.size = size
        self.cas = cas
        self.time = time


def item_size(key: bytes, flags: int, length: int) -> int:
    """Bytes an item is accounted with, by memcached's layout; `length` is the value's."""
    return ITEM_OVERHEAD + len(key) + 1 + (FLAGS_SIZE if flags else 0) + length + _LINE_END


class Cache:
    """All items of a server. Operations take live keys of at most 250 bytes and never raise."""

    __slots__ = (
        "_evict",
        "_next_cas",
        "_started",
        "_swept",
        "flush_at",
        "item_size_max",
        "items",
        "limit",
        "now",
        "reserved",
        "stats",
        "used",
    )

    def __init__(self, settings: Settings, stats: Stats, now: int) -> None:
        """Start empty at second `now`."""
        self.items: OrderedDict[bytes, Item] = OrderedDict()
        self.stats = stats
        #: The current second. Whoever feeds the cache keeps it up to date.
        self.now = now
        #: Bytes of stored items, and of values still arriving.
        self.used = self.reserved = 0
        #: From this second on, items stored at or before it are gone; `NEVER` for none.
        self.flush_at = NEVER
        #: Largest item, and all items together, in bytes.
        self.item_size_max = settings.item_size_max
        self.limit = settings.memory_limit
        self._evict = settings.evict
        self._started = now - _CLOCK_LEAD
        #: tuning: Any first number would do; memcached gives 2.
        self._next_cas = count(2).__next__
        self._swept = self._started

    # -- time ---------------------------------------------------------------------------------------------------

    def deadline(self, exptime: int) -> int:
        """The second at which an item given `exptime` now is dead: `NEVER`, or one gone by for what is dead at once."""
        if exptime > RELATIVE_MAX:
            return exptime
        if exptime > 0:
            return self.now + exptime
        return self._started if exptime else NEVER

    def dead(self, item: Item) -> bool:
        """Whether `item` has expired or was flushed."""
        return item.exptime <= self.now or self.flushed(item)

    def flushed(self, item: Item) -> bool:
        """Whether a flush has taken effect on `item`."""
        return item.time <= self.flush_at <= self.now

    def flush(self, delay: int) -> None:
        """``flush_all``: at once for `delay` <= 0, else by the exptime rules; replaces a pending flush.

        A flush in n seconds strikes at second now + n - 1 and takes every item stored up to the end of that second,
        also one stored after the command. A Unix time before the start flushes nothing and cancels a pending flush.
        """
        self.stats.cmd_flush += 1
        if self.flush_at <= self.now:
            self._sweep()  # what an earlier flush took must not come back when a new one replaces it
        self.flush_at = NEVER
        due = self.deadline(delay) if delay > 0 else self.now
        if due > self.now:
            self.flush_at = due - 1
        elif due > self._started:
            self.items.clear()
            self.used = 0

    # -- lookup -------------------------------------------------------------------------------------------------

    def find(self, key: bytes) -> Item | None:
        """The live item under `key`, without making it more recent; a dead one is dropped."""
        item = self.items.get(key)
        if item is not None and self.dead(item):
            self.drop(key)
            return None
        return item

    def fetch(self, key: bytes) -> Item | None:
        """`find` for the get commands: counts the hit or miss and makes the item most recent."""
        stats = self.stats
        item = self.items.get(key)
        if item is None:
            stats.get_misses += 1
            return None
        if item.exptime <= self.now or self.flushed(item):
            stats.get_misses += 1
            if self.flushed(item):
                stats.get_flushed += 1
            else:
                stats.get_expired += 1
            self.drop(key)
            return None
        stats.get_hits += 1
        self.items.move_to_end(key)
        return item

    def touch(self, key: bytes, deadline: int) -> Item | None:
        """Give a live item a new `deadline` and make it most recent; None when there is none."""
        self.stats.cmd_touch += 1
        item = self.find(key)
        if item is None:
            self.stats.touch_misses += 1
            return None
        self.stats.touch_hits += 1
        item.exptime = deadline
        self.items.move_to_end(key)
        return item

    def delete(self, key: bytes) -> bool:
        """Drop a live item; False when there is none."""
        if self.find(key) is None:
            self.stats.delete_misses += 1
            return False
        self.stats.delete_hits += 1
        self.drop(key)
        return True

    def drop(self, key: bytes) -> None:
        """Forget whatever is under `key`, live or dead."""
        item = self.items.pop(key, None)
        if item is not None:
            self.used -= item.size

    # -- memory -------------------------------------------------------------------------------------------------

    def make_room(self, size: int) -> bool:
        """Whether `size` more bytes fit, after evicting the least recently used items where that is allowed."""
        room = self.limit - self.reserved - size
        if self.used > room:
            if self._evict:
                self._evict_down_to(room)
            else:
                self._sweep_once_a_second()
        return self.used <= room

    def _evict_down_to(self, room: int) -> None:
        items = self.items
        while self.used > room:
            if not items:
                return
            _, item = items.popitem(last=False)
            self.used -= item.size
            if self.dead(item):
                self.stats.reclaimed += 1
            else:
                self.stats.evictions += 1

    def _sweep_once_a_second(self) -> None:
        #: tuning: A sweep is linear in the cache.
        if self._swept != self.now:
            self._swept = self.now
            self._sweep()

    def reserve(self, size: int) -> bool:
        """Hold `size` bytes for a value that is still arriving; False when they do not fit."""
        fits = self.make_room(size)
        if fits:
            self.reserved += size
        return fits

    def release(self, size: int) -> None:
        """Give back what `reserve` held."""
        self.reserved -= size

    def _sweep(self) -> None:
        for key in [key for key, item in self.items.items() if self.dead(item)]:
            self.drop(key)
            self.stats.reclaimed += 1

    # -- storing ------------------------------------------------------------------------------------------------

    def put(self, key: bytes, block: Block, head: int, flags: int, deadline: int, size: int) -> None:
        """Store a value with a new cas unique, replacing what is under `key`. Room must have been made."""
        items = self.items
        cas = self._next_cas()
        self.stats.total_items += 1
        item = items.get(key)
        if item is None:
            self.used += size
            items[key] = Item(block, head, flags, deadline, size, cas, self.now)
            return
        self.used += size - item.size
        item.block = block
        item.head = head
        item.flags = flags
        item.exptime = deadline
        item.size = size
        item.cas = cas
        item.time = self.now
        items.move_to_end(key)

    def store(
        self,
        mode: StoreMode,
        key: bytes,
        block: Block,
        head: int,
        flags: int,
        deadline: int,
        size: int,
        unique: int | None,
    ) -> Outcome:
        """Carry out a storage command whose value arrived whole; `unique` is that of a cas command.

        Room must have been made for the value, which makes an item of `size` bytes.
        """
        if mode is not StoreMode.SET:
            old = self.find(key)
            if old is None:
                if mode is StoreMode.CAS:
                    self.stats.cas_misses += 1
                    return Outcome.NOT_FOUND
                if mode is not StoreMode.ADD:
                    return Outcome.NOT_STORED
            elif mode is StoreMode.ADD:
                self.items.move_to_end(key)
                return Outcome.NOT_STORED
            elif mode is StoreMode.CAS:
                if old.cas != unique:
                    self.stats.cas_badval += 1
                    return Outcome.EXISTS
                self.stats.cas_hits += 1
            elif mode is not StoreMode.REPLACE:
                value = memoryview(block)[head:-_LINE_END]
                return self._join(key, old, value, append=mode is StoreMode.APPEND)
        self.put(key, block, head, flags, deadline, size)
        return Outcome.STORED

    def _join(self, key: bytes, old: Item, value: memoryview, *, append: bool) -> Outcome:
        own = memoryview(old.block)[old.head : -_LINE_END]
        length = len(own) + len(value)
        size = item_size(key, old.flags, length)
        if size > self.item_size_max or not self.make_room(size):
            return Outcome.NOT_STORED
        start = b"VALUE %b %d %d\r\n" % (key, old.flags, length)
        block = b"".join((start, own, value, b"\r\n") if append else (start, value, own, b"\r\n"))
        self.put(key, block, len(start), old.flags, old.exptime, size)
        return Outcome.STORED

    # -- arithmetic ---------------------------------------------------------------------------------------------

    def arithmetic(self, key: bytes, delta: int, *, increment: bool) -> Outcome | bytes:
        """``incr``/``decr``: the new number as text, or why not.

        Adding wraps at 2^64, subtracting stops at 0. A shorter number keeps the stored length, padded with blanks.
        """
        stats = self.stats
        item = self.find(key)
        if item is None:
            if increment:
                stats.incr_misses += 1
            else:
                stats.decr_misses += 1
            return Outcome.NOT_FOUND
        value = lenient_u64(bytes(item.block[item.head :])) if item.size <= ARITHMETIC_ITEM_MAX else None
        if value is None:
            return Outcome.NON_NUMERIC
        if increment:
            value = (value + delta) % U64
            stats.incr_hits += 1
        else:
            value = max(value - delta, 0)
            stats.decr_hits += 1
        text = b"%d" % value
        length = len(item.block) - item.head - _LINE_END
        padded = text.ljust(length)
        if len(padded) != length:
            size = item_size(key, item.flags, len(text))  # far below any limit of items
            if not self.make_room(size):
                return Outcome.NO_MEMORY
            block = b"VALUE %b %d %d\r\n%b\r\n" % (key, item.flags, len(text), text)
            self.put(key, block, len(block) - len(text) - _LINE_END, item.flags, item.exptime, size)
            return text
        # A new block: replies that still wait to be sent refer to the old one.
        item.block = bytes(item.block[: item.head]) + padded + b"\r\n"
        item.cas = self._next_cas()
        self.items.move_to_end(key)
        return text
