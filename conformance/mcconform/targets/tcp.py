"""A server at an address: TCP, TLS over it, a Unix socket, and UDP beside them.

Blocking waits are all in one place (``_wait``), and every one of them reads while it waits to write: a server that
stops reading because its answers pile up must not lock the judge up.
"""

from __future__ import annotations

import contextlib
import selectors
import shlex
import socket
import ssl
import struct
import time
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from mcconform.targets.base import WITH_UDP, Arrival, Clock, Session, TargetError, UnreachableError, UnsupportedError
from mcspec import Now

if TYPE_CHECKING:
    from mcconform.conversation import Transport
    from mcconform.targets.debugtime import HeldClock

CONNECT_TIMEOUT = 5.0
"""Seconds to wait for a connection."""

WRITE_TIMEOUT = 10.0
"""Seconds after which a chunk that the server does not take is given up."""

GAP = 1e-6
"""Seconds to sleep between two chunks: enough, as measured, for one write to be one read of the server."""

ACCEPT = 3e-4
"""The same after the first chunk of a connection, which the server has to accept first."""

CAREFUL = 3e-3
"""The same where a difference is confirmed or shrunk, and must not depend on luck."""

TICK = 1.1
"""Seconds by which a server's clock of whole seconds may be behind the real one."""

SLACK = 0.5
"""Seconds that may pass between writing a chunk and its being processed."""

DATAGRAM_BUFFER = 4 * 1024 * 1024
"""Bytes of datagrams that may wait to be read, as far as the system allows."""

_READ = 262144


class Tls(NamedTuple):
    """How the server's certificate is looked at."""

    authorities: str = ""
    """The file of the certificates that it must lead to; empty: those that the system trusts."""
    insecure: bool = False
    """Whether any certificate will do."""

    def context(self) -> ssl.SSLContext:
        """The client's side of TLS.

        Raises:
            TargetError: if the file cannot be read.
        """
        try:
            made = ssl.create_default_context(cafile=self.authorities or None)
        except OSError as error:
            raise TargetError(f"--ca {self.authorities}: {error.strerror or error}") from error
        if self.insecure:
            made.check_hostname = False
            made.verify_mode = ssl.CERT_NONE
        return made


@cache
def _context(tls: Tls) -> ssl.SSLContext:
    """The same for all connections: to read certificates takes time."""
    return tls.context()


class Address(NamedTuple):
    """Where a server listens; ``udp`` is its port for datagrams, 0 if none is known."""

    family: socket.AddressFamily
    address: str | tuple[str, int]
    shown: str
    udp: int = 0
    tls: Tls | None = None
    host: str = ""


def parse_address(name: str) -> Address:
    """Read ``HOST:PORT``, ``[V6]:PORT``, ``udp:HOST:PORT`` or ``unix:PATH``.

    Raises:
        TargetError: if it is none of them or the host has no address; the message says what to type.
    """
    if name.startswith(("unix:", "/")):
        path = name.removeprefix("unix:")
        return Address(socket.AF_UNIX, path, path)
    datagrams = name.startswith("udp:")
    host, colon, port = name.removeprefix("udp:").rpartition(":")
    if not colon or not port.isdecimal() or not 0 < int(port) < 65536:
        raise TargetError(f"not a target: {name!r}; type HOST:PORT, udp:HOST:PORT, unix:PATH or inproc:MODULE:FACTORY")
    host = host.removeprefix("[").removesuffix("]") or "127.0.0.1"
    try:
        family, _, _, _, address = socket.getaddrinfo(host, int(port), type=socket.SOCK_STREAM)[0]
    except OSError as error:
        raise UnreachableError(f"no such host: {host!r} ({error.strerror}); type HOST:PORT") from error
    where = str(address[0]), int(address[1])
    return Address(family, where, f"{host} {port}", where[1] if datagrams else 0, host=host)


