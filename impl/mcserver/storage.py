"""Header lines of the storage commands: set add replace append prepend cas."""

from mcserver import replies
from mcserver.cache import StoreMode
from mcserver.numbers import lenient_i32, lenient_u32, strict_i32, strict_u64
from mcserver.settings import KEY_MAX, VALUE_LENGTH_MAX
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

_HEADER_TOKENS = 5
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


def _lenient_text(tokens: list[bytes], index: int) -> bytes:
    # These numbers may run on into the tokens after them, exactly as they lie on the line; runs of blanks do not
    # matter to them.
    return b" ".join(tokens[index:]) + b"\n"


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
    flags = lenient_u32(_lenient_text(tokens, 2))
    exptime = lenient_i32(_lenient_text(tokens, 3))
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
