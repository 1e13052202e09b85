"""Counters that move by exact amounts, and the sub-commands of ``stats``."""

import pytest

from mcserver.inproc import Server, create
from tests.impl.support import ask


def rows(server: Server, what: bytes = b"") -> dict[str, str]:
    """Read the rows of ``stats what``."""
    lines = ask(server, b"stats" + what + b"\r\n").decode().splitlines()
    assert lines[-1] == "END"
    return {line.split()[1]: line.split(" ", 2)[2] for line in lines[:-1]}


WATCHED = (
    "cmd_get get_hits get_misses get_expired get_flushed cmd_set cmd_flush cmd_touch touch_hits touch_misses"
    " delete_hits delete_misses incr_hits incr_misses decr_hits decr_misses cas_hits cas_misses cas_badval"
    " store_too_large curr_items total_items"
).split()

MOVES = [
    (b"get a", "cmd_get 1 get_hits 1"),
    (b"get a zz a", "cmd_get 3 get_hits 2 get_misses 1"),
    (b"gat 0 a", "cmd_touch 1 touch_hits 1"),
    (b"touch a 0", "cmd_touch 1 touch_hits 1"),
    (b"touch zz 0", "cmd_touch 1 touch_misses 1"),
    (b"delete a", "delete_hits 1 curr_items -1"),
    (b"delete zz", "delete_misses 1"),
    (b"incr n 1", "incr_hits 1"),
    (b"decr n 1", "decr_hits 1"),
    (b"incr zz 1", "incr_misses 1"),
    (b"decr zz 1", "decr_misses 1"),
    (b"incr a 1", ""),
    (b"set a 0 0 1\r\n1", "cmd_set 1 total_items 1"),
    (b"set b 0 0 1\r\n1", "cmd_set 1 total_items 1 curr_items 1"),
    (b"add a 0 0 1\r\n1", "cmd_set 1"),
    (b"cas a 0 0 1 99\r\n1", "cmd_set 1 cas_badval 1"),
    (b"cas zz 0 0 1 99\r\n1", "cmd_set 1 cas_misses 1"),
    (b"flush_all", "cmd_flush 1 curr_items -2"),
    (b"set a 0 0 2000000\r\n" + bytes(2_000_000), "store_too_large 1 curr_items -1"),
]


@pytest.mark.parametrize(("request_", "moved"), MOVES, ids=[repr(row[0][:20]) for row in MOVES])
def test_moves(server: Server, request_: bytes, moved: str) -> None:
    """Nothing but the counters named moves."""
    ask(server, b"set a 0 0 1\r\nx\r\nset n 0 0 1\r\n5\r\n")
    before = rows(server)
    ask(server, request_ + b"\r\n")
    after = rows(server)
    changes = {name: int(after[name]) - int(before[name]) for name in WATCHED if after[name] != before[name]}
    words = moved.split()
    assert changes == {name: int(value) for name, value in zip(words[::2], words[1::2], strict=True)}


def test_expired_and_flushed_are_told_apart(server: Server) -> None:
    """A dead item counts once, when it is asked for, and is in memory until then."""
    ask(server, b"set a 0 1 1\r\nx\r\nset b 0 0 1\r\nx\r\n")
    server.advance(2)
    ask(server, b"get a\r\nget a\r\nflush_all\r\n")
    assert rows(server)["curr_items"] == "1"
    ask(server, b"get b\r\nget b\r\n")
    after = rows(server)
    assert (after["get_expired"], after["get_flushed"], after["get_misses"], after["curr_items"]) == (
        "1",
        "1",
        "4",
        "0",
    )


def test_reset_keeps_gauges(server: Server) -> None:
    """Counters of events go to 0, what lies in memory stays."""
    ask(server, b"set a 0 0 1\r\nx\r\nget a\r\n")
    assert ask(server, b"stats reset\r\n") == b"RESET\r\n"
    after = rows(server)
    assert (after["get_hits"], after["cmd_set"], after["total_items"], after["curr_items"]) == ("0", "0", "0", "1")
    assert rows(server, b" slabs")["1:get_hits"] == "0"


