"""Segments of the LRU: where items are stored, when they move, which go first, and what the statistics say of it.

What is expected here is what memcached 1.6.45 and 1.6.18 answer where their maintainer has had its turn.
"""

import pytest

from mcserver.inproc import Server, create

#: Items of so many bytes each are in one class, of which 8 MB hold about a hundred.
SIZE = 66_560
STORED = b"STORED\r\n"


class Client:
    """A server, one connection to it, and short ways to store, to use and to ask."""

    def __init__(self, *options: str) -> None:
        self.server: Server = create(options)
        self._line = self.server.open()

    def ask(self, data: bytes) -> bytes:
        self._line.send(data)
        return self._line.receive()

    def store(self, *keys: str, size: int = 2, exptime: int = 0) -> None:
        for key in keys:
            value = b"v" * size
            assert self.ask(b"set %b 0 %d %d\r\n%b\r\n" % (key.encode(), exptime, size, value)) == STORED

    def use(self, key: str, times: int) -> None:
        for _ in range(times):
            assert self.ask(b"get %b\r\n" % key.encode()).startswith(b"VALUE")

    def fill(self, count: int, name: str = "junk", exptime: int = 0) -> None:
        self.store(*(f"{name}{number}" for number in range(count)), size=SIZE, exptime=exptime)

    def alive(self, *keys: str) -> list[str]:
        return [key for key in keys if self.ask(b"mg %b u\r\n" % key.encode()) == b"HD\r\n"]

    def items(self, number: int, *names: str) -> tuple[int, ...]:
        """Rows of ``stats items`` of class `number`."""
        lines = self.ask(b"stats items\r\n").decode().splitlines()
        rows = dict(line.split()[1:] for line in lines[:-1])
        return tuple(int(rows[f"items:{number}:{name}"]) for name in names)

    def general(self, name: str) -> int:
        lines = self.ask(b"stats\r\n").decode().splitlines()
        return int(next(line.split()[2] for line in lines if line.split()[1] == name))

    def places(self, number: int = 1) -> tuple[int, ...]:
        return self.items(number, "number_hot", "number_warm", "number_cold")


NAMES = [f"k{number:02}" for number in range(100)]


def test_a_fifth_of_the_bytes_stays_hot() -> None:
    """The oldest of the rest are cold, without time going by."""
    client = Client()
    client.store(*NAMES)
    assert client.places() == (20, 0, 80)
    assert client.items(1, "moves_to_cold", "moves_to_warm", "moves_within_lru") == (80, 0, 0)
    assert client.general("moves_to_cold") == 80


def test_hot_items_cool_with_age() -> None:
    """Those older than a fifth of the age of the oldest cold one are cold in the next second."""
    client = Client()
    client.store(*NAMES)
    client.server.advance(5)
    assert client.places() == (0, 0, 100)
    client.store("new")
    client.server.advance(1)
    assert client.places() == (1, 0, 100)
    assert client.items(1, "age_hot", "age_warm", "age") == (1, 0, 6)
    client.server.advance(1)
    assert client.places() == (0, 0, 101)


def test_two_uses_make_warm() -> None:
    """Of an item that comes to the tail of the hot ones; one use does not."""
    client = Client()
    client.store(*NAMES)
    client.use("k00", 2)
    client.use("k01", 1)
    assert client.places() == (20, 1, 79)
    assert client.items(1, "moves_to_cold", "moves_to_warm", "hits_to_hot") == (79, 1, 3)
    client.server.advance(5)
    assert client.places() == (0, 1, 99)
    assert client.items(1, "age_warm") == (5,)


def test_a_second_use_of_a_cold_item_makes_it_warm_at_once() -> None:
    """By whatever command fetches it; the first one and those without a fetch leave it."""
    client = Client()
    client.store(*NAMES)
    client.server.advance(5)
    client.ask(b"get k00\r\nme k00\r\nmg k00 u v\r\nadd k00 0 0 1\r\nx\r\n")
    assert client.places() == (0, 0, 100)
    client.ask(b"mg k00 v\r\ntouch k01 0\r\ngat 0 k01\r\nget k02\r\nget k02\r\n")
    assert client.places() == (0, 3, 97)
    assert client.items(1, "moves_to_warm", "hits_to_cold", "hits_to_warm") == (3, 5, 0)
    client.use("k00", 1)
    assert client.items(1, "hits_to_warm") == (1,)
    assert client.general("moves_to_warm") == 3


