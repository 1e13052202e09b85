"""Requests of the meta protocol carried out on a cache: every allowed new cache, with the reply that is owed for it.

A reply is a code of two letters, for VA a length, then what the flags of the request ask for, in their order, and last
the marks Z, X and W. Flags that change an item (T, N, R) take effect where they stand: one that shows something before
them shows what was before.
"""

from __future__ import annotations

from math import ceil, floor
from typing import TYPE_CHECKING, NamedTuple

from mcspec import arith, meta, text
from mcspec import cache as store_rules
from mcspec.answers import UNCOVERED, Done, counted, lapses
from mcspec.arith import ALIVE, DEAD, UNSURE
from mcspec.cache import EITHER, NO, YES, Cache, Found, Item, Now
from mcspec.pattern import OneOf, Owed, Piece, Span, Unique

if TYPE_CHECKING:
    from mcspec.meta import Flag, Line
    from mcspec.rules import Rules

_BLANKS = "arithmetic on a value of blanks only reads beyond the value"
_FULL = "what a full server that may not evict answers to an item made by the way is not specified"


def carry_out(line: Line, cache: Cache, now: Now, rules: Rules) -> tuple[Done, ...]:
    """Carry out mg, md, ma or me."""
    known = store_rules.met(cache, (line.key,))
    if known is None:
        return (UNCOVERED,)
    done: list[Done] = []
    lost = lapses(known, line.key, now, rules)
    for found in rules.functions.find(known, line.key, now, rules):
        for end in _COMMANDS[line.word](line, found, now, rules):
            # That it went in its turn says more than that it is a miss.
            turn = found.clauses if found.clauses == ("memory.order.oldest",) else ()
            clauses = line.clauses + (() if turn else found.clauses) + end.owed.clauses + turn
            done.append(end._replace(owed=end.owed._replace(clauses=clauses, might=end.owed.might + lost)))
    return tuple(done)


# ------------------------------------------------------------------------------------------------ pieces of replies


def unique(item: Item) -> Piece:
    """The piece that is the item's cas unique."""
    return b"%d" % (-1 - item.cas) if item.cas < 0 else Unique(item.cas)


def left(item: Item, now: Now) -> Piece:
    """The seconds that the item has left to live: -1 for ever."""
    if item.dies is None:
        return b"-1"
    if item.dies.lo <= now.hi:
        return Span("seconds, of an item that is dead already", 0, 2**32 - 1)
    time = arith.until(now, item.dies)
    return Span("seconds left", floor(time.lo), ceil(time.hi))


def idle(item: Item, now: Now) -> Piece:
    """The seconds since the last use: never more than since the store, as not every use need be noted."""
    time = arith.since(now, item.seen or item.stored, item.stored)
    return Span("seconds since the last use", floor(time.lo), ceil(time.hi))


def _hit(item: Item, no: bytes, yes: bytes) -> Piece:
    return (no, yes)[item.fetched] if item.fetched in (NO, YES) else OneOf((no, yes))


def echo(line: Line, flag: Flag) -> tuple[Piece, ...]:
    """What k and O show in every reply."""
    if flag.letter == "k":
        return (b" k" + line.shown,)
    return (b" O" + flag.argument,) if flag.letter == "O" else ()


ECHO_CLAUSES = {"k": "meta.flag.key", "O": "meta.flag.opaque"}


def _echoes(line: Line) -> tuple[tuple[Piece, ...], tuple[str, ...]]:
    pieces: tuple[Piece, ...] = ()
    clauses: tuple[str, ...] = ()
    for flag in line.flags:
        pieces += echo(line, flag)
        if flag.letter in ECHO_CLAUSES:
            clauses = (*clauses, ECHO_CLAUSES[flag.letter])
    return pieces, clauses


def _coded(
    line: Line,
    cache: Cache,
    code: bytes,
    clauses: tuple[str, ...],
    counts: tuple[str, ...] = (),
    *,
    quiet: bool = False,
) -> Done:
    """A reply that shows nothing of an item: the code with k and O, or silence, or the refusal of a long opaque."""
    if any(flag.letter == "O" and meta.too_long(flag) for flag in line.flags):
        return Done(cache, Owed((meta.OPAQUE_LONG,), (*clauses, "meta.flag.opaque-long"), counts=counts))
    if quiet and line.has("q"):
        return Done(cache, Owed((), (*clauses, f"meta.{line.word}.quiet"), counts=counts))
    pieces, echoed = _echoes(line)
    if line.has("q"):
        clauses = (*clauses, f"meta.{line.word}.quiet-shows")
    return Done(cache, Owed((code, *pieces, b"\r\n"), clauses + echoed, counts=counts))


