"""The meta commands but for ms, which takes more than a line (`metaset`): mn me mg md ma.

A handler gets the tokens of its line, command word first, and adds its reply to a list of pieces; it returns how many
bytes of values are among them.
"""

from collections.abc import Callable

from mcserver import replies
from mcserver.arithmetic import add_delta
from mcserver.cache import NEVER, Cache, Item, Outcome, StoreMode
from mcserver.items import BINARY, STALE, TOKEN_SENT, Segment
from mcserver.metaflags import Flags, decode_key, key_reply, opaque_fits, read, well_formed
from mcserver.retrieval import COPY_MAX, Buffer
from mcserver.settings import KEY_MAX
from mcserver.state import ServerState

_LINE_END = 2
_U32 = 1 << 32
#: memcached 1.6.45 heeds the ``b`` of a me only where it is the first flag and another one follows.
_BASE64_TOKENS = 4

Handler = Callable[[ServerState, list[bytes], list[Buffer]], int]

_C, _F, _H, _K, _L = b"cfhkl"
_N, _O, _R, _S, _T = b"NORsT"
_TTL = ord("t")


def _left(cache: Cache, exptime: int) -> int:
    """Seconds until `exptime`, as an unsigned 32-bit number when it has gone by; -1 for an item that stays."""
    return -1 if exptime == NEVER else (exptime - cache.now) % _U32


def _heed(cache: Cache, flags: Flags) -> None:
    """Forget an E where items have no cas uniques (``-C``)."""
    if not cache.with_cas:
        flags.unique = None


def _noop(_state: ServerState, _tokens: list[bytes], out: list[Buffer]) -> int:
    out.append(replies.META_NOOP)
    return 0


def _debug(state: ServerState, tokens: list[bytes], out: list[Buffer]) -> int:
    if len(tokens[1]) > KEY_MAX:
        out.append(replies.BAD_FORMAT)
        return 0
    key: bytes | None = tokens[1]
    if tokens[2:3] == [b"b"] and len(tokens) >= _BASE64_TOKENS:
        key = decode_key(tokens[1])
    if key is None:
        out.append(replies.BAD_FORMAT)
        return 0
    cache = state.cache
    state.stats.cmd_meta += 1
    item = cache.find(key)
    if item is None:
        out.append(replies.META_MISS)
        return 0
    shown = key_reply(key, binary=True)[2:-2] if item.marks & BINARY else key
    left = -1 if item.exptime == NEVER else item.exptime - cache.now
    fetched = b"yes" if item.fetched else b"no"
    out.append(
        b"ME %b exp=%d la=%d cas=%d fetch=%b cls=%d size=%d\r\n"
        % (shown, left, cache.now - item.time, item.cas, fetched, item.slab.id, item.size)
    )
    return 0


# -- mg ---------------------------------------------------------------------------------------------------------


def create(cache: Cache, key: bytes, value: bytes, unique: int | None) -> Item | None:
    """Store `value` under a key that is missing, with flags 0 and to stay; None when there is no room for it."""
    size = cache.item_size(key, 0, len(value))
    if not cache.make_room(size):
        return None
    head = b"VALUE %b 0 %d\r\n" % (key, len(value))
    cache.put(key, head + value + b"\r\n", len(head), 0, NEVER, size, -1 if unique is None else unique)
    return cache.items[key]


def _count_hit(cache: Cache, segment: Segment, *, touch: bool) -> None:
    stats = cache.stats
    if touch:
        stats.cmd_touch += 1
        stats.touch_hits += 1
        segment.slab.touch_hits += 1
    else:
        stats.get_hits += 1
        segment.hits += 1


def _item_flag(cache: Cache, item: Item, letter: int) -> bytes:
    """What a reply says for a flag that asks for something of the item."""
    if letter == _S:
        return b" s%d" % (len(item.block) - item.head - _LINE_END)
    if letter == _TTL:
        return b" t%d" % _left(cache, item.exptime)
    if letter == _C:
        return b" c%d" % item.cas
    if letter == _F:
        return b" f%d" % item.flags
    if letter == _L:
        return b" l%d" % (cache.now - item.time)
    if letter == _H:
        return b" h1" if item.fetched else b" h0"
    return b""


