"""The packet protocol's commands that carry no value.

A handler gets the code as sent and the data, adds its reply to a list of pieces, unless it is quiet and has nothing to
say, and returns how many bytes of values are in it. Data of the wrong shape it refuses.
"""

from collections.abc import Callable

from mcserver import PROTOCOL_VERSION, replies
from mcserver import packet_wire as wire
from mcserver.admin import abbreviates
from mcserver.arithmetic import add_delta
from mcserver.cache import Item, Outcome
from mcserver.incoming import other_unique
from mcserver.retrieval import COPY_MAX, Buffer
from mcserver.settings import KEY_MAX
from mcserver.state import ServerState
from mcserver.stats_command import stats

Handler = Callable[[ServerState, int, bytes, list[Buffer]], int]

_LINE_END = 2
_CAS_SIZE = wire.U64.size
_TWO_SIZE = wire.TWO_U64.size
_TIME_SIZE = wire.I32.size
_HIT_EXTRA = wire.HIT.size

#: Sub-commands of ``stats`` whose replies are no rows.
_NO_ROWS = (b"detail", b"cachedump")

_ARITHMETIC_FAILURES = {
    Outcome.NOT_FOUND: wire.NOT_FOUND,
    Outcome.EXISTS: wire.EXISTS,
    Outcome.NON_NUMERIC: wire.NOT_NUMERIC,
    Outcome.NO_MEMORY: wire.OUT_OF_MEMORY,
}


def hit(key: bytes, item: Item, out: list[Buffer]) -> int:
    """Send an item's flags, cas unique, key and value; the number of bytes that counts."""
    block = item.block
    size = _HIT_EXTRA + len(key) + len(block) - item.head - _LINE_END
    head = wire.HIT.pack(size, wire.VALUE, item.flags, item.cas, len(key))
    if len(block) <= COPY_MAX:
        out.append(head + key + block[item.head : -_LINE_END])
    else:
        out.append(head + key)
        out.append(memoryview(block)[item.head : -_LINE_END])
    return size


def _is_key(key: bytes) -> bool:
    return 0 < len(key) <= KEY_MAX


def _refuse(code: int, error: wire.Error, out: list[Buffer]) -> int:
    out.append(wire.failure(code, error))
    return 0


def _done(code: int, out: list[Buffer]) -> int:
    if not code & wire.QUIET:
        out.append(wire.reply(wire.OK))
    return 0


def _get(state: ServerState, code: int, data: bytes, out: list[Buffer]) -> int:
    if not _is_key(data):
        return _refuse(code, wire.INVALID, out)
    return _answer(state, code, data, state.cache.fetch(data), out)


def _gat(state: ServerState, code: int, data: bytes, out: list[Buffer]) -> int:
    key = data[_TIME_SIZE:]
    if not _is_key(key):
        return _refuse(code, wire.INVALID, out)
    (exptime,) = wire.I32.unpack_from(data)
    return _answer(state, code, key, state.cache.touch(key, state.cache.deadline(exptime)), out)


def _answer(state: ServerState, code: int, key: bytes, item: Item | None, out: list[Buffer]) -> int:
    if state.observer.active:
        state.observer.asked(key, item is not None)
    if item is not None:
        return hit(key, item, out)
    return 0 if code & wire.QUIET else _refuse(code, wire.NOT_FOUND, out)


def _touch(state: ServerState, code: int, data: bytes, out: list[Buffer]) -> int:
    key = data[_TIME_SIZE:]
    if not _is_key(key):
        return _refuse(code, wire.INVALID, out)
    (exptime,) = wire.I32.unpack_from(data)
    if state.cache.touch(key, state.cache.deadline(exptime)) is None:
        return _refuse(code, wire.NOT_FOUND, out)
    return _done(code, out)


