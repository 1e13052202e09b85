"""Saves every failure to a file that ``mcspec replay`` takes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class SavedFailures:
    """Writes one JSON file for each failure event: the conversation, the clause, and how to judge it again."""

    def __init__(self, folder: Path, profile: str, spawn: str | None, *, allow_flush: bool) -> None:
        self._folder = folder
        self._kept = {"profile": profile, "spawn": spawn, "allow_flush": allow_flush}

    def __call__(self, event: Mapping[str, Any]) -> None:
        """Save a failure; other events pass."""
        if event["event"] != "failure":
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        record = {
            "id": event["id"], "clause": event["clause"], "kind": event["kind"], **self._kept,
            "conversation": event["conversation"],
        }  # fmt: skip
        path = self._folder / f"{event['id']}.json"
        path.write_text(json.dumps(record, indent=1, ensure_ascii=True) + "\n", encoding="ascii")
