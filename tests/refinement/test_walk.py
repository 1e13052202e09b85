"""The server's connection refines the specification's table: every transition is a row, and every row is seen."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import chain
from random import Random

import pytest

from mcconform.conversation import Conversation, HalfClose, Open, Reset, Step, say
from mcconform.phases.vectors import picked
from mcconform.streams import Scope
from mcconform.streams import conversation as random_stream
from mcserver import inproc, replies, text
from mcserver.arrival import Arrival
from mcserver.connection import Connection
from mcserver.phases import Phase
from mcserver.retrieval import Buffer
from mcserver.storage import StoreHeader
from mcspec.connection import NAMES, TABLE
from tests.house import documents
from tests.refinement.observed import RefusedError, Seen, observe

STREAMS = 2000
SCOPE = Scope(options=True, large=3000)

DOCUMENT = " ".join((documents.ROOT / "docs/verification.md").read_text(encoding="utf-8").split())
"""Where the figures stand that these tests make."""


def _corner(name: str, *steps: Step, options: tuple[str, ...] = ()) -> Conversation:
    return Conversation(f"corner-{name}", steps, options=options)


CORNERS = (
    _corner("closed-is-final", say(0, "quit\r\n"), say(0, "version\r\n"), HalfClose(), Reset()),
    _corner(
        "ends-in-value",
        say(0, "version\r\nset a 0 0 9\r\na"),
        say(0, "b"),
        HalfClose(),
        say(1, "set a 0 0 9\r\n"),
        Reset(1),
    ),
    _corner("ends-in-swallow", say(0, "set a x 0 9\r\nab"), HalfClose(), say(1, "set a x 0 9\r\n"), Reset(1)),
    _corner("prompt-in-swallow", say(0, "version\r\nset a x 0 9\r\nab"), say(0, "v" * 7 + "\r\nversion\r\n")),
    _corner("ends-while-waiting", say(0, "version\r\n"), HalfClose(), say(1, "get a"), Reset(1)),
    _corner("many-commands", say(0, "delete a noreply\r\n" * 300 + "get a\r\n" * 300), say(0, "version\r\n")),
    _corner("too-many", Open(0), Open(1), say(1, "version\r\n"), HalfClose(1), options=("-c", "1")),
    _corner("hangs-up", say(0, "get a\r\nfoo HTTP/1.1\r\nget a\r\n")),
    _corner("too-long", say(0, "version\r\n" + "x" * 2047), say(0, "yz")),
    _corner("too-large", say(0, "set a 0 0 2000\r\n" + "v" * 1000), say(0, "v" * 1000 + "\r\n"), options=("-I", "1k")),
)
"""Rare rows: those that neither the vectors nor two thousand streams are sure to take."""


def _observe_all(conversations: Iterable[Conversation], seen: Seen) -> None:
    for one in conversations:
        observe(one, inproc.create, seen)


def test_every_transition_is_a_row_and_every_row_is_seen() -> None:
    """Vectors, corners and random streams: no transition but the table's, and the whole table."""
    seen = Seen()
    conversations = [
        *CORNERS,
        *(vector for vector in picked() if _chapters(vector).isdisjoint(FRAMED) and _speaks_text(vector)),
        *(random_stream(Random(seed), SCOPE, f"seed {seed}") for seed in range(STREAMS)),
    ]
    _observe_all(conversations, seen)
    assert set(seen.rows) == {NAMES[id(row)] for rows in TABLE.values() for row in rows}
    assert seen.unspecified < 0.02 * len(conversations)
    figures = f"in {len(conversations):,} conversations, {seen.transitions.total():,} transitions"
    assert f"{figures} of the server were observed" in DOCUMENT
    assert f"all {len(seen.rows)} rows are observed" in DOCUMENT


FRAMED = frozenset({"binary", "packet", "udp", "access"})
"""Chapters of other tables than that of text."""

