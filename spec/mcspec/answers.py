"""Requests of the text protocol carried out on a cache: every allowed new cache, with the reply that is owed for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from mcspec import admin, arith, counters, text
from mcspec import cache as store_rules
from mcspec.arith import ALIVE
from mcspec.cache import Cache, Item, Now, Result
from mcspec.pattern import VERSION, Owed, Piece, Report, Unique
from mcspec.storing import Entry

if TYPE_CHECKING:
    from mcspec.rules import Rules


class Done(NamedTuple):
    """One allowed end of a request. `unspecified` is the reason if nothing more can be said."""

    cache: Cache
    owed: Owed
    unspecified: str | None = None


def carry_out(request: text.Request | admin.Said, cache: Cache, now: Now, rules: Rules) -> tuple[Done, ...]:
    """Carry out a request that needs no value."""
    if isinstance(request, text.Retrieve):
        known = store_rules.met(cache, request.keys)
        return (UNCOVERED,) if known is None else _retrieve(request, known, now, rules)
    if isinstance(request, text.Simple):
        known = store_rules.met(cache, (request.key,) if request.key else ())
        if known is None:
            return (UNCOVERED,)
        cache = known
        lost = lapses(cache, request.key, now, rules)
        done = _SIMPLE[request.word](request, cache, now, rules)
        return (
            tuple(end._replace(owed=end.owed._replace(might=end.owed.might + lost)) for end in done) if lost else done
        )
    if isinstance(request, text.Version):
        return (Done(cache, Owed((VERSION,), request.clauses)),)
    if isinstance(request, admin.Said):
        said, clauses = _said(request, cache, rules), request.clauses[:-1]
        others = [Done(cache, Owed((reply,), (*clauses, clause))) for reply, clause in request.instead]
        return (said, *others)
    if isinstance(request, text.Answer):
        return tuple(Done(touched, answer(request)) for touched in _touched(request, cache, now, rules))
    reason = request.reason if isinstance(request, text.Elsewhere) else "no request"
    return (Done(cache, Owed((), ()), reason),)


def _said(request: admin.Said, cache: Cache, rules: Rules) -> Done:
    pieces = () if request.quiet else request.pieces
    limits: tuple[tuple[int, bytes], ...] = ()
    if request.limit:
        limits = ((counters.LIMIT, b"%d" % request.limit),)
        if request.limit < rules.limits.memory:
            # What no longer fits may go: the server is as full as it may be.
            cache = cache._replace(allocated=max(cache.allocated, rules.limits.memory))
    report = Report(request.report, cache) if request.report else None
    owed = Owed(pieces, request.clauses, counts=request.counts, details=limits, report=report)
    return Done(cache, owed)


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


TOO_LARGE = ("store_too_large",)
"""What the refusal of a value that cannot fit counts."""

UNCOVERED = Done(Cache(), Owed((), ()), "a delayed flush may have uncovered what was stored before we came")


def answer(request: text.Answer) -> Owed:
    """The reply to a refusal, or to a command that touches no item."""
    if request.quiet:
        return _refused(request, ())
    blank = (b"\r\n",) if request.drops == "queued-blank" else ()
    return _refused(request, (request.reply, *blank))


def _refused(request: text.Answer, pieces: tuple[Piece, ...]) -> Owed:
    drops = request.drops != "nothing" and pieces != ()
    counted = request.counts, request.might, request.details
    return Owed(pieces, request.clauses, drops, b"", False, *counted)


def _owed(
    reply: bytes,
    clauses: tuple[str, ...],
    counts: tuple[str, ...] = (),
    *,
    quiet: bool,
    might: tuple[str, ...] = (),
    details: tuple[tuple[int, bytes], ...] = (),
) -> Owed:
    if quiet:
        return Owed((), (*clauses, "text.noreply.silent"), False, b"", False, counts, might, details)
    return Owed((reply,), clauses, False, b"", False, counts, might, details)


def lapses(cache: Cache, key: bytes, now: Now, rules: Rules) -> tuple[str, ...]:
    """What a look at a key may count because its item is over: a server that took it out before counts nothing."""
    item = cache.items.find(key)
    if item is None:
        if key not in cache.hidden:
            return ()
        return ("get_flushed",) if cache.hidden[key].dies is None else ("get_flushed", "get_expired")
    lost: tuple[str, ...] = ()
    if item.dies is not None and rules.functions.reached(now, item.dies) != ALIVE:
        lost = ("get_expired",)
    if item.may_vanish or (cache.flush is not None and rules.functions.flushed(cache, item, now, rules) != ALIVE):
        lost = ("get_flushed", *lost)
    return lost


# ------------------------------------------------------------------------------------------------ retrieval


class _Look(NamedTuple):
    """One allowed outcome of looking at a key: the cache after it, the lines it shows, why, and what it counts."""

    cache: Cache
    pieces: tuple[Piece, ...]
    clauses: tuple[str, ...]
    counts: tuple[str, ...] = ()


class _Seen(NamedTuple):
    """A look at a key, and the look before it: a list that many outcomes share, however many keys there are."""

    before: _Seen | None
    key: bytes
    look: _Look
    might: tuple[str, ...]


def _retrieve(request: text.Retrieve, cache: Cache, now: Now, rules: Rules) -> tuple[Done, ...]:
    partial: list[tuple[Cache, _Seen | None]] = [(cache, None)]
    for key in request.keys:
        partial = [
            (look.cache, _Seen(seen, key, look, might))
            for before, seen in partial
            for might in (lapses(before, key, now, rules),)
            for look in _look(request, key, before, now, rules)
        ]
    return tuple(Done(after, _shown(request, seen)) for after, seen in partial)


def _shown(request: text.Retrieve, seen: _Seen | None) -> Owed:
    """The reply to a retrieval."""
    looks: list[_Seen] = []
    while seen is not None:
        looks.append(seen)
        seen = seen.before
    looks.reverse()
    pieces = [piece for one in looks for piece in one.look.pieces]
    clauses = [clause for one in looks for clause in one.look.clauses]
    counts = [name for one in looks for name in one.look.counts]
    might = [name for one in looks for name in one.might]
    details = [(kind, one.key) for one in looks for kind in (counters.GET, counters.HIT)[: 2 if one.look.pieces else 1]]
    return Owed(
        (*pieces, b"END\r\n"),
        (*request.clauses, *clauses),
        counts=tuple(counts),
        might=tuple(might),
        details=tuple(details),
    )


_GET_HIT, _GET_MISS = ("cmd_get", "get_hits"), ("cmd_get", "get_misses")
_TOUCH_HIT, _TOUCH_MISS = ("cmd_touch", "touch_hits"), ("cmd_touch", "touch_misses")


def _look(request: text.Retrieve, key: bytes, cache: Cache, now: Now, rules: Rules) -> list[_Look]:
    looks: list[_Look] = []
    touches = request.exptime is not None
    for result in rules.functions.get(cache, key, now, rules):
        if result.item is None:
            miss, missed = ("text.gat.miss", _TOUCH_MISS) if touches else ("text.get.miss", _GET_MISS)
            looks.append(_Look(result.cache, (), (miss, *result.clauses), missed))
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
            looks.append(_Look(result.cache, shown, reasons, _GET_HIT))
            continue
        reasons = (*reasons, "text.gat.negative" if request.exptime < 0 else "text.gat.touches")
        looks += [
            _Look(touched.cache, shown, reasons, _TOUCH_HIT)
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
            counts, might = counted(f"{request.word}_hits", cache, result)
            owed = _owed(b"%d\r\n" % result.number, clauses, counts, quiet=request.quiet, might=might)
            done.append(Done(result.cache, owed))
        elif result.status == store_rules.NON_NUMERIC:
            done.append(Done(result.cache, _owed(text.NON_NUMERIC, clauses, quiet=request.quiet)))
        else:
            counts = (f"{request.word}_misses",)
            done.append(Done(result.cache, _owed(b"NOT_FOUND\r\n", clauses, counts, quiet=request.quiet)))
    return tuple(done)


def counted(name: str, before: Cache, result: Result) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What a number that was counted moves: a longer one is a new item, any other one may be."""
    if result.cache.allocated > before.allocated:
        return (name, "total_items"), ()
    return (name,), ("total_items",)


