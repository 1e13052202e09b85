"""Memory of the cache: which items lie in it, what they cost, and which have to go when room is needed."""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from itertools import islice

from mcserver.items import NEVER, Item, Segment
from mcserver.segments import Tuning, chill, juggle
from mcserver.settings import Settings
from mcserver.slabs import Slabs
from mcserver.stats import Stats

#: tuning: Classes with chunks up to this many bytes may fill one page even when memory is full (as in memcached).
_FLOOR_MAX = 8192

#: tuning: Evicting one part in so many of the limit is a reason to tidy memory up.
TURNOVER_SHARE = 16
#: tuning: Items moved between segments in one second at most, so that the moves take some milliseconds.
_MOVES = 10_000


#: tuning: Python keeps objects up to this many bytes together in arenas.
_SMALL = 512


def _copy(items: dict[bytes, Item], *, link: bool) -> dict[bytes, Item]:
    """Copies of `items`, which take their places in the segments when asked to `link`."""
    copies: dict[bytes, Item] = {}
    for item in items.values():
        block = item.block
        if len(block) < _SMALL:
            block = bytes(memoryview(block))
        key = bytes(memoryview(item.key))
        # Adding 0 makes new numbers.
        copy = Item(
            key,
            block,
            item.head,
            item.flags,
            item.exptime,
            item.size + 0,
            item.cas + 0,
            item.time,
            item.segment,
            item.marks,
        )
        copy.uses = item.uses
        if link:
            copy.prev = item.prev
            copy.next = item.next
            item.prev.next = item.next.prev = copy
        copies[key] = copy
    return copies


