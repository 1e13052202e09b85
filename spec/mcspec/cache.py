"""The cache: items, how they are looked at, used and taken out, and what is known of cas uniques.

Theory of operation
-------------------
A `Cache` is an immutable value. An operation takes it, the moment `now` and the `Rules`, and returns *every* result
that is allowed, each with the clauses that allow it. Most operations have one. Where a server may choose, or where we
cannot know, the result is a small set, and the choice is put off until something depends on it:

- a **cas unique** is a symbol, numbered in the order of the stores. It becomes a number when one is seen (`bind`);
  `cas` with a number that no known rule excludes is allowed both to match and to fail, and either answer is remembered.
- a **moment** is a `Span`; a deadline that lies inside it allows both the hit and the miss.
- a counter that became shorter keeps its alternative, blank-padded text in `padded` until someone reads it; so does one
  that is stale, has sent its win or has a binary key: a server that writes in place keeps these marks, one that stores
  anew drops them.
- whether an item was `fetched` is EITHER after such a command.
- a cas unique that the client chose is the symbol `-1 - number`: known from the start, and outside the order.
- `may_vanish` marks items that a server is permitted to lose.

An item is looked at through `find` only, so that expiry, flush and eviction are each written once. What stores, counts
and flushes stands in `storing`, `counting` and `flushing`.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, NamedTuple

from mcspec import arith
from mcspec.arith import ALIVE, DEAD, NEVER, OPEN, PAST, RELATIVE, SAME, UNSURE, Span
from mcspec.frozen import FrozenMap

if TYPE_CHECKING:
    from mcspec.rules import Rules

Now = Span
"""The moment of an event, in seconds of the server's clock: exact when lo == hi."""

GONE = Span(-inf, -inf)

STORED, NOT_STORED, EXISTS, NOT_FOUND = "STORED", "NOT_STORED", "EXISTS", "NOT_FOUND"
FOUND, DELETED, COUNTED, NON_NUMERIC = "FOUND", "DELETED", "COUNTED", "NON_NUMERIC"
NO_MEMORY, UNSPECIFIED = "NO_MEMORY", "UNSPECIFIED"

NO, YES, EITHER = 0, 1, 2
"""Whether an item was fetched."""


class Item(NamedTuple):
    """One stored item. `dies`, `stored` and `seen` (the last use) are in ticks; `cas` is a symbol, not a number.

    `stale` and `won` are the marks of the meta protocol: invalidated, and somebody was told to store it anew. `binary`
    says that its key is shown in base64.
    """

    value: bytes
    flags: int
    dies: Span | None
    cas: int
    stored: Span
    expiry_clause: str = ""
    padded: bytes | None = None
    may_vanish: bool = False
    stale: bool = False
    won: bool = False
    binary: bool = False
    fetched: int = NO
    seen: Span | None = None


class Cache(NamedTuple):
    """All items, and what is known of cas uniques and of a flush that is due.

    `clean` is None for a server that was empty when we met it. Where it had been used and then flushed, `clean` are the
    keys looked at since, and `uncovered` says that a delayed flush may have brought the others back.
    `ordered` says that cas uniques grow from store to store; see the trait `unique_taken`.
    """

    items: FrozenMap[bytes, Item] = FrozenMap()
    hidden: FrozenMap[bytes, Item] = FrozenMap()
    next_cas: int = 1
    known: FrozenMap[int, int] = FrozenMap()
    apart: frozenset[tuple[int, int]] = frozenset()
    flush: Span | None = None
    allocated: int = 0
    clean: frozenset[bytes] | None = None
    evicted: frozenset[bytes] = frozenset()
    uncovered: bool = False
    ordered: bool = True


class Result(NamedTuple):
    """One allowed result: the cache after it, a status word, what was found or counted, and the clauses."""

    cache: Cache
    status: str
    item: Item | None
    number: int
    clauses: tuple[str, ...]


class Found(NamedTuple):
    """One allowed result of looking a key up."""

    cache: Cache
    item: Item | None
    clauses: tuple[str, ...]


# ---------------------------------------------------------------------------------------------------- looking


