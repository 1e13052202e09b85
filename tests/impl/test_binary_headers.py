"""Binary headers: which are refused, in which order, what is dropped, what ends the conversation; statistics."""

import random

import pytest

from mcserver.inproc import Connection, Server, create
from tests.impl.frames import Reply, binary, parse, store, timed

GET, SET, ADD, DELETE, INCR, QUIT, FLUSH, NOOP, VERSION, APPEND, STAT = 0, 1, 2, 4, 5, 7, 8, 10, 11, 14, 16
TOUCH, GAT = 0x1C, 0x1D
NEXT = binary(NOOP)
ALIVE = Reply(NOOP, 0)
MIB = 1 << 20

INVALID = b"Invalid arguments"


def invalid(opcode: int) -> Reply:
    return Reply(opcode, 4, INVALID)


def contradiction(opcode: int) -> Reply:
    return Reply(opcode, 0x81, b"Unknown command")


# Each ends the conversation, with the reply given, and nothing behind it is read.
CLOSING: dict[str, tuple[bytes, list[Reply]]] = {
    "magic of a reply": (binary(GET, b"a", magic=0x81), []),
    "text": (b"get a\r\n".ljust(24), []),
    "key longer than the body": (binary(GET, b"abcde", bodylen=4), [contradiction(GET)]),
    "key and extras longer than the body": (binary(SET, b"a", b"\0" * 8, bodylen=8), [contradiction(SET)]),
    "longest key and extras, no body": (binary(NOOP, b"k" * 15000, b"x" * 255, bodylen=0), [contradiction(NOOP)]),
    "body over 1 GiB": (binary(SET, b"a", b"\0" * 8, bodylen=(1 << 30) + 1), [invalid(SET)]),
    "body over 2 GiB": (binary(NOOP, bodylen=(1 << 31) + 1), [invalid(NOOP)]),
    "longest body": (binary(0x77, bodylen=0xFFFFFFFF), [invalid(0x77)]),
    "contradiction before size": (binary(GET, b"a" * 300, bodylen=5), [contradiction(GET)]),
    "key of 251": (binary(GET, b"k" * 251), [invalid(GET)]),
    "key of 251 for an unknown opcode": (binary(0x55, b"k" * 251), [invalid(0x55)]),
    "key of 256": (binary(DELETE, b"k" * 256), [invalid(DELETE)]),
    "longest head": (binary(GET, b"k" * 16360), [invalid(GET)]),
    "longer head": (binary(GET, b"k" * 16361), []),
    "longest key": (binary(GET, b"k" * 65535), []),
    "get without key": (binary(GET), [invalid(GET)]),
    "get with extras": (binary(GET, b"a", b"\0\0\0\0"), [invalid(GET)]),
    "get with value": (binary(GET, b"a", value=b"v"), [invalid(GET)]),
    "set without extras": (binary(SET, b"a", value=b"v"), [invalid(SET)]),
    "set with long extras": (binary(SET, b"a", b"\0" * 9), [invalid(SET)]),
    "set with extras of 255": (binary(SET, b"a", b"\0" * 255, b"v"), [invalid(SET)]),
    "set without key": (binary(SET, b"", b"\0" * 8, b"v"), [invalid(SET)]),
    "add with extras of incr": (binary(ADD, b"a", b"\0" * 20), [invalid(ADD)]),
    "append with extras": (binary(APPEND, b"a", b"\0", b"v"), [invalid(APPEND)]),
    "delete with value": (binary(DELETE, b"a", value=b"v"), [invalid(DELETE)]),
    "incr with extras of set": (binary(INCR, b"a", b"\0" * 8), [invalid(INCR)]),
    "incr with value": (binary(INCR, b"a", b"\0" * 20, b"v"), [invalid(INCR)]),
    "quit with key": (binary(QUIT, b"a"), [invalid(QUIT)]),
    "flush with extras of 8": (binary(FLUSH, b"", b"\0" * 8), [invalid(FLUSH)]),
    "flush with key": (binary(FLUSH, b"a", b"\0" * 4), [invalid(FLUSH)]),
    "noop with value": (binary(NOOP, value=b"v"), [invalid(NOOP)]),
    "version with extras": (binary(VERSION, extras=b"e"), [invalid(VERSION)]),
    "stat with extras": (binary(STAT, b"items", b"e"), [invalid(STAT)]),
    "stat with value": (binary(STAT, b"items", value=NEXT), [invalid(STAT)]),
    "touch without extras": (binary(TOUCH, b"a"), [invalid(TOUCH)]),
    "touch with value": (binary(TOUCH, b"a", b"\0" * 4, NEXT), [invalid(TOUCH)]),
    "gat with extras of 8": (binary(GAT, b"a", b"\0" * 8), [invalid(GAT)]),
    "gat with value": (binary(GAT, b"a", b"\0" * 4, NEXT), [invalid(GAT)]),
    "sasl list with key": (binary(0x20, b"a"), [invalid(0x20)]),
    "sasl auth without mechanism": (binary(0x21, value=b"x"), [invalid(0x21)]),
}


