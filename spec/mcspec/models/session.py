"""The session: one client and one connection, with bounded buffers between them, and who is owed which reply.

The client sends whole requests, or requests in two pieces, loud and quiet, one after the other without waiting; it may
quit, be hung up on, or half-close. The server reads a chunk, or two that were joined on the way (that three make no
difference is `feed` being a fold), when its queue of replies has room, lets `connection.feed` make of it what it makes,
and writes one reply at a time when the client's side has room. A reply is known by the request that it answers; what is
owed is counted by the client alone. What a server does around `feed` (when it reads, queues and writes) is a design,
given here and not in the specification's rules.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import partial
from typing import NamedTuple

from mcspec.arith import Span
from mcspec.cache import Cache
from mcspec.connection import feed
from mcspec.explore import Kind, Law, Move, System
from mcspec.machine import TEXT, Conn, Context, Event, State
from mcspec.models import Model
from mcspec.models.session_plants import PLANTS, Design
from mcspec.rules import Rules

NOW = Span(0, 0)
QUIET = 15
"""Stands for the reply to a request that wants none."""
LATE = 9
"""The number of requests that are sent after one that ends the connection."""
FIN = 255
"""The client's end, where it stands among the chunks."""
SMALLEST = 32
"""Bytes that a connection may keep of requests this small."""

OPEN, LEAVING, FINISHED, OVER = range(4)
"""The client: sends; has sent a request that ends the connection; has half-closed; has seen the end."""

Session = tuple[int, bytes, bytes, bytes, bytes, int, int, str]
"""A state. Queues are byte strings, as the fastest immutable queue of small numbers that there is; in this order:

the number of the connection's state; chunks under way, replies queued, replies on their way; the replies that the
client awaits; 0 or the piece with which it began a request; what the client does; the name of the law that was broken.
"""


class Bounds(NamedTuple):
    """Chunks under way, replies queued, replies on their way; requests in pieces, refused and hung up on or not."""

    inbox: int
    high: int
    pipe: int
    pieces: bool


class Piece(NamedTuple):
    """Something that a client can send: `owes` a reply, and `then` are the pieces that may complete it."""

    name: str
    data: bytes
    owes: bool = False
    then: tuple[int, ...] = ()
    ends: bool = False


PIECES = (
    Piece("get {n}", b"get mcspec%d\r\n", owes=True),
    Piece("a quiet delete", b"delete mcspecq noreply\r\n"),
    Piece("set {n} with its value", b"set mcspec%d 0 0 1\r\nx\r\n", owes=True),
    Piece("quit", b"quit\r\n", ends=True),
    Piece("the line of set {n}", b"set mcspec%d 0 0 1\r\n", owes=True, then=(5, 6)),
    Piece("its value", b"x\r\n"),
    Piece("a value that is too long", b"xyz"),
    Piece("the line of a quiet set", b"set mcspecq 0 0 1 noreply\r\n", then=(5, 6)),
    Piece("the line of a set {n} too large", b"set mcspec%d 0 0 2\r\n", owes=True, then=(9,)),
    Piece("its value", b"xx\r\n"),
    Piece("half of get {n}", b"get mcspec%d", owes=True, then=(11,)),
    Piece("the other half", b"\r\n"),
    Piece("nonsense {n}", b"no mcspec%d\r\n", owes=True),
    Piece("HTTP", b"x HTTP/1\r\n", ends=True),
)
FIRST = (0, 1, 2, 3)
ALL = (*FIRST, 4, 7, 8, 10, 12, 13)


class _Offer(NamedTuple):
    """A piece that may be sent: the move, what joins the chunks and the awaited, and what becomes of the client."""

    move: Move
    sent: bytes
    due: bytes
    begun: int
    client: int


