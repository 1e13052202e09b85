"""Hypothesis with CrossHair as its source of examples, where one value in billions is wrong."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from mcspec import arith

MONTH = 60 * 60 * 24 * 30
U64 = 2**64


def _settings(backend: str) -> settings:
    """As many examples from either backend; the same ones on every run."""
    return settings(
        backend=backend,
        max_examples=40,
        database=None,
        deadline=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )


def expiry(rule: Callable[[int, int], int], backend: str) -> None:
    """An exptime is relative from one second to thirty days."""

    @_settings(backend)
    @given(st.integers(-(2**31), 2**31 - 1))
    def holds(exptime: int) -> None:
        assert (rule(exptime, MONTH) == arith.RELATIVE) == (0 < exptime <= MONTH)

    holds()


def digit(rule: Callable[[int, int, int], int], backend: str) -> None:
    """A digit more is refused where the result would need more than 64 bits."""

    @_settings(backend)
    @given(st.integers(0, U64 - 1))
    def holds(number: int) -> None:
        assert (rule(number, ord("6"), U64) == arith.NO_NUMBER) == (number > (U64 - 1 - 6) // 10)

    holds()


def expiry_off_by_one(exptime: int, relative: int) -> int:
    return arith.ABSOLUTE if exptime == relative else arith.expiry_class(exptime, relative)


def digit_off_by_one(number: int, byte: int, limit: int) -> int:
    return arith.digit_step(number, byte, limit + 1)


def test_the_rules_hold() -> None:
    expiry(arith.expiry_class, "crosshair")
    digit(arith.digit_step, "crosshair")


def test_an_exptime_at_the_boundary_is_found() -> None:
    with pytest.raises(AssertionError):
        expiry(expiry_off_by_one, "crosshair")


def test_a_digit_at_the_boundary_is_found_by_this_backend_alone() -> None:
    """Of all numbers of 64 bits one is treated wrongly."""
    digit(digit_off_by_one, "hypothesis")
    with pytest.raises(AssertionError):
        digit(digit_off_by_one, "crosshair")
