"""Meta commands as time goes by, with a clock set by hand; and values too large to copy."""

import re

from mcserver.inproc import Connection, Server, create


def ask(connection: Connection, line: str) -> str:
    """Send a line and return the reply, line ends as bars."""
    connection.send(line.encode().replace(b"|", b"\r\n") + b"\r\n")
    return connection.receive().decode("latin-1").replace("\r\n", "|")


def pair() -> tuple[Server, Connection]:
    """Make a server and a connection to it."""
    server = create()
    return server, server.open()


def test_ttl_counts_down_and_the_item_goes() -> None:
    server, connection = pair()
    ask(connection, "ms a 1 T3|x")
    server.advance(2)
    assert ask(connection, "mg a t") == "HD t1|"
    assert ask(connection, "me a").startswith("ME a exp=1 la=2 ")
    server.advance(1)
    assert ask(connection, "mg a t k") == "EN ka|"
    assert ask(connection, "me a") == "EN|"


def test_recache_is_won_once_as_the_end_comes_near() -> None:
    server, connection = pair()
    ask(connection, "ms a 1 T60|x")
    assert ask(connection, "mg a R30 v") == "VA 1|x|"
    server.advance(31)
    assert ask(connection, "mg a R30 t") == "HD t29 W|"
    assert ask(connection, "mg a R30 t") == "HD t29 Z|"
    ask(connection, "ms a 1 T60|y")
    assert ask(connection, "mg a R30 t") == "HD t60|"


def test_last_access_is_that_of_the_hits_after_the_first() -> None:
    server, connection = pair()
    ask(connection, "set a 0 0 1|x")
    server.advance(2)
    assert ask(connection, "mg a l h u") == "HD l2 h0|"
    assert ask(connection, "mg a l h") == "HD l2 h0|"
    assert ask(connection, "mg a l h") == "HD l2 h1|"
    assert ask(connection, "mg a l h") == "HD l0 h1|"
    server.advance(5)
    assert ask(connection, "get a") == "VALUE a 0 1|x|END|"
    assert ask(connection, "mg a l u") == "HD l0|"


def test_what_does_not_count_as_a_hit() -> None:
    server, connection = pair()
    ask(connection, "set a 0 0 1|5")
    for line in ("me a", "mg a u", "add a 0 0 1|6", "ms a 1 ME|6", "incr a 1", "ma a", "md a I"):
        server.advance(1)
        ask(connection, line)
        assert " h0" in ask(connection, "mg a h u"), line
    server.advance(1)
    for line in ("add a 0 0 1|6", "incr a 1", "ma a"):
        ask(connection, line)
        assert " l0" in ask(connection, "mg a l u"), line
        server.advance(1)


def test_an_exptime_gone_by_shows_as_a_large_number() -> None:
    _, connection = pair()
    ask(connection, "ms a 1|x")
    reply = ask(connection, "mg a T-1 t")
    found = re.fullmatch(r"HD t([0-9]+)\|", reply)
    assert found
    assert int(found[1]) == 2**32 - 61
    assert ask(connection, "mg a") == "EN|"


def test_older_value_keeps_the_time_to_live_of_what_it_replaces() -> None:
    server, connection = pair()
    ask(connection, "ms a 1 E50 T20|x")
    server.advance(5)
    assert ask(connection, "ms a 2 C49 I T900 E60|yy") == "HD|"
    assert ask(connection, "mg a t v c") == "VA 2 t15 c60 X W|yy|"


def test_flush_takes_stale_items_too() -> None:
    _, connection = pair()
    ask(connection, "ms a 1|x")
    ask(connection, "md a I")
    ask(connection, "flush_all")
    assert ask(connection, "mg a k") == "EN ka|"
    assert ask(connection, "mg a N0") == "HD W|"


