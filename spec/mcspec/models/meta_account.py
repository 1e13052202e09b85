"""The account that the laws of the meta model read: what must be true of each item and its marks, in plain values.

It follows what clients sent, what they were answered and the clock, and calls no function of the specification: a bug
there would hide itself here.
"""

from __future__ import annotations

from typing import NamedTuple

FOREVER = 1000
"""A deadline that no model's clock reaches."""

STALE, NEWER, CHOSEN = 5, 10**6, 10**5
"""Cas uniques: of some item long gone, one above all that are there, and the one that E chooses."""

KEYS = (b"a", b"b")


class Op(NamedTuple):
    """What a client sends: a command, its key, the flags of a meta command as they are written, and a value."""

    command: str
    key: bytes = b"a"
    flags: tuple[str, ...] = ()
    value: bytes = b""

    def flag(self, letter: str) -> str | None:
        """The argument of a flag; None if it is absent."""
        return next((flag[1:] for flag in self.flags if flag[0] == letter), None)

    def has(self, letter: str) -> bool:
        """Whether the flag is there."""
        return self.flag(letter) is not None

    def number(self, letter: str) -> int:
        """The number of a flag that is there."""
        return int(self.flag(letter) or 0)


class Reply(NamedTuple):
    """What came back: the code (VALUE for a hit of get, nothing for silence), what follows it, and a value."""

    code: str = ""
    shown: tuple[str, ...] = ()
    value: bytes | None = None


class Held(NamedTuple):
    """An item: value, the second from which it is dead, its marks, its cas unique (0 until somebody saw it)."""

    value: bytes
    dies: int = FOREVER
    stale: bool = False
    won: bool = False
    unique: int = 0


Account = tuple[Held | None, ...]
"""What is held under each key."""


def death(exptime: int, clock: int) -> int:
    """The second from which an item with this exptime is dead."""
    return FOREVER if exptime == 0 else clock + exptime


def compares(op: Op, held: Held) -> str:
    """How the C of a command compares with the item: same, older, newer, or none if it has no C."""
    if not op.has("C"):
        return "none"
    number = op.number("C")
    if number == held.unique:
        return "same"
    return "newer" if number > (held.unique or STALE) else "older"


def wins(op: Op, held: Held, clock: int) -> bool:
    """Whether somebody has to be told to store this item anew."""
    if held.won:
        return False
    short = op.has("R") and held.dies != FOREVER and held.dies - clock < op.number("R")
    return held.stale or short


def stores(op: Op, held: Held | None) -> str:
    """What a command with a value does: stores, demotes or nothing."""
    mode = op.flag("M") or "S"
    if op.command == "set":
        return "stores"
    if mode == "E":
        return "nothing" if held else "stores"
    if mode == "A":
        return "joins" if held else "nothing"
    if op.has("C"):
        how = compares(op, held) if held else "newer"
        return {"same": "stores", "older": "demotes" if op.has("I") else "nothing"}.get(how, "nothing")
    return "stores"


def _linked(held: Held | None, op: Op, clock: int) -> Held | None:
    """What a command with a value leaves."""
    how = stores(op, held)
    unique = op.number("E")
    exptime = int(op.flag("T") or 0)
    if how == "stores":
        return Held(op.value, death(exptime, clock), unique=unique)
    if how == "joins" and held:
        return Held(held.value + op.value, held.dies, unique=unique)
    if how == "demotes" and held:
        return Held(op.value, held.dies, stale=True, won=held.won, unique=unique)
    return held


def _deleted(held: Held, op: Op, clock: int) -> Held | None:
    """What md leaves of an item."""
    if compares(op, held) not in ("none", "same"):
        return held
    if not (op.has("I") or op.has("x")):
        return None
    if op.has("x"):
        held = Held(b"", unique=held.unique)
    if op.has("I"):
        held = held._replace(stale=True, won=False, unique=0)
    return held._replace(dies=death(op.number("T"), clock)) if op.has("T") else held


def _looked(held: Held | None, op: Op, reply: Reply, clock: int) -> Held | None:
    """What mg leaves."""
    if held is None:
        if not op.has("N"):
            return None
        held = Held(b"", death(op.number("N"), clock), won=True)
    elif wins(op, held, clock):
        held = held._replace(won=True)
    if op.has("T"):
        held = held._replace(dies=death(op.number("T"), clock))
    shown = next((int(one[1:]) for one in reply.shown if one[0] == "c"), 0)
    return held._replace(unique=shown or held.unique)


def follow(account: Account, op: Op, reply: Reply, clock: int) -> Account:
    """The account after a step in that second (of a tick, the new one)."""
    if op.command == "tick":
        return tuple(held if held and held.dies > clock else None for held in account)
    index = KEYS.index(op.key)
    held = account[index]
    if op.command in ("ms", "set"):
        held = _linked(held, op, clock)
        shown = next((int(one[1:]) for one in reply.shown if one[0] == "c"), 0)
        if held and shown and reply.code == "HD" and not op.has("E"):
            held = held._replace(unique=shown)
    elif op.command == "mg":
        held = _looked(held, op, reply, clock)
    elif op.command == "delete":
        held = None
    elif op.command == "md" and held:
        held = _deleted(held, op, clock)
    elif op.command == "touch" and held:
        held = held._replace(dies=death(op.number("T"), clock))
    if held and held.dies <= clock:
        held = None
    return (*account[:index], held, *account[index + 1 :])
