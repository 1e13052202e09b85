"""Garbage: streams of 100 KB of several kinds, each a function of a seed."""

from __future__ import annotations

import random
import string
from collections.abc import Callable

from mcconform.conversation import PREFIX
from mcconform.generate import request
from mcconform.oracle import Oracle
from mcconform.phases import malformed
from mcspec import Now, profiles

SIZE = 100_000
LONG = 2500
"""Bytes of a line that no command may have."""


def open_ended(stream: bytes) -> bytes:
    """The stream without the words that end a connection: garbage that is not read tests nothing."""
    return stream.replace(b"HTTP", b"HTPT").replace(b"quit", b"qiut")


def random_bytes(rng: random.Random) -> bytes:
    """All bytes alike."""
    return rng.randbytes(SIZE)


def random_lines(rng: random.Random) -> bytes:
    """Random bytes with many line ends, so that lines stay short enough to be answered."""
    alphabet = bytes(range(256)) + b"\n" * 16
    return bytes(rng.choices(alphabet, k=SIZE))


def random_ascii(rng: random.Random) -> bytes:
    """Printable characters, in lines."""
    alphabet = string.printable.encode() + b"\r\n" * 3
    return bytes(rng.choices(alphabet, k=SIZE))


def words(rng: random.Random) -> bytes:
    """Command words, numbers and line ends in any order."""
    pieces = [*malformed.WORDS, *malformed.NUMBERS, *malformed.ENDS, b" ", b" ", b" a ", b" b "]
    return open_ended(b"".join(rng.choice(pieces) for _ in range(SIZE // 2)))[:SIZE]


def valid(rng: random.Random) -> bytes:
    """Requests as the judge generates them, mostly good ones, nothing that ends the connection."""
    made = bytearray()
    while len(made) < SIZE:
        drawn = [request(rng.randrange(256), rng.randrange(256), rng.randrange(256)) for _ in range(10)]
        # Keys of its own for each ten: what one leaves behind must not become something nobody has specified.
        own = b"g%05d" % rng.randrange(100_000)
        stream = b"".join(part if isinstance(part, bytes) else b"1" for parts in drawn for part in parts)
        stream = open_ended(stream.replace(PREFIX, own))
        if _specified(stream):
            made += stream
    return bytes(made)


def _specified(stream: bytes) -> bool:
    """Whether the oracle has an opinion about all of it, and knows what comes next."""
    oracle = _asked(stream)
    return not oracle.over and oracle.at_boundary(0)


def _asked(stream: bytes) -> Oracle:
    oracle, now = Oracle(profiles.load("base").rules), Now(0, 0)
    oracle.open(0, now)
    oracle.send(0, stream, now)
    return oracle


def mutated(rng: random.Random) -> bytes:
    """Valid requests with a damage every few hundred bytes."""
    data = valid(rng)
    return open_ended(b"".join(malformed.mutate(rng, data[at : at + 300]) for at in range(0, len(data), 300)))


def grammar(rng: random.Random) -> bytes:
    """Lines that know the grammar and break it; drawn again where they come to something nobody has specified."""
    while True:
        made = bytearray()
        while len(made) < SIZE:
            made += malformed.piece(rng)
        stream = open_ended(bytes(made[:SIZE]))
        if not _asked(stream).over:
            return stream


def nuls(_: random.Random) -> bytes:
    """NULs, no line end."""
    return b"\0" * SIZE


def nul_lines(rng: random.Random) -> bytes:
    """NULs within lines."""
    return b"".join(b"get a\0" + b"\0" * rng.randrange(200) + b"\r\n" for _ in range(SIZE // 100))[:SIZE]


def carriage_returns(rng: random.Random) -> bytes:
    """CRs, now and then followed by an LF."""
    return b"".join(b"\r" * rng.randrange(1, 60) + b"\n" for _ in range(SIZE // 30))[:SIZE]


def line_feeds(_: random.Random) -> bytes:
    """Empty lines, each of which is answered."""
    return b"\n" * SIZE


def long_line(_: random.Random) -> bytes:
    """One line that does not end."""
    return b"x" * SIZE


def long_get(_: random.Random) -> bytes:
    """One `get` of very many keys, and its end."""
    return b"get" + b" a" * ((SIZE - 5) // 2) + b"\r\n"


def long_lines(rng: random.Random) -> bytes:
    """Good requests, and then a line that is too long for any."""
    return b"get a\r\n" * 4000 + b"set " + b"k" * (LONG + rng.randrange(2000)) + b"\r\n" + b"version\r\n" * 7000


def huge_headers(rng: random.Random) -> bytes:
    """`set` upon `set`, each with a length that is not there."""
    lengths = (b"2147483645", b"1048577", b"999999999", b"-1", b"4294967295", b"99999999999999999999", b"1000000")
    return b"".join(b"set a 0 0 %s\r\n" % rng.choice(lengths) for _ in range(SIZE // 20))[:SIZE]


def refused_headers(rng: random.Random) -> bytes:
    """`set` upon `set`, each refused or swallowed, each value too short or too long by a little."""
    made = bytearray()
    while len(made) < SIZE:
        length = rng.randrange(30)
        key = rng.choice((b"a", b"k" * 251, b"b"))
        made += b"set %s %s 0 %d\r\n" % (key, rng.choice((b"0", b"x")), length)
        made += b"v" * max(0, length + rng.choice((-1, 0, 0, 0, 1))) + b"\r\n"
    return bytes(made[:SIZE])


KINDS: tuple[Callable[[random.Random], bytes], ...] = (
    random_bytes, random_lines, random_ascii, words, valid, mutated, grammar, nuls, nul_lines, carriage_returns,
    line_feeds, long_line, long_get, long_lines, huge_headers, refused_headers,
)  # fmt: skip


def make(kind: Callable[[random.Random], bytes], seed: int) -> bytes:
    """The stream of that kind and seed; it is one of the text protocol: its first byte does not select another."""
    return malformed.tame(kind(random.Random(f"{kind.__name__} {seed}")))
