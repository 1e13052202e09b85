"""What the judge remembers of a server's answers: cas uniques, and a form of them that is the same in every run."""

from __future__ import annotations

import binascii
import re

from mcconform.conversation import PREFIX, CasRef, Part, Repeat, TimeRef, swapped
from mcconform.headers import MAGIC
from mcconform.observed_binary import Binary, Packets, canonical

_HEADER = re.compile(rb"VALUE ([^ \r\n]+) (\d+) (\d{1,20})(?: (\d{1,20}))?\r\n")
_VALUE = re.compile(rb"(VALUE [^ \r\n]+ \d+ \d+ )(\d+)(?=\r\n)")
_META = re.compile(rb"(?:HD|EX|NF|NS|ME|VA (\d{1,20}))((?: [^ \r\n]+)*) ?\r\n")
_NUMBERED = re.compile(rb"c[1-9]\d{,19}")
_META_UNIQUE = re.compile(rb"((?:^|\n)(?:(?:HD|EX|NF|NS|VA \d+)(?: [^ \r\n]+)*? c|ME [^\r\n]*? cas=))(\d+)(?=[ \r])")
_STAT = re.compile(rb"(STAT [^ \r\n]+) [^\r\n]*")
_VERSION = re.compile(rb"VERSION [^\r\n]*")


class Uniques:
    """The cas uniques that replies have shown together with their keys, by connection and key.

    A VALUE line and an ME line show both; other replies of the meta protocol do where ``k`` and ``c`` were asked for.
    Binary replies show them to who knows what was asked.
    """

    def __init__(self, *, packets: bool = False) -> None:
        """Of a server that speaks packets, or text and binary."""
        self._packets = packets
        self._others: dict[int, Binary | Packets] = {}
        self._rest: dict[int, bytes] = {}
        self._skip: dict[int, int] = {}
        self._seen: dict[tuple[int | None, bytes], int] = {}

    def copy(self) -> Uniques:
        """An independent copy."""
        twin = Uniques(packets=self._packets)
        twin._others = {conn: other.copy() for conn, other in self._others.items()}
        twin._rest, twin._skip, twin._seen = dict(self._rest), dict(self._skip), dict(self._seen)
        return twin

    def sent(self, conn: int, data: bytes) -> None:
        """Note what is written on a connection: it decides the protocol, and tells what binary replies are about."""
        if conn not in self._others:
            if conn in self._rest or not data:
                return
            if not self._packets and data[0] != MAGIC:
                self._rest[conn] = b""
                return
            self._others[conn] = Packets() if self._packets else Binary()
        self._others[conn].sent(data)

    def datagram(self, conn: int, request: bytes, answer: bytes = b"") -> None:
        """Read one datagram that went out and, if there is one, one that came back and is the whole of its message."""
        once = Uniques(packets=self._packets)
        once._seen = self._seen
        once.sent(conn, request[8:])
        if answer[4:6] == b"\0\1":
            once.feed(conn, answer[8:])

    def feed(self, conn: int, data: bytes) -> None:
        """Read what arrived on a connection; values are skipped, so that they are never read as replies."""
        if conn in self._others:
            for named, unique in self._others[conn].received(data):
                self._seen[conn, named] = self._seen[None, named] = unique
            return
        skip = self._skip.get(conn, 0)
        if skip >= len(data):
            self._skip[conn] = skip - len(data)
            return
        rest = self._rest.get(conn, b"") + data[skip:]
        skip = 0
        at = 0
        while (end := rest.find(b"\n", at)) >= 0:
            header = _HEADER.fullmatch(rest, at, end + 1)
            meta = _META.fullmatch(rest, at, end + 1) if header is None else None
            at = end + 1
            if header is not None:
                found = header.group(1), header.group(4)
                length = header.group(3)
            elif meta is not None:
                found = _shown_by_meta(meta.group(2).split(b" ")[1:])
                length = meta.group(1)
            else:
                continue
            key, number = found
            if key is not None and number is not None:
                self._seen[conn, key] = self._seen[None, key] = int(number)
            if length is None:
                continue
            at += int(length) + 2
            if at > len(rest):
                skip = at - len(rest)
                at = len(rest)
                break
        self._skip[conn] = skip
        self._rest[conn] = rest[at:]

    def bind(self, part: Part, now: float) -> bytes:
        """The bytes of a part; ``now`` is the server's unix time in seconds."""
        if isinstance(part, bytes):
            return part
        if isinstance(part, Repeat):
            return part.bytes()
        if isinstance(part, TimeRef):
            moment = int(now) + part.offset
            return b"%d" % moment if part.encoding == "decimal" else (moment % 2**32).to_bytes(4, "big")
        unique = max(0, self._seen.get((part.conn, part.key), -part.offset) + part.offset)
        return b"%d" % unique if part.encoding == "decimal" else (unique % 2**64).to_bytes(8, "big")


def _shown_by_meta(words: list[bytes]) -> tuple[bytes | None, bytes | None]:
    """The key and the cas unique in what stands behind the code of a meta reply."""
    if words[1:] and words[1].startswith(b"exp="):
        # An ME line does not say whether its key is in base64: it counts as what it looks like.
        number = next((word[4:] for word in words if re.fullmatch(rb"cas=\d{1,20}", word)), None)
        return words[0], number
    key = next((word[1:] for word in words if word[:1] == b"k"), None)
    number = next((word[1:] for word in words if _NUMBERED.fullmatch(word)), None)
    if key is not None and b"b" in words:
        try:
            key = binascii.a2b_base64(key)
        except binascii.Error:
            key = None
    return key, number


def shown(part: Part) -> bytes:
    """A part as reports show it: a reference by what it means."""
    if isinstance(part, bytes):
        return part
    if isinstance(part, Repeat):
        return part.bytes() if len(part.unit) * part.times <= 64 else b"<%d times %s>" % (part.times, part.unit)
    if isinstance(part, CasRef):
        return b"<cas of %s%s>" % (part.key, b"%+d" % part.offset if part.offset else b"")
    return b"<now%+d>" % part.offset


class Canon:
    """Rewrites received bytes so that they are the same in every run: prefix, cas uniques, version, statistics."""

    def __init__(self, prefix: bytes) -> None:
        self._prefix = prefix
        self._ranks: dict[bytes, int] = {}

    def __call__(self, data: bytes) -> bytes:
        """The canonical form; a cas unique becomes ``<cas 1>``, ``<cas 2>`` ... in order of appearance.

        In a binary reply, that of a datagram too, it becomes 1, 2 ... in its eight bytes.
        """
        frame = 8 if data[8:9] == b"\x81" and data[:1] != b"\x81" else 0
        if data[frame : frame + 1] == b"\x81":
            found = data[:frame] + canonical(data[frame:], self._number)
            return swapped(found, self._prefix, PREFIX)
        data = _META_UNIQUE.sub(self._rank, _VALUE.sub(self._rank, data))
        data = _STAT.sub(rb"\1 <value>", data)
        data = _VERSION.sub(b"VERSION <version>", data)
        return swapped(data, self._prefix, PREFIX)

    def _rank(self, found: re.Match[bytes]) -> bytes:
        return b"%s<cas %d>" % (found.group(1), self._number(found.group(2)))

    def _number(self, unique: bytes) -> int:
        return self._ranks.setdefault(unique, len(self._ranks) + 1)
