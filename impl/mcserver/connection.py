"""One connection of the text protocol: bytes in, pieces of replies out, in any cuts.

The connection is a state machine (command line, value, swallow, closed). `Connection.feed` takes what arrived and
returns what to send, and does so in bounded steps: after enough replies or commands it keeps the rest of its input, sets
`Connection.more` and waits for `Connection.resume`, so that a client that does not read, or one that sends without end,
costs a bounded amount of memory and of other clients' time.
"""

from collections.abc import Callable
from enum import IntEnum

from mcserver import replies, text
from mcserver.cache import Block, Item, StoreMode, item_size
from mcserver.retrieval import COPY_MAX, LINE_STARTS, WORDS, Buffer, Retrieval, start
from mcserver.settings import FLAGS_SIZE, ITEM_OVERHEAD, KEY_MAX, LINE_MAX, RETRIEVAL_LINE_MAX
from mcserver.state import ServerState
from mcserver.storage import MODES, StoreHeader, read_header

#: One step ends after this many bytes of values (the last one may exceed it) ...
STEP_BYTES = 256 * 1024
#: ... or this many commands, or keys of one retrieval.
STEP_COMMANDS = 256
STEP_KEYS = 1024

#: Values above this many bytes stay in the buffer they were received into.
_KEEP_BUFFER = 65536
_CR = 13
_LINE_END = 2
_END = replies.END
_HOT_SET_TOKENS = 5
_HOT_GET_TOKENS = 2
#: More digits than this are left to the slow path: 32 bits may overflow.
_HOT_DIGITS = 9
#: The offset to return when no input is left: beyond the end of any chunk.
_ALL = 1 << 62


class Phase(IntEnum):
    """What the next byte of input belongs to."""

    COMMAND = 0
    RETRIEVAL = 1
    VALUE = 2
    SWALLOW = 3
    CLOSED = 4


