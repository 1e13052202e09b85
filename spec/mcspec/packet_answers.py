"""Packets carried out on a cache: every allowed new cache, with the reply that is owed for it.

The operations are those of the text protocol (`cache`, `storing`, `counting`, `flushing`); only how they are asked for
and answered differs. A quiet packet says nothing where it succeeds, and for get and gat where they find nothing.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from mcspec import admin, counters, packet, text
from mcspec import cache as store_rules
from mcspec.answers import UNCOVERED, Done, counted, lapses, stored_counts
from mcspec.packet import INVALID, NOT_ALLOWED, NOT_FOUND, NUMBER, OK, TOO_LARGE, VALUE, Asked, Refused
from mcspec.pattern import VERSION, Framed, Owed, Piece, Report, Text, Unique
from mcspec.storing import Entry

if TYPE_CHECKING:
    from collections.abc import Callable

    from mcspec.cache import Cache, Item, Now, Result
    from mcspec.rules import Rules

Details = tuple[tuple[int, bytes], ...]

PERMITTED = ("packet.server.option", "packet.server.counters", "packet.server.same-cache")
"""Clauses on what no reply shows."""


def carry_out(asked: Asked | Refused, cache: Cache, now: Now, rules: Rules) -> tuple[Done, ...]:
    """Carry out a packet that has come whole, or answer the refusal of one."""
    if isinstance(asked, Refused):
        return (_refused(asked, cache, rules),)
    touched = (asked.key,) if asked.command.shape.keyed and asked.command.name != "stats" else ()
    known = store_rules.met(cache, touched)
    if known is None:
        return (UNCOVERED,)
    done = _COMMANDS[asked.command.name](asked, known, now, rules)
    lost = lapses(known, asked.key, now, rules) if touched else ()
    if not lost:
        return done
    return tuple(end._replace(owed=end.owed._replace(might=end.owed.might + lost)) for end in done)


def _refused(refused: Refused, cache: Cache, rules: Rules) -> Done:
    """An error; a value that does not fit is lost to `set` with the item that it was to replace."""
    clauses = (*refused.clauses, "packet.error.form")
    command = rules.dispatch[refused.code]
    if command is not None and command.quiet:
        clauses = (*clauses, "packet.quiet.refusal")
    pieces = (packet.error(refused.error, refused.code),)
    if refused.error != TOO_LARGE:
        return Done(cache, Owed(pieces, clauses))
    cache = rules.functions.oversize(cache, refused.command, refused.key)
    return Done(cache, Owed(pieces, clauses, counts=("store_too_large",), details=((counters.SET, refused.key),)))


# ------------------------------------------------------------------------------------------------ pieces of replies


def unique(item: Item) -> Piece:
    """The piece that is the item's cas unique, in 8 bytes."""
    return (-1 - item.cas).to_bytes(8, "big") if item.cas < 0 else Unique(item.cas, 8)


def _done(
    asked: Asked,
    cache: Cache,
    pieces: tuple[Piece, ...],
    clauses: tuple[str, ...],
    counts: tuple[str, ...] = (),
    *,
    might: tuple[str, ...] = (),
    details: Details = (),
) -> Done:
    """A success: a quiet packet keeps it to itself."""
    clauses = (*asked.clauses, *clauses)
    if asked.command.quiet:
        pieces, clauses = (), (*clauses, "packet.quiet.success")
    return Done(cache, Owed(pieces, clauses, counts=counts, might=might, details=details))


def _error(
    asked: Asked,
    cache: Cache,
    kind: int,
    clauses: tuple[str, ...],
    counts: tuple[str, ...] = (),
    *,
    details: Details = (),
) -> Done:
    """A refusal: every packet is told."""
    clauses = (*asked.clauses, "packet.error.form", *clauses)
    if asked.command.quiet:
        clauses = (*clauses, "packet.quiet.refusal")
    return Done(cache, Owed((packet.error(kind, asked.code),), clauses, counts=counts, details=details))


def _ok(cas: Item | None = None) -> tuple[Piece, ...]:
    return (packet.packet(OK),) if cas is None else (packet.packet(OK, more=8), unique(cas))


# ------------------------------------------------------------------------------------------------ retrieval


