"""Listening sockets and the life of the process: start, serve, stop on SIGINT or SIGTERM."""

import asyncio
import contextlib
import errno
import functools
import os
import resource
import signal
import socket
import stat
import sys
import time
from collections.abc import Callable

from mcserver import allocator
from mcserver.engine import Engine
from mcserver.loop import Client
from mcserver.pressure import Pressure, resident
from mcserver.settings import Settings

#: Connections the system may queue before they are accepted.
BACKLOG = 1024
#: tuning: So many of the least recently used items are looked at every second, to drop those that have expired.
RECLAIM_STEP = 1000
#: Bits of the mode taken from a Unix socket: only its owner may connect.
_UNIX_UMASK = 0o077
#: Binding says so where the system knows a family of addresses but has none of them.
_FAMILY_MISSING = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
#: Files the process needs beside its clients' sockets.
_OTHER_FILES = 64
#: Seconds granted at shutdown to clients that have not read their replies yet.
_SHUTDOWN_SECONDS = 0.5


class ListenError(Exception):
    """An address that cannot be listened on; the message is one line that names it."""


def steady_clock() -> Callable[[], float]:
    """Make a clock of Unix time that later changes of the system's clock do not move."""
    monotonic = time.monotonic
    offset = time.time() - monotonic()
    return lambda: offset + monotonic()


def _describe(family: int, address: tuple[str, int]) -> str:
    host, port = address[:2]
    return f"[{host}]:{port}" if family == socket.AF_INET6 else f"{host}:{port}"


def _listen_tcp(host: str | None, port: int) -> list[socket.socket]:
    """Listening sockets on every address of `host` (None: all interfaces); port 0 takes the same free one on all."""
    shown = f"{host or '*'}:{port}"
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        message = f"cannot listen on {shown}: {error.strerror}"
        raise ListenError(message) from error
    sockets: list[socket.socket] = []
    failure: OSError | None = None
    for family, kind, protocol, _, address in found:
        try:
            sock = socket.socket(family, kind, protocol)
        except OSError as error:  # a family this system does not have
            failure = error
            continue
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.bind((address[0], port, *address[2:]))
            if port == 0:
                port = sock.getsockname()[1]
            sock.listen(BACKLOG)
            sock.setblocking(False)
        except OSError as error:
            sock.close()
            if host is None and error.errno in _FAMILY_MISSING:
                failure = error
                continue
            for other in sockets:
                other.close()
            message = f"cannot listen on {shown}: {os.strerror(error.errno or 0)}"
            raise ListenError(message) from error
        sockets.append(sock)
    if not sockets:
        message = f"cannot listen on {shown}: {failure}"
        raise ListenError(message)
    return sockets


def _listen_unix(path: str) -> socket.socket:
    """A listening Unix socket at `path`; a socket file that nobody listens on is replaced."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with contextlib.suppress(FileNotFoundError):
            if stat.S_ISSOCK(os.lstat(path).st_mode) and not _answers(path):
                os.unlink(path)  # noqa: PTH108 - the path goes to the socket layer as it is
        before = os.umask(_UNIX_UMASK)
        try:
            sock.bind(path)
        finally:
            os.umask(before)
        sock.listen(BACKLOG)
        sock.setblocking(False)
    except OSError as error:
        sock.close()
        message = f"cannot listen on {path}: {error.strerror or error}"
        raise ListenError(message) from error
    return sock


def _answers(path: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        return probe.connect_ex(path) == 0


def allow_connections(count: int) -> None:
    """Raise this process's limit of open files so that `count` clients fit. Raises ListenError when it cannot be."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = count + _OTHER_FILES
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    try:
        limit = hard if hard == resource.RLIM_INFINITY else max(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, limit))
    except (OSError, ValueError) as error:
        message = f"cannot open {needed} files for {count} connections, the system allows {hard}: type a smaller -c"
        raise ListenError(message) from error


def open_sockets(settings: Settings) -> list[socket.socket]:
    """Every listening socket `settings` ask for. Raises ListenError; then none is left open."""
    if settings.unix_socket is not None:
        return [_listen_unix(settings.unix_socket)]
    default = max(settings.port, 0)
    sockets: list[socket.socket] = []
    try:
        if not settings.listen:
            return _listen_tcp(None, default)
        for host, port in settings.listen:
            if port is None and settings.port == 0:
                continue
            sockets += _listen_tcp(None if host == "*" else host, default if port is None else port)
    except ListenError:
        for sock in sockets:
            sock.close()
        raise
    return sockets


def _tick(engine: Engine, loop: asyncio.AbstractEventLoop, clients: set[Client]) -> None:
    """Keep the engine's time, at the turn of every second: a timer costs less than a clock read per request."""
    engine.tick()
    if engine.runtime.crawler:
        engine.cache.reclaim(RECLAIM_STEP)
    limit = engine.settings.idle_timeout
    if limit:
        for client in [client for client in clients if client.idle > limit]:
            engine.stats.idle_kicks += 1
            client.close()
    loop.call_later(1.0 - engine.clock() % 1.0, _tick, engine, loop, clients)


def _name(sock: socket.socket) -> str:
    """A listening socket as ``stats conns`` shows it."""
    if sock.family == socket.AF_UNIX:
        return f"unix:{sock.getsockname()}"
    host, port = sock.getsockname()[:2]
    return f"tcp6:[{host}]:{port}" if sock.family == socket.AF_INET6 else f"tcp:{host}:{port}"


async def serve(settings: Settings, sockets: list[socket.socket]) -> None:
    """Serve on listening `sockets` until SIGINT or SIGTERM, then close everything and remove the Unix socket's file."""
    loop = asyncio.get_running_loop()
    allocator.prepare()
    engine = Engine(settings, steady_clock())
    engine.cache.on_turnover = Pressure(engine.cache, loop.call_soon, resident).turned_over
    clients: set[Client] = set()
    _tick(engine, loop, clients)
    stop = asyncio.Event()
    engine.on_shutdown = stop.set
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    servers: list[asyncio.AbstractServer] = []
    for sock in sockets:
        unix = sock.family == socket.AF_UNIX
        create = loop.create_unix_server if unix else loop.create_server
        name = engine.listeners[sock.fileno()] = _name(sock)
        make = functools.partial(Client, engine, loop, clients, name)
        servers.append(await create(make, sock=sock, backlog=settings.backlog))
        if settings.verbosity:
            where = sock.getsockname() if unix else _describe(sock.family, sock.getsockname())
            print(f"mcserver: listening on {where}", file=sys.stderr, flush=True)
    await stop.wait()
    for server in servers:
        server.close()
    if settings.unix_socket is not None:
        with contextlib.suppress(OSError):
            os.unlink(settings.unix_socket)  # noqa: PTH108 - as above
    for client in list(clients):
        client.close()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_SHUTDOWN_SECONDS):
            for client in list(clients):
                await client.gone.wait()
