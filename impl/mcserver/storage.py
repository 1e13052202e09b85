"""Header lines of the storage commands: set add replace append prepend cas."""

from mcserver import replies
from mcserver.cache import NEVER, Cache, StoreMode
from mcserver.metaflags import Flags
from mcserver.numbers import lenient_i32, lenient_u32, strict_i32, strict_u64
from mcserver.settings import KEY_MAX, VALUE_LENGTH_MAX
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
#: tuning: Values up to this many bytes are put behind their head by a copy more, larger ones by one copy.
_SMALL = 16384
_HEADER_TOKENS = 5
#: Three numbers with more digits than this together are left to the slow path: one may have more than 32 bits.
_HOT_DIGITS = 11
#: tuning: No item costs more than its bytes and this many (a share of a page may be half of one).
SPARE = 1024 * 1024


class StoreHeader:
    """A header line whose length was read. With an `error` the value is to be swallowed, and the numbers are unset."""

    __slots__ = ("error", "exptime", "flags", "key", "late_error", "length", "meta", "mode", "noreply", "unique")

    def __init__(self, mode: StoreMode, key: bytes, length: int, *, noreply: bool) -> None:
        """Make the header of a `mode` command, without its numbers but for the length."""
        self.mode = mode
        self.key = key
        self.length = length
        self.noreply = noreply
        self.error = b""
        #: An error that comes after those about the size of the value.
        self.late_error = b""
        #: The flags of an ms command.
        self.meta: Flags | None = None
        self.flags: int
        self.exptime: int
        self.unique: int | None


def read_header(mode: StoreMode, tokens: list[bytes]) -> StoreHeader | None:
    """Read a storage command's line; None when it is refused before its length is known: nothing is swallowed then."""
    length = strict_i32(tokens[4]) if len(tokens) >= _HEADER_TOKENS else None
    if length is None or not 0 <= length <= VALUE_LENGTH_MAX:
        return None
    header = StoreHeader(mode, tokens[1], length, noreply=is_noreply(tokens))
    flags = lenient_u32(tokens[2] + b"\n")
    exptime = lenient_i32(tokens[3] + b"\n")
    rest = tokens[_HEADER_TOKENS:]
    unique = strict_u64(rest[0]) if rest else None
    if len(header.key) > KEY_MAX or flags is None or exptime is None or (mode is StoreMode.CAS and unique is None):
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
    digits = b"".join((flags_token, exptime_token, length_token))
    if not (
        digits.isdigit()
        and len(digits) <= _HOT_DIGITS
        and flags_token
        and exptime_token
        and length_token
        and key
        and len(key) <= KEY_MAX
    ):
        return 0
    length = int(length_token)
    end = pos + length
    if not data.startswith(b"\r\n", end):
        return 0
    after = end + _LINE_END
    flags = 0
    if flags_token == b"0":
        size = cache.overhead + len(key) + 1 + length + _LINE_END
        head = b"VALUE %b 0 %d\r\n" % (key, length)
    else:
        flags = int(flags_token)
        size = cache.item_size(key, flags, length)
        head = b"VALUE %b %d %d\r\n" % (key, flags, length)
    if size > cache.item_size_max:
        return 0
    #: tuning: Where there is room to spare this saves the call that says so.
    if cache.taken + cache.reserved + size + SPARE > cache.limit and not cache.find_room(size):
        return 0
    deadline = NEVER if exptime_token == b"0" else cache.deadline(int(exptime_token))
    stats.cmd_set += 1
    cache.slabs.find(size).cmd_set += 1
    if length <= _SMALL:
        cache.put(key, head + data[pos:after], len(head), flags, deadline, size)
    else:
        cache.put(key, b"".join((head, memoryview(data)[pos:after])), len(head), flags, deadline, size)
    return after
