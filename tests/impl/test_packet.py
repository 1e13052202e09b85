"""The packet protocol: each conversation of `packet_cases` whole, byte by byte, and with more behind it; limits."""

import random
import struct

import pytest

from mcserver.inproc import Connection, create
from tests.impl.frames import packet, unpack
from tests.impl.packet_cases import (
    ADD,
    CASES,
    DELETE,
    FLUSH,
    FLUSHQ,
    GAT,
    GET,
    GETQ,
    MIB,
    NOOP,
    QUIT,
    QUITQ,
    SET,
    SETQ,
    STAT,
    STATS,
    VERSION,
    bad,
    delete,
    hit,
    ok,
    store,
    timed,
)


def fresh(*options: str) -> Connection:
    return create(["-B", "packet", *options]).open()


@pytest.mark.parametrize("name", CASES)
def test_code(name: str) -> None:
    requests, expected = CASES[name]
    stream = b"".join(requests)
    whole = fresh()
    whole.send(stream)
    assert unpack(whole.receive()) == expected
    assert not whole.closed
    slow = fresh()
    step = 1 if len(stream) < 20_000 else 997
    for at in range(0, len(stream), step):
        slow.send(stream[at : at + step])
    assert unpack(slow.receive()) == expected
    more = fresh()
    more.send(stream + packet(NOOP) + packet(VERSION)[:4])
    assert unpack(more.receive()) == [*expected, ok()]


@pytest.mark.parametrize("code", [QUIT, QUITQ])
def test_quit(code: int) -> None:
    connection = fresh()
    connection.send(packet(GET, b"a") + packet(code) + packet(GET, b"a"))
    assert unpack(connection.receive()) == [bad(GET, "missing")]
    assert connection.closed


@pytest.mark.parametrize("length", [0, 1, 4, (1 << 30) + 1, 1 << 31, 0xFFFFFFFF])
def test_bad_length(length: int) -> None:
    """Answered as soon as the four bytes are there; what is behind is not read."""
    head = struct.pack(">I", length)
    for chunks in ([packet(NOOP) + head], [packet(NOOP) + head[:3], head[3:]], [packet(NOOP) + head + packet(NOOP)]):
        connection = fresh()
        for chunk in chunks:
            assert not connection.closed
            connection.send(chunk)
        assert unpack(connection.receive()) == [ok(), bad(0x0, "bad length")]
        assert connection.closed


def test_the_longest_packet_is_swallowed_as_it_comes() -> None:
    connection = fresh()
    connection.send(struct.pack(">IB", 1 << 30, SET) + struct.pack(">QIiB", 0, 0, 0, 1) + b"a")
    for _ in range(64):
        connection.send(b"x" * MIB)
    assert connection.receive() == b""
    assert not connection.closed


def test_what_will_be_refused_is_not_kept() -> None:
    connection = fresh()
    engine = connection._engine
    assert engine is not None
    for code in (GET, STATS, 0x99):
        connection.send(struct.pack(">IB", 5 + 1025, code) + b"x" * 1000)
        assert len(engine._partial) == 0
        connection.send(b"x" * 25)
    assert [code for code, _ in unpack(connection.receive())] == [0xE4, 0xE4, 0xE0]


def test_an_end_inside_a_packet_is_not_answered() -> None:
    for cut in (1, 4, 5, 10, 30):
        connection = fresh()
        connection.send(packet(NOOP) + store(SET, b"key", b"value" * 5)[:cut])
        connection.half_close()
        assert unpack(connection.receive()) == [ok()]
        assert connection.closed


def test_a_packet_counts_when_it_is_whole() -> None:
    """A time to live counts from the last byte on, and only then a set that fails takes the old value away."""
    server = create(["-B", "packet"])
    one, other = server.open(), server.open()
    one.send(store(SET, b"a", b"1"))
    small, large = store(SET, b"b", b"1" * 10, 0, 10), store(SET, b"a", b"x" * MIB)
    one.send(small[:-1])
    server.advance(8)
    one.send(small[-1:] + large[:-1])
    server.advance(8)
    other.send(packet(GET, b"b") + packet(GET, b"a"))
    assert unpack(other.receive()) == [hit(b"b", 3, b"1" * 10), hit(b"a", 2, b"1")]
    one.send(large[-1:])
    other.send(packet(GET, b"a"))
    assert unpack(other.receive()) == [bad(GET, "missing")]


def test_switches() -> None:
    """-F forbids flush, -M answers that memory is full, -C has no cas uniques."""
    connection = fresh("-F")
    connection.send(packet(FLUSH) + packet(FLUSHQ))
    assert unpack(connection.receive()) == [bad(FLUSH, "not allowed"), bad(FLUSHQ, "not allowed")]
    connection = fresh("-m", "2", "-M", "-I", "900k")
    connection.send(b"".join(store(SETQ, b"%d" % key, b"x" * 850_000) for key in range(3)))
    connection.receive()
    connection.send(store(SET, b"0", b"x" * 850_000) + packet(GET, b"0"))
    assert unpack(connection.receive()) == [bad(SET, "no memory"), bad(GET, "missing")]
    connection = fresh("-C")
    connection.send(store(SET, b"a", b"1") + packet(GET, b"a") + store(SET, b"a", b"2", cas=5))
    assert unpack(connection.receive()) == [ok(0), hit(b"a", 0, b"1"), bad(SET, "exists")]


def test_counters() -> None:
    """Counted as text counts: get, gat, stores, also those refused."""
    server = create(["-B", "packet"])
    connection = server.open()
    connection.send(store(SET, b"a", b"1") + packet(GET, b"a") + packet(GETQ, b"b") + timed(GAT, b"a", 0))
    connection.send(store(ADD, b"b", b"x" * MIB) + packet(FLUSH) + delete(DELETE, b"zz") + packet(STATS))
    rows = {
        data[1 : 1 + data[0]]: data[1 + data[0] :]
        for code, data in unpack(connection.receive())
        if code == STAT and data
    }
    names = "cmd_get get_hits get_misses cmd_set cmd_touch touch_hits store_too_large cmd_flush delete_misses"
    assert [int(rows[name.encode()]) for name in names.split()] == [2, 1, 1, 1, 1, 1, 1, 1, 1]


def test_never_negotiated() -> None:
    """Without -B packet the same bytes are text."""
    connection = create().open()
    connection.send(packet(NOOP) + b"\n")
    assert connection.receive() == b"ERROR\r\n"


def test_random_cuts() -> None:
    stream = b"".join(b"".join(requests) for name, (requests, _) in CASES.items() if name != "too large")
    whole = fresh()
    whole.send(stream)
    expected = whole.receive()
    draw = random.Random(3)
    for _ in range(30):
        cuts = sorted(draw.sample(range(len(stream)), 40))
        connection = fresh()
        for begin, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
            connection.send(stream[begin:end])
        assert connection.receive() == expected
