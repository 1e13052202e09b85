"""What the framing model leaves out makes no difference: all 256 bytes, and all buffers that look alike."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mcspec import State
from mcspec.cache import Cache
from mcspec.connection import MAGIC, feed
from mcspec.explore import explore
from mcspec.machine import TEXT, Conn, Event
from mcspec.models import framing

BOUNDS = framing.MODEL.bounds["small"]
AUTOMATON = framing._Automaton(BOUNDS, framing.MODEL.design)


def frames() -> list[framing.Frame]:
    """Every frame that can be reached."""
    system = framing.build(BOUNDS, framing.MODEL.design)
    seen = dict.fromkeys(system.starts)
    todo = list(seen)
    while todo:
        for _, after in system.moves(todo.pop()):
            if after not in seen:
                seen[after] = None
                todo.append(after)
    assert len(seen) == explore(system, ()).states
    return list(seen)


FRAMES = frames()


def after(conn: Conn, byte: int, number: int) -> tuple[framing.Frame, framing.Replies]:
    (turn,) = feed(conn, Event.DATA, bytes([byte]), Cache(), AUTOMATON.contexts[number])
    return framing.abstract(turn.conn), tuple(owed.pieces for owed in turn.owed if owed.pieces)


def symbol(frame: framing.Frame, byte: int) -> bytes:
    """The symbol that stands for a byte in that frame."""
    one = bytes([byte])
    letter = one in framing.LETTERS and frame.begins in framing.BEGINNINGS and not frame.left
    return one if letter or one in (b"\r", b"\n") else b"x"


def test_every_byte_behaves_like_its_symbol() -> None:
    count = 0
    for frame in FRAMES:
        for byte in range(256):
            if frame.fresh and byte == MAGIC:
                continue
            conn = framing.concrete(frame)
            number = byte % len(AUTOMATON.choices)
            assert after(conn, byte, number) == after(conn, symbol(frame, byte)[0], number), (frame, byte)
            count += 1
    assert count > 10_000


WORDS = st.sampled_from(
    [b"g", b"get", b"get ", b" ", b"x", b"\r", b"set k", b"\x00", b"\xff", b"gat", b"gat ", b"gets ", b"GET "]
)
BUFFERS = st.lists(WORDS, max_size=5).map(b"".join).filter(lambda b: len(b) < BOUNDS.line)


@given(BUFFERS, st.integers(0, 255), st.integers(0, len(AUTOMATON.choices) - 1))
def test_buffers_that_look_alike_behave_alike(buffer: bytes, byte: int, number: int) -> None:
    """A buffer and its representative: the guards see the same before and after any byte."""
    conn = Conn(State.WAITING, buffer, protocol=TEXT)
    twin = framing.concrete(framing.abstract(conn))
    assert framing.abstract(twin) == framing.abstract(conn)
    assert after(conn, byte, number) == after(twin, byte, number)
