"""The meta protocol, `mn me mg ms md ma`: a command line becomes a request.

Theory of operation
-------------------
A line is a command, a key, for ms a length, and flags: one letter each, with an argument right behind it. The readers
here look at everything that can be refused before an item is touched, in the order in which servers do: the number of
words, the key, the length, then the flags from left to right. A flag that is unknown or stands twice ends that; a bad
argument does not, so that the last bad argument of a line names the fault. What a flag does, and what it shows in the
reply, is the matter of `meta_answers`; flags that a command has no use for are read and then ignored.
"""

from __future__ import annotations

import binascii
from typing import TYPE_CHECKING, NamedTuple

from mcspec import arith, scan, text
from mcspec.limits import Limits
from mcspec.text import Answer, Elsewhere

if TYPE_CHECKING:
    from mcspec.rules import Rules

BAD_TOKEN = b"CLIENT_ERROR bad token in command line format\r\n"
BAD_INITIAL = b"CLIENT_ERROR invalid numeric initial value\r\n"
BAD_META_DELTA = b"CLIENT_ERROR invalid numeric delta value\r\n"
BAD_KEY = b"CLIENT_ERROR error decoding key\r\n"
INVALID_FLAG = b"CLIENT_ERROR invalid flag\r\n"
DUPLICATE_FLAG = b"CLIENT_ERROR duplicate flag\r\n"
INVALID_OR_DUPLICATE = b"CLIENT_ERROR invalid or duplicate flag\r\n"
MANY_FLAGS = b"CLIENT_ERROR options flags are too long\r\n"
MANY_FLAGS_OLD = b"CLIENT_ERROR options flags too long\r\n"
OPAQUE_LONG = b"CLIENT_ERROR opaque token too long\r\n"
MODE_LENGTH = b"CLIENT_ERROR incorrect length for M token\r\n"
BAD_MS_MODE = b"CLIENT_ERROR invalid mode for ms M token\r\n"
BAD_MA_MODE = b"CLIENT_ERROR invalid mode for ma M token\r\n"

KNOWN = frozenset(b"bcfhklqstuvxCDEFIJLMNOPRT")
"""The letters that all commands know; those that a command does not need are ignored."""

_SIGNED = b"TNR"
_UNSIGNED = {ord("C"): BAD_TOKEN, ord("E"): BAD_TOKEN, ord("J"): BAD_INITIAL, ord("D"): BAD_META_DELTA}
_MODES = ((b"E", "add"), (b"A", "append"), (b"P", "prepend"), (b"R", "replace"), (b"S", "set"))
_NUL_MODE = "a mode that is a NUL byte is no mode, and no fault, to some servers"
_COUNTING = ((b"I", True), (b"+", True), (b"D", False), (b"-", False))


class Flag(NamedTuple):
    """One flag: its letter, its argument as sent, and the number that this is (0 where none is expected)."""

    letter: str
    argument: bytes = b""
    number: int = 0


class Line(NamedTuple):
    """mg, md, ma or me. `key` is decoded, `shown` what k repeats where the item does not say otherwise."""

    word: str
    key: bytes
    shown: bytes
    flags: tuple[Flag, ...]
    clauses: tuple[str, ...]
    up: bool = True

    def has(self, letter: str) -> bool:
        """Whether the flag is there."""
        return any(flag.letter == letter for flag in self.flags)

    def number(self, letter: str) -> int | None:
        """The number of the flag; None if it is absent."""
        return next((flag.number for flag in self.flags if flag.letter == letter), None)


class MetaStore(NamedTuple):
    """ms, whose value of `length` bytes and CR LF follows; `taken` is the cas symbol that its line took, or 0."""

    line: Line
    mode: str
    key: bytes
    flags: int
    length: int
    clauses: tuple[str, ...]
    taken: int = 0


Reading = tuple[tuple[Flag, ...], tuple[str, ...]]


def _noop(_words: tuple[bytes, ...], clauses: tuple[str, ...], _rules: Rules) -> Answer:
    return Answer(b"MN\r\n", False, (*clauses, "meta.mn.replies"))


