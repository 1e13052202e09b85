"""Who looks on: counters per key prefix (``stats detail``) and log lines for ``watch``.

Nothing is counted or rendered while nobody looks; `Observer.active` is False then and connections are fast.
"""

import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass

from mcserver.items import NEVER, Item, Outcome, StoreMode
from mcserver.settings import Settings

#: Characters of a key that log lines show as they are; all others as %XX.
_PLAIN = "-_.~"
#: Most watchers of one server.
WATCHER_LIMIT = 20
#: Classes of log lines that can be watched here. Those of memcached's proxy, raw commands and system events exist there
#: and are accepted: no such event happens in this server.
#: In the order in which abbreviations are looked up.
CLASSES = tuple(
    b"rawcmds evictions fetchers mutations sysevents connevents proxyreqs proxyevents proxyuser deletions".split()
)
#: Classes that a bare ``watch`` stands for.
DEFAULT = frozenset({b"fetchers"})

#: Times to live are shown as unsigned numbers of 32 bits.
_U32 = 1 << 32

_STATUS = {
    Outcome.STORED: "stored",
    Outcome.NOT_STORED: "not_stored",
    Outcome.EXISTS: "exists",
    Outcome.NOT_FOUND: "not_found",
}


def quote(key: bytes) -> str:
    """A key as log lines and dumps show it: URL-encoded."""
    return urllib.parse.quote_from_bytes(key, safe=_PLAIN)


@dataclass(slots=True)
class Watcher:
    """A connection that gets log lines. `push` takes bytes and says whether they were accepted."""

    classes: frozenset[bytes]
    push: Callable[[bytes], bool]
    skipped: int = 0


