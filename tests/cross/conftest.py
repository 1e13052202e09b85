"""The servers on which all protocols are spoken: the bundled one in this process, a memcached over sockets."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Iterator, Sequence

import pytest

from mcserver import inproc
from tests import conftest
from tests.cross.operations import SENTINELS, Protocol
from tests.cross.runs import FRAME, Exchange


class LostError(Exception):
    """A datagram did not come: that may be, and says nothing."""


def message(datagrams: Sequence[bytes]) -> bytes:
    """What the datagrams carry, in order: each message of a reply is numbered for itself, under the request's id."""
    data, at = b"", 0
    for datagram in datagrams:
        request, number, count, reserved = (datagram[index : index + 2] for index in (0, 2, 4, 6))
        assert (request, reserved, int.from_bytes(number, "big")) == (FRAME[:2], b"\0\0", at), datagram[:8]
        at = at + 1 if at + 1 < int.from_bytes(count, "big") else 0
        data += datagram[8:]
    return data


def in_process(*options: str) -> tuple[Exchange, Callable[[int], None]]:
    """An empty server in this process, over two connections of each protocol and datagrams; what moves its clock."""
    server = inproc.create(list(options))
    lines: dict[tuple[bool, int], inproc.Connection] = {}

    def exchange(conn: int, request: bytes, protocol: Protocol = "text", *, udp: bool = False) -> bytes:
        sentinel, ending = SENTINELS[protocol]
        if udp:
            data = message(server.datagram(FRAME + request + sentinel))
        else:
            key = (protocol == "binary", conn)
            line = lines[key] if key in lines else lines.setdefault(key, server.open())
            line.send(request + sentinel)
            data = line.receive()
        assert data.endswith(ending), data
        return data.removesuffix(ending)

    return exchange, server.advance


@pytest.fixture(scope="module")
def released(memcached_program: str) -> Iterator[Exchange]:
    """A memcached of this module's own (plans flush), over two connections of each protocol and datagrams."""
    server = conftest.start_server(lambda port: conftest.memcached_command(memcached_program, port, ["-U", str(port)]))
    with contextlib.ExitStack() as stack:
        lines: dict[tuple[bool, int], socket.socket] = {}
        datagrams = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        datagrams.connect((server.host, server.port))

        def over_udp(request: bytes, ending: bytes) -> bytes:
            datagrams.settimeout(0)
            with contextlib.suppress(BlockingIOError):
                while datagrams.recv(1 << 16):
                    pass  # what came too late for one that was given up
            datagrams.settimeout(10)
            datagrams.send(FRAME + request)
            heard: list[bytes] = []
            while not message(heard).endswith(ending):
                try:
                    heard.append(datagrams.recv(1 << 16))
                except TimeoutError as error:
                    raise LostError from error
            return message(heard)

        def exchange(conn: int, request: bytes, protocol: Protocol = "text", *, udp: bool = False) -> bytes:
            sentinel, ending = SENTINELS[protocol]
            if udp:
                return over_udp(request + sentinel, ending).removesuffix(ending)
            key = (protocol == "binary", conn)
            if key not in lines:
                lines[key] = stack.enter_context(server.connect())
            lines[key].sendall(request + sentinel)
            data = b""
            while not data.endswith(ending):
                more = lines[key].recv(1 << 16)
                assert more, f"closed after {data!r}"
                data += more
            return data.removesuffix(ending)

        yield exchange
    conftest.stop_server(server)
