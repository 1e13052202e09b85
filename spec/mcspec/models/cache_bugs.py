"""The functions with a bug in them that the cache model plants: each stands in for one of the specification.

Each is a slip that a server or a rewrite of the specification could well have: a wrong comparison, a field forgotten, a
look at the wrong moment. What it gets wrong is said in its first line.
"""

from __future__ import annotations

from typing import Any

from mcspec import arith, cache, counting, flushing, storing
from mcspec.arith import ALIVE, DEAD, Span
from mcspec.cache import Cache, Found, Item, Now, Result
from mcspec.frozen import FrozenMap
from mcspec.rules import Rules
from mcspec.storing import Entry

# ------------------------------------------------------------------------------------------------ expiry and flush


def reached_late(now: Span, moment: Span) -> int:
    """Greater for greater-or-equal."""
    return DEAD if now.lo > moment.hi else ALIVE


def reached_early(now: Span, moment: Span) -> int:
    """A second too soon."""
    return DEAD if now.lo >= moment.hi - 1 else ALIVE


def class_at_limit(exptime: int, relative: int) -> int:
    """The largest relative exptime taken for a unix time."""
    return arith.expiry_class(exptime, relative - 1)


def class_negative(exptime: int, relative: int) -> int:
    """A negative exptime taken for none."""
    return arith.expiry_class(max(exptime, 0), relative)


def deadline_relative(exptime: int, now: Now, rules: Rules) -> tuple[Span | None, str]:
    """A unix time counted from now."""
    dies, clause = cache.deadline(exptime, now, rules)
    return (Span(now.lo + exptime, now.hi + exptime) if exptime > 0 else dies), clause


def flushed_strictly(kept: Cache, item: Item, now: Now, rules: Rules) -> int:
    """Spares items stored in the second in which the flush is due."""
    due = kept.flush
    return ALIVE if due is not None and item.stored.hi >= due.lo else cache.flushed(kept, item, now, rules)


def flushed_for_ever(kept: Cache, item: Item, now: Now, rules: Rules) -> int:
    """Takes items stored after the flush was due as well."""
    taken = kept.flush is not None and rules.functions.reached(now, kept.flush) == DEAD
    return DEAD if taken else cache.flushed(kept, item, now, rules)


def flushed_at_once(kept: Cache, _item: Item, _now: Now, _rules: Rules) -> int:
    """Does not wait for a delayed flush to be due."""
    return ALIVE if kept.flush is None else DEAD


def flush_late(kept: Cache, delay: int, now: Now, rules: Rules) -> tuple[Cache, ...]:
    """Due after n seconds, not n - 1."""
    afters = flushing.flush(kept, delay, now, rules)
    return tuple(
        after._replace(flush=Span(after.flush.lo + 1, after.flush.hi + 1)) if after.flush else after for after in afters
    )


def flush_first_wins(kept: Cache, delay: int, now: Now, rules: Rules) -> tuple[Cache, ...]:
    """A pending flush is not replaced."""
    pending = kept.flush is not None and rules.functions.reached(now, kept.flush) == ALIVE
    return tuple(
        after._replace(flush=kept.flush) if pending else after for after in flushing.flush(kept, delay, now, rules)
    )


def flush_keeps_pending(kept: Cache, delay: int, now: Now, rules: Rules) -> tuple[Cache, ...]:
    """flush_all without delay leaves a pending one pending."""
    afters = flushing.flush(kept, delay, now, rules)
    return tuple(after._replace(flush=kept.flush) for after in afters) if delay <= 0 else afters


def flush_negative_waits(kept: Cache, delay: int, now: Now, rules: Rules) -> tuple[Cache, ...]:
    """A negative delay flushes nothing."""
    return flushing.flush(kept, delay, now, rules) if delay >= 0 else (kept,)


def flush_forgets_taken(kept: Cache, delay: int, now: Now, rules: Rules) -> tuple[Cache, ...]:
    """A new delayed flush forgets what the last one has taken: nobody had looked."""
    return flushing.flush(kept._replace(flush=None), delay, now, rules)