def test_active_items_stay_warm() -> None:
    """Used again since it became warm, an item is not cooled but turns within its segment; then it is cooled."""
    client = Client()
    client.store(*NAMES)
    client.use("k00", 2)
    client.server.advance(1)
    client.use("k00", 1)
    client.ask(b"lru tune 20 40 0.2 0.0001\r\n")
    client.server.advance(1)
    assert client.items(1, "moves_within_lru") == (1,)
    assert client.general("moves_within_lru") == 1
    assert client.places() == (0, 0, 100)


def test_warm_items_have_a_share_too() -> None:
    """What is above it is cold, the least recent first."""
    client = Client()
    client.store(*NAMES)
    for name in NAMES[:60]:
        client.use(name, 2)
    assert client.places() == (20, 40, 40)
    client.server.advance(1)
    client.server.advance(1)
    assert client.places() == (0, 40, 60)


def test_shares_and_ages_are_tuned() -> None:
    """At the start and by command."""
    started = Client("-o", "hot_lru_pct=50,warm_lru_pct=10,hot_max_factor=3,warm_max_factor=0.5")
    commanded = Client()
    commanded.ask(b"lru tune 50 10 3 0.5\r\n")
    for client in (started, commanded):
        client.store(*NAMES)
        for name in NAMES[:30]:
            client.use(name, 2)
        assert client.places() == (50, 10, 40)
        client.server.advance(1)
        client.server.advance(1)
        assert client.places() == (50, 0, 50)
    settings = started.ask(b"stats settings\r\n")
    for row in (b"hot_lru_pct 50", b"warm_lru_pct 10", b"hot_max_factor 3.00", b"warm_max_factor 0.50"):
        assert b"STAT " + row + b"\r\n" in settings


@pytest.mark.parametrize("factor", [b"nan", b"inf", b"1e308", b"1e-320"])
def test_any_factor_is_survived(factor: bytes) -> None:
    """Ages are compared, never converted."""
    client = Client()
    assert client.ask(b"lru tune 20 40 %b %b\r\n" % (factor, factor)) == b"OK\r\n"
    client.store(*NAMES)
    client.server.advance(5)
    assert client.items(1, "number") == (100,)


def test_without_a_share_hot_items_have_that_of_warm_ones() -> None:
    """As in memcached."""
    client = Client()
    client.ask(b"lru tune 0 40 0.2 2\r\n")
    client.store(*NAMES)
    assert client.places() == (40, 0, 60)


def test_classes_are_divided_for_themselves() -> None:
    """A class of few items has its share of hot ones whatever the others hold."""
    client = Client()
    client.store(*NAMES)
    client.store(*(f"large{number}" for number in range(10)), size=1000)
    assert (client.places(1), client.places(12)) == ((20, 0, 80), (2, 0, 8))


def test_cold_items_go_first_and_in_order() -> None:
    """Untouched items and those used once go in the order in which they were stored; those used twice stay."""
    client = Client("-m", "8")
    keys = [f"early{number}" for number in range(10)]
    client.store(*keys, size=SIZE)
    client.use("early2", 2)
    client.use("early3", 1)
    count = 0
    while client.general("evictions") < 5:
        client.store(f"junk{count}", size=SIZE)
        count += 1
    assert client.alive(*keys) == ["early2", *keys[6:]]
    client.fill(150, "more")
    assert client.alive(*keys) == ["early2"]
    assert client.items(31, "evicted") == client.items(31, "direct_reclaims") == (client.general("evictions"),)
    assert client.general("direct_reclaims") == client.general("evictions")