def test_large_values_are_sent_whole_and_survive_their_replacement() -> None:
    _, connection = pair()
    value = b"0123456789" * 60000
    connection.send(b"ms a %d E7\r\n%b\r\n" % (len(value), value))
    assert connection.receive() == b"HD\r\n"
    assert ask(connection, "me a") == "ME a exp=-1 la=0 cas=7 fetch=no cls=39 size=600060|"
    connection.send(b"mg a s v k\r\nms a 1\r\nz\r\nmg a v\r\nma a\r\n")
    whole = b"VA %d s%d ka\r\n%b\r\n" % (len(value), len(value), value)
    numeric = b"CLIENT_ERROR cannot increment or decrement non-numeric value\r\n"
    assert connection.receive() == whole + b"HD\r\nVA 1\r\nz\r\n" + numeric


def test_refused_value_takes_the_old_one_with_it_in_every_mode() -> None:
    for mode in ("MS", "ME", "MA", "MR", "C5"):
        _, connection = pair()
        ask(connection, "ms a 1|x")
        connection.send(b"ms a 2000000 q %b\r\n%b\r\n" % (mode.encode(), b"x" * 2000000))
        assert connection.receive() == b"SERVER_ERROR object too large for cache\r\n"
        assert ask(connection, "mg a") == "EN|"


def test_no_memory() -> None:
    connection = create(["-m", "2", "-M"]).open()
    connection.send(b"".join(b"ms k%d 9000 q\r\n%b\r\n" % (n, b"x" * 9000) for n in range(400)))
    assert connection.receive().endswith(b"SERVER_ERROR out of memory storing object\r\n")
    assert ask(connection, "mg k0 s") == "HD s9000|"


def test_counters() -> None:
    _, connection = pair()
    ask(connection, "ms a 1|5")

    def moved(line: str) -> dict[str, int]:
        before = counters(connection)
        ask(connection, line)
        after = counters(connection)
        return {name: after[name] - before[name] for name in after if after[name] != before[name]}

    assert moved("mg a v") == {"cmd_get": 1, "get_hits": 1}
    assert moved("mg a T0") == {"cmd_touch": 1, "touch_hits": 1}
    assert moved("mg zz T0") == {"cmd_get": 1, "get_misses": 1}
    assert moved("me a") == {"cmd_meta": 1}
    assert moved("mn") == {}
    assert moved("ma a") == {"incr_hits": 1}
    assert moved("ma a MD C1") == {}
    assert moved("ma zz MD") == {"decr_misses": 1}
    assert moved("ms a 1 C1|6") == {"cas_badval": 1, "cmd_set": 1}
    assert moved("ms zz 1 C1|6") == {"cas_misses": 1, "cmd_set": 1}
    assert moved("md a C1") == {"delete_misses": 1}
    assert moved("md a I") == {}
    assert moved("md a x") == {"delete_hits": 1, "total_items": 1}
    assert moved("md a") == {"delete_hits": 1}


def counters(connection: Connection) -> dict[str, int]:
    """Read the counters that requests move."""
    names = {"cmd_get", "cmd_set", "cmd_touch", "cmd_meta", "total_items"}
    rows = [row.split(" ") for row in ask(connection, "stats").split("|") if row.startswith("STAT ")]
    return {
        name: int(value)
        for _, name, value in rows
        if name in names or (name.endswith(("_hits", "_misses", "_badval")) and value.isdigit())
    }


def test_without_cas_uniques_there_is_nothing_to_choose_or_to_compare() -> None:
    connection = create(["-C"]).open()
    assert ask(connection, "ms a 1 E5 c|1") == "HD c0|"
    assert ask(connection, "md a I E9") == "HD|"
    assert ask(connection, "mg a c") == "HD c0 X W|"
    assert ask(connection, "ms a 1 C0 c|1") == "EX c0|"
    assert ask(connection, "ms a 1 C5 I|1") == "EX|"
    assert ask(connection, "ms a 1 MA C5|1") == "HD|"
    assert ask(connection, "ma a E8 c v") == "VA 2 c0|12|"
    assert ask(connection, "mg a C0 v") == "HD|"
    assert ask(connection, "mg b N0 E7 c") == "HD c0 W|"
    assert ask(connection, "md a C1") == "EX|"
    assert ask(connection, "md a C0") == "HD|"
