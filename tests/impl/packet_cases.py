"""Conversations of the packet protocol, code by code: requests, and the replies that they get."""

import struct

from tests.impl.frames import packet, packet_store

NOOP, GET, SET, ADD, REPLACE, APPEND, PREPEND, DELETE, INCR, DECR, TOUCH, GAT, FLUSH = range(13)
VERSION, STATS, QUIT, VERBOSITY = range(13, 17)
# Quiet ones.
GETQ, SETQ, ADDQ, REPLACEQ, APPENDQ, PREPENDQ, DELETEQ, INCRQ, DECRQ, TOUCHQ, GATQ, FLUSHQ = range(0x41, 0x4D)
QUITQ, VERBOSITYQ = 0x4F, 0x50
OK, VALUE, NUMBER, TEXT, STAT = range(0x80, 0x85)
MIB = 1 << 20

ERRORS = {
    "unknown": (0xE0, b"unknown command"),
    "missing": (0xE1, b"not found"),
    "exists": (0xE2, b"data exists for key"),
    "not stored": (0xE3, b"not stored"),
    "invalid": (0xE4, b"invalid arguments"),
    "too large": (0xE5, b"too large"),
    "not numeric": (0xE6, b"non-numeric value"),
    "no memory": (0xE7, b"out of memory"),
    "not allowed": (0xE8, b"not allowed"),
    "bad length": (0xE9, b"bad length"),
}
Packet = tuple[int, bytes]


def bad(code: int, name: str) -> Packet:
    number, text = ERRORS[name]
    return number, bytes([code]) + text


def ok(cas: int | None = None) -> Packet:
    return OK, b"" if cas is None else struct.pack(">Q", cas)


def hit(key: bytes, cas: int, value: bytes, flags: int = 0) -> Packet:
    return VALUE, struct.pack(">IQB", flags, cas, len(key)) + key + value


def number(cas: int, value: int) -> Packet:
    return NUMBER, struct.pack(">QQ", cas, value)


def delete(code: int, key: bytes, cas: int = 0) -> bytes:
    return packet(code, struct.pack(">Q", cas) + key)


def count(code: int, key: bytes, delta: int, cas: int = 0) -> bytes:
    return packet(code, struct.pack(">QQ", cas, delta) + key)


def timed(code: int, key: bytes, exptime: int) -> bytes:
    return packet(code, struct.pack(">i", exptime) + key)


store = packet_store

