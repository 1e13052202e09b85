"""Resident memory of the process, kept near what ``-m`` allows although Python does not give back all it frees.

Python carves small objects out of arenas of a mebibyte that go back to the system only when nothing in them is left.
Where small items make way for large ones every arena keeps a few objects, and the arenas stay beside the new values.
Two things help: items are copied, so that their small objects lie together again, and where that is not enough for the
moment, part of the limit is not used.
"""

import os
from collections.abc import Callable

from mcserver import allocator
from mcserver.cache import Cache
from mcserver.settings import MIB

#: tuning: Resident memory above that of the empty server may be so many hundredths of the limit ...
ALLOWED_PERCENT = 140
#: tuning: ... or so many bytes more than it, for buffers of connections.
ALLOWED_MIN = 32 * MIB
#: tuning: Part of the limit that is held back, or used again, at a time.
_STEP = 16
#: tuning: At most this part of the limit is held back.
_HELD_MAX = 2
#: tuning: Bytes an item takes beside its own, and those of them that `Cache.renew` copies (twice).
_OVERHEAD = 430
_COPIED = 200
#: tuning: So many steps, parts of the limit that were evicted, lie between two times that items are copied.
_PAUSE = 8


def resident() -> int | None:
    """Bytes of this process in memory; None where the system does not tell."""
    try:
        with open("/proc/self/statm", "rb") as file:  # noqa: PTH123 - no object more than needed
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return None


class Pressure:
    """Told by the cache that memory has turned over, it keeps the process small. `measure` gives resident bytes."""

    __slots__ = ("_cache", "_empty", "_held", "_later", "_measure", "_pause")

    def __init__(
        self, cache: Cache, later: Callable[[Callable[[], object]], object], measure: Callable[[], int | None]
    ) -> None:
        """Watch over `cache`, which is empty; `later` runs what it is given when no command is under way."""
        self._cache = cache
        self._later = later
        self._measure = measure
        self._empty = measure()
        self._held = 0
        self._pause = 0

    def turned_over(self) -> None:
        """Give free pages back; hold more of the limit back, or less, or have the items copied."""
        allocator.trim()
        now = self._measure()
        if now is None or self._empty is None:
            return
        cache = self._cache
        excess = now - self._empty
        allowed = max(cache.limit * ALLOWED_PERCENT // 100, cache.limit + ALLOWED_MIN)
        step = cache.limit // _STEP
        if excess > allowed:
            self._hold(min(self._held + step, cache.limit // _HELD_MAX))
        elif excess < allowed - 2 * step:
            self._hold(max(self._held - step, 0))
        self._pause = max(self._pause - 1, 0)
        wasted = excess - cache.used - cache.held * _OVERHEAD
        if not self._pause and excess > allowed - 2 * step and wasted > 2 * cache.held * _COPIED:
            self._pause = _PAUSE
            self._later(self._renew)

    def _hold(self, size: int) -> None:
        self._cache.reserved += size - self._held
        self._held = size

    def _renew(self) -> None:
        self._cache.renew()
        allocator.trim()
