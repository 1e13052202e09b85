"""Who may come in: ASCII authentication and SASL PLAIN; total, indifferent to cuts, and nobody in who should not be."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcspec import Event, Happening, Now, Rules, State, World, access, packet, profiles, step
from mcspec.pattern import VERSION

if TYPE_CHECKING:
    from mcspec.pattern import Piece

NOW = Now(1000, 1000)
USERS = ((b"mcuser", b"mcpass"), (b"other", b"with a blank"))
ASCII = Rules(authentication="ascii", credentials=USERS)
SASL = Rules(authentication="sasl", credentials=USERS)
STRANGER = access.UNAUTHENTICATED
MN = b"MN\r\n"


def heard(*chunks: bytes, rules: Rules = ASCII) -> tuple[bytes, bool]:
    """What a connection is answered (a text of the server's choice stands as `?`), and whether it was closed."""
    (outcome,) = step(World(), Happening(0, Event.CONNECT), NOW, rules)
    world, said = outcome.world, b""
    for chunk in chunks:
        (outcome,) = step(world, Happening(0, Event.DATA, chunk), NOW, rules)
        assert outcome.unspecified is None
        world = outcome.world
        said += b"".join(map(_shown, (piece for one in outcome.owed for piece in one.pieces)))
    return said, world.conns[0].state is State.CLOSED


def _shown(piece: Piece) -> bytes:
    return piece if isinstance(piece, bytes) else b"?"


def token(text: bytes = b"mcuser mcpass", line: bytes = b"set auth 0 0 %d\r\n", end: bytes = b"\r\n") -> bytes:
    """A set of a stranger."""
    return line % len(text) + text + end


def asked(opcode: int, key: bytes = b"", value: bytes = b"", extras: bytes = b"") -> bytes:
    """A binary request."""
    body = len(key) + len(value) + len(extras)
    return struct.pack(">BBHBBHIIQ", 0x80, opcode, len(key), len(extras), 0, 0, body, 7, 0) + extras + key + value


def statuses(data: bytes) -> list[tuple[int, bytes]]:
    """Status and body of each packet."""
    found = []
    while data:
        status, length = struct.unpack(">H", data[6:8])[0], struct.unpack(">I", data[8:12])[0]
        found.append((status, data[24 : 24 + length]))
        data = data[24 + length :]
    return found


GOOD, BAD = b"\0mcuser\0mcpass", b"\0mcuser\0mcpast"
LIST, NOOP = asked(0x20), asked(0x0A)
AUTH, BEGIN, STEP = asked(0x21, b"PLAIN", GOOD), asked(0x21, b"PLAIN"), asked(0x22, b"PLAIN", GOOD)
IN, OUT, CONTINUE = (0, b"Authenticated"), (0x20, b"Auth failure."), (0x21, b"")


# ------------------------------------------------------------------------------------------------ ASCII


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_a_token_in_pieces(size: int) -> None:
    stream = b"version\r\n" + token(b"mcuser x") + token() + b"mn\r\n"
    chunks = [stream[at : at + size] for at in range(0, len(stream), size)]
    assert heard(*chunks) == (STRANGER + access.FAILURE + b"STORED\r\n" + MN, False)


@pytest.mark.parametrize(
    ("text", "reply"),
    [
        (b"mcuser mcpass", access.STORED),
        (b"other with a blank", access.STORED),
        (b"other with", access.FAILURE),
        (b"mcuser mcpass ", access.FAILURE),
        (b"mcuser mcpas", access.FAILURE),
        (b"mcuser  mcpass", access.FAILURE),
        (b" mcuser mcpass", access.FAILURE),
        (b"other mcpass", access.FAILURE),
        (b"MCUSER mcpass", access.FAILURE),
        (b" ", access.FAILURE),
        (b"mcuser", access.BAD_TOKEN),
        (b"", access.BAD_TOKEN),
        (b"mcuser\tmcpass", access.BAD_TOKEN),
    ],
)
def test_tokens(text: bytes, reply: bytes) -> None:
    """The reply, and whether the connection is in: only then `mn`, which no stranger may say, is answered."""
    assert heard(token(text)) == (reply, False)
    said, closed = heard(token(text) + b"mn\r\n")
    assert closed is (reply != access.STORED)
    assert said == reply + (MN if reply == access.STORED else b"")


@pytest.mark.parametrize(
    ("line", "reads"),
    [
        (b"set a 0 0 13\r\n", True),
        (b"set a 0 0 13\n", True),
        (b"set  a   0 0 0013 \r\n", True),
        (b"set a x y 13 noreply z\r\n", True),
        (b"sets a 0 0 13\r\n", True),
        (b"set " + b"k" * 251 + b" 0 0 13\r\n", True),
        (b" set a 0 0 13\r\n", False),
        (b"SET a 0 0 13\r\n", False),
        (b"add a 0 0 13\r\n", False),
        (b"set a 0 0\r\n", False),
        (b"set a 0 0 +13\r\n", False),
        (b"set a 0 0 -1\r\n", False),
        (b"set a 0 0 13x\r\n", False),
        (b"set a 0 0 4294967296\r\n", False),
        (b"ms a 13 c t f\r\n", False),
    ],
)
def test_lines(line: bytes, reads: bool) -> None:  # noqa: FBT001
    assert heard(line) == (b"" if reads else STRANGER, False)
    if reads:
        assert heard(line + b"mcuser mcpass\r\n", b"mn\r\n") == (access.STORED + MN, False)


def test_limits_of_lines_and_tokens() -> None:
    assert heard(b"set a 0 0 16385\r\n") == (access.TOKEN_LONG, False)
    assert heard(b"set a 0 0 16382\r\n" + b"x" * 16382 + b"\r\n") == (access.BAD_TOKEN, False)
    assert heard(b"quit\r\n") == heard(b"mn\r\n") == heard(b"abcde\n") == (b"", True)
    assert heard(b"abcdef\n") == heard(b"abcde\r\n") == (STRANGER, False)
    assert heard(b"get " + b"k" * 2043) == (b"", False)
    assert heard(b"get " + b"k" * 2044) == (b"", True)
    assert heard(b"x" * 2047 + b"\n") == (STRANGER, False)
    assert heard(token(end=b"\n\n")) == heard(token(end=b"xx")) == (access.BAD_END, False)


def test_one_or_two_bytes_may_be_waited_with() -> None:
    (outcome,) = step(World(), Happening(0, Event.CONNECT), NOW, ASCII)
    for line in (b"\n", b"\r\n", b"x\n"):
        outcomes = step(outcome.world, Happening(0, Event.DATA, line), NOW, ASCII)
        assert {one.world.conns[0].state for one in outcomes} == {State.CLOSED, State.WAITING}


def test_a_stranger_does_nothing() -> None:
    """No line of a stranger touches the cache, and the one who comes in finds it as it was."""
    said, closed = heard(b"set a 0 0 3\r\nabc\r\n", b"flush_all\r\n", token(line=b"set a 0 0 %d\r\n"), b"get a\r\n")
    assert (said, closed) == (access.BAD_TOKEN + STRANGER + access.STORED + b"END\r\n", False)
    said, _ = heard(token(), token(), b"get auth\r\n")
    assert said == access.STORED * 2 + b"VALUE auth 0 13\r\nmcuser mcpass\r\nEND\r\n"


def test_the_first_byte_chooses_nothing() -> None:
    assert heard(asked(0x0B) + b"\r\n")[0] == STRANGER
    assert heard(b"version\r\n" * 3, rules=SASL) == (b"", True)
    assert heard(NOOP, rules=SASL) == heard(NOOP, rules=SASL._replace(protocol="binary"))


@given(
    st.lists(st.sampled_from([b"version\r\n", b"set a 0 0 5\r\n", b"a b\r\n", b"mn", b"\r", b"\n", b" "]), max_size=12)
)
def test_nobody_comes_in_without_the_token(chunks: list[bytes]) -> None:
    for rules in (ASCII, profiles.load("memcached-1.6.18").rules._replace(authentication="ascii", credentials=USERS)):
        worlds = [step(World(), Happening(0, Event.CONNECT), NOW, rules)[0].world]
        for chunk in chunks:
            outcomes = [out for world in worlds for out in step(world, Happening(0, Event.DATA, chunk), NOW, rules)]
            assert not any(access.STORED in one.pieces for out in outcomes for one in out.owed)
            worlds = list({out.world: None for out in outcomes})
        assert all(world.cache == World().cache for world in worlds)


# ------------------------------------------------------------------------------------------------ SASL


@pytest.mark.parametrize(
    ("requests", "answers", "closed"),
    [
        ([LIST, AUTH, NOOP], [(0, b"PLAIN"), IN, (0, b"")], False),
        ([asked(0x21, b"PLAIN", BAD), AUTH, NOOP], [OUT, IN, (0, b"")], False),
        ([asked(0x21, b"FOO", GOOD), AUTH], [OUT, IN], False),
        ([BEGIN, STEP, NOOP], [CONTINUE, IN, (0, b"")], False),
        ([BEGIN, NOOP], [CONTINUE, OUT], True),
        ([BEGIN, asked(0x22, b"PLAIN", BAD), STEP], [CONTINUE, OUT, IN], False),
        ([BEGIN, asked(0x21, b"PLAIN", BAD), STEP], [CONTINUE, OUT, OUT], False),
        ([STEP, AUTH], [OUT, IN], False),
        ([AUTH, AUTH, NOOP], [IN, OUT, OUT], True),
        ([AUTH, AUTH, AUTH, NOOP], [IN, OUT, IN, (0, b"")], False),
        ([AUTH, LIST, NOOP], [IN, (0, b"PLAIN"), OUT], True),
        ([AUTH, LIST, AUTH, AUTH], [IN, (0, b"PLAIN"), OUT, IN], False),
        ([AUTH, STEP, AUTH], [IN, OUT, OUT], False),
        ([NOOP], [OUT], True),
        ([asked(0x01, b"a", b"x" * 2000, bytes(8))[:40]], [OUT], True),
        ([asked(0x00)], [OUT], True),
        ([asked(0x00, b"k" * 251)], [OUT], True),
        ([asked(0x50)], [OUT], True),
        ([asked(0x21, b"x" * 33, GOOD), AUTH], [(4, b"Invalid arguments"), IN], False),
        ([AUTH, asked(0x21, b"x" * 33, GOOD), NOOP], [IN, (4, b"Invalid arguments"), (0, b"")], False),
        ([asked(0x21, b"PLAIN", b"x" * 524225), AUTH], [(0x82, b"Out of memory"), IN], False),
        ([asked(0x21, b"PLAIN", b"x" * 524224), AUTH], [OUT, IN], False),
        ([asked(0x21, b"", GOOD)], [(4, b"Invalid arguments")], True),
        ([asked(0x20, b"k")], [(4, b"Invalid arguments")], True),
    ],
)
@pytest.mark.parametrize("size", [5, 10**7])
def test_sasl(requests: list[bytes], answers: list[tuple[int, bytes]], closed: bool, size: int) -> None:  # noqa: FBT001
    stream = b"".join(requests)
    if len(stream) > 10**5 and size < len(stream):
        size = 10**5
    said, ended = heard(*(stream[at : at + size] for at in range(0, len(stream), size)), rules=SASL)
    assert statuses(said) == answers
    assert ended is closed
    if closed:
        assert heard(stream + LIST, LIST, rules=SASL) == (said, True)
    else:
        assert statuses(heard(stream + LIST, rules=SASL)[0]) == [*answers, (0, b"PLAIN")]


@pytest.mark.parametrize(
    ("data", "right"),
    [
        (GOOD, True),
        (b"mcuser" + GOOD, True),
        (b"\0other\0with a blank", True),
        (b"other" + GOOD, False),
        (BAD, False),
        (GOOD + b"\0", False),
        (GOOD[1:], False),
        (b"\0mcuser\0", False),
        (b"\0\0", False),
        (b"\0nobody\0mcpass", False),
    ],
)
def test_plain(data: bytes, right: bool) -> None:  # noqa: FBT001
    assert access.plain(data, SASL) is right


def test_a_version_is_open_to_all() -> None:
    (outcome,) = step(World(), Happening(0, Event.CONNECT), NOW, SASL)
    (outcome,) = step(outcome.world, Happening(0, Event.DATA, asked(0x0B)), NOW, SASL)
    assert outcome.world.conns[0].state is State.WAITING
    assert any(not isinstance(piece, bytes) for piece in outcome.owed[0].pieces)
    assert VERSION.name in str(outcome.owed[0].pieces)


def test_without_sasl_its_opcodes_are_unknown() -> None:
    said, closed = heard(LIST + AUTH + NOOP, rules=Rules())
    assert [status for status, _ in statuses(said)] == [0x81, 0x81, 0]
    assert not closed


@given(st.lists(st.binary(max_size=50), max_size=5), st.sampled_from([ASCII, SASL]))
def test_total_on_any_bytes(chunks: list[bytes], rules: Rules) -> None:
    (outcome,) = step(World(), Happening(0, Event.CONNECT), NOW, rules)
    for chunk in (*chunks, packet.packet(0), NOOP):
        outcomes = step(outcome.world, Happening(0, Event.DATA, chunk), NOW, rules)
        assert outcomes
        outcome = outcomes[0]
        assert outcome.world.cache == World().cache
