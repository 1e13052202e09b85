"""The packet protocol: ``<u32 length><u8 code><data>`` in, replies of the same framing out, in any cuts.

It completes a proposal of 2004 and is spoken only where ``-B packet`` asks for it. A code is an index into a table of
256 entries. A request without a value is carried out when it is whole; a value is taken as it comes, and what will be
refused is dropped as it comes.
"""

import sys
from functools import partial
from typing import Final, NamedTuple

from mcserver import packet_wire as wire
from mcserver.at_once import fetch_at_once, store_at_once
from mcserver.cache import Outcome, StoreMode
from mcserver.framing import Framing
from mcserver.incoming import Order, Skip, Value
from mcserver.packet_commands import HANDLERS, Handler, hit
from mcserver.phases import CLOSED, COMMAND
from mcserver.settings import KEY_MAX

#: The offset to return when no input is left: beyond the end of any chunk.
_ALL = sys.maxsize
_HEAD_SIZE = wire.HEAD_SIZE
_STORE_SIZE = wire.STORE.size


class Entry(NamedTuple):
    """What is done with a code: a handler carries it out at once, a store takes a value; neither is quit."""

    run: Handler | None
    mode: StoreMode | None


_MODES = {
    wire.SET: StoreMode.SET,
    wire.ADD: StoreMode.ADD,
    wire.REPLACE: StoreMode.REPLACE,
    wire.APPEND: StoreMode.APPEND,
    wire.PREPEND: StoreMode.PREPEND,
}

_FAILURES = {
    Outcome.EXISTS: wire.EXISTS,
    Outcome.NOT_FOUND: wire.NOT_FOUND,
    Outcome.NOT_STORED: wire.NOT_STORED,
    Outcome.TOO_LARGE: wire.TOO_LARGE,
    Outcome.NO_MEMORY: wire.OUT_OF_MEMORY,
}


def _table() -> tuple[Entry | None, ...]:
    table: list[Entry | None] = [None] * 256
    for code, handler in HANDLERS.items():
        table[code] = Entry(handler, None)
    for code, mode in _MODES.items():
        table[code] = table[code + wire.QUIET] = Entry(None, mode)
    table[wire.QUIT] = table[wire.QUIT + wire.QUIET] = Entry(None, None)
    return tuple(table)


#: By code; None for those that do not exist.
TABLE: Final = _table()


def _stored(code: int, outcome: Outcome, cas: int) -> bytes:
    """The reply to a store; empty for a quiet one that succeeded."""
    if outcome is Outcome.STORED:
        return b"" if code & wire.QUIET else wire.reply(wire.OK, wire.U64.pack(cas))
    return wire.failure(code, _FAILURES[outcome])


