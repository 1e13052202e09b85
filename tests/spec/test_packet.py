"""The packet protocol: the dispatch table, framing, every reply; total, and indifferent to how a stream is cut."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcspec import Cache, Event, Fit, Happening, Now, Owed, Rules, State, World, match, packet, step
from mcspec.packet import CODES, DISPATCH, QUIET
from mcspec.pattern import lines

NOW = Now(1000, 1000)
BASE = Rules(protocol="packet")
SMALL = BASE._replace(
    limits=BASE.limits._replace(packet=2000, packet_data=40, key=5, item=100, item_header=20),
)
NOOP = packet.packet(0)
OK = packet.packet(packet.OK)
UNIQUE = bytes(7) + b"\x09"
"""A cas unique that the server may give."""


def store(word: str, key: bytes, value: bytes, cas: int = 0, flags: int = 0, exptime: int = 0) -> bytes:
    """A store."""
    return packet.packet(CODES[word], struct.pack(">QIiB", cas, flags, exptime, len(key)) + key + value)


def counted(word: str, key: bytes, delta: int, cas: int = 0) -> bytes:
    """incr or decr."""
    return packet.packet(CODES[word], struct.pack(">QQ", cas, delta) + key)


def fed(*chunks: bytes, rules: Rules = BASE) -> tuple[World, list[Owed]]:
    """A connection that these chunks came on, and all that is owed on it; there is one allowed world."""
    (opened,) = step(World(), Happening(0, Event.CONNECT), NOW, rules)
    world, owed = opened.world, []
    for chunk in chunks:
        (outcome,) = step(world, Happening(0, Event.DATA, chunk), NOW, rules)
        assert outcome.unspecified is None
        world = outcome.world
        owed += outcome.owed
    return world, owed


def allowed(reply: bytes, *chunks: bytes, rules: Rules = BASE) -> bool:
    """Whether the chunks may be answered so."""
    world, owed = fed(*chunks, rules=rules)
    found = match(world.cache, tuple(piece for one in owed for piece in one.pieces), reply)
    return found.fit is Fit.WHOLE and found.taken == len(reply)


SESSION = b"".join(
    [
        store("set", b"a", b"10", flags=7),
        packet.packet(CODES["get"], b"b"),
        packet.packet(CODES["get"] + QUIET, b"b"),
        store("add", b"a", b"x"),
        packet.packet(0x77, b"what is this"),
        packet.packet(CODES["noop"], b"x"),
        counted("incr", b"a", 5),
        packet.packet(CODES["get"], b"a"),
        store("append", b"a", b"\r\n\0"),
        counted("decr", b"b", 1, cas=2**63),
        packet.packet(CODES["get"] + QUIET, b"a"),
        store("set", b"a", b"x" * 200),
        packet.packet(CODES["get"], b"a"),
        NOOP,
    ]
)
"""Requests of many kinds; under SMALL the last store is too large."""

ANSWER = b"".join(
    [
        packet.packet(packet.OK, bytes(7) + b"\1"),
        packet.error(packet.NOT_FOUND, 0x01),
        packet.error(packet.NOT_STORED, 0x03),
        packet.error(packet.UNKNOWN, 0x77),
        packet.error(packet.INVALID, 0x00),
        packet.packet(packet.NUMBER, bytes(7) + b"\2" + bytes(7) + b"\x0f"),
        packet.packet(packet.VALUE, b"\0\0\0\7" + bytes(7) + b"\2" + b"\1a15"),
        packet.packet(packet.OK, bytes(7) + b"\3"),
        packet.error(packet.NOT_FOUND, 0x09),
        packet.packet(packet.VALUE, b"\0\0\0\7" + bytes(7) + b"\3" + b"\1a15\r\n\0"),
        packet.error(packet.TOO_LARGE, 0x02),
        packet.error(packet.NOT_FOUND, 0x01),
        OK,
    ]
)


def test_the_table_has_256_entries_and_each_code_its_quiet_form() -> None:
    assert len(DISPATCH) == 256
    for code, command in enumerate(DISPATCH):
        if command is None:
            continue
        assert CODES[command.name] == code - (QUIET if command.quiet else 0)
    loud = [code for code, command in enumerate(DISPATCH) if command is not None and not command.quiet]
    assert loud == list(range(0x11))
    quiet = [code for code, command in enumerate(DISPATCH) if command is not None and command.quiet]
    assert quiet == [code + QUIET for code in loud if code not in (0x00, 0x0D, 0x0E)]


@pytest.mark.parametrize("size", [1, 2, 7, len(SESSION)])
def test_a_session_in_pieces(size: int) -> None:
    """Whole, byte by byte and in between: the same replies, the same world."""
    chunks = [SESSION[at : at + size] for at in range(0, len(SESSION), size)]
    assert allowed(ANSWER, *chunks, rules=SMALL)
    assert fed(*chunks, rules=SMALL)[0].cache == fed(SESSION, rules=SMALL)[0].cache


def test_a_session_with_something_behind_it() -> None:
    """What stands behind the last whole packet waits, and is answered when it is whole."""
    for behind in (b"\0", b"\0\0\0", b"\0\0\0\5", b"\0\0\0\6\1"):
        world, _ = fed(SESSION + behind, rules=SMALL)
        assert world.conns[0].buffer == behind
        assert allowed(ANSWER, SESSION + behind, rules=SMALL)
    assert allowed(ANSWER + OK, SESSION + b"\0\0", b"\0\5\0", rules=SMALL)


def test_one_reply_changed_is_refused() -> None:
    """Each byte of the answer matters, but for cas uniques, of which those that are new are the server's choice."""
    free = {at for start in (5, ANSWER.index(b"\x82") + 1) for at in range(start, start + 8)}
    free |= {at for at in range(len(ANSWER)) if ANSWER[max(0, at - 12) : at].count(b"\x81\0\0\0\7")}
    last = ANSWER.index(packet.packet(packet.OK, bytes(7) + b"\3"))
    free |= set(range(last + 5, last + 13))
    for at in set(range(len(ANSWER))) - free:
        changed = ANSWER[:at] + bytes((ANSWER[at] ^ 1,)) + ANSWER[at + 1 :]
        assert not allowed(changed, SESSION, rules=SMALL), at


