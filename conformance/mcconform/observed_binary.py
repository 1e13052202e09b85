"""What the judge remembers of binary and packet answers: cas uniques, and a form of them that is the same in every run.

A binary reply does not say which key it is about. So what was asked is remembered, and a reply belongs to the first
request that has its opcode and its opaque; those before it were quiet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mcconform.headers import HEADER, KEYED, LONGEST, MAGIC

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

REPLY = 0x81
STAT, VERSION = 0x10, 0x0B
VALUE = 0x81
"""The code of packets that show an item."""

Seen = tuple[bytes, int]
"""A key and the cas unique that was shown of it."""


class Binary:
    """One binary connection: what was asked and what came."""

    def __init__(self) -> None:
        self._asked: list[tuple[int, bytes, bytes]] = []
        self._out = b""
        self._skip = 0
        self._in = b""

    def copy(self) -> Binary:
        """An independent copy."""
        twin = Binary()
        twin._asked, twin._out, twin._skip, twin._in = list(self._asked), self._out, self._skip, self._in
        return twin

    def sent(self, data: bytes) -> None:
        """Note the requests in what is written; whatever follows a header with a wrong magic is none."""
        if self._skip >= len(data):
            self._skip -= len(data)
            return
        out = self._out + data[self._skip :]
        self._skip = 0
        while len(out) >= HEADER and out[0] == MAGIC:
            body, start = int.from_bytes(out[8:12], "big"), HEADER + out[4]
            length = int.from_bytes(out[2:4], "big")
            if len(out) < min(start + length, HEADER + body):
                break
            if out[1] in KEYED and 0 < length <= LONGEST:
                self._asked.append((out[1], out[12:16], out[start : start + length]))
            self._skip = max(0, HEADER + body - len(out))
            out = out[HEADER + body :]
        self._out = out

    def received(self, data: bytes) -> Iterator[Seen]:
        """The cas uniques in what came."""
        self._in += data
        while len(self._in) >= HEADER:
            end = HEADER + int.from_bytes(self._in[8:12], "big")
            if len(self._in) < end:
                return
            reply, self._in = self._in[:end], self._in[end:]
            mark = reply[1], reply[12:16]
            place = next((at for at, asked in enumerate(self._asked) if asked[:2] == mark), None)
            if place is None:
                continue
            key = self._asked[place][2]
            del self._asked[: place + 1]
            unique = int.from_bytes(reply[16:24], "big")
            if unique:
                yield key, unique


class Packets:
    """One packet connection: what came. Only packets with an item say what key they are about."""

    def __init__(self) -> None:
        self._in = b""

    def copy(self) -> Packets:
        """An independent copy."""
        twin = Packets()
        twin._in = self._in
        return twin

    def sent(self, data: bytes) -> None:
        """Nothing of what is written matters."""

    def received(self, data: bytes) -> Iterator[Seen]:
        """The cas uniques in what came."""
        self._in += data
        while len(self._in) >= 5:
            end = max(5, int.from_bytes(self._in[:4], "big"))
            if len(self._in) < end:
                return
            packet, self._in = self._in[:end], self._in[end:]
            if packet[4] == VALUE and len(packet) > 18:
                yield packet[18 : 18 + packet[17]], int.from_bytes(packet[9:17], "big")


def canonical(data: bytes, rank: Callable[[bytes], int]) -> bytes:
    """Binary replies with ranks for cas uniques, and without what a version or a statistic says."""
    out = []
    while len(data) >= HEADER and data[0] == REPLY:
        extras, length = data[4], int.from_bytes(data[2:4], "big")
        end = HEADER + int.from_bytes(data[8:12], "big")
        head, body, data = data[:HEADER], data[HEADER:end], data[end:]
        if head[1] == VERSION and body:
            body = b"<version>"
        elif head[1] == STAT and len(body) > extras + length:
            body = body[: extras + length] + b"<value>"
        unique = head[16:24]
        if any(unique):
            unique = rank(b"%d" % int.from_bytes(unique, "big")).to_bytes(8, "big")
        whole = HEADER + len(body) if head[1] in (VERSION, STAT) else end
        out.append(head[:8] + (whole - HEADER).to_bytes(4, "big") + head[12:16] + unique + body)
    return b"".join(out) + data
