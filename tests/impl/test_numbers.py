"""Integer syntax."""

import pytest

from mcserver import numbers


@pytest.mark.parametrize(
    ("token", "value"),
    [
        (b"0", 0),
        (b"-", None),
        (b"-0", 0),
        (b"-1", -1),
        (b"2147483647", 2**31 - 1),
        (b"2147483648", None),
        (b"-2147483648", -(2**31)),
        (b"-2147483649", None),
        (b"00000000001", 1),
        (b"000000000001", None),
        (b"-00000000000", None),
        (b"", None),
        (b"+1", None),
        (b"1x", None),
        (b"--1", None),
    ],
)
def test_strict_i32(token: bytes, value: int | None) -> None:
    """Bare decimals of at most 11 characters."""
    assert numbers.strict_i32(token) == value


@pytest.mark.parametrize(
    ("token", "small", "large"),
    [
        (b"4294967295", 2**32 - 1, 2**32 - 1),
        (b"4294967296", None, 2**32),
        (b"18446744073709551615", None, 2**64 - 1),
        (b"18446744073709551616", None, None),
        (b"0" * 11, 0, 0),
        (b"0" * 12, None, 0),
        (b"0" * 22, None, 0),
        (b"0" * 23, None, None),
        (b"-1", None, None),
        (b"", None, None),
    ],
)
def test_strict_unsigned(token: bytes, small: int | None, large: int | None) -> None:
    """Unsigned ones have no sign and a bounded number of digits."""
    assert numbers.strict_u32(token) == small
    assert numbers.strict_u64(token) == large


@pytest.mark.parametrize(
    ("text", "flags", "exptime"),
    [
        (b"5 ", 5, 5),
        (b"\t 5\r\n", 5, 5),
        (b"+5\n", 5, 5),
        (b"5\x00x ", 5, 5),
        (b"5x ", None, None),
        (b"- ", None, None),
        (b"\t\x00 ", None, None),
        (b"-1 ", None, -1),
        (b"-0 ", 0, 0),
        (b"4294967296 ", 0, 0),
        (b"2147483648 ", 2**31, -(2**31)),
        (b"9223372036854775807 ", 2**32 - 1, -1),
        (b"9223372036854775808 ", 0, None),
        (b"-9223372036854775808 ", None, 0),
        (b"-9223372036854775809 ", 2**32 - 1, None),
        (b"18446744073709551616 ", None, None),
        (b"9" * 5000 + b" ", None, None),
    ],
)
def test_lenient(text: bytes, flags: int | None, exptime: int | None) -> None:
    """C's rules, cut to 32 bits."""
    assert numbers.lenient_u32(text) == flags
    assert numbers.lenient_i32(text) == exptime