def flush_now(kept: Cache, _delay: int, now: Now, rules: Rules) -> tuple[Cache, ...]:
    """The delay is read, and forgotten."""
    return flushing.flush(kept, 0, now, rules)


# ------------------------------------------------------------------------------------------------ looking


def find_expired(kept: Cache, key: bytes, now: Now, rules: Rules) -> tuple[Found, ...]:
    """Looks at flushes, and at no deadline."""
    item = kept.items.find(key)
    if item is None or item.dies is None or rules.functions.reached(now, item.dies) == ALIVE:
        return cache.find(kept, key, now, rules)
    return (Found(kept, item, ()),)


def find_evicts(kept: Cache, key: bytes, now: Now, rules: Rules) -> tuple[Found, ...]:
    """Evicts at any time."""
    found = cache.find(kept, key, now, rules)
    return (*found, Found(kept._replace(items=kept.items.drop(key)), None, ()))


def find_hidden(kept: Cache, key: bytes, now: Now, rules: Rules) -> tuple[Found, ...]:
    """Finds what a flush has hidden."""
    item = kept.hidden.find(key)
    return (Found(cache.put(kept, key, item), item, ()),) if item else cache.find(kept, key, now, rules)


def find_renews(kept: Cache, key: bytes, now: Now, rules: Rules) -> tuple[Found, ...]:
    """Reading counts as storing: the cas unique is renewed."""
    return tuple(
        f._replace(cache=_renewed(f.cache, key), item=_renewed(f.cache, key).items[key]) if f.item else f
        for f in cache.find(kept, key, now, rules)
    )


def _renewed(kept: Cache, key: bytes) -> Cache:
    item = kept.items[key]._replace(cas=kept.next_cas)
    return cache.put(kept, key, item)._replace(next_cas=kept.next_cas + 1)


def get_once(kept: Cache, key: bytes, now: Now, rules: Rules) -> tuple[Result, ...]:
    """Reading takes the flags away."""
    results = cache.get(kept, key, now, rules)
    return tuple(r._replace(cache=cache.put(r.cache, key, r.item._replace(flags=0))) if r.item else r for r in results)


def get_flagless(kept: Cache, key: bytes, now: Now, rules: Rules) -> tuple[Result, ...]:
    """Flags are not returned."""
    return tuple(r._replace(item=r.item._replace(flags=0)) if r.item else r for r in cache.get(kept, key, now, rules))


def get_short(kept: Cache, key: bytes, now: Now, rules: Rules) -> tuple[Result, ...]:
    """The last byte of a long value is not returned."""
    return tuple(
        r._replace(item=r.item._replace(value=r.item.value[:1])) if r.item else r
        for r in cache.get(kept, key, now, rules)
    )


# ------------------------------------------------------------------------------------------------ cas uniques


def bind_shared(kept: Cache, symbol: int, number: int) -> Cache | None:
    """Two items may have one number."""
    if number in kept.known.values() and symbol not in kept.known:
        return kept._replace(known=kept.known.put(symbol, number))
    return cache.bind(kept, symbol, number)


def bind_any_order(kept: Cache, symbol: int, number: int) -> Cache | None:
    """Numbers need not grow."""
    if symbol in kept.known or number < 1 or number in kept.known.values() or (symbol, number) in kept.apart:
        return cache.bind(kept, symbol, number)
    return kept._replace(known=kept.known.put(symbol, number))


def bind_forgets(kept: Cache, symbol: int, number: int) -> Cache | None:
    """A number that was refused may be the unique after all."""
    return cache.bind(kept._replace(apart=frozenset()), symbol, number)


def compare_next(kept: Cache, item: Item, number: int, rules: Rules) -> tuple[tuple[bool, Cache], ...]:
    """Looks whether the number is not above the unique: an older one will do."""
    known = kept.known.find(item.cas)
    return ((number <= known, kept),) if known is not None else cache.compare(kept, item, number, rules)


