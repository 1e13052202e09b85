"""What a connection machine is made of: its states and events, a connection, and the rows of a table.

What decides (guards) and what is done (actions) stands in `guards` and `actions`, and of each further protocol in
modules of its own; `connection` puts the tables together and takes their rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from mcspec import access, admin, binary, meta, packet, text
from mcspec.cache import Cache, Now
from mcspec.pattern import Owed

if TYPE_CHECKING:
    from mcspec.rules import Rules

TEXT, BINARY, PACKET, STRANGER = "text", "binary", "packet", "stranger"
"""The protocols that a connection may speak; the last one until it is let in."""

Packets = packet.Asked | packet.Refused | packet.BadLength
Headers = binary.Request | binary.Refusal
Request = text.Request | meta.Line | meta.MetaStore | admin.Said | Headers | Packets | access.Token
STORES = text.Store | meta.MetaStore
"""The requests of lines that a value follows."""


class State(Enum):
    """The states of a connection."""

    LISTENING = "listening"
    NEW_CMD = "new_cmd"
    WAITING = "waiting"
    READ = "read"
    PARSE_CMD = "parse_cmd"
    NREAD = "nread"
    SWALLOW = "swallow"
    MWRITE = "mwrite"
    CLOSING = "closing"
    CLOSED = "closed"

    __hash__ = object.__hash__


class Event(Enum):
    """What can happen to a connection; TURN is its own next move."""

    CONNECT = "connect"
    TURN = "turn"
    DATA = "data"
    EOF = "eof"
    RESET = "reset"
    DATAGRAM = "datagram"

    __hash__ = object.__hash__


class Conn(NamedTuple):
    """One connection. `need` is the length in bytes, CR LF included, of the block being received or swallowed.

    `since` is the moment of the store line, from which its exptime counts. `parts` counts the chunks that the present
    request has come in, `erred` remembers that the last one was refused, `queued` that replies wait to be written,
    `leaving` that the connection closes after them. `protocol` is empty until the first byte has decided it for ever.
    `standing` says whether the connection was let in (`access`).
    """

    state: State = State.LISTENING
    buffer: bytes = b""
    request: Request | None = None
    line: bytes = b""
    need: int = 0
    since: Now | None = None
    queued: int = 0
    leaving: bool = False
    parts: int = 0
    erred: bool = False
    protocol: str = ""
    standing: str = ""


class Stream(NamedTuple):
    """What holds of the stream of requests in any protocol: the clause of each protocol's own chapter that says so.

    `refused` tells from the first piece of a reply whether it is the refusal of a request.
    """

    chunks: str
    pipelined: str
    prompt: str
    error_keeps_open: str
    owed_before_close: str
    half_close: str
    fin_inside: str
    closed_is_final: str
    independent: str
    refused: Callable[[bytes], bool]


def _error_line(piece: bytes) -> bool:
    return piece.startswith((b"ERROR", b"CLIENT_ERROR", b"SERVER_ERROR"))


_OF_TEXT = Stream(
    chunks="text.stream.chunks",
    pipelined="text.stream.pipelined",
    prompt="text.stream.prompt",
    error_keeps_open="text.stream.error-keeps-open",
    owed_before_close="text.stream.owed-before-close",
    half_close="text.stream.half-close",
    fin_inside="text.stream.fin-in-value",
    closed_is_final="text.stream.closed-is-final",
    independent="text.stream.independent",
    refused=_error_line,
)

_OF_BINARY = Stream(
    chunks="binary.stream.chunks",
    pipelined="binary.stream.pipelined",
    prompt="binary.stream.prompt",
    error_keeps_open="binary.stream.error-keeps-open",
    owed_before_close="binary.stream.owed-before-close",
    half_close="binary.stream.half-close",
    fin_inside="binary.stream.fin-inside",
    closed_is_final="binary.stream.closed-is-final",
    independent="binary.stream.independent",
    refused=binary.is_error,
)

_OF_PACKETS = Stream(
    chunks="packet.stream.chunks",
    pipelined="packet.stream.order",
    prompt="packet.stream.prompt",
    error_keeps_open="packet.stream.error-keeps-open",
    owed_before_close="packet.stream.owed-before-close",
    half_close="packet.stream.half-close",
    fin_inside="packet.stream.end-inside",
    closed_is_final="packet.stream.closed-is-final",
    independent="packet.stream.independent",
    refused=packet.is_error,
)

STREAMS: dict[str, Stream] = {
    **dict.fromkeys(("", TEXT, STRANGER), _OF_TEXT),
    BINARY: _OF_BINARY,
    PACKET: _OF_PACKETS,
}
"""The clauses of streams, by protocol."""


class Turn(NamedTuple):
    """One world in the making: the connection, the cache, what is owed since the event, the rows taken."""

    conn: Conn
    cache: Cache
    owed: tuple[Owed, ...]
    rows: tuple[str, ...]
    unspecified: str | None = None


class Context(NamedTuple):
    """What an action may read beside the turn: the moment, the rules, and the number of open connections."""

    now: Now
    rules: Rules
    crowd: int
    trace: bool = False


Guard = Callable[[Conn, Context], bool | None]
Action = Callable[[Turn, Context], tuple[Turn, ...]]


class Row(NamedTuple):
    """One row of the table; `clauses` are owed to the row itself, whatever its action adds."""

    guard: Guard
    action: Action
    to: State
    clauses: tuple[str, ...] = ()


Table = Mapping[tuple[State, Event], tuple[Row, ...]]


def name(state: State, event: Event, row: Row) -> str:
    """The name of a row: `state event [guard] / action -> state`."""
    guard = f" [{row.guard.__name__}]" if row.guard.__name__ != "always" else ""
    action = f" / {row.action.__name__}" if row.action.__name__ != "nothing" else ""
    return f"{state.value} {event.value}{guard}{action} -> {row.to.value}"
