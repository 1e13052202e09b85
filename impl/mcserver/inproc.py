"""The engine in this process, with a clock set by hand: for judging it in lock-step, without sockets or threads.

``create(["-m", "8", "-M"])`` takes the server's own flags. Nothing happens but inside the calls made here, and time
stands still between calls of `Server.advance`.
"""

from collections.abc import Sequence

from mcserver import replies
from mcserver.connection import Connection as _Engine
from mcserver.engine import Engine
from mcserver.options import OptionError, parse
from mcserver.peers import NOWHERE
from mcserver.udp import answer

#: The Unix time at which every server starts, in seconds.
START = 1_800_000_000.0


class Connection:
    """One client. Everything sent is processed before `send` returns."""

    __slots__ = ("_closed", "_engine", "_received", "_server")

    def __init__(self, server: "Server", engine: _Engine | None) -> None:
        """Wrap an admitted connection, or stand for a refused one when `engine` is None."""
        self._server = server
        self._engine = engine
        self._received: list[bytes | bytearray | memoryview] = []
        self._closed = engine is None
        if engine is None:
            self._received.append(replies.TOO_MANY_CONNECTIONS)
        else:
            engine.push = self._push

    def send(self, chunk: bytes) -> None:
        """Deliver bytes to the server and let it do everything they allow. Ignored once either side has closed."""
        engine = self._engine
        if engine is None:
            return
        received = self._received
        received.extend(engine.feed(chunk))
        while engine.more:
            received.extend(engine.resume())
        if engine.closed:
            self._finish()

    def receive(self) -> bytes:
        """Everything the server has written since the last call."""
        data = b"".join(self._received)
        self._received.clear()
        return data

    @property
    def closed(self) -> bool:
        """The server has closed its side; what it wrote before is still there to `receive`."""
        return self._closed

    def half_close(self) -> None:
        """End the client's output (FIN): the server answers what is complete and closes."""
        if self._engine is not None:
            self._engine.eof()
            if self._engine.closed:
                self._finish()

    def reset(self) -> None:
        """Break the connection (RST): nothing that was not received yet arrives any more."""
        if self._engine is not None:
            self._finish()
        self._received.clear()

    def _push(self, data: bytes) -> bool:
        self._received.append(data)
        return True

    def _finish(self) -> None:
        engine = self._engine
        if engine is not None:
            engine.abort()
            self._engine = None
            self._closed = True
            self._server.dismiss(engine.number)


class Server:
    """A server whose clock starts at `START` and moves only by `advance`."""

    __slots__ = ("_engine", "_now", "_opened")

    def __init__(self, options: Sequence[str] = ()) -> None:
        """Start an empty server with the command line `options`. Raises OptionError."""
        parsed = parse(options)
        if parsed.action != "run":
            message = f"option for {parsed.action} makes no server: leave it out"
            raise OptionError(message)
        self._now = START
        self._opened = 0
        self._engine = Engine(parsed.settings, self._clock)

    def _clock(self) -> float:
        return self._now

    @property
    def now(self) -> float:
        """The server's Unix time in seconds."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Move the clock on by `seconds`, 0 or more. Raises ValueError when negative."""
        if seconds < 0:
            message = f"time runs forward only, not by {seconds} s"
            raise ValueError(message)
        self._now += seconds
        self._engine.tick()

    def open(self) -> Connection:
        """Connect a new client; beyond ``-c`` it is answered with the refusal and closed."""
        if self._engine.admit():
            connection = self._engine.connection()
            self._opened += 1
            connection.number = self._opened
            self._engine.connections[self._opened] = (NOWHERE, connection)
            return Connection(self, connection)
        return Connection(self, None)

    def datagram(self, data: bytes) -> list[bytes]:
        """Deliver one datagram, frame and all, from one UDP client; the datagrams that answer it. ``-U`` may be off."""
        return list(answer(self._engine, data))

    def dismiss(self, number: int) -> None:
        """Count the closed connection `number` out; connections call this themselves."""
        self._engine.connections.pop(number, None)
        self._engine.dismiss()

    @property
    def connection_count(self) -> int:
        """Connections open now."""
        return self._engine.connection_count


def create(options: Sequence[str] = ()) -> Server:
    """Make a server with the command-line flags `options`. Raises `mcserver.options.OptionError` for bad ones."""
    return Server(options)
