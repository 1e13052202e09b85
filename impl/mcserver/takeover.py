"""Commands that take a connection over: ``lru_crawler metadump|mgdump`` for a while, ``watch`` for good.

They have to come first in their chunk of input, as in memcached; a ``mn`` right before them does as well.
"""

from mcserver import replies
from mcserver.admin import abbreviates, class_set
from mcserver.dumps import Dump
from mcserver.observe import CLASSES, DEFAULT
from mcserver.state import ServerState

#: Second words of ``lru_crawler`` that begin a dump.
_DUMPS = (b"metadump", b"mgdump")
_THREE = 3


def dump_word(tokens: list[bytes]) -> bytes:
    """Which dump an ``lru_crawler`` line asks for; empty for none."""
    if len(tokens) == _THREE:
        for word in _DUMPS:
            if abbreviates(tokens[1], word):
                return word
    return b""


def start_dump(state: ServerState, tokens: list[bytes], *, alone: bool) -> Dump | bytes:
    """Begin ``lru_crawler metadump|mgdump <classes|all|hash>``, or the reply that refuses it."""
    word = dump_word(tokens)
    meta = word == b"metadump"
    if not state.runtime.crawler:
        return replies.CRAWLER_DISABLED
    if not state.settings.dump_allowed:
        return replies.METADUMP_REFUSED if meta else replies.MGDUMP_REFUSED
    if not alone:
        return replies.NO_PIPELINE % word
    if tokens[2] in {b"all", b"hash"}:
        return Dump(state.cache, None, meta=meta)
    classes = class_set(tokens[2])
    if classes is None:
        return replies.BAD_CLASS
    return Dump(state.cache, classes, meta=meta) if classes else replies.NOTHING_TO_CRAWL


def watch_classes(state: ServerState, tokens: list[bytes], *, alone: bool) -> frozenset[bytes] | bytes:
    """Read ``watch [class]*``: the classes of log lines to send, or the reply that refuses it."""
    if not state.settings.watch_allowed:
        return replies.WATCH_REFUSED
    if not alone:
        return replies.NO_PIPELINE % b"watch"
    chosen = [next((name for name in CLASSES if abbreviates(token, name)), None) for token in tokens[1:]]
    if None in chosen:
        return replies.ERROR
    return frozenset(name for name in chosen if name is not None) or DEFAULT
