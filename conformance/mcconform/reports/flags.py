"""What is told of flags: for each meta command, how often each was exercised alone and behind each other one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Mapping

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


def table(event: Mapping[str, Any]) -> Table:
    """A row for each flag of a command as the first one, a column for each as the second."""
    made = Table(box=None, pad_edge=False)
    made.add_column(f"{event['command']}")
    made.add_column("alone", justify="right")
    letters = list(event["alone"])
    for letter in letters if event["pairs"] else []:
        made.add_column(f"+{letter}", justify="right")
    for one in letters:
        cells = ["" if one == two else str(event["pairs"][one + two]) for two in letters] if event["pairs"] else []
        made.add_row(one, str(event["alone"][one]), *cells)
    return made