def _new_unique(line: Line, cache: Cache) -> tuple[int, Cache, tuple[str, ...]]:
    """The cas unique of an item that changed: the next one, or the one that E chose."""
    number = line.number("E")
    after = cache._replace(next_cas=cache.next_cas + 1)
    if number:
        return store_rules.chosen(number), after, ("meta.flag.chosen",)
    return cache.next_cas, after, ()


def _compared(line: Line, found: Found, rules: Rules) -> tuple[tuple[bool, Cache], ...]:
    """Whether C lets the command go on."""
    number = line.number("C")
    if number is None or found.item is None:
        return ((True, found.cache),)
    if number == 0:
        return ((line.word == "ma", found.cache),)
    return rules.functions.compare(found.cache, found.item, number, rules)


# ------------------------------------------------------------------------------------------------ mg


class _View(NamedTuple):
    """An item while the flags of a line pass by: what they made of it, the reply so far, and its reasons."""

    item: Item
    pieces: tuple[Piece, ...] = ()
    clauses: tuple[str, ...] = ()
    won: bool = False
    ended: bool = False


def _get(line: Line, found: Found, now: Now, rules: Rules) -> tuple[Done, ...]:
    item, cache = found.item, found.cache
    created = item is None and line.has("N")
    if item is None and not created:
        return (_coded(line, cache, b"EN", ("meta.mg.miss",), ("cmd_get", "get_misses"), quiet=True),)
    clauses: tuple[str, ...] = ()
    if item is None:
        cas, cache, clauses = _new_unique(line, cache)
        item = Item(b"", 0, None, cas, now)
        clauses = (*clauses, "meta.mg.vivify")
        if not rules.evictions and arith.pressed(cache.allocated, rules.limits.memory):
            return (Done(cache, Owed((), clauses), _FULL),)
    done = []
    compares = line.has("C") and line.has("v") and rules.traits.mg_compare == "drops-value"
    pairs = _compared(line, Found(cache, item, ()), rules) if compares else ((False, cache),)
    for same, after in pairs:
        views = _viewed(line, _View(item, (), clauses, won=created), now, rules, created=created)
        ends = [_shown(line, view, after, now, rules, drops=same, compares=compares) for view in views]
        done += [end._replace(owed=end.owed._replace(counts=_looked(line, end, created=created))) for end in ends]
    return tuple(done)


def _looked(line: Line, end: Done, *, created: bool) -> tuple[str, ...]:
    """What mg counts once it has an item: a touch or a get, but neither if the opaque is refused after all."""
    if end.owed.pieces == (meta.OPAQUE_LONG,):
        return ("total_items",) if created else ()
    counts = ("cmd_touch", "touch_hits") if line.has("T") else ("cmd_get", "get_hits")
    return (*counts, "total_items") if created else counts


def _viewed(line: Line, view: _View, now: Now, rules: Rules, *, created: bool) -> list[_View]:
    views = [view]
    for flag in line.flags:
        views = [after for one in views for after in _passed(line, flag, one, now, rules, created=created)]
    return views


def _passed(line: Line, flag: Flag, view: _View, now: Now, rules: Rules, *, created: bool) -> tuple[_View, ...]:
    """The view after one flag of mg or ma."""
    if view.ended:
        return (view,)
    letter, item = flag.letter, view.item
    if letter == "O" and meta.too_long(flag):
        return (view._replace(ended=True, clauses=(*view.clauses, "meta.flag.opaque-long")),)
    if letter == "T" or (letter == "N" and created):
        clause = f"meta.{line.word}.touch" if letter == "T" else f"meta.{line.word}.vivify-ttl"
        changed = store_rules.expiring(item, flag.number, now, rules)
        return (view._replace(item=changed, clauses=(*view.clauses, clause)),)
    if letter == "R" and line.word == "mg":
        return _recached(flag, view, now, rules)
    shown = _SHOWN[line.word].get(letter)
    if shown is None:
        return (view,)
    pieces, clause = shown(line, flag, item, now)
    return (view._replace(pieces=view.pieces + pieces, clauses=(*view.clauses, clause)),)


