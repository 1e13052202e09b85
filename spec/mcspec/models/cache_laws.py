"""The laws of the cache model: what each step must be, judged by the account and by what the cache holds.

A law is looked at once for each step of the cache, not for each move of a client: `broken` names those that a step
breaks, the move carries the names, and the explorer's law reads them there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from mcspec.arith import Span
from mcspec.cache import Cache, Item
from mcspec.explore import Kind, Law
from mcspec.models.cache_account import (
    EXPIRED,
    FLUSHED,
    FOREVER,
    ITEM,
    KEYS,
    NO_FLUSH,
    NOTHING,
    RELATIVE,
    STALE,
    Account,
    Held,
    Op,
    Outcome,
    Terms,
    counted,
    due,
    joined,
    short,
    size,
)
from mcspec.models.cache_steps import expired, flushed

PREFIX = "law.cache."

_HITS = frozenset(("FOUND", "DELETED", "COUNTED", "NON_NUMERIC", "EXISTS", "TOO_LONG"))
_MISSES = frozenset(("NOT_FOUND",))


class Deed(NamedTuple):
    """One step of the cache: the account and the cache before and after, what was done in which second, the outcome."""

    account: Account
    cache: Cache
    op: Op
    outcome: Outcome
    clock: int
    after: Account
    made: Cache
    terms: Terms


def _slot(deed: Deed) -> Held | str:
    return deed.account.slots[KEYS.index(deed.op.key)] if deed.op.key else NOTHING


def _held(deed: Deed) -> Held | None:
    slot = _slot(deed)
    return slot if isinstance(slot, Held) else None


def saw(deed: Deed) -> bool | None:
    """Whether the outcome says that there was an item; None if it says nothing."""
    status, word = deed.outcome.status, deed.op.word
    if status in _HITS or (status == "STORED" and word not in ("set", "add")):
        return True
    if status == "NOT_STORED":
        return word == "add"
    return False if status in _MISSES or (status == "STORED" and word == "add") else None


def _never_found(reason: str) -> Callable[[Deed], bool]:
    return lambda deed: _slot(deed) != reason or saw(deed) is not True


def _found(deed: Deed) -> bool:
    held = _held(deed)
    if held is None or not held.sure or saw(deed) is not False:
        return True
    return deed.terms.evictions and short(deed.account, deed.terms)


def _memory(deed: Deed) -> bool:
    if deed.outcome.status != "NO_MEMORY":
        return True
    return not deed.terms.evictions and short(deed.account, deed.terms, size(deed.op.value) + 2)


def _value(deed: Deed) -> bool:
    held = _held(deed)
    return held is None or not deed.outcome.value or deed.outcome.value in held.values


def _flags(deed: Deed) -> bool:
    held = _held(deed)
    return held is None or not deed.outcome.value or deed.outcome.flags == held.flags


# ------------------------------------------------------------------------------------------------ cas uniques


def _unique_kept(deed: Deed) -> bool:
    held = _held(deed)
    return held is None or not held.unique or deed.outcome.number in (0, held.unique)


def _unique_new(deed: Deed) -> bool:
    held = _held(deed)
    if held is None or held.unique or deed.outcome.status != "FOUND":
        return True
    others = {slot.unique for slot in deed.account.slots if isinstance(slot, Held)}
    return deed.outcome.number not in deed.account.spent | others


def _unique_grows(deed: Deed) -> bool:
    if deed.outcome.status != "FOUND" or deed.account.newest < 0:
        return True
    index = KEYS.index(deed.op.key)
    other = deed.account.slots[1 - index]
    if not isinstance(other, Held) or not other.unique:
        return deed.outcome.number > STALE
    return (deed.outcome.number > other.unique) == (deed.account.newest == index)


def _unique_refused(deed: Deed) -> bool:
    held = _held(deed)
    if held is None or not held.refused:
        return True
    shown = deed.outcome.number if deed.op.word == "gets" else 0
    matched = deed.op.unique if deed.op.word == "cas" and deed.outcome.status == "STORED" else 0
    return shown % 10 != 5 and (matched % 10 != 5 or matched == STALE)


def _cas_only(deed: Deed) -> bool:
    held = _held(deed)
    if deed.outcome.status != "STORED" or held is None:
        return True
    if held.unique:
        return deed.op.unique == held.unique
    others = {slot.unique for slot in deed.account.slots if isinstance(slot, Held)}
    return deed.op.unique not in deed.account.spent | others


def _cas_does(deed: Deed) -> bool:
    held = _held(deed)
    ours = held is not None and held.unique != 0 and deed.op.unique == held.unique
    return not ours or deed.outcome.status != "EXISTS"


# ------------------------------------------------------------------------------------------------ what changes


def _live(cache: Cache, key: bytes, clock: int) -> Item | None:
    item = cache.items.find(key)
    return None if item is None or expired(item, clock) or flushed(cache, item, clock) else item


_Data = tuple[bytes, bytes | None, int, Span | None]


def _data(item: Item | None) -> _Data | None:
    return None if item is None else (item.value, item.padded, item.flags, item.dies)


def _other_key(deed: Deed) -> bool:
    key = KEYS[1 - KEYS.index(deed.op.key)]
    old, new = _live(deed.cache, key, deed.clock), _live(deed.made, key, deed.clock)
    return _data(old) == _data(new) and (old is None or new is None or old.cas == new.cas)


def _kept(deed: Deed, *, dies: bool = True) -> bool:
    """Whether the item is what it was, but for a choice of its text that reading settles (and its deadline)."""
    old, new = _live(deed.cache, deed.op.key, deed.clock), _live(deed.made, deed.op.key, deed.clock)
    if old is None or new is None:
        return old is new
    if old.flags != new.flags or (dies and old.dies != new.dies) or old.cas != new.cas:
        return False
    return new.value in (old.value, old.padded) and new.padded in (None, old.padded)


def _reading(deed: Deed) -> bool:
    return deed.outcome.status != "FOUND" or _kept(deed)


_FAILED = frozenset(("NOT_STORED", "EXISTS", "TOO_LONG", "NON_NUMERIC"))


def _failed(deed: Deed) -> bool:
    if deed.outcome.status in _FAILED and saw(deed):
        return _kept(deed)
    creates_nothing = saw(deed) is False and deed.outcome.status != "STORED"
    return not creates_nothing or _live(deed.made, deed.op.key, deed.clock) is None


def _touched(deed: Deed) -> bool:
    if deed.outcome.status != "FOUND":
        return True
    new = deed.made.items.find(deed.op.key)
    if new is None or expired(new, deed.clock):
        return deed.op.number < 0 or deed.op.number > RELATIVE
    return _kept(deed, dies=False)


def _counted(deed: Deed) -> bool:
    held = _held(deed)
    if held is None or deed.outcome.status not in ("COUNTED", "NON_NUMERIC"):
        return True
    right = {counted(value, deed.op, deed.terms) for value in held.values}
    return (deed.outcome.number if deed.outcome.status == "COUNTED" else None) in right


def _written(deed: Deed) -> tuple[Item, Item] | None:
    """The item before and after its value was changed; None if it was not."""
    if deed.outcome.status not in ("STORED", "COUNTED"):
        return None
    old, new = deed.cache.items.find(deed.op.key), deed.made.items.find(deed.op.key)
    return (old, new) if old and new else None


def _lends(deed: Deed) -> bool:
    pair = _written(deed)
    return pair is None or (pair[0].flags, pair[0].dies) == (pair[1].flags, pair[1].dies)


def _joined(deed: Deed) -> bool:
    held, pair = _held(deed), _written(deed)
    if held is None or pair is None:
        return True
    return pair[1].value in {joined(value, deed.op) for value in held.values}


def _too_long(deed: Deed) -> bool:
    held = _held(deed)
    if held is None or len(deed.op.value) > ITEM - size(b""):
        return True
    lengths = {size(joined(value, deed.op)) for value in held.values}
    if deed.outcome.status == "TOO_LONG":
        return max(lengths, default=0) > ITEM
    return deed.outcome.status != "STORED" or min(lengths, default=0) <= ITEM


def _deleted(deed: Deed) -> bool:
    return deed.op.key not in deed.made.items and deed.op.key not in deed.made.hidden


def _size_loses(deed: Deed) -> bool:
    refused = deed.outcome.status in ("TOO_LARGE", "NO_MEMORY")
    return not refused or deed.op.key not in deed.made.items


def _size_keeps(deed: Deed) -> bool:
    refused = deed.outcome.status in ("TOO_LARGE", "NO_MEMORY")
    return not refused or _kept(deed)


def _size(deed: Deed) -> bool:
    return (deed.outcome.status == "TOO_LARGE") == (size(deed.op.value) > ITEM)


def _no_return(deed: Deed) -> bool:
    return all(key in deed.cache.items for key in deed.made.items)


def _flush_waits(deed: Deed) -> bool:
    if deed.op.number <= 0 or due(deed.op.number, deed.clock) <= deed.clock:
        return True
    return all(_data(_live(deed.cache, key, deed.clock)) == _data(_live(deed.made, key, deed.clock)) for key in KEYS)


def _total(deed: Deed) -> bool:
    return deed.outcome.status != "nothing"


class _Rule(NamedTuple):
    """A law of steps. `words` are those that it speaks of; it says nothing of others."""

    name: str
    words: tuple[str, ...]
    text: str
    holds: Callable[[Deed], bool]


_READS = ("get", "gets", "gat")
_JOINS = ("append", "prepend")
_STORES = ("set", "add", "replace", "cas", *_JOINS)
_COUNTS = ("incr", "decr")
_ON_KEY = (*_READS, *_STORES, *_COUNTS, "touch", "delete")
_ALL = (*_ON_KEY, "flush_all", "tick")


_RULES = (
    _Rule("expired", _ON_KEY, "An item whose deadline has been reached is never found again.", _never_found(EXPIRED)),
    _Rule(
        "flushed",
        _ON_KEY,
        "An item that a flush has taken, now or when it was due, is never found.",
        _never_found(FLUSHED),
    ),
    _Rule("absent", _ON_KEY, "What was deleted, lost or never stored is not found.", _never_found(NOTHING)),
    _Rule(
        "found", _ON_KEY, "An item that is not expired, flushed, deleted or evicted under pressure is found.", _found
    ),
    _Rule(
        "memory",
        _STORES,
        "A store is refused for want of memory only where nothing is evicted and memory is short.",
        _memory,
    ),
    _Rule("value", _READS, "The value returned is the one stored last, byte for byte.", _value),
    _Rule("flags", _READS, "The flags returned are those stored last.", _flags),
    _Rule("unique-kept", ("gets",), "The cas unique of an item stays the same until it is stored anew.", _unique_kept),
    _Rule("unique-new", ("gets",), "No two stores share a cas unique.", _unique_new),
    _Rule("unique-grows", ("gets",), "A later store has the larger cas unique.", _unique_grows),
    _Rule(
        "unique-refused",
        ("gets", "cas"),
        "A number that cas was refused for is not the unique of that item.",
        _unique_refused,
    ),
    _Rule("cas-only", ("cas",), "A cas stores only if its number is the unique of the item that is there.", _cas_only),
    _Rule("cas-does", ("cas",), "A cas with the unique of the item that is there is not refused.", _cas_does),
    _Rule("reading", _READS[:2], "Reading changes nothing.", _reading),
    _Rule("failed", _ON_KEY, "An operation that fails changes no item and creates none.", _failed),
    _Rule("touch", ("touch", "gat"), "A touch or gat changes the deadline of an item and nothing else.", _touched),
    _Rule("incr", ("incr",), "An incr adds, and wraps at the modulus.", _counted),
    _Rule("decr", ("decr",), "A decr subtracts, and stops at 0.", _counted),
    _Rule("counter-keeps", _COUNTS, "An incr or decr keeps flags and deadline.", _lends),
    _Rule("append-keeps", _JOINS, "An append or prepend keeps flags and deadline.", _lends),
    _Rule("joined", _JOINS, "An append puts its block after the value, a prepend before it.", _joined),
    _Rule("too-long", _JOINS, "An append or prepend is refused for the joined size, and only for that.", _too_long),
    _Rule("delete", ("delete",), "After delete the key has no item.", _deleted),
    _Rule("size", _STORES, "A value is refused for its size if, and only if, its item exceeds the limit.", _size),
    _Rule("size-loses", ("set",), "A set that is refused for size or memory leaves no old item.", _size_loses),
    _Rule(
        "size-keeps",
        _STORES[1:],
        "Another command that is refused for size or memory leaves the old item as it was.",
        _size_keeps,
    ),
    _Rule("other-key", _ON_KEY, "An operation on one key leaves the item of another as it was.", _other_key),
    _Rule("no-return", ("flush_all", "tick"), "Neither flush_all nor time brings an item back.", _no_return),
    _Rule("flush-waits", ("flush_all",), "A delayed flush takes nothing before it is due.", _flush_waits),
    _Rule("total", _ALL, "Every operation has an outcome in every state.", _total),
)


def broken(deed: Deed) -> frozenset[str]:
    """The clauses that a step breaks."""
    return frozenset(PREFIX + rule.name for rule in _OF_WORD[deed.op.word] if not rule.holds(deed))


_OF_WORD = {word: tuple(rule for rule in _RULES if word in rule.words) for word in _ALL}


# ------------------------------------------------------------------------------------------------ the explorer's


def _carries(clause: str) -> Callable[..., bool]:
    return lambda _before, move, _after: clause not in move.breaks


def agrees(state: Any) -> bool:
    """What the cache holds is what the account says."""
    cache, account, clock = state.core.cache, state.core.account, state.core.clock
    for key, slot in zip(KEYS, account.slots, strict=True):
        item = _live(cache, key, clock)
        if not isinstance(slot, Held):
            if item is not None:
                return False
        elif item is None:
            if slot.sure:
                return False
        else:
            texts = {item.value, item.padded} - {None}
            dies = FOREVER if item.dies is None else item.dies.lo
            if not texts <= set(slot.values) or item.flags != slot.flags or dies != slot.dies:
                return False
    return True


def pending(state: Any) -> bool:
    """A flush that has not come is due when the account says."""
    cache, account, clock = state.core.cache, state.core.account, state.core.clock
    due = NO_FLUSH if cache.flush is None or cache.flush.hi < clock else cache.flush.lo
    return bool(due == account.due)


LAWS = (
    Law(PREFIX + "agrees", Kind.STATE, "The cache holds what its clients stored, with that deadline.", agrees),
    Law(PREFIX + "pending", Kind.STATE, "A pending flush is due when the last flush_all said.", pending),
    *(Law(PREFIX + rule.name, Kind.MOVE, rule.text, _carries(PREFIX + rule.name)) for rule in _RULES),
)
