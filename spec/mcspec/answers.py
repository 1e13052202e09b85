"""Requests of the text protocol carried out on a cache: every allowed new cache, with the reply that is owed for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from mcspec import arith, text
from mcspec import cache as store_rules
from mcspec.cache import Cache, Item, Now, Result
from mcspec.pattern import STATISTICS, VERSION, Owed, Piece, Unique
from mcspec.storing import Entry

if TYPE_CHECKING:
    from mcspec.rules import Rules


class Done(NamedTuple):
    """One allowed end of a request. `unspecified` is the reason if nothing more can be said."""

    cache: Cache
    owed: Owed
    unspecified: str | None = None


def carry_out(request: text.Request, cache: Cache, now: Now, rules: Rules) -> tuple[Done, ...]:
    """Carry out a request that needs no value."""
    if isinstance(request, text.Retrieve):
        known = store_rules.met(cache, request.keys)
        return (UNCOVERED,) if known is None else _retrieve(request, known, now, rules)
    if isinstance(request, text.Simple):
        known = store_rules.met(cache, (request.key,) if request.key else ())
        if known is None:
            return (UNCOVERED,)
        cache = known
        return _SIMPLE[request.word](request, cache, now, rules)
    if isinstance(request, text.Version):
        return (Done(cache, Owed((VERSION,), request.clauses)),)
    if isinstance(request, text.Stats):
        return (Done(cache, Owed((STATISTICS,), request.clauses)),)
    if isinstance(request, text.Answer):
        return tuple(Done(touched, answer(request)) for touched in _touched(request, cache, now, rules))
    reason = request.reason if isinstance(request, text.Elsewhere) else "no request"
    return (Done(cache, Owed((), ()), reason),)


def _touched(request: text.Answer, cache: Cache, now: Now, rules: Rules) -> tuple[Cache, ...]:
    """The caches after a refusal: the same one, but for servers that touch before they look at every key."""
    caches: tuple[Cache, ...] = (cache,)
    for key in request.touches:
        caches = tuple(
            result.cache
            for before in caches
            for result in rules.functions.touch(before, key, request.exptime, now, rules)
        )
    return caches


UNCOVERED = Done(Cache(), Owed((), ()), "a delayed flush may have uncovered what was stored before we came")


def answer(request: text.Answer) -> Owed:
    """The reply to a refusal, or to a command that touches no item."""
    if request.quiet:
        return Owed((), request.clauses)
    blank = (b"\r\n",) if request.drops == "queued-blank" else ()
    return Owed((request.reply, *blank), request.clauses, drops=request.drops != "nothing")


def _owed(reply: bytes, clauses: tuple[str, ...], *, quiet: bool) -> Owed:
    return Owed((), (*clauses, "text.noreply.silent")) if quiet else Owed((reply,), clauses)


# ------------------------------------------------------------------------------------------------ retrieval


def _retrieve(request: text.Retrieve, cache: Cache, now: Now, rules: Rules) -> tuple[Done, ...]:
    partial: list[tuple[Cache, tuple[Piece, ...], tuple[str, ...]]] = [(cache, (), request.clauses)]
    for key in request.keys:
        partial = [
            (result.cache, pieces + shown, clauses + reasons)
            for before, pieces, clauses in partial
            for result, shown, reasons in _look(request, key, before, now, rules)
        ]
    return tuple(Done(after, Owed((*pieces, b"END\r\n"), clauses)) for after, pieces, clauses in partial)


def _look(
    request: text.Retrieve, key: bytes, cache: Cache, now: Now, rules: Rules
) -> list[tuple[Result, tuple[Piece, ...], tuple[str, ...]]]:
    looks: list[tuple[Result, tuple[Piece, ...], tuple[str, ...]]] = []
    for result in rules.functions.get(cache, key, now, rules):
        if result.item is None:
            miss = "text.get.miss" if request.exptime is None else "text.gat.miss"
            looks.append((result, (), (miss, *result.clauses)))
            continue
        with_unique = request.word in ("gets", "gats")
        lasting = result.item.dies is None and now.lo > result.item.stored.hi
        shown = value_lines(key, result.item, with_unique=with_unique)
        reasons = (*result.clauses, f"text.{request.word}.hit", *_value_clauses(key, result.item))
        if lasting:
            reasons = (*reasons, "text.exptime.zero")
        if with_unique:
            seen = store_rules.unique(result.cache, result.item) is not None
            reasons = (*reasons, "text.cas.unchanged" if seen else "text.cas.grows")
        if request.exptime is None:
            looks.append((result, shown, reasons))
            continue
        reasons = (*reasons, "text.gat.negative" if request.exptime < 0 else "text.gat.touches")
        looks += [
            (touched, shown, reasons)
            for touched in rules.functions.touch(result.cache, key, request.exptime, now, rules)
            if touched.item is not None
        ]
    return looks


def value_lines(key: bytes, item: Item, *, with_unique: bool) -> tuple[Piece, ...]:
    """VALUE line and data block of one hit."""
    head = b"VALUE %s %d %d" % (key, item.flags, len(item.value))
    if with_unique:
        number = b"%d" % (-1 - item.cas) if item.cas < 0 else Unique(item.cas)
        return head + b" ", number, b"\r\n" + item.value + b"\r\n"
    return (head + b"\r\n" + item.value + b"\r\n",)


def _value_clauses(key: bytes, item: Item) -> tuple[str, ...]:
    clauses: tuple[str, ...] = ("text.store.flags-kept",) if item.flags else ()
    if len(key) == 250:
        clauses = (*clauses, "text.key.limit")
    if any(byte < 33 or byte > 126 for byte in key):
        clauses = (*clauses, "text.key.any-byte")
    if not item.value:
        clauses = (*clauses, "text.store.empty-value")
    elif b"\n" in item.value or b"\0" in item.value:
        clauses = (*clauses, "text.store.any-value")
    return clauses


# ------------------------------------------------------------------------------------------------ one-line commands


def _arithmetic(request: text.Simple, cache: Cache, now: Now, rules: Rules) -> tuple[Done, ...]:
    done = []
    up = request.word == "incr"
    for result in rules.functions.arithmetic(cache, request.key, request.number, now, rules, up=up):
        clauses = request.clauses + result.clauses
        if result.status == store_rules.UNSPECIFIED:
            done.append(Done(cache, Owed((), clauses), "arithmetic on a value of blanks only reads beyond the value"))
        elif result.status == store_rules.COUNTED:
            done.append(Done(result.cache, _owed(b"%d\r\n" % result.number, clauses, quiet=request.quiet)))
        else:
            refused = result.status == store_rules.NON_NUMERIC
            reply = text.NON_NUMERIC if refused else b"NOT_FOUND\r\n"
            done.append(Done(result.cache, _owed(reply, clauses, quiet=request.quiet)))
    return tuple(done)


def _delete(request: text.Simple, cache: Cache, now: Now, rules: Rules) -> tuple[Done, ...]:
    return tuple(
        Done(r.cache, _owed(r.status.encode() + b"\r\n", request.clauses + r.clauses, quiet=request.quiet))
        for r in rules.functions.delete(cache, request.key, now, rules)
    )


def _touch(request: text.Simple, cache: Cache, now: Now, rules: Rules) -> tuple[Done, ...]:
    done = []
    for result in rules.functions.touch(cache, request.key, request.number, now, rules):
        found = result.item is not None
        clauses = (*request.clauses, *result.clauses, "text.touch.touched" if found else "text.touch.missing")
        done.append(
            Done(result.cache, _owed(b"TOUCHED\r\n" if found else b"NOT_FOUND\r\n", clauses, quiet=request.quiet))
        )
    return tuple(done)


def _flush(request: text.Simple, cache: Cache, now: Now, rules: Rules) -> tuple[Done, ...]:
    caches = rules.functions.flush(cache, request.number, now, rules)
    if request.number > 0:
        clauses = (*request.clauses, "text.flush.accepted-delay")
    else:
        clauses = (*request.clauses, "text.flush.negative" if request.number < 0 else "text.flush.now")
    if cache.flush is not None:
        clauses = (*clauses, "text.flush.replaces")
    clauses = (*clauses, "text.flush.past") if len(caches) > 1 else clauses
    return tuple(Done(after, _owed(b"OK\r\n", clauses, quiet=request.quiet)) for after in caches)


_SIMPLE = {"incr": _arithmetic, "decr": _arithmetic, "delete": _delete, "touch": _touch, "flush_all": _flush}


# ------------------------------------------------------------------------------------------------ storage


def store(request: text.Store, value: bytes, cache: Cache, since: Now, now: Now, rules: Rules) -> tuple[Done, ...]:
    """Carry out a store command whose block has arrived: `value` is the block without its last two bytes.

    `since` is the moment of its line, `now` that of its last byte.
    """
    known = store_rules.met(cache, (request.key,))
    if known is None:
        return (UNCOVERED,)
    cache = known
    entry = Entry(request.mode, request.key, request.flags, request.exptime, value, since, request.unique)
    done = []
    for result in rules.functions.store(cache, entry, now, rules):
        clauses = (*request.clauses, "text.store.block", *result.clauses)
        if result.item is not None and result.status == store_rules.STORED and _largest(request, value, rules):
            clauses = (*clauses, "text.store.largest")
        full = result.status == store_rules.NO_MEMORY
        reply = text.NO_MEMORY if full else result.status.encode() + b"\r\n"
        done.append(Done(result.cache, _owed(reply, clauses, quiet=request.quiet)))
    return tuple(done)


def _largest(request: text.Store, value: bytes, rules: Rules) -> bool:
    return not rules.functions.fits(request.key, request.flags, len(value) + 1, rules)


def bad_chunk(request: text.Store) -> Owed:
    """The reply to a block that does not end in CR LF; nothing is stored."""
    clauses = (*request.clauses, "text.store.bad-chunk")
    if request.quiet:
        return Owed((), (*clauses, "text.noreply.silent-error"))
    return Owed((text.BAD_CHUNK,), clauses)


def too_large(request: text.Store) -> text.Answer:
    """The refusal of a value that cannot fit; its block is swallowed."""
    clauses = (*request.clauses, "text.store.too-large")
    clauses = (*clauses, "text.noreply.silent-error") if request.quiet else clauses
    kept = "text.store.too-large-deletes" if request.mode == "set" else "text.store.too-large-keeps"
    return text.Answer(text.TOO_LARGE, request.quiet, (*clauses, kept), swallow=arith.block_length(request.length))
