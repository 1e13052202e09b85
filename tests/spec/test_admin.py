"""What the commands of administration answer, as a function of their line alone."""

from __future__ import annotations

from typing import Any

import pytest

from mcconform.oracle import Oracle
from mcspec import Event, Happening, Now, Rules, World, step
from mcspec.limits import Limits

NOW = Now(1000, 1000)
ERROR, OK, BAD = b"ERROR\r\n", b"OK\r\n", b"CLIENT_ERROR bad command line format\r\n"
BAD_MOVE = b"BADCLASS invalid src or dst class id\r\n"
SMALL = b"MEMLIMIT_TOO_SMALL cannot set maxbytes to less than 8m\r\n"
MEGABYTES = b"MEMLIMIT_ADJUST_FAILED input value is megabytes not bytes\r\n"
WINDOW = b"CLIENT_ERROR automove window too low or too high\r\n"

ANSWERS: list[tuple[bytes, bytes]] = [
    (b"shutdown", b"SERVER_ERROR: shutdown not enabled\r\n"),
    (b"cache_memlimit", ERROR),
    (b"cache_memlimit x", ERROR),
    (b"cache_memlimit 7", SMALL),
    (b"cache_memlimit 8", OK),
    (b"cache_memlimit 1000000000", OK),
    (b"cache_memlimit 1000000001", MEGABYTES),
    (b"cache_memlimit 7 noreply", b""),
    (b"lru", ERROR),
    (b"lru mode", ERROR),
    (b"lru mode flat", OK),
    (b"lru mode Flat", ERROR),
    (b"lru mode x noreply", b""),
    (b"lru temp_ttl -1", OK),
    (b"lru temp_ttl x", ERROR),
    (b"lru tune 10 25 0.1", ERROR),
    (b"lru tune 10 25 0.1 2.0", OK),
    (b"lru tune 40 40 0.1 2.0", OK),
    (b"lru tune 40 41 0.1 2.0", b"ERROR hot and warm pcts must not exceed 80\r\n"),
    (b"lru tune 40 40 0.0 2.0", b"ERROR hot/warm age factors must be greater than 0\r\n"),
    (b"lru tune 40 x 0.1 2.0", ERROR),
    (b"lru tune 40 40 . 2.0", ERROR),
    (b"lru_crawler", ERROR),
    (b"lru_crawler enable x", ERROR),
    (b"lru_crawler sleep 1000000", OK),
    (b"lru_crawler sleep 1000001", b"CLIENT_ERROR sleep must be one second or less\r\n"),
    (b"lru_crawler sleep 4294967296", BAD),
    (b"lru_crawler tocrawl -1", BAD),
    (b"lru_crawler tocrawl 4294967295", OK),
    (b"lru_crawler tocrawl 5 noreply", b""),
    (b"lru_crawler crawl", ERROR),
    (b"slabs", ERROR),
    (b"slabs reassign 1", ERROR),
    (b"slabs reassign 5 5", b"SAME src and dst class are identical\r\n"),
    (b"slabs reassign 64 1", BAD_MOVE),
    (b"slabs reassign 1 -1", BAD_MOVE),
    (b"slabs reassign x 1", BAD),
    (b"slabs automove 2 x", OK),
    (b"slabs automove 3", ERROR),
    (b"slabs automove x", BAD),
    (b"slabs automove 1 noreply", b""),
    (b"slabs automove ratio 0.5", OK),
    (b"slabs automove freeratio", ERROR),
    (b"slabs automove window 3", OK),
    (b"slabs automove window 1800", OK),
    (b"slabs automove window 2", WINDOW),
    (b"slabs automove window 1801", WINDOW),
    (b"slabs automove window x", BAD),
    (b"stats resets", ERROR),
    (b"stats rese", b"RESET\r\n"),
    (b"stats d of", OK),
    (b"stats item", ERROR),
    (b"stats reset x", b"RESET\r\n"),
    (b"stats detail", b"CLIENT_ERROR usage: stats detail on|off|dump\r\n"),
    (b"stats detail On", b"CLIENT_ERROR usage: stats detail on|off|dump\r\n"),
    (b"stats cachedump 1", b"CLIENT_ERROR bad command line\r\n"),
    (b"stats cachedump 1 x", BAD),
    (b"stats cachedump 64 0", b"CLIENT_ERROR Illegal slab id\r\n"),
]


