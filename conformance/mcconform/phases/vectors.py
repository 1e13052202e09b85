"""Phase ``vectors``: hand-picked conversations, then those enumerated from the grammar in a small scope."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

from mcconform.flags import COMMANDS
from mcconform.jsonform import loads
from mcconform.phases import enumerated, enumerated_binary

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


def about(clause: str, name: str) -> bool:
    """Whether an enumerated vector (``enum.incr.delta-0.text``) is about a clause's command (``text.incr.adds``)."""
    parts, words = clause.split("."), name.split(".")
    if words[0] != "enum":
        return False
    if "binary" in (parts[0], words[1]):
        return parts[0] == words[1] and enumerated_binary.about(parts[1], name)
    if clause.startswith(("meta.line", "meta.key", "meta.flag")):
        # Rules that all meta commands have in common.
        return words[1] in COMMANDS
    # Commands of other chapters have the same names: lines of text decide nothing about them.
    return parts[0] in ("text", "meta") and parts[1] == words[1]


def conversations(plan: Plan) -> Iterator[Conversation]:
    """Those of the selection."""
    for conversation in all_vectors():
        if plan.wanted(conversation):
            yield conversation
