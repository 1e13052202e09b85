"""The C library's allocator, kept from holding on to memory that evicted values have left.

Values of mixed sizes fragment its heap: pages that are free stay resident between pages that are not. Large values get
mappings of their own, and `trim` gives free pages back. Only glibc has both; elsewhere nothing happens.
"""

import ctypes

_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
#: tuning: Values from this many bytes on are mapped by themselves ...
MAPPED_MIN = 64 * 1024
#: tuning: ... and free memory of this many bytes at the heap's end is given back.
TRIM_MIN = 1024 * 1024


def _library() -> ctypes.CDLL | None:
    try:
        library = ctypes.CDLL(None)
        return library if hasattr(library, "malloc_trim") and hasattr(library, "mallopt") else None
    except OSError:
        return None


_LIBRARY = _library()


def prepare() -> None:
    """Set the allocator's thresholds, for the whole process."""
    if _LIBRARY is not None:
        _LIBRARY.mallopt(_M_MMAP_THRESHOLD, MAPPED_MIN)
        _LIBRARY.mallopt(_M_TRIM_THRESHOLD, TRIM_MIN)


def trim() -> None:
    """Give free pages back to the system; takes some milliseconds per 100 MB of heap."""
    if _LIBRARY is not None:
        _LIBRARY.malloc_trim(0)