class Observer:
    """What a server tells about single requests. `fd` is the connection that is served at the moment."""

    __slots__ = (
        "_clock",
        "_delimiter",
        "_line",
        "_watched",
        "active",
        "counting",
        "fd",
        "prefixes",
        "sent",
        "skipped",
        "watchers",
        "written",
    )

    def __init__(self, settings: Settings, clock: Callable[[], float]) -> None:
        """Begin without watchers; `clock` gives Unix time in seconds."""
        self._clock = clock
        self._delimiter = settings.prefix_delimiter
        self._line = 0
        self._watched: frozenset[bytes] = frozenset()
        #: Whether ``stats detail`` counts.
        self.counting = settings.detail
        #: get, hit, set and delete counts by prefix.
        self.prefixes: dict[bytes, list[int]] = {}
        self.watchers: list[Watcher] = []
        #: Log lines made, delivered and lost because a watcher did not read.
        self.written = self.sent = self.skipped = 0
        self.fd = 0
        #: Whether anybody looks on.
        self.active = self.counting

    # -- stats detail -------------------------------------------------------------------------------------------

    def count(self, switch: bool) -> None:  # noqa: FBT001 - the switch is what the command is about
        """Switch the counting of prefixes on or off; what was counted stays."""
        self.counting = switch
        self._update()

    def reset(self) -> None:
        """Forget all counts (``stats reset``)."""
        self.prefixes.clear()
        self.written = self.sent = self.skipped = 0

    def dump(self) -> bytes:
        """``PREFIX`` lines and ``END``."""
        line = b"PREFIX %b get %d hit %d set %d del %d\r\n"
        lines = [line % (name, get, hit, put, cut) for name, (get, hit, put, cut) in self.prefixes.items()]
        return b"".join(lines) + b"END\r\n"

    def _row(self, key: bytes) -> list[int] | None:
        prefix, found, _ = key.partition(self._delimiter)
        return self.prefixes.setdefault(prefix, [0, 0, 0, 0]) if self.counting and found else None

    def asked(self, key: bytes, hit: bool) -> None:  # noqa: FBT001 - as above
        """A key of a get, gets, gat or gats was looked up."""
        row = self._row(key)
        if row is not None:
            row[0] += 1
            row[1] += hit

    def announced(self, key: bytes) -> None:
        """The line of a storage command of the text protocol was accepted."""
        row = self._row(key)
        if row is not None:
            row[2] += 1

    def ordered(self, key: bytes, mode: StoreMode, refusal: Outcome | None) -> None:
        """A store of another protocol was accepted; with a `refusal` its value is turned away before it comes."""
        self.announced(key)
        if refusal is not None:
            self.refused(key, mode, refusal.name.lower())

    def refused(self, key: bytes, mode: StoreMode, reason: str) -> None:
        """A value was turned away before it came: `reason` is ``too_large`` or ``no_memory``."""
        if b"mutations" in self._watched:
            self._log(
                b"mutations",
                f"item_store key={quote(key)} status={reason} cmd={mode.name.lower()} ttl=0 clsid=0"
                f" cfd={self.fd} size=0",
            )

    def deleting(self, key: bytes) -> None:
        """A ``delete`` was asked for."""
        row = self._row(key)
        if row is not None:
            row[3] += 1

    # -- watch --------------------------------------------------------------------------------------------------

    def watch(self, classes: frozenset[bytes], push: Callable[[bytes], bool]) -> Watcher | None:
        """Send lines of `classes` to `push` from now on; None when there are too many watchers."""
        if len(self.watchers) >= WATCHER_LIMIT:
            return None
        watcher = Watcher(classes, push)
        self.watchers.append(watcher)
        self._update()
        return watcher

    def unwatch(self, watcher: Watcher) -> None:
        """Send no more lines to `watcher`."""
        self.watchers.remove(watcher)
        self._update()

    def _update(self) -> None:
        self._watched = frozenset().union(*(watcher.classes for watcher in self.watchers))
        self.active = self.counting or bool(self.watchers)

    def _log(self, kind: bytes, text: str) -> None:
        self._line += 1
        self.written += 1
        seconds, part = divmod(int(self._clock() * 1_000_000), 1_000_000)
        line = f"ts={seconds}.{part} gid={self._line} type={text}\n".encode()
        for watcher in self.watchers:
            if kind not in watcher.classes:
                continue
            out = b"skipped=%d\n" % watcher.skipped + line if watcher.skipped else line
            if watcher.push(out):
                watcher.skipped = 0
                self.sent += 1
            else:
                watcher.skipped += 1
                self.skipped += 1

    def looked_up(self, key: bytes, item: Item | None) -> None:
        """A key was looked up for whatever command."""
        if b"fetchers" not in self._watched:
            return
        status, number = ("not_found", 0) if item is None else ("found", item.slab.id)
        size = 0 if item is None else len(item.block) - item.head - 2
        self._log(b"fetchers", f"item_get key={quote(key)} status={status} clsid={number} cfd={self.fd} size={size}")

    def stored(self, key: bytes, mode: StoreMode, outcome: Outcome, ttl: int, number: int, size: int) -> None:
        """A value of `size` bytes for slab class `number` arrived whole, and this came of it; `ttl` in seconds."""
        if b"mutations" in self._watched:
            self._log(
                b"mutations",
                f"item_store key={quote(key)} status={_STATUS.get(outcome, 'error')} cmd={mode.name.lower()}"
                f" ttl={ttl % _U32}"
                f" clsid={number} cfd={self.fd} size={size}",
            )

    def deleted(self, key: bytes, item: Item, command: str) -> None:
        """`command` (``delete`` or ``md``) removed `item`."""
        if b"deletions" in self._watched:
            size = len(item.block) - item.head - 2
            self._log(b"deletions", f"deleted key={quote(key)} cmd={command} clsid={item.slab.id} size={size}")

    def evicted(self, key: bytes, item: Item, now: int) -> None:
        """`item` had to go for another one at second `now`."""
        if b"evictions" in self._watched:
            ttl = -1 if item.exptime == NEVER else item.exptime - now
            size = len(item.block) - item.head - 2
            self._log(
                b"evictions",
                f"eviction key={quote(key)} fetch={'yes' if item.fetched else 'no'} ttl={ttl} la={now - item.time}"
                f" clsid={item.slab.id} size={size}",
            )

    def connected(self, fd: int, peer: str) -> None:
        """A client was accepted; `peer` describes it as ``rip=… rport=… transport=…``."""
        if b"connevents" in self._watched:
            self._log(b"connevents", f"conn_new {peer} cfd={fd}")

    def disconnected(self, fd: int, peer: str, reason: str) -> None:
        """A client is gone; `reason` is ``normal``, ``error`` or ``idle_timeout``."""
        if b"connevents" in self._watched:
            self._log(b"connevents", f"conn_close {peer} reason={reason} cfd={fd}")
