"""Which item goes when a slab class needs room: the order of its items, what counts as a use, and what may be evicted.

Theory of operation
-------------------
Items stand in an `Order`, of each slab class the one to go first in front. A store puts an item, or puts it anew, at
the end. What a use does depends on how the server keeps its order:

- **flat** (`-o no_lru_crawler,no_lru_maintainer`; the only way up to 1.4): a use puts an item at the end, but only if
  the item took its place more than `bump` seconds ago. The item in front is the one that is evicted.
- **segmented** (the default since 1.5): a server has a hot, a warm and a cold queue, and moves items between them in
  the background. Of this only two things can be relied on. A single use since it was stored moves nothing, and of the
  items that were used once at most, the one stored first goes first. Items used twice are *active*: a server tries to
  keep them, but when it turns to them is its own affair, so they may go whenever room is needed.

Nothing goes where there is room, nothing under -M, and nothing of another class. A server that moves whole pages from
one class to another takes what is in them, in no order, and one passes over an item that is just being sent: of these
nothing is said here. Nor do these functions know memory: who calls `may_evict` says that the class is full.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from mcspec.arith import ALIVE, DEAD, Span, reached, shifted
from mcspec.limits import Limits

FETCHES = frozenset("get gets gat gats touch mg".split())
"""Commands whose hit is a use. mg with the flag u is none; nor are me and dumps."""

RENEWS = frozenset("incr decr ma add".split())
"""Commands that are a use in a flat order only: a number changed in place, and an add that found the item there."""


class Policy(NamedTuple):
    """How a server keeps its order. `bump` in seconds; `evictions` is False under -M."""

    segmented: bool = True
    evictions: bool = True
    bump: int = Limits().bump


class Place(NamedTuple):
    """An item and its slab class, when it took this place, and its uses since it was stored, of which two count."""

    key: bytes
    slab: int
    since: Span
    uses: int = 0


Order = tuple[Place, ...]
"""The items of all slab classes; of each class the one to go first stands in front of the others."""


class Stored(NamedTuple):
    """One allowed end of a store: the order after it, the keys evicted for it, and whether it was refused."""

    order: Order
    evicted: tuple[bytes, ...] = ()
    refused: bool = False


def dropped(order: Order, key: bytes) -> Order:
    """The order without an item that was deleted, expired or evicted."""
    return tuple(place for place in order if place.key != key)


def placed(order: Order, key: bytes, slab: int, now: Span) -> Order:
    """The order after a store: a new item, or one stored anew, stands at the end, and nobody has used it yet."""
    return (*dropped(order, key), Place(key, slab, now))


def used(order: Order, key: bytes, word: str, now: Span, policy: Policy) -> tuple[Order, ...]:
    """Every order that may be after the command `word` has hit an item.

    There are two where it is not known whether `bump` seconds have passed. A key that is not there changes nothing.
    """
    at = next((index for index, place in enumerate(order) if place.key == key), None)
    if at is None or word not in FETCHES | RENEWS:
        return (order,)
    place = order[at]
    place = place._replace(uses=min(place.uses + (word in FETCHES), 2))
    stays = (*order[:at], place, *order[at + 1 :])
    if policy.segmented:
        return (stays,)
    moves = (*dropped(order, key), place._replace(since=now))
    passed = reached(now, shifted(place.since, policy.bump + 1))
    if passed == DEAD:
        return (moves,)
    return (stays,) if passed == ALIVE else (stays, moves)


def may_evict(order: Order, slab: int, policy: Policy) -> tuple[bytes, ...]:
    """The keys of which a class that has no room may evict the next one: none of them under -M."""
    places = [place for place in order if place.slab == slab] if policy.evictions else []
    if not policy.segmented:
        return tuple(place.key for place in places[:1])
    first = next((place.key for place in places if place.uses < 2), None)
    return tuple(place.key for place in places if place.uses > 1 or place.key == first)


def stored(
    order: Order,
    key: bytes,
    slab: int,
    now: Span,
    policy: Policy,
    *,
    room: int,
    chooses: Callable[[Order, int, Policy], tuple[bytes, ...]] = may_evict,
    places: Callable[[Order, bytes, int, Span], Order] = placed,
) -> tuple[Stored, ...]:
    """Every allowed end of storing an item in a class with room for so many: one item goes, or the store is refused.

    The old item of the key takes up room until the new one is linked, and may itself be the one that goes. It is gone
    if the store is refused. `chooses` and `places` are others than the default only with a planted bug.
    """
    if sum(place.slab == slab for place in order) < room:
        return (Stored(places(order, key, slab, now)),)
    victims = chooses(order, slab, policy)
    if not victims:
        return (Stored(dropped(order, key), refused=True),)
    return tuple(Stored(places(dropped(order, one), key, slab, now), (one,)) for one in victims)
