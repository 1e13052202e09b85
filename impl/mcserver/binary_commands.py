"""The binary protocol's commands that are carried out as soon as their extras and key have come.

A handler adds its reply to a list of pieces, unless it is quiet and has nothing to say, and returns how many bytes of
values are in it.
"""

from collections.abc import Callable

from mcserver import PROTOCOL_VERSION
from mcserver import binary_wire as wire
from mcserver.arithmetic import add_delta
from mcserver.cache import Cache, Item, Outcome
from mcserver.incoming import other_unique
from mcserver.retrieval import COPY_MAX, Buffer
from mcserver.state import ServerState
from mcserver.stats_command import stats

Handler = Callable[[ServerState, wire.Request, list[Buffer]], int]

_LINE_END = 2
_FLAGS_SIZE = 4

_ARITHMETIC_FAILURES = {
    Outcome.NON_NUMERIC: wire.NON_NUMERIC,
    Outcome.EXISTS: wire.EXISTS,
    Outcome.NO_MEMORY: wire.NO_MEMORY_COUNTING,
}


def hit(opcode: int, opaque: int, item: Item, key: bytes, out: list[Buffer]) -> int:
    """Send an item's flags, `key` (empty for none) and value; the number of bytes that counts."""
    block = item.block
    length = len(block) - item.head - _LINE_END
    body = _FLAGS_SIZE + len(key) + length
    head = wire.HIT.pack(wire.REPLY_MAGIC, opcode, len(key), _FLAGS_SIZE, 0, body, opaque, item.cas, item.flags)
    if length <= COPY_MAX:
        out.append(head + key + block[item.head : -_LINE_END])
    else:
        out.append(head + key)
        out.append(memoryview(block)[item.head : -_LINE_END])
    return body


def _fetch(*, quiet: bool, with_key: bool, touch: bool) -> Handler:
    def run(state: ServerState, request: wire.Request, out: list[Buffer]) -> int:
        cache = state.cache
        key = request.key
        item = _touched(cache, request) if touch else cache.fetch(key)
        if state.observer.active:
            state.observer.asked(key, item is not None)
        if item is not None:
            return hit(request.opcode, request.opaque, item, key if with_key else b"", out)
        if not quiet:
            out.append(_miss(request) if with_key else _fail(request, wire.NOT_FOUND))
        return 0

    return run


def _touched(cache: Cache, request: wire.Request) -> Item | None:
    (exptime,) = wire.FLAGS.unpack(request.extras)
    return cache.touch(request.key, cache.deadline(exptime))


def _fail(request: wire.Request, status: wire.Status) -> bytes:
    return wire.answer(request.opcode, request.opaque, status)


def _miss(request: wire.Request) -> bytes:
    """What is said of a key that is not there, where hits are answered with theirs."""
    key = request.key
    size = len(key)
    status = wire.NOT_FOUND.code
    return wire.REPLY.pack(wire.REPLY_MAGIC, request.opcode, size, 0, status, size, request.opaque, 0) + key


def _touch(state: ServerState, request: wire.Request, out: list[Buffer]) -> int:
    item = _touched(state.cache, request)
    if state.observer.active:
        state.observer.asked(request.key, item is not None)
    if item is None:
        out.append(_fail(request, wire.NOT_FOUND))
    else:
        out.append(
            wire.HIT.pack(
                wire.REPLY_MAGIC, request.opcode, 0, _FLAGS_SIZE, 0, _FLAGS_SIZE, request.opaque, item.cas, item.flags
            )
        )
    return 0


def _delete(*, quiet: bool) -> Handler:
    def run(state: ServerState, request: wire.Request, out: list[Buffer]) -> int:
        cache = state.cache
        key = request.key
        if state.observer.active:
            state.observer.deleting(key)
        if other_unique(cache, key, request.cas):
            cache.find(key)
            out.append(_fail(request, wire.EXISTS))
        elif cache.delete(key) is None:
            out.append(_fail(request, wire.NOT_FOUND))
        elif not quiet:
            out.append(wire.success(request))
        return 0

    return run


def _arithmetic(*, increment: bool, quiet: bool) -> Handler:
    def run(state: ServerState, request: wire.Request, out: list[Buffer]) -> int:
        cache = state.cache
        key = request.key
        delta, initial, exptime = wire.ARITHMETIC_EXTRAS.unpack(request.extras)
        vivify = exptime != wire.NO_INITIAL
        result = add_delta(cache, key, delta, increment=increment, check=request.cas, vivify=vivify)
        if isinstance(result, bytes):
            value = int(result)
        elif result is not Outcome.NOT_FOUND:
            out.append(_fail(request, _ARITHMETIC_FAILURES[result]))
            return 0
        elif not vivify:
            out.append(_fail(request, wire.NOT_FOUND))
            return 0
        else:
            if not _create(cache, key, initial, exptime):
                out.append(_fail(request, wire.NO_MEMORY_CREATING))
                return 0
            value = initial
        if not quiet:
            out.append(wire.success(request, wire.NUMBER.pack(value), cache.items[key].cas))
        return 0

    return run


