"""Contracts on the rules of the meta chapter, for CrossHair: base64, flags and their arguments, modes, times."""

from __future__ import annotations

from mcspec import arith, meta, scan
from mcspec.arith import ALIVE, DEAD, UNSURE, Span
from mcspec.rules import Rules

RULES = Rules()


def base64_digits_are_the_alphabet(byte: int) -> None:
    """Upper case, lower case, digits, plus and slash, in this order; nothing else is a digit."""
    assert 0 <= byte < 256
    value = scan.base64_digit(byte)
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    assert (value >= 0) == (chr(byte) in letters)
    assert value < 64


def base64_digits_differ(one: int, other: int) -> None:
    """No two bytes stand for the same six bits."""
    assert 0 <= one < other < 256
    first, second = scan.base64_digit(one), scan.base64_digit(other)
    assert first != second or first < 0


def base64_letters_follow_each_other(byte: int) -> None:
    """Within each run of the alphabet the next byte stands for the next number; lower case follows upper case."""
    assert 65 <= byte < 90 or 97 <= byte < 122 or 48 <= byte < 57
    assert scan.base64_digit(byte + 1) == scan.base64_digit(byte) + 1


def base64_group_keeps_all_bits(first: int, second: int, third: int, fourth: int) -> None:
    """Three bytes hold what four digits said, the first one highest."""
    assert 0 <= first < 64
    assert 0 <= second < 64
    assert 0 <= third < 64
    assert 0 <= fourth < 64
    high, middle, low = scan.base64_group(first, second, third, fourth)
    assert high * 65536 + middle * 256 + low == first * 262144 + second * 4096 + third * 64 + fourth
    assert 0 <= high < 256
    assert 0 <= middle < 256
    assert 0 <= low < 256


def base64_length_counts_whole_bytes(digits: int, pads: int) -> None:
    """So many bytes as six bits a digit fill, if it is padded right."""
    assert digits >= 0
    assert pads >= 0
    length = scan.base64_length(digits, pads)
    assert length < 0 or length == digits * 6 // 8


def base64_length_wants_padding(digits: int, pads: int) -> None:
    """Four, three and two digits of a last group take none, one and two pads; one digit alone is none."""
    assert digits >= 0
    assert pads >= 0
    right = digits > 0 and pads == (0, -1, 2, 1)[digits % 4]
    assert (scan.base64_length(digits, pads) >= 0) == right


def flags_begin_with_letters_and_digits(byte: int) -> None:
    """A flag begins with a digit, or with a byte that stands from A to z in ASCII, brackets included."""
    assert 0 <= byte < 256
    begins = scan.begins_flag(byte)
    assert begins == (chr(byte) in "0123456789" or "A" <= chr(byte) <= "z")


def opaque_is_32_bytes_with_its_letter(length: int) -> None:
    """31 bytes behind the O are the most."""
    assert length >= 0
    assert arith.opaque_allowed(length, 32) == (length < 32)


def until_holds_every_moment(now: int, early: int, late: int, moment: int, first: int, last: int) -> None:
    """Whenever it is, and whenever that will be, the difference lies within; it is no wider than both together."""
    assert early <= now <= late
    assert first <= moment <= last
    left = arith.until(Span(early, late), Span(first, last))
    assert left.lo <= moment - now <= left.hi
    assert left.hi - left.lo == (late - early) + (last - first)


def since_is_the_age_of_the_unused(first: int, last: int, early: int, late: int) -> None:
    """Of an item that nobody used: its age, whenever it was stored."""
    assert first <= last <= early <= late
    stored, now = Span(first, last), Span(early, late)
    assert arith.since(now, stored, stored) == Span(early - last, late - first)


def since_lies_between_use_and_store(now: int, used: int, stored: int) -> None:
    """On an exact clock: from the use to the store."""
    assert stored <= used <= now
    age = arith.since(Span(now, now), Span(used, used), Span(stored, stored))
    assert age == Span(now - used, now - stored)


def since_is_never_negative(now: int, slack: int, used: int, stored: int) -> None:
    """However unsure the moments are."""
    assert slack >= 0
    age = arith.since(Span(now, now + slack), Span(used - slack, used + slack), Span(stored - slack, stored))
    assert age.lo >= 0
    assert age.hi >= 0


def recache_is_exact_on_a_held_clock(dies: int, due: int) -> None:
    """A life that ends before R is over is short; one that ends with it is not."""
    assert dies > 0
    short = arith.ends_before(Span(dies, dies), Span(due, due))
    assert short == (DEAD if dies < due else ALIVE)


def recache_is_sure_only_where_it_must_be(first: int, dies: int, last: int, early: int, due: int, late: int) -> None:
    """What it says for sure holds whatever the moments are."""
    assert first <= dies <= last
    assert early <= due <= late
    short = arith.ends_before(Span(first, last), Span(early, late))
    assert short == UNSURE or (short == DEAD) == (dies < due)


def ms_has_five_modes(letter: bytes) -> None:
    """E A P R S, in upper case."""
    assert len(letter) == 1
    known = letter[0] in (69, 65, 80, 82, 83)
    assert (meta.storing_mode(letter) is not None) == known


def ms_looks_at_one_letter(word: bytes) -> None:
    """What follows the first letter of a mode does not matter."""
    assert len(word) == 2
    assert meta.storing_mode(word) == meta.storing_mode(word[:1])


def ma_adds_or_subtracts(letter: bytes) -> None:
    """I and + add, D and - subtract; nothing else is a mode."""
    assert len(letter) == 1
    up = meta.counts_up(letter)
    assert (up is True) == (letter[0] in (73, 43))
    assert (up is False) == (letter[0] in (68, 45))


def times_of_flags_are_signed(word: bytes) -> None:
    """T, N and R take a number or its negative; what is no number is a bad token."""
    assert len(word) <= 1
    plain, negative = meta.argument(84, word, RULES), meta.argument(84, b"-" + word, RULES)
    digit = len(word) == 1 and 48 <= word[0] <= 57
    assert (plain == word[0] - 48) if digit else (plain == (meta.BAD_TOKEN, "meta.flag.bad-number"))
    assert (negative == 48 - word[0]) if digit else (negative == (meta.BAD_TOKEN, "meta.flag.bad-number"))


def uniques_of_flags_have_no_sign(word: bytes) -> None:
    """C and E take digits only."""
    assert len(word) == 1
    digit = 48 <= word[0] <= 57
    bad = (meta.BAD_TOKEN, "meta.flag.bad-number")
    assert meta.argument(67, word, RULES) == (word[0] - 48 if digit else bad)
    assert meta.argument(67, b"-" + word, RULES) == bad
    assert meta.argument(69, b"-" + word, RULES) == bad


def other_flags_take_any_argument(letter: int) -> None:
    """Nine letters read a number; the argument of all others is not looked at."""
    assert 65 <= letter <= 122
    assert (meta.argument(letter, b"x", RULES) == 0) == (chr(letter) not in "TNRCEJDF")
