"""Counters of events, and the text of the ``stats`` command's answers."""

from collections.abc import Iterable


class Stats:
    """Event counters since the start or the last ``stats reset``: plain integers, which the hot path adds to."""

    __slots__ = (
        "auth_cmds",
        "auth_errors",
        "bytes_read",
        "bytes_written",
        "cas_badval",
        "cas_hits",
        "cas_misses",
        "cmd_flush",
        "cmd_meta",
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
        "idle_kicks",
        "incr_hits",
        "incr_misses",
        "juggles",
        "reclaimed",
        "rejected_connections",
        "ssl_handshake_errors",
        "ssl_new_sessions",
        "ssl_proto_errors",
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
        self.auth_cmds: int = 0
        self.auth_errors: int = 0
        self.bytes_read: int = 0
        self.bytes_written: int = 0
        self.cas_badval: int = 0
        self.cas_hits: int = 0
        self.cas_misses: int = 0
        self.cmd_flush: int = 0
        self.cmd_meta: int = 0
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
        self.idle_kicks: int = 0
        self.incr_hits: int = 0
        self.incr_misses: int = 0
        self.juggles: int = 0
        self.reclaimed: int = 0
        self.rejected_connections: int = 0
        self.ssl_handshake_errors: int = 0
        self.ssl_new_sessions: int = 0
        self.ssl_proto_errors: int = 0
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
