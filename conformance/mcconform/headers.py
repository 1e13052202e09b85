"""What bytes would mean if a server read them as a header of the binary or of the packet protocol, at any offset.

The judge must know, before it writes a stream, what may become of it on a server that loses its place: a body that is
read as the next header does what that header says. So every offset counts as the beginning of a header, and shapes are
not asked after: a server that forgets to look at the lengths carries out what a careful one refuses.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

MAGIC = 0x80
"""The first byte of a binary request."""

HEADER = 24
"""Bytes of a binary header."""

LONGEST = 250
"""Bytes of a key."""

KEYED = frozenset(
    (*range(0x07), 0x09, *range(0x0C, 0x10), *range(0x11, 0x17), 0x19, 0x1A, 0x1C, 0x1D, 0x1E, 0x23, 0x24)
)
"""The opcodes of requests that name a key."""

PACKET_KEYS = {
    **dict.fromkeys((0x01, 0x41), 5),
    **dict.fromkeys((0x02, 0x03, 0x04, 0x05, 0x06, 0x42, 0x43, 0x44, 0x45, 0x46), 22),
    **dict.fromkeys((0x07, 0x47), 13),
    **dict.fromkeys((0x08, 0x09, 0x48, 0x49), 21),
    **dict.fromkeys((0x0A, 0x0B, 0x4A, 0x4B), 9),
}
"""Where the key begins in a packet of that code, in bytes from the beginning of the packet."""

_FLUSH = re.compile(rb"\x80[\x08\x18]", re.DOTALL)
_CHANGE = re.compile(rb"\x80(?:\x1b|\x10(?!\0\0))", re.DOTALL)
_REPORT = re.compile(rb"\x80\x10", re.DOTALL)
_PACKET_FLUSH = re.compile(rb"\0\0\0[\x05\x09][\x0c\x4c]", re.DOTALL)
_PACKET_CHANGE = re.compile(rb"\0\0\0(?:[^\x05]\x0e|\x09[\x10\x50])", re.DOTALL)
_PACKET_REPORT = re.compile(rb"\0\0\0[\x05-\xff]\x0e", re.DOTALL)


def flushes(stream: bytes, *, packets: bool) -> bool:
    """Whether the stream holds a flush, of the text protocol, of the binary one, or (``packets``) in a packet."""
    if b"flush_all" in stream or _FLUSH.search(stream) is not None:
        return True
    return packets and _PACKET_FLUSH.search(stream) is not None


def reports(stream: bytes, *, packets: bool) -> bool:
    """Whether the stream asks for what a server counts."""
    if b"stats" in stream or _REPORT.search(stream) is not None:
        return True
    return packets and _PACKET_REPORT.search(stream) is not None


def change(stream: bytes, *, packets: bool) -> str | None:
    """How a header somewhere in the stream would change the server for everybody, or None if none would."""
    if _FLUSH.search(stream) is not None or (packets and _PACKET_FLUSH.search(stream) is not None):
        return "it holds the header of a flush"
    if _CHANGE.search(stream) is not None or (packets and _PACKET_CHANGE.search(stream) is not None):
        return "it holds the header of verbosity, or of stat with an argument"
    return None


def keys(stream: bytes, *, packets: bool = False) -> Iterator[bytes]:
    """Every key that a header somewhere in the stream names, if it is there to its end."""
    at = stream.find(b"\x80")
    while at >= 0:
        head = stream[at : at + HEADER]
        if len(head) == HEADER and head[1] in KEYED:
            length, start = int.from_bytes(head[2:4], "big"), at + HEADER + head[4]
            fits = start + length <= len(stream)
            if 0 < length <= LONGEST and length + head[4] <= int.from_bytes(head[8:12], "big") and fits:
                yield stream[start : start + length]
        at = stream.find(b"\x80", at + 1)
    if packets:
        yield from _packet_keys(stream)


def _packet_keys(stream: bytes) -> Iterator[bytes]:
    for at in range(len(stream) - 4):
        skip = PACKET_KEYS.get(stream[at + 4])
        if skip is None:
            continue
        end = at + int.from_bytes(stream[at : at + 4], "big")
        if skip == PACKET_KEYS[0x02]:
            if at + skip > len(stream):
                continue
            end = min(end, at + skip + stream[at + skip - 1])
        if 0 < end - at - skip <= LONGEST and end <= len(stream):
            yield stream[at + skip : end]
