"""The event log: what a campaign did, one JSON object a line (schema in ``schema/events.json``).

The log is the product; every report is made from it and knows nothing of how it came to be.  It is canonical: it holds
no times, no ports, no cas uniques and no run prefixes, so the same seed on the same target gives the same log, byte
for byte (unless ``--max-time`` cuts a run short).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from importlib import resources
from typing import TYPE_CHECKING

from mcconform.jsonform import to_record

if TYPE_CHECKING:
    from pathlib import Path

    from mcconform.conversation import Conversation
    from mcconform.verdict import Difference, Line, Result
    from mcspec.clauses import Clause

FORMAT = 1
"""Version of the event log: it grows when a field changes its meaning, not when one is added."""

MOST_BYTES = 4096
"""Bytes of one chunk or answer that are written down; of more, the beginning and how many there were."""

Event = Mapping[str, object]
Emit = Callable[[Event], None]


def text(data: bytes) -> str:
    """Bytes as latin-1, cut to what a log can hold."""
    if len(data) <= MOST_BYTES:
        return data.decode("latin-1")
    return data[:MOST_BYTES].decode("latin-1") + f"<and {len(data) - MOST_BYTES} bytes more>"


def conversation(phase: str, result: Result) -> Event:
    """One conversation was run."""
    event: dict[str, object] = {
        "event": "conversation", "phase": phase, "id": result.conversation.id, "verdict": str(result.verdict),
    }  # fmt: skip
    if result.reason:
        event["reason"] = result.reason
    if result.deviates:
        event["deviates"] = result.deviates[-1]
    if result.difference is not None:
        event["clause"] = result.difference.clause
        event["kind"] = result.difference.kind
    return event


def failure(name: str, clause: Clause | None, result: Result, smallest: Conversation, runs: int) -> Event:
    """A clause failed: the difference, and the shortest conversation that shows it."""
    assert result.difference is not None  # a failure has one
    return {
        "event": "failure",
        "id": name,
        **_clause(result.difference.clause, clause),
        **_difference(result.difference),
        "conversation": to_record(smallest),
        "transcript": transcript(result.transcript),
        "shrink_runs": runs,
    }


def _clause(name: str, clause: Clause | None) -> dict[str, object]:
    if clause is None:
        return {"clause": name, "level": "must", "text": "", "source": ""}
    return {"clause": name, "level": clause.level, "text": clause.text, "source": clause.source}


def _difference(difference: Difference) -> dict[str, object]:
    return {
        "kind": difference.kind,
        "clauses": list(difference.clauses),
        "conn": difference.conn,
        "expected": [line[:MOST_BYTES] for line in difference.expected],
        "observed": text(difference.observed),
        "context": text(difference.context),
        "detail": difference.detail,
    }


def transcript(lines: tuple[Line, ...]) -> list[object]:
    """A transcript as JSON: one short object a line."""
    return [{"do": line.kind, "conn": line.conn, **({"data": text(line.data)} if line.data else {})} for line in lines]


def schema() -> Mapping[str, object]:
    """The published JSON schema of one event."""
    found = (resources.files("mcconform") / "schema" / "events.json").read_text(encoding="utf-8")
    loaded: Mapping[str, object] = json.loads(found)
    return loaded


class NdjsonReport:
    """Writes every event as one line."""

    def __init__(self, path: Path) -> None:
        """Open the file.

        Raises:
            OSError: if it cannot be written.
        """
        self._stream = path.open("w", encoding="ascii")

    def __call__(self, event: Event) -> None:
        """Write one event."""
        self._stream.write(json.dumps(event, ensure_ascii=True, separators=(",", ":")) + "\n")

    def close(self) -> None:
        """Close the file."""
        self._stream.close()
