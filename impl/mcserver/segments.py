"""How items move between the segments of a slab class: memcached's segmented LRU.

A new item is hot. What reaches the tail of the hot or the warm segment goes to the warm one (or stays there) when it
was used since it was last moved, else to the cold one, but only while its segment is too large or it has become too
old. Items are evicted from the cold segment's tail; one that is used there a second time is warm at once (`Cache.use`).
"""

from dataclasses import dataclass
from typing import Final

from mcserver.items import ACTIVE, FETCHED, Item, Segment
from mcserver.slabs import SlabClass

#: A limit and an age below all others: with them an item that is not used is moved in any case.
_NONE: Final = -1
#: tuning: Items moved at a time where no item is cold and one has to go.
_CHILLED = 500


@dataclass(slots=True)
class Tuning:
    """What ``lru tune`` sets."""

    #: The hot and the warm segment may take so many percent of the bytes of hot, warm and cold items ...
    hot_percent: int
    warm_percent: int
    #: ... and their items may be so many times as old as the oldest cold one.
    hot_factor: float
    warm_factor: float


def pull(segment: Segment, limit: int, age: float, now: int) -> bool:
    """Whether the least recent item of a hot or warm `segment` was moved, whose last use is its `Item.time`.

    One that is not active is moved when `segment` has more than `limit` bytes or the item more than `age` seconds.
    """
    item = segment.tail
    if item is None:
        return False
    slab = segment.slab
    if item.uses == ACTIVE:
        item.uses = FETCHED
        if segment is slab.warm:
            slab.moves_within += 1
        else:
            slab.moves_to_warm += 1
        slab.warm.take(item)
    elif segment.bytes > limit or now - item.time > age:
        slab.moves_to_cold += 1
        slab.cold.take(item)
    else:
        return False
    return True


def juggle(slab: SlabClass, tuning: Tuning | None, now: int, most: int) -> int:
    """Bring the segments of a class within their limits, by at most `most` moves; how many were made.

    Without a `tuning` (``lru mode flat``) all that is hot or warm becomes cold.
    """
    hot_limit = warm_limit = _NONE
    hot_age = warm_age = float(_NONE)
    if tuning is not None:
        oldest = slab.cold.tail
        age = 0 if oldest is None else now - oldest.time
        hot_age = age * tuning.hot_factor
        warm_age = age * tuning.warm_factor
        total = slab.hot.bytes + slab.warm.bytes + slab.cold.bytes
        warm_limit = total * tuning.warm_percent // 100
        # As in memcached a share of 0 is that of the warm segment.
        hot_limit = total * tuning.hot_percent // 100 or warm_limit
    for moves in range(most):
        if not pull(slab.hot, hot_limit, hot_age, now) and not pull(slab.warm, warm_limit, warm_age, now):
            return moves
    return most


def chill(slab: SlabClass, tuning: Tuning | None, now: int) -> Item:
    """The item of a class that goes next; makes some cold where none is. The class has hot or warm items, or cold ones.

    Hot items become cold before warm ones do.
    """
    item = slab.cold.tail
    if item is None:
        juggle(slab, tuning, now, _CHILLED)
        item = slab.cold.tail
    while item is None:
        # Every item loses its activity once, and is moved then.
        if not pull(slab.hot, _NONE, _NONE, now):
            pull(slab.warm, _NONE, _NONE, now)
        item = slab.cold.tail
    return item