@pytest.mark.parametrize("length", [0, 1, 4, 2**30 + 1, 2**31 - 1, 2**31, 2**32 - 1])
def test_a_wrong_length_is_answered_at_its_fourth_byte(length: int) -> None:
    wrong = length.to_bytes(4, "big")
    assert allowed(OK, NOOP + wrong[:3])
    world, _ = fed(NOOP + wrong)
    assert world.conns[0].state is State.CLOSED
    assert allowed(OK + packet.packet(0xE9, b"\0bad length"), NOOP + wrong)
    assert allowed(OK + packet.packet(0xE9, b"\0bad length"), NOOP + wrong + NOOP, NOOP)


@pytest.mark.parametrize("length", [5, 6, 2**30 - 1, 2**30])
def test_a_right_length_is_waited_for(length: int) -> None:
    world, owed = fed(length.to_bytes(4, "big"))
    assert world.conns[0].state is State.WAITING
    assert owed == []


def test_what_is_refused_is_not_held() -> None:
    """Of an unknown code, of data that nobody can have, of a value that does not fit: nothing stays in the buffer."""
    unknown, large = packet.packet(0x99, b"x" * 1500), store("set", b"a", b"x" * 1500)
    for whole in (unknown, packet.packet(CODES["get"], b"k" * 1500), large):
        for cut in (5, 30, 800, len(whole) - 1):
            world, owed = fed(whole[:cut], rules=SMALL)
            assert len(world.conns[0].buffer) <= 30
            assert owed == []
            if cut > 22:
                assert world.conns[0].state is State.SWALLOW
        world, owed = fed(whole[:30], whole[30:] + NOOP, rules=SMALL)
        assert [bool(one.pieces) for one in owed] == [True, True]


def test_a_store_takes_effect_with_its_last_byte() -> None:
    whole = store("set", b"a", b"x" * 300)
    held = store("set", b"a", b"old")
    for cut in range(1, len(whole)):
        world, _ = fed(held, whole[:cut], rules=SMALL)
        assert world.cache.items[b"a"].value == b"old"
    world, _ = fed(held, whole, rules=SMALL)
    assert b"a" not in world.cache.items


@pytest.mark.parametrize("code", range(256))
def test_no_code_without_an_answer_to_empty_data(code: int) -> None:
    """Every code is answered, or quits, or is quiet and succeeds."""
    command = DISPATCH[code]
    world, owed = fed(packet.packet(code))
    answered = any(one.pieces for one in owed)
    if command is None:
        assert allowed(packet.packet(0xE0, bytes((code,)) + b"unknown command"), packet.packet(code))
    elif command.name == "quit":
        assert world.conns[0].state is State.CLOSED
    elif command.quiet and command.shape.allows(0, 250):
        assert not answered
    else:
        assert answered


@pytest.mark.parametrize("word", ["get", "touch", "gat", "delete", "incr", "decr"])
@pytest.mark.parametrize(("key", "right"), [(0, False), (1, True), (250, True), (251, False)])
def test_the_key_is_what_is_left(word: str, key: int, right: bool) -> None:  # noqa: FBT001
    code = CODES[word]
    command = DISPATCH[code]
    assert command is not None
    head = bytes(struct.calcsize(command.shape.format))
    kind = packet.NOT_FOUND if right else packet.INVALID
    assert allowed(packet.error(kind, code), packet.packet(code, head + b"k" * key))