def _recached(flag: Flag, view: _View, now: Now, rules: Rules) -> tuple[_View, ...]:
    """R: a finite life shorter than the argument wins, if nobody did before."""
    due, _ = rules.functions.deadline(flag.number, now, rules)
    dies = view.item.dies
    if dies is None or due is None:
        return (view._replace(clauses=(*view.clauses, "meta.mg.recache-never")),)
    wins = view._replace(won=True, clauses=(*view.clauses, "meta.mg.recache"))
    waits = view._replace(clauses=(*view.clauses, "meta.mg.recache"))
    reached = rules.functions.reached
    if due.lo >= dies.hi and reached(now, due) == DEAD:
        return (waits,)
    return {DEAD: (wins,), ALIVE: (waits,), UNSURE: (wins, waits)}[arith.ends_before(dies, due)]


def _shown(line: Line, view: _View, cache: Cache, now: Now, rules: Rules, *, drops: bool, compares: bool) -> Done:
    """The reply of mg to a hit, once all flags have passed by."""
    item, clauses = view.item, view.clauses
    if view.ended:
        # A refused opaque comes too late for what stood before it; the item is not won, and fetched for some servers.
        if not line.has("u"):
            item = item._replace(seen=now, fetched=item.fetched or EITHER)
        after = store_rules.put(cache, line.key, item)
        return Done(after, Owed((meta.OPAQUE_LONG,), clauses))
    marks: tuple[Piece, ...] = ()
    if item.won:
        marks, clauses = (b" Z",), (*clauses, "meta.mg.already-won")
    if item.stale:
        marks, clauses = (*marks, b" X"), (*clauses, "meta.mg.stale")
    if not item.won and (view.won or item.stale):
        marks, clauses = (*marks, b" W"), (*clauses, "meta.mg.wins")
        item = item._replace(won=True)
    if line.has("u"):
        clauses = (*clauses, "meta.mg.unseen")
    else:
        item = rules.functions.used(item, now)
    if compares:
        clauses = (*clauses, "meta.mg.compare")
    if line.has("q"):
        clauses = (*clauses, "meta.mg.quiet-shows")
    after = store_rules.put(cache, line.key, item)
    if not line.has("v") or drops:
        return Done(after, Owed((b"HD", *view.pieces, *marks, b"\r\n"), ("meta.mg.hit", *clauses)))
    head, body = b"VA %d" % len(item.value), b"\r\n" + item.value + b"\r\n"
    return Done(after, Owed((head, *view.pieces, *marks, body), (*clauses, "meta.mg.value")))


def _key_of(line: Line, _flag: Flag, item: Item, _now: Now) -> tuple[tuple[Piece, ...], str]:
    key = meta.encode(line.key) + b" b" if item.binary else line.key
    return (b" k" + key,), "meta.flag.key-stored" if key != line.shown else "meta.flag.key"


def _echoed(line: Line, flag: Flag, _item: Item, _now: Now) -> tuple[tuple[Piece, ...], str]:
    return echo(line, flag), ECHO_CLAUSES[flag.letter]


def _unique_of(_line: Line, _flag: Flag, item: Item, _now: Now) -> tuple[tuple[Piece, ...], str]:
    return (b" c", unique(item)), "meta.flag.cas"


def _left_of(_line: Line, _flag: Flag, item: Item, now: Now) -> tuple[tuple[Piece, ...], str]:
    clause = "meta.flag.ttl" if item.dies is None or item.dies.lo > now.hi else "meta.flag.ttl-dead"
    return (b" t", left(item, now)), clause


def _flags_of(_line: Line, _flag: Flag, item: Item, _now: Now) -> tuple[tuple[Piece, ...], str]:
    return (b" f%d" % item.flags,), "meta.mg.flags"


def _size_of(_line: Line, _flag: Flag, item: Item, _now: Now) -> tuple[tuple[Piece, ...], str]:
    return (b" s%d" % len(item.value),), "meta.mg.size"


def _hit_of(_line: Line, _flag: Flag, item: Item, _now: Now) -> tuple[tuple[Piece, ...], str]:
    return (b" h", _hit(item, b"0", b"1")), "meta.mg.hit-before"


def _idle_of(_line: Line, _flag: Flag, item: Item, now: Now) -> tuple[tuple[Piece, ...], str]:
    return (b" l", idle(item, now)), "meta.mg.last-access"


