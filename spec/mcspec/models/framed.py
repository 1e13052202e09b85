"""What the models of the length-prefixed protocols share: a connection on which requests arrive cut anywhere.

What is explored is `connection.feed` itself, with real bytes. A client chooses any request of a menu, among them every
way in which its lengths can contradict each other, and sends it byte by byte, in one chunk, the rest of it in one, or
the rest of it with whole requests behind it; or it goes. Of a request the menu says what it was made for: after which
of its bytes an answer is due and which, or that it is silent, whether the connection closes, what the cache holds
after it, and how much of it a server may hold. `judge` compares that with what came of it; nothing in it knows how a
header is read. Every request begins with the same cache: what requests do to each other through it is not framing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from mcspec.arith import Span
from mcspec.cache import Cache, bind
from mcspec.connection import feed
from mcspec.explore import Kind, Law, Move, System
from mcspec.machine import Conn, Context, Event, State
from mcspec.pattern import Piece
from mcspec.rules import Rules

NOW = Span(1000, 1000)

Reply = tuple[int, ...]
"""What of a reply is looked at: what is to come back as it was sent, and at last its status."""

Held = tuple[tuple[bytes, bytes], ...]
"""Keys and values of a cache, by key."""

HIT, TEXT, MISS = b"h", b"t", b"m"
"""Keys: of a counter, of a text, of nothing."""

UNIQUE = 7
"""The cas unique of `HIT`."""

START: Held = ((HIT, b"5"), (TEXT, b"x"))
"""What the cache holds before every request."""

KEY, VALUE = 3, 6
"""Bytes of the longest key, and of the longest value of a key of one byte."""


def shrunk(**limits: int) -> Rules:
    """The specification, with limits so small that every side of each can be sent byte by byte, and these."""
    found = Rules()
    item = found.limits.item_header + found.limits.item_cas + len(HIT) + 1 + VALUE + 2
    return found._replace(limits=found.limits._replace(key=KEY, item=item, **limits))


def start(design: Rules) -> Cache:
    """A cache with a counter, whose cas unique is known, and a text."""
    context = Context(NOW, design._replace(protocol="ascii"), 0)
    (opened,) = feed(Conn(), Event.CONNECT, b"", Cache(), context)
    stored = b"set %s 0 0 1\r\n5\r\nset %s 0 0 1\r\nx\r\n" % (HIT, TEXT)
    (turn,) = feed(opened.conn, Event.DATA, stored, Cache(), context)
    found = bind(turn.cache, turn.cache.items[HIT].cas, UNIQUE)
    assert found is not None  # nothing was bound before
    return found


def stored(key: bytes, value: bytes) -> Held:
    """What the cache holds after a store."""
    return tuple(sorted({**dict(START), key: value}.items()))


class Ask(NamedTuple):
    """A request of the menu: its bytes, and what they were made for.

    `reply` is due with the byte number `due`, at which the connection also closes if it `closes`; None where the
    request is silent, `quiet` where that is because of its code. `holds` are the bytes that a server must have before
    it goes on, so that it holds fewer, and `leaves` what the cache holds at the end. An `unfinished` request has more
    bytes than are ever sent. One that is `steady`, or closes, is answered the same whatever was stored before it.
    `law` is the one that anything wrong with this request breaks; "" where that depends on what is wrong.
    """

    name: str
    data: bytes
    reply: Reply | None
    due: int
    holds: int
    leaves: Held
    quiet: bool = False
    closes: bool = False
    unfinished: bool = False
    steady: bool = False
    law: str = ""


class Wire(NamedTuple):
    """A protocol: its name, the menu of a design, how a reply is read, and which statuses are errors."""

    protocol: str
    menu: Callable[[Rules], tuple[Ask, ...]]
    reply: Callable[[tuple[Piece, ...]], Reply]
    error: Callable[[int], bool]


class Bounds(NamedTuple):
    """Before its first byte and after each so-manieth (`apart`) more is tried with a request than its next byte.

    There its client may end, or send the rest in one chunk, or that and one of so many requests (`behind`).
    """

    apart: int
    behind: int


class Stream(NamedTuple):
    """A connection, the request that is being sent (-1: none), how much of it was, and what the cache holds.

    `wrong` names the law that the last move broke.
    """

    conn: Conn
    ask: int = -1
    at: int = 0
    cache: Cache = Cache()
    wrong: str = ""


class Said(NamedTuple):
    """What came of a chunk."""

    conn: Conn
    cache: Cache
    replies: tuple[Reply, ...]


def bare(conn: Conn, parts: int = 0) -> Conn:
    """A connection without what is only told in the clauses of a reply."""
    return conn._replace(parts=parts, erred=False, line=b"", since=None)


def kept(conn: Conn) -> Conn:
    """The same, but for whether its request has come in one chunk or in more: nothing may depend on that."""
    return bare(conn, min(conn.parts, 2))


def held(cache: Cache) -> Held:
    """Keys and values of a cache."""
    return tuple(sorted((key, item.value) for key, item in cache.items.items()))


class Automaton:
    """The moves of a stream."""

    def __init__(self, wire: Wire, bounds: Bounds, rules: Rules, start: Cache) -> None:
        self.wire, self.bounds, self.start = wire, bounds, start
        self.context = Context(NOW, rules._replace(protocol=wire.protocol), 0)
        self.menu = wire.menu(rules)
        self.others = [ask for ask in self.menu if ask.steady or ask.closes]
        self.sends = [Move("client", "server", f"begins {ask.name}") for ask in self.menu]
        self.goes_on = Move("client", "server", "sends the next byte")
        self.rests = [Move("client", "server", f"sends all that is left of {ask.name}") for ask in self.menu]
        self.joins = [Move("client", "server", f"sends all that is left, and {ask.name}") for ask in self.others]
        self.ends = {event: Move("client", "server", f"ends ({event.value})") for event in (Event.EOF, Event.RESET)}
        self.late = Move("client", "server", "sends something after the end")
        (opened,) = feed(Conn(), Event.CONNECT, b"", start, self.context)
        self.opened = kept(opened.conn)
        self.folds: dict[tuple[Conn, bytes, int, Cache], Said] = {}
        """What came of the rest of a request byte by byte, so that every byte is fed once."""

    def fed(self, conn: Conn, event: Event, chunk: bytes, cache: Cache) -> Said:
        """The one outcome of an event; where nothing is said of it, which no request of a menu is for, the end."""
        (turn,) = feed(conn, event, chunk, cache, self.context)
        after = turn.conn if turn.unspecified is None else Conn(State.CLOSED, protocol=turn.conn.protocol)
        return Said(after, turn.cache, tuple(self.wire.reply(one.pieces) for one in turn.owed if one.pieces))

    def folded(self, conn: Conn, data: bytes, at: int, cache: Cache) -> Said:
        """What comes of the bytes of `data` from the one at `at` on, one by one."""
        passed: list[tuple[tuple[Conn, bytes, int, Cache], tuple[Reply, ...]]] = []
        end = Said(conn, cache, ())
        while at < len(data):
            place = (conn, data, at, cache)
            known = self.folds.get(place)
            if known is not None:
                end = known
                break
            conn, cache, replies = self.fed(conn, Event.DATA, data[at : at + 1], cache)
            passed.append((place, replies))
            conn, at = kept(conn), at + 1
            end = Said(conn, cache, ())
        for place, replies in reversed(passed):
            end = self.folds[place] = end._replace(replies=replies + end.replies)
        return end

    def moves(self, stream: Stream) -> Iterator[tuple[Move, Stream]]:
        """Every move of a stream; none after a law was broken."""
        if stream.wrong:
            return
        often = stream.at % self.bounds.apart == 0
        for event, move in self.ends.items() if often else ():
            after, cache, replies = self.fed(stream.conn, event, b"", stream.cache)
            ended = after.state is State.CLOSED and not replies and cache == stream.cache
            yield move, stream if ended else stream._replace(wrong="end")
        if stream.conn.state is State.CLOSED:
            for ask in self.others:
                same = self.fed(stream.conn, Event.DATA, ask.data, stream.cache) == (stream.conn, stream.cache, ())
                yield self.late, stream if same else stream._replace(wrong="closed")
            return
        for number in range(len(self.menu)) if stream.ask < 0 else (stream.ask,):
            cache = self.start if stream.ask < 0 else stream.cache
            yield self.byte(stream.conn, number, stream.at, cache)
            if often:
                yield self.rest(stream.conn, number, stream.at, cache)
            for turn in range(self.bounds.behind if often else 0):
                # Each in turn, so that in all states together every one stands behind others.
                behind = (number * 11 + stream.at * self.bounds.behind + turn) % len(self.others)
                yield self.joined(stream.conn, number, stream.at, cache, behind)

    def byte(self, conn: Conn, number: int, at: int, cache: Cache) -> tuple[Move, Stream]:
        """The next byte of a request."""
        ask = self.menu[number]
        said = self.fed(conn, Event.DATA, ask.data[at : at + 1], cache)
        move = self.goes_on if at else self.sends[number]
        if at + 1 == len(ask.data) or said.conn.state is State.CLOSED:
            return move, self.ended(ask, said, self.judge(ask, at + 1, said))
        return move, Stream(kept(said.conn), number, at + 1, said.cache, self.judge(ask, at + 1, said))

    def rest(self, conn: Conn, number: int, at: int, cache: Cache) -> tuple[Move, Stream]:
        """What is left of a request in one chunk."""
        ask = self.menu[number]
        said = self.fed(conn, Event.DATA, ask.data[at:], cache)
        same = self.folded(conn, ask.data, at, cache)
        wrong = "" if alike(said, same) else "chunks"
        return self.rests[number], self.ended(ask, said, wrong or self.judge(ask, len(ask.data), said))

    def joined(self, conn: Conn, number: int, at: int, cache: Cache, behind: int) -> tuple[Move, Stream]:
        """What is left of a request and a whole one in one chunk."""
        ask, other = self.menu[number], self.others[behind]
        said = self.fed(conn, Event.DATA, ask.data[at:] + other.data, cache)
        first = self.folded(conn, ask.data, at, cache)
        same = self.folded(first.conn, other.data, 0, first.cache)
        same = same._replace(replies=first.replies + same.replies)
        asked = [ask] if ask.closes or ask.unfinished else [ask, other]
        due = tuple(one.reply for one in asked if one.reply is not None)
        closed = said.conn.state is State.CLOSED
        wrong = ""
        if said.replies != due and sorted(said.replies) == sorted(due):
            wrong = other.law or "in-order"
        elif said.replies != due and other.closes and not ask.closes and not ask.unfinished:
            wrong = "owed"
        elif not alike(said, same):
            wrong = "chunks"
        elif said.replies != due and not ask.unfinished:
            wrong = ask.law or ("closes" if ask.closes else other.law or "in-order")
        elif ask.closes and (not closed or held(said.cache) != ask.leaves):
            wrong = "closes"
        elif not (ask.unfinished or ready(Stream(said.conn))):
            wrong = "prompt"
        return self.joins[behind], self.ended(ask, said, wrong)

    def ended(self, ask: Ask, said: Said, wrong: str) -> Stream:
        """After a request; a client that has more to send than it ever will goes, and another comes."""
        return Stream(self.opened if ask.unfinished and not wrong else kept(said.conn), wrong=wrong)

    def judge(self, ask: Ask, at: int, said: Said) -> str:
        """The law that is broken by what came of the first `at` bytes of a request; "" if none is."""
        wrong = self.fault(ask, at, said)
        return ask.law if wrong and ask.law else wrong

    def fault(self, ask: Ask, at: int, said: Said) -> str:
        """What is wrong with that."""
        conn, replies = said.conn, said.replies
        over = at >= ask.due
        if (conn.state is State.CLOSED) != (ask.closes and over):
            return "closes" if ask.closes else "open"
        due = [ask.reply] if over and ask.reply is not None else []
        if over and not ask.closes:
            if conn.state is not State.WAITING:
                return "prompt"
            if conn.buffer:
                return "prompt" if conn.buffer == ask.data else "body"
        elif conn.state is State.WAITING and conn.buffer != ask.data[:at]:
            return "body"
        if len(conn.buffer) >= ask.holds:
            return "bounded"
        if len(replies) != len(due):
            return "quiet" if ask.quiet else "replies"
        if replies and replies[0] != due[0]:
            if self.wire.error(replies[0][-1]) and not self.wire.error(due[0][-1]):
                return "accepts"
            return "answers" if replies[0][:-1] == due[0][:-1] else "echo"
        if held(said.cache) not in ((ask.leaves,) if over else (ask.leaves, held(self.start))):
            return "stored"
        return ""


def alike(one: Said, other: Said) -> bool:
    """Whether two chunkings came to the same."""
    return (bare(one.conn), *one[1:]) == (bare(other.conn), *other[1:])


def built(wire: Wire, bounds: Bounds, rules: Rules, start: Cache) -> System:
    """The automaton of a protocol at some bounds, with a cache that every request begins with."""
    automaton = Automaton(wire, bounds, rules, start)
    return System((Stream(automaton.opened),), automaton.moves)


def _right(name: str) -> Callable[[Stream], bool]:
    return lambda stream: stream.wrong != name


def ready(stream: Stream) -> bool:
    """At a boundary between requests, or closed."""
    return stream.conn.state is State.CLOSED or (stream.conn.state is State.WAITING and not stream.conn.buffer)


def law(model: str, name: str, words: str, wrong: str = "") -> Law:
    """The law that a move breaks if it is `wrong` in that way, which has the law's name unless it is told."""
    return Law(f"law.{model}.{name}", Kind.STATE, words, _right(wrong or name))


