"""Datagrams: a frame of 8 bytes, then requests; replies that are cut into numbered datagrams of 1,400 bytes.

A datagram is a conversation of its own: its first byte after the frame chooses the protocol, what it leaves unfinished
is forgotten, and what would close a connection only ends it. Every request is answered by a message of its own; a get
of several keys by one for each value, the last of which takes the END when the last key was found.
"""

import asyncio
import socket
import struct
from collections import deque
from collections.abc import Iterator
from typing import Self, cast

from mcserver import replies
from mcserver.connection import Connection
from mcserver.engine import Engine
from mcserver.handover import EngineLock
from mcserver.phases import Phase
from mcserver.retrieval import WORDS, Buffer

#: The frame: request id, number of this datagram, how many there are, reserved.
_FRAME = struct.Struct(">HHHH")
FRAME_SIZE = _FRAME.size
#: Bytes of a message in one datagram, which the frame makes 1,400.
PAYLOAD_MAX = 1392
#: A frame cannot count further.
TOTAL_MAX = 0xFFFF
_VALUE = b"VALUE "
#: tuning: Bytes of replies sent before others have their turn.
_STEP_BYTES = 256 * 1024
#: tuning: Datagrams that wait while a long reply is sent; the system keeps some more, and drops the rest.
_WAITING_MAX = 1024


def request_id(datagram: bytes) -> int | None:
    """The id of a request that is one datagram; None for anything else, which is not answered."""
    if len(datagram) <= FRAME_SIZE:
        return None
    identity, _, total, _ = _FRAME.unpack_from(datagram)
    return cast("int", identity) if total == 1 else None