class Memory:
    """Items by key, and by slab class and segment in the order in which they go, within a limit."""

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
        "segmented",
        "slabs",
        "stale",
        "stats",
        "taken",
        "temporary_ttl",
        "tuning",
        "used",
    )

    def __init__(self, settings: Settings, stats: Stats, now: int) -> None:
        """Start empty at second `now`."""
        self.items: dict[bytes, Item] = {}
        #: What a flush took at once, until it is asked for, replaced or in the way: still in its segment.
        self.stale: OrderedDict[bytes, Item] = OrderedDict()
        self.stats = stats
        #: The current second. Whoever feeds the cache keeps it up to date.
        self.now = now
        self.slabs = Slabs(settings)
        #: How large the segments may become, and how old their items.
        self.tuning = Tuning(settings.hot_percent, settings.warm_percent, settings.hot_factor, settings.warm_factor)
        #: Whether new items are hot; else all are cold, and a use counts a minute after the last one.
        self.segmented = settings.segmented
        self.divide(segmented=settings.segmented)
        #: Bytes of stored items.
        self.used = 0
        #: What stored items cost of `limit`, and values still arriving and what is held back take of it, in bytes.
        self.taken = self.reserved = 0
        #: From this second on, items stored at or before it are gone; `NEVER` for none.
        self.flush_at = NEVER
        #: The cost of all items together, in bytes.
        self.limit = settings.memory_limit
        self._evict = settings.evict
        #: Items stored with at most this many seconds to live are not evicted; None for no such favour.
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

    def divide(self, *, segmented: bool) -> None:
        """Let items be divided into segments, or not (``lru mode``); those that are there are moved every second."""
        self.segmented = segmented
        for slab in self.slabs.classes:
            slab.entry = slab.hot if segmented else slab.cold

    def walk(self, classes: frozenset[int] | None = None) -> Iterator[Segment]:
        """The segments of `classes` (None: all) that have items."""
        for slab in self.slabs.classes:
            if classes is None or slab.id in classes:
                yield from (segment for segment in slab.segments if segment.number)

    def drop(self, key: bytes) -> None:
        """Forget whatever is under `key`, live or dead."""
        item = self.items.pop(key, None)
        if item is not None:
            self._leave(item)
        elif self.stale:
            self._drop_stale(key)

    def _drop_stale(self, key: bytes) -> bool:
        item = self.stale.pop(key, None)
        if item is None:
            return False
        self._leave(item)
        return True

    def _leave(self, item: Item) -> int:
        """Take an item out of its segment, and out of account; what it cost."""
        segment = item.segment
        segment.leave(item)
        self.used -= item.size
        cost = self.slabs.remove(segment.slab, item.size)
        self.taken -= cost
        return cost

    def make_room(self, size: int) -> bool:
        """Whether an item of `size` bytes more fits, after evicting where that is allowed; counts where not."""
        fits = self.find_room(size)
        if not fits:
            self.slabs.find(size).out_of_memory += 1
        return fits

    def find_room(self, size: int) -> bool:
        """`make_room` for somebody who is going to ask again."""
        cost = self.slabs.cost(size)
        room = self.limit - self.reserved - cost
        if self.taken > room:
            slab = self.slabs.find(size)
            if self._evict:
                slab.direct_reclaims += self._evict_down_to(room)
            if self.taken > room:
                self._sweep_once_a_second()
            if self.taken > room and (slab.chunk > _FLOOR_MAX or slab.chunks >= slab.per_page):
                return False
        return True

    def set_limit(self, limit: int) -> None:
        """Set the memory for items, in bytes; evicts down to it at once."""
        self.limit = limit
        if self._evict:
            self._evict_down_to(limit - self.reserved)

    def _evict_down_to(self, room: int) -> int:
        """Evict until what is stored costs `room` at most, or nothing is left that may go; how many items went."""
        stale = self.stale
        count = 0
        while self.taken > room:
            if stale:
                _, item = stale.popitem(last=False)
                self._count_reclaimed(item)
            else:
                found = self._next_to_go()
                if found is None:
                    break
                item = found
                del self.items[item.key]
                if self.dead(item):
                    self._count_reclaimed(item)
                else:
                    self._count_evicted(item.key, item)
            self._turned_over += self._leave(item)
            count += 1
        if self._turned_over > self.limit // TURNOVER_SHARE:
            self._turned_over = 0
            if self.on_turnover is not None:
                self.on_turnover()
        return count

    def _next_to_go(self) -> Item | None:
        """The item to evict next: of the tails of all classes the oldest, cold ones before hot and these before warm.

        memcached evicts in the class that needs a chunk, and moves pages from those whose tails are old to those that
        evict; pages are not bound to classes here, so that the oldest tail may go at once. Of those of one second the
        smallest cas unique is, in general, the one stored first.
        """
        slabs = self.slabs.classes
        cold = [slab.cold.tail for slab in slabs if slab.cold.number]
        tails = cold or [slab.hot.tail for slab in slabs if slab.hot.number]
        tails = tails or [slab.warm.tail for slab in slabs if slab.warm.number]
        oldest: Item | None = None
        for tail in tails:
            if tail is not None and (oldest is None or (tail.time, tail.cas) < (oldest.time, oldest.cas)):
                oldest = tail
        if oldest is None or cold:
            return oldest
        return chill(oldest.slab, self.tuning if self.segmented else None, self.now)

    def maintain(self) -> None:
        """Move items between segments: to be called every second where there are any (`Settings.segmented`)."""
        self.stats.juggles += 1
        slabs = [slab for slab in self.slabs.classes if slab.hot.number or slab.warm.number]
        for slab in slabs:
            juggle(slab, self.tuning if self.segmented else None, self.now, _MOVES // len(slabs))

    def entry(self, size: int, deadline: int) -> Segment:
        """The segment that an item of `size` bytes is stored in which lives until `deadline`."""
        slab = self.slabs.find(size)
        ttl = self.temporary_ttl
        return slab.entry if ttl is None or not 0 <= deadline - self.now <= ttl else slab.temp

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
        """Drop the dead among `most` items at the tails of all segments."""
        segments = list(self.walk())
        for segment in segments:
            for item in list(islice(segment, max(1, most // len(segments)))):
                if self.dead(item):
                    self.drop(item.key)
                    self._count_reclaimed(item)

    def renew(self) -> None:
        """Copy what is small of every item, so that it lies together in memory; not while a command is under way.

        The first copies fill the gaps between older objects, the second ones lie in memory without gaps.
        """
        gaps = _copy(self.items, link=False)
        self.items = _copy(self.items, link=True)
        gaps.clear()

    def _sweep_stale(self) -> None:
        for key, item in list(self.stale.items()):
            self._drop_stale(key)
            self._count_reclaimed(item)

    def _sweep(self) -> None:
        self._sweep_stale()
        for item in [item for item in self.items.values() if self.dead(item)]:
            self.drop(item.key)
            self._count_reclaimed(item)

    def crawl(self, classes: frozenset[int] | None, most: int) -> None:
        """Drop the dead among the items of `classes` (None: all), looking at `most` of each segment (0: every one)."""
        stats = self.stats
        self._sweep_stale()
        for segment in list(self.walk(classes)):
            slab = segment.slab
            for item in list(islice(segment, most or None)):
                stats.crawler_checked += 1
                slab.crawler_checked += 1
                if self.dead(item):
                    self.drop(item.key)
                    stats.crawler_reclaimed += 1
                    slab.crawler_reclaimed += 1
