"""Every command's replies, byte for byte, as memcached 1.6.45 gives them (or the fork that was chosen)."""

import pytest

from mcserver import PROTOCOL_VERSION
from mcserver.inproc import Server
from tests.impl.support import ask

BCLF = b"CLIENT_ERROR bad command line format\r\n"
USAGE = b"CLIENT_ERROR bad command line format.  Usage: delete <key> [noreply]\r\n"
DELTA = b"CLIENT_ERROR invalid numeric delta argument\r\n"
EXPTIME = b"CLIENT_ERROR invalid exptime argument\r\n"
NON_NUMERIC = b"CLIENT_ERROR cannot increment or decrement non-numeric value\r\n"
BAD_CHUNK = b"CLIENT_ERROR bad data chunk\r\n"
VERSION = b"VERSION " + PROTOCOL_VERSION.encode() + b"\r\n"
LONG = b"k" * 251
HIT = b"VALUE a 5 1\r\n1\r\nEND\r\n"
GONE = b"END\r\n"


# (line sent after "set a 5 0 1 / 1", its reply, what a get of a then answers)
LINES = [
    (b"get", BCLF, HIT),
    (b"get ", BCLF, HIT),
    (b"gets", BCLF, HIT),
    (b"gat", BCLF, HIT),
    (b"gat 0", BCLF, HIT),
    (b"gat noreply", BCLF, HIT),
    (b"gat x a", EXPTIME, HIT),
    (b"gat x noreply", EXPTIME, HIT),
    (b"gat +1 a", EXPTIME, HIT),
    (b"gat - a", EXPTIME, HIT),
    (b"gat -1 a", HIT, GONE),
    (b"gat 2147483648 a", EXPTIME, HIT),
    (b"gat 00000000001 a", HIT, HIT),
    (b"gat 000000000001 a", EXPTIME, HIT),
    (b"get a noreply", HIT, HIT),
    (b"get noreply", GONE, HIT),
    (b"get  a ", HIT, HIT),
    (b"get b a b a", b"VALUE a 5 1\r\n1\r\nVALUE a 5 1\r\n1\r\nEND\r\n", HIT),
    (b"get a " + LONG, BCLF, HIT),
    (b"get " + LONG + b" noreply", BCLF, HIT),
    (b"get b " + LONG + b" noreply", BCLF, HIT),
    (b"gat 0 " + LONG + b" noreply", BCLF, HIT),
    (b"get a\x00b", GONE, HIT),
    (b"get\ta", b"ERROR\r\n", HIT),
    (b" get a", b"ERROR\r\n", HIT),
    (b" noreply", b"", HIT),
    (b"noreply", b"", HIT),
    (b"foo bar noreply", b"", HIT),
    (b"foo noreply x", b"ERROR\r\n", HIT),
    (b"foo " + b"1 " * 21 + b"noreply x", b"", HIT),
    (b"foo " + b"1 " * 22 + b"noreply", b"ERROR\r\n", HIT),
    (b"", BCLF, HIT),
    (b"x", BCLF, HIT),
    (b"xx", b"ERROR\r\n", HIT),
    (b"  ", b"ERROR\r\n", HIT),
    (b"HTTP/1.1", b"ERROR\r\n", HIT),
    (b"mnx", b"ERROR\r\n", HIT),
    (b"shutdown", b"SERVER_ERROR: shutdown not enabled\r\n", HIT),
    (b"bget a", b"ERROR\r\n", HIT),
    (b"version", VERSION, HIT),
    (b"version x", VERSION, HIT),
    (b"version noreply", VERSION, HIT),
    (b"verbosity", BCLF, HIT),
    (b"verbosity x", BCLF, HIT),
    (b"verbosity -1", BCLF, HIT),
    (b"verbosity 1", b"OK\r\n", HIT),
    (b"verbosity 1 2", b"OK\r\n", HIT),
    (b"verbosity 4294967295", b"OK\r\n", HIT),
    (b"verbosity 4294967296", BCLF, HIT),
    (b"verbosity noreply", b"", HIT),
    (b"flush_all", b"OK\r\n", GONE),
    (b"flush_all noreply", b"", GONE),
    (b"flush_all x", EXPTIME, HIT),
    (b"flush_all x noreply", b"", HIT),
    (b"flush_all noreply noreply", b"", HIT),
    (b"flush_all -1", b"OK\r\n", GONE),
    (b"flush_all 0 1", b"OK\r\n", GONE),
    (b"flush_all 100", b"OK\r\n", HIT),
    (b"delete", BCLF, HIT),
    (b"delete a", b"DELETED\r\n", GONE),
    (b"delete b", b"NOT_FOUND\r\n", HIT),
    (b"delete a 0", b"DELETED\r\n", GONE),
    (b"delete a noreply", b"", GONE),
    (b"delete a 0 noreply", b"", GONE),
    (b"delete a noreply 0", USAGE, HIT),
    (b"delete a 1", USAGE, HIT),
    (b"delete a 0 0", USAGE, HIT),
    (b"delete noreply", b"", HIT),
    (b"delete " + LONG, BCLF, HIT),
    (b"touch", BCLF, HIT),
    (b"touch a", BCLF, HIT),
    (b"touch noreply", BCLF, HIT),
    (b"touch a 0", b"TOUCHED\r\n", HIT),
    (b"touch b 0", b"NOT_FOUND\r\n", HIT),
    (b"touch a x", EXPTIME, HIT),
    (b"touch a noreply", b"", HIT),
    (b"touch a 0 noreply", b"", HIT),
    (b"touch a -1", b"TOUCHED\r\n", GONE),
    (b"touch " + LONG + b" x", BCLF, HIT),
    (b"incr a", BCLF, HIT),
    (b"incr noreply", BCLF, HIT),
    (b"incr a noreply", b"", HIT),
    (b"incr a x", DELTA, HIT),
    (b"incr b x", DELTA, HIT),
    (b"incr b 1", b"NOT_FOUND\r\n", HIT),
    (b"incr a +1", DELTA, HIT),
    (b"incr a 18446744073709551616", DELTA, HIT),
    (b"incr a 1", b"2\r\n", b"VALUE a 5 1\r\n2\r\nEND\r\n"),
    (b"incr a 0000000000000000000001", b"2\r\n", b"VALUE a 5 1\r\n2\r\nEND\r\n"),
    (b"incr a 00000000000000000000001", DELTA, HIT),
    (b"incr a 18446744073709551615", b"0\r\n", b"VALUE a 5 1\r\n0\r\nEND\r\n"),
    (b"incr a 9", b"10\r\n", b"VALUE a 5 2\r\n10\r\nEND\r\n"),
    (b"decr a 5", b"0\r\n", b"VALUE a 5 1\r\n0\r\nEND\r\n"),
    (b"stats reset", b"RESET\r\n", HIT),
    (b"stats noreply", b"ERROR\r\n", HIT),
    (b"stats slab", b"ERROR\r\n", HIT),
]


