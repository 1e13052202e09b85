"""Memory of the cache: which items lie in it, what they cost, and which have to go when room is needed."""

from collections import OrderedDict
from collections.abc import Callable
from itertools import islice

from mcserver.items import NEVER, Item
from mcserver.settings import Settings
from mcserver.slabs import Slabs
from mcserver.stats import Stats

#: tuning: Classes with chunks up to this many bytes may fill one page even when memory is full (as in memcached).
_FLOOR_MAX = 8192

#: tuning: Evicting one part in so many of the limit is a reason to tidy memory up.
TURNOVER_SHARE = 16


#: tuning: Python keeps objects up to this many bytes together in arenas.
_SMALL = 512


def _copy(items: OrderedDict[bytes, Item]) -> OrderedDict[bytes, Item]:
    copies: OrderedDict[bytes, Item] = OrderedDict()
    for key, item in items.items():
        block = item.block
        if len(block) < _SMALL:
            block = bytes(memoryview(block))
        # Adding 0 makes new numbers.
        copy = Item(
            block, item.head, item.flags, item.exptime, item.size + 0, item.cas + 0, item.time, item.slab, item.marks
        )
        copy.fetched = item.fetched
        copies[bytes(memoryview(key))] = copy
    return copies


class Memory:
    """Items by key, the least recently used first, within a limit."""

    __slots__ = (
        "_evict",
        "_swept",
        "_turned_over",
        "flush_at",
        "items",
        "limit",
        "now",
        "on_evict",
        "on_turnover",
        "reserved",
        "slabs",
        "stale",
        "stats",
        "taken",
        "temporary_ttl",
        "used",
    )

    def __init__(self, settings: Settings, stats: Stats, now: int) -> None:
        """Start empty at second `now`."""
        self.items: OrderedDict[bytes, Item] = OrderedDict()
        #: What a flush took at once, until it is asked for, replaced or in the way.
        self.stale: OrderedDict[bytes, Item] = OrderedDict()
        self.stats = stats
        #: The current second. Whoever feeds the cache keeps it up to date.
        self.now = now
        self.slabs = Slabs(settings)
        #: Bytes of stored items.
        self.used = 0
        #: What stored items cost of `limit`, and values still arriving and what is held back take of it, in bytes.
        self.taken = self.reserved = 0
        #: From this second on, items stored at or before it are gone; `NEVER` for none.
        self.flush_at = NEVER
        #: The cost of all items together, in bytes.
        self.limit = settings.memory_limit
        self._evict = settings.evict
        #: Items stored with at most this many seconds to live are evicted last; None for no such favour.
        self.temporary_ttl = settings.temporary_ttl
        #: Called with key and item of everything that is evicted alive; None costs nothing.
        self.on_evict: Callable[[bytes, Item], None] | None = None
        self._swept = -1
        #: Called whenever `TURNOVER_SHARE` of the limit was evicted; None costs nothing.
        self.on_turnover: Callable[[], None] | None = None
        self._turned_over = 0

    @property
    def held(self) -> int:
        """Number of items in memory, the dead ones included that nobody asked for since."""
        return len(self.items) + len(self.stale)

    def dead(self, item: Item) -> bool:
        """Whether `item` has expired or was flushed."""
        return item.exptime <= self.now or self.flushed(item)

    def flushed(self, item: Item) -> bool:
        """Whether a flush has taken effect on `item`."""
        return item.time <= self.flush_at <= self.now

    def drop(self, key: bytes) -> None:
        """Forget whatever is under `key`, live or dead."""
        item = self.items.pop(key, None)
        if item is not None:
            self.used -= item.size
            self.taken -= self.slabs.remove(item.slab, item.size)
        elif self.stale:
            self._drop_stale(key)

    def _drop_stale(self, key: bytes) -> bool:
        item = self.stale.pop(key, None)
        if item is None:
            return False
        self.used -= item.size
        self.taken -= self.slabs.remove(item.slab, item.size)
        return True

    def make_room(self, size: int) -> bool:
        """Whether an item of `size` bytes more fits, after evicting the least recently used where that is allowed."""
        cost = self.slabs.cost(size)
        room = self.limit - self.reserved - cost
        if self.taken > room:
            if self._evict:
                self._evict_down_to(room)
            else:
                self._sweep_once_a_second()
            slab = self.slabs.find(size)
            if self.taken > room and (slab.chunk > _FLOOR_MAX or slab.chunks >= slab.per_page):
                slab.out_of_memory += 1
                return False
        return True

    def set_limit(self, limit: int) -> None:
        """Set the memory for items, in bytes; evicts down to it at once."""
        self.limit = limit
        if self._evict:
            self._evict_down_to(limit - self.reserved)

    def _evict_down_to(self, room: int) -> None:
        items = self.items
        spared = 0
        stale = self.stale
        while self.taken > room and (items or stale):
            flushed = bool(stale)
            key, item = (stale or items).popitem(last=False)
            if flushed or self.dead(item):
                self._count_reclaimed(item)
            elif self.temporary(item) and spared <= len(items):
                items[key] = item
                spared += 1
                continue
            else:
                self._count_evicted(key, item)
            self.used -= item.size
            cost = self.slabs.remove(item.slab, item.size)
            self.taken -= cost
            self._turned_over += cost
        if self._turned_over > self.limit // TURNOVER_SHARE:
            self._turned_over = 0
            if self.on_turnover is not None:
                self.on_turnover()

    def temporary(self, item: Item) -> bool:
        """Whether `item` was given so short a life that it is evicted last."""
        return self.temporary_ttl is not None and item.exptime - item.time <= self.temporary_ttl

    def _count_reclaimed(self, item: Item) -> None:
        self.stats.reclaimed += 1
        item.slab.reclaimed += 1
        if not item.fetched:
            self.stats.expired_unfetched += 1
            item.slab.expired_unfetched += 1

    def _count_evicted(self, key: bytes, item: Item) -> None:
        slab = item.slab
        self.stats.evictions += 1
        slab.evicted += 1
        slab.evicted_time = self.now - item.time
        if item.exptime != NEVER:
            slab.evicted_nonzero += 1
        if not item.fetched:
            self.stats.evicted_unfetched += 1
            slab.evicted_unfetched += 1
        if self.on_evict is not None:
            self.on_evict(key, item)

    def _sweep_once_a_second(self) -> None:
        #: tuning: A sweep is linear in the cache.
        if self._swept != self.now:
            self._swept = self.now
            self._sweep()

    def reserve(self, size: int) -> bool:
        """Hold room for an item of `size` bytes whose value is still arriving; False when it does not fit."""
        fits = self.make_room(size)
        if fits:
            self.reserved += self.slabs.cost(size)
            self.slabs.find(size).seen = True
        return fits

    def release(self, size: int) -> None:
        """Give back what `reserve` held for `size` bytes."""
        self.reserved -= self.slabs.cost(size)

    def reclaim(self, most: int) -> None:
        """Drop the dead among the `most` least recently used items."""
        for key, item in list(islice(self.items.items(), most)):
            if self.dead(item):
                self.drop(key)
                self._count_reclaimed(item)

    def renew(self) -> None:
        """Copy what is small of every item, so that it lies together in memory; not while a command is under way.

        The first copies fill the gaps between older objects, the second ones lie in memory without gaps.
        """
        gaps = _copy(self.items)
        self.items = _copy(self.items)
        gaps.clear()

    def _sweep_stale(self) -> None:
        for key, item in list(self.stale.items()):
            self._drop_stale(key)
            self._count_reclaimed(item)

    def _sweep(self) -> None:
        self._sweep_stale()
        for key, item in [pair for pair in self.items.items() if self.dead(pair[1])]:
            self.drop(key)
            self._count_reclaimed(item)

    def crawl(self, classes: frozenset[int] | None, most: int) -> None:
        """Drop the dead among the items of `classes` (None: all), looking at `most` of each class (0: every one)."""
        seen: dict[int, int] = {}
        stats = self.stats
        self._sweep_stale()
        for key, item in list(self.items.items()):
            slab = item.slab
            if classes is not None and slab.id not in classes:
                continue
            checked = seen[slab.id] = seen.get(slab.id, 0) + 1
            if most and checked > most:
                continue
            stats.crawler_checked += 1
            slab.crawler_checked += 1
            if self.dead(item):
                self.drop(key)
                stats.crawler_reclaimed += 1
                slab.crawler_reclaimed += 1
