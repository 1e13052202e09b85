"""What the store holds: items, the segments they are linked into, and the names of what can be done and come of it."""

from __future__ import annotations

import sys
from enum import IntEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mcserver.slabs import SlabClass

#: An item's bytes as sent: never written to once the item is stored, so replies may refer to them.
Block = bytes | bytearray

#: Marks of an item: its key was given in base64; its value is out of date; a client was told to renew it.
BINARY: Final = 1
STALE: Final = 2
TOKEN_SENT: Final = 4

#: A second that never comes: the deadline of what does not expire, and of a flush that nobody ordered.
NEVER: Final = sys.maxsize


class StoreMode(IntEnum):
    """The storage commands."""

    SET = 0
    ADD = 1
    REPLACE = 2
    APPEND = 3
    PREPEND = 4
    CAS = 5


class Outcome(IntEnum):
    """What an operation on the cache came to."""

    STORED = 0
    NOT_STORED = 1
    EXISTS = 2
    NOT_FOUND = 3
    NON_NUMERIC = 4
    NO_MEMORY = 5
    TOO_LARGE = 6


#: What `Item.uses` says: no hit since it was stored, at least one, one more since it was last moved.
UNUSED: Final = 0
FETCHED: Final = 1
ACTIVE: Final = 2


class Link:
    """A place in a circle: `next` is more recent, `prev` less."""

    __slots__ = ("next", "prev")

    next: Link
    prev: Link


class Item(Link):
    """One stored value. `block` is ``VALUE key flags length CRLF value CRLF``; the value begins at `head`."""

    __slots__ = ("block", "cas", "exptime", "flags", "head", "key", "marks", "segment", "size", "time", "uses")

    def __init__(
        self,
        key: bytes,
        block: Block,
        head: int,
        flags: int,
        exptime: int,
        size: int,
        cas: int,
        time: int,
        segment: Segment,
        marks: int = 0,
    ) -> None:
        """Make an item that `segment` has yet to link; `exptime` is as `Cache.deadline` gives it, `time` is now."""
        self.key = key
        self.block = block
        self.head = head
        self.flags = flags
        self.exptime = exptime
        self.size = size
        self.cas = cas
        self.time = time
        self.segment = segment
        #: Hits counted since the value was stored: `UNUSED`, `FETCHED` or `ACTIVE`.
        self.uses = UNUSED
        #: What the meta commands note down: `BINARY`, `STALE`, `TOKEN_SENT`.
        self.marks = marks

    @property
    def slab(self) -> SlabClass:
        """The item's slab class."""
        return self.segment.slab

    @property
    def fetched(self) -> bool:
        """Whether a hit has been counted since the value was stored."""
        return self.uses != UNUSED


class Segment(Link):
    """One of the lists of a slab class, a circle that begins and ends here: `next` is the tail, `prev` the head.

    `number` and `bytes` are those of its items, `hits` how often they were fetched.
    """

    __slots__ = ("bytes", "hits", "number", "slab")

    def __init__(self, slab: SlabClass) -> None:
        """Make an empty list of `slab`."""
        self.next = self.prev = self
        self.slab = slab
        self.number = self.bytes = self.hits = 0

    @property
    def tail(self) -> Item | None:
        """The least recent item; None when there is none."""
        link = self.next
        return link if isinstance(link, Item) else None

    def __iter__(self) -> Iterator[Item]:
        """The items, the least recent first. The list must not change meanwhile."""
        link = self.next
        while isinstance(link, Item):
            yield link
            link = link.next

    def add(self, item: Item) -> None:
        """Link a new item in as the most recent."""
        self.number += 1
        self.bytes += item.size
        head = self.prev
        item.prev = head
        item.next = self
        head.next = self.prev = item

    def take(self, item: Item) -> None:
        """Make an item of this list or another one of the class the most recent of this one."""
        item.segment.leave(item)
        item.segment = self
        self.add(item)

    def leave(self, item: Item) -> None:
        """Unlink an item."""
        self.number -= 1
        self.bytes -= item.size
        before = item.prev
        after = item.next
        before.next = after
        after.prev = before
