"""Threads that serve connections (``-t``): each has a loop, and takes what its queue holds when its pipe wakes it.

The cache is one, and Python may switch threads between any two steps: whoever touches it holds one lock, for a whole
batch of input. Sockets are read and written outside of it.
"""

import asyncio
import contextlib
import ssl
import sys
import threading
from collections.abc import Callable

import uvloop

from mcserver.engine import Engine
from mcserver.handover import Arrival, EngineLock, Handover, Mailbox
from mcserver.loop import Client, Home

#: Seconds granted at shutdown to clients that have not read their replies yet.
SHUTDOWN_SECONDS = 0.5
#: Seconds a TLS client has for its handshake, and for its goodbye.
HANDSHAKE_SECONDS = 10.0
#: Seconds granted at shutdown to connections that were just taken, and to handshakes.
ADOPT_SECONDS = 0.1
GOODBYE_SECONDS = 1.0
#: tuning: Bytes of log lines on their way to a watcher in another thread.
_PUSH_MAX = 64 * 1024


class SharedClient(Client):
    """A client of a server with several threads: it touches what they share under their lock only."""

    __slots__ = ("_lock", "_pushed", "_thread")

    def __init__(self, home: Home, listener: str, accepted: int, lock: EngineLock) -> None:
        """As `Client`; `lock` is that of the engine."""
        self._lock = lock
        self._thread = threading.get_ident()
        self._pushed = 0
        with lock:
            super().__init__(home, listener, accepted)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `Client`."""
        with self._lock:
            super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """See `Client`."""
        with self._lock:
            super().data_received(data)

    def eof_received(self) -> bool:
        """See `Client`."""
        with self._lock:
            return super().eof_received()

    def resume_writing(self) -> None:
        """See `Client`."""
        with self._lock:
            super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """See `Client`."""
        with self._lock:
            super().connection_lost(exc)

    def close(self) -> None:
        """See `Client`."""
        with self._lock:
            super().close()

    def drain(self) -> None:
        """See `Client`."""
        with self._lock:
            super().drain()

    def _go_on(self) -> None:
        with self._lock:
            super()._go_on()

    def _push(self, data: bytes) -> bool:
        if threading.get_ident() == self._thread:
            return super()._push(data)
        if self._unread or self._transport.is_closing() or self._pushed + len(data) > _PUSH_MAX:
            return False
        self._pushed += len(data)
        with contextlib.suppress(RuntimeError):  # its loop has ended in the meantime
            self._loop.call_soon_threadsafe(self._deliver, data)
            return True
        return False

    def _deliver(self, data: bytes) -> None:
        with self._lock:
            self._pushed -= len(data)
            super()._push(data)


class Residents(Home):
    """The clients of one thread, the connections that are still shaking hands included."""

    __slots__ = ("_lock", "_tasks")

    def __init__(
        self,
        engine: Engine,
        loop: asyncio.AbstractEventLoop,
        number: int,
        left: Callable[[int, int], None],
        lock: EngineLock | None,
    ) -> None:
        """As `Home`; `lock` is that of the engine, None when there is one thread."""
        super().__init__(engine, loop, number, left)
        self._lock = lock
        self._tasks: set[asyncio.Task[None]] = set()

    def adopt(self, arrival: Arrival) -> None:
        """Serve an accepted connection from now on."""
        task = self.loop.create_task(self._adopt(arrival))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _adopt(self, arrival: Arrival) -> None:
        if self._lock is None:
            client = Client(self, arrival.listener, arrival.accepted)
        else:
            client = SharedClient(self, arrival.listener, arrival.accepted, self._lock)
        limits: dict[str, float] = {}
        if arrival.tls is not None:
            limits = {"ssl_handshake_timeout": HANDSHAKE_SECONDS, "ssl_shutdown_timeout": GOODBYE_SECONDS}
        try:
            await self.loop.connect_accepted_socket(lambda: client, arrival.sock, ssl=arrival.tls, **limits)
        except (OSError, asyncio.CancelledError) as error:  # not of one mind about TLS, too slow, or gone
            arrival.sock.close()
            client.leave()
            with self._lock or contextlib.nullcontext():
                self.engine.stats.ssl_handshake_errors += isinstance(error, ssl.SSLError)
            if self.engine.verbosity > 1:
                print(f"mcserver: no connection on {arrival.listener}: {error}", file=sys.stderr)

    async def drain(self) -> None:
        """Answer what is owed, close every connection, and wait until that is done or has taken too long."""
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=ADOPT_SECONDS)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late)
        for client in list(self.clients):
            client.drain()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SHUTDOWN_SECONDS):
                for client in list(self.clients):
                    await client.gone.wait()
        for client in list(self.clients):
            client.abandon()
            await client.gone.wait()


class Worker:
    """A thread that serves connections."""

    def __init__(self, engine: Engine, lock: EngineLock, handover: Handover, number: int) -> None:
        """Make the thread `number`, counted from 0, with an empty queue."""
        self._engine = engine
        self._lock = lock
        self._handover = handover
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"worker-{number}")
        self._done: asyncio.Event
        self.box = Mailbox(number)
        #: Its clients, once it runs.
        self.home: Residents

    def start(self) -> None:
        """Start the thread; returns when it takes connections."""
        self._thread.start()
        self._ready.wait()

    def join(self) -> None:
        """Wait until the thread has ended."""
        self._thread.join()
        self.box.close()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        self._done = asyncio.Event()
        self.home = Residents(self._engine, loop, self.box.number, self._handover.close, self._lock)
        loop.add_reader(self.box.read_end, self._woken)
        self._ready.set()
        await self._done.wait()
        loop.remove_reader(self.box.read_end)
        await self.home.drain()
        self._handover.exit(self.box.number)

    def _woken(self) -> None:
        self._handover.wake(self.box)
        while (arrival := self._handover.pop(self.box)) is not None:
            self.home.adopt(arrival)
        if self._handover.draining:
            self._done.set()
