"""The table of opcodes: how often each was exercised, and how the requests ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.table import Table

from mcconform.opcodes import ENDS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import Console


def summary(event: Mapping[str, Any]) -> str:
    """One line about a protocol: how many of its opcodes were exercised, and which were not."""
    counts = event["opcodes"]
    missing = [name for name, ends in counts.items() if not any(ends.values())]
    line = f"{event['protocol']}  {len(counts) - len(missing)} of {len(counts)} opcodes"
    return f"{line}; not: {', '.join(missing)}" if missing else line


class OpcodesReport:
    """Prints a table for each protocol when the run ends."""

    def __init__(self, out: Console) -> None:
        self._out = out
        self._events: list[Mapping[str, Any]] = []

    def __call__(self, event: Mapping[str, Any]) -> None:
        """Keep what is about opcodes; print at the end."""
        if event["event"] == "opcodes":
            self._events.append(event)
        elif event["event"] == "end":
            self._print()

    def close(self) -> None:
        """Nothing is open."""

    def _print(self) -> None:
        if not self._events:
            self._out.print("\nno opcode was exercised")
        for event in self._events:
            self._out.print(f"\n{summary(event)}")
            table = Table(box=None, pad_edge=False)
            table.add_column(str(event["protocol"]))
            for end in ENDS:
                table.add_column(end, justify="right")
            for name, ends in event["opcodes"].items():
                table.add_row(name, *(str(ends[end]) for end in ENDS))
            self._out.print(table)
