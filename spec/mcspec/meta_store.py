"""ms carried out on a cache: one command for all that stores, its mode and its cas unique given by flags."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mcspec import arith, meta_answers, text
from mcspec import cache as store_rules
from mcspec.answers import TOO_LARGE, UNCOVERED, Done, lapses, stored_counts
from mcspec.cache import Cache, Item, Now
from mcspec.pattern import Owed, Piece
from mcspec.storing import Entry

if TYPE_CHECKING:
    from mcspec.meta import Line, MetaStore
    from mcspec.rules import Rules

_CODES = {
    store_rules.STORED: b"HD",
    store_rules.NOT_STORED: b"NS",
    store_rules.EXISTS: b"EX",
    store_rules.NOT_FOUND: b"NF",
}


def store(request: MetaStore, block: bytes, cache: Cache, since: Now, now: Now, rules: Rules) -> tuple[Done, ...]:
    """Carry out ms once its block has arrived: `block` with its last two bytes; `since` is the moment of its line."""
    line = request.line
    if block[-2:] != b"\r\n":
        if rules.traits.unique_taken == "line":
            # What was taken with the line goes to another store.
            cache = cache._replace(ordered=False)
        refused = (*request.clauses, "meta.ms.bad-chunk")
        return (Done(cache, Owed((text.BAD_CHUNK,), refused, counts=("cmd_set",))),)
    known = store_rules.met(cache, (request.key,))
    if known is None:
        return (UNCOVERED,)
    entry, clauses = _entry(request, block[:-2], since, rules)
    done = []
    lost = lapses(known, request.key, now, rules)
    for result in rules.functions.store(known, entry, now, rules):
        reasons = (*request.clauses, *clauses, *result.clauses)
        counts = stored_counts(entry.mode, result)
        if result.status == store_rules.NO_MEMORY:
            emptied = rules.functions.oversize(result.cache, "set", request.key)
            done.append(Done(emptied, Owed((text.NO_MEMORY,), reasons, counts=counts, might=lost)))
            continue
        stored = result.status == store_rules.STORED
        item = result.item if stored else None
        reasons = (*reasons, "meta.ms.stored" if stored else "meta.ms.refused")
        if line.has("q"):
            reasons = (*reasons, "meta.ms.quiet" if stored else "meta.ms.quiet-shows")
        owed: tuple[Piece, ...] = ()
        if not (stored and line.has("q")):
            pieces, shown = _told(line, item, len(entry.value), rules)
            owed, reasons = (_CODES[result.status], *pieces, b"\r\n"), reasons + shown
        done.append(Done(result.cache, Owed(owed, reasons, counts=counts, might=lost)))
    return tuple(done)


def _entry(request: MetaStore, value: bytes, since: Now, rules: Rules) -> tuple[Entry, tuple[str, ...]]:
    """The store that a line of ms asks for: C makes a cas of set and replace."""
    line = request.line
    unique_given = line.number("C")
    compares = unique_given is not None and request.mode in ("set", "replace")
    joins = request.mode in ("append", "prepend")
    clauses: tuple[str, ...] = ()
    for letter, clause in (("C", "meta.ms.compare"), ("F", "meta.ms.flags"), ("T", "meta.ms.ttl")):
        if line.has(letter):
            clauses = (*clauses, clause)
    if line.has("I") and not compares:
        clauses = (*clauses, "meta.ms.invalidate-alone")
    creates = joins and rules.traits.append_creates == "yes"
    entry = Entry(
        "cas" if compares else request.mode,
        request.key,
        request.flags,
        line.number("T") or 0,
        value,
        since,
        unique=unique_given if compares or joins else None,
        chose=line.number("E"),
        binary=line.has("b"),
        create=line.number("N") if creates else None,
        demote=line.has("I") and compares,
        taken=request.taken,
    )
    return entry, (*clauses, "meta.flag.chosen") if entry.chose else clauses


def _told(line: Line, item: Item | None, length: int, rules: Rules) -> tuple[tuple[Piece, ...], tuple[str, ...]]:
    """What the flags of ms show; `item` is None if it was not stored."""
    pieces: tuple[Piece, ...] = ()
    clauses: tuple[str, ...] = ()
    for flag in line.flags:
        if flag.letter == "c":
            pieces += (b" c0",) if item is None else (b" c", meta_answers.unique(item))
            clauses = (*clauses, "meta.ms.cas")
        elif flag.letter == "s" and rules.traits.ms_size == "shown":
            pieces += (b" s%d" % (length if item is None else len(item.value)),)
            clauses = (*clauses, "meta.ms.size")
        elif flag.letter in meta_answers.ECHO_CLAUSES:
            pieces += meta_answers.echo(line, flag)
            clauses = (*clauses, meta_answers.ECHO_CLAUSES[flag.letter])
    return pieces, clauses


def too_large(request: MetaStore) -> text.Answer:
    """The refusal of a value that cannot fit; its block is swallowed, and no mode keeps the old item."""
    clauses = (*request.clauses, "text.store.too-large", "meta.ms.too-large")
    return text.Answer(text.TOO_LARGE, False, clauses, arith.block_length(request.length), counts=TOO_LARGE)
