"""Time, flush, sizes, memory and connection limits, in lock-step."""

import pytest

from mcserver.inproc import START, Server, create
from mcserver.options import OptionError
from tests.impl.support import ask

LIVE = b"VALUE a 0 1\r\n1\r\nEND\r\n"
GONE = b"END\r\n"
TOO_LARGE = b"SERVER_ERROR object too large for cache\r\n"
NO_MEMORY = b"SERVER_ERROR out of memory storing object\r\n"


@pytest.mark.parametrize(
    ("exptime", "lives", "dies"),
    [
        (b"1", 0.9, 1),
        (b"10", 9, 10),
        (b"2592000", 2591999, 2592000),
        (b"%d" % (START + 50), 49, 50),
        (b"0", 10**9, None),
        (b"2592001", None, 0),
        (b"-1", None, 0),
    ],
)
def test_expiry(server: Server, exptime: bytes, lives: float | None, dies: float | None) -> None:
    """Up to 30 days count from now, more is a Unix time, negative is dead."""
    ask(server, b"set a 0 %b 1\r\n1\r\n" % exptime)
    if lives is not None:
        server.advance(lives)
        assert ask(server, b"get a\r\n") == LIVE
    if dies is not None:
        server.advance(dies - (lives or 0))
        assert ask(server, b"get a\r\n") == GONE
        assert ask(server, b"add a 0 0 1\r\n1\r\n") == b"STORED\r\n"


def test_exptime_counts_from_the_header(server: Server) -> None:
    """A value that takes long to arrive lives no longer for it."""
    connection = server.open()
    connection.send(b"set a 0 10 1\r\n")
    server.advance(9)
    connection.send(b"1\r\n")
    assert ask(server, b"get a\r\n") == LIVE
    server.advance(1)
    assert ask(server, b"get a\r\n") == GONE


def test_what_moves_exptime(server: Server) -> None:
    """touch and gat set it; append and incr keep it."""
    ask(server, b"set a 0 10 1\r\n1\r\nset b 0 10 1\r\n1\r\nset c 0 10 1\r\n1\r\nset d 0 10 2\r\n99\r\n")
    ask(server, b"touch a 20\r\ngat 20 b\r\nappend c 0 0 1\r\n2\r\nincr d 1\r\n")
    server.advance(10)
    assert ask(server, b"get a b c d\r\n") == b"VALUE a 0 1\r\n1\r\nVALUE b 0 1\r\n1\r\nEND\r\n"


def test_flush_now_spares_the_rest_of_the_second(server: Server) -> None:
    """Everything before is gone, everything after lives."""
    ask(server, b"set a 0 0 1\r\n1\r\nflush_all\r\n")
    assert ask(server, b"get a\r\nset a 0 0 1\r\n1\r\nget a\r\n") == GONE + b"STORED\r\n" + LIVE


def test_flush_with_delay(server: Server) -> None:
    """It strikes at t+n-1 and takes what was stored up to then, also after the command."""
    ask(server, b"set b 0 0 1\r\n1\r\nflush_all 3\r\nset a 0 0 1\r\n1\r\n")
    server.advance(1)
    assert ask(server, b"get a\r\n") == LIVE
    server.advance(1)
    assert ask(server, b"get a b\r\nset a 0 0 1\r\n1\r\nget a\r\n") == GONE + b"STORED\r\n" + GONE
    server.advance(1)
    assert ask(server, b"set a 0 0 1\r\n1\r\nget a\r\n") == b"STORED\r\n" + LIVE


def test_flush_replaces_a_pending_one(server: Server) -> None:
    """The last flush_all counts, and a flush that has struck is not undone."""
    ask(server, b"set a 0 0 1\r\n1\r\nflush_all 3\r\nflush_all 100\r\n")
    server.advance(10)
    assert ask(server, b"get a\r\n") == LIVE
    ask(server, b"flush_all 1\r\nflush_all 100\r\n")
    assert ask(server, b"get a\r\n") == GONE


def test_flush_at_a_unix_time(server: Server) -> None:
    """A time before the start flushes nothing and cancels what was pending."""
    ask(server, b"set a 0 0 1\r\n1\r\nflush_all %d\r\n" % (START + 5))
    server.advance(3)
    assert ask(server, b"get a\r\n") == LIVE
    ask(server, b"flush_all 2592001\r\n")
    server.advance(10)
    assert ask(server, b"get a\r\n") == LIVE
    assert ask(server, b"flush_all %d\r\nget a\r\n" % (START + 1)) == b"OK\r\n" + GONE


