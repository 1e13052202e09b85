"""UDP: frames and their numbering, one message a request, and datagrams that are not answered."""

import re
import socket
import struct
from collections.abc import Callable

import pytest

from mcserver.inproc import Server, create
from mcserver.udp import PAYLOAD_MAX, frames, request_id
from tests.conftest import RunningServer
from tests.impl.support import Running, talk

Start = Callable[..., Running]


def framed(payload: bytes, identity: int = 7, number: int = 0, total: int = 1, reserved: int = 0) -> bytes:
    return struct.pack(">HHHH", identity, number, total, reserved) + payload


def binary(opcode: int, key: bytes = b"") -> bytes:
    return struct.pack(">BBHBBHIIQ", 0x80, opcode, len(key), 0, 0, 0, len(key), 9, 0) + key


def messages(datagrams: list[bytes], identity: int = 7) -> list[bytes]:
    """Put replies together; every datagram must be in order, counted right, and full unless it is the last."""
    whole: list[bytes] = []
    parts: list[bytes] = []
    for datagram in datagrams:
        got, number, total, reserved = struct.unpack(">HHHH", datagram[:8])
        assert (got, number, reserved) == (identity, len(parts), 0)
        parts.append(datagram[8:])
        if len(parts) == total:
            whole.append(b"".join(parts))
            parts = []
        else:
            assert len(datagram) == 1400
    assert not parts
    return whole


def ask(server: Server, payload: bytes) -> list[bytes]:
    return messages(server.datagram(framed(payload)))


@pytest.mark.parametrize(
    ("size", "sizes"),
    [
        (1, [1]),
        (PAYLOAD_MAX, [PAYLOAD_MAX]),
        (PAYLOAD_MAX + 1, [PAYLOAD_MAX, 1]),
        (2 * PAYLOAD_MAX, [PAYLOAD_MAX] * 2),
        (3 * PAYLOAD_MAX - 1, [PAYLOAD_MAX, PAYLOAD_MAX, PAYLOAD_MAX - 1]),
    ],
)
def test_a_message_is_cut_into_full_datagrams(size: int, sizes: list[int]) -> None:
    message = bytes(number % 251 for number in range(size))
    parts = list(frames(0xFFFF, [message[:1], message[1:]]))
    assert [len(part) - 8 for part in parts] == sizes
    assert messages(parts, 0xFFFF) == [message]


def test_a_message_too_long_to_be_numbered_is_cut_off() -> None:
    parts = list(frames(1, [bytes(PAYLOAD_MAX * 65_537)]))
    assert len(parts) == 65_535
    assert struct.unpack(">HHHH", parts[-1][:8]) == (1, 65_534, 65_535, 0)


@pytest.mark.parametrize(
    ("datagram", "identity"),
    [
        (b"", None),
        (framed(b"")[:3], None),
        (framed(b""), None),
        (framed(b"x"), 7),
        (framed(b"x", identity=0xFFFF), 0xFFFF),
        (framed(b"x", number=5, reserved=9), 7),
        (framed(b"x", total=0), None),
        (framed(b"x", total=2), None),
        (framed(b"x", total=256), None),
        (framed(b"x", total=257), None),
    ],
)
def test_what_is_a_request(datagram: bytes, identity: int | None) -> None:
    """More than the frame, and one datagram in all; its number and the reserved bytes are not looked at."""
    assert request_id(datagram) == identity


