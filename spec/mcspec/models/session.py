"""The session: one client and one connection, with bounded buffers between them, and who is owed which reply.

The client sends whole requests, or requests in two pieces, loud and quiet, one after the other without waiting; it may
quit, be hung up on, or half-close. The server reads a chunk (or two that have been joined on the way) when its queue of
replies has room, lets `connection.feed` make of it what it makes, and writes one reply at a time when the client's side
has room. A reply is known by the request that it answers; what is owed is counted by the client alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from mcspec.arith import Span
from mcspec.cache import Cache
from mcspec.connection import Conn, Context, Event, State, feed
from mcspec.explore import Kind, Law, Move, System
from mcspec.models import Model
from mcspec.models.session_plants import PLANTS, Design
from mcspec.rules import Rules

NOW = Span(0, 0)
QUIET = -1
"""Stands for the reply to a request that wants none."""
LATE = 9
"""The number of requests that are sent after one that ends the connection."""
FIN: tuple[int, ...] = (-1,)
"""The client's end, where it stands among the chunks."""
SMALLEST = 24
"""Bytes that a connection may keep of requests this small."""

OPEN, LEAVING, FINISHED, OVER = range(4)
"""The client: sends; has sent a request that ends the connection; has half-closed; has seen the end."""


class Bounds(NamedTuple):
    """Chunks under way, replies queued, replies on their way; requests in pieces, refused and hung up on or not."""

    inbox: int
    high: int
    pipe: int
    pieces: bool


class Session(NamedTuple):
    """`conn` is the number of a connection state; `inbox`, `out` and `pipe` are queues, `owed` what the client awaits.

    `half` is 0, or 1 + the piece that completes the request that the client has begun.
    """

    conn: int
    inbox: tuple[tuple[int, ...], ...]
    out: tuple[int, ...]
    pipe: tuple[int, ...]
    owed: tuple[int, ...]
    half: int
    client: int
    wrong: str = ""


class Piece(NamedTuple):
    """Something that a client can send: `owes` a reply, and `then` are the pieces that may complete it."""

    name: str
    data: bytes
    owes: bool = False
    then: tuple[int, ...] = ()
    ends: bool = False


PIECES = (
    Piece("get {n}", b"get k%d\r\n", owes=True),
    Piece("a quiet delete", b"delete q noreply\r\n"),
    Piece("set {n} with its value", b"set k%d 0 0 1\r\nx\r\n", owes=True),
    Piece("quit", b"quit\r\n", ends=True),
    Piece("the line of set {n}", b"set k%d 0 0 1\r\n", owes=True, then=(5, 6)),
    Piece("its value", b"x\r\n"),
    Piece("a value that is too long", b"xyz"),
    Piece("the line of a quiet set", b"set q 0 0 1 noreply\r\n", then=(5, 6)),
    Piece("the line of a set {n} too large", b"set k%d 0 0 2\r\n", owes=True, then=(9,)),
    Piece("its value", b"xx\r\n"),
    Piece("half of get {n}", b"get k%d", owes=True, then=(11,)),
    Piece("the other half", b"\r\n"),
    Piece("nonsense {n}", b"no k%d\r\n", owes=True),
    Piece("HTTP", b"x HTTP/1\r\n", ends=True),
)
FIRST = (0, 1, 2, 3)
ALL = (*FIRST, 4, 7, 8, 10, 12, 13)


class _Server:
    """`feed` on numbered connection states, each result computed once."""

    def __init__(self, rules: Rules) -> None:
        # A value of one byte fits and one of two does not.
        limits = rules.limits._replace(item=rules.limits.item_header + rules.limits.item_cas + 6)
        self.context = Context(NOW, rules._replace(limits=limits), 0)
        self.conns: list[Conn] = []
        self.numbers: dict[Conn, int] = {}
        self.known: dict[tuple[int, tuple[int, ...]], tuple[int, tuple[int, ...], bool]] = {}
        self.first = self.number(Conn(State.WAITING))

    def number(self, conn: Conn) -> int:
        """The number of a connection state, without what no later reply depends on."""
        line = conn.line if conn.need else b""
        request = conn.request if conn.need else None
        conn = conn._replace(line=line, request=request, since=None, parts=0, erred=False, fresh=False)
        if conn not in self.numbers:
            self.numbers[conn] = len(self.conns)
            self.conns.append(conn)
        return self.numbers[conn]

    def closed(self, number: int) -> bool:
        """Whether the connection is closed in that state."""
        return self.conns[number].state is State.CLOSED

    def fed(self, number: int, chunk: tuple[int, ...]) -> tuple[int, tuple[int, ...], bool]:
        """State, replies, and whether the buffer stays small, after a chunk (FIN: after the client's end)."""
        result = self.known.get((number, chunk))
        if result is None:
            event = Event.EOF if chunk == FIN else Event.DATA
            data = b"" if chunk == FIN else b"".join(_bytes(piece) for piece in chunk)
            (turn,) = feed(self.conns[number], event, data, Cache(), self.context)
            replies = tuple(_answered(owed.request) for owed in turn.owed if owed.pieces)
            result = self.number(turn.conn), replies, len(turn.conn.buffer) <= SMALLEST
            self.known[number, chunk] = result
        return result


def _answered(line: bytes) -> int:
    """The number of the request that a line belongs to."""
    found = re.search(rb" k(\d)", line)
    return int(found[1]) if found else QUIET


