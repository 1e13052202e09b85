"""Options that commands change while the server runs."""

from dataclasses import dataclass

from mcserver.segments import Tuning
from mcserver.settings import Settings


@dataclass(slots=True)
class Runtime:
    """What ``verbosity``, ``lru``, ``lru_crawler`` and ``slabs automove`` set.

    Only `verbosity`, `crawler`, `segmented`, `temporary_ttl` and `tuning` change what this server does: there are no
    pages to move and no pauses in a crawl. The rest is kept, checked and shown by ``stats settings``, so that programs
    which set it go on working.
    """

    verbosity: int
    crawler: bool
    segmented: bool
    temporary_ttl: int | None
    tuning: Tuning
    automove: int
    #: How often the crawler was started, by whatever command.
    crawler_starts: int = 0
    #: Microseconds between items, and items per run (0: all).
    crawler_sleep: int = 100
    crawler_tocrawl: int = 0
    automove_ratio: float = 0.8
    automove_free_ratio: float = 0.01
    #: Seconds.
    automove_window: int = 10
    #: Uptime in seconds when ``flush_all`` was last carried out, 0 for never.
    oldest: int = 0


def initial(settings: Settings, tuning: Tuning) -> Runtime:
    """The options a server starts with; `tuning` is the one the cache goes by."""
    return Runtime(
        verbosity=min(settings.verbosity, 2),
        crawler=settings.crawler,
        segmented=settings.segmented,
        temporary_ttl=settings.temporary_ttl,
        tuning=tuning,
        automove=int(settings.modern),
    )
