"""The same binary streams to a real memcached: requests on which releases 1.6.18 to 1.6.45 agree."""

import random
import socket
import struct
from collections.abc import Iterator

import pytest

from mcserver.inproc import create
from tests.impl.frames import binary, count, store, timed
from tests.impl.test_live import port as port  # noqa: PLC0414 - the fixture

pytestmark = pytest.mark.memcached

KEYS = (b"a", b"b", b"n", b"k c", b"x" * 250, b"\0\n")
EXPTIMES = (0, 0, 100_000, 2_592_000, 2_592_001, 0xFFFFFFFF)
VALUES = (b"", b"5", b"18446744073709551615", b"abc", b"v" * 1000, b"99", b"x" * 1_048_600)
SENTINEL = binary(0x0A, opaque=0xDEADBEEF)
_HEADER = struct.Struct(">BBHBBHIIQ")

Cas = tuple[int, int]


def replies(data: bytes) -> list[bytes]:
    """Cut `data` into packets."""
    found = []
    while data:
        end = _HEADER.size + _HEADER.unpack_from(data)[6]
        found.append(data[:end])
        data = data[end:]
    return found


def ask(sock: socket.socket, data: bytes) -> bytes:
    """Send `data` and the sentinel, and read up to the sentinel's reply."""
    sock.sendall(data + SENTINEL)
    got = b""
    while not got.endswith(struct.pack(">BBHBBHIIQ", 0x81, 0x0A, 0, 0, 0, 0, 0, 0xDEADBEEF, 0)):
        chunk = sock.recv(1 << 20)
        assert chunk, data
        got += chunk
    return got


def draw_request(draw: random.Random, uniques: list[Cas]) -> tuple[bytes, bytes]:
    """Draw one request, for this server and for the other one: they differ in the cas unique."""
    key = draw.choice(KEYS)
    exptime = draw.choice(EXPTIMES)
    known = draw.choice(uniques) if uniques and draw.random() < 0.3 else None
    cases = (0, 0) if draw.random() < 0.8 else (1, 1)
    pair = []
    kind, pick, value, number = (
        draw.randrange(12),
        draw.randrange(8),
        draw.choice(VALUES),
        draw.choice((0, 1, 2**64 - 1)),
    )
    for cas in known or cases:
        match kind:
            case 0 | 1 | 2:
                request = store((1, 2, 3, 0x11, 0x12, 0x13, 1, 2)[pick], key, value, pick, exptime, cas)
            case 3:
                request = count((5, 6, 0x15, 0x16)[pick % 4], key, number, pick, exptime, cas)
            case 4:
                request = binary((0x0E, 0x0F, 0x19, 0x1A)[pick % 4], key, value=value[:7], cas=cas)
            case 5:
                request = binary((4, 0x14)[pick % 2], key, cas=cas)
            case 6:
                request = timed((0x1C, 0x1D, 0x1E, 0x23, 0x24)[pick % 5], key, exptime)
            case 7:
                request = binary((8, 0x18, 0x0A, 0x20)[pick % 4], datatype=pick, vbucket=pick)
            case 8:
                request = binary((0x2B, 0x55, 0x21, 0x22)[pick % 4], b"m" * (pick % 4 // 2), value=value[:9])
            case 9:
                request = binary(0x10, (b"sizes", b"conns", b"reset", b"detail on", b"detail off", b"x")[pick % 6])
            case _:
                request = binary((0, 9, 0x0C, 0x0D)[pick % 4], key)
        pair.append(request)
    return pair[0], pair[1]


@pytest.fixture
def live(port: int) -> Iterator[socket.socket]:
    """Connect to the real memcached, emptied."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as sock:
        ask(sock, binary(8))
        yield sock


@pytest.mark.parametrize("seed", range(40))
def test_same_replies(live: socket.socket, seed: int) -> None:
    """A random conversation, one request at a time, cut anywhere, is answered alike but for the cas uniques."""
    draw = random.Random(seed)
    mine = create().open()
    uniques: list[Cas] = []
    for _ in range(60):
        request, other = draw_request(draw, uniques)
        cut = draw.randrange(len(request))
        mine.send(request[:cut])
        mine.send(request[cut:] + SENTINEL)
        got, expected = replies(mine.receive()), replies(ask(live, other))
        assert [reply[:16] + reply[24:] for reply in got] == [reply[:16] + reply[24:] for reply in expected], request
        for one, two in zip(got, expected, strict=True):
            pair = _HEADER.unpack_from(one)[8], _HEADER.unpack_from(two)[8]
            assert (pair[0] == 0) == (pair[1] == 0)
            assert all((pair[0] == a) == (pair[1] == b) for a, b in uniques)
            if pair[0] and pair not in uniques:
                uniques.append(pair)


@pytest.mark.parametrize(
    "stream",
    [
        binary(0, b"a", magic=0x81),
        binary(0, b"abcde", bodylen=4),
        binary(0, b"k" * 251),
        binary(0, b"k" * 16361),
        binary(0, b"k" * 65535),
        binary(0),
        binary(1, b"a", value=b"v"),
        binary(4, b"a", value=b"v"),
        binary(5, b"a", b"\0" * 8),
        binary(7, b"a"),
        binary(8, b"", b"\0" * 8),
        binary(0x0B, extras=b"e"),
        binary(0x10, extras=b"e"),
        binary(0x1C, b"a"),
        binary(0x20, b"a"),
        binary(0x21, value=b"x"),
        binary(7),
        binary(0x17),
    ],
)
def test_same_end(port: int, stream: bytes) -> None:
    """What ends a conversation there ends it here, with the same last words."""
    mine = create().open()
    mine.send(SENTINEL)
    first = mine.receive()
    mine.send(stream + b"\0" * 64)
    assert mine.closed
    got = b""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as sock:
        assert ask(sock, b"") == first
        try:
            sock.sendall(stream + b"\0" * 64)
            while chunk := sock.recv(65536):
                got += chunk
        except ConnectionError:
            pass  # what was not read when it closed makes it a reset
    assert mine.receive() == got
