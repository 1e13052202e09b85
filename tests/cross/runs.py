"""The same operations through the specification or a server: what was heard, and what is left."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from mcspec import Cache, Event, Happening, Now, Owed, Rules, World, step
from mcspec.cache import bind
from mcspec.pattern import Unique
from tests.cross.operations import Answer, Operation, Protocol, heard, read, write

KEYS = (b"a", b"b")
START = 1_800_000_000
NOBODYS = 2**61
"""A cas unique that no item has; added to one that an item has, it is still nobody's."""


class Turn(NamedTuple):
    """One operation, how it is said, and on which connection. `wait` moves the clock instead."""

    op: Operation
    protocol: Protocol = "text"
    conn: int = 0
    wait: int = 0


Plan = Sequence[Turn]


def said(plan: Plan, protocol: Protocol) -> Plan:
    """The plan all in one protocol."""
    return [turn._replace(protocol=protocol) for turn in plan]


def aloud(plan: Plan) -> Plan:
    """The plan with a reply to everything."""
    return [turn._replace(op=turn.op._replace(quiet=False)) for turn in plan]


def aimed(op: Operation, seen: dict[bytes, int]) -> Operation:
    """The operation with the cas unique it means: `unique` counts from the last one seen; below 0 it means 0."""
    if op.name != "cas":
        return op
    return op._replace(unique=0 if op.unique < 0 else seen.get(op.key, NOBODYS) + op.unique)


def noted(seen: dict[bytes, int], answers: tuple[Answer, ...]) -> dict[bytes, int]:
    """The cas uniques seen, with those of the answers."""
    return {**seen, **{answer.key: answer.unique for answer in answers if answer.unique}}


# ------------------------------------------------------------------------------------------------ the specification


class End(NamedTuple):
    """What one allowed course of things came to: the answers to each operation, and the cache."""

    answers: tuple[tuple[Answer, ...], ...]
    cache: Cache


class _Course(NamedTuple):
    world: World
    answers: tuple[tuple[Answer, ...], ...] = ()
    seen: tuple[tuple[bytes, int], ...] = ()


def specified(plan: Plan, rules: Rules) -> set[End]:
    """Every allowed end of the plan."""
    courses = {_Course(World())}
    now = START
    for conn in (0, 1):
        courses = {
            course._replace(world=outcome.world)
            for course in courses
            for outcome in step(course.world, Happening(conn, Event.CONNECT), Now(now, now), rules)
        }
    for turn in plan:
        if turn.wait:
            now += turn.wait
            continue
        courses = {after for course in courses for after in _after(course, turn, Now(now, now), rules)}
    return {End(course.answers, course.world.cache) for course in courses}


def _after(course: _Course, turn: Turn, now: Now, rules: Rules) -> set[_Course]:
    seen = dict(course.seen)
    op = aimed(turn.op, seen)
    ends: set[_Course] = set()
    for outcome in step(course.world, Happening(turn.conn, Event.DATA, write(op, turn.protocol)), now, rules):
        assert outcome.unspecified is None, outcome.unspecified
        answers = read(b"".join(map(_spelled, outcome.owed)), op)
        # Everybody sees every cas unique at once: what is compared later has one outcome.
        cache = outcome.world.cache
        for item in cache.items.values():
            cache = bind(cache, item.cas, item.cas) or cache
        world = outcome.world._replace(cache=cache)
        told = tuple(sorted(noted(seen, answers).items()))
        ends.add(_Course(world, (*course.answers, answers), told))
    return ends


def _spelled(owed: Owed) -> bytes:
    """A reply in bytes; nothing in it is the server's choice but cas uniques."""
    data = b""
    for piece in owed.pieces:
        assert isinstance(piece, bytes | Unique), piece
        data += piece if isinstance(piece, bytes) else b"%d" % (piece.symbol)
    return data


# ------------------------------------------------------------------------------------------------ servers

Exchange = Callable[[int, bytes], bytes]
"""Sends a request on a connection; all that came back."""

SENTINEL = b"end-of-this-one\r\n"
"""No command: what answers it ends the replies to what was sent before it. `mn` is one of the requests."""

ENDING = b"ERROR\r\n"


class Seen(NamedTuple):
    """What a client saw: the answers to each operation, and in the end each item with the rank of its cas unique."""

    answers: tuple[tuple[Answer, ...], ...]
    left: tuple[tuple[bytes, int], ...]


def run(plan: Plan, exchange: Exchange, wait: Callable[[int], None], prefix: bytes = b"") -> Seen:
    """What a server answers to the plan, and how it then shows what is stored; cas uniques by rank.

    Keys get the prefix, so that runs on one server do not meet; what is returned does not show it.
    """
    heard_so_far: list[tuple[Answer, ...]] = []
    seen: dict[bytes, int] = {}
    for turn in plan:
        if turn.wait:
            wait(turn.wait)
            continue
        op = aimed(turn.op, seen)
        request = write(op._replace(keys=tuple(prefix + key for key in op.keys)), turn.protocol)
        answers = tuple(
            answer._replace(key=answer.key.removeprefix(prefix)) for answer in read(exchange(turn.conn, request), op)
        )
        seen = noted(seen, answers)
        heard_so_far.append(answers)
    left = [_left(exchange, key, prefix) for key in KEYS]
    return ranked(heard_so_far, left)


def _left(exchange: Exchange, key: bytes, prefix: bytes) -> tuple[bytes, int]:
    """All that is visible of an item, and its cas unique; the seconds it has left by their size."""
    shown = exchange(0, b"mg %s%s c t f s h v\r\n" % (prefix, key))
    if shown == b"EN\r\n":
        return shown, 0
    line, _, value = shown.partition(b"\r\n")
    code, size, unique, left, *rest = line.split()
    seconds = int(left[1:])
    # A real clock goes on between two runs: whoever uses one draws exptimes that are far apart.
    about = seconds if seconds < 1000 else -(-seconds // 10_000) * 10_000
    return b" ".join([code, size, b"t%d" % about, *rest, value]), int(unique[1:])


def ranked(answers: Sequence[tuple[Answer, ...]], left: Sequence[tuple[bytes, int]] = ()) -> Seen:
    """Each cas unique by its place in the order of all that were seen."""
    numbers = {answer.unique for each in answers for answer in each} | {unique for _, unique in left}
    ranks = {number: rank for rank, number in enumerate(sorted(numbers | {0}))}
    return Seen(
        tuple(tuple(answer._replace(unique=ranks[answer.unique]) for answer in each) for each in answers),
        tuple((shown, ranks[unique]) for shown, unique in left),
    )


def expected(plan: Plan, answers: Sequence[tuple[Answer, ...]]) -> tuple[tuple[Answer, ...], ...]:
    """What is heard of a plan whose operations would answer so if none were quiet."""
    turns = [turn for turn in plan if not turn.wait]
    return tuple(heard(turn.op, turn.protocol, each) for turn, each in zip(turns, answers, strict=True))
