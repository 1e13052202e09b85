"""Requests of the binary protocol carried out on a cache: every allowed new cache, with the packet owed for it.

The operations are those of the text protocol. What differs is said here: which status a result has, what a cas unique
in the header does, when a quiet opcode is silent, and that incr and decr may create the number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from mcspec import admin, binary, counters, statistics
from mcspec import cache as store_rules
from mcspec.answers import UNCOVERED, Done, counted, lapses, stored_counts
from mcspec.pattern import STATISTICS, Owed, Piece, Report, Text, Unique
from mcspec.storing import Entry

if TYPE_CHECKING:
    from collections.abc import Callable

    from mcspec.binary import Refusal, Request
    from mcspec.cache import Cache, Found, Item, Now, Result
    from mcspec.rules import Rules


class Said(NamedTuple):
    """How a request ended: the status, why, what its packet shows, and what is counted."""

    status: int
    clauses: tuple[str, ...]
    extras: bytes = b""
    key: bytes = b""
    value: bytes = b""
    item: Item | None = None
    counts: tuple[str, ...] = ()
    might: tuple[str, ...] = ()
    details: tuple[tuple[int, bytes], ...] = ()


def carry_out(request: Request, cache: Cache, now: Now, rules: Rules) -> tuple[Done, ...]:
    """Carry out a request that needs no value."""
    word = request.command.word
    if word in _PLAIN:
        return _PLAIN[word](request, cache, now, rules)
    known = store_rules.met(cache, (request.key,))
    if known is None:
        return (UNCOVERED,)
    lost = lapses(known, request.key, now, rules)
    done: list[Done] = []
    for found in rules.functions.find(known, request.key, now, rules):
        for end in _KEYED[word](request, found, now, rules):
            owed = end.owed._replace(clauses=found.clauses + end.owed.clauses, might=end.owed.might + lost)
            done.append(end._replace(owed=owed))
    return tuple(done)


# ------------------------------------------------------------------------------------------------ packets


def _cas(item: Item | None) -> Piece:
    """The eight bytes of an item's cas unique, or what stands for them."""
    if item is None:
        return binary.NO_CAS
    return (-1 - item.cas).to_bytes(8, "big") if item.cas < 0 else Unique(item.cas, 8)


def _done(request: Request, cache: Cache, said: Said) -> Done:
    """What is owed for a request that ended so: nothing, if it is quiet and all went well."""
    clauses: tuple[str, ...] = (*request.clauses, "binary.reply.opaque")
    moved = said.counts, said.might, said.details
    if request.command.quiet and _silent(request, said):
        hidden = "binary.quiet.miss" if said.status else "binary.quiet.success"
        return Done(cache, Owed((), (*clauses, *said.clauses, hidden), False, b"", False, *moved))
    if request.command.quiet:
        clauses = (*clauses, "binary.quiet.error" if said.status else "binary.quiet.hit", "binary.reply.opcode")
    value = said.value
    if said.status and not said.key:
        clauses, value = (*clauses, "binary.reply.error"), said.value or binary.TEXTS[said.status]
    shown, cas = {"extras": said.extras, "key": said.key, "value": value}, _cas(said.item)
    pieces = binary.reply(request.opcode, request.opaque, said.status, **shown, cas=cas)
    return Done(cache, Owed(pieces, (*clauses, *said.clauses), False, b"", False, *moved))


def _silent(request: Request, said: Said) -> bool:
    """Whether a quiet request is answered with silence: a retrieval that found nothing, or anything else done."""
    if request.command.word in ("get", "gat"):
        return said.status != binary.OK
    return said.status == binary.OK


def refusal(refused: Refusal) -> Owed:
    """The packet of a refusal."""
    pieces = binary.reply(
        refused.opcode, refused.opaque, refused.status, value=refused.body or binary.TEXTS[refused.status]
    )
    clauses = ("binary.reply.error", *refused.clauses)
    return Owed(pieces, clauses, might=refused.might, details=refused.details)


# ------------------------------------------------------------------------------------------------ retrieval

_GET_HIT, _GET_MISS = ("cmd_get", "get_hits"), ("cmd_get", "get_misses")
_TOUCH_HIT, _TOUCH_MISS = ("cmd_touch", "touch_hits"), ("cmd_touch", "touch_misses")


