"""Counting: incr and decr, of the text protocol and of ma, carried out on a cache."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mcspec import arith, scan
from mcspec.cache import (
    COUNTED,
    EITHER,
    NO,
    NON_NUMERIC,
    NOT_FOUND,
    UNSPECIFIED,
    Cache,
    Found,
    Item,
    Now,
    Result,
    chunked,
    put,
    size,
)

if TYPE_CHECKING:
    from mcspec.rules import Rules


def count(cache: Cache, key: bytes, delta: int, now: Now, rules: Rules, *, up: bool) -> tuple[Result, ...]:
    """incr (up) and decr on the decimal number that an item holds."""
    results: list[Result] = []
    for found in rules.functions.find(cache, key, now, rules):
        ends = count_found(found, key, delta, now, rules, up=up)
        results += [result._replace(clauses=found.clauses + result.clauses) for result in ends]
    return tuple(results)


def count_found(found: Found, key: bytes, delta: int, now: Now, rules: Rules, *, up: bool) -> tuple[Result, ...]:
    """incr (up) and decr on what was found; the clauses of the finding are not repeated."""
    cache, item = found.cache, found.item
    if item is None:
        return (Result(cache, NOT_FOUND, None, 0, ("text.delta.missing",)),)
    if scan.blank(item.value):
        return (Result(cache, UNSPECIFIED, item, 0, ("text.delta.blank-value",)),)
    refused = Result(cache, NON_NUMERIC, item, 0, ("text.delta.non-numeric",))
    held = None if chunked(key, item, rules) else scan.counter(item.value)
    if held is None:
        return (refused,)
    if up:
        number = rules.functions.incremented(held, delta, rules.limits.counter)
        clause = "text.incr.wraps" if arith.wraps(held, delta, rules.limits.counter) else "text.incr.adds"
    else:
        number = rules.functions.decremented(held, delta)
        clause = "text.decr.floor" if delta > held else "text.decr.subtracts"
    clauses: tuple[str, ...] = (clause, "text.delta.keeps")
    if item.value != b"%d" % held:
        clauses = (*clauses, "text.delta.stored-form")
    results = (_counted(cache, key, item._replace(seen=now), number, clauses, rules),)
    overread = rules.traits.counter_overread == "may" and arith.top_bit(held, rules.limits.counter)
    return (*results, refused) if overread else results


def _counted(cache: Cache, key: bytes, item: Item, number: int, clauses: tuple[str, ...], rules: Rules) -> Result:
    text = b"%d" % number
    after = item._replace(value=text, cas=cache.next_cas, fetched=EITHER if item.fetched else NO)
    taken = 0
    blanks = arith.padding(len(text), len(item.value))
    if blanks:
        # Servers overwrite in place where they can, and blank what is left over: both texts are allowed.
        after = after._replace(padded=text + b" " * blanks)
    elif len(text) > len(item.value):
        taken = size(key, item.flags, len(text), rules)
        after = after._replace(stale=False, won=False, binary=False, fetched=NO)
        clauses = (*clauses, "text.delta.longer")
    elif item.stale or item.won or item.binary:
        after = after._replace(padded=text)
    grown = put(cache, key, after)._replace(next_cas=cache.next_cas + 1, allocated=cache.allocated + taken)
    return Result(grown, COUNTED, after, number, clauses)
