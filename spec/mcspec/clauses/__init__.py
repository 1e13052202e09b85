"""The normative text: one labelled paragraph for each rule, read from the Markdown files of this folder.

A clause begins with a heading `#### text.set.stored (must)`, has one paragraph of text, and ends with a line
`Source: ...`. Section headings (`## ...`) group clauses. Ids are stable and never positional.
"""

from __future__ import annotations

import re
from functools import cache
from importlib import resources
from typing import NamedTuple

LEVELS = ("must", "should", "observe")


class Clause(NamedTuple):
    """One rule. `level` is must, should or observe; `section` the heading it stands under."""

    id: str
    level: str
    section: str
    text: str
    source: str


class ClauseError(ValueError):
    """A clause file that does not have the form that the module describes."""


_HEADING = re.compile(r"#### ([a-z0-9.-]+) \((must|should|observe)\)")


@cache
def load() -> dict[str, Clause]:
    """All clauses by id, in the order of the documents. Raises ClauseError on a malformed document."""
    found: dict[str, Clause] = {}
    for entry in sorted(resources.files(__name__).iterdir(), key=lambda file: file.name):
        if entry.name.endswith(".md"):
            for clause in parse(entry.read_text(encoding="utf-8"), entry.name):
                if clause.id in found:
                    raise ClauseError(f"{entry.name}: {clause.id} stands twice")
                found[clause.id] = clause
    return found


def parse(document: str, name: str) -> list[Clause]:
    """The clauses of one document."""
    section, found = "", []
    for block in re.split(r"\n(?=#)", document):
        head, _, body = block.partition("\n")
        if head.startswith("## "):
            section = head[3:].strip()
        elif head.startswith("####"):
            heading = _HEADING.fullmatch(head.strip())
            if heading is None:
                raise ClauseError(f"{name}: not a clause heading: {head}")
            text, _, source = body.strip().partition("\nSource: ")
            if not text or not source:
                raise ClauseError(f"{name}: {heading[1]} lacks its text or its source")
            found.append(Clause(heading[1], heading[2], section, " ".join(text.split()), " ".join(source.split())))
    return found
