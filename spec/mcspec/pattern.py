"""What a server may send: replies as sequences of pieces, matched against bytes as they arrive.

A piece is literal bytes, the number of a cas symbol, a number within a range, one of a few texts, or one of the texts
that the protocol leaves to the server (the version, the statistics), as lines or as the messages of a binary framing
that say the same. Matching never guesses: it says how many bytes a
reply took, that it needs more, or that these bytes cannot be that reply.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import Enum
from typing import NamedTuple

from mcspec import cache as cache_module
from mcspec.cache import Cache


class Unique(NamedTuple):
    """The number of the cas symbol `symbol`: in decimal, or high byte first in so many bytes as `size` says."""

    symbol: int
    size: int = 0


class Text(NamedTuple):
    """A text of the server's choice: complete lines, each matching `line`, and one that matches `last` with CR LF.

    `ending` is what ends the lines before the last.
    """

    name: str
    line: bytes
    last: bytes
    ending: bytes = b"\r\n"


class Span(NamedTuple):
    """A decimal number from `lo` to `hi`: seconds on a clock that we do not hold, or what a server may choose."""

    name: str
    lo: int
    hi: int


class Framed(NamedTuple):
    """A text of the server's choice in messages of another framing.

    `unframe` takes the message at an offset: where it ends, and the lines that it stands for, CR LF and all; or how it
    falls short of one. `regex` is what all messages look like, as in `regex`.
    """

    text: Text
    unframe: Callable[[bytes, int], tuple[int, bytes] | Fit]
    regex: str


class OneOf(NamedTuple):
    """One of several texts, none of which begins another."""

    choices: tuple[bytes, ...]


class Fit(Enum):
    """How bytes compare with a reply."""

    WHOLE = "whole"
    PART = "part"
    NOT = "not"


Piece = bytes | Unique | Span | OneOf | Text | Framed

VERSION = Text("VERSION and the server's version", rb"", rb"VERSION [!-~][ -~]*")
STATISTICS = Text("STAT lines and END", rb"STAT [^ \r\n]+ [^\r\n]*", rb"END")


class Report(NamedTuple):
    """The name of a report of numbers, and the cache at the moment that it tells of."""

    name: str
    cache: Cache


class Owed(NamedTuple):
    """What one request owes: the pieces of its reply (none if it is silent), and the clauses that say so.

    `drops` marks a reply of a server that may lose, with it, replies that were queued before it. `opens` is set by who
    queues replies: before this one the server may have written what it had. `counts` are the counters that go up by
    one for each time they stand here, `might` those that perhaps do, and `details` what is counted of the prefix of a
    key (`mcspec.counters`). `report` is what the reply is to show of numbers (`mcspec.statistics`).
    `datagram` is the request id that the datagrams of the reply carry, where it goes over UDP.
    """

    pieces: tuple[Piece, ...]
    clauses: tuple[str, ...]
    drops: bool = False
    request: bytes = b""
    opens: bool = False
    counts: tuple[str, ...] = ()
    might: tuple[str, ...] = ()
    details: tuple[tuple[int, bytes], ...] = ()
    report: Report | None = None
    datagram: int | None = None


class Match(NamedTuple):
    """The fit, the bytes taken (where WHOLE) and the cache with what was learned of cas uniques."""

    fit: Fit
    taken: int
    cache: Cache


def match(cache: Cache, pieces: tuple[Piece, ...], data: bytes) -> Match:
    """Compare `data` with the reply `pieces`; bytes after the reply are left alone."""
    at = 0
    for piece in pieces:
        if isinstance(piece, bytes):
            part = data[at : at + len(piece)]
            if part != piece:
                return Match(Fit.PART if piece.startswith(part) else Fit.NOT, at, cache)
            at += len(piece)
        elif isinstance(piece, OneOf):
            chosen = next((choice for choice in piece.choices if data.startswith(choice, at)), None)
            if chosen is None:
                begun = any(choice.startswith(data[at:]) for choice in piece.choices)
                return Match(Fit.PART if begun else Fit.NOT, at, cache)
            at += len(chosen)
        elif isinstance(piece, Unique) and piece.size:
            part = data[at : at + piece.size]
            if len(part) < piece.size:
                return Match(Fit.PART, at, cache)
            bound = _number(cache, piece, int.from_bytes(part, "big"))
            if bound is None:
                return Match(Fit.NOT, at, cache)
            cache, at = bound, at + piece.size
        elif isinstance(piece, Unique | Span):
            end = at
            while end < len(data) and 48 <= data[end] <= 57:
                end += 1
            lowest = piece.lo if isinstance(piece, Span) else 1
            if end - at > 20 or (data[at : at + 1] == b"0" and (lowest or end - at > 1)):
                return Match(Fit.NOT, at, cache)
            if end == len(data):
                return Match(Fit.PART, at, cache)
            bound = _number(cache, piece, int(data[at:end])) if end > at else None
            if bound is None:
                return Match(Fit.NOT, at, cache)
            cache, at = bound, end
        else:
            fit, at = _match_text(piece, data, at) if isinstance(piece, Text) else _match_framed(piece, data, at)
            if fit is not Fit.WHOLE:
                return Match(fit, at, cache)
    return Match(Fit.WHOLE, at, cache)


def _number(cache: Cache, piece: Unique | Span, number: int) -> Cache | None:
    """The cache after a number was seen where `piece` stands; None if it may not stand there."""
    if isinstance(piece, Unique):
        return cache_module.bind(cache, piece.symbol, number)
    return cache if piece.lo <= number <= piece.hi else None


_LITERAL = re.compile(rb"[A-Za-z=]+")
"""What a regular expression begins with that stands for itself."""


def _match_text(text: Text, data: bytes, at: int) -> tuple[Fit, int]:
    while True:
        end = data.find(text.ending, at)
        last = data.find(b"\r\n", at)
        if last >= 0 and (end < 0 or last <= end) and re.fullmatch(text.last, data[at:last]):
            return Fit.WHOLE, last + 2
        if end < 0:
            rest = data[at:]
            words = [found[0] for found in map(_LITERAL.match, (text.last, text.line)) if found]
            begun = any(word.startswith(rest) or rest.startswith(word) for word in words)
            return (Fit.PART if begun or not rest else Fit.NOT), at
        if not re.fullmatch(text.line, data[at:end]):
            return Fit.NOT, at
        at = end + len(text.ending)


def _match_framed(framed: Framed, data: bytes, at: int) -> tuple[Fit, int]:
    said = b""
    while True:
        message = framed.unframe(data, at)
        if isinstance(message, Fit):
            return message, at
        at, lines = message
        said += lines
        fit, end = _match_text(framed.text, said, 0)
        if fit is not Fit.PART:
            return (fit if end == len(said) else Fit.NOT), at


def lines(pieces: tuple[Piece, ...], data: bytes) -> bytes:
    """What a reply that matched says, as the lines of text that its messages stand for."""
    framed = pieces[0] if pieces else b""
    if not isinstance(framed, Framed):
        return data
    said, at = b"", 0
    while at < len(data):
        message = framed.unframe(data, at)
        assert not isinstance(message, Fit)  # it matched
        at, more = message
        said += more
    return said


def describe(cache: Cache, pieces: tuple[Piece, ...]) -> str:
    """A reply in words, for reports: literal bytes escaped, the rest in angle brackets."""
    out = []
    for piece in pieces:
        if isinstance(piece, bytes):
            out.append(piece.decode("latin-1").encode("unicode_escape").decode("ascii"))
        elif isinstance(piece, Unique):
            known = cache.known.find(piece.symbol)
            out.append(str(known) if known is not None else "<cas unique>")
        elif isinstance(piece, OneOf):
            out.append("<" + " or ".join(choice.decode("latin-1") for choice in piece.choices) + ">")
        elif isinstance(piece, Span):
            out.append(str(piece.lo) if piece.lo == piece.hi else f"<{piece.name}, {piece.lo} to {piece.hi}>")
        else:
            out.append(f"<{(piece.text if isinstance(piece, Framed) else piece).name}>")
    return "".join(out)


def regex(pieces: tuple[Piece, ...]) -> str:
    """A reply as a regular expression over latin-1 text, for vectors that other languages run.

    Its groups capture the cas uniques, in the order of the pieces.
    """
    out = []
    for piece in pieces:
        if isinstance(piece, bytes):
            out.append(re.escape(piece.decode("latin-1")))
        elif isinstance(piece, Unique):
            out.append(f"([\\s\\S]{{{piece.size}}})" if piece.size else "([1-9][0-9]{0,19})")
        elif isinstance(piece, OneOf):
            out.append("(?:" + "|".join(re.escape(choice.decode("latin-1")) for choice in piece.choices) + ")")
        elif isinstance(piece, Span):
            few = piece.hi - piece.lo < 20
            out.append("(?:" + "|".join(map(str, range(piece.lo, piece.hi + 1))) + ")" if few else "[0-9]{1,10}")
        elif isinstance(piece, Framed):
            out.append(piece.regex)
        else:
            ending = piece.ending.decode().replace("\r", "\\r").replace("\n", "\\n")
            line = f"(?:{piece.line.decode()}{ending})*" if piece.line else ""
            out.append(f"{line}{piece.last.decode()}\\r\\n")
    return "".join(out)
