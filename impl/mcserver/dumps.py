"""Lists of all items: ``lru_crawler metadump`` and ``mgdump``, sent piece by piece.

A dump takes the keys that are there when it begins; items that are gone by the time it comes to them are left out.
"""

import base64

from mcserver.cache import NEVER, Cache, Item
from mcserver.observe import quote
from mcserver.retrieval import Buffer

#: tuning: Looking an item up counts as much as sending this many bytes.
_KEY_COST = 256
#: Bytes of a key that a mgdump must not show as they are.
_UNSAFE = frozenset(range(33)) | {127}


def metadump_line(key: bytes, item: Item) -> bytes:
    """One item as ``metadump`` shows it: times as Unix seconds, the size in bytes, ended by a line feed alone."""
    expiry = -1 if item.exptime == NEVER else item.exptime
    fetched = "yes" if item.fetched else "no"
    text = (
        f"key={quote(key)} exp={expiry} la={item.time} cas={item.cas} fetch={fetched}"
        f" cls={item.slab.id} size={item.size} flags={item.flags} \n"
    )
    return text.encode()


def mgdump_line(key: bytes, _item: Item) -> bytes:
    """One item as a ``mg`` request that fetches it; a key with blanks or control bytes in base64."""
    if _UNSAFE.isdisjoint(key):
        return b"mg %b\r\n" % key
    return b"mg %b b\r\n" % base64.b64encode(key)


class Dump:
    """A dump in progress, with the same `run` as a retrieval has."""

    __slots__ = ("_cache", "_end", "_keys", "_line")

    def __init__(self, cache: Cache, classes: frozenset[int] | None, *, meta: bool) -> None:
        """Begin to list the items of `classes` (None: all), as metadump (`meta`) or mgdump."""
        self._cache = cache
        self._keys = iter([item.key for segment in cache.walk(classes) for item in segment])
        self._line = metadump_line if meta else mgdump_line
        self._end = b"END\r\n" if meta else b"EN\r\n"

    def run(self, out: list[Buffer], room: int) -> int:
        """Send until done, or until `room` bytes are used up; what is left of them when done, or 0."""
        cache = self._cache
        for key in self._keys:
            room -= _KEY_COST
            item = cache.items.get(key)
            if item is not None and not cache.dead(item):
                out.append(self._line(key, item))
            #: tuning: Pace.
            if room <= 0:
                return 0
        out.append(self._end)
        return room
