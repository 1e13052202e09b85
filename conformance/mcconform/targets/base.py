"""What the runner needs of a server under test.

A *target* is a server, a *session* the connections of one conversation on it.  Nothing here judges anything: a session
writes the chunks it is told to write and reports the bytes and the endings that it sees.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from mcconform.conversation import Transport
    from mcspec import Now

Clock = Literal["injected", "debugtime", "sleep", "none"]
"""How time passes: moved at will and exactly, in this process or by command; by waiting; or not at all."""

WITH_UDP = ("-U", "{udp}")
"""The options that a server is started with where a conversation needs UDP: a free port takes the place."""

EXACT = ("injected", "debugtime")
"""Clocks whose time is known exactly."""

Arrival = tuple[int, bytes | None]
"""A connection's number and what came on it; None is the end of it, whether FIN or RST."""


class TargetError(Exception):
    """The target cannot be used; the message is one line for the user."""


class UnreachableError(TargetError):
    """Nothing answers at the address, or the program did not start."""


class UnsupportedError(TargetError):
    """The target cannot do what a conversation needs (server options, a moving clock)."""


class DiedError(TargetError):
    """The server's process ended while it was in use."""


class Session(Protocol):
    """The connections of one conversation.  Not shared between threads."""

    def now(self) -> Now:
        """The server's time, in seconds of its clock: an interval where it cannot be known exactly."""
        ...

    def open(self, conn: int, transport: Transport = "tcp") -> None:
        """Connect, or make a UDP client.

        Raises:
            UnreachableError: if the server refuses.
            UnsupportedError: if there is no such transport to it.
        """
        ...

    def write(self, conn: int, chunk: bytes) -> None:
        """Write one chunk so that the server most likely reads it alone.  Never fails on an ended connection."""
        ...

    def datagram(self, conn: int, data: bytes) -> None:
        """Send one datagram on a UDP client."""
        ...

    def pump(self, timeout: float) -> list[Arrival]:
        """What arrived, waiting at most ``timeout`` seconds for the first of it; empty when nothing came.

        On a UDP client each arrival is one datagram.
        """
        ...

    def half_close(self, conn: int) -> None:
        """Send FIN."""
        ...

    def reset(self, conn: int) -> None:
        """Send RST; nothing is reported for the connection afterwards."""
        ...

    def close(self, conn: int) -> None:
        """Close both directions; nothing is reported for the connection afterwards."""
        ...

    def stop_reading(self, conn: int) -> None:
        """Leave what arrives where it is."""
        ...

    def resume(self, conn: int) -> None:
        """Read again."""
        ...

    def advance(self, seconds: float) -> None:
        """Let time pass.

        Raises:
            UnsupportedError: if the target's clock cannot be waited for.
        """
        ...

    def end(self) -> None:
        """Close whatever is open."""
        ...


class Target(Protocol):
    """A server under test."""

    transport: str
    """``inproc``, ``tcp``, ``unix`` or ``spawn``."""

    clock: Clock

    immediate: bool
    """Whether everything the server has to say to a chunk is there when ``write`` returns."""

    gap: float
    """Seconds between two chunks of a connection, so that one write is one read of the server."""

    address: str
    """Where a user would connect, for reports: ``HOST PORT``, a path, or the adapter's name."""

    def session(self, options: tuple[str, ...] = ()) -> Session:
        """A new session on a server that runs with these options.

        Raises:
            UnsupportedError: if the server cannot be started with options.
            UnreachableError: if it does not answer.
            DiedError: if its process has ended.
        """
        ...

    def death(self, grace: float = 0.0) -> str | None:
        """How the server's process ended, if it is ours and did (``exit status 1``, ``signal 11``).

        A process that is about to end is given ``grace`` seconds.
        """
        ...

    def close(self) -> None:
        """Stop what was started."""
        ...
