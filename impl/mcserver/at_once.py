"""The two operations most traffic consists of, in one step each: a hit, and a plain set whose value is there.

Whatever is unusual is left to the general way: these then do nothing and say so.
"""

from mcserver.cache import NEVER, Cache
from mcserver.items import ACTIVE, FETCHED, UNUSED, Item
from mcserver.stats import Stats
from mcserver.storage import SPARE

#: tuning: Values up to this many bytes are put behind their head by a copy more, larger ones by one copy.
_SMALL = 16384


def fetch_at_once(cache: Cache, stats: Stats, key: bytes) -> Item | None:
    """The live item under `key`, its hit counted and used; None leaves it to `Cache.fetch`. Nobody may look on."""
    item = cache.items.get(key)
    now = cache.now
    if item is None or not item.exptime > now < cache.flush_at or not cache.segmented:
        return None
    stats.get_hits += 1
    item.segment.hits += 1
    uses = item.uses
    if uses == UNUSED:
        item.uses = FETCHED
    else:
        item.time = now
        if uses != ACTIVE:
            cache.activate(item)
    return item


def store_at_once(
    cache: Cache, stats: Stats, key: bytes, flags: int, exptime: int, data: bytes, at: int, length: int
) -> int:
    """Carry out a plain set whose value of `length` bytes is in `data` at `at`; the cas unique, or -1.

    A value that does not fit answers -1, and nothing has happened: the general way (`Value`) knows what to do with it.
    """
    size = cache.item_size(key, flags, length)
    if size > cache.item_size_max:
        return -1
    #: tuning: Where there is room to spare this saves the call that says so.
    if cache.taken + cache.reserved + size + SPARE > cache.limit and not cache.find_room(size):
        return -1
    stats.cmd_set += 1
    cache.slabs.find(size).cmd_set += 1
    head = b"VALUE %b %d %d\r\n" % (key, flags, length)
    if length <= _SMALL:
        block = head + data[at : at + length] + b"\r\n"
    else:
        block = b"".join((head, memoryview(data)[at : at + length], b"\r\n"))
    unique = cache.next_cas()
    cache.put(key, block, len(head), flags, cache.deadline(exptime) if exptime else NEVER, size, unique)
    return unique
