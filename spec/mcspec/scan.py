"""Token rules: how a line falls into words, and how a word is read as a number.

Two number syntaxes exist side by side in the protocol. *Strict*: decimal digits only, bounded in length, one optional
minus where the number is signed. *C*: what strtol and strtoul accept (leading blanks, a sign, digits; the number ends
at a blank, a NUL or the end of the word). Both are folds of `arith.digit_step`, one byte at a time.
"""

from __future__ import annotations

from mcspec.arith import NO_NUMBER, digit_step, top_bit, truncated

SPACE, PLUS, MINUS = 32, 43, 45

U64 = 2**64
I64 = 2**63
I32 = 2**31


def words(line: bytes) -> tuple[bytes, ...]:
    """The words of a command line: separated by runs of the space character alone."""
    found = []
    at = 0
    while at < len(line):
        end = line.find(b" ", at)
        if end < 0:
            end = len(line)
        if end > at:
            found.append(line[at:end])
        at = end + 1
    return tuple(found)


def strict_unsigned(word: bytes, longest: int, limit: int) -> int | None:
    """A number of decimal digits, at most `longest` characters and below `limit`; None if it is not."""
    if not word or len(word) > longest:
        return None
    number = 0
    for byte in word:
        number = digit_step(number, byte, limit)
    return None if number == NO_NUMBER else number


def strict_signed(word: bytes, longest: int, *, bare_minus: bool = False) -> int | None:
    """A signed 32-bit number of decimal digits with an optional minus; None if it is not.

    `bare_minus` makes a lone minus 0, as some releases do.
    """
    if len(word) > longest:
        return None
    if word[:1] != b"-":
        return strict_unsigned(word, longest, I32)
    if len(word) == 1:
        return 0 if bare_minus else None
    number = strict_unsigned(word[1:], longest, I32 + 1)
    return None if number is None else -number


def is_blank(byte: int) -> bool:
    """Whether C's isspace accepts a byte: space, tab, LF, VT, FF, CR."""
    return byte == SPACE or 9 <= byte <= 13


def ends_number(byte: int) -> bool:
    """Whether a byte after the digits of a C number ends it."""
    return byte == 0 or is_blank(byte)


def _c_number(word: bytes) -> tuple[bool, int] | None:
    """Whether the C number that `word` is has a minus, and its magnitude below 2**64; None if it is none."""
    at, end = 0, len(word)
    while at < end and is_blank(word[at]):
        at += 1
    negative = at < end and word[at] == MINUS
    if at < end and (negative or word[at] == PLUS):
        at += 1
    first, number = at, 0
    while at < end and number != NO_NUMBER and not ends_number(word[at]):
        number = digit_step(number, word[at], U64)
        at += 1
    return None if at == first or number == NO_NUMBER else (negative, number)


def c_signed(word: bytes) -> int | None:
    """What strtol reads of a whole word, 64 bits; None out of range or if something else follows the number."""
    parts = _c_number(word)
    if parts is None:
        return None
    number = -parts[1] if parts[0] else parts[1]
    return number if -I64 <= number < I64 else None


def c_unsigned(word: bytes) -> int | None:
    """What strtoull reads of a whole word, 64 bits; None out of range, or if the result looks negative.

    A minus is undone modulo 2**64 and refused only if the result has its top bit set: -0 and -(2**64 - 1) pass.
    """
    parts = _c_number(word)
    if parts is None:
        return None
    negative, magnitude = parts
    number = truncated(-magnitude, U64) if negative else magnitude
    return None if negative and top_bit(number, U64) else number


def blank(word: bytes) -> bool:
    """Whether a word consists of C blanks only."""
    for byte in word:
        if not is_blank(byte):
            return False
    return len(word) > 0


def counter(value: bytes) -> int | None:
    """The number that a stored value holds for incr and decr; None if it is not numeric."""
    return c_unsigned(value + b"\r\n")


# ---------------------------------------------------------------------------------------------------- flags and keys


def begins_flag(byte: int) -> bool:
    """Whether a flag of the meta protocol may begin with this byte: from A to z, or a digit."""
    return 65 <= byte <= 122 or 48 <= byte <= 57


def base64_digit(byte: int) -> int:
    """The six bits that a base64 digit stands for; NO_NUMBER if it is none."""
    for first, last, value in ((65, 90, 0), (97, 122, 26), (48, 57, 52), (43, 43, 62), (47, 47, 63)):
        if first <= byte <= last:
            return byte - first + value
    return NO_NUMBER


def base64_group(first: int, second: int, third: int, fourth: int) -> tuple[int, int, int]:
    """The three bytes that four digits stand for."""
    bits = ((first * 64 + second) * 64 + third) * 64 + fourth
    return bits // 65536, bits // 256 % 256, bits % 256


def base64_length(digits: int, pads: int) -> int:
    """Bytes that so many digits with so many `=` behind them stand for; NO_NUMBER if they are not padded right."""
    if (digits + pads) % 4 or pads > 2 or digits == 0:
        return NO_NUMBER
    return (digits + pads) // 4 * 3 - pads