def _create(cache: Cache, key: bytes, number: int, exptime: int) -> bool:
    """Store `number` where there was nothing, with flags 0; False when there is no room."""
    value = b"%d" % number
    size = cache.item_size(key, 0, len(value))
    if not cache.make_room(size):
        return False
    head = b"VALUE %b 0 %d\r\n" % (key, len(value))
    cache.put(key, head + value + b"\r\n", len(head), 0, cache.deadline(exptime), size)
    return True


def _flush(*, quiet: bool) -> Handler:
    def run(state: ServerState, request: wire.Request, out: list[Buffer]) -> int:
        if not state.settings.flush_allowed:
            out.append(_fail(request, wire.AUTH_FAILURE))
            return 0
        state.stats.cmd_flush += 1
        state.flush(wire.FLAGS.unpack(request.extras)[0] if request.extras else 0)
        if not quiet:
            out.append(wire.success(request))
        return 0

    return run


def _noop(_state: ServerState, request: wire.Request, out: list[Buffer]) -> int:
    out.append(wire.success(request))
    return 0


def _version(_state: ServerState, request: wire.Request, out: list[Buffer]) -> int:
    out.append(wire.success(request, PROTOCOL_VERSION.encode()))
    return 0


# -- stat -------------------------------------------------------------------------------------------------------


def _rows(state: ServerState, *words: bytes) -> list[tuple[bytes, bytes]]:
    """The rows of a text ``stats`` command, which tells the same."""
    lines = stats(state, [b"stats", *words]).split(b"\r\n")[:-2]
    return [(name, value) for _, name, value in (line.split(b" ", 2) for line in lines)]


def _stat_rows(state: ServerState, key: bytes) -> list[tuple[bytes, bytes]] | None:
    """What a ``stat`` of `key` shows; None where there is no such thing. Some names may be followed by anything."""
    if not key:
        return _rows(state)
    if key.startswith(b"reset"):
        state.reset_stats()
        return []
    if key.startswith(b"settings"):
        return _rows(state, b"settings")
    if key.startswith(b"detail"):
        return _detail(state, key.removeprefix(b"detail"))
    return _rows(state, key) if key in {b"items", b"slabs", b"sizes"} else None


def _detail(state: ServerState, rest: bytes) -> list[tuple[bytes, bytes]] | None:
    if not state.settings.dump_allowed:
        return None
    if rest.startswith(b" dump"):
        return [(b"detailed", state.observer.dump())]
    if rest.startswith((b" on", b" off")):
        state.observer.count(rest.startswith(b" on"))
        return []
    return None


def _stat(state: ServerState, request: wire.Request, out: list[Buffer]) -> int:
    rows = _stat_rows(state, request.key)
    if rows is None:
        out.append(_fail(request, wire.NOT_FOUND))
        return 0
    reply = b"".join(wire.row(request.opaque, name, value) for name, value in (*rows, (b"", b"")))
    out.append(reply)
    return len(reply)


HANDLERS: dict[int, Handler] = {
    wire.GET: _fetch(quiet=False, with_key=False, touch=False),
    wire.GETQ: _fetch(quiet=True, with_key=False, touch=False),
    wire.GETK: _fetch(quiet=False, with_key=True, touch=False),
    wire.GETKQ: _fetch(quiet=True, with_key=True, touch=False),
    wire.GAT: _fetch(quiet=False, with_key=False, touch=True),
    wire.GATQ: _fetch(quiet=True, with_key=False, touch=True),
    wire.GATK: _fetch(quiet=False, with_key=True, touch=True),
    wire.GATKQ: _fetch(quiet=True, with_key=True, touch=True),
    wire.TOUCH: _touch,
    wire.DELETE: _delete(quiet=False),
    wire.DELETEQ: _delete(quiet=True),
    wire.INCREMENT: _arithmetic(increment=True, quiet=False),
    wire.INCREMENTQ: _arithmetic(increment=True, quiet=True),
    wire.DECREMENT: _arithmetic(increment=False, quiet=False),
    wire.DECREMENTQ: _arithmetic(increment=False, quiet=True),
    wire.FLUSH: _flush(quiet=False),
    wire.FLUSHQ: _flush(quiet=True),
    wire.NOOP: _noop,
    wire.VERSION: _version,
    wire.STAT: _stat,
}
