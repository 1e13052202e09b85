"""Servers under test: in this process, at an address, or started by us.

A first argument that holds ``:`` or ``/`` is a target: ``HOST:PORT``, ``[V6]:PORT``, ``unix:PATH``,
``inproc:MODULE:FACTORY``.
"""

from __future__ import annotations

from mcconform.targets.base import DiedError, Session, Target, TargetError, UnreachableError, UnsupportedError
from mcconform.targets.inproc import InprocTarget
from mcconform.targets.spawn import SpawnTarget
from mcconform.targets.tcp import SocketTarget, parse_address

__all__ = [
    "DiedError",
    "InprocTarget",
    "Session",
    "SocketTarget",
    "SpawnTarget",
    "Target",
    "TargetError",
    "UnreachableError",
    "UnsupportedError",
    "is_target",
    "make",
]


def is_target(argument: str) -> bool:
    """Whether a command-line argument names a target: clause ids hold neither ``:`` nor ``/``."""
    return ":" in argument or "/" in argument


def make(name: str) -> Target:
    """The target of that name.

    Raises:
        TargetError: if it is none, or cannot be reached; the message says what to type.
    """
    if name.startswith("inproc:"):
        return InprocTarget(name.removeprefix("inproc:"))
    return SocketTarget(parse_address(name))
