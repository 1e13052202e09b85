"""The life of the process: accept connections, hand them to the threads that serve them, stop on SIGINT or SIGTERM."""

import asyncio
import contextlib
import errno
import functools
import os
import select
import signal
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable

from mcserver import allocator, replies
from mcserver.engine import Engine
from mcserver.handover import Arrival, EngineLock, Handover, Trace
from mcserver.listeners import Listening
from mcserver.loop import Refused
from mcserver.pressure import Pressure, resident
from mcserver.tls import Certificates
from mcserver.udp import Endpoint
from mcserver.workers import Residents, Worker

#: tuning: So many of the least recently used items are looked at every second, to drop those that have expired.
RECLAIM_STEP = 1000
#: tuning: Connections accepted before others have their turn.
_ACCEPT_STEP = 64
#: tuning: Clients too many that are given time to read so; further ones are closed at once.
_REFUSED_MAX = 32
#: Seconds until accepting is tried again after the system had no more files.
_RETRY_SECONDS = 0.01
#: The system says so when there are no more files, or no memory for a connection.
_EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


def steady_clock() -> Callable[[], float]:
    """Make a clock of Unix time that later changes of the system's clock do not move."""
    monotonic = time.monotonic
    offset = time.time() - monotonic()
    return lambda: offset + monotonic()


class Listener:
    """Accepts connections and hands them over, in turn: to `workers`, or to `home` when there are none."""

    def __init__(
        self,
        engine: Engine,
        loop: asyncio.AbstractEventLoop,
        handover: Handover,
        home: Residents,
        workers: list[Worker],
    ) -> None:
        """Begin without sockets."""
        self._engine = engine
        self._loop = loop
        self._handover = handover
        self._home = home
        self._workers = workers
        self._next = 0
        self._refused: set[asyncio.Task[object]] = set()
        self._open: list[tuple[Listening, ssl.SSLContext | None]] = []
        handover.on_room = lambda: loop.call_soon_threadsafe(self._resume)

    def listen(self, listening: Listening, tls: ssl.SSLContext | None) -> None:
        """Accept from a socket."""
        self._open.append((listening, tls))
        self._loop.add_reader(listening.sock, self._accept, listening, tls)

    def close(self) -> None:
        """Accept no more, for ever."""
        for listening, _ in self._open:
            self._loop.remove_reader(listening.sock)
            listening.sock.close()
        self._open.clear()

    def _accept(self, listening: Listening, tls: ssl.SSLContext | None) -> None:
        handover = self._handover
        for _ in range(_ACCEPT_STEP):
            if handover.full and not self._engine.settings.maxconns_fast:
                self._wait_for_room(listening)
                return
            try:
                sock, _ = listening.sock.accept()
            except (BlockingIOError, ConnectionError):
                return
            except OSError as error:
                if error.errno in _EXHAUSTED:
                    self._stop(exhausted=True)
                    self._loop.call_later(_RETRY_SECONDS, self._resume)
                return
            sock.setblocking(False)
            accepted, admitted = handover.accept(served_by=None if self._workers else 0)
            if not admitted:
                self._refuse(sock)
                continue
            arrival = Arrival(sock, listening.name, accepted, tls)
            if not self._workers:
                self._home.adopt(arrival)
                continue
            box = self._workers[self._next].box
            self._next = (self._next + 1) % len(self._workers)
            handover.push(box, arrival)
            handover.notify(box)

    def _refuse(self, sock: socket.socket) -> None:
        if len(self._refused) >= _REFUSED_MAX:
            with contextlib.suppress(OSError):
                sock.send(replies.TOO_MANY_CONNECTIONS)
            sock.close()
            return
        task = self._loop.create_task(self._say_goodbye(sock))
        self._refused.add(task)
        task.add_done_callback(self._refused.discard)

    async def _say_goodbye(self, sock: socket.socket) -> None:
        with contextlib.suppress(OSError):
            _, refused = await self._loop.connect_accepted_socket(lambda: Refused(self._loop), sock)
            await refused.gone.wait()

    def _wait_for_room(self, listening: Listening) -> None:
        """Stop, if a client does wait: what made the socket readable may have been accepted in this very step."""
        if self._handover.accepting and _waits(listening.sock):
            self._stop()

    def _stop(self, *, exhausted: bool = False) -> None:
        if not self._handover.accepting or not self._handover.stop(exhausted=exhausted):
            return
        for listening, _ in self._open:
            self._loop.remove_reader(listening.sock)
            listening.sock.listen(0)  # those who come now wait in their connect

    def _resume(self) -> None:
        if self._handover.accepting or not self._open or self._handover.full:
            return
        self._handover.resume()
        for listening, tls in self._open:
            listening.sock.listen(self._engine.settings.backlog)
            self._loop.add_reader(listening.sock, self._accept, listening, tls)