_EVERY = {"O": _echoed, "c": _unique_of, "t": _left_of}
_SHOWN = {
    "mg": {**_EVERY, "k": _key_of, "f": _flags_of, "s": _size_of, "h": _hit_of, "l": _idle_of},
    "ma": {**_EVERY, "k": _echoed},
}
"""What the flags show of an item, by command."""


# ------------------------------------------------------------------------------------------------ md


def _delete(line: Line, found: Found, now: Now, rules: Rules) -> tuple[Done, ...]:
    item = found.item
    if item is None:
        return (_coded(line, found.cache, b"NF", ("meta.md.miss",), ("delete_misses",)),)
    done = []
    for same, cache in _compared(line, found, rules):
        if not same:
            done.append(_coded(line, cache, b"EX", ("meta.md.compare",), ("delete_misses",)))
        elif not (line.has("I") or line.has("x")):
            after = cache._replace(items=cache.items.drop(line.key))
            done.append(_coded(line, after, b"HD", ("meta.md.deleted",), ("delete_hits",), quiet=True))
        else:
            after, clauses = _marked(line, item, cache, now, rules)
            # An item that is marked as stale is none that was deleted; one that was emptied is, and a new one.
            counts = ("total_items",) if line.has("x") else ()
            counts = counts if line.has("I") else ("delete_hits", *counts)
            done.append(_coded(line, after, b"HD", clauses, counts, quiet=True))
    return tuple(done)


def _marked(line: Line, item: Item, cache: Cache, now: Now, rules: Rules) -> tuple[Cache, tuple[str, ...]]:
    """The cache after md with I or x: the item stays, stale, without its value, or both."""
    cas = item.cas
    clauses: tuple[str, ...] = ()
    if line.has("I") or line.number("E"):
        cas, cache, clauses = _new_unique(line, cache)
    if line.has("x"):
        item = Item(b"", line.number("F") or 0, None, cas, now)
        clauses = (*clauses, "meta.md.empties")
    if line.has("I"):
        item = item._replace(stale=True, won=False, cas=cas)
        clauses = (*clauses, "meta.md.invalidates")
    ttl = line.number("T")
    if ttl is not None:
        item = store_rules.expiring(item, ttl, now, rules)
        clauses = (*clauses, "meta.md.touch")
    return store_rules.put(cache, line.key, item), clauses


# ------------------------------------------------------------------------------------------------ ma


def _arithmetic(line: Line, found: Found, now: Now, rules: Rules) -> tuple[Done, ...]:
    if found.item is None:
        if not line.has("N"):
            missed = ("incr_misses" if line.up else "decr_misses",)
            return (_coded(line, found.cache, b"NF", ("meta.ma.miss",), missed),)
        return _created(line, found.cache, now, rules)
    delta = line.number("D")
    clauses = ("meta.ma.delta",) if delta is not None else ("meta.ma.delta-default",)
    delta = 1 if delta is None else delta
    item = found.item
    if not item.value or store_rules.chunked(line.key, item, rules):
        # These are refused before the cas unique is looked at, other values that are no number after it.
        return (Done(found.cache, Owed((text.NON_NUMERIC,), (*clauses, "meta.ma.non-numeric"))),)
    done = []
    for same, cache in _compared(line, found, rules):
        if not same:
            done.append(_coded(line, cache, b"EX", ("meta.ma.compare",)))
            continue
        results = rules.functions.count_found(found._replace(cache=cache), line.key, delta, now, rules, up=line.up)
        for result in results:
            reasons = (*clauses, *result.clauses)
            if result.status == store_rules.UNSPECIFIED:
                done.append(Done(result.cache, Owed((), reasons), _BLANKS))
            elif result.item is None or result.status == store_rules.NON_NUMERIC:
                done.append(Done(result.cache, Owed((text.NON_NUMERIC,), (*reasons, "meta.ma.non-numeric"))))
            else:
                counts, might = counted("incr_hits" if line.up else "decr_hits", cache, result)
                ends = _counted(line, item, result.item, result.cache, result.number, reasons, now, rules)
                done += [end._replace(owed=end.owed._replace(counts=counts, might=might)) for end in ends]
    return tuple(done)


