"""How the cache model moves: what an operation does to a cache, and the cache made canonical.

Theory of operation
-------------------
`perform` calls the functions of the specification, as the connection machine does, and nothing else. `canonical` maps
caches that no future can tell apart to one: cas uniques are renamed by rank, moments are kept relative to the clock
where they still matter, and what is dead becomes a marker - it is not taken out, because a planted bug may bring it
back. The number that a client sees for the symbol of rank r is 10 r, one that it guesses 10 r + 5.
"""

from __future__ import annotations

from mcspec.arith import Span
from mcspec.cache import NO, Cache, Item, Now, Result
from mcspec.frozen import FrozenMap
from mcspec.models.cache_account import STALE, Op, Outcome, Terms
from mcspec.rules import Rules
from mcspec.storing import Entry

End = tuple[Outcome, Cache]

LONG_AGO = 1
"""Seconds before now: one moment stands for all that are gone."""

_STORES = ("set", "add", "replace", "append", "prepend", "cas")


def number(symbol: int) -> int:
    """The cas unique that a client sees for a symbol; that of symbol 0, which no item has, is STALE."""
    return 10 * symbol or STALE


def guess(symbol: int) -> int:
    """A cas unique that no client has seen, and that the item with this symbol may have until it is seen."""
    return 10 * symbol + 5


def empty() -> Cache:
    """The first cache: without items; one cas unique of an item that is gone is known."""
    return Cache(known=FrozenMap({0: STALE}))


def perform(cache: Cache, op: Op, now: Now, rules: Rules) -> list[End]:
    """Every allowed outcome of an operation of a client."""
    functions = rules.functions
    if op.word == "get":
        return [(_shown(r), r.cache) for r in functions.get(cache, op.key, now, rules)]
    if op.word == "gets":
        return [end for r in functions.get(cache, op.key, now, rules) for end in _gets(r, rules)]
    if op.word == "gat":
        return [end for r in functions.get(cache, op.key, now, rules) for end in _gat(r, op, now, rules)]
    if op.word == "touch":
        results = functions.touch(cache, op.key, op.number, now, rules)
        return [(Outcome("FOUND" if r.item else "NOT_FOUND"), r.cache) for r in results]
    if op.word == "delete":
        return [(Outcome(r.status), r.cache) for r in functions.delete(cache, op.key, now, rules)]
    if op.word in ("incr", "decr"):
        results = functions.arithmetic(cache, op.key, op.number, now, rules, up=op.word == "incr")
        return [(Outcome(r.status, number=r.number), r.cache) for r in results]
    if op.word == "flush_all":
        return [(Outcome("OK"), after) for after in functions.flush(cache, op.number, now, rules)]
    assert op.word in _STORES
    if not functions.fits(op.key, op.flags, len(op.value), rules):
        return [(Outcome("TOO_LARGE"), functions.oversize(cache, op.word, op.key))]
    unique = op.unique if op.word == "cas" else None
    entry = Entry(op.word, op.key, op.flags, op.number, op.value, now, unique)
    return [(_stored(r, op), r.cache) for r in functions.store(cache, entry, now, rules)]


def _shown(result: Result) -> Outcome:
    if result.item is None:
        return Outcome("NOT_FOUND")
    return Outcome("FOUND", result.item.value, result.item.flags)


def _gets(result: Result, rules: Rules) -> list[End]:
    """A hit shows the cas unique: the one that is known, or any that may be bound."""
    shown, item = _shown(result), result.item
    if item is None:
        return [(shown, result.cache)]
    known = result.cache.known.find(item.cas)
    if known is not None:
        return [(shown._replace(number=known), result.cache)]
    ends = []
    for candidate in _candidates(result.cache, item.cas):
        bound = rules.functions.bind(result.cache, item.cas, candidate)
        if bound is not None:
            ends.append((shown._replace(number=candidate), bound))
    return ends


