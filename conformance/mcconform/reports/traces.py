"""Traces of models for people and programs: in words, as a Mermaid sequence diagram, as JSON, as a Conversation."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from mcconform.conversation import Advance, Conversation, HalfClose, Open, Reset, Send, Step
from mcconform.jsonform import dumps
from mcconform.verification import record

if TYPE_CHECKING:
    from pathlib import Path

    from mcconform.verification import Trace

_STEPS: dict[str, Any] = {
    "open": Open,
    "send": lambda conn, data: Send(conn, (data,)),
    "half-close": HalfClose,
    "reset": Reset,
}
_CLIENTS = ("client", "clock")


def words(trace: Trace) -> list[str]:
    """A line for the start and for each step: who does what, and the state after it."""
    numbered = [
        f"{number:3}. {line.source} -> {line.target}: {line.text}\n     {line.state}"
        for number, line in enumerate(trace.lines, 1)
    ]
    return [f"  0. start\n     {trace.start}", *numbered]


def mermaid(trace: Trace) -> str:
    """The trace in Mermaid's notation for sequence diagrams."""
    actors = dict.fromkeys(_actor(name) for line in trace.lines for name in (line.source, line.target))
    lines = ["sequenceDiagram", *(f"    participant {actor}" for actor in actors)]
    lines += [f"    {_actor(line.source)}->>{_actor(line.target)}: {_plain(line.text)}" for line in trace.lines]
    if trace.lines:
        lines.append(f"    Note over {','.join(list(actors)[:2])}: {_plain(trace.law)} is broken")
    return "\n".join(lines) + "\n"


def _actor(name: str) -> str:
    return re.sub(r"\W+", "_", name)


def _plain(text: str) -> str:
    """Text without what Mermaid reads as a separator."""
    return text.replace("#", "No. ").replace(";", ",").replace("\n", " ")


def conversation(trace: Trace) -> Conversation | None:
    """What the client did, for a real server; None if one of its moves is none that a client can do."""
    steps: list[Step] = []
    for line in trace.lines:
        if line.wire:
            kind, *arguments = line.wire
            steps.append(Advance(*arguments) if kind == "advance" else _STEPS[kind](*arguments))
        elif line.source.startswith(_CLIENTS) and line.source != line.target:
            return None
    if not steps:
        return None
    timed = any(isinstance(step, Advance) for step in steps)
    return Conversation(name(trace), tuple(steps), note=f"a trace of {trace.law}", exact=timed)


def name(trace: Trace) -> str:
    """What the files of a trace are called."""
    plant = f"-{trace.job.plant}" if trace.job.plant else ""
    return re.sub(r"[^a-z0-9.-]+", "-", f"{trace.law.removeprefix('law.')}{plant}".lower())


def save(trace: Trace, folder: Path) -> list[Path]:
    """Write a trace as `.json`, `.mmd` and, where there is one, as a conversation; the files."""
    folder.mkdir(parents=True, exist_ok=True)
    stem = name(trace)
    said = conversation(trace)
    texts = {
        f"{stem}.json": json.dumps(record(trace), indent=1, ensure_ascii=False) + "\n",
        f"{stem}.mmd": mermaid(trace),
        **({f"{stem}.conversation.json": dumps(said) + "\n"} if said is not None else {}),
    }
    for file, text in texts.items():
        (folder / file).write_text(text, encoding="utf-8")
    return [folder / file for file in texts]
