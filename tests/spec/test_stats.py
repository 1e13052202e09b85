"""What is counted, as two released servers were seen to count it, and what a report of numbers must say."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from mcconform.oracle import Oracle
from mcspec import Event, Happening, Now, Rules, World, counters, statistics, step
from mcspec.counters import COUNTERS, Tally
from mcspec.pattern import Owed

NOW = Now(1000, 1000)
LARGE = b"x" * 1048577 + b"\r\n"
OPAQUE = b"O" * 34

GET_HIT, GET_MISS = {"cmd_get": 1, "get_hits": 1}, {"cmd_get": 1, "get_misses": 1}
TOUCH_HIT, TOUCH_MISS = {"cmd_touch": 1, "touch_hits": 1}, {"cmd_touch": 1, "touch_misses": 1}
STORED = {"cmd_set": 1, "total_items": 1}
SET = b"set a 0 0 1\r\nx\r\n"
NUMBER = b"set a 0 0 1\r\n9\r\n"
CHOSEN = b"ms a 1 E77\r\nx\r\n"

MOVES: list[tuple[bytes, bytes, dict[str, int]]] = [
    (b"", b"get a\r\n", GET_MISS),
    (SET, b"get a\r\n", GET_HIT),
    (SET, b"gets a b a\r\n", {"cmd_get": 3, "get_hits": 2, "get_misses": 1}),
    (SET, b"gat 0 a b\r\n", {"cmd_touch": 2, "touch_hits": 1, "touch_misses": 1}),
    (SET, b"touch a 0\r\n", TOUCH_HIT),
    (SET, b"touch a 0 noreply\r\n", TOUCH_HIT),
    (b"", b"touch a 0\r\n", TOUCH_MISS),
    (SET, b"touch a x\r\n", {}),
    (b"", SET, STORED),
    (SET, b"add a 0 0 1\r\nx\r\n", {"cmd_set": 1}),
    (b"", b"replace a 0 0 1 noreply\r\nx\r\n", {"cmd_set": 1}),
    (SET, b"append a 0 0 1\r\nx\r\n", STORED),
    (b"", b"set a 0 0 1\r\nxyz\r\n", {"cmd_set": 1}),
    (b"", b"set a 0 0 -1\r\n", {}),
    (b"", b"set a 0 0 1048577 noreply\r\n" + LARGE, {"store_too_large": 1}),
    (b"", b"ms a 1048577\r\n" + LARGE, {"store_too_large": 1}),
    (b"", b"cas a 0 0 1 5\r\nx\r\n", {"cmd_set": 1, "cas_misses": 1}),
    (CHOSEN, b"cas a 0 0 1 5\r\nx\r\n", {"cmd_set": 1, "cas_badval": 1}),
    (CHOSEN, b"cas a 0 0 1 77\r\nx\r\n", {**STORED, "cas_hits": 1}),
    (CHOSEN, b"ms a 1 C77\r\nx\r\n", {**STORED, "cas_hits": 1}),
    (CHOSEN, b"ms a 1 C5 I\r\nx\r\n", {**STORED, "cas_hits": 1}),
    (CHOSEN, b"ms a 1 MR C99 q\r\nx\r\n", {"cmd_set": 1, "cas_badval": 1}),
    (CHOSEN, b"ms a 1 MA C99\r\nx\r\n", {"cmd_set": 1}),
    (CHOSEN, b"ms a 1 MA C77\r\nx\r\n", STORED),
    (b"", b"ms a 1 MR C5\r\nx\r\n", {"cmd_set": 1, "cas_misses": 1}),
    (b"", b"ms a 1\r\nxyz\r\n", {"cmd_set": 1}),
    (NUMBER, b"incr a 1\r\n", {"incr_hits": 1, "total_items": 1}),
    (b"", b"incr a 1\r\n", {"incr_misses": 1}),
    (b"", b"decr a 1\r\n", {"decr_misses": 1}),
    (SET, b"incr a 1\r\n", {}),
    (NUMBER, b"ma a\r\n", {"incr_hits": 1, "total_items": 1}),
    (b"", b"ma a MD q\r\n", {"decr_misses": 1}),
    (b"", b"ma a N5\r\n", {"total_items": 1}),
    (SET, b"delete a\r\n", {"delete_hits": 1}),
    (b"", b"delete a noreply\r\n", {"delete_misses": 1}),
    (SET, b"md a q\r\n", {"delete_hits": 1}),
    (b"", b"md a\r\n", {"delete_misses": 1}),
    (CHOSEN, b"md a C5\r\n", {"delete_misses": 1}),
    (SET, b"md a I\r\n", {}),
    (SET, b"md a x\r\n", {"delete_hits": 1, "total_items": 1}),
    (SET, b"md a x I\r\n", {"total_items": 1}),
    (SET, b"md a " + OPAQUE + b"\r\n", {}),
    (SET, b"mg a v\r\n", GET_HIT),
    (SET, b"mg a T0 q\r\n", TOUCH_HIT),
    (b"", b"mg a T0\r\n", GET_MISS),
    (b"", b"mg a N5\r\n", {**GET_HIT, "total_items": 1}),
    (b"", b"mg a N5 T5\r\n", {**TOUCH_HIT, "total_items": 1}),
    (b"", b"mg a " + OPAQUE + b"\r\n", GET_MISS),
    (SET, b"mg a " + OPAQUE + b"\r\n", {}),
    (SET, b"me a\r\n", {"cmd_meta": 1}),
    (b"", b"me a\r\n", {"cmd_meta": 1}),
    (b"", b"mn\r\n", {}),
    (b"", b"flush_all\r\n", {"cmd_flush": 1}),
    (b"", b"flush_all 5 noreply\r\n", {"cmd_flush": 1}),
    (b"", b"flush_all x\r\n", {"cmd_flush": 1}),
    (b"", b"version\r\nstats\r\nnonsense\r\nverbosity 1\r\n", {}),
]
"""What stands before, a request, and by how much it moves which counter."""


def carried_out(stream: bytes, rules: Rules, now: Now = NOW, world: World | None = None) -> tuple[World, list[Owed]]:
    """A stream on connection 0, in the first allowed world."""
    if world is None:
        world = step(World(), Happening(0, Event.CONNECT), now, rules)[0].world
    outcome = step(world, Happening(0, Event.DATA, stream), now, rules)[0]
    return outcome.world, list(outcome.owed)


@pytest.mark.parametrize(("before", "request_", "moved"), MOVES, ids=[f"{b!r} {r[:30]!r}" for b, r, _ in MOVES])
def test_what_a_request_counts(before: bytes, request_: bytes, moved: dict[str, int]) -> None:
    world, _ = carried_out(before, Rules())
    _, owed = carried_out(request_, Rules(), world=world)
    assert Counter(name for one in owed for name in one.counts) == moved


def test_forbidden_flush_counts() -> None:
    _, owed = carried_out(b"flush_all\r\nflush_all noreply\r\n", Rules(flush_allowed=False))
    assert [one.counts for one in owed] == [("cmd_flush",), ("cmd_flush",)]


def test_a_full_server_counts_what_it_refuses() -> None:
    rules = Rules(evictions=False)
    rules = rules._replace(limits=rules.limits._replace(memory=100))
    world = step(World(), Happening(0, Event.CONNECT), NOW, rules)[0].world
    outcomes = step(world, Happening(0, Event.DATA, SET), NOW, rules)
    assert {outcome.owed[0].counts for outcome in outcomes} == {("cmd_set", "total_items"), ("store_no_memory",)}


@pytest.mark.parametrize("look", [b"get a\r\n", b"mg a\r\n", b"incr a 1\r\n", b"delete a\r\n", b"touch a 0\r\n", SET])
def test_an_item_past_its_time_may_count(look: bytes) -> None:
    """It may have been reclaimed before; an item within its time counts never."""
    world, _ = carried_out(b"set a 0 5 1\r\nx\r\n", Rules())
    late = carried_out(look, Rules(), Now(1006, 1006), world)[1][0]
    early = carried_out(look, Rules(), Now(1002, 1002), world)[1][0]
    assert "get_expired" in late.might
    assert "get_expired" not in (*late.counts, *early.counts, *early.might)


def test_an_item_that_was_flushed_may_count() -> None:
    world, _ = carried_out(SET + b"flush_all\r\n", Rules())
    world, owed = carried_out(b"get a\r\n", Rules(), world=world)
    assert "get_flushed" in owed[0].might
    assert "get_flushed" not in carried_out(b"get a\r\n", Rules(), world=world)[1][0].might


def test_keys_before_a_bad_one_may_count() -> None:
    _, owed = carried_out(b"get a b " + b"k" * 251 + b"\r\n", Rules())
    assert owed[0].counts == ()
    assert Counter(owed[0].might)["cmd_get"] == 2


# ------------------------------------------------------------------------------------------------ reports


def report(**changed: str | None) -> bytes:
    """A report of `stats` with rows changed, or left out (None)."""
    names = (*statistics.GENERAL_ROWS, *COUNTERS)
    rows: dict[str, str | None] = dict.fromkeys(names, "0") | {"version": "1", "rusage_user": "0.000001"}
    rows |= {"rusage_system": "1.500000", "limit_maxbytes": "67108864", "max_connections": "1024", **changed}
    lines = [f"STAT {name} {value}\r\n" for name, value in rows.items() if value is not None]
    return "".join(lines).encode() + b"END\r\n"


def judged(*talk: tuple[bytes, bytes], rules: Rules | None = None, alone: bool = True) -> Oracle:
    """An oracle that was told of requests and what came."""
    oracle = Oracle(rules or Rules(), alone=alone)
    oracle.open(0, NOW)
    for sent, came in talk:
        oracle.send(0, sent, NOW)
        oracle.received(0, came)
    return oracle


def broken(*talk: tuple[bytes, bytes], rules: Rules | None = None) -> str:
    """The clause that a server broke, or nothing."""
    refusal = judged(*talk, rules=rules).refusal
    return "" if refusal is None else refusal.clause


STATS = b"stats\r\n"


@pytest.mark.parametrize("name", COUNTERS)
def test_each_counter_is_judged_once_its_base_is_known(name: str) -> None:
    """Whatever it is at first; from then on to the unit, upwards and downwards."""
    sums = {"cmd_get": "get_misses", "get_hits": "cmd_get", "get_misses": "cmd_get"}
    sums |= {"cmd_touch": "touch_misses", "touch_hits": "cmd_touch", "touch_misses": "cmd_touch"}
    both = {name: "5"} | ({sums[name]: "5"} if name in sums else {})
    assert broken((STATS, report(**both)), (STATS, report(**both))) == ""
    wrong = dict.fromkeys(both, "6")
    allowed = {"stats.counter." + key.replace("_", "-") for key in both}
    assert broken((STATS, report(**both)), (STATS, report(**wrong))) in allowed
    assert broken((STATS, report(**wrong)), (STATS, report(**both))) in allowed


def test_a_counter_that_moved() -> None:
    """It is decided only if it had to move, and refused if it moved by another number."""
    talk = (STATS, report(cmd_get="7", get_misses="7")), (b"get a\r\nget b\r\n", b"END\r\nEND\r\n")
    right = judged(*talk, (STATS, report(cmd_get="9", get_misses="9")))
    assert {"stats.counter.cmd-get", "stats.counter.get-misses", "stats.relation.gets"} <= right.passed
    assert "stats.counter.get-hits" not in right.passed
    assert broken(*talk, (STATS, report(cmd_get="9", get_misses="8", get_hits="1"))) == "stats.counter.get-hits"
    wrong = judged(*talk, (STATS, report(cmd_get="8", get_misses="8"))).refusal
    assert wrong is not None
    assert (wrong.clause, wrong.expected, wrong.observed) == ("stats.counter.cmd-get", ("cmd_get: +2",), b"+1")


def test_the_order_of_execution_counts() -> None:
    """Requests of one chunk: each report tells of what stood before it."""
    first, last = report(), report(cmd_get="1", get_misses="1")
    assert broken((b"stats\r\nget a\r\nstats\r\n", first + b"END\r\n" + last)) == ""
    assert broken((b"stats\r\nget a\r\nstats\r\n", last + b"END\r\n" + last)) == "stats.counter.cmd-get"


def test_reset() -> None:
    """Everything is 0, whatever it was; also where it had never been seen."""
    assert broken((b"get a\r\nstats reset\r\n", b"END\r\nRESET\r\n"), (STATS, report())) == ""
    talk = (b"stats reset\r\n", b"RESET\r\n")
    assert broken(talk, (STATS, report(cas_hits="1"))) == "stats.reset.clears"
    assert (
        broken(talk, (b"get a\r\n", b"END\r\n"), (STATS, report(cmd_get="2", get_misses="2")))
        == "stats.counter.cmd-get"
    )


def test_nothing_is_said_of_a_server_that_others_use() -> None:
    oracle = judged((STATS, report()), (STATS, report(cas_hits="1")), alone=False)
    assert oracle.refusal is None
    assert not any(clause.startswith("stats.") for clause in oracle.passed)


@pytest.mark.parametrize(
    ("changed", "clause"),
    [
        ({"pid": None}, "stats.general.rows"),
        ({"cas_hits": None}, "stats.general.counters"),
        ({"uptime": "01"}, "stats.form.integer"),
        ({"uptime": "1.5"}, "stats.form.integer"),
        ({"cas_hits": "many"}, "stats.form.integer"),
        ({"rusage_user": "1.5"}, "stats.form.seconds"),
        ({"cmd_get": "1"}, "stats.relation.gets"),
        ({"touch_hits": "1"}, "stats.relation.touches"),
    ],
)
def test_rows_of_stats(changed: dict[str, Any], clause: str) -> None:
    assert broken((STATS, report(**changed))) == clause


def test_gauges() -> None:
    """What others stored may go while we look, what we stored may not."""
    size = 48 + 8 + 2 + 1 + 2
    first, stored = (STATS, report()), (SET, b"STORED\r\n")
    assert broken(first, stored, (STATS, report(curr_items="1", bytes=str(size), cmd_set="1", total_items="1"))) == ""
    moved = {"cmd_set": "1", "total_items": "1"}
    assert broken(first, stored, (STATS, report(**moved))) == "stats.gauge.curr-items"
    assert broken(first, stored, (STATS, report(**moved, curr_items="2"))) == "stats.gauge.curr-items"
    wrong = report(**moved, curr_items="1", bytes=str(size + 1))
    assert broken(first, stored, (STATS, wrong)) == "stats.gauge.bytes"


def test_limits_that_were_asked_for() -> None:
    rules = Rules()
    rules = rules._replace(limits=rules.limits._replace(memory=8388608))
    assert broken((STATS, report(limit_maxbytes="8388608")), rules=rules) == ""
    assert broken((STATS, report()), rules=rules) == "stats.general.limits"
    asked = (b"cache_memlimit 100\r\n", b"OK\r\n")
    assert broken(asked, (STATS, report(limit_maxbytes="104857600")), rules=rules) == ""
    assert broken(asked, (STATS, report(limit_maxbytes="8388608")), rules=rules) == "admin.memlimit.shown"


SETTINGS = {
    **dict.fromkeys(statistics.SETTING_ROWS, "0"),
    "evictions": "on",
    "detail_enabled": "no",
    "cas_enabled": "yes",
    "flush_enabled": "yes",
    "stat_key_prefix": ":",
}


@pytest.mark.parametrize(
    ("changed", "rules", "clause"),
    [
        ({}, {}, ""),
        ({"oldest": None}, {}, "stats.settings.rows"),
        ({"maxconns": "a"}, {}, "stats.form.integer"),
        ({"cas_enabled": "1"}, {}, "stats.form.flag"),
        ({}, {"evictions": False}, "stats.settings.switches"),
        ({"evictions": "off"}, {"evictions": False}, ""),
        ({}, {"dumps_allowed": False}, "stats.settings.switches"),
        ({}, {"delimiter": b";"}, "stats.settings.prefix"),
        ({}, {"limits": Rules().limits._replace(item=1000)}, "stats.settings.limits"),
        ({"item_size_max": "1000"}, {"limits": Rules().limits._replace(item=1000)}, ""),
    ],
)
def test_settings(changed: dict[str, Any], rules: dict[str, Any], clause: str) -> None:
    rows = SETTINGS | changed
    came = b"".join(b"STAT %s %s\r\n" % (n.encode(), v.encode()) for n, v in rows.items() if v is not None)
    assert broken((b"stats settings\r\n", came + b"END\r\n"), rules=Rules()._replace(**rules)) == clause


def test_settings_follow_detail() -> None:
    came = (
        b"".join(b"STAT %s %s\r\n" % (name.encode(), value.encode()) for name, value in SETTINGS.items()) + b"END\r\n"
    )
    assert broken((b"stats detail off\r\n", b"OK\r\n"), (b"stats settings\r\n", came)) == ""
    assert broken((b"stats detail on\r\n", b"OK\r\n"), (b"stats settings\r\n", came)) == "stats.settings.detail"


def slabs(**changed: int) -> bytes:
    """A report of two classes."""
    rows = dict.fromkeys(("get_hits", "cmd_set", "delete_hits", "incr_hits", "decr_hits", "cas_hits"), 0)
    rows |= {"cas_badval": 0, "touch_hits": 0, "chunks_per_page": 10, "total_pages": 1, "total_chunks": 10}
    rows |= {"used_chunks": 3, "free_chunks": 7, "chunk_size": 96}
    second = rows | {"chunk_size": 120} | {name: n for name, n in changed.items() if name in (*rows, "chunk_size")}
    lines = [b"STAT %d:%s %d\r\n" % (c, n.encode(), v) for c, one in ((1, rows), (2, second)) for n, v in one.items()]
    lines.append(b"STAT active_slabs %d\r\nSTAT total_malloced 1\r\nEND\r\n" % changed.get("active_slabs", 2))
    return b"".join(lines)


@pytest.mark.parametrize(
    ("changed", "clause"),
    [
        ({}, ""),
        ({"total_chunks": 11}, "stats.slabs.pages"),
        ({"used_chunks": 4}, "stats.slabs.chunks"),
        ({"chunk_size": 96}, "stats.slabs.ascending"),
        ({"active_slabs": 3}, "stats.slabs.active"),
    ],
)
def test_slabs(changed: dict[str, int], clause: str) -> None:
    assert broken((b"stats slabs\r\n", slabs(**changed))) == clause


def test_slab_classes_add_up_to_the_counters() -> None:
    ask = b"stats slabs\r\n"
    assert broken((ask, slabs()), (SET, b"STORED\r\n"), (ask, slabs(cmd_set=1))) == ""
    assert broken((ask, slabs()), (SET, b"STORED\r\n"), (ask, slabs())) == "stats.counter.cmd-set"
    assert broken((ask, slabs().replace(b"STAT 2:cmd_set 0\r\n", b""))) == "stats.slabs.rows"


def items(number: int, of_class: int = 1) -> bytes:
    """A report of one class."""
    rows = dict.fromkeys(statistics.ITEM_ROWS, 0) | {"number": number}
    return b"".join(b"STAT items:%d:%s %d\r\n" % (of_class, n.encode(), v) for n, v in rows.items()) + b"END\r\n"


def test_items() -> None:
    ask = b"stats items\r\n"
    assert broken((ask, items(5))) == ""
    assert broken((ask, b"END\r\n"), (SET, b"STORED\r\n"), (ask, items(1))) == ""
    assert broken((ask, b"END\r\n"), (SET, b"STORED\r\n"), (ask, items(2))) == "stats.items.number"
    assert broken((ask, items(5, 64))) == "stats.items.class"
    assert broken((ask, items(5).replace(b"STAT items:1:age 0\r\n", b""))) == "stats.items.rows"


def test_prefixes() -> None:
    """Counted from the reset on, and only while they are asked to be."""
    start = (b"stats detail on\r\nstats reset\r\n", b"OK\r\nRESET\r\n")
    work = (b"get p:a q p:b:c\r\ndelete :x\r\n" + b"set p:a 0 0 1\r\nx\r\n", b"END\r\nNOT_FOUND\r\nSTORED\r\n")
    right = b"PREFIX p get 2 hit 0 set 1 del 0\r\nPREFIX  get 0 hit 0 set 0 del 1\r\nEND\r\n"
    dump = b"stats detail dump\r\n"
    assert broken(start, work, (dump, right)) == ""
    assert broken(start, work, (dump, right.replace(b"hit 0 set 1", b"hit 1 set 1"))) == "stats.detail.counts"
    assert broken(start, work, (dump, b"END\r\n")) == "stats.detail.counts"
    after = (b"stats detail off\r\nget p:a\r\n", b"OK\r\nVALUE p:a 0 1\r\nx\r\nEND\r\n")
    assert broken(start, work, after, (dump, right)) == ""
    assert broken(work, (dump, b"END\r\n")) == "", "what was counted before is not known"


def test_one_of_two_tallies() -> None:
    """Where worlds become one, a counter is a span."""
    one = Tally({"cmd_get": (1, 1)}, detail=True, limit=5)
    other = Tally({"cmd_get": (3, 3), "cmd_set": (1, 1)}, cleared=True)
    assert counters.either(one, one) is one
    assert counters.either(one, other) == Tally({"cmd_get": (1, 3), "cmd_set": (0, 1)})


def test_a_value_half_received_elsewhere_says_nothing() -> None:
    """Whether its line has been counted is the server's affair."""
    oracle = Oracle(Rules())
    oracle.open(0, NOW)
    oracle.open(1, NOW)
    oracle.send(0, STATS, NOW)
    oracle.received(0, report())
    oracle.send(1, b"set a 0 0 2000000\r\n", NOW)
    oracle.send(0, STATS, NOW)
    oracle.received(0, report(store_too_large="1"))
    assert oracle.refusal is None
