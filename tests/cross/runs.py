"""The same operations through the specification or a server: what was heard, and what is left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from mcspec import Cache, Event, Happening, Now, Owed, Rules, World, step
from mcspec.cache import bind
from mcspec.pattern import Unique
from tests.cross import operations
from tests.cross.meanings import Answer, Operation
from tests.cross.operations import heard, read, sayable, write

KEYS = (b"a", b"b")
START = 1_800_000_000
NOBODYS = 2**61
"""A cas unique that no item has; added to one that an item has, it is still nobody's."""

FRAME = b"\x01\x02\0\0\0\1\0\0"
"""What a request begins with in a datagram: an id, the first and only one of its message."""


class Turn(NamedTuple):
    """One operation, how it is said, and on which connection, or in a datagram. `wait` moves the clock instead."""

    op: Operation
    protocol: operations.Protocol = "text"
    conn: int = 0
    udp: bool = False
    wait: int = 0


Plan = Sequence[Turn]


def said(plan: Plan, protocol: operations.Protocol, *, udp: bool = False) -> Plan:
    """The plan all in one protocol, and all on connections or all in datagrams."""
    return spoken([turn._replace(protocol=protocol, udp=udp) for turn in plan])


def spoken(plan: Plan) -> Plan:
    """The plan; what a protocol has no word for is said as text."""
    return [turn if sayable(turn.op, turn.protocol) else turn._replace(protocol="text") for turn in plan]


def without(plan: Plan, protocol: operations.Protocol) -> Plan:
    """What the protocol has a word for."""
    return [turn for turn in plan if sayable(turn.op, protocol)]


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
    """What one allowed course of things came to: the answers to each operation, the cache, and what was counted."""

    answers: tuple[tuple[Answer, ...], ...]
    cache: Cache
    counts: tuple[tuple[str, int], ...]


class _Course(NamedTuple):
    world: World
    answers: tuple[tuple[Answer, ...], ...] = ()
    seen: tuple[tuple[bytes, int], ...] = ()
    counts: tuple[tuple[str, int], ...] = ()


def connection(turn: Turn) -> int:
    """Its number: each protocol that a first byte decides has connections of its own."""
    return {"text": 0, "meta": 0, "binary": 2, "packet": 4}[turn.protocol] + turn.conn


class Misread(Protocol):
    """What a server with a bug takes a request for."""

    def __call__(self, request: bytes, protocol: operations.Protocol, *, udp: bool) -> bytes:
        """The request that it sees."""
        ...


def rightly(request: bytes, protocol: operations.Protocol, *, udp: bool) -> bytes:
    """No bug."""
    del protocol, udp
    return request


def specified(plan: Plan, rules: Rules, misread: Misread = rightly) -> set[End]:
    """Every allowed end of the plan. Packets are for a server that was told so: here, by a change of its mind."""
    courses = {_Course(World())}
    now = START
    for conn in sorted({connection(turn) for turn in plan if not turn.wait and not turn.udp}):
        courses = {
            course._replace(world=outcome.world)
            for course in courses
            for outcome in step(course.world, Happening(conn, Event.CONNECT), Now(now, now), rules)
        }
    for turn in plan:
        if turn.wait:
            now += turn.wait
            continue
        told = rules._replace(protocol="packet") if turn.protocol == "packet" else rules
        courses = {after for course in courses for after in _after(course, turn, Now(now, now), told, misread)}
    return {End(course.answers, course.world.cache, course.counts) for course in courses}


def _after(course: _Course, turn: Turn, now: Now, rules: Rules, misread: Misread) -> set[_Course]:
    seen = dict(course.seen)
    op = aimed(turn.op, seen)
    request = misread(write(op, turn.protocol), turn.protocol, udp=turn.udp)
    happening = (
        Happening(9, Event.DATAGRAM, FRAME + request) if turn.udp else Happening(connection(turn), Event.DATA, request)
    )
    ends: set[_Course] = set()
    for outcome in step(course.world, happening, now, rules):
        assert outcome.unspecified is None, outcome.unspecified
        answers = read(b"".join(map(_spelled, outcome.owed)), op, turn.protocol)
        # Everybody sees every cas unique at once: what is compared later has one outcome.
        cache = outcome.world.cache
        for item in cache.items.values():
            cache = bind(cache, item.cas, item.cas) or cache
        world = outcome.world._replace(cache=cache)
        told = tuple(sorted(noted(seen, answers).items()))
        counts = Counter(dict(course.counts))
        counts.update(name for owed in outcome.owed for name in owed.counts)
        ends.add(_Course(world, (*course.answers, answers), told, tuple(sorted(counts.items()))))
    return ends


def _spelled(owed: Owed) -> bytes:
    """A reply in bytes; nothing in it is the server's choice but cas uniques."""
    data = b""
    for piece in owed.pieces:
        assert isinstance(piece, bytes | Unique), piece
        if isinstance(piece, bytes):
            data += piece
        else:
            data += piece.symbol.to_bytes(piece.size, "big") if piece.size else b"%d" % piece.symbol
    return data


# ------------------------------------------------------------------------------------------------ servers


class Exchange(Protocol):
    """A server; packets have one that was told to speak nothing else."""

    def __call__(
        self, conn: int, request: bytes, protocol: operations.Protocol = "text", *, udp: bool = False
    ) -> bytes:
        """Send a request on that connection of the protocol, or in a datagram; all that came back."""
        ...


class Seen(NamedTuple):
    """What a client saw: the answers to each operation, and in the end each item with the rank of its cas unique."""

    answers: tuple[tuple[Answer, ...], ...]
    left: tuple[tuple[bytes, int], ...]


def run(
    plan: Plan, exchange: Exchange, wait: Callable[[int], None], prefix: bytes = b"", *, packets: bool = False
) -> Seen:
    """What a server answers to the plan, and how it then shows what is stored; cas uniques by rank.

    Keys get the prefix, so that runs on one server do not meet; what is returned does not show it. `packets` asks in
    the end for no more than a packet can show.
    """
    heard_so_far: list[tuple[Answer, ...]] = []
    seen: dict[bytes, int] = {}

    def perform(turn: Turn) -> tuple[Answer, ...]:
        op = aimed(turn.op, seen)
        request = write(op._replace(keys=tuple(prefix + key for key in op.keys)), turn.protocol)
        data = exchange(turn.conn, request, turn.protocol, udp=turn.udp)
        return tuple(answer._replace(key=answer.key.removeprefix(prefix)) for answer in read(data, op, turn.protocol))

    for turn in plan:
        if turn.wait:
            wait(turn.wait)
            continue
        answers = perform(turn)
        seen = noted(seen, answers)
        heard_so_far.append(answers)
    if packets:
        asks = "packet" if any(turn.protocol == "packet" for turn in plan) else "text"
        heard_so_far += [perform(Turn(Operation("gets", (key,)), asks)) for key in KEYS]
        return ranked(heard_so_far)
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
    """What is heard of a plan whose operations would answer so if none were quiet; a look behind it is always heard."""
    turns = [turn for turn in plan if not turn.wait]
    told = tuple(heard(turn.op, turn.protocol, each) for turn, each in zip(turns, answers, strict=False))
    return (*told, *answers[len(turns) :])
