"""How connections come to the threads that serve them, as guarded commands: who may do what, when, and what it changes.

Theory of operation
-------------------
One listener thread accepts and hands each connection to one of several workers: it puts the connection on the worker's
queue and only then writes a byte to the worker's notify pipe. A worker sleeps in its event loop until a byte or a
client wakes it; for each byte it takes one connection off its queue, and from then on the connection is its own. At
most `limit` connections are open. Beyond that, a server with `maxconns_fast` turns the client away at once, and one
without stops accepting: the next clients wait in the backlog until its timer finds room.

When the operator stops the server it drains: nothing more is accepted, the listening socket is closed, what had been
accepted still reaches its worker, requests that have arrived are answered, and then every connection is closed, whether
its client has said anything or not.

Each command is one atomic step. The table is the specification: a planted bug is a table with one row replaced. A
client connects once, and waits for each answer before it sends again; the server may hang up on one it has answered.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Self, TypeVar

from mcspec.explore import Move, System

NOBODY = -1

T = TypeVar("T")


class Stage:
    """What the server does as a whole, and whether the operator will ever stop it."""

    BOOT = 0
    STAYS = 1  # runs, and is never stopped
    RUNS = 2  # runs, and may be stopped
    DRAINS = 3
    STOPPED = 4


class Peer:
    """A client's end of its connection."""

    AWAY = 0  # has not connected
    SILENT = 1  # connected, has sent nothing
    MUTE = 2  # lost without a word: neither sends nor leaves, and nothing tells the server
    SENT = 3  # a request is on its way or unread
    ANSWERED = 4
    GONE = 5  # has left, or knows that the server has closed


class Sock:
    """The server's end of a connection."""

    NONE = 0
    BACKLOG = 1  # in the kernel's queue, not accepted
    OPEN = 2
    CLOSED = 3
    REFUSED = 4  # never accepted, or accepted to be turned away


class Hand:
    """Where the listener thread is."""

    READY = 0
    HOLDS = 1  # has accepted a connection that is on no queue yet
    TELLS = 2  # has queued it and is about to write the byte
    FULL = 3  # has seen that there is no room and is about to stop accepting


class Loop:
    """Where a worker thread is."""

    EVENTS = 0  # in its event loop: asleep, or serving one of its connections
    WOKEN = 1  # has read a byte of its pipe
    EXITED = 2


class State(NamedTuple):
    """Everything that the threads, the kernel and the clients share; tuples are by client or by worker."""

    stage: int
    fast: bool
    """maxconns_fast: turn away at once who is one too many."""
    listening: bool
    accepting: bool
    open: int
    """The server's count of open connections."""
    hand: int
    held: int
    """The client whose connection the listener is handing over."""
    told: int
    """The worker that the listener hands it to."""
    peers: tuple[int, ...]
    socks: tuple[int, ...]
    queues: tuple[tuple[int, ...], ...]
    pipes: tuple[int, ...]
    """Bytes in each notify pipe."""
    loops: tuple[int, ...]
    owned: tuple[int, ...]
    """The connections of each worker: bit c for client c."""
    limit: int

    @classmethod
    def start(cls, clients: int, workers: int, limit: int) -> Self:
        """Before the operator starts the server."""
        peers, socks, queues = (Peer.AWAY,) * clients, (Sock.NONE,) * clients, ((),) * workers
        pipes, loops, owned = (0,) * workers, (Loop.EVENTS,) * workers, (0,) * workers
        return cls(
            Stage.BOOT,
            False,
            False,
            False,
            0,
            Hand.READY,
            NOBODY,
            NOBODY,
            peers,
            socks,
            queues,
            pipes,
            loops,
            owned,
            limit,
        )


class Bounds(NamedTuple):
    """How much of everything there is; the limits on open connections are tried one by one."""

    clients: int
    workers: int
    limits: tuple[int, ...]


Guard = Callable[[State, int, int], bool]
Effect = Callable[[State, int, int], State]


class Command(NamedTuple):
    """A guarded command: a row of the table.

    `over` names what its two indices run over (`client`, `worker`, `choice` of 0 and 1, or `one`); guard and effect are
    given both. `source`, `target` and `text` tell the step, with the indices as `{0}` and `{1}`.
    """

    name: str
    over: tuple[str, str]
    source: str
    target: str
    text: str
    guard: Guard
    effect: Effect


def put(places: tuple[T, ...], at: int, value: T) -> tuple[T, ...]:
    """The tuple with another value in one place."""
    return (*places[:at], value, *places[at + 1 :])


def up(s: State) -> bool:
    """The server runs, and nobody has asked it to stop."""
    return s.stage in (Stage.STAYS, Stage.RUNS)


def room(s: State) -> bool:
    """There is room for another connection."""
    return s.open < s.limit


def idle(s: State, w: int) -> bool:
    """The worker has nothing left: no connection, none on its queue, no byte in its pipe."""
    return not (s.queues[w] or s.pipes[w] or s.owned[w])


