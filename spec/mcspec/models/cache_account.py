"""The account that the laws of the cache model read: what must be true of each key, in plain integers.

It follows what clients sent, what they were answered and the clock, and calls no function of the specification: a bug
there would hide itself here. Unlike the specification it is eager: what expires or is flushed leaves it at that moment.
"""

from __future__ import annotations

from typing import NamedTuple

FOREVER = 1000
"""A deadline that no model's clock reaches."""

NO_FLUSH = -1

NOTHING, EXPIRED, FLUSHED = "nothing", "expired", "flushed"
"""Why there is no item: none was stored, or it was seen to be gone; its deadline; a flush."""

STALE = 5
"""The cas unique of some item that is long gone; those of the items there are higher."""

KEYS = (b"a", b"b")
RELATIVE, ITEM = 2, 6
"""Shrunk limits: the longest relative exptime in seconds, the item size limit in bytes (a value of two bytes fits)."""


class Op(NamedTuple):
    """What a client sends, or the clock does. `number` is an exptime, delay or delta; `unique` that of cas."""

    word: str
    key: bytes = b""
    value: bytes = b""
    flags: int = 0
    number: int = 0
    unique: int = 0


class Outcome(NamedTuple):
    """What became of it: a status word, and what a hit or a count showed."""

    status: str
    value: bytes = b""
    flags: int = 0
    number: int = 0


class Held(NamedTuple):
    """An item: the texts that its value may have, flags, the second from which it is dead, and its cas unique.

    `unique` is 0 until a client has seen it; `refused` says that the number that a client guessed was not it. An item
    that is not `sure` may be gone: a flush was sent of which nobody knows whether it took anything.
    """

    values: tuple[bytes, ...]
    flags: int
    dies: int
    unique: int = 0
    refused: bool = False
    sure: bool = True


class Account(NamedTuple):
    """All keys, the key stored last (-1 unless both are held), the second in which a flush is due, bytes stored so far.

    `spent` are the cas uniques seen of items that are no longer there.
    """

    slots: tuple[Held | str, ...] = (NOTHING, NOTHING)
    newest: int = -1
    due: int = NO_FLUSH
    spent: frozenset[int] = frozenset((STALE,))
    stored: int = 0


class Terms(NamedTuple):
    """What the account must know of the server: where counters wrap, its memory (0: never short), whether it evicts."""

    counter: int = 4
    memory: int = 0
    evictions: bool = True


def size(value: bytes) -> int:
    """Bytes of an item: a key of one byte and its terminator, the value and CR LF."""
    return 4 + len(value)


def short(account: Account, terms: Terms, more: int = 0) -> bool:
    """Whether more than a quarter of the memory was ever stored, with `more` bytes on top."""
    return terms.memory > 0 and account.stored + more > terms.memory // 4


def death(exptime: int, clock: int) -> int:
    """The second from which an item with this exptime is dead."""
    if exptime == 0:
        return FOREVER
    if exptime < 0:
        return clock
    return clock + exptime if exptime <= RELATIVE else exptime


def number_of(value: bytes) -> int | None:
    """The number that a value of the model holds: digits, perhaps a blank after them."""
    digits = value.rstrip(b" ")
    return int(digits) if digits.isdigit() else None


def due(delay: int, clock: int) -> int:
    """When a positive delay has its flush due: a second before an item with that exptime would die."""
    return death(delay, clock) - 1


def counted(value: bytes, op: Op, terms: Terms) -> int | None:
    """What incr or decr makes of a value; None if it holds no number."""
    held = number_of(value)
    if held is None:
        return None
    return (held + op.number) % terms.counter if op.word == "incr" else max(held - op.number, 0)


def joined(value: bytes, op: Op) -> bytes:
    """What append or prepend makes of a value."""
    return value + op.value if op.word == "append" else op.value + value


def _forms(held: Held, op: Op, outcome: Outcome, terms: Terms) -> tuple[bytes, ...]:
    """The texts of a value after it was counted: where it became shorter, perhaps padded."""
    text = b"%d" % outcome.number
    old = [value for value in held.values if counted(value, op, terms) == outcome.number]
    return tuple(sorted({text, *(text.ljust(len(value)) for value in old)}))


def _linked(held: Held | None, op: Op, clock: int) -> Held:
    """The item that a successful store command leaves."""
    if op.word in ("append", "prepend"):
        values = {joined(value, op) for value in held.values} if held else {op.value}
        kept = tuple(sorted(value for value in values if size(value) <= ITEM))
        return Held(kept, held.flags if held else op.flags, held.dies if held else death(op.number, clock))
    return Held((op.value,), op.flags, death(op.number, clock))