def _look(request: Request, found: Found, now: Now, rules: Rules) -> tuple[Done, ...]:
    """get, touch and gat, and those of them that show the key."""
    word, command = request.command.word, request.command
    touches = word != "get"
    if found.item is None:
        clauses: tuple[str, ...] = (f"binary.{word}.miss",)
        if command.shows_key:
            clauses = (*clauses, "binary.getk.miss")
        said = Said(
            binary.NOT_FOUND,
            clauses,
            key=request.key if command.shows_key else b"",
            counts=_TOUCH_MISS if touches else _GET_MISS,
            details=((counters.GET, request.key),),
        )
        return (_done(request, found.cache, said),)
    item = rules.functions.used(found.item, now)
    clauses = (f"binary.{word}.hit",)
    if item.flags:
        clauses = (*clauses, "binary.set.flags")
    if b"\r" in item.value or b"\n" in item.value:
        clauses = (*clauses, "binary.set.any-value")
    if touches:
        exptime = int.from_bytes(request.extras, "big")
        item = store_rules.expiring(item, exptime, now, rules)
        clauses = (*_unsigned(exptime), *clauses)
    if command.shows_key:
        clauses = (*clauses, "binary.getk.hit")
    said = Said(
        binary.OK,
        clauses,
        item.flags.to_bytes(4, "big"),
        request.key if command.shows_key else b"",
        b"" if word == "touch" else item.value,
        item,
        counts=_TOUCH_HIT if touches else _GET_HIT,
        details=((counters.GET, request.key), (counters.HIT, request.key)),
    )
    return (_done(request, store_rules.put(found.cache, request.key, item), said),)


def _unsigned(exptime: int) -> tuple[str, ...]:
    return ("binary.exptime.unsigned",) if exptime >= 2**31 else ()


# ------------------------------------------------------------------------------------------------ deleting, counting


def _compared(request: Request, found: Found, rules: Rules) -> tuple[tuple[bool, Cache], ...]:
    """Whether the cas unique in the header lets a request go on: 0 always does."""
    assert found.item is not None  # asked of items only
    if request.cas == 0:
        return ((True, found.cache),)
    return rules.functions.compare(found.cache, found.item, request.cas, rules)


def _delete(request: Request, found: Found, _now: Now, rules: Rules) -> tuple[Done, ...]:
    details = ((counters.DELETE, request.key),)
    if found.item is None:
        said = Said(binary.NOT_FOUND, ("binary.delete.miss",), counts=("delete_misses",), details=details)
        return (_done(request, found.cache, said),)
    done = []
    for same, cache in _compared(request, found, rules):
        if not same:
            said = Said(binary.EXISTS, ("binary.delete.cas",), details=details)
            done.append(_done(request, cache, said))
            continue
        clauses = ("binary.delete.cas", "binary.delete.deleted") if request.cas else ("binary.delete.deleted",)
        after = cache._replace(items=cache.items.drop(request.key))
        done.append(_done(request, after, Said(binary.OK, clauses, counts=("delete_hits",), details=details)))
    return tuple(done)


class Count(NamedTuple):
    """The extras of incr and decr."""

    delta: int
    initial: int
    exptime: int


def _count(request: Request, found: Found, now: Now, rules: Rules) -> tuple[Done, ...]:
    numbers = Count(*(int.from_bytes(request.extras[at:end], "big") for at, end in ((0, 8), (8, 16), (16, 20))))
    if found.item is None:
        return _create(request, found.cache, numbers, now, rules)
    up = request.command.word == "incr"
    if found.item.value == b"" or store_rules.chunked(request.key, found.item, rules):
        # No number can be meant: that is found out before the cas unique is looked at.
        said = Said(binary.NON_NUMERIC, ("binary.delta.non-numeric",))
        return (_done(request, found.cache, said),)
    done = []
    for same, cache in _compared(request, found, rules):
        if not same:
            done.append(_done(request, cache, Said(binary.EXISTS, ("binary.delta.cas",))))
            continue
        ends = rules.functions.count_found(found._replace(cache=cache), request.key, numbers.delta, now, rules, up=up)
        done += [_counted(request, cache, end) for end in ends]
    return tuple(done)


def _counted(request: Request, before: Cache, end: Result) -> Done:
    if end.status == store_rules.UNSPECIFIED:
        reason = "arithmetic on a value of blanks only reads beyond the value"
        return Done(before, Owed((), end.clauses), reason)
    if end.status == store_rules.NON_NUMERIC:
        return _done(request, end.cache, Said(binary.NON_NUMERIC, (*end.clauses, "binary.delta.non-numeric")))
    counts, might = counted(f"{request.command.word}_hits", before, end)
    clauses = (*end.clauses, f"binary.{request.command.word}.counts")
    clauses = (*clauses, "binary.delta.cas") if request.cas else clauses
    said = Said(binary.OK, clauses, value=end.number.to_bytes(8, "big"), item=end.item, counts=counts, might=might)
    return _done(request, end.cache, said)