def _get(words: tuple[bytes, ...], clauses: tuple[str, ...], rules: Rules) -> Line | Answer | Elsewhere:
    return _simple(words, clauses, rules)


def _delete(words: tuple[bytes, ...], clauses: tuple[str, ...], rules: Rules) -> Line | Answer | Elsewhere:
    line = _simple(words, clauses, rules)
    faulty = isinstance(line, Answer) and line.clauses[-1] in _PREPARSED
    if faulty and isinstance(line, Answer) and rules.traits.md_errors == "one":
        return line._replace(reply=INVALID_OR_DUPLICATE)
    if isinstance(line, Line) and _opaque_long(line):
        return Answer(OPAQUE_LONG, False, (*line.clauses, "meta.flag.opaque-long"))
    return line


_PREPARSED = (
    *("meta.flag.unknown", "meta.flag.duplicate", "meta.flag.bad-number", "meta.flag.bad-flags", "meta.key.bad-base64"),
    *("meta.flag.bad-initial", "meta.flag.bad-delta", "meta.flag.mode"),
)


def _arithmetic(words: tuple[bytes, ...], clauses: tuple[str, ...], rules: Rules) -> Line | Answer | Elsewhere:
    line = _simple(words, clauses, rules)
    if isinstance(line, Answer):
        bare = line.clauses[-1] in ("text.line.missing-words", "meta.flag.first-byte")
        late = line.clauses[-1] in ("meta.key.too-long", "meta.line.many-flags") and rules.traits.ma_errors == "format"
        if bare or late:
            return line
        return line._replace(reply=INVALID_OR_DUPLICATE, clauses=(*line.clauses, "meta.ma.bad-flag"))
    if isinstance(line, Elsewhere):
        return line
    mode = next((flag.argument[:1] for flag in line.flags if flag.letter == "M"), b"I")
    if mode == b"\0":
        return Elsewhere(_NUL_MODE)
    up = counts_up(mode)
    if up is None:
        return Answer(BAD_MA_MODE, False, (*line.clauses, "meta.ma.bad-mode"))
    return line._replace(up=up)


def counts_up(argument: bytes) -> bool | None:
    """Whether ma adds, by the first byte behind its M; None if that is no mode."""
    return next((up for letter, up in _COUNTING if argument[:1] == letter), None)


def _simple(words: tuple[bytes, ...], clauses: tuple[str, ...], rules: Rules) -> Line | Answer | Elsewhere:
    if len(words) < 2:
        return text.missing(clauses, rules)
    refused = _shape(words, 2, clauses, rules)
    if refused is not None:
        return refused
    line = _line(words, 2, clauses, rules)
    if isinstance(line, Line) and line.number("E") == 0:
        return Elsewhere("a chosen cas unique of 0 is kept by some items and replaced by others")
    return line


def _shape(words: tuple[bytes, ...], first: int, clauses: tuple[str, ...], rules: Rules) -> Answer | None:
    """What is refused before any flag is read: an odd first byte, a long key, too many words."""
    if _odd(words, first, rules):
        return Answer(text.BAD_FORMAT, False, (*clauses, "meta.flag.first-byte"))
    if len(words[1]) > rules.limits.key:
        return Answer(text.BAD_FORMAT, False, (*clauses, "meta.key.too-long"))
    most = rules.limits.meta_words - (0 if rules.traits.flag_words == "twenty" else 1)
    if len(words) > most:
        old = rules.traits.flag_words != "twenty" and words[0] != b"mg"
        return Answer(MANY_FLAGS_OLD if old else MANY_FLAGS, False, (*clauses, "meta.line.many-flags"))
    return None


def _odd(words: tuple[bytes, ...], first: int, rules: Rules) -> bool:
    """Whether a word that should be a flag begins with neither a byte from A to z nor a digit."""
    odd = any(not scan.begins_flag(word[0]) for word in words[first : rules.limits.words])
    return odd and rules.traits.flag_bytes == "letters"