class Connection:
    """One client's conversation. Not thread-safe; raises nothing, whatever the bytes."""

    __slots__ = (
        "_buffer",
        "_eof",
        "_filled",
        "_header",
        "_held",
        "_item",
        "_out",
        "_partial",
        "_phase",
        "_refusal",
        "_rest",
        "_retrieval",
        "_room",
        "_state",
        "_swallow",
        "_turns",
        "_view",
        "more",
        "on_command",
        "on_state",
    )

    def __init__(self, state: ServerState) -> None:
        """Start at a command boundary of a connection to the server with `state`."""
        self._state = state
        self._phase = Phase.COMMAND
        self._out: list[Buffer] = []
        self._partial = bytearray()  # a command line without its end
        self._rest = b""  # input that waits for `resume`
        self._retrieval: Retrieval | None = None
        self._eof = False
        self._room = 0  # what is left of this step: bytes of values, and commands
        self._turns = 0
        # A value that is arriving: its header, the block under construction, how much of it is there, bytes held.
        self._header: StoreHeader | None = None
        self._item: Item | None = None
        self._buffer = bytearray()
        self._view = memoryview(b"")
        self._filled = 0
        self._held = 0
        # A value to drop: bytes to go, and the reply owed after them.
        self._swallow = 0
        self._refusal = b""
        #: Input is left that needs no new bytes: call `resume` when there is room for its replies.
        self.more = False
        #: Called with the name of every state entered, for observers; None costs nothing.
        self.on_state: Callable[[str], None] | None = None
        #: Called with every command line, for logs; None costs nothing.
        self.on_command: Callable[[bytes], None] | None = None

    @property
    def closed(self) -> bool:
        """The server has ended the conversation: send what was returned, then close."""
        return self._phase is Phase.CLOSED

    @property
    def phase(self) -> Phase:
        """What the next byte of input belongs to."""
        return self._phase

    def feed(self, data: bytes) -> list[Buffer]:
        """Take the next bytes and return pieces to send, in order; empty after the end of the conversation.

        At most about `STEP_BYTES` plus one value come back; `more` says whether `resume` has to be called. What is fed
        while `more` is set is only kept.
        """
        state = self._state
        state.stats.bytes_read += len(data)
        if self._phase is Phase.CLOSED:
            return []
        if self.more:
            self._rest += data
            return []
        out: list[Buffer] = []
        self._out = out
        state.cache.now = int(state.clock())
        if self.on_state is not None:
            self.on_state("read")
        if self._partial:
            joined = self._join_line(data)
            if joined is None:
                return out
            data = joined
        self._advance(data, 0)
        return out

    def resume(self) -> list[Buffer]:
        """Go on after a step that ended with `more`; returns as `feed` does."""
        if not self.more:
            return []
        self.more = False
        out: list[Buffer] = []
        self._out = out
        self._state.cache.now = int(self._state.clock())
        self._state.stats.conn_yields += 1
        data = self._rest
        self._rest = b""
        self._advance(data, 0)
        return out

    def eof(self) -> None:
        """Take the client's end of input: everything complete is still answered, then the conversation ends."""
        self._eof = True
        if not self.more:
            self.abort()

    def abort(self) -> None:
        """End the conversation now and give back what an unfinished value holds. Harmless when repeated."""
        self._drop_value()
        self._partial = bytearray()
        self._rest = b""
        self._retrieval = None
        self.more = False
        if self._phase is not Phase.CLOSED:
            self._enter(Phase.CLOSED, "closed")

    # -- stepping -----------------------------------------------------------------------------------------------

    def _enter(self, phase: Phase, name: str) -> None:
        self._phase = phase
        if self.on_state is not None:
            self.on_state(name)

    def _advance(self, data: bytes, pos: int) -> None:
        size = len(data)
        self._room = STEP_BYTES
        self._turns = STEP_COMMANDS
        while True:
            phase = self._phase
            if phase is Phase.COMMAND:
                pos = self._commands(data, pos)
            elif phase is Phase.VALUE:
                pos = self._receive(data, pos)
            elif phase is Phase.SWALLOW:
                pos = self._skip(data, pos)
            elif phase is Phase.RETRIEVAL:
                if not self._send_values():
                    self._yield(data, pos)
                    return
            else:
                return
            if self.more:
                return
            if pos >= size and self._phase is not Phase.RETRIEVAL:
                break
        if self._eof:
            self.abort()
        elif self.on_state is not None and self._phase is not Phase.CLOSED:
            if self._out:
                self.on_state("mwrite")
            self.on_state("waiting")

    def _yield(self, data: bytes, pos: int) -> None:
        self._rest = data[pos:]
        self.more = True
        if self.on_state is not None:
            self.on_state("mwrite")

    def _commands(self, data: bytes, pos: int) -> int:
        out = self._out
        cache = self._state.cache
        size = len(data)
        while self._turns > 0 and self._room > 0:
            self._turns -= 1
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
            line = data[begin:end]
            if self.on_state is not None or self.on_command is not None:
                self._observe(line)
            tokens = line.split(b" ", 5)
            word = tokens[0]
            if word == b"get" and len(tokens) == _HOT_GET_TOKENS and 0 < len(tokens[1]) <= KEY_MAX:
                item = cache.fetch(tokens[1])
                if item is None:
                    out.append(_END)
                else:
                    block = item.block
                    length = len(block)
                    self._room -= length
                    if length <= COPY_MAX:
                        out.append(block + _END)
                    else:
                        out.append(block)
                        out.append(_END)
            elif word == b"set" and len(tokens) == _HOT_SET_TOKENS and (after := self._set(data, pos, tokens)):
                pos = after
            else:
                if pos - begin < text.LINE_MIN:
                    out.append(replies.BAD_FORMAT)
                else:
                    self._dispatch(word, line)
                if self._phase is not Phase.COMMAND:
                    return pos
            if pos >= size:
                return pos
        self._yield(data, pos)
        return pos

    def _observe(self, line: bytes) -> None:
        if self.on_state is not None:
            self.on_state("new_cmd")
            self.on_state("parse_cmd")
        if self.on_command is not None:
            self.on_command(line)

    def _dispatch(self, word: bytes, line: bytes) -> None:
        if word in WORDS:
            cursor = start(self._state.cache, line)
            if isinstance(cursor, bytes):
                if cursor:
                    self._out.append(cursor)
            else:
                self._retrieval = cursor
                self._phase = Phase.RETRIEVAL
            return
        tokens = [token for token in line.split(b" ") if token]
        handler = text.COMMANDS.get(word)
        if handler is not None:
            reply = handler(self._state, tokens)
            if reply:
                self._out.append(reply)
            return
        mode = MODES.get(word)
        if mode is not None:
            self._begin_value(mode, tokens)
        elif word == b"quit":
            self._enter(Phase.CLOSED, "closing")
        else:
            answer = text.unknown(tokens or [b""])
            if answer is None:
                self._enter(Phase.CLOSED, "closing")
            elif answer:
                self._out.append(answer)

    def _send_values(self) -> bool:
        cursor = self._retrieval
        if cursor is not None:
            done = cursor.run(self._out, self._room, STEP_KEYS)
            self._room -= cursor.sent
            if not done:
                return False
        self._retrieval = None
        self._phase = Phase.COMMAND
        return True

    # -- lines --------------------------------------------------------------------------------------------------

    def _join_line(self, data: bytes) -> bytes | None:
        # The kept start of a line is copied once, when its end has come, not with every chunk.
        if b"\n" in data:
            joined = bytes(self._partial) + data
            self._partial = bytearray()
            return joined
        self._partial += data
        self._check_partial()
        return None

    def _keep_line(self, data: bytes, pos: int) -> None:
        if pos < len(data):
            self._partial += data[pos:] if pos else data
            self._check_partial()

    def _check_partial(self) -> None:
        length = len(self._partial)
        if length >= LINE_MAX:
            self._allow_long(self._partial, 0, length + 1)

    def _allow_long(self, data: Block, begin: int, length: int) -> bool:
        # `length` counts the line feed; both limits depend on the line alone, not on how it was cut.
        if data.startswith(LINE_STARTS, begin):
            if length <= RETRIEVAL_LINE_MAX:
                return True
            self._out.append(replies.NO_MEMORY_READING)
        self._partial = bytearray()
        self._enter(Phase.CLOSED, "closing")
        return False

    # -- values -------------------------------------------------------------------------------------------------

    def _set(self, data: bytes, pos: int, tokens: list[bytes]) -> int:
        """Carry out a plain ``set`` whose value is in the chunk; 0 for anything else, and nothing has happened."""
        _, key, flags_token, exptime_token, length_token = tokens
        if not (
            length_token.isdigit()
            and flags_token.isdigit()
            and exptime_token.isdigit()
            and len(length_token) <= _HOT_DIGITS
            and len(flags_token) <= _HOT_DIGITS
            and len(exptime_token) <= _HOT_DIGITS
            and 0 < len(key) <= KEY_MAX
        ):
            return 0
        length = int(length_token)
        after = pos + length + _LINE_END
        if data[after - _LINE_END : after] != b"\r\n":
            return 0
        flags = int(flags_token)
        size = ITEM_OVERHEAD + len(key) + 1 + length + _LINE_END
        if flags:
            size += FLAGS_SIZE
        cache = self._state.cache
        if size > cache.item_size_max or not cache.make_room(size):
            return 0
        exptime = int(exptime_token)
        if length <= COPY_MAX:
            block = b"VALUE %b %d %d\r\n%b" % (key, flags, length, data[pos:after])
        else:
            block = b"".join((b"VALUE %b %d %d\r\n" % (key, flags, length), memoryview(data)[pos:after]))
        self._state.stats.cmd_set += 1
        deadline = cache.deadline(exptime) if exptime else 0
        cache.put(key, Item(block, len(block) - length - _LINE_END, flags, deadline, size))
        self._out.append(replies.STORED)
        return after

    def _begin_value(self, mode: StoreMode, tokens: list[bytes]) -> None:
        header = read_header(mode, tokens)
        error = header.error
        if header.length < 0:
            self._out.append(error)
            return
        cache = self._state.cache
        size = item_size(header.key, header.flags, header.length)
        if not error:
            if size > cache.item_size_max:
                self._state.stats.store_too_large += 1
                error = replies.TOO_LARGE
            elif not cache.reserve(size):
                self._state.stats.store_no_memory += 1
                error = replies.NO_MEMORY_STORING
            if error and mode is StoreMode.SET:
                cache.drop(header.key)  # a set that failed must not leave the value it was to replace
        if error:
            self._swallow = header.length + _LINE_END
            self._refusal = b"" if header.noreply else error
            self._enter(Phase.SWALLOW, "swallow")
            return
        head = b"VALUE %b %d %d\r\n" % (header.key, header.flags, header.length)
        self._held = size
        self._header = header
        self._buffer = bytearray(len(head) + header.length + _LINE_END)
        self._buffer[: len(head)] = head
        self._view = memoryview(self._buffer)
        self._filled = len(head)
        # The exptime counts from the header, not from the end of the value.
        self._item = Item(b"", len(head), header.flags, cache.deadline(header.exptime), size)
        self._enter(Phase.VALUE, "nread")

    def _receive(self, data: bytes, pos: int) -> int:
        take = min(len(data) - pos, len(self._buffer) - self._filled)
        stop = self._filled + take
        self._view[self._filled : stop] = memoryview(data)[pos : pos + take]
        self._filled = stop
        if stop == len(self._buffer):
            self._complete()
        return pos + take

    def _complete(self) -> None:
        header = self._header
        item = self._item
        buffer = self._buffer
        self._drop_value()
        self._enter(Phase.COMMAND, "new_cmd")
        if header is None or item is None:
            return
        self._state.stats.cmd_set += 1
        if buffer.endswith(b"\r\n"):
            item.block = bytes(buffer) if len(buffer) <= _KEEP_BUFFER else buffer
            outcome = self._state.cache.store(header.mode, header.key, item, header.unique)
            reply = text.STORE_REPLIES[outcome]
        else:
            reply = replies.BAD_DATA_CHUNK
        if not header.noreply:
            self._out.append(reply)

    def _drop_value(self) -> None:
        self._state.cache.release(self._held)
        self._held = 0
        self._header = None
        self._item = None
        self._view.release()
        self._view = memoryview(b"")
        self._buffer = bytearray()

    def _skip(self, data: bytes, pos: int) -> int:
        take = min(len(data) - pos, self._swallow)
        self._swallow -= take
        if self._swallow == 0:
            self._enter(Phase.COMMAND, "new_cmd")
            if self._refusal:
                self._out.append(self._refusal)
        return pos + take
