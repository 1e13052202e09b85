"""How the abstract operations are written in the binary protocol, and what its replies mean."""

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

HEADER = struct.Struct(">BBHBBHLLQ")
"""Magic, opcode, length of the key, of the extras, data type, status, length of the body, opaque, cas unique."""

REQUEST, REPLY = 0x80, 0x81

NOOP = 0x0A
SENTINEL_OPAQUE = 0x5E47_1E1E
SENTINEL = HEADER.pack(REQUEST, NOOP, 0, 0, 0, 0, 0, SENTINEL_OPAQUE, 0)
ENDING = HEADER.pack(REPLY, NOOP, 0, 0, 0, 0, 0, SENTINEL_OPAQUE, 0)

OPCODES = {
    "get": (0x0C, 0x0D),
    "gets": (0x0C, 0x0D),
    "gat": (0x23, 0x24),
    "gats": (0x23, 0x24),
    "set": (0x01, 0x11),
    "cas": (0x01, 0x11),
    "add": (0x02, 0x12),
    "replace": (0x03, 0x13),
    "append": (0x0E, 0x19),
    "prepend": (0x0F, 0x1A),
    "delete": (0x04, 0x14),
    "incr": (0x05, 0x15),
    "decr": (0x06, 0x16),
    "touch": (0x1C, None),
    "flush": (0x08, 0x18),
}
"""The opcode that answers, and the quiet one; a retrieval has its key shown."""

NEVER_MADE = 0xFFFF_FFFF
"""As the exptime of arithmetic: nothing is made where nothing is."""


def packed(opcode: int, extras: bytes, key: bytes, value: bytes = b"", unique: int = 0) -> bytes:
    """One request; its opaque is its opcode, so that a reply that shows another one is seen."""
    body = extras + key + value
    return HEADER.pack(REQUEST, opcode, len(key), len(extras), 0, 0, len(body), opcode, unique) + body


def write(op: Operation) -> bytes:
    """The request, or one for each key of a retrieval: of several only the hits are answered, as in text."""
    loud, hushed = OPCODES[op.name]
    opcode = hushed if op.quiet else loud
    assert opcode is not None
    if op.name in RETRIEVALS:
        extras = struct.pack(">L", op.exptime) if op.name in {"gat", "gats"} else b""
        assert hushed is not None
        return b"".join(packed(hushed if len(op.keys) > 1 else loud, extras, key) for key in op.keys)
    if op.name in {"set", "add", "replace", "cas"}:
        extras = struct.pack(">LL", op.flags, op.exptime)
        return packed(opcode, extras, op.key, op.value, op.unique if op.name == "cas" else 0)
    if op.name in {"append", "prepend"}:
        return packed(opcode, b"", op.key, op.value)
    if op.name in {"incr", "decr"}:
        return packed(opcode, struct.pack(">QQL", op.delta, 0, NEVER_MADE), op.key)
    if op.name == "touch":
        return packed(opcode, struct.pack(">L", op.exptime), op.key)
    return packed(opcode, b"", b"" if op.name == "flush" else op.key)


_STATUS = {0: DONE, 1: NOT_FOUND, 2: EXISTS, 5: NOT_STORED}
_SAID_OTHERWISE = {("add", EXISTS): NOT_STORED, ("replace", NOT_FOUND): NOT_STORED}
"""What binary says of what text calls `not stored`."""


def read(data: bytes, op: Operation) -> tuple[Answer, ...]:
    """What whole replies mean: one answer, or one for each hit of a retrieval.

    Raises:
        ValueError: if it is no reply of this protocol.
    """
    answers: list[Answer] = []
    while data:
        magic, opcode, keys, extras, _, status, size, opaque, unique = HEADER.unpack_from(data)
        body, data = data[HEADER.size : HEADER.size + size], data[HEADER.size + size :]
        if magic != REPLY or opcode != opaque or len(body) != size or opcode not in OPCODES[op.name]:
            raise ValueError(f"no reply to {op.name}: opcode {opcode:#x}, opaque {opaque:#x}, status {status:#x}")
        if status == 6:
            answers.append(Answer(REFUSED, text=NON_NUMERIC))
        elif op.name in RETRIEVALS:
            if status == 0:
                shown = unique if op.name in {"gets", "gats"} else 0
                key, value = body[extras : extras + keys], body[extras + keys :]
                answers.append(Answer(FOUND, key, value, int.from_bytes(body[:extras], "big"), shown))
        else:
            meant = _STATUS[status]
            number = int.from_bytes(body, "big") if status == 0 and op.name in {"incr", "decr"} else 0
            answers.append(Answer(_SAID_OTHERWISE.get((op.name, meant), meant), number=number))
    return tuple(answers)
