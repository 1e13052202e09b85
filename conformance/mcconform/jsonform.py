r"""The JSON Lines form of a Conversation.

One object a line, keys in this order, those that hold nothing left out::

    {"id": "set-basic", "clauses": ["text.set.stored"], "options": ["-m", "8"], "clock": "exact", "note": "why",
     "steps": [{"send": "set mcspec-a 0 0 1\r\nx\r\n"}, {"settle": 0}]}

``clock`` is left out unless the conversation makes sense only where time is exact (an injected clock).  Bytes are
written as latin-1: one character is one byte.  The steps:

=====================================  =================================================================
``{"open": C}``                        connect connection C now, rather than at its first use;
                                       with ``"transport": "udp"`` it is a UDP client
``{"datagram": P, "conn": C}``         send P as one datagram on C, which was opened as UDP
``{"send": P, "conn": C, "cuts": []}``  write P on C; ``conn`` is left out if 0, ``cuts`` if empty
``{"settle": C}``                      wait for everything that is owed on C (``null``: on every connection)
``{"advance": S}``                     let S seconds pass
``{"half-close": C}``                  send FIN and go on reading
``{"reset": C}``                       send RST
``{"close": C}``                       close both directions in an orderly way
``{"stop-reading": C}``                stop reading C; the server's answers pile up
``{"resume": C}``                      read C again
=====================================  =================================================================

P is a string, or a list of strings and references: ``{"cas": KEY, "offset": N, "conn": C}`` is the cas unique that the
last answer for KEY showed (on any connection if ``conn`` is left out) plus N, and 0 if there was none;
``{"time": N}`` is the server's unix time plus N seconds; ``{"repeat": S, "times": N}`` is the string S
N times over.  References are written in decimal, unless ``"encoding"`` says ``"u64"`` of a cas unique, or ``"u32"`` or
``"i32"`` of a time: so many bits, the most significant byte first.  They are bound when the chunk is sent.
In the options, ``{credentials}`` stands for a file that knows the user ``mcuser`` with the password ``mcpass``, and
``{udp}`` for a free UDP port; a conversation with a UDP client gets ``-U {udp}`` if it does not say so itself.
``cuts`` are byte offsets into the rendered bytes at which the write is split; offsets beyond the end do nothing.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, TypeVar

from mcconform.conversation import (
    Advance,
    CasEncoding,
    CasRef,
    Close,
    Conversation,
    Datagram,
    HalfClose,
    Open,
    Part,
    Repeat,
    Reset,
    Resume,
    Send,
    Settle,
    Step,
    StopReading,
    TimeEncoding,
    TimeRef,
    Transport,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

_MARKS: dict[str, type[Open | HalfClose | Reset | Close | StopReading | Resume]] = {
    "open": Open,
    "half-close": HalfClose,
    "reset": Reset,
    "close": Close,
    "stop-reading": StopReading,
    "resume": Resume,
}
_TRANSPORTS: dict[str, Transport] = {"tcp": "tcp", "udp": "udp"}
_CAS_ENCODINGS: dict[str, CasEncoding] = {"decimal": "decimal", "u64": "u64"}
_TIME_ENCODINGS: dict[str, TimeEncoding] = {"decimal": "decimal", "u32": "u32", "i32": "i32"}
Name = TypeVar("Name", bound=str)
_NAMES = {kind: name for name, kind in _MARKS.items()}


def short_id(conversation: Conversation) -> str:
    """Eight hexadecimal digits that depend on what it does and not on its name."""
    record = to_record(conversation)
    done = {"options": record.get("options", []), "steps": record["steps"]}
    return hashlib.sha256(json.dumps(done, sort_keys=True).encode()).hexdigest()[:8]


def to_record(conversation: Conversation) -> dict[str, object]:
    """The JSON object of a conversation."""
    record: dict[str, object] = {"id": conversation.id}
    if conversation.clauses:
        record["clauses"] = list(conversation.clauses)
    if conversation.options:
        record["options"] = list(conversation.options)
    if conversation.exact:
        record["clock"] = "exact"
    if conversation.note:
        record["note"] = conversation.note
    record["steps"] = [_step_record(step) for step in conversation.steps]
    return record


def dumps(conversation: Conversation) -> str:
    """One line, without its newline."""
    return json.dumps(to_record(conversation), ensure_ascii=False)


def loads(line: str) -> Conversation:
    """Read one line back.

    Raises:
        ValueError: if it is not a conversation; the message names what is wrong.
    """
    try:
        record = json.loads(line)
    except json.JSONDecodeError as error:
        raise ValueError(f"not a JSON object: {error}") from error
    if not isinstance(record, dict):
        raise ValueError("not a JSON object")
    return from_record(record)


def from_record(record: Mapping[str, object]) -> Conversation:
    """The conversation of a JSON object.

    Raises:
        ValueError: if it is not one; the message names what is wrong.
    """
    steps = record.get("steps")
    if not isinstance(record.get("id"), str) or not isinstance(steps, list):
        raise ValueError("a conversation needs an id and steps")
    return Conversation(
        id=str(record["id"]),
        steps=tuple(_step(step) for step in steps),
        clauses=_strings(record, "clauses"),
        options=_strings(record, "options"),
        note=str(record.get("note", "")),
        exact=record.get("clock") == "exact",
    )


def _strings(record: Mapping[str, object], name: str) -> tuple[str, ...]:
    value = record.get(name, [])
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ValueError(f"{name} must be a list of strings")
    return tuple(value)


def _step_record(step: Step) -> dict[str, object]:
    if isinstance(step, Send):
        literal = len(step.parts) == 1 and isinstance(step.parts[0], bytes)
        parts = [_part_record(part) for part in step.parts]
        record: dict[str, object] = {"send": parts[0] if literal else parts}
        if step.conn:
            record["conn"] = step.conn
        if step.cuts:
            record["cuts"] = list(step.cuts)
        return record
    if isinstance(step, Datagram):
        literal = len(step.parts) == 1 and isinstance(step.parts[0], bytes)
        parts = [_part_record(part) for part in step.parts]
        return {"datagram": parts[0] if literal else parts, "conn": step.conn}
    if isinstance(step, Open) and step.transport != "tcp":
        return {"open": step.conn, "transport": step.transport}
    if isinstance(step, Settle):
        return {"settle": step.conn}
    if isinstance(step, Advance):
        return {"advance": step.seconds}
    return {_NAMES[type(step)]: step.conn}


def _part_record(part: Part) -> object:
    if isinstance(part, bytes):
        return part.decode("latin-1")
    if isinstance(part, TimeRef):
        return {"time": part.offset, **({"encoding": part.encoding} if part.encoding != "decimal" else {})}
    if isinstance(part, Repeat):
        return {"repeat": part.unit.decode("latin-1"), "times": part.times}
    record: dict[str, object] = {"cas": part.key.decode("latin-1")}
    if part.offset:
        record["offset"] = part.offset
    if part.conn is not None:
        record["conn"] = part.conn
    if part.encoding != "decimal":
        record["encoding"] = part.encoding
    return record


def _step(record: object) -> Step:
    if not isinstance(record, dict) or not record:
        raise ValueError(f"not a step: {record!r}")
    if "send" in record:
        sent = record["send"]
        parts = sent if isinstance(sent, list) else [sent]
        cuts = tuple(_integer(cut) for cut in record.get("cuts", []))
        return Send(_integer(record.get("conn", 0)), tuple(_part(part) for part in parts), cuts)
    if "datagram" in record:
        sent = record["datagram"]
        parts = sent if isinstance(sent, list) else [sent]
        return Datagram(_integer(record.get("conn", 0)), tuple(_part(part) for part in parts))
    name, value = next(iter(record.items()))
    if name == "open":
        return Open(_integer(value), _one_of(record.get("transport", "tcp"), _TRANSPORTS))
    if name == "settle":
        return Settle(None if value is None else _integer(value))
    if name == "advance" and isinstance(value, int | float):
        return Advance(value)
    if name in _MARKS:
        return _MARKS[name](_integer(value))
    raise ValueError(f"unknown step {name!r}")


def _part(value: object) -> Part:
    if isinstance(value, str):
        try:
            return value.encode("latin-1")
        except UnicodeEncodeError as error:
            raise ValueError(f"not latin-1: {value!r}") from error
    if isinstance(value, dict) and "time" in value:
        return TimeRef(_integer(value["time"]), _one_of(value.get("encoding", "decimal"), _TIME_ENCODINGS))
    if isinstance(value, dict) and isinstance(value.get("repeat"), str):
        return Repeat(value["repeat"].encode("latin-1"), _integer(value.get("times")))
    if isinstance(value, dict) and isinstance(value.get("cas"), str):
        conn = value.get("conn")
        key = value["cas"].encode("latin-1")
        encoding = _one_of(value.get("encoding", "decimal"), _CAS_ENCODINGS)
        return CasRef(key, _integer(value.get("offset", 0)), None if conn is None else _integer(conn), encoding)
    raise ValueError(f"neither text nor a reference: {value!r}")


def _one_of(value: object, known: dict[str, Name]) -> Name:
    if not isinstance(value, str) or value not in known:
        raise ValueError(f"{value!r} is none of {', '.join(known)}")
    return known[value]


def _integer(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"not an integer: {value!r}")
    return value
