"""What a server counts, and what `stats` must therefore say.

Theory of operation
-------------------
No request depends on a counter, so counters are no part of the world: each reply that is owed names what it counts
(`Owed.counts`), and whoever watches a server adds that up, in the order in which requests are carried out, into a
`Tally`. What the numbers were before is unknown on a server that we did not start: the first report binds it, and from
then on every number is exact; `stats reset` makes it 0. Where the specification cannot know whether something was
counted (`Owed.might`), a counter is a span.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from mcspec.frozen import FrozenMap

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from mcspec.pattern import Owed

COUNTERS: dict[str, str] = {
    "cmd_get": "stats.counter.cmd-get",
    "cmd_set": "stats.counter.cmd-set",
    "cmd_flush": "stats.counter.cmd-flush",
    "cmd_touch": "stats.counter.cmd-touch",
    "cmd_meta": "stats.counter.cmd-meta",
    "get_hits": "stats.counter.get-hits",
    "get_misses": "stats.counter.get-misses",
    "get_expired": "stats.counter.get-expired",
    "get_flushed": "stats.counter.get-flushed",
    "delete_misses": "stats.counter.delete-misses",
    "delete_hits": "stats.counter.delete-hits",
    "incr_misses": "stats.counter.incr-misses",
    "incr_hits": "stats.counter.incr-hits",
    "decr_misses": "stats.counter.decr-misses",
    "decr_hits": "stats.counter.decr-hits",
    "cas_misses": "stats.counter.cas-misses",
    "cas_hits": "stats.counter.cas-hits",
    "cas_badval": "stats.counter.cas-badval",
    "touch_hits": "stats.counter.touch-hits",
    "touch_misses": "stats.counter.touch-misses",
    "store_too_large": "stats.counter.store-too-large",
    "store_no_memory": "stats.counter.store-no-memory",
    "total_items": "stats.counter.total-items",
    "auth_cmds": "stats.counter.auth-cmds",
    "auth_errors": "stats.counter.auth-errors",
}
"""The counters that requests move by known amounts, each with its clause; `stats reset` clears them all."""

RESET, DETAIL_ON, DETAIL_OFF = "reset", "detail on", "detail off"
"""What stands among the counts of a request that changes the counting itself."""

GET, HIT, SET, DELETE, LIMIT = range(5)
"""What is counted of a key prefix, in the order of the dump; LIMIT goes with the memory that a server may now use."""

Span = tuple[int, int]
"""The least and the most that a counter can have moved."""

Log = tuple["Log | None", "Owed"]
"""What was carried out, the last first: a chain, so that worlds share what they have in common."""

_NONE: Span = (0, 0)


class Tally(NamedTuple):
    """What has been counted since a server was met, or since `stats reset` (`cleared`).

    `prefixes` are the numbers of each prefix of keys since then, None while they are unknown; `detail` is whether they
    are kept, None while that is unknown. `flushed` says that what others had stored may be gone, and
    `limit` is the memory in bytes that was asked for, None if nobody has.
    """

    moved: Mapping[str, Span] = FrozenMap()
    cleared: bool = False
    detail: bool | None = None
    prefixes: Mapping[bytes, tuple[int, ...]] | None = None
    flushed: bool = False
    limit: int | None = None


def prefix(key: bytes, delimiter: bytes) -> bytes | None:
    """What stands before the delimiter; None if the key has none."""
    before, found, _ = key.partition(delimiter)
    return before if found else None


def add(tally: Tally, log: Log | None, delimiter: bytes) -> Tally:
    """The tally after all that a chain holds."""
    done: list[Owed] = []
    while log is not None:
        log, owed = log
        done.append(owed)
    return _added(tally, reversed(done), delimiter) if done else tally


def _added(tally: Tally, done: Iterable[Owed], delimiter: bytes) -> Tally:
    moved, prefixes = dict(tally.moved), None if tally.prefixes is None else dict(tally.prefixes)
    cleared, detail, flushed, limit = tally.cleared, tally.detail, tally.flushed, tally.limit
    for owed in done:
        for name in owed.counts:
            if name == RESET:
                moved, prefixes, cleared = {}, {}, True
            elif name in (DETAIL_ON, DETAIL_OFF):
                detail = name == DETAIL_ON
            else:
                least, most = moved.get(name, _NONE)
                moved[name] = least + 1, most + 1
                flushed = flushed or name == "cmd_flush"
        for name in owed.might:
            least, most = moved.get(name, _NONE)
            moved[name] = least, most + 1
        if owed.details and owed.details[0][0] == LIMIT:
            limit = int(owed.details[0][1])
        elif detail is None and owed.details:
            prefixes = None
        elif detail and prefixes is not None:
            for kind, key in owed.details:
                before = prefix(key, delimiter)
                if before is not None:
                    numbers = list(prefixes.get(before, (0, 0, 0, 0)))
                    numbers[kind] += 1
                    prefixes[before] = tuple(numbers)
    return Tally(moved, cleared, detail, prefixes, flushed, limit)


def either(one: Tally, other: Tally) -> Tally:
    """The tally of which only this is known: it is one of two."""
    if one == other:
        return one
    moved = {}
    for name in {*one.moved, *other.moved}:
        (least, most), (lower, upper) = one.moved.get(name, _NONE), other.moved.get(name, _NONE)
        moved[name] = min(least, lower), max(most, upper)
    return Tally(
        moved,
        one.cleared and other.cleared,
        one.detail if one.detail == other.detail else None,
        one.prefixes if one.prefixes == other.prefixes else None,
        one.flushed or other.flushed,
        one.limit if one.limit == other.limit else None,
    )
