"""Replies and requests in words, for reports: what `pattern` shows of bytes, and what the packets among them say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mcspec import binary, pattern
from mcspec.arith_frames import HEADER, REQUEST

if TYPE_CHECKING:
    from mcspec.cache import Cache
    from mcspec.pattern import Piece

MOST = 60
"""Characters of a key or value that are shown."""


def describe(cache: Cache, pieces: tuple[Piece, ...]) -> str:
    """A reply in words: literal bytes escaped, the rest in angle brackets; behind it what a binary packet says."""
    shown = pattern.describe(cache, pieces)
    head = pieces[0] if pieces else b""
    if not isinstance(head, bytes) or head[:1] != bytes([binary.RESPONSE]):
        return shown
    cas = pattern.describe(cache, pieces[1:2]) if len(pieces) > 1 else str(int.from_bytes(head[16:24], "big"))
    rest = head[24:] if len(pieces) == 1 else b"".join(piece for piece in pieces[2:] if isinstance(piece, bytes))
    return f"{shown} = {_packet(head, cas, rest)}"


def packets(data: bytes) -> str:
    """What a stream of binary headers and bodies says, packet by packet; empty if it is none."""
    said = []
    while len(data) >= HEADER and data[0] in (REQUEST, binary.RESPONSE):
        end = HEADER + int.from_bytes(data[8:12], "big")
        said.append(_packet(data, str(int.from_bytes(data[16:24], "big")), data[HEADER:end]))
        data = data[end:]
    if said and data:
        said.append(f"{len(data)} bytes")
    return "; ".join(said)


def _packet(head: bytes, cas: str, body: bytes) -> str:
    """One packet: what it is, status, opaque and cas unique, and what stands in its body."""
    command = binary.OPCODES.get(head[1])
    name = f"opcode {head[1]:#04x}" if command is None else f"{command.word}{_form(command)} ({head[1]:#04x})"
    keylen, extlen = int.from_bytes(head[2:4], "big"), head[4]
    words = [name, f"opaque {head[12:16].hex()}", f"cas {cas}"]
    status = int.from_bytes(head[6:8], "big")
    if head[0] == binary.RESPONSE:
        words.insert(1, f"status {status:#04x}")
    if extlen:
        words.append(f"extras {body[:extlen].hex()}")
    if keylen:
        words.append(f"key {_shown(body[extlen : extlen + keylen])}")
    announced = int.from_bytes(head[8:12], "big")
    if announced > len(body):
        words.append(f"a body of {announced} bytes announced")
    if body[extlen + keylen :]:
        words.append(f"value {_shown(body[extlen + keylen :])}")
    return ", ".join(words)


def _form(command: binary.Opcode) -> str:
    return ("k" if command.shows_key else "") + ("q" if command.quiet else "")


def _shown(data: bytes) -> str:
    text = data.decode("latin-1").encode("unicode_escape").decode("ascii")
    return text if len(text) <= MOST else f"{text[:MOST]}… ({len(data)} bytes)"