def test_warm_items_go_when_all_are() -> None:
    """Also where every one was used again: activity protects only once."""
    client = Client("-m", "2", "-o", "hot_lru_pct=1,warm_lru_pct=79")
    keys = [f"k{number}" for number in range(24)]
    client.store(*keys, size=SIZE)
    before = len(client.alive(*keys))
    for key in client.alive(*keys):
        client.use(key, 3)
    client.store("new", size=SIZE)
    assert client.alive("new") == ["new"]
    assert len(client.alive(*keys)) in {before - 1, before}
    client.fill(100)
    assert client.alive("junk99") == ["junk99"]


def test_classes_make_room_for_one_another() -> None:
    """The oldest cold item of all goes, be it of another class; of one second the one stored first."""
    client = Client("-m", "8")
    client.store(*(f"old{number}" for number in range(20)), size=20_000)
    client.fill(150)
    assert client.alive(*(f"old{number}" for number in range(20))) == []
    assert client.alive("junk149") == ["junk149"]


def test_temporary_items_are_not_evicted() -> None:
    """They wait for their end, and a store that would need their room fails until then."""
    client = Client("-m", "2", "-o", "temporary_ttl=60")
    client.store("canary", size=SIZE, exptime=30)
    client.fill(100, exptime=3600)
    assert client.alive("canary") == ["canary"]
    assert client.items(31, "number_temp") == (1,)
    assert client.items(31, "evicted")[0] > 50
    full = b"SERVER_ERROR out of memory storing object\r\n"
    store = b"set t%d 0 60 66560\r\n" + b"v" * SIZE + b"\r\n"
    while client.ask(store % client.general("total_items")) != full:
        assert client.general("total_items") < 200
    assert client.items(31, "outofmemory", "number_hot", "number_cold") == (1, 0, 0)
    client.server.advance(60)
    client.fill(1)


def test_what_is_dead_at_once_is_not_temporary() -> None:
    """Only items that have a life, and a short one."""
    client = Client("-o", "temporary_ttl=60")
    client.ask(b"set a 0 -1 1\r\nx\r\nset b 0 60 1\r\nx\r\nset c 0 61 1\r\nx\r\nset d 0 0 1\r\nx\r\n")
    assert client.items(1, "number", "number_temp") == (4, 1)


def test_a_store_begins_anew() -> None:
    """The item is hot again, or temporary, and not used, also where the value is larger and in another class."""
    client = Client("-o", "temporary_ttl=60")
    client.store(*NAMES)
    client.use("k00", 2)
    client.server.advance(5)
    assert client.places() == (0, 1, 99)
    client.store("k00", "k01")
    assert client.places() == (2, 0, 98)
    client.store("k00", exptime=60)
    assert client.items(1, "number_hot", "number_temp", "number") == (1, 1, 100)
    client.store("k00", size=1000)
    assert client.items(1, "number_temp", "number") == (0, 99)
    assert client.items(12, "number", "mem_requested") == (1, 56 + 4 + 1000 + 2)
    client.ask(b"delete k00\r\ndelete k02\r\n")
    assert client.items(1, "number", "mem_requested") == (98, 98 * (56 + 4 + 2 + 2))
    assert b"items:12:" not in client.ask(b"stats items\r\n")


def test_flat_mode_has_cold_items_only() -> None:
    """What was hot or warm becomes cold, in order; a use counts when a minute has gone by since the last one."""
    client = Client()
    client.store(*NAMES)
    client.use("k00", 2)
    assert client.places() == (20, 1, 79)
    client.ask(b"lru mode flat\r\n")
    assert client.places() == (0, 0, 100)
    client.store("flat")
    client.use("flat", 3)
    assert client.places() == (0, 0, 101)
    client.ask(b"lru mode segmented\r\n")
    client.store("divided")
    assert client.places() == (1, 0, 101)