def _delete(state: ServerState, code: int, data: bytes, out: list[Buffer]) -> int:
    key = data[_CAS_SIZE:]
    if not _is_key(key):
        return _refuse(code, wire.INVALID, out)
    (unique,) = wire.U64.unpack_from(data)
    cache = state.cache
    watching = state.observer.active
    if watching:
        state.observer.deleting(key)
    if other_unique(cache, key, unique):
        cache.find(key)
        return _refuse(code, wire.EXISTS, out)
    item = cache.delete(key)
    if item is None:
        return _refuse(code, wire.NOT_FOUND, out)
    if watching:
        state.observer.deleted(key, item, "delete")
    return _done(code, out)


def _arithmetic(state: ServerState, code: int, data: bytes, out: list[Buffer]) -> int:
    key = data[_TWO_SIZE:]
    if not _is_key(key):
        return _refuse(code, wire.INVALID, out)
    unique, delta = wire.TWO_U64.unpack_from(data)
    increment = code & ~wire.QUIET == wire.INCREMENT
    result = add_delta(state.cache, key, delta, increment=increment, check=unique)
    if not isinstance(result, bytes):
        return _refuse(code, _ARITHMETIC_FAILURES[result], out)
    if not code & wire.QUIET:
        number = wire.TWO_U64.pack(state.cache.items[key].cas, int(result))
        out.append(wire.reply(wire.NUMBER, number))
    return 0


def _flush(state: ServerState, code: int, data: bytes, out: list[Buffer]) -> int:
    if len(data) not in {0, _TIME_SIZE}:
        return _refuse(code, wire.INVALID, out)
    state.stats.cmd_flush += 1  # also where it is refused
    if not state.settings.flush_allowed:
        return _refuse(code, wire.NOT_ALLOWED, out)
    state.flush(wire.I32.unpack(data)[0] if data else 0)
    return _done(code, out)


def _verbosity(state: ServerState, code: int, data: bytes, out: list[Buffer]) -> int:
    if len(data) != wire.U32.size:
        return _refuse(code, wire.INVALID, out)
    state.set_verbosity(wire.U32.unpack(data)[0])
    return _done(code, out)


def _noop(_state: ServerState, code: int, data: bytes, out: list[Buffer]) -> int:
    return _refuse(code, wire.INVALID, out) if data else _done(code, out)


def _version(_state: ServerState, code: int, data: bytes, out: list[Buffer]) -> int:
    if data:
        return _refuse(code, wire.INVALID, out)
    out.append(wire.reply(wire.TEXT, PROTOCOL_VERSION.encode()))
    return 0


def _stats(state: ServerState, code: int, data: bytes, out: list[Buffer]) -> int:
    words = data.split(b" ") if data else []
    if len(data) > KEY_MAX or b"" in words:
        return _refuse(code, wire.INVALID, out)
    text = stats(state, [b"stats", *words])
    if text == replies.ERROR:
        return _refuse(code, wire.INVALID, out)
    if words and any(abbreviates(words[0], name) for name in _NO_ROWS):
        out.append(wire.reply(wire.TEXT, text))
        return len(text)
    rows = [line.split(b" ", 2) for line in text.split(b"\r\n")[:-2]]
    reply = b"".join(wire.row(name, value) for _, name, value in rows) + wire.reply(wire.STAT)
    out.append(reply)
    return len(reply)


def _table() -> dict[int, Handler]:
    loud: dict[int, Handler] = {wire.NOOP: _noop, wire.VERSION: _version, wire.STATS: _stats}
    both: dict[int, Handler] = {
        wire.GET: _get,
        wire.GAT: _gat,
        wire.TOUCH: _touch,
        wire.DELETE: _delete,
        wire.INCREMENT: _arithmetic,
        wire.DECREMENT: _arithmetic,
        wire.FLUSH: _flush,
        wire.VERBOSITY: _verbosity,
    }
    return {**loud, **both, **{code + wire.QUIET: handler for code, handler in both.items()}}


#: By code as sent.
HANDLERS = _table()
