"""Contracts on token rules, for CrossHair, on words of few bytes or with one unknown byte beside known ones."""

from __future__ import annotations

from mcspec import scan

DIGITS = 48, 57


def words_are_the_runs(line: bytes) -> None:
    """As many words as places where a byte that is no space follows a space or begins the line."""
    assert len(line) <= 3
    begun, before = 0, 32
    for byte in line:
        if byte != 32 and before == 32:
            begun += 1
        before = byte
    assert len(scan.words(line)) == begun


def words_leave_out_spaces_only(line: bytes) -> None:
    """All bytes but spaces are in the words, in their order, and no word is empty."""
    assert len(line) <= 3
    kept = [byte for word in scan.words(line) for byte in word]
    assert kept == [byte for byte in line if byte != 32]
    assert b"" not in scan.words(line)


def words_are_split_by_no_other_byte(between: bytes) -> None:
    """A tab, a NUL or any other byte is a byte of its word."""
    assert len(between) == 1
    assert (len(scan.words(b"a" + between + b"b")) == 2) == (between[0] == 32)


def strict_unsigned_is_the_sum_of_places(word: bytes) -> None:
    """One to three digits, by place value, below the limit; everything else is none."""
    assert len(word) <= 3
    digits = len(word) > 0
    for byte in word:
        digits = digits and DIGITS[0] <= byte <= DIGITS[1]
    places = 0
    for place, byte in enumerate(reversed(word)):
        places += (byte - 48) * 10**place
    assert scan.strict_unsigned(word, 3, 256) == (places if digits and places < 256 else None)


def strict_unsigned_is_bounded_in_length(word: bytes) -> None:
    """A fourth character is one too many, whatever it is; three are not."""
    assert len(word) <= 4
    assert scan.strict_unsigned(word, 3, 10**4) == (None if len(word) == 4 else scan.strict_unsigned(word, 4, 10**4))


def strict_unsigned_ends_at_64_bits(last: bytes) -> None:
    """Of the numbers that begin like 2**64, those up to 18446744073709551615 pass."""
    assert len(last) == 1
    passes = scan.strict_unsigned(b"1844674407370955161" + last, 22, 2**64) is not None
    assert passes == (48 <= last[0] <= 53)


def strict_signed_mirrors_unsigned(word: bytes) -> None:
    """A minus before a number negates it; without one it is read as unsigned."""
    assert len(word) <= 2
    plain = scan.strict_unsigned(word, 2, 100)
    if word[:1] != b"-":
        assert scan.strict_signed(word, 3) == plain
    assert scan.strict_signed(b"-" + word, 3) == (None if plain is None else 0 - plain)


def strict_signed_is_bounded_in_length(word: bytes) -> None:
    """The minus counts: with a longest of three, two digits may follow it."""
    assert len(word) == 3
    longer = b"-" + word
    assert scan.strict_signed(longer, 3) is None
    assert scan.strict_signed(word, 2) is None


def strict_signed_ends_at_32_bits(last: bytes) -> None:
    """Up to 2147483647, and down to -2147483648."""
    assert len(last) == 1
    above, below = scan.strict_signed(b"214748364" + last, 11), scan.strict_signed(b"-214748364" + last, 11)
    assert (above is not None) == (48 <= last[0] <= 55)
    assert (below is not None) == (48 <= last[0] <= 56)


def strict_signed_bare_minus(word: bytes) -> None:
    """The trait makes a number of a lone minus, and of nothing else."""
    assert len(word) <= 2
    lone = len(word) == 1 and word[0] == 45
    assert scan.strict_signed(word, 3, bare_minus=True) == (0 if lone else scan.strict_signed(word, 3))


def blanks_are_the_six_of_c(byte: int) -> None:
    """Tab, LF, VT, FF, CR and space."""
    assert 0 <= byte < 256
    assert scan.is_blank(byte) == (chr(byte) in "\t\n\v\f\r ")


