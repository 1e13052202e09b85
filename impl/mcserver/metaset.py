"""ms: its line, and what is done when its value has come."""

from mcserver import replies
from mcserver.cache import Block, Cache, Item, Outcome, StoreMode
from mcserver.items import BINARY, STALE, TOKEN_SENT
from mcserver.metaflags import Flags, key_reply, read, well_formed
from mcserver.numbers import strict_i32
from mcserver.settings import VALUE_LENGTH_MAX
from mcserver.storage import StoreHeader

_LINE_END = 2
_FIRST_FLAG = 3

_MODES: dict[int, StoreMode] = {
    0: StoreMode.SET,
    ord("E"): StoreMode.ADD,
    ord("A"): StoreMode.APPEND,
    ord("P"): StoreMode.PREPEND,
    ord("R"): StoreMode.REPLACE,
    ord("S"): StoreMode.SET,
}

_CODES: dict[Outcome, bytes] = {
    Outcome.STORED: b"HD",
    Outcome.NOT_STORED: b"NS",
    Outcome.EXISTS: b"EX",
    Outcome.NOT_FOUND: b"NF",
}


def read_meta_header(tokens: list[bytes]) -> StoreHeader | None:
    """Read an ``ms`` line; None when it is refused before its length is known: nothing is swallowed then."""
    length = strict_i32(tokens[2]) if len(tokens) >= _FIRST_FLAG else None
    if length is None or not 0 <= length <= VALUE_LENGTH_MAX or not well_formed(tokens, _FIRST_FLAG):
        return None
    flags = read(tokens, _FIRST_FLAG)
    if isinstance(flags, bytes):
        header = StoreHeader(StoreMode.SET, tokens[1], length, noreply=False)
        header.error = flags
        return header
    mode = _MODES.get(flags.mode)
    header = StoreHeader(mode or StoreMode.SET, flags.key, length, noreply=False)
    header.meta = flags
    header.flags = flags.flags or 0
    header.exptime = flags.exptime or 0
    header.unique = flags.compare
    if flags.echo() is None:
        header.late_error = replies.LONG_OPAQUE
    if mode is None:
        header.error = replies.BAD_SET_MODE
    elif mode in {StoreMode.APPEND, StoreMode.PREPEND}:
        if flags.vivify is not None:
            header.exptime = flags.vivify
    elif flags.compare is not None and mode is not StoreMode.ADD:
        header.mode = StoreMode.CAS
    return header


def complete(
    cache: Cache, header: StoreHeader, flags: Flags, block: Block, deadline: int, size: int
) -> tuple[Outcome, bytes]:
    """Store the value at the end of `block`, an item of `size` bytes; what came of it, and the reply if any."""
    head = len(block) - header.length - _LINE_END
    outcome, length = _store(cache, header, flags, block, head, deadline, size)
    if outcome is Outcome.STORED and b"q" in flags.letters:
        return outcome, b""
    cas = cache.items[header.key].cas if outcome is Outcome.STORED else 0
    reply = _CODES[outcome]
    for token in flags.tokens:
        letter = token[:1]
        if letter == b"O":
            reply += b" " + token
        elif letter == b"k":
            reply += key_reply(flags.key, binary=flags.binary)
        elif letter == b"c":
            reply += b" c%d" % cas
        elif letter == b"s":
            reply += b" s%d" % length
    return outcome, reply + b"\r\n"


def _store(
    cache: Cache, header: StoreHeader, flags: Flags, block: Block, head: int, deadline: int, size: int
) -> tuple[Outcome, int]:
    """Carry the command out; what came of it, and the length of the value then (or of the one sent)."""
    mode = header.mode
    if not cache.with_cas:
        flags.unique = None
        flags.compare = None if flags.compare is None else 0
    unique = flags.unique or cache.next_cas()  # an E of 0 is none
    old = cache.find(header.key)
    marks = BINARY if flags.binary else 0
    outcome = _decide(cache, mode, old, flags)
    if outcome is not Outcome.STORED:
        return outcome, header.length
    if old is not None:
        if mode in {StoreMode.APPEND, StoreMode.PREPEND}:
            value = memoryview(block)[head:-_LINE_END]
            length = len(old.block) - old.head - _LINE_END + header.length
            outcome = cache.join(header.key, old, value, unique, append=mode is StoreMode.APPEND)
            return outcome, length if outcome is Outcome.STORED else header.length
        if mode is StoreMode.CAS and flags.compare != old.cas:
            # An older value than the one it replaces: it is stale from the start, and lives no longer.
            deadline = old.exptime
            marks |= STALE | (old.marks & TOKEN_SENT)
    cache.put(header.key, block, head, header.flags, deadline, size, unique, marks)
    return Outcome.STORED, header.length


def _decide(cache: Cache, mode: StoreMode, old: Item | None, flags: Flags) -> Outcome:
    stats = cache.stats
    compare = flags.compare
    if old is None:
        if mode is StoreMode.CAS:
            stats.cas_misses += 1
            return Outcome.NOT_FOUND
        joins = mode in {StoreMode.APPEND, StoreMode.PREPEND}
        if mode is StoreMode.REPLACE or (joins and flags.vivify is None):
            return Outcome.NOT_STORED
        return Outcome.STORED
    if mode is StoreMode.ADD:
        cache.freshen(old)
        return Outcome.NOT_STORED
    if mode is StoreMode.CAS:
        if compare and (compare == old.cas or (b"I" in flags.letters and compare < old.cas)):
            stats.cas_hits += 1
            old.slab.cas_hits += 1
            return Outcome.STORED
        stats.cas_badval += 1
        old.slab.cas_badval += 1
        return Outcome.EXISTS
    if mode is not StoreMode.SET and mode is not StoreMode.REPLACE and compare and compare != old.cas:
        return Outcome.EXISTS
    return Outcome.STORED