@pytest.mark.parametrize(("line", "reply", "after"), LINES)
def test_line(server: Server, line: bytes, reply: bytes, after: bytes) -> None:
    """One line, its reply and its effect."""
    assert ask(server, b"set a 5 0 1\r\n1\r\n" + line + b"\r\nget a\r\n") == b"STORED\r\n" + reply + after


STORED = b"STORED\r\n"
Z = b"VALUE a 0 1\r\nZ\r\nEND\r\n"
# (header, replies up to a get of a, that get's answer); the value line is always Z
HEADERS = [
    (b"set a 0 0 1", STORED, Z),
    (b"set a 0 0 1 noreply", b"", Z),
    (b"set a 0 0 1 x", STORED, Z),
    (b"set a 0 0 1 x y noreply", b"", Z),
    (b"set a 0 0 01", STORED, Z),
    (b"set a 0 0 00000000001", STORED, Z),
    (b"set a 0 0 000000000001", BCLF * 2, GONE),
    (b"set a 0 0", BCLF * 2, GONE),
    (b"set a 0 0 noreply", BCLF * 2, GONE),
    (b"set a 0 0 x noreply", BCLF * 2, GONE),
    (b"set a 0 0 -1", BCLF * 2, GONE),
    (b"set a 0 0 +1", BCLF * 2, GONE),
    (b"set a 0 0 2147483646", BCLF * 2, GONE),
    (b"set a 0 0 -0", BAD_CHUNK + BCLF, GONE),
    (b"set a x 0 1", BCLF, GONE),
    (b"set a x 0 1 noreply", b"", GONE),
    (b"set a -1 0 1", BCLF, GONE),
    (b"set a +5 0 1", STORED, b"VALUE a 5 1\r\nZ\r\nEND\r\n"),
    (b"set a 007 0 1", STORED, b"VALUE a 7 1\r\nZ\r\nEND\r\n"),
    (b"set a 4294967296 0 1", STORED, Z),
    (b"set a 18446744073709551615 0 1", STORED, b"VALUE a 4294967295 1\r\nZ\r\nEND\r\n"),
    (b"set a 18446744073709551616 0 1", BCLF, GONE),
    (b"set a -18446744073709551615 0 1", STORED, b"VALUE a 1 1\r\nZ\r\nEND\r\n"),
    (b"set a 5\x00x 0 1", STORED, b"VALUE a 5 1\r\nZ\r\nEND\r\n"),
    (b"set a 5x 0 1", BCLF, GONE),
    (b"set a \t 5 1", BCLF, GONE),
    (b"set a \t 5x 1", BCLF, GONE),
    (b"set a 0 x 1", BCLF, GONE),
    (b"set a 0 -1 1", STORED, GONE),
    (b"set a 0 2147483648 1", STORED, GONE),
    (b"set a 0 4294967296 1", STORED, Z),
    (b"set a 0 9223372036854775808 1", BCLF, GONE),
    (b"set " + LONG + b" 0 0 1", BCLF, GONE),
    (b"set " + LONG + b" 0 0 1 noreply", b"", GONE),
    (b"set " + LONG + b" 0 0 x", BCLF * 2, GONE),
    (b"cas a 0 0 1", BCLF, GONE),
    (b"cas a 0 0 1 noreply", b"", GONE),
    (b"cas a 0 0 1 5", b"NOT_FOUND\r\n", GONE),
    (b"cas a 0 0 1 +5", BCLF, GONE),
    (b"cas a 0 0 1 5 noreply", b"", GONE),
    (b"add a 0 0 1", STORED, Z),
    (b"replace a 0 0 1", b"NOT_STORED\r\n", GONE),
    (b"append a 0 0 1", b"NOT_STORED\r\n", GONE),
    (b"prepend a 0 x 1", BCLF, GONE),
]