def _line(words: tuple[bytes, ...], first: int, clauses: tuple[str, ...], rules: Rules) -> Line | Answer | Elsewhere:
    """The line with its flags, or the refusal of one of them."""
    read = _flags(words[first:], words[1], clauses, rules)
    if isinstance(read, Answer | Elsewhere):
        return read
    flags, clauses = read
    word, key = words[0].decode(), words[1]
    if any(flag.letter == "b" for flag in flags):
        key = decode(key) or b""
        return Line(word, key, encode(key) + b" b", flags, (*clauses, "meta.key.base64"))
    return Line(word, key, key, flags, clauses)


def _flags(
    words: tuple[bytes, ...], key: bytes, clauses: tuple[str, ...], rules: Rules
) -> Reading | Answer | Elsewhere:
    flags: list[Flag] = []
    seen: set[int] = set()
    fault: tuple[bytes, str] | None = None
    for word in words:
        letter = word[0]
        if letter in seen or (letter > 126 and rules.traits.flag_bytes == "any"):
            return Answer(DUPLICATE_FLAG, False, (*clauses, "meta.flag.duplicate"))
        seen.add(letter)
        if letter not in KNOWN or (letter in b"Ex" and rules.traits.chosen_cas == "unknown"):
            return Answer(INVALID_FLAG, False, (*clauses, "meta.flag.unknown"))
        number = argument(letter, word[1:], rules)
        if isinstance(number, tuple):
            # A bad F is only named where no other argument is bad.
            fault = fault or number if letter == ord("F") else number
            number = 0
        if letter == ord("b"):
            decoded = decode(key)
            if decoded is None:
                fault = BAD_KEY, "meta.key.bad-base64"
            elif decoded == b"":
                return Elsewhere("padding inside a base64 key ends it, or is read as a digit")
        flags.append(Flag(chr(letter), word[1:], number))
    if fault is not None:
        return Answer(fault[0], False, (*clauses, fault[1]))
    return tuple(flags), _noted(flags, clauses)


def _noted(flags: list[Flag], clauses: tuple[str, ...]) -> tuple[str, ...]:
    letters = {flag.letter for flag in flags}
    if letters & {"P", "L"}:
        clauses = (*clauses, "meta.flag.ignored")
    if any(flag.letter == "M" and len(flag.argument) > 1 for flag in flags):
        clauses = (*clauses, "meta.flag.mode")
    return (*clauses, "meta.line.no-flags") if not letters else clauses


def argument(letter: int, argument: bytes, rules: Rules) -> int | tuple[bytes, str]:
    """The number of a flag (0 for those without), or the refusal of its argument with the clause."""
    strict = rules.traits.argument_number == "strict"
    if letter in _SIGNED:
        signed = text.signed(argument, rules)
        return (BAD_TOKEN, "meta.flag.bad-number") if signed is None else signed
    if letter in _UNSIGNED:
        number = text.counter(argument, rules)
        clause = {"J": "meta.flag.bad-initial", "D": "meta.flag.bad-delta"}.get(chr(letter), "meta.flag.bad-number")
        return (_UNSIGNED[letter], clause) if number is None else number
    if letter == ord("F"):
        digits, flags = rules.limits.length_digits, rules.limits.flags
        client = scan.strict_unsigned(argument, digits, flags) if strict else scan.c_unsigned(argument)
        refused = text.BAD_FORMAT, "meta.flag.bad-flags"
        return refused if client is None else arith.truncated(client, flags)
    if letter == ord("M") and len(argument) != 1 and rules.traits.mode_word == "alone":
        return MODE_LENGTH, "meta.flag.mode"
    return 0


def _opaque_long(line: Line) -> bool:
    return any(flag.letter == "O" and too_long(flag) for flag in line.flags)


def too_long(flag: Flag) -> bool:
    """Whether an opaque is too long, its letter included."""
    return not arith.opaque_allowed(len(flag.argument), Limits().opaque)


