"""Putting the datagrams that answer a UDP request together again, as a careful client does.

A frame says which request it answers, which piece it is, and of how many. The pieces of a message are all full but the
last, in order from 0. What does not fit is a fault of the server, unless datagrams can be lost on the way: then a gap
is nobody's fault.
"""

from __future__ import annotations

from typing import NamedTuple

from mcspec import arith_frames

PAYLOAD = 1392
"""Bytes of the message that a datagram carries at most; 1400 with its frame header."""

MOST = 65535
"""Datagrams of a message, as its frames can tell: more are shown as so many."""


class Message(NamedTuple):
    """A whole answer: the id of the request, and the bytes."""

    request: int
    data: bytes


class Fault(NamedTuple):
    """A datagram that should not have come: what should have, and whether a lost one would explain it."""

    expected: str
    gap: bool = False


class Reassembly:
    """The datagrams of one client; a message is complete before the next one begins."""

    def __init__(self) -> None:
        self._request = 0
        self._total = 0
        self._pieces: list[bytes] = []

    @property
    def begun(self) -> bool:
        """Whether pieces of a message have come, and not all of them."""
        return bool(self._pieces)

    def feed(self, data: bytes) -> Message | Fault | None:
        """Take one datagram: a whole message, what is wrong with it, or None while more must come."""
        if len(data) == arith_frames.FRAME and not any(data[2:]):
            return None  # some releases send the header alone where they have nothing to say
        if len(data) == arith_frames.FRAME and data[4:] == bytes(4):
            # What some send where they have nothing to say: clients pass over it.
            return None
        if len(data) <= arith_frames.FRAME:
            return Fault("a datagram with a frame header and some of the answer")
        request, number, total, reserved = (int.from_bytes(data[at : at + 2], "big") for at in (0, 2, 4, 6))
        piece = data[arith_frames.FRAME :]
        if reserved:
            return Fault("a frame whose last two bytes are 0")
        if not self.begun:
            self._request, self._total = request, total
        elif (request, total) != (self._request, self._total):
            return Fault(
                f"piece {len(self._pieces)} of the {self._total} that answer request {self._request}", gap=True
            )
        due = len(self._pieces)
        if number != arith_frames.sequence_shown(due, MOST + 1):
            return Fault(f"a frame with sequence number {due}", gap=number > due)
        if not total:
            return Fault("a frame that tells of one datagram at least")
        if not arith_frames.piece_right(due, total, len(piece), PAYLOAD) and total < MOST:
            size = f"{PAYLOAD} bytes" if due < total - 1 else f"1 to {PAYLOAD} bytes"
            return Fault(f"datagram {due} of {total} with {size} behind its frame header")
        self._pieces.append(piece)
        # A message of more datagrams than can be told ends with the first that is not full.
        more = due < total - 1 if total < MOST else due < total - 1 or len(piece) == PAYLOAD
        if more:
            return None
        message = Message(self._request, b"".join(self._pieces))
        self._pieces.clear()
        return message
