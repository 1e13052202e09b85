"""Vectors enumerated in a small scope: every flag of every meta command, alone and in every ordered pair.

Each runs on four items: a missing one, a live one, a stale one, and one that somebody has won. Each is looked at
afterwards in every respect that a flag can show.
"""

from __future__ import annotations

from base64 import b64encode
from itertools import permutations
from typing import TYPE_CHECKING

from mcconform.conversation import PREFIX, CasRef, Conversation, Send, Settle, Step
from mcconform.flags import COMMANDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mcconform.conversation import Part

STATES: dict[str, bytes] = {
    "missing": b"",
    "live": b"ms %s 2 T500 F5\r\n12\r\n",
    "stale": b"ms %s 2 T500 F5\r\n12\r\nmd %s I T500\r\n",
    "won": b"ms %s 2 T20 F5\r\n12\r\nmg %s R30\r\n",
}
"""What brings an item into its state; of its key it is made by `_setup`."""

ARGUMENTS: dict[str, tuple[bytes, ...]] = {
    "T": (b"100", b"0", b"-1", b"2592000"), "N": (b"60", b"0", b"-1"), "R": (b"30", b"1000", b"0", b"-1"),
    "E": (b"700",), "F": (b"9", b"0", b"4294967295"), "O": (b"opaque", b"o" * 31), "L": (b"", b"x"), "P": (b"", b"x"),
    "D": (b"5", b"0", b"18446744073709551615"), "J": (b"40", b"0", b"18446744073709551615"),
}  # fmt: skip
"""Arguments, of which pairs have the first."""

MODES: dict[str, tuple[bytes, ...]] = {"ms": (b"A", b"S", b"E", b"P", b"R"), "ma": (b"D", b"I", b"+", b"-")}
BAD = {"T": b"x", "N": b"x", "R": b"1x", "C": b"-1", "E": b"x", "F": b"4294967296", "D": b"x", "J": b"x", "M": b"x",
       "O": b"o" * 32}  # fmt: skip
"""An argument that is refused."""

OFFSETS = (0, 1, -1)
"""From the cas unique of the item to that of C: the same one, a later one, an earlier one."""


def _key(state: str) -> bytes:
    return PREFIX + b"-" + state.encode()


def _setup() -> bytes:
    """All items, each looked at in a way that changes nothing and shows its cas unique."""
    made = b"".join(setup.replace(b"%s", _key(state)) for state, setup in STATES.items())
    return made + b"".join(b"me %s\r\n" % _key(state) for state in STATES)


Flag = tuple[str, bytes | int]
"""A letter with its argument; that of C is an offset."""


def _parts(command: str, key: bytes, flags: tuple[Flag, ...]) -> list[Part]:
    """One request, and a look at its item."""
    named = b64encode(key) if any(letter == "b" for letter, _ in flags) else key
    parts: list[Part] = [b"%s %s%s" % (command.encode(), named, b" 2" if command == "ms" else b"")]
    for letter, argument in flags:
        parts.append(b" " + letter.encode())
        parts.append(CasRef(key, argument) if isinstance(argument, int) else argument)
    parts.append(b"\r\n34\r\n" if command == "ms" else b"\r\n")
    parts.append(b"mg %s u c f h k s t v\r\nme %s\r\nmg %s v\r\n" % (key, key, key))
    return parts


def _vector(name: str, command: str, flags: tuple[Flag, ...]) -> Conversation:
    steps: list[Step] = [Send(0, (_setup(),)), Settle(0)]
    steps += [Send(0, tuple(part for part in _parts(command, _key(state), flags) if part != b"")) for state in STATES]
    return Conversation(f"enum.{command}.{name}", (*steps, Settle()))


def _arguments(command: str, letter: str) -> tuple[bytes | int, ...]:
    if letter == "C":
        return OFFSETS
    return MODES[command] if letter == "M" else ARGUMENTS.get(letter, (b"",))


def every() -> Iterator[Conversation]:
    """No flag; each flag alone, with several arguments and a bad one; each ordered pair of flags."""
    for command, letters in COMMANDS.items():
        yield _vector("no-flag", command, ())
        for letter in letters:
            bad = (BAD[letter],) if letter in BAD else ()
            for number, argument in enumerate((*_arguments(command, letter), *bad)):
                yield _vector(f"alone.{letter}.{number}", command, ((letter, argument),))
        for one, two in permutations(letters, 2):
            yield from _pair(command, one, two)


def _pair(command: str, one: str, two: str) -> Iterator[Conversation]:
    """A pair; with C, once for a cas unique that is the item's and once for an earlier one."""
    name = f"pair.{one}{two}"
    first, second = (_arguments(command, letter)[0] for letter in (one, two))
    yield _vector(name, command, ((one, first), (two, second)))
    if "C" in (one, two):
        earlier = tuple(
            (letter, -1 if letter == "C" else argument) for letter, argument in ((one, first), (two, second))
        )
        yield _vector(f"{name}.earlier", command, earlier)