def fresh(*options: str) -> Connection:
    """Make a connection that speaks the binary protocol."""
    connection = create(["-B", "binary", *options]).open()
    connection.send(NEXT)
    assert parse(connection.receive()) == [ALIVE]
    return connection


@pytest.mark.parametrize("name", CLOSING)
def test_closing(name: str) -> None:
    stream, expected = CLOSING[name]
    head = stream + store(SET, b"after", b"1")
    for chunks in ([head], [head[:24], head[24:]], [head[:1], head[1:30], head[30:]]):
        connection = fresh()
        for chunk in chunks:
            connection.send(chunk)
        assert parse(connection.receive()) == expected
        assert connection.closed


def test_owed_replies_leave_before_a_close() -> None:
    connection = fresh()
    connection.send(binary(GET, b"a") + b"x" * 24)
    assert parse(connection.receive()) == [Reply(GET, 1, b"Not found")]
    assert connection.closed


@pytest.mark.parametrize(
    ("request_", "length", "expected"),
    [
        (binary(GET, b"a", magic=0), 24, []),
        (binary(GET, b"k" * 300), 324, [invalid(GET)]),
        (binary(GET, b"abcde", bodylen=4), 29, [contradiction(GET)]),
        (binary(SET, b"a", b"\0" * 8, bodylen=(1 << 30) + 1), 33, [invalid(SET)]),
        (binary(GET, b"k" * 16361), 16385, []),
    ],
)
def test_nothing_is_decided_before_extras_and_key_are_there(
    request_: bytes, length: int, expected: list[Reply]
) -> None:
    connection = fresh()
    connection.send(request_[: length - 1])
    assert connection.receive() == b""
    assert not connection.closed
    connection.send(request_[length - 1 :])
    assert parse(connection.receive()) == expected
    assert connection.closed


def test_a_head_that_will_be_refused_is_not_kept() -> None:
    server = Server(["-B", "binary"])
    connection = server.open()
    connection.send(binary(GET, b"k" * 16360)[:16000])
    engine = connection._engine
    assert engine is not None
    assert len(engine._partial) == 0


@pytest.mark.parametrize("cut", [24, 33, 34, 1000, MIB])
def test_too_large(cut: int) -> None:
    """The value is dropped as it comes, then refused; a set takes the old value away, the others do not."""
    for opcode, left in ((SET, False), (ADD, True), (APPEND, True), (0x11, False), (0x13, True)):
        connection = fresh()
        connection.send(store(SET, b"a", b"1"))
        extras = b"" if opcode == APPEND else b"\0" * 8
        request = binary(opcode, b"a", extras, b"x" * (MIB + 10)) + binary(GET, b"a")
        connection.send(request[:cut])
        assert len(connection.receive()) == 24
        connection.send(request[cut:])
        told = parse(connection.receive())
        assert told[0] == Reply(opcode, 3, b"Too large.")
        assert [reply.status for reply in told[1:]] == [0 if left else 1]


def test_the_largest_value() -> None:
    """What text may store, this may, and not a byte more."""
    for size, status in ((1_048_516, 0), (1_048_517, 3)):
        connection = fresh()
        connection.send(store(SET, b"a", b"x" * size))
        assert [reply.status for reply in parse(connection.receive())] == [status]
        text = create().open()
        text.send(b"set a 0 0 %d\r\n" % size + b"x" * size + b"\r\n")
        assert text.receive().startswith(b"STORED" if status == 0 else b"SERVER_ERROR")


