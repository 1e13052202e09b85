"""Contracts on numbers, for CrossHair: each an independent definition, with its precondition first."""

from __future__ import annotations

from mcspec import arith

U32 = 2**32
U64 = 2**64


def incr_is_addition_of_registers(value: int, delta: int) -> None:
    """A sum that leaves the register loses exactly one modulus."""
    assert 0 <= value < U64
    assert 0 <= delta < U64
    total = value + delta
    assert arith.incremented(value, delta, U64) == (total if total < U64 else total - U64)


def incr_is_undone_by_the_rest(value: int, delta: int) -> None:
    """Adding what is left to the modulus undoes an addition."""
    assert 0 <= value < U64
    assert 0 < delta < U64
    assert arith.incremented(arith.incremented(value, delta, U64), U64 - delta, U64) == value


def incr_wraps_where_the_sum_is_smaller(value: int, delta: int) -> None:
    """A counter has wrapped if and only if it went down."""
    assert 0 <= value < U64
    assert 0 <= delta < U64
    assert arith.wraps(value, delta, U64) == (arith.incremented(value, delta, U64) < value)


def decr_stops_at_zero(value: int, delta: int) -> None:
    """Decr never goes below zero and never takes more than asked."""
    assert 0 <= value < U64
    assert 0 <= delta < U64
    left = arith.decremented(value, delta)
    assert left >= 0
    assert left + delta >= value
    assert left == 0 or left + delta == value


def decr_undoes_incr(value: int, delta: int) -> None:
    """Where nothing wrapped, decr takes back what incr gave."""
    assert 0 <= value < U64
    assert 0 <= delta < U64 - value
    assert arith.decremented(arith.incremented(value, delta, U64), delta) == value


def decr_may_come_in_parts(value: int, first: int, second: int) -> None:
    """Two decrs take as much as one of their sum."""
    assert 0 <= value < U64
    assert first >= 0
    assert second >= 0
    assert arith.decremented(arith.decremented(value, first), second) == arith.decremented(value, first + second)


def truncated_is_the_residue(number: int) -> None:
    """Within the register, and a multiple of the modulus away."""
    assert -(2**70) < number < 2**70
    kept = arith.truncated(number, U32)
    assert 0 <= kept < U32
    assert (number - kept) % U32 == 0


def truncated_keeps_what_fits(number: int) -> None:
    """A number of 64 bits stays as it is, and its negative is what is left to the modulus."""
    assert 0 < number < U64
    kept, negated = arith.truncated(number, U64), arith.truncated(-number, U64)
    assert kept == number
    assert negated == U64 - number


def signed_is_congruent_and_in_range(number: int) -> None:
    """A cast to 32 bits keeps the number modulo 2**32 and lies in its range."""
    assert -(2**70) < number < 2**70
    cast = arith.signed32(number)
    assert -(2**31) <= cast < 2**31
    assert (cast - number) % U32 == 0


def signed_keeps_what_fits(number: int) -> None:
    """A cast changes no number of 32 bits; one above wraps to the other end."""
    assert -(2**31) <= number < 2**31
    above, below = number + U32, number - U32
    assert arith.signed32(number) == number
    assert arith.signed32(above) == number
    assert arith.signed32(below) == number


def top_bit_is_the_sign_of_the_cast(number: int) -> None:
    """A register shows its top bit exactly when its cast is negative."""
    assert 0 <= number < U32
    assert arith.top_bit(number, U32) == (arith.signed32(number) < 0)


def digit_is_appended(number: int, byte: int) -> None:
    """The new number, taken apart in tens, is the old one and the digit."""
    assert 0 <= number < 10**30
    assert ord("0") <= byte <= ord("9")
    longer = arith.digit_step(number, byte, 10**31)
    assert longer // 10 == number
    assert longer % 10 == byte - ord("0")


def digit_step_refuses_other_bytes(number: int, byte: int) -> None:
    """Ten bytes are digits; every other one leaves no number."""
    assert 0 <= number < U64
    assert 0 <= byte < 256
    refused = arith.digit_step(number, byte, 10 * U64) == arith.NO_NUMBER
    assert refused == (byte not in (48, 49, 50, 51, 52, 53, 54, 55, 56, 57))


def digit_step_stops_at_64_bits(number: int, digit: int) -> None:
    """Refused if and only if the number is above what division says still fits."""
    assert 0 <= number < U64
    assert 0 <= digit <= 9
    refused = arith.digit_step(number, 48 + digit, U64) == arith.NO_NUMBER
    assert refused == (number > (U64 - 1 - digit) // 10)


def digit_step_stays_refused(byte: int, limit: int) -> None:
    """No digit makes a number of what is none."""
    assert 0 <= byte < 256
    assert limit > 0
    assert arith.digit_step(arith.NO_NUMBER, byte, limit) == arith.NO_NUMBER


def padding_fills_the_room(length: int, room: int) -> None:
    """The text is as long as the one before it, unless it is longer of itself."""
    assert length > 0
    assert room > 0
    blanks = arith.padding(length, room)
    assert blanks >= 0
    assert length + blanks == max(length, room)
