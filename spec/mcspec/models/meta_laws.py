"""The laws of the meta model: who may win, what is shown, what a command leaves.

A law is looked at once for each step of the cache: `broken` names those that a step breaks, and the move carries them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from mcspec.cache import Cache, Item
from mcspec.explore import Kind, Law
from mcspec.models.meta_account import CHOSEN, FOREVER, KEYS, Account, Held, Op, Reply, compares, death, stores, wins

PREFIX = "law.meta."


class Deed(NamedTuple):
    """A step: the account and the cache before and after, what was sent in which second, and what came back."""

    account: Account
    cache: Cache
    op: Op
    reply: Reply
    clock: int
    after: Account
    made: Cache


def _held(deed: Deed) -> Held | None:
    return deed.account[KEYS.index(deed.op.key)]


def _after(deed: Deed) -> Held | None:
    return deed.after[KEYS.index(deed.op.key)]


def _item(cache: Cache, key: bytes, clock: int) -> Item | None:
    item = cache.items.find(key)
    return None if item is None or (item.dies is not None and item.dies.hi <= clock) else item


def _hit(deed: Deed) -> bool:
    return deed.reply.code in ("HD", "VA", "VALUE", "TOUCHED")


def _marks(deed: Deed) -> set[str]:
    return {one for one in deed.reply.shown if one in ("W", "Z", "X")}


def _one_winner(deed: Deed) -> bool:
    held = _held(deed)
    return "W" not in _marks(deed) or held is None or not held.won


def _first_wins(deed: Deed) -> bool:
    held = _held(deed)
    due = wins(deed.op, held, deed.clock) if held else deed.op.has("N")
    return not due or "W" in _marks(deed)


def _no_reason(deed: Deed) -> bool:
    held = _held(deed)
    return "W" not in _marks(deed) or held is None or held.won or wins(deed.op, held, deed.clock)


def _others_wait(deed: Deed) -> bool:
    held = _held(deed)
    return not _hit(deed) or ("Z" in _marks(deed)) == (held is not None and held.won)


def _stale_said(deed: Deed) -> bool:
    held = _held(deed)
    return not _hit(deed) or ("X" in _marks(deed)) == (held is not None and held.stale)


def _marks_last(deed: Deed) -> bool:
    shown = deed.reply.shown
    marks = [one for one in shown if one in ("Z", "X", "W")]
    return list(shown[len(shown) - len(marks) :]) == marks == [one for one in ("Z", "X", "W") if one in marks]


def _in_order(deed: Deed) -> bool:
    plain = [one[0] for one in deed.reply.shown if one not in ("Z", "X", "W")]
    asked = [flag[0] for flag in deed.op.flags if flag[0] in plain]
    return plain == asked


def _echoed(deed: Deed) -> bool:
    if not deed.reply.code:
        return True
    right = {"O": "O" + (deed.op.flag("O") or ""), "k": "k" + deed.op.key.decode()}
    return all(not deed.op.has(letter) or text in deed.reply.shown for letter, text in right.items())


def _quiet(deed: Deed) -> bool:
    held, op = _held(deed), deed.op
    dull = {
        "mg": held is None and not op.has("N"),
        "ms": stores(op, held) != "nothing",
        "md": held is not None and compares(op, held) in ("none", "same"),
    }[op.command]
    return (deed.reply.code == "") == (op.has("q") and dull)


def _found(deed: Deed) -> bool:
    held = _held(deed)
    if deed.op.command == "md":
        return held is None or deed.reply.code != "NF"
    return held is None or _hit(deed)


def _absent(deed: Deed) -> bool:
    return _held(deed) is not None or not _hit(deed) or deed.op.has("N")


def _served(deed: Deed) -> bool:
    held = _held(deed)
    return held is None or deed.reply.value is None or deed.reply.value == held.value


def _new_item(deed: Deed) -> Item | None:
    return _item(deed.made, deed.op.key, deed.clock)


def _store_clears(deed: Deed) -> bool:
    item = _new_item(deed)
    if stores(deed.op, _held(deed)) not in ("stores", "joins") or item is None:
        return True
    return not item.stale and not item.won


def _demoted(deed: Deed) -> bool:
    held, item = _held(deed), _new_item(deed)
    if held is None or stores(deed.op, held) != "demotes":
        return True
    dies = FOREVER if item is None or item.dies is None else item.dies.lo
    kept = item is not None and item.stale and item.won == held.won and dies == held.dies
    return kept and item is not None and item.value == deed.op.value and deed.reply.code in ("HD", "")


def _refused(deed: Deed) -> bool:
    held = _held(deed)
    if deed.op.command == "md":
        refused = held is not None and compares(deed.op, held) not in ("none", "same")
    else:
        refused = stores(deed.op, held) == "nothing"
    if not refused:
        return deed.reply.code in ("HD", "NF", "")
    old, new = _item(deed.cache, deed.op.key, deed.clock), _new_item(deed)
    same = old is new is None or (old is not None and new is not None and _plain(old) == _plain(new))
    return same and deed.reply.code in ("EX", "NS", "NF")


def _plain(item: Item) -> tuple[Any, ...]:
    return item.value, item.dies, item.stale, item.won, item.cas


def _invalidated(deed: Deed) -> bool:
    held, item = _held(deed), _new_item(deed)
    if held is None or not deed.op.has("I") or compares(deed.op, held) not in ("none", "same"):
        return True
    value = b"" if deed.op.has("x") else held.value
    return item is not None and item.stale and not item.won and item.value == value


def _vivified(deed: Deed) -> bool:
    held, item = _held(deed), _new_item(deed)
    if not deed.op.has("N"):
        return held is not None or item is None
    if held is not None:
        return item is not None and item.value == held.value
    dies = FOREVER if item is None or item.dies is None else item.dies.lo
    return item is not None and item.value == b"" and dies == death(deed.op.number("N"), deed.clock)


def _unique_new(deed: Deed) -> bool:
    held, item = _after(deed), _new_item(deed)
    changed = deed.op.command in ("ms", "set") or (deed.op.command == "md" and deed.op.has("I"))
    if not changed or held is None or held.unique or held == _held(deed) or item is None:
        return True
    return item.cas > 0 and item.cas not in deed.cache.known


def _unique_chosen(deed: Deed) -> bool:
    held, item = _after(deed), _new_item(deed)
    if held is None or item is None or held.unique not in (CHOSEN, *(deed.cache.known.values())):
        return True
    return (item.cas == -1 - CHOSEN) == (held.unique == CHOSEN)


def _unique_kept(deed: Deed) -> bool:
    held = _held(deed)
    shown = next((int(one[1:]) for one in deed.reply.shown if one[0] == "c"), 0)
    return held is None or not held.unique or shown in (0, held.unique)


def _other_key(deed: Deed) -> bool:
    old = {key: item for key, item in deed.cache.items.items() if key != deed.op.key}
    new = {key: item for key, item in deed.made.items.items() if key != deed.op.key}
    return {key: _plain(item) for key, item in old.items()} == {key: _plain(item) for key, item in new.items()}


def _total(deed: Deed) -> bool:
    return deed.reply.code != "nothing"


class _Rule(NamedTuple):
    """A law of steps, and the commands that it speaks of."""

    name: str
    commands: tuple[str, ...]
    text: str
    holds: Callable[[Deed], bool]


_STORES = ("ms", "set")
_EVERY = ("mg", "ms", "md", "get", "set", "touch", "delete")
_RULES = (
    _Rule("one-winner", ("mg",), "While an item waits to be stored anew, only one client is told to.", _one_winner),
    _Rule("first-wins", ("mg",), "Who first finds an item stale or short of life, or makes it, wins.", _first_wins),
    _Rule("no-other-reason", ("mg",), "Nobody wins an item that is neither stale, short of life nor new.", _no_reason),
    _Rule("others-wait", ("mg",), "All others are told that somebody won, until it is stored anew.", _others_wait),
    _Rule("stale-said", ("mg",), "A stale item is said to be stale, and no other.", _stale_said),
    _Rule("marks-last", ("mg",), "Z, X and W stand in this order, behind all flags.", _marks_last),
    _Rule("flag-order", ("mg", "ms", "md"), "What is shown comes in the order in which it was asked for.", _in_order),
    _Rule("echo", ("mg", "ms", "md"), "A reply repeats opaque and key whatever the answer is.", _echoed),
    _Rule("quiet", ("mg", "ms", "md"), "The flag q silences a miss of mg, ms and md that succeed; no more.", _quiet),
    _Rule("found", ("mg", "md", "get", "touch"), "An item that is held is found, stale or not.", _found),
    _Rule("absent", ("mg", "get", "touch"), "What has expired, was deleted or never stored is not found.", _absent),
    _Rule("served", ("mg", "get"), "A hit serves the value that was stored last, be it stale.", _served),
    _Rule("store-clears", _STORES, "Whoever stores clears stale and won.", _store_clears),
    _Rule("demoted", ("ms",), "With I an older unique stores as stale, with the old deadline and win.", _demoted),
    _Rule("refused", ("ms", "md"), "Another unique, or a mode that does not fit, changes nothing.", _refused),
    _Rule("invalidated", ("md",), "An md with I leaves the item, stale, and nobody has won it.", _invalidated),
    _Rule("vivified", ("mg",), "N makes an empty item where there was none, with that life.", _vivified),
    _Rule("unique-new", ("ms", "set", "md"), "A store or invalidation has a cas unique of its own.", _unique_new),
    _Rule("unique-chosen", _STORES, "E decides the cas unique, and nothing else does.", _unique_chosen),
    _Rule("unique-kept", ("mg",), "The cas unique that is shown stays until the item changes.", _unique_kept),
    _Rule("other-key", _EVERY, "A command leaves the items of other keys as they were.", _other_key),
    _Rule("total", _EVERY, "Every command has an outcome in every state.", _total),
)  # fmt: skip
_OF_COMMAND = {command: tuple(rule for rule in _RULES if command in rule.commands) for command in _EVERY}


def broken(deed: Deed) -> frozenset[str]:
    """The clauses that a step breaks."""
    return frozenset(PREFIX + rule.name for rule in _OF_COMMAND.get(deed.op.command, ()) if not rule.holds(deed))


def _carries(clause: str) -> Callable[..., bool]:
    return lambda _before, move, _after: clause not in move.breaks


def _agrees(state: Any) -> bool:
    """Value, deadline and marks."""
    core = state.core
    for key, held in zip(KEYS, core.account, strict=True):
        item = _item(core.cache, key, core.clock)
        if held is None or item is None:
            if held is not None or item is not None:
                return False
            continue
        dies = FOREVER if item.dies is None else item.dies.lo
        if (item.value, dies, item.stale, item.won) != (held.value, held.dies, held.stale, held.won):
            return False
    return True


LAWS = (
    Law(PREFIX + "agrees", Kind.STATE, "The cache holds what clients stored, with deadline and marks.", _agrees),
    *(Law(PREFIX + rule.name, Kind.MOVE, rule.text, _carries(PREFIX + rule.name)) for rule in _RULES),
)
