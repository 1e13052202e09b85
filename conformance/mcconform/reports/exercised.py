"""What a campaign exercised, by what is counted: a line for every reader, a table where it is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from mcconform.reports import flags, opcodes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rich.console import Console
    from rich.table import Table


class Kind(NamedTuple):
    """How one kind of event is told: in one line below `title`, in a table, or, if there was none, with `nothing`.

    The line is for those who asked about one of the `chapters`.
    """

    summary: Callable[[Mapping[str, Any]], str]
    table: Callable[[Mapping[str, Any]], Table]
    title: str
    nothing: str
    chapters: tuple[str, ...]


KINDS: Mapping[str, Kind] = {
    "flags": Kind(
        flags.summary,
        flags.table,
        "flags of the meta commands that were exercised (--report flags shows how often):",
        "no flag of a meta command was exercised",
        ("meta",),
    ),
    "opcodes": Kind(
        opcodes.summary,
        opcodes.table,
        "opcodes that were exercised (--report opcodes shows how often, and how they ended):",
        "no opcode was exercised",
        ("binary", "packet"),
    ),
}
"""By the name of the event, which is also that of the report."""


class ExercisedReport:
    """Prints a table for each event of one kind when the run ends."""

    def __init__(self, out: Console, name: str) -> None:
        self._out = out
        self._name = name
        self._events: list[Mapping[str, Any]] = []

    def __call__(self, event: Mapping[str, Any]) -> None:
        """Keep what is of this kind; print at the end."""
        if event["event"] == self._name:
            self._events.append(event)
        elif event["event"] == "end":
            self._print(KINDS[self._name])

    def close(self) -> None:
        """Nothing is open."""

    def _print(self, kind: Kind) -> None:
        if not self._events:
            self._out.print(f"\n{kind.nothing}")
        for event in self._events:
            self._out.print(f"\n{kind.summary(event)}")
            self._out.print(kind.table(event))
