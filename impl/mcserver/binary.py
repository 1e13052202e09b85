"""The binary protocol: headers in, replies out, in any cuts.

A request is looked at when its extras and key have come, which is little; a value is taken as it comes, what was
refused is dropped as it comes. Which errors end the conversation is memcached's choice: those of a header whose
lengths cannot be trusted.
"""

import sys
from functools import partial

from mcserver import binary_wire as wire
from mcserver.at_once import fetch_at_once, store_at_once
from mcserver.binary_commands import hit
from mcserver.binary_table import TABLE, Opcode
from mcserver.cache import Outcome, StoreMode
from mcserver.framing import Framing
from mcserver.incoming import Order, Skip, Value
from mcserver.phases import CLOSED, COMMAND
from mcserver.sasl import MECHANISM_MAX, Exchange, Token
from mcserver.settings import KEY_MAX

#: The offset to return when no input is left: beyond the end of any chunk.
_ALL = sys.maxsize
#: What may be asked for before authentication.
_OPEN_TO_STRANGERS = frozenset({wire.SASL_LIST, wire.SASL_AUTH, wire.SASL_STEP, wire.VERSION})
_STORE_EXTRAS_SIZE = wire.STORE_EXTRAS.size

_FAILURES = {
    Outcome.EXISTS: wire.EXISTS,
    Outcome.NOT_FOUND: wire.NOT_FOUND,
    Outcome.NOT_STORED: wire.NOT_STORED,
    Outcome.TOO_LARGE: wire.TOO_LARGE,
    Outcome.NO_MEMORY: wire.NO_MEMORY_STORING,
}

#: What NOT_STORED means for these.
_NOT_STORED = {StoreMode.ADD: wire.EXISTS, StoreMode.REPLACE: wire.NOT_FOUND}


def _stored(request: wire.Request, entry: Opcode, outcome: Outcome, cas: int) -> bytes:
    """The reply to a store; empty for a quiet one that succeeded."""
    if outcome is Outcome.STORED:
        return b"" if entry.quiet else wire.success(request, cas=cas)
    status = _FAILURES[outcome]
    if outcome is Outcome.NOT_STORED and entry.mode is not None:
        status = _NOT_STORED.get(entry.mode, status)
    return wire.answer(request.opcode, request.opaque, status)


