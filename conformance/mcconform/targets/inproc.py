"""A server in this process, behind a byte interface: no socket, and a clock that is moved at will.

The adapter is named, never imported: ``inproc:MODULE:FACTORY``.  ``FACTORY(options)`` returns a server with ``now``,
``advance(seconds)`` and ``open()``; a connection has ``send(bytes)``, ``receive() -> bytes``, ``closed``,
``half_close()`` and ``reset()``.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import Protocol

from mcconform.targets.base import Arrival, Clock, Session, UnreachableError
from mcspec import Now

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


Factory = Callable[[Sequence[str]], Server]


class InprocSession:
    """A fresh server with the connections of one conversation."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._connections: dict[int, Connection] = {}
        self._stopped: set[int] = set()

    def now(self) -> Now:
        """The injected clock, exactly."""
        return Now(self._server.now, self._server.now)

    def open(self, conn: int) -> None:
        """Connect."""
        self._connections[conn] = self._server.open()

    def write(self, conn: int, chunk: bytes) -> None:
        """Hand over one chunk."""
        connection = self._connections.get(conn)
        if connection is not None and not connection.closed:
            connection.send(chunk)

    def pump(self, timeout: float) -> list[Arrival]:  # noqa: ARG002 - everything is there already
        """Everything written since the last call; never waits."""
        arrived: list[Arrival] = []
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

    def session(self, options: tuple[str, ...] = ()) -> Session:
        """A fresh server, started with the options."""
        return InprocSession(self._create(options))

    def death(self, grace: float = 0.0) -> str | None:  # noqa: ARG002 - there is nothing to wait for
        """Never: it lives in this process."""
        return None

    def close(self) -> None:
        """Nothing to stop."""
