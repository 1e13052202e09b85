"""The receive loop of the packet protocol, as it was sketched on the mailing list in July 2004, line by line.

Theory of operation
-------------------
A packet is ``<u32 length><u8 code><data>``, and its length counts all of it. After each read from the network
`handle_data` cuts the packets that are complete out of the buffer, hands each to `process_command`, and moves what is
left to the buffer's beginning. Here each line of C is one function from a state to the next, and the loop is the table
of them, so that two readings of one line are two functions in the same place. `At` quotes the lines.

The memory is real bytes. Of the buffer are kept those below `c->rcurr`, which were received; a read of any other byte,
or a write past the buffer, ends in `At.OUTSIDE`: what C does then, nobody knows, and no other law is asked about it. A
command that is not what the client sent ends in `At.WRONG`. The post does not show who reads from the network: it is
taken to read to `c->rcurr`, at most what the buffer has room for, and to count what it read in both variables. Nor does
it say what memory holds before; nothing here depends on it.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Literal, NamedTuple

from mcspec.explore import Move

Order = Literal["little", "big"]

HEAD = 4
"""Bytes of a length."""
SHORTEST = 5
"""Bytes of the shortest packet that says what to do: length and code."""
WORD = 4
"""Bytes by which a pointer to u32 moves when 1 is added to it."""
WRAP = 1 << 32
COMMANDS = frozenset({0})
"""The codes that the table has a function for."""


class At(Enum):
    """Where the server is: about to execute that line, or in one of the last four, outside of `handle_data`."""

    ENTRY = "u32 *p = c->rbuf; if(c->rbytes < PCKT_HEAD) return"
    LOAD = "pktlen = *(u32 *)p"
    VALID = "if(pktlen < 5 || pktlen > c->rsize) { error; close }"  # the completed loop only
    TEST = "c->rbytes >= pktlen"
    CALL = "process_command(c, pktlen - 4, p + 4)"
    CODE = "if(!len || !commands[*s]) return"
    COMMAND = "commands[*s](c, len-1, s+1)"
    SUBTRACT = "c->rbytes -= pktlen"
    STEP = "p += pktlen"
    CHECK = "if(c->rbytes < PCKT_HEAD) break"
    SHIFT = "if(c->rbytes && p != c->rbuf) memmove(c->rbuf, p, c->rbytes)"
    RCURR = "c->rcurr = c->rbuf + c->rbytes"
    WAIT = "waits for the network"
    CLOSED = "has closed the connection"
    OUTSIDE = "has touched memory that holds nothing it received"
    WRONG = "has done what no client asked for"


class Owed(Enum):
    """What the server owes for a packet."""

    COMMAND = "command"
    ERROR = "error"
    REFUSAL = "refusal"


class Packet(NamedTuple):
    """What a client sends: the length that it writes, what follows (nothing below 5), and what it is owed."""

    length: int
    payload: bytes
    owed: Owed


class State(NamedTuple):
    """The variables of the sketch in bytes, with `p` and `s` as distances from the buffer, and the client's view.

    `size` is that of the buffer, and `order` the client's; both stay. `memory` is what lies below `c->rcurr`, `unread`
    has been sent and not yet read, and `due` are the packets that the server has not dealt with, the oldest first.
    `length` and `s` are the arguments of `process_command`.
    """

    at: At
    size: int
    order: Order
    memory: bytes = b""
    unread: bytes = b""
    due: tuple[Packet, ...] = ()
    rbytes: int = 0
    p: int = 0
    pktlen: int = 0
    length: int = 0
    s: int = 0


Line = Callable[[State], tuple[Move, State]]


class Loop(NamedTuple):
    """The sketch: the byte orders that clients write a length in, the room for a read, and a function per line."""

    orders: tuple[Order, ...]
    room: Callable[[State], int]
    entry: Line
    load: Line
    valid: Line
    test: Line
    call: Line
    code: Line
    command: Line
    subtract: Line
    step: Line
    check: Line
    shift: Line
    rcurr: Line


MOVES = {at: Move("server", "server", at.value) for at in At}
YES, NO = (
    {at: Move("server", "server", f"{at.value}: {answer}") for at in (At.ENTRY, At.VALID, At.TEST, At.CODE, At.CHECK)}
    for answer in ("yes", "no")
)
DROP = YES[At.CODE]
ANSWER = Move("server", "client", "the code is unknown: an error is the answer")
REFUSE = Move("server", "client", "the length is refused: an error is the answer, and the connection closes")


def go(state: State, to: At) -> tuple[Move, State]:
    """The line does no more than lead on."""
    return MOVES[state.at], state._replace(at=to)


def branch(state: State, condition: bool, yes: At, no: At) -> tuple[Move, State]:  # noqa: FBT001 - it is the C line's
    """The line does no more than choose where to go on."""
    return (YES if condition else NO)[state.at], state._replace(at=yes if condition else no)


def outside(state: State) -> tuple[Move, State]:
    """The line touches memory that holds nothing received."""
    return MOVES[state.at], state._replace(at=At.OUTSIDE)


def room(state: State) -> int:
    """Bytes that may be read: what the buffer has left from `c->rcurr` on."""
    return state.size - len(state.memory)


def entry(state: State) -> tuple[Move, State]:
    """Without a whole length there is nothing to do."""
    return branch(state, state.rbytes < HEAD, At.WAIT, At.LOAD)


def load(order: Order, to: At) -> Line:
    """The length at `p`, in the server's byte order."""

    def line(state: State) -> tuple[Move, State]:
        head = state.memory[state.p : state.p + HEAD]
        if len(head) < HEAD:
            return outside(state)
        return MOVES[At.LOAD], state._replace(at=to, pktlen=int.from_bytes(head, order))

    return line


