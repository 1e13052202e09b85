"""What the models of the 2004 sketch share: the clients, the network, and the laws of the receive loop.

The loop itself stands in `mcspec.sketch`. Clients send while the server waits: the loop does not look at what it has
not read, so sending earlier would change nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from mcspec.explore import Kind, Law, Move, System
from mcspec.sketch import COMMANDS, DROP, HEAD, SHORTEST, At, Loop, Order, Owed, Packet, State

UNKNOWN = 9
DATA = bytes(range(0x61, 0x7B)) * 12


class Scope(NamedTuple):
    """What clients and network may do to a server with a buffer of `size` bytes.

    Clients choose from `packets`, which are (length, code), with at most `due` under way. A read gives any number of
    bytes up to `most`, or all that there is and fits.
    """

    size: int
    packets: tuple[tuple[int, int], ...]
    due: int
    most: int


def lengths(*numbers: int) -> tuple[tuple[int, int], ...]:
    """Packets of these lengths with a known code, and one with an unknown code."""
    return (*((number, 0) for number in numbers), (5, UNKNOWN))


NARROW = 20
"""Bytes of a buffer that holds the fifth word, which is where the sketch looks for the first packet's data."""
WIDE = 260
"""Bytes of a buffer that holds packets whose length takes two bytes."""
EVERY = lengths(5, *range(5), *range(6, NARROW + 2))
BOUNDS = {
    "small": (
        Scope(NARROW, lengths(5, 0, 1, 4, 13, NARROW, NARROW + 1), 2, NARROW),
        Scope(WIDE, ((3, 0), (1, 0), (WIDE, 0)), 3, 1),
    ),
    "standard": (Scope(NARROW, EVERY, 2, NARROW), Scope(WIDE, ((3, 0), (1, 0), (WIDE, 0), (WIDE + 1, 0)), 3, 2)),
    "large": (Scope(NARROW, EVERY, 3, NARROW), Scope(WIDE, lengths(5, 1, 3, WIDE, WIDE + 1), 3, 4)),
}

Offer = tuple[Move, Packet, bytes]


def offers(scope: Scope, order: Order) -> tuple[Offer, ...]:
    """What a client may send: the move, the packet, and its bytes."""

    def offer(length: int, kind: int) -> Offer:
        payload = bytes([kind]) + DATA[: length - SHORTEST] if length >= SHORTEST else b""
        owed = Owed.COMMAND if kind in COMMANDS else Owed.ERROR
        if not SHORTEST <= length <= scope.size:
            owed = Owed.REFUSAL
        sent = length.to_bytes(HEAD, order) + payload
        words = f"packet of length {length}, code {kind}" if payload else f"length {length} and nothing behind it"
        move = Move("client", "server", f"{words}, {'low' if order == 'little' else 'high'} byte first")
        return move, Packet(length, payload, owed), sent

    return tuple(offer(length, kind) for length, kind in scope.packets)


def build(bounds: tuple[Scope, ...], loop: Loop) -> System:
    """The system of a loop: clients send whatever they like, reads give any part of it."""
    lines = {at: getattr(loop, at.name.lower()) for at in At if at.name.lower() in Loop._fields}
    starts = tuple(State(At.WAIT, scope.size, order) for scope in bounds for order in loop.orders)
    scopes = {scope.size: scope for scope in bounds}
    offered = {(state.size, state.order): offers(scopes[state.size], state.order) for state in starts}
    longest = max(scope.due * (HEAD + scope.size) for scope in bounds)
    reads = [Move("network", "server", "1 byte" if n == 1 else f"{n} bytes") for n in range(longest + 1)]

    def wait(state: State) -> Iterator[tuple[Move, State]]:
        _, size, order, memory, unread, due, rbytes, *_ = state
        scope = scopes[size]
        if len(due) < scope.due:
            for move, packet, sent in offered[size, order]:
                yield move, State(At.WAIT, size, order, memory, unread + sent, (*due, packet), rbytes)
        fits = min(loop.room(state), len(unread))
        for n in (*range(1, min(fits, scope.most + 1)), fits) if fits else ():
            to = At.ENTRY if len(memory) + n <= size else At.OUTSIDE
            yield reads[n], State(to, size, order, memory + unread[:n], unread[n:], due, rbytes + n)

    def moves(state: State) -> Iterator[tuple[Move, State]]:
        line = lines.get(state.at)
        if line is not None:
            yield line(state)
        elif state.at is At.WAIT:
            yield from wait(state)

    return System(starts, moves)


