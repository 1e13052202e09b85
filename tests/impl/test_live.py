"""The same bytes to a real memcached: requests on which releases 1.6.18 to 1.6.45 agree, so any of them will do."""

import os
import random
import socket
import subprocess
from collections.abc import Iterator

import pytest

from mcserver.inproc import create
from tests.impl.support import read_to_end, wait_for

pytestmark = pytest.mark.memcached


def free_port() -> int:
    """Find a TCP port that is free now."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def answers(port: int) -> bool:
    """Tell whether someone listens on `port`."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="module")
def port(memcached_program: str) -> Iterator[int]:
    """Run a memcached of this module's own."""
    number = free_port()
    user = ["-u", "root"] if os.getuid() == 0 else []
    command = [memcached_program, "-l", "127.0.0.1", "-p", str(number), "-U", "0", "-t", "1", *user]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        assert wait_for(lambda: answers(number))
        yield number
        process.kill()


WORDS = (
    "set a 5 0 3|xyz;set a 0 0 3 noreply|xyz;add a 1 0 1|x;add b 1 100 2|bb;replace a 3 0 0|;replace zz 0 0 1|x;"
    "append a 0 0 2|>>;prepend b 0 0 1|<;append zz 0 0 1|x;cas a 0 0 1 999999999|x;cas zz 0 0 1 9|x;cas a 0 0 1 0|x;"
    "get a;get a b c;get c;gat 0 a;gat -1 b;gat x a;touch a 0;touch zz 0;touch a x;touch a -1;delete a;delete b 0;"
    "delete a noreply;delete zz;set n 0 0 2|99;incr n 1;incr n 18446744073709551615;decr n 5000;incr zz 1;incr a 1;"
    "incr n x;incr n -1;incr n 18446744073709551616;flush_all;flush_all -1;flush_all x;verbosity 0;verbosity x;foo;"
    "foo x;get\ta;SET a 0 0 1;set a 0 0 3|abcdefoo;"
    "set a 0 -1 1|x;set a 4294967296 0 1|x;"
    "set a 0 4294967296 1|x;set a +7 0 1|x;stats reset;stats nothing;get a a a;gat 2592001 a;xxx"
)


def request(text: str) -> bytes:
    """Turn ``line|value`` into bytes."""
    line, bar, value = text.partition("|")
    return line.encode() + b"\r\n" + (value.encode() + b"\r\n" if bar else b"")


@pytest.mark.parametrize("seed", range(40))
def test_same_replies(port: int, seed: int) -> None:
    """A random conversation, one request at a time, is answered alike."""
    draw = random.Random(seed)
    server = create()
    mine = server.open()
    with socket.create_connection(("127.0.0.1", port), timeout=2) as sock:
        sent = b"flush_all\r\n"
        for _ in range(60):
            mine.send(sent)
            sock.sendall(sent)
            expected = mine.receive()
            got = b""
            while len(got) < len(expected):
                chunk = sock.recv(65536)
                assert chunk, (sent, expected)
                got += chunk
            assert got == expected, sent
            sent = request(draw.choice(WORDS.split(";")))
        sock.sendall(b"quit\r\n")
        assert read_to_end(sock) == b""
