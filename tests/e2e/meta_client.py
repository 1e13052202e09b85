"""meta-memcache made ready for the tests: clients that note which of their commands and options are used."""

from __future__ import annotations

import inspect
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from meta_memcache import (
    CacheClient,
    FailureHandling,
    LeasePolicy,
    RecachePolicy,
    RequestFlags,
    ServerAddress,
    SetMode,
    StalePolicy,
    connection_pool_factory_builder,
)
from meta_memcache.configuration import MigrationMode
from meta_memcache.connection.memcache_socket import MemcacheSocket
from meta_memcache.connection.pool import ConnectionPool

from tests.conftest import RunningServer, find_free_port

Note = tuple[str, str]
"""A command or a type, and the name of one of its parameters, fields or members; empty for itself."""

TIMEOUT = 10.0
"""Seconds in which a server that is busy with other tests must answer."""

RECORDS = (FailureHandling, LeasePolicy, RecachePolicy, StalePolicy)
OPTIONS = (SetMode, MigrationMode)


def everything() -> set[Note]:
    """All that the client's public interface has: commands with their parameters, options with their values."""
    found: set[Note] = set()
    for kind in (CacheClient, MemcacheSocket):
        for name, member in inspect.getmembers(kind):
            if name.startswith("_"):
                continue
            found.add((f"{kind.__name__}.{name}", ""))
            if callable(member):
                parameters = set(inspect.signature(member).parameters) - {"self"}
                found |= {(f"{kind.__name__}.{name}", parameter) for parameter in parameters}
    found |= {(kind.__name__, name) for kind in RECORDS for name in kind._fields}
    found |= {(kind.__name__, name) for kind in OPTIONS for name in kind.__members__}
    methods = {"replace", "to_bytes"}
    return found | {("RequestFlags", name) for name in dir(RequestFlags) if name[0] != "_" and name not in methods}


class Noting:
    """Passes everything on, and notes each command that is called with the parameters that are given."""

    def __init__(self, inner: Any, kind: str, notes: set[Note]) -> None:
        self.inner, self.kind, self.notes = inner, kind, notes

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.inner, name)
        if not callable(found) or name == "on_write_failure":
            self.notes.add((f"{self.kind}.{name}", ""))
            return found

        def call(*args: Any, **kwargs: Any) -> Any:
            given = inspect.signature(found).bind(*args, **kwargs).arguments
            self.notes.add((f"{self.kind}.{name}", ""))
            self.notes.update((f"{self.kind}.{name}", parameter) for parameter in given)
            for value in given.values():
                if isinstance(value, RECORDS):
                    # What is not the default was chosen.
                    defaults = type(value)()
                    chosen = [one for one in value._fields if getattr(value, one) != getattr(defaults, one)]
                    self.notes.update((type(value).__name__, one) for one in chosen)
                elif isinstance(value, OPTIONS):
                    self.notes.add((type(value).__name__, value.name))
            return found(*args, **kwargs)

        return call


@dataclass
class Api:
    """What a story works with: clients of one server, and keys of its own."""

    server: RunningServer
    prefix: str
    notes: set[Note] = field(default_factory=set)
    pools: list[ConnectionPool] = field(default_factory=list)
    sockets: list[socket.socket] = field(default_factory=list)

    def key(self, name: str = "key") -> str:
        """A key that no other story uses."""
        return f"{self.prefix}:{name}"

    def keys(self, *names: str) -> Iterator[str]:
        """Several of them."""
        return map(self.key, names)

    def address(self, name: str = "") -> ServerAddress:
        """The server; under several names it is several servers to the client."""
        return ServerAddress(self.server.host, self.server.port, name or None)

    def client(self, factory: str = "cache_client_from_servers", **options: Any) -> Any:
        """A client made by one of the factories, of the server unless `servers` are given."""
        given = {"servers": [self.address()], "connection_pool_factory_fn": self.pool, **options}
        made = Noting(CacheClient, "CacheClient", self.notes).__getattr__(factory)(**given)
        return Noting(made, "CacheClient", self.notes)

    def pool(self, address: ServerAddress) -> ConnectionPool:
        """A connection pool that `close` closes."""
        if address.port == self.server.port:
            made = connection_pool_factory_builder(connection_timeout=TIMEOUT, recv_timeout=TIMEOUT)(address)
        else:
            # The client's own way to connect leaves a socket open where nobody listens.
            made = ConnectionPool(str(address), partial(socket.create_connection, address[:2], TIMEOUT), 1, 3)
        self.pools.append(made)
        return made

    def connection(self) -> socket.socket:
        """A connection that `close` closes."""
        self.sockets.append(self.server.connect(TIMEOUT))
        return self.sockets[-1]

    def raw(self) -> Any:
        """The client's own socket, below its commands."""
        return Noting(MemcacheSocket(self.connection()), "MemcacheSocket", self.notes)

    def flags(self, **options: Any) -> RequestFlags:
        """Flags of a request; notes which."""
        self.notes.update(("RequestFlags", name) for name in options)
        return RequestFlags(**options)

    def close(self) -> None:
        """Close every connection."""
        for pool in self.pools:
            while pool._pool:
                pool._pool.popleft().close()
        for one in self.sockets:
            one.close()


def nowhere() -> ServerAddress:
    """An address where nobody listens."""
    return ServerAddress("127.0.0.1", find_free_port())