def _get(state: ServerState, tokens: list[bytes], out: list[Buffer]) -> int:
    flags = read(tokens, 2)
    if isinstance(flags, bytes):
        out.append(flags)
        return 0
    cache = state.cache
    _heed(cache, flags)
    letters = flags.letters
    item = cache.find(flags.key)
    created = False
    if item is None:
        if _N in letters:
            item = create(cache, flags.key, b"", flags.unique)
            created = True
        if item is None:
            cache.stats.get_misses += 1
            echo = flags.echo()
            if echo is None:
                out.append(replies.LONG_OPAQUE)
            elif b"q" not in letters:
                out.append(b"EN" + echo + b"\r\n")
            return 0
    segment = item.segment  # the one in which the item was found: a use may move it
    with_value = b"v" in letters and flags.compare != item.cas
    # These flags have the access counted after the reply, and so not at all when there is none.
    late = any(letter in b"NRThl" for letter in letters)
    if not late and b"u" not in letters:
        cache.use(item)
    reply = _get_reply(cache, item, flags, created=created)
    if reply is None:
        out.append(replies.LONG_OPAQUE)
        return 0
    _count_hit(cache, segment, touch=_T in letters)
    if late and b"u" not in letters:
        cache.use(item)
    if not with_value:
        out.append(b"HD" + reply + b"\r\n")
        return 0
    block = item.block
    head = item.head
    line = b"VA %d%b\r\n" % (len(block) - head - _LINE_END, reply)
    if len(block) <= COPY_MAX:
        out.append(line + block[head:])
    else:
        out.append(line)
        out.append(memoryview(block)[head:])
    return len(block)


def _get_reply(cache: Cache, item: Item, flags: Flags, *, created: bool) -> bytes | None:
    """Do to the item what the flags say, in their order, and return those of the reply; None: too long an opaque."""
    reply = b""
    won = False
    for token in flags.tokens:
        letter = token[0]
        if letter == _O:
            if not opaque_fits(token):
                return None
            reply += b" " + token
        elif letter == _K:
            reply += key_reply(flags.key, binary=bool(item.marks & BINARY))
        elif letter == _T and flags.exptime is not None:
            item.exptime = cache.deadline(flags.exptime)
        elif letter == _N and flags.vivify is not None:
            if created:
                item.exptime = cache.deadline(flags.vivify)
                won = True
        elif letter == _R and flags.recache is not None:
            if not created and not item.marks & TOKEN_SENT and flags.recache:
                won |= item.exptime != NEVER and item.exptime < cache.deadline(flags.recache)
        else:
            reply += _item_flag(cache, item, letter)
    if item.marks & TOKEN_SENT:
        reply += b" Z"
    if item.marks & STALE:
        reply += b" X"
        won |= not item.marks & TOKEN_SENT
    if won:
        reply += b" W"
        item.marks |= TOKEN_SENT
    return reply


# -- md ---------------------------------------------------------------------------------------------------------


def _delete(state: ServerState, tokens: list[bytes], out: list[Buffer]) -> int:
    flags = read(tokens, 2)
    if isinstance(flags, bytes):
        out.append(flags)
        return 0
    echo = flags.echo()
    if echo is None:
        out.append(replies.LONG_OPAQUE)
        return 0
    cache = state.cache
    _heed(cache, flags)
    item = cache.find(flags.key)
    if item is None:
        cache.stats.delete_misses += 1
        code = b"NF"
    elif flags.compare is not None and flags.compare != item.cas:
        cache.stats.delete_misses += 1
        code = b"EX"
    else:
        code = b"HD"
        if not _remove(state, item, flags):
            out.append(replies.NO_MEMORY)
            return 0
    if code != b"HD" or b"q" not in flags.letters:
        out.append(code + echo + b"\r\n")
    return 0


def _count_delete(cache: Cache, item: Item) -> None:
    cache.stats.delete_hits += 1
    item.slab.delete_hits += 1


def _remove(state: ServerState, item: Item, flags: Flags) -> bool:
    """Delete the item, or only its value, or mark it stale; False when there is no room to do so."""
    key = flags.key
    cache = state.cache
    observer = state.observer
    stale = b"I" in flags.letters
    empty = b"x" in flags.letters
    if not stale and not empty:
        _count_delete(cache, item)
        cache.drop(key)
        if observer.active:
            observer.deleted(key, item, "md")
        return True
    if empty:
        client_flags = flags.flags or 0
        size = cache.item_size(key, client_flags, 0)
        if not cache.make_room(size):
            return False
        block = b"VALUE %b %d 0\r\n\r\n" % (key, client_flags)
        if observer.active:
            observer.looked_up(key, item)
        cache.put(key, block, len(block) - _LINE_END, client_flags, NEVER, size, item.cas)
        item = cache.items[key]
        if not stale:
            _count_delete(cache, item)  # in the class of the item without a value
    if flags.exptime is not None:
        item.exptime = cache.deadline(flags.exptime)
    if stale:
        item.marks = (item.marks | STALE) & ~TOKEN_SENT
        item.cas = cache.next_cas() if flags.unique is None else flags.unique
    elif flags.unique is not None:
        item.cas = flags.unique
    if empty and observer.active:
        ttl = 0 if item.exptime == NEVER else item.exptime - cache.now
        observer.stored(key, StoreMode.SET, Outcome.STORED, ttl, item.slab.id, 0)
        if not stale:
            observer.deleted(key, item, "md")
    return True


