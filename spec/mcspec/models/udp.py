"""Two clients and a server over UDP: the network loses datagrams, changes their order and delivers some of them twice.

What a datagram is answered with is the specification's own: `step` for the messages, `udp.datagrams` for the datagrams
that carry them. Clients use the same request ids, each of them once, with one request in a datagram (or two that have
the same answer), and put together what they receive by id and sequence number. A datagram that is lost is one that is
never delivered, and no state has to deliver any.

What is asked changes nothing, so that a request delivered twice has the same answer twice. Where it does not, two
answers with the same id can be taken for one: the protocol has nothing to tell them apart by.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import NamedTuple

from mcspec import udp
from mcspec.arith import Span
from mcspec.cache import Cache
from mcspec.connection import feed
from mcspec.explore import Kind as When
from mcspec.explore import Law, Move, System
from mcspec.frozen import FrozenMap
from mcspec.machine import Conn, Context, Event
from mcspec.models import Model
from mcspec.models.udp_plants import PLANTS
from mcspec.pattern import Owed
from mcspec.rules import Rules
from mcspec.world import Happening, World, step

NAME = "udp"
NOW = Span(1000, 1000)
PAYLOAD = 8
"""Bytes of a message in a datagram: a limit, shrunk."""
SERVER = -1
NOTHING = b""

Sent = tuple[tuple[int, bytes], ...]
"""Datagrams, each with the client that it goes to."""


class Kind(NamedTuple):
    """A datagram that a client may send: what follows the frame, the frame's other numbers, and the answers due.

    `cut` are the bytes of it that are sent, where that is not all; `law` is the one that a wrong answer breaks.
    """

    name: str
    payload: bytes
    messages: tuple[bytes, ...] = ()
    sequence: int = 0
    total: int = 1
    reserved: int = 0
    cut: int = 65535
    law: str = ""

    def datagram(self, request: int) -> bytes:
        """The datagram with a request id."""
        frame = struct.pack(">HHHH", request, self.sequence, self.total, self.reserved)
        return (frame + self.payload)[: self.cut]


GET = b"get h\r\n"
FOUND = b"VALUE h 0 1\r\n5\r\nEND\r\n"
NOOP = struct.pack(">BBHBBHIIQ", 0x80, 0x0A, 0, 0, 0, 0, 0, 7, 0)
NOOPED = struct.pack(">BBHBBHIIQ", 0x81, 0x0A, 0, 0, 0, 0, 0, 7, 0)

KINDS = (
    Kind("get", GET, (FOUND,)),
    Kind("mn", b"mn\r\n", (b"MN\r\n",)),
    Kind("a get with other numbers in its frame", GET, (FOUND,), sequence=3, reserved=9),
    Kind("a binary noop", NOOP, (NOOPED,)),
    Kind("touch", b"touch h 0\r\n", (b"TOUCHED\r\n",)),
    Kind("add", b"add h 0 0 1\r\n5\r\n", (b"NOT_STORED\r\n",)),
    Kind("an error", b"nothing known\r\n", (b"ERROR\r\n",)),
    Kind("two requests", b"mn\r\nmn\r\n", (b"MN\r\n", b"MN\r\n")),
    Kind("a request of two datagrams", GET, total=2, law="several"),
    Kind("a request of no datagrams", GET, total=0, law="several"),
    Kind("a request of 256 datagrams", GET, total=256, law="several"),
    Kind("a frame alone", NOTHING, law="garbage"),
    Kind("half a frame", GET, cut=4, law="garbage"),
    Kind("nothing", NOTHING, cut=0, law="garbage"),
    Kind("a wrong magic behind a request", NOOP + bytes(24), (NOOPED,), law="garbage"),
    Kind("half a line", GET[:-2], law="alone"),
    Kind("half a header", NOOP[:20], law="alone"),
    Kind("half a value", b"set h 0 0 9\r\n5", law="alone"),
    Kind("the end of a line", b"\r\n", (b"CLIENT_ERROR bad command line format\r\n",), law="alone"),
    Kind("quit", b"quit\r\n", law="silent"),
    Kind("a request with noreply", b"touch h 0 noreply\r\n", law="silent"),
)
LOUD = (0, 1)
"""Those with an answer of several datagrams and of one."""


class Scope(NamedTuple):
    """What each client may send (numbers of `KINDS`), how often, and how many datagrams are delivered twice."""

    kinds: tuple[int, ...]
    requests: int
    twice: int


class State(NamedTuple):
    """What clients have sent, what is under way, and what has come.

    `sent` are each client's kinds, in order: the place of one is its request id. `under_way` are datagrams with the
    place that they go to and the client that they belong to, sorted. `got` are the datagrams that each client received,
    sorted. `memory` is what a server with a planted bug remembers, and `wrong` names the law that was broken.
    """

    scope: int
    sent: tuple[tuple[int, ...], ...]
    under_way: tuple[tuple[int, int, bytes], ...] = ()
    got: tuple[tuple[bytes, ...], ...] = ((), ())
    twice: int = 0
    memory: bytes = b""
    wrong: str = ""


Serve = Callable[["Design", bytes, int, bytes], tuple[bytes, Sent]]
Together = Callable[[tuple[bytes, ...], int], bytes | None]


class Design(NamedTuple):
    """The server and the clients.

    `serve` takes the server's memory, a client and a datagram, and gives its memory after it and what it sends;
    `together` takes what a client has received and an id, and gives the message. `start` is the server's cache.
    """

    rules: Rules
    start: Cache
    serve: Serve
    together: Together


def messages(design: Design, client: int, datagram: bytes) -> tuple[Owed, ...]:
    """What is owed for a datagram."""
    world = World(design.start, FrozenMap())
    (outcome,) = step(world, Happening(client, Event.DATAGRAM, datagram), NOW, design.rules)
    return tuple(owed for owed in outcome.owed if owed.pieces)


def serve(design: Design, _memory: bytes, client: int, datagram: bytes) -> tuple[bytes, Sent]:
    """The datagrams that carry what is owed for one, to the client that sent it."""
    sent: list[tuple[int, bytes]] = []
    for owed in messages(design, client, datagram):
        assert owed.datagram is not None  # every message over UDP carries the id of its request
        message = b"".join(piece for piece in owed.pieces if isinstance(piece, bytes))
        sent += [(client, piece) for piece in udp.datagrams(owed.datagram, message, design.rules)]
    return b"", tuple(sent)


def fault(kind: Kind, request: int, client: int, sent: Sent) -> str:
    """The law that an answer breaks; "" if it is one, and comes as it must."""
    if any(to != client for to, _ in sent):
        return "addressed"
    if not kind.messages and sent:
        return kind.law
    due = list(kind.messages)
    pieces = [piece for _, piece in sent]
    frames = [struct.unpack(">HHHH", piece[:8]) for piece in pieces]
    if any(frame[0] != request or frame[3] != 0 for frame in frames):
        return "numbered"
    for message in due:
        count = -(-len(message) // PAYLOAD)
        mine, pieces = pieces[:count], pieces[count:]
        if [piece[8:] for piece in mine] != [message[at : at + PAYLOAD] for at in range(0, len(message), PAYLOAD)]:
            told = b"".join(piece[8:] for piece in mine)
            return "divided" if told.startswith(message[:1]) and message.startswith(told) else kind.law or "answered"
        numbers = [struct.unpack(">HHHH", piece[:8])[1:3] for piece in mine]
        if numbers != [(number, count) for number in range(count)]:
            return "numbered"
    return "no-more" if pieces else ""


def together(got: tuple[bytes, ...], request: int) -> bytes | None:
    """The message with that id that a client has put together; None if not all of it has come."""
    pieces: dict[int, bytes] = {}
    totals = set()
    for datagram in got:
        number, sequence, total, _ = struct.unpack(">HHHH", datagram[:8])
        if number == request:
            totals.add(total)
            pieces.setdefault(sequence, datagram[8:])
    if not totals or set(pieces) < set(range(max(totals))):
        return None
    return b"".join(pieces[sequence] for sequence in sorted(pieces))


def design() -> Design:
    """The specification, with a shrunk payload and an item that is there to be read."""
    rules = Rules()
    rules = rules._replace(limits=rules.limits._replace(datagram=PAYLOAD))
    context = Context(NOW, rules, 0)
    (opened,) = feed(Conn(), Event.CONNECT, b"", Cache(), context)
    (turn,) = feed(opened.conn, Event.DATA, b"set h 0 0 1\r\n5\r\n", Cache(), context)
    return Design(rules, turn.cache, serve, together)


def build(bounds: tuple[Scope, ...], made: Design) -> System:
    """Clients, network and server, in each scope."""
    sends = [[Move(f"client {c}", "server", f"sends {kind.name}") for kind in KINDS] for c in range(2)]
    served: dict[tuple[bytes, int, bytes], tuple[bytes, Sent]] = {}

    def answer(memory: bytes, client: int, datagram: bytes) -> tuple[bytes, Sent]:
        asked = (memory, client, datagram)
        if asked not in served:
            served[asked] = made.serve(made, *asked)
        return served[asked]

    def arrive(state: State, client: int, datagram: bytes, rest: State) -> State:
        """The server takes a datagram."""
        memory, sent = answer(state.memory, client, datagram)
        places = [at for at, kind in enumerate(state.sent[client]) if KINDS[kind].datagram(at) == datagram]
        kind = KINDS[state.sent[client][places[0]]]
        wrong = fault(kind, places[0], client, sent)
        if sent != answer(b"", client, datagram)[1] and wrong not in ("addressed", "numbered"):
            wrong = "alone"
        under_way = tuple(sorted((*rest.under_way, *((to, to, piece) for to, piece in sent))))
        return rest._replace(under_way=under_way, memory=memory, wrong=wrong)

    def receive(client: int, datagram: bytes, rest: State) -> State:
        """A client takes a datagram."""
        got = tuple(sorted({*rest.got[client], datagram}))
        after = rest._replace(got=(*rest.got[:client], got, *rest.got[client + 1 :]))
        for request, number in enumerate(rest.sent[client]):
            message = made.together(got, request)
            if message is not None and message not in KINDS[number].messages:
                return after._replace(wrong="whole")
        return after

    def moves(state: State) -> Iterator[tuple[Move, State]]:
        if state.wrong:
            return
        scope = bounds[state.scope]
        for client, kinds in enumerate(state.sent):
            for number in scope.kinds if len(kinds) < scope.requests else ():
                datagram = KINDS[number].datagram(len(kinds))
                sent = (*state.sent[:client], (*kinds, number), *state.sent[client + 1 :])
                under_way = tuple(sorted((*state.under_way, (SERVER, client, datagram))))
                yield sends[client][number], state._replace(sent=sent, under_way=under_way)
        for at, (to, client, datagram) in enumerate(state.under_way):
            if at and state.under_way[at - 1] == state.under_way[at]:
                continue
            gone = (*state.under_way[:at], *state.under_way[at + 1 :])
            ways = [("", state._replace(under_way=gone))]
            if state.twice:
                ways.append((", and will once more", state._replace(twice=state.twice - 1)))
            for words, rest in ways:
                if to == SERVER:
                    move = Move("network", "server", f"brings a datagram of client {client}{words}")
                    yield move, arrive(state, client, datagram, rest)
                else:
                    move = Move("network", f"client {to}", f"brings a datagram{words}")
                    yield move, receive(to, datagram, rest)

    starts = tuple(State(number, ((), ()), twice=scope.twice) for number, scope in enumerate(bounds))
    return System(starts, moves)


def show(state: State) -> str:
    """A state in words."""
    to = [place for place, _, _ in state.under_way]
    words = [f"{to.count(SERVER)} on their way to the server"]
    for client, kinds in enumerate(state.sent):
        words.append(f"client {client} sent {len(kinds)}, received {len(state.got[client])} ({to.count(client)} more)")
    return "; ".join(words)


def _law(name: str, words: str) -> Law:
    return Law(f"law.udp.{name}", When.STATE, words, lambda state: state.wrong != name)


LAWS = (
    _law("whole", "A client that puts datagrams together by id and sequence number has its answer whole, or nothing."),
    _law("addressed", "Every datagram goes to the client that asked for it."),
    _law("answered", "A request has the answer that it has on a connection."),
    _law("numbered", "The datagrams of a message carry its id, count from 0, tell how many they are, and no more."),
    _law("divided", "All datagrams of a message are full but the last, which is not empty."),
    _law(
        "no-more", "Nothing is sent beside the message and eight bytes for each of the fewest datagrams that hold it."
    ),
    _law("several", "A request that says that it has more datagrams than one, or none, is not answered."),
    _law("garbage", "What is no frame, or has nothing behind it, is not answered, nor is what follows a request."),
    _law("silent", "What is silent on a connection is silent here, and ends nothing."),
    _law("alone", "Nothing of a datagram is left for the next, of this client or another."),
)

EVERY = tuple(range(len(KINDS)))
DESIGN = design()
MODEL = Model(
    name=NAME,
    summary="two clients over UDP: what is lost, doubled and out of order, and what nobody may answer",
    design=DESIGN,
    bounds={
        "small": (Scope(EVERY, 1, 0), Scope(LOUD, 2, 0)),
        "standard": (Scope(EVERY, 1, 1), Scope((0, 1, 7), 1, 2), Scope(LOUD, 2, 0)),
        "large": (Scope(EVERY, 1, 1), Scope((0, 1, 7), 1, 2), Scope(LOUD, 2, 1)),
    },
    build=build,
    laws=LAWS,
    plants=PLANTS,
    show=show,
)
