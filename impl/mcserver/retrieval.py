"""The commands that send values: get gets gat gats.

A retrieval may ask for far more than a client is ready to read, so it is a cursor over its keys that can stop after
any of them and go on later. Keys are checked before the first value is sent: one that is too long refuses the whole
request.
"""

import re

from mcserver import replies
from mcserver.cache import Block, Cache
from mcserver.numbers import strict_i32
from mcserver.settings import KEY_MAX

#: A piece of output.
Buffer = bytes | bytearray | memoryview

#: Values above this many bytes are sent from where they lie, smaller ones are cheaper to copy.
COPY_MAX = 16384
#: Lines up to this many bytes are split at once, longer ones window by window.
_SPLIT_MAX = 4096
_WINDOW = 8192

_TOO_LONG_KEY = re.compile(rb"[^ ]{%d}" % (KEY_MAX + 1))
_TOKEN = re.compile(rb"[^ ]+")

#: Command words: whether a cas unique is sent, whether an exptime comes first.
WORDS: dict[bytes, tuple[bool, bool]] = {
    b"get": (False, False),
    b"gets": (True, False),
    b"gat": (False, True),
    b"gats": (True, True),
}

#: How the lines begin that may be long.
LINE_STARTS = (b"get ", b"gets ", b"gat ", b"gats ")


def value_with_cas(block: Block, head: int, cas: int) -> list[Buffer]:
    """The pieces of an item's ``VALUE`` block with its cas unique put in."""
    cut = head - 2
    first = bytes(block[:cut]) + b" %d" % cas
    if len(block) <= COPY_MAX:
        return [first + block[cut:]]
    return [first, memoryview(block)[cut:]]


class Retrieval:
    """A request in progress. `run` sends on; the replies of an interrupted one are exactly those of a whole one."""

    __slots__ = ("_cache", "_deadline", "_index", "_keys", "_line", "_next", "_touch", "_with_cas", "sent")

    def __init__(self, cache: Cache, *, with_cas: bool, touch: bool, deadline: int) -> None:
        """Make a retrieval without keys; `deadline` is what touched items get."""
        self._cache = cache
        self._with_cas = with_cas
        self._touch = touch
        self._deadline = deadline
        self._keys: list[bytes] = []
        self._index = 0
        self._line = b""
        self._next = 0
        #: Bytes of values the last `run` sent.
        self.sent = 0

    def of_keys(self, keys: list[bytes]) -> "Retrieval":
        """Ask for `keys`."""
        self._keys = keys
        return self

    def of_line(self, line: bytes, start: int) -> "Retrieval":
        """Ask for the keys on `line` from `start` on."""
        self._line = line
        self._next = start
        return self

    def _refill(self) -> bool:
        line = self._line
        start = self._next
        if start >= len(line):
            return False
        stop = len(line)
        if stop - start > _WINDOW:
            # No key is longer than a window, and where blanks are, a cut after one splits no key.
            stop = line.rfind(b" ", start, start + _WINDOW) + 1
        self._keys = [key for key in line[start:stop].split(b" ") if key]
        self._index = 0
        self._next = stop
        return True

    def run(self, out: list[Buffer], max_bytes: int, max_keys: int) -> bool:
        """Send until done or `max_bytes` of values (the last may exceed it) or `max_keys` keys; True when done."""
        cache = self._cache
        self.sent = 0
        budget = max_keys
        while True:
            keys = self._keys
            index = self._index
            while index < len(keys):
                if budget == 0 or self.sent >= max_bytes:
                    self._index = index
                    return False
                key = keys[index]
                index += 1
                budget -= 1
                item = cache.touch(key, self._deadline) if self._touch else cache.fetch(key)
                if item is None:
                    continue
                self.sent += len(item.block)
                if self._with_cas:
                    out.extend(value_with_cas(item.block, item.head, item.cas))
                else:
                    out.append(item.block)
            self._index = index
            if not self._refill():
                out.append(replies.END)
                return True


def start(cache: Cache, line: bytes) -> Retrieval | bytes:
    """Read a retrieval line that begins with its command word: a cursor, or the reply that refuses it."""
    word_end = line.find(b" ")
    with_cas, touch = WORDS[line if word_end < 0 else line[:word_end]]
    at = len(line) if word_end < 0 else word_end
    deadline = 0
    if touch:
        exptime_match = _TOKEN.search(line, at)
        if exptime_match is None or _TOKEN.search(line, exptime_match.end()) is None:
            return replies.BAD_FORMAT
        exptime = strict_i32(exptime_match[0])
        if exptime is None:
            return replies.BAD_EXPTIME
        deadline = cache.deadline(exptime)
        at = exptime_match.end()
    elif _TOKEN.search(line, at) is None:
        return replies.BAD_FORMAT
    if _TOO_LONG_KEY.search(line, at) is not None:
        return replies.BAD_FORMAT
    cursor = Retrieval(cache, with_cas=with_cas, touch=touch, deadline=deadline)
    if len(line) <= _SPLIT_MAX:
        return cursor.of_keys([key for key in line[at:].split(b" ") if key])
    return cursor.of_line(line, at)
