"""How reports show bytes and conversations."""

from __future__ import annotations

from mcconform.conversation import Advance, Conversation, Datagram, Open, Send, Settle, Step, pieces
from mcconform.observed import shown

MOST = 300
"""Characters of one chunk that are shown."""


def escaped(data: bytes | str, most: int = MOST) -> str:
    r"""Bytes in printable characters: ``\r``, ``\n``, ``\x80``; cut in the middle if there are many."""
    raw = data.encode("latin-1", "replace") if isinstance(data, str) else data
    text = raw.decode("latin-1").encode("unicode_escape").decode("ascii")
    if len(text) <= most:
        return text
    half = (most - 20) // 2
    return f"{text[:half]} … {len(raw)} bytes … {text[-half:]}"


def difference(expected: str, observed: str) -> int:
    """How many characters the two begin with in common."""
    count = 0
    for left, right in zip(expected, observed, strict=False):
        if left != right:
            break
        count += 1
    return count


def steps(conversation: Conversation) -> list[str]:
    """A conversation as lines: ``0> set ...`` for a chunk on connection 0, ``0>> ...`` for a datagram."""
    return [line for step in conversation.steps for line in _step(step)]


def _step(step: Step) -> list[str]:
    if isinstance(step, Send):
        literal = step.literal()
        if literal is None or len(literal) > 4096:
            whole = b"".join(shown(part) for part in step.parts)
            cuts = f"   (cut at {', '.join(map(str, step.cuts))})" if step.cuts else ""
            return [f"{step.conn}> {escaped(whole)}{cuts}"]
        return [f"{step.conn}> {escaped(piece)}" for piece in pieces(literal, step.cuts)]
    if isinstance(step, Datagram):
        return [f"{step.conn}>> {escaped(b''.join(shown(part) for part in step.parts))}"]
    if isinstance(step, Open) and step.transport == "udp":
        return [f"{step.conn}  UDP client"]
    if isinstance(step, Settle):
        return [] if step.conn is None else [f"{step.conn}  wait for what is owed"]
    if isinstance(step, Advance):
        return [f"   {step.seconds:g} seconds pass"]
    return [f"{step.conn}  {type(step).__name__.lower()}"]
