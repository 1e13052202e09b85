"""``stats items``, ``stats slabs`` and ``stats cachedump``: the slab classes and what lies in them."""

from collections import Counter

from mcserver import replies
from mcserver.cache import NEVER, Cache, Item
from mcserver.numbers import strict_u32
from mcserver.slabs import CLASS_LIMIT, PAGE, SlabClass
from mcserver.stats import render

Row = tuple[str, object]

#: A cachedump answers at most this many bytes.
_DUMP_MAX = 2 * 1024 * 1024
_DUMP_TOKENS = 4


def items_rows(cache: Cache, *, segmented: bool) -> list[Row]:
    """Rows of ``stats items``, one group per class that holds items: in one list, the cold one, but temporary ones."""
    rows: list[Row] = []
    oldest = _oldest(cache)
    temporary = _temporary(cache)
    for slab in cache.slabs.classes:
        if not slab.number:
            continue
        age = cache.now - oldest[slab.id].time if slab.id in oldest else 0
        values: list[Row] = [("number", slab.number)]
        if segmented:
            short = temporary.get(slab.id, 0)
            values += [("number_hot", 0), ("number_warm", 0), ("number_cold", slab.number - short)]
            if cache.temporary_ttl is not None:
                values.append(("number_temp", short))
            values += [("age_hot", 0), ("age_warm", 0)]
        values += [
            ("age", age),
            ("mem_requested", slab.requested),
            ("evicted", slab.evicted),
            ("evicted_nonzero", slab.evicted_nonzero),
            ("evicted_time", slab.evicted_time),
            ("outofmemory", slab.out_of_memory),
            ("tailrepairs", 0),
            ("reclaimed", slab.reclaimed),
            ("expired_unfetched", slab.expired_unfetched),
            ("evicted_unfetched", slab.evicted_unfetched),
        ]
        if segmented:
            values.append(("evicted_active", 0))
        values += [
            ("crawler_reclaimed", slab.crawler_reclaimed),
            ("crawler_items_checked", slab.crawler_checked),
            ("lrutail_reflocked", 0),
        ]
        if segmented:
            values += [(name, 0) for name in _SEGMENTS]
            values += [("hits_to_hot", 0), ("hits_to_warm", 0), ("hits_to_cold", slab.get_hits), ("hits_to_temp", 0)]
        rows += [(f"items:{slab.id}:{name}", value) for name, value in values]
    return rows


_SEGMENTS = "moves_to_cold moves_to_warm moves_within_lru direct_reclaims".split()


def _oldest(cache: Cache) -> dict[int, Item]:
    """The least recently used item of each class that has one."""
    missing = sum(1 for slab in cache.slabs.classes if slab.number)
    found: dict[int, Item] = {}
    for item in cache.items.values():
        if item.slab.id not in found:
            found[item.slab.id] = item
            if len(found) == missing:
                break
    return found


def _temporary(cache: Cache) -> Counter[int]:
    """How many temporary items each class has."""
    if cache.temporary_ttl is None:
        return Counter()
    return Counter(item.slab.id for item in cache.items.values() if cache.temporary(item))


def slabs_rows(cache: Cache) -> list[Row]:
    """Rows of ``stats slabs``: one group per class that ever held an item, and the sums."""
    rows: list[Row] = []
    seen = [slab for slab in cache.slabs.classes if slab.seen]
    for slab in seen:
        rows += [(f"{slab.id}:{name}", value) for name, value in _slab_values(slab)]
    pages = sum(slab.pages for slab in seen)
    return [*rows, ("active_slabs", len(seen)), ("total_malloced", pages * PAGE)]


def _slab_values(slab: SlabClass) -> list[Row]:
    total = slab.pages * slab.per_page
    return [
        ("chunk_size", slab.chunk),
        ("chunks_per_page", slab.per_page),
        ("total_pages", slab.pages),
        ("total_chunks", total),
        ("used_chunks", slab.chunks),
        ("free_chunks", total - slab.chunks),
        ("free_chunks_end", 0),
        ("get_hits", slab.get_hits),
        ("cmd_set", slab.cmd_set),
        ("delete_hits", slab.delete_hits),
        ("incr_hits", slab.incr_hits),
        ("decr_hits", slab.decr_hits),
        ("cas_hits", slab.cas_hits),
        ("cas_badval", slab.cas_badval),
        ("touch_hits", slab.touch_hits),
    ]


def cachedump(cache: Cache, tokens: list[bytes], *, allowed: bool) -> bytes:
    """``stats cachedump <class> <limit>``: live items of a class, the most recent first; limit 0 for all of them."""
    if not allowed:
        return replies.CACHEDUMP_REFUSED
    if len(tokens) < _DUMP_TOKENS:
        return replies.BAD_LINE
    number, limit = strict_u32(tokens[2]), strict_u32(tokens[3])
    if number is None or limit is None:
        return replies.BAD_FORMAT
    if number >= CLASS_LIMIT:
        return replies.ILLEGAL_CLASS
    out: list[bytes] = []
    size = 0
    for key, item in reversed(cache.items.items()):
        if item.slab.id != number or cache.dead(item):
            continue
        expiry = 0 if item.exptime == NEVER else item.exptime
        line = b"ITEM %b [%d b; %d s]\r\n" % (key, len(item.block) - item.head - 2, expiry)
        size += len(line)
        if size > _DUMP_MAX:
            break
        out.append(line)
        if len(out) == limit:
            break
    return b"".join(out) + replies.END


def sizes() -> bytes:
    """``stats sizes``: this server keeps no histogram, as memcached does unless it is started for it."""
    return render([("sizes_status", "disabled")])
