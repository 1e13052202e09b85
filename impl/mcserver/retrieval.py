"""The commands that send values: get gets gat gats.

A retrieval may ask for far more than a client is ready to read, so it is a cursor over its keys that can stop after
any of them and go on later. Keys are checked before the first value is sent: one that is too long refuses the whole
request.
"""

import re
from collections.abc import Iterator
from itertools import chain

from mcserver import replies
from mcserver.cache import Block, Cache
from mcserver.numbers import strict_i32
from mcserver.observe import Observer
from mcserver.settings import KEY_MAX

#: A piece of output.
Buffer = bytes | bytearray | memoryview

#: tuning: Values above this many bytes are sent from where they lie, smaller ones are cheaper to copy.
COPY_MAX = 16384
#: tuning: Lines up to this many bytes are split at once, longer ones window by window as the replies go out.
_SPLIT_MAX = 4096
#: tuning: Looking a key up counts as much as sending this many bytes.
_KEY_COST = 256

_TOO_LONG_KEY = re.compile(rb"[^ ]{%d}" % (KEY_MAX + 1))
# Ends at a blank or with the line, so that no key is split: none is as long as a window.
_WINDOW = re.compile(rb"(?s).{1,8192}(?: |\Z)")
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

    __slots__ = ("_cache", "_deadline", "_keys", "_with_cas", "observer")

    def __init__(self, cache: Cache, keys: Iterator[bytes], deadline: int | None, *, with_cas: bool) -> None:
        """Ask for `keys`; `deadline` is what the items found get, None to leave theirs."""
        self._cache = cache
        self._keys = keys
        self._deadline = deadline
        self._with_cas = with_cas
        #: Told of every key, unless None.
        self.observer: Observer | None = None

    def run(self, out: list[Buffer], room: int) -> int:
        """Send until done, or until values and keys have used up `room` bytes; what is left of them when done, or 0."""
        cache = self._cache
        deadline = self._deadline
        for key in self._keys:
            item = cache.fetch(key) if deadline is None else cache.touch(key, deadline)
            room -= _KEY_COST
            if self.observer is not None:
                self.observer.asked(key, item is not None)
            if item is not None:
                #: tuning: This and the next conditions set the pace, and no answer.
                room -= len(item.block)
                if self._with_cas:
                    out.extend(value_with_cas(item.block, item.head, item.cas))
                else:
                    out.append(item.block)
            #: tuning: As above.
            if room <= 0:
                return 0
        out.append(replies.END)
        return room


def start(cache: Cache, line: bytes) -> Retrieval | bytes:
    """Read a retrieval line that begins with its command word: a cursor, or the reply that refuses it."""
    word, _, _ = line.partition(b" ")
    with_cas, touch = WORDS[word]
    at = len(word)
    deadline: int | None = None
    if touch:
        exptime_match = _TOKEN.search(line, at)
        if exptime_match is None or _TOKEN.search(line, exptime_match.end()) is None:
            return replies.BAD_FORMAT
        exptime = strict_i32(exptime_match.group())
        if exptime is None:
            return replies.BAD_EXPTIME
        deadline = cache.deadline(exptime)
        at = exptime_match.end()
    elif _TOKEN.search(line, at) is None:
        return replies.BAD_FORMAT
    if _TOO_LONG_KEY.search(line, at) is not None:
        return replies.BAD_FORMAT
    if len(line) <= _SPLIT_MAX:
        keys = iter([key for key in line[at:].split(b" ") if key])
    else:
        windows = map(re.Match.group, _WINDOW.finditer(line, at))
        keys = filter(None, chain.from_iterable(window.split(b" ") for window in windows))
    return Retrieval(cache, keys, deadline, with_cas=with_cas)
