"""The planted bugs of the cache model: one function of the specification replaced, and the law that must catch it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from mcspec.models import Plant, cache_bugs
from mcspec.rules import Rules


class _Bug(NamedTuple):
    """A function of the record, what stands in for it, and the name of the law that must catch it."""

    field: str
    function: Callable[..., Any]
    law: str


_BUGS = {
    "expires a second late": _Bug("reached", cache_bugs.reached_late, "expired"),
    "expires a second early": _Bug("reached", cache_bugs.reached_early, "found"),
    "the largest relative exptime is a unix time": _Bug("expiry_class", cache_bugs.class_at_limit, "found"),
    "a negative exptime never expires": _Bug("expiry_class", cache_bugs.class_negative, "expired"),
    "a unix time counts from now": _Bug("deadline", cache_bugs.deadline_relative, "agrees"),
    "a flush spares its own second": _Bug("flushed", cache_bugs.flushed_strictly, "flushed"),
    "a flush takes what is stored later": _Bug("flushed", cache_bugs.flushed_for_ever, "found"),
    "a delayed flush takes at once": _Bug("flushed", cache_bugs.flushed_at_once, "found"),
    "a flush is a second late": _Bug("flush", cache_bugs.flush_late, "pending"),
    "a pending flush stands": _Bug("flush", cache_bugs.flush_first_wins, "pending"),
    "flush now leaves the pending one": _Bug("flush", cache_bugs.flush_keeps_pending, "pending"),
    "a negative delay flushes nothing": _Bug("flush", cache_bugs.flush_negative_waits, "flushed"),
    "a new flush forgets the last": _Bug("flush", cache_bugs.flush_forgets_taken, "flushed"),
    "flush_all has no delay": _Bug("flush", cache_bugs.flush_now, "flush-waits"),
    "find looks at no deadline": _Bug("find", cache_bugs.find_expired, "expired"),
    "find evicts without pressure": _Bug("find", cache_bugs.find_evicts, "found"),
    "find sees what a flush hid": _Bug("find", cache_bugs.find_hidden, "flushed"),
    "reading renews the cas unique": _Bug("find", cache_bugs.find_renews, "unique-kept"),
    "reading loses the flags": _Bug("get", cache_bugs.get_once, "reading"),
    "flags are not returned": _Bug("get", cache_bugs.get_flagless, "flags"),
    "a value is cut short": _Bug("get", cache_bugs.get_short, "value"),
    "two items share a number": _Bug("bind", cache_bugs.bind_shared, "unique-new"),
    "uniques need not grow": _Bug("bind", cache_bugs.bind_any_order, "unique-grows"),
    "a refused number comes back": _Bug("bind", cache_bugs.bind_forgets, "unique-refused"),
    "cas takes an older number": _Bug("compare", cache_bugs.compare_next, "cas-only"),
    "cas never matches": _Bug("compare", cache_bugs.compare_never, "cas-does"),
    "a store leaves the cas unique": _Bug("link", cache_bugs.link_same_unique, "unique-new"),
    "append takes the flags of its line": _Bug("link", cache_bugs.link_line_flags, "append-keeps"),
    "append takes the exptime of its line": _Bug("link", cache_bugs.link_line_exptime, "append-keeps"),
    "a store drops the other item": _Bug("link", cache_bugs.link_drops_others, "other-key"),
    "out of memory at any time": _Bug("link", cache_bugs.link_refuses_early, "memory"),
    "add overwrites": _Bug("store", cache_bugs.store_over, "failed"),
    "a failed cas takes the item out": _Bug("store", cache_bugs.cas_unlinks, "failed"),
    "replace creates": _Bug("store", cache_bugs.store_creates, "failed"),
    "append prepends": _Bug("store", cache_bugs.store_swaps, "joined"),
    "cas with another number hangs": _Bug("store", cache_bugs.store_nothing, "total"),
    "the largest item is refused": _Bug("fits", cache_bugs.fits_exclusive, "size"),
    "an item may be a byte too large": _Bug("fits", cache_bugs.fits_one_more, "too-long"),
    "a refused set leaves the old value": _Bug("oversize", cache_bugs.oversize_keeps, "size-loses"),
    "a refused append removes the item": _Bug("oversize", cache_bugs.oversize_drops, "size-keeps"),
    "touch renews the cas unique": _Bug("touch", cache_bugs.touch_renews, "touch"),
    "touch leaves the deadline": _Bug("touch", cache_bugs.touch_nothing, "agrees"),
    "touch revives the expired": _Bug("touch", cache_bugs.touch_revives, "expired"),
    "touch creates a counter": _Bug("touch", cache_bugs.touch_creates, "absent"),
    "delete leaves the item": _Bug("delete", cache_bugs.delete_leaves, "delete"),
    "incr wraps one late": _Bug("incremented", cache_bugs.count_plus_one, "incr"),
    "incr saturates": _Bug("incremented", cache_bugs.count_saturates, "incr"),
    "decr wraps": _Bug("decremented", cache_bugs.count_below, "decr"),
    "incr loses flags and deadline": _Bug("arithmetic", cache_bugs.count_flagless, "counter-keeps"),
    "incr leaves the cas unique": _Bug("arithmetic", cache_bugs.count_same_unique, "unique-new"),
    "what is no number becomes 0": _Bug("arithmetic", cache_bugs.count_zeroes, "failed"),
}


def _replaced(bug: _Bug) -> Callable[[Rules], Rules]:
    return lambda design: design.replaced(**{bug.field: bug.function})


def _flush_returns(design: Rules) -> Rules:
    return design._replace(traits=design.traits._replace(flush_returns="may"))


PLANTS = (
    *(Plant(name, f"law.cache.{bug.law}", _replaced(bug)) for name, bug in _BUGS.items()),
    Plant("a later flush uncovers what an earlier one hid", "law.cache.no-return", _flush_returns),
)