def _get(asked: Asked, cache: Cache, now: Now, rules: Rules) -> tuple[Done, ...]:
    touches = asked.command.name == "gat"
    names = ("cmd_touch", "touch_hits", "touch_misses") if touches else ("cmd_get", "get_hits", "get_misses")
    looked = ((counters.GET, asked.key),)
    done = []
    for result in rules.functions.get(cache, asked.key, now, rules):
        if result.item is None:
            done.append(_missed(asked, result, (names[0], names[2]), looked))
            continue
        results: tuple[Result, ...] = (result,)
        if touches:
            results = rules.functions.touch(result.cache, asked.key, asked.exptime, now, rules)
        for after in results:
            shown = (*asked.clauses, *result.clauses, "packet.gat.hit" if touches else "packet.get.hit")
            if asked.command.quiet:
                shown = (*shown, "packet.quiet.hit")
            details = (*looked, (counters.HIT, asked.key))
            owed = Owed(_value(asked.key, result.item), shown, counts=names[:2], details=details)
            done.append(Done(after.cache, owed))
    return tuple(done)


def _missed(asked: Asked, result: Result, counts: tuple[str, ...], details: Details) -> Done:
    clause = "packet.gat.miss" if asked.command.name == "gat" else "packet.get.miss"
    if asked.command.quiet:
        clauses = (*asked.clauses, *result.clauses, clause, "packet.quiet.miss")
        return Done(result.cache, Owed((), clauses, counts=counts, details=details))
    return _error(asked, result.cache, NOT_FOUND, (*result.clauses, clause), counts, details=details)


def _value(key: bytes, item: Item) -> tuple[Piece, ...]:
    rest = bytes((len(key),)) + key + item.value
    return packet.packet(VALUE, struct.pack(">I", item.flags), more=8 + len(rest)), unique(item), rest


# ------------------------------------------------------------------------------------------------ storage

_STORED = {
    "set": "packet.set.stored",
    "add": "packet.add.stored",
    "replace": "packet.replace.stored",
    "append": "packet.append.joined",
    "prepend": "packet.prepend.joined",
}
_NOT_STORED = {
    "add": "packet.add.exists",
    "replace": "packet.replace.missing",
    "append": "packet.append.not-stored",
    "prepend": "packet.prepend.not-stored",
}


def _store(asked: Asked, cache: Cache, now: Now, rules: Rules) -> tuple[Done, ...]:
    """The five stores; a cas unique makes a cas of set, add and replace."""
    name = asked.command.name
    mode = name if name in packet.JOINS or not asked.cas else "cas"
    entry = Entry(mode, asked.key, asked.flags, asked.exptime, asked.value, now, asked.cas or None)
    details = ((counters.SET, asked.key),)
    done = []
    for result in rules.functions.store(cache, entry, now, rules):
        counts = stored_counts(mode, result)
        if result.status == store_rules.STORED and result.item is not None:
            clauses = (*result.clauses, *_accepted(asked))
            done.append(_done(asked, result.cache, _ok(result.item), clauses, counts, details=details))
            continue
        after, kind, clause = result.cache, packet.NOT_STORED, _NOT_STORED.get(name, "")
        if result.status == store_rules.NO_MEMORY:
            after = rules.functions.oversize(after, name, asked.key)
            kind, clause = packet.OUT_OF_MEMORY, "packet.store.no-memory"
        elif result.status == store_rules.EXISTS:
            kind, clause = packet.EXISTS, "packet.store.cas-differs"
        elif result.status == store_rules.NOT_FOUND:
            kind, clause = NOT_FOUND, "packet.store.cas-missing"
        done.append(_error(asked, after, kind, (*result.clauses, clause), counts, details=details))
    return tuple(done)


def _accepted(asked: Asked) -> tuple[str, ...]:
    clauses: tuple[str, ...] = (_STORED[asked.command.name], "packet.store.unique")
    if not asked.value:
        clauses = (*clauses, "packet.store.empty-value")
    if asked.exptime:
        clauses = (*clauses, "packet.store.exptime")
    return (*clauses, "packet.store.cas-same") if asked.cas else clauses


# ------------------------------------------------------------------------------------------------ other commands


