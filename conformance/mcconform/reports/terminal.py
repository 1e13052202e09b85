"""The report that a person reads: a progress bar on a terminal, plain lines elsewhere; failures; a table."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from mcconform.jsonform import from_record
from mcconform.reports.exercised import KINDS
from mcconform.reports.oneliner import one_liner
from mcconform.reports.shown import difference, escaped, steps
from mcconform.tally import ABSENT
from mcspec.describing import packets

if TYPE_CHECKING:
    from collections.abc import Mapping

COLOURS = {
    "pass": "green", "deviates": "yellow", "fail": "red", "unsupported": "blue", "unspecified": "blue",
    "inconclusive": "magenta", "blocked": "magenta", "harness-error": "red",
}  # fmt: skip

PLAIN_WIDTH = 120
"""Columns where there is no terminal."""

MOST_ERRORS = 5
"""Errors of the harness that are told one by one."""


def console() -> Console:
    """A console on standard output; plain and of a fixed width if that is no terminal."""
    made = Console(highlight=False, markup=False, soft_wrap=True)
    return made if made.is_terminal else Console(highlight=False, markup=False, soft_wrap=True, width=PLAIN_WIDTH)


class TerminalReport:
    """Prints events as they come.  ``address`` and ``target`` are what a user would type; they are in no event."""

    def __init__(self, out: Console, address: str, target: str) -> None:
        self._out = out
        self._address = address
        self._target = target
        self._count: Counter[str] = Counter()
        self._clauses: list[Mapping[str, Any]] = []
        self._exercised: dict[str, list[Mapping[str, Any]]] = {kind: [] for kind in KINDS}
        self._phase = ""
        self._errors = 0
        self._began = time.monotonic()
        self._bar: Progress | None = None
        self._task: Any = None
        if out.is_terminal:
            self._bar = Progress(
                TextColumn("{task.description:10}"), BarColumn(pulse_style="cyan"), TextColumn("{task.fields[done]}"),
                TimeElapsedColumn(), console=out, transient=True,
            )  # fmt: skip

    def __call__(self, event: Mapping[str, Any]) -> None:
        """Print one event."""
        name = str(event["event"])
        if name in KINDS:
            self._exercised[name].append(event)
        handler = getattr(self, "_phase_event" if name == "phase" else f"_{name}", None)
        if handler is not None:
            handler(event)

    def close(self) -> None:
        """Stop the progress bar."""
        if self._bar is not None:
            self._bar.stop()

    def _start(self, event: Mapping[str, Any]) -> None:
        name = self._target or "the bundled server"
        self._out.print(f"target   {name} ({event['transport']}, clock: {event['clock']}), {event['server']}")
        self._out.print(f"profile  {event['profile']}, {event['clauses']} clauses selected, seed {event['seed']}")
        if self._bar is not None:
            self._task = self._bar.add_task("", total=None, done="")
            self._bar.start()

    def _phase_ended(self) -> None:
        if self._phase and self._bar is None:
            self._out.print(f"{self._phase:10} {self._counts()}")
        self._count.clear()

    def _phase_event(self, event: Mapping[str, Any]) -> None:
        self._phase_ended()
        self._phase = str(event["name"])
        if self._bar is not None:
            self._bar.update(self._task, description=self._phase)

    def _conversation(self, event: Mapping[str, Any]) -> None:
        self._count[str(event["verdict"])] += 1
        if event["verdict"] == "harness-error":
            self._errors += 1
            if self._errors <= MOST_ERRORS:
                self._out.print(f"harness error in {event['id']}: {event.get('reason', '')}")
        total = sum(self._count.values())
        if self._bar is not None and total % 20 == 0:
            self._bar.update(self._task, done=self._counts())

    def _counts(self) -> str:
        total = sum(self._count.values())
        return f"{total} conversations: " + ", ".join(f"{n} {verdict}" for verdict, n in sorted(self._count.items()))

    def _failure(self, event: Mapping[str, Any]) -> None:
        out = self._out
        out.print()
        out.print(Text(f"FAILED {event['clause']} ({event['level']}): {event['kind']}", style="bold red"))
        if event["text"]:
            out.print(f"  {event['text']}")
        if event["source"]:
            out.print(f"  Source: {event['source']}")
        if event["detail"]:
            out.print(f"  {event['detail']}")
        if event["context"]:
            out.print(f"  request      {escaped(event['context'])}")
            self._in_words(str(event["context"]))
        self._compare([str(line) for line in event["expected"]], escaped(event["observed"]))
        self._in_words(str(event["observed"]))
        conversation = from_record(event["conversation"])
        if conversation.options:
            out.print(f"  options      {' '.join(conversation.options)}")
        for index, line in enumerate(steps(conversation)):
            out.print(f"  {'conversation' if index == 0 else '':12} {line}")
        out.print(f"  by hand      {one_liner(conversation, self._address)}")
        out.print(f"  replay       mcspec replay {event['id']} {self._target}")

    def _in_words(self, data: str) -> None:
        said = packets(data.encode("latin-1", "replace"))
        if said:
            self._out.print(f"  {'':12} = {escaped_text(said)}")

    def _compare(self, expected: list[str], observed: str) -> None:
        for index, line in enumerate(expected[:8]):
            self._out.print(f"  {'expected' if index == 0 else '      or':12} {escaped_text(line)}")
        if len(expected) > 8:
            self._out.print(f"  {'':12} or one of {len(expected) - 8} more")
        self._out.print(f"  observed     {observed or '(nothing)'}")
        if observed and expected:
            common = max(difference(escaped_text(line), observed) for line in expected)
            self._out.print(f"  {'':12} {' ' * common}^ differs here")

    def _clause(self, event: Mapping[str, Any]) -> None:
        self._clauses.append(event)

    def _end(self, event: Mapping[str, Any]) -> None:
        self._phase_ended()
        self.close()
        out = self._out
        out.print()
        out.print(self._table())
        chapters = {str(clause["id"]).partition(".")[0] for clause in self._clauses}
        for name, found in self._exercised.items():
            if not found or chapters.isdisjoint(KINDS[name].chapters):
                continue
            out.print(KINDS[name].title)
            for exercised in found:
                out.print(f"  {KINDS[name].summary(exercised)}")
        if event.get("stopped"):
            out.print(f"stopped early: {event['stopped']}")
        for name in event["outside"]:
            out.print(f"also failed, outside the selection: {name}")
        seconds = time.monotonic() - self._began
        verdicts = Counter(str(clause["verdict"]) for clause in self._clauses)
        summary = ", ".join(f"{n} {verdict}" for verdict, n in sorted(verdicts.items()))
        out.print(f"{len(self._clauses)} clauses: {summary}; {seconds:.1f} s")
        failed = [clause for clause in self._clauses if clause["verdict"] == "fail"]
        if failed:
            out.print(f"failed: {', '.join(str(clause['id']) for clause in failed)}")
        undecided = set(event["undecided"])
        if undecided:
            out.print(f"undecided must-clauses: {len(undecided)}")
            for clause in self._clauses:
                if clause["id"] in undecided:
                    out.print(f"  {clause['id']}: {clause['verdict']}: {clause.get('reason', '')}")
        reasons = Counter(str(clause.get("reason", "")) for clause in self._clauses)
        for reason, number in reasons.items():
            if reason.startswith(ABSENT):
                out.print(f"not applicable: {number}{reason.removeprefix(ABSENT)}")

    def _table(self) -> Table:
        table = Table(box=None, pad_edge=False)
        table.add_column("chapter section")
        columns = ("pass", "deviates", "fail", "undecided")
        for column in columns:
            table.add_column(column, justify="right")
        sections: dict[str, Counter[str]] = {}
        for clause in self._clauses:
            verdict = str(clause["verdict"])
            counts = sections.setdefault(str(clause["section"]), Counter())
            counts[verdict if verdict in columns else "undecided"] += 1
        for section, counts in sections.items():
            cells = [
                Text(str(counts[c]) if counts[c] else "·", style=COLOURS.get(c, "") if counts[c] else "dim")
                for c in columns
            ]
            table.add_row(section, *cells)
        return table


def escaped_text(line: str) -> str:
    """An expectation, which is escaped already, cut to what a line holds."""
    return line if len(line) <= 300 else f"{line[:140]} … {len(line)} characters … {line[-140:]}"
