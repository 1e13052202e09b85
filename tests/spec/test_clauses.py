"""The normative text and the code name the same clauses."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import mcspec
from mcspec import clauses
from mcspec.connection import TABLE

SPEC = Path(mcspec.__file__).parent
COMPOSED = {
    *(f"text.{mode}.{rule}" for mode in ("append", "prepend") for rule in ("joined", "keeps", "too-large")),
    *(f"text.{word}.hit" for word in ("get", "gets", "gat", "gats")),
    *(f"meta.ms.mode-{mode}" for mode in ("set", "add", "append", "prepend", "replace")),
    *(f"meta.{word}.{rule}" for word in ("mg", "ma") for rule in ("touch", "vivify-ttl")),
    *(f"meta.{word}.{rule}" for word in ("md", "ma") for rule in ("quiet", "quiet-shows")),
    "meta.mg.quiet",
    *(f"admin.crawler.{word}" for word in ("enable", "disable", "sleep", "tocrawl")),
    *(f"admin.{word}.forbidden" for word in ("metadump", "mgdump")),
    *(f"binary.{word}.{rule}" for word in ("get", "touch", "gat") for rule in ("hit", "miss")),
    *(f"binary.{word}.counts" for word in ("incr", "decr")),
}
"""Ids that the code puts together from a command's word."""


@pytest.mark.parametrize(
    ("chapter", "least", "rules"),
    [
        ("text", 120, 110),
        ("meta", 90, 80),
        ("stats", 55, 50),
        ("admin", 35, 35),
        ("memory", 9, 8),
        ("binary", 95, 93),
        ("udp", 25, 20),
        ("packet", 60, 60),
        ("access", 35, 25),
    ],
)
def test_size_of_the_chapters(chapter: str, least: int, rules: int) -> None:
    """What is the size of each chapter; most of its clauses are rules."""
    loaded = [clause for name, clause in clauses.load().items() if name.startswith(f"{chapter}.")]
    assert len(loaded) >= least
    assert sum(clause.level == "must" for clause in loaded) >= rules


def test_code_and_text_agree() -> None:
    """Every clause named in the code is written, and every clause written is named in the code."""
    named = set(COMPOSED)
    for file in SPEC.glob("*.py"):
        named |= set(
            re.findall(
                r'"((?:text|meta|stats|admin|memory|binary|packet|udp|access)\.[a-z]+\.[a-z0-9-]+)"',
                file.read_text(encoding="utf-8"),
            )
        )
    named -= {"text.stream.prompt"} - set(clauses.load())
    assert named == set(clauses.load())


def test_the_table_names_clauses() -> None:
    """Clauses of rows exist."""
    named = {clause for rows in TABLE.values() for row in rows for clause in row.clauses}
    assert named <= set(clauses.load())


def test_every_clause_has_a_source() -> None:
    """Each says where it comes from, in one of three words."""
    for clause in clauses.load().values():
        assert re.search(r"written, line|measured|chosen", clause.source), clause
        assert clause.section
        assert clause.text.rstrip(")").endswith("."), clause


@pytest.mark.parametrize(
    "document",
    ["#### text.x (must)\n\nText.\n", "#### text.x (perhaps)\n\nText.\n\nSource: measured\n", "#### Nonsense\n"],
)
def test_malformed_documents(document: str) -> None:
    """A clause without source, with an unknown level or without an id is an error, not a gap."""
    with pytest.raises(clauses.ClauseError):
        clauses.parse(document, "test.md")
