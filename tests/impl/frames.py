"""Requests and replies of the binary and the packet protocol, for tests."""

import struct
from typing import NamedTuple

_HEADER = struct.Struct(">BBHBBHIIQ")
_PACKET = struct.Struct(">IB")


def binary(
    opcode: int,
    key: bytes = b"",
    extras: bytes = b"",
    value: bytes = b"",
    *,
    opaque: int = 0x01020304,
    cas: int = 0,
    magic: int = 0x80,
    keylen: int | None = None,
    extlen: int | None = None,
    bodylen: int | None = None,
    datatype: int = 0,
    vbucket: int = 0,
) -> bytes:
    """A binary request; the lengths are right unless they are given."""
    header = _HEADER.pack(
        magic,
        opcode,
        len(key) if keylen is None else keylen,
        len(extras) if extlen is None else extlen,
        datatype,
        vbucket,
        len(extras) + len(key) + len(value) if bodylen is None else bodylen,
        opaque,
        cas,
    )
    return header + extras + key + value


class Reply(NamedTuple):
    """A binary reply; data type and opaque are those of the request, or `parse` fails."""

    opcode: int
    status: int
    body: bytes = b""
    cas: int = 0
    extlen: int = 0
    keylen: int = 0


def parse(data: bytes, opaque: int = 0x01020304) -> list[Reply]:
    """The replies in `data`, which has to end with one."""
    found = []
    while data:
        magic, opcode, keylen, extlen, datatype, status, bodylen, echo, cas = _HEADER.unpack_from(data)
        assert (magic, datatype, echo) == (0x81, 0, opaque)
        body = data[_HEADER.size : _HEADER.size + bodylen]
        assert len(body) == bodylen
        found.append(Reply(opcode, status, body, cas, extlen, keylen))
        data = data[_HEADER.size + bodylen :]
    return found


def store(opcode: int, key: bytes, value: bytes, flags: int = 0, exptime: int = 0, cas: int = 0) -> bytes:
    """A binary set, add or replace."""
    return binary(opcode, key, struct.pack(">II", flags, exptime), value, cas=cas)


def count(opcode: int, key: bytes, delta: int, initial: int = 0, exptime: int = 0, cas: int = 0) -> bytes:
    """A binary incr or decr."""
    return binary(opcode, key, struct.pack(">QQI", delta, initial, exptime), cas=cas)


def timed(opcode: int, key: bytes, exptime: int) -> bytes:
    """A binary touch, gat or flush."""
    return binary(opcode, key, struct.pack(">I", exptime))


def packet(code: int, data: bytes = b"") -> bytes:
    """A packet of the packet protocol."""
    return _PACKET.pack(_PACKET.size + len(data), code) + data


def packet_store(code: int, key: bytes, value: bytes, flags: int = 0, exptime: int = 0, cas: int = 0) -> bytes:
    """A store of the packet protocol."""
    return packet(code, struct.pack(">QIiB", cas, flags, exptime, len(key)) + key + value)


def unpack(data: bytes) -> list[tuple[int, bytes]]:
    """Codes and data of the packets in `data`, which has to end with one."""
    found = []
    while data:
        length, code = _PACKET.unpack_from(data)
        assert _PACKET.size <= length <= len(data)
        found.append((code, data[_PACKET.size : length]))
        data = data[length:]
    return found
