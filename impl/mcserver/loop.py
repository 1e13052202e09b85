"""The asyncio side of a client: one protocol object per socket, back-pressure both ways, and an orderly end.

Replies of one chunk of input leave in one write. A client that does not read fills its socket, then the transport's
buffer, and is then neither read from nor served until it reads again. A long run of commands is served in steps,
between which the others have their turn.
"""

import asyncio
import ssl
import sys
from collections.abc import Callable
from typing import cast

from mcserver import replies
from mcserver.connection import Connection
from mcserver.engine import Engine
from mcserver.peers import Peer
from mcserver.retrieval import Buffer

#: The transport may hold this many unsent bytes before the client is no longer served.
WRITE_BUFFER_HIGH = 64 * 1024
#: Batches of replies up to this many bytes are joined for one write, larger ones leave in one writev of their pieces.
#: Measured, in microseconds of the server's time for a get of 100 keys: values of 10 bytes 57 joined and 61 gathered,
#: 100 bytes 55 and 56, 600 bytes 62 and 67; 1,500 bytes 109 and 65, 8,000 bytes 380 and 113.
_JOIN_MAX = 64 * 1024
#: After the server has ended a conversation it goes on discarding input for this many seconds at most: closing at once
#: would make the system reset the connection, and a reset destroys replies the client has not read yet.
LINGER_SECONDS = 1.0


class Home:
    """The clients of one thread, and the loop that serves them."""

    __slots__ = ("_left", "clients", "engine", "loop", "number")

    def __init__(
        self, engine: Engine, loop: asyncio.AbstractEventLoop, number: int, left: Callable[[int, int], None]
    ) -> None:
        """Begin without clients; `left` is told the thread's number and that of every connection that has gone."""
        self.engine = engine
        self.loop = loop
        self.number = number
        self.clients: set[Client] = set()
        self._left = left

    def leave(self, accepted: int) -> None:
        """Count the connection with the number `accepted` out."""
        self._left(self.number, accepted)


