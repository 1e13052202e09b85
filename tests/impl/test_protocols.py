"""Which protocol a connection speaks: by its first byte, or as ``-B`` says."""

import pytest

from mcserver.inproc import Connection, create
from mcserver.options import OptionError
from tests.impl.frames import Reply, binary, packet, parse, unpack

NOOP = binary(0x0A)
ALIVE = [Reply(0x0A, 0)]


def connect(protocol: str | None = None) -> Connection:
    return create(["-B", protocol] if protocol else []).open()


@pytest.mark.parametrize("protocol", [None, "auto", "negotiating"])
def test_the_first_byte_decides_for_ever(protocol: str | None) -> None:
    server = create(["-B", protocol] if protocol else [])
    text, other = server.open(), server.open()
    text.send(b"")
    text.send(b"v")
    other.send(b"\x80")
    text.send(b"ersion\r\n" + binary(0x0B) + b"\n")
    assert text.receive() == b"VERSION 1.6.45-mcserver-0.1.0\r\nERROR\r\n"
    other.send(NOOP[1:] + NOOP)
    assert parse(other.receive()) == ALIVE * 2
    other.send(b"version\r\n".ljust(24))
    assert (other.receive(), other.closed) == (b"", True)
    assert not text.closed


@pytest.mark.parametrize("first", [0x00, 0x0A, 0x7F, 0x81, 0xFF])
def test_any_other_first_byte_is_text(first: int) -> None:
    connection = connect()
    connection.send(bytes([first]) + b"xyz\r\nversion\r\n")
    assert connection.receive().endswith(b"VERSION 1.6.45-mcserver-0.1.0\r\n")


def test_ascii_takes_a_magic_for_text() -> None:
    connection = connect("ascii")
    connection.send(binary(0x0B) + b"\r\nversion\r\n")
    assert connection.receive() == b"ERROR\r\nVERSION 1.6.45-mcserver-0.1.0\r\n"


def test_binary_does_not_answer_text() -> None:
    """A header is 24 bytes, whatever they are."""
    connection = connect("binary")
    connection.send(b"version\r\n")
    assert (connection.receive(), connection.closed) == (b"", False)
    connection.send(b"version\r\nversion\r\n")
    assert (connection.receive(), connection.closed) == (b"", True)


def test_packet_only_where_it_is_asked_for() -> None:
    connection = connect("packet")
    connection.send(packet(0) + packet(0x0D))
    assert [code for code, _ in unpack(connection.receive())] == [0x80, 0x83]
    connection.send(NOOP)
    assert [code for code, _ in unpack(connection.receive())] == [0xE9]
    assert connection.closed


@pytest.mark.parametrize(
    ("protocol", "shown"),
    [("auto", b"auto-negotiate"), ("ascii", b"ascii"), ("negotiating", b"auto-negotiate")],
)
def test_settings_tell(protocol: str, shown: bytes) -> None:
    connection = connect(protocol)
    connection.send(b"stats settings\r\n")
    assert b"STAT binding_protocol %b\r\n" % shown in connection.receive()


@pytest.mark.parametrize("words", [["-B", "text"], ["-B", ""], ["-S", "-B", "auto"], ["-S", "-B", "packet"]])
def test_refused(words: list[str]) -> None:
    with pytest.raises(OptionError):
        create(words)


def test_steps_are_bounded() -> None:
    """A client that asks for much without reading is served step by step, in every protocol."""
    server = create(["-B", "binary"])
    engine = server._engine
    connection = engine.connection()
    value = binary(1, b"a", b"\0" * 8, b"x" * 100_000)
    connection.feed(value)
    total = sum(map(len, connection.feed(binary(0, b"a") * 1000)))
    assert total < 500_000
    steps = 0
    while connection.more:
        steps += 1
        total += sum(map(len, connection.resume()))
    assert steps > 100
    assert total == 1000 * (100_000 + 28)
    few = create(["-B", "packet", "-R", "10"])._engine.connection()
    assert 1 < len(unpack(b"".join(map(bytes, few.feed(packet(0) * 25))))) < 12