def find(cache: Cache, key: bytes, now: Now, rules: Rules) -> tuple[Found, ...]:
    """Every allowed state of `key`: the live item (its value settled), or nothing; dead items are taken out."""
    item = cache.items.find(key)
    if item is None:
        if key not in cache.hidden:
            return (Found(cache, None, ("memory.order.oldest",) if key in cache.evicted else ()),)
        # What a flush took: looked at once, it is out of every server's reach.
        clause = "text.flush.now" if cache.flush is None else "text.flush.gone-for-good"
        return (Found(cache._replace(hidden=cache.hidden.drop(key)), None, (clause,)),)
    gone = Found(cache._replace(items=cache.items.drop(key)), None, ())
    life, clauses = _life(cache, item, now, rules)
    if life == DEAD:
        return (gone._replace(clauses=clauses),)
    if item.may_vanish:
        # Whoever sees it once knows that it was not reclaimed.
        present = item._replace(may_vanish=False)
        found = _settle(put(cache, key, present), key, present, clauses)
    else:
        found = _settle(cache, key, item, clauses)
    if life != ALIVE:
        found = (*found, gone._replace(clauses=clauses))
    elif item.may_vanish:
        found = (*found, gone._replace(clauses=("text.flush.gone-for-good",)))
    elif arith.pressed(cache.allocated * 2, rules.limits.memory):
        if _pressed(cache, rules):
            return *found, Found(_evicted(cache, key, item, rules), None, ("text.memory.evicts",))
        kept = "memory.room.keeps" if rules.evictions else "memory.forbidden.keeps"
        found = tuple(one._replace(clauses=(*one.clauses, kept)) for one in found)
    return found


def _evicted(cache: Cache, key: bytes, item: Item, rules: Rules) -> Cache:
    """The cache once an item was evicted: of those of its size, all that were stored before it and not used went first.

    A number may have been counted since it was stored, which does not tell when that was.
    """
    taken = size(key, item.flags, len(item.value), rules)
    gone = {key}
    counted = item.padded is not None or item.value[:1].isdigit()
    if item.fetched == NO and not counted and taken <= rules.limits.chunked:
        for other, held in cache.items.items():
            older = 0 < held.cas < item.cas and held.fetched == NO
            if older and size(other, held.flags, len(held.value), rules) == taken:
                gone.add(other)
    items = cache.items
    for other in gone:
        items = items.drop(other)
    return cache._replace(items=items, evicted=cache.evicted | gone)


def _life(cache: Cache, item: Item, now: Now, rules: Rules) -> tuple[int, tuple[str, ...]]:
    expired = ALIVE if item.dies is None else rules.functions.reached(now, item.dies)
    taken = rules.functions.flushed(cache, item, now, rules)
    if expired == DEAD or (expired == UNSURE and taken != DEAD):
        return expired, (item.expiry_clause,)
    if taken != ALIVE:
        return taken, ("text.flush.delayed",)
    return ALIVE, (item.expiry_clause,) if item.expiry_clause else ()


def flushed(cache: Cache, item: Item, now: Now, rules: Rules) -> int:
    """Whether a delayed flush has taken an item: DEAD, ALIVE or UNSURE."""
    if cache.flush is None:
        return ALIVE
    reached = rules.functions.reached
    return arith.both(reached(now, cache.flush), reached(cache.flush, item.stored))


def _settle(cache: Cache, key: bytes, item: Item, clauses: tuple[str, ...]) -> tuple[Found, ...]:
    if item.padded is None:
        return (Found(cache, item, clauses),)
    written = item._replace(value=item.padded, padded=None)
    anew = item._replace(padded=None, stale=False, won=False, binary=False)
    clause = "text.delta.shorter" if item.padded != item.value else "meta.ma.marks"
    return tuple(Found(put(cache, key, form), form, (*clauses, clause)) for form in (written, anew))


def _pressed(cache: Cache, rules: Rules) -> bool:
    """Whether so much was ever stored that a server with this memory may have evicted something."""
    return rules.evictions and arith.pressed(cache.allocated, rules.limits.memory)


def put(cache: Cache, key: bytes, item: Item) -> Cache:
    """The cache with `item` under `key`."""
    evicted = cache.evicted - {key} if cache.evicted else cache.evicted
    return cache._replace(items=cache.items.put(key, item), hidden=cache.hidden.drop(key), evicted=evicted)


def used(item: Item, now: Now) -> Item:
    """The item once it was fetched: marked, and its last use is now."""
    return item._replace(fetched=YES, seen=now)


# ---------------------------------------------------------------------------------------------------- cas uniques


def chosen(number: int) -> int:
    """The cas symbol of a unique that the client chose (1 to 2**64 - 1)."""
    return -1 - number


def unique(cache: Cache, item: Item) -> int | None:
    """The item's cas unique, if it is known."""
    return -1 - item.cas if item.cas < 0 else cache.known.find(item.cas)


def bind(cache: Cache, symbol: int, number: int) -> Cache | None:
    """The cache in which the cas symbol of a store is known to be `number`; None if a clause forbids that."""
    known = cache.known.find(symbol)
    if known is not None:
        return cache if known == number else None
    if number < 1 or number >= 2**64 or (symbol, number) in cache.apart:
        return None
    for other, seen in cache.known.items():
        if cache.ordered and not arith.cas_in_order(symbol, number, other, seen):
            return None
    return cache._replace(known=cache.known.put(symbol, number))