ITEM = b"set a 0 0 2\r\nhi\r\nset b 0 0 2\r\nho\r\n"
A = b"VALUE a 0 2\r\nhi\r\n"
B = b"VALUE b 0 2\r\nho\r\n"
END = b"END\r\n"
#: Requests, and the messages that answer them, on releases 1.6.18 and 1.6.45 too.
SAME = [
    (b"set a 0 0 2\r\nhi\r\nset b 0 0 2\r\nho\r\n", [b"STORED\r\n", b"STORED\r\n"]),
    (b"get a\r\n", [A + END]),
    (b"get a b\r\n", [A, B + END]),
    (b"get a a\r\n", [A, A + END]),
    (b"get a b nope\r\n", [A, B, END]),
    (b"get a nope b\r\n", [A, B + END]),
    (b"get nope\r\n", [END]),
    (b"gat 0 a nope b\r\n", [A, B + END]),
    (b"get a\r\nget b\r\n", [A + END, B + END]),
    (b"gat 0 a a\r\n", [A, A + END]),
    (b"set 0 0 0 1\r\n1\r\ngat 0 a 0\r\n", [b"STORED\r\n", A, b"VALUE 0 0 1\r\n1\r\nEND\r\n"]),
    (b"set z 0 0 1\r\n1\r\ngat -1 z z\r\n", [b"STORED\r\n", b"VALUE z 0 1\r\n1\r\n", END]),
    (b"mg a v\r\nmg b v q\r\nmg nope v q\r\nmn\r\n", [b"VA 2\r\nhi\r\n", b"VA 2\r\nho\r\n", b"MN\r\n"]),
    (b"set c 0 0 1 noreply\r\n1\r\n", []),
    (b"verbosity 0\r\nfoo bar\r\n", [b"OK\r\n", b"ERROR\r\n"]),
    (b"mn\r\nquit\r\nmn\r\n", [b"MN\r\n"]),
    (b"x" * 3000, []),
    (b"get " + b"a " * 20_000, []),
    (b"get " + b"a " * 100 + b"\r\n", [A] * 99 + [A + END]),
    (b"set big 0 0 5000\r\n" + b"v" * 5000 + b"\r\n", [b"STORED\r\n"]),
    (b"get big\r\n", [b"VALUE big 0 5000\r\n" + b"v" * 5000 + b"\r\nEND\r\n"]),
    (b"get a", []),
    (b"mn\r\n" + binary(0, b"a"), [b"MN\r\n"]),
]


@pytest.mark.parametrize(("request_", "answers"), SAME, ids=range(len(SAME)))
def test_each_request_has_its_message(request_: bytes, answers: list[bytes]) -> None:
    server = create()
    ask(server, ITEM)
    ask(server, b"set big 0 0 5000\r\n" + b"v" * 5000 + b"\r\n")
    assert ask(server, request_) == answers


@pytest.mark.memcached
def test_memcached_answers_the_same(
    start_memcached: Callable[..., RunningServer], free_port: Callable[[], int]
) -> None:
    port = free_port()
    start_memcached("-U", str(port))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect(("127.0.0.1", port))
        sock.settimeout(10)
        for request_, answers in [(ITEM, SAME[0][1]), *SAME]:
            # A datagram is over when the next one is answered: nothing is waited for.
            sock.send(framed(request_))
            sock.send(framed(b"mn\r\n", 8))
            datagrams: list[bytes] = []
            while not datagrams or datagrams[-1] != framed(b"MN\r\n", 8):
                datagrams.append(sock.recv(2000))
            # For some requests without a reply it sends a frame that counts 0 datagrams, and holds nothing.
            told = [datagram for datagram in datagrams[:-1] if datagram != framed(b"", total=0)]
            assert messages(told) == answers, request_[:40]


def test_large_values_share_no_message() -> None:
    """Values that are sent from where they lie, with cas uniques put in: several pieces each."""
    server = create()
    connection = server.open()
    connection.send(b"".join(b"set k%d 0 0 50000\r\n%b\r\n" % (number, b"%d" % number * 50_000) for number in range(9)))
    found = ask(server, b"gets " + b" ".join(b"k%d" % number for number in range(9)) + b" nope\r\n")
    assert [message[:8] for message in found[:-1]] == [b"VALUE k%d" % number for number in range(9)]
    assert found[-1] == END
    assert all(len(message) > 50_000 for message in found[:-1])


def test_what_is_left_unfinished_is_forgotten() -> None:
    """A line, a value, a binary header; the memory held for the value is free again."""
    server = create(["-m", "2"])
    for unfinished in (b"get a", b"set a 0 0 900000\r\nabc", binary(0, b"a")[:20], b"set a 0 0 4000000\r\nabc"):
        assert ask(server, unfinished) == []
        assert ask(server, b"\r\nmn\r\n") == [b"CLIENT_ERROR bad command line format\r\n", b"MN\r\n"]
    assert server.connection_count == 0
    for number in range(50):
        assert ask(server, b"set %d 0 0 60000\r\n%b" % (number, b"v" * 50_000)) == []
    assert ask(server, b"set b 0 0 50000\r\n%b\r\n" % (b"v" * 50_000)) == [b"STORED\r\n"]