def said(line: bytes, *answers: bytes, **options: Any) -> list[str | None]:
    """The clause that each answer breaks; None where it is allowed. The version is asked for behind the line."""
    found = []
    for answer in answers:
        oracle = Oracle(Rules(**options))
        oracle.open(0, NOW)
        oracle.send(0, line + b"\r\nversion\r\n", NOW)
        oracle.received(0, answer + b"VERSION 1\r\n")
        assert oracle.unspecified is None
        found.append(None if oracle.refusal is None else oracle.refusal.clause)
    return found


@pytest.mark.parametrize(("line", "answer"), ANSWERS, ids=[line.decode() for line, _ in ANSWERS])
def test_the_one_answer(line: bytes, answer: bytes) -> None:
    """It is allowed, and another one is not."""
    other = ERROR if answer != ERROR else OK
    right, wrong = said(line, answer, other)
    assert right is None
    assert wrong is not None
    assert wrong.startswith(("admin.", "stats.", "text.stats."))


@pytest.mark.parametrize(
    ("line", "answers"),
    [
        (b"lru_crawler enable", (OK, b"ERROR failed to start lru crawler thread\r\n")),
        (b"lru_crawler disable", (OK, b"ERROR failed to stop lru crawler thread\r\n")),
        (
            b"lru_crawler crawl 1,63",
            (OK, b"NOTSTARTED no items to crawl\r\n", b"CLIENT_ERROR lru crawler disabled\r\n"),
        ),
        (b"lru_crawler crawl 1,64", (b"BADCLASS invalid class id\r\n",)),
        (b"lru_crawler metadump hash", (b"OK\r\nEND\r\n", b"BUSY currently processing crawler request\r\n")),
        (b"lru_crawler metadump all", (b"OK\r\nkey=a exp=-1 la=5 cas=1 fetch=no cls=1 size=60 flags=0 \nEND\r\n",)),
        (b"lru_crawler mgdump all", (b"OK\r\nEN\r\n", b"OK\r\nmg a\r\nmg YQ== b\r\nEN\r\n")),
        (b"lru_crawler mgdump 1", (b"ERROR cannot pipeline other commands before mgdump\r\n",)),
        (b"slabs reassign 1 2", (OK, BAD_MOVE, b"NOSPARE source class has no spare pages\r\n")),
        (b"watch x", (ERROR, b"ERROR cannot pipeline other commands before watch\r\n")),
        (b"stats sizes", (b"STAT sizes_status disabled\r\nEND\r\n", b"STAT 96 5\r\nEND\r\n", b"END\r\n")),
        (b"stats conns", (b"STAT 12:addr tcp:127.0.0.1:5\r\nSTAT 12:state conn_read\r\nEND\r\n",)),
        (b"stats cachedump 1 0", (b"END\r\n", b"ITEM a [1 b; 0 s]\r\nEND\r\n")),
    ],
)
def test_one_of_several_answers(line: bytes, answers: tuple[bytes, ...]) -> None:
    assert said(line, *answers, b"NOTHING\r\n")[:-1] == [None] * len(answers)
    assert said(line, b"NOTHING\r\n") != [None]


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        (b"lru_crawler metadump all", b"OK\r\nkey=a exp=x la=5 cas=1 fetch=no cls=1 size=60 flags=0 \nEND\r\n"),
        (b"lru_crawler metadump all", b"OK\r\nkey=a exp=-1 la=5 cas=1 fetch=no cls=1 size=60 flags=0 \r\n\nEND\r\n"),
        (b"lru_crawler metadump all", b"END\r\n"),
        (b"lru_crawler mgdump all", b"OK\r\nmg a\r\nEND\r\n"),
        (b"stats slabs", b"STAT 1:chunk_size x\r\nEND\r\n"),
        (b"stats items", b"STAT items:x:number 1\r\nEND\r\n"),
        (b"stats detail dump", b"PREFIX a get 1 hit 1 set 1\r\nEND\r\n"),
    ],
)
def test_badly_framed(line: bytes, wrong: bytes) -> None:
    assert said(line, wrong) != [None]