def serves(s: State, c: int, w: int) -> bool:
    """The worker is in its event loop, and the client's connection is its own."""
    return s.loops[w] == Loop.EVENTS and s.owned[w] >> c & 1 == 1


def _boot(s: State, fast: int, stays: int) -> State:
    stage = Stage.STAYS if stays else Stage.RUNS
    return s._replace(stage=stage, fast=bool(fast), listening=True, accepting=True)


def _connect(s: State, c: int, _: int) -> State:
    return s._replace(peers=put(s.peers, c, Peer.SILENT), socks=put(s.socks, c, Sock.BACKLOG))


def _turn_away(s: State, c: int, _: int) -> State:
    return s._replace(peers=put(s.peers, c, Peer.GONE), socks=put(s.socks, c, Sock.REFUSED))


def _accept(s: State, c: int, _: int) -> State:
    return s._replace(hand=Hand.HOLDS, held=c, socks=put(s.socks, c, Sock.OPEN), open=s.open + 1)


def _push(s: State, w: int, _: int) -> State:
    return s._replace(hand=Hand.TELLS, held=NOBODY, told=w, queues=put(s.queues, w, (*s.queues[w], s.held)))


def _notify(s: State, w: int, _: int) -> State:
    return s._replace(hand=Hand.READY, told=NOBODY, pipes=put(s.pipes, w, s.pipes[w] + 1))


def _close_socket(s: State, _: int, __: int) -> State:
    # The kernel resets who is in the backlog.
    waiting = [sock == Sock.BACKLOG for sock in s.socks]
    peers = tuple(Peer.GONE if waits else peer for waits, peer in zip(waiting, s.peers, strict=True))
    socks = tuple(Sock.REFUSED if waits else sock for waits, sock in zip(waiting, s.socks, strict=True))
    return s._replace(listening=False, accepting=False, peers=peers, socks=socks)


def _wake(s: State, w: int, _: int) -> State:
    return s._replace(pipes=put(s.pipes, w, s.pipes[w] - 1), loops=put(s.loops, w, Loop.WOKEN))


def _take(s: State, w: int, _: int) -> State:
    first, *rest = s.queues[w]
    return s._replace(
        queues=put(s.queues, w, tuple(rest)),
        owned=put(s.owned, w, s.owned[w] | 1 << first),
        loops=put(s.loops, w, Loop.EVENTS),
    )


def _close(s: State, c: int, w: int) -> State:
    return s._replace(
        peers=put(s.peers, c, Peer.GONE),
        socks=put(s.socks, c, Sock.CLOSED),
        owned=put(s.owned, w, s.owned[w] & ~(1 << c)),
        open=s.open - 1,
    )


WIRE = {"connect": ("open",), "send": ("send", b"version\r\n"), "leave": ("half-close",)}
"""What a client does on the wire at the commands that are its own."""

ONE, CLIENT, WORKER, OWN = ("one", "one"), ("client", "one"), ("worker", "one"), ("client", "worker")

