"""The planted bugs of the eviction model: one function of `lru` replaced, and the law that must catch it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from mcspec import lru
from mcspec.arith import Span
from mcspec.lru import Order, Place, Policy, Stored
from mcspec.models import Plant

# ------------------------------------------------------------------------------------------------ who may go


def newest_goes(order: Order, slab: int, policy: Policy) -> tuple[bytes, ...]:
    """The end of the order for its beginning."""
    return lru.may_evict(order[::-1], slab, policy)


def any_class(order: Order, _slab: int, policy: Policy) -> tuple[bytes, ...]:
    """The first item of all, whatever its class."""
    return tuple(place.key for place in order[:1]) if policy.evictions else ()


def although_forbidden(order: Order, slab: int, policy: Policy) -> tuple[bytes, ...]:
    """-M is not looked at."""
    return lru.may_evict(order, slab, policy._replace(evictions=True))


def flat_for_segmented(order: Order, slab: int, policy: Policy) -> tuple[bytes, ...]:
    """The first item goes, however often it was used: nothing is spared."""
    return lru.may_evict(order, slab, policy._replace(segmented=False))


def active_safe(order: Order, slab: int, policy: Policy) -> tuple[bytes, ...]:
    """Items that were used often never go."""
    victims = lru.may_evict(order, slab, policy)
    often = {place.key for place in order if place.uses > 1}
    return tuple(key for key in victims if key not in often) or victims


def once_is_often(order: Order, slab: int, policy: Policy) -> tuple[bytes, ...]:
    """A single use is enough to spare an item."""
    return lru.may_evict(tuple(place._replace(uses=2 * place.uses) for place in order), slab, policy)


def anybody(order: Order, slab: int, policy: Policy) -> tuple[bytes, ...]:
    """Random replacement."""
    return tuple(place.key for place in order if place.slab == slab and policy.evictions)


def nobody(_order: Order, _slab: int, _policy: Policy) -> tuple[bytes, ...]:
    """As under -M, always."""
    return ()


# ------------------------------------------------------------------------------------------------ stores and uses


def rewritten_in_place(order: Order, key: bytes, slab: int, now: Span) -> Order:
    """An item stored anew keeps its place and its uses."""
    at = next((index for index, place in enumerate(order) if place.key == key), len(order))
    uses = order[at].uses if at < len(order) else 0
    return (*order[:at], Place(key, slab, now, uses), *order[at + 1 :])


def placed_first(order: Order, key: bytes, slab: int, now: Span) -> Order:
    """A new item at the wrong end."""
    return (Place(key, slab, now), *lru.dropped(order, key))


def placed_twice(order: Order, key: bytes, slab: int, now: Span) -> Order:
    """The old item of a key stays in the order."""
    return (*order, Place(key, slab, now))


def stored_early(
    order: Order, key: bytes, slab: int, now: Span, policy: Policy, *, room: int, **others: Any
) -> tuple[Stored, ...]:
    """Evicts while there is room for one more."""
    return lru.stored(order, key, slab, now, policy, room=room - 1, **others)


def stored_two(order: Order, key: bytes, slab: int, now: Span, policy: Policy, *, room: int) -> tuple[Stored, ...]:
    """Evicts a second item to have some room in advance."""
    ends = []
    for end in lru.stored(order, key, slab, now, policy, room=room):
        more = [place.key for place in end.order if place.key != key and place.slab == slab][: len(end.evicted)]
        after = end.order
        for one in more:
            after = lru.dropped(after, one)
        ends.append(Stored(after, (*end.evicted, *more), end.refused))
    return tuple(ends)


def refused_keeps(order: Order, key: bytes, slab: int, now: Span, policy: Policy, *, room: int) -> tuple[Stored, ...]:
    """A store that is refused leaves the old item."""
    ends = lru.stored(order, key, slab, now, policy, room=room)
    return tuple(end._replace(order=order) if end.refused else end for end in ends)


def refused_places(order: Order, key: bytes, slab: int, now: Span, policy: Policy, *, room: int) -> tuple[Stored, ...]:
    """A refused store links the new item for all that."""
    ends = lru.stored(order, key, slab, now, policy, room=room)
    return tuple(end._replace(order=lru.placed(order, key, slab, now)) if end.refused else end for end in ends)


def reversed_by_store(
    order: Order, key: bytes, slab: int, now: Span, policy: Policy, *, room: int
) -> tuple[Stored, ...]:
    """A store turns the order of the others round."""
    ends = lru.stored(order, key, slab, now, policy, room=room)
    return tuple(end._replace(order=(*end.order[:-1][::-1], *end.order[-1:])) for end in ends)


def used_at_once(order: Order, key: bytes, word: str, now: Span, policy: Policy) -> tuple[Order, ...]:
    """Every use moves, however young the place."""
    return lru.used(order, key, word, now, policy._replace(bump=-1))


def used_a_second_early(order: Order, key: bytes, word: str, now: Span, policy: Policy) -> tuple[Order, ...]:
    """Greater-or-equal for greater."""
    return lru.used(order, key, word, now, policy._replace(bump=policy.bump - 1))


def used_never(order: Order, key: bytes, word: str, now: Span, policy: Policy) -> tuple[Order, ...]:
    """First in, first out."""
    return lru.used(order, key, word, now, policy._replace(bump=policy.bump + 100))


def used_by_looking(order: Order, key: bytes, word: str, now: Span, policy: Policy) -> tuple[Order, ...]:
    """me counts as a use."""
    return lru.used(order, key, "get" if word == "me" else word, now, policy)


def used_by_counting(order: Order, key: bytes, word: str, now: Span, policy: Policy) -> tuple[Order, ...]:
    """incr counts as a fetch."""
    return lru.used(order, key, "get" if word == "incr" else word, now, policy)


def used_moves_all(order: Order, key: bytes, word: str, now: Span, policy: Policy) -> tuple[Order, ...]:
    """A segmented order moves at every use, as if it were flat."""
    return lru.used(order, key, word, now, policy._replace(segmented=False))


def used_drops_next(order: Order, key: bytes, word: str, now: Span, policy: Policy) -> tuple[Order, ...]:
    """A use loses the item behind it: a list relinked in the wrong order."""
    at = next((index for index, place in enumerate(order) if place.key == key), len(order))
    return lru.used((*order[: at + 1], *order[at + 2 :]), key, word, now, policy)


def dropped_none(order: Order, _key: bytes) -> Order:
    """A deleted item stays in the order."""
    return order


def dropped_rest(order: Order, key: bytes) -> Order:
    """All that stands behind a deleted item goes with it."""
    at = next((index for index, place in enumerate(order) if place.key == key), len(order))
    return order[:at]


def _chooses(function: Callable[..., tuple[bytes, ...]]) -> Callable[[Any], Any]:
    return lambda design: design._replace(stored=partial(lru.stored, chooses=function))


def _places(function: Callable[..., Order]) -> Callable[[Any], Any]:
    return lambda design: design._replace(stored=partial(lru.stored, places=function))


def _replaced(**functions: Callable[..., Any]) -> Callable[[Any], Any]:
    return lambda design: design._replace(**functions)


PLANTS = tuple(
    Plant(name, f"law.eviction.{law}", alter)
    for name, law, alter in (
        ("the newest item goes", "unused-order", _chooses(newest_goes)),
        ("the first item of any class goes", "class", _chooses(any_class)),
        ("-M is not looked at", "forbidden", _chooses(although_forbidden)),
        ("nothing is ever evicted", "refused", _chooses(nobody)),
        ("a segmented order spares nobody", "spares-active", _chooses(flat_for_segmented)),
        ("an item used often never goes", "active-may-go", _chooses(active_safe)),
        ("one use spares an item", "segmented-order", _chooses(once_is_often)),
        ("anybody goes", "flat-order", _chooses(anybody)),
        ("an item stored anew keeps its place", "flat-order", _places(rewritten_in_place)),
        ("a new item stands in front", "unused-order", _places(placed_first)),
        ("an item stored anew stands twice", "agrees", _places(placed_twice)),
        ("it evicts while there is room", "needed", _replaced(stored=stored_early)),
        ("it evicts one more in advance", "one", _replaced(stored=stored_two)),
        ("a refused store leaves the old item", "linked", _replaced(stored=refused_keeps)),
        ("a refused store is linked", "agrees", _replaced(stored=refused_places)),
        ("a store turns the order round", "others", _replaced(stored=reversed_by_store)),
        ("every use moves", "bump", _replaced(used=used_at_once)),
        ("a use moves a second early", "bump", _replaced(used=used_a_second_early)),
        ("no use ever moves", "flat-order", _replaced(used=used_never)),
        ("looking is a use", "looking", _replaced(used=used_by_looking)),
        ("counting is a fetch", "agrees", _replaced(used=used_by_counting)),
        ("a segmented order moves at a use", "segmented-order", _replaced(used=used_moves_all)),
        ("a use loses its neighbour", "others", _replaced(used=used_drops_next)),
        ("a deleted item stays in the order", "agrees", _replaced(dropped=dropped_none)),
        ("a deletion takes the rest along", "others", _replaced(dropped=dropped_rest)),
    )
)
