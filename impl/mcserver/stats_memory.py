"""``stats items``, ``stats slabs`` and ``stats cachedump``: the slab classes and what lies in them."""

from mcserver import replies
from mcserver.cache import NEVER, Cache
from mcserver.items import Segment
from mcserver.numbers import strict_u32
from mcserver.slabs import CLASS_LIMIT, PAGE, SlabClass
from mcserver.stats import render

Row = tuple[str, object]

#: A cachedump answers at most this many bytes.
_DUMP_MAX = 2 * 1024 * 1024
_DUMP_TOKENS = 4


def items_rows(cache: Cache, *, segmented: bool) -> list[Row]:
    """Rows of ``stats items``, one group per class that holds items; those about segments only where there are any."""
    rows: list[Row] = []
    for slab in cache.slabs.classes:
        if not slab.number:
            continue
        values: list[Row] = [("number", slab.number)]
        if segmented:
            values += [(f"number_{name}", getattr(slab, name).number) for name in ("hot", "warm", "cold")]
            if cache.temporary_ttl is not None:
                values.append(("number_temp", slab.temp.number))
            values += [("age_hot", _age(cache, slab.hot)), ("age_warm", _age(cache, slab.warm))]
        values += [
            ("age", _age(cache, slab.cold)),
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
            values.append(("evicted_active", 0))  # an active item is never cold
        values += [
            ("crawler_reclaimed", slab.crawler_reclaimed),
            ("crawler_items_checked", slab.crawler_checked),
            ("lrutail_reflocked", 0),
        ]
        if segmented:
            values += [
                ("moves_to_cold", slab.moves_to_cold),
                ("moves_to_warm", slab.moves_to_warm),
                ("moves_within_lru", slab.moves_within),
                ("direct_reclaims", slab.direct_reclaims),
            ]
            values += [(f"hits_to_{name}", getattr(slab, name).hits) for name in ("hot", "warm", "cold", "temp")]
        rows += [(f"items:{slab.id}:{name}", value) for name, value in values]
    return rows


def _age(cache: Cache, segment: Segment) -> int:
    """Seconds since the least recent item of a segment was used; 0 when there is none."""
    tail = segment.tail
    return 0 if tail is None else cache.now - tail.time


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
    """``stats cachedump <class> <limit>``: live cold items of a class, the most recent first; limit 0 for all."""
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
    classes = cache.slabs.classes
    cold = list(classes[number].cold) if number < len(classes) else []
    for item in reversed(cold):
        if item.key in cache.stale or cache.dead(item):
            continue
        expiry = 0 if item.exptime == NEVER else item.exptime
        line = b"ITEM %b [%d b; %d s]\r\n" % (item.key, len(item.block) - item.head - 2, expiry)
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
