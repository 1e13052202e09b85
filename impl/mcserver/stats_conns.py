"""``stats conns``: who is connected, over what, and in which state."""

from mcserver.state import ServerState


def connection_rows(state: ServerState) -> list[tuple[str, object]]:
    """Rows of ``stats conns``: listening sockets first, then clients, by number."""
    now = state.cache.now
    rows: list[tuple[str, object]] = []
    for number, address in sorted(state.listeners.items()):
        since, doing = state.started, "listening"
        if address.startswith("udp"):
            rows.append((f"{number}:UDP", "UDP"))
            since = state.heard.get(number, since)
            doing = "parse_cmd" if state.observer.fd == number else "read"
        rows += [
            (f"{number}:addr", address),
            (f"{number}:state", f"conn_{doing}"),
            (f"{number}:secs_since_last_cmd", now - since),
        ]
    for number, (peer, served) in sorted(state.connections.items()):
        rows += [
            (f"{number}:addr", peer.address),
            (f"{number}:listen_addr", peer.listener),
            (f"{number}:state", f"conn_{served.state_name()}"),
            (f"{number}:secs_since_last_cmd", now - served.last),
        ]
    return rows
