"""Flushing: what flush_all takes, now or when it is due, and what a later flush may bring back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mcspec import arith
from mcspec.arith import ALIVE, DEAD
from mcspec.cache import Cache, Now
from mcspec.frozen import FrozenMap

if TYPE_CHECKING:
    from mcspec.rules import Rules


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