def _create(request: Request, cache: Cache, numbers: Count, now: Now, rules: Rules) -> tuple[Done, ...]:
    """What incr and decr do where there is nothing: create the initial number, unless they were told not to."""
    if numbers.exptime == binary.NO_CREATE:
        said = Said(binary.NOT_FOUND, ("binary.delta.miss",), counts=(f"{request.command.word}_misses",))
        return (_done(request, cache, said),)
    entry = Entry("add", request.key, 0, numbers.exptime, b"%d" % numbers.initial, now)
    done = []
    for end in rules.functions.link(cache, entry, None, "binary.delta.creates", now, rules):
        if end.item is None:
            full = b"Out of memory allocating new item"
            said = Said(binary.NO_MEMORY, ("binary.store.no-memory",), value=full)
        else:
            clauses = (*_unsigned(numbers.exptime), "binary.delta.creates")
            said = Said(
                binary.OK, clauses, value=numbers.initial.to_bytes(8, "big"), item=end.item, counts=("total_items",)
            )
        done.append(_done(request, end.cache, said))
    return tuple(done)


# ------------------------------------------------------------------------------------------------ storing


def store(request: Request, value: bytes, cache: Cache, since: Now, now: Now, rules: Rules) -> tuple[Done, ...]:
    """Carry out a store whose value has come. `since` is the moment of its header, `now` that of its last byte."""
    known = store_rules.met(cache, (request.key,))
    if known is None:
        return (UNCOVERED,)
    word, key = request.command.word, request.key
    lost = lapses(known, key, now, rules)
    joins = word in ("append", "prepend")
    mode = "cas" if request.cas and not joins else word
    flags, exptime = int.from_bytes(request.extras[:4], "big"), int.from_bytes(request.extras[4:], "big")
    entry = Entry(mode, key, flags, exptime, value, since, request.cas or None)
    done = []
    for end in rules.functions.store(known, entry, now, rules):
        after = end.cache
        if end.status == store_rules.NO_MEMORY:
            after = rules.functions.oversize(after, word, key)
        status, clause = _ended(word, mode, end.status)
        clauses = (*end.clauses, "binary.store.value", *_unsigned(exptime), *_with_cas(request), clause)
        item = end.item if status == binary.OK else None
        if not joins and status == binary.OK and not rules.functions.fits(key, flags, len(value) + 1, rules):
            clauses = (*clauses, "binary.store.largest")
        counts = () if status == binary.NO_MEMORY else stored_counts(mode, end)
        might = ("store_no_memory", *lost) if status == binary.NO_MEMORY else lost
        said = Said(status, clauses, item=item, counts=counts, might=might, details=((counters.SET, key),))
        done.append(_done(request, after, said))
    return tuple(done)


def _with_cas(request: Request) -> tuple[str, ...]:
    return ("binary.cas.compares",) if request.cas else ("binary.cas.zero",)


def _ended(word: str, mode: str, status: str) -> tuple[int, str]:
    """The status of a store and the clause that says so."""
    if status == store_rules.NO_MEMORY:
        return binary.NO_MEMORY, "binary.store.no-memory"
    if status == store_rules.STORED:
        return binary.OK, _STORED[mode]
    if status == store_rules.EXISTS:
        return binary.EXISTS, "binary.join.cas" if mode == word else "binary.cas.mismatch"
    if status == store_rules.NOT_FOUND:
        return binary.NOT_FOUND, "binary.cas.missing"
    return _NOT_STORED[word]


_STORED = {
    "set": "binary.set.stored",
    "add": "binary.add.stored",
    "replace": "binary.replace.stored",
    "append": "binary.join.joined",
    "prepend": "binary.join.joined",
    "cas": "binary.cas.match",
}
_NOT_STORED = {
    "add": (binary.EXISTS, "binary.add.exists"),
    "replace": (binary.NOT_FOUND, "binary.replace.missing"),
    "append": (binary.NOT_STORED, "binary.join.refused"),
    "prepend": (binary.NOT_STORED, "binary.join.refused"),
}


def too_large(request: Request) -> Refusal:
    """The refusal of a value that cannot fit; it is swallowed."""
    kept = "binary.store.too-large-deletes" if request.command.word == "set" else "binary.store.too-large-keeps"
    clauses: tuple[str, ...] = ("binary.count.refused", *request.clauses, "binary.store.too-large", kept)
    if request.command.quiet:
        clauses = ("binary.quiet.error", *clauses)
    refusal = binary.Refusal(request.opcode, binary.TOO_LARGE, request.opaque, clauses, request.length)
    return refusal._replace(might=("store_too_large",), details=((counters.SET, request.key),))