def compare_never(kept: Cache, _item: Item, _number: int, _rules: Rules) -> tuple[tuple[bool, Cache], ...]:
    """No number matches."""
    return ((False, kept),)


def link_same_unique(
    kept: Cache, entry: Entry, keep: Item | None, clause: str, now: Now, rules: Rules
) -> tuple[Result, ...]:
    """A store over an item leaves its cas unique."""
    old = kept.items.find(entry.key)
    results = storing.link(kept, entry, keep, clause, now, rules)
    return results if old is None else tuple(_with(r, entry.key, cas=old.cas) for r in results)


def _with(result: Result, key: bytes, **fields: Any) -> Result:
    """The result, its item with other fields."""
    if result.item is None:
        return result
    item = result.item._replace(**fields)
    return result._replace(item=item, cache=cache.put(result.cache, key, item))


# ------------------------------------------------------------------------------------------------ storing


def link_line_flags(
    kept: Cache, entry: Entry, keep: Item | None, clause: str, now: Now, rules: Rules
) -> tuple[Result, ...]:
    """append takes the flags of its line."""
    return tuple(_with(r, entry.key, flags=entry.flags) for r in storing.link(kept, entry, keep, clause, now, rules))


def link_line_exptime(
    kept: Cache, entry: Entry, _keep: Item | None, clause: str, now: Now, rules: Rules
) -> tuple[Result, ...]:
    """append takes flags and exptime of its line."""
    return storing.link(kept, entry, None, clause, now, rules)


def link_drops_others(
    kept: Cache, entry: Entry, keep: Item | None, clause: str, now: Now, rules: Rules
) -> tuple[Result, ...]:
    """Room for one item only."""
    others = kept._replace(items=FrozenMap({k: item for k, item in kept.items.items() if k == entry.key}))
    return storing.link(others, entry, keep, clause, now, rules)


def link_refuses_early(
    kept: Cache, entry: Entry, keep: Item | None, clause: str, now: Now, rules: Rules
) -> tuple[Result, ...]:
    """Out of memory at any time."""
    results = storing.link(kept, entry, keep, clause, now, rules)
    return (*results, Result(storing.oversize(kept, entry.mode, entry.key), cache.NO_MEMORY, None, 0, ()))


def store_over(kept: Cache, entry: Entry, now: Now, rules: Rules) -> tuple[Result, ...]:
    """add replaces an item that is there."""
    mode = "set" if entry.mode == "add" else entry.mode
    results = storing.store(kept, entry._replace(mode=mode), now, rules)
    there = {r.item is not None for r in cache.get(kept, entry.key, now, rules)}
    if entry.mode == "add" and there == {True}:
        return tuple(r._replace(status=cache.NOT_STORED) for r in results)
    return results


def cas_unlinks(kept: Cache, entry: Entry, now: Now, rules: Rules) -> tuple[Result, ...]:
    """A cas that fails takes the item out."""
    return tuple(
        r._replace(cache=r.cache._replace(items=r.cache.items.drop(entry.key))) if r.status == cache.EXISTS else r
        for r in storing.store(kept, entry, now, rules)
    )


def store_creates(kept: Cache, entry: Entry, now: Now, rules: Rules) -> tuple[Result, ...]:
    """replace, append and cas create what is not there, and say that they did not."""
    return tuple(
        r
        if r.item or r.status == cache.STORED
        else storing.link(r.cache, entry, None, "", now, rules)[0]._replace(status=r.status, item=None)
        for r in storing.store(kept, entry, now, rules)
    )


def store_swaps(kept: Cache, entry: Entry, now: Now, rules: Rules) -> tuple[Result, ...]:
    """append and prepend swapped."""
    other = {"append": "prepend", "prepend": "append"}.get(entry.mode, entry.mode)
    return storing.store(kept, entry._replace(mode=other), now, rules)


def store_nothing(kept: Cache, entry: Entry, now: Now, rules: Rules) -> tuple[Result, ...]:
    """Answers nothing where cas finds another number."""
    return tuple(r for r in storing.store(kept, entry, now, rules) if r.status != cache.EXISTS)


