"""The reports of `stats`: which rows there must be, how they are written, and which numbers they must show.

The framing of a report is a pattern like that of every reply. What its numbers must be is decided here, from the
tally of what was carried out before it and from the cache at that moment; each fault names its own clause.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from mcspec import arith, counters
from mcspec.cache import size as item_size
from mcspec.counters import COUNTERS, Tally

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mcspec.cache import Cache
    from mcspec.rules import Rules

GENERAL, SETTINGS, ITEMS, SLABS, PREFIXES = "stats", "stats settings", "stats items", "stats slabs", "stats detail dump"
"""The reports that show numbers which are known."""


class Moment(NamedTuple):
    """A report: its name, what was counted before it, the cache, and whether a value was being received elsewhere."""

    report: str
    tally: Tally
    cache: Cache
    busy: bool


class Base(NamedTuple):
    """What is known of the numbers as they were when the server was met: the least and the most, by name."""

    numbers: dict[str, counters.Span]

    def copy(self) -> Base:
        """An independent copy."""
        return Base(dict(self.numbers))


def joined(one: Base, other: Base) -> Base:
    """What is known if it is not known which of two is right."""
    both = one.numbers.keys() & other.numbers.keys()
    pairs = {name: (one.numbers[name], other.numbers[name]) for name in both}
    return Base({name: (min(a[0], b[0]), max(a[1], b[1])) for name, (a, b) in pairs.items()})


class Fault(NamedTuple):
    """A row that is wrong: the clause, what was expected, what was seen; in numbers that each run repeats."""

    clause: str
    expected: str
    observed: str


class Findings(NamedTuple):
    """What a look at a report came to: the first fault, and the clauses that held where they could have been broken."""

    fault: Fault | None
    held: tuple[str, ...]


def judge(moment: Moment, data: bytes, base: Base, rules: Rules) -> Findings:
    """Look at a report that is well framed. What its numbers tell of the time before is added to `base`."""
    if moment.report == PREFIXES:
        return _findings(_prefixes(moment, data))
    rows = _rows(data)
    return _findings(_REPORTS[moment.report](moment, rows, base, rules))


Check = tuple[str, Fault | None]
"""A clause that was put to the test, and the fault if it does not hold."""


def _findings(checks: Iterator[Check]) -> Findings:
    held = []
    for clause, fault in checks:
        if fault is not None:
            return Findings(fault, ())
        held.append(clause)
    return Findings(None, tuple(held))


def _rows(data: bytes) -> dict[str, str]:
    rows = {}
    for line in data.split(b"\r\n"):
        if line.startswith(b"STAT "):
            name, _, value = line[5:].partition(b" ")
            rows[name.decode("latin-1")] = value.decode("latin-1")
    return rows


def _check(clause: str, expected: str, observed: str, *, holds: bool) -> Check:
    return clause, None if holds else Fault(clause, expected, observed)


def _present(clause: str, names: tuple[str, ...], rows: dict[str, str]) -> Check:
    absent = [name for name in names if name not in rows]
    return _check(clause, f"a row {absent[0]}" if absent else "", "no such row", holds=not absent)


_FORMS = (
    ("stats.form.integer", re.compile(r"0|[1-9][0-9]{0,19}"), "a decimal integer"),
    ("stats.form.seconds", re.compile(r"[0-9]+\.[0-9]{6}"), "seconds with six decimals"),
    ("stats.form.flag", re.compile(r"yes|no|on|off"), "a word for yes or no"),
)
_INTEGER, _SECONDS, _FLAG = range(3)


def _formed(form: int, names: tuple[str, ...], rows: dict[str, str]) -> Iterator[Check]:
    clause, pattern, text = _FORMS[form]
    for name in names:
        yield _check(clause, f"{name}: {text}", rows[name], holds=pattern.fullmatch(rows[name]) is not None)


# ------------------------------------------------------------------------------------------------ stats

GENERAL_ROWS = (
    *("pid", "uptime", "time", "pointer_size", "max_connections", "curr_connections", "total_connections"),
    *("rejected_connections", "connection_structures", "bytes_read", "bytes_written", "limit_maxbytes"),
    *("accepting_conns", "listen_disabled_num", "threads", "conn_yields", "hash_power_level", "hash_bytes"),
    *("bytes", "curr_items", "expired_unfetched", "evicted_unfetched", "evictions", "reclaimed"),
)


def _general(moment: Moment, rows: dict[str, str], base: Base, rules: Rules) -> Iterator[Check]:
    yield _present("stats.general.rows", (*GENERAL_ROWS, "version", "rusage_user", "rusage_system"), rows)
    yield _present("stats.general.counters", tuple(COUNTERS), rows)
    yield from _formed(_INTEGER, (*GENERAL_ROWS, *COUNTERS), rows)
    yield from _formed(_SECONDS, ("rusage_user", "rusage_system"), rows)
    if moment.tally.limit is None:
        yield from _limits("stats.general.limits", _GENERAL_LIMITS, rows, rules)
    else:
        limit, seen = str(moment.tally.limit), rows["limit_maxbytes"]
        yield _check("admin.memlimit.shown", f"limit_maxbytes {limit}", seen, holds=seen == limit)
    yield from _counted(moment, {name: int(rows[name]) for name in COUNTERS}, base)
    evictions, cache = int(rows["evictions"]), moment.cache
    if not rules.evictions:
        yield _check("memory.forbidden.evictions", "evictions 0", "more", holds=evictions == 0)
    elif cache.evicted and not moment.tally.cleared:
        least = len(cache.evicted)
        yield _check("memory.evictions.counted", f"evictions {least} or more", "fewer", holds=evictions >= least)
    held = _held(moment.cache, rules)
    yield from _gauge("curr_items", "stats.gauge.curr-items", int(rows["curr_items"]), held.items, moment, base)
    yield from _gauge("bytes", "stats.gauge.bytes", int(rows["bytes"]), held.bytes, moment, base)
    numbers = {name: int(rows[name]) for name in COUNTERS}
    for clause, whole, parts in _SUMS:
        total = sum(numbers[part] for part in parts)
        expected = f"{whole} is the sum of {' and '.join(parts)}"
        yield _check(clause, expected, f"it differs by {numbers[whole] - total}", holds=numbers[whole] == total)


_SUMS = (
    ("stats.relation.gets", "cmd_get", ("get_hits", "get_misses")),
    ("stats.relation.touches", "cmd_touch", ("touch_hits", "touch_misses")),
)


_GENERAL_LIMITS = ("limit_maxbytes", "max_connections")


def _limits(clause: str, names: tuple[str, ...], rows: dict[str, str], rules: Rules) -> Iterator[Check]:
    """Limits show as they were asked for; of a server that was asked for nothing they are what its operator chose."""
    for name in names:
        field = _FIELDS[name]
        asked = getattr(rules.limits, field)
        if asked != rules.limits._field_defaults[field]:
            yield _check(clause, f"{name} {asked}", rows[name], holds=rows[name] == str(asked))


_FIELDS = {
    "limit_maxbytes": "memory",
    "max_connections": "connections",
    "maxbytes": "memory",
    "maxconns": "connections",
    "item_size_max": "item",
}


def _counted(moment: Moment, seen: dict[str, int], base: Base, place: str = "") -> Iterator[Check]:
    """Each counter stands where it stood plus what was counted since; `place` is where a sum of parts is kept."""
    tally = moment.tally
    if moment.busy:
        return
    idle = [name for name in seen if not tally.moved.get(name) and seen[name]]
    if tally.cleared:
        yield _check("stats.reset.clears", f"{place}{idle[0]}: 0" if idle else "", "more", holds=not idle)
    for name, number in seen.items():
        least, most = tally.moved.get(name, (0, 0))
        before = (0, 0) if tally.cleared else base.numbers.get(place + name)
        if before is None:
            base.numbers[place + name] = number - most, number - least
            continue
        low, high = before[0] + least, before[1] + most
        if not low <= number <= high:
            expected = f"{least}" if low == high else f"{least} to {most + before[1] - before[0]}"
            yield COUNTERS[name], Fault(COUNTERS[name], f"{place}{name}: +{expected}", f"+{number - before[0]}")
        elif most:
            yield COUNTERS[name], None
        if not tally.cleared:
            base.numbers[place + name] = max(before[0], number - most), min(before[1], number - least)


class _Held(NamedTuple):
    """The least and the most items, and their bytes, that a server can hold of a cache; None where it is not known."""

    items: counters.Span
    bytes: counters.Span | None


def _held(cache: Cache, rules: Rules) -> _Held:
    least = most = low = high = 0
    known = True
    pressed = rules.evictions and arith.pressed(cache.allocated, rules.limits.memory)
    for key, item in cache.items.items():
        values = (item.value,) if item.padded is None else (item.value, item.padded)
        sizes = [item_size(key, item.flags, len(value), rules) for value in values]
        known = known and max(sizes) <= rules.limits.chunked
        most, high = most + 1, high + max(sizes)
        if item.dies is None and not item.may_vanish and cache.flush is None and not pressed:
            least, low = least + 1, low + min(sizes)
    for key, item in cache.hidden.items():
        most, high = most + 1, high + item_size(key, item.flags, len(item.padded or item.value), rules)
    return _Held((least, most), (low, high) if known else None)


def _gauge(
    name: str, clause: str, number: int, held: counters.Span | None, moment: Moment, base: Base
) -> Iterator[Check]:
    """A gauge is what we stored and what others had stored, of which some may be reclaimed while we look."""
    if held is None or moment.busy or moment.tally.flushed:
        return
    least, most = held
    before = base.numbers.get(name)
    if before is None:
        base.numbers[name] = number - most, number - least
        return
    high = before[1] + most
    expected = f"{least}" if least == high else f"{least} to {most} and at most what was there before"
    yield _check(clause, f"{name}: {expected}", f"{number - before[0]} more", holds=least <= number <= high)
    base.numbers[name] = 0, min(before[1], number - least)


# ------------------------------------------------------------------------------------------------ sub-commands

SETTING_ROWS = (
    *("maxbytes", "maxconns", "tcpport", "udpport", "inter", "verbosity", "oldest", "evictions", "domain_socket"),
    *("umask", "growth_factor", "chunk_size", "num_threads", "stat_key_prefix", "detail_enabled", "reqs_per_event"),
    *("cas_enabled", "tcp_backlog", "binding_protocol", "item_size_max", "flush_enabled"),
)
_SET_INTEGERS = (
    "maxbytes",
    "maxconns",
    "tcpport",
    "udpport",
    "verbosity",
    "chunk_size",
    "num_threads",
    "item_size_max",
)
_SET_FLAGS = ("evictions", "detail_enabled", "cas_enabled", "flush_enabled")


def _settings(moment: Moment, rows: dict[str, str], _base: Base, rules: Rules) -> Iterator[Check]:
    yield _present("stats.settings.rows", SETTING_ROWS, rows)
    yield from _formed(_INTEGER, _SET_INTEGERS, rows)
    yield from _formed(_FLAG, _SET_FLAGS, rows)
    names = (
        ("maxconns", "item_size_max") if moment.tally.limit is not None else ("maxbytes", "maxconns", "item_size_max")
    )
    yield from _limits("stats.settings.limits", names, rows, rules)
    switches = {
        "evictions": (rules.evictions, "off"),
        "flush_enabled": (rules.flush_allowed, "no"),
        "dump_enabled": (rules.dumps_allowed, "no"),
        "shutdown_command": (not rules.shutdown_allowed, "yes"),
    }
    for name, (default, other) in switches.items():
        if not default:
            seen = rows.get(name, "no such row")
            yield _check("stats.settings.switches", f"{name} {other}", seen, holds=seen == other)
    if moment.tally.detail is not None:
        word = "yes" if moment.tally.detail else "no"
        seen = rows["detail_enabled"]
        yield _check("stats.settings.detail", f"detail_enabled {word}", seen, holds=seen == word)
    delimiter = rules.delimiter.decode("latin-1")
    if delimiter != ":":
        seen = rows["stat_key_prefix"]
        yield _check("stats.settings.prefix", f"stat_key_prefix {delimiter}", seen, holds=seen == delimiter)


_OF_CLASS = re.compile(r"(?:items:)?([0-9]+):(.*)")


def _classes(rows: dict[str, str]) -> dict[int, dict[str, str]]:
    """The rows of each slab class."""
    found: dict[int, dict[str, str]] = {}
    for name, value in rows.items():
        row = _OF_CLASS.fullmatch(name)
        if row is not None:
            found.setdefault(int(row[1]), {})[row[2]] = value
    return found


ITEM_ROWS = (
    *("number", "age", "evicted", "evicted_nonzero", "evicted_time", "outofmemory", "tailrepairs", "reclaimed"),
    *("expired_unfetched", "evicted_unfetched"),
)
_MOVES = ("moves_to_cold", "moves_to_warm", "moves_within_lru")
"""Rows of a server that keeps its order in segments."""


def _items(moment: Moment, rows: dict[str, str], base: Base, rules: Rules) -> Iterator[Check]:
    total = 0
    for number, row in _classes(rows).items():
        yield _check("stats.items.class", "a slab class from 1 to 63", str(number), holds=1 <= number <= 63)
        yield _present("stats.items.rows", ITEM_ROWS, row)
        yield from _formed(_INTEGER, (*ITEM_ROWS, *(name for name in _MOVES if name in row)), row)
        total += int(row["number"])
    yield from _gauge("items:number", "stats.items.number", total, _held(moment.cache, rules).items, moment, base)


_SLAB_ROWS = (
    *("chunk_size", "chunks_per_page", "total_pages", "total_chunks", "used_chunks", "free_chunks"),
    *("get_hits", "cmd_set", "delete_hits", "incr_hits", "decr_hits", "cas_hits", "cas_badval", "touch_hits"),
)
_PER_CLASS = _SLAB_ROWS[6:]


def _slabs(moment: Moment, rows: dict[str, str], base: Base, _rules: Rules) -> Iterator[Check]:
    yield _present("stats.slabs.rows", ("active_slabs", "total_malloced"), rows)
    sums = dict.fromkeys(_PER_CLASS, 0)
    classes = _classes(rows)
    sizes = []
    for row in classes.values():
        yield _present("stats.slabs.rows", _SLAB_ROWS, row)
        yield from _formed(_INTEGER, _SLAB_ROWS, row)
        for name in _PER_CLASS:
            sums[name] += int(row[name])
        total, whole = int(row["total_chunks"]), int(row["total_pages"]) * int(row["chunks_per_page"])
        yield _check("stats.slabs.pages", f"total_chunks {whole}", f"{total}", holds=total == whole)
        whole = int(row["used_chunks"]) + int(row["free_chunks"])
        yield _check("stats.slabs.chunks", f"total_chunks {whole}", f"{total}", holds=total == whole)
        sizes.append(int(row["chunk_size"]))
    ascending = "chunk sizes that grow with the class"
    yield _check("stats.slabs.ascending", ascending, str(sizes), holds=sizes == sorted(set(sizes)))
    active = str(sum(int(row["total_pages"]) > 0 for row in classes.values()))
    shown = rows["active_slabs"]
    yield _check("stats.slabs.active", f"active_slabs {active}", shown, holds=shown == active)
    yield from _counted(moment, sums, base, "slabs:")


def _prefixes(moment: Moment, data: bytes) -> Iterator[Check]:
    """The dump has one line for each prefix that was counted, in any order."""
    if moment.tally.prefixes is None or moment.busy:
        return
    lines = sorted(
        b"PREFIX %s get %d hit %d set %d del %d" % (key, n[0], n[1], n[2], n[3])
        for key, n in moment.tally.prefixes.items()
    )
    seen = sorted(line for line in data.split(b"\r\n") if line.startswith(b"PREFIX "))
    shown = [b"; ".join(some).decode("latin-1") or "no line" for some in (lines, seen)]
    yield _check("stats.detail.counts", shown[0], shown[1], holds=lines == seen)


_REPORTS = {GENERAL: _general, SETTINGS: _settings, ITEMS: _items, SLABS: _slabs}