def test_a_body_of_1_gib_is_swallowed_as_it_comes() -> None:
    connection = fresh()
    connection.send(binary(SET, b"a", b"\0" * 8, bodylen=1 << 30))
    chunk = b"x" * MIB
    for _ in range(64):
        connection.send(chunk)
    assert connection.receive() == b""
    assert not connection.closed


def test_the_joined_value_does_not_fit() -> None:
    connection = fresh()
    connection.send(store(SET, b"a", b"x" * 600_000) + binary(APPEND, b"a", value=b"x" * 600_000) + binary(GET, b"a"))
    stored, refused, got = parse(connection.receive())
    assert stored.status == got.status == 0
    assert refused == Reply(APPEND, 5, b"Not stored.")


def test_no_memory() -> None:
    """Without evictions a store that finds no room is refused behind its value, and a set takes the old one away."""
    connection = fresh("-m", "2", "-M", "-I", "900k")
    for number in range(3):
        connection.send(store(SET, b"%d" % number, b"x" * 850_000))
    connection.receive()
    connection.send(store(SET, b"0", b"x" * 850_000) + binary(GET, b"0"))
    assert parse(connection.receive()) == [
        Reply(SET, 0x82, b"Out of memory allocating item"),
        Reply(GET, 1, b"Not found"),
    ]


def test_unknown_opcodes_lose_their_body_alone() -> None:
    connection = fresh()
    connection.send(binary(0x2A, b"k" * 250, b"e" * 255, NEXT * 50) + NEXT)
    assert parse(connection.receive()) == [Reply(0x2A, 0x81, b"Unknown command"), ALIVE]


def test_a_value_that_is_only_announced_takes_no_memory() -> None:
    server = create()
    connection = server.open()
    connection.send(binary(SET, b"a", b"\0" * 8, bodylen=1_000_000))
    connection.half_close()
    assert connection.closed
    other = server.open()
    other.send(b"stats\r\n")
    told = other.receive()
    assert b"STAT bytes 0\r\n" in told
    assert b"STAT cmd_set 0\r\n" in told
    assert server._engine.cache.reserved == 0


def test_an_exptime_that_makes_no_counter_and_one_that_does() -> None:
    connection = fresh()
    connection.send(binary(INCR, b"n", b"\0" * 15 + b"\7" + b"\xff" * 4))
    connection.send(binary(INCR, b"n", b"\0" * 15 + b"\7" + b"\xff\xff\xff\xfe"))
    assert [(reply.status, reply.body[-1:]) for reply in parse(connection.receive())] == [(1, b"d"), (0, b"\7")]


def test_watchers_are_told_of_refused_stores_but_not_of_joins() -> None:
    server = create()
    watcher, connection = server.open(), server.open()
    watcher.send(b"watch mutations\r\n")
    connection.send(store(SET, b"a", b"x" * MIB) + binary(APPEND, b"b", value=b"x" * MIB) + store(SET, b"c", b"1"))
    lines = watcher.receive().split(b"\n")[1:-1]
    assert [line.split(b"key=")[1].split()[:2] for line in lines] == [
        [b"a", b"status=too_large"],
        [b"c", b"status=stored"],
    ]


def test_random_cuts() -> None:
    """Any cuts give the replies of none."""
    stream = b"".join(
        (
            *(store(SET, b"a", b"xyz"), binary(0x0C, b"a"), store(ADD, b"a", b""), binary(0x33, b"kk", b"e", b"vv")),
            *(store(SET, b"big", b"x" * (MIB + 1)), timed(GAT, b"a", 5), binary(STAT, b"sizes"), binary(QUIT)),
        )
    )
    whole = fresh()
    whole.send(stream)
    expected = whole.receive()
    draw = random.Random(5)
    for _ in range(50):
        cuts = sorted(draw.choice((draw.randrange(200), draw.randrange(len(stream)))) for _ in range(8))
        connection = fresh()
        for begin, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
            connection.send(stream[begin:end])
        assert connection.receive() == expected
        assert connection.closed


