"""Integer syntax of the text protocol, as memcached 1.6.45 reads it but for two oddities.

Three syntaxes live side by side. *Strict* decimals (lengths, touch/gat/flush_all exptime, deltas, cas unique) are
bare digits with a bounded count. *Lenient* ones (flags and exptime of the storage commands) follow C's ``strtoul``:
they skip leading blanks and take a sign. Unlike there, a number never runs on into the next token, and a lone ``-`` is
none. *Stored* counters follow the lenient rules too. Every function returns None on bad input and
raises nothing.
"""

import re

U64 = 1 << 64
_I64_MAX = (1 << 63) - 1
_I64_MIN = -(1 << 63)
_U32_MASK = (1 << 32) - 1
_I32_SIGN = 1 << 31
#: A strict 32-bit number has at most this many characters, sign included.
_MAX_32BIT_CHARS = 11
#: A strict 64-bit number has at most this many digits.
_MAX_64BIT_CHARS = 22
#: tuning: No 64-bit magnitude has more significant digits; longer ones are refused before Python has to convert them.
_MAX_U64_DIGITS = 20

# C's isspace() set before and after the number; NUL also ends one.
_LENIENT = re.compile(rb"[\t-\r ]*([+-]?)([0-9]+)(?=[\0\t-\r ])")


def strict_i32(token: bytes) -> int | None:
    """Signed 32-bit decimal of at most 11 characters with at least one digit; ``+`` is refused."""
    if len(token) > _MAX_32BIT_CHARS:
        return None
    if token.isdigit():
        value = int(token)
        return value if value < _I32_SIGN else None
    if token[:1] != b"-":
        return None
    digits = token[1:]
    if not digits.isdigit():
        return None
    value = int(digits)
    return -value if value <= _I32_SIGN else None


def strict_u32(token: bytes) -> int | None:
    """Unsigned 32-bit decimal of at most 11 digits, no sign."""
    if len(token) > _MAX_32BIT_CHARS or not token.isdigit():
        return None
    value = int(token)
    return value if value <= _U32_MASK else None


def strict_u64(token: bytes) -> int | None:
    """Unsigned 64-bit decimal of at most 22 digits, no sign."""
    if len(token) > _MAX_64BIT_CHARS or not token.isdigit():
        return None
    value = int(token)
    return value if value < U64 else None


def _lenient(text: bytes) -> tuple[bool, int] | None:
    match = _LENIENT.match(text)
    if match is None:
        return None
    sign, digits = match.groups()
    digits = digits.lstrip(b"0") or b"0"
    if len(digits) > _MAX_U64_DIGITS:
        return None
    return sign == b"-", int(digits)


def lenient_u64(text: bytes) -> int | None:
    """Read as ``strtoul`` does: `text` is the token and the byte that ends it.

    A negative number wraps modulo 2^64 and is refused only where the result still looks negative, so
    ``-18446744073709551615`` reads as 1.
    """
    parsed = _lenient(text)
    if parsed is None:
        return None
    negative, magnitude = parsed
    if magnitude >= U64:
        return None
    if not negative:
        return magnitude
    value = -magnitude % U64
    return value if value <= _I64_MAX else None


def lenient_u32(text: bytes) -> int | None:
    """Client flags: `lenient_u64` cut to its low 32 bits."""
    value = lenient_u64(text)
    return None if value is None else value & _U32_MASK


def lenient_i32(text: bytes) -> int | None:
    """Exptime of a storage command: ``strtol`` cut to 32 bits, so 2^31 reads as -2^31 and 2^32 as 0."""
    parsed = _lenient(text)
    if parsed is None:
        return None
    negative, magnitude = parsed
    value = -magnitude if negative else magnitude
    if not _I64_MIN <= value <= _I64_MAX:
        return None
    return ((value & _U32_MASK) ^ _I32_SIGN) - _I32_SIGN
