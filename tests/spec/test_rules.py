"""Words, numbers, counters and sizes: each rule against an independent definition."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcspec import Now, Rules, arith, cache, flushing, scan, storing
from mcspec.cache import Cache
from mcspec.storing import Entry

NOW = Now(1000, 1000)
words = st.binary(max_size=24).map(lambda data: bytes(b"0123456789-+ \t\rx\0"[byte % 17] for byte in data))


@given(st.binary(max_size=60))
def test_words(line: bytes) -> None:
    """Runs of the space alone separate."""
    assert scan.words(line) == tuple(re.findall(rb"[^ ]+", line))


@given(words)
def test_strict_unsigned(word: bytes) -> None:
    """Digits only, bounded in length and value."""
    want = int(word) if re.fullmatch(rb"[0-9]{1,11}", word) and int(word) < 2**32 else None
    assert scan.strict_unsigned(word, 11, 2**32) == want


@given(words)
def test_strict_signed(word: bytes) -> None:
    """An optional minus, digits, eleven characters in all, 32 bits."""
    good = re.fullmatch(rb"-?[0-9]+", word) and len(word) <= 11 and -(2**31) <= int(word) < 2**31
    assert scan.strict_signed(word, 11) == (int(word) if good else None)


C_NUMBER = re.compile(rb"[ \t\n\v\f\r]*([+-]?)([0-9]+)(?:[ \t\n\v\f\r\0].*)?", re.DOTALL)


@given(words)
def test_c_signed(word: bytes) -> None:
    """What strtol makes of it."""
    found = C_NUMBER.fullmatch(word)
    want = None if found is None else int(found[2]) * (-1 if found[1] == b"-" else 1)
    assert scan.c_signed(word) == (want if want is not None and -(2**63) <= want < 2**63 else None)


@given(words)
def test_c_unsigned(word: bytes) -> None:
    """What strtoull makes of it, a minus undone modulo 2**64."""
    found = C_NUMBER.fullmatch(word)
    want = None
    if found is not None and int(found[2]) < 2**64:
        negative = found[1] == b"-"
        want = (2**64 - int(found[2])) % 2**64 if negative else int(found[2])
        want = None if negative and want >= 2**63 else want
    assert scan.c_unsigned(word) == want


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (b"7", 7),
        (b" 7", 7),
        (b"+7", 7),
        (b"007", 7),
        (b"12 34", 12),
        (b"-0", 0),
        (b"7x", None),
        (b"", None),
        (b"-1", None),
        (b"0x10", None),
        (b"18446744073709551615", 2**64 - 1),
        (b"18446744073709551616", None),
        (b"-9223372036854775809", 2**63 - 1),
        (b"0" * 30 + b"5", 5),
        (b"7\0x", 7),
    ],
)
def test_counter(value: bytes, number: int | None) -> None:
    """Measured on live servers."""
    assert scan.counter(value) == number


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1))
def test_counting(value: int, delta: int) -> None:
    """Incr wraps, decr stops."""
    assert arith.incremented(value, delta, 2**64) == value + delta - (2**64 if value + delta >= 2**64 else 0)
    assert arith.decremented(value, delta) == max(0, value - delta)


@pytest.mark.parametrize(
    ("exptime", "kind"),
    [(0, arith.NEVER), (-1, arith.PAST), (1, arith.RELATIVE), (2592000, arith.RELATIVE), (2592001, arith.ABSOLUTE)],
)
def test_expiry_class(exptime: int, kind: int) -> None:
    """Thirty days belong to the relative ones."""
    assert arith.expiry_class(exptime, 2592000) == kind


@given(st.integers(-(2**70), 2**70))
def test_signed32(number: int) -> None:
    """The low half, as C casts it."""
    assert arith.signed32(number) == int.from_bytes((number % 2**32).to_bytes(4, "big"), "big", signed=True)


def _put(mode: str, value: bytes, unique: int | None = None, before: Cache | None = None) -> tuple[cache.Result, ...]:
    entry = Entry(mode, b"a", 0, 0, value, NOW, unique)
    return storing.store(before or Cache(), entry, NOW, Rules())


def test_an_unknown_cas_unique_may_be_any_number() -> None:
    """Both answers are allowed, and what is learned from one is kept."""
    (stored,) = _put("set", b"1")
    results = {result.status: result.cache for result in _put("cas", b"2", 42, stored.cache)}
    assert set(results) == {"STORED", "EXISTS"}
    assert {result.status for result in _put("cas", b"3", 42, results["EXISTS"])} == {"EXISTS"}
    (again,) = _put("set", b"4", None, results["STORED"])
    assert {result.status for result in _put("cas", b"5", 42, again.cache)} == {"EXISTS"}


def test_cas_uniques_grow_and_are_distinct() -> None:
    """A later store cannot show the number of an earlier one, nor a smaller one."""
    known = cache.bind(Cache(), 1, 10)
    assert known is not None
    assert cache.bind(known, 1, 10) is known
    assert cache.bind(known, 1, 11) is None
    assert cache.bind(known, 2, 10) is None
    assert cache.bind(known, 2, 9) is None
    assert cache.bind(known, 2, 11) is not None


def test_a_deadline_within_the_span_allows_both() -> None:
    """On a clock that we do not hold, an item may live or be gone around its deadline, and only there."""
    entry = Entry("set", b"a", 0, 10, b"v", Now(99, 100))
    (stored,) = storing.store(Cache(), entry, Now(99, 100), Rules())

    def lives(low: float, high: float) -> set[bool]:
        return {found.item is not None for found in cache.find(stored.cache, b"a", Now(low, high), Rules())}

    assert lives(105, 106) == {True}
    assert lives(108.5, 109.5) == {True, False}
    assert lives(110, 111) == {False}


def test_eviction_is_allowed_under_pressure_only() -> None:
    """An item may be missing once a quarter of the memory was ever filled, and never under -M."""
    (stored,) = _put("set", b"v")
    pressed = stored.cache._replace(allocated=Rules().limits.memory)
    assert len(cache.find(stored.cache, b"a", NOW, Rules())) == 1
    assert {found.item is None for found in cache.find(pressed, b"a", NOW, Rules())} == {True, False}
    assert len(cache.find(pressed, b"a", NOW, Rules(evictions=False))) == 1


def test_a_flush_takes_what_may_also_have_expired() -> None:
    """One sure reason to be gone is enough, however unsure the other is."""
    (stored,) = storing.store(Cache(), Entry("set", b"k", 0, 10, b"x", Now(0, 0)), Now(0, 0), Rules())
    (flushed,) = flushing.flush(stored.cache, 6, Now(1, 1), Rules())
    assert [found.item for found in cache.find(flushed, b"k", Now(9, 11), Rules())] == [None]
    both = cache.find(stored.cache, b"k", Now(9, 11), Rules())
    assert [found.item is None for found in both] == [False, True]
