"""Sockets to listen on: TCP over IPv4 and IPv6, UDP, and Unix sockets."""

import contextlib
import errno
import os
import resource
import socket
import stat
from typing import NamedTuple

from mcserver.settings import Address, Settings

#: Binding says so where the system knows a family of addresses but has none of them.
_FAMILY_MISSING = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
#: Files the process needs beside its clients' sockets, without those of its threads.
_OTHER_FILES = 64
#: Files of a thread: its pipe, and what its loop is made of.
_FILES_OF_A_THREAD = 8
#: tuning: Bytes of replies that the system may hold for UDP clients.
_SEND_BUFFER = 16 * 1024 * 1024


class ListenError(Exception):
    """An address that cannot be listened on; the message is one line that names it."""


class Listening(NamedTuple):
    """A socket that clients can reach."""

    sock: socket.socket
    #: How its clients speak TLS, if they do at all: a word before its address, see `Address`. None when they do not.
    tls: str | None = None

    @property
    def udp(self) -> bool:
        """Whether datagrams come in here, not connections."""
        return self.sock.type == socket.SOCK_DGRAM

    @property
    def name(self) -> str:
        """How ``stats conns`` shows it."""
        if self.sock.family == socket.AF_UNIX:
            return f"unix:{self.sock.getsockname()}"
        kind = "udp" if self.udp else "tcp"
        return f"{kind}6:{self.shown}" if self.sock.family == socket.AF_INET6 else f"{kind}:{self.shown}"

    @property
    def shown(self) -> str:
        """Where it is, for people."""
        if self.sock.family == socket.AF_UNIX:
            return str(self.sock.getsockname())
        host, port = self.sock.getsockname()[:2]
        return f"[{host}]:{port}" if self.sock.family == socket.AF_INET6 else f"{host}:{port}"


def _bind(sock: socket.socket, address: tuple[object, ...], port: int, backlog: int) -> None:
    if sock.type == socket.SOCK_STREAM:
        # Not for UDP: there it would let two servers share a port, and each datagram would reach one of them.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    else:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)  # the system takes less where it must
    if sock.family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    sock.bind((address[0], port, *address[2:]))
    if sock.type == socket.SOCK_STREAM:
        sock.listen(backlog)
    sock.setblocking(False)


def _listen(host: str | None, port: int, kind: socket.SocketKind, backlog: int) -> list[socket.socket]:
    """Sockets on every address of `host` (None: all interfaces); port 0 takes the same free one on all."""
    shown = f"{host or '*'}:{port}"
    try:
        found = socket.getaddrinfo(host, port, type=kind, flags=socket.AI_PASSIVE)
    except OSError as error:
        message = f"cannot listen on {shown}: {error.strerror}"
        raise ListenError(message) from error
    sockets: list[socket.socket] = []
    failure: OSError | None = None
    for family, _, protocol, _, address in found:
        try:
            sock = socket.socket(family, kind, protocol)
        except OSError as error:  # a family this system does not have
            failure = error
            continue
        try:
            _bind(sock, address, port, backlog)
            if port == 0:
                port = sock.getsockname()[1]
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


def _listen_unix(path: str, mode: int, backlog: int) -> socket.socket:
    """A listening Unix socket at `path`; a socket file that nobody listens on is replaced."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with contextlib.suppress(FileNotFoundError):
            if stat.S_ISSOCK(os.lstat(path).st_mode) and not _answers(path):
                os.unlink(path)  # noqa: PTH108 - the path goes to the socket layer as it is
        before = os.umask(0o777 & ~mode)
        try:
            sock.bind(path)
        finally:
            os.umask(before)
        sock.listen(backlog)
        sock.setblocking(False)
    except OSError as error:
        sock.close()
        message = f"cannot listen on {path}: {error.strerror or error}"
        raise ListenError(message) from error
    return sock


def _answers(path: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        return probe.connect_ex(path) == 0


def allow_connections(settings: Settings) -> None:
    """Raise this process's limit of open files so that ``-c`` clients fit. Raises ListenError when it cannot be."""
    count = settings.max_connections
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = count + _OTHER_FILES + (settings.threads - 1) * _FILES_OF_A_THREAD
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    try:
        limit = hard if hard == resource.RLIM_INFINITY else max(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, limit))
    except (OSError, ValueError) as error:
        message = f"cannot open {needed} files for {count} connections, the system allows {hard}: type a smaller -c"
        raise ListenError(message) from error


def open_sockets(settings: Settings) -> list[Listening]:
    """Every socket `settings` ask for, TCP before UDP. Raises ListenError; then none is left open."""
    if settings.unix_socket is not None:
        return [Listening(_listen_unix(settings.unix_socket, settings.unix_mode, settings.backlog))]
    addresses = settings.listen or (Address("*"),)
    kinds = [(socket.SOCK_STREAM, settings.port)]
    if settings.udp_port:
        kinds.append((socket.SOCK_DGRAM, settings.udp_port))
    opened: list[Listening] = []
    try:
        for kind, default in kinds:
            for host, port, tls in addresses:
                if port is None and default == 0:
                    continue
                chosen = max(default, 0) if port is None else port
                plain = not settings.tls or tls == "notls" or kind == socket.SOCK_DGRAM
                sockets = _listen(None if host == "*" else host, chosen, kind, settings.backlog)
                opened.extend(Listening(sock, None if plain else tls) for sock in sockets)
    except ListenError:
        for listening in opened:
            listening.sock.close()
        raise
    return opened