class Binary(Framing):
    """The part of a connection that speaks the binary protocol."""

    __slots__ = ()

    def _requests(self, data: bytes, pos: int) -> int:
        """Carry out the requests from `pos` on; the new position, len(data) or more when all is used up.

        The two that most traffic consists of are recognised here: a ``get``, and a ``set`` whose value is there.
        """
        out = self._out
        cache = self._cache
        stats = self._stats
        self.last = cache.now
        observer = self._state.observer
        observer.fd = self.number
        plain = self._plain()
        cost = self._cost
        size = len(data)
        unpack = wire.REQUEST.unpack_from
        while pos != size:
            #: tuning: Enough for one step.
            if self._room <= 0:
                self._yield(data, pos)
                return pos
            if size - pos < wire.HEADER_SIZE:
                self._keep(data, pos, wire.HEADER_SIZE)
                return _ALL
            self._room -= cost
            magic, opcode, keylen, extlen, bodylen, opaque, cas = unpack(data, pos)
            if magic != wire.REQUEST_MAGIC:
                self._end(b"")
                return pos
            start = pos + wire.HEADER_SIZE
            if plain and start + bodylen <= size:
                if opcode == wire.GET and not extlen and 0 < keylen <= KEY_MAX and bodylen == keylen:
                    pos = start + bodylen
                    key = data[start:pos]
                    item = fetch_at_once(cache, stats, key) or cache.fetch(key)
                    if item is None:
                        out.append(wire.answer(opcode, opaque, wire.NOT_FOUND))
                    else:
                        #: tuning: Pace.
                        self._room -= hit(opcode, opaque, item, b"", out)
                    continue
                if opcode == wire.SET and not cas and extlen == _STORE_EXTRAS_SIZE:
                    reply = self._set_request(data, start, keylen, bodylen, opaque)
                    if reply:
                        out.append(reply)
                        pos = start + bodylen
                        continue
            pos = self._request(data, pos, opcode, keylen, extlen, bodylen, opaque, cas)
            if self._phase != COMMAND or pos > size:
                return pos
            # The command may have changed what the fast paths rely on.
            plain = self._plain()
        return pos

    def _plain(self) -> bool:
        """Whether nobody looks on, and nothing has to be asked before a request is carried out."""
        watched = self._state.observer.active or self.on_state is not None or self.on_command is not None
        return not watched and (self._exchange is None or self._exchange.authenticated)

    def _set_request(self, data: bytes, start: int, keylen: int, bodylen: int, opaque: int) -> bytes:
        """Carry out a plain ``set``, all of whose body is in `data` at `start`; the reply.

        Everything unusual answers nothing, and nothing has happened: the general way knows what to do with it.
        """
        length = bodylen - _STORE_EXTRAS_SIZE - keylen
        if length < 0 or not 0 < keylen <= KEY_MAX:
            return b""
        flags, exptime = wire.STORE_EXTRAS.unpack_from(data, start)
        at = start + _STORE_EXTRAS_SIZE + keylen
        unique = store_at_once(self._cache, self._stats, data[at - keylen : at], flags, exptime, data, at, length)
        return b"" if unique < 0 else wire.REPLY.pack(wire.REPLY_MAGIC, wire.SET, 0, 0, 0, 0, opaque, unique)

    def _request(
        self, data: bytes, pos: int, opcode: int, keylen: int, extlen: int, bodylen: int, opaque: int, cas: int
    ) -> int:
        """Deal with one request whose header is at `pos`; the position after what was used of it."""
        start = pos + wire.HEADER_SIZE
        head = extlen + keylen
        if head > wire.HEAD_MAX - wire.HEADER_SIZE:
            return self._take_in(data, start, Skip(wire.HEAD_MAX - wire.HEADER_SIZE + 1, b"", closes=True))
        entry = TABLE[opcode]
        status = self._refusal(entry, opcode, keylen, extlen, bodylen)
        if status is not None:
            return self._take_in(data, start, Skip(head, wire.answer(opcode, opaque, status), closes=True))
        if start + head > len(data):
            self._keep(data, pos, wire.HEADER_SIZE + head)
            return _ALL
        at = start + head
        self._observe(data[pos:at])
        if entry is None:
            # memcached drops as many bytes as the whole body has, behind extras and key: those of the next request.
            return self._take_in(data, at, Skip(bodylen - head, wire.answer(opcode, opaque, wire.UNKNOWN)))
        request = wire.Request(
            opcode, data[start : start + extlen], data[at - keylen : at], bodylen - head, opaque, cas
        )
        if entry.run is not None:
            self._room -= entry.run(self._state, request, self._out)
            return at
        if entry.mode is not None:
            return self._store_request(data, at, request, entry, entry.mode)
        if opcode in {wire.QUIT, wire.QUITQ}:
            self.quit = True
            if not entry.quiet:
                self._out.append(wire.success(request))
            self._enter(CLOSED, "closing")
            return at
        return self._authenticate(data, at, request, self._exchange)

    def _refusal(self, entry: Opcode | None, opcode: int, keylen: int, extlen: int, bodylen: int) -> wire.Status | None:
        """Why a header ends the conversation; None when it does not."""
        surplus = bodylen - keylen - extlen
        if surplus < 0:
            return wire.UNKNOWN
        if bodylen > wire.BODY_MAX:
            return wire.INVALID
        if self._exchange is not None and not self._exchange.authenticated and opcode not in _OPEN_TO_STRANGERS:
            return wire.AUTH_FAILURE
        if keylen > KEY_MAX:
            return wire.INVALID
        if entry is not None and not entry.fits(extlen, keylen, surplus):
            return wire.INVALID
        return None

    def _store_request(self, data: bytes, at: int, request: wire.Request, entry: Opcode, mode: StoreMode) -> int:
        flags, exptime = wire.STORE_EXTRAS.unpack(request.extras) if request.extras else (0, 0)
        unique = request.cas if self._cache.with_cas else 0
        order = Order(mode, request.key, flags, exptime, request.surplus, unique)
        value = Value(self._cache, self._stats, order, partial(_stored, request, entry), at_end=False)
        if self._state.observer.active:
            self._state.observer.ordered(order.key, mode, None if order.joins else value.refusal)
        return self._take_in(data, at, value)

    def _authenticate(self, data: bytes, at: int, request: wire.Request, exchange: Exchange | None) -> int:
        """Deal with an opcode of SASL, which without ``-S`` is as unknown as any."""
        opcode, opaque = request.opcode, request.opaque
        if exchange is None:
            return self._take_in(data, at, Skip(request.surplus, wire.answer(opcode, opaque, wire.UNKNOWN)))
        if opcode == wire.SASL_LIST:
            self._out.append(wire.success(request, exchange.mechanisms()))
            return at
        if len(request.key) > MECHANISM_MAX:
            return self._take_in(data, at, Skip(request.surplus, wire.answer(opcode, opaque, wire.INVALID)))
        # memcached keeps the token in an item that must be one chunk.
        size = self._cache.item_size(request.key, 0, request.surplus)
        if size > min(self._cache.slabs.chunk_max, self._cache.item_size_max):
            return self._take_in(data, at, Skip(request.surplus, wire.answer(opcode, opaque, wire.NO_MEMORY)))

        def judge(token: bytes) -> bytes:
            status = exchange.begin(request.key, token) if opcode == wire.SASL_AUTH else exchange.proceed(token)
            return wire.answer(opcode, opaque, status)

        return self._take_in(data, at, Token(request.surplus, judge))
