"""Conversations from compact bytes: four bytes decide one operation, so that a mutation of a byte changes one thing.

Used by the stateful phase (Hypothesis draws the bytes) and by ``fuzz`` (a random generator does).  Any bytes decode to
a conversation that can be judged: orders between connections that a server may choose are settled first, and values
that the specification says nothing about are not written.
"""

from __future__ import annotations

from random import Random

from mcconform import streams_binary, streams_meta
from mcconform.conversation import CasRef, Conversation, Part, Send, Settle, Step, width

KEYS = (b"mcspec-a", b"mcspec-b", b"mcspec-c", b"mcspec-" + b"l" * 243)
VALUES = (
    b"0", b"1", b"9", b"10", b"99", b"100", b"18446744073709551615", b"", b"x", b"007", b" 5", b"5 x", b"hello world",
    b"\r\n", b"END\r\n", b"get mcspec-a\r\n", b"\x00\xff", b"v" * 300, b"-1", b"12345678901234567890123",
)  # fmt: skip
EXPTIMES = (b"0", b"0", b"0", b"1000", b"-1", b"2592000", b"2592001", b"4294967296", b"x")
FLAGS = (b"0", b"0", b"1", b"65535", b"4294967295", b"4294967296", b"-1", b"+7")
DELTAS = (b"1", b"1", b"2", b"9", b"100", b"18446744073709551615", b"0", b"x", b"18446744073709551616", b"-1")
STORES = (b"set", b"set", b"set", b"add", b"replace", b"append", b"prepend")
ODD = (
    b"version\r\n", b"nonsense\r\n", b"get\r\n", b"\r\n", b"set mcspec-a 0 0\r\n", b"incr mcspec-a\r\n",
    b"get mcspec-a", b"x\n", b"delete mcspec-a x\r\n", b"set mcspec-a 0 0 x\r\n", b"touch mcspec-a x\r\n",
    b"gat 0\r\n", b"nonsense noreply\r\n", b" get mcspec-a\r\n", b"get mcspec-a\x00b\r\n", b"GET mcspec-a\r\n",
    b"set mcspec-a x 0 3\r\nabc\r\n", b"set mcspec-b 0 0 2\r\nabcd\r\n", b"version x\r\n", b"stats\r\n",
)  # fmt: skip

META = 144
"""Operations from this number on are of the meta protocol."""

PER_OPERATION = 4
"""Bytes that one operation takes."""


class _Writer:
    """Collects steps; keeps the order between connections decidable."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.held: dict[int, tuple[Part, ...]] = {}
        self.last: int | None = None

    def switch(self, conn: int) -> None:
        """Before another connection writes, the last one's requests must have been carried out."""
        if self.last is not None and self.last != conn and self.last not in self.held:
            self.settle(self.last)
        self.last = conn

    def settle(self, conn: int) -> None:
        """Add a Settle unless one stands there."""
        if self.steps and self.steps[-1] != Settle(conn):
            self.steps.append(Settle(conn))

    def write(self, conn: int, parts: tuple[Part, ...], how: int) -> None:
        """Write a request: whole, cut, held back in part, or together with the one before it."""
        self.switch(conn)
        if conn in self.held:
            self.steps.append(Send(conn, self.held.pop(conn)))
        total = sum(map(width, parts))
        style = how % 8
        literal = parts[0] if len(parts) == 1 and isinstance(parts[0], bytes) else None
        if style == 0 and literal is not None and total > 2:
            # Half a request waits while others run.  What came before it must be done: it may owe no reply.
            self.settle(conn)
            at = 1 + how * 7 % (total - 1)
            self.steps.append(Send(conn, (literal[:at],)))
            self.held[conn] = (literal[at:],)
            return
        before = self.steps[-1] if self.steps else None
        if style in (1, 2, 3) and isinstance(before, Send) and before.conn == conn:
            self.steps[-1] = Send(conn, before.parts + parts, before.cuts)
        elif style == 4 and total > 2:
            self.steps.append(Send(conn, parts, tuple(sorted({1 + how * 5 % (total - 1), 1 + how * 11 % (total - 1)}))))
        else:
            self.steps.append(Send(conn, parts))
        if style == 7:
            self.settle(conn)

    def finish(self) -> tuple[Step, ...]:
        """Send what is held back, and settle."""
        for conn in sorted(self.held):
            self.switch(conn)
            self.steps.append(Send(conn, self.held.pop(conn)))
        return (*self.steps, Settle())


