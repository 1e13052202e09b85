"""Judge one mutant of the engine in a process of its own: does the clause fail that it should fail at?

What the engine as it is says in every conversation is noted once. A mutant that says the same is right, as the control
is; only where it says something else does the specification decide. So a mutant costs the time of the engine, not
that of the oracle, and meets every conversation there is.

A mutant is killed at a clause where that is among the clauses of the reply that was refused, or where a vector that
tests the clause failed: what an earlier request did wrong may show only when a later one is answered.

A mutant that raises ends its connection without the replies of that chunk, or leaves the datagram unanswered: that is
what the server's loop does (a test shows it), and the specification judges it like any other end. Of one that cannot be
imported, or does not start with the options of a conversation, every connection is closed and every datagram
unanswered. One that hangs, or takes all the memory, is judged by what it said before that.
"""

from __future__ import annotations

import contextlib
import gc
import multiprocessing
import os
import re
import resource
import signal
import time
from functools import cache
from random import Random
from typing import TYPE_CHECKING, NamedTuple

from mcconform import conversation as talk
from mcconform import options
from mcconform.lockstep import judge
from mcconform.observed import Uniques
from mcconform.phases.vectors import all_vectors
from mcconform.streams import Scope, conversation
from mcconform.targets.credentials import Credentials, wanted
from mcspec import Rules
from tests.mutants import loader

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.connection import Connection as Pipe
    from types import FrameType

    from mcconform.blame import Refusal
    from mcconform.conversation import Conversation
    from mcconform.lockstep import Engine, EngineConnection, Factory

OTHERS = frozenset({"binary", "packet", "udp", "access"})
"""Chapters whose mutants meet random streams in every protocol; those of the others meet text alone."""

STREAMS = 4000
"""Random streams that a mutant meets after the vectors."""

LIMIT = 10.0
"""Seconds of the processor that a mutant may take; what nothing has killed by then has survived."""

STUCK = 0.5
"""Seconds of the processor in one conversation after which the engine counts as hung."""

MOST_HANGS = 8
"""After so many conversations in which it hung no other is tried."""

STRIDE = 97
"""Once it hung, only one conversation in this many is tried: a wrong answer may show elsewhere."""

MEMORY = 2 << 30
"""Bytes of address space that a mutant may have."""

KILLED, ELSEWHERE, SURVIVED, CRASHED, HUNG = "killed", "elsewhere", "survived", "crashed", "hung"
"""How a mutant ended; `elsewhere`: it failed, but not at its clause."""

_OWN = re.compile(rb"((?:pid|rusage_user|rusage_system) ?)[0-9]+((?:\.[0-9]+)?)")
"""Rows of the statistics that are another process's own: their form is all that is compared."""

Transcript = tuple[tuple[int, int | bytes, bool], ...]
"""What an engine said: after each chunk the connection, the bytes (long ones as a hash), and whether it was closed."""


class Verdict(NamedTuple):
    """What came of a mutant: how it ended, the clause it was killed at, the conversation that did it, seconds taken.

    `raised` is what the engine raised in that conversation, if it did.
    """

    how: str
    clause: str
    shown: str
    raised: str
    seconds: float


class _Absent:
    """What clients find in place of a server that did not start; it is its own connection."""

    now = 1_800_000_000.0
    closed = True

    def advance(self, seconds: float) -> None:
        """Nothing happens."""

    def open(self) -> _Absent:
        """Nobody accepts."""
        return self

    def datagram(self, data: bytes) -> list[bytes]:  # noqa: ARG002
        """Nobody answers."""
        return []

    def send(self, chunk: bytes) -> None:
        """Nobody reads."""

    def receive(self) -> bytes:
        """Nobody has written."""
        return b""

    def half_close(self) -> None:
        """Nothing is open."""

    def reset(self) -> None:
        """Likewise."""


class _TimeUp(BaseException):
    """The alarm; no Exception, so that no handler of the engine swallows it."""


def conversations(clause: str, streams: int, *, mixed: bool = False) -> Iterator[Conversation]:
    """The vectors that test the clause (all of them if it is empty), then random streams, `mixed` in all protocols."""
    yield from (one for one in all_vectors() if not clause or clause in one.clauses)
    for seed in range(streams):
        yield _stream(seed, mixed)


