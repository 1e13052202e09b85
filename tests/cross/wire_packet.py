"""How the abstract operations are written in the packet protocol, and what its replies mean."""

from __future__ import annotations

import struct

from tests.cross.meanings import (
    DONE,
    EXISTS,
    FOUND,
    NON_NUMERIC,
    NOT_FOUND,
    NOT_STORED,
    REFUSED,
    RETRIEVALS,
    Answer,
    Operation,
)

SENTINEL = struct.pack(">LB", 5, 0x00)
ENDING = struct.pack(">LB", 5, 0x80)
QUIET = 0x40

CODES = {
    "get": 0x01,
    "gets": 0x01,
    "set": 0x02,
    "cas": 0x02,
    "add": 0x03,
    "replace": 0x04,
    "append": 0x05,
    "prepend": 0x06,
    "delete": 0x07,
    "incr": 0x08,
    "decr": 0x09,
    "touch": 0x0A,
    "gat": 0x0B,
    "gats": 0x0B,
    "flush": 0x0C,
}
OK, VALUE, NUMBER = 0x80, 0x81, 0x82
ERRORS = {0xE1: NOT_FOUND, 0xE2: EXISTS, 0xE3: NOT_STORED}
NOT_NUMERIC = 0xE6


def packed(code: int, data: bytes) -> bytes:
    """One packet: its length counts all of it."""
    return struct.pack(">LB", 5 + len(data), code) + data


def write(op: Operation) -> bytes:
    """The request, or one for each key of a retrieval: of several only the hits are answered, as in text."""
    code = CODES[op.name] | (QUIET if op.quiet or len(op.keys) > 1 else 0)
    if op.name in RETRIEVALS:
        shape = struct.pack(">l", op.exptime) if op.name in {"gat", "gats"} else b""
        return b"".join(packed(code, shape + key) for key in op.keys)
    if op.name in {"set", "add", "replace", "cas", "append", "prepend"}:
        unique = op.unique if op.name == "cas" else 0
        head = struct.pack(">QLlB", unique, op.flags, op.exptime, len(op.key))
        return packed(code, head + op.key + op.value)
    if op.name in {"incr", "decr"}:
        return packed(code, struct.pack(">QQ", 0, op.delta) + op.key)
    if op.name == "delete":
        return packed(code, struct.pack(">Q", 0) + op.key)
    return packed(code, b"" if op.name == "flush" else struct.pack(">l", op.exptime) + op.key)


def read(data: bytes, op: Operation) -> tuple[Answer, ...]:
    """What whole replies mean: one answer, or one for each hit of a retrieval.

    Raises:
        ValueError: if it is no reply of this protocol.
    """
    answers: list[Answer] = []
    while data:
        length, code = struct.unpack_from(">LB", data)
        body, data = data[5:length], data[length:]
        if code >= 0xE0 and body[0] & ~QUIET != CODES[op.name]:
            raise ValueError(f"an error of another request, {body[0]:#x}, in the place of one of {op.name}")
        if code == VALUE:
            flags, unique, size = struct.unpack_from(">LQB", body)
            key, value = body[13 : 13 + size], body[13 + size :]
            answers.append(Answer(FOUND, key, value, flags, unique if op.name in {"gets", "gats"} else 0))
        elif code == NUMBER:
            answers.append(Answer(DONE, number=struct.unpack(">QQ", body)[1]))
        elif code == OK:
            answers.append(Answer(DONE))
        elif code == NOT_NUMERIC:
            answers.append(Answer(REFUSED, text=NON_NUMERIC))
        elif code not in ERRORS:
            raise ValueError(f"no reply to {op.name}: code {code:#x}")
        elif op.name not in RETRIEVALS:
            answers.append(Answer(ERRORS[code]))
    return tuple(answers)