# -- ma ---------------------------------------------------------------------------------------------------------

_ERRORS: dict[Outcome, bytes] = {
    Outcome.NON_NUMERIC: replies.NON_NUMERIC,
    Outcome.NO_MEMORY: replies.NO_MEMORY,
}


def _arithmetic(state: ServerState, tokens: list[bytes], out: list[Buffer]) -> int:
    flags = read(tokens, 2)
    if isinstance(flags, bytes):
        out.append(replies.BAD_FLAG)
        return 0
    if flags.mode and flags.mode not in b"I+D-":
        out.append(replies.BAD_ARITHMETIC_MODE)
        return 0
    cache = state.cache
    _heed(cache, flags)
    key = flags.key
    delta = 1 if flags.delta is None else flags.delta
    increment = flags.mode == 0 or flags.mode in b"I+"
    before = cache.items.get(key)
    size = 0 if before is None else before.size
    value = add_delta(cache, key, delta, increment=increment, check=flags.compare or 0, vivify=flags.vivify is not None)
    created = False
    if value is Outcome.NOT_FOUND and flags.vivify is not None:
        value = b"%d" % (flags.initial or 0)
        if create(cache, key, value, flags.unique) is None:
            out.append(replies.NO_MEMORY_ITEM)
            return 0
        created = True
        if state.observer.active:
            # memcached looks the key up once more before it stores the number.
            state.observer.looked_up(key, None)
            state.observer.stored(key, StoreMode.ADD, Outcome.STORED, 0, cache.items[key].slab.id, len(value))
    if isinstance(value, Outcome):
        if value in _ERRORS:
            out.append(_ERRORS[value])
            return 0
        echo = flags.echo()
        code = b"EX" if value is Outcome.EXISTS else b"NF"
        out.append(replies.LONG_OPAQUE if echo is None else code + echo + b"\r\n")
        return 0
    item = cache.items[key]
    # memcached carries T and E out on the item it has looked up, and a number that needs more room is a new item: there
    # both are told in the reply and come to nothing. The same is done here.
    reply = _arithmetic_reply(cache, item, flags, created=created, kept=created or item.size == size)
    if reply is None:
        out.append(replies.LONG_OPAQUE)
    elif b"q" not in flags.letters:
        if b"v" in flags.letters:
            out.append(b"VA %d%b\r\n%b\r\n" % (len(value), reply, value))
        else:
            out.append(b"HD" + reply + b"\r\n")
    return 0


def _arithmetic_reply(cache: Cache, item: Item, flags: Flags, *, created: bool, kept: bool) -> bytes | None:
    """Do to the item what the flags say, in their order, and return those of the reply; None: too long an opaque.

    An item that was not `kept` but replaced for want of room stays as it is.
    """
    if kept and flags.unique is not None:
        item.cas = flags.unique
    exptime = item.exptime
    reply = b""
    for token in flags.tokens:
        letter = token[0]
        if letter == _O:
            if not opaque_fits(token):
                return None
            reply += b" " + token
        elif letter == _K:
            reply += key_reply(flags.key, binary=flags.binary)
        elif letter == _T and flags.exptime is not None:
            exptime = cache.deadline(flags.exptime)
        elif letter == _N and flags.vivify is not None:
            if created:
                exptime = cache.deadline(flags.vivify)
        elif letter == _TTL:
            reply += b" t%d" % _left(cache, exptime)
        elif letter == _C:
            reply += b" c%d" % (item.cas if flags.unique is None else flags.unique)
        if kept:
            item.exptime = exptime
    return reply


def run(state: ServerState, tokens: list[bytes], out: list[Buffer]) -> int:
    """Carry out a meta command whose word is in `COMMANDS`."""
    word = tokens[0]
    if word != b"mn" and not well_formed(tokens, 2):
        out.append(replies.BAD_FORMAT)
        return 0
    return COMMANDS[word](state, tokens, out)


#: Handlers by command word.
COMMANDS: dict[bytes, Handler] = {b"mn": _noop, b"me": _debug, b"mg": _get, b"md": _delete, b"ma": _arithmetic}
