"""The fixtures that all tests stand on start what they say they start."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable

import pytest

from tests import conftest


def version(server: conftest.RunningServer) -> bytes:
    with server.connect() as connection:
        connection.sendall(b"version\r\n")
        return connection.recv(4096)


def test_a_free_port_can_be_bound(free_port: Callable[[], int]) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", free_port()))


@pytest.mark.memcached
def test_the_real_memcached_answers(memcached: conftest.RunningServer) -> None:
    assert version(memcached).startswith(b"VERSION 1.")


@pytest.mark.memcached
def test_a_memcached_of_ones_own_takes_options(start_memcached: Callable[..., conftest.RunningServer]) -> None:
    server = start_memcached("-I", "2m")
    with server.connect() as connection:
        connection.sendall(b"stats settings\r\nquit\r\n")
        settings = connection.makefile("rb").read()
    assert b"STAT item_size_max 2097152\r\n" in settings


def test_the_bundled_server_answers(mcserver_process: conftest.RunningServer) -> None:
    assert b"mcserver" in version(mcserver_process)


def test_a_server_that_ends_at_once_is_reported_with_its_words() -> None:
    program = "import sys; sys.exit('no such option')"
    with pytest.raises(conftest.NotStartedError, match="ended with 1: no such option"):
        conftest.start_server(lambda _: [sys.executable, "-c", program], attempts=1)
