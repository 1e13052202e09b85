"""Contracts on sizes, lines and blocks, for CrossHair: each an independent definition, with its precondition first."""

from __future__ import annotations

from mcspec import arith


def flags_cost_unless_zero(flags: int, cost: int) -> None:
    """Flags are stored or not, and not stored if and only if they are 0."""
    assert 0 <= flags < 2**32
    assert cost > 0
    size = arith.flags_size(flags, cost)
    assert size in (0, cost)
    assert (size > 0) == (flags > 0)


def size_counts_each_byte(key: int, flags: int, value: int) -> None:
    """A byte more of key, flags or value is a byte more of item."""
    assert key > 0
    assert flags >= 0
    assert value >= 0
    size = arith.item_size(key, flags, value, 56)
    assert arith.item_size(key + 1, flags, value, 56) == size + 1
    assert arith.item_size(key, flags + 1, value, 56) == size + 1
    assert arith.item_size(key, flags, value + 1, 56) == size + 1


def size_of_the_smallest_item(overhead: int) -> None:
    """A key of one byte, no flags, no value: four bytes beside the overhead."""
    assert overhead >= 0
    assert arith.item_size(1, 0, 0, overhead) == overhead + 4


def length_is_between_zero_and_longest(length: int, longest: int) -> None:
    """A length is allowed if it is no farther from the middle than the ends are."""
    assert longest >= 0
    assert arith.length_allowed(length, longest) == (abs(2 * length - longest) <= longest)


def pressed_above_a_quarter(allocated: int, memory: int) -> None:
    """Pressed is what does not fit a quarter of the memory in whole bytes."""
    assert allocated >= 0
    assert memory > 0
    assert arith.pressed(allocated, memory) == (allocated > memory // 4)


def pressed_stays_pressed(allocated: int, more: int, memory: int) -> None:
    """Storing more relieves nothing, and an empty cache is not pressed."""
    assert 0 <= allocated <= more
    assert memory > 0
    before, after = arith.pressed(allocated, memory), arith.pressed(more, memory)
    assert after or not before
    assert not arith.pressed(0, memory)


def line_over_is_no_lf_within_the_limit(end: int, held: int, limit: int) -> None:
    """Too long means: as many bytes as are allowed have come, and none of them is the LF."""
    assert 0 <= end <= held
    assert limit > 0
    assert arith.line_over(end, held, limit) == (held >= limit and end not in range(1, limit + 1))


def line_over_before_its_lf_is_over_with_it(end: int, held: int, limit: int) -> None:
    """What is refused before its LF has come would be refused with it: chunks do not matter."""
    assert 0 <= held < end
    assert limit > 0
    if arith.line_over(0, held, limit):
        assert arith.line_over(end, end, limit)
    if arith.line_over(end, end, limit):
        assert arith.line_over(0, end - 1, limit)


def line_by_reads_is_sure_of_what_is_so(length: int, limit: int, buffer: int) -> None:
    """Where reads decide, a sure answer is that of the exact rule."""
    assert 0 < limit < buffer
    assert length > 0
    over = arith.line_over_by_reads(length, limit, buffer)
    assert over is None or over == arith.line_over(length, length, limit)


def line_by_reads_is_unsure_within_the_buffer(length: int, limit: int, buffer: int) -> None:
    """Both answers are allowed from the limit on, as far as one read can bring."""
    assert 0 < limit < buffer
    assert length > 0
    assert (arith.line_over_by_reads(length, limit, buffer) is None) == (limit < length <= buffer)


def block_ends_in_cr_lf(value: int) -> None:
    """Once the value has come, two bytes of its block are missing."""
    assert value >= 0
    assert arith.missing(arith.block_length(value), value) == 2


def missing_counts_down_to_zero(need: int, held: int) -> None:
    """What is held and what is missing make the block; nothing is missing of a block that is there."""
    assert need >= 0
    assert held >= 0
    left = arith.missing(need, held)
    assert held + left == max(need, held)
    assert (left == 0) == (held >= need)


def missing_may_come_in_chunks(need: int, first: int, second: int) -> None:
    """Two chunks take as much of a block as one of both."""
    assert need >= 0
    assert first >= 0
    assert second >= 0
    assert arith.missing(arith.missing(need, first), second) == arith.missing(need, first + second)
