"""One operation in any protocol: who can say it, how it is written, what of its answers is heard."""

from __future__ import annotations

from tests.cross import wire_binary, wire_packet, wire_text
from tests.cross.meanings import DONE, NOT_FOUND, Answer, Operation

Protocol = str
PROTOCOLS = ("text", "meta", "binary", "packet")

SENTINELS = {
    "text": (wire_text.SENTINEL, wire_text.ENDING),
    "meta": (wire_text.SENTINEL, wire_text.ENDING),
    "binary": (wire_binary.SENTINEL, wire_binary.ENDING),
    "packet": (wire_packet.SENTINEL, wire_packet.ENDING),
}
"""What is sent behind a request, and the end of what then comes back."""


def sayable(op: Operation, protocol: Protocol) -> bool:
    """Whether the protocol has a word for an operation of a plan; text has one for each.

    What is missing are differences by design, each with its test in `test_differences.py` or
    `test_framed_differences.py`: flush in meta; in binary a quiet touch and an exptime below 0, which has no sign
    there; in both binary and packet cas with 0, which in a header is no cas.
    """
    if protocol in {"binary", "packet"} and op.name == "cas" and op.unique < 0:
        return False
    if protocol == "binary":
        timed = op.name in {"set", "add", "replace", "cas", "touch", "gat", "gats"}
        return not (timed and op.exptime < 0) and not (op.name == "touch" and op.quiet)
    return protocol != "meta" or op.name != "flush"


def write(op: Operation, protocol: Protocol) -> bytes:
    """The request."""
    if protocol == "binary":
        return wire_binary.write(op)
    if protocol == "packet":
        return wire_packet.write(op)
    return wire_text.write(op, meta=protocol == "meta")


def read(data: bytes, op: Operation, protocol: Protocol) -> tuple[Answer, ...]:
    """What whole replies mean; raises ValueError if they are none of the protocol."""
    if protocol == "binary":
        return wire_binary.read(data, op)
    if protocol == "packet":
        return wire_packet.read(data, op)
    return wire_text.read(data, op)


def heard(op: Operation, protocol: Protocol, answers: tuple[Answer, ...]) -> tuple[Answer, ...]:
    """What of the answers comes if the operation is quiet: of `noreply` nothing, of the others all but the good news.

    A quiet mg is silent about a miss, not about a hit: for a touch that is the other way round.
    """
    if not op.quiet:
        return answers
    if protocol == "text":
        return ()
    silent = NOT_FOUND if op.name == "touch" and protocol == "meta" else DONE
    return tuple(answer for answer in answers if answer.status != silent)