# fmt: off
TABLE: tuple[Command, ...] = (
    Command("boot", ("choice", "choice"), "operator", "server", "starts it: maxconns_fast {0}, for ever {1}",
            lambda s, _, __: s.stage == Stage.BOOT,
            _boot),
    Command("stop", ONE, "operator", "server", "asks it to stop",
            lambda s, _, __: s.stage == Stage.RUNS,
            lambda s, _, __: s._replace(stage=Stage.DRAINS)),
    Command("stopped", ONE, "server", "operator", "has stopped",
            lambda s, _, __: s.stage == Stage.DRAINS and all(loop == Loop.EXITED for loop in s.loops),
            lambda s, _, __: s._replace(stage=Stage.STOPPED)),
    Command("connect", CLIENT, "client {0}", "listener", "connects",
            lambda s, c, _: s.peers[c] == Peer.AWAY and s.listening,
            _connect),
    Command("refused", CLIENT, "client {0}", "listener", "is refused: nobody listens",
            lambda s, c, _: s.peers[c] == Peer.AWAY and not s.listening,
            _turn_away),
    Command("send", CLIENT, "client {0}", "server", "sends a request",
            lambda s, c, _: s.peers[c] in (Peer.SILENT, Peer.ANSWERED),
            lambda s, c, _: s._replace(peers=put(s.peers, c, Peer.SENT))),
    Command("leave", CLIENT, "client {0}", "server", "leaves",
            lambda s, c, _: s.peers[c] in (Peer.SILENT, Peer.SENT, Peer.ANSWERED),
            lambda s, c, _: s._replace(peers=put(s.peers, c, Peer.GONE))),
    # Only of a server that may be stopped: one that stays would need an idle timeout, which is not modelled.
    Command("vanish", CLIENT, "client {0}", "server", "is lost without a word",
            lambda s, c, _: s.peers[c] == Peer.SILENT and s.stage in (Stage.RUNS, Stage.DRAINS),
            lambda s, c, _: s._replace(peers=put(s.peers, c, Peer.MUTE))),
    Command("accept", CLIENT, "listener", "client {0}", "accepts",
            lambda s, c, _: s.socks[c] == Sock.BACKLOG and s.hand == Hand.READY and s.accepting and up(s) and room(s),
            _accept),
    Command("turn-away", CLIENT, "listener", "client {0}", "turns away: too many open connections",
            lambda s, c, _: s.socks[c] == Sock.BACKLOG and s.hand == Hand.READY and s.fast and up(s) and not room(s),
            _turn_away),
    Command("full", ONE, "listener", "listener", "sees that there is no room",
            lambda s, _, __: (s.hand == Hand.READY and s.accepting and not s.fast and up(s) and not room(s)
                              and Sock.BACKLOG in s.socks),
            lambda s, _, __: s._replace(hand=Hand.FULL)),
    Command("pause", ONE, "listener", "listener", "stops accepting",
            lambda s, _, __: s.hand == Hand.FULL,
            lambda s, _, __: s._replace(hand=Hand.READY, accepting=False)),
    Command("resume", ONE, "listener", "listener", "finds room and accepts again",
            lambda s, _, __: s.hand == Hand.READY and not s.accepting and up(s) and room(s),
            lambda s, _, __: s._replace(accepting=True)),
    Command("push", WORKER, "listener", "worker {0}", "puts the connection on its queue",
            lambda s, _, __: s.hand == Hand.HOLDS,
            _push),
    Command("notify", WORKER, "listener", "worker {0}", "writes a byte to its pipe",
            lambda s, w, _: s.hand == Hand.TELLS and s.told == w,
            _notify),
    Command("close-socket", ONE, "listener", "listener", "closes the listening socket",
            lambda s, _, __: s.stage == Stage.DRAINS and s.hand == Hand.READY and s.listening,
            _close_socket),
    Command("wake", WORKER, "worker {0}", "worker {0}", "reads a byte of its pipe",
            lambda s, w, _: s.loops[w] == Loop.EVENTS and s.pipes[w] > 0,
            _wake),
    Command("take", WORKER, "worker {0}", "worker {0}", "takes a connection off its queue",
            lambda s, w, _: s.loops[w] == Loop.WOKEN and s.queues[w] != (),
            _take),
    # No run of this table comes here (law.dispatch.byte-means-work): a worker that was woken in vain sleeps again.
    Command("in-vain", WORKER, "worker {0}", "worker {0}", "finds its queue empty",
            lambda s, w, _: s.loops[w] == Loop.WOKEN and s.queues[w] == (),
            lambda s, w, _: s._replace(loops=put(s.loops, w, Loop.EVENTS))),
    Command("answer", OWN, "worker {1}", "client {0}", "answers",
            lambda s, c, w: s.stage != Stage.DRAINS and s.peers[c] == Peer.SENT and serves(s, c, w),
            lambda s, c, _: s._replace(peers=put(s.peers, c, Peer.ANSWERED))),
    # One step: a server that answered first and closed later would never come to its end if the client went on asking.
    Command("last-answer", OWN, "worker {1}", "client {0}", "answers and closes: the server is stopping",
            lambda s, c, w: s.stage == Stage.DRAINS and s.peers[c] == Peer.SENT and serves(s, c, w),
            _close),
    Command("close", OWN, "worker {1}", "client {0}", "closes",
            lambda s, c, w: s.peers[c] in (Peer.ANSWERED, Peer.GONE) and serves(s, c, w),
            _close),
    Command("dismiss", OWN, "worker {1}", "client {0}", "closes: the server is stopping",
            lambda s, c, w: s.stage == Stage.DRAINS and s.peers[c] in (Peer.SILENT, Peer.MUTE) and serves(s, c, w),
            _close),
    Command("exit", WORKER, "worker {0}", "server", "ends",
            lambda s, w, _: s.stage == Stage.DRAINS and not s.listening and s.loops[w] == Loop.EVENTS and idle(s, w),
            lambda s, w, _: s._replace(loops=put(s.loops, w, Loop.EXITED))),
)
# fmt: on


def build(bounds: Bounds, table: tuple[Command, ...] = TABLE) -> System:
    """Everything that the table lets happen at those bounds, from before the server is started."""
    clients, workers, limits = bounds
    ranges = {"one": range(1), "choice": range(2), "client": range(clients), "worker": range(workers)}
    commands = [
        (_move(row, i, j), row.guard, row.effect, i, j)
        for row in table
        for i in ranges[row.over[0]]
        for j in ranges[row.over[1]]
    ]

    def moves(s: State) -> list[tuple[Move, State]]:
        return [(move, effect(s, i, j)) for move, guard, effect, i, j in commands if guard(s, i, j)]

    return System(tuple(State.start(clients, workers, limit) for limit in limits), moves)


def _move(row: Command, i: int, j: int) -> Move:
    wire: tuple[Any, ...] = WIRE.get(row.name, ())
    source, target, text = (words.format(i, j) for words in (row.source, row.target, row.text))
    return Move(source, target, text, wire and (wire[0], i, *wire[1:]))
