"""Adding to and subtracting from a stored number: incr, decr and ma."""

from mcserver.cache import Cache, Outcome
from mcserver.numbers import U64, lenient_u64
from mcserver.settings import ARITHMETIC_ITEM_MAX

_LINE_END = 2


def add_delta(
    cache: Cache, key: bytes, delta: int, *, increment: bool, check: int = 0, vivify: bool = False
) -> Outcome | bytes:
    """``incr``/``decr``: the new number as text, or why not.

    Adding wraps at 2^64, subtracting stops at 0. A shorter number keeps the stored length, padded with blanks. With
    `check` not 0 nothing is done unless it is the item's cas unique. A number that takes more room than the old one
    makes a new item, which has no marks. No miss is counted when the caller is going to `vivify` the item.
    """
    stats = cache.stats
    item = cache.find(key)
    if item is None:
        if not vivify:
            if increment:
                stats.incr_misses += 1
            else:
                stats.decr_misses += 1
        return Outcome.NOT_FOUND
    length = len(item.block) - item.head - _LINE_END
    if not length or item.size > ARITHMETIC_ITEM_MAX:
        return Outcome.NON_NUMERIC
    if check and check != item.cas:
        return Outcome.EXISTS
    value = lenient_u64(bytes(item.block[item.head :]))
    if value is None:
        return Outcome.NON_NUMERIC
    if increment:
        value = (value + delta) % U64
        stats.incr_hits += 1
        item.slab.incr_hits += 1
    else:
        value = max(value - delta, 0)
        stats.decr_hits += 1
        item.slab.decr_hits += 1
    text = b"%d" % value
    padded = text.ljust(length)
    if len(padded) != length:
        size = cache.item_size(key, item.flags, len(text))  # far below any limit of items
        if not cache.make_room(size):
            return Outcome.NO_MEMORY
        block = b"VALUE %b %d %d\r\n%b\r\n" % (key, item.flags, len(text), text)
        cache.put(key, block, len(block) - len(text) - _LINE_END, item.flags, item.exptime, size)
        return text
    # A new block: replies that still wait to be sent refer to the old one.
    item.block = bytes(item.block[: item.head]) + padded + b"\r\n"
    item.cas = cache.next_cas()
    cache.freshen(item)
    return text