def _delete(request: text.Simple, cache: Cache, now: Now, rules: Rules) -> tuple[Done, ...]:
    return tuple(
        Done(
            r.cache,
            _owed(
                r.status.encode() + b"\r\n",
                request.clauses + r.clauses,
                ("delete_hits",) if r.item is not None else ("delete_misses",),
                quiet=request.quiet,
                details=((counters.DELETE, request.key),),
            ),
        )
        for r in rules.functions.delete(cache, request.key, now, rules)
    )


def _touch(request: text.Simple, cache: Cache, now: Now, rules: Rules) -> tuple[Done, ...]:
    done = []
    for result in rules.functions.touch(cache, request.key, request.number, now, rules):
        found = result.item is not None
        clauses = (*request.clauses, *result.clauses, "text.touch.touched" if found else "text.touch.missing")
        reply, counts = (b"TOUCHED\r\n", _TOUCH_HIT) if found else (b"NOT_FOUND\r\n", _TOUCH_MISS)
        done.append(Done(result.cache, _owed(reply, clauses, counts, quiet=request.quiet)))
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
    return tuple(Done(after, _owed(b"OK\r\n", clauses, ("cmd_flush",), quiet=request.quiet)) for after in caches)


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
    lost = lapses(cache, request.key, now, rules)
    details = ((counters.SET, request.key),)
    entry = Entry(request.mode, request.key, request.flags, request.exptime, value, since, request.unique)
    done = []
    for result in rules.functions.store(cache, entry, now, rules):
        clauses = (*request.clauses, "text.store.block", *result.clauses)
        if result.item is not None and result.status == store_rules.STORED and _largest(request, value, rules):
            clauses = (*clauses, "text.store.largest")
        full = result.status == store_rules.NO_MEMORY
        if full:
            clauses = (*clauses, "memory.full.loses" if request.mode == "set" else "memory.full.keeps")
        reply = text.NO_MEMORY if full else result.status.encode() + b"\r\n"
        counts = stored_counts(request.mode, result)
        owed = _owed(reply, clauses, counts, quiet=request.quiet, might=lost, details=details)
        done.append(Done(result.cache, owed))
    return tuple(done)