def common(model: str, noun: str) -> tuple[Law, ...]:
    """The laws of every protocol of this kind; `noun` is what it calls a request."""
    return (
        law(
            model,
            "one-answer",
            f"A {noun} that is not quiet has one answer, when it is there, and no byte another.",
            "replies",
        ),
        law(model, "answers", f"A {noun} is answered as what it is."),
        law(model, "accepts", "What fits and is right is not refused."),
        law(model, "prompt", f"A {noun} that has come whole is dealt with before the server waits."),
        law(model, "in-order", f"Answers come in the order of their {noun}s, of those in one chunk too."),
        law(model, "chunks", "A chunk does what its bytes do one by one, whatever state it finds."),
        law(model, "order", "A length means what its client wrote, high byte first."),
        law(model, "owed", "What is owed is sent before the connection closes."),
        law(model, "open", f"No other {noun} closes the connection."),
        law(model, "end", "When the client ends, nothing is owed for what was half received."),
        law(
            model,
            "closed",
            "Closed is final: whatever arrives changes neither connection nor cache and is not answered.",
        ),
    )


def back(model: str, name: str, beginning: str) -> Law:
    """The law that no state is stuck; `beginning` is what a request begins with."""
    words = f"From every state some bytes lead to where {beginning} may begin, or to the end of the connection."
    return Law(f"law.{model}.{name}", Kind.AGAIN, words, ready)


def show(stream: Stream) -> str:
    """A stream in words."""
    conn = stream.conn
    words = f"{conn.state.value}, {len(conn.buffer)} bytes held"
    if conn.need:
        words += f" of {conn.need}"
    return f"{words}, {stream.at} bytes of the request sent" if stream.at else words