def valid(refused: Callable[[int, int], bool]) -> Line:
    """A length, beside the size of the buffer, is refused; the connection cannot be understood from there on."""

    def line(state: State) -> tuple[Move, State]:
        if not refused(state.pktlen, state.size):
            return NO[At.VALID], state._replace(at=At.TEST)
        return REFUSE, State(At.CLOSED, state.size, state.order, due=state.due[:1])

    return line


def test(state: State) -> tuple[Move, State]:
    """Whether all of the packet has been received."""
    return branch(state, state.rbytes >= state.pktlen, At.CALL, At.SHIFT)


def call(unit: int) -> Line:
    """What is handed over begins at ``p + 4``, which is 4 times what `p` points to: `unit` bytes each."""

    def line(state: State) -> tuple[Move, State]:
        length = (state.pktlen - HEAD) % WRAP
        return MOVES[At.CALL], state._replace(at=At.CODE, length=length, s=state.p + 4 * unit)

    return line


def done(state: State, move: Move) -> tuple[Move, State]:
    """`process_command` returns: the oldest packet is dealt with, if there was room for one in the length."""
    due = state.due[1:] if state.pktlen >= HEAD else state.due
    return move, state._replace(at=At.SUBTRACT, due=due, length=0, s=0)


def without_command(state: State, move: Move) -> tuple[Move, State]:
    """`process_command` returns without a command; that is wrong if the oldest packet is one."""
    if state.due and state.due[0].owed is Owed.COMMAND:
        return move, state._replace(at=At.WRONG)
    return done(state, move)


def code(*, answers: bool) -> Line:
    """A code that no function stands for, or none at all: the end of it, with an answer or without."""

    def line(state: State) -> tuple[Move, State]:
        if state.length == 0:
            return without_command(state, DROP)
        if state.s >= len(state.memory):
            return outside(state)
        if state.memory[state.s] in COMMANDS:
            return NO[At.CODE], state._replace(at=At.COMMAND)
        return without_command(state, ANSWER if answers else DROP)

    return line


def command(state: State) -> tuple[Move, State]:
    """The function of the code reads all that it is given."""
    end = state.s + state.length
    if end > len(state.memory):
        return outside(state)
    wanted = state.due[0] if state.due else None
    if wanted is None or wanted.owed is not Owed.COMMAND or wanted.payload != state.memory[state.s : end]:
        return MOVES[At.COMMAND], state._replace(at=At.WRONG)
    return done(state, MOVES[At.COMMAND])


def subtract(state: State) -> tuple[Move, State]:
    """So many bytes fewer are to be dealt with."""
    return MOVES[At.SUBTRACT], state._replace(at=At.STEP, rbytes=state.rbytes - state.pktlen)


def step(unit: int) -> Line:
    """The pointer moves by so many of what it points to: `unit` bytes each."""

    def line(state: State) -> tuple[Move, State]:
        return MOVES[At.STEP], state._replace(at=At.CHECK, p=state.p + unit * state.pktlen)

    return line


def check(state: State) -> tuple[Move, State]:
    """Without a whole length the loop ends; the length is loaded again after this line, not before."""
    return branch(state, state.rbytes < HEAD, At.SHIFT, At.LOAD)


def shift(state: State) -> tuple[Move, State]:
    """What is left moves to the beginning; what it does not cover stays as it is."""
    left = b""
    if state.rbytes and state.p:
        left = state.memory[state.p : state.p + state.rbytes]
        if len(left) < state.rbytes:
            return outside(state)
    return MOVES[At.SHIFT], state._replace(at=At.RCURR, memory=left + state.memory[len(left) :], p=0, pktlen=0)


def rcurr(state: State) -> tuple[Move, State]:
    """The next read goes behind what is left."""
    return MOVES[At.RCURR], state._replace(at=At.WAIT, memory=state.memory[: state.rbytes])


def posted(unit: int) -> Loop:
    """The loop of the post, with pointers that move by `unit` bytes; the server writes the low byte first."""
    return Loop(
        orders=("little", "big"),
        room=room,
        entry=entry,
        load=load("little", At.TEST),
        valid=valid(lambda _length, _size: False),  # no line of the post, nothing leads to it
        test=test,
        call=call(unit),
        code=code(answers=False),
        command=command,
        subtract=subtract,
        step=step(unit),
        check=check,
        shift=shift,
        rcurr=rcurr,
    )
