"""The hand-written mutants of the engine, read from the files `hand_*.toml`."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import NamedTuple


class Hand(NamedTuple):
    """One mistake: its name, the file, the clause that it breaks, the text, and what replaces it."""

    name: str
    module: str
    clause: str
    old: str
    new: str


def _load() -> tuple[Hand, ...]:
    files = sorted(Path(__file__).parent.glob("hand_*.toml"))
    return tuple(Hand(**entry) for file in files for entry in tomllib.loads(file.read_text(encoding="utf-8"))["mutant"])


HAND = _load()
"""All of them."""


def apply(mutant: Hand, source: str) -> str:
    """The mutated source. Raises ValueError if the text to replace does not stand there exactly once."""
    if source.count(mutant.old) != 1:
        raise ValueError(f"{mutant.name}: its text stands {source.count(mutant.old)} times in {mutant.module}.py")
    return source.replace(mutant.old, mutant.new)
