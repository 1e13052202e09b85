"""Vectors for programs that know nothing of this project: what to send, how cut, and every output that is allowed.

One JSON object a line, self-contained::

    {"id", "clauses", "profile", "options", "clock", "flushes", "note", "steps": [STEP, ...]}

A STEP is one of those of a Conversation (``send`` with ``conn`` and ``cuts``, ``open``, ``advance``, ``half-close``,
``reset``, ``close``; a send is always a list of parts), ``{"pause": SECONDS}``, in which the server reads part of a
request before another connection goes on (no answer can tell that it has), or::

    {"settle": CONN, "end": BOOL, "allow": [{"text": LITERAL} or {"regex": PATTERN, "uniques": [UNIQUE, ...]}, ...]}

It says what may have come on CONN since its last ``settle``: the runner reads until an allowed output has come.  With
``end`` the server closes the connection after it.  Text and patterns are latin-1, a pattern matches the whole output.
Where nothing more may be owed, a request that asks for nothing but an answer has been put before it, so that no runner
waits for silence.  The n-th group of a pattern captures the n-th UNIQUE, ``{"unique": NAME}``: a cas unique in decimal,
or with ``"encoding": "u64"`` in eight bytes, the most significant first.  One NAME is one number wherever a vector
shows it; in a send it stands for that number plus ``offset``.

``flushes`` says that it empties the server, changes it for everybody (``lru``, ``cache_memlimit`` ...) or works on keys
without the prefix.  ``clock`` is ``none``, ``moving`` (there are ``advance`` steps, in seconds) or ``exact`` (only for
an injected clock); the allowed outputs of ``moving`` know that a server's clock ticks in whole seconds.  All other keys
begin with ``mcspec``, in base64 ``bWNzcGVj``, for which a runner may put another prefix of six bytes.

Vectors that need datagrams, or a reader that stops, are left out, and the command says so.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from mcconform import options, safety
from mcconform.conversation import (
    PREFIX,
    PREFIX_BASE64,
    Advance,
    CasRef,
    Close,
    Conversation,
    Datagram,
    HalfClose,
    Open,
    Part,
    Reset,
    Resume,
    Send,
    Settle,
    Step,
    StopReading,
    rename,
    width,
)
from mcconform.jsonform import to_record
from mcconform.observed import Uniques
from mcconform.sentinels import Sentinels
from mcconform.targets.tcp import SLACK, TICK
from mcspec import Event, Happening, Now, Owed, Rules, State, Unique, World, idle, regex, step
from mcspec import cache as spec_cache
from mcspec.pattern import OneOf, Span

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

EPOCH = 1_800_000_000.0
"""Unix time at which an export begins; it shows in no output."""

LATER = EPOCH + 10_000_019
"""Another one: what differs between the two depends on the date, and no file can hold it."""

MOST_OUTPUT = 65536
"""Bytes of one output; vectors whose servers say more are left out."""

MOST_LIVES = 64

PAUSE = 0.02
"""Seconds that a server is given to read part of a request."""

SPACING = 1000
"""Between the numbers that stand for two cas uniques: an offset of a reference never meets another item's."""


class UnfitError(ValueError):
    """The conversation cannot be exported: it says nothing, forks too much, or is too large."""


@dataclass
class _Live:
    """One allowed world, what it has said since the last settle, and the cas uniques that it has shown."""

    world: World
    uniques: Uniques
    said: dict[int, list[Owed]] = field(default_factory=dict)

    def copy(self) -> _Live:
        return _Live(self.world, self.uniques.copy(), {conn: list(owed) for conn, owed in self.said.items()})

    def see(self, conn: int, said: list[Owed]) -> None:
        """The client has read this: every cas unique in it becomes a number, in the order of the stores."""
        data, cache = b"", self.world.cache
        for piece in (piece for owed in said for piece in owed.pieces):
            if isinstance(piece, bytes):
                data += piece
            elif isinstance(piece, Unique):
                cache = spec_cache.bind(cache, piece.symbol, piece.symbol * SPACING) or cache
                number = piece.symbol * SPACING
                data += number.to_bytes(piece.size, "big") if piece.size else b"%d" % number
            elif isinstance(piece, Span):
                data += b"%d" % piece.lo  # some number: it is no cas unique
            elif isinstance(piece, OneOf):
                data += piece.choices[0]
        self.uniques.feed(conn, data)
        self.world = self.world._replace(cache=cache)

    def state(self, conn: int) -> State:
        found = self.world.conns.find(conn)
        return found.state if found is not None else State.LISTENING