class _Server:
    """`feed` on numbered connection states, each result computed once."""

    def __init__(self, rules: Rules) -> None:
        # A value of one byte fits and one of two does not.
        limits = rules.limits._replace(item=rules.limits.item_header + rules.limits.item_cas + 11)
        self.context = Context(NOW, rules._replace(limits=limits), 0)
        self.conns: list[Conn] = []
        self.numbers: dict[Conn, int] = {}
        self.known: dict[tuple[int, bytes], tuple[int, bytes, bool]] = {}
        self.closed: list[bool] = []
        self.first = self.number(Conn(State.WAITING))

    def number(self, conn: Conn) -> int:
        """The number of a connection state, without what no later reply depends on."""
        line = conn.line if conn.need else b""
        request = conn.request if conn.need else None
        conn = conn._replace(line=line, request=request, since=None, parts=0, erred=False, protocol=TEXT)
        if conn not in self.numbers:
            self.numbers[conn] = len(self.conns)
            self.conns.append(conn)
            self.closed.append(conn.state is State.CLOSED)
        return self.numbers[conn]

    def fed(self, number: int, chunk: bytes) -> tuple[int, bytes, bool]:
        """State, replies, and whether the buffer stays small, after a chunk's pieces, or after the client's end."""
        result = self.known.get((number, chunk))
        if result is None:
            fin = chunk[0] == FIN
            data = b"" if fin else b"".join(map(_bytes, chunk))
            (turn,) = feed(self.conns[number], Event.EOF if fin else Event.DATA, data, Cache(), self.context)
            replies = bytes(_answered(owed.request) for owed in turn.owed if owed.pieces)
            result = self.number(turn.conn), replies, len(turn.conn.buffer) <= SMALLEST
            self.known[number, chunk] = result
        return result


def _answered(line: bytes) -> int:
    """The number of the request that a line belongs to."""
    found = re.search(rb" mcspec(\d)", line)
    return int(found[1]) if found else QUIET