_CAS = {store_rules.STORED: "cas_hits", store_rules.EXISTS: "cas_badval", store_rules.NOT_FOUND: "cas_misses"}


def stored_counts(mode: str, result: Result) -> tuple[str, ...]:
    """What a store command counts once its value is there."""
    if result.status == store_rules.NO_MEMORY:
        return ("store_no_memory",)
    counts: tuple[str, ...] = ("cmd_set", "total_items") if result.status == store_rules.STORED else ("cmd_set",)
    return (*counts, _CAS[result.status]) if mode == "cas" else counts


def _largest(request: text.Store, value: bytes, rules: Rules) -> bool:
    return not rules.functions.fits(request.key, request.flags, len(value) + 1, rules)


def bad_chunk(request: text.Store) -> Owed:
    """The reply to a block that does not end in CR LF; nothing is stored."""
    clauses = (*request.clauses, "text.store.bad-chunk")
    clauses = (*clauses, "text.noreply.silent-error") if request.quiet else clauses
    pieces = () if request.quiet else (text.BAD_CHUNK,)
    return Owed(pieces, clauses, counts=("cmd_set",), details=((counters.SET, request.key),))


def too_large(request: text.Store) -> text.Answer:
    """The refusal of a value that cannot fit; its block is swallowed."""
    clauses = (*request.clauses, "memory.item.limit", "text.store.too-large")
    clauses = (*clauses, "text.noreply.silent-error") if request.quiet else clauses
    kept = "text.store.too-large-deletes" if request.mode == "set" else "text.store.too-large-keeps"
    swallow = arith.block_length(request.length)
    details = ((counters.SET, request.key),)
    return text.Answer(text.TOO_LARGE, request.quiet, (*clauses, kept), swallow, counts=TOO_LARGE, details=details)
