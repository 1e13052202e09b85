"""Which flags of the meta commands a campaign exercised: alone, and in ordered pairs.

A flag counts where a request that has it, and no more than one other, was carried out: refused lines do not count.
"""

from __future__ import annotations

from itertools import permutations
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Mapping

    from mcspec import Outcome

COMMANDS: Mapping[str, str] = {
    "mg": "bcfhklqstuvCELNOPRT",
    "ms": "bckqsCEFILMNOPT",
    "md": "bkqxCEFILOPT",
    "ma": "bckqtvCDEJLMNOPT",
    "me": "b",
}
"""The flags of each command, and P and L, which all of them accept and ignore."""

Used = tuple[str, str]
"""A command and the letters of one or two flags, in their order."""


def of(outcome: Outcome) -> list[Used]:
    """What an outcome exercised."""
    found = []
    for owed in outcome.owed:
        if owed.request[:1] != b"m" or any(isinstance(piece, bytes) and b"ERROR" in piece for piece in owed.pieces[:1]):
            continue
        words = owed.request.split(b"\n")[0].rstrip(b"\r").decode("latin-1").split(" ")
        words = [word for word in words if word]
        known = COMMANDS.get(words[0] if words else "")
        letters = "".join(word[0] for word in words[3 if known and words[0] == "ms" else 2 :])
        if known and 1 <= len(letters) <= 2 and set(letters) <= set(known):
            found.append((words[0], letters))
    return found


def events(counts: Counter[Used]) -> list[dict[str, object]]:
    """One event for each command, if any flag was exercised at all."""
    return [_event(counts, command, letters) for command, letters in COMMANDS.items()] if counts else []


def _event(counts: Counter[Used], command: str, letters: str) -> dict[str, object]:
    pairs = ["".join(pair) for pair in permutations(letters, 2)]
    return {
        "event": "flags",
        "command": command,
        "alone": {letter: counts[command, letter] for letter in letters},
        "pairs": {pair: counts[command, pair] for pair in pairs},
    }
