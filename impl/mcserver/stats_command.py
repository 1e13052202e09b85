"""The ``stats`` command and its sub-commands."""

from mcserver import replies
from mcserver.admin import abbreviates
from mcserver.state import ServerState
from mcserver.stats import render
from mcserver.stats_conns import connection_rows
from mcserver.stats_memory import cachedump, items_rows, sizes, slabs_rows
from mcserver.stats_rows import general_rows, settings_rows

#: Sub-commands that may be cut short, in the order in which they are looked up.
_SHORT = (b"reset", b"detail", b"settings", b"cachedump", b"conns", b"extstore")


def stats(state: ServerState, tokens: list[bytes]) -> bytes:
    """Answer ``stats [sub-command]``; words after the sub-command's own are ignored."""
    if len(tokens) == 1:
        return render(general_rows(state))
    word = tokens[1]
    for name in _SHORT:
        if abbreviates(word, name):
            word = name
            break
    match word:
        case b"reset":
            state.reset_stats()
            return replies.RESET
        case b"settings":
            return render(settings_rows(state.settings, state.runtime, state.cache.limit, state.observer.counting))
        case b"items":
            state.maintain()
            return render(items_rows(state.cache, segmented=state.settings.segmented))
        case b"slabs":
            return render(slabs_rows(state.cache))
        case b"sizes":
            return sizes()
        case b"conns":
            return render(connection_rows(state))
        case b"detail":
            return _detail(state, tokens)
        case b"cachedump":
            state.maintain()
            return cachedump(state.cache, tokens, allowed=state.settings.dump_allowed)
        case b"extstore":
            return replies.END
        case _:
            return replies.ERROR


def _detail(state: ServerState, tokens: list[bytes]) -> bytes:
    if not state.settings.dump_allowed:
        return replies.DETAIL_REFUSED
    word = tokens[2] if len(tokens) > 2 else tokens[0]
    if abbreviates(word, b"on") or abbreviates(word, b"off"):
        state.observer.count(abbreviates(word, b"on"))
        return replies.OK
    return state.observer.dump() if abbreviates(word, b"dump") else replies.DETAIL_USAGE