class Client(asyncio.Protocol):
    """A client's socket, from accept to close."""

    __slots__ = (
        "_accepted",
        "_connection",
        "_ended",
        "_ending",
        "_engine",
        "_home",
        "_left",
        "_listener",
        "_loop",
        "_peer",
        "_timer",
        "_transport",
        "_unread",
        "gone",
    )

    _transport: asyncio.Transport

    def __init__(self, home: Home, listener: str, accepted: int) -> None:
        """Make the protocol of the connection with the number `accepted`, which came in on `listener`."""
        self._home = home
        self._engine = home.engine
        self._loop = home.loop
        self._connection: Connection = home.engine.connection()
        self._listener = listener
        self._accepted = accepted
        self._left = False  # counted out
        self._peer: Peer
        self._unread = False  # the transport asked us to stop writing
        self._ended = False  # the client has sent its FIN
        self._ending = False  # we have sent ours
        self._timer: asyncio.TimerHandle | None = None
        #: Set when the socket is closed and everything that could be sent was.
        self.gone = asyncio.Event()

    # -- asyncio.Protocol ---------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Enter the client into the books."""
        # uvloop's transports implement asyncio.Transport without deriving from it.
        self._transport = cast("asyncio.Transport", transport)
        self._home.clients.add(self)
        secure = transport.get_extra_info("ssl_object")
        if secure is None:
            self._transport.set_write_buffer_limits(high=WRITE_BUFFER_HIGH)
        else:
            self._transport.set_write_buffer_limits(high=self._engine.settings.tls_settings.write_buffer)
            self._engine.stats.ssl_new_sessions += not secure.session_reused
        self._introduce()
        if self._engine.verbosity > 1:
            name = transport.get_extra_info("peername") or "unix"
            self._connection.on_command = lambda line: print(f"<{name} {line!r}", file=sys.stderr)

    def data_received(self, data: bytes) -> None:
        """Serve a chunk of input."""
        connection = self._connection
        out = connection.feed(data)
        if out:
            self._send(out)
        if connection.more:
            self._transport.pause_reading()
            if not self._unread:
                self._loop.call_soon(self._go_on)
        elif connection.closed:
            self._end()

    def eof_received(self) -> bool:
        """Take the client's FIN: answer what is complete, then close."""
        self._ended = True
        self._connection.eof()
        if not self._connection.more:
            self._transport.close()
        return True  # the transport is closed by us, once everything owed is written

    def pause_writing(self) -> None:
        """Stop serving a client that does not read."""
        self._unread = True
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        """Serve a client again that has read."""
        self._unread = False
        if self._connection.more:
            self._go_on()
        else:
            self._read_on()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the client."""
        self._engine.stats.ssl_proto_errors += isinstance(exc, ssl.SSLError)
        self._connection.abort()
        self._home.clients.discard(self)
        self.gone.set()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._engine.connections.pop(self._connection.number, None)
        if self._engine.observer.active:
            reason = "normal" if self._ended or self._connection.quit else "error"
            self._engine.observer.disconnected(self._connection.number, self._peer.event, reason)
        self.leave()

    def leave(self) -> None:
        """Count the connection out. Harmless when repeated, as after a TLS handshake that failed."""
        if not self._left:
            self._left = True
            self._home.leave(self._accepted)

    def _introduce(self) -> None:
        """Enter the client into ``stats conns``, under the number of its socket."""
        connection = self._connection
        sock = self._transport.get_extra_info("socket")
        connection.number = sock.fileno()
        connection.push = self._push
        name = self._transport.get_extra_info("peername")
        if isinstance(name, tuple):
            host, port = name[:2]
            shown = f"tcp6:[{host}]:{port}" if ":" in host else f"tcp:{host}:{port}"
            self._peer = Peer(shown, self._listener, f"rip={host} rport={port} transport=tcp")
        else:
            path = self._listener.removeprefix("unix:")
            self._peer = Peer(self._listener, self._listener, f"rip={path} rport=0 transport=local")
        self._engine.connections[connection.number] = (self._peer, connection)
        if self._engine.observer.active:
            self._engine.observer.connected(connection.number, self._peer.event)

    def _push(self, data: bytes) -> bool:
        if self._unread or self._transport.is_closing():
            return False
        self._engine.stats.bytes_written += len(data)
        self._transport.write(data)
        return True

    @property
    def idle(self) -> int:
        """Seconds since the last command of a client that is between two commands; 0 for others."""
        connection = self._connection
        return self._engine.cache.now - connection.last if connection.between_commands else 0

    # -- the rest -----------------------------------------------------------------------------------------------

    def _send(self, out: list[Buffer]) -> None:
        stats = self._engine.stats
        if len(out) == 1:
            stats.bytes_written += len(out[0])
            self._transport.write(out[0])
            return
        size = sum(map(len, out))
        stats.bytes_written += size
        if size <= _JOIN_MAX:
            self._transport.write(b"".join(out))
        else:
            self._transport.writelines(out)

    def _go_on(self) -> None:
        """Take the next step of a run that was interrupted."""
        connection = self._connection
        if self._unread or self._transport.is_closing():
            return
        try:
            out = connection.resume()
        except BaseException:
            self._transport.abort()  # as transports do themselves when `data_received` fails
            raise
        if out:
            self._send(out)
        if connection.more:
            if not self._unread:
                self._loop.call_soon(self._go_on)
        elif connection.closed:
            self._end()
        elif not self._unread:
            self._read_on()

    def _read_on(self) -> None:
        if not self._ended and not self._transport.is_closing():
            self._transport.resume_reading()

    def _end(self) -> None:
        """End the conversation from our side: send what is owed, then FIN, then wait for the client to close."""
        if self._ending:
            return
        self._ending = True
        transport = self._transport
        if self._ended or not transport.can_write_eof():  # TLS says goodbye in words of its own
            transport.close()
            return
        if transport.is_closing():
            return
        transport.write_eof()
        if not self._unread:
            self._read_on()
        self._timer = self._loop.call_later(LINGER_SECONDS, transport.close)

    def close(self) -> None:
        """Close a client that was silent too long; replies already written are still sent."""
        self._connection.abort()
        self._transport.close()

    def drain(self) -> None:
        """Answer every request that has come whole, then close: the server is going to stop."""
        self._ended = True
        if not self._transport.is_closing():
            self._transport.pause_reading()
        self._connection.eof()
        if not self._connection.more:
            self._transport.close()

    def abandon(self) -> None:
        """Close at once: the client has not taken its replies in time."""
        self._transport.abort()


class Refused(asyncio.Protocol):
    """A client too many: it gets one line, and time to read it."""

    __slots__ = ("_loop", "_timer", "_transport", "gone")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Make the protocol of a connection about to be refused."""
        self._loop = loop
        #: Set when it is closed.
        self.gone = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say so, and close when the client has, or after a while."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(replies.TOO_MANY_CONNECTIONS)
        self._transport.write_eof()
        self._timer = self._loop.call_later(LINGER_SECONDS, self._transport.close)

    def connection_lost(self, _exc: Exception | None) -> None:
        """Forget it."""
        self._timer.cancel()
        self.gone.set()