@pytest.mark.parametrize(("header", "replies", "after"), HEADERS)
def test_header(server: Server, header: bytes, replies: bytes, after: bytes) -> None:
    """A storage header, whether its value is swallowed, and its effect."""
    assert ask(server, header + b"\r\nZ\r\nget a\r\n") == replies + after


VALUES = [
    (b"5 ", b"6", b"6 "),
    (b" 5", b"6", b"6 "),
    (b"\t+5", b"6", b"6  "),
    (b"007", b"8", b"8  "),
    (b"-0", b"1", b"1 "),
    (b"12 34", b"13", b"13   "),
    (b"5\x00x", b"6", b"6  "),
    (b"-18446744073709551615", b"2", b"2" + b" " * 20),
    (b"18446744073709551615", b"0", b"0" + b" " * 19),
    (b"0" * 5000 + b"5", b"6", b"6" + b" " * 5000),
    (b"99", b"100", b"100"),
]


@pytest.mark.parametrize(("stored", "reply", "after"), VALUES)
def test_counter(server: Server, stored: bytes, reply: bytes, after: bytes) -> None:
    """What counts as a number, and how the new one is written."""
    sent = b"set n 3 0 %d\r\n%b\r\nincr n 1\r\nget n\r\n" % (len(stored), stored)
    assert ask(server, sent) == b"STORED\r\n%b\r\nVALUE n 3 %d\r\n%b\r\nEND\r\n" % (reply, len(after), after)


@pytest.mark.parametrize(
    "stored", [b"", b" ", b"\t", b"\r\n", b"-1", b"5x", b"0x5", b"+ 5", b"--5", b"x", b"\x00", b"1" * 21, b"9" * 9000]
)
def test_no_counter(server: Server, stored: bytes) -> None:
    """Values that are no numbers."""
    assert ask(server, b"set n 0 0 %d\r\n%b\r\nincr n 1\r\n" % (len(stored), stored)) == STORED + NON_NUMERIC


def test_large_counter_is_no_number(server: Server) -> None:
    """Arithmetic stops where memcached begins to keep an item in pieces."""
    for length, reply in ((524228, b"6\r\n"), (524229, NON_NUMERIC)):
        value = b"5".ljust(length)
        assert ask(server, b"set n 0 0 %d\r\n%b\r\nincr n 1\r\n" % (length, value)) == STORED + reply


def test_storage_commands(server: Server) -> None:
    """Conditions of the storage commands, and joining."""
    sent = (
        b"add a 1 0 1\r\nx\r\nadd a 2 0 1\r\ny\r\nreplace a 3 0 2\r\nmm\r\n"
        b"append a 9 9 1\r\n>\r\nprepend a 9 9 1\r\n<\r\n"
        b"get a\r\n"
    )
    replies = b"STORED\r\nNOT_STORED\r\nSTORED\r\nSTORED\r\nSTORED\r\nVALUE a 3 4\r\n<mm>\r\nEND\r\n"
    assert ask(server, sent) == replies