OVER = frozenset({At.CLOSED, At.OUTSIDE, At.WRONG})
RESTS = OVER | {At.WAIT}
LOADED = frozenset({At.VALID, At.TEST})


def settled(state: State) -> bool:
    """Nothing is due any more, or the connection was closed because of a packet that had to be refused."""
    if state.at is At.CLOSED:
        return bool(state.due) and state.due[0].owed is Owed.REFUSAL
    return not state.due or state.at in OVER


def begins(state: State) -> Packet | None:
    """The packet that begins at `p`, if one does: by what is left behind `p`, and by the length that is there."""
    left = len(state.memory) - state.p + len(state.unread)
    for packet in reversed(state.due):
        left -= HEAD + len(packet.payload)
        if left <= 0:
            head = packet.length.to_bytes(HEAD, state.order)
            return packet if left == 0 and state.memory.startswith(head, state.p) else None
    return None


def placed(state: State) -> bool:
    """A length that has just been loaded stands where a packet begins."""
    return state.at not in LOADED or begins(state) is not None


def prompt(state: State) -> bool:
    """Where the server waits, the oldest packet is not there as a whole."""
    return state.at is not At.WAIT or not state.due or state.rbytes < HEAD + len(state.due[0].payload)


def understood(state: State) -> bool:
    """A length that has just been loaded from its place is what its client wrote."""
    packet = begins(state) if state.at in LOADED else None
    return packet is None or packet.length == state.pktlen


LAWS: tuple[tuple[str, Kind, str, Callable[..., bool]], ...] = (
    (
        "bounds",
        Kind.STATE,
        "Memory is read only where bytes were received, and written only inside the buffer.",
        lambda state: state.at is not At.OUTSIDE,
    ),
    ("place", Kind.STATE, "A length is loaded from where a packet begins.", placed),
    ("order", Kind.STATE, "A length means what its client wrote, whatever machine the client is.", understood),
    (
        "underflow",
        Kind.STATE,
        "The length handed to process_command is never below zero.",
        lambda state: state.at is not At.CODE or state.pktlen >= HEAD,
    ),
    (
        "framing",
        Kind.STATE,
        "The commands called are the packets sent that fit and have a known code, each once, whole and in order.",
        lambda state: state.at is not At.WRONG,
    ),
    ("answers", Kind.MOVE, "No packet is dropped without a word.", lambda _before, move, _after: move is not DROP),
    ("prompt", Kind.STATE, "A packet that was received whole is dealt with before the server waits.", prompt),
    ("progress", Kind.AGAIN, "The loop ends: the server comes back to the network.", lambda state: state.at in RESTS),
    (
        "accepts",
        Kind.AGAIN,
        "Every packet is dealt with in the end: what fits is not refused, and nothing waits for ever.",
        settled,
    ),
)


def laws(model: str) -> tuple[Law, ...]:
    """The laws of the receive loop, as clauses of that model."""
    return tuple(Law(f"law.{model}.{name}", kind, words, holds) for name, kind, words, holds in LAWS)


def show(state: State) -> str:
    """The variables, and the first bytes in hexadecimal."""
    memory = state.memory[:NARROW].hex(" ") + (" ..." if len(state.memory) > NARROW else "")
    words = [f"rbytes {state.rbytes}", f"p +{state.p}", f"pktlen {state.pktlen}"]
    if state.at in {At.CODE, At.COMMAND}:
        words += [f"len {state.length}", f"s +{state.s}"]
    words += [f"received [{memory}]", f"unread {len(state.unread)}", f"due {len(state.due)}"]
    return f"{state.at.name}: " + ", ".join(words)