def _compared(asked: Asked, cache: Cache, now: Now, rules: Rules) -> list[tuple[bool, store_rules.Found]]:
    """What is found, and whether it has the cas unique of the packet; what is not there is never another."""
    found = []
    for one in rules.functions.find(cache, asked.key, now, rules):
        if one.item is None:
            found.append((True, one))
            continue
        pairs = rules.functions.compare(one.cache, one.item, asked.cas, rules)
        found += [(same, one._replace(cache=after)) for same, after in pairs]
    return found


def _delete(asked: Asked, cache: Cache, now: Now, rules: Rules) -> tuple[Done, ...]:
    details = ((counters.DELETE, asked.key),)
    if not asked.cas:
        return tuple(
            _deleted(asked, result.cache, result.clauses, found=result.item is not None, details=details)
            for result in rules.functions.delete(cache, asked.key, now, rules)
        )
    done = []
    for same, found in _compared(asked, cache, now, rules):
        clauses = (*found.clauses, "packet.delete.cas")
        if not same:
            done.append(_error(asked, found.cache, packet.EXISTS, clauses, details=details))
        else:
            after = found.cache._replace(items=found.cache.items.drop(asked.key))
            done.append(_deleted(asked, after, clauses, found=found.item is not None, details=details))
    return tuple(done)


def _deleted(asked: Asked, cache: Cache, clauses: tuple[str, ...], *, found: bool, details: Details) -> Done:
    if not found:
        clauses = (*clauses, "packet.delete.missing")
        return _error(asked, cache, NOT_FOUND, clauses, ("delete_misses",), details=details)
    return _done(asked, cache, _ok(), (*clauses, "packet.delete.deleted"), ("delete_hits",), details=details)


def _count(asked: Asked, cache: Cache, now: Now, rules: Rules) -> tuple[Done, ...]:
    up = asked.command.name == "incr"
    if not asked.cas:
        results = rules.functions.arithmetic(cache, asked.key, asked.number, now, rules, up=up)
        return tuple(_counted(asked, cache, result, ()) for result in results)
    done = []
    for same, found in _compared(asked, cache, now, rules):
        item = found.item
        if item is not None and (not item.value or store_rules.chunked(asked.key, item, rules)):
            # These are refused whatever their cas unique is, other values that are no number after it was compared.
            done.append(_error(asked, cache, packet.NOT_NUMERIC, (*found.clauses, "packet.count.not-numeric")))
            continue
        if not same:
            done.append(_error(asked, found.cache, packet.EXISTS, (*found.clauses, "packet.count.cas")))
            continue
        results = rules.functions.count_found(found, asked.key, asked.number, now, rules, up=up)
        done += [_counted(asked, found.cache, one, (*found.clauses, "packet.count.cas")) for one in results]
    return tuple(done)


def _counted(asked: Asked, before: Cache, result: Result, clauses: tuple[str, ...]) -> Done:
    clauses = (*clauses, *result.clauses)
    name = asked.command.name
    if result.status == store_rules.UNSPECIFIED:
        return Done(before, Owed((), clauses), "arithmetic on a value of blanks only reads beyond the value")
    if result.item is None:
        return _error(asked, result.cache, NOT_FOUND, (*clauses, "packet.count.missing"), (f"{name}_misses",))
    if result.status == store_rules.NON_NUMERIC:
        return _error(asked, result.cache, packet.NOT_NUMERIC, (*clauses, "packet.count.not-numeric"))
    counts, might = counted(f"{name}_hits", before, result)
    head = packet.packet(NUMBER, more=16)
    pieces = (head, unique(result.item), result.number.to_bytes(8, "big"))
    clause = "packet.incr.number" if name == "incr" else "packet.decr.number"
    return _done(asked, result.cache, pieces, (*clauses, clause), counts, might=might)


def _touch(asked: Asked, cache: Cache, now: Now, rules: Rules) -> tuple[Done, ...]:
    done = []
    for result in rules.functions.touch(cache, asked.key, asked.exptime, now, rules):
        if result.item is None:
            clauses = (*result.clauses, "packet.touch.missing")
            done.append(_error(asked, result.cache, NOT_FOUND, clauses, ("cmd_touch", "touch_misses")))
        else:
            clauses = (*result.clauses, "packet.touch.touched")
            done.append(_done(asked, result.cache, _ok(), clauses, ("cmd_touch", "touch_hits")))
    return tuple(done)