def request(op: int, key: int, argument: int, *, flush: bool = False, meta: bool = True) -> tuple[Part, ...]:
    """One request from three bytes."""
    name = KEYS[(0, 0, 0, 1, 1, 2, 2, 3)[key % 8]]
    other = KEYS[key // 8 % len(KEYS)]
    if meta and op >= META:
        # Which flags it has is drawn; the same bytes draw the same ones.
        value = VALUES[argument % len(VALUES)]
        return tuple(streams_meta.request(Random(op << 16 | key << 8 | argument), streams_meta.Drawn((name,), value)))
    quiet = b" noreply" if key >= 216 else b""
    exptime = EXPTIMES[argument // 16 % len(EXPTIMES)]
    kind = op % 32
    if kind < 10:
        value = VALUES[argument % len(VALUES)]
        flags = FLAGS[key // 32]
        word = STORES[kind % len(STORES)]
        return (b"%s %s %s %s %d%s\r\n%s\r\n" % (word, name, flags, exptime, len(value), quiet, value),)
    if kind < 16:
        names = (name, name + b" " + other, other + b" " + name + b" " + name)[argument % 3]
        return ((b"get %s\r\n", b"gets %s\r\n")[kind % 2] % names,)
    if kind < 18:
        return ((b"gat %s %s\r\n", b"gats %s %s\r\n")[kind % 2] % (exptime, name),)
    if kind < 23:
        delta = DELTAS[argument % len(DELTAS)]
        return ((b"incr %s %s%s\r\n", b"decr %s %s%s\r\n")[kind % 2] % (name, delta, quiet),)
    if kind < 25:
        value = VALUES[argument % len(VALUES)]
        head = b"cas %s 1 0 %d " % (name, len(value))
        return head, CasRef(name, argument // 128), b"%s\r\n%s\r\n" % (quiet, value)
    if kind < 27:
        return (b"delete %s%s\r\n" % (name, quiet),)
    if kind == 27:
        return (b"touch %s %s%s\r\n" % (name, exptime, quiet),)
    if kind == 28 and flush and argument < 64:
        return (b"flush_all%s\r\n" % quiet,)
    return (ODD[argument % len(ODD)],)


def spoken_binary(op: int, key: int, argument: int, *, flush: bool = False) -> tuple[Part, ...]:
    """One request of the binary protocol from three bytes; none that ends the connection."""
    drawn = streams_meta.Drawn((KEYS[(0, 0, 0, 1, 1, 2, 2, 3)[key % 8]],), VALUES[argument % len(VALUES)])
    rng = Random(op << 16 | key << 8 | argument)
    return tuple(streams_binary.request(rng, drawn, foreign=flush, endings=False))


def decode(data: bytes, name: str, *, flush: bool = False, meta: bool = True, binary: bool = False) -> Conversation:
    """The conversation of some bytes; ``flush`` lets it flush the server, ``meta`` lets it speak the meta protocol.

    With ``binary`` one of its connections speaks that.
    """
    writer = _Writer()
    for at in range(0, len(data) - PER_OPERATION + 1, PER_OPERATION):
        op, key, argument, how = data[at : at + PER_OPERATION]
        conn = (0, 0, 0, 0, 1, 1, 2, 0)[how // 8 % 8] if how < 192 else 0
        if binary and conn == 1:
            parts = spoken_binary(op, key, argument, flush=flush)
        else:
            parts = request(op, key, argument, flush=flush, meta=meta)
        writer.write(conn, parts, how)
    return Conversation(name, writer.finish())
