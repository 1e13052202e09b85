"""Bugs of a server in one of the framed protocols, or in datagrams, as what it would read in the place of a request."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import NamedTuple

from tests.cross import wire_binary, wire_packet
from tests.cross.operations import Protocol
from tests.cross.runs import Exchange, Misread


class Frame(NamedTuple):
    """One request of either framing; `shape` is what stands before the key (binary: the extras)."""

    code: int
    shape: bytes
    key: bytes
    value: bytes = b""
    unique: int = 0


Change = Callable[[Frame], Frame]


def _binary(request: bytes) -> Iterator[tuple[Frame, int]]:
    while request:
        _, code, keys, extras, _, _, size, opaque, unique = wire_binary.HEADER.unpack_from(request)
        body, request = request[24 : 24 + size], request[24 + size :]
        shape, key = body[:extras], body[extras : extras + keys]
        yield Frame(code, shape, key, body[extras + keys :], unique), opaque


def _binary_changed(request: bytes, change: Change) -> bytes:
    data = b""
    for frame, opaque in _binary(request):
        new = change(frame)
        body = new.shape + new.key + new.value
        header = (0x80, new.code, len(new.key), len(new.shape), 0, 0, len(body), opaque, new.unique)
        data += wire_binary.HEADER.pack(*header) + body
    return data


_SHAPES = {0x02: 17, 0x03: 17, 0x04: 17, 0x05: 17, 0x06: 17, 0x07: 8, 0x08: 16, 0x09: 16, 0x0A: 4, 0x0B: 4}


def _packets(request: bytes) -> Iterator[Frame]:
    while request:
        length, code = struct.unpack_from(">LB", request)
        data, request = request[5:length], request[length:]
        size = _SHAPES.get(code & ~wire_packet.QUIET, 0)
        keys = data[16] if size == 17 else len(data) - size
        yield Frame(code, data[:size], data[size : size + keys], data[size + keys :])


def _packets_changed(request: bytes, change: Change) -> bytes:
    return b"".join(
        wire_packet.packed(new.code, new.shape + new.key + new.value) for new in map(change, _packets(request))
    )


def _becomes(*codes: tuple[int, int]) -> Change:
    """These codes are taken for others."""
    table = dict(codes)
    return lambda frame: frame._replace(code=table.get(frame.code, frame.code))


def _shape(codes: set[int], at: int, new: bytes) -> Change:
    """In these requests some bytes before the key are read so."""

    def change(frame: Frame) -> Frame:
        wrong = frame.shape[:at] + new + frame.shape[at + len(new) :]
        return frame._replace(shape=wrong) if frame.code in codes else frame

    return change


def _key(codes: set[int]) -> Change:
    return lambda frame: frame._replace(key=frame.key + b"x") if frame.code in codes else frame


ZERO, ONE, FAR = bytes(4), (1).to_bytes(8, "big"), (300_000).to_bytes(4, "big")

BINARY: dict[str, Change] = {
    "set forgets the flags": _shape({0x01, 0x11}, 0, ZERO),
    "set forgets the exptime": _shape({0x01, 0x11}, 4, ZERO),
    "set ignores the cas unique": lambda frame: frame._replace(unique=0),
    "setq is set": _becomes((0x11, 0x01)),
    "add is set": _becomes((0x02, 0x01)),
    "addq stores over an item": _becomes((0x12, 0x11)),
    "replace makes an item": _becomes((0x03, 0x01)),
    "replaceq forgets the exptime": _shape({0x13}, 4, FAR),
    "append is prepend": _becomes((0x0E, 0x0F)),
    "prependq is appendq": _becomes((0x1A, 0x19)),
    "incr counts by one": _shape({0x05}, 0, ONE),
    "decrq adds": _becomes((0x16, 0x15)),
    "incr makes what is not there": _shape({0x05}, 16, ZERO),
    "deleteq takes another key": _key({0x14}),
    "touch is for ever": _shape({0x1C}, 0, ZERO),
    "gatk does not touch": lambda frame: frame._replace(code=0x0C, shape=b"") if frame.code == 0x23 else frame,
    "gatkq is for ever": _shape({0x24}, 0, ZERO),
    "flushq waits": lambda frame: frame._replace(shape=FAR) if frame.code == 0x18 else frame,
    "getkq is getk": _becomes((0x0D, 0x0C)),
}

PACKET: dict[str, Change] = {
    "set forgets the flags": _shape({0x02, 0x42}, 8, ZERO),
    "set reads the exptime without its sign": lambda frame: (
        frame._replace(shape=frame.shape[:12] + FAR + frame.shape[16:])
        if frame.code in {0x02, 0x42} and frame.shape[12] & 0x80
        else frame
    ),
    "set ignores the cas unique": _shape({0x02, 0x42}, 0, bytes(8)),
    "quiet set answers": _becomes((0x42, 0x02)),
    "add is set": _becomes((0x03, 0x02), (0x43, 0x42)),
    "replace makes an item": _becomes((0x04, 0x02)),
    "append is prepend": _becomes((0x05, 0x06)),
    "incr counts by one": _shape({0x08}, 8, ONE),
    "decr adds": _becomes((0x09, 0x08), (0x49, 0x48)),
    "quiet incr answers": _becomes((0x48, 0x08)),
    "delete takes another key": _key({0x07}),
    "touch is for ever": _shape({0x0A, 0x4A}, 0, ZERO),
    "gat does not touch": lambda frame: frame._replace(code=0x01, shape=b"") if frame.code == 0x0B else frame,
    "quiet get misses": _key({0x41}),
    "flush waits": lambda frame: frame._replace(shape=FAR) if frame.code in {0x0C, 0x4C} else frame,
}


def _framed(data: bytes) -> bool:
    return data[:1] == b"\x80"


def _last_line_lost(data: bytes) -> bytes:
    return data if _framed(data) or data.count(b"\n") < 2 else data[: data.rindex(b"\n", 0, -1) + 1]


def _flags_lost(data: bytes) -> bytes:
    wrong = BINARY["set forgets the flags"]
    return _binary_changed(data, wrong) if _framed(data) else data.replace(b" F7 ", b" F0 ")


def _other_key(data: bytes) -> bytes:
    return _binary_changed(data, _key({0x04, 0x14})) if _framed(data) else data


DATAGRAMS: dict[str, Callable[[bytes], bytes]] = {
    "the last line is lost": _last_line_lost,
    "flags are lost": _flags_lost,
    "delete takes another binary key": lambda data: (
        _binary_changed(data, _key({0x04, 0x14})) if _framed(data) else data
    ),
    "noreply is answered": lambda data: data if _framed(data) else data.replace(b" noreply", b""),
}

PLANTED = [
    *(("binary", name) for name in BINARY),
    *(("packet", name) for name in PACKET),
    *(("datagrams", name) for name in DATAGRAMS),
]
"""The protocol, and the name of the bug."""


def misread(where: str, name: str) -> Misread:
    """How a server with this bug reads a request."""

    def reading(request: bytes, protocol: Protocol, *, udp: bool) -> bytes:
        if where == "datagrams":
            return DATAGRAMS[name](request) if udp else request
        if where != protocol:
            return request
        return _binary_changed(request, BINARY[name]) if where == "binary" else _packets_changed(request, PACKET[name])

    return reading


def misreading(where: str, name: str, exchange: Exchange) -> Exchange:
    """A server that reads requests so."""
    wrong = misread(where, name)

    def misread_exchange(conn: int, request: bytes, protocol: Protocol = "text", *, udp: bool = False) -> bytes:
        return exchange(conn, wrong(request, protocol, udp=udp), protocol, udp=udp)

    return misread_exchange