def _slot(held: Held | None, op: Op, outcome: Outcome, clock: int, terms: Terms) -> Held | str | None:
    """What the key has after it; None if that is what it had before."""
    status = outcome.status
    if status == "STORED":
        return _linked(held, op, clock)
    if status in ("NOT_FOUND", "DELETED"):
        return NOTHING
    if status in ("TOO_LARGE", "NO_MEMORY"):
        return NOTHING if op.word == "set" else None
    if status == "NOT_STORED" and op.word != "add":
        return NOTHING
    if held is None:
        return None
    held = held._replace(sure=True)
    if status == "COUNTED":
        return held._replace(values=_forms(held, op, outcome, terms), unique=0, refused=False)
    if status == "FOUND" and op.word in ("touch", "gat"):
        held = held._replace(dies=death(op.number, clock))
    if status == "FOUND" and op.word != "touch":
        held = held._replace(values=(outcome.value,))
    if op.word == "gets":
        return held._replace(unique=outcome.number)
    if status == "EXISTS" and not held.unique and op.unique % 10 == 5 and op.unique != STALE:
        return held._replace(refused=True)
    if status == "TOO_LONG":
        return held._replace(values=tuple(v for v in held.values if size(joined(v, op)) > ITEM))
    return held


def _grown(held: Held | None, after: Held | str | None, op: Op, outcome: Outcome) -> int:
    """The bytes that a command stored anew."""
    if not isinstance(after, Held):
        return size(op.value) if outcome.status == "STORED" else 0
    longest = max(after.values, key=len, default=b"")
    if outcome.status == "STORED":
        return size(longest)
    grew = outcome.status == "COUNTED" and held is not None and len(longest) > max(map(len, held.values), default=0)
    return size(longest) if grew else 0


def _taken(slot: Held | str, clock: int, flushed_at: int) -> Held | str:
    """The slot at that moment: what is dead or flushed is out of it."""
    if isinstance(slot, Held):
        if slot.dies <= clock:
            return EXPIRED
        if flushed_at == clock:
            return FLUSHED
    return slot


def _closed(account: Account, before: Account) -> Account:
    """The account with the uniques of items that are gone spent, and the order of stores kept where it matters."""
    spent = account.spent
    for old, new in zip(before.slots, account.slots, strict=True):
        if isinstance(old, Held) and old.unique and not (isinstance(new, Held) and new.unique == old.unique):
            spent |= {old.unique}
    newest = account.newest if all(isinstance(slot, Held) for slot in account.slots) else -1
    return account._replace(spent=spent, newest=newest)


def _flushed(account: Account, delay: int, clock: int) -> Account:
    """The account after flush_all. A unix time gone by may mean now, or a flush that takes nothing."""
    if delay > RELATIVE and delay <= clock:
        slots = tuple(s._replace(sure=False) if isinstance(s, Held) else s for s in account.slots)
        return account._replace(slots=slots, due=NO_FLUSH)
    at = clock if delay <= 0 else due(delay, clock)
    slots = tuple(_taken(slot, clock, at) for slot in account.slots)
    return account._replace(slots=slots, due=at if delay > 0 else NO_FLUSH)


def follow(account: Account, op: Op, outcome: Outcome, clock: int, terms: Terms) -> Account:
    """The account after `op` had this outcome; `clock` is the second in which it had (of a tick, the new one)."""
    if op.word == "tick":
        slots = tuple(_taken(slot, clock, account.due) for slot in account.slots)
        after = account._replace(slots=slots, due=account.due if account.due >= clock else NO_FLUSH)
        return _closed(after, account)
    if op.word == "flush_all":
        return _closed(_flushed(account, op.number, clock), account)
    index = KEYS.index(op.key)
    slot = account.slots[index]
    held = slot if isinstance(slot, Held) else None
    made = _slot(held, op, outcome, clock, terms)
    if made is None:
        return account
    made_at_due = account.due if outcome.status == "STORED" else NO_FLUSH
    now = _taken(made, clock, made_at_due)
    slots = (*account.slots[:index], now, *account.slots[index + 1 :])
    newest = index if outcome.status in ("STORED", "COUNTED") else account.newest
    stored = account.stored
    if terms.memory:
        stored = min(stored + _grown(held, made, op, outcome), terms.memory // 4 + 1)
    return _closed(account._replace(slots=slots, newest=newest, stored=stored), account)


def renamed(account: Account, names: dict[int, int]) -> Account:
    """The account with its cas uniques under their new names; one without a name is of an item that is gone."""
    slots = tuple(
        s._replace(unique=names.get(s.unique, STALE)) if isinstance(s, Held) and s.unique else s for s in account.slots
    )
    return account._replace(slots=slots, spent=frozenset(names.get(number, STALE) for number in account.spent))