def _waits(sock: socket.socket) -> bool:
    """Whether a client waits to be accepted."""
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))


class Ticks:
    """The seconds: the engine's time moves at the turn of each, as a timer costs less than a clock read per request."""

    def __init__(
        self,
        engine: Engine,
        loop: asyncio.AbstractEventLoop,
        lock: EngineLock,
        homes: Callable[[], list[Residents]],
    ) -> None:
        """Tick for `engine`, under `lock`; `homes` gives all who have clients."""
        self._engine = engine
        self._loop = loop
        self._lock = lock
        self._homes = homes

    def tick(self) -> None:
        """Take the time, and again at the next second."""
        engine = self._engine
        with self._lock:
            engine.tick()
            if engine.runtime.crawler:
                engine.cache.reclaim(RECLAIM_STEP)
            limit = engine.settings.idle_timeout
            if limit:
                self._disconnect(limit)
        self._loop.call_later(1.0 - engine.clock() % 1.0, self.tick)

    def _disconnect(self, limit: int) -> None:
        for home in self._homes():
            for client in [client for client in home.clients if client.idle > limit]:
                self._engine.stats.idle_kicks += 1
                home.loop.call_soon_threadsafe(client.close)


async def serve(engine: Engine, sockets: list[Listening], certificates: Certificates | None, trace: Trace) -> None:
    """Serve on `sockets` until SIGINT or SIGTERM, then close everything and remove the Unix socket's file.

    SIGHUP reads the users' file and the certificates again.
    """
    loop = asyncio.get_running_loop()
    settings = engine.settings
    allocator.prepare()
    lock = threading.RLock()
    handover = Handover(engine, lock, trace)

    def later(work: Callable[[], object]) -> object:
        def locked() -> None:
            with lock:
                work()

        return loop.call_soon_threadsafe(locked)

    engine.cache.on_turnover = Pressure(engine.cache, later, resident).turned_over
    count = settings.threads if settings.threads > 1 else 0
    workers = [Worker(engine, lock, handover, number) for number in range(count)]
    home = Residents(engine, loop, 0, handover.close, None)
    for worker in workers:
        worker.start()
    Ticks(engine, loop, lock, lambda: [home, *(worker.home for worker in workers)]).tick()
    stop = asyncio.Event()

    def shut_down() -> None:
        loop.call_soon_threadsafe(stop.set)

    engine.on_shutdown = shut_down
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGHUP, _reload, engine)
    if certificates is not None:
        engine.on_refresh = functools.partial(_refresh, engine, certificates)
    listener = Listener(engine, loop, handover, home, workers)
    endpoints: list[Endpoint] = []
    for listening in sockets:
        engine.listeners[listening.sock.fileno()] = listening.name
        if listening.udp:
            endpoints.append(await Endpoint.open(engine, loop, listening.sock, lock if workers else None))
        else:
            contexts = {} if certificates is None else certificates.contexts
            listener.listen(listening, None if listening.tls is None else contexts[listening.tls])
        if settings.verbosity:
            how = "waiting for datagrams" if listening.udp else "listening"
            print(f"mcserver: {how} on {listening.shown}", file=sys.stderr, flush=True)
    await stop.wait()
    listener.close()
    for endpoint in endpoints:
        endpoint.close()
    if settings.unix_socket is not None:
        with contextlib.suppress(OSError):
            os.unlink(settings.unix_socket)  # noqa: PTH108 - the path goes to the system as it is
    handover.drain()
    for worker in workers:
        handover.notify(worker.box)
    await home.drain()
    for worker in workers:
        await asyncio.to_thread(worker.join)
    if not workers:
        handover.exit(0)
    trace.close()


def _refresh(engine: Engine, certificates: Certificates) -> str:
    trouble = certificates.reload()
    if not trouble:
        engine.refreshed = engine.cache.now
    return trouble


def _reload(engine: Engine) -> None:
    """Read the users' file and the certificates again; what cannot be read leaves the old ones in force."""
    for reload in (engine.reload_users, engine.on_refresh):
        trouble = reload() if reload is not None else ""
        if trouble:
            print(f"mcserver: {trouble}", file=sys.stderr, flush=True)
