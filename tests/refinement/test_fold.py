"""`feed` of a word is the fold of `feed` over its bytes, in every state that a connection can reach.

The states are those that the grammar reaches: at a command boundary the bytes of any word, in a line those with which
a word goes on, in a value a few that matter to its end, until there is nothing new. A state is a connection without
what is only told in the clauses of a reply: the count of chunks, that the last request was refused, and the last line
once its request is over. The cache is put back to one of two after each byte: what a word does to the cache is
compared, but makes no further states. The whole word comes as the first chunk, its bytes come after many: what looks
at the count is found out.

With `feed(s, w) == fold(s, w)` for one byte at a time, any two ways of cutting a stream of these words agree, for both
are the same fold.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import pytest

from mcspec import Event, Now, Rules, State
from mcspec.cache import Cache
from mcspec.connection import feed
from mcspec.machine import Conn, Context, Turn
from tests.house import documents
from tests.refinement.planted import planted

RULES = Rules()._replace(limits=Rules().limits._replace(line=24, retrieval_line=30, item=36, item_header=20))
NOW = Now(1000, 1000)

DOCUMENT = " ".join((documents.ROOT / "docs/verification.md").read_text(encoding="utf-8").split())
"""Where the figures stand that these tests make."""

HEADERS = (b"set a 0 0 1", b"set a 0 0 1 noreply", b"add a 0 0 0", b"cas a 0 0 1 7", b"set a x 0 1", b"set a 0 0 9")
LINES = (
    *(b"get a", b"gets a b", b"gat 0 a", b"get", b"incr a 1", b"decr a 5 noreply", b"incr a x", b"delete a"),
    *(b"touch a 0", b"version", b"flush_all", b"quit", b"foo", b"foo noreply", b"foo HTTP/1", b"", b"a"),
)
WORDS = (
    *(line + b"\r\n" for line in (*LINES, *HEADERS)),
    *(b"get a\n", b"set a 0 0 1\n", b"\n", b"\r", b"x\r\n", b"9\r\n", b"xy\r\n", b"v" * 12, b"\r\nx\r\n"),
    *(b"set a 0 0 1\r\nx\r\nget a\r\n", b"set a 0 0 1\r\nxy\nget a\r\n", b"set a x 0 1\r\nx\r\nget a\r\n"),
    *(b"get a\r\nquit\r\nget a\r\n", b"incr a 1\r\nset a 0 0 1\r\nx\r\nincr a 1\r\n"),
    *(b"y" * 23 + b"\n", b"y" * 24 + b"\n", b"get " + b"k" * 25 + b"\n", b"get " + b"k" * 27),
    *(b"\0\r\n", b"\xff\x80\r\n"),
)
IN_VALUE = (b"x", b"9", b"\r", b"\n")
"""Bytes of a value from which states are made; the words bring others."""

MANY = 7
"""Chunks that the present request has come in before its bytes come one by one."""


class Trie(NamedTuple):
    """The words as a tree, so that what they begin with in common is fed once."""

    below: dict[int, Trie]


class Check(NamedTuple):
    """What the comparison covered: states, comparisons; and the first disagreement."""

    states: int
    checks: int
    wrong: tuple[Conn, bytes] | None


End = tuple[Conn, Cache, tuple[object, ...], str | None]


def _tree(words: tuple[bytes, ...]) -> Trie:
    root = Trie({})
    for word in words:
        at = root
        for byte in word:
            at = at.below.setdefault(byte, Trie({}))
    return root


def _fed(ends: Iterable[End], chunk: bytes, context: Context) -> list[End]:
    """Every end of a chunk, from every end of what came before."""
    fed: list[End] = []
    for conn, cache, said, unspecified in ends:
        if unspecified is not None:
            fed.append((conn, cache, said, unspecified))
        else:
            fed += [_end(turn, said) for turn in feed(conn, Event.DATA, chunk, cache, context)]
    return fed


def _end(turn: Turn, said: tuple[object, ...]) -> End:
    if turn.unspecified is not None:
        return Conn(), Cache(), (), turn.unspecified
    return turn.conn, turn.cache, (*said, *(owed.pieces for owed in turn.owed if owed.pieces)), None


def _bare(conn: Conn) -> Conn:
    """A connection without what is only told."""
    return conn._replace(parts=0, erred=False, line=conn.line if conn.request else b"")


def _compared(ends: Iterable[End]) -> frozenset[End]:
    return frozenset((_bare(conn), cache, said, unspecified) for conn, cache, said, unspecified in ends)


def _opened(context: Context) -> Conn:
    (turn,) = feed(Conn(), Event.CONNECT, b"", Cache(), context)
    return turn.conn


def reachable(words: tuple[bytes, ...], caches: tuple[Cache, ...], context: Context) -> list[Conn]:
    """The states of a connection between the bytes of any sequence of words, nearest first."""
    found = {_bare(_opened(context)): None}
    todo = list(found)
    for conn in todo:
        if conn.state is State.CLOSED:
            continue
        for byte in _next(conn, words):
            for cache in caches:
                for end, _, _, unspecified in _fed([(conn, cache, (), None)], byte, context):
                    if unspecified is None and _bare(end) not in found:
                        found[_bare(end)] = None
                        todo.append(_bare(end))
    return list(found)


def _next(conn: Conn, words: tuple[bytes, ...]) -> list[bytes]:
    """The bytes that may come next where the grammar stands: of a value, of the line that has begun, or of any word."""
    if conn.need:
        return list(IN_VALUE)
    begun = conn.buffer
    return sorted({word[len(begun) : len(begun) + 1] for word in words if word.startswith(begun) and word != begun})


def check(rules: Rules, words: tuple[bytes, ...] = WORDS) -> Check:
    """Compare feed with its fold in every reachable state, for every beginning of every word."""
    context = Context(NOW, rules, 0)
    caches = tuple(_caches(rules))
    states = reachable(words, caches, context)
    tree = _tree(words)
    checks = 0
    for conn in reversed(states):
        for cache in caches:
            start: list[End] = [(conn, cache, (), None)]
            todo: list[tuple[Trie, bytes, list[End]]] = [(tree, b"", [(conn._replace(parts=MANY), cache, (), None)])]
            while todo:
                at, word, folded = todo.pop()
                for byte, below in at.below.items():
                    longer = word + bytes([byte])
                    after = _fed(folded, longer[-1:], context)
                    checks += 1
                    if _compared(_fed(start, longer, context)) != _compared(after):
                        return Check(len(states), checks, (conn, longer))
                    todo.append((below, longer, after))
    return Check(len(states), checks, None)


def _caches(rules: Rules) -> Iterator[Cache]:
    """An empty cache, and one with a counter and a text."""
    yield Cache()
    context = Context(NOW, rules._replace(protocol="ascii"), 0)
    (turn,) = feed(_opened(context), Event.DATA, b"set a 0 0 1\r\n9\r\nset b 0 0 1\r\nx\r\n", Cache(), context)
    yield turn.cache


def test_feed_is_the_fold_of_its_bytes_in_every_reachable_state() -> None:
    """Whole and byte by byte, every beginning of every word leads to the same."""
    covered = check(RULES)
    assert covered.wrong is None
    assert f"proved for {covered.states} reachable states" in DOCUMENT
    assert f"{covered.checks:,} checks" in DOCUMENT


def test_the_states_are_those_that_the_machine_rests_in() -> None:
    """Every state of rest is among them, and in the middle of a value each number of bytes that it still lacks."""
    context = Context(NOW, RULES, 0)
    states = reachable(WORDS, tuple(_caches(RULES)), context)
    assert {conn.state for conn in states} == {State.WAITING, State.NREAD, State.SWALLOW, State.CLOSED}
    assert {conn.need for conn in states if conn.state is State.SWALLOW} == set(range(1, 12))
    assert {len(conn.buffer) for conn in states if conn.state is State.WAITING} == set(
        range(RULES.limits.retrieval_line)
    )
    assert {conn.need - len(conn.buffer) for conn in states if conn.state is State.NREAD} == {1, 2, 3}


@pytest.mark.parametrize("name", planted(RULES))
def test_a_row_that_looks_at_chunks_is_found(name: str) -> None:
    """A replaced row of the table is refused, with a state and a word."""
    assert check(planted(RULES)[name]).wrong is not None