def _bytes(sent: int) -> bytes:
    """What a client sends: pieces are counted in tens, numbers of requests in ones."""
    piece = PIECES[sent // 10]
    return piece.data % (sent % 10) if b"%d" in piece.data else piece.data


def build(bounds: Bounds, design: Design) -> System:
    """The system at these bounds."""
    server = _Server(design.rules)
    fed, closed, known = server.fed, server.closed, server.known
    inboxes, high, pipes, _ = bounds
    _, may_read, queues, may_write, writes_closed, reads_closed = design
    modulus = min(LATE, bounds.inbox + bounds.high + bounds.pipe + 4)
    beginnings = ALL if bounds.pieces else FIRST
    closes = Move("client", "server", "half-closes", ("half-close", 0))
    reads = [
        (Move("server", "server", "reads a chunk" if count == 1 else f"reads {count} chunks at once"), count)
        for count in range(1, min(inboxes, 2) + 1)
    ]
    ends = ((Move("server", "server", "sees the end"), 1),)
    writes = Move("server", "client", "writes a reply")
    takes = Move("client", "client", "reads a reply")
    over = Move("server", "client", "closes")
    sends = [
        Move("client", "server", "sends " + PIECES[sent // 10].name.format(n=sent % 10), ("send", 0, _bytes(sent)))
        for sent in range(10 * len(PIECES))
    ]
    # What a client may send next, by the piece it has begun with (0: none) and the number of the request.
    offers = [
        [
            [
                _Offer(
                    sends[sent],
                    bytes([sent]),
                    bytes([label]) if piece.owes else b"",
                    number if piece.then else 0,
                    LEAVING if piece.ends else OPEN,
                )
                for number in (PIECES[half].then if half else beginnings)
                for piece in (PIECES[number],)
                for sent in (number * 10 + (label if b"%d" in piece.data else 0),)
            ]
            for label in range(10)
        ]
        for half in range(len(PIECES))
    ]

    def moves(state: Session) -> Iterable[tuple[Move, Session]]:
        conn, inbox, out, pipe, owed, half, client, wrong = state
        if wrong or client == OVER:
            return ()
        found: list[tuple[Move, Session]] = []
        shut = closed[conn]
        if client < FINISHED and len(inbox) < inboxes:
            if client == OPEN:
                label = (owed[-1] + 1) % modulus if owed else 0
                found = [
                    (move, (conn, inbox + sent, out, pipe, owed + due, begun, becomes, ""))
                    for move, sent, due, begun, becomes in offers[half][label]
                ]
            elif half or not inbox:
                found = [
                    (move, (conn, inbox + sent, out, pipe, owed, begun, client, ""))
                    for move, sent, _, begun, _ in offers[half][LATE]
                ]
            # Who ends in the middle of a request is owed nothing for it.
            left = owed[:-1] if half and client == OPEN and PIECES[half].owes else owed
            found.append((closes, (conn, inbox + END, out, pipe, left, 0, FINISHED, "")))
        if inbox and (not shut or reads_closed) and may_read(len(out), high):
            for move, count in ends if inbox[0] == FIN else reads:
                chunk = inbox[:count]
                if len(chunk) == count and (count == 1 or FIN not in chunk):
                    after, replies, small = known.get((conn, chunk)) or fed(conn, chunk)
                    queue = queues(out, replies) if replies else out
                    bad = "" if small and len(queue) < high + count else "bounded"
                    if shut and (replies or after != conn):
                        bad = "closed"
                    found.append((move, (after, inbox[count:], queue, pipe, owed, half, client, bad)))
        if out and len(pipe) < pipes and (not shut or writes_closed) and may_write(out, bool(inbox)):
            found.append((writes, (conn, inbox, out[1:], pipe + out[:1], owed, half, client, "")))
        if pipe:
            bad = "" if pipe[0] == (owed[0] if owed else -1) else _NAMED.get(pipe[0], "order")
            found.append((takes, (conn, inbox, out, pipe[1:], owed[1:], half, client, bad)))
        elif shut and (not out or not writes_closed):
            found.append((over, (conn, b"", b"", b"", b"", 0, OVER, "answered" if owed else "")))
        return found

    return System(((server.first, b"", b"", b"", b"", 0, OPEN, ""),), moves, partial(show, server=server))


END = bytes([FIN])
_NAMED = {QUIET: "silence", LATE: "closed"}


def _law(name: str, words: str) -> Law:
    def right(state: Session) -> bool:
        return state[-1] != name

    # A state in which something is wrong has no moves: there, and only there, it has to be looked at.
    return Law(f"law.session.{name}", Kind.REST, words, right)


def _rested(state: Session) -> bool:
    conn, inbox, out, pipe, owed, half, client, _ = state
    return client == OVER or not (conn or inbox or out or pipe or owed or half)


def _stops(state: Session) -> bool:
    return state[-2] == OVER or bool(state[-1])


LAWS = (
    _law("order", "Every request that is owed a reply gets exactly one, in the order of the requests."),
    _law("silence", "A request that wants no reply gets none, and what is no request is not answered."),
    _law("answered", "What is owed is sent before the connection ends, whoever ends it."),
    _law("closed", "What comes after the request that ends a connection is not answered."),
    _law(
        "bounded",
        "Replies that nobody reads stop the reading: the queue exceeds its limit by what one read brings at most.",
    ),
    Law(
        "law.session.rest",
        Kind.REST,
        "A session stops only at its end: no party waits for one that waits for it.",
        _stops,
    ),
    Law(
        "law.session.idle",
        Kind.AGAIN,
        "From every state the session can come to a point where all is answered, or to its end.",
        _rested,
    ),
)


def show(state: Session, server: _Server | None = None) -> str:
    """A state in words."""
    conn, inbox, out, pipe, owed, _, client, wrong = state
    words = ("open", "leaving", "finished", "over")[client]
    queues = f"{len(inbox)} chunks under way, {len(out)} replies queued, {len(pipe)} on their way"
    name = str(conn) if server is None else server.conns[conn].state.value
    return f"client {words}, connection in state {name}, {queues}, owed {list(owed)}" + (
        wrong and f": {wrong} is broken"
    )


MODEL = Model(
    name="session",
    summary="a client that pipelines, in pieces, quietly, and leaves; bounded buffers between it and the server",
    design=Design(Rules()),
    bounds={
        "small": Bounds(2, 2, 1, pieces=True),
        "standard": Bounds(3, 2, 1, pieces=True),
        "large": Bounds(4, 3, 2, pieces=True),
    },
    build=build,
    laws=LAWS,
    plants=PLANTS,
    show=show,
)