def test_random_bytes_never_raise() -> None:
    draw = random.Random(6)
    for _ in range(300):
        connection = create(["-B", draw.choice(["binary", "packet", "auto"])]).open()
        for _ in range(20):
            head = bytes([0x80, draw.randrange(0x26), 0, draw.randrange(4), draw.choice((0, 4, 8, 20)), 0, 0, 0])
            connection.send(head + draw.randbytes(draw.randrange(60)))
            connection.send(b"\0\0\0" + bytes([draw.randrange(60), draw.choice((draw.randrange(17), 0x41))]))


# -- statistics -------------------------------------------------------------------------------------------------


def rows(connection: Connection, name: bytes) -> dict[bytes, bytes]:
    """Ask for statistics."""
    connection.send(binary(STAT, name))
    replies = parse(connection.receive())
    assert replies[-1] == Reply(STAT, 0)
    return {reply.body[: reply.keylen]: reply.body[reply.keylen :] for reply in replies[:-1]}


def test_stat() -> None:
    connection = fresh()
    connection.send(store(SET, b"a", b"1") + binary(GET, b"a") + binary(GET, b"b"))
    connection.receive()
    general = rows(connection, b"")
    assert general[b"cmd_get"] == b"2"
    assert general[b"get_hits"] == b"1"
    assert general[b"cmd_set"] == b"1"
    assert rows(connection, b"settings")[b"binding_protocol"] == b"binary"
    assert rows(connection, b"settings and more")[b"maxconns"] == b"1024"
    assert rows(connection, b"items")[b"items:1:number"] == b"1"
    assert rows(connection, b"slabs")[b"active_slabs"] == b"1"
    assert rows(connection, b"sizes") == {b"sizes_status": b"disabled"}
    assert rows(connection, b"reset") == {}
    assert rows(connection, b"")[b"cmd_get"] == b"0"


def test_stat_detail() -> None:
    connection = fresh()
    assert rows(connection, b"detail on") == {}
    connection.send(store(SET, b"p:a", b"1") + binary(0x09, b"p:a") + timed(0x1E, b"p:b", 0) + binary(DELETE, b"p:a"))
    connection.receive()
    assert rows(connection, b"detail dump") == {b"detailed": b"PREFIX p get 2 hit 1 set 1 del 1\r\nEND\r\n"}
    assert rows(connection, b"detail off") == {}


@pytest.mark.parametrize("name", [b"conns", b"cachedump 1 1", b"detail", b"detailon", b"item", b"itemsx", b"extstore"])
def test_no_such_statistics(name: bytes) -> None:
    connection = fresh()
    connection.send(binary(STAT, name) + NEXT)
    assert parse(connection.receive()) == [Reply(STAT, 1, b"Not found"), ALIVE]


def test_stat_detail_forbidden() -> None:
    connection = fresh("-X")
    connection.send(binary(STAT, b"detail dump"))
    assert parse(connection.receive()) == [Reply(STAT, 1, b"Not found")]


def test_counters() -> None:
    """What memcached counts, and what it does not: a made counter is no miss, a refused store no store."""
    connection = fresh()
    connection.send(
        binary(INCR, b"n", b"\0" * 20)
        + binary(INCR, b"m", b"\0" * 16 + b"\xff" * 4)
        + binary(6, b"m", b"\0" * 16 + b"\xff" * 4)
        + binary(INCR, b"n", b"\0" * 20, cas=99)
        + timed(TOUCH, b"n", 0)
        + timed(GAT, b"x", 0)
        + binary(DELETE, b"x")
        + binary(DELETE, b"n", cas=99)
        + store(SET, b"b", b"x" * MIB)
        + store(ADD, b"x", b"1", cas=5)
        + store(SET, b"n", b"1", cas=5)
        + timed(FLUSH, b"", 100)
    )
    connection.receive()
    told = rows(connection, b"")
    counted = {name.decode(): int(value) for name, value in told.items() if value.isdigit() and value != b"0"}
    expected = {"incr_misses": 1, "decr_misses": 1, "cmd_touch": 2, "touch_hits": 1, "touch_misses": 1}
    expected |= {"delete_misses": 1, "cmd_set": 2, "cas_misses": 1, "cas_badval": 1, "total_items": 1, "cmd_flush": 1}
    assert {name: counted.get(name, 0) for name in (*expected, "cmd_get", "incr_hits", "delete_hits")} == {
        **expected,
        "cmd_get": 0,
        "incr_hits": 0,
        "delete_hits": 0,
    }