def _bytes(sent: int) -> bytes:
    """What a client sends: pieces are counted in tens, numbers of requests in ones."""
    piece = PIECES[sent // 10]
    return piece.data % (sent % 10) if b"%d" in piece.data else piece.data


def build(bounds: Bounds, design: Design) -> System:
    """The system at these bounds."""
    server = _Server(design.rules)
    modulus = min(LATE, bounds.inbox + bounds.high + bounds.pipe + 4)
    first = ALL if bounds.pieces else FIRST
    sends = {
        sent: Move(
            "client", "server", "sends " + PIECES[sent // 10].name.format(n=sent % 10), ("send", 0, _bytes(sent))
        )
        for sent in range(10 * len(PIECES))
    }
    closes = Move("client", "server", "half-closes", ("half-close", 0))
    reads, joined, ends = (
        Move("server", "server", text) for text in ("reads a chunk", "reads two chunks at once", "sees the end")
    )
    writes = Move("server", "client", "writes a reply")
    takes = Move("client", "client", "reads a reply")
    over = Move("server", "client", "closes")
    fed, closed = server.fed, server.closed

    def send(state: Session, number: int) -> tuple[Move, Session]:
        conn, inbox, out, pipe, owed, _, client, _ = state
        piece = PIECES[number]
        label = LATE if client != OPEN else (owed[-1] + 1) % modulus if owed else 0
        sent = number * 10 + (label if b"%d" in piece.data else 0)
        if piece.owes and client == OPEN:
            owed = (*owed, label)
        if piece.ends and client == OPEN:
            client = LEAVING
        return sends[sent], Session(conn, (*inbox, (sent,)), out, pipe, owed, number if piece.then else 0, client)

    def read(state: Session, chunk: tuple[int, ...], rest: tuple[tuple[int, ...], ...]) -> Session:
        after, replies, small = fed(state.conn, chunk)
        out = design.queues(state.out, replies) if replies else state.out
        wrong = "" if small and len(out) <= bounds.high + 1 else "bounded"
        if closed(state.conn):
            wrong = "closed" if replies or after != state.conn else wrong
        return Session(after, rest, out, state.pipe, state.owed, state.half, state.client, wrong)

    def moves(state: Session) -> Iterable[tuple[Move, Session]]:
        conn, inbox, out, pipe, owed, half, client, wrong = state
        if wrong or client == OVER:
            return ()
        found: list[tuple[Move, Session]] = []
        shut = closed(conn)
        if client < FINISHED and len(inbox) < bounds.inbox:
            if half:
                found += [send(state, number) for number in PIECES[half].then]
            elif client == OPEN or not inbox:
                found += [send(state, number) for number in first]
            # Who ends in the middle of a request is owed nothing for it.
            left = owed[:-1] if half and client == OPEN and PIECES[half].owes else owed
            found.append((closes, Session(conn, (*inbox, FIN), out, pipe, left, 0, FINISHED)))
        if inbox and (not shut or design.reads_closed) and design.reads(len(out), bounds.high):
            found.append((ends if inbox[0] == FIN else reads, read(state, inbox[0], inbox[1:])))
            if len(inbox) > 1 and FIN not in inbox[:2]:
                found.append((joined, read(state, inbox[0] + inbox[1], inbox[2:])))
        if len(pipe) < bounds.pipe and design.writes(out, bool(inbox)) and (not shut or design.writes_closed):
            found.append((writes, state._replace(out=out[1:], pipe=(*pipe, out[0]))))
        if pipe:
            right = bool(owed) and pipe[0] == owed[0]
            bad = "" if right else "silence" if pipe[0] == QUIET else "closed" if pipe[0] == LATE else "order"
            found.append((takes, Session(conn, inbox, out, pipe[1:], owed[right:], half, client, bad)))
        elif shut and (not out or not design.writes_closed):
            found.append((over, Session(conn, (), (), (), (), 0, OVER, "answered" if owed else "")))
        return found

    return System((Session(server.first, (), (), (), (), 0, OPEN),), moves)


def _law(name: str, words: str) -> Law:
    def right(state: Session) -> bool:
        return state.wrong != name

    return Law(f"law.session.{name}", Kind.STATE, words, right)


def _rested(state: Session) -> bool:
    idle = not (state.conn or state.inbox or state.out or state.pipe or state.owed or state.half)
    return idle or state.client == OVER


LAWS = (
    _law("order", "Every request that is owed a reply gets exactly one, in the order of the requests."),
    _law("silence", "A request that wants no reply gets none, and what is no request is not answered."),
    _law("answered", "What is owed is sent before the connection ends, whoever ends it."),
    _law("closed", "What comes after the request that ends a connection is not answered and changes nothing."),
    _law("bounded", "Replies that nobody reads stop the reading: neither queue nor buffer grows beyond its limit."),
    Law(
        "law.session.rest",
        Kind.REST,
        "A session stops only at its end: no party waits for one that waits for it.",
        lambda state: state.client == OVER,
    ),
    Law(
        "law.session.idle",
        Kind.AGAIN,
        "From every state the session can come to a point where all is answered, or to its end.",
        _rested,
    ),
)


def show(state: Session) -> str:
    """A state in words."""
    client = ("open", "leaving", "finished", "over")[state.client]
    queues = f"{len(state.inbox)} chunks under way, {len(state.out)} replies queued, {len(state.pipe)} on their way"
    return f"client {client}, connection state {state.conn}, {queues}, owed {list(state.owed)}"


MODEL = Model(
    name="session",
    summary="a client that pipelines, in pieces, quietly, and leaves; bounded buffers between it and the server",
    design=Design(Rules()),
    bounds={
        "small": Bounds(2, 2, 1, pieces=True),
        "standard": Bounds(3, 2, 1, pieces=True),
        "large": Bounds(4, 2, 2, pieces=True),
    },
    build=build,
    laws=LAWS,
    plants=PLANTS,
    show=show,
)