def test_binary_requests_have_a_message_each() -> None:
    """Statistics are one message; text after binary is no request, binary after text no line."""
    server = create(["-B", "ascii"])
    ask(server, ITEM)
    found = ask(server, binary(0, b"a") + binary(9, b"nope") + binary(9, b"b") + binary(0x10) + binary(10))
    assert [message[:2] for message in found] == [b"\x81\x00", b"\x81\x09", b"\x81\x10", b"\x81\x0a"]
    assert found[2].endswith(b"\x81\x10" + bytes(10) + b"\0\0\0\x09" + bytes(8))
    assert len(found[2]) > 2000
    assert [message[:2] for message in ask(server, binary(0, b"a") + b"mn\r\n")] == [b"\x81\x00"]
    assert [message[:2] for message in ask(server, binary(10) + binary(7) + binary(10))] == [b"\x81\x0a", b"\x81\x07"]
    assert ask(server, b"mn\r\n") == [b"MN\r\n"]


def test_packets_over_udp() -> None:
    """With -B packet every datagram holds packets, whatever its first byte."""
    server = create(["-B", "packet"])
    noop = b"\0\0\0\x05\0"
    assert ask(server, noop + noop + noop[:3]) == [b"\0\0\0\x05\x80"] * 2
    assert [message[4] for message in ask(server, binary(10))] == [0xE9]


def test_log_lines_are_not_sent_to_datagrams() -> None:
    """watch is not answered, and leaves nobody to watch."""
    server = create()
    assert ask(server, b"watch\r\n") == []
    assert b"STAT log_watchers 0\r\n" in b"".join(ask(server, b"stats\r\n"))


def where(running: Running) -> tuple[str, int]:
    """The address of the UDP socket, which is reported after the TCP socket."""
    assert running.process.stderr is not None
    found = re.search(r"waiting for datagrams on (\S+):(\d+)", running.process.stderr.readline())
    assert found is not None
    return found[1], int(found[2])


@pytest.mark.parametrize("threads", ["1", "3"])
def test_a_server_answers_datagrams(start: Start, threads: str) -> None:
    """The cache is that of TCP; a long reply comes whole; the socket and its bytes are in the statistics."""
    running = start("-U", "-1", "-t", threads)
    with running.connect() as tcp, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        udp.connect(where(running))
        udp.settimeout(10)
        talk(tcp, b"set a 0 0 30000\r\n" + b"v" * 30_000 + b"\r\n", b"\r\n")
        udp.send(framed(b""))
        udp.send(framed(b"mn\r\n", total=2))
        udp.send(framed(b"get a\r\n"))
        datagrams = [udp.recv(2000) for _ in range(22)]
        assert messages(datagrams) == [b"VALUE a 0 30000\r\n" + b"v" * 30_000 + b"\r\nEND\r\n"]
        shown = talk(tcp, b"stats conns\r\n", b"END\r\n").decode()
        assert re.search(r"STAT (\d+):UDP UDP\r\nSTAT \1:addr udp:127.0.0.1:\d+\r\nSTAT \1:state conn_read\r\n", shown)
        before = int(re.findall(rb"STAT bytes_read (\d+)", talk(tcp, b"stats\r\n", b"END\r\n"))[0])
        udp.send(framed(b"mn\r\n"))
        assert udp.recv(2000) == framed(b"MN\r\n")
        after = int(re.findall(rb"STAT bytes_read (\d+)", talk(tcp, b"stats\r\n", b"END\r\n"))[0])
        assert after - before == 12 + len(b"stats\r\n")
    assert running.stop() == 0


def test_udp_is_off_unless_asked_for(start: Start) -> None:
    """The system says so to whoever tries."""
    running = start()
    host, _, port = running.where.rpartition(":")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.connect((host, int(port)))
        udp.settimeout(10)
        udp.send(framed(b"mn\r\n"))
        with pytest.raises(ConnectionRefusedError):
            udp.recv(2000)


def test_a_flood_does_not_starve_connections(start: Start) -> None:
    """Long replies to many datagrams are sent in steps, and those that do not fit into the queue are lost."""
    running = start("-U", "-1", "-v")
    with running.connect() as tcp, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.connect(where(running))
        talk(tcp, b"set a 0 0 1000000\r\n" + b"v" * 1_000_000 + b"\r\n", b"\r\n")
        before = running.rss()
        for _ in range(200):
            udp.send(framed(b"get " + b"a " * 100 + b"\r\n"))
        for _ in range(20):
            assert talk(tcp, b"mn\r\n", b"\r\n") == b"MN\r\n"
        assert running.rss() - before < 64 * 1024
