"""A server whose clock is held by a command: ``debugtime``, of memcached's debug builds and of ``mcserver``.

``debugtime p`` stops the clock; ``debugtime N`` adds N seconds to a sum and moves the clock by that sum, so that what
is sent is the difference to the last move; ``debugtime r`` lets it run again.  What time it is, ``stats`` says.  The
clock is that of the whole server: conversations run one after the other.
"""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING

from mcconform.targets.base import Clock, Session, TargetError, UnsupportedError
from mcconform.targets.tcp import Address, SocketSession, connect

if TYPE_CHECKING:
    from mcconform.targets.spawn import SpawnTarget
    from mcconform.targets.tcp import SocketTarget

_TIME = re.compile(rb"STAT time (\d+)\r\n")


class HeldClock:
    """The stopped clock of one server."""

    def __init__(self, address: Address) -> None:
        """Stop it.

        Raises:
            UnsupportedError: if the server does not know the command.
            TargetError: if it does not answer.
        """
        self._sum = 0
        self._address = address
        self._order(b"p")
        self.time = self._read()

    def advance(self, seconds: float) -> None:
        """Move it.

        Raises:
            UnsupportedError: if these are no whole seconds, or it then shows another time.
        """
        if seconds != int(seconds):
            raise UnsupportedError("debugtime moves the clock by whole seconds")
        self._order(b"%d" % (int(seconds) - self._sum))
        self._sum = int(seconds)
        due, self.time = self.time + int(seconds), self._read()
        if self.time != due:
            raise UnsupportedError(f"debugtime left the clock {self.time - due} s from where it should be")

    def close(self) -> None:
        """Let it run again, from the time that it really is."""
        # If the server has ended, so has its clock.
        with contextlib.suppress(TargetError):
            self._order(b"%d" % -self._sum)
            self._order(b"r")

    def _order(self, word: bytes) -> None:
        answer = self._ask(b"debugtime %s\r\n" % word, b"\n")
        if answer != b"OK\r\n":
            shown = answer.decode("latin-1").strip()
            raise UnsupportedError(f"the server does not know debugtime ({shown!r}): --clock sleep waits instead")

    def _read(self) -> int:
        found = _TIME.search(self._ask(b"stats\r\n", b"END\r\n"))
        if found is None:
            raise UnsupportedError("the server's stats do not tell its time")
        return int(found.group(1))

    def _ask(self, request: bytes, end: bytes) -> bytes:
        """The answer, on a connection of its own: one that stays would count where connections are few."""
        answer = b""
        try:
            with connect(self._address) as made:
                made.sendall(request)
                while not answer.endswith(end):
                    data = made.recv(65536)
                    if not data:
                        raise TargetError(f"{self._address.shown}: closed when it was asked for its clock")
                    answer += data
        except OSError as error:
            raise TargetError(f"{self._address.shown}: {error.strerror or error}") from error
        return answer


class DebugtimeTarget:
    """A server at an address, or one that we start, with its clock held."""

    clock: Clock = "debugtime"
    immediate = False

    def __init__(self, inner: SocketTarget | SpawnTarget) -> None:
        """Hold the clock of the server without options.

        Raises:
            TargetError: if it cannot be held.
        """
        self._inner = inner
        self._clocks: dict[Address, HeldClock] = {}
        self.transport = inner.transport
        self.address = inner.address
        self.session().end()

    @property
    def gap(self) -> float:
        """Seconds between two chunks of a connection."""
        return self._inner.gap

    @gap.setter
    def gap(self, seconds: float) -> None:
        self._inner.gap = seconds

    def session(self, options: tuple[str, ...] = ()) -> Session:
        """A session whose time is that of the held clock."""
        made = self._inner.session(options)
        assert isinstance(made, SocketSession)  # both kinds make these
        if made.address not in self._clocks:
            self._clocks[made.address] = HeldClock(made.address)
        made.held = self._clocks[made.address]
        return made

    def death(self, grace: float = 0.0) -> str | None:
        """How the server's process ended, if it is ours and did."""
        return self._inner.death(grace)

    def close(self) -> None:
        """Let go of the clocks, and stop what was started."""
        for held in self._clocks.values():
            held.close()
        self._inner.close()