def _candidates(cache: Cache, symbol: int) -> list[int]:
    """A number that is right, and all kinds that are wrong: refused before, another's, out of the order of stores."""
    candidates = [number(symbol), 0]
    if (symbol, guess(symbol)) in cache.apart:
        candidates.append(guess(symbol))
    for other, seen in cache.known.items():
        candidates += [seen, seen + 2 if other > symbol else seen - 2]
    return candidates


def _gat(result: Result, op: Op, now: Now, rules: Rules) -> list[End]:
    if result.item is None:
        return [(_shown(result), result.cache)]
    touched = rules.functions.touch(result.cache, op.key, op.number, now, rules)
    return [(_shown(result), r.cache) for r in touched if r.item is not None]


def _stored(result: Result, op: Op) -> Outcome:
    """The status; an item that is too long to be joined is told from one that is not there."""
    joins = op.word in ("append", "prepend")
    return Outcome("TOO_LONG" if joins and result.status == "NOT_STORED" and result.item else result.status)


# ---------------------------------------------------------------------------------------------------- canonical


def expired(item: Item, clock: int) -> bool:
    """Whether the deadline of an item has been reached."""
    return item.dies is not None and item.dies.hi <= clock


def flushed(cache: Cache, item: Item, clock: int) -> bool:
    """Whether a delayed flush has come that takes the item."""
    return cache.flush is not None and cache.flush.hi <= clock and item.stored.hi <= cache.flush.hi


def _marker(stored: int, dies: Span | None) -> Item:
    return Item(b"1", 0, dies, 0, Span(stored, stored))


def _plain(item: Item, cas: int) -> Item:
    """The item without what no law of this model looks at: the clause of its deadline, and whether it was used."""
    return item._replace(cas=cas, expiry_clause="", fetched=NO, seen=None)


def canonical(cache: Cache, clock: int, terms: Terms, *, uniques: bool, returns: bool) -> tuple[Cache, dict[int, int]]:
    """The representative of a cache, and the new names of the cas uniques that clients may still send.

    Where clients see no `uniques`, these tell items apart no longer. `returns` says that a flush may be undone: what it
    hid is kept as it was, not as a marker.
    """
    past = cache.flush is not None and cache.flush.hi < clock
    then = clock - LONG_AGO if past else clock
    items: dict[bytes, Item] = {}
    alive: dict[bytes, Item] = {}
    for key in sorted(cache.items):
        item = cache.items[key]
        if flushed(cache, item, clock):
            items[key] = _marker(then, None)
        elif expired(item, clock):
            items[key] = _marker(clock, Span(clock, clock))
        else:
            alive[key] = item
    hidden = dict(cache.hidden)
    kept = [item.cas for item in (*alive.values(), *(hidden.values() if returns else ()))]
    symbols = sorted(set(kept))
    rank = {symbol: index if uniques else 1 for index, symbol in enumerate(symbols, 1)}
    for key, item in alive.items():
        items[key] = _plain(item, rank[item.cas])._replace(stored=Span(clock, clock))
    for key, item in hidden.items():
        hidden[key] = _plain(item, rank[item.cas]) if returns else _marker(clock, None)
    names = {seen: number(rank[symbol]) for symbol, seen in cache.known.items() if symbol in rank}
    known = {0: STALE, **{rank[symbol]: number(rank[symbol]) for symbol in cache.known if symbol in rank}}
    apart = frozenset(
        (rank[symbol], guess(rank[symbol]))
        for symbol, seen in cache.apart
        if symbol in rank and rank[symbol] not in known and seen == guess(symbol)
    )
    due = None if cache.flush is None else Span(then, then) if past else cache.flush
    allocated = min(cache.allocated, terms.memory // 4 + 1) if terms.memory else 0
    after = Cache(
        FrozenMap(items), FrozenMap(hidden), len(rank) + 1 if uniques else 2, FrozenMap(known), apart, due, allocated
    )
    return after, names
