"""A fault of the server's own costs the client that met it, and nobody else."""

from __future__ import annotations

import contextlib
import socket
import sys

import pytest

from tests import conftest

FAULTY = """
import sys
from mcserver import cli
from mcserver.connection import Connection
from mcserver.udp import Exchange

run, resume = Exchange.run, Connection.resume

def faulty_run(self, payload):
    if b"boom" in payload:
        raise RuntimeError("planted")
    return run(self, payload)

def faulty_resume(self):
    raise RuntimeError("planted")

Exchange.run, Connection.resume = faulty_run, faulty_resume
sys.exit(cli.main(sys.argv[1:]))
"""
"""A server that fails at datagrams with a certain word, and at whatever it does not get done in one turn."""

FRAME = b"\0\7\0\0\0\1\0\0"
PATIENCE = 10


@pytest.mark.parametrize("threads", ["1", "2"])
def test_a_fault_ends_nothing_but_the_client_that_met_it(threads: str) -> None:
    command = [sys.executable, "-c", FAULTY, "-l", conftest.HOST, "-t", threads]
    udp_port = conftest.find_free_port()
    server = conftest.start_server(lambda port: [*command, "-p", str(port), "-U", str(udp_port)])
    try:
        met_by_a_datagram(udp_port)
        met_by_a_connection(server)
    finally:
        status, written = conftest.stop_server(server)
    assert status == 0
    assert "a datagram stays unanswered" in written
    assert written.count("RuntimeError: planted") >= 3


def met_by_a_datagram(port: int) -> None:
    """What comes after it is answered."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.settimeout(PATIENCE)
        udp.connect((conftest.HOST, port))
        for request in (b"boom\r\n", b"boom\r\n", b"mn\r\n"):
            udp.send(FRAME + request)
        assert udp.recv(2000) == FRAME + b"MN\r\n"


def met_by_a_connection(server: conftest.RunningServer) -> None:
    """It is closed, another goes on."""
    with server.connect() as other, server.connect() as victim:
        victim.settimeout(PATIENCE)
        other.settimeout(PATIENCE)
        with contextlib.suppress(ConnectionError):
            victim.sendall(b"mn\r\n" * 200_000)
            while victim.recv(1 << 20):
                pass
        other.sendall(b"mn\r\n")
        assert other.recv(100) == b"MN\r\n"
