"""The hand-over of accepted connections to the threads that serve them.

Every step is taken under one lock and written down before it is released, so that a record's order is the order of
what happened.
"""

import contextlib
import json
import os
import socket
import ssl
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from mcserver.engine import Engine

#: Held by whoever touches the engine, where there are several threads; may be taken again by who has it.
EngineLock = contextlib.AbstractContextManager[bool]

#: tuning: Bytes read from a notify pipe at a time.
_PIPE_READ = 4096


class Arrival(NamedTuple):
    """An accepted connection on its way to the thread that will serve it."""

    sock: socket.socket
    #: The listening socket as ``stats conns`` shows it.
    listener: str
    #: Its number: connections are counted from 1 as they are accepted, refused ones too.
    accepted: int
    #: How to speak TLS with it; None to speak plainly.
    tls: ssl.SSLContext | None


class Trace:
    """The record that ``-o trace_dispatch=FILE`` asks for, a JSON object a line, in the order in which things happened.

    ``event`` says what, ``conn`` which connection (from 1, in order of acceptance), ``worker`` which thread (from 0).

    ======================  ====================================================================================
    ``accept``              the listener took `conn` from the system, and it counts as a connection
    ``reject``              the listener took `conn`, but ``-c`` are there: it is told so, closed, and never counted
    ``stop-accepting``      a client waits, but ``-c`` are there (``-o no_maxconns_fast``) or the system has no more
                            files: the listener takes no more
    ``resume-accepting``    it takes them again
    ``push``                `conn` was put at the end of the queue of `worker`
    ``notify``              the listener wrote a byte into the pipe of `worker`
    ``wake``                `worker` emptied its pipe, of ``bytes`` bytes
    ``pop``                 `worker` took `conn` from the head of its queue and serves it from now on
    ``close``               `conn`, served by `worker`, is closed and no longer counts
    ``drain``               the server is going to stop: its listening sockets are closed. Each thread gets a notify,
                            takes what its queue holds, answers what is owed and closes its connections
    ``exit``                `worker` has no connections left and ends
    ======================  ====================================================================================

    With one thread nothing is handed over: ``accept`` names worker 0, and there is no push, notify, wake or pop.
    """

    def __init__(self, path: str | None) -> None:
        """Write to the file `path`, emptied first; None writes nothing. Raises OSError."""
        # Open for as long as the server runs.
        self._file = None if path is None else Path(path).open("w", encoding="ascii", buffering=1)  # noqa: SIM115

    def note(self, event: str, **numbers: int) -> None:
        """Write one event down; the file holds it when this returns."""
        if self._file is not None:
            self._file.write(json.dumps({"event": event, **numbers}) + "\n")

    def close(self) -> None:
        """Nothing more will happen."""
        if self._file is not None:
            self._file.close()


class Mailbox:
    """The queue of connections for one thread, and the pipe that wakes it."""

    __slots__ = ("number", "queue", "read_end", "write_end")

    def __init__(self, number: int) -> None:
        """Make an empty one for the thread `number`, counted from 0."""
        self.number = number
        self.queue: deque[Arrival] = deque()
        self.read_end, self.write_end = os.pipe()
        for end in (self.read_end, self.write_end):
            os.set_blocking(end, False)

    def close(self) -> None:
        """Close the pipe."""
        os.close(self.read_end)
        os.close(self.write_end)


class Handover:
    """The steps of the hand-over. Every method may be called from every thread.

    Who needs both locks takes the engine's first.
    """

    def __init__(self, engine: Engine, lock: EngineLock, trace: Trace) -> None:
        """Begin to accept for `engine`, which is touched only under `lock`."""
        self._engine = engine
        self._lock = lock
        self._trace = trace
        self._guard = threading.Lock()
        self._seen = 0
        #: Whether the listening sockets are looked at.
        self.accepting = True
        #: Whether the server is going to stop.
        self.draining = False
        #: Called when a connection has closed while none were accepted.
        self.on_room: Callable[[], object] | None = None

    @property
    def full(self) -> bool:
        """Whether as many connections are open as ``-c`` allows."""
        return self._engine.connection_count >= self._engine.settings.max_connections

    def accept(self, *, served_by: int | None) -> tuple[int, bool]:
        """Number a connection just taken from the system, and say whether it is admitted."""
        with self._lock, self._guard:
            self._seen += 1
            admitted = self._engine.admit()
            if not admitted:
                self._trace.note("reject", conn=self._seen)
            elif served_by is None:
                self._trace.note("accept", conn=self._seen)
            else:
                self._trace.note("accept", conn=self._seen, worker=served_by)
            return self._seen, admitted

    def stop(self, *, exhausted: bool = False) -> bool:
        """Accept no more for now: all connections are taken, or else the system's files (`exhausted`).

        Does nothing and answers False if a connection has closed in the meantime: nobody would tell us of it later.
        """
        with self._lock, self._guard:
            if not exhausted and not self.full:
                return False
            self.accepting = False
            self._engine.stop_accepting()
            self._trace.note("stop-accepting")
            return True

    def resume(self) -> None:
        """Accept again."""
        with self._lock, self._guard:
            self.accepting = True
            self._engine.resume_accepting()
            self._trace.note("resume-accepting")

    def push(self, box: Mailbox, arrival: Arrival) -> None:
        """Put `arrival` into the queue of a thread."""
        with self._guard:
            box.queue.append(arrival)
            self._trace.note("push", conn=arrival.accepted, worker=box.number)

    def notify(self, box: Mailbox) -> None:
        """Wake the thread. Where the pipe is full it has not slept since, and needs no further byte."""
        with self._guard, contextlib.suppress(BlockingIOError):
            os.write(box.write_end, b"c")
            self._trace.note("notify", worker=box.number)

    def wake(self, box: Mailbox) -> None:
        """Empty the pipe of the thread that calls this."""
        with self._guard, contextlib.suppress(BlockingIOError):
            size = len(os.read(box.read_end, _PIPE_READ))
            self._trace.note("wake", worker=box.number, bytes=size)

    def pop(self, box: Mailbox) -> Arrival | None:
        """Take the first connection from the queue of the thread that calls this; None when it is empty."""
        with self._guard:
            if not box.queue:
                return None
            arrival = box.queue.popleft()
            self._trace.note("pop", conn=arrival.accepted, worker=box.number)
            return arrival

    def close(self, worker: int, accepted: int) -> None:
        """Count the connection with the number `accepted` out."""
        with self._lock, self._guard:
            self._engine.dismiss()
            self._trace.note("close", conn=accepted, worker=worker)
            waiting = not self.accepting
        if waiting and self.on_room is not None:
            self.on_room()

    def drain(self) -> None:
        """Say that the listening sockets are closed and everything is to end."""
        with self._guard:
            self.draining = True
            self._trace.note("drain")

    def exit(self, worker: int) -> None:
        """Say that the thread `worker` has nothing left to do."""
        with self._guard:
            self._trace.note("exit", worker=worker)
