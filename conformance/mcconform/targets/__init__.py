"""Servers under test: in this process, at an address, or started by us.

A first argument that holds ``:`` or ``/`` is a target: ``HOST:PORT``, ``[V6]:PORT``, ``unix:PATH``,
``inproc:MODULE:FACTORY``.  ``udp:HOST:PORT`` is a server that serves UDP there and, where a conversation needs a
stream, TCP at the same port.
"""

from __future__ import annotations

import socket

from mcconform.targets.base import (
    EXACT,
    WITH_UDP,
    DiedError,
    Session,
    Target,
    TargetError,
    UnreachableError,
    UnsupportedError,
)
from mcconform.targets.debugtime import DebugtimeTarget
from mcconform.targets.inproc import InprocTarget
from mcconform.targets.spawn import SpawnTarget
from mcconform.targets.tcp import SocketTarget, Tls, parse_address

__all__ = [
    "CLOCKS",
    "EXACT",
    "WITH_UDP",
    "DebugtimeTarget",
    "DiedError",
    "InprocTarget",
    "Session",
    "SocketTarget",
    "SpawnTarget",
    "Target",
    "TargetError",
    "Tls",
    "UnreachableError",
    "UnsupportedError",
    "is_target",
    "make",
    "with_clock",
]


CLOCKS = ("auto", "injected", "debugtime", "sleep", "none")
"""What a user may ask of a target's clock; auto is what it has without being asked: injected in process, else sleep."""


def with_clock(made: Target, clock: str) -> Target:
    """The target with another clock than its own.

    Raises:
        TargetError: if it cannot have that one; the message says why.
    """
    if clock in ("auto", made.clock):
        return made
    if clock == "injected" or (made.clock == "injected" and clock != "none"):
        raise TargetError(f"--clock {clock}: the clock of {made.address} is {made.clock}; type --clock auto")
    if clock == "debugtime":
        assert isinstance(made, SocketTarget | SpawnTarget)  # an injected clock was refused above
        return DebugtimeTarget(made)
    made.clock = "none"
    return made


def is_target(argument: str) -> bool:
    """Whether a command-line argument names a target: clause ids hold neither ``:`` nor ``/``."""
    return ":" in argument or "/" in argument


def make(name: str, tls: Tls | None = None) -> Target:
    """The target of that name, spoken to in TLS if ``tls`` is given.

    Raises:
        TargetError: if it is none, or cannot be reached; the message says what to type.
    """
    if name.startswith("inproc:"):
        return InprocTarget(name.removeprefix("inproc:"))
    address = parse_address(name)
    if tls is not None and (address.family == socket.AF_UNIX or address.udp):
        raise TargetError(f"--tls needs a TCP port: {name} is none")
    return SocketTarget(address._replace(tls=tls))