def test_cas(server: Server) -> None:
    """Uniques grow with every store, change with incr and append, stay with touch, and decide cas."""

    def unique() -> int:
        return int(ask(server, b"gets a\r\n").split()[4])

    ask(server, b"set a 0 0 1\r\n1\r\n")
    seen = [unique()]
    for change in (b"set a 0 0 1\r\n1\r\n", b"incr a 1\r\n", b"incr a 10\r\n", b"append a 0 0 1\r\n1\r\n"):
        ask(server, change)
        seen.append(unique())
    assert seen == sorted(set(seen))
    ask(server, b"touch a 0\r\ngat 0 a\r\nget a\r\n")
    assert unique() == seen[-1]
    assert ask(server, b"cas a 0 0 1 %d\r\n2\r\n" % (seen[-1] - 1)) == b"EXISTS\r\n"
    assert ask(server, b"cas a 0 0 1 0\r\n2\r\n") == b"EXISTS\r\n"
    assert ask(server, b"cas a 0 0 1 %d\r\n2\r\n" % seen[-1]) == b"STORED\r\n"
    assert ask(server, b"gats 0 a b\r\n").startswith(b"VALUE a 0 1 ")


def test_bad_data_chunk_consumes_what_was_announced(server: Server) -> None:
    """Exactly the announced bytes and two more are taken, the old value stays."""
    sent = b"set a 0 0 1\r\n1\r\nset a 0 0 3\r\nabcdeget a\r\nset a 0 0 1\nZ\n\nget a\r\n"
    answer = b"VALUE a 0 1\r\n1\r\nEND\r\n"
    assert ask(server, sent) == STORED + BAD_CHUNK + answer + BAD_CHUNK + answer


def test_bare_line_feed_ends_a_line(server: Server) -> None:
    """Bare LF is fine for lines, not for values."""
    assert ask(server, b"set a 0 0 1\nZ\r\nget a\nxxx\nxx\n") == STORED + Z + b"ERROR\r\n" + BCLF


@pytest.mark.parametrize("line", [b"quit", b"quit x", b"foo HTTP/1.1", b"GET / HTTP/1.0", b"a b HTTP/ "])
def test_closing_lines_send_what_is_owed(server: Server, line: bytes) -> None:
    """The end of a conversation loses no reply and serves nothing after it."""
    connection = server.open()
    connection.send(b"set a 0 0 1\r\n1\r\nget a\r\n" + line + b"\r\nversion\r\n")
    assert connection.receive() == STORED + b"VALUE a 0 1\r\n1\r\nEND\r\n"
    assert connection.closed
    connection.send(b"version\r\n")
    assert connection.receive() == b""
    assert server.connection_count == 0


def test_flush_all_may_be_forbidden() -> None:
    """``-F`` refuses flush_all, noreply still silences it."""
    server = Server(["-F"])
    refused = b"CLIENT_ERROR flush_all not allowed\r\n"
    sent = b"set a 5 0 1\r\n1\r\nflush_all\r\nflush_all x\r\nflush_all noreply\r\nget a\r\n"
    assert ask(server, sent) == STORED + refused * 2 + HIT


def test_stats(server: Server) -> None:
    """Counters count, reset resets them and keeps gauges."""

    def stats() -> dict[bytes, bytes]:
        lines = ask(server, b"stats\r\n").split(b"\r\n")
        assert lines[-2:] == [b"END", b""]
        return {name: value for _, name, value in (line.split(b" ", 2) for line in lines[:-2])}

    ask(server, b"set a 0 0 1\r\n1\r\nget a b\r\ndelete c\r\nincr a 1\r\ntouch a 0\r\n")
    ask(server, b"cas a 0 0 1 0\r\n1\r\nflush_all 9\r\n")
    now = stats()
    expected = {b"cmd_get": 2, b"get_hits": 1, b"get_misses": 1, b"cmd_set": 2, b"delete_misses": 1, b"incr_hits": 1}
    expected |= {b"cmd_touch": 1, b"cas_badval": 1, b"cmd_flush": 1, b"curr_items": 1, b"total_items": 1, b"bytes": 61}
    assert {name: int(now[name]) for name in expected} == expected
    assert now[b"version"] == PROTOCOL_VERSION.encode()
    ask(server, b"stats reset\r\n")
    assert (stats()[b"get_hits"], stats()[b"curr_items"]) == (b"0", b"1")
    assert b"STAT item_size_max 1048576\r\n" in ask(server, b"stats settings\r\n")
