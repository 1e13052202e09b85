"""What the models of binary requests, packets and datagrams cover; and that packets are the mended sketch's."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pytest

from mcspec import arith_frames, packet
from mcspec.arith import Span
from mcspec.binary import OPCODES
from mcspec.cache import Cache
from mcspec.connection import feed
from mcspec.machine import Conn, Context, Event, State
from mcspec.models import binary as binary_model
from mcspec.models import framed
from mcspec.models import packet as packet_model
from mcspec.models import sketch as sketch_model
from mcspec.models import udp as udp_model
from mcspec.models.sketch_mended import DESIGN as MENDED
from mcspec.rules import Rules
from mcspec.sketch import ANSWER, MOVES, REFUSE, At, Loop
from mcspec.sketch import State as Sketched


def test_every_opcode_is_asked_for_and_answered() -> None:
    """And each closes for the sake of its shape, but for SASL's, which are unknown here, and quiet gets."""
    asks = binary_model.menu(binary_model.DESIGN)
    assert {ask.data[1] for ask in asks} > set(OPCODES)
    told = {reply[1] for ask in asks if (reply := ask.reply) is not None}
    assert told == {ask.data[1] for ask in asks} - {0x17}
    shaped = {ask.data[1] for ask in asks if ask.closes and not ask.law}
    assert shaped | {0x1E, 0x24, 0x09, 0x0D, 0x20, 0x21, 0x22} >= set(OPCODES)


def test_every_code_is_asked_for_and_answered() -> None:
    """Of the table each command, quiet ones too, and some that it does not know; and each status is given."""
    asks = packet_model.menu(packet_model.DESIGN)
    known = {code for code, command in enumerate(packet.DISPATCH) if command is not None}
    assert {ask.data[4] for ask in asks} > known
    told = {reply[1] for ask in asks if (reply := ask.reply) is not None}
    assert told == set(packet.NAMES) - {packet.STAT, packet.OUT_OF_MEMORY, packet.NOT_ALLOWED}


@pytest.mark.parametrize("model", [binary_model, packet_model], ids=["binary", "packet"])
def test_requests_are_told_apart_by_what_is_looked_at(model: object) -> None:
    """No two requests of a menu have the same bytes."""
    asks: Sequence[framed.Ask] = model.menu(model.DESIGN)  # type: ignore[attr-defined]
    assert len({ask.data for ask in asks}) == len(asks) > 140


def test_what_is_asked_over_udp_changes_nothing() -> None:
    """A request delivered twice must have the same answer twice: the cache is the same but for who used it last."""
    for kind in udp_model.KINDS:
        sent = udp_model.DESIGN.serve(udp_model.DESIGN, b"", 0, kind.datagram(1))[1]
        assert udp_model.fault(kind, 1, 0, sent) == ""


# ------------------------------------------------------------------------------------------------ the sketch

SIZE = sketch_model.NARROW
OFFERS = sketch_model.offers(sketch_model.Scope(SIZE, sketch_model.EVERY, 2, SIZE), "big")
RULES = Rules(limits=Rules().limits._replace(packet=SIZE, packet_data=SIZE), protocol="packet")
ALONE = RULES._replace(dispatch=(RULES.dispatch[0], *(None,) * 255))
"""The protocol with the one code that the sketch's table has."""


def mended(offers: Sequence[sketch_model.Offer], chunk: int, loop: Loop = MENDED) -> list[str]:
    """What the sketch's receive loop makes of packets that come in chunks of so many bytes, or what fits."""
    lines = {at: getattr(loop, at.name.lower()) for at in At if at.name.lower() in Loop._fields}
    unread = b"".join(sent for _, _, sent in offers)
    state = Sketched(At.WAIT, SIZE, "big", due=tuple(sent for _, sent, _ in offers))
    said = []
    while unread and state.at is At.WAIT:
        count = min(chunk, len(unread), loop.room(state))
        taken, unread = unread[:count], unread[count:]
        state = state._replace(at=At.ENTRY, memory=state.memory + taken, rbytes=state.rbytes + count)
        while state.at in lines:
            move, state = lines[state.at](state)
            said += [word for word, one in TOLD.items() if move is one]
    assert state.at in (At.WAIT, At.CLOSED)
    return said


TOLD = {"command": MOVES[At.COMMAND], "unknown": ANSWER, "length": REFUSE}


def served(offers: Iterable[sketch_model.Offer], chunk: int, rules: Rules = ALONE) -> list[str]:
    """What the specification makes of them."""
    unread = b"".join(sent for _, _, sent in offers)
    context = Context(Span(0, 0), rules, 0)
    (turn,) = feed(Conn(), Event.CONNECT, b"", Cache(), context)
    said = []
    for at in range(0, len(unread), chunk):
        (turn,) = feed(turn.conn, Event.DATA, unread[at : at + chunk], Cache(), context)
        for owed in turn.owed:
            code = b"".join(piece for piece in owed.pieces if isinstance(piece, bytes))[4:5]
            told = {b"\xe0": "unknown", b"\xe9": "length"}.get(code, "command")
            said += [told] if owed.pieces else []
    assert turn.conn.state in (State.WAITING, State.SWALLOW, State.CLOSED)
    return said


def test_the_length_that_is_refused_is_that_of_the_mended_sketch() -> None:
    """For every length up to beyond the buffer, and every buffer that holds a packet."""
    for size in range(5, 40):
        for length in (*range(45), 2**31, 2**32 - 1):
            state = Sketched(At.VALID, size, "big", memory=bytes(4), pktlen=length, rbytes=4)
            refused = MENDED.valid(state)[1].at is At.CLOSED
            assert refused == (arith_frames.packet_class(4, length, size) == arith_frames.BAD_LENGTH)


@pytest.mark.parametrize("chunk", [1, 3, 7, 100])
def test_packets_are_framed_as_in_the_mended_sketch(chunk: int) -> None:
    """Any two packets, right and wrong, in chunks of several sizes: the same are called, answered and refused."""
    for first in OFFERS:
        for second in OFFERS:
            assert mended((first, second), chunk) == served((first, second), chunk), (first[0].text, second[0].text)


def test_another_framing_is_not_the_mended_sketch() -> None:
    """What compares them sees a length of one byte more or less."""
    wrong = ALONE.replaced(packet_class=lambda held, length, most: arith_frames.packet_class(held, length, most - 1))
    assert any(mended((one,), 100) != served((one,), 100, wrong) for one in OFFERS)
