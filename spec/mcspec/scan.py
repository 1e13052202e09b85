"""Token rules: how a line falls into words, and how a word is read as a number.

Two number syntaxes exist side by side in the protocol. *Strict*: decimal digits only, bounded in length, one optional
minus where the number is signed. *C*: what strtol and strtoul accept (leading blanks, a sign, digits; the number ends
at a blank, a NUL or the end of the word).
"""

from __future__ import annotations

BLANKS = b" \t\n\v\f\r"
"""What C's isspace accepts."""

U64 = 2**64
I64 = 2**63


def words(line: bytes) -> tuple[bytes, ...]:
    """The words of a command line: separated by runs of the space character alone."""
    return tuple(word for word in line.split(b" ") if word)


def strict_unsigned(word: bytes, longest: int, limit: int) -> int | None:
    """A number of decimal digits, at most `longest` characters and below `limit`; None if it is not."""
    if not word or len(word) > longest:
        return None
    number = 0
    for byte in word:
        if not 48 <= byte <= 57:
            return None
        number = number * 10 + byte - 48
    return number if number < limit else None


def strict_signed(word: bytes, longest: int, *, bare_minus: bool = False) -> int | None:
    """A signed 32-bit number of decimal digits with an optional minus; None if it is not.

    `bare_minus` makes a lone minus 0, as some releases do.
    """
    if len(word) > longest:
        return None
    if word[:1] == b"-":
        if word == b"-":
            return 0 if bare_minus else None
        number = strict_unsigned(word[1:], longest, 2**31 + 1)
        return None if number is None else -number
    return strict_unsigned(word, longest, 2**31)


def _c_parts(word: bytes) -> tuple[bool, int, int] | None:
    """Sign, magnitude and end of the C number that `word` begins with; None if it has no digit."""
    at = 0
    while at < len(word) and word[at] in BLANKS:
        at += 1
    negative = word[at : at + 1] == b"-"
    if word[at : at + 1] in (b"-", b"+"):
        at += 1
    start, number = at, 0
    while at < len(word) and 48 <= word[at] <= 57:
        number = number * 10 + word[at] - 48
        at += 1
    return None if at == start else (negative, number, at)


def _c_ended(word: bytes, end: int) -> bool:
    return end == len(word) or word[end] in BLANKS or word[end] == 0


def c_signed(word: bytes) -> int | None:
    """What strtol reads of a whole word, 64 bits; None out of range or if something else follows the number."""
    parts = _c_parts(word)
    if parts is None or not _c_ended(word, parts[2]):
        return None
    number = -parts[1] if parts[0] else parts[1]
    return number if -I64 <= number < I64 else None


def c_unsigned(word: bytes) -> int | None:
    """What strtoull reads of a whole word, 64 bits; None out of range, or if the result looks negative.

    A minus is undone modulo 2**64 and refused only if the result has its top bit set: -0 and -(2**64 - 1) pass.
    """
    parts = _c_parts(word)
    if parts is None or not _c_ended(word, parts[2]) or parts[1] >= U64:
        return None
    number = (-parts[1]) % U64 if parts[0] else parts[1]
    return None if parts[0] and number >= I64 else number


def blank(word: bytes) -> bool:
    """Whether a word consists of C blanks only."""
    return bool(word) and all(byte in BLANKS for byte in word)


def counter(value: bytes) -> int | None:
    """The number that a stored value holds for incr and decr; None if it is not numeric."""
    return c_unsigned(value + b"\r\n")
