"""Misbehaving servers behind the byte interface: the bundled engine with its output bent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mcserver import inproc

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Bend = Callable[[bytes, bytes], bytes]


class Connection:
    """A connection whose answers to a chunk go through a function of chunk and answer."""

    def __init__(self, real: Any, bend: Bend) -> None:
        self._real = real
        self._bend = bend
        self._out = b""

    @property
    def closed(self) -> bool:
        return bool(self._real.closed)

    def send(self, chunk: bytes) -> None:
        self._real.send(chunk)
        self._out += self._bend(chunk, self._real.receive())

    def receive(self) -> bytes:
        out, self._out = self._out, b""
        return out + bytes(self._real.receive())

    def half_close(self) -> None:
        self._real.half_close()

    def reset(self) -> None:
        self._real.reset()


class Server:
    """The bundled engine with bent connections."""

    def __init__(self, options: Sequence[str], bend: Bend) -> None:
        self._real = inproc.create(list(options))
        self._bend = bend

    @property
    def now(self) -> float:
        return self._real.now

    def advance(self, seconds: float) -> None:
        self._real.advance(seconds)

    def open(self) -> Connection:
        return Connection(self._real.open(), self._bend)

    def datagram(self, data: bytes) -> list[bytes]:
        return [self._bend(data, answer) for answer in self._real.datagram(data)]


def wrong(options: Sequence[str] = ()) -> Server:
    """Answers STORED with SAVED."""
    return Server(options, lambda _, out: out.replace(b"STORED\r\n", b"SAVED\r\n"))


def silent(options: Sequence[str] = ()) -> Server:
    """Does not answer incr."""
    return Server(options, lambda chunk, out: b"" if chunk.startswith(b"incr ") else out)


def loud(options: Sequence[str] = ()) -> Server:
    """Answers what owes no answer."""
    return Server(options, lambda chunk, out: out or (b"OK\r\n" if b" noreply\r\n" in chunk else b""))


def cut(options: Sequence[str] = ()) -> Server:
    """Loses the answer to a request that arrives in pieces ending in CR."""
    return Server(options, lambda chunk, out: b"" if chunk == b"\n" else out)


def honest(options: Sequence[str] = ()) -> Server:
    """The bundled engine as it is."""
    return Server(options, lambda _, out: out)


def opaque(options: Sequence[str] = ()) -> Server:
    """Answers a binary NOOP with another opaque."""
    return Server(options, lambda _, out: out.replace(b"\0\0\0\3", b"\0\0\0\4") if out[:1] == b"\x81" else out)


def numbered(options: Sequence[str] = ()) -> Server:
    """Numbers its datagrams from 1."""
    return Server(options, lambda _, out: out[:2] + b"\0\1" + out[4:])


class Lossy(Server):
    """Datagrams do not arrive."""

    def datagram(self, data: bytes) -> list[bytes]:
        self._real.datagram(data)
        return []


def lossy(options: Sequence[str] = ()) -> Server:
    """Loses what it answers over UDP."""
    return Lossy(options, lambda _, out: out)


STALLED: list[int] = []
"""How many of the next servers lose an item before its time, as one does on a machine that stood still."""


def stalling(options: Sequence[str] = ()) -> Server:
    """Finds nothing while `STALLED` has an entry, one for each server."""
    stalled = bool(STALLED) and STALLED.pop() > 0
    return Server(options, lambda chunk, out: b"END\r\n" if stalled and chunk.startswith(b"get ") else out)
