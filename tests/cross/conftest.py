"""The servers on which both protocols are spoken: the bundled one in this process, a memcached over a socket."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import pytest

from mcserver import inproc
from tests import conftest
from tests.cross.runs import ENDING, SENTINEL, Exchange


def in_process() -> tuple[Exchange, Callable[[int], None]]:
    """An empty server in this process, over two connections; and what moves its clock."""
    server = inproc.create([])
    lines = [server.open(), server.open()]

    def exchange(conn: int, request: bytes) -> bytes:
        lines[conn].send(request + SENTINEL)
        data = lines[conn].receive()
        assert data.endswith(ENDING)
        return data.removesuffix(ENDING)

    return exchange, server.advance


@pytest.fixture(scope="module")
def released(memcached_program: str) -> Iterator[Exchange]:
    """A memcached of this module's own (plans flush), over two connections."""
    server = conftest.start_server(lambda port: conftest.memcached_command(memcached_program, port))
    with contextlib.ExitStack() as stack:
        lines = [stack.enter_context(server.connect()) for _ in range(2)]

        def exchange(conn: int, request: bytes) -> bytes:
            lines[conn].sendall(request + SENTINEL)
            data = b""
            while not data.endswith(ENDING):
                more = lines[conn].recv(1 << 16)
                assert more, f"closed after {data!r}"
                data += more
            return data.removesuffix(ENDING)

        yield exchange
    conftest.stop_server(server)
