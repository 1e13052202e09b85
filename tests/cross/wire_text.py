"""How the abstract operations are written as text and as meta, and what replies of either mean.

A table of operations; `write` renders one, `read` takes a reply back into `Answer`s. What only one protocol can say
stands in `test_differences.py`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

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

SENTINEL = b"end-of-this-one\r\n"
"""No command: what answers it ends the replies to what was sent before it. `mn` is one of the requests."""

ENDING = b"ERROR\r\n"


class Row(NamedTuple):
    """How one operation is written in each protocol; `meta` is None where that protocol has no word for it."""

    text: Callable[[Operation], bytes]
    meta: Callable[[Operation], bytes] | None


def _noreply(op: Operation) -> bytes:
    return b" noreply\r\n" if op.quiet else b"\r\n"


def _quiet(op: Operation) -> bytes:
    return b" q\r\n" if op.quiet else b"\r\n"


def _retrieval(word: bytes, flags: bytes, *, touches: bool) -> Row:
    def text(op: Operation) -> bytes:
        exptime = b" %d" % op.exptime if touches else b""
        return b"%s%s %s\r\n" % (word, exptime, b" ".join(op.keys))

    def meta(op: Operation) -> bytes:
        # Of one key a miss is told; of several only the hits are, and MN stands where END does.
        several = len(op.keys) > 1
        shows = flags + (b" T%d" % op.exptime if touches else b"") + (b" q" if several else b"")
        return b"".join(b"mg %s %s\r\n" % (key, shows) for key in op.keys) + (b"mn\r\n" if several else b"")

    return Row(text, meta)


def _store(word: bytes, mode: bytes) -> Row:
    compares = word == b"cas"

    def text(op: Operation) -> bytes:
        unique = b" %d" % op.unique if compares else b""
        line = b"%s %s %d %d %d%s" % (word, op.key, op.flags, op.exptime, len(op.value), unique)
        return line + _noreply(op) + op.value + b"\r\n"

    def meta(op: Operation) -> bytes:
        unique = b" C%d" % op.unique if compares else b""
        line = b"ms %s %d M%s F%d T%d%s" % (op.key, len(op.value), mode, op.flags, op.exptime, unique)
        return line + _quiet(op) + op.value + b"\r\n"

    return Row(text, meta)


def _count(word: bytes, mode: bytes) -> Row:
    def text(op: Operation) -> bytes:
        return b"%s %s %d" % (word, op.key, op.delta) + _noreply(op)

    def meta(op: Operation) -> bytes:
        return b"ma %s M%s D%d v" % (op.key, mode, op.delta) + _quiet(op)

    return Row(text, meta)


TABLE: dict[str, Row] = {
    "get": _retrieval(b"get", b"k v f", touches=False),
    "gets": _retrieval(b"gets", b"k v f c", touches=False),
    "gat": _retrieval(b"gat", b"k v f", touches=True),
    "gats": _retrieval(b"gats", b"k v f c", touches=True),
    "set": _store(b"set", b"S"),
    "add": _store(b"add", b"E"),
    "replace": _store(b"replace", b"R"),
    "append": _store(b"append", b"A"),
    "prepend": _store(b"prepend", b"P"),
    "cas": _store(b"cas", b"S"),
    "incr": _count(b"incr", b"I"),
    "decr": _count(b"decr", b"D"),
    "touch": Row(
        lambda op: b"touch %s %d" % (op.key, op.exptime) + _noreply(op),
        lambda op: b"mg %s T%d" % (op.key, op.exptime) + _quiet(op),
    ),
    "delete": Row(lambda op: b"delete %s" % op.key + _noreply(op), lambda op: b"md %s" % op.key + _quiet(op)),
    "flush": Row(lambda op: b"flush_all" + _noreply(op), None),
}


def write(op: Operation, *, meta: bool) -> bytes:
    """The request."""
    row = TABLE[op.name]
    writer = row.meta if meta else row.text
    assert writer is not None
    return writer(op)


_TEXT = {b"STORED": DONE, b"DELETED": DONE, b"TOUCHED": DONE, b"OK": DONE}
_TEXT |= {b"NOT_STORED": NOT_STORED, b"EXISTS": EXISTS, b"NOT_FOUND": NOT_FOUND}
_META = {b"HD": DONE, b"NS": NOT_STORED, b"EX": EXISTS, b"NF": NOT_FOUND, b"EN": NOT_FOUND}
_VALUE = re.compile(rb"VALUE (\S+) (\d+) (\d+)(?: (\d+))?")


def read(data: bytes, op: Operation) -> tuple[Answer, ...]:
    """What a whole reply means, whichever protocol it is of: one answer, or one for each hit of a retrieval.

    Raises:
        ValueError: if it is a reply of neither.
    """
    answers: list[Answer] = []
    while data:
        line, _, data = data.partition(b"\r\n")
        value = _VALUE.fullmatch(line)
        if value is not None:
            size = int(value[3])
            answers.append(Answer(FOUND, value[1], data[:size], int(value[2]), int(value[4] or 0)))
            data = data[size + 2 :]
        elif line.startswith(b"VA "):
            size = int(line.split()[1])
            answers.append(_valued(line, data[:size]))
            data = data[size + 2 :]
        elif line.startswith((b"CLIENT_ERROR ", b"SERVER_ERROR ")):
            answers.append(Answer(REFUSED, text=NON_NUMERIC if NON_NUMERIC in line else line))
        elif line.isdigit():
            answers.append(Answer(DONE, number=int(line)))
        elif line.split(b" ")[0] in (b"END", b"MN", b"EN") and op.name in RETRIEVALS:
            continue  # nothing more was found
        elif line in _TEXT or line[:2] in _META:
            answers.append(Answer(_TEXT.get(line) or _META[line[:2]]))
        else:
            raise ValueError(f"no reply of either protocol: {line!r}")
    return tuple(answers)


def _valued(line: bytes, value: bytes) -> Answer:
    """VA of a retrieval shows its key; that of a counter does not."""
    shown = {word[:1]: word[1:] for word in line.split()[2:]}
    if b"k" not in shown:
        return Answer(DONE, number=int(value))
    return Answer(FOUND, shown[b"k"], value, int(shown[b"f"]), int(shown.get(b"c", 0)))