@pytest.mark.parametrize(
    ("key", "flags", "largest"),
    [(b"a", 0, 1048516), (b"ab", 0, 1048515), (b"a", 1, 1048512), (b"k" * 250, 0, 1048267)],
)
def test_largest_value(server: Server, key: bytes, flags: int, largest: int) -> None:
    """The whole item has to fit in -I; a set that does not removes the old value, an add does not."""
    header = b"set %b %d 0 %d\r\n"
    assert ask(server, header % (key, flags, largest) + b"v" * largest + b"\r\n") == b"STORED\r\n"
    large = largest + 1
    add = header.replace(b"set", b"add")
    assert ask(server, add % (key, flags, large) + b"v" * large + b"\r\nget a\r\n").startswith(TOO_LARGE)
    assert ask(server, b"touch %b 0\r\n" % key) == b"TOUCHED\r\n"
    assert ask(server, header % (key, flags, large) + b"v" * large + b"\r\nversion\r\n").startswith(TOO_LARGE)
    assert ask(server, b"touch %b 0\r\n" % key) == b"NOT_FOUND\r\n"


def test_too_large_noreply_is_silent_and_swallows(server: Server) -> None:
    """The announced bytes go even when they look like commands."""
    body = b"version\r\n".ljust(2_000_000)
    assert ask(server, b"set a 0 0 2000000 noreply\r\n" + body + b"\r\nget a\r\n") == GONE


def test_joined_value_too_large(server: Server) -> None:
    """Append past the limit is NOT_STORED and changes nothing."""
    value = b"v" * 1048515
    ask(server, b"set a 0 0 1\r\n1\r\n")
    assert ask(server, b"append a 0 0 1048515\r\n" + value + b"\r\n") == b"STORED\r\n"
    assert ask(server, b"append a 0 0 1\r\n2\r\n") == b"NOT_STORED\r\n"


def test_eviction_takes_the_least_recently_used() -> None:
    """-m bounds the sum of item sizes; one get does not protect, a second one does."""
    server = create(["-m", "2"])
    value = b"v" * 500_000
    for name in (b"a", b"b", b"c", b"d"):
        assert ask(server, b"set %b 0 0 500000\r\n" % name + value + b"\r\n") == b"STORED\r\n"
    ask(server, b"get a\r\nget b\r\nget a\r\n")
    ask(server, b"set e 0 0 500000\r\n" + value + b"\r\n")
    alive = [name for name in (b"a", b"b", b"c", b"d", b"e") if ask(server, b"touch %b 0\r\n" % name) == b"TOUCHED\r\n"]
    assert alive == [b"a", b"c", b"d", b"e"]
    assert b"STAT evictions 1\r\n" in ask(server, b"stats\r\n")


def test_without_eviction_the_store_fails() -> None:
    """-M answers an error and the set's old value is gone; dead items make room."""
    server = create(["-m", "2", "-M"])
    value = b"v" * 500_000
    for name in (b"a", b"b", b"c", b"d"):
        ask(server, b"set %b 0 100 500000\r\n" % name + value + b"\r\n")
    store = b"%b e 0 0 500000\r\n" + value + b"\r\n"
    assert ask(server, store % b"add") == NO_MEMORY
    assert ask(server, b"append a 0 0 1\r\n1\r\n") == b"NOT_STORED\r\n"
    assert ask(server, b"set a 0 0 500000\r\n" + value + b"\r\nget a\r\n") == NO_MEMORY + GONE
    assert ask(server, store % b"add") == b"STORED\r\n"
    server.advance(100)
    assert ask(server, b"set f 0 0 500000\r\n" + value + b"\r\n") == b"STORED\r\n"


def test_unfinished_values_count_and_are_given_back() -> None:
    """A value that is arriving holds memory until it is stored or its connection ends."""
    server = create(["-m", "2", "-M"])
    waiting = [server.open() for _ in range(4)]
    for one in waiting:
        one.send(b"set a 0 0 500000\r\nxyz")
    assert ask(server, b"set b 0 0 500000\r\n" + b"v" * 500_000 + b"\r\n") == NO_MEMORY
    waiting[0].reset()
    waiting[1].half_close()
    assert waiting[1].closed
    assert ask(server, b"set b 0 0 500000\r\n" + b"v" * 500_000 + b"\r\n") == b"STORED\r\n"


def test_connection_limit() -> None:
    """-c clients are served, one more is told so and closed, and a place is free again after one left."""
    server = create(["-c", "2"])
    first, second, third = server.open(), server.open(), server.open()
    assert (third.closed, third.receive()) == (True, b"ERROR Too many open connections\r\n")
    assert server.connection_count == 2
    first.half_close()
    assert first.closed
    second.send(b"version\r\n")
    assert second.receive()
    assert not server.open().closed


def test_half_close_answers_what_is_complete(server: Server) -> None:
    """Complete requests are answered, an unfinished one is dropped."""
    connection = server.open()
    connection.send(b"set a 0 0 1\r\n1\r\nget a\r\nset a 0 0 5\r\nab")
    connection.half_close()
    assert connection.receive() == b"STORED\r\n" + LIVE
    assert ask(server, b"get a\r\n") == LIVE


def test_inproc_clock(server: Server) -> None:
    """It starts at 1,800,000,000 and moves only forward."""
    assert server.now == 1_800_000_000.0
    server.advance(0.5)
    assert server.now == 1_800_000_000.5
    with pytest.raises(ValueError, match="forward"):
        server.advance(-1)
    with pytest.raises(OptionError):
        create(["--help"])
