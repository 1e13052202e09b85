"""What the store holds: an item, and the names of what can be done and what may come of it."""

import sys
from enum import IntEnum
from typing import Final

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


class Item:
    """One stored value. `block` is ``VALUE key flags length CRLF value CRLF``; the value begins at `head`."""

    __slots__ = ("block", "cas", "exptime", "fetched", "flags", "head", "marks", "size", "slab", "time")

    def __init__(
        self,
        block: Block,
        head: int,
        flags: int,
        exptime: int,
        size: int,
        cas: int,
        time: int,
        slab: SlabClass,
        marks: int = 0,
    ) -> None:
        """Make an item; `exptime` is a second as `Cache.deadline` gives it, `time` the second it was stored."""
        self.block = block
        self.head = head
        self.flags = flags
        self.exptime = exptime
        self.size = size
        self.cas = cas
        self.time = time
        self.slab = slab
        #: Whether a hit has been counted since the value was stored.
        self.fetched = False
        #: What the meta commands note down: `BINARY`, `STALE`, `TOKEN_SENT`.
        self.marks = marks
