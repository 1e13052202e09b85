"""One connection: bytes in, pieces of replies out, in any cuts.

The connection is a state machine (command, value, swallow, closed) that speaks one protocol, chosen by its first byte
unless ``-B`` says which. The commands of text lines are here, those of the other protocols in `binary` and `packet`.
`Connection.feed` takes what arrived and returns what to send, and does so in bounded steps: after enough replies or
commands it keeps the rest of its input, sets `Connection.more` and waits for `Connection.resume`, so that a client that
does not read, or one that sends without end, costs a bounded amount of memory and of other clients' time.
"""

import sys

from mcserver import auth_text, meta, replies, text
from mcserver.binary import Binary
from mcserver.framing import STEP_BYTES
from mcserver.items import ACTIVE, FETCHED, UNUSED
from mcserver.metaset import read_meta_header
from mcserver.packet import Packet
from mcserver.phases import CLOSED, COMMAND, RETRIEVAL, STRANGER, SWALLOW, VALUE, WATCH
from mcserver.protocols import BINARY, MAGIC, TEXT, UNDECIDED
from mcserver.retrieval import COPY_MAX, WORDS, Buffer, start
from mcserver.settings import KEY_MAX, LINE_MAX
from mcserver.storage import MODES, quick_set, read_header
from mcserver.takeover import dump_word, start_dump, watch_classes

_CR = 13
_END = replies.END
#: The offset to return when no input is left: beyond the end of any chunk.
_ALL = sys.maxsize


