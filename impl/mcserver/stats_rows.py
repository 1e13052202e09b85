"""Rows of ``stats`` and ``stats settings``, in memcached's order and under its names.

Rows whose subject does not exist here keep their name, because exporters look for it, and say 0 (or what is true):
response objects, read buffers, authentication, page moves between classes, logger threads, NAPI ids. Whether a row is
there at all follows the options as it does in memcached.
"""

import resource
import sys

from mcserver.protocols import BY_NAME, SHOWN
from mcserver.runtime import Runtime
from mcserver.settings import KIB, Settings, TlsSettings
from mcserver.state import ServerState
from mcserver.tls import VERSION_NAMES

Row = tuple[str, object]


def _yes(truth: bool) -> str:  # noqa: FBT001 - a word for a truth value
    return "yes" if truth else "no"


def general_rows(state: ServerState) -> list[Row]:
    """Rows of a bare ``stats``."""
    s = state.stats
    gauges = state.gauges()
    settings = state.settings
    usage = resource.getrusage(resource.RUSAGE_SELF)
    watch = state.observer
    moving = settings.modern
    rows: list[Row] = [
        ("pid", gauges["pid"]),
        ("uptime", gauges["uptime"]),
        ("time", gauges["time"]),
        ("version", gauges["version"]),
        ("libevent", "none"),
        ("pointer_size", 64),
        ("rusage_user", f"{usage.ru_utime:.6f}"),
        ("rusage_system", f"{usage.ru_stime:.6f}"),
        ("max_connections", settings.max_connections),
        ("curr_connections", gauges["curr_connections"]),
        ("total_connections", s.total_connections),
    ]
    if moving:
        rows.append(("rejected_connections", s.rejected_connections))
    rows += [
        ("connection_structures", state.most_connections + len(state.listeners)),
        *((name, 0) for name in _BUFFERS),
        ("reserved_fds", 64),
        ("cmd_get", s.get_hits + s.get_misses),
        ("cmd_set", s.cmd_set),
        ("cmd_flush", s.cmd_flush),
        ("cmd_touch", s.cmd_touch),
        ("cmd_meta", s.cmd_meta),
        *((name, getattr(s, name)) for name in _COUNTERS),
        ("auth_cmds", s.auth_cmds),
        ("auth_errors", s.auth_errors),
    ]
    if settings.idle_timeout:
        rows.append(("idle_kicks", s.idle_kicks))
    rows += [
        ("bytes_read", s.bytes_read),
        ("bytes_written", s.bytes_written),
        ("limit_maxbytes", state.cache.limit),
        ("accepting_conns", int(state.accepting)),
        ("listen_disabled_num", state.listen_disabled),
        ("time_in_listen_disabled_us", int(state.disabled_seconds * 1_000_000)),
        ("threads", settings.threads),
        ("conn_yields", s.conn_yields),
        ("hash_power_level", max(16, (len(state.cache.items) * 2 // 3).bit_length())),
        ("hash_bytes", sys.getsizeof(state.cache.items)),
        ("hash_is_expanding", 0),
    ]
    if settings.tls:
        if settings.tls_settings.session_cache:
            rows.append(("ssl_new_sessions", s.ssl_new_sessions))
        rows += [
            ("ssl_handshake_errors", s.ssl_handshake_errors),
            ("ssl_proto_errors", s.ssl_proto_errors),
            ("time_since_server_cert_refresh", state.cache.now - state.refreshed),
        ]
    if moving:
        rows += [(name, "none" if name.endswith("status") else 0) for name in _MOVES]
    if state.runtime.crawler:
        rows += [("lru_crawler_running", 0), ("lru_crawler_starts", state.runtime.crawler_starts)]
    if settings.segmented:
        rows.append(("lru_maintainer_juggles", s.juggles))
    rows += [
        ("malloc_fails", 0),
        ("log_worker_dropped", 0),
        ("log_worker_written", watch.written),
        ("log_watcher_skipped", watch.skipped),
        ("log_watcher_sent", watch.sent),
        ("log_watchers", len(watch.watchers)),
        ("unexpected_napi_ids", 0),
        ("round_robin_fallback", 0),
        ("bytes", gauges["bytes"]),
        ("curr_items", gauges["curr_items"]),
        ("total_items", s.total_items),
        ("slab_global_page_pool", 0),
        ("expired_unfetched", s.expired_unfetched),
        ("evicted_unfetched", s.evicted_unfetched),
    ]
    if settings.segmented:
        rows.append(("evicted_active", 0))
    rows += [
        ("evictions", s.evictions),
        ("reclaimed", s.reclaimed),
        ("crawler_reclaimed", s.crawler_reclaimed),
        ("crawler_items_checked", s.crawler_checked),
        ("lrutail_reflocked", 0),
    ]
    if settings.segmented:
        classes = state.cache.slabs.classes
        rows += [
            ("moves_to_cold", sum(slab.moves_to_cold for slab in classes)),
            ("moves_to_warm", sum(slab.moves_to_warm for slab in classes)),
            ("moves_within_lru", sum(slab.moves_within for slab in classes)),
            ("direct_reclaims", sum(slab.direct_reclaims for slab in classes)),
            ("lru_bumps_dropped", 0),
        ]
    return rows


_BUFFERS = (
    "response_obj_oom response_obj_count response_obj_bytes read_buf_count read_buf_bytes"
    " read_buf_bytes_free read_buf_oom"
).split()
_COUNTERS = (
    "get_hits get_misses get_expired get_flushed delete_misses delete_hits incr_misses incr_hits decr_misses decr_hits"
    " cas_misses cas_hits cas_badval touch_hits touch_misses store_too_large store_no_memory"
).split()
_MOVES = (
    "slab_reassign_rescues slab_reassign_chunk_rescues slab_reassign_inline_reclaim slab_reassign_busy_items"
    " slab_reassign_busy_deletes slab_reassign_busy_nomem slab_reassign_last_busy_status slab_reassign_running"
    " slabs_moved"
).split()


def settings_rows(settings: Settings, runtime: Runtime, limit: int, detail: bool) -> list[Row]:  # noqa: FBT001
    """Rows of ``stats settings``; `limit` is the present ``-m`` in bytes, `detail` whether prefixes are counted."""
    return [
        ("maxbytes", limit),
        ("maxconns", settings.max_connections),
        ("tcpport", max(settings.port, 0)),
        ("udpport", max(settings.udp_port, 0)),
        ("inter", ",".join(address.host for address in settings.listen) or "NULL"),
        ("verbosity", runtime.verbosity),
        ("oldest", runtime.oldest),
        ("evictions", "on" if settings.evict else "off"),
        ("domain_socket", settings.unix_socket or "NULL"),
        ("umask", f"{settings.unix_mode:o}"),
        ("shutdown_command", _yes(settings.shutdown_allowed)),
        ("growth_factor", f"{settings.growth_factor:.2f}"),
        ("chunk_size", settings.chunk_size),
        ("num_threads", settings.threads),
        ("num_threads_per_udp", 1),
        ("stat_key_prefix", settings.prefix_delimiter.decode("latin-1")),
        ("detail_enabled", _yes(detail)),
        ("reqs_per_event", settings.requests_per_turn or 256),
        ("cas_enabled", _yes(settings.cas)),
        ("tcp_backlog", settings.backlog),
        ("binding_protocol", SHOWN[BY_NAME[settings.protocol]]),
        ("auth_enabled_sasl", _yes(settings.sasl)),
        ("auth_enabled_ascii", settings.auth_file or "no"),
        ("item_size_max", settings.item_size_max),
        ("maxconns_fast", _yes(settings.maxconns_fast)),
        ("hashpower_init", 0),
        ("slab_reassign", _yes(settings.modern)),
        ("slab_automove", runtime.automove),
        ("slab_automove_ratio", f"{runtime.automove_ratio:.2f}"),
        ("slab_automove_window", runtime.automove_window),
        ("slab_chunk_max", settings.chunk_max),
        ("lru_crawler", _yes(runtime.crawler)),
        ("lru_crawler_sleep", runtime.crawler_sleep),
        ("lru_crawler_tocrawl", runtime.crawler_tocrawl),
        ("tail_repair_time", 0),
        ("flush_enabled", _yes(settings.flush_allowed)),
        ("dump_enabled", _yes(settings.dump_allowed)),
        ("hash_algorithm", "siphash13"),
        ("lru_maintainer_thread", _yes(settings.segmented)),
        ("lru_segmented", _yes(runtime.segmented)),
        ("hot_lru_pct", runtime.tuning.hot_percent),
        ("warm_lru_pct", runtime.tuning.warm_percent),
        ("hot_max_factor", f"{runtime.tuning.hot_factor:.2f}"),
        ("warm_max_factor", f"{runtime.tuning.warm_factor:.2f}"),
        ("temp_lru", _yes(runtime.temporary_ttl is not None)),
        ("temporary_ttl", 61 if runtime.temporary_ttl is None else runtime.temporary_ttl),
        ("idle_timeout", settings.idle_timeout),
        ("watcher_logbuf_size", 64 * KIB),
        ("worker_logbuf_size", 0),
        ("read_buf_mem_limit", 0),
        ("track_sizes", "no"),
        ("inline_ascii_response", "no"),
        ("slab_automove_freeratio", f"{runtime.automove_free_ratio:.3f}"),
        *(_tls_rows(settings.tls_settings) if settings.tls else ()),
        ("num_napi_ids", 0),
        ("memory_file", "(null)"),
        ("client_flags_size", 4),
    ]


def _tls_rows(tls: TlsSettings) -> list[Row]:
    return [
        ("ssl_enabled", "yes"),
        ("ssl_chain_cert", tls.chain_cert),
        ("ssl_key", tls.key or tls.chain_cert),
        ("ssl_verify_mode", (0, 1, 3, 7)[tls.verify_mode]),
        ("ssl_keyformat", 2 if tls.key_der else 1),
        ("ssl_ciphers", tls.ciphers or "NULL"),
        ("ssl_ca_cert", tls.ca_cert or "NULL"),
        ("ssl_wbuf_size", tls.write_buffer),
        ("ssl_session_cache", _yes(tls.session_cache)),
        ("ssl_kernel_tls", "no"),
        ("ssl_min_version", VERSION_NAMES[tls.min_version]),
    ]
