"""A server in this process as one immutable value: all that can ever make a difference to what it says later.

Two servers that freeze to the same value go on in the same way, for the engine is deterministic. The fields come from
`__slots__`, so that a field which is added to the server is compared without a word here.
"""

from __future__ import annotations

from collections import OrderedDict
from functools import partial
from itertools import count, repeat
from operator import attrgetter
from types import MethodType
from typing import Any

from mcserver import inproc
from mcserver.arrival import Arrival
from mcserver.cache import Cache, Item
from mcserver.connection import Connection
from mcserver.engine import Engine
from mcserver.incoming import Skip, Value
from mcserver.items import Link, Segment
from mcserver.metaflags import Flags
from mcserver.observe import Observer, Watcher
from mcserver.runtime import Runtime
from mcserver.slabs import SlabClass, Slabs
from mcserver.stats import Stats
from mcserver.storage import StoreHeader

# What is shared is frozen once, with the engine; what a step leaves behind is set anew by the next one; who listens in
# is nobody's state. Two counters depend on the cut and say so: bytes that were read (also after the end of the
# conversation, if they came with it) and how often a long step was interrupted.
_LEFT_OUT = {
    Connection: ("_cache", "_state", "_stats", "_out", "_room", "_retrieval", "on_command", "on_state", "_need"),
    Arrival: ("_cache", "_stats"),
    Cache: ("stats",),
    Stats: ("bytes_read", "conn_yields"),
    Engine: ("clock",),
    Observer: ("_clock",),
    inproc.Connection: ("_server", "_engine"),  # the engine holds all that are open
    Item: ("next", "prev"),  # what an item stands between is told by its segment
    **dict.fromkeys((Skip, Value), ("_cache", "_stats")),
    **dict.fromkeys((Flags, Runtime, StoreHeader, Watcher), ()),
}


def _fields(kind: type) -> tuple[str, ...]:
    slots = [name for base in kind.__mro__ for name in getattr(base, "__slots__", ())]
    return tuple(name for name in slots if name not in _LEFT_OUT[kind])


_FIELDS = {kind: _fields(kind) for kind in _LEFT_OUT}
_PLAIN = frozenset({int, bytes, str, type(None), bool, float})
# These hold plain values only, and are read at once. Items name their slab class; the rest of `Slabs` follows from the
# options.
_RECORDS = {Stats: attrgetter(*_FIELDS[Stats]), Runtime: attrgetter(*_FIELDS[Runtime])}
_SLAB_CLASS = attrgetter(*SlabClass.__slots__)


def _linked(segment: Segment) -> list[bytes]:
    """The keys of the items in a segment, in the order of their use."""
    keys = []
    link: Link = segment.next
    while isinstance(link, Item):
        keys.append(link.key)
        link = link.next
    return keys


def frozen(thing: Any) -> Any:
    """An immutable value that is equal for things in the same state."""
    kind = type(thing)
    if kind in _PLAIN:
        return thing
    record = _RECORDS.get(kind)
    if record is not None:
        return record(thing)
    fields = _FIELDS.get(kind)
    if fields:
        values = [getattr(thing, name, None) for name in fields]
        return tuple([value if type(value) in _PLAIN else frozen(value) for value in values])
    if kind is Engine:
        return tuple([frozen(value) for name, value in vars(thing).items() if name not in _LEFT_OUT[Engine]])
    if kind is bytearray or kind is memoryview:
        return bytes(thing)
    if kind is OrderedDict or kind is dict:
        return tuple([(key, frozen(value)) for key, value in thing.items()])
    if kind is list or kind is tuple:
        return tuple([frozen(value) for value in thing])
    if kind is partial:  # what is to be done with a value: with which request, on the cache that all share
        return thing.func, tuple([frozen(value) for value in thing.args if type(value) not in _LEFT_OUT])
    if kind is Slabs:
        return tuple([frozen(_SLAB_CLASS(one)) for one in thing.classes])
    if kind is Segment:
        return thing.number, thing.bytes, thing.hits, thing.slab.id, tuple(_linked(thing))
    if kind is SlabClass:
        return thing.id
    if kind is MethodType:
        return thing.__func__  # it is bound to another part of the same server
    return repr(thing.__self__) if isinstance(getattr(thing, "__self__", None), count | repeat) else thing
