"""The load of the benchmark: a client process that is told on stdin what to ask of a server, and says how often it did.

``python tests/bench/load.py PORT`` reads lines ``PROTOCOL COMMAND DEPTH SECONDS`` and answers each with the number of
requests done. `DEPTH` requests travel together.
"""

from __future__ import annotations

import socket
import struct
import sys
import time
from typing import NamedTuple

HOST = "127.0.0.1"
VALUE = b"v" * 100
KEYS = 1000
_NAMES = [b"key-%04d" % number for number in range(KEYS)]


class Requests(NamedTuple):
    """What is sent, one request for each key, and how many bytes answer it."""

    sent: list[bytes]
    answer: int


def _binary(opcode: int, key: bytes, extras: bytes = b"", value: bytes = b"") -> bytes:
    body = extras + key + value
    return struct.pack(">BBHBBHIIQ", 0x80, opcode, len(key), len(extras), 0, 0, len(body), 0, 0) + body


def _packet(code: int, data: bytes) -> bytes:
    return struct.pack(">IB", 5 + len(data), code) + data


def requests(protocol: str, command: str) -> Requests:
    """Make the requests of a protocol; `command` is get or set."""
    store = command == "set"
    if protocol == "binary":
        sent = [_binary(1, key, bytes(8), VALUE) if store else _binary(0, key) for key in _NAMES]
        return Requests(sent, 24 if store else 28 + len(VALUE))
    if protocol == "packet":
        head = bytes(16) + bytes([len(_NAMES[0])])
        sent = [_packet(2, head + key + VALUE) if store else _packet(1, key) for key in _NAMES]
        return Requests(sent, 13 if store else 5 + 13 + len(_NAMES[0]) + len(VALUE))
    if store:
        return Requests([b"set %b 0 0 %d\r\n%b\r\n" % (key, len(VALUE), VALUE) for key in _NAMES], len(b"STORED\r\n"))
    hit = b"VALUE %b 0 %d\r\n%b\r\nEND\r\n" % (_NAMES[0], len(VALUE), VALUE)
    return Requests([b"get %b\r\n" % key for key in _NAMES], len(hit))


def _load(connection: socket.socket, batches: list[bytes], size: int, end: float) -> int:
    send, receive = connection.sendall, connection.recv
    done = 0
    while time.perf_counter() < end:
        for batch in batches:
            send(batch)
            left = size
            while left:
                left -= len(receive(left))
        done += len(batches)
    return done


def main(port: int) -> None:
    """Serve stdin until it ends; a connection for each protocol."""
    connections: dict[str, socket.socket] = {}
    for line in sys.stdin:
        protocol, command, depth, seconds = line.split()
        connection = connections.get(protocol)
        if connection is None:
            connection = connections[protocol] = socket.create_connection((HOST, port))
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sent, answer = requests(protocol, command)
        count = int(depth)
        batches = [b"".join(sent[at : at + count]) for at in range(0, KEYS, count)]
        done = _load(connection, batches, answer * count, time.perf_counter() + float(seconds))
        print(done * count, flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]))
