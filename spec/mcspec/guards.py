"""The guards of the connection table: each looks at one connection and says whether its row holds, or maybe."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mcspec import access, arith, binary, meta, text
from mcspec.machine import STORES

if TYPE_CHECKING:
    from mcspec.machine import Conn, Context
    from mcspec.rules import Rules


def always(_conn: Conn, _context: Context) -> bool:
    """Holds always."""
    return True


def room(_conn: Conn, context: Context) -> bool:
    """Fewer connections are open than the limit allows."""
    return context.crowd < context.rules.limits.connections


def line_ready(conn: Conn, _context: Context) -> bool:
    """The buffer holds an LF."""
    return b"\n" in conn.buffer


def replies_queued(conn: Conn, _context: Context) -> bool:
    """Replies wait to be written."""
    return conn.queued > 0


def _retrieval_line(conn: Conn, context: Context) -> bool:
    traits = context.rules.traits
    start = conn.buffer[:256]
    if traits.leading_space == "ignored":
        start = start.lstrip(b" ")
    return start.startswith(text.RETRIEVALS if traits.long_retrieval == "all" else text.RETRIEVALS[:2])


def line_over(conn: Conn, context: Context) -> bool | None:
    """A line that is no retrieval is longer than the limit (where reads decide: maybe)."""
    limits = context.rules.limits
    if len(conn.buffer) < limits.line:
        return False
    held, end = len(conn.buffer), conn.buffer.find(b"\n") + 1
    over: bool | None = arith.line_over(end, held, limits.line)
    if context.rules.traits.line_limit == "racy":
        over = arith.line_over_by_reads(end or held, limits.line, limits.read_buffer)
    return False if over is False or _retrieval_line(conn, context) else over


def retrieval_over(conn: Conn, context: Context) -> bool:
    """A retrieval line is longer than its own limit (where reads decide there is none)."""
    limit = context.rules.limits.retrieval_line
    if len(conn.buffer) < limit or context.rules.traits.line_limit == "racy":
        return False
    end = conn.buffer.find(b"\n") + 1
    return arith.line_over(end, len(conn.buffer), limit) and _retrieval_line(conn, context)


def wants_value(conn: Conn, context: Context) -> bool:
    """A store command whose value fits is to be received."""
    request = conn.request
    return isinstance(request, STORES) and _fits(request, context.rules)


def too_large(conn: Conn, context: Context) -> bool:
    """A store command announces a value that cannot fit."""
    request = conn.request
    return isinstance(request, STORES) and not _fits(request, context.rules)


def _fits(request: text.Store | meta.MetaStore, rules: Rules) -> bool:
    return rules.functions.fits(request.key, request.flags, request.length, rules)


def refused_with_block(conn: Conn, _context: Context) -> bool:
    """The line was refused, and the block it announces is to be swallowed."""
    return isinstance(conn.request, text.Answer) and conn.request.swallow > 0


def hangs_up(conn: Conn, _context: Context) -> bool:
    """The line is one upon which the server closes without a word."""
    return isinstance(conn.request, text.Hang)


def quits(conn: Conn, _context: Context) -> bool:
    """The line is quit."""
    return isinstance(conn.request, text.Quit)


def block_here(conn: Conn, _context: Context) -> bool:
    """The whole block has arrived."""
    return arith.missing(conn.need, len(conn.buffer)) == 0


def bytes_to_drop(conn: Conn, _context: Context) -> bool:
    """Some of a block to be swallowed has arrived."""
    return conn.buffer != b"" and arith.missing(conn.need, len(conn.buffer)) > 0


def leaving(conn: Conn, _context: Context) -> bool:
    """The connection closes once all is written."""
    return conn.leaving


def holds_value(conn: Conn, _context: Context) -> bool:
    """A value is being received."""
    return conn.need > 0 and isinstance(conn.request, STORES | binary.Request | access.Token)


def holds_swallow(conn: Conn, _context: Context) -> bool:
    """A block is being swallowed."""
    return conn.need > 0
