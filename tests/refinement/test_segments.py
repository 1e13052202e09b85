"""However a stream is cut: every segmentation of every vector, in the specification and in the server."""

from __future__ import annotations

from typing import Any

import pytest

from mcserver.connection import Connection
from mcspec import Rules
from tests.refinement import proofs
from tests.refinement.planted import planted
from tests.refinement.proofs import EVERY, MOST, WHOLE, all_vectors, served, specification
from tests.refinement.segments import Act, Tally, places, prove


@pytest.mark.slow
@pytest.mark.parametrize("prover", [specification(Rules()), served], ids=["specification", "server"])
def test_every_segmentation_of_every_vector(prover: proofs.Prover) -> None:
    """No cut changes what becomes of a stream: all that aim at the chapter on text, each eighth of the others."""
    tally, split = all_vectors(prover, WHOLE, MOST, EVERY)
    assert split is None
    assert tally.streams > 400
    assert tally.whole > 0.4 * tally.streams


# ------------------------------------------------------------------------------------------------ the method


def test_the_places_of_a_long_stream_are_near_its_boundaries() -> None:
    """A short one is cut everywhere, a long one around line ends, blanks and its own ends."""
    assert places(b"get a\r\n", 7, 4) == list(range(8))
    stream = b"set a 0 0 3000\r\n" + b"v" * 3000 + b"\r\n"
    assert set(places(stream, 64, 64)) >= {
        0,
        1,
        3,
        4,
        14,
        15,
        16,
        17,
        2048,
        len(stream) - 3,
        len(stream) - 2,
        len(stream),
    }
    assert 1000 not in places(stream, 64, 64)
    assert len(places(b"get " + b"k " * 1000, 64, 32)) == 32


def test_one_pass_stands_for_every_split() -> None:
    """A machine that differs for one of 2^11 splits only is refused, with that split."""
    data = b"abcdefghijkl"

    def feed(end: tuple[bool, bytes], low: int, high: int) -> tuple[bool, bytes]:
        piece = data[low:high]
        return end[0] or piece == b"fgh", end[1] + piece

    tally = Tally()
    found: Any = prove(data, range(13), (False, b""), feed, tally)
    assert (found.prefix, found.segment) == (b"abcde", b"fgh")
    assert prove(data, range(13), b"", lambda end, low, high: end + data[low:high], tally) == data
    assert tally.feeds <= 2 * 13 * 12 // 2


# ------------------------------------------------------------------------------------------------ planted bugs


SMALL = Rules()._replace(limits=Rules().limits._replace(line=40))
SCRIPT = (
    Act("open", 0),
    Act("send", 0, b"version\r\nset a 0 0 4\r\n\r\nab\r\nset a x 0 3\r\nabc\r\n"),
    Act("send", 0, b"get a\r\n" + b"y" * 50),
    Act("half-close", 0),
)


def test_the_script_of_the_planted_bugs_holds() -> None:
    """What finds the bugs is not refused without them."""
    assert specification(SMALL)(SCRIPT, (), Tally(), WHOLE, MOST) is None
    assert served(SCRIPT, (), Tally(), WHOLE, MOST) is None


@pytest.mark.parametrize("name", planted(SMALL))
def test_a_row_that_looks_at_chunks_is_found(name: str) -> None:
    """A replaced row of the table is refused, with the split that shows it."""
    assert specification(planted(SMALL)[name])(SCRIPT, (), Tally(), WHOLE, MOST) is not None


def test_a_server_that_looks_at_chunks_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A CR at the end of a chunk gets lost: no reply shows it, for a line may end in LF alone; the state does."""

    def drop_cr(self: Connection, data: bytes, pos: int) -> None:
        self._partial = bytearray(data[pos:].rstrip(b"\r"))
        self._check_partial()

    monkeypatch.setattr(Connection, "_keep_line", drop_cr)
    split = served(SCRIPT, (), Tally(), WHOLE, MOST)
    assert split is not None
    assert split.segment.endswith(b"\r")


def test_a_server_whose_values_end_with_the_chunk_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A value that ends where a chunk ends in CR LF."""
    real = Connection._receive

    def receive(self: Connection, data: bytes, pos: int) -> int:
        if data.endswith(b"\r\n"):
            self._arrival.missing = min(self._arrival.missing, len(data) - pos)
        return real(self, data, pos)

    monkeypatch.setattr(Connection, "_receive", receive)
    assert served(SCRIPT, (), Tally(), WHOLE, MOST) is not None
