"""UDP: frames, one request a datagram, messages and their pieces; total, and nothing kept between two datagrams."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcspec import Event, Fit, Happening, Now, Outcome, Owed, Rules, World, match, packet, profiles, step, udp
from mcspec.frozen import FrozenMap

NOW = Now(1000, 1000)
BASE = Rules()
SET, GET = b"set a 0 0 3\r\nabc\r\n", b"get a\r\n"
VALUE = b"VALUE a 0 3\r\nabc\r\n"
NOOP = bytes.fromhex("800a0000000000000000000000000007") + bytes(8)
NOOP_REPLY = b"\x81" + NOOP[1:]


def framed(payload: bytes, request: int = 1, sequence: int = 0, total: int = 1, reserved: int = 0) -> bytes:
    """A datagram."""
    return udp.Frame(request, sequence, total, reserved).pack() + payload


def asked(world: World, datagram: bytes, rules: Rules = BASE) -> tuple[Outcome, ...]:
    """All outcomes of a datagram."""
    return step(world, Happening(9, Event.DATAGRAM, datagram), NOW, rules)


def told(*payloads: bytes, rules: Rules = BASE) -> list[tuple[bytes, ...]]:
    """What each allowed world answers to the last of several datagrams, message by message."""
    world = World()
    for payload in payloads[:-1]:
        world = asked(world, framed(payload), rules)[0].world
    return [_messages(outcome.owed) for outcome in asked(world, framed(payloads[-1]), rules)]


def _messages(owed: tuple[Owed, ...]) -> tuple[bytes, ...]:
    return tuple(b"".join(piece for piece in one.pieces if isinstance(piece, bytes)) for one in owed if one.pieces)


def clauses(*datagrams: bytes, rules: Rules = BASE) -> set[str]:
    """What the outcomes of the last datagram rest on."""
    world = World()
    for datagram in datagrams[:-1]:
        world = asked(world, datagram, rules)[0].world
    return {name for outcome in asked(world, datagrams[-1], rules) for one in outcome.owed for name in one.clauses}


@pytest.mark.parametrize("size", range(9))
def test_eight_bytes_hold_no_request(size: int) -> None:
    for data in (framed(b"")[:size], b"\xff" * size, b"mn\r\n\r\n\r\n"[:size]):
        (outcome,) = asked(World(), data)
        assert outcome.owed == (Owed((), ("udp.frame.short",)),) or len(data) == size == 8
        assert not any(one.pieces for one in outcome.owed)
        assert outcome.world == World()


@pytest.mark.parametrize("total", [0, 2, 255, 256, 257, 32768, 65535])
def test_a_request_is_one_datagram(total: int) -> None:
    (outcome,) = asked(World(), framed(SET, total=total))
    assert outcome.world == World()
    assert outcome.owed == (Owed((), ("udp.frame.several",)),)


@given(st.integers(0, 65535), st.integers(0, 65535), st.integers(0, 65535))
def test_the_frame_of_a_request(request: int, sequence: int, reserved: int) -> None:
    """The id comes back, whatever the rest is."""
    (outcome,) = asked(World(), framed(b"mn\r\n", request, sequence, 1, reserved))
    assert [(one.datagram, one.pieces) for one in outcome.owed] == [(request, (b"MN\r\n",))]
    assert udp.unpack(framed(b"", request, sequence, 7, reserved)) == (request, sequence, 7, reserved)


def test_requests_of_a_datagram_are_carried_out_in_order() -> None:
    assert told(SET + GET + b"delete a\r\n" + GET) == [(b"STORED\r\n", VALUE + b"END\r\n", b"DELETED\r\n", b"END\r\n")]
    assert told(b"set a 0 0 1 noreply\r\nx\r\nmn\r\n") == [(b"MN\r\n",)]


def test_a_retrieval_of_several_values_is_one_message_or_one_a_value() -> None:
    end = b"END\r\n"
    assert sorted(told(SET, b"get a a b a\r\nmn\r\n")) == sorted(
        [(VALUE * 3 + end, b"MN\r\n"), (VALUE, VALUE, VALUE + end, b"MN\r\n")]
    )
    assert sorted(told(SET, b"get a b\r\n")) == sorted([(VALUE + end,), (VALUE, end)])
    assert told(SET, b"get b a\r\n") == [(VALUE + end,)]
    assert told(SET, b"gat -1 a a\r\n") == [(VALUE + end,), (VALUE, end)]
    assert told(SET, b"gat 100 a 100 a\r\n") == [(VALUE * 2 + end,), (VALUE, VALUE + end)]
    assert told(SET + SET.replace(b"a", b"a\tb", 1), b"get a a\tb\r\n") == [
        (VALUE + VALUE.replace(b"a", b"a\tb", 1) + end,),
        (VALUE, VALUE.replace(b"a", b"a\tb", 1) + end),
    ]
    whole, parted = asked(asked(World(), framed(SET))[0].world, framed(b"get a a\r\n", 300))
    assert [one.datagram for one in parted.owed] == [300, 300]
    assert [one.counts for one in parted.owed] == [whole.owed[0].counts, ()]
    assert len({whole.world, parted.world}) == 1


def test_what_looks_like_a_value_is_none() -> None:
    """Only the line of a hit begins a message: not a value that reads like one."""
    value = b"\r\nVALUE b 0 1\r\nx\r\nEND"
    store = b"set a 0 0 %d\r\n%b\r\n" % (len(value), value)
    assert len(told(store, GET)) == 1


@pytest.mark.parametrize(
    ("cut", "clause"),
    [
        (b"versi", "udp.end.line"),
        (b"mn\r", "udp.end.line"),
        (NOOP[:20], "udp.end.header"),
        (b"\x80", "udp.end.header"),
        (b"set a 0 0 10\r\nabc", "udp.end.value"),
        (b"set a 0 0 10\r\n", "udp.end.value"),
        (b"set a x 0 10\r\nabc", "udp.end.value"),
        (b"quit\r\nmn\r\n", "udp.end.closes-nothing"),
        (b"foo HTTP/1.1\r\nmn\r\n", "udp.end.closes-nothing"),
        (b"x" * 2048 + b"\r\nmn\r\n", "udp.end.closes-nothing"),
    ],
)
def test_the_end_of_a_datagram(cut: bytes, clause: str) -> None:
    """What it leaves over is forgotten: nothing of it is answered or kept, and the next datagram begins anew."""
    (outcome,) = asked(World(), framed(cut))
    assert not any(one.pieces for one in outcome.owed)
    assert outcome.owed[-1].clauses[-1] == clause
    assert not outcome.world.conns
    for behind in (b"on\r\nmn\r\n", b"0123456789\r\nmn\r\n"):
        assert told(cut, behind) == told(behind)
    assert told(cut, NOOP) == [(NOOP_REPLY,)]


def test_a_value_that_is_read_on_is_not_specified() -> None:
    """Released servers take the next datagram for the rest of a value; of a line they do not."""
    rules = profiles.load("memcached-1.6.45").rules
    (outcome,) = asked(World(), framed(b"set a 0 0 10\r\nabc"), rules)
    assert outcome.unspecified
    (outcome,) = asked(World(), framed(b"versi"), rules)
    assert outcome.unspecified is None


def test_the_protocol_is_chosen_by_each_datagram() -> None:
    assert told(NOOP + b"mn\r\n" * 8) == [(NOOP_REPLY,)]
    assert told(NOOP, b"mn\r\n") == [(b"MN\r\n",)]
    assert told(b"mn\r\n" + NOOP + b"\r\n")[0][0] == b"MN\r\n"
    assert "udp.protocol.binary" in clauses(framed(NOOP))
    assert "udp.protocol.text" in clauses(framed(b"mn\r\n"))
    assert told(NOOP + b"\r\n", rules=Rules(protocol="ascii"))[0][0].startswith((b"ERROR", b"CLIENT_ERROR"))


def test_packets_over_udp() -> None:
    rules = Rules(protocol="packet")
    noop, ok = packet.packet(0), packet.packet(packet.OK)
    assert told(noop + noop, rules=rules) == [(ok, ok)]
    assert told(noop + noop[:-1], noop[-1:] + noop, rules=rules) != [(ok,)]
    assert told(noop + b"\0\0\0\4" + noop, rules=rules) == [(ok, packet.error(packet.WRONG_LENGTH, 0))]
    assert told(noop + b"\0\0\0\4", noop, rules=rules) == [(ok,)]
    assert "udp.protocol.packet" in clauses(framed(noop), rules=rules)
    refused = packet.packet(0x99, b"x" * 50)
    assert told(noop + refused[:-1], noop, rules=rules) == [(ok,)]


def test_a_client_is_no_connection() -> None:
    """It counts against no limit and leaves nothing behind; a connection half way through is left alone."""
    rules = BASE._replace(limits=BASE.limits._replace(connections=1))
    (outcome,) = step(World(), Happening(0, Event.CONNECT), NOW, rules)
    (outcome,) = step(outcome.world, Happening(0, Event.DATA, b"set b 0 0 3\r\na"), NOW, rules)
    (after,) = asked(outcome.world, framed(SET), rules)
    assert after.world.conns == outcome.world.conns
    assert after.world.cache.items[b"a"].value == b"abc"
    (last,) = step(after.world, Happening(0, Event.DATA, b"bc\r\n" + GET), NOW, rules)
    assert _messages(last.owed) == (b"STORED\r\n", VALUE + b"END\r\n")
    assert asked(World(conns=FrozenMap()), framed(b"quit\r\n"))[0].world == World()


@given(st.integers(0, 65535), st.integers(0, 9000))
def test_datagrams_of_a_message(request: int, length: int) -> None:
    """All are full but the last, numbered from 0, and joined they are the message."""
    message = bytes(at % 251 for at in range(length))
    sent = udp.datagrams(request, message, BASE)
    frames = [udp.unpack(one) for one in sent]
    assert frames == [udp.Frame(request, number, len(sent)) for number in range(len(sent))]
    assert b"".join(one[8:] for one in sent) == message
    assert all(len(one) == 1400 for one in sent[:-1])
    assert all(8 < len(one) <= 1400 for one in sent)


def test_numbers_of_a_message_that_is_very_long() -> None:
    """The count ends at 65,535, and the sequence number goes round."""
    small = BASE._replace(limits=BASE.limits._replace(datagram=1))
    sent = udp.datagrams(5, b"x" * 65538, small)
    assert udp.unpack(sent[0]) == (5, 0, 65535, 0)
    assert [udp.unpack(one).sequence for one in sent[65534:]] == [65534, 65535, 0, 1]


@given(st.lists(st.binary(max_size=60), max_size=4), st.sampled_from(["auto", "ascii", "binary", "packet"]))
def test_total_on_any_datagrams(datagrams: list[bytes], protocol: str) -> None:
    """Any bytes have an outcome; no connection comes of them."""
    world, rules = World(), Rules(protocol=protocol)
    for data in datagrams:
        for one in (data, framed(data)):
            outcomes = asked(world, one, rules)
            assert outcomes
            assert not outcomes[0].world.conns
            world = outcomes[0].world


def test_replies_match_as_over_tcp() -> None:
    """The pieces are those of the protocol, without frames."""
    (outcome,) = asked(World(), framed(SET + b"gets a\r\n"))
    shown = outcome.owed[1]
    assert match(outcome.world.cache, shown.pieces, b"VALUE a 0 3 77\r\nabc\r\nEND\r\n").fit is Fit.WHOLE