@pytest.mark.parametrize(
    ("line", "answer", "options"),
    [
        (b"lru_crawler metadump all", b"ERROR metadump not allowed\r\n", {"dumps_allowed": False}),
        (b"lru_crawler mgdump all", b"ERROR key dump not allowed\r\n", {"dumps_allowed": False}),
        (b"stats cachedump 1 0", b"CLIENT_ERROR stats cachedump not allowed\r\n", {"dumps_allowed": False}),
        (b"watch mutations", b"CLIENT_ERROR watch commands not allowed\r\n", {"watch_allowed": False}),
        (b"shutdown x", b"CLIENT_ERROR invalid shutdown mode\r\n", {"shutdown_allowed": True}),
    ],
)
def test_switches(line: bytes, answer: bytes, options: dict[str, Any]) -> None:
    assert said(line, answer, ERROR, **options) == [None, said(line, ERROR, **options)[0]]
    assert said(line, ERROR, **options) != [None]


@pytest.mark.parametrize(
    "line",
    [b"shutdown graceful", b"watch mutations", b"debugtime p", b"extstore x 1", b"stats proxy", b"refresh_certs"],
)
def test_what_is_not_said(line: bytes) -> None:
    """Nothing is specified of what comes after a server ended, a connection watches, or depends on a build."""
    world = step(World(), Happening(0, Event.CONNECT), NOW, Rules())[0].world
    rules = Rules(shutdown_allowed=True)
    assert step(world, Happening(0, Event.DATA, line + b"\r\n"), NOW, rules)[0].unspecified


def test_less_memory_may_evict() -> None:
    """Where the limit falls, an item may be gone; where it does not, it may not."""
    for limit, misses in ((b"8", 1), (b"64", 0), (b"100", 0)):
        oracle = Oracle(Rules())
        oracle.open(0, NOW)
        oracle.send(0, b"set a 0 0 1\r\nx\r\ncache_memlimit " + limit + b"\r\nget a\r\n", NOW)
        oracle.received(0, b"STORED\r\nOK\r\nEND\r\n")
        assert (oracle.refusal is None) == bool(misses)


def fill(count: int) -> tuple[bytes, bytes]:
    """Stores of one size, and what is answered."""
    return b"".join(b"set k%d 0 0 100\r\n%s\r\n" % (i, b"x" * 100) for i in range(count)), b"STORED\r\n" * count


def looked(oracle: Oracle, key: int, *, hit: bool) -> str:
    """Look at an item without using it; the clause that is broken."""
    oracle.send(0, b"mg k%d u\r\n" % key, NOW)
    oracle.received(0, b"HD\r\n" if hit else b"EN\r\n")
    return "" if oracle.refusal is None else oracle.refusal.clause


def full(count: int, rules: Rules | None = None) -> Oracle:
    """An oracle of a server with 1000 bytes, after some stores of 160."""
    oracle = Oracle(rules or Rules(limits=Limits(memory=1000)))
    oracle.open(0, NOW)
    stores, answers = fill(count)
    oracle.send(0, stores, NOW)
    oracle.received(0, answers)
    return oracle


def test_the_oldest_goes_first() -> None:
    """Once one is gone, so are those before it; those after it may be there or not."""
    assert [looked(full(8), key, hit=False) for key in (0, 4, 7)] == ["", "", ""]
    oracle = full(8)
    assert looked(oracle, 7, hit=True) == looked(oracle, 4, hit=False) == looked(oracle, 3, hit=False) == ""
    assert looked(oracle, 5, hit=True) == ""
    assert looked(oracle, 2, hit=True) == "memory.order.oldest"


def test_a_use_or_a_store_renews() -> None:
    """Of what was used, or stored anew, nothing is known from what went."""
    value = b"x" * 100 + b"\r\n"
    used = (b"get k2\r\n", b"VALUE k2 0 100\r\n" + value + b"END\r\n")
    for renews, answer in (used, (b"set k2 0 0 100\r\n" + value, b"STORED\r\n")):
        oracle = full(8)
        oracle.send(0, renews, NOW)
        oracle.received(0, answer)
        assert looked(oracle, 4, hit=False) == looked(oracle, 2, hit=True) == ""


def test_nothing_goes_where_there_is_room() -> None:
    assert looked(full(1), 0, hit=False) != ""
    kept = full(1, Rules(limits=Limits(memory=700)))
    assert looked(kept, 0, hit=True) == ""
    assert "memory.room.keeps" in kept.passed


def test_nothing_goes_where_that_is_forbidden() -> None:
    rules = Rules(evictions=False, limits=Limits(memory=1000))
    oracle = full(2, rules)
    assert looked(oracle, 0, hit=True) == ""
    assert "memory.forbidden.keeps" in oracle.passed
    assert looked(full(2, rules), 0, hit=False) != ""
