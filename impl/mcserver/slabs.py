"""Slab classes: memcached's table of chunk sizes, what an item of a size costs, and the counters kept per class.

memcached carves memory into pages of 1 MiB, gives each page to a class and cuts it into chunks of that class's size.
This server allocates values one by one, and keeps the classes as its unit of account: an item costs its share of a page
of its class, so that as many items fit into ``-m`` as fit into memcached's full pages. Small items cost more than that,
because a Python object and an entry of a dictionary are larger than memcached's header. Pages are not assigned for
good: a class has as many as its items need at the moment.
"""

from functools import lru_cache
from itertools import pairwise
from typing import Final

from mcserver.items import Segment
from mcserver.settings import MIB, Settings

#: Bytes in a page.
PAGE = MIB
#: Most classes, the page pool (class 0) included; class ids on the wire are below it.
CLASS_LIMIT = 64
#: Chunk sizes are multiples of this many bytes.
_ALIGN = 8
#: Bytes of memcached's item header, which the smallest chunk holds beside ``-n`` bytes.
_HEADER = 48
#: tuning: Bytes an item takes in this process beside its own: object, dictionary entry, list links, allocator.
_OBJECT = 430
#: tuning: Memory in use may exceed ``-m`` by this factor (in hundredths) for what small items take beside their bytes.
_EXCESS_PERCENT = 125


class SlabClass:
    """One class: `chunk` bytes each, `per_page` of them in a page, its items in four lists, and what happened to them.

    `chunks` counts chunks in use; the other counters only grow until ``stats reset``. A class that never held anything
    has `seen` False and is not reported. New items enter the list `entry`.
    """

    __slots__ = (
        "cas_badval",
        "cas_hits",
        "chunk",
        "chunks",
        "cmd_set",
        "cold",
        "cost",
        "crawler_checked",
        "crawler_reclaimed",
        "decr_hits",
        "delete_hits",
        "direct_reclaims",
        "entry",
        "evicted",
        "evicted_nonzero",
        "evicted_time",
        "evicted_unfetched",
        "expired_unfetched",
        "hot",
        "id",
        "incr_hits",
        "moves_to_cold",
        "moves_to_warm",
        "moves_within",
        "out_of_memory",
        "per_page",
        "reclaimed",
        "seen",
        "segments",
        "temp",
        "touch_hits",
        "warm",
    )

    def __init__(self, number: int, chunk: int) -> None:
        """Make class `number` with chunks of `chunk` bytes."""
        self.id = number
        self.chunk = chunk
        self.per_page = PAGE // chunk
        share = PAGE // self.per_page
        #: Bytes of ``-m`` that an item of this class takes.
        self.cost = max(share, (share + _OBJECT) * 100 // _EXCESS_PERCENT)
        self.chunks = 0
        self.seen = False
        #: Items just stored, those used again, those that go next, and those that go by expiring alone.
        self.hot, self.warm, self.cold, self.temp = self.segments = tuple(Segment(self) for _ in range(4))
        self.entry = self.hot
        self.reset()

    def reset(self) -> None:
        """Set every counter of events to 0."""
        self.cmd_set = self.touch_hits = self.delete_hits = 0
        self.incr_hits = self.decr_hits = self.cas_hits = self.cas_badval = 0
        self.evicted = self.evicted_nonzero = self.evicted_time = self.evicted_unfetched = 0
        self.out_of_memory = self.reclaimed = self.expired_unfetched = 0
        self.crawler_reclaimed = self.crawler_checked = 0
        self.moves_to_cold = self.moves_to_warm = self.moves_within = self.direct_reclaims = 0
        for segment in self.segments:
            segment.hits = 0

    @property
    def number(self) -> int:
        """Items of the class."""
        return sum(segment.number for segment in self.segments)

    @property
    def requested(self) -> int:
        """Bytes of its items."""
        return sum(segment.bytes for segment in self.segments)

    @property
    def get_hits(self) -> int:
        """How often they were fetched."""
        return sum(segment.hits for segment in self.segments)

    @property
    def pages(self) -> int:
        """Pages the chunks in use need; a class keeps its first one."""
        return max(1, -(-self.chunks // self.per_page)) if self.seen else 0


@lru_cache(maxsize=32)
def chunk_sizes(factor: float, smallest: int, largest: int) -> tuple[int, ...]:
    """Chunk sizes in bytes from `smallest` up to `largest`, growing by `factor` and rounded up to 8 bytes."""
    sizes: list[int] = []
    size = float(_HEADER + smallest)
    while len(sizes) < CLASS_LIMIT - 2 and size <= largest / factor:
        chunk = -(-int(size) // _ALIGN) * _ALIGN
        sizes.append(chunk)
        size = int(chunk * factor)
    return (*sizes, largest)


@lru_cache(maxsize=32)
def _index(sizes: tuple[int, ...]) -> bytes:
    """The class of every item size, by the size in units of 8 bytes, rounded up."""
    table = bytearray([1]) * (sizes[0] // _ALIGN + 1)
    for number, (below, size) in enumerate(pairwise(sizes), start=2):
        table += bytes([number]) * (-(-size // _ALIGN) - -(-below // _ALIGN))
    return bytes(table)


class Slabs:
    """The classes of one server. Sizes given are those of items, in bytes."""

    __slots__ = ("chunk_max", "classes", "index")

    def __init__(self, settings: Settings) -> None:
        """Make the classes that `settings` ask for."""
        #: Larger items are kept by memcached in several chunks of this size.
        self.chunk_max: Final = settings.chunk_max
        sizes = chunk_sizes(settings.growth_factor, settings.chunk_size, self.chunk_max)
        #: By id; there is no class 0, its place is never used.
        self.classes: Final = [SlabClass(number, size) for number, size in enumerate((PAGE, *sizes))]
        self.index: Final = _index(sizes)

    def find(self, size: int) -> SlabClass:
        """The class of an item of `size` bytes; the largest for one in several chunks."""
        return self.classes[self.index[(size + 7) >> 3]] if size <= self.chunk_max else self.classes[-1]

    def cost(self, size: int) -> int:
        """Bytes of ``-m`` that an item of `size` bytes takes."""
        if size <= self.chunk_max:
            return self.classes[self.index[(size + 7) >> 3]].cost
        whole, rest = divmod(size, self.chunk_max)
        return whole * self.classes[-1].cost + (self.find(rest).cost if rest else 0)

    def add(self, slab: SlabClass, size: int) -> int:
        """Count the chunks of an item of `size` bytes into its class `slab`; what it costs."""
        slab.seen = True
        if size <= self.chunk_max:
            slab.chunks += 1
            return slab.cost
        slab.chunks += -(-size // self.chunk_max)
        return self.cost(size)

    def remove(self, slab: SlabClass, size: int) -> int:
        """Count the chunks of an item of `size` bytes out of its class `slab`; what it cost."""
        if size <= self.chunk_max:
            slab.chunks -= 1
            return slab.cost
        slab.chunks -= -(-size // self.chunk_max)
        return self.cost(size)

    def reset(self) -> None:
        """Set the counters of every class to 0."""
        for slab in self.classes:
            slab.reset()