def test_statistics_are_packets() -> None:
    """A row a packet, an empty one at the end; what they say are the lines of text."""
    request = packet.packet(CODES["stats"], b"settings")
    rows = packet.packet(0x84, b"\x08maxbytes67108864") + packet.packet(0x84, b"\1x")
    world, (owed,) = fed(request)
    whole = rows + packet.packet(0x84)
    assert match(world.cache, owed.pieces, whole).fit is Fit.WHOLE
    assert lines(owed.pieces, whole) == b"STAT maxbytes 67108864\r\nSTAT x \r\nEND\r\n"
    for cut in range(len(whole)):
        assert match(world.cache, owed.pieces, whole[:cut]).fit is Fit.PART
    for wrong in (packet.packet(0x84, b"\0x"), packet.packet(0x84, b"\5abc"), packet.packet(0x83, b"x"), b"\0\0\0\4"):
        assert match(world.cache, owed.pieces, rows + wrong).fit is Fit.NOT


def test_texts() -> None:
    """The version, and what a sub-command says in lines."""
    assert allowed(packet.packet(0x83, b"1.2-x"), packet.packet(CODES["version"]))
    assert not allowed(packet.packet(0x83, b"1.2-x\r\n"), packet.packet(CODES["version"]))
    assert not allowed(packet.packet(0x83), packet.packet(CODES["version"]))
    dump = packet.packet(CODES["stats"], b"detail dump")
    assert allowed(packet.packet(0x83, b"END\r\n"), dump)
    assert allowed(packet.packet(0x83, b"PREFIX a get 1 hit 0 set 0 del 0\r\nEND\r\n"), dump)
    assert not allowed(packet.packet(0x83, b"PREFIX a get 1 hit 0 set 0 del 0\r\n"), dump)
    for name in (b" ", b"nonsense", b"settings ", b" settings", b"detail  on"):
        assert allowed(packet.error(packet.INVALID, 0x0E), packet.packet(CODES["stats"], name)), name


@given(st.lists(st.binary(max_size=40), max_size=6))
def test_total_on_any_bytes(chunks: list[bytes]) -> None:
    """Any bytes, in any pieces, have an outcome, and it is that of the same bytes in one piece."""
    pieces, owed = _folded(chunks)
    whole, at_once = _folded([b"".join(chunks)])
    assert {world.cache for world in pieces} == {world.cache for world in whole}
    assert owed == at_once


def _folded(chunks: list[bytes]) -> tuple[list[World], list[object]]:
    worlds = [step(World(), Happening(0, Event.CONNECT), NOW, SMALL)[0].world]
    owed: list[object] = []
    for chunk in chunks:
        outcomes = [out for world in worlds for out in step(world, Happening(0, Event.DATA, chunk), NOW, SMALL)]
        worlds = [outcome.world for outcome in outcomes]
        owed += [one.pieces for one in outcomes[0].owed if one.pieces]
    return worlds, owed


@given(st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=30)), max_size=8), st.integers(1, 30))
def test_packets_in_pieces(packets: list[tuple[int, bytes]], size: int) -> None:
    """Whole packets with any code and data: cuts make no difference."""
    stream = b"".join(packet.packet(code, data) for code, data in packets)
    pieces, owed = _folded([stream[at : at + size] for at in range(0, len(stream), size)])
    whole, at_once = _folded([stream])
    assert [world.cache for world in pieces] == [world.cache for world in whole]
    assert owed == at_once


def test_uniques_are_bound_and_compared() -> None:
    """A cas unique that VALUE has shown is the one that later packets compare."""
    world, owed = fed(store("set", b"a", b"x") + packet.packet(CODES["get"], b"a"))
    shown = packet.packet(packet.OK, UNIQUE) + packet.packet(packet.VALUE, bytes(4) + UNIQUE + b"\1ax")
    found = match(world.cache, tuple(piece for one in owed for piece in one.pieces), shown)
    assert found.fit is Fit.WHOLE
    for cas, status in ((9, None), (8, packet.EXISTS)):
        after = world._replace(cache=found.cache)
        (outcome,) = step(after, Happening(0, Event.DATA, store("add", b"a", b"y", cas=cas)), NOW, BASE)
        refusal = packet.error(status, CODES["add"]) if status else b""
        assert (outcome.owed[0].pieces == (refusal,)) is (status is not None)
    assert match(Cache(), owed[0].pieces, packet.packet(packet.OK, bytes(8))).fit is Fit.NOT
