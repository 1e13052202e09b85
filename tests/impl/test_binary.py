"""The binary protocol, opcode by opcode: each conversation whole, byte by byte, and with more behind it."""

import struct

import pytest

from mcserver.inproc import create
from tests.impl.frames import Reply, binary, count, parse, store, timed

GET, SET, ADD, REPLACE, DELETE, INCR, DECR, QUIT, FLUSH, GETQ, NOOP, VERSION, GETK, GETKQ, APPEND, PREPEND = range(16)
STAT, SETQ, ADDQ, REPLACEQ, DELETEQ, INCRQ, DECRQ, QUITQ, FLUSHQ, APPENDQ, PREPENDQ = range(0x10, 0x1B)
TOUCH, GAT, GATQ, GATK, GATKQ = 0x1C, 0x1D, 0x1E, 0x23, 0x24
NOT_FOUND, EXISTS, TOO_LARGE, INVALID, NOT_STORED, NON_NUMERIC, REFUSED, UNKNOWN = 1, 2, 3, 4, 5, 6, 0x20, 0x81
TEXTS = {
    NOT_FOUND: b"Not found",
    EXISTS: b"Data exists for key.",
    TOO_LARGE: b"Too large.",
    INVALID: b"Invalid arguments",
    NOT_STORED: b"Not stored.",
    NON_NUMERIC: b"Non-numeric server-side value for incr or decr",
    REFUSED: b"Auth failure.",
    UNKNOWN: b"Unknown command",
}
NO_INITIAL = 0xFFFFFFFF
FAR = 0xFFFFFFFF
PAST = 2_592_001


def ok(opcode: int, cas: int = 0, body: bytes = b"") -> Reply:
    return Reply(opcode, 0, body, cas)


def bad(opcode: int, status: int) -> Reply:
    return Reply(opcode, status, TEXTS[status])


def hit(opcode: int, cas: int, value: bytes, flags: int = 0, key: bytes = b"") -> Reply:
    return Reply(opcode, 0, struct.pack(">I", flags) + key + value, cas, extlen=4, keylen=len(key))


def number(opcode: int, cas: int, value: int) -> Reply:
    return Reply(opcode, 0, struct.pack(">Q", value), cas)


def miss(opcode: int, key: bytes) -> Reply:
    return Reply(opcode, NOT_FOUND, key, keylen=len(key))