CASES: dict[str, tuple[list[bytes], list[Packet]]] = {
    "noop": ([packet(NOOP), packet(NOOP, b"x"), packet(NOOP)], [ok(), bad(NOOP, "invalid"), ok()]),
    "get": (
        [packet(GET, b"a"), store(SET, b"a", b"xyz", 7), packet(GET, b"a"), packet(GET), packet(GET, b"k" * 251)],
        [bad(GET, "missing"), ok(2), hit(b"a", 2, b"xyz", 7), bad(GET, "invalid"), bad(GET, "invalid")],
    ),
    "quiet get": (
        [packet(GETQ, b"a"), store(SET, b"a", b""), packet(GETQ, b"a"), packet(GETQ), packet(NOOP)],
        [ok(2), hit(b"a", 2, b""), bad(GETQ, "invalid"), ok()],
    ),
    "set": (
        [
            store(SET, b"a", b"1", 4294967295),
            store(SET, b"a", b"2", cas=2),
            store(SET, b"a", b"3", cas=2),
            store(SET, b"b", b"3", cas=2),
            packet(GET, b"a"),
        ],
        [ok(2), ok(3), bad(SET, "exists"), bad(SET, "missing"), hit(b"a", 3, b"2")],
    ),
    "quiet set": (
        [store(SETQ, b"a", b"1"), store(SETQ, b"a", b"2", cas=9), packet(GET, b"a")],
        [bad(SETQ, "exists"), hit(b"a", 2, b"1")],
    ),
    "add": (
        [store(ADD, b"a", b"1"), store(ADD, b"a", b"2"), store(ADD, b"a", b"2", cas=2), store(ADD, b"b", b"", cas=2)],
        [ok(2), bad(ADD, "not stored"), ok(4), bad(ADD, "missing")],
    ),
    "quiet add": ([store(ADDQ, b"a", b"1"), store(ADDQ, b"a", b"2")], [bad(ADDQ, "not stored")]),
    "replace": (
        [
            store(REPLACE, b"a", b"1"),
            store(SET, b"a", b"1"),
            store(REPLACE, b"a", b"2"),
            store(REPLACE, b"a", b"", cas=9),
        ],
        [bad(REPLACE, "not stored"), ok(3), ok(4), bad(REPLACE, "exists")],
    ),
    "quiet replace": (
        [store(REPLACEQ, b"a", b"1"), store(SETQ, b"a", b"1"), store(REPLACEQ, b"a", b"2"), packet(GET, b"a")],
        [bad(REPLACEQ, "not stored"), hit(b"a", 4, b"2")],
    ),
    "append": (
        [
            store(APPEND, b"a", b"x"),
            store(SET, b"a", b"1", 3),
            store(APPEND, b"a", b"2", 9, -1),
            store(APPEND, b"a", b"3", cas=9),
            store(APPEND, b"a", b"4", cas=4),
            store(APPEND, b"b", b"4", cas=4),
            packet(GET, b"a"),
        ],
        [
            bad(APPEND, "not stored"),
            ok(3),
            ok(4),
            bad(APPEND, "exists"),
            ok(6),
            bad(APPEND, "not stored"),
            hit(b"a", 6, b"124", 3),
        ],
    ),
    "quiet append": (
        [store(APPENDQ, b"a", b"x"), store(SET, b"a", b"1"), store(APPENDQ, b"a", b"2"), packet(GET, b"a")],
        [bad(APPENDQ, "not stored"), ok(3), hit(b"a", 4, b"12")],
    ),
    "prepend": (
        [store(PREPEND, b"a", b"x"), store(SET, b"a", b"1"), store(PREPEND, b"a", b"2"), packet(GET, b"a")],
        [bad(PREPEND, "not stored"), ok(3), ok(4), hit(b"a", 4, b"21")],
    ),
    "quiet prepend": (
        [store(PREPENDQ, b"a", b"x"), store(SET, b"a", b"1"), store(PREPENDQ, b"a", b"2"), packet(GET, b"a")],
        [bad(PREPENDQ, "not stored"), ok(3), hit(b"a", 4, b"21")],
    ),
    "delete": (
        [
            delete(DELETE, b"a"),
            store(SET, b"a", b"1"),
            delete(DELETE, b"a", 9),
            delete(DELETE, b"a", 2),
            packet(GET, b"a"),
            packet(DELETE, b"\x00" * 8),
            packet(DELETE, b"\x00" * 7),
            delete(DELETE, b"k" * 251),
        ],
        [bad(DELETE, "missing"), ok(2), bad(DELETE, "exists"), ok(), bad(GET, "missing")]
        + [bad(DELETE, "invalid")] * 3,
    ),
    "quiet delete": (
        [
            delete(DELETEQ, b"a"),
            store(SET, b"a", b"1"),
            delete(DELETEQ, b"a", 9),
            delete(DELETEQ, b"a"),
            packet(GET, b"a"),
        ],
        [bad(DELETEQ, "missing"), ok(2), bad(DELETEQ, "exists"), bad(GET, "missing")],
    ),
    "incr": (
        [
            count(INCR, b"n", 1),
            store(SET, b"n", b"99", 5),
            count(INCR, b"n", 1),
            count(INCR, b"n", 2**64 - 1),
            count(INCR, b"n", 1, 9),
            count(INCR, b"n", 1, 4),
            packet(GET, b"n"),
            store(SET, b"n", b"x"),
            count(INCR, b"n", 1),
            packet(INCR, b"\x00" * 16),
            count(INCR, b"k" * 251, 1),
        ],
        [
            bad(INCR, "missing"),
            ok(2),
            number(3, 100),
            number(4, 99),
            bad(INCR, "exists"),
            number(5, 100),
            hit(b"n", 5, b"100", 5),
            ok(6),
            bad(INCR, "not numeric"),
            bad(INCR, "invalid"),
            bad(INCR, "invalid"),
        ],
    ),
    "quiet incr": (
        [
            count(INCRQ, b"n", 1),
            store(SET, b"n", b"9"),
            count(INCRQ, b"n", 1),
            packet(GET, b"n"),
            count(INCRQ, b"n", 1, 9),
        ],
        [bad(INCRQ, "missing"), ok(2), hit(b"n", 3, b"10"), bad(INCRQ, "exists")],
    ),
    "decr": (
        [count(DECR, b"n", 1), store(SET, b"n", b"10"), count(DECR, b"n", 1), count(DECR, b"n", 99), packet(GET, b"n")],
        [bad(DECR, "missing"), ok(2), number(3, 9), number(4, 0), hit(b"n", 4, b"0 ")],
    ),
    "quiet decr": (
        [count(DECRQ, b"n", 1), store(SET, b"n", b"10"), count(DECRQ, b"n", 1), packet(GET, b"n")],
        [bad(DECRQ, "missing"), ok(2), hit(b"n", 3, b"9 ")],
    ),
    "touch": (
        [
            timed(TOUCH, b"a", 0),
            store(SET, b"a", b"1", 0, -1),
            packet(GET, b"a"),
            store(SET, b"a", b"1"),
            timed(TOUCH, b"a", 100),
            timed(TOUCH, b"a", -1),
            packet(GET, b"a"),
            packet(TOUCH, b"\x00\x00\x00\x00"),
        ],
        [
            bad(TOUCH, "missing"),
            ok(2),
            bad(GET, "missing"),
            ok(3),
            ok(),
            ok(),
            bad(GET, "missing"),
            bad(TOUCH, "invalid"),
        ],
    ),
    "quiet touch": (
        [timed(TOUCHQ, b"a", 0), store(SETQ, b"a", b"1"), timed(TOUCHQ, b"a", 0)],
        [bad(TOUCHQ, "missing")],
    ),
    "gat": (
        [timed(GAT, b"a", 0), store(SET, b"a", b"1"), timed(GAT, b"a", -1), timed(GAT, b"a", 0), packet(GAT, b"a")],
        [bad(GAT, "missing"), ok(2), hit(b"a", 2, b"1"), bad(GAT, "missing"), bad(GAT, "invalid")],
    ),
    "quiet gat": (
        [timed(GATQ, b"a", 0), store(SET, b"a", b"1"), timed(GATQ, b"a", 5), packet(GATQ)],
        [ok(2), hit(b"a", 2, b"1"), bad(GATQ, "invalid")],
    ),
    "flush": (
        [
            store(SET, b"a", b"1"),
            packet(FLUSH),
            packet(GET, b"a"),
            store(SET, b"a", b"1"),
            timed(FLUSH, b"", -5),
            packet(GET, b"a"),
            timed(FLUSH, b"", 100),
            store(SET, b"a", b"1"),
            packet(GET, b"a"),
            packet(FLUSH, b"\x00"),
        ],
        [
            ok(2),
            ok(),
            bad(GET, "missing"),
            ok(3),
            ok(),
            bad(GET, "missing"),
            ok(),
            ok(4),
            hit(b"a", 4, b"1"),
            bad(FLUSH, "invalid"),
        ],
    ),
    "quiet flush": ([store(SET, b"a", b"1"), packet(FLUSHQ), packet(GET, b"a")], [ok(2), bad(GET, "missing")]),
    "version": (
        [packet(VERSION), packet(VERSION, b"x")],
        [(TEXT, b"1.6.45-mcserver-0.1.0"), bad(VERSION, "invalid")],
    ),
    "stats": (
        [
            packet(STATS, b"sizes"),
            packet(STATS, b"reset"),
            packet(STATS, b"nothing"),
            packet(STATS, b"items"),
            packet(STATS, b" reset"),
            packet(STATS, b"x" * 251),
            packet(STATS, b"detail on"),
            packet(STATS, b"detail"),
            store(SET, b"p:a", b"1"),
            packet(STATS, b"detail dump"),
            packet(STATS, b"cachedump 1 0"),
        ],
        [
            (STAT, b"\x0csizes_statusdisabled"),
            (STAT, b""),
            (STAT, b""),
            bad(STATS, "invalid"),
            (STAT, b""),
            bad(STATS, "invalid"),
            bad(STATS, "invalid"),
            (TEXT, b"OK\r\n"),
            (TEXT, b"CLIENT_ERROR usage: stats detail on|off|dump\r\n"),
            ok(2),
            (TEXT, b"PREFIX p get 0 hit 0 set 1 del 0\r\nEND\r\n"),
            (TEXT, b"ITEM p:a [1 b; 0 s]\r\nEND\r\n"),
        ],
    ),
    "verbosity": (
        [
            packet(VERBOSITY, b"\0\0\0\0"),
            packet(VERBOSITY),
            packet(VERBOSITYQ, b"\0\0\0\0"),
            packet(VERBOSITYQ, b"\0\0\0\0\0"),
        ],
        [ok(), bad(VERBOSITY, "invalid"), bad(VERBOSITYQ, "invalid")],
    ),
    "quit with data": ([packet(QUIT, b"x"), packet(0x4F, b"x")], [bad(QUIT, "invalid"), bad(0x4F, "invalid")]),
    "unknown": (
        [packet(0x11), packet(0x40, b"x" * 5000), packet(0x4D), packet(0x4E), packet(0x51), packet(0x80), packet(0xFF)],
        [bad(code, "unknown") for code in (0x11, 0x40, 0x4D, 0x4E, 0x51, 0x80, 0xFF)],
    ),
    "shapes of stores": (
        [
            packet(SET),
            packet(SET, b"\x00" * 16),
            packet(SET, b"\x00" * 17),
            packet(ADD, b"\x00" * 16 + b"\x01"),
            packet(SET, b"\x00" * 16 + b"\xfb" + b"k" * 251),
            packet(APPEND, b"\x00" * 16 + b"\x05" + b"four"),
            packet(NOOP),
        ],
        [bad(SET, "invalid")] * 3 + [bad(ADD, "invalid"), bad(SET, "invalid"), bad(APPEND, "invalid"), ok()],
    ),
    "any byte in a key": (
        [store(SET, b"\0 \r\n" * 62 + b"xy", b"\r\n"), packet(GET, b"\0 \r\n" * 62 + b"xy")],
        [ok(2), hit(b"\0 \r\n" * 62 + b"xy", 2, b"\r\n")],
    ),
    "nothing in a value is framing": (
        [store(SET, b"a", packet(FLUSH)), packet(GET, b"a"), packet(0x99, packet(FLUSH)), packet(GET, b"a")],
        [ok(2), hit(b"a", 2, packet(FLUSH)), bad(0x99, "unknown"), hit(b"a", 2, packet(FLUSH))],
    ),
    "data that is too long": (
        [packet(GET, b"x" * 1024), packet(GET, b"x" * 1025), packet(STATS, packet(FLUSH) * 1000), packet(NOOP)],
        [bad(GET, "invalid"), bad(GET, "invalid"), bad(STATS, "invalid"), ok()],
    ),
    "too large": (
        [
            store(SET, b"a", b"1"),
            store(ADD, b"a", b"x" * MIB),
            packet(GET, b"a"),
            store(SET, b"a", b"x" * MIB, cas=9),
            packet(GET, b"a"),
            store(SETQ, b"a", b"x" * MIB),
        ],
        [
            ok(2),
            bad(ADD, "too large"),
            hit(b"a", 2, b"1"),
            bad(SET, "too large"),
            bad(GET, "missing"),
            bad(SETQ, "too large"),
        ],
    ),
}