def compare(cache: Cache, item: Item, number: int, rules: Rules) -> tuple[tuple[bool, Cache], ...]:
    """Whether the item's cas unique is `number`: one answer if it is known, both if it is not."""
    same = arith.cas_compared(number, unique(cache, item) or 0)
    if same != OPEN:
        return ((same == SAME, cache),)
    bound = rules.functions.bind(cache, item.cas, number)
    if bound is None:
        return ((False, cache),)
    return (True, bound), (False, cache._replace(apart=cache.apart | {(item.cas, number)}))


def bounds(cache: Cache, item: Item) -> tuple[int, int]:
    """The least and the greatest cas unique that the item can have."""
    known = unique(cache, item)
    if known is not None:
        return known, known
    if not cache.ordered:
        return 1, 2**64 - 1
    lowest = max((seen + 1 for symbol, seen in cache.known.items() if symbol < item.cas), default=1)
    highest = min((seen - 1 for symbol, seen in cache.known.items() if symbol > item.cas), default=2**64 - 1)
    return lowest, highest


# ---------------------------------------------------------------------------------------------------- expiry and size


def deadline(exptime: int, now: Now, rules: Rules) -> tuple[Span | None, str]:
    """When an item with this exptime (signed 32 bits) is dead, and the clause that says so."""
    kind = rules.functions.expiry_class(exptime, rules.limits.relative)
    if kind == NEVER:
        return None, "text.exptime.zero"
    if kind == PAST:
        return GONE, "text.exptime.negative"
    if kind == RELATIVE:
        clause = "text.exptime.thirty-days" if exptime == rules.limits.relative else "text.exptime.relative"
        return arith.shifted(now, exptime), clause
    dies = arith.around(exptime, arith.clock_slack(now))
    past = rules.functions.reached(now, dies) == DEAD
    return dies, "text.exptime.absolute-past" if past else "text.exptime.absolute"


def fits(key: bytes, flags: int, length: int, rules: Rules) -> bool:
    """Whether an item with a value of `length` bytes is within the item size limit."""
    return size(key, flags, length, rules) <= rules.limits.item


def size(key: bytes, flags: int, length: int, rules: Rules) -> int:
    """Bytes that an item with a value of `length` bytes takes."""
    limits = rules.limits
    flags_size = arith.flags_size(flags, limits.item_flags)
    return arith.item_size(len(key), flags_size, length, limits.item_header + limits.item_cas)


def chunked(key: bytes, item: Item, rules: Rules) -> bool:
    """Whether the item is so large that it is kept in pieces, which no arithmetic reads."""
    return size(key, item.flags, len(item.value), rules) > rules.limits.chunked


# ---------------------------------------------------------------------------------------------------- using


def get(cache: Cache, key: bytes, now: Now, rules: Rules) -> tuple[Result, ...]:
    """Look a key up for a reply."""
    results = []
    for found in rules.functions.find(cache, key, now, rules):
        if found.item is None:
            results.append(Result(found.cache, NOT_FOUND, None, 0, found.clauses))
            continue
        item = rules.functions.used(found.item, now)
        after = found.cache if item == found.item else put(found.cache, key, item)
        results.append(Result(after, FOUND, item, 0, found.clauses))
    return tuple(results)


def expiring(item: Item, exptime: int, now: Now, rules: Rules) -> Item:
    """The item with a new deadline."""
    dies, expiry = rules.functions.deadline(exptime, now, rules)
    return item._replace(dies=dies, expiry_clause=expiry if expiry != "text.exptime.zero" else "")


def touch(cache: Cache, key: bytes, exptime: int, now: Now, rules: Rules) -> tuple[Result, ...]:
    """Give a live item a new deadline; cas unique, flags and value stay."""
    results = []
    for found in rules.functions.find(cache, key, now, rules):
        if found.item is None:
            results.append(Result(found.cache, NOT_FOUND, None, 0, found.clauses))
            continue
        item = rules.functions.used(expiring(found.item, exptime, now, rules), now)
        results.append(Result(put(found.cache, key, item), FOUND, item, 0, (*found.clauses, "text.touch.extends")))
    return tuple(results)


def delete(cache: Cache, key: bytes, now: Now, rules: Rules) -> tuple[Result, ...]:
    """Take an item out."""
    results = []
    for found in rules.functions.find(cache, key, now, rules):
        if found.item is None:
            results.append(Result(found.cache, NOT_FOUND, None, 0, (*found.clauses, "text.delete.missing")))
        else:
            after = found.cache._replace(items=found.cache.items.drop(key))
            results.append(Result(after, DELETED, found.item, 0, (*found.clauses, "text.delete.deleted")))
    return tuple(results)


def met(cache: Cache, keys: tuple[bytes, ...]) -> Cache | None:
    """The cache after these keys were looked at; None if one of them may hold what someone stored before we came."""
    if cache.clean is None:
        return cache
    if cache.uncovered and any(key not in cache.clean and key not in cache.items for key in keys):
        return None
    return cache._replace(clean=cache.clean.union(keys))