# The first cas unique of a server is 2; a store uses one up also when nothing is stored.
CASES: dict[str, tuple[list[bytes], list[Reply]]] = {
    "get": (
        [binary(GET, b"a"), store(SET, b"a", b"xyz", 7), binary(GET, b"a"), binary(GET, b"a", cas=99)],
        [bad(GET, NOT_FOUND), ok(SET, 2), hit(GET, 2, b"xyz", 7), hit(GET, 2, b"xyz", 7)],
    ),
    "getq": ([binary(GETQ, b"a"), store(SET, b"a", b"1"), binary(GETQ, b"a")], [ok(SET, 2), hit(GETQ, 2, b"1")]),
    "getk": (
        [binary(GETK, b"a"), store(SET, b"a", b"1", 0xFFFFFFFF), binary(GETK, b"a")],
        [miss(GETK, b"a"), ok(SET, 2), hit(GETK, 2, b"1", 0xFFFFFFFF, b"a")],
    ),
    "getkq": (
        [binary(GETKQ, b"a"), store(SET, b"a", b""), binary(GETKQ, b"a")],
        [ok(SET, 2), hit(GETKQ, 2, b"", 0, b"a")],
    ),
    "set": (
        [store(SET, b"a", b"1"), store(SET, b"a", b"2", 5), binary(GET, b"a")],
        [ok(SET, 2), ok(SET, 3), hit(GET, 3, b"2", 5)],
    ),
    "set with cas": (
        [
            store(SET, b"a", b"1", cas=9),
            store(SET, b"a", b"1"),
            store(SET, b"a", b"2", cas=9),
            store(SET, b"a", b"3", cas=3),
            binary(GET, b"a"),
        ],
        [bad(SET, NOT_FOUND), ok(SET, 3), bad(SET, EXISTS), ok(SET, 5), hit(GET, 5, b"3")],
    ),
    "setq": (
        [store(SETQ, b"a", b"1"), store(SETQ, b"a", b"1", cas=9), binary(GET, b"a")],
        [bad(SETQ, EXISTS), hit(GET, 2, b"1")],
    ),
    "add": (
        [store(ADD, b"a", b"1"), store(ADD, b"a", b"2"), binary(GET, b"a"), store(ADD, b"b", b"1", cas=2)],
        [ok(ADD, 2), bad(ADD, EXISTS), hit(GET, 2, b"1"), bad(ADD, NOT_FOUND)],
    ),
    "add with cas replaces": ([store(ADD, b"a", b"1"), store(ADD, b"a", b"2", cas=2)], [ok(ADD, 2), ok(ADD, 3)]),
    "addq": ([store(ADDQ, b"a", b"1"), store(ADDQ, b"a", b"2")], [bad(ADDQ, EXISTS)]),
    "replace": (
        [
            store(REPLACE, b"a", b"1"),
            store(SET, b"a", b"1"),
            store(REPLACE, b"a", b"2"),
            store(REPLACE, b"a", b"", cas=9),
        ],
        [bad(REPLACE, NOT_FOUND), ok(SET, 3), ok(REPLACE, 4), bad(REPLACE, EXISTS)],
    ),
    "replaceq": (
        [store(REPLACEQ, b"a", b"1"), store(SETQ, b"a", b"1"), store(REPLACEQ, b"a", b"2"), binary(GET, b"a")],
        [bad(REPLACEQ, NOT_FOUND), hit(GET, 4, b"2")],
    ),
    "append": (
        [
            binary(APPEND, b"a", value=b"x"),
            store(SET, b"a", b"1", 3),
            binary(APPEND, b"a", value=b"2"),
            binary(APPEND, b"a", value=b"3", cas=9),
            binary(APPEND, b"a", value=b"4", cas=4),
            binary(APPEND, b"b", value=b"4", cas=4),
            binary(GET, b"a"),
        ],
        [
            bad(APPEND, NOT_STORED),
            ok(SET, 3),
            ok(APPEND, 4),
            bad(APPEND, EXISTS),
            ok(APPEND, 6),
            bad(APPEND, NOT_STORED),
            hit(GET, 6, b"124", 3),
        ],
    ),
    "appendq": (
        [binary(APPENDQ, b"a"), store(SET, b"a", b"1"), binary(APPENDQ, b"a", value=b"2"), binary(GET, b"a")],
        [bad(APPENDQ, NOT_STORED), ok(SET, 3), hit(GET, 4, b"12")],
    ),
    "prepend": (
        [binary(PREPEND, b"a"), store(SET, b"a", b"1"), binary(PREPEND, b"a", value=b"2"), binary(GET, b"a")],
        [bad(PREPEND, NOT_STORED), ok(SET, 3), ok(PREPEND, 4), hit(GET, 4, b"21")],
    ),
    "prependq": (
        [
            binary(PREPENDQ, b"a"),
            store(SET, b"a", b"1"),
            binary(PREPENDQ, b"a", value=b"2"),
            binary(PREPENDQ, b"a", cas=7),
            binary(GET, b"a"),
        ],
        [bad(PREPENDQ, NOT_STORED), ok(SET, 3), bad(PREPENDQ, EXISTS), hit(GET, 4, b"21")],
    ),
    "delete": (
        [
            binary(DELETE, b"a"),
            store(SET, b"a", b"1"),
            binary(DELETE, b"a", cas=9),
            binary(DELETE, b"a", cas=2),
            binary(GET, b"a"),
        ],
        [bad(DELETE, NOT_FOUND), ok(SET, 2), bad(DELETE, EXISTS), ok(DELETE), bad(GET, NOT_FOUND)],
    ),
    "deleteq": (
        [
            binary(DELETEQ, b"a"),
            store(SET, b"a", b"1"),
            binary(DELETEQ, b"a", cas=9),
            binary(DELETEQ, b"a"),
            binary(GET, b"a"),
        ],
        [bad(DELETEQ, NOT_FOUND), ok(SET, 2), bad(DELETEQ, EXISTS), bad(GET, NOT_FOUND)],
    ),
    "incr": (
        [
            count(INCR, b"n", 5, 0, NO_INITIAL),
            count(INCR, b"n", 5, 7),
            count(INCR, b"n", 5, 7, NO_INITIAL),
            count(INCR, b"n", 2**64 - 1),
            count(INCR, b"n", 1, cas=9),
            count(INCR, b"n", 1, cas=4),
            binary(GET, b"n"),
        ],
        [
            bad(INCR, NOT_FOUND),
            number(INCR, 2, 7),
            number(INCR, 3, 12),
            number(INCR, 4, 11),
            bad(INCR, EXISTS),
            number(INCR, 5, 12),
            hit(GET, 5, b"12"),
        ],
    ),
    "incrq": (
        [
            count(INCRQ, b"n", 1, 0, NO_INITIAL),
            count(INCRQ, b"n", 1, 9),
            count(INCRQ, b"n", 1),
            binary(GET, b"n"),
            store(SET, b"n", b"x"),
            count(INCRQ, b"n", 1),
        ],
        [bad(INCRQ, NOT_FOUND), hit(GET, 3, b"10"), ok(SET, 4), bad(INCRQ, NON_NUMERIC)],
    ),
    "decr": (
        [
            count(DECR, b"n", 5, 2**64 - 1),
            count(DECR, b"n", 5),
            count(DECR, b"n", 2**64 - 1),
            binary(GET, b"n"),
            store(SET, b"n", b""),
            count(DECR, b"n", 5, cas=77),
        ],
        [
            number(DECR, 2, 2**64 - 1),
            number(DECR, 3, 2**64 - 6),
            number(DECR, 4, 0),
            hit(GET, 4, b"0" + b" " * 19),
            ok(SET, 5),
            bad(DECR, NON_NUMERIC),
        ],
    ),
    "decrq": (
        [count(DECRQ, b"n", 1, 0, NO_INITIAL), count(DECRQ, b"n", 1, 9), count(DECRQ, b"n", 1), binary(GET, b"n")],
        [bad(DECRQ, NOT_FOUND), hit(GET, 3, b"8")],
    ),
    "flush": (
        [
            store(SET, b"a", b"1"),
            binary(FLUSH),
            binary(GET, b"a"),
            store(SET, b"a", b"1"),
            timed(FLUSH, b"", 0),
            timed(FLUSH, b"", 100),
            store(SET, b"a", b"1"),
            binary(GET, b"a"),
        ],
        [ok(SET, 2), ok(FLUSH), bad(GET, NOT_FOUND), ok(SET, 3), ok(FLUSH), ok(FLUSH), ok(SET, 4), hit(GET, 4, b"1")],
    ),
    "flushq": ([store(SET, b"a", b"1"), binary(FLUSHQ), binary(GET, b"a")], [ok(SET, 2), bad(GET, NOT_FOUND)]),
    "noop": ([binary(NOOP)], [ok(NOOP)]),
    "version": ([binary(VERSION)], [ok(VERSION, 0, b"1.6.45-mcserver-0.1.0")]),
    "touch": (
        [timed(TOUCH, b"a", 0), store(SET, b"a", b"1", 9), timed(TOUCH, b"a", PAST), binary(GET, b"a")],
        [bad(TOUCH, NOT_FOUND), ok(SET, 2), hit(TOUCH, 2, b"", 9), bad(GET, NOT_FOUND)],
    ),
    "gat": (
        [timed(GAT, b"a", 0), store(SET, b"a", b"1", 9), timed(GAT, b"a", FAR), timed(GAT, b"a", 1), binary(GET, b"a")],
        [bad(GAT, NOT_FOUND), ok(SET, 2), hit(GAT, 2, b"1", 9), hit(GAT, 2, b"1", 9), hit(GET, 2, b"1", 9)],
    ),
    "gatq": (
        [timed(GATQ, b"a", 0), store(SET, b"a", b"1"), timed(GATQ, b"a", PAST), timed(GATQ, b"a", 0)],
        [ok(SET, 2), hit(GATQ, 2, b"1")],
    ),
    "gatk": (
        [timed(GATK, b"a", 0), store(SET, b"a", b"1"), timed(GATK, b"a", PAST), timed(GATK, b"a", 0)],
        [miss(GATK, b"a"), ok(SET, 2), hit(GATK, 2, b"1", 0, b"a"), miss(GATK, b"a")],
    ),
    "gatkq": (
        [timed(GATKQ, b"a", 0), store(SET, b"a", b"1"), timed(GATKQ, b"a", 0)],
        [ok(SET, 2), hit(GATKQ, 2, b"1", 0, b"a")],
    ),
    "exptimes": (
        [store(SET, b"a", b"1", 0, PAST), binary(GET, b"a"), store(SET, b"a", b"1", 0, FAR), binary(GET, b"a")],
        [ok(SET, 2), bad(GET, NOT_FOUND), ok(SET, 3), hit(GET, 3, b"1")],
    ),
    "any byte in a key": (
        [
            store(SET, b"a b\r\n\0", b"1"),
            binary(GETK, b"a b\r\n\0"),
            store(SET, b"k" * 250, b"2"),
            binary(GET, b"k" * 250),
        ],
        [ok(SET, 2), hit(GETK, 2, b"1", 0, b"a b\r\n\0"), ok(SET, 3), hit(GET, 3, b"2")],
    ),
    "data type and vbucket are not looked at": (
        [store(SET, b"a", b"1"), binary(GET, b"a", datatype=255, vbucket=65535), binary(NOOP, datatype=1)],
        [ok(SET, 2), hit(GET, 2, b"1"), ok(NOOP)],
    ),
    "unknown": (
        [binary(0x1B, extras=b"\0\0\0\1"), binary(0x30, b"key", b"ext", b"value"), binary(0xFF), binary(0x25)],
        [bad(0x1B, UNKNOWN), bad(0x30, UNKNOWN), bad(0xFF, UNKNOWN), bad(0x25, UNKNOWN)],
    ),
    "sasl without -S": (
        [binary(0x20), binary(0x21, b"PLAIN", value=b"\0u\0p"), binary(0x22, b"PLAIN", value=b"\0u\0p")],
        [bad(0x20, UNKNOWN), bad(0x21, UNKNOWN), bad(0x22, UNKNOWN)],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_opcode(name: str) -> None:
    requests, expected = CASES[name]
    stream = b"".join(requests)
    whole = create().open()
    whole.send(stream)
    assert parse(whole.receive()) == expected
    assert not whole.closed
    slow = create().open()
    for at in range(len(stream)):
        slow.send(stream[at : at + 1])
    assert parse(slow.receive()) == expected
    more = create().open()
    more.send(stream + binary(NOOP) + binary(VERSION)[:11])
    assert parse(more.receive()) == [*expected, ok(NOOP)]


def test_every_opcode_has_a_case() -> None:
    told = {opcode for _, replies in CASES.values() for opcode, *_ in replies}
    silent = {QUIT, QUITQ, FLUSHQ, STAT}
    assert told | silent >= set(range(0x25)) - {0x1F}


@pytest.mark.parametrize("opcode", [QUIT, QUITQ])
def test_quit(opcode: int) -> None:
    """What is owed is sent, then the connection ends; nothing behind it is read."""
    connection = create().open()
    connection.send(binary(GETK, b"a") + binary(opcode) + store(SET, b"a", b"1"))
    assert parse(connection.receive()) == [miss(GETK, b"a")] + [ok(QUIT)] * (opcode == QUIT)
    assert connection.closed


def test_quiet_misses_are_told_by_what_follows() -> None:
    """Pipelined quiet gets, then a noop: the hits, and the noop's reply behind them."""
    connection = create().open()
    connection.send(store(SETQ, b"b", b"1") + b"".join(binary(GETKQ, key) for key in (b"a", b"b", b"c")) + binary(NOOP))
    assert parse(connection.receive()) == [hit(GETKQ, 2, b"1", 0, b"b"), ok(NOOP)]


def test_one_cache_with_text() -> None:
    """What one protocol stores the other one finds, with flags, time and cas unique."""
    server = create()
    one, other = server.open(), server.open()
    one.send(store(SET, b"a", b"x\r\ny", 7, 10))
    other.send(b"gets a\r\nset b 5 0 1\r\n1\r\nincr b 41\r\n")
    assert other.receive() == b"VALUE a 7 4 2\r\nx\r\ny\r\nEND\r\nSTORED\r\n42\r\n"
    one.receive()
    one.send(binary(GET, b"b"))
    assert parse(one.receive()) == [hit(GET, 4, b"42", 5)]
    server.advance(11)
    other.send(b"get a\r\n")
    assert other.receive() == b"END\r\n"


def test_without_uniques() -> None:
    """With -C items have none: a store takes no notice of one, a delete and an incr find that it is another."""
    connection = create(["-C"]).open()
    connection.send(store(SET, b"a", b"1", cas=5) + binary(APPEND, b"a", value=b"2", cas=5) + binary(GET, b"a"))
    connection.send(binary(DELETE, b"a", cas=5) + count(INCR, b"a", 1, cas=5) + count(INCR, b"a", 1))
    assert parse(connection.receive()) == [
        *(ok(SET), ok(APPEND), hit(GET, 0, b"12")),
        *(bad(DELETE, EXISTS), bad(INCR, EXISTS), number(INCR, 0, 13)),
    ]


def test_flush_forbidden() -> None:
    connection = create(["-F"]).open()
    connection.send(store(SET, b"a", b"1") + binary(FLUSH) + binary(FLUSHQ) + binary(GET, b"a"))
    assert parse(connection.receive()) == [ok(SET, 2), bad(FLUSH, REFUSED), bad(FLUSHQ, REFUSED), hit(GET, 2, b"1")]


def test_flush_later_takes_what_is_stored_until_then() -> None:
    server = create()
    connection = server.open()
    connection.send(timed(FLUSH, b"", 3) + store(SET, b"a", b"1"))
    server.advance(1)
    connection.send(binary(GET, b"a"))
    server.advance(1)
    connection.send(binary(GET, b"a"))
    assert parse(connection.receive()) == [ok(FLUSH), ok(SET, 2), hit(GET, 2, b"1"), bad(GET, NOT_FOUND)]
