"""What all connections of one server share."""

import os
from collections.abc import Callable

from mcserver import PROTOCOL_VERSION
from mcserver.cache import Cache
from mcserver.settings import Settings
from mcserver.stats import Stats


class ServerState:
    """Cache, counters, options and clock of a server. `clock` returns Unix time in seconds and never goes back."""

    def __init__(self, settings: Settings, clock: Callable[[], float]) -> None:
        """Start an empty server at the clock's present."""
        self.settings = settings
        self.clock = clock
        self.started = int(clock())
        self.stats = Stats()
        self.cache = Cache(settings, self.stats, self.started)
        #: Present level of detail on stderr, 0 to 2; the ``verbosity`` command changes it.
        self.set_verbosity(settings.verbosity)
        #: Connections open now, refused ones not counted.
        self.connection_count = 0

    def set_verbosity(self, level: int) -> None:
        """Set the level of detail; more than 2 is 2."""
        self.verbosity = min(level, 2)

    def tick(self) -> None:
        """Take the time from the clock. The cache has no other: between two ticks time stands still for it."""
        self.cache.now = int(self.clock())

    def admit(self) -> bool:
        """Count a new connection in; False, and counted as rejected, when ``-c`` connections are open."""
        if self.connection_count >= self.settings.max_connections:
            self.stats.rejected_connections += 1
            return False
        self.connection_count += 1
        self.stats.total_connections += 1
        return True

    def dismiss(self) -> None:
        """Count an admitted connection out."""
        self.connection_count -= 1

    def gauges(self) -> dict[str, int | str]:
        """What ``stats`` reports besides counters."""
        now = self.cache.now
        return {
            "pid": os.getpid(),
            "uptime": now - self.started,
            "time": now,
            "version": PROTOCOL_VERSION,
            "curr_connections": self.connection_count,
            "curr_items": len(self.cache.items),
            "bytes": self.cache.used,
        }