def number_ends_at_blank_or_nul(byte: int) -> None:
    """Seven bytes end a C number."""
    assert 0 <= byte < 256
    assert scan.ends_number(byte) == (byte in (0, 9, 10, 11, 12, 13, 32))


def blank_is_all_blanks(word: bytes) -> None:
    """Every byte is a blank, and there is one."""
    assert len(word) <= 3
    blanks = len(word) > 0
    for byte in word:
        blanks = blanks and (byte == 32 or 8 < byte < 14)
    assert scan.blank(word) == blanks


def c_reads_digits_like_strict(word: bytes) -> None:
    """What is a strict number is the same number in C."""
    assert len(word) <= 3
    strict = scan.strict_unsigned(word, 3, 1000)
    assert strict is None or strict == scan.c_signed(word) == scan.c_unsigned(word)


def c_takes_a_sign(word: bytes) -> None:
    """A plus changes nothing, a minus negates; neither may stand before another sign or a blank."""
    assert len(word) <= 2
    begins_with_digit = len(word) > 0 and DIGITS[0] <= word[0] <= DIGITS[1]
    plain = scan.c_signed(word) if begins_with_digit else None
    assert scan.c_signed(b"+" + word) == plain
    assert scan.c_signed(b"-" + word) == (None if plain is None else 0 - plain)


def c_skips_blanks_before(word: bytes) -> None:
    """Before a number a blank is nothing, and any other byte but a digit or a sign spoils it."""
    assert 1 <= len(word) <= 3
    first = word[0]
    if first == 32 or 8 < first < 14:
        assert scan.c_signed(word) == scan.c_signed(word[1:])
    elif first not in (43, 45) and not DIGITS[0] <= first <= DIGITS[1]:
        assert scan.c_signed(word) is None


def c_number_ends_where_it_may(rest: bytes) -> None:
    """After digits a blank or a NUL ends the number and what follows is not looked at; any other byte spoils it."""
    assert 1 <= len(rest) <= 3
    assert not DIGITS[0] <= rest[0] <= DIGITS[1]
    ends = rest[0] in (0, 32) or 8 < rest[0] < 14
    assert scan.c_signed(b"42" + rest) == (42 if ends else None)


def c_signed_ends_at_64_bits(last: bytes) -> None:
    """Up to 2**63 - 1, and down to -2**63."""
    assert len(last) == 1
    assert DIGITS[0] <= last[0] <= DIGITS[1]
    above, below = scan.c_signed(b"922337203685477580" + last), scan.c_signed(b"-922337203685477580" + last)
    assert (above is not None) == (last[0] <= 55)
    assert (below is not None) == (last[0] <= 56)


def c_unsigned_ends_at_64_bits(last: bytes) -> None:
    """Up to 2**64 - 1; with a minus only what wraps to a number without the top bit."""
    assert len(last) == 1
    assert DIGITS[0] <= last[0] <= DIGITS[1]
    above, below = scan.c_unsigned(b"1844674407370955161" + last), scan.c_unsigned(b"-1844674407370955161" + last)
    middle = scan.c_unsigned(b"-922337203685477580" + last)
    assert (above is not None) == (last[0] <= 53)
    assert (below is not None) == (last[0] <= 53)
    assert (middle is not None) == (last[0] == 57)


def c_unsigned_refuses_negatives(word: bytes) -> None:
    """Of short words it reads those that C reads as signed and not negative."""
    assert len(word) <= 3
    signed = scan.c_signed(word)
    assert scan.c_unsigned(word) == (None if signed is None or signed < 0 else signed)


def counter_needs_no_line_end(value: bytes) -> None:
    """The CR LF behind a stored value ends its number and adds nothing."""
    assert len(value) <= 3
    assert scan.counter(value) == scan.c_unsigned(value)


def counter_may_be_padded(value: bytes) -> None:
    """A number with blanks before or behind it is the same counter; blanks alone are none."""
    assert len(value) <= 2
    number = scan.counter(value)
    assert scan.counter(b" " + value) == number
    assert scan.counter(value + b"  ") == number
    assert scan.counter(b"   ") is None
