"""A value on its way in: collected and stored when it is whole, or dropped byte by byte when it was refused."""

from mcserver import replies
from mcserver.cache import Cache, StoreMode
from mcserver.incoming import Body, Summary
from mcserver.metaset import complete
from mcserver.stats import Stats
from mcserver.storage import StoreHeader
from mcserver.text import STORE_REPLIES

_LINE_END = 2


class Arrival(Body):
    """The value that follows a storage command's line. One that is not to be stored holds nothing."""

    __slots__ = ("_header", "_refusal")

    def __init__(self, cache: Cache, stats: Stats, header: StoreHeader) -> None:
        """Decide on `header`, whose length is known: hold memory for its value, or refuse it."""
        self._cache = cache
        self._stats = stats
        self._header = header
        self._refusal = header.error
        self.outcome = None
        if not self._refusal:
            self._hold(cache.item_size(header.key, header.flags, header.length))
        self.kept = not self._refusal
        #: Bytes still to come, the line end included.
        self.missing = header.length + _LINE_END

    def _hold(self, size: int) -> None:
        header = self._header
        cache = self._cache
        if size > cache.item_size_max:
            self._stats.store_too_large += 1
            self._refusal = replies.TOO_LARGE
        elif not cache.reserve(size):
            self._stats.store_no_memory += 1
            self._refusal = replies.NO_MEMORY_STORING
        elif header.late_error:
            cache.release(size)
            self._stats.cmd_set += 1
            cache.slabs.find(size).cmd_set += 1
            self._refusal = header.late_error
            return
        else:
            # The buffer grows with what arrives (in place, mostly): a value that is only announced takes no memory.
            self._buffer = bytearray(b"VALUE %b %d %d\r\n" % (header.key, header.flags, header.length))
            # The exptime counts from the header, not from the end of the value.
            self._deadline = cache.deadline(header.exptime)
            self._size = size
            return
        if header.mode is StoreMode.SET or header.meta is not None:
            cache.drop(header.key)  # a set that failed must not leave the value it was to replace

    def finish(self) -> bytes:
        """Store the value, now that nothing is missing; the reply, empty for none."""
        header = self._header
        reply = self._refusal
        if self.kept:
            buffer = self._buffer
            self._cache.release(self._size)
            self._stats.cmd_set += 1
            self._cache.slabs.find(self._size).cmd_set += 1
            if buffer.endswith(b"\r\n"):
                block = self._block()
                if header.meta is not None:
                    self.outcome, reply = complete(self._cache, header, header.meta, block, self._deadline, self._size)
                    return reply
                head = len(block) - header.length - _LINE_END
                store = self._cache.store
                outcome = store(
                    header.mode, header.key, block, head, header.flags, self._deadline, self._size, header.unique
                )
                self.outcome = outcome
                reply = STORE_REPLIES[outcome]
            else:
                reply = replies.BAD_DATA_CHUNK
        return b"" if header.noreply else reply

    @property
    def refusal_name(self) -> str:
        """Why the value is not stored, as log lines call it."""
        return "too_large" if self._refusal == replies.TOO_LARGE else "no_memory"

    def summary(self) -> Summary:
        """See `Incoming`."""
        return self._told(self._header.key, self._header.mode, self._header.length)