def frames(identity: int, pieces: list[Buffer]) -> Iterator[bytes]:
    """The datagrams of one message. One too long to be numbered is counted, and cut, at 65,535 datagrams."""
    message = pieces[0] if len(pieces) == 1 else b"".join(pieces)
    total = min(-(-len(message) // PAYLOAD_MAX), TOTAL_MAX)
    for number in range(total):
        at = number * PAYLOAD_MAX
        yield _FRAME.pack(identity, number, total, 0) + message[at : at + PAYLOAD_MAX]


class Exchange:
    """One datagram's requests, served step by step; `run` gives the message of each."""

    __slots__ = ("_connection", "_last_key", "_left", "_marks", "_message")

    def __init__(self, connection: Connection) -> None:
        """Serve with a fresh `connection`, which is watched for where one request ends and the next begins."""
        self._connection = connection
        # Where in the pieces of this step a request begins, and its line.
        self._marks: list[tuple[int, bytes]] = []
        self._message: list[Buffer] = []  # of the request that was begun last
        self._last_key: bytes | None = None  # of that request, when it is a retrieval
        self._left = 0  # how often that key was asked for and not found yet
        connection.on_state = self._entered
        connection.on_command = self._begun

    def run(self, payload: bytes) -> Iterator[list[Buffer]]:
        """Serve `payload`; the replies to each request as pieces of one message or, for a get, of several."""
        connection = self._connection
        pieces = connection.feed(payload)
        while True:
            at = 0
            for mark, line in self._marks:
                yield from self._gather(pieces[at:mark])
                if self._message:
                    yield self._message
                at = mark
                self._message = []
                self._expect(line)
            self._marks.clear()
            yield from self._gather(pieces[at:])
            if not connection.more:
                break
            pieces = connection.resume()
        if self._message and connection.phase is not Phase.WATCH:  # nobody to send log lines to
            yield self._message

    def _entered(self, name: str) -> None:
        if name == "parse_cmd":
            self._marks.append((self._connection.answered, b""))

    def _begun(self, line: bytes) -> None:
        self._marks[-1] = (self._marks[-1][0], line)

    def _expect(self, line: bytes) -> None:
        word, _, rest = line.partition(b" ")
        self._last_key = None
        if word in WORDS:
            keys = [key for key in rest.split(b" ") if key][WORDS[word][1] :]
            self._last_key = keys[-1] if keys else b""
            self._left = keys.count(self._last_key)

    def _gather(self, pieces: list[Buffer]) -> Iterator[list[Buffer]]:
        """Add `pieces` to the message under way; of a retrieval, the messages that are whole."""
        if self._last_key is None:
            self._message += pieces
            return
        start = b"VALUE " + self._last_key + b" "
        for piece in pieces:
            begins = bytes(piece[: len(_VALUE)]) == _VALUE
            # A gat may find a key, let it expire, and not find it when it is asked for once more.
            if self._message and (begins or (piece == replies.END and self._left)):
                yield self._message
                self._message = []
            self._message.append(piece)
            self._left -= begins and bytes(piece[: len(start)]) == start


def answer(engine: Engine, datagram: bytes, number: int = 0) -> Iterator[bytes]:
    """The datagrams that answer `datagram`, made as they are asked for; `number` is that of the socket."""
    identity = request_id(datagram)
    if identity is None:
        return
    stats = engine.stats
    stats.bytes_read += FRAME_SIZE
    connection = engine.datagram()
    connection.number = number
    try:
        for message in Exchange(connection).run(datagram[FRAME_SIZE:]):
            for part in frames(identity, message):
                stats.bytes_written += len(part)
                yield part
    finally:
        connection.abort()


class Endpoint(asyncio.DatagramProtocol):
    """A UDP socket. Replies are sent in the order of requests, a step at a time."""

    def __init__(self, engine: Engine, loop: asyncio.AbstractEventLoop, number: int, lock: EngineLock | None) -> None:
        """Serve the socket with the number `number`; `lock` is that of the engine, None when there is one thread."""
        self._engine = engine
        self._loop = loop
        self._number = number
        self._lock = lock
        self._transport: asyncio.DatagramTransport
        self._waiting: deque[tuple[bytes, tuple[str, int]]] = deque()
        self._sending: tuple[Iterator[bytes], tuple[str, int]] | None = None
        self._unsent = False  # the transport asked us to stop sending

    @classmethod
    async def open(
        cls, engine: Engine, loop: asyncio.AbstractEventLoop, sock: socket.socket, lock: EngineLock | None
    ) -> Self:
        """Serve a bound socket from now on."""
        _, endpoint = await loop.create_datagram_endpoint(lambda: cls(engine, loop, sock.fileno(), lock), sock=sock)
        return endpoint

    def close(self) -> None:
        """Serve no more."""
        self._waiting.clear()
        self._sending = None
        self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        # uvloop's transports implement asyncio.DatagramTransport without deriving from it.
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Serve a request, or let it wait for those before it."""
        if self._sending is None:
            self._begin(data, addr)
            self._go_on()
        elif len(self._waiting) < _WAITING_MAX:
            self._waiting.append((data, addr))

    def error_received(self, exc: Exception) -> None:
        """Take note that a client is gone, as the system tells it: there is nothing to do about it."""

    def pause_writing(self) -> None:
        """Stop sending: the system takes no more for now."""
        self._unsent = True

    def resume_writing(self) -> None:
        """Send on."""
        self._unsent = False
        self._go_on()

    def _begin(self, data: bytes, addr: tuple[str, int]) -> None:
        self._engine.heard[self._number] = self._engine.cache.now
        self._sending = answer(self._engine, data, self._number), addr

    def _go_on(self) -> None:
        room = _STEP_BYTES
        while self._sending is not None and not self._unsent:
            if room <= 0:
                self._loop.call_soon(self._go_on)
                return
            datagrams, addr = self._sending
            datagram = self._next(datagrams)
            if datagram is not None:
                room -= len(datagram)
                self._transport.sendto(datagram, addr)
            elif self._waiting:
                self._begin(*self._waiting.popleft())
            else:
                self._sending = None

    def _next(self, datagrams: Iterator[bytes]) -> bytes | None:
        try:
            if self._lock is None:
                return next(datagrams, None)
            with self._lock:
                return next(datagrams, None)
        except Exception as error:  # noqa: BLE001 - the transport would close the socket, and with it everybody's
            self._loop.call_exception_handler({"message": "a datagram stays unanswered", "exception": error})
            return None
