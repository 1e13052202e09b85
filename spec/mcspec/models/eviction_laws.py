"""The account and the laws of the eviction model: what must be true of each step, in plain integers.

The account follows what clients did and what went, and calls no function of the specification: a bug there would hide
itself here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from mcspec.explore import Kind, Law
from mcspec.lru import Order, Policy, Stored

PREFIX = "law.eviction."

KEYS = (b"a", b"b", b"c", b"d")
WORDS = ("get", "incr", "me")
"""A fetch, a use that is none, and no use."""

FETCHES, USES = ("get",), ("get", "incr")


class Scene(NamedTuple):
    """What is explored together: the policy, the keys, for each slab class the items that it has room for, the clock.

    `bump` is the shrunk limit of seconds within which a use moves nothing.
    """

    policy: Policy
    keys: int = 3
    rooms: tuple[int, ...] = (2,)
    clock: int = 0
    words: tuple[str, ...] = WORDS


class Held(NamedTuple):
    """An item: its class, the rank of its store and of its place among all, the second of that, fetches (two count)."""

    slab: int
    made: int
    place: int
    second: int
    fetched: int = 0


Account = tuple[Held | None, ...]
"""What is held of each key."""


class State(NamedTuple):
    """The scene (its number), the order, the account and the clock."""

    scene: int
    order: Order
    account: Account
    clock: int


class Op(NamedTuple):
    """What a client sends: `word` is set, delete, or one of WORDS; `slab` the class that a stored value needs."""

    word: str
    key: int = 0
    slab: int = 0


class Deed(NamedTuple):
    """A step: the state before it, what was done, its end, the keys that might have gone instead, the account after."""

    scene: Scene
    before: State
    op: Op
    end: Stored
    choices: frozenset[int]
    account: Account


# ------------------------------------------------------------------------------------------------ the account


def ranked(account: Account) -> Account:
    """The account with its ranks as small as they can be."""
    held = [one for one in account if one]
    made = {rank: index for index, rank in enumerate(sorted({one.made for one in held}))}
    place = {rank: index for index, rank in enumerate(sorted({one.place for one in held}))}
    return tuple(one and one._replace(made=made[one.made], place=place[one.place]) for one in account)


def follow(scene: Scene, state: State, op: Op, end: Stored) -> Account:
    """The account after a step."""
    account, last = list(state.account), len(state.account)
    held = account[op.key]
    if op.word == "delete":
        account[op.key] = None
    elif op.word == "set":
        for key in end.evicted:
            account[KEYS.index(key)] = None
        account[op.key] = None if end.refused else Held(op.slab, last, last, state.clock)
    elif held is not None and op.word in USES:
        held = held._replace(fetched=min(held.fetched + (op.word in FETCHES), 2))
        if not scene.policy.segmented and state.clock - held.second > scene.policy.bump:
            held = held._replace(place=last, second=state.clock)
        account[op.key] = held
    return ranked(tuple(account))


# ------------------------------------------------------------------------------------------------ laws


def _crowd(deed: Deed) -> list[int]:
    """The keys whose items are of the class that is stored into."""
    return [key for key, held in enumerate(deed.before.account) if held and held.slab == deed.op.slab]


def _victims(deed: Deed) -> list[tuple[int, Held]]:
    """The items that were evicted."""
    keys = [KEYS.index(key) for key in deed.end.evicted]
    return [(key, held) for key in keys if (held := deed.before.account[key]) is not None]


def _full(deed: Deed) -> bool:
    return deed.op.word == "set" and len(_crowd(deed)) >= deed.scene.rooms[deed.op.slab]


def _needed(deed: Deed) -> bool:
    return _full(deed) or not deed.end.evicted


def _one(deed: Deed) -> bool:
    return len(deed.end.evicted) <= 1


def _of_class(deed: Deed) -> bool:
    return all(held.slab == deed.op.slab for _, held in _victims(deed))


def _forbidden(deed: Deed) -> bool:
    return deed.scene.policy.evictions or not deed.end.evicted


def _refused(deed: Deed) -> bool:
    return deed.end.refused == (_full(deed) and not deed.scene.policy.evictions)


def _linked(deed: Deed) -> bool:
    there = any(place.key == KEYS[deed.op.key] for place in deed.end.order)
    return there != deed.end.refused


def _flat(deed: Deed) -> bool:
    if deed.scene.policy.segmented:
        return True
    places = [held.place for key in _crowd(deed) if (held := deed.before.account[key])]
    return all(held.place == min(places, default=held.place) for _, held in _victims(deed))


def _passive(deed: Deed) -> list[tuple[int, Held]]:
    """The items that a segmented server has no reason to keep."""
    crowd = [(key, held) for key in _crowd(deed) if (held := deed.before.account[key])]
    return [(key, held) for key, held in crowd if held.fetched < 2]


def _segmented(deed: Deed) -> bool:
    if not deed.scene.policy.segmented:
        return True
    first = min((held.made for _, held in _passive(deed)), default=0)
    return all(held.fetched > 1 or held.made == first for _, held in _victims(deed))


def _untouched(deed: Deed) -> bool:
    crowd = [held for key in _crowd(deed) if (held := deed.before.account[key])]
    unused = [held.made for held in crowd if not held.fetched and held.place == held.made]
    everybody = len(unused) == len(crowd)
    return not everybody or all(held.made == min(unused) for _, held in _victims(deed))


def _spares(deed: Deed) -> bool:
    passive = {key for key, _ in _passive(deed)}
    return not (deed.scene.policy.segmented and deed.end.evicted and passive) or bool(deed.choices & passive)


def _may_go(deed: Deed) -> bool:
    active = {key for key in _crowd(deed) if (held := deed.before.account[key]) and held.fetched > 1}
    return not (deed.scene.policy.segmented and deed.end.evicted) or active <= deed.choices


def _shape(order: Order) -> tuple[tuple[bytes, int], ...]:
    return tuple((place.key, place.slab) for place in order)


def _looking(deed: Deed) -> bool:
    return deed.end.order == deed.before.order


def _moves_late(deed: Deed) -> bool:
    held, policy = deed.before.account[deed.op.key], deed.scene.policy
    if held is None:
        return True
    moves = not policy.segmented and deed.before.clock - held.second > policy.bump
    before, after = _shape(deed.before.order), _shape(deed.end.order)
    key = (KEYS[deed.op.key], held.slab)
    expected = (*(one for one in before if one != key), key) if moves else before
    return after == expected


def _others(deed: Deed) -> bool:
    gone = {KEYS[deed.op.key], *deed.end.evicted}
    before = [place for place in deed.before.order if place.key not in gone]
    return before == [place for place in deed.end.order if place.key not in gone]


class _Rule(NamedTuple):
    """A law of steps, and the words that it speaks of."""

    name: str
    words: tuple[str, ...]
    text: str
    holds: Callable[[Deed], bool]


_EVERY = ("set", "delete", *WORDS)
_RULES = (
    _Rule("needed", _EVERY, "An item is evicted only for a store into a class that has no room.", _needed),
    _Rule("one", ("set",), "A store evicts no more than the one item whose room it needs.", _one),
    _Rule("class", ("set",), "Only an item of the class that needs room is evicted.", _of_class),
    _Rule("forbidden", _EVERY, "A server that may not evict evicts nothing.", _forbidden),
    _Rule("refused", ("set",), "A store is refused where nothing makes room, and only there.", _refused),
    _Rule("linked", ("set",), "What was stored is there, and what was refused leaves nothing under its key.", _linked),
    _Rule("flat-order", ("set",), "In a flat order the item that took its place first is evicted.", _flat),
    _Rule(
        "segmented-order",
        ("set",),
        "In a segmented order, of the items not used twice the one stored first is evicted.",
        _segmented,
    ),
    _Rule("unused-order", ("set",), "Items that nobody used leave in the order of their stores.", _untouched),
    _Rule("spares-active", ("set",), "A segmented server may keep what was used twice while another can go.", _spares),
    _Rule("active-may-go", ("set",), "No use makes an item of a segmented server safe.", _may_go),
    _Rule("looking", ("me",), "Looking at an item without using it changes nothing of the order.", _looking),
    _Rule(
        "bump",
        USES,
        "A use puts an item at the end of a flat order once its place is older than the limit, and else moves nothing.",
        _moves_late,
    ),
    _Rule("others", _EVERY, "Nothing but an eviction touches the places of other items.", _others),
)  # fmt: skip


def broken(deed: Deed) -> frozenset[str]:
    """The clauses that a step breaks."""
    return frozenset(PREFIX + rule.name for rule in _OF_WORD[deed.op.word] if not rule.holds(deed))


_OF_WORD = {word: tuple(rule for rule in _RULES if word in rule.words) for word in _EVERY}


def _agrees(state: State) -> bool:
    order = {place.key: (place.slab, place.uses) for place in state.order}
    held = {KEYS[key]: (one.slab, one.fetched) for key, one in enumerate(state.account) if one}
    return order == held and len(state.order) == len(order)


def _carries(clause: str) -> Callable[..., bool]:
    return lambda _before, move, _after: clause not in move.breaks


LAWS = (
    Law(
        PREFIX + "agrees",
        Kind.STATE,
        "The order holds the items that were stored and did not go, each once, with their class and uses.",
        _agrees,
    ),
    *(Law(PREFIX + rule.name, Kind.MOVE, rule.text, _carries(PREFIX + rule.name)) for rule in _RULES),
)
