"""The framing automaton: bytes fall into lines, blocks to store and blocks to swallow, with the real line limit.

What is explored is `connection.feed` itself, byte by byte. Only two things are abstract. What a line *says* is chosen
by the environment (`parse` is replaced by a choice among all kinds of request), and of a buffer is kept what the guards
look at: its length, which retrieval word it begins with or may yet begin with, and whether its last byte is a CR. Bytes
that no guard tells apart share one symbol; `tests/verify` checks that all 256 behave like theirs. Of a block the bytes
are told apart by their place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from mcspec import machine, text
from mcspec.arith import Span
from mcspec.cache import Cache
from mcspec.connection import feed
from mcspec.explore import Kind, Law, Move, System
from mcspec.machine import TEXT, Conn, Context, Event, State
from mcspec.models import Model
from mcspec.models.framing_plants import PLANTS
from mcspec.pattern import Piece
from mcspec.rules import Rules

NOW = Span(0, 0)
LETTERS = (b"g", b"e", b"a", b"t", b"s", b" ")
SYMBOLS = (*LETTERS, b"x", b"\r", b"\n")
BEGINNINGS = frozenset(word[:end] for word in text.RETRIEVALS for end in range(len(word)))
"""What a buffer may consist of that can still become a retrieval line."""
OTHER = b"x"
"""Stands for the beginning of a line that is no retrieval."""
BLOCK = b"0123456789abcdefghijklmnopqrstuvwxyz"
"""The bytes of a block, each by its place."""
KEY = b"k"
WORDS = (b"\r\n", b"\n\n", b"x\n", b"\nx", b"x\r\n", b"\n\r\n")
"""Chunks of more than one byte, fed whole and byte by byte from every state."""


class Bounds(NamedTuple):
    """Limits in bytes, of a line and of a retrieval line; `lengths` are those of announced blocks."""

    line: int
    retrieval: int
    lengths: tuple[int, ...]


class Frame(NamedTuple):
    """A connection as the guards see it, and what must be true of it.

    `begins` is the retrieval word that the buffer begins with, or the whole buffer where it can become one, or `OTHER`;
    `left` counts down the bytes of the announced block without looking at the connection; `wrong` names the law that
    the last move broke.
    """

    state: State
    begins: bytes
    length: int
    cr: bool
    need: int
    request: machine.Request | None
    fresh: bool
    left: int
    wrong: str = ""


class Choice(NamedTuple):
    """What the environment lets a line say: the request, the bytes of its block (-1: it closes), replies owed now."""

    name: str
    request: machine.Request
    block: int
    replies: int


def _choices(lengths: tuple[int, ...]) -> tuple[Choice, ...]:
    found = [
        Choice("a command", text.Version(()), 0, 1),
        Choice("a quiet error", text.Answer(text.ERROR, True, ()), 0, 0),
        Choice("quit", text.Quit(()), -1, 0),
        Choice("HTTP", text.Hang(()), -1, 0),
    ]
    for n in lengths:
        store = text.Store("set", KEY, 0, 0, n, None, False, ())
        found += [
            Choice(f"a value of {n}", store, n + 2, 0),
            Choice(f"a quiet value of {n}", store._replace(quiet=True), n + 2, 0),
            Choice(f"a refused value of {n}", text.Answer(text.BAD_FORMAT, False, (), n + 2), n + 2, 0),
            Choice(f"a refused quiet value of {n}", text.Answer(text.BAD_FORMAT, True, (), n + 2), n + 2, 0),
        ]
    large = max(lengths) + 1
    store = text.Store("set", KEY, 0, 0, large, None, False, ())
    return (*found, Choice(f"too large a value of {large}", store, large + 2, 0))


def representative(frame: Frame) -> bytes:
    """One buffer that stands for all that the guards cannot tell from this one."""
    body = frame.length - frame.cr
    if frame.need:
        return BLOCK[:body] + b"\r" * frame.cr
    head = b"" if frame.begins == OTHER else frame.begins
    return head + b"x" * (body - len(head)) + b"\r" * frame.cr


def abstract(conn: Conn, left: int = 0, wrong: str = "") -> Frame:
    """What the guards see of a connection."""
    buffer = conn.buffer
    begins = b""
    if conn.state is State.WAITING and buffer not in BEGINNINGS:
        begins = next((word for word in text.RETRIEVALS if buffer.startswith(word)), OTHER)
    elif conn.state is State.WAITING:
        begins = buffer
    request = conn.request if conn.need else None
    return Frame(
        conn.state, begins, len(buffer), buffer[-1:] == b"\r", conn.need, request, not conn.protocol, left, wrong
    )


def concrete(frame: Frame) -> Conn:
    """A connection that the guards see like this."""
    return Conn(
        frame.state, representative(frame), frame.request, b"", frame.need, None, protocol="" if frame.fresh else TEXT
    )


class _Automaton:
    """The moves of a frame, over `feed`."""

    def __init__(self, bounds: Bounds, rules: Rules) -> None:
        self.bounds = bounds
        self.choices = _choices(bounds.lengths)
        limits = rules.limits._replace(line=bounds.line, retrieval_line=bounds.retrieval)
        # The longest of the announced values is the longest that fits.
        limits = limits._replace(item=limits.item_header + limits.item_cas + 4 + max(bounds.lengths))
        rules = rules._replace(limits=limits)
        self.plain = Context(NOW, rules, 0)
        self.contexts = [
            Context(NOW, rules.replaced(parse=lambda _line, _rules, said=choice.request: said), 0)
            for choice in self.choices
        ]
        self.bytes = {symbol: Move("client", "server", f"sends {_shown(symbol)}") for symbol in SYMBOLS}
        self.ends = {event: Move("client", "server", f"ends ({event.value})") for event in (Event.EOF, Event.RESET)}
        self.lines = {
            (word, number): Move("client", "server", f"sends {_shown(word)}: a line that says {choice.name}")
            for word in (b"\n", *WORDS)
            for number, choice in enumerate(self.choices)
        }

    def moves(self, frame: Frame) -> Iterator[tuple[Move, Frame]]:
        """Every move of a frame; none after a law was broken."""
        if frame.wrong:
            return
        conn = concrete(frame)
        for event, move in self.ends.items():
            after, replies, cache = _fed(conn, event, b"", EMPTY, self.plain)
            ended = after.state is State.CLOSED and not replies and cache == EMPTY
            yield move, frame if ended else frame._replace(wrong="end")
        if frame.state is State.CLOSED:
            for word, number in self.lines:
                unchanged = _fed(conn, Event.DATA, word, EMPTY, self.contexts[number]) == (conn, (), EMPTY)
                yield self.lines[word, number], frame if unchanged else frame._replace(wrong="closed")
            return
        for symbol, move in self.bytes.items():
            if symbol == b"\n" and not frame.left:
                for number in range(len(self.choices)):
                    yield self.lines[symbol, number], self.byte(frame, conn, symbol, number)
            elif symbol not in LETTERS or (frame.begins in BEGINNINGS and not frame.left):
                # Elsewhere the letters of the retrieval words are bytes like x.
                yield move, self.byte(frame, conn, symbol, 0)
        for turn, word in enumerate(WORDS):
            # In every state each word; the lines of a word say each thing in turn.
            number = (frame.length + frame.need + turn) % len(self.choices)
            yield self.lines[word, number], self.whole(frame, conn, word, number)

    def byte(self, frame: Frame, conn: Conn, symbol: bytes, number: int) -> Frame:
        """The frame after one byte, and whether that is what had to come of it."""
        choice, left, owed, closing = self.choices[number], frame.left, 0, False
        retrieval = not frame.left and (frame.begins in text.RETRIEVALS or frame.begins + symbol in text.RETRIEVALS)
        limit = self.bounds.retrieval if retrieval else self.bounds.line
        ends = symbol == b"\n" and frame.length < limit
        held: bytes | None = None
        if left:
            left -= 1
            owed = 1 if not left and not getattr(frame.request, "quiet", False) else 0
            if not left and isinstance(frame.request, text.Store):
                block = conn.buffer + symbol
                held = block[:-2] if block.endswith(b"\r\n") else None
        elif ends:
            closing, left, owed = choice.block < 0, max(choice.block, 0), choice.replies
        else:
            closing = frame.length + 1 >= limit
            owed = 1 if closing and retrieval else 0
        after, replies, cache = _fed(conn, Event.DATA, symbol, EMPTY, self.contexts[number])
        item = cache.items.find(KEY)
        wrong = ""
        if len(after.buffer) >= (after.need or limit):
            wrong = "bounded"
        elif (after.state is State.CLOSED) != closing:
            wrong = "quit" if ends and choice.block < 0 else "line-limit"
        elif not closing and left != (after.need - len(after.buffer) if after.need else 0):
            wrong = "block"
        elif (None if item is None else item.value) != held:
            wrong = "stored"
        elif len(replies) != owed or any((reply == (b"STORED\r\n",)) != (held is not None) for reply in replies):
            wrong = "replies"
        return abstract(after, 0 if closing else left, wrong)

    def whole(self, frame: Frame, conn: Conn, word: bytes, number: int) -> Frame:
        """The frame itself if a chunk does what its bytes do one by one: to the connection, the cache, in replies."""
        context = self.contexts[number]
        at_once, said, stored = _fed(conn, Event.DATA, word, EMPTY, context)
        after, cache = conn, EMPTY
        replies: Replies = ()
        for at in range(len(word)):
            after, more, cache = _fed(after, Event.DATA, word[at : at + 1], cache, context)
            replies += more
        same = (abstract(at_once), said, stored) == (abstract(after), replies, cache)
        return frame if same else frame._replace(wrong="chunks")


def _shown(chunk: bytes) -> str:
    return repr(chunk.decode())


Replies = tuple[tuple[Piece, ...], ...]
EMPTY = Cache()


def _fed(conn: Conn, event: Event, chunk: bytes, cache: Cache, context: Context) -> tuple[Conn, Replies, Cache]:
    """The one outcome of an event: the connection, the replies that are owed, and the cache."""
    (turn,) = feed(conn, event, chunk, cache, context)
    return turn.conn, tuple(owed.pieces for owed in turn.owed if owed.pieces), turn.cache


def build(bounds: Bounds, rules: Rules) -> System:
    """The automaton at these bounds."""
    return System((abstract(Conn(State.WAITING)),), _Automaton(bounds, rules).moves)


def _right(name: str) -> Callable[[Frame], bool]:
    return lambda frame: frame.wrong != name


def _law(name: str, words: str) -> Law:
    return Law(f"law.framing.{name}", Kind.STATE, words, _right(name))


LAWS = (
    _law("chunks", "A chunk does what its bytes do one by one, whatever state it finds."),
    _law("block", "Every announced byte belongs to its block, exactly once, and none of it is read as a line."),
    _law("stored", "A block that ends in CR LF is stored as it came, and nothing else is stored."),
    _law(
        "replies",
        "A request that is owed a reply is given one when it is complete, STORED where its block was stored, and no"
        " other byte is answered.",
    ),
    _law("line-limit", "A line over its limit closes the connection, and no line within it does."),
    _law("quit", "After a line that says so the connection closes."),
    _law("end", "When the client ends, the connection closes and nothing is owed for what was half received."),
    _law("closed", "Closed is final: whatever arrives changes neither connection nor cache and is not answered."),
    _law("bounded", "What is buffered of a line stays below the limit of the line, and of a block below its length."),
    Law(
        "law.framing.ready",
        Kind.AGAIN,
        "From every state some bytes lead to a connection that waits for a line, or to its end by the server.",
        lambda frame: frame.state is State.CLOSED or (frame.state is State.WAITING and not frame.length),
    ),
)


def show(frame: Frame) -> str:
    """A frame in words."""
    if frame.need:
        return f"{frame.state.value}, {frame.length} of {frame.need} bytes"
    return f"{frame.state.value}, a line of {frame.length}" if frame.length else frame.state.value


MODEL = Model(
    name="framing",
    summary="one connection, byte by byte: lines, values, blocks to swallow; what a line says is chosen freely",
    design=Rules(),
    bounds={
        "small": Bounds(12, 16, (0, 1, 2)),
        "standard": Bounds(2048, 2100, (0, 1, 3)),
        "large": Bounds(2048, 24_000, (0, 1, 2, 3, 9)),
    },
    build=build,
    laws=LAWS,
    plants=PLANTS,
    show=show,
)
