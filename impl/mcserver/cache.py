"""The store: items by key, with what counts as a use of them, lazy expiry and flush.

Nothing here knows the wire except that an item keeps its value inside the block a ``get`` sends, so that a hit costs no
formatting and no copy. Time is whole seconds and is set from outside (`Cache.now`).
"""

from collections.abc import Callable
from itertools import count, repeat

from mcserver.items import ACTIVE, FETCHED, NEVER, UNUSED, Block, Item, Outcome, StoreMode
from mcserver.memory import Memory
from mcserver.settings import CAS_SIZE, FLAGS_SIZE, ITEM_OVERHEAD, RELATIVE_MAX, Settings
from mcserver.stats import Stats

#: How many seconds before its process memcached's clock starts; Unix times up to there flush nothing.
_CLOCK_LEAD = 2
#: What is dead at once dies this many seconds before the process started: ``mg t`` shows it.
_PAST = 61
_LINE_END = 2
#: Seconds between two moves of one item to the front, in flat mode.
_BUMP_INTERVAL = 60

__all__ = ["NEVER", "Block", "Cache", "Item", "Outcome", "StoreMode"]


class Cache(Memory):
    """All items of a server. Operations take live keys of at most 250 bytes and never raise."""

    __slots__ = ("_past", "_started", "item_size_max", "next_cas", "on_lookup", "overhead", "with_cas")

    def __init__(self, settings: Settings, stats: Stats, now: int) -> None:
        """Start empty at second `now`."""
        super().__init__(settings, stats, now)
        #: Largest item, in bytes.
        self.item_size_max = settings.item_size_max
        self._started = now - _CLOCK_LEAD
        self._past = now - _PAST
        #: Called with every key that is looked up and the item found; None costs next to nothing.
        self.on_lookup: Callable[[bytes, Item | None], None] | None = None
        self.with_cas = settings.cas
        #: Bytes an item takes beside key, flags and value.
        self.overhead = ITEM_OVERHEAD if settings.cas else ITEM_OVERHEAD - CAS_SIZE
        #: tuning: Any first number would do; memcached gives 2.
        self.next_cas: Callable[[], int] = (count(2) if settings.cas else repeat(0)).__next__

    # -- time ---------------------------------------------------------------------------------------------------

    def deadline(self, exptime: int) -> int:
        """The second at which an item given `exptime` now is dead: `NEVER`, or one gone by for what is dead at once."""
        if exptime > RELATIVE_MAX:
            return max(exptime, self._past)
        if exptime > 0:
            return self.now + exptime
        return self._past if exptime else NEVER

    def flush(self, delay: int) -> None:
        """``flush_all``: at once for `delay` <= 0, else by the exptime rules; replaces a pending flush.

        A flush in n seconds strikes at second now + n - 1 and takes every item stored up to the end of that second,
        also one stored after the command. A Unix time before the start flushes nothing and cancels a pending flush.
        """
        if self.flush_at <= self.now:
            self._sweep()  # what an earlier flush took must not come back when a new one replaces it
        self.flush_at = NEVER
        due = self.deadline(delay) if delay > 0 else self.now
        if due > self.now:
            self.flush_at = due - 1
        elif due > self._started:
            items = self.items
            for item in [item for item in items.values() if item.time == self.now]:
                self.drop(item.key)
            # Lookups of the others are counted: they stay until then, where nothing finds them.
            self.stale.update(items)
            items.clear()

    # -- lookup -------------------------------------------------------------------------------------------------

    def find(self, key: bytes) -> Item | None:
        """The live item under `key`, which is not used by that; a dead one is counted and dropped."""
        item = self.items.get(key)
        if item is None:
            if self.stale and self._drop_stale(key):
                self.stats.get_flushed += 1
        elif self.dead(item):
            if self.flushed(item):
                self.stats.get_flushed += 1
            else:
                self.stats.get_expired += 1
            self.drop(key)
            item = None
        if self.on_lookup is not None:
            self.on_lookup(key, item)
        return item

    def fetch(self, key: bytes) -> Item | None:
        """`find` for the get commands: counts the hit or miss, and the use."""
        item = self.find(key)
        if item is None:
            self.stats.get_misses += 1
            return None
        self.stats.get_hits += 1
        item.segment.hits += 1
        self.use(item)
        return item

    def use(self, item: Item) -> None:
        """Note a hit on a live item.

        As in memcached the first hit does not count as an access, for `Item.time`, but those that follow do; and it
        takes a second one to make the item active.
        """
        if not self.segmented:
            item.uses = item.uses or FETCHED
            self.freshen(item)
        elif item.uses:
            item.time = self.now
            if item.uses != ACTIVE:
                self.activate(item)
        else:
            item.uses = FETCHED

    def activate(self, item: Item) -> None:
        """Make an item active that was used again: a cold one becomes warm at once, and has to be used once more."""
        segment = item.segment
        slab = segment.slab
        if segment is slab.cold:
            slab.moves_to_warm += 1
            slab.warm.take(item)
        else:
            item.uses = ACTIVE

    def freshen(self, item: Item) -> None:
        """Note that a live item is present knowledge, without a hit.

        In flat mode it becomes the most recent of its segment, but only when it was not within the last minute.
        """
        if self.segmented:
            item.time = self.now
        elif self.now - item.time >= _BUMP_INTERVAL:
            item.time = self.now
            item.segment.take(item)

    def touch(self, key: bytes, deadline: int) -> Item | None:
        """Give a live item a new `deadline` and note the hit; None when there is none."""
        self.stats.cmd_touch += 1
        item = self.find(key)
        if item is None:
            self.stats.touch_misses += 1
            return None
        self.stats.touch_hits += 1
        item.slab.touch_hits += 1
        item.exptime = deadline
        self.use(item)
        return item

    def delete(self, key: bytes) -> Item | None:
        """Drop a live item and return it; None when there is none."""
        item = self.find(key)
        if item is None:
            self.stats.delete_misses += 1
            return None
        self.stats.delete_hits += 1
        item.slab.delete_hits += 1
        self.drop(key)
        return item

    # -- storing ------------------------------------------------------------------------------------------------

    def item_size(self, key: bytes, flags: int, length: int) -> int:
        """Bytes an item is accounted with, by memcached's layout; `length` is the value's."""
        return self.overhead + len(key) + 1 + (FLAGS_SIZE if flags else 0) + length + _LINE_END

    def put(
        self,
        key: bytes,
        block: Block,
        head: int,
        flags: int,
        deadline: int,
        size: int,
        unique: int = -1,
        marks: int = 0,
    ) -> None:
        """Store a value, replacing what is under `key`; -1 stands for a new cas unique. Room must have been made."""
        items = self.items
        cas = self.next_cas() if unique < 0 else unique
        self.stats.total_items += 1
        item = items.get(key)
        now = self.now
        target = self.slabs.find(size).entry if self.temporary_ttl is None else self.entry(size, deadline)
        if item is None:
            slab = target.slab
            if self.stale and self._drop_stale(key):
                self.stats.reclaimed += 1
                slab.reclaimed += 1
            self.used += size
            self.taken += self.slabs.add(slab, size)
            items[key] = item = Item(key, block, head, flags, deadline, size, cas, now, target, marks)
            target.add(item)
            return
        if item.exptime <= now:
            self.stats.get_expired += 1
        segment = item.segment
        before = item.size
        if before != size:
            slabs = self.slabs
            self.used += size - before
            self.taken += slabs.add(target.slab, size) - slabs.remove(segment.slab, before)
        item.uses = UNUSED
        item.marks = marks
        item.block = block
        item.head = head
        item.flags = flags
        item.exptime = deadline
        item.cas = cas
        item.time = now
        segment.leave(item)
        item.size = size
        item.segment = target
        target.add(item)

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

        Room must have been made for the value, which makes an item of `size` bytes. A cas unique is used up even when
        nothing is stored.
        """
        cas = self.next_cas()
        if mode is not StoreMode.SET:
            old = self.find(key)
            if old is None:
                if mode is StoreMode.CAS:
                    self.stats.cas_misses += 1
                    return Outcome.NOT_FOUND
                if mode is not StoreMode.ADD:
                    return Outcome.NOT_STORED
            elif mode is StoreMode.ADD:
                self.freshen(old)
                return Outcome.NOT_STORED
            elif mode is StoreMode.CAS:
                if old.cas != unique or not self.with_cas:
                    self.stats.cas_badval += 1
                    old.slab.cas_badval += 1
                    return Outcome.EXISTS
                self.stats.cas_hits += 1
                old.slab.cas_hits += 1
            elif mode is not StoreMode.REPLACE:
                value = memoryview(block)[head:-_LINE_END]
                return self.join(key, old, value, cas, append=mode is StoreMode.APPEND)
        elif self.on_lookup is not None:
            self.find(key)
        self.put(key, block, head, flags, deadline, size, cas)
        return Outcome.STORED

    def join(self, key: bytes, old: Item, value: memoryview, unique: int, *, append: bool) -> Outcome:
        """Put `value` behind or before that of the live item `old`; the new item's cas unique is `unique`."""
        own = memoryview(old.block)[old.head : -_LINE_END]
        length = len(own) + len(value)
        size = self.item_size(key, old.flags, length)
        if size > self.item_size_max or not self.make_room(size):
            return Outcome.NOT_STORED
        start = b"VALUE %b %d %d\r\n" % (key, old.flags, length)
        block = b"".join((start, own, value, b"\r\n") if append else (start, value, own, b"\r\n"))
        self.put(key, block, len(start), old.flags, old.exptime, size, unique)
        return Outcome.STORED
