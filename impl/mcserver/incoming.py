"""What arrives for a request of the binary or the packet protocol: a value to be stored, or bytes to be dropped."""

from collections.abc import Callable
from typing import NamedTuple

from mcserver.cache import NEVER, Block, Cache, Outcome, StoreMode
from mcserver.stats import Stats

#: tuning: Values above this many bytes stay in the buffer they were received into.
_KEEP_BUFFER = 65536
_LINE_END = 2

#: Makes the reply to a store of what came of it and the new cas unique (0 for none); empty for silence.
Render = Callable[[Outcome, int], bytes]

#: Key, mode, outcome, seconds to live (0: for ever), slab class and length of a value that was whole.
Summary = tuple[bytes, StoreMode, Outcome, int, int, int]


class Incoming:
    """Bytes that belong to one request, and are kept or dropped."""

    __slots__ = ("_buffer", "missing")

    _buffer: bytearray
    #: How many are still to come.
    missing: int
    #: Whether they are kept.
    kept: bool = False
    #: Whether the conversation is over when they have come.
    closes: bool = False
    #: What came of a value that was whole; None where none was to be stored.
    outcome: Outcome | None = None

    def take(self, data: bytes, pos: int) -> int:
        """Take what is missing from `data` at `pos`, as far as it is there; the position after it."""
        size = min(len(data) - pos, self.missing)
        if self.kept:
            self._buffer.extend(memoryview(data)[pos : pos + size])
        self.missing -= size
        return pos + size

    def finish(self) -> bytes:
        """The reply, now that nothing is missing; empty for none."""
        raise NotImplementedError

    def abandon(self) -> None:
        """Give back the memory of the cache that is held for what will never be whole."""

    def summary(self) -> Summary:
        """What came of a value, for those who look on; only asked for where there is an `outcome`."""
        raise NotImplementedError


class Skip(Incoming):
    """Bytes that are dropped, and the reply that follows them."""

    __slots__ = ("_reply", "closes")

    def __init__(self, missing: int, reply: bytes, *, closes: bool = False) -> None:
        """Drop `missing` bytes, then send `reply`; with `closes` the conversation ends there."""
        self._reply = reply
        self.missing = missing
        self.closes = closes

    def finish(self) -> bytes:
        """The reply."""
        return self._reply


class Body(Incoming):
    """A value that is stored when it is whole, or dropped because it does not fit."""

    __slots__ = ("_cache", "_deadline", "_size", "_stats", "kept", "outcome")

    _cache: Cache
    _stats: Stats
    _deadline: int
    _size: int

    def abandon(self) -> None:
        """Give back the memory held for a value that will never be whole."""
        if self.kept:
            self._cache.release(self._size)

    def _block(self) -> Block:
        """The value with its head and its end, once it is whole, as an item holds it."""
        return bytes(self._buffer) if len(self._buffer) <= _KEEP_BUFFER else self._buffer

    def _told(self, key: bytes, mode: StoreMode, length: int) -> Summary:
        """What came of a value of `length` bytes: class and length are those of the item it has become, or its own."""
        cache = self._cache
        ttl = 0 if self._deadline == NEVER else self._deadline - cache.now
        item = cache.items.get(key)
        if self.outcome is Outcome.STORED and item is not None:
            return key, mode, Outcome.STORED, ttl, item.slab.id, len(item.block) - item.head - _LINE_END
        outcome = Outcome.NOT_STORED if self.outcome is None else self.outcome
        return key, mode, outcome, ttl, cache.slabs.find(self._size).id, length


class Order(NamedTuple):
    """A store whose value follows, `length` bytes long."""

    mode: StoreMode
    key: bytes
    flags: int
    exptime: int
    length: int
    #: The cas unique that the item must have; 0 for any.
    unique: int

    @property
    def joins(self) -> bool:
        """Whether the value is put behind or before the one that is there."""
        return self.mode in {StoreMode.APPEND, StoreMode.PREPEND}

    @property
    def effective(self) -> StoreMode:
        """The mode in which it is carried out: with a cas unique a set, add or replace is a cas."""
        return StoreMode.CAS if self.unique and not self.joins else self.mode


def other_unique(cache: Cache, key: bytes, unique: int) -> bool:
    """Whether there is a live item under `key` that has another cas unique than `unique`, which is not 0."""
    if not unique:
        return False
    item = cache.items.get(key)
    return item is not None and not cache.dead(item) and item.cas != unique


class Value(Body):
    """The value of a store of the binary or the packet protocol."""

    __slots__ = ("_at_end", "_order", "_render", "refusal")

    def __init__(self, cache: Cache, stats: Stats, order: Order, render: Render, *, at_end: bool) -> None:
        """Hold memory for the value of `order`, or refuse it; `render` makes the reply.

        With `at_end` the order counts as given when its last byte has come (the packet protocol), else now (binary):
        its exptime counts from then, and only then a set that failed takes the old item away.
        """
        self._cache = cache
        self._stats = stats
        self._order = order
        self._render = render
        self._at_end = at_end
        self._deadline = cache.deadline(order.exptime)
        self._size = cache.item_size(order.key, order.flags, order.length)
        #: Why the value is dropped; None when it is kept.
        self.refusal: Outcome | None = None
        self.outcome = None
        self.missing = order.length
        if self._size > cache.item_size_max:
            self.refusal = Outcome.TOO_LARGE
        elif not cache.reserve(self._size):
            self.refusal = Outcome.NO_MEMORY
        self.kept = self.refusal is None
        if self.kept:
            # The buffer grows with what arrives: a value that is only announced takes no memory.
            self._buffer = bytearray(b"VALUE %b %d %d\r\n" % (order.key, order.flags, order.length))
        elif not at_end:
            self._drop_old()

    def _drop_old(self) -> None:
        if self._order.mode is StoreMode.SET:
            self._cache.drop(self._order.key)  # a set that failed must not leave the value it was to replace

    def finish(self) -> bytes:
        """Store the value, now that nothing is missing; the reply, empty for none."""
        order = self._order
        cache = self._cache
        if self.refusal is not None:
            if self._at_end:
                self._drop_old()
            return self._render(self.refusal, 0)
        if self._at_end:
            self._deadline = cache.deadline(order.exptime)
        cache.release(self._size)
        self._stats.cmd_set += 1
        cache.slabs.find(self._size).cmd_set += 1
        if order.joins and other_unique(cache, order.key, order.unique):
            cache.find(order.key)
            cache.next_cas()  # used up even when nothing is stored
            self.outcome = Outcome.EXISTS
            return self._render(self.outcome, 0)
        head = len(self._buffer) - order.length
        self._buffer.extend(b"\r\n")
        self.outcome = cache.store(
            order.effective, order.key, self._block(), head, order.flags, self._deadline, self._size, order.unique
        )
        return self._render(self.outcome, cache.items[order.key].cas if self.outcome is Outcome.STORED else 0)

    def summary(self) -> Summary:
        """See `Incoming`."""
        return self._told(self._order.key, self._order.effective, self._order.length)