@cache
def _stream(seed: int, mixed: bool) -> Conversation:  # noqa: FBT001
    scope = Scope(options=True, large=300, binary=mixed, udp=mixed, packets=mixed)
    return conversation(Random(seed), scope, f"{'mixed ' if mixed else ''}seed {seed}")


@cache
def _credentials() -> Credentials:
    """The file of the user that conversations log in as."""
    return Credentials()


def start(create: Factory, stream: Conversation) -> Engine:
    """An engine with the options that a conversation asks for."""
    if not wanted(stream.options):
        return create(stream.options)
    os.environ.update(_credentials().environment)  # that is where servers look
    return create(_credentials().fill(stream.options))


# ------------------------------------------------------------------------------------------------ transcripts


class Said:
    """Drives an engine through a conversation and notes what it says."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.noted: list[tuple[int, int | bytes, bool]] = []
        self.error = ""
        self.hung = False
        self._uniques = Uniques()
        self._lines: dict[int, EngineConnection] = {}

    def run(self, stream: Conversation) -> Said:
        """All of it, or up to where the engine raised, or had no time or memory left; `error` and `hung` say so."""
        self._uniques = Uniques(packets=stream.packets)
        try:
            for step in stream.steps:
                self._step(step)
        except (_TimeUp, MemoryError):
            self.hung = True
        except Exception as error:  # noqa: BLE001 - whatever a broken engine raises
            self.error = f"{type(error).__name__}: {error}"
        return self

    def _step(self, step: talk.Step) -> None:
        if isinstance(step, talk.Advance):
            self.engine.advance(step.seconds)
            return
        if step.conn is None or isinstance(step, talk.Settle | talk.Open):
            return
        if isinstance(step, talk.Datagram):
            self._datagram(step)
            return
        line = self._lines.get(step.conn)
        if line is None:
            line = self._lines[step.conn] = self.engine.open()
            self._listen(step.conn, line)
        if isinstance(step, talk.Send):
            data = b"".join(self._uniques.bind(part, self.engine.now) for part in step.parts)
            for piece in talk.pieces(data, step.cuts):
                self._uniques.sent(step.conn, piece)
                line.send(piece)
                self._listen(step.conn, line)
        elif isinstance(step, talk.HalfClose):
            line.half_close()
            self._listen(step.conn, line)
        elif isinstance(step, talk.Reset | talk.Close):
            line.reset()

    def _datagram(self, step: talk.Datagram) -> None:
        data = b"".join(self._uniques.bind(part, self.engine.now) for part in step.parts)
        for answer in self.engine.datagram(data):
            self._uniques.datagram(step.conn, data, answer)
            self._note(step.conn, answer, closed=False)
        self._note(step.conn, b"", closed=False)

    def _listen(self, conn: int, line: EngineConnection) -> None:
        data = line.receive()
        if data:
            self._uniques.feed(conn, data)
        self._note(conn, data, closed=line.closed)

    def _note(self, conn: int, data: bytes, *, closed: bool) -> None:
        if b"rusage" in data:
            data = _OWN.sub(lambda row: row[1] + re.sub(rb"[0-9]", b"0", row[2]), data)
        self.noted.append((conn, data if len(data) <= 64 else hash(data), closed))


_KNOWN: dict[str, Transcript] = {}


def _control(stream: Conversation) -> Transcript:
    """What the engine as it is says, noted once."""
    known = _KNOWN.get(stream.id)
    if known is None:
        known = _KNOWN[stream.id] = tuple(Said(start(loader.unchanged(), stream)).run(stream).noted)
    return known


def prepare(streams: int = STREAMS) -> None:
    """Note what the engine as it is says in every conversation."""
    for mixed in (False, True):
        for one in conversations("", streams, mixed=mixed):
            _control(one)


# ----------------------------------------------------------------------------------------------------- judging


def try_out(
    module: str, text: str, clause: str = "", streams: int = STREAMS, limit: float = LIMIT, *, control: bool = False
) -> Verdict:
    """Fork, import the mutant, judge it until the clause fails, the conversations end or the time is up.

    Without a clause any one will do. With `control` the specification judges every conversation, whatever the engine
    says: for an unchanged engine.
    """
    if not control:
        prepare(streams)
        gc.freeze()
    here, there = multiprocessing.Pipe(duplex=False)
    began = time.monotonic()
    process = multiprocessing.get_context("fork").Process(
        target=_child, args=(there, module, text, clause, streams, limit, control)
    )
    process.start()
    there.close()
    found: tuple[str, str, str, str] = (HUNG, "", "", "")
    if here.poll(10 * limit + 20):
        try:
            found = here.recv()
        except EOFError:
            found = (CRASHED, "", "the process ended", "")
    process.kill()
    process.join()
    return Verdict(*found, time.monotonic() - began)


def _child(pipe: Pipe, module: str, text: str, clause: str, streams: int, limit: float, control: bool) -> None:  # noqa: FBT001
    def alarm(_signal: int, _frame: FrameType | None) -> None:
        raise _TimeUp

    signal.signal(signal.SIGPROF, alarm)
    with contextlib.suppress(ValueError):
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, resource.getrlimit(resource.RLIMIT_AS)[1]))
    deadline = time.process_time() + limit
    error, other = "", ""
    hangs: list[str] = []
    try:
        signal.setitimer(signal.ITIMER_PROF, STUCK)
        create = _imported(module, text)
        mixed = clause.partition(".")[0] in OTHERS if clause else module in loader.OTHERS
        for number, stream in enumerate(conversations(clause, streams, mixed=mixed)):
            if hangs and number % STRIDE:
                continue
            if time.process_time() > deadline or len(hangs) >= MOST_HANGS:
                break
            try:
                signal.setitimer(signal.ITIMER_PROF, STUCK)
                broken, raised = _look(stream, create, control=control)
                signal.setitimer(signal.ITIMER_PROF, 0)
                if raised and clause:
                    broken = ()  # a hand-written mistake has to answer wrongly
            except _TimeUp:
                hangs.append(stream.id)
                continue
            if broken and (not clause or clause in (*broken, *stream.clauses)):
                pipe.send((KILLED, clause or broken[-1], stream.id, raised))
                return
            other = other or (f"{stream.id}: {broken[-1]}" if broken else "")
            error = error or (f"{stream.id}: {raised}" if raised else "")
        how = ELSEWHERE if other else HUNG if hangs else CRASHED if error else SURVIVED
        pipe.send((how, "", other or (hangs[0] if hangs else error), ""))
    except _TimeUp:
        pipe.send((HUNG, "", "at import", ""))
    except Exception as failure:  # noqa: BLE001 - a mutant that cannot even be imported
        pipe.send((CRASHED, "", f"{type(failure).__name__}: {failure}", ""))


def _imported(module: str, text: str) -> Factory:
    """How to start the mutant; one that cannot be imported does not start."""
    try:
        return loader.factory(module, text)
    except Exception as failure:  # noqa: BLE001 - whatever a mutant raises
        reason = failure

    def create(_options: object) -> Engine:
        raise reason

    return create


def _look(stream: Conversation, create: Factory, *, control: bool) -> tuple[tuple[str, ...], str]:
    """The clauses of the reply that was refused, the most specific last, and what the mutant raised.

    An engine that hangs is judged by what it said, or owed, before that: the rest alone is no kill.
    """
    try:
        engine = start(create, stream)
    except Exception as failure:  # noqa: BLE001 - a mutant that does not start with these options
        found = judge(stream, _Absent(), options.apply(Rules(), stream.options))
        raised = f"{type(failure).__name__}: {failure}"
        return () if found is None or found.refusal is None else _named(found.refusal), raised
    if not control:
        said = Said(engine).run(stream)
        expected = _control(stream)
        if said.hung and tuple(said.noted) == expected[: len(said.noted)]:
            raise _TimeUp
        if not said.error and tuple(said.noted) == expected:
            return (), ""
        engine = start(create, stream)
    signal.setitimer(signal.ITIMER_PROF, 8 * STUCK)  # the specification is slow
    rules = options.apply(Rules(), stream.options)
    found = judge(stream, engine, rules)
    if found is None:
        return (), ""
    if found.refusal is None:
        return (), found.error
    return _named(found.refusal), found.error


def _named(refusal: Refusal) -> tuple[str, ...]:
    return refusal.clauses or (refusal.clause,)