class Packet(Framing):
    """The part of a connection that speaks the packet protocol."""

    __slots__ = ()

    def _packets(self, data: bytes, pos: int) -> int:
        """Carry out the packets from `pos` on; the new position, len(data) or more when all is used up.

        The two that most traffic consists of are recognised here: a ``get``, and a ``set`` that is whole.
        """
        out = self._out
        cache = self._cache
        stats = self._stats
        self.last = cache.now
        observer = self._state.observer
        observer.fd = self.number
        plain = not observer.active and self.on_state is None and self.on_command is None
        cost = self._cost
        size = len(data)
        unpack = wire.HEAD.unpack_from
        while pos != size:
            #: tuning: Enough for one step.
            if self._room <= 0:
                self._yield(data, pos)
                return pos
            start = pos + _HEAD_SIZE
            if start > size:
                return self._begin(data, pos)
            length, code = unpack(data, pos)
            self._room -= cost
            if plain and _HEAD_SIZE <= length <= size - pos:
                end = pos + length
                if code == wire.GET and 0 < end - start <= KEY_MAX:
                    key = data[start:end]
                    item = fetch_at_once(cache, stats, key) or cache.fetch(key)
                    if item is None:
                        out.append(wire.failure(code, wire.NOT_FOUND))
                    else:
                        #: tuning: Pace.
                        self._room -= hit(key, item, out)
                    pos = end
                    continue
                if code == wire.SET:
                    reply = self._set_packet(data, start, end)
                    if reply:
                        out.append(reply)
                        pos = end
                        continue
            pos = self._packet(data, pos, length, code)
            if self._phase != COMMAND or pos > size:
                return pos
            # The command may have changed what the fast paths rely on.
            plain = plain and not observer.active
        return pos

    def _begin(self, data: bytes, pos: int) -> int:
        """Keep the start of a packet that is shorter than any, unless its length is there and bad."""
        if len(data) - pos >= wire.LENGTH.size:
            (length,) = wire.LENGTH.unpack_from(data, pos)
            if not wire.LENGTH_MIN <= length <= wire.LENGTH_MAX:
                self._end(wire.failure(0, wire.BAD_LENGTH))
                return pos
            self._keep(data, pos, _HEAD_SIZE)
        else:
            self._keep(data, pos, wire.LENGTH.size)
        return _ALL

    def _set_packet(self, data: bytes, start: int, end: int) -> bytes:
        """Carry out a plain ``set`` whose data is from `start` to `end`; the reply.

        Everything unusual answers nothing, and nothing has happened: the general way knows what to do with it.
        """
        if end - start < _STORE_SIZE:
            return b""
        unique, flags, exptime, keylen = wire.STORE.unpack_from(data, start)
        at = start + _STORE_SIZE + keylen
        if unique or not 0 < keylen <= KEY_MAX or at > end:
            return b""
        key = data[at - keylen : at]
        unique = store_at_once(self._cache, self._stats, key, flags, exptime, data, at, end - at)
        return b"" if unique < 0 else wire.reply(wire.OK, wire.U64.pack(unique))

    def _packet(self, data: bytes, pos: int, length: int, code: int) -> int:
        """Deal with one packet whose head is at `pos`; the position after what was used of it."""
        if not wire.LENGTH_MIN <= length <= wire.LENGTH_MAX:
            self._end(wire.failure(0, wire.BAD_LENGTH))
            return pos
        entry = TABLE[code]
        start = pos + _HEAD_SIZE
        size = length - _HEAD_SIZE
        if entry is None:
            return self._refuse(data, start, size, code, wire.UNKNOWN)
        if entry.mode is not None:
            return self._store_packet(data, pos, length, code, entry.mode)
        if size > wire.PLAIN_MAX:
            return self._refuse(data, start, size, code, wire.INVALID)
        if start + size > len(data):
            self._keep(data, pos, length)
            return _ALL
        end = start + size
        if entry.run is not None:
            self._observe(data[pos:end])
            self._room -= entry.run(self._state, code, data[start:end], self._out)
        elif size:
            return self._refuse(data, start, size, code, wire.INVALID)
        else:
            self._observe(data[pos:end])
            self.quit = True
            self._enter(CLOSED, "closing")
        return end

    def _refuse(self, data: bytes, start: int, size: int, code: int, error: wire.Error) -> int:
        """Drop `size` bytes from `start` on, as they come, and answer `error` after them."""
        self._observe(data[start - _HEAD_SIZE : start])
        return self._take_in(data, start, Skip(size, wire.failure(code, error)))

    def _store_packet(self, data: bytes, pos: int, length: int, code: int, mode: StoreMode) -> int:
        start = pos + _HEAD_SIZE
        size = length - _HEAD_SIZE
        if size < _STORE_SIZE:
            return self._refuse(data, start, size, code, wire.INVALID)
        if len(data) - start < _STORE_SIZE:
            self._keep(data, pos, _HEAD_SIZE + _STORE_SIZE)
            return _ALL
        unique, flags, exptime, keylen = wire.STORE.unpack_from(data, start)
        if not 0 < keylen <= KEY_MAX or _STORE_SIZE + keylen > size:
            return self._refuse(data, start, size, code, wire.INVALID)
        at = start + _STORE_SIZE + keylen
        if at > len(data):
            self._keep(data, pos, at - pos)
            return _ALL
        self._observe(data[pos:at])
        order = Order(mode, data[at - keylen : at], flags, exptime, size - _STORE_SIZE - keylen, unique)
        value = Value(self._cache, self._stats, order, partial(_stored, code), at_end=True)
        # Counted as for the text command of the same name.
        if value.refusal is Outcome.TOO_LARGE:
            self._stats.store_too_large += 1
        elif value.refusal is not None:
            self._stats.store_no_memory += 1
        if self._state.observer.active:
            self._state.observer.ordered(order.key, mode, value.refusal)
        return self._take_in(data, at, value)
