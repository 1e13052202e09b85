"""What is told of opcodes: how often each was exercised, and how the requests ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.table import Table

from mcconform.opcodes import ENDS

if TYPE_CHECKING:
    from collections.abc import Mapping


def summary(event: Mapping[str, Any]) -> str:
    """One line about a protocol: how many of its opcodes were exercised, and which were not."""
    counts = event["opcodes"]
    missing = [name for name, ends in counts.items() if not any(ends.values())]
    line = f"{event['protocol']}  {len(counts) - len(missing)} of {len(counts)} opcodes"
    return f"{line}; not: {', '.join(missing)}" if missing else line


def table(event: Mapping[str, Any]) -> Table:
    """A row for each opcode of a protocol, a column for each end."""
    made = Table(box=None, pad_edge=False)
    made.add_column(str(event["protocol"]))
    for end in ENDS:
        made.add_column(end, justify="right")
    for name, ends in event["opcodes"].items():
        made.add_row(name, *(str(ends[end]) for end in ENDS))
    return made