OTHERWISE = frozenset(
    {
        "binary-for-ever",
        "binary-magic-alone",
        "binary-waits",
        "binary-endless",
        "binary-length-key-two-bytes",
        "binary-length-key-unsigned",
        "binary-length-extras-unsigned",
        "binary-length-extras-eight-bits",
        "binary-no-memory",
        "classes-binary-largest-head",
    }
)
"""Binary vectors in which the server goes another way to the same replies: too long a key, or extras, it drops as they
come, where the specification waits for them; it looks at a header without the magic before it closes; and it knows
before a value comes that there is no memory for it."""


def _chapters(vector: Conversation) -> set[str]:
    return {clause.split(".")[0] for clause in vector.clauses}


def _speaks_text(vector: Conversation) -> bool:
    """Whether every connection of it goes through the table of text: no datagrams, nothing framed, no strangers."""
    datagrams = any(isinstance(step, Open) and step.transport != "tcp" for step in vector.steps)
    spoken = {vector.speech(conn) for conn in vector.connections}
    return not datagrams and not vector.protocol and spoken <= {"text"}


def test_binary_transitions_are_rows() -> None:
    """Of every binary vector but a few; those few are refused, so that none stays in the list that need not."""
    seen = Seen()
    vectors = [vector for vector in picked() if _chapters(vector) == {"binary"} and "-S" not in vector.options]
    refused = set()
    for vector in vectors:
        try:
            observe(vector, inproc.create, seen)
        except RefusedError:
            refused.add(vector.id)
    assert refused == OTHERWISE
    assert len(vectors) > 200
    rows = {row for row in seen.rows if row.startswith("binary: ")}
    assert f"in {len(vectors) - len(refused)} binary vectors {len(rows)} rows" in DOCUMENT


def test_each_event_is_observed_in_every_state_of_rest() -> None:
    """The corners alone end connections in each state of rest."""
    seen = Seen()
    _observe_all(CORNERS, seen)
    for state in ("waiting", "nread", "swallow", "closed"):
        for event in ("data", "eof", "reset"):
            assert any(row.startswith(f"{state} {event}") for row in seen.rows), (state, event)


# ------------------------------------------------------------------------------------------------ planted bugs

Patch = Callable[[pytest.MonkeyPatch], None]


def _swallow_ends_early(patch: pytest.MonkeyPatch) -> None:
    """Swallowing goes straight back to reading, whatever is still to come."""
    real = Connection._receive

    def receive(self: Connection, data: bytes, pos: int) -> int:
        if self.phase is Phase.SWALLOW:
            self._arrival.missing = min(self._arrival.missing, len(data) - pos)
        return real(self, data, pos)

    patch.setattr(Connection, "_receive", receive)


def _closed_answers(patch: pytest.MonkeyPatch) -> None:
    """A connection that the server has closed still answers."""
    real = Connection.feed

    def feed(self: Connection, data: bytes) -> list[Buffer]:
        self._phase = 0 if self.closed else self._phase
        return real(self, data)

    patch.setattr(Connection, "feed", feed)


def _nothing_is_swallowed(patch: pytest.MonkeyPatch) -> None:
    """The block of a refused line is read as commands."""
    real = Connection._begin_value

    def begin_value(self: Connection, header: StoreHeader | None) -> None:
        arrival = None if header is None else Arrival(self._cache, self._stats, header)
        if arrival is not None and not arrival.kept:
            self._out.append(replies.BAD_FORMAT)
            return
        if arrival is not None:
            arrival.abandon()
        real(self, header)

    patch.setattr(Connection, "_begin_value", begin_value)


def _quit_is_ignored(patch: pytest.MonkeyPatch) -> None:
    """quit is silence."""
    patch.setitem(text.COMMANDS, b"quit", lambda _state, _tokens: b"")


def _quit_is_answered(patch: pytest.MonkeyPatch) -> None:
    """quit is answered, and the connection stays."""
    patch.setitem(text.COMMANDS, b"quit", lambda _state, _tokens: b"OK\r\n")


def _http_is_answered(patch: pytest.MonkeyPatch) -> None:
    """A line that ends in HTTP/ gets an error."""
    patch.setattr(text, "unknown", lambda _tokens: replies.ERROR)


