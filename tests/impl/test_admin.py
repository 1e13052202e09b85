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
    # Any beginning of a word will do, and the number of words counts.
    (b"lru t 10 20 1 1", b"OK"),
    (b"lru t 5", b"OK"),
    (b"lru m f", b"OK"),
    (b"lru mode segmentedx", b"ERROR"),
    (b"lru tune 4294967295 1 1 1", b"OK"),
    (b"lru tune 10 20 nan inf", b"OK"),
    (b"lru tune 10 20 -1 nan", b"ERROR hot/warm age factors must be greater than 0"),
    (b"lru_crawler e", b"ERROR failed to start lru crawler thread"),
    (b"lru_crawler enable x", b"ERROR"),
    (b"lru_crawler t 5", b"OK"),
    (b"lru_crawler tocrawl 5 5", b"ERROR"),
    (b"lru_crawler s x", b"CLIENT_ERROR bad command line format"),
    (b"lru_crawler sleep x 1", b"ERROR"),
    (b"lru_crawler crawl 1 2", b"ERROR"),
    (b"lru_crawler c +1", b"OK"),
    (b"lru_crawler crawl 4294967297", b"OK"),
    (b"lru_crawler crawl ,", b"NOTSTARTED no items to crawl"),
    (b"lru_crawler mgdump ,", b"NOTSTARTED no items to crawl"),
    (b"lru_crawler crawl " + b"1," * 255 + b"x", b"BADCLASS invalid class id"),
    (b"lru_crawler crawl " + b"1," * 255 + b"1x", b"OK"),
    (b"slabs r 1 1", b"SAME src and dst class are identical"),
    (b"slabs reassign 1 1 1", b"ERROR"),
    (b"slabs a 1", b"OK"),
    (b"slabs automove r .5", b"OK"),
    (b"slabs automove f 0x1p3 x", b"OK"),
    (b"slabs automove ratio 1e999", b"ERROR"),
    (b"slabs automove ratio 1e-999", b"ERROR"),
    (b"slabs automove ratio 0e-999", b"OK"),
    (b"slabs automove ratio nan(1)", b"OK"),
    (b"slabs automove ratio 1_0", b"ERROR"),
    (b"slabs automove ratio", b"ERROR"),
    (b"slabs automove w 2", b"CLIENT_ERROR automove window too low or too high"),
    (b"slabs automove window", b"CLIENT_ERROR bad command line format"),
    (b"stats re", b"RESET"),
    (b"stats c", b"CLIENT_ERROR bad command line"),
    (b"stats detail o", b"OK"),
    (b"stats d x", b"CLIENT_ERROR usage: stats detail on|off|dump"),
    (b"stats e", b"END"),
    (b"stats item", b"ERROR"),
    (b"watch x", b"ERROR"),
    (b"debugtime p", b"ERROR"),
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


SILENT = (
    b"lru_crawler metadump x",
    b"lru_crawler sleep x",
    b"slabs reassign 1 1",
    b"lru mode",
    b"shutdown",
    b"debugtime p",
)


@pytest.mark.parametrize("line", SILENT)
def test_noreply(server: Server, line: bytes) -> None:
    """The last word silences the errors of these commands, too."""
    assert ask(server, line + b"\r\n")
    assert ask(server, line + b" noreply\r\nmn\r\n") == b"MN\r\n"


def test_shutdown_takes_one_word() -> None:
    """graceful, or its beginning, and nothing else; else the server goes on."""
    server = create(["-A"])
    for line in (b"shutdown x", b"shutdown graceful x", b"shutdown gracefully"):
        assert ask(server, line + b"\r\n") == b"CLIENT_ERROR invalid shutdown mode\r\n"
    for line in (b"shutdown", b"shutdown g", b"shutdown graceful"):
        connection = server.open()
        connection.send(line + b"\r\n")
        assert connection.closed


def test_flush_all_is_counted_also_when_refused() -> None:
    """cmd_flush."""
    server = create(["-F"])
    ask(server, b"flush_all\r\nflush_all x\r\n")
    assert rows(server)["cmd_flush"] == "2"


def test_a_disabled_crawler_says_so_first() -> None:
    """Before -X is heeded."""
    server = create(["-X", "-o", "no_lru_crawler"])
    assert ask(server, b"lru_crawler metadump all\r\n") == b"CLIENT_ERROR lru crawler disabled\r\n"


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
    watcher.send(b"watch mut deletions\r\n")
    assert watcher.receive() == b"OK\r\n"
    ask(server, b"set k% 0 100 3\r\nabc\r\nget k%\r\ndelete k%\r\n")
    watcher.send(b"version\r\n")
    first, second = watcher.receive().decode().splitlines()
    assert first.endswith("type=item_store key=k%25 status=stored cmd=set ttl=100 clsid=1 cfd=2 size=3")
    assert second.endswith("type=deleted key=k%25 cmd=delete clsid=1 size=3")
    assert rows(server)["log_watchers"] == "1"
    watcher.reset()
    assert rows(server)["log_watchers"] == "0"


X = b"set a 0 0 1\r\nx\r\n"
# What is there before, a command, and what it makes a watcher of fetchers, mutations and deletions see: as memcached
# 1.6.45 told it.
WATCHED = [
    (b"", b"ms a 2\r\nhi\r\n", ["get a not_found 0", "store a stored set ttl=0 2"]),
    (X, b"ms a 2 ME\r\nhi\r\n", ["get a found 1", "store a not_stored add ttl=0 2"]),
    (b"", b"ms b 2 MA N30\r\nhi\r\n", ["get b not_found 0", "store b stored append ttl=30 2"]),
    (b"", b"ms c 2 C5\r\nhi\r\n", ["get c not_found 0", "store c not_found cas ttl=0 2"]),
    (X, b"append a 0 0 2\r\nde\r\n", ["get a found 1", "store a stored append ttl=0 3"]),
    (X, b"md a\r\n", ["get a found 1", "deleted a md 1"]),
    (X, b"md a x T30\r\n", ["get a found 1", "get a found 1", "store a stored set ttl=30 0", "deleted a md 0"]),
    (X, b"md a I\r\n", ["get a found 1"]),
    (X, b"md a x I\r\n", ["get a found 1", "get a found 1", "store a stored set ttl=0 0"]),
    (b"", b"ma n N30 J12\r\n", ["get n not_found 0", "get n not_found 0", "store n stored add ttl=0 2"]),
    (b"", b"mg n N30\r\n", ["get n not_found 0"]),
    (b"", b"set a 0 -1 1\r\nx\r\n", ["get a not_found 0", "store a stored set ttl=4294967235 1"]),
]


@pytest.mark.parametrize(("before", "data", "lines"), WATCHED)
def test_what_watchers_see(server: Server, before: bytes, data: bytes, lines: list[str]) -> None:
    """Lookups, stores and deletions of text and meta commands alike."""
    ask(server, before)
    watcher = server.open()
    watcher.send(b"watch fetchers mutations deletions\r\n")
    watcher.receive()
    ask(server, data)
    found = []
    for line in watcher.receive().decode().splitlines():
        fields = dict(part.split("=") for part in line.split())
        words = [fields["type"].removeprefix("item_"), fields["key"], fields.get("status", ""), fields.get("cmd", "")]
        words += [f"ttl={fields['ttl']}" if "ttl" in fields else "", fields["size"]]
        found.append(" ".join(word for word in words if word))
    assert found == lines


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
