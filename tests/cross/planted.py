"""Bugs of a server in text or in meta, as what it would read in the place of what was written."""

from __future__ import annotations

import re
from typing import Any

from mcspec import Rules
from mcspec.text import Reader
from tests.cross.operations import Protocol
from tests.cross.runs import Exchange

PLANTED: dict[str, tuple[bytes, bytes]] = {
    "ms forgets T": (rb"^(ms .*) T\S+", rb"\1"),
    "ms forgets F": (rb"^(ms .*) F\S+", rb"\1"),
    "ms compares with nothing": (rb"^(ms .*) C\S+", rb"\1"),
    "ms ME stores over an item": (rb"^(ms .*) ME", rb"\1 MS"),
    "ms MA puts it before": (rb"^(ms .*) MA", rb"\1 MP"),
    "ms MR makes an item": (rb"^(ms .*) MR", rb"\1 MS"),
    "ms is never quiet": (rb"^(ms .*) q", rb"\1"),
    "mg forgets T": (rb"^(mg .*) T\S+", rb"\1"),
    "mg shows no cas unique": (rb"^(mg .*) c", rb"\1"),
    "ma counts by one": (rb"^(ma .*) D\S+", rb"\1"),
    "ma MD adds": (rb"^(ma .*) MD", rb"\1 MI"),
    "ma is never quiet": (rb"^(ma .*) q", rb"\1"),
    "md takes another key": (rb"^md (\S+)", rb"md \1x"),
    "md keeps the item as stale": (rb"^(md .*)", rb"\1 I"),
    "touch is for ever": (rb"^(touch \S+) \S+", rb"\1 0"),
    "gat is for ever": (rb"^(gat) \S+", rb"\1 0"),
    "incr counts by one": (rb"^(incr \S+) \S+", rb"\1 1"),
    "cas compares with 0": (rb"^(cas \S+ \S+ \S+ \S+) \S+", rb"\1 0"),
    "replace forgets the flags": (rb"^(replace \S+) \S+", rb"\1 0"),
    "add has no exptime": (rb"^(add \S+ \S+) \S+", rb"\1 0"),
    "prepend is always silent": (rb"^(prepend .*\d)$", rb"\1 noreply"),
    "delete is never quiet": (rb"^(delete .*) noreply", rb"\1"),
}
"""By name: a pattern of a command line, and what is read instead."""


def misread(name: str) -> Rules:
    """Rules under which the specification reads lines so."""
    pattern, instead = PLANTED[name]

    def reading(reader: Reader) -> Reader:
        def read(words: tuple[bytes, ...], clauses: tuple[str, ...], rules: Rules) -> Any:
            line = re.sub(pattern, instead, b" ".join(words))
            return reader(tuple(line.split(b" ")), clauses, rules)

        return read

    rules = Rules()
    return rules._replace(grammar={word: reading(reader) for word, reader in rules.grammar.items()})


def misreading(name: str, exchange: Exchange) -> Exchange:
    """A server that reads lines so."""
    pattern, instead = PLANTED[name]

    def misread_exchange(conn: int, request: bytes, protocol: Protocol = "text", *, udp: bool = False) -> bytes:
        lines = [re.sub(pattern, instead, line) for line in request.split(b"\r\n")]
        return exchange(conn, b"\r\n".join(lines), protocol, udp=udp)

    return misread_exchange
