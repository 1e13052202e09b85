"""The binary protocol: headers, opcodes, replies; total, and indifferent to how a stream is cut."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcspec import Cache, Event, Fit, Happening, Now, Owed, Rules, State, World, binary, describe, match, step
from mcspec.describing import packets
from mcspec.pattern import STATISTICS, Piece, lines

NOW = Now(1000, 1000)
SMALL = Rules()._replace(limits=Rules().limits._replace(key=5, item=100, item_header=20, body=400, read_buffer=200))
OPAQUE = b"\x01\x02\x03\x04"
_LOUD = bytes.fromhex("00 0c 1d 23 01 02 03 04 05 06 07 08 0e 0f")
_QUIET = bytes.fromhex("09 0d 1e 24 11 12 13 14 15 16 17 18 19 1a")
QUIET = dict(zip(_LOUD, _QUIET, strict=True))
"""Each opcode with a quiet form."""


def packed(
    opcode: int, key: bytes = b"", extras: bytes = b"", value: bytes = b"", *, cas: int = 0, opaque: bytes = OPAQUE
) -> bytes:
    """A request."""
    body = len(extras) + len(key) + len(value)
    head = struct.pack(">BBHBBHI", 0x80, opcode, len(key), len(extras), 0, 0, body)
    return head + opaque + struct.pack(">Q", cas) + extras + key + value


def opened(rules: Rules) -> World:
    """A world with connection 0 open."""
    (outcome,) = step(World(), Happening(0, Event.CONNECT), NOW, rules)
    return outcome.world


def fed(world: World, chunk: bytes, rules: Rules = SMALL) -> tuple[World, tuple[Owed, ...]]:
    """The one outcome of a chunk."""
    (outcome,) = step(world, Happening(0, Event.DATA, chunk), NOW, rules)
    assert outcome.unspecified is None
    return outcome.world, outcome.owed


def asked(stream: bytes, rules: Rules = SMALL) -> list[tuple[Piece, ...]]:
    """The pieces of all replies to a stream on a connection of its own."""
    return [owed.pieces for owed in fed(opened(rules), stream, rules)[1] if owed.pieces]


# ---------------------------------------------------------------------------------------------------- grammar


@given(
    st.integers(0, 255),
    st.integers(0, 2**16 - 1),
    st.integers(0, 255),
    st.integers(0, 2**32 - 1),
    st.binary(min_size=4, max_size=4),
    st.integers(0, 2**64 - 1),
)
def test_a_header_is_read_as_it_was_written(
    opcode: int, keylen: int, extlen: int, bodylen: int, opaque: bytes, cas: int
) -> None:
    """Each field at its place, unsigned and big-endian."""
    data = struct.pack(">BBHBBHI", 0x80, opcode, keylen, extlen, 7, 9, bodylen) + opaque + struct.pack(">Q", cas)
    assert binary.header(data) == (0x80, opcode, keylen, extlen, bodylen, opaque, cas)


def test_every_written_opcode_is_known() -> None:
    """And those that were added later; no other."""
    assert set(binary.OPCODES) == {*range(0x1B), 0x1C, 0x1D, 0x1E, 0x20, 0x21, 0x22, 0x23, 0x24}


def test_a_quiet_form_differs_in_nothing_else() -> None:
    for loud, quiet in QUIET.items():
        assert binary.OPCODES[quiet] == binary.OPCODES[loud]._replace(quiet=True)
    assert {opcode for opcode, command in binary.OPCODES.items() if command.quiet} == set(QUIET.values())


@given(st.integers(0, 255), st.integers(0, 2**16 - 1), st.integers(0, 255), st.integers(0, 2**32 - 1))
def test_every_header_is_a_request_or_a_refusal(opcode: int, keylen: int, extlen: int, bodylen: int) -> None:
    """A refusal closes, or drops what is left of the body and no more; a request has the value that is left."""
    data = struct.pack(">BBHBBHI", 0x80, opcode, keylen, extlen, 0, 0, bodylen) + OPAQUE + bytes(8)
    data += bytes(binary.need(data, Rules()) - len(data))
    read = binary.read(data, Rules())
    rest = bodylen - keylen - extlen
    if isinstance(read, binary.Refusal):
        assert read.status in binary.TEXTS
        assert read.closes == (read.swallow != rest or read.status == binary.INVALID or rest < 0)
        assert read.swallow == (0 if read.closes else rest)
    else:
        assert (read.length, len(read.key), len(read.extras)) == (rest, keylen, extlen)


@pytest.mark.parametrize("opcode", range(256))
def test_a_bare_header_of_every_opcode(opcode: int) -> None:
    """Without extras, key and value: carried out, refused for good, or unknown."""
    command = binary.OPCODES.get(opcode)
    world, owed = fed(opened(SMALL), packed(opcode))
    closed = world.conns[0].state is State.CLOSED
    pieces = owed[0].pieces
    status = int.from_bytes(pieces[0][6:8], "big") if pieces and isinstance(pieces[0], bytes) else 0
    if command is None or command.word == "sasl-list":
        assert (status, closed) == (binary.UNKNOWN, False)
    elif command.word in ("noop", "version", "stat", "flush"):
        assert (status, closed) == (binary.OK, False)
        assert bool(pieces) != command.quiet
    elif command.word == "quit":
        assert (status, closed) == (binary.OK, True)
        assert bool(pieces) != command.quiet
    else:
        assert (status, closed) == (binary.INVALID, True)


# ---------------------------------------------------------------------------------------------------- streams

STREAMS = (
    packed(0x00, b"a"),
    packed(0x01, b"a", bytes(8), b"5"),
    packed(0x11, b"a", bytes(8), b"text"),
    packed(0x02, b"a", bytes(8), b""),
    packed(0x0E, b"a", b"", b"9"),
    packed(0x0D, b"a"),
    packed(0x05, b"a", struct.pack(">QQI", 2, 7, 0)),
    packed(0x16, b"b", struct.pack(">QQI", 2, 7, 0xFFFFFFFF)),
    packed(0x14, b"a"),
    packed(0x24, b"b", bytes(4)),
    packed(0x01, b"b", bytes(8), bytes(90)),
    packed(0xFF, b"k", b"xx", b"value"),
    packed(0x1B),
    packed(0x0A),
    packed(0x10, b"foo"),
    packed(0x08),
    packed(0x07),
    packed(0x04, b"c", cas=3),
    packed(0x00, b"toolong"),
    packed(0x0A)[:-1],
    b"\x81" + bytes(23),
    b"get a\r\n",
)


def _bare(world: World) -> World:
    """The world without what is only told in clauses: the count of chunks, and the request that was the last."""
    conn = world.conns[0]
    return world._replace(conns=world.conns.put(0, conn._replace(parts=0, line=conn.line if conn.request else b"")))


def _said(world: World, chunks: list[bytes]) -> tuple[World, list[object]]:
    said: list[object] = []
    for chunk in chunks:
        world, owed = fed(world, chunk)
        said += [one.pieces for one in owed if one.pieces]
    return _bare(world), said


@given(st.lists(st.sampled_from(STREAMS), min_size=1, max_size=6).map(b"".join), st.data())
def test_chunks_do_not_matter(stream: bytes, data: st.DataObject) -> None:
    """Whole, cut anywhere, and byte by byte."""
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    chunks = [stream[low:high] for low, high in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    whole = _said(opened(SMALL), [stream])
    assert _said(opened(SMALL), chunks) == whole
    assert _said(opened(SMALL), [bytes([byte]) for byte in stream]) == whole


@given(st.lists(st.one_of(st.binary(max_size=80), st.sampled_from(STREAMS)), max_size=8))
def test_total_on_any_bytes(chunks: list[bytes]) -> None:
    """Whatever follows the magic: an outcome, and no more than a few."""
    worlds = [opened(SMALL)]
    for chunk in (b"\x80", *chunks):
        outcomes = [one for world in worlds for one in step(world, Happening(0, Event.DATA, chunk), NOW, SMALL)]
        worlds = [one.world for one in outcomes if one.unspecified is None]
        assert len(worlds) <= 64
        resting = {State.WAITING, State.NREAD, State.SWALLOW, State.CLOSED}
        assert all(world.conns[0].state in resting for world in worlds)


@pytest.mark.parametrize(("opcode", "extras"), [(0x01, bytes(8)), (0x12, bytes(8)), (0x0E, b""), (0x21, b"")])
def test_a_value_whose_length_has_the_top_bit(opcode: int, extras: bytes) -> None:
    """Where no body is too long: below 2^31 bytes it is waited for, then all or nothing is left open."""
    rules = SMALL._replace(traits=SMALL.traits._replace(body_limit="none"))
    noop = packed(0x0A)
    for length, awaited in ((2**31 - 1, True), (2**31, False), (2**32 - 1 - len(extras) - 1, False)):
        request = bytearray(packed(opcode, b"a", extras))
        request[8:12] = (len(extras) + 1 + length).to_bytes(4, "big")
        (outcome,) = step(opened(rules), Happening(0, Event.DATA, bytes(request) + noop), NOW, rules)
        if awaited:
            assert (outcome.unspecified, outcome.owed, outcome.world.conns[0].state) == (None, (), State.SWALLOW)
        elif opcode == 0x21:
            assert [one.pieces[0][6:8] for one in outcome.owed] == [b"\0\x81", b"\0\0"]
        else:
            assert outcome.unspecified == binary.LEFT_OVER
            assert outcome.owed == ()


@given(st.lists(st.sampled_from(STREAMS), min_size=1, max_size=6).map(b"".join))
def test_every_reply_is_a_packet(stream: bytes) -> None:
    """Magic, opaque, data type, and lengths that are those of what follows."""
    for pieces in asked(packed(0x0A) + stream):
        if not isinstance(pieces[0], bytes):
            continue
        body = len(b"".join(piece for piece in pieces if isinstance(piece, bytes))) - (24 if len(pieces) == 1 else 16)
        head = pieces[0]
        keylen, bodylen = int.from_bytes(head[2:4], "big"), int.from_bytes(head[8:12], "big")
        assert (head[0], head[5], head[12:16], bodylen) == (0x81, 0, OPAQUE, body)
        assert keylen + head[4] <= bodylen


@pytest.mark.parametrize(("loud", "quiet"), QUIET.items())
def test_what_a_quiet_form_keeps_silent(loud: int, quiet: int) -> None:
    """A retrieval a miss, everything else a success; what it says is what the loud form says, but for the opcode."""
    command = binary.OPCODES[loud]
    if command.word == "quit":
        return
    key = b"" if command.word == "flush" else b"a"
    extras = bytes(command.extras)
    value = b"1" if command.valued else b""
    for stored in (b"", packed(0x01, b"a", bytes(8), b"5"), packed(0x01, b"a", bytes(8), b"x")):
        said = asked(stored + packed(loud, key, extras, value) + packed(0x0A))
        told = asked(stored + packed(quiet, key, extras, value) + packed(0x0A))
        first = said[-2][0]
        assert isinstance(first, bytes)
        silent = binary.is_error(first) if command.word in ("get", "gat") else not binary.is_error(first)
        assert len(told) == len(said) - silent
        if not silent:
            assert told[-2][0] == first[:1] + bytes([quiet]) + first[2:]
            assert told[-2][1:] == said[-2][1:]


def test_a_cas_unique_is_bound_by_its_eight_bytes() -> None:
    """What the reply to a store shows is what the reply to get must show."""
    world, owed = fed(opened(SMALL), packed(0x01, b"a", bytes(8), b"5") + packed(0x00, b"a"))
    shown = struct.pack(">Q", 77)
    head, value = owed[0].pieces[0], owed[1].pieces
    assert isinstance(head, bytes)
    assert isinstance(value[0], bytes)
    assert isinstance(value[2], bytes)
    seen = match(world.cache, owed[0].pieces, head + shown)
    assert (seen.fit, seen.taken) == (Fit.WHOLE, 24)
    assert match(world.cache, owed[0].pieces, head + shown[:7]).fit is Fit.PART
    assert match(world.cache, owed[0].pieces, head + bytes(8)).fit is Fit.NOT
    assert match(seen.cache, value, value[0] + shown + value[2]).fit is Fit.WHOLE
    assert match(seen.cache, value, value[0] + struct.pack(">Q", 78) + value[2]).fit is Fit.NOT


# ---------------------------------------------------------------------------------------------------- statistics


def _row(name: bytes, value: bytes, opaque: bytes = OPAQUE) -> bytes:
    (packet,) = binary.reply(0x10, opaque, key=name, value=value)
    assert isinstance(packet, bytes)
    return packet


def test_statistics_are_packets_that_say_what_lines_say() -> None:
    pieces = (binary.rows(STATISTICS, 0x10, OPAQUE),)
    stream = _row(b"pid", b"1") + _row(b"version", b"1.6.45") + _row(b"", b"")
    found = match(Cache(), pieces, stream + b"more")
    assert (found.fit, found.taken) == (Fit.WHOLE, len(stream))
    assert lines(pieces, stream) == b"STAT pid 1\r\nSTAT version 1.6.45\r\nEND\r\n"
    for end in range(len(stream)):
        assert match(Cache(), pieces, stream[:end]).fit is Fit.PART


@pytest.mark.parametrize(
    "wrong",
    [
        _row(b"pid", b"1", b"\x01\x02\x03\x05"),
        b"\x80" + _row(b"pid", b"1")[1:],
        _row(b"pid", b"1").replace(b"\x10", b"\x11", 1),
        _row(b"pid", b"1")[:6] + b"\0\1" + _row(b"pid", b"1")[8:],
        _row(b"pid", b"1")[:23] + b"\1" + _row(b"pid", b"1")[24:],
        _row(b"pid", b"1")[:4] + b"\1" + _row(b"pid", b"1")[5:],
        _row(b"a name", b"1"),
        _row(b"pid", b"1\r\n"),
        _row(b"pid", b"")[:2] + b"\0\4" + _row(b"pid", b"")[4:],
        b"\x81",
    ],
)
def test_other_packets_are_no_statistics(wrong: bytes) -> None:
    pieces = (binary.rows(STATISTICS, 0x10, OPAQUE),)
    expected = Fit.PART if len(wrong) == 1 else Fit.NOT
    assert match(Cache(), pieces, wrong).fit is expected
    assert match(Cache(), pieces, b"\x82" + wrong[1:]).fit is Fit.NOT


def test_a_version_is_one_packet() -> None:
    (pieces,) = asked(packed(0x0B))
    (good,) = binary.reply(0x0B, OPAQUE, value=b"1.6.45")
    (keyed,) = binary.reply(0x0B, OPAQUE, key=b"1.6.45")
    assert isinstance(good, bytes)
    assert isinstance(keyed, bytes)
    assert match(Cache(), pieces, good).taken == len(good)
    assert match(Cache(), pieces, keyed).fit is Fit.NOT


# ---------------------------------------------------------------------------------------------------- in words


def test_what_packets_say_in_words() -> None:
    """Requests and replies, known and unknown; of anything else nothing."""
    said = packets(packed(0x0D, b"a") + packed(0xF0, b"k", b"e", b"v" * 70) + b"\x80")
    assert said == (
        "getkq (0x0d), opaque 01020304, cas 0, key a; "
        f"opcode 0xf0, opaque 01020304, cas 0, extras 65, key k, value {'v' * 60}… (70 bytes); 1 bytes"
    )
    assert packets(packed(0x01, b"a", bytes(8), b"x")[:-1]).endswith("key a, a body of 10 bytes announced")
    assert packets(b"VALUE a 0 1\r\nx\r\nEND\r\n") == packets(b"") == ""


def test_a_reply_in_words() -> None:
    world, owed = fed(opened(SMALL), packed(0x00, b"a") + packed(0x01, b"a", bytes(8), b"5") + packed(0x0C, b"a"))
    miss, stored, hit = (describe(world.cache, one.pieces) for one in owed)
    assert miss.endswith(" = get (0x00), status 0x01, opaque 01020304, cas 0, value Not found")
    assert stored.endswith(" = set (0x01), status 0x00, opaque 01020304, cas <cas unique>")
    assert hit.endswith("cas <cas unique>, extras 00000000, key a, value 5")