def _counted(
    line: Line, before: Item, item: Item, cache: Cache, number: int, clauses: tuple[str, ...], now: Now, rules: Rules
) -> tuple[Done, ...]:
    """The replies to a number that was counted; E replaces the cas unique that the counting has given."""
    chosen, stored = line.number("E"), item
    if chosen:
        item, clauses = item._replace(cas=store_rules.chosen(chosen)), (*clauses, "meta.flag.chosen")
    view = _viewed(line, _View(item, (), clauses), now, rules, created=False)[0]
    # What is stored anew is stored before the flags are looked at: they show what they ask for, and change nothing.
    anew = view._replace(item=stored)
    if len(item.value) > len(before.value):
        return (_numbered(line, anew, cache, number, quiet=True),)
    if view.item == stored or rules.traits.counted_anew == "no":
        return (_numbered(line, view, cache, number, quiet=True),)
    anew = anew._replace(clauses=(*view.clauses, "meta.ma.marks"))
    return tuple(_numbered(line, one, cache, number, quiet=True) for one in (view, anew))


def _created(line: Line, cache: Cache, now: Now, rules: Rules) -> tuple[Done, ...]:
    """ma on a miss with N: the counter begins at J, and the delta is not applied."""
    number = line.number("J") or 0
    cas, cache, clauses = _new_unique(line, cache)
    if not rules.evictions and arith.pressed(cache.allocated, rules.limits.memory):
        return (Done(cache, Owed((), clauses), _FULL),)
    item = Item(b"%d" % number, 0, None, cas, now)
    view = _View(item, (), (*clauses, "meta.ma.vivify"))
    silent = rules.traits.quiet_create == "silent"
    if line.has("q"):
        view = view._replace(clauses=(*view.clauses, "meta.ma.quiet-create"))
    view = _viewed(line, view, now, rules, created=True)[0]
    end = _numbered(line, view, cache, number, quiet=silent)
    return (end._replace(owed=end.owed._replace(counts=("total_items",))),)


def _numbered(line: Line, view: _View, cache: Cache, number: int, *, quiet: bool) -> Done:
    cache = store_rules.put(cache, line.key, view.item)
    clauses = view.clauses
    if view.ended:
        return Done(cache, Owed((meta.OPAQUE_LONG,), clauses))
    if line.has("q") and quiet:
        return Done(cache, Owed((), (*clauses, "meta.ma.quiet")))
    if line.has("v"):
        digits = b"%d" % number
        head, body = b"VA %d" % len(digits), b"\r\n" + digits + b"\r\n"
        return Done(cache, Owed((head, *view.pieces, body), (*clauses, "meta.ma.value")))
    return Done(cache, Owed((b"HD", *view.pieces, b"\r\n"), (*clauses, "meta.ma.done")))


# ------------------------------------------------------------------------------------------------ me


def _debug(line: Line, found: Found, now: Now, rules: Rules) -> tuple[Done, ...]:
    item, cache = found.item, found.cache
    if item is None:
        return (Done(cache, Owed((b"EN\r\n",), ("meta.me.miss",), counts=("cmd_meta",))),)
    key = meta.encode(line.key) if item.binary else line.key
    size = store_rules.size(line.key, item.flags, len(item.value), rules)
    pieces: tuple[Piece, ...] = (
        *(b"ME %s exp=" % key, *_shown_left(item, now, rules)),
        *(b"la=", idle(item, now), b" cas=", unique(item)),
        *(b" fetch=", _hit(item, b"no", b"yes"), b" cls=", Span("a slab class", 1, 63), b" size=%d\r\n" % size),
    )
    return (Done(cache, Owed(pieces, ("meta.me.unseen", "memory.item.size", "meta.me.line"), counts=("cmd_meta",))),)


def _shown_left(item: Item, now: Now, rules: Rules) -> tuple[Piece, ...]:
    """The seconds left as `me` shows them, and the blank behind them.

    Released servers reckon in 32 bits, with a sign: from 2^31 on they show another number.
    """
    seconds, negated = left(item, now), rules.traits.me_ttl == "negated" and item.dies is not None
    if rules.traits.me_far == "wraps" and isinstance(seconds, Span) and seconds.lo > 0 and seconds.hi >= 2**31:
        numbers = (-some if negated else some for some in range(seconds.lo, seconds.hi + 1))
        return (OneOf(tuple(b"%d " % arith.signed32(number) for number in numbers)),)
    return (b"-", seconds, b" ") if negated else (seconds, b" ")


_COMMANDS = {"mg": _get, "md": _delete, "ma": _arithmetic, "me": _debug}