def _flush(asked: Asked, cache: Cache, now: Now, rules: Rules) -> tuple[Done, ...]:
    if not rules.flush_allowed:
        return (_error(asked, cache, NOT_ALLOWED, ("packet.flush.forbidden",), ("cmd_flush",)),)
    clause = "packet.flush.later" if asked.exptime > 0 else "packet.flush.now"
    caches = rules.functions.flush(cache, asked.exptime, now, rules)
    return tuple(_done(asked, after, _ok(), (clause,), ("cmd_flush",)) for after in caches)


def _noop(asked: Asked, cache: Cache, _now: Now, _rules: Rules) -> tuple[Done, ...]:
    return (_done(asked, cache, _ok(), ("packet.noop.answered",)),)


def _verbosity(asked: Asked, cache: Cache, _now: Now, _rules: Rules) -> tuple[Done, ...]:
    return (_done(asked, cache, _ok(), ("packet.verbosity.ok",)),)


_BARE = Text(VERSION.name, rb"", VERSION.last.removeprefix(b"VERSION "))


def _version(asked: Asked, cache: Cache, _now: Now, _rules: Rules) -> tuple[Done, ...]:
    return (_done(asked, cache, (Framed(_BARE, packet.text_line, packet.TEXT_REGEX),), ("packet.version.text",)),)


# ------------------------------------------------------------------------------------------------ stats


_END: Piece = packet.packet(packet.STAT)


def _stats(asked: Asked, cache: Cache, _now: Now, rules: Rules) -> tuple[Done, ...]:
    """What the line `stats NAME` of the text protocol asks for, with its rows as packets."""
    words = (b"stats", *(asked.key.split(b" ") if asked.key else ()))
    if b"" in words:
        return (_error(asked, cache, INVALID, ("packet.shape.name", "packet.stats.unknown")),)
    said = admin.GRAMMAR[b"stats"](words, asked.clauses, rules)
    if isinstance(said, text.Elsewhere):
        return (Done(cache, Owed((), asked.clauses), said.reason),)
    if isinstance(said, text.Answer):
        if said.reply == text.ERROR:
            clauses = said.clauses[len(asked.clauses) :]
            return (_error(asked, cache, INVALID, (*clauses, "packet.stats.unknown")),)
        refused = (packet.packet(packet.TEXT, said.reply),)
        return (Done(cache, Owed(refused, (*said.clauses, "packet.stats.text"))),)
    assert isinstance(said, admin.Said)  # that is all that the reader of stats returns
    reply, clause = _shown(said)
    if clause == "packet.stats.rows" and asked.key:
        clause = "packet.stats.name"
    report = Report(said.report, cache) if said.report else None
    return (Done(cache, Owed((reply,), (*said.clauses, clause), counts=said.counts, report=report)),)


def _shown(said: admin.Said) -> tuple[Piece, str]:
    """The reply of a sub-command in packets, and the clause that says so."""
    piece = said.pieces[0]
    if counters.RESET in said.counts:
        return _END, "packet.stats.reset"
    if not isinstance(piece, Text):
        assert isinstance(piece, bytes)  # what is no report is one line
        return packet.packet(packet.TEXT, piece), "packet.stats.text"
    if piece.line.startswith(b"STAT"):
        return Framed(piece, packet.stat_line, packet.STAT_REGEX), "packet.stats.rows"
    return Framed(piece, packet.text_lines, packet.TEXT_REGEX), "packet.stats.text"


_COMMANDS: dict[str, Callable[[Asked, Cache, Now, Rules], tuple[Done, ...]]] = {
    **dict.fromkeys(("get", "gat"), _get),
    **dict.fromkeys(("set", "add", "replace", "append", "prepend"), _store),
    **dict.fromkeys(("incr", "decr"), _count),
    "delete": _delete,
    "touch": _touch,
    "flush": _flush,
    "noop": _noop,
    "verbosity": _verbosity,
    "version": _version,
    "stats": _stats,
}
