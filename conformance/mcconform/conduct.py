"""One run of one Conversation on a target beside the oracle.

Waiting
-------
Every wait is for a predicate: the oracle says what is owed, and the runner reads until it has come or until nothing
has come for the time-out.  At a Settle the runner first sends a *sentinel* (`mcconform.sentinels`) on each connection
that is at a command boundary, so that bytes nobody asked for are seen too; the oracle is told of it like of any
request.  The conversation ends with a sentinel on every connection and on a fresh one.

Order between connections
-------------------------
A server may work on two connections in any order.  Steps are ordered by waiting: before a step on another connection
everything owed on the last one must have come, and what was silent is followed by a sentinel.  A request without a
reply followed by half a request leaves nothing to wait for; generators put a Settle between them.

UDP
---
One datagram is outstanding: the next step waits for what is owed to it. On a network datagrams are lost, so that one
that does not come proves nothing: the conversation is over, and whoever runs it may run it again.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from mcconform import ending, flags, leftovers, opcodes, options
from mcconform.conversation import (
    PREFIX,
    Advance,
    Close,
    Conversation,
    Datagram,
    HalfClose,
    Open,
    Reset,
    Resume,
    Send,
    Settle,
    Step,
    StopReading,
    pieces,
    rename,
)
from mcconform.observed import Uniques, shown
from mcconform.oracle import Oracle
from mcconform.sentinels import Sentinels
from mcconform.targets import WITH_UDP, DiedError, Session, Target, TargetError, UnreachableError, UnsupportedError
from mcconform.verdict import Line, Result, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable

    from mcconform.conversation import Transport
    from mcconform.runner import Setting
    from mcspec import Outcome

WITHHELD = 0.002
"""Seconds to give a server that may withhold its replies while it receives a value."""

LINGER = 0.05
"""Seconds of silence after a wrong reply that end its observation."""

MOST_MORE = 65536
"""Bytes after a wrong reply that are looked at."""


class _Stop(Exception):  # noqa: N818 - a signal within this module, no error
    """The conversation has been decided."""


class Conduct:
    """One run of one conversation."""

    def __init__(
        self, conversation: Conversation, target: Target, setting: Setting, prefix: bytes, timeout: float
    ) -> None:
        self.original = conversation
        self.renamed = rename(conversation, prefix)
        self.target = target
        self.setting = setting
        self.timeout = timeout
        self.prefix = prefix
        self.uniques = Uniques(packets=conversation.packets)
        self.lines: list[Line] = []
        self.heard: dict[int, bytearray] = {}
        self.opened: dict[int, None] = {}
        self.over: set[int] = set()
        self.ended: set[int] = set()
        self.stopped: set[int] = set()
        self.inbox: dict[int, list[bytes | None]] = {}
        self.more = b""
        self.last: int | None = None
        self.raced = False
        """Whether a connection spoke while another one was inside a request: who knows which the server reads first."""
        judge = setting.judge
        self.flags: list[flags.Used] = []
        self.opcodes: list[opcodes.Used] = []
        self.clients = conversation.datagrams
        self.asked: dict[int, bytes] = {}
        self.sentinels = Sentinels(self.renamed)
        alone, lossy = setting.allow_flush, not target.immediate
        rules = options.apply(judge.rules, conversation.options)
        self.oracle = Oracle(rules, alone=alone, observer=self._saw, lossy=lossy)
        base = None if judge.base is None else options.apply(judge.base, conversation.options)
        self.base = None if base is None else Oracle(base, alone=alone, lossy=lossy)
        self.deviates: tuple[str, ...] = ()
        self.held: frozenset[str] = frozenset()
        self.session: Session

    def result(self) -> Result:
        """Run it."""
        try:
            wanted = self.renamed.options
            self.session = self.target.session((*wanted, *WITH_UDP) if self.clients and "-U" not in wanted else wanted)
        except UnsupportedError as error:
            return Result(self.original, Verdict.UNSUPPORTED, reason=str(error))
        except (UnreachableError, DiedError) as error:
            return ending.failed(self, "crash", str(error))
        try:
            self._steps()
        except _Stop:
            refusal = self.oracle.refusal
            if refusal is not None and refusal.kind in ("wrong reply", "unexpected bytes"):
                self._linger(refusal.conn)
        except UnsupportedError as error:
            return Result(self.original, Verdict.UNSUPPORTED, reason=str(error))
        except TargetError as error:
            return ending.failed(self, "crash", str(error))
        finally:
            self._clean()
            self.session.end()
        return ending.verdict(self)

    def _steps(self) -> None:
        for step in self.renamed.steps:
            self._step(step)
        for conn in list(self.stopped):
            self.stopped.discard(conn)
            self.session.resume(conn)
        self._settle(tuple(self.opened))
        if not self.setting.fresh:
            return
        fresh = max(self.opened, default=-1) + 1
        self._open(fresh)
        self._settle((fresh,))

    # ------------------------------------------------------------------------------------------------ steps

    def _step(self, step: Step) -> None:
        if isinstance(step, Settle):
            self._settle(tuple(self.opened) if step.conn is None else (step.conn,))
            return
        if isinstance(step, Advance):
            for conn in self.opened:
                self._barrier(conn)
            self.session.advance(step.seconds)
            self._note("advance", 0, b"%g" % step.seconds)
            return
        if self.last is not None and self.last != step.conn:
            self._barrier(self.last)
            self.raced = self.raced or not (self.target.immediate or self.oracle.at_boundary(self.last))
            if not self.target.immediate and self.oracle.unheard(self.last):
                # Requests that were answered with silence: whether they are carried out yet, only a sentinel shows.
                self._settle((self.last,))
        self.last = step.conn
        self._open(step.conn)
        if step.conn in self.clients and not isinstance(step, Open | Datagram | StopReading | Resume):
            raise ValueError(f"a UDP client cannot {type(step).__name__.lower()}")
        if step.conn not in self.over:
            self._act(step)
        elif step.conn in self.ended and isinstance(step, Send):
            # The server has closed: it must make nothing of this, which later steps will show.
            self._send(step)
            self._tell(lambda oracle: oracle.settled(step.conn))

    def _act(self, step: Open | Send | Datagram | HalfClose | Reset | Close | StopReading | Resume) -> None:
        conn, now = step.conn, self.session.now()
        if isinstance(step, Send):
            self._send(step)
        elif isinstance(step, Datagram):
            self._datagram(conn, b"".join(self.uniques.bind(part, now.hi) for part in step.parts), step)
        elif isinstance(step, HalfClose):
            self._note("half-close", conn)
            self._tell(lambda oracle: oracle.half_close(conn, now))
            self.session.half_close(conn)
        elif isinstance(step, Reset):
            self._barrier(conn)
            self._note("reset", conn)
            self._tell(lambda oracle: oracle.reset(conn, now))
            self.session.reset(conn)
            self.over.add(conn)
        elif isinstance(step, Close):
            self._barrier(conn)
            self._note("close", conn)
            self._tell(lambda oracle: oracle.reset(conn, now))
            self.session.close(conn)
            self.over.add(conn)
        elif isinstance(step, StopReading):
            self._note("stop-reading", conn)
            self.stopped.add(conn)
            self.session.stop_reading(conn)
        elif isinstance(step, Resume):
            self._note("resume", conn)
            self.stopped.discard(conn)
            self.session.resume(conn)

    def _open(self, conn: int) -> None:
        if conn not in self.opened:
            self.opened[conn] = None
            now = self.session.now()
            transport: Transport = "udp" if conn in self.clients else "tcp"
            self._tell(lambda oracle: oracle.open(conn, now, transport))
            self.session.open(conn, transport)

    def _send(self, step: Send) -> None:
        if step.literal() is None:
            # A cas unique that the last answer shows must have been seen.
            self._barrier(step.conn)
        data = b"".join(self.uniques.bind(part, self.session.now().hi) for part in step.parts)
        self._note("send", step.conn, *self._shown(step, data))
        for chunk in pieces(data, step.cuts):
            self._write(step.conn, chunk)

    def _datagram(self, conn: int, data: bytes, step: Datagram | None = None) -> None:
        """Send one datagram and wait for the answers."""
        if step is None or step.literal() is not None:
            self._note("datagram", conn, data.replace(self.prefix, PREFIX))
        else:
            self._note("datagram", conn, b"".join(shown(part) for part in step.parts).replace(self.prefix, PREFIX))
        now = self.session.now()
        self._tell(lambda oracle: oracle.datagram(conn, data, now))
        self.asked[conn] = data
        self.session.datagram(conn, data)
        self._barrier(conn)

    def _shown(self, step: Send, data: bytes) -> list[bytes]:
        """The chunks as a transcript shows them: cut where they were cut if all is literal."""
        if step.literal() is None or len(data) > 4096:
            return [b"".join(shown(part) for part in step.parts).replace(self.prefix, PREFIX)]
        return pieces(data.replace(self.prefix, PREFIX), step.cuts)

    def _write(self, conn: int, chunk: bytes) -> None:
        if self.oracle.crowded():
            self._barrier(conn)
        now = self.session.now()
        self._tell(lambda oracle: oracle.send(conn, chunk, now))
        self.uniques.sent(conn, chunk)
        self.session.write(conn, chunk)
        if self.target.immediate:
            self._pump(conn, 0)

    # ------------------------------------------------------------------------------------------------ waiting

    def _settle(self, conns: tuple[int, ...]) -> None:
        """Sentinels where they are allowed, then everything owed on these connections."""
        live = [conn for conn in conns if conn in self.opened and conn not in self.over and conn not in self.stopped]
        for conn in live:
            if conn != self.last and self.last is not None:
                self._barrier(self.last)
            self.last = conn
            if conn in self.clients:
                self._datagram(conn, self.sentinels.datagram(conn))
            elif self.oracle.at_boundary(conn):
                sentinel = self.sentinels.request(conn)
                self._note("send", conn, sentinel)
                self._write(conn, sentinel)
            self._barrier(conn)
            if self.target.immediate or len(self.oracle.worlds) == 1:
                # Everything has come; in a single world that is no guess about what may still come in another.
                self._tell(lambda oracle, conn=conn: oracle.settled(conn, prompt=self._prompt(conn)))  # type: ignore[misc]

    def _barrier(self, conn: int) -> None:
        """Wait until everything owed on a connection has come; what has not come in time is missing."""
        if conn in self.over or conn in self.stopped:
            return
        idle_since = time.monotonic()
        while not self.oracle.complete(conn):
            if self.oracle.may_withhold(conn):
                self._pump(conn, WITHHELD)
                break
            left = idle_since + self.timeout - time.monotonic()
            if self._pump(conn, left):
                idle_since = time.monotonic()
            elif self.target.immediate or left <= 0:
                self._tell(lambda oracle: oracle.settled(conn))
                break
        self.hear()

    def _prompt(self, conn: int) -> bool:
        return not self.oracle.may_withhold(conn)

    def _pump(self, conn: int, timeout: float) -> bool:
        """Hand what arrived on one connection to the oracle; whether anything did.

        What arrives on others waits until it is their turn, so that the order of events does not depend on timing.
        """
        if not self.inbox.get(conn):
            for number, data in self.session.pump(timeout):
                self.inbox.setdefault(number, []).append(data)
        arrived = self.inbox.pop(conn, [])
        for data in arrived:
            if data is None:
                self.over.add(conn)
                self.ended.add(conn)
                self._tell(lambda oracle: oracle.ended(conn))
                self.hear()
                self._note("end", conn)
            else:
                self.heard.setdefault(conn, bytearray()).extend(data)
                if conn in self.clients:
                    self.uniques.datagram(conn, self.asked.get(conn, b""), data)
                else:
                    self.uniques.feed(conn, data)
                self._tell(lambda oracle, data=data: oracle.received(conn, data))  # type: ignore[misc]
        return bool(arrived)

    def _linger(self, conn: int) -> None:
        """After a wrong reply: what else comes on that connection, for a report that is the same in every run."""
        pending = self.inbox.pop(conn, [])
        while len(self.more) < MOST_MORE:
            for data in pending:
                self.more += data or b""
            arrived = self.session.pump(LINGER)
            if not arrived or None in pending:
                break
            pending = [data for number, data in arrived if number == conn]
        self.heard.setdefault(conn, bytearray()).extend(self.more)

    def _saw(self, outcome: Outcome) -> None:
        self.flags += flags.of(outcome)
        self.opcodes += opcodes.of(outcome)

    def _tell(self, event: Callable[[Oracle], None]) -> None:
        """Tell the oracles of an event, and stop when the conversation is decided."""
        event(self.oracle)
        if self.base is not None:
            event(self.base)
            if self.base.over:
                self.held = frozenset(self.base.passed)
                self.deviates = tuple(self.base.refusal.clauses) if self.base.refusal is not None else ()
                self.base = None
        if self.oracle.over:
            raise _Stop

    # ------------------------------------------------------------------------------------------------ transcript

    def _note(self, kind: str, conn: int, *data: bytes) -> None:
        for piece in data or (b"",):
            self.lines.append(Line(kind, conn, piece))

    def hear(self) -> None:
        """Put what was received into the transcript; only at waits, so that it does not depend on timing."""
        for conn in sorted(self.heard):
            if self.heard[conn]:
                self.lines.append(Line("receive", conn, bytes(self.heard[conn])))
        self.heard.clear()

    # ------------------------------------------------------------------------------------------------ the end

    def _clean(self) -> None:
        """Take away what the conversation may have left on a server that goes on living."""
        if self.target.immediate or not self.opened:
            return
        answers = self.oracle.refusal is None and self.setting.fresh
        farewell = leftovers.farewell(self.original, self.prefix, foreign=self.setting.allow_flush, answers=answers)
        if not farewell:
            return
        conn = next((conn for conn in reversed(self.opened) if self._usable(conn)), None)
        if conn is None:
            conn = max(self.opened) + 1
            try:
                self.session.open(conn)
            except TargetError:
                return
        self.session.write(conn, farewell)
        if self.original.flushes or answers:
            # Until this is done, the counters that the next conversation reads still move.
            deadline = time.monotonic() + self.timeout
            while time.monotonic() < deadline:
                if any(number == conn for number, _ in self.session.pump(0.1)):
                    break

    def _usable(self, conn: int) -> bool:
        """Whether a request of the farewell can be sent there."""
        if conn in self.over or conn in self.stopped or conn in self.clients:
            return False
        protocol = self.original.protocol
        return self.original.speech(conn) == (protocol or "text") and self.oracle.at_boundary(conn)
