"""The text commands that are one line in and one reply out, and the rules all command lines share.

A handler gets the tokens of its line (the command word first, at least one) and returns its reply, or empty bytes for
none. Retrieval and storage commands are elsewhere (`retrieval`, `storage`): they take more than a line.
"""

from collections.abc import Callable

from mcserver import PROTOCOL_VERSION, admin, replies
from mcserver.arithmetic import add_delta
from mcserver.cache import Outcome
from mcserver.numbers import strict_i32, strict_u32, strict_u64
from mcserver.settings import KEY_MAX
from mcserver.state import ServerState
from mcserver.stats_command import stats

#: Tokens that are told apart on a line; later ones are not looked at.
TOKEN_MAX = 23
#: A line shorter than this many bytes, its line end included, is refused before it is read.
LINE_MIN = 4

_SILENT = b""
_TWO = 2
_THREE = 3

#: A handler's None ends the conversation.
Handler = Callable[[ServerState, list[bytes]], bytes | None]

#: Replies to what came of a storage command.
STORE_REPLIES: dict[Outcome, bytes] = {
    Outcome.STORED: replies.STORED,
    Outcome.NOT_STORED: replies.NOT_STORED,
    Outcome.EXISTS: replies.EXISTS,
    Outcome.NOT_FOUND: replies.NOT_FOUND,
}

_ARITHMETIC_REPLIES: dict[Outcome, bytes] = {
    Outcome.NOT_FOUND: replies.NOT_FOUND,
    Outcome.NON_NUMERIC: replies.NON_NUMERIC,
    Outcome.NO_MEMORY: replies.NO_MEMORY,
}

#: What may follow a flush_all without an exptime: only a noreply that stands alone is none.
_NO_DELAY: tuple[list[bytes], ...] = ([], [b"noreply"])

#: What may follow the key of a delete.
_DELETE_TAILS: tuple[list[bytes], ...] = ([], [b"0"], [b"noreply"], [b"0", b"noreply"])


def is_noreply(tokens: list[bytes]) -> bool:
    """Whether the last token that is told apart asks for silence."""
    return tokens[min(len(tokens), TOKEN_MAX) - 1] == b"noreply"


def _touch(state: ServerState, tokens: list[bytes]) -> bytes:
    if len(tokens) < _THREE:
        return replies.BAD_FORMAT
    if len(tokens[1]) > KEY_MAX:
        reply = replies.BAD_FORMAT
    else:
        exptime = strict_i32(tokens[2])
        if exptime is None:
            reply = replies.BAD_EXPTIME
        else:
            found = state.cache.touch(tokens[1], state.cache.deadline(exptime))
            reply = replies.NOT_FOUND if found is None else replies.TOUCHED
    return _SILENT if is_noreply(tokens) else reply


def _arithmetic(state: ServerState, tokens: list[bytes]) -> bytes:
    if len(tokens) < _THREE:
        return replies.BAD_FORMAT
    if len(tokens[1]) > KEY_MAX:
        reply = replies.BAD_FORMAT
    else:
        delta = strict_u64(tokens[2])
        if delta is None:
            reply = replies.BAD_DELTA
        else:
            result = add_delta(state.cache, tokens[1], delta, increment=tokens[0] == b"incr")
            reply = result + b"\r\n" if isinstance(result, bytes) else _ARITHMETIC_REPLIES[result]
    return _SILENT if is_noreply(tokens) else reply


def _delete(state: ServerState, tokens: list[bytes]) -> bytes:
    if len(tokens) < _TWO:
        return replies.BAD_FORMAT
    if tokens[2:] not in _DELETE_TAILS:
        reply = replies.BAD_DELETE
    elif len(tokens[1]) > KEY_MAX:
        reply = replies.BAD_FORMAT
    else:
        if state.observer.active:
            state.observer.deleting(tokens[1])
        item = state.cache.delete(tokens[1])
        if item is not None and state.observer.active:
            state.observer.deleted(tokens[1], item, "delete")
        reply = replies.NOT_FOUND if item is None else replies.DELETED
    return _SILENT if is_noreply(tokens) else reply


def _flush_all(state: ServerState, tokens: list[bytes]) -> bytes:
    quiet = is_noreply(tokens)
    state.stats.cmd_flush += 1  # also where it is refused
    delay: int | None = 0
    if tokens[1:] not in _NO_DELAY:
        delay = strict_i32(tokens[1])
    if not state.settings.flush_allowed:
        reply = replies.FLUSH_REFUSED
    elif delay is None:
        reply = replies.BAD_EXPTIME
    else:
        state.flush(delay)
        reply = replies.OK
    return _SILENT if quiet else reply


def _quiet(handler: Handler) -> Handler:
    """Let a command end in ``noreply``."""

    def wrapped(state: ServerState, tokens: list[bytes]) -> bytes | None:
        reply = handler(state, tokens)
        return _SILENT if reply and is_noreply(tokens) else reply

    return wrapped


def _version(_state: ServerState, _tokens: list[bytes]) -> bytes:
    return _VERSION_LINE


_VERSION_LINE = b"VERSION " + PROTOCOL_VERSION.encode() + b"\r\n"


def _verbosity(state: ServerState, tokens: list[bytes]) -> bytes:
    if len(tokens) < _TWO:
        return replies.BAD_FORMAT
    level = strict_u32(tokens[1])
    if level is None:
        reply = replies.BAD_FORMAT
    else:
        state.set_verbosity(level)
        reply = replies.OK
    return _SILENT if is_noreply(tokens) else reply


def _debugtime(state: ServerState, tokens: list[bytes]) -> bytes | None:
    # Without its option there is no such command.
    return admin.debugtime(state, tokens) if state.settings.debugtime else unknown(tokens)


def _refresh_certs(state: ServerState, tokens: list[bytes]) -> bytes | None:
    # Without TLS there is no such command.
    if state.on_refresh is None:
        return unknown(tokens)
    trouble = state.on_refresh()
    return trouble.replace("\n", " ").encode(errors="replace") + b"\r\n" if trouble else replies.OK


#: Handlers by command word.
COMMANDS: dict[bytes, Handler] = {
    b"cache_memlimit": _quiet(admin.memlimit),
    b"debugtime": _quiet(_debugtime),
    b"lru": _quiet(admin.lru),
    b"lru_crawler": _quiet(admin.crawler),
    b"refresh_certs": _quiet(_refresh_certs),
    b"shutdown": _quiet(admin.shutdown),
    b"slabs": _quiet(admin.slabs),
    b"decr": _arithmetic,
    b"delete": _delete,
    b"flush_all": _flush_all,
    b"incr": _arithmetic,
    b"stats": stats,
    b"touch": _touch,
    b"verbosity": _verbosity,
    b"version": _version,
}


def unknown(tokens: list[bytes]) -> bytes | None:
    """Reply to a command that does not exist; None to close the connection, which is for HTTP requests."""
    if is_noreply(tokens):
        return _SILENT
    if len(tokens) > 1 and tokens[min(len(tokens), TOKEN_MAX) - 1].startswith(b"HTTP/"):
        return None
    return replies.ERROR
