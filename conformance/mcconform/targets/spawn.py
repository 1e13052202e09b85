"""A server that we start ourselves: ``--spawn 'CMD -p {port} {options}'``.

``{port}`` is a free TCP port, ``{socket}`` a free path for a Unix socket, ``{options}`` the server options that a
conversation asks for; where it needs UDP they say ``-U`` with a free port.  One process runs per distinct set of
options; the one without options stays, the last other one is kept until another set is asked for.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from mcconform.targets.base import WITH_UDP, Clock, DiedError, Session, TargetError, UnreachableError, UnsupportedError
from mcconform.targets.credentials import Credentials, wanted
from mcconform.targets.tcp import GAP, Address, SocketSession, Tls, connect

if TYPE_CHECKING:
    from collections.abc import Iterator

START_TIMEOUT = 10.0
"""Seconds that a program has to accept connections."""

STOP_TIMEOUT = 1.0
"""Seconds between SIGTERM and SIGKILL."""

HOST = "127.0.0.1"

ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""The signals by which we are told to end."""

UDP_PORT = WITH_UDP[1]
"""Stands for a free UDP port in the options of a conversation."""


class Process:
    """One running server."""

    def __init__(self, template: str, options: tuple[str, ...], tls: Tls | None = None) -> None:
        """Start it and wait until it accepts.

        Raises:
            UnreachableError: if it cannot be started, ends at once or does not accept in time.
        """
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._credentials = Credentials() if wanted(options) else None
        udp = free_port(socket.SOCK_DGRAM) if any(UDP_PORT in word for word in options) else 0
        filled = tuple(word.replace(UDP_PORT, str(udp)) for word in options)
        environment = dict(os.environ)
        if self._credentials is not None:
            filled = self._credentials.fill(filled)
            environment.update(self._credentials.environment)
        values = {"options": shlex.join(filled)}
        if "{socket}" in template:
            self._folder = tempfile.TemporaryDirectory(prefix="mcspec-")
            path = str(Path(self._folder.name) / "socket")
            values["socket"] = path
            self.address = Address(socket.AF_UNIX, path, path)
        else:
            port = free_port()
            values["port"] = str(port)
            self.address = Address(socket.AF_INET, (HOST, port), f"{HOST} {port}", udp, tls, HOST)
        command = template
        for name, value in values.items():
            command = command.replace(f"{{{name}}}", value)
        # Lives as long as the process.
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115
        try:
            # Its own process group, so that a shell or a wrapper dies together with what it started.
            with held_back() as told:
                self._process = subprocess.Popen(
                    shlex.split(command), stdin=subprocess.DEVNULL, stdout=self._errors, stderr=self._errors,
                    start_new_session=True, env=environment,
                )  # fmt: skip
        except (OSError, ValueError) as error:
            raise UnreachableError(f"--spawn: cannot start {command!r}: {error}") from error
        try:
            for number in told:
                signal.raise_signal(number)
            self._accept(command)
        except BaseException:
            self.stop()
            raise

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def alive(self) -> bool:
        """Whether it runs."""
        return self._process.poll() is None

    def death(self) -> str | None:
        """How it ended, or None while it runs."""
        status = self._process.poll()
        if status is None:
            return None
        if status < 0:
            with contextlib.suppress(ValueError):
                return f"signal {-status} ({signal.Signals(-status).name})"
        return f"exit status {status}"

    def last_words(self, limit: int = 2000) -> str:
        """The end of what it printed, at most ``limit`` bytes."""
        with contextlib.suppress(OSError, ValueError):
            end = self._errors.seek(0, os.SEEK_END)
            self._errors.seek(max(0, end - limit))
            return self._errors.read().decode("utf-8", "replace").strip()
        return ""

    def cpu_seconds(self) -> float | None:
        """CPU time used so far, in seconds; None where the system does not tell."""
        with contextlib.suppress(OSError, ValueError, IndexError):
            fields = Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
            return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        return None

    def stop(self) -> None:
        """End the whole process group: SIGTERM, then SIGKILL."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            if self._process.poll() is not None and number == signal.SIGTERM:
                continue
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_TIMEOUT)
        self._errors.close()
        if self._credentials is not None:
            self._credentials.close()
        if self._folder is not None:
            self._folder.cleanup()

    def _accept(self, command: str) -> None:
        deadline = time.monotonic() + START_TIMEOUT
        while time.monotonic() < deadline:
            death = self.death()
            if death is not None:
                words = self.last_words().splitlines()
                raise UnreachableError(
                    f"--spawn: {command!r} ended: {death}; {words[-1] if words else 'it said nothing'}"
                )
            with contextlib.suppress(OSError):
                connect(self.address).close()
                return
            time.sleep(0.01)
        raise UnreachableError(f"--spawn: {command!r} accepts no connection within {START_TIMEOUT:.0f} s")


class SpawnTarget:
    """Servers started from a command template."""

    transport = "spawn"
    clock: Clock = "sleep"
    immediate = False
    gap = GAP

    def __init__(self, template: str, tls: Tls | None = None) -> None:
        """Start the server without options; ``tls`` says how it is spoken to if not in the clear.

        Raises:
            TargetError: if the template names neither a port nor a socket.
            UnreachableError: if it does not start.
        """
        if "{port}" not in template and "{socket}" not in template:
            raise TargetError("--spawn needs {port} or {socket}: type --spawn 'CMD -p {port} {options}'")
        self._template = template
        self._lock = threading.Lock()
        self._tls = tls
        self._running: dict[tuple[str, ...], Process] = {(): Process(template, (), tls)}
        self._refused: dict[tuple[str, ...], str] = {}
        self._last_death: str | None = None
        self.address = self._running[()].address.shown

    def session(self, options: tuple[str, ...] = ()) -> Session:
        """A session on a server with these options; a process that has died is started again."""
        return SocketSession(self.process(options).address, self.gap)

    def process(self, options: tuple[str, ...] = ()) -> Process:
        """The running process with these options, started if need be."""
        if options and "{options}" not in self._template:
            raise UnsupportedError(f"needs the server options {shlex.join(options)}: put {{options}} into --spawn")
        with self._lock:
            running = self._running.get(options)
            if running is not None:
                death = running.death()
                if death is None:
                    return running
                del self._running[options]
                self._last_death = death
                running.stop()
                raise DiedError(f"the server ended: {death}")
            if options in self._refused:
                # It would end again at once: there is no need to start it for every conversation.
                raise UnsupportedError(self._refused[options])
            for other in [held for held in self._running if held and options]:
                self._running.pop(other).stop()
            try:
                self._running[options] = Process(self._template, options, self._tls)
            except UnreachableError as error:
                if options:
                    self._refused[options] = f"does not start with {shlex.join(options)}: {error}"
                    raise UnsupportedError(self._refused[options]) from error
                raise
            if not options:
                self.address = self._running[()].address.shown
            return self._running[options]

    def restart(self) -> None:
        """Stop every process; the next session starts what it needs."""
        self.close()
        self._last_death = None

    def death(self, grace: float = 0.0) -> str | None:
        """How one of the processes ended since the last call; the next session starts it again."""
        deadline = time.monotonic() + grace
        while time.monotonic() < deadline and all(running.alive() for running in self._running.values()):
            time.sleep(0.01)
        with self._lock:
            found, self._last_death = self._last_death, None
            for options, running in list(self._running.items()):
                death = running.death()
                if death is not None:
                    words = running.last_words().splitlines()
                    found = f"{death}; {words[-1]}" if words else death
                    del self._running[options]
                    running.stop()
            return found

    def close(self) -> None:
        """Stop every process."""
        with self._lock:
            for running in self._running.values():
                running.stop()
            self._running.clear()


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """A port that nobody uses at this moment, of TCP or (``SOCK_DGRAM``) of UDP."""
    with socket.socket(type=kind) as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def held_back() -> Iterator[list[int]]:
    """Collect the signals that would end us, for the caller to raise again: nothing is started and then forgotten.

    They are not held back where they come to another thread than this one.
    """
    told: list[int] = []
    main = threading.current_thread() is threading.main_thread()
    numbers = [number for number in ENDINGS if main and signal.getsignal(number) not in (signal.SIG_IGN, None)]
    before = {number: signal.signal(number, lambda number, _frame: told.append(number)) for number in numbers}
    try:
        yield told
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
