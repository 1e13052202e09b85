"""What the judge makes of an engine that raises is what the server's own loop makes of it."""

from __future__ import annotations

import socket
import sys

import pytest

from mcconform.conversation import Conversation, Datagram, Open, Send
from mcconform.lockstep import judge
from mcspec import Rules
from tests.conftest import HOST, RunningServer, start_server, stop_server
from tests.mutants import hand, loader
from tests.mutants.judge import CRASHED, KILLED, start, try_out

PLANTED = """
import sys
from mcserver import cli, meta

def run(*arguments):
    raise RuntimeError("planted")

meta.run = run
sys.exit(cli.main(sys.argv[1:]))
"""
"""A server in which every meta command raises."""

FRAME = b"\0\1\0\0\0\1\0\0"


@pytest.fixture
def planted() -> RunningServer:
    """That server, over TCP and UDP."""
    command = [sys.executable, "-c", PLANTED, "-l", HOST]
    return start_server(lambda port: [*command, "-p", str(port), "-U", str(port)])


def test_the_server_closes_the_connection_or_leaves_the_datagram_unanswered(planted: RunningServer) -> None:
    """Without the replies of that chunk; other connections are served as before."""
    try:
        with planted.connect() as broken, planted.connect() as other:
            broken.sendall(b"version\r\nmn\r\nversion\r\n")
            assert broken.recv(100) == b""
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
                client.settimeout(5)
                client.sendto(FRAME + b"version\r\n", (planted.host, planted.port))
                assert client.recv(100).startswith(FRAME + b"VERSION ")
                client.sendto(FRAME + b"mn\r\n", (planted.host, planted.port))
                other.sendall(b"version\r\n")
                assert other.recv(100).startswith(b"VERSION ")
                client.setblocking(False)
                with pytest.raises(BlockingIOError):
                    client.recv(100)
    finally:
        _, written = stop_server(planted)
    assert written.count("RuntimeError: planted") == 2


@pytest.mark.parametrize("over", ["tcp", "udp"])
def test_so_does_the_judge(over: str) -> None:
    """The missing reply is refused at a clause of the request; what the engine raised is told too."""
    steps = (Open(0, "udp"), Datagram(0, (FRAME + b"mn\r\n",))) if over == "udp" else (Open(0), Send(0, (b"mn\r\n",)))
    stream = Conversation(id="raises", steps=steps, options=("-U", "11211") if over == "udp" else ())
    engine = start(loader.unchanged(), stream)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("mcserver.meta.run", _planted)
        found = judge(stream, engine, Rules())
    assert found is not None
    assert found.error == "RuntimeError: planted"
    assert found.refusal is not None
    assert any(clause.startswith("meta.mn") for clause in found.refusal.clauses)


def _planted(*_arguments: object) -> int:
    raise RuntimeError("planted")


def test_it_kills_what_was_not_made_to_raise() -> None:
    """An operator mutant, which has no clause of its own, but no mistake written by hand."""
    mutant = next(one for one in hand.HAND if one.module == "meta" and one.clause.startswith("meta.mg"))
    text = loader.source("meta").replace("def run(", "def run(*_):\n    raise RuntimeError\n\n\ndef _run(", 1)
    killed = try_out("meta", text, streams=0)
    assert killed.how == KILLED
    assert killed.raised.startswith("RuntimeError")
    assert try_out("meta", text, mutant.clause, streams=0).how == CRASHED


def test_nobody_answers_where_the_server_does_not_start() -> None:
    """Nor can a hand-written mistake be that."""
    killed = try_out("meta", "raise RuntimeError", streams=0)
    assert killed.how == KILLED
    assert killed.raised.startswith("RuntimeError")
    assert try_out("meta", "raise RuntimeError", "meta.mg.hit", streams=0).how == CRASHED