def _store(words: tuple[bytes, ...], clauses: tuple[str, ...], rules: Rules) -> MetaStore | Answer | Elsewhere:
    if len(words) == 1:
        return text.missing(clauses, rules)
    if len(words) == 2:
        return Answer(text.BAD_FORMAT, False, (*clauses, "meta.ms.no-length"))
    refused = _shape(words, 3, clauses, rules)
    keeps = rules.traits.header_error == "keep"
    if refused is not None and (keeps or refused.clauses[-1] == "meta.flag.first-byte"):
        return refused
    length = text.announced(words[2], rules)
    if length is None:
        return Answer(text.BAD_FORMAT, False, (*clauses, "meta.ms.bad-length", text.length_clause(words[2])))
    swallow = arith.block_length(length)
    if refused is None:
        read = _line(words, 3, clauses, rules)
        if isinstance(read, Elsewhere):
            return read
        if isinstance(read, Line):
            return _mode(read, length, rules)
        refused = read
    return refused._replace(clauses=("meta.ms.swallows", *refused.clauses), swallow=swallow)


def storing_mode(argument: bytes) -> str | None:
    """The store command that ms is, by the first byte behind its M; None if that is no mode."""
    return next((mode for letter, mode in _MODES if argument[:1] == letter), None)


def _mode(line: Line, length: int, rules: Rules) -> MetaStore | Answer | Elsewhere:
    """The store command that a well-formed line is, or the refusal of its mode or of its opaque."""
    word = next((flag.argument[:1] for flag in line.flags if flag.letter == "M"), b"S")
    swallow = arith.block_length(length)
    if word == b"\0":
        return Elsewhere(_NUL_MODE)
    mode = storing_mode(word)
    if mode is None:
        return Answer(BAD_MS_MODE, False, (*line.clauses, "meta.ms.bad-mode"), swallow=swallow)
    flags = line.number("F") or 0
    long = rules.traits.opaque_first == "yes" or rules.functions.fits(line.key, flags, length, rules)
    if _opaque_long(line) and long:
        return Answer(OPAQUE_LONG, False, (*line.clauses, "meta.flag.opaque-long"), swallow, might=("cmd_set",))
    return MetaStore(line, mode, line.key, flags, length, (*line.clauses, f"meta.ms.mode-{mode}"))


def _debug(words: tuple[bytes, ...], clauses: tuple[str, ...], rules: Rules) -> Line | Answer | Elsewhere:
    if len(words) < 2:
        return Answer(text.BAD_FORMAT, False, (*clauses, "meta.me.no-key"))
    if _odd(words, 2, rules):
        return Answer(text.BAD_FORMAT, False, (*clauses, "meta.flag.first-byte"))
    if len(words[1]) > rules.limits.key:
        return Answer(text.BAD_FORMAT, False, (*clauses, "meta.key.too-long"))
    if len(words) > 2:
        clauses = (*clauses, "meta.me.flags")
    if words[2:3] == (b"b",) and (len(words) > 3 or rules.traits.me_flags == "base64"):
        key = decode(words[1])
        if key is None:
            return Answer(text.BAD_FORMAT, False, clauses)
        if key == b"":
            return Elsewhere("padding inside a base64 key ends it, or is read as a digit")
        return Line("me", key, words[1], (), clauses)
    return Line("me", words[1], words[1], (), clauses)


# ------------------------------------------------------------------------------------------------ base64


def decode(word: bytes) -> bytes | None:
    """The key that a base64 word stands for, padding required; None if it is none, b"" if padding stands inside it.

    Bytes that are no digits are passed over.
    """
    body = bytes(byte for byte in word if byte == ord("=") or scan.base64_digit(byte) >= 0)
    digits = [scan.base64_digit(byte) for byte in body.rstrip(b"=")]
    pads = len(body) - len(digits)
    if len(body) % 4:
        return None
    if arith.NO_NUMBER in digits:
        return b""
    length = scan.base64_length(len(digits), pads)
    digits += [0] * pads
    groups = (scan.base64_group(*digits[at : at + 4]) for at in range(0, len(digits), 4))
    return None if length < 0 else bytes(byte for group in groups for byte in group)[:length]


def encode(key: bytes) -> bytes:
    """A key in base64."""
    return binascii.b2a_base64(key, newline=False)


GRAMMAR: dict[bytes, text.Reader] = {
    b"mn": _noop,
    b"me": _debug,
    b"mg": _get,
    b"ms": _store,
    b"md": _delete,
    b"ma": _arithmetic,
}
"""The commands of this chapter, each with the reader of its line."""
