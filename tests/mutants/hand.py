"""The hand-written mutants of the engine, read from `hand.toml`."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import NamedTuple


class Hand(NamedTuple):
    """One mistake: its name, the engine file, the text, what replaces it, and a glob of clauses that catch it."""

    name: str
    module: str
    old: str
    new: str
    clauses: str


def _load() -> tuple[Hand, ...]:
    data = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
    return tuple(Hand(**entry) for entry in data["mutant"])


HAND = _load()
"""All of them."""


def apply(mutant: Hand, source: str) -> str:
    """The mutated source. Raises ValueError if the text to replace does not stand there exactly once."""
    if source.count(mutant.old) != 1:
        raise ValueError(f"{mutant.name}: its text stands {source.count(mutant.old)} times in {mutant.module}.py")
    return source.replace(mutant.old, mutant.new)
