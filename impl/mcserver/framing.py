"""What a connection is made of, and how lines and values are told apart in its input, in any cuts.

What is done with a line, or with a request of another protocol, is `Connection`'s business; what it has to keep between
two chunks of input is declared here.
"""

from collections.abc import Callable

from mcserver import replies
from mcserver.arrival import Arrival
from mcserver.auth_text import NOBODY, Door
from mcserver.cache import Block
from mcserver.dumps import Dump
from mcserver.incoming import Incoming
from mcserver.observe import Watcher
from mcserver.phases import CLOSED, COMMAND, STATE_NAMES, STRANGER, SWALLOW, VALUE, Phase
from mcserver.protocols import PACKET, UNDECIDED
from mcserver.retrieval import LINE_STARTS, Buffer, Retrieval
from mcserver.sasl import Exchange
from mcserver.settings import LINE_MAX, RETRIEVAL_LINE_MAX
from mcserver.state import ServerState
from mcserver.storage import StoreHeader

#: tuning: One step ends after this many bytes of values (the last one may exceed it) ...
STEP_BYTES = 256 * 1024
#: tuning: ... or this many commands without any, unless ``-R`` says otherwise.
STEP_COMMANDS = 256


def _no_push(_data: bytes) -> bool:
    return False


class Framing:
    """The state of one client's conversation, its lines and its values; `Connection` carries the commands out."""

    __slots__ = (
        "_arrival",
        "_cache",
        "_cost",
        "_door",
        "_eof",
        "_exchange",
        "_need",
        "_out",
        "_partial",
        "_phase",
        "_protocol",
        "_rest",
        "_retrieval",
        "_room",
        "_state",
        "_stats",
        "_watcher",
        "last",
        "more",
        "number",
        "on_command",
        "on_state",
        "push",
        "quit",
    )

    def __init__(self, state: ServerState) -> None:
        """Start at a command boundary of a connection to the server with `state`."""
        self._state = state
        self._cache = state.cache
        self._stats = state.stats
        self._phase: int = COMMAND if state.users is None else STRANGER
        self._door = NOBODY if state.users is None else Door()
        self._out: list[Buffer] = []
        self._protocol = state.protocol  # one of `protocols`
        self._exchange = None if state.sasl_users is None else Exchange(state.sasl_users, state.stats)
        self._partial = bytearray()  # a command line without its end, or a request of which `_need` bytes are needed
        self._need = 0
        self._rest = b""  # input that waits for `resume`
        self._retrieval: Retrieval | Dump  # while values or dumps are sent
        self._watcher: Watcher | None = None
        self._cost = STEP_BYTES // (state.settings.requests_per_turn or STEP_COMMANDS)
        self._eof = False
        self._room = STEP_BYTES  # what is left of this step
        self._arrival: Incoming  # while a value arrives
        #: Its number in ``stats conns`` and log lines, and the second in which its last commands were carried out.
        self.number = 0
        self.last = state.cache.now
        #: Whether the client said ``quit``.
        self.quit = False
        #: Takes what is sent without having been asked for now (log lines); False when there is no room for it.
        self.push: Callable[[bytes], bool] = _no_push
        #: Input is left that needs no new bytes: call `resume` when there is room for its replies.
        self.more = False
        #: Called with the name of every state entered, for observers; None costs nothing.
        self.on_state: Callable[[str], None] | None = None
        #: Called with every command line, for logs; None costs nothing.
        self.on_command: Callable[[bytes], None] | None = None

    @property
    def closed(self) -> bool:
        """The server has ended the conversation: send what was returned, then close."""
        return self._phase == CLOSED

    @property
    def answered(self) -> int:
        """How many pieces this step has made so far."""
        return len(self._out)

    def choose_by_datagram(self) -> None:
        """Let the first byte choose the protocol whatever ``-B`` says, as memcached does for datagrams; but packet."""
        if self._protocol != PACKET:
            self._protocol = UNDECIDED

    @property
    def phase(self) -> Phase:
        """What the next byte of input belongs to."""
        return Phase(self._phase)

    @property
    def between_commands(self) -> bool:
        """Whether it waits for a command, or for the rest of a command's line."""
        return self._phase in {COMMAND, STRANGER} and not self.more

    def state_name(self) -> str:
        """What it is doing, as memcached's ``stats conns`` calls it."""
        return "parse_cmd" if self._state.observer.fd == self.number else STATE_NAMES[self._phase]

    def _enter(self, phase: int, name: str) -> None:
        self._phase = phase
        if self.on_state is not None:
            self.on_state(name)

    def abort(self) -> None:
        """End the conversation now and give back what an unfinished value holds. Harmless when repeated."""
        if self._phase in {VALUE, SWALLOW}:
            self._arrival.abandon()
            del self._arrival
        if self._watcher is not None:
            self._state.observer.unwatch(self._watcher)
            self._watcher = None
            self._state.look()
        self._partial = bytearray()
        self._rest = b""
        self.more = False
        if self._phase != CLOSED:
            self._enter(CLOSED, "closed")

    def _observe(self, line: bytes) -> None:
        if self.on_state is not None:
            self.on_state("new_cmd")
            self.on_state("parse_cmd")
        if self.on_command is not None:
            self.on_command(line)

    def _yield(self, data: bytes, pos: int) -> None:
        self._rest = data[pos:]
        self.more = True
        if self.on_state is not None:
            self.on_state("mwrite")

    def _end(self, reply: bytes) -> None:
        """End the conversation because of a request that cannot be read; `reply` may be empty."""
        if self.on_state is not None:
            self.on_state("new_cmd")
            self.on_state("parse_cmd")
        if reply:
            self._out.append(reply)
        self._enter(CLOSED, "closing")

    # -- requests of a known length -----------------------------------------------------------------------------

    def _keep(self, data: bytes, pos: int, need: int) -> None:
        """Keep the start of a request at `pos` until `need` bytes of it are there."""
        self._partial = bytearray(data[pos:])
        self._need = need

    def _join_request(self, data: bytes) -> bytes | None:
        partial = self._partial
        if len(partial) + len(data) < self._need:
            partial.extend(data)
            return None
        self._partial = bytearray()
        return bytes(partial) + data

    # -- lines --------------------------------------------------------------------------------------------------

    def _join_line(self, data: bytes) -> bytes | None:
        # The kept start of a line is copied once, when its end has come, not with every chunk.
        if b"\n" in data:
            joined = bytes(self._partial) + data
            self._partial = bytearray()
            return joined
        self._partial.extend(data)
        self._check_partial()
        return None

    def _keep_line(self, data: bytes, pos: int) -> None:
        self._partial = bytearray(data[pos:])
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
        self._enter(CLOSED, "closing")
        return False

    # -- values -------------------------------------------------------------------------------------------------

    def _await(self, incoming: Incoming) -> None:
        """Wait for what belongs to the request that was just read."""
        self._arrival = incoming
        if incoming.kept:
            self._enter(VALUE, "nread")
        elif incoming.closes:
            self._phase = SWALLOW  # what is waited for is still the request's head
        else:
            self._enter(SWALLOW, "swallow")

    def _take_in(self, data: bytes, at: int, incoming: Incoming) -> int:
        """Wait for `incoming`, and take from `at` on what of it is there already; the position after that."""
        self._await(incoming)
        return self._receive(data, at)

    def _begin_value(self, header: StoreHeader | None) -> None:
        if header is None:
            self._out.append(replies.BAD_FORMAT)
            return
        arrival = Arrival(self._cache, self._stats, header)
        observer = self._state.observer
        if observer.active and not header.error:
            if header.meta is None:  # prefixes are not counted for the meta commands
                observer.announced(header.key)
            if not arrival.kept:
                observer.refused(header.key, header.mode, arrival.refusal_name)
        self._await(arrival)

    def _receive(self, data: bytes, pos: int) -> int:
        arrival = self._arrival
        pos = arrival.take(data, pos)
        if arrival.missing == 0:
            self._state.observer.fd = self.number
            reply = arrival.finish()
            if self._state.observer.active and arrival.outcome is not None:
                self._state.observer.stored(*arrival.summary())
            closes = arrival.closes
            del self._arrival
            if closes:
                self._end(reply)
                return pos
            self._enter(COMMAND, "new_cmd")
            if reply:
                self._out.append(reply)
        return pos
