"""A server in this process, behind a byte interface: no socket, and a clock that is moved at will.

The adapter is named, never imported: ``inproc:MODULE:FACTORY``.  ``FACTORY(options)`` returns a server with ``now``,
``advance(seconds)`` and ``open()``; a connection has ``send(bytes)``, ``receive() -> bytes``, ``closed``,
``half_close()`` and ``reset()``.  One that serves UDP has ``datagram(bytes) -> list[bytes]`` as well: what it answers
to a datagram of a client, each answer a datagram.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from mcconform.targets.base import WITH_UDP, Arrival, Clock, Session, UnreachableError, UnsupportedError
from mcconform.targets.credentials import Credentials, wanted
from mcspec import Now

if TYPE_CHECKING:
    from mcconform.conversation import Transport

DEFAULT = "mcserver.inproc:create"
"""The bundled server's adapter."""


class Connection(Protocol):
    """One connection of an adapter."""

    @property
    def closed(self) -> bool:
        """Whether the server has closed it."""
        ...

    def send(self, chunk: bytes, /) -> None:
        """Hand over a chunk and process it entirely."""
        ...

    def receive(self) -> bytes:
        """Everything written since the last call."""
        ...

    def half_close(self) -> None:
        """The client's FIN."""
        ...

    def reset(self) -> None:
        """The client's RST."""
        ...


class Server(Protocol):
    """A server behind an adapter."""

    @property
    def now(self) -> float:
        """Its clock, in seconds."""
        ...

    def advance(self, seconds: float, /) -> None:
        """Move its clock."""
        ...

    def open(self) -> Connection:
        """A new connection."""
        ...


@runtime_checkable
class Datagrams(Protocol):
    """What a server that serves UDP has beside."""

    def datagram(self, data: bytes, /) -> list[bytes]:
        """The datagrams that answer one datagram."""
        ...


Factory = Callable[[Sequence[str]], Server]


class InprocSession:
    """A fresh server with the connections of one conversation."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._connections: dict[int, Connection] = {}
        self._stopped: set[int] = set()
        self._clients: dict[int, list[bytes]] = {}

    def now(self) -> Now:
        """The injected clock, exactly."""
        return Now(self._server.now, self._server.now)

    def open(self, conn: int, transport: Transport = "tcp") -> None:
        """Connect."""
        if transport == "udp":
            if not isinstance(self._server, Datagrams):
                raise UnsupportedError("needs UDP, which this adapter does not offer")
            self._clients[conn] = []
            return
        self._connections[conn] = self._server.open()

    def write(self, conn: int, chunk: bytes) -> None:
        """Hand over one chunk."""
        connection = self._connections.get(conn)
        if connection is not None and not connection.closed:
            connection.send(chunk)

    def datagram(self, conn: int, data: bytes) -> None:
        """Hand over one datagram; what answers it is there at once."""
        if isinstance(self._server, Datagrams) and conn in self._clients:
            self._clients[conn] += self._server.datagram(data)

    def pump(self, timeout: float) -> list[Arrival]:  # noqa: ARG002 - everything is there already
        """Everything written since the last call; never waits."""
        arrived: list[Arrival] = []
        for conn, datagrams in self._clients.items():
            if conn not in self._stopped:
                arrived += [(conn, data) for data in datagrams]
                datagrams.clear()
        for conn, connection in list(self._connections.items()):
            if conn in self._stopped:
                continue
            data = connection.receive()
            if data:
                arrived.append((conn, data))
            if connection.closed:
                arrived.append((conn, None))
                del self._connections[conn]
        return arrived

    def half_close(self, conn: int) -> None:
        """Send FIN."""
        if conn in self._connections:
            self._connections[conn].half_close()

    def reset(self, conn: int) -> None:
        """Send RST."""
        if conn in self._connections:
            self._connections.pop(conn).reset()

    def close(self, conn: int) -> None:
        """Close; the adapter knows no difference between this and a half-close nobody listens to."""
        if conn in self._connections:
            self._connections.pop(conn).half_close()

    def stop_reading(self, conn: int) -> None:
        """Leave what the server writes in the adapter."""
        self._stopped.add(conn)

    def resume(self, conn: int) -> None:
        """Read again."""
        self._stopped.discard(conn)

    def advance(self, seconds: float) -> None:
        """Move the clock."""
        self._server.advance(seconds)

    def end(self) -> None:
        """Reset every connection."""
        for connection in self._connections.values():
            connection.reset()
        self._connections.clear()
        self._clients.clear()


class InprocTarget:
    """Servers made by an adapter; every conversation gets a fresh one."""

    transport = "inproc"
    clock: Clock = "injected"
    immediate = True
    gap = 0.0

    def __init__(self, name: str) -> None:
        """Find the adapter.

        Raises:
            UnreachableError: if ``MODULE:FACTORY`` cannot be imported.
        """
        module, _, factory = (name or DEFAULT).partition(":")
        try:
            self._create: Factory = getattr(importlib.import_module(module), factory or "create")
        except (ImportError, AttributeError) as error:
            raise UnreachableError(f"inproc:{name}: {error}; write inproc:MODULE:FACTORY") from error
        self.address = name or DEFAULT
        self._credentials: Credentials | None = None

    def session(self, options: tuple[str, ...] = ()) -> Session:
        """A fresh server, started with the options."""
        # Its UDP has no port: datagrams are handed over.
        filled = tuple(word.replace(WITH_UDP[1], "11211") for word in options)
        if wanted(options):
            if self._credentials is None:
                self._credentials = Credentials()
            filled = self._credentials.fill(filled)
            # That is where servers look.
            os.environ.update(self._credentials.environment)
        return InprocSession(self._create(filled))

    def death(self, grace: float = 0.0) -> str | None:  # noqa: ARG002 - there is nothing to wait for
        """Never: it lives in this process."""
        return None

    def close(self) -> None:
        """Remove the user's file."""
        if self._credentials is not None:
            self._credentials.close()
            self._credentials = None
