"""Commands that take a connection over: ``lru_crawler metadump|mgdump`` for a while, ``watch`` for good.

They have to come first in their chunk of input, as in memcached; a ``mn`` right before them does as well.
"""

from mcserver import replies
from mcserver.admin import class_set
from mcserver.dumps import Dump
from mcserver.observe import CLASSES, DEFAULT
from mcserver.state import ServerState

#: Second words of ``lru_crawler`` that begin a dump, as they are cut from the tokens.
DUMPS = ([b"metadump"], [b"mgdump"])
_THREE = 3


def start_dump(state: ServerState, tokens: list[bytes], *, alone: bool) -> Dump | bytes:
    """Begin ``lru_crawler metadump|mgdump <classes|all|hash>``, or the reply that refuses it."""
    meta = tokens[1] == b"metadump"
    if len(tokens) < _THREE:
        return replies.ERROR
    if not state.settings.dump_allowed:
        return replies.METADUMP_REFUSED if meta else replies.MGDUMP_REFUSED
    if not alone:
        return replies.NO_PIPELINE % tokens[1]
    if not state.runtime.crawler:
        return replies.CRAWLER_DISABLED
    if tokens[2] in {b"all", b"hash"}:
        return Dump(state.cache, None, meta=meta)
    classes = class_set(tokens[2])
    return replies.BAD_CLASS if classes is None else Dump(state.cache, classes, meta=meta)


def watch_classes(state: ServerState, tokens: list[bytes], *, alone: bool) -> frozenset[bytes] | bytes:
    """Read ``watch [class]*``: the classes of log lines to send, or the reply that refuses it."""
    if not state.settings.watch_allowed:
        return replies.WATCH_REFUSED
    if not alone:
        return replies.NO_PIPELINE % b"watch"
    chosen = frozenset(tokens[1:]) or DEFAULT
    return chosen if chosen <= CLASSES else replies.ERROR
