"""Header lines of the storage commands: set add replace append prepend cas."""

from mcserver import replies
from mcserver.cache import Cache, StoreMode, item_size
from mcserver.numbers import lenient_i32, lenient_u32, strict_i32, strict_u64
from mcserver.settings import ITEM_OVERHEAD, KEY_MAX, VALUE_LENGTH_MAX
from mcserver.stats import Stats
from mcserver.text import is_noreply

#: Storage commands by command word.
MODES: dict[bytes, StoreMode] = {
    b"set": StoreMode.SET,
    b"add": StoreMode.ADD,
    b"replace": StoreMode.REPLACE,
    b"append": StoreMode.APPEND,
    b"prepend": StoreMode.PREPEND,
    b"cas": StoreMode.CAS,
}

_LINE_END = 2
#: Values up to this many bytes are put behind their head by a copy more, larger ones by one copy.
_SMALL = 16384
_HEADER_TOKENS = 5
#: Three numbers with more digits than this together are left to the slow path: one may have more than 32 bits.
_HOT_DIGITS = 11
_CAS_TOKEN = 5


class StoreHeader:
    """A header line that was read.

    `length` is the announced value's, or -1 when no value follows; with an `error` the value is to be swallowed.
    """

    __slots__ = ("error", "exptime", "flags", "key", "length", "mode", "noreply", "unique")

    def __init__(self, mode: StoreMode) -> None:
        """Make an empty header of a `mode` command."""
        self.mode = mode
        self.key = b""
        self.flags = 0
        self.exptime = 0
        self.length = -1
        self.unique = 0
        self.noreply = False
        self.error = b""


def read_header(mode: StoreMode, tokens: list[bytes]) -> StoreHeader:
    """Read a storage command's line. Errors found before its length is known swallow nothing and ignore noreply."""
    header = StoreHeader(mode)
    length = strict_i32(tokens[4]) if len(tokens) >= _HEADER_TOKENS else None
    if length is None or not 0 <= length <= VALUE_LENGTH_MAX:
        header.error = replies.BAD_FORMAT
        return header
    header.key = tokens[1]
    header.length = length
    header.noreply = is_noreply(tokens)
    flags = lenient_u32(tokens[2] + b"\n")
    exptime = lenient_i32(tokens[3] + b"\n")
    unique: int | None = 0
    if mode is StoreMode.CAS:
        unique = strict_u64(tokens[_CAS_TOKEN]) if len(tokens) > _CAS_TOKEN else None
    if len(header.key) > KEY_MAX or flags is None or exptime is None or unique is None:
        header.error = replies.BAD_FORMAT
        return header
    header.flags = flags
    header.exptime = exptime
    header.unique = unique
    return header


def quick_set(cache: Cache, stats: Stats, data: bytes, pos: int, line: bytes) -> int:
    """Carry out a plain ``set`` whose value is in `data` at `pos`; the position after it.

    Everything unusual answers 0, and nothing has happened: the general way (`read_header`) knows what to do with it.
    """
    tokens = line.split(b" ", _HEADER_TOKENS)
    if len(tokens) != _HEADER_TOKENS:
        return 0
    _, key, flags_token, exptime_token, length_token = tokens
    digits = flags_token + exptime_token + length_token
    if not (
        digits.isdigit()
        and len(digits) <= _HOT_DIGITS
        and flags_token
        and exptime_token
        and length_token
        and 0 < len(key) <= KEY_MAX
    ):
        return 0
    length = int(length_token)
    after = pos + length + _LINE_END
    if data[after - _LINE_END : after] != b"\r\n":
        return 0
    flags = 0
    if flags_token == b"0":
        size = ITEM_OVERHEAD + len(key) + 1 + length + _LINE_END
        head = b"VALUE %b 0 %d\r\n" % (key, length)
    else:
        flags = int(flags_token)
        size = item_size(key, flags, length)
        head = b"VALUE %b %d %d\r\n" % (key, flags, length)
    if size > cache.item_size_max or (cache.used + cache.reserved + size > cache.limit and not cache.make_room(size)):
        return 0
    deadline = 0 if exptime_token == b"0" else cache.deadline(int(exptime_token))
    stats.cmd_set += 1
    if length <= _SMALL:
        cache.put(key, head + data[pos:after], len(head), flags, deadline, size)
    else:
        cache.put(key, b"".join((head, memoryview(data)[pos:after])), len(head), flags, deadline, size)
    return after
