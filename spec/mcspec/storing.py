"""Storing: set, add, replace, append, prepend and cas, and what ms adds to them, carried out on a cache."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from mcspec import arith
from mcspec.cache import (
    EXISTS,
    NO_MEMORY,
    NOT_FOUND,
    NOT_STORED,
    STORED,
    Cache,
    Found,
    Item,
    Now,
    Result,
    bounds,
    chosen,
    put,
    size,
)

if TYPE_CHECKING:
    from mcspec.rules import Rules


def oversize(cache: Cache, mode: str, key: bytes) -> Cache:
    """The cache after a value was refused for its size or for want of memory: only `set` loses the old item."""
    return cache._replace(items=cache.items.drop(key), hidden=cache.hidden.drop(key)) if mode == "set" else cache


class Entry(NamedTuple):
    """What a store command asks for. Its exptime counts from `since`; `unique` is None where none is compared.

    `taken` is the cas symbol that it brings along, 0 for the next.
    Of the meta protocol: the cas unique that the client `chose`, a `binary` key, the exptime with which append and
    prepend `create` an item, and whether an item newer than `unique` is overwritten and marked stale (`demote`).
    """

    mode: str
    key: bytes
    flags: int
    exptime: int
    value: bytes
    since: Now
    unique: int | None = None
    chose: int | None = None
    binary: bool = False
    create: int | None = None
    demote: bool = False
    taken: int = 0


_ON_HIT = {"set": "text.set.replaces", "replace": "text.replace.stored"}
_ON_MISS = {"set": "text.set.stored", "add": "text.add.stored"}
_REFUSED_MISS = {
    "replace": (NOT_STORED, "text.replace.missing"),
    "append": (NOT_STORED, "text.append.missing"),
    "prepend": (NOT_STORED, "text.prepend.missing"),
    "cas": (NOT_FOUND, "text.cas.missing"),
}


def store(cache: Cache, entry: Entry, now: Now, rules: Rules) -> tuple[Result, ...]:
    """set, add, replace, append, prepend and cas, once their whole value has arrived and was well formed."""
    results: list[Result] = []
    for found in rules.functions.find(cache, entry.key, now, rules):
        ends = _store(found, entry, now, rules)
        results += [result._replace(clauses=found.clauses + result.clauses) for result in ends]
    return tuple(results)


def _store(found: Found, entry: Entry, now: Now, rules: Rules) -> tuple[Result, ...]:
    cache, old, mode = found.cache, found.item, entry.mode
    if old is None:
        if mode in ("append", "prepend") and entry.create is not None:
            created = entry._replace(exptime=entry.create)
            return rules.functions.link(cache, created, None, "meta.ms.append-creates", now, rules)
        if mode in _REFUSED_MISS:
            status, clause = _REFUSED_MISS[mode]
            return (Result(cache, status, None, 0, (clause,)),)
        return rules.functions.link(cache, entry, None, _ON_MISS[mode], now, rules)
    if mode == "add":
        # It is no fetch, but servers count it as a use.
        after = put(cache, entry.key, old._replace(seen=now))
        return (Result(after, NOT_STORED, old, 0, ("text.add.exists",)),)
    if mode in _ON_HIT:
        return rules.functions.link(cache, entry, None, _ON_HIT[mode], now, rules)
    if mode in ("append", "prepend"):
        if not entry.unique:
            return _join(cache, old, entry, now, rules)
        joined: list[Result] = []
        for same, after in rules.functions.compare(cache, old, entry.unique, rules):
            if same:
                joined += _join(after, old, entry, now, rules)
            else:
                joined.append(Result(after, EXISTS, old, 0, ("meta.ms.append-compares",)))
        return tuple(joined)
    if not entry.unique:
        return (Result(cache, EXISTS, old, 0, ("text.cas.zero",)),)
    results: list[Result] = []
    for same, after in rules.functions.compare(cache, old, entry.unique, rules):
        if same:
            results += rules.functions.link(after, entry, None, "text.cas.stored", now, rules)
        else:
            results += _mismatched(after, old, entry, now, rules)
    return tuple(results)


def _mismatched(cache: Cache, old: Item, entry: Entry, now: Now, rules: Rules) -> tuple[Result, ...]:
    """A store with another cas unique than the item's: refused, or with `demote` stored as stale if it is older."""
    refused = Result(cache, EXISTS, old, 0, ("text.cas.exists",))
    if not entry.demote or entry.unique is None:
        return (refused,)
    lowest, highest = bounds(cache, old)
    refused = refused._replace(clauses=("meta.ms.invalidate-newer",))
    if entry.unique >= highest:
        return (refused,)
    results = rules.functions.link(cache, entry, old, "meta.ms.invalidate-older", now, rules)
    return results if entry.unique < lowest else (*results, refused)


def _join(cache: Cache, old: Item, entry: Entry, now: Now, rules: Rules) -> tuple[Result, ...]:
    value = old.value + entry.value if entry.mode == "append" else entry.value + old.value
    if not rules.functions.fits(entry.key, old.flags, len(value), rules):
        return (Result(cache, NOT_STORED, old, 0, (f"text.{entry.mode}.too-large",)),)
    joined = entry._replace(value=value)
    results = rules.functions.link(cache, joined, old, f"text.{entry.mode}.joined", now, rules)
    return tuple(r._replace(clauses=(*r.clauses, f"text.{entry.mode}.keeps")) for r in results)


def link(cache: Cache, entry: Entry, keep: Item | None, clause: str, now: Now, rules: Rules) -> tuple[Result, ...]:
    """Link a new item; `keep` lends its flags and deadline, but to an entry that demotes it deadline and win."""
    dies, expiry = (
        rules.functions.deadline(entry.exptime, entry.since, rules) if keep is None else (keep.dies, keep.expiry_clause)
    )
    joins = keep is not None and entry.mode in ("append", "prepend")
    flags = entry.flags if keep is None or not joins else keep.flags
    taken = size(entry.key, flags, len(entry.value), rules)
    cas = chosen(entry.chose) if entry.chose else entry.taken or cache.next_cas
    item = Item(entry.value, flags, dies, cas, now, expiry if expiry != "text.exptime.zero" else "")
    item = item._replace(binary=entry.binary and not joins)
    if keep is not None and not joins:
        item = item._replace(stale=True, won=keep.won)
    after = put(cache, entry.key, item)._replace(next_cas=cache.next_cas + 1, allocated=cache.allocated + taken)
    stored = Result(after, STORED, item, 0, (clause,))
    if not rules.evictions and arith.pressed(after.allocated, rules.limits.memory):
        lost = rules.functions.oversize(cache, entry.mode, entry.key)
        return stored, Result(lost, NO_MEMORY, None, 0, ("text.memory.full",))
    return (stored,)
