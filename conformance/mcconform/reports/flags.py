"""The table of flags: for each meta command, how often each flag was exercised alone and behind each other one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import Console

MOST_NAMED = 12
"""Flags and pairs that were not exercised and are told one by one."""


def summary(event: Mapping[str, Any]) -> str:
    """One line about a command: what was exercised, and what was not."""
    alone, pairs = event["alone"], event["pairs"]
    missing = [*(letter for letter in alone if not alone[letter]), *(pair for pair in pairs if not pairs[pair])]
    line = f"{event['command']}  {_share(alone)} flags alone" + (f", {_share(pairs)} ordered pairs" if pairs else "")
    if not missing:
        return line
    more = f" and {len(missing) - MOST_NAMED} more" if len(missing) > MOST_NAMED else ""
    return f"{line}; not: {' '.join(missing[:MOST_NAMED])}{more}"


def _share(counts: Mapping[str, int]) -> str:
    return f"{sum(count > 0 for count in counts.values())} of {len(counts)}"


class FlagsReport:
    """Prints a table for each command when the run ends: rows are first flags, columns second ones."""

    def __init__(self, out: Console) -> None:
        self._out = out
        self._events: list[Mapping[str, Any]] = []

    def __call__(self, event: Mapping[str, Any]) -> None:
        """Keep what is about flags; print at the end."""
        if event["event"] == "flags":
            self._events.append(event)
        elif event["event"] == "end":
            self._print()

    def close(self) -> None:
        """Nothing is open."""

    def _print(self) -> None:
        if not self._events:
            self._out.print("\nno flag of a meta command was exercised")
        for event in self._events:
            self._out.print(f"\n{summary(event)}")
            self._out.print(_table(event))


def _table(event: Mapping[str, Any]) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column(f"{event['command']}")
    table.add_column("alone", justify="right")
    letters = list(event["alone"])
    for letter in letters if event["pairs"] else []:
        table.add_column(f"+{letter}", justify="right")
    for one in letters:
        cells = ["" if one == two else str(event["pairs"][one + two]) for two in letters] if event["pairs"] else []
        table.add_row(one, str(event["alone"][one]), *cells)
    return table
