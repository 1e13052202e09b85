"""The cache: items, and one pure transition for each abstract operation.

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

An item is looked at through `find` only, so that expiry, flush and eviction are each written once.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, NamedTuple

from mcspec import arith, scan
from mcspec.arith import ALIVE, DEAD, NEVER, OPEN, PAST, RELATIVE, SAME, UNSURE, Span
from mcspec.frozen import FrozenMap

if TYPE_CHECKING:
    from mcspec.rules import Rules

Now = Span
"""The moment of an event, in seconds of the server's clock: exact when lo == hi."""

GONE = Span(-inf, -inf)

STORED, NOT_STORED, EXISTS, NOT_FOUND = "STORED", "NOT_STORED", "EXISTS", "NOT_FOUND"
FOUND, DELETED, TOUCHED, COUNTED, NON_NUMERIC = "FOUND", "DELETED", "TOUCHED", "COUNTED", "NON_NUMERIC"
TOO_LARGE, NO_MEMORY, UNSPECIFIED = "TOO_LARGE", "NO_MEMORY", "UNSPECIFIED"


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
    """

    items: FrozenMap[bytes, Item] = FrozenMap()
    hidden: FrozenMap[bytes, Item] = FrozenMap()
    next_cas: int = 1
    known: FrozenMap[int, int] = FrozenMap()
    apart: frozenset[tuple[int, int]] = frozenset()
    flush: Span | None = None
    allocated: int = 0
    clean: frozenset[bytes] | None = None
    uncovered: bool = False


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
            return (Found(cache, None, ()),)
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
    elif _pressed(cache, rules):
        found = (*found, gone._replace(clauses=("text.memory.evicts",)))
    return found


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
    return cache._replace(items=cache.items.put(key, item), hidden=cache.hidden.drop(key))


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
    """The cache in which cas symbol `symbol` is known to be `number`; None if a clause forbids that."""
    if symbol < 0:
        return cache if number == -1 - symbol else None
    known = cache.known.find(symbol)
    if known is not None:
        return cache if known == number else None
    if number < 1 or number >= 2**64 or (symbol, number) in cache.apart:
        return None
    for other, seen in cache.known.items():
        if not arith.cas_in_order(symbol, number, other, seen):
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


# ---------------------------------------------------------------------------------------------------- expiry


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


# ---------------------------------------------------------------------------------------------------- storing


def oversize(cache: Cache, mode: str, key: bytes) -> Cache:
    """The cache after a value was refused for its size or for want of memory: only `set` loses the old item."""
    return cache._replace(items=cache.items.drop(key), hidden=cache.hidden.drop(key)) if mode == "set" else cache


class Entry(NamedTuple):
    """What a store command asks for. Its exptime counts from `since`; `unique` is None where none is compared.

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
        return (Result(cache, NOT_STORED, old, 0, ("text.add.exists",)),)
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
    lowest, highest = _bounds(cache, old)
    refused = refused._replace(clauses=("meta.ms.invalidate-newer",))
    if entry.unique >= highest:
        return (refused,)
    results = rules.functions.link(cache, entry, old, "meta.ms.invalidate-older", now, rules)
    return results if entry.unique < lowest else (*results, refused)


def _bounds(cache: Cache, item: Item) -> tuple[int, int]:
    """The least and the greatest cas unique that the item can have."""
    known = unique(cache, item)
    if known is not None:
        return known, known
    lowest = max((seen + 1 for symbol, seen in cache.known.items() if symbol < item.cas), default=1)
    highest = min((seen - 1 for symbol, seen in cache.known.items() if symbol > item.cas), default=2**64 - 1)
    return lowest, highest


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
    cas = chosen(entry.chose) if entry.chose else cache.next_cas
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


# ---------------------------------------------------------------------------------------------------- the rest


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


def count(cache: Cache, key: bytes, delta: int, now: Now, rules: Rules, *, up: bool) -> tuple[Result, ...]:
    """incr (up) and decr on the decimal number that an item holds."""
    results: list[Result] = []
    for found in rules.functions.find(cache, key, now, rules):
        ends = count_found(found, key, delta, rules, up=up)
        results += [result._replace(clauses=found.clauses + result.clauses) for result in ends]
    return tuple(results)


def chunked(key: bytes, item: Item, rules: Rules) -> bool:
    """Whether the item is so large that it is kept in pieces, which no arithmetic reads."""
    return size(key, item.flags, len(item.value), rules) > rules.limits.chunked


def count_found(found: Found, key: bytes, delta: int, rules: Rules, *, up: bool) -> tuple[Result, ...]:
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
    results = (_counted(cache, key, item, number, clauses, rules),)
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


def flush(cache: Cache, delay: int, now: Now, rules: Rules) -> tuple[Cache, ...]:
    """flush_all: all items go now, or all stored until the second before `delay` is over.

    A delay that is a unix time gone by means now to a server that ran at that time, and nothing to one that did not.
    """
    cache = _outlast(cache, now, rules)
    if delay <= 0:
        return (_flush_now(cache),)
    due, _ = rules.functions.deadline(delay, now, rules)
    assert due is not None  # a positive delay has a deadline
    later = cache._replace(flush=arith.shifted(due, -1))
    if rules.traits.flush_returns == "may":
        items = later.items
        for key, item in cache.hidden.items():
            items = items.put(key, item)
        later = later._replace(items=items, hidden=FrozenMap(), uncovered=cache.clean is not None)
    absolute = rules.functions.expiry_class(delay, rules.limits.relative) == arith.ABSOLUTE
    past = rules.functions.reached(now, due) if absolute else ALIVE
    if past == ALIVE:
        return (later,)
    gone = (_flush_now(cache), later._replace(flush=None))
    return gone if past == DEAD else (*gone, later)


def _flush_now(cache: Cache) -> Cache:
    hidden = cache.hidden
    for key, item in cache.items.items():
        hidden = hidden.put(key, item._replace(may_vanish=True))
    return cache._replace(items=FrozenMap(), hidden=hidden, flush=None)


def _outlast(cache: Cache, now: Now, rules: Rules) -> Cache:
    """The cache when a new flush replaces an old one: what the old one has taken stays taken, or may be uncovered."""
    for key, item in cache.items.items():
        gone = rules.functions.flushed(cache, item, now, rules)
        if gone == DEAD and rules.traits.flush_returns == "never":
            hidden = cache.hidden.put(key, item._replace(may_vanish=True))
            cache = cache._replace(items=cache.items.drop(key), hidden=hidden)
        elif gone != ALIVE:
            cache = cache._replace(items=cache.items.put(key, item._replace(may_vanish=True)))
    return cache


def met(cache: Cache, keys: tuple[bytes, ...]) -> Cache | None:
    """The cache after these keys were looked at; None if one of them may hold what someone stored before we came."""
    if cache.clean is None:
        return cache
    if cache.uncovered and any(key not in cache.clean and key not in cache.items for key in keys):
        return None
    return cache._replace(clean=cache.clean.union(keys))
