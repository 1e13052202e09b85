"""Counters and the text of the ``stats`` command's answers."""

from collections.abc import Iterable

from mcserver.settings import Settings


class Stats:
    """Event counters since the start or the last ``stats reset``: plain integers, which the hot path adds to."""

    __slots__ = (
        "bytes_read",
        "bytes_written",
        "cas_badval",
        "cas_hits",
        "cas_misses",
        "cmd_flush",
        "cmd_set",
        "cmd_touch",
        "conn_yields",
        "crawler_checked",
        "crawler_reclaimed",
        "decr_hits",
        "decr_misses",
        "delete_hits",
        "delete_misses",
        "evicted_unfetched",
        "evictions",
        "expired_unfetched",
        "get_expired",
        "get_flushed",
        "get_hits",
        "get_misses",
        "incr_hits",
        "incr_misses",
        "reclaimed",
        "rejected_connections",
        "store_no_memory",
        "store_too_large",
        "total_connections",
        "total_items",
        "touch_hits",
        "touch_misses",
    )

    def __init__(self) -> None:
        """Start with every counter at 0."""
        self.reset()

    def reset(self) -> None:
        """Set every counter to 0 (``stats reset``). Gauges live elsewhere and stay."""
        self.bytes_read: int = 0
        self.bytes_written: int = 0
        self.cas_badval: int = 0
        self.cas_hits: int = 0
        self.cas_misses: int = 0
        self.cmd_flush: int = 0
        self.cmd_set: int = 0
        self.cmd_touch: int = 0
        self.conn_yields: int = 0
        self.decr_hits: int = 0
        self.decr_misses: int = 0
        self.delete_hits: int = 0
        self.delete_misses: int = 0
        self.crawler_checked: int = 0
        self.crawler_reclaimed: int = 0
        self.evicted_unfetched: int = 0
        self.evictions: int = 0
        self.expired_unfetched: int = 0
        self.get_expired: int = 0
        self.get_flushed: int = 0
        self.get_hits: int = 0
        self.get_misses: int = 0
        self.incr_hits: int = 0
        self.incr_misses: int = 0
        self.reclaimed: int = 0
        self.rejected_connections: int = 0
        self.store_no_memory: int = 0
        self.store_too_large: int = 0
        self.total_connections: int = 0
        self.total_items: int = 0
        self.touch_hits: int = 0
        self.touch_misses: int = 0


def render(rows: Iterable[tuple[str, object]]) -> bytes:
    """``STAT <name> <value>`` lines and the closing ``END``."""
    text = "".join(f"STAT {name} {value}\r\n" for name, value in rows)
    return text.encode() + b"END\r\n"


def general_rows(stats: Stats, gauges: dict[str, int | str], settings: Settings) -> list[tuple[str, object]]:
    """Rows of a bare ``stats``, in memcached's order, limited to what exists here.

    `gauges` holds what no counter knows: pid, uptime, time, version, curr_connections, curr_items, bytes.
    """
    s = stats
    return [
        ("pid", gauges["pid"]),
        ("uptime", gauges["uptime"]),
        ("time", gauges["time"]),
        ("version", gauges["version"]),
        ("pointer_size", 64),
        ("max_connections", settings.max_connections),
        ("curr_connections", gauges["curr_connections"]),
        ("total_connections", s.total_connections),
        ("rejected_connections", s.rejected_connections),
        ("cmd_get", s.get_hits + s.get_misses),
        ("cmd_set", s.cmd_set),
        ("cmd_flush", s.cmd_flush),
        ("cmd_touch", s.cmd_touch),
        ("get_hits", s.get_hits),
        ("get_misses", s.get_misses),
        ("get_expired", s.get_expired),
        ("get_flushed", s.get_flushed),
        ("delete_misses", s.delete_misses),
        ("delete_hits", s.delete_hits),
        ("incr_misses", s.incr_misses),
        ("incr_hits", s.incr_hits),
        ("decr_misses", s.decr_misses),
        ("decr_hits", s.decr_hits),
        ("cas_misses", s.cas_misses),
        ("cas_hits", s.cas_hits),
        ("cas_badval", s.cas_badval),
        ("touch_hits", s.touch_hits),
        ("touch_misses", s.touch_misses),
        ("store_too_large", s.store_too_large),
        ("store_no_memory", s.store_no_memory),
        ("bytes_read", s.bytes_read),
        ("bytes_written", s.bytes_written),
        ("limit_maxbytes", settings.memory_limit),
        ("accepting_conns", 1),
        ("threads", 1),
        ("conn_yields", s.conn_yields),
        ("bytes", gauges["bytes"]),
        ("curr_items", gauges["curr_items"]),
        ("total_items", s.total_items),
        ("evictions", s.evictions),
        ("reclaimed", s.reclaimed),
    ]


def settings_rows(settings: Settings, verbosity: int) -> list[tuple[str, object]]:
    """Rows of ``stats settings``: the options this server has."""
    return [
        ("maxbytes", settings.memory_limit),
        ("maxconns", settings.max_connections),
        ("tcpport", max(settings.port, 0)),
        ("udpport", 0),
        ("inter", ",".join(host for host, _ in settings.listen) or "NULL"),
        ("verbosity", verbosity),
        ("evictions", "on" if settings.evict else "off"),
        ("domain_socket", settings.unix_socket or "NULL"),
        ("umask", 700),
        ("num_threads", 1),
        ("cas_enabled", "yes"),
        ("tcp_backlog", 1024),
        ("item_size_max", settings.item_size_max),
        ("maxconns_fast", "yes"),
        ("flush_enabled", "yes" if settings.flush_allowed else "no"),
        ("client_flags_size", 4),
    ]