def connect(address: Address) -> socket.socket:
    """A blocking connection, without Nagle's algorithm (it would join the chunks), in TLS if that is asked for.

    Raises:
        OSError: if it cannot be made.
    """
    made = socket.socket(address.family, socket.SOCK_STREAM)
    try:
        made.settimeout(CONNECT_TIMEOUT)
        made.connect(address.address)
        if address.family != socket.AF_UNIX:
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if address.tls is not None:
            made = _context(address.tls).wrap_socket(made, server_hostname=address.host or None)
    except OSError:
        made.close()
        raise
    return made


class SocketSession:
    """The sockets of one conversation."""

    def __init__(self, address: Address, gap: float = GAP) -> None:
        self.address = address
        self.held: HeldClock | None = None
        self._gap = gap
        self._selector = selectors.PollSelector()
        self._sockets: dict[int, socket.socket] = {}
        self._backlog: dict[int, bytearray] = {}
        self._arrived: list[Arrival] = []
        self._stopped: set[int] = set()
        self._wrote = False
        self._new: set[int] = set()
        self._accepting = False

    def now(self) -> Now:
        """Ticks of one second whose phase is unknown, unless somebody holds the clock."""
        if self.held is not None:
            return Now(self.held.time, self.held.time)
        at = time.time()
        return Now(at - TICK, at + SLACK)

    def open(self, conn: int, transport: Transport = "tcp") -> None:
        """Connect, or bind a UDP client to the server's address."""
        try:
            made = connect(self.address) if transport == "tcp" else self._client()
        except OSError as error:
            raise UnreachableError(
                f"{self.address.shown}: {error.strerror or error}; is the server running?"
            ) from error
        made.setblocking(False)
        self._sockets[conn] = made
        self._new.add(conn)
        self._selector.register(made, selectors.EVENT_READ, conn)

    def _client(self) -> socket.socket:
        if not self.address.udp or isinstance(self.address.address, str):
            raise UnsupportedError("needs UDP: type udp:HOST:PORT, or --spawn 'CMD -p {port} {options}'")
        made = socket.socket(self.address.family, socket.SOCK_DGRAM)
        # The answer to one datagram may be hundreds: what does not fit is lost.
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, DATAGRAM_BUFFER)
        made.connect((self.address.address[0], self.address.udp))
        return made

    def datagram(self, conn: int, data: bytes) -> None:
        """Send one datagram; what the network does not take is lost, as datagrams are."""
        if conn in self._sockets:
            self._wrote = True
            with contextlib.suppress(OSError):
                self._sockets[conn].send(data)

    def write(self, conn: int, chunk: bytes) -> None:
        """Write one chunk; while its reader is stopped, what does not fit is kept and written later."""
        if conn not in self._sockets:
            return
        if self._wrote:
            time.sleep(max(self._gap, ACCEPT) if self._accepting else self._gap)
        self._wrote = True
        self._accepting = conn in self._new
        self._new.discard(conn)
        backlog = self._backlog.setdefault(conn, bytearray())
        backlog += chunk
        deadline = time.monotonic() + WRITE_TIMEOUT
        self._flush(conn)
        while self._backlog.get(conn) and conn not in self._stopped and time.monotonic() < deadline:
            self._watch(conn)
            self._wait(0.05)

    def pump(self, timeout: float) -> list[Arrival]:
        """What arrived, waiting for the first of it."""
        if not self._arrived:
            self._wait(timeout)
        arrived, self._arrived = self._arrived, []
        if arrived:
            self._wrote = False
        return arrived

    def half_close(self, conn: int) -> None:
        """Send FIN."""
        if conn in self._sockets:
            with contextlib.suppress(OSError):
                self._sockets[conn].shutdown(socket.SHUT_WR)

    def reset(self, conn: int) -> None:
        """Send RST: a close with a linger time of zero."""
        if conn in self._sockets:
            with contextlib.suppress(OSError):
                self._sockets[conn].setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._forget(conn)

    def close(self, conn: int) -> None:
        """Close both directions."""
        if conn in self._sockets:
            self._forget(conn)

    def stop_reading(self, conn: int) -> None:
        """Leave what arrives in the kernel's buffers."""
        self._stopped.add(conn)
        self._watch(conn)

    def resume(self, conn: int) -> None:
        """Read again."""
        self._stopped.discard(conn)
        self._watch(conn)

    def advance(self, seconds: float) -> None:
        """Wait, or move the clock that is held."""
        if self.held is not None:
            self.held.advance(seconds)
        else:
            time.sleep(seconds)

    def end(self) -> None:
        """Close every socket."""
        for conn in list(self._sockets):
            self._forget(conn)
        self._selector.close()

    def _wait(self, timeout: float) -> None:
        """Handle what the sockets have, waiting at most ``timeout`` seconds for the first of it."""
        if not self._selector.get_map():
            return
        for key, mask in self._selector.select(max(timeout, 0)):
            conn = key.data
            if mask & selectors.EVENT_WRITE:
                self._flush(conn)
            if mask & selectors.EVENT_READ:
                self._read(conn)

    def _read(self, conn: int) -> None:
        made = self._sockets[conn]
        while True:
            try:
                data = made.recv(_READ)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return
            except OSError:
                data = b""
            if made.type == socket.SOCK_DGRAM:
                if not data:
                    # A port that is closed says so; an empty datagram says nothing.
                    return
            elif not data:
                self._arrived.append((conn, None))
                self._forget(conn)
                return
            self._arrived.append((conn, data))
            if made.type == socket.SOCK_STREAM and not isinstance(made, ssl.SSLSocket):
                # Once is enough; TLS and datagrams have more than the selector knows, or are soon lost.
                return

    def _flush(self, conn: int) -> None:
        backlog = self._backlog[conn]
        while backlog:
            try:
                sent = self._sockets[conn].send(backlog)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                break
            except OSError:
                # The server has closed: the ending is reported by reading, after the bytes that came before it.
                backlog.clear()
                break
            del backlog[:sent]
        self._watch(conn)

    def _watch(self, conn: int) -> None:
        """Register for what is wanted now: a socket that wants nothing is not in the selector."""
        made = self._sockets.get(conn)
        if made is None:
            return
        wanted = 0 if conn in self._stopped else selectors.EVENT_READ
        if self._backlog.get(conn):
            wanted |= selectors.EVENT_WRITE
        registered = self._selector.get_map().get(made)
        if registered is None:
            if wanted:
                self._selector.register(made, wanted, conn)
        elif not wanted:
            self._selector.unregister(made)
        elif registered.events != wanted:
            self._selector.modify(made, wanted, conn)

    def _forget(self, conn: int) -> None:
        made = self._sockets.pop(conn)
        self._backlog.pop(conn, None)
        with contextlib.suppress(KeyError):
            self._selector.unregister(made)
        made.close()


class SocketTarget:
    """A server that somebody else runs."""

    clock: Clock = "sleep"
    immediate = False
    gap = GAP

    def __init__(self, address: Address) -> None:
        self.where = address
        self.transport = "unix" if address.family == socket.AF_UNIX else "udp" if address.udp else "tcp"
        self.address = address.shown

    def session(self, options: tuple[str, ...] = ()) -> Session:
        """A new session; options cannot be given to a server that is running already."""
        if options and not (options == WITH_UDP and self.where.udp):
            raise UnsupportedError(
                f"needs the server options {shlex.join(options)}: use --spawn 'CMD -p {{port}} {{options}}'"
            )
        return SocketSession(self.where, self.gap)

    def death(self, grace: float = 0.0) -> str | None:  # noqa: ARG002 - there is nothing to wait for
        """Not known: the process is not ours."""
        return None

    def close(self) -> None:
        """Nothing to stop."""