def test_slab_classes(server: Server) -> None:
    """An item counts in the class that holds its size."""
    ask(server, b"set a 0 0 1\r\nx\r\nget a\r\nset b 0 0 1000\r\n" + bytes(1000) + b"\r\n")
    slabs = rows(server, b" slabs")
    assert (slabs["1:chunk_size"], slabs["1:used_chunks"], slabs["1:get_hits"]) == ("96", "1", "1")
    assert (slabs["12:chunk_size"], slabs["12:chunks_per_page"]) == ("1184", "885")
    assert (slabs["active_slabs"], slabs["total_malloced"]) == ("2", "2097152")
    assert rows(server, b" items")["items:12:mem_requested"] == "1060"


def test_detail(server: Server) -> None:
    """Prefixes are counted while the switch is on; keys without the delimiter are not."""
    ask(server, b"stats detail on\r\nset a:1 0 0 1\r\nx\r\nget a:1 a:2 b\r\ndelete a:9\r\nmg a:1 v\r\n")
    assert ask(server, b"stats detail off\r\nget a:1\r\n").startswith(b"OK")
    assert ask(server, b"stats detail dump\r\n") == b"PREFIX a get 2 hit 1 set 1 del 1\r\nEND\r\n"
    assert ask(server, b"stats detail x\r\n") == b"CLIENT_ERROR usage: stats detail on|off|dump\r\n"


def test_switches_show_in_settings() -> None:
    """``stats settings`` tells the truth about the command line."""
    shown = rows(create("-A -C -F -X -f 1.5 -n 100 -R 5 -D ! -m 100 -o no_modern".split()), b" settings")
    expected = {
        "shutdown_command": "yes", "cas_enabled": "no", "flush_enabled": "no", "dump_enabled": "no",
        "growth_factor": "1.50", "chunk_size": "100", "reqs_per_event": "5", "stat_key_prefix": "!",
        "detail_enabled": "yes", "maxbytes": "104857600", "lru_crawler": "no", "slab_chunk_max": "1048576",
    }  # fmt: skip
    assert {name: shown[name] for name in expected} == expected


def test_stores_count_in_the_class_of_what_arrived(server: Server) -> None:
    """Also where nothing was stored; a joined value does not count in the class it grows into."""
    ask(server, b"set a 0 0 1\r\nx\r\nadd a 0 0 1\r\nx\r\nappend a 0 0 100\r\n" + bytes(100) + b"\r\n")
    slabs = rows(server, b" slabs")
    assert (slabs["1:cmd_set"], slabs["4:cmd_set"]) == ("2", "1")
    ask(server, b"append a 0 0 100\r\n" + bytes(100) + b"\r\n")
    assert rows(server, b" slabs")["6:cmd_set"] == "0"


def test_a_class_is_reported_once_a_value_was_announced(server: Server) -> None:
    """Also when nothing of it was ever stored."""
    ask(server, b"replace a 0 0 1000\r\n" + b"v" * 1000 + b"\r\n")
    assert rows(server, b" slabs")["12:cmd_set"] == "1"


def test_md_x_counts_in_the_class_of_what_is_left(server: Server) -> None:
    """A large value goes, an item without one stays."""
    ask(server, b"set a 0 0 1000\r\n" + b"v" * 1000 + b"\r\nmd a x\r\n")
    found = rows(server, b" slabs")
    assert (found["1:delete_hits"], found["12:delete_hits"]) == ("1", "0")


def test_temporary_items_are_counted() -> None:
    """Only where there is such a favour."""
    server = create(["-o", "temporary_ttl=60"])
    ask(server, b"set a 0 60 1\r\nx\r\nset b 0 61 1\r\nx\r\nset c 0 0 1\r\nx\r\n")
    found = rows(server, b" items")
    assert (found["items:1:number"], found["items:1:number_temp"]) == ("3", "1")
    ask(server, b"lru temp_ttl -1\r\n")
    found = rows(server, b" items")
    assert found["items:1:number"] == "3"
    assert "items:1:number_temp" not in found
