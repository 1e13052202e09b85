"""A server in this process as one immutable value: all that can ever make a difference to what it says later.

Two servers that freeze to the same value go on in the same way, for the engine is deterministic. The fields come from
`__slots__`, so that a field which is added to the server is compared without a word here.
"""

from __future__ import annotations

from collections import OrderedDict
from itertools import count
from typing import Any

from mcserver import inproc
from mcserver.arrival import Arrival
from mcserver.cache import Cache, Item
from mcserver.connection import Connection
from mcserver.engine import Engine
from mcserver.stats import Stats
from mcserver.storage import StoreHeader

# What is shared is frozen once, with the engine; what a step leaves behind is set anew by the next one; who listens in
# is nobody's state. Two counters depend on the cut and say so: bytes that were read (also after the end of the
# conversation, if they came with it) and how often a long step was interrupted.
_LEFT_OUT = {
    Connection: ("_cache", "_state", "_stats", "_out", "_room", "_retrieval", "on_command", "on_state"),
    Arrival: ("_cache", "_stats"),
    Cache: ("stats",),
    Stats: ("bytes_read", "conn_yields"),
    Engine: ("clock",),
    inproc.Connection: ("_server",),
    Item: (),
    StoreHeader: (),
}


def _fields(kind: type) -> tuple[str, ...]:
    slots = [name for base in kind.__mro__ for name in getattr(base, "__slots__", ())]
    return tuple(name for name in slots if name not in _LEFT_OUT[kind])


_FIELDS = {kind: _fields(kind) for kind in _LEFT_OUT}
_PLAIN = (int, bytes, str, type(None), bool, float)


def frozen(thing: Any) -> Any:
    """An immutable value that is equal for things in the same state."""
    kind = type(thing)
    if kind in _PLAIN:
        return thing
    fields = _FIELDS.get(kind)
    if fields:
        return tuple([frozen(getattr(thing, name, None)) for name in fields])
    if kind is Engine:
        return tuple([frozen(value) for name, value in vars(thing).items() if name not in _LEFT_OUT[Engine]])
    if kind is bytearray or kind is memoryview:
        return bytes(thing)
    if kind is OrderedDict or kind is dict:
        return tuple([(key, frozen(value)) for key, value in thing.items()])
    if kind is list:
        return tuple([frozen(value) for value in thing])
    return repr(thing.__self__) if isinstance(getattr(thing, "__self__", None), count) else thing
