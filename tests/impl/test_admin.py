"""Admin commands, dumps, watch and the clock of debug builds."""

import pytest

from mcserver.inproc import Server, create
from tests.impl.test_stats_counters import ask, rows

LINES = [
    (b"cache_memlimit", b"ERROR"),
    (b"cache_memlimit 7", b"MEMLIMIT_TOO_SMALL cannot set maxbytes to less than 8m"),
    (b"cache_memlimit 1000000001", b"MEMLIMIT_ADJUST_FAILED input value is megabytes not bytes"),
    (b"cache_memlimit 8", b"OK"),
    (b"lru tune 10 20 0.1 0.2", b"OK"),
    (b"lru tune 50 40 0.1 0.2", b"ERROR hot and warm pcts must not exceed 80"),
    (b"lru tune 10 20 0 0.2", b"ERROR hot/warm age factors must be greater than 0"),
    (b"lru tune x 20 0.1 0.2", b"ERROR"),
    (b"lru mode flat", b"OK"),
    (b"lru mode x", b"ERROR"),
    (b"lru temp_ttl -1", b"OK"),
    (b"lru_crawler enable", b"ERROR failed to start lru crawler thread"),
    (b"lru_crawler sleep 1000001", b"CLIENT_ERROR sleep must be one second or less"),
    (b"lru_crawler crawl 64", b"BADCLASS invalid class id"),
    (b"lru_crawler crawl 1,,3", b"OK"),
    (b"lru_crawler metadump", b"ERROR"),
    (b"lru_crawler mgdump x", b"BADCLASS invalid class id"),
    (b"slabs reassign 1 1", b"SAME src and dst class are identical"),
    (b"slabs reassign 1 2", b"NOSPARE source class has no spare pages"),
    (b"slabs reassign 99 1", b"BADCLASS invalid src or dst class id"),
    (b"slabs reassign x 1", b"CLIENT_ERROR bad command line format"),
    (b"slabs automove 3", b"ERROR"),
    (b"slabs automove window 2", b"CLIENT_ERROR automove window too low or too high"),
    (b"slabs automove ratio 0.5", b"OK"),
    (b"shutdown", b"SERVER_ERROR: shutdown not enabled"),
    (b"debugtime p", b"ERROR"),
    (b"watch foo", b"ERROR"),
    (b"stats cachedump 64 1", b"CLIENT_ERROR Illegal slab id"),
    (b"stats cachedump 1", b"CLIENT_ERROR bad command line"),
]


@pytest.mark.parametrize(("line", "reply"), LINES, ids=[repr(row[0]) for row in LINES])
def test_line(server: Server, line: bytes, reply: bytes) -> None:
    """One line, one reply, and the connection goes on."""
    assert ask(server, line + b"\r\nversion\r\n").startswith(reply + b"\r\nVERSION")


def test_dumps(server: Server) -> None:
    """All live items, in both formats; not behind another request."""
    ask(server, b"set a%b 7 0 1\r\nx\r\n" % b"\x01")
    assert ask(server, b"lru_crawler mgdump all\r\n") == b"OK\r\nmg YQE= b\r\nEN\r\n"
    line = ask(server, b"lru_crawler metadump 1\r\n")
    assert line.startswith(b"OK\r\nkey=a%01 exp=-1 la=1800000000 cas=")
    assert line.endswith(b" fetch=no cls=1 size=66 flags=7 \nEND\r\n")
    refused = b"END\r\nERROR cannot pipeline other commands before metadump\r\n"
    assert ask(server, b"get q\r\nlru_crawler metadump all\r\n") == refused


def test_crawl_reclaims(server: Server) -> None:
    """Dead items of the classes named are dropped and counted."""
    ask(server, b"set a 0 1 1\r\nx\r\nset b 0 0 1\r\nx\r\n")
    server.advance(1)
    assert ask(server, b"lru_crawler crawl 1\r\n") == b"OK\r\n"
    assert rows(server, b" items")["items:1:crawler_reclaimed"] == "1"
    assert rows(server)["curr_items"] == "1"


def test_watch(server: Server) -> None:
    """A watcher gets lines of its classes, and its input is ignored."""
    watcher = server.open()
    watcher.send(b"watch mutations deletions\r\n")
    assert watcher.receive() == b"OK\r\n"
    ask(server, b"set k% 0 100 3\r\nabc\r\nget k%\r\ndelete k%\r\n")
    watcher.send(b"version\r\n")
    first, second = watcher.receive().decode().splitlines()
    assert first.endswith("type=item_store key=k%25 status=stored cmd=set ttl=100 clsid=1 cfd=2 size=3")
    assert second.endswith("type=deleted key=k%25 cmd=delete clsid=1 size=3")
    assert rows(server)["log_watchers"] == "1"
    watcher.reset()
    assert rows(server)["log_watchers"] == "0"


def test_debugtime() -> None:
    """The clock stands still and moves by the growing sum of what was asked for."""
    server = create(["-o", "debugtime"])
    ask(server, b"debugtime p\r\nset a 0 100 1\r\nx\r\n")
    server.advance(1000)
    assert ask(server, b"get a\r\n").startswith(b"VALUE")
    ask(server, b"debugtime 49\r\ndebugtime 1\r\n")
    assert ask(server, b"get a\r\n").startswith(b"VALUE")
    ask(server, b"debugtime -49\r\n")
    assert ask(server, b"get a\r\n") == b"END\r\n"


@pytest.mark.parametrize(
    ("option", "line", "reply"),
    [
        ("-X", b"lru_crawler metadump all", b"ERROR metadump not allowed"),
        ("-X", b"stats detail on", b"CLIENT_ERROR stats detail not allowed"),
        ("-X", b"stats cachedump 1 1", b"CLIENT_ERROR stats cachedump not allowed"),
        ("-W", b"watch", b"CLIENT_ERROR watch commands not allowed"),
        ("-A", b"shutdown x", b"CLIENT_ERROR invalid shutdown mode"),
        ("-C", b"set a 0 0 1\r\nx\r\ncas a 0 0 1 0\r\nx", b"STORED\r\nEXISTS"),
    ],
)
def test_switches(option: str, line: bytes, reply: bytes) -> None:
    """What a switch forbids."""
    assert ask(create([option]), line + b"\r\n") == reply + b"\r\n"
