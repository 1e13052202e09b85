"""Planted bugs of the UDP model: a function of the rules, what serves, or what a client makes of what it received."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from mcspec.models import Plant

if TYPE_CHECKING:
    from mcspec.models.udp import Design, Sent, Serve

Alter = Callable[["Design"], "Design"]


def _function(**functions: Any) -> Alter:
    return lambda design: design._replace(rules=design.rules.replaced(**functions))


def _payload(by: int) -> Alter:
    """Other datagrams than those that a client can take."""

    def alter(design: Design) -> Design:
        limits = design.rules.limits
        return design._replace(rules=design.rules._replace(limits=limits._replace(datagram=limits.datagram + by)))

    return alter


def _serve(change: Callable[[Serve, Design, bytes, int, bytes], tuple[bytes, Sent]]) -> Alter:
    """Another server, around the one that is right."""

    def alter(design: Design) -> Design:
        right = design.serve
        return design._replace(
            serve=lambda made, memory, client, datagram: change(right, made, memory, client, datagram)
        )

    return alter


def to_the_first(right: Serve, design: Design, memory: bytes, client: int, datagram: bytes) -> tuple[bytes, Sent]:
    """Answers the client that asked first."""
    first = memory or bytes([client])
    return first, tuple((first[0], piece) for _, piece in right(design, b"", client, datagram)[1])


def to_all(right: Serve, design: Design, _memory: bytes, client: int, datagram: bytes) -> tuple[bytes, Sent]:
    """Answers everybody."""
    sent = right(design, b"", client, datagram)[1]
    return b"", (*sent, *((1 - to, piece) for to, piece in sent))


def twice(right: Serve, design: Design, _memory: bytes, client: int, datagram: bytes) -> tuple[bytes, Sent]:
    """Sends an answer twice, in case it is lost."""
    sent = right(design, b"", client, datagram)[1]
    return b"", sent + sent


def ended_by_nothing(right: Serve, design: Design, _memory: bytes, client: int, datagram: bytes) -> tuple[bytes, Sent]:
    """Ends a message with a datagram that holds nothing of it."""
    sent = right(design, b"", client, datagram)[1]
    return b"", (*sent, *((to, piece[:8]) for to, piece in sent[-1:]))


def last_missing(right: Serve, design: Design, _memory: bytes, client: int, datagram: bytes) -> tuple[bytes, Sent]:
    """Forgets the last datagram of an answer."""
    return b"", right(design, b"", client, datagram)[1][:-1]


def id_of_the_last(right: Serve, design: Design, memory: bytes, client: int, datagram: bytes) -> tuple[bytes, Sent]:
    """Answers with the id of the request before."""
    sent = right(design, b"", client, datagram)[1]
    return datagram[:2], tuple((to, (memory or datagram)[:2] + piece[2:]) for to, piece in sent)


def numbers_go_on(right: Serve, design: Design, memory: bytes, client: int, datagram: bytes) -> tuple[bytes, Sent]:
    """Counts the datagrams of all answers, not of each."""
    sent = right(design, b"", client, datagram)[1]
    counted = len(memory)
    pieces = tuple(
        (to, piece[:2] + struct.pack(">H", (counted + number) % 2) + piece[4:])
        for number, (to, piece) in enumerate(sent)
    )
    return bytes((counted + len(sent)) % 2), pieces


def reserved_echoed(right: Serve, design: Design, _memory: bytes, client: int, datagram: bytes) -> tuple[bytes, Sent]:
    """Gives the reserved field of the request back."""
    sent = right(design, b"", client, datagram)[1]
    return b"", tuple((to, piece[:6] + datagram[6:8] + piece[8:]) for to, piece in sent)


def line_goes_on(right: Serve, design: Design, memory: bytes, client: int, datagram: bytes) -> tuple[bytes, Sent]:
    """Keeps the half of a line for the next datagram."""
    frame, payload = datagram[:8], memory + datagram[8:]
    half = b"" if payload.endswith(b"\n") or payload[:1] == b"\x80" or len(datagram) <= 8 else payload[-16:]
    return half, right(design, b"", client, frame + payload if len(datagram) > 8 else datagram)[1]


def protocol_stays(right: Serve, design: Design, memory: bytes, client: int, datagram: bytes) -> tuple[bytes, Sent]:
    """Decides the protocol by the first datagram of all."""
    if len(datagram) <= 8:
        return memory, ()
    spoken = memory or (b"b" if datagram[8] == 0x80 else b"t")
    other = (datagram[8] == 0x80) != (spoken == b"b")
    return spoken, () if other else right(design, b"", client, datagram)[1]


def garbage_told(right: Serve, design: Design, _memory: bytes, client: int, datagram: bytes) -> tuple[bytes, Sent]:
    """Says what is wrong with a datagram that is none."""
    if len(datagram) > 8:
        return right(design, b"", client, datagram)
    return b"", ((client, (datagram + bytes(8))[:4] + b"\0\1\0\0ERROR\r\n"),)


def several_told(right: Serve, design: Design, _memory: bytes, client: int, datagram: bytes) -> tuple[bytes, Sent]:
    """Says that requests of several datagrams are not served."""
    if len(datagram) > 8 and datagram[4:6] != b"\0\1":
        return b"", ((client, datagram[:2] + b"\0\0\0\1\0\0ERROR\r\n"),)
    return right(design, b"", client, datagram)


def noreply_told(right: Serve, design: Design, _memory: bytes, client: int, datagram: bytes) -> tuple[bytes, Sent]:
    """Does not know noreply."""
    return right(design, b"", client, datagram.replace(b" noreply", b""))


def quit_told(right: Serve, design: Design, _memory: bytes, client: int, datagram: bytes) -> tuple[bytes, Sent]:
    """Does not know quit."""
    return right(design, b"", client, datagram.replace(b"quit", b"what"))


def messages_joined(right: Serve, design: Design, _memory: bytes, client: int, datagram: bytes) -> tuple[bytes, Sent]:
    """Sends the answers of a datagram as one message."""
    sent = right(design, b"", client, datagram)[1]
    starts = [at for at, (_, piece) in enumerate(sent) if piece[2:4] == b"\0\0"]
    if len(starts) < 2:
        return b"", sent
    return b"", ((client, sent[0][1][:8] + b"".join(piece[8:] for _, piece in sent)),)


def as_they_come(got: tuple[bytes, ...], request: int) -> bytes | None:
    """Puts the datagrams together without a look at their numbers."""
    mine = sorted((datagram for datagram in got if datagram[:2] == struct.pack(">H", request)), reverse=True)
    total = struct.unpack(">H", mine[0][4:6])[0] if mine else 0
    return b"".join(datagram[8:] for datagram in mine) if mine and len(mine) >= total else None


def whatever_id(got: tuple[bytes, ...], _request: int) -> bytes | None:
    """Puts the datagrams together without a look at their id."""
    pieces = {datagram[2:4]: datagram for datagram in got}
    total = max((struct.unpack(">H", datagram[4:6])[0] for datagram in got), default=0)
    return b"".join(pieces[at][8:] for at in sorted(pieces)) if got and len(pieces) >= total else None


def the_last_is_enough(got: tuple[bytes, ...], request: int) -> bytes | None:
    """Takes an answer for whole when its last datagram is there."""
    mine = sorted(datagram for datagram in got if datagram[:2] == struct.pack(">H", request))
    last = [
        datagram for datagram in mine if datagram[2:4] == struct.pack(">H", struct.unpack(">H", datagram[4:6])[0] - 1)
    ]
    return b"".join(datagram[8:] for datagram in mine) if last else None


PLANTS = tuple(
    Plant(name, f"law.udp.{law}", alter)
    for name, law, alter in (
        ("a client does not look at numbers", "whole", lambda design: design._replace(together=as_they_come)),
        ("a client does not look at ids", "whole", lambda design: design._replace(together=whatever_id)),
        ("a client waits for the last only", "whole", lambda design: design._replace(together=the_last_is_enough)),
        ("the first client has all answers", "addressed", _serve(to_the_first)),
        ("everybody has all answers", "addressed", _serve(to_all)),
        ("binary is not spoken", "answered", _function(spoken=lambda _first, _rules: "text")),
        ("numbers begin with 1", "numbered", _function(sequence_shown=lambda number, _: number + 1)),
        ("numbers take one bit", "numbered", _function(sequence_shown=lambda number, _: number % 2)),
        ("the total is always 1", "numbered", _function(total_shown=lambda _count, _most: 1)),
        ("the total is one too few", "numbered", _function(total_shown=lambda count, _most: count - 1)),
        ("the id is that of the request before", "numbered", _serve(id_of_the_last)),
        ("all answers are counted together", "numbered", _serve(numbers_go_on)),
        ("the reserved field comes back", "numbered", _serve(reserved_echoed)),
        ("datagrams are a byte too long", "divided", _payload(1)),
        ("datagrams are a byte too short", "divided", _payload(-1)),
        (
            "the rest of a message is not sent",
            "divided",
            _function(datagrams=lambda length, payload: max(1, length // payload)),
        ),
        ("the last datagram is forgotten", "divided", _serve(last_missing)),
        ("an answer is sent twice", "no-more", _serve(twice)),
        ("an empty datagram ends a message", "no-more", _serve(ended_by_nothing)),
        ("two answers are one message", "answered", _serve(messages_joined)),
        ("requests of several datagrams are served", "several", _function(datagram_accepted=lambda size, _: size > 8)),
        (
            "of the total only a byte is looked at",
            "several",
            _function(datagram_accepted=lambda size, total: size > 8 and total % 255 == 1),
        ),
        ("requests of several datagrams are told off", "several", _serve(several_told)),
        ("garbage is told off", "garbage", _serve(garbage_told)),
        ("noreply is not known", "silent", _serve(noreply_told)),
        ("quit is answered", "silent", _serve(quit_told)),
        ("half a line waits for its end", "alone", _serve(line_goes_on)),
        ("the first datagram decides the protocol", "alone", _serve(protocol_stays)),
    )
)