# ------------------------------------------------------------------------------------------------ what needs no item


def _noop(request: Request, cache: Cache, _now: Now, _rules: Rules) -> tuple[Done, ...]:
    return (_done(request, cache, Said(binary.OK, ("binary.noop.reply",))),)


def _version(request: Request, cache: Cache, _now: Now, _rules: Rules) -> tuple[Done, ...]:
    piece = binary.version(request.opcode, request.opaque)
    return (Done(cache, Owed((piece,), (*request.clauses, "binary.reply.opaque", "binary.version.reply"))),)


def _flush(request: Request, cache: Cache, now: Now, rules: Rules) -> tuple[Done, ...]:
    if not rules.flush_allowed:
        said = Said(binary.AUTH, ("binary.flush.forbidden",), might=("cmd_flush",))
        return (_done(request, cache, said),)
    delay = int.from_bytes(request.extras, "big")
    clause = "binary.flush.delay" if delay else "binary.flush.now"
    said = Said(binary.OK, (*_unsigned(delay), clause), counts=("cmd_flush",))
    return tuple(_done(request, after, said) for after in rules.functions.flush(cache, delay, now, rules))


class _Report(NamedTuple):
    """What a sub-command of stat shows: the rows as text, the report on numbers, and what it counts."""

    text: Text
    clause: str
    report: str = ""
    counts: tuple[str, ...] = ()


_END = Text("the empty packet", rb"", rb"END")
_REPORTS = {
    b"": _Report(STATISTICS, "binary.stat.general", statistics.GENERAL),
    b"settings": _Report(admin.SETTINGS, "binary.stat.named", statistics.SETTINGS),
    b"items": _Report(admin.ITEMS, "binary.stat.named", statistics.ITEMS),
    b"slabs": _Report(admin.SLABS, "binary.stat.named", statistics.SLABS),
    b"sizes": _Report(admin.SIZES, "binary.stat.named"),
    b"reset": _Report(_END, "binary.stat.reset", counts=(counters.RESET,)),
    b"detail on": _Report(_END, "binary.stat.detail", counts=(counters.DETAIL_ON,)),
    b"detail off": _Report(_END, "binary.stat.detail", counts=(counters.DETAIL_OFF,)),
    b"detail dump": _Report(admin.PREFIXES, "binary.stat.detail-dump", statistics.PREFIXES),
}
_BEGINNINGS = (b"reset", b"settings", b"detail on", b"detail off", b"detail dump")
"""Sub-commands that some releases take for meant as soon as they have read so much."""
_UNCLEAR = (b"sizes_enable", b"sizes_disable")


def _stat(request: Request, cache: Cache, _now: Now, rules: Rules) -> tuple[Done, ...]:
    name = request.key
    if name in _UNCLEAR or (name.startswith(b"detail") and not rules.dumps_allowed):
        return (Done(cache, Owed((), request.clauses), "what this sub-command of stat shows depends on the release"),)
    if name in _REPORTS:
        return (_reported(request, cache, _REPORTS[name], ()),)
    unknown = _done(request, cache, Said(binary.NOT_FOUND, ("binary.stat.unknown",)))
    begun = next((word for word in _BEGINNINGS if name.startswith(word)), None)
    if begun is None:
        return (unknown,)
    clauses = (*unknown.owed.clauses, "binary.stat.beginning")
    refused = unknown._replace(owed=unknown.owed._replace(clauses=clauses))
    return refused, _reported(request, cache, _REPORTS[begun], ("binary.stat.beginning",))


def _reported(request: Request, cache: Cache, found: _Report, why: tuple[str, ...]) -> Done:
    pieces: tuple[Piece, ...] = (binary.rows(found.text, request.opcode, request.opaque),)
    if found.report == statistics.PREFIXES:
        pieces += binary.reply(request.opcode, request.opaque)
    report = Report(found.report, cache) if found.report else None
    clauses = (*request.clauses, "binary.reply.opaque", "binary.stat.stream", found.clause, *why)
    return Done(cache, Owed(pieces, clauses, counts=found.counts, report=report))


_PLAIN: dict[str, Callable[[Request, Cache, Now, Rules], tuple[Done, ...]]] = {
    "noop": _noop,
    "version": _version,
    "flush": _flush,
    "stat": _stat,
}
_KEYED: dict[str, Callable[[Request, Found, Now, Rules], tuple[Done, ...]]] = {
    "get": _look,
    "touch": _look,
    "gat": _look,
    "delete": _delete,
    "incr": _count,
    "decr": _count,
}