def test_without_a_maintainer_there_are_no_segments() -> None:
    """``-o no_lru_maintainer``: one list, whose rows do not speak of segments."""
    client = Client("-o", "no_lru_maintainer")
    client.store("a", "b", "c")
    client.use("a", 2)
    client.server.advance(60)
    client.use("b", 1)
    assert client.ask(b"stats cachedump 1 0\r\n").split()[1::6] == [b"b", b"c", b"a"]
    assert client.items(1, "number", "age") == (3, 60)
    for reply in (client.ask(b"stats items\r\n"), client.ask(b"stats\r\n")):
        assert b"moves_to" not in reply
        assert b"number_hot" not in reply
        assert b"juggles" not in reply


def test_cachedump_lists_what_is_cold() -> None:
    """The most recent first."""
    client = Client()
    client.store(*NAMES[:10])
    lines = client.ask(b"stats cachedump 1 0\r\n").split(b"\r\n")
    assert [line.split()[1].decode() for line in lines[:-2]] == NAMES[7::-1]


def test_dumps_list_every_segment() -> None:
    """Also of items that a flush has taken none."""
    client = Client("-o", "temporary_ttl=60")
    client.store(*NAMES)
    client.store("temporary", exptime=60)
    client.use("k00", 2)
    client.server.advance(1)
    client.store("hot")
    dumped = client.ask(b"lru_crawler mgdump all\r\n").split(b"\r\n")
    keys = {line.split()[1].decode() for line in dumped if line.startswith(b"mg ")}
    assert keys == {*NAMES, "temporary", "hot"}
    client.server.advance(1)
    client.ask(b"flush_all\r\n")
    client.store("after")
    assert client.ask(b"lru_crawler mgdump all\r\n") == b"OK\r\nmg after\r\nEN\r\n"


def test_the_crawler_looks_at_every_segment() -> None:
    """``tocrawl`` is a number of items of each of them."""
    client = Client()
    client.store(*NAMES, exptime=10)
    client.ask(b"get k00 k00\r\n")
    client.places()
    client.ask(b"lru_crawler tocrawl 5\r\nlru_crawler crawl 1\r\n")
    assert client.items(1, "crawler_items_checked", "crawler_reclaimed") == (11, 0)
    client.server.advance(10)
    client.ask(b"lru_crawler tocrawl 0\r\nlru_crawler crawl 1\r\n")
    assert client.general("crawler_reclaimed") == 100
    assert client.general("curr_items") == 0


def test_reset_forgets_moves_but_not_places() -> None:
    """``stats reset`` sets the counters of segments to 0."""
    client = Client()
    client.store(*NAMES)
    client.use("k00", 2)
    client.places()
    assert client.general("lru_maintainer_juggles") > 0
    client.ask(b"stats reset\r\n")
    assert client.items(1, "moves_to_cold", "moves_to_warm", "hits_to_hot", "hits_to_warm") == (0, 0, 0, 0)
    assert client.places() == (20, 1, 79)
    assert [client.general(name) for name in ("moves_to_cold", "moves_to_warm", "direct_reclaims")] == [0, 0, 0]


def test_moves_are_made_every_second() -> None:
    """Also where nobody looks: what grew old in a second that has begun is moved in it."""
    client = Client()
    client.store(*NAMES)
    client.server.advance(5)
    assert client.general("moves_to_cold") == 100


def test_a_store_takes_activity_away() -> None:
    """The new value comes to the tail like any other."""
    client = Client()
    client.store(*NAMES)
    client.use("k99", 2)
    client.store("k99")
    client.store(*(f"m{number:02}" for number in range(100)))
    assert client.places() == (40, 0, 160)


def test_hits_count_where_the_item_was_found() -> None:
    """Also in a request for several keys."""
    client = Client()
    client.store(*NAMES)
    client.server.advance(5)
    client.ask(b"get k00 k00 k00\r\n")
    assert client.items(1, "hits_to_hot", "hits_to_warm", "hits_to_cold") == (0, 1, 2)


def test_reset_forgets_direct_reclaims() -> None:
    """``stats reset`` sets them to 0."""
    client = Client("-m", "8")
    client.fill(150)
    assert client.general("direct_reclaims") > 0
    client.ask(b"stats reset\r\n")
    assert client.general("direct_reclaims") == 0
