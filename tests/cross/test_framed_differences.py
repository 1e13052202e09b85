"""Each difference by design of framed protocols and of datagrams: on the server, in the specification, on memcached."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from mcconform.oracle import Oracle
from mcserver import inproc
from mcspec import Now, Rules, profiles
from tests.cross.conftest import in_process, message
from tests.cross.framed_differences import BINARY, BLANK, CLOSING, DATAGRAMS, PACKET, Difference
from tests.cross.meanings import Answer
from tests.cross.operations import Protocol, read, write
from tests.cross.runs import FRAME, START, Exchange
from tests.cross.test_differences import judged
from tests.cross.wire_binary import HEADER
from tests.cross.wire_binary import packed as asked
from tests.cross.wire_packet import packed

ALL = [
    *(pytest.param("binary", name, id=f"binary: {name}") for name in BINARY),
    *(pytest.param("packet", name, id=f"packet: {name}") for name in PACKET),
]


def plain(data: bytes, protocol: Protocol) -> bytes:
    """Replies with 0 in the place of every cas unique."""
    shown = b""
    while data:
        if protocol == "binary":
            *header, _ = HEADER.unpack_from(data)
            size = HEADER.size + header[6]
            shown += HEADER.pack(*header, 0) + data[HEADER.size : size]
        else:
            size, code = struct.unpack_from(">LB", data)
            at = {0x80: 5, 0x81: 9, 0x82: 5}.get(code, size)
            unique = min(8, size - at)
            shown += data[:at] + bytes(unique) + data[at + unique : size]
        data = data[size:]
    return shown


def difference(protocol: Protocol, name: str) -> Difference:
    return (BINARY if protocol == "binary" else PACKET)[name]


def preparation(one: Difference, protocol: Protocol, *, blank: bool) -> Iterator[bytes]:
    """What is stored first, said in that protocol; a key with a blank cannot be said in text."""
    yield from (write(op, protocol) for op in one.before)
    if blank:
        yield {
            "text": b"ms YSBi 1 b\r\nx\r\n",
            "binary": asked(0x01, bytes(8), b"a b", b"x"),
            "packet": packed(0x02, struct.pack(">QLlB", 0, 0, 0, 3) + b"a bx"),
        }[protocol]


def tell(
    one: Difference, exchange: Exchange, protocol: Protocol, *, blank: bool
) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """All that was said and heard in a protocol, and the reply that matters."""
    request = one.text[0] if protocol == "text" else one.framed[0]
    course = [*preparation(one, protocol, blank=blank), request]
    heard = [(each, exchange(0, each, protocol)) for each in course]
    return heard, heard[-1][1]


def looked(one: Difference, exchange: Exchange, protocol: Protocol) -> tuple[bytes, bytes, tuple[Answer, ...]]:
    """A look behind it, and what it shows."""
    assert one.look is not None
    request = write(one.look, protocol)
    data = exchange(0, request, protocol)
    return request, data, read(data, one.look, protocol)


def server(protocol: Protocol) -> Exchange:
    """An empty one that speaks it."""
    return in_process(*(("-B", "packet") if protocol == "packet" else ()))[0]


def rules(protocol: Protocol) -> Rules:
    """Of a server that speaks it."""
    return Rules()._replace(protocol="packet") if protocol == "packet" else Rules()


def test_the_documentation_names_each() -> None:
    page = (Path(__file__).parents[2] / "docs/protocols.md").read_text(encoding="utf-8")
    closing = {
        chapter: [name for name, (_, _, of) in CLOSING.items() if of == chapter] for chapter in ("binary", "packet")
    }
    for title, names in (
        ("Binary and text", [*BINARY, *closing["binary"]]),
        ("Packets and text", [*PACKET, *closing["packet"]]),
        ("Datagrams and connections", list(DATAGRAMS)),
    ):
        section = page.partition(f"## {title}\n")[2].partition("\n## ")[0]
        assert re.findall(r"^\| (.*?) \|", section, re.MULTILINE)[2:] == names


@pytest.mark.parametrize(("protocol", "name"), ALL)
def test_it_differs_from_text(protocol: Protocol, name: str) -> None:
    """The server answers so, and the specification allows that."""
    one, blank = difference(protocol, name), name in BLANK
    assert one.framed[1] != one.alike
    assert one.after_text != one.after_framed or one.look is None
    for spoken, expected, after in (("text", one.text[1], one.after_text), (protocol, one.framed[1], one.after_framed)):
        exchange = server(spoken)
        heard, reply = tell(one, exchange, spoken, blank=blank)
        assert (reply if spoken == "text" else plain(reply, spoken)) == expected
        if one.look is not None:
            request, data, shown = looked(one, exchange, spoken)
            assert shown == after
            heard.append((request, data))
        assert judged(heard, rules(spoken)).refusal is None


@pytest.mark.parametrize(("protocol", "name"), ALL)
def test_the_specification_refuses_what_would_be_alike(protocol: Protocol, name: str) -> None:
    """A reply that means what that of text does is refused."""
    one = difference(protocol, name)
    heard, _ = tell(one, server(protocol), protocol, blank=name in BLANK)
    assert judged([*heard[:-1], (heard[-1][0], one.alike)], rules(protocol)).refusal is not None


@pytest.mark.memcached
@pytest.mark.parametrize("name", BINARY)
def test_memcached_differs_so_too(name: str, released: Exchange) -> None:
    """In binary word for word; in text as its release's profile has it."""
    version = released(0, b"version\r\n").split()[1]
    profile = profiles.match(version)
    if profile == "base" and version[:1].isdigit():
        pytest.skip(f"no profile says what {version.decode()} does")
    one, blank = BINARY[name], name in BLANK
    for spoken, after in (("text", one.after_text), ("binary", one.after_framed)):
        released(0, b"flush_all\r\n")
        heard, reply = tell(one, released, spoken, blank=blank)
        if spoken == "binary":
            assert plain(reply, spoken) == one.framed[1]
        if one.look is not None:
            request, data, shown = looked(one, released, spoken)
            assert shown == after
            heard.append((request, data))
        assert judged(heard, profiles.load(profile).rules).refusal is None, heard