class Connection(Binary, Packet):
    """One client's conversation. Not thread-safe; raises nothing, whatever the bytes."""

    __slots__ = ()

    def feed(self, data: bytes) -> list[Buffer]:
        """Take the next bytes and return pieces to send, in order; empty after the end of the conversation.

        At most about `STEP_BYTES` plus one value come back; `more` says whether `resume` has to be called. What is fed
        while `more` is set is only kept.
        """
        self._stats.bytes_read += len(data)
        out: list[Buffer] = []
        if self._phase in {CLOSED, WATCH}:
            return out
        if self.more:
            self._rest = b"".join((self._rest, data))
            return out
        self._out = out
        if self.on_state is not None:
            self.on_state("read")
        if self._protocol == UNDECIDED and data:
            self._protocol = BINARY if data[0] == MAGIC else TEXT
        if self._partial:
            if self._phase == STRANGER:
                joined: bytes | None = bytes(self._partial) + data
                self._partial = bytearray()
            else:
                joined = self._join_line(data) if self._protocol == TEXT else self._join_request(data)
            if joined is None:
                return out
            data = joined
        self._advance(data)
        return out

    def resume(self) -> list[Buffer]:
        """Go on after a step that ended with `more`; returns as `feed` does."""
        self.more = False
        out: list[Buffer] = []
        self._out = out
        self._stats.conn_yields += 1
        data = self._rest
        self._rest = b""
        self._advance(data)
        return out

    def eof(self) -> None:
        """Take the client's end of input: everything complete is still answered, then the conversation ends."""
        self._eof = True
        if not self.more:
            self.abort()

    # -- stepping -----------------------------------------------------------------------------------------------

    def _advance(self, data: bytes) -> None:
        size = len(data)
        pos = 0
        self._room = STEP_BYTES
        while True:
            phase = self._phase
            if phase == COMMAND:
                if self._protocol == TEXT:
                    pos = self._commands(data, pos)
                else:
                    pos = self._requests(data, pos) if self._protocol == BINARY else self._packets(data, pos)
            elif phase in {VALUE, SWALLOW}:
                pos = self._receive(data, pos)
            elif phase in {CLOSED, WATCH}:
                return
            elif phase == STRANGER:
                pos = self._let_in(data, pos)
            else:
                self._send_values(data, pos)
            if self.more:
                return
            if pos >= size and self._phase != RETRIEVAL:
                break
        if self._eof:
            self.abort()
        elif self.on_state is not None:
            self._settled()

    def _let_in(self, data: bytes, pos: int) -> int:
        """Hear a client that has to authenticate, up to the end of `data` or until it has; the new position."""
        users = self._state.users
        assert users is not None
        while pos < len(data):
            if self._room <= 0:
                self._yield(data, pos)
                return pos
            self._room -= self._cost
            begin = pos
            pos, reply = self._door.step(users, data, pos)
            if reply is None:
                self._enter(CLOSED, "closing")
                return pos
            if reply:
                self._out.append(reply)
                self._stats.auth_cmds += reply in {auth_text.STORED, auth_text.FAILURE}
                self._stats.auth_errors += reply == auth_text.FAILURE
                if reply == auth_text.STORED:
                    self._enter(COMMAND, "new_cmd")
                    return pos
            elif pos == begin:
                self._partial = bytearray(data[pos:])
                return _ALL
        return pos

    def _settled(self) -> None:
        if self.on_state is not None and self._phase != CLOSED:
            if self._out:
                self.on_state("mwrite")
            self.on_state("waiting")

    def _commands(self, data: bytes, pos: int) -> int:
        """Carry out the complete command lines from `pos` on; the new position, len(data) or more when all is used up.

        The two commands most traffic consists of are recognised here: ``get`` of one key that is there, and a plain
        ``set``. Everything else, and everything unusual about these, goes through `_dispatch`.
        """
        out = self._out
        cache = self._cache
        stats = self._stats
        find = cache.items.get
        now = self.last = cache.now
        observer = self._state.observer
        observer.fd = self.number
        plain = cache.segmented and not observer.active
        cost = self._cost
        size = len(data)
        while pos != size:
            #: tuning: Enough for one step.
            if self._room <= 0:
                self._yield(data, pos)
                return pos
            self._room -= cost
            end = data.find(b"\n", pos)
            if end < 0:
                self._keep_line(data, pos)
                return _ALL
            begin = pos
            pos = end + 1
            if pos - begin > LINE_MAX and not self._allow_long(data, begin, pos - begin):
                return _ALL
            if end > begin and data[end - 1] == _CR:
                end -= 1
            if self.on_state is not None or self.on_command is not None:
                self._observe(data[begin:end])
            #: tuning: Enough to tell the two commands of the hot path; all others are told apart later.
            word = data[begin : begin + 4]
            if word == b"get " and plain:
                key = data[begin + 4 : end]
                item = find(key)
                if item is None:
                    if key and len(key) <= KEY_MAX and b" " not in key and not cache.stale:
                        stats.get_misses += 1
                        out.append(_END)
                        continue
                elif item.exptime > now < cache.flush_at and b" " not in key:
                    # A key that came in base64 may hold a blank: in this line that would be two keys.
                    block = item.block
                    item.segment.hits += 1
                    uses = item.uses
                    if uses == UNUSED:
                        item.uses = FETCHED
                    else:
                        item.time = now
                        if uses != ACTIVE:
                            cache.activate(item)
                    stats.get_hits += 1
                    if len(block) <= COPY_MAX:
                        out.append(block + _END)
                    else:
                        out.append(block)
                        out.append(_END)
                    #: tuning: Pace.
                    self._room -= len(block)
                    continue
            elif word == b"set " and plain:
                after = quick_set(cache, stats, data, pos, data[begin:end])
                if after:
                    out.append(replies.STORED)
                    pos = after
                    continue
            if pos - begin < text.LINE_MIN:
                out.append(replies.BAD_FORMAT)
            else:
                self._dispatch(data[begin:end], begin)
                if self._phase != COMMAND:
                    return pos
                # The command may have changed what the fast paths rely on.
                now = cache.now
                plain = cache.segmented and not observer.active
        return pos

    def _dispatch(self, line: bytes, begin: int) -> None:
        word, _, _ = line.partition(b" ")
        if word in WORDS:
            cursor = start(self._cache, line)
            if isinstance(cursor, bytes):
                self._out.append(cursor)
            else:
                if self._state.observer.active:
                    cursor.observer = self._state.observer
                self._retrieval = cursor
                self._phase = RETRIEVAL
            return
        tokens = [token for token in line.split(b" ") if token]
        if word == b"watch" or (word == b"lru_crawler" and dump_word(tokens)):
            self._take_over(tokens, alone=begin == 0 or self._out[-1:] == [replies.META_NOOP])
            return
        handler = text.COMMANDS.get(word)
        if handler is not None:
            reply = handler(self._state, tokens)
            if reply is None:
                self._enter(CLOSED, "closing")
            elif reply:
                self._out.append(reply)
            return
        mode = MODES.get(word)
        if word in meta.COMMANDS:
            self._room -= meta.run(self._state, tokens, self._out)
        elif word == b"ms":
            self._begin_value(read_meta_header(tokens))
        elif mode is not None:
            self._begin_value(read_header(mode, tokens))
        elif word == b"quit":
            self.quit = True
            self._enter(CLOSED, "closing")
        else:
            answer = text.unknown(tokens or [b""])
            if answer is None:
                self._enter(CLOSED, "closing")
            elif answer:
                self._out.append(answer)

    def _take_over(self, tokens: list[bytes], *, alone: bool) -> None:
        """Begin a dump or a watch; `alone` tells that no other request of this chunk came before."""
        if tokens[0] == b"watch":
            classes = watch_classes(self._state, tokens, alone=alone)
            if isinstance(classes, bytes):
                self._out.append(classes)
                return
            self._watcher = self._state.observer.watch(classes, self.push)
            self._state.look()
            if self._watcher is None:
                self._out.append(replies.WATCHER_TOO_MANY)
            else:
                self._out.append(replies.OK)
                self._enter(WATCH, "watch")
            return
        dump = start_dump(self._state, tokens, alone=alone)
        if isinstance(dump, bytes):
            if not text.is_noreply(tokens):
                self._out.append(dump)
        else:
            self._out.append(replies.OK)
            self._retrieval = dump
            self._phase = RETRIEVAL

    def _send_values(self, data: bytes, pos: int) -> None:
        self._room = self._retrieval.run(self._out, self._room)
        if self._room:
            self._phase = COMMAND
        else:
            self._yield(data, pos)