def fits_exclusive(key: bytes, flags: int, length: int, rules: Rules) -> bool:
    """The largest item is refused."""
    return cache.fits(key, flags, length + 1, rules)


def fits_one_more(key: bytes, flags: int, length: int, rules: Rules) -> bool:
    """A byte more than the limit is let in."""
    return cache.fits(key, flags, length - 1, rules)


def oversize_keeps(kept: Cache, _mode: str, _key: bytes) -> Cache:
    """A set that was refused leaves the old value."""
    return kept


def oversize_drops(kept: Cache, _mode: str, key: bytes) -> Cache:
    """Any command that was refused removes the item."""
    return storing.oversize(kept, "set", key)


# ------------------------------------------------------------------------------------------------ the rest


def touch_renews(kept: Cache, key: bytes, exptime: int, now: Now, rules: Rules) -> tuple[Result, ...]:
    """touch gives a new cas unique."""
    return tuple(
        r._replace(cache=_renewed(r.cache, key)) if r.item else r for r in cache.touch(kept, key, exptime, now, rules)
    )


def touch_nothing(kept: Cache, key: bytes, _exptime: int, now: Now, rules: Rules) -> tuple[Result, ...]:
    """touch leaves the deadline."""
    return cache.get(kept, key, now, rules)


def touch_revives(kept: Cache, key: bytes, exptime: int, now: Now, rules: Rules) -> tuple[Result, ...]:
    """An expired item that is still there is touched back to life."""
    item = kept.items.find(key)
    if item is None or item.dies is None:
        return cache.touch(kept, key, exptime, now, rules)
    return cache.touch(cache.put(kept, key, item._replace(dies=None)), key, exptime, now, rules)


def delete_leaves(kept: Cache, key: bytes, now: Now, rules: Rules) -> tuple[Result, ...]:
    """delete answers and leaves the item."""
    return tuple(
        r._replace(cache=cache.put(r.cache, key, r.item)) if r.item else r for r in cache.delete(kept, key, now, rules)
    )


def touch_creates(kept: Cache, key: bytes, exptime: int, now: Now, rules: Rules) -> tuple[Result, ...]:
    """touch of a missing key makes an empty counter."""
    return tuple(
        r if r.item else Result(cache.put(r.cache, key, _ZERO), cache.FOUND, _ZERO, 0, ())
        for r in cache.touch(kept, key, exptime, now, rules)
    )


_ZERO = Item(b"0", 0, None, 1, Span(0, 0))


def count_plus_one(value: int, delta: int, modulus: int) -> int:
    """Wraps at modulus + 1."""
    return arith.incremented(value, delta, modulus + 1)


def count_saturates(value: int, delta: int, modulus: int) -> int:
    """Stops at the largest number."""
    return min(value + delta, modulus - 1)


def count_below(value: int, delta: int) -> int:
    """decr wraps below 0."""
    return (value - delta) % 4


def count_flagless(kept: Cache, key: bytes, delta: int, now: Now, rules: Rules, *, up: bool) -> tuple[Result, ...]:
    """incr and decr store a new item: no flags, no deadline."""
    results = counting.count(kept, key, delta, now, rules, up=up)
    return tuple(_with(r, key, flags=0, dies=None) if r.status == cache.COUNTED else r for r in results)


def count_same_unique(kept: Cache, key: bytes, delta: int, now: Now, rules: Rules, *, up: bool) -> tuple[Result, ...]:
    """incr and decr in place leave the cas unique."""
    old = kept.items.find(key)
    results = counting.count(kept, key, delta, now, rules, up=up)
    return tuple(_with(r, key, cas=old.cas) if old and r.status == cache.COUNTED else r for r in results)


def count_zeroes(kept: Cache, key: bytes, delta: int, now: Now, rules: Rules, *, up: bool) -> tuple[Result, ...]:
    """A value that is no number is overwritten before it is refused."""
    results = counting.count(kept, key, delta, now, rules, up=up)
    return tuple(_with(r, key, value=b"0") if r.status == cache.NON_NUMERIC else r for r in results)
