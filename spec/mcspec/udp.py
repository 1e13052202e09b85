"""Requests and replies in datagrams: each is a frame of 8 bytes and a payload of requests, or of a piece of a reply.

Theory of operation
-------------------
There are no connections. A datagram is taken as the whole input of one: its first byte decides the protocol, its
requests are carried out in order, and what is left of it in the end is forgotten, as is whatever would have closed a
connection. So the table of connections serves here too, and nothing is kept between two datagrams.

Each reply is a message of its own, cut into datagrams that carry the id of the request. A frame is four numbers of 16
bits, high byte first: request id, sequence number, number of datagrams, and one that is reserved.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from mcspec import connection, counters
from mcspec.arith_frames import FRAME, HEADER, REQUEST
from mcspec.machine import BINARY, PACKET, STREAMS, Conn, Event, State, Turn
from mcspec.pattern import Owed

if TYPE_CHECKING:
    from mcspec.cache import Cache
    from mcspec.machine import Context
    from mcspec.rules import Rules

_MODULUS = 65536
"""What the numbers of a frame are kept modulo."""


PERMITTED = (
    *("udp.end.state", "udp.reply.nothing", "udp.reply.most", "udp.reply.lost"),
    *("udp.server.off", "udp.server.same-port"),
)
"""Clauses on what no reply shows: what a server may do beside what it owes, and how it is started."""


class Frame(NamedTuple):
    """The header of a datagram: request id, sequence number, number of datagrams, reserved."""

    request: int
    sequence: int
    total: int
    reserved: int = 0

    def pack(self) -> bytes:
        """Its 8 bytes."""
        return b"".join(number.to_bytes(2, "big") for number in self)


def unpack(datagram: bytes) -> Frame:
    """The frame that a datagram of 8 bytes or more begins with."""
    return Frame(*(int.from_bytes(datagram[at : at + 2], "big") for at in range(0, FRAME, 2)))


def datagrams(request: int, message: bytes, rules: Rules) -> tuple[bytes, ...]:
    """The datagrams that carry a message, in order; none if it is empty."""
    functions, payload = rules.functions, rules.limits.datagram
    count = functions.datagrams(len(message), payload)
    total = functions.total_shown(count, rules.limits.datagrams)
    cut, at = [], 0
    for number in range(count):
        size = functions.piece_length(len(message), number, payload)
        frame = Frame(request, functions.sequence_shown(number, _MODULUS), total)
        cut.append(frame.pack() + message[at : at + size])
        at += size
    return tuple(cut)


def receive(datagram: bytes, cache: Cache, context: Context) -> tuple[Turn, ...]:
    """Every allowed world after a datagram; the connection in them is none that is kept."""
    rules, nowhere = context.rules, Conn(State.WAITING)
    if len(datagram) < FRAME:
        return (Turn(nowhere, cache, (Owed((), ("udp.frame.short",)),), ()),)
    frame = unpack(datagram)
    if not rules.functions.datagram_accepted(len(datagram), frame.total):
        clause = "udp.frame.short" if frame.total == 1 else "udp.frame.several"
        return (Turn(nowhere, cache, (Owed((), (clause,)),), ()),)
    worlds: list[Turn] = []
    payloads = [datagram[FRAME:]]
    if rules.traits.datagram_rest == "lost":
        payloads += _beginnings(payloads[0])
    for turn in (turn for some in payloads for turn in connection.feed(nowhere, Event.DATA, some, cache, context)):
        unspecified = turn.unspecified
        if turn.conn.state in (State.NREAD, State.SWALLOW) and rules.traits.datagram_end == "read-on":
            unspecified = unspecified or "a value that a datagram cuts off is read on in the next one by some releases"
        worlds += [Turn(nowhere, turn.cache, owed, turn.rows, unspecified) for owed in _told(turn, frame, rules)]
    return tuple(worlds)


def _beginnings(payload: bytes) -> list[bytes]:
    """What a server has read that forgets the rest of a binary payload as soon as it writes an answer."""
    found, at = [], 0
    while len(payload) >= at + HEADER and payload[at] == REQUEST:
        at += HEADER + int.from_bytes(payload[at + 8 : at + 12], "big")
        if at < len(payload):
            found.append(payload[:at])
    return found


def _told(turn: Turn, frame: Frame, rules: Rules) -> list[tuple[Owed, ...]]:
    """The messages that are owed: one a request, or one a value where a server likes that better."""
    clauses = _clauses(turn, frame)
    whole = [
        one._replace(clauses=(*clauses, *_of_reply(one, rules), *one.clauses), datagram=frame.request)
        for one in turn.owed
    ]
    left = _left(turn, rules)
    if left is not None:
        whole.append(Owed((), (*clauses, left)))
    parted = [part for one in whole for part in _by_value(one)]
    return [tuple(whole)] if len(parted) == len(whole) else [tuple(whole), tuple(parted)]


def _clauses(turn: Turn, frame: Frame) -> tuple[str, ...]:
    """What holds of all that a datagram is answered with."""
    clauses: tuple[str, ...] = ("udp.frame.header", "udp.frame.request-id", "udp.cache.shared")
    if frame.sequence or frame.reserved:
        clauses = (*clauses, "udp.frame.ignored")
    if turn.conn.protocol == BINARY:
        clauses = (*clauses, "udp.protocol.binary")
    elif turn.conn.protocol == PACKET:
        clauses = (*clauses, "udp.protocol.packet")
    else:
        clauses = (*clauses, "udp.protocol.text")
    if len(turn.owed) > 1:
        clauses = (*clauses, "udp.request.pipelined")
    return clauses


def _of_reply(owed: Owed, rules: Rules) -> tuple[str, ...]:
    """What holds of one message."""
    if not owed.pieces:
        return ("udp.reply.silent",)
    clauses: tuple[str, ...] = ("udp.reply.message", "udp.reply.numbered", "udp.server.clients")
    known = sum(len(piece) for piece in owed.pieces if isinstance(piece, bytes))
    return (*clauses, "udp.reply.divided", "udp.reply.full") if known > rules.limits.datagram else clauses


def _left(turn: Turn, rules: Rules) -> str | None:
    """The clause by which the end of a datagram, or of its requests, takes what is left of it away."""
    conn = turn.conn
    if conn.state is State.CLOSED:
        return "udp.end.closes-nothing"
    if conn.state in (State.NREAD, State.SWALLOW):
        return "udp.end.value" if rules.traits.datagram_end == "forgotten" else None
    if not conn.buffer:
        return None
    return "udp.end.line" if STREAMS[conn.protocol] is STREAMS[""] else "udp.end.header"


def _by_value(owed: Owed) -> list[Owed]:
    """A retrieval of several values as several messages; what is counted goes with the first.

    END goes with the value of the last key, and by itself where that was not found.
    """
    starts = [at for at, piece in enumerate(owed.pieces) if isinstance(piece, bytes) and piece.startswith(b"VALUE ")]
    if not starts or owed.pieces[-1] != b"END\r\n":
        return [owed]
    # Not by its name: where a key stands twice, touching it may have been the end of it.
    apart = owed.details[-1][0] != counters.HIT
    if len(starts) < 2 and not apart:
        return [owed]
    clauses = (*owed.clauses, "udp.reply.values")
    starts += [len(owed.pieces) - 1] if apart else []
    ends = [*starts[1:], len(owed.pieces)]
    pieces = [owed.pieces[at:end] for at, end in zip(starts, ends, strict=True)]
    first = owed._replace(pieces=pieces[0], clauses=clauses)
    return [first, *(Owed(some, clauses, request=owed.request, datagram=owed.datagram) for some in pieces[1:])]