class _Walk:
    """Steps every allowed world through a conversation."""

    def __init__(self, conversation: Conversation, rules: Rules, epoch: float) -> None:
        self.rules = options.apply(rules, conversation.options)
        self.exact = conversation.exact
        self.sentinels = Sentinels(conversation)
        self.lives = [_Live(World(), Uniques(packets=conversation.packets))]
        self.time = epoch
        self.dated = False
        self.open: dict[int, None] = {}
        self.gone: set[int] = set()
        self.last: int | None = None
        self.steps: list[Mapping[str, object]] = []

    def now(self) -> Now:
        return Now(self.time, self.time) if self.exact else Now(self.time - TICK, self.time + SLACK)

    def happen(self, conn: int, event: Event, step_: Send | None = None) -> None:
        grown: list[_Live] = []
        for live in self.lives:
            chunk = b""
            if step_ is not None:
                chunk = b"".join(live.uniques.bind(part, self.time) for part in step_.parts)
                live.uniques.sent(conn, chunk)
            for outcome in step(live.world, Happening(conn, event, chunk), self.now(), self.rules):
                if outcome.unspecified is not None:
                    raise UnfitError(outcome.unspecified)
                twin = live.copy()
                twin.world = outcome.world
                grown += _say(twin, conn, outcome.owed)
        if len(grown) > MOST_LIVES:
            raise UnfitError("it forks too much")
        self.lives = grown

    def connect(self, conn: int) -> None:
        if conn not in self.open:
            self.open[conn] = None
            self.happen(conn, Event.CONNECT)

    def take(self, step_: Step) -> None:
        """One step of the conversation."""
        if isinstance(step_, Settle):
            for conn in list(self.open) if step_.conn is None else [step_.conn]:
                self.settle(conn)
            return
        if isinstance(step_, Advance):
            for conn in self.open:
                self.settle(conn)
            self.time += step_.seconds
            self.steps.append({"advance": step_.seconds})
            return
        if isinstance(step_, StopReading | Resume):
            raise UnfitError("it needs a reader that stops")
        if isinstance(step_, Datagram):
            raise UnfitError("it needs UDP")
        if self.last is not None and self.last != step_.conn:
            self.settle(self.last, ask=False)
            if not self.boundary(self.last):
                self.steps.append({"pause": PAUSE})
        self.last = step_.conn
        self.connect(step_.conn)
        self.act(step_)

    def act(self, step_: Open | Send | HalfClose | Reset | Close) -> None:
        """A step that does something to one connection."""
        if isinstance(step_, Open):
            self.steps.append({"open": step_.conn})
        elif isinstance(step_, Send):
            self.send(step_)
        elif isinstance(step_, HalfClose):
            self.happen(step_.conn, Event.EOF)
            self.steps.append({"half-close": step_.conn})
        else:
            self.settle(step_.conn, ask=False)
            self.happen(step_.conn, Event.RESET)
            self.gone.add(step_.conn)
            self.steps.append(dict(_record(step_)))

    def send(self, step_: Send) -> None:
        """Write on a connection; where a reference stands for another number in another world, nothing can."""
        shown = {json.dumps([_part(part, live.uniques) for part in step_.parts]) for live in self.lives}
        if len(shown) > 1:
            raise UnfitError("which cas unique it means depends on what the server chose")
        self.happen(step_.conn, Event.DATA, step_)
        self.steps.append({**_record(step_), "send": json.loads(shown.pop())})

    def boundary(self, conn: int) -> bool:
        """Whether no request is under way on a connection."""
        return all(idle(live.world.conns.find(conn)) for live in self.lives)

    def settle(self, conn: int, *, ask: bool = True) -> None:
        """Note what may have come on a connection by now; `ask` for an answer, where one may."""
        if conn in self.gone or conn not in self.open:
            return
        states = {live.state(conn) for live in self.lives}
        if self.rules.traits.prompt != "always" and states & {State.NREAD, State.SWALLOW}:
            # What is owed may be held back here: it is looked at when the value is over.
            return
        boundary = self.boundary(conn)
        if not boundary and State.CLOSED in states and len(states) > 1:
            raise UnfitError("it may or may not close")
        if boundary and ask:
            self.send(Send(conn, (self.sentinels.request(conn),)))
            states = {live.state(conn) for live in self.lives}
        ended = states == {State.CLOSED}
        allowed: dict[str, Mapping[str, object]] = {}
        for live in self.lives:
            said = live.said.pop(conn, [])
            one = _output(said)
            allowed[json.dumps(one)] = one
            shown = [piece for owed in said for piece in owed.pieces if isinstance(piece, Span)]
            # Only a unix time can be further away than the longest relative exptime.
            self.dated = self.dated or any(span.lo > self.rules.limits.relative for span in shown)
            live.see(conn, said)
        if list(allowed.values()) == [{"text": ""}] and not ask and not ended:
            return
        if ended:
            self.gone.add(conn)
        self.steps.append({"settle": conn, "end": ended, "allow": list(allowed.values())})


def _say(live: _Live, conn: int, owed: tuple[Owed, ...]) -> list[_Live]:
    """The world with what it now says; several where a server may lose what it had queued."""
    lives = [live]
    for one in owed:
        if one.drops:
            lives = [shorter for each in lives for shorter in _lossy(each, conn)]
        for each in lives:
            if one.pieces:
                each.said.setdefault(conn, []).append(one)
    return lives