def _lines_have_no_end(patch: pytest.MonkeyPatch) -> None:
    """The limit of the line is looked at only when the line is whole."""
    patch.setattr(Connection, "_check_partial", lambda _self: None)


def _fin_is_ignored(patch: pytest.MonkeyPatch) -> None:
    """The end of the client's input changes nothing."""
    patch.setattr(Connection, "eof", lambda _self: None)


def _value_ends_with_the_chunk(patch: pytest.MonkeyPatch) -> None:
    """A chunk that ends in CR LF ends the value."""
    real = Connection._receive

    def receive(self: Connection, data: bytes, pos: int) -> int:
        if data.endswith(b"\r\n"):
            self._arrival.missing = min(self._arrival.missing, len(data) - pos)
        return real(self, data, pos)

    patch.setattr(Connection, "_receive", receive)


def _replies_wait_for_the_value(patch: pytest.MonkeyPatch) -> None:
    """What is owed is held back while a value arrives."""
    real = Connection._settled

    def settled(self: Connection) -> None:
        if self.phase is Phase.VALUE:
            self._out.clear()
        real(self)

    patch.setattr(Connection, "_settled", settled)


def _a_command_is_lost(patch: pytest.MonkeyPatch) -> None:
    """After a quiet command the rest of the chunk is thrown away."""
    real = Connection._dispatch

    def dispatch(self: Connection, line: bytes, begin: int) -> None:
        real(self, line, begin)
        if line.endswith(b"noreply"):
            self._phase, self._arrival = Phase.SWALLOW.value, _Sink()

    patch.setattr(Connection, "_dispatch", dispatch)


class _Sink(Arrival):
    """Swallows the rest of a chunk and says nothing."""

    def __init__(self) -> None:
        self.kept, self.missing = False, 1

    def take(self, data: bytes, pos: int) -> int:
        self.missing = 0
        return max(len(data), pos)

    def finish(self) -> bytes:
        return b""


PLANTED: tuple[tuple[Patch, str], ...] = (
    (_swallow_ends_early, "swallow -> new_cmd: `swallow turn [block_here] / answer_refused -> new_cmd` does not hold"),
    (_closed_answers, "closed -> read: there is no row `closed data -> read`"),
    (_nothing_is_swallowed, "the specification takes `parse_cmd turn [refused_with_block] / expect_block -> swallow`"),
    (_quit_is_ignored, "the specification takes `parse_cmd turn [quits] / leave -> mwrite`"),
    (_quit_is_answered, "mwrite -> waiting: `mwrite turn / write -> new_cmd` then `new_cmd turn -> waiting` does not"),
    (_http_is_answered, "parse_cmd -> new_cmd: `parse_cmd turn / execute -> new_cmd` does not hold here"),
    (_lines_have_no_end, "takes `read turn -> new_cmd` then `new_cmd turn [line_over] / cut_off -> closing`"),
    (_fin_is_ignored, "stays in nread, where the specification takes `nread eof / farewell -> closing`"),
    (_value_ends_with_the_chunk, "nread -> new_cmd: `nread turn [block_here] / store_value -> new_cmd` does not hold"),
    (
        _replies_wait_for_the_value,
        "stays in nread, where the specification takes `nread turn [replies_queued] -> mwrite`",
    ),
    (_a_command_is_lost, "the specification takes `new_cmd turn [line_ready] / cut_line -> parse_cmd`"),
)


@pytest.mark.parametrize(("plant", "said"), PLANTED, ids=[plant.__name__.strip("_") for plant, _ in PLANTED])
def test_a_planted_bug_is_refused_at_its_transition(plant: Patch, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The refusal names the row that is missing, or that does not hold there."""
    plant(monkeypatch)
    streams = (random_stream(Random(seed), SCOPE, f"seed {seed}") for seed in range(STREAMS))
    with pytest.raises(RefusedError) as refused:
        _observe_all(chain(CORNERS, streams), Seen())
    assert said in str(refused.value)
