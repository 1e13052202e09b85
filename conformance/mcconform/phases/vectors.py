"""Phase ``vectors``: hand-picked conversations, then those enumerated from the grammar in a small scope."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

from mcconform.jsonform import loads
from mcconform.phases import enumerated

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mcconform.conversation import Conversation
    from mcconform.phases.base import Plan


@cache
def picked() -> tuple[Conversation, ...]:
    """The hand-picked vectors, file by file in the order of their names.

    Raises:
        ValueError: naming the file and line that is no conversation, or the id that stands twice.
    """
    found: dict[str, Conversation] = {}
    folder = resources.files("mcconform") / "vectors"
    for entry in sorted(folder.iterdir(), key=lambda file: file.name):
        if not entry.name.endswith(".jsonl"):
            continue
        # Not splitlines: 0x85, which is a line end in Unicode, stands for a byte here.
        for number, line in enumerate(entry.read_text(encoding="utf-8").rstrip("\n").split("\n"), 1):
            try:
                conversation = loads(line)
            except ValueError as error:
                raise ValueError(f"{entry.name}:{number}: {error}") from error
            if conversation.id in found:
                raise ValueError(f"{entry.name}:{number}: the id {conversation.id} stands twice")
            found[conversation.id] = conversation
    return tuple(found.values())


@cache
def all_vectors() -> tuple[Conversation, ...]:
    """Hand-picked and enumerated."""
    return (*picked(), *enumerated.every())


def conversations(plan: Plan) -> Iterator[Conversation]:
    """Those of the selection."""
    for conversation in all_vectors():
        if plan.wanted(conversation):
            yield conversation