def _lossy(live: _Live, conn: int) -> Iterator[_Live]:
    for kept in range(len(live.said.get(conn, []))):
        twin = live.copy()
        del twin.said[conn][kept:]
        yield twin
    yield live


def _output(said: list[Owed]) -> Mapping[str, object]:
    """The output as literal text, or as a pattern if it holds something that the server chooses."""
    pieces = tuple(piece for owed in said for piece in owed.pieces)
    if all(isinstance(piece, bytes) for piece in pieces):
        text = b"".join(piece for piece in pieces if isinstance(piece, bytes)).decode("latin-1")
        if len(text) > MOST_OUTPUT:
            raise UnfitError("its output is too large")
        return {"text": text}
    pattern = regex(pieces)
    if len(pattern) > 2 * MOST_OUTPUT:
        raise UnfitError("its output is too large")
    uniques = [piece for piece in pieces if isinstance(piece, Unique)]
    assert re.compile(pattern).groups == len(uniques)  # each captures its number, nothing else does
    encoded = [{"unique": piece.symbol, **({"encoding": "u64"} if piece.size else {})} for piece in uniques]
    return {"regex": pattern, "uniques": encoded}


def record(conversation: Conversation, rules: Rules, profile: str) -> Mapping[str, object]:
    """The exported form of a conversation under the rules of a profile.

    Raises:
        UnfitError: if it has none; the message says why.
    """
    walk = _walked(conversation, rules, EPOCH)
    if walk.dated and walk.steps != _walked(conversation, rules, LATER).steps:
        raise UnfitError("it shows how far away a date is")
    spoken = {conversation.speech(conn) for conn in conversation.connections}
    if spoken != {"text"} and not _renamable(conversation, rules, walk):
        raise UnfitError("part of a key's prefix stands alone in it")
    return {
        "id": conversation.id,
        "clauses": list(conversation.clauses),
        "profile": profile,
        "options": list(conversation.options),
        "clock": conversation.clock,
        "flushes": safety.concerns_others(conversation),
        "note": conversation.note,
        "steps": walk.steps,
    }


def _renamable(conversation: Conversation, rules: Rules, walk: _Walk) -> bool:
    """Whether another prefix, put in by text, makes what the specification says of that prefix.

    Lengths of fields that are off can cut a key anywhere; no command of text does.
    """
    other = b"q" * len(PREFIX)
    by_text = json.dumps(walk.steps).replace(PREFIX.decode(), other.decode())
    by_text = by_text.replace(PREFIX_BASE64.decode(), b64encode(other).decode())
    return by_text == json.dumps(_walked(rename(conversation, other), rules, EPOCH).steps)


def _walked(conversation: Conversation, rules: Rules, epoch: float) -> _Walk:
    walk = _Walk(conversation, rules, epoch)
    for step_ in _joined(conversation.steps):
        walk.take(step_)
    for conn in list(walk.open):
        walk.settle(conn)
    return walk


def _joined(steps: tuple[Step, ...]) -> list[Step]:
    """Literal sends that follow each other as one with cuts: no key falls apart, so a runner can rename keys by text.

    Cuts come out in order, each once.
    """
    joined: list[Step] = []
    for step_ in steps:
        before = joined[-1] if joined else None
        if not isinstance(step_, Send):
            joined.append(step_)
        elif isinstance(before, Send) and before.conn == step_.conn and _all_bytes(before) and _all_bytes(step_):
            size = sum(map(width, before.parts))
            cuts = (*before.cuts, size, *(size + at for at in sorted(set(step_.cuts))))
            whole = b"".join(part for part in (*before.parts, *step_.parts) if isinstance(part, bytes))
            joined[-1] = replace(before, parts=(whole,), cuts=cuts)
        else:
            joined.append(replace(step_, cuts=tuple(sorted(set(step_.cuts)))))
    return joined


def _all_bytes(step_: Send) -> bool:
    return all(isinstance(part, bytes) for part in step_.parts)


def _part(part: Part, uniques: Uniques) -> object:
    """A part of a send; a reference by the name of what it means, or the number that it is while nothing was shown."""
    if not isinstance(part, CasRef):
        return _sent(part)[0]
    found = uniques.bind(replace(part, offset=0, encoding="decimal"), 0)
    if found == b"0":
        return uniques.bind(part, 0).decode("latin-1")
    encoding = {"encoding": part.encoding} if part.encoding != "decimal" else {}
    return {"unique": int(found) // SPACING, "offset": part.offset, **encoding}


def _sent(part: Part) -> list[object]:
    sent = _record(Send(0, (part,)))["send"]
    return sent if isinstance(sent, list) else [sent]


def _record(step_: Step) -> Mapping[str, object]:
    found = to_record(Conversation("", (step_,)))["steps"]
    assert isinstance(found, list)  # of one step
    shown: Mapping[str, object] = found[0]
    return shown


def line(exported: Mapping[str, object]) -> str:
    """One line of the export."""
    return json.dumps(exported, ensure_ascii=True, separators=(",", ":"))
