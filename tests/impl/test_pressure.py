"""Resident memory: what is held back, when items are copied, and that copying changes nothing."""

from collections.abc import Callable

import pytest

from mcserver.engine import Engine
from mcserver.pressure import Pressure, resident
from mcserver.settings import MIB, Settings

LIMIT = 64 * MIB
EMPTY = 20 * MIB


class Process:
    """An engine, the resident memory it is told, and the work put off."""

    def __init__(self) -> None:
        self.engine = Engine(Settings(memory_limit=LIMIT), lambda: 1_800_000_000.0)
        self.memory: int | None = EMPTY
        self.later: list[Callable[[], object]] = []
        self.pressure = Pressure(self.engine.cache, self.later.append, lambda: self.memory)

    def turn(self, excess: int) -> int:
        """Let memory turn over at `excess` bytes above the empty process; what is held back then."""
        self.memory = EMPTY + excess
        self.pressure.turned_over()
        return self.engine.cache.reserved

    def ask(self, data: bytes) -> bytes:
        connection = self.engine.connection()
        pieces = connection.feed(data)
        while connection.more:
            pieces += connection.resume()
        return b"".join(pieces)


@pytest.fixture
def process() -> Process:
    return Process()


def test_part_of_the_limit_is_held_back_while_the_process_is_too_large(process: Process) -> None:
    """Step by step, to half the limit at most, and step by step back."""
    step = LIMIT // 16
    assert process.turn(LIMIT) == 0
    assert process.turn(2 * LIMIT) == step
    assert process.turn(2 * LIMIT) == 2 * step
    for _ in range(20):
        process.turn(2 * LIMIT)
    assert process.turn(2 * LIMIT) == LIMIT // 2
    assert process.turn(LIMIT) == LIMIT // 2 - step
    for _ in range(20):
        process.turn(LIMIT)
    assert process.turn(LIMIT) == 0


def test_what_is_held_back_is_evicted(process: Process) -> None:
    """An item that was the next to go goes although the limit would have room for it."""
    value = b"v" * 500_000
    count = 0
    while not process.engine.stats.evictions:
        process.ask(b"set k%d 0 0 500000\r\n%b\r\n" % (count, value))
        count += 1
    items = len(process.engine.cache.items)
    for _ in range(10):
        process.turn(2 * LIMIT)
    process.ask(b"set more 0 0 500000\r\n%b\r\n" % value)
    assert len(process.engine.cache.items) < items // 2 + 1
    assert process.ask(b"get more\r\n").startswith(b"VALUE")


def test_items_are_copied_when_memory_is_wasted(process: Process) -> None:
    """Once, and then not before memory has turned over for a while."""
    process.turn(2 * LIMIT)
    assert len(process.later) == 1
    for _ in range(7):
        process.turn(2 * LIMIT)
    assert len(process.later) == 1
    process.turn(2 * LIMIT)
    assert len(process.later) == 2
    process.turn(LIMIT)
    assert len(process.later) == 2


def test_nothing_is_copied_when_items_fill_the_memory(process: Process) -> None:
    """Where small items take it all, copies would only take more: memory is held back."""
    for start in range(0, 150_000, 1000):
        process.ask(b"".join(b"set %d 0 0 1\r\n1\r\n" % number for number in range(start, start + 1000)))
    assert process.turn(LIMIT + 40 * MIB) > 0
    assert not process.later


def test_a_system_that_does_not_tell_its_memory(process: Process) -> None:
    """Nothing is held back, nothing is copied."""
    process.memory = None
    process.pressure.turned_over()
    assert process.engine.cache.reserved == 0
    assert not process.later


def test_resident_memory_is_that_of_the_process() -> None:
    """Where the system tells it, it grows with what is in use."""
    before = resident()
    if before is None:
        pytest.skip("no /proc/self/statm")
    block = bytearray(b"x") * (50 * MIB)
    after = resident()
    assert after is not None
    assert after - before > 40 * MIB
    assert len(block) == 50 * MIB


def test_copies_are_the_same_items(process: Process) -> None:
    """Values, flags, uniques, marks, times, the order of the LRU and the counters stay."""
    process.ask(b"set a 7 0 1\r\n1\r\nset b 0 100 2\r\n12\r\nms c 3 b\r\nxyz\r\nms YmluYXJ5 2 b\r\nhi\r\n")
    process.ask(b"set large 0 0 2000\r\n" + b"v" * 2000 + b"\r\nget a\r\nmd b I\r\nmg b\r\nmg a\r\n")
    questions = b"".join(b"mg %b s v f c t l h k u\r\n" % key for key in (b"a", b"b", b"c", b"binary", b"large"))
    dump = b"lru_crawler metadump all\r\n"
    answers = process.ask(questions)
    before = process.ask(dump), process.ask(b"stats slabs\r\n")
    old = dict(process.engine.cache.items)
    process.engine.cache.renew()
    new = process.engine.cache.items
    assert (process.ask(dump), process.ask(b"stats slabs\r\n")) == before
    assert process.ask(questions) == answers
    assert list(new) == list(old)
    for key, item in new.items():
        assert item is not old[key]
        assert item.marks == old[key].marks
        small = len(item.block) < 512
        assert (item.block is not old[key].block) == small
