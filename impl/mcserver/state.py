"""What all connections of one server share."""

import os
from collections.abc import Callable

from mcserver import PROTOCOL_VERSION
from mcserver.auth_text import Users, UsersError
from mcserver.cache import Cache, Item
from mcserver.observe import Observer
from mcserver.peers import Peer, Served
from mcserver.protocols import BY_NAME
from mcserver.runtime import initial
from mcserver.sasl import Users as SaslUsers
from mcserver.settings import Settings
from mcserver.stats import Stats


class ServerState:
    """Cache, counters, options and clock of a server. `clock` returns Unix time in seconds and never goes back."""

    def __init__(self, settings: Settings, clock: Callable[[], float]) -> None:
        """Start an empty server at the clock's present."""
        self.settings = settings
        #: What a new connection speaks.
        self.protocol = BY_NAME[settings.protocol]
        self.clock = clock
        #: What ``debugtime`` did to the clock: stopped it, and moved it by so many seconds.
        self.paused = False
        self.moved = 0
        self.started = int(clock())
        #: Who may come in, of clients of the text protocol (``-Y``); None when everybody may.
        self.users = None if settings.auth_file is None else Users.load(settings.auth_file)
        #: Those of the binary protocol; None where everybody may.
        self.sasl_users = SaslUsers() if settings.sasl else None
        self.stats = Stats()
        self.cache = Cache(settings, self.stats, self.started)
        #: Options that commands change.
        self.runtime = initial(settings, self.cache.tuning)
        #: Prefix counters and watchers.
        self.observer = Observer(settings, clock)
        self.cache.on_evict = self._evicted
        #: Connections open now, refused ones not counted.
        self.connection_count = 0
        #: Those with a place in ``stats conns``, and the listening sockets, by number (their file descriptor).
        self.connections: dict[int, tuple[Peer, Served]] = {}
        self.listeners: dict[int, str] = {}
        #: The second in which each UDP socket had its last request.
        self.heard: dict[int, int] = {}
        #: Whether clients are accepted; how often they were not, for how long in all, and since when (in seconds).
        self.accepting = True
        self.listen_disabled = 0
        self.disabled_seconds = 0.0
        self._disabled_at = 0.0
        #: Most connections that were open at once.
        self.most_connections = 0
        #: Called by the ``refresh_certs`` command: reads TLS certificates again and says what went wrong, if anything.
        #: None when there is no TLS. The second in which that was last done with success.
        self.on_refresh: Callable[[], str] | None = None
        self.refreshed = self.started
        #: Called by the ``shutdown`` command; clients are still sent what they are owed.
        self.on_shutdown: Callable[[], None] | None = None
        self.look()

    def reload_users(self) -> str:
        """Read the file of users again; why that failed, and the old ones may still come in, or nothing."""
        try:
            if self.settings.auth_file is not None:
                self.users = Users.load(self.settings.auth_file)
            if self.sasl_users is not None:
                self.sasl_users.reload()
        except UsersError as error:
            return str(error)
        return ""

    @property
    def verbosity(self) -> int:
        """Present level of detail on stderr, 0 to 2."""
        return self.runtime.verbosity

    def set_verbosity(self, level: int) -> None:
        """Set the level of detail; more than 2 is 2."""
        self.runtime.verbosity = min(level, 2)

    # -- time ---------------------------------------------------------------------------------------------------

    def tick(self) -> None:
        """Take the time from the clock, and do what is due every second.

        The cache has no other: between two ticks time stands still for it.
        """
        self.maintain()  # what the second gone by has left to do: a new second makes items old
        if not self.paused:
            self.cache.now = int(self.clock()) + self.moved
        self.maintain()

    def maintain(self) -> None:
        """Move items between segments, where there are any: every second, and before they are shown.

        memcached does so up to a thousand times a second, so that nobody sees what is still to be moved.
        """
        if self.settings.segmented:
            self.cache.maintain()

    def move(self, seconds: int) -> None:
        """Carry out ``debugtime``: add to the clock's total offset, and the new total to the present second.

        As in memcached a second move therefore counts the first one again, until the next tick of a clock that runs.
        """
        self.moved += seconds
        self.cache.now += self.moved

    def flush(self, delay: int) -> None:
        """Carry out ``flush_all`` after `delay`, as `Cache.flush` understands it, and note when it was asked for."""
        self.cache.flush(delay)
        self.runtime.oldest = self.cache.now - self.started

    # -- connections --------------------------------------------------------------------------------------------

    def admit(self) -> bool:
        """Count a new connection in; False, and counted as rejected, when ``-c`` connections are open."""
        if self.connection_count >= self.settings.max_connections:
            self.stats.rejected_connections += 1
            return False
        self.connection_count += 1
        self.most_connections = max(self.most_connections, self.connection_count)
        self.stats.total_connections += 1
        return True

    def dismiss(self) -> None:
        """Count an admitted connection out."""
        self.connection_count -= 1

    def stop_accepting(self) -> None:
        """Note that clients have to wait."""
        self.accepting = False
        self.listen_disabled += 1
        self._disabled_at = self.clock()

    def resume_accepting(self) -> None:
        """Note that they need not wait any more."""
        self.accepting = True
        self.disabled_seconds += self.clock() - self._disabled_at

    # -- statistics ---------------------------------------------------------------------------------------------

    def look(self) -> None:
        """Tell the cache of lookups only while somebody watches."""
        self.cache.on_lookup = self.observer.looked_up if self.observer.watchers else None

    def _evicted(self, key: bytes, item: Item) -> None:
        if self.observer.active:
            self.observer.evicted(key, item, self.cache.now)

    def reset_stats(self) -> None:
        """Set every counter to 0 (``stats reset``); gauges stay."""
        self.stats.reset()
        self.cache.slabs.reset()
        self.observer.reset()

    def gauges(self) -> dict[str, int | str]:
        """What ``stats`` reports besides counters."""
        now = self.cache.now
        return {
            "pid": os.getpid(),
            "uptime": now - self.started,
            "time": now,
            "version": PROTOCOL_VERSION,
            "curr_connections": self.connection_count,
            "curr_items": self.cache.held,
            "bytes": self.cache.used,
        }
