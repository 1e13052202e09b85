"""The planted bugs of the meta model: a request misread, its end altered, or a function of the rules replaced."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mcspec import storing
from mcspec.cache import Cache, Item, Now, Result, put
from mcspec.models import Plant, cache_bugs
from mcspec.models.meta_account import Op, Reply
from mcspec.rules import Rules
from mcspec.storing import Entry

End = tuple[Reply, Cache]
"""A reply, and the cache after it."""

Tamper = Callable[[Op, Item | None, Reply, Cache], End]
"""From a request, the item before it, the reply and the cache after it, to a reply and a cache that are wrong."""

MARKS = ("Z", "X", "W")


def _tampers(change: Tamper) -> Callable[[Any], Any]:
    """Each end of a request is altered."""

    def tampered(op: Op, cache: Cache, found: list[End]) -> list[End]:
        before = cache.items.find(op.key)
        return [change(op, before, reply, after) for reply, after in found]

    return lambda design: design._replace(tampers=tampered)


def _shown(change: Callable[[Op, Item | None, Reply], Reply]) -> Callable[[Any], Any]:
    """Only the reply is altered."""
    return _tampers(lambda op, before, reply, after: (change(op, before, reply), after))


def _left(*commands: str, when: Callable[[Op, Reply], bool], **fields: Any) -> Callable[[Any], Any]:
    """After some commands the item has other fields."""

    def changed(op: Op, _before: Item | None, reply: Reply, after: Cache) -> End:
        item = after.items.find(op.key)
        if item is None or op.command not in commands or not when(op, reply):
            return reply, after
        return reply, put(after, op.key, item._replace(**fields))

    return _tampers(changed)


def _misreads(command: str, letter: str, put_instead: str = "", *, only: str = "") -> Callable[[Any], Any]:
    """A flag of a command is not read, or read as another; with `only`, where that letter stands beside it."""

    def read(op: Op) -> Op:
        if op.command != command or (only and not op.has(only)):
            return op
        flags = (put_instead if flag[0] == letter else flag for flag in op.flags)
        return op._replace(flags=tuple(flag for flag in flags if flag))

    return lambda design: design._replace(reads=read)


def _rules(**functions: Callable[..., Any]) -> Callable[[Any], Any]:
    return lambda design: design._replace(rules=design.rules.replaced(**functions))


# ------------------------------------------------------------------------------------------------ replies


def _without(mark: str, *, beside: str = "") -> Callable[[Any], Any]:
    def dropped(_op: Op, _before: Item | None, reply: Reply) -> Reply:
        if beside and beside not in reply.shown:
            return reply
        return reply._replace(shown=tuple(one for one in reply.shown if one != mark))

    return _shown(dropped)


def everybody_wins(_op: Op, _before: Item | None, reply: Reply) -> Reply:
    """W is given to whoever finds a stale item."""
    if "X" not in reply.shown:
        return reply
    return reply._replace(shown=(*(one for one in reply.shown if one not in ("Z", "W")), "W"))


def maker_loses(op: Op, before: Item | None, reply: Reply) -> Reply:
    """Who made an item with N does not win it."""
    made = before is None and op.has("N")
    return reply._replace(shown=tuple(one for one in reply.shown if one != "W")) if made else reply


def marks_turned(_op: Op, _before: Item | None, reply: Reply) -> Reply:
    """W stands before X and Z."""
    marks = [one for one in reply.shown if one in MARKS]
    return reply._replace(shown=(*(one for one in reply.shown if one not in MARKS), *marks[::-1]))


def marks_first(_op: Op, _before: Item | None, reply: Reply) -> Reply:
    """Marks stand before what the flags show."""
    marks = [one for one in reply.shown if one in MARKS]
    return reply._replace(shown=(*marks, *(one for one in reply.shown if one not in MARKS)))


def flags_sorted(_op: Op, _before: Item | None, reply: Reply) -> Reply:
    """What is shown comes in the order of the alphabet."""
    plain = sorted(one for one in reply.shown if one not in MARKS)
    return reply._replace(shown=(*plain, *(one for one in reply.shown if one in MARKS)))


def bare_refusals(_op: Op, _before: Item | None, reply: Reply) -> Reply:
    """Misses and refusals show nothing."""
    return reply._replace(shown=()) if reply.code in ("EN", "NF", "EX", "NS") else reply


def short_opaque(_op: Op, _before: Item | None, reply: Reply) -> Reply:
    """The last byte of an opaque is lost."""
    return reply._replace(shown=tuple(one[:-1] if one[0] == "O" else one for one in reply.shown))


def quiet_hits(op: Op, _before: Item | None, reply: Reply) -> Reply:
    """q silences mg altogether."""
    return Reply() if op.command == "mg" and op.has("q") else reply


def quiet_refusals(op: Op, _before: Item | None, reply: Reply) -> Reply:
    """q silences refusals as well."""
    return Reply() if op.has("q") and reply.code in ("EX", "NS", "NF") else reply


def stale_missed(op: Op, before: Item | None, reply: Reply) -> Reply:
    """A stale item is not found."""
    return Reply("EN") if op.command == "mg" and before and before.stale and reply.code != "EN" else reply


def stale_missed_by_get(op: Op, before: Item | None, reply: Reply) -> Reply:
    """A stale item is not found by a text get."""
    return Reply("END") if op.command == "get" and before and before.stale else reply


def stale_empty(_op: Op, _before: Item | None, reply: Reply) -> Reply:
    """The value of a stale item is withheld."""
    return reply._replace(value=b"") if reply.value and "X" in reply.shown else reply


def never_short(op: Op, before: Item | None, reply: Reply, after: Cache) -> End:
    """R is won of items that live for ever."""
    item = after.items.find(op.key)
    if op.has("R") and before and before.dies is None and item and not item.won and reply.code == "VA":
        return reply._replace(shown=(*reply.shown, "W")), put(after, op.key, item._replace(won=True))
    return reply, after


# ------------------------------------------------------------------------------------------------ what is left


def _as_before(field: str, *commands: str) -> Callable[[Any], Any]:
    """After some commands with I a field of the item is what it was."""

    def kept(op: Op, before: Item | None, reply: Reply, after: Cache) -> End:
        item = after.items.find(op.key)
        if op.command not in commands or not op.has("I") or item is None or before is None:
            return reply, after
        return reply, put(after, op.key, item._replace(**{field: getattr(before, field)}))

    return _tampers(kept)


def looked_anew(op: Op, _before: Item | None, reply: Reply, after: Cache) -> End:
    """mg gives a new cas unique."""
    item = after.items.find(op.key)
    if op.command != "mg" or item is None or reply.code not in ("HD", "VA"):
        return reply, after
    renewed = put(after, op.key, item._replace(cas=after.next_cas))
    return reply, renewed._replace(next_cas=after.next_cas + 1)


def _relinked(result: Result, key: bytes, **fields: Any) -> Result:
    if result.item is None:
        return result
    item = result.item._replace(**fields)
    return result._replace(item=item, cache=put(result.cache, key, item))


def link_keeps(*fields: str) -> Callable[..., tuple[Result, ...]]:
    """A new item inherits marks from the old one."""

    def link(cache: Cache, entry: Entry, keep: Item | None, clause: str, now: Now, rules: Rules) -> tuple[Result, ...]:
        old = cache.items.find(entry.key)
        marks = {field: getattr(old, field) for field in fields} if old else {}
        return tuple(_relinked(r, entry.key, **marks) for r in storing.link(cache, entry, keep, clause, now, rules))

    return link


def link_demotes_open(
    cache: Cache, entry: Entry, keep: Item | None, clause: str, now: Now, rules: Rules
) -> tuple[Result, ...]:
    """An older unique stores as stale, and opens the win again."""
    results = storing.link(cache, entry, keep, clause, now, rules)
    return tuple(_relinked(r, entry.key, won=False) if r.item and r.item.stale else r for r in results)


def link_demotes_longer(
    cache: Cache, entry: Entry, keep: Item | None, clause: str, now: Now, rules: Rules
) -> tuple[Result, ...]:
    """An older unique stores as stale, with the exptime of its line."""
    lent = keep and keep._replace(dies=rules.functions.deadline(entry.exptime, now, rules)[0])
    return storing.link(cache, entry, lent if entry.demote else keep, clause, now, rules)


def link_demotes_fresh(
    cache: Cache, entry: Entry, keep: Item | None, clause: str, now: Now, rules: Rules
) -> tuple[Result, ...]:
    """An older unique stores as if it were none."""
    results = storing.link(cache, entry, keep, clause, now, rules)
    return tuple(_relinked(r, entry.key, stale=False) if entry.demote else r for r in results)


def nothing_said(_op: Op, _cache: Cache, found: list[End]) -> list[End]:
    """A refusal for the cas unique hangs."""
    return [end for end in found if end[0].code != "EX"]


def _refused(_op: Op, reply: Reply) -> bool:
    return reply.code in ("EX", "NS")


def _invalidates(op: Op, reply: Reply) -> bool:
    return op.has("I") and reply.code in ("HD", "")


def _won(_op: Op, reply: Reply) -> bool:
    return "W" in reply.shown


def _created(op: Op, reply: Reply) -> bool:
    return op.has("N") and "W" in reply.shown


def _touched(_op: Op, reply: Reply) -> bool:
    return reply.code == "TOUCHED"


PLANTS = tuple(
    Plant(name, f"law.meta.{law}", alter)
    for name, law, alter in (
        ("that somebody won is forgotten", "one-winner", _left("mg", when=_won, won=False)),
        ("everybody wins what is stale", "one-winner", _shown(everybody_wins)),
        ("nobody wins what is stale", "first-wins", _without("W", beside="X")),
        ("who vivifies does not win", "first-wins", _shown(maker_loses)),
        ("R is not read", "first-wins", _misreads("mg", "R")),
        ("R wins a second early", "no-other-reason", _misreads("mg", "R", "R3")),
        ("R wins what never expires", "no-other-reason", _tampers(never_short)),
        ("Z is not said", "others-wait", _without("Z")),
        ("X is not said", "stale-said", _without("X")),
        ("W stands before X", "marks-last", _shown(marks_turned)),
        ("marks stand before flags", "marks-last", _shown(marks_first)),
        ("flags are shown in the order of the alphabet", "flag-order", _shown(flags_sorted)),
        ("misses and refusals are bare", "echo", _shown(bare_refusals)),
        ("an opaque loses its last byte", "echo", _shown(short_opaque)),
        ("q silences hits", "quiet", _shown(quiet_hits)),
        ("q silences refusals", "quiet", _shown(quiet_refusals)),
        ("q of md is not read", "quiet", _misreads("md", "q")),
        ("what is stale is not found", "found", _shown(stale_missed)),
        ("get does not find what is stale", "found", _shown(stale_missed_by_get)),
        ("mg finds what has expired", "absent", _rules(find=cache_bugs.find_expired)),
        ("what is stale is served empty", "served", _shown(stale_empty)),
        ("a store leaves it stale", "store-clears", _rules(link=link_keeps("stale"))),
        ("a store leaves it won", "store-clears", _rules(link=link_keeps("won"))),
        ("an older unique opens the win again", "demoted", _rules(link=link_demotes_open)),
        ("an older unique sets its own life", "demoted", _rules(link=link_demotes_longer)),
        ("an older unique stores as new", "demoted", _rules(link=link_demotes_fresh)),
        ("ms with I does not compare", "refused", _misreads("ms", "C", only="I")),
        ("md does not compare", "refused", _misreads("md", "C")),
        ("no unique ever matches", "refused", _rules(compare=cache_bugs.compare_never)),
        ("a refused command invalidates", "refused", _left("ms", "md", when=_refused, stale=True)),
        ("md with I deletes", "invalidated", _misreads("md", "I")),
        ("md with I empties the value", "invalidated", _left("md", when=_invalidates, value=b"")),
        ("md with I leaves the win", "invalidated", _as_before("won", "md")),
        ("what N makes lives for ever", "vivified", _left("mg", when=_created, dies=None)),
        ("what N makes is not empty", "vivified", _left("mg", when=_created, value=b"0")),
        ("md with I leaves the cas unique", "unique-new", _as_before("cas", "md")),
        ("a store leaves the cas unique", "unique-new", _rules(link=cache_bugs.link_same_unique)),
        ("E is not read", "unique-chosen", _misreads("ms", "E")),
        ("mg renews the cas unique", "unique-kept", _tampers(looked_anew)),
        ("a store drops the other item", "other-key", _rules(link=cache_bugs.link_drops_others)),
        ("a refusal for the unique hangs", "total", lambda design: design._replace(tampers=nothing_said)),
        ("touch clears the marks", "agrees", _left("touch", when=_touched, stale=False, won=False)),
        ("md with I lets it live for ever", "agrees", _left("md", when=_invalidates, dies=None)),
        ("mg with T is not a touch", "agrees", _misreads("mg", "T")),
    )
)
