"""What the connections of a random stream speak, and what differs between them beside their requests."""

from __future__ import annotations

from struct import pack
from typing import TYPE_CHECKING

from mcconform import streams_binary, streams_packet
from mcconform.conversation import Datagram, HalfClose, Reset, Send, Step, width

if TYPE_CHECKING:
    from random import Random

    from mcconform.conversation import Part
    from mcconform.streams import Scope

FRAME, LARGEST = 8, 65_507
"""Bytes of a frame header, and of the largest datagram over IPv4."""
DATAGRAMS = frozenset({"text/udp", "binary/udp", "packet/udp"})
PACKETS = frozenset({"packet", "packet/udp"})

OVERHEAD = 48 + 8 + 1
"""Bytes of an item beside key, flags and value; text has two more."""

TOTALS = (0, 2, 3, 256, 65535)
"""Counts of datagrams that no request may have."""


def speech(rng: Random, scope: Scope, count: int) -> list[str]:
    """What each connection speaks; nothing is drawn where there is only text."""
    if scope.packets and rng.random() < 0.12:
        return ["packet/udp" if scope.udp and rng.random() < 0.15 else "packet" for _ in range(count)]
    if not scope.binary and not scope.udp:
        return ["text"] * count
    return [_one(rng, scope) for _ in range(count)]


def _one(rng: Random, scope: Scope) -> str:
    draw = rng.random()
    kind = "binary" if scope.binary and rng.random() < 0.5 else "text"
    return f"{kind}/udp" if scope.udp and draw < 0.15 else kind


def setup(rng: Random, kind: str, key: bytes, value: bytes) -> Step:
    """A first item."""
    if kind in PACKETS:
        parts = streams_packet.packet(streams_packet.SET, bytes(16), bytes((len(key),)), key, value)
    elif kind.startswith("binary"):
        parts = streams_binary.packet(streams_binary.SET, key, bytes(8), value)
    else:
        parts = [b"set %s 0 0 %d\r\n%s\r\n" % (key, len(value), value)]
    return datagram(rng, 0, parts) if kind in DATAGRAMS else Send(0, tuple(parts))


def datagram(rng: Random, conn: int, parts: list[Part]) -> Datagram:
    """Requests in a datagram; now and then one that is no request at all."""
    draw = rng.random()
    total = rng.choice(TOTALS) if draw < 0.03 else 1
    # What nobody looks at in a request: its sequence number and the last two bytes.
    number, rest = (rng.randrange(65536), rng.randrange(65536)) if draw > 0.9 else (0, 0)
    frame = pack(">HHHH", rng.randrange(65536), number, total, rest)
    if 0.03 <= draw < 0.05:
        return Datagram(conn, (frame[: rng.randrange(1, 9)],))
    if 0.05 <= draw < 0.08 and isinstance(parts[-1], bytes) and len(parts[-1]) > 1:
        # The datagram ends before the request does.
        parts = [*parts[:-1], parts[-1][: rng.randrange(1, len(parts[-1]))]]
    return Datagram(conn, (frame, *_fitting(parts)))


def _fitting(parts: list[Part]) -> list[Part]:
    """The requests that one datagram can hold."""
    kept, room = [], LARGEST - FRAME
    for part in parts:
        room -= width(part)
        if room < 0:
            break
        kept.append(part)
    return kept


def ending(rng: Random, conn: int, kind: str) -> list[Step]:
    """How a connection that does not speak text may end; a UDP client just stops."""
    if kind in DATAGRAMS:
        return []
    steps: list[Step] = []
    whole = b"".join(part for part in _value(kind) if isinstance(part, bytes))
    if rng.random() < 0.5:
        steps.append(Send(conn, (whole[: rng.randrange(1, len(whole))],)))
    return [*steps, HalfClose(conn) if rng.random() < 0.5 else Reset(conn)]


def _value(kind: str) -> list[Part]:
    if kind in PACKETS:
        return streams_packet.packet(streams_packet.SET, bytes(16), b"\x07", b"mcspeca", b"hello")
    return streams_binary.packet(streams_binary.SET, b"mcspeca", bytes(8), b"hello")


def large(rng: Random, kind: str, key: bytes, limit: int) -> list[Part]:
    """A value at the item limit, give or take a byte or many; small enough for a datagram over UDP."""
    size = limit - OVERHEAD - len(key) + rng.choice((-3, -2, -1, 0, 0, 1, 2, 500))
    if kind in DATAGRAMS:
        size = min(size, 60000)
    if kind in PACKETS:
        return streams_packet.large(rng, key, size)
    if kind.startswith("binary"):
        return streams_binary.large(rng, key, size)
    return [b"set %s 0 0 %d\r\n" % (key, size), b"v" * size, b"\r\n"]
