"""Which opcodes of the binary protocol, and which codes of packets, a campaign exercised, and how each ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mcconform import streams_binary, streams_packet
from mcconform.headers import MAGIC

if TYPE_CHECKING:
    from collections import Counter

    from mcspec import Outcome, Owed

ENDS = ("answered", "refused", "silent")
"""How a request can end: carried out and answered, refused, or met with silence."""

LENGTH = 4
"""Bytes before the code of a packet."""

ERROR = 0xE0
"""The first of the codes of packets that refuse."""

_CODES = "noop get set add replace append prepend delete incr decr touch gat flush version stats quit verbosity"

PACKETS = dict(enumerate(_CODES.split()))
PACKETS |= {code | streams_packet.QUIET: f"{PACKETS[code]} quiet" for code in sorted(streams_packet.QUIETS)}
"""What each code of a packet is called."""

KNOWN = {"binary": streams_binary.NAMES, "packet": PACKETS}

Used = tuple[str, str, str]
"""A protocol, the name of an opcode, and how the request ended."""


def of(outcome: Outcome) -> list[Used]:
    """What an outcome exercised."""
    found = []
    for owed in outcome.owed:
        head, protocol = owed.request, _protocol(outcome, owed)
        if protocol == "binary" and head[:1] == bytes((MAGIC,)) and len(head) > 1:
            found.append(("binary", streams_binary.NAMES.get(head[1], "unknown"), _end(owed, 6, 1)))
        elif protocol == "packet" and head[:1] == b"\0" and len(head) > LENGTH:
            found.append(("packet", PACKETS.get(head[LENGTH], "unknown"), _end(owed, LENGTH, ERROR)))
    return found


def _protocol(outcome: Outcome, owed: Owed) -> str:
    """What the request was spoken in: a line of text may begin with any byte."""
    if owed.datagram is not None:
        return next((name for name in KNOWN if f"udp.protocol.{name}" in owed.clauses), "")
    conn = outcome.world.conns.find(outcome.conn)
    return conn.protocol if conn is not None else ""


def _end(owed: Owed, place: int, refusal: int) -> str:
    """How it ended: by the first piece of the reply, whose byte ``place`` is ``refusal`` or more where it refuses."""
    if not owed.pieces:
        return "silent"
    first = owed.pieces[0]
    if not isinstance(first, bytes) or len(first) <= place:
        return "answered"
    status = int.from_bytes(first[place : place + 2], "big") if place > LENGTH else first[place]
    return "refused" if status >= refusal else "answered"


def events(counts: Counter[Used]) -> list[dict[str, object]]:
    """One event for each protocol of which anything was exercised."""
    spoken = {protocol for protocol, _, _ in counts}
    return [
        {
            "event": "opcodes",
            "protocol": protocol,
            "opcodes": {
                name: {end: counts[protocol, name, end] for end in ENDS}
                for name in dict.fromkeys((*names.values(), "unknown"))
            },
        }
        for protocol, names in KNOWN.items()
        if protocol in spoken
    ]
