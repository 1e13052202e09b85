"""The hand-over of connections to worker threads: who owns what, and that nothing is lost on the way or left behind.

The table of guarded commands is `mcspec.dispatch`; here are the laws, and tables with a bug in them. The state is
finite because every client connects once; nothing else is bounded. What the laws of kind AGAIN say (a good state can
always be reached) holds without any assumption of fairness; that it *is* reached if every thread keeps running is the
part of the Promela twin, `mcspec/promela/dispatch.pml`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mcspec.dispatch import (
    NOBODY,
    TABLE,
    Bounds,
    Command,
    Hand,
    Loop,
    Peer,
    Sock,
    Stage,
    State,
    build,
    idle,
    put,
    room,
    serves,
    up,
)
from mcspec.explore import Kind, Law, Move
from mcspec.models import Model, Plant

Table = tuple[Command, ...]


def _one_owner(s: State) -> bool:
    places = [s.held] if s.held != NOBODY else []
    for queue in s.queues:
        places += queue
    for own in s.owned:
        if own:
            places += [c for c in range(len(s.socks)) if own >> c & 1]
    return sorted(places) == [c for c, sock in enumerate(s.socks) if sock == Sock.OPEN]


def _counted(s: State) -> bool:
    return s.open == s.socks.count(Sock.OPEN)


def _within_limit(s: State) -> bool:
    return s.socks.count(Sock.OPEN) <= s.limit


def _byte_means_work(s: State) -> bool:
    """Bytes read and unread are never more than what they were written for."""
    for queue, pipe, loop in zip(s.queues, s.pipes, s.loops, strict=True):
        if len(queue) < pipe + (loop == Loop.WOKEN):
            return False
    return True


def _work_means_byte(s: State) -> bool:
    for w, (queue, pipe, loop) in enumerate(zip(s.queues, s.pipes, s.loops, strict=True)):
        coming = pipe + (loop == Loop.WOKEN) + (s.hand == Hand.TELLS and s.told == w)
        if len(queue) > coming:
            return False
    return True


def _drained(s: State) -> bool:
    """After the server has stopped, nothing of it is left."""
    if s.stage != Stage.STOPPED:
        return True
    return not (s.listening or s.open or any(s.queues) or any(s.pipes) or any(s.owned)) and _ended(s)


def _ended(s: State) -> bool:
    """No connection is open or waits to be accepted."""
    return Sock.OPEN not in s.socks and Sock.BACKLOG not in s.socks


def _no_exit_with_work(s: State) -> bool:
    if Loop.EXITED not in s.loops:
        return True
    return all(idle(s, w) for w, loop in enumerate(s.loops) if loop == Loop.EXITED)


def _accepts_while_up(before: State, _: Move, after: State) -> bool:
    if after.socks is before.socks:
        return True
    return up(before) or after.socks.count(Sock.OPEN) <= before.socks.count(Sock.OPEN)


def _refuses_for_a_reason(before: State, _: Move, after: State) -> bool:
    if after.socks is before.socks or after.socks.count(Sock.REFUSED) == before.socks.count(Sock.REFUSED):
        return True
    return not after.listening or (before.fast and not room(before))


def _closed_is_final(before: State, _: Move, after: State) -> bool:
    if after.socks is before.socks:
        return True
    ends = (Sock.CLOSED, Sock.REFUSED)
    return all(new == old for old, new in zip(before.socks, after.socks, strict=True) if old in ends)


def _request_is_answered(before: State, move: Move, after: State) -> bool:
    if after.socks is before.socks or move.text.startswith("answers"):
        return True
    ends = zip(before.peers, before.socks, after.socks, strict=True)
    return not any(peer == Peer.SENT and old == Sock.OPEN and new != Sock.OPEN for peer, old, new in ends)


def _stopped_is_final(before: State, move: Move, _: State) -> bool:
    return before.stage != Stage.STOPPED or move.source.startswith("client")


def _rests_when_done(s: State) -> bool:
    done = s.hand == Hand.READY and not any(s.queues) and not any(s.pipes)
    return done and _ended(s) and s.stage in (Stage.STAYS, Stage.STOPPED) and (s.accepting or not s.listening)


def _handed_over(s: State) -> bool:
    return s.held == NOBODY and not any(s.queues)


def _stopped_or_stays(s: State) -> bool:
    return s.stage in (Stage.STAYS, Stage.STOPPED)


def _accepts(s: State) -> bool:
    return s.accepting or s.stage != Stage.STAYS


def _law(name: str, kind: Kind, text: str, holds: Callable[..., bool]) -> Law:
    return Law(f"law.dispatch.{name}", kind, text, holds)


LAWS = (
    _law(
        "one-owner",
        Kind.STATE,
        "An open connection is in exactly one place: in the listener's hand, on one queue once, or with one worker.",
        _one_owner,
    ),
    _law("counted", Kind.STATE, "The count of open connections is the number of open connections.", _counted),
    _law("limit", Kind.STATE, "There are never more open connections than the limit.", _within_limit),
    _law(
        "byte-means-work",
        Kind.STATE,
        "A worker that has read a byte of its pipe finds a connection on its queue.",
        _byte_means_work,
    ),
    _law(
        "work-means-byte",
        Kind.STATE,
        "For every connection on a worker's queue there is a byte in its pipe, or the listener is about to write it, "
        "or the worker has just read it.",
        _work_means_byte,
    ),
    _law("drained", Kind.STATE, "When the server has stopped, nothing is open, queued or unread.", _drained),
    _law(
        "exit-empty",
        Kind.STATE,
        "A worker that has ended has no connection, none on its queue and no byte in its pipe.",
        _no_exit_with_work,
    ),
    _law("accepts-while-up", Kind.MOVE, "Nothing is accepted once the server was asked to stop.", _accepts_while_up),
    _law(
        "refuses-for-a-reason",
        Kind.MOVE,
        "A client is refused only if nobody listens any more, or with maxconns_fast at the limit.",
        _refuses_for_a_reason,
    ),
    _law("closed-is-final", Kind.MOVE, "A connection that was closed or refused stays so.", _closed_is_final),
    _law(
        "request-is-answered",
        Kind.MOVE,
        "A connection whose client waits for an answer is not closed without one, also when the server stops.",
        _request_is_answered,
    ),
    _law("stopped-is-final", Kind.MOVE, "A server that has stopped does nothing.", _stopped_is_final),
    _law(
        "rests-when-done",
        Kind.REST,
        "Nothing can happen any more only where every connection has ended, every thread waits with nothing to do, "
        "and the server has stopped or accepts.",
        _rests_when_done,
    ),
    _law(
        "handed-over",
        Kind.AGAIN,
        "From everywhere, a state can be reached in which every accepted connection has reached its worker.",
        _handed_over,
    ),
    _law("ends", Kind.AGAIN, "From everywhere, a state can be reached in which no connection is open.", _ended),
    _law("resumes", Kind.AGAIN, "A server that stays can always come to accept again.", _accepts),
    _law("stops", Kind.AGAIN, "A server that may be stopped can always come to its end.", _stopped_or_stays),
)


def _alter(name: str, **parts: Any) -> Callable[[Table], Table]:
    """The table with a guard or an effect, or both, of one row replaced."""

    def alter(table: Table) -> Table:
        return tuple(row._replace(**parts) if row.name == name else row for row in table)

    return alter


def _without(name: str) -> Callable[[Table], Table]:
    return lambda table: tuple(row for row in table if row.name != name)


ROWS = {row.name: row for row in TABLE}


def _guarded(name: str, *, also: Callable[..., bool]) -> Callable[[Table], Table]:
    """A row whose guard asks for more than it should."""
    guard = ROWS[name].guard
    return _alter(name, guard=lambda s, i, j: guard(s, i, j) and also(s, i, j))


def _followed(name: str, then: Callable[[State, int, int], State]) -> Callable[[Table], Table]:
    """A row whose effect does something more."""
    effect = ROWS[name].effect
    return _alter(name, effect=lambda s, i, j: then(effect(s, i, j), i, j))


def _in_backlog(s: State, c: int) -> bool:
    return s.hand == Hand.READY and s.socks[c] == Sock.BACKLOG


def _may_accept(s: State, c: int, limit: int) -> bool:
    return _in_backlog(s, c) and s.accepting and up(s) and s.open < limit


def _notify_first(table: Table) -> Table:
    """The listener chooses the worker, writes the byte, and puts the connection on the queue afterwards."""
    notify = _alter(
        "notify",
        guard=lambda s, _, __: s.hand == Hand.HOLDS,
        effect=lambda s, w, _: s._replace(hand=Hand.TELLS, told=w, pipes=put(s.pipes, w, s.pipes[w] + 1)),
    )
    return notify(_alter("push", guard=lambda s, w, _: s.hand == Hand.TELLS and s.told == w, effect=_push_last)(table))


def _push_last(s: State, w: int, _: int) -> State:
    return s._replace(hand=Hand.READY, held=NOBODY, told=NOBODY, queues=put(s.queues, w, (*s.queues[w], s.held)))


def _push_on_all(s: State, w: int, _: int) -> State:
    return s._replace(hand=Hand.TELLS, held=NOBODY, told=w, queues=tuple((*queue, s.held) for queue in s.queues))


def _push_twice(s: State, w: int, _: int) -> State:
    return s._replace(queues=put(s.queues, w, (*s.queues[w], s.queues[w][-1])))


def _one_byte_is_enough(s: State, w: int, _: int) -> State:
    return s._replace(hand=Hand.READY, told=NOBODY, pipes=put(s.pipes, w, 1))


def _empty_the_pipe(s: State, w: int, _: int) -> State:
    return s._replace(pipes=put(s.pipes, w, 0), loops=put(s.loops, w, Loop.WOKEN))


def _take_and_leave(s: State, w: int, _: int) -> State:
    return s._replace(owned=put(s.owned, w, s.owned[w] | 1 << s.queues[w][0]), loops=put(s.loops, w, Loop.EVENTS))


def _reset_all(s: State, _: int, __: int) -> State:
    """Who stops resets everything that ever came in, whether it is closed already or not."""
    socks = tuple(sock and Sock.REFUSED for sock in s.socks)
    return s._replace(listening=False, accepting=False, socks=socks, peers=(Peer.GONE,) * len(s.peers))


def _resume_at_close(table: Table) -> Table:
    """Who closes a connection lets the listener accept again, and no timer looks a second time."""
    return _followed("close", lambda s, _, __: s._replace(accepting=s.listening))(_without("resume")(table))


def _plant(name: str, law: str, alter: Callable[[Table], Table]) -> Plant:
    return Plant(name, f"law.dispatch.{law}", alter)


PLANTS = (
    _plant("push-on-all-queues", "one-owner", _alter("push", effect=_push_on_all)),
    _plant("push-twice", "one-owner", _followed("push", _push_twice)),
    _plant("take-and-leave-it-queued", "one-owner", _alter("take", effect=_take_and_leave)),
    _plant(
        "stopping-forgets-the-queues",
        "one-owner",
        _followed("close-socket", lambda s, _, __: s._replace(queues=((),) * len(s.queues))),
    ),
    _plant("close-is-not-counted", "counted", _followed("close", lambda s, _, __: s._replace(open=s.open + 1))),
    _plant("turn-away-is-counted", "counted", _followed("turn-away", lambda s, _, __: s._replace(open=s.open + 1))),
    _plant(
        "limit-off-by-one", "limit", _alter("accept", guard=lambda s, c, _: up(s) and _may_accept(s, c, s.limit + 1))
    ),
    _plant("no-limit", "limit", _alter("accept", guard=lambda s, c, _: _may_accept(s, c, len(s.peers)))),
    _plant("notify-before-push", "byte-means-work", _notify_first),
    _plant("one-byte-is-enough", "work-means-byte", _alter("notify", effect=_one_byte_is_enough)),
    _plant("wake-empties-the-pipe", "handed-over", _alter("wake", effect=_empty_the_pipe)),
    _plant(
        "one-worker-is-enough-to-stop",
        "drained",
        _alter("stopped", guard=lambda s, _, __: s.stage == Stage.DRAINS and Loop.EXITED in s.loops),
    ),
    _plant(
        "backlog-is-not-reset",
        "drained",
        _alter("close-socket", effect=lambda s, _, __: s._replace(listening=False, accepting=False)),
    ),
    _plant(
        "exit-with-a-queue",
        "exit-empty",
        _alter("exit", guard=lambda s, w, _: s.stage == Stage.DRAINS and not s.listening and not s.owned[w]),
    ),
    _plant(
        "stop-with-a-connection-in-hand",
        "exit-empty",
        _alter("close-socket", guard=lambda s, _, __: s.stage == Stage.DRAINS and s.listening),
    ),
    _plant(
        "accept-while-stopping",
        "accepts-while-up",
        _alter("accept", guard=lambda s, c, _: s.accepting and room(s) and _in_backlog(s, c)),
    ),
    _plant(
        "turn-away-too-early",
        "refuses-for-a-reason",
        _alter(
            "turn-away",
            guard=lambda s, c, _: s.fast and up(s) and s.open >= s.limit - 1 and _may_accept(s, c, s.limit + 1),
        ),
    ),
    _plant("reset-what-is-closed", "closed-is-final", _alter("close-socket", effect=_reset_all)),
    _plant(
        "stopping-drops-requests",
        "request-is-answered",
        _alter("dismiss", guard=lambda s, c, w: s.stage == Stage.DRAINS and serves(s, c, w)),
    ),
    _plant(
        "resume-after-the-end",
        "stopped-is-final",
        _alter("resume", guard=lambda s, _, __: s.hand == Hand.READY and not s.accepting and room(s)),
    ),
    _plant("paused-listener-is-deaf", "rests-when-done", _guarded("close-socket", also=lambda s, _, __: s.accepting)),
    _plant("leaving-goes-unseen", "ends", _guarded("close", also=lambda s, c, _: s.peers[c] == Peer.ANSWERED)),
    _plant("never-resumes", "resumes", _without("resume")),
    _plant("resume-at-close-only", "resumes", _resume_at_close),
    _plant("stopping-waits-for-the-silent", "stops", _guarded("dismiss", also=lambda s, c, _: s.peers[c] != Peer.MUTE)),
)


def show(s: State) -> str:
    """A state in a few words: what the listener, each worker and each client is at."""
    stages = ("not started", "runs for ever", "runs", "drains", "stopped")
    hands = ("ready", f"holds {s.held}", f"is about to tell worker {s.told}", "has seen that it is full")
    loops = ("waits", "woken", "ended")
    peers = ("away", "silent", "mute", "sent", "answered", "gone")
    socks = ("-", "backlog", "open", "closed", "refused")
    mode = ("accepts" if s.accepting else "paused") if s.listening else "deaf"
    workers = (
        f"worker {w} {loops[s.loops[w]]}, queue {list(s.queues[w])}, {s.pipes[w]} bytes,"
        f" owns {[c for c in range(len(s.peers)) if s.owned[w] >> c & 1]}"
        for w in range(len(s.loops))
    )
    clients = (f"client {c} {peers[s.peers[c]]}/{socks[s.socks[c]]}" for c in range(len(s.peers)))
    server = f"server {stages[s.stage]}{', maxconns_fast' * s.fast}, {s.open} of {s.limit} open"
    return "; ".join((server, f"listener {mode}, {hands[s.hand]}", *workers, *clients))


MODEL = Model(
    name="dispatch",
    summary="a listener hands connections to worker threads: queue, notify pipe, connection limit, drain",
    design=TABLE,
    bounds={"small": Bounds(2, 2, (1, 2)), "standard": Bounds(3, 2, (1, 2)), "large": Bounds(4, 2, (1, 2))},
    build=build,
    laws=LAWS,
    plants=PLANTS,
    show=show,
)