@pytest.mark.parametrize("name", CLOSING)
def test_it_closes_where_text_does_not(name: str) -> None:
    text, framed, protocol = CLOSING[name]
    for spoken, (request, reply), closes in (("text", text, False), (protocol, framed, True)):
        line = inproc.create(["-B", "packet"] if spoken == "packet" else []).open()
        line.send(request)
        assert (line.receive(), line.closed) == (reply, closes)
        for ends in (closes, not closes):
            oracle, now = Oracle(rules(spoken)), Now(START, START + 2)
            oracle.open(0, now)
            oracle.send(0, request, now)
            oracle.received(0, reply)
            if ends:
                oracle.ended(0)
            oracle.settled(0)
            assert (oracle.refusal is None) == (ends == closes), (spoken, ends)


@pytest.mark.parametrize("name", DATAGRAMS)
def test_a_datagram_is_no_connection(name: str) -> None:
    payloads, replies = DATAGRAMS[name]
    one, other = inproc.create([]), inproc.create([])
    line, over_tcp, over_udp = one.open(), [], []
    oracle, now = Oracle(Rules()), Now(START, START + 2)
    oracle.open(0, now, "udp")
    for payload in payloads:
        line.send(payload)
        over_tcp.append(line.receive())
        datagrams = other.datagram(FRAME + payload)
        data = message(datagrams)
        over_udp.append(plain(data, "binary") if data[:1] == b"\x81" else data)
        oracle.datagram(0, FRAME + payload, now)
        for datagram in datagrams:
            oracle.received(0, datagram)
        oracle.settled(0)
    assert tuple(over_udp) == replies
    assert tuple(over_tcp) != replies
    assert oracle.refusal is None
