"""Random requests of the meta protocol: every flag alone, in pairs and in crowds, with arguments good and bad.

`request(rng, draw)` yields the parts of one request. Most requests are meant to work: they ask for what their command
knows, on keys that the classic commands use too, in their bytes or in base64. A few flags belong to another command, a
few stand twice, a few are no flags.
"""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mcconform.conversation import PREFIX, CasRef
from mcconform.flags import COMMANDS

if TYPE_CHECKING:
    from random import Random

    from mcconform.conversation import Part

FLAGS = {command: letters.translate({ord("L"): None, ord("P"): None}) for command, letters in COMMANDS.items()}
"""The letters that each command does something with."""

EVERY = "bcfhklqstuvxCDEFIJLMNOPRT"
"""The letters that some command knows."""

BINARY_KEYS = tuple(PREFIX + rest for rest in (b"a", b"b", b"c", b"\x00\r\n bin", b"\xff" * 5, b"k" * 174))
"""Keys that are also asked for in base64; the last of them fills the 250 bytes of a word with it."""

BAD_BASE64 = (b"bWNzcGVjYQ", b"bWNzcGVjYQ=", b"bWNzcGVjY*==", b"bWNzcGVj=", b"bWNzcGVj" + b"b" * 241, PREFIX + b"a")
GOOD = {
    "T": (b"0", b"100", b"2592000", b"2000000000", b"-1"), "N": (b"0", b"100", b"30"), "R": (b"0", b"30", b"1000"),
    "C": (b"1", b"999", b"18446744073709551615"), "E": (b"1", b"5", b"700", b"18446744073709551614"),
    "F": (b"0", b"1", b"65535", b"4294967295"), "D": (b"0", b"1", b"2", b"10", b"18446744073709551615"),
    "J": (b"0", b"7", b"13", b"18446744073709551615"), "O": (b"x", b"123", b"o" * 31, b"0", b"q"),
    "P": (b"", b"/path"), "L": (b"", b"x"),
}  # fmt: skip
"""Arguments that servers take."""

SOON = (b"1", b"2", b"3")
BAD_NUMBERS = (b"", b"x", b"1x", b"+1", b"-2", b"--1", b"0x1", b"18446744073709551616", b"4294967296", b"2147483648",
               b"-2147483649", b"00000000000000000000001", b"007", b"1\t")  # fmt: skip
MODES = {"ms": (b"S", b"S", b"E", b"A", b"P", b"R"), "ma": (b"I", b"D", b"+", b"-")}
BAD_MODES = (b"", b"X", b"s", b"e", b"SS", b"EA", b"i", b"A2")
STRANGE = (b"!", b"\x7f", b"\x80v", b"0", b"9x", b"y", b"Q", b"_", b"[", b"-", b"@", b"{", b"\x00", b"noreply", b"~")
NAKED = "bfhklqstuvxcI"
"""Letters without an argument; servers ignore one."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """What a stream gives to a request: its keys, a value, and whether time passes in it."""

    keys: tuple[bytes, ...]
    value: bytes
    soon: bool = False


def request(rng: Random, drawn: Drawn) -> list[Part]:
    """One request of the meta protocol, with its block if it is ms."""
    draw = rng.random()
    if draw < 0.03:
        return [rng.choice((b"mn\r\n", b"mn\r\n", b"mn x\r\n", b"mn\n", b"mn k q\r\n"))]
    if draw < 0.05:
        return [broken(rng)]
    word = "mg" if draw < 0.45 else "ms" if draw < 0.7 else "ma" if draw < 0.84 else "md" if draw < 0.94 else "me"
    key, encoded = _key(rng, drawn)
    flags = _flags(rng, word, drawn, key)
    if encoded is not None:
        flags.insert(rng.randrange(len(flags) + 1), [b"b"])
    words: list[list[Part]] = [[word.encode()], [key if encoded is None else encoded]]
    if word == "ms":
        words.append([_length(rng, drawn.value)])
    gap: bytes = b"  " if rng.random() < 0.02 else b" "
    line: list[Part] = []
    for found in (*words, *flags):
        line += [gap, *found] if line else found
    end = b"\n" if rng.random() < 0.05 else b" \r\n" if rng.random() < 0.02 else b"\r\n"
    line.append(end + drawn.value + b"\r\n" if word == "ms" else end)
    return _joined(line)


def broken(rng: Random) -> bytes:
    """A line that lacks something, or has too much of it."""
    key = PREFIX + b"a"
    return rng.choice(
        (
            b"mg\r\n", b"ms\r\n", b"md\r\n", b"ma\r\n", b"me\r\n", b"m\r\n", b"mx %s\r\n" % key, b"MG %s v\r\n" % key,
            b"ms %s\r\n" % key, b"ms %s x\r\n" % key, b"ms %s S2\r\nab\r\n" % key, b"ms %s -1\r\n" % key,
            b"mg %s %s\r\n" % (key, b" ".join(b"%c" % letter for letter in EVERY[:19].encode())),
            b"ma %s%s\r\n" % (key, b" q" * rng.choice((2, 18, 19, 24))), b"md %s%s\r\n" % (key, b" P" * 18),
            b"mg %s v noreply\r\n" % key, b"mg %s k b\r\n" % key, b"me %s b\r\n" % b64encode(key),
            b"me %s b k\r\n" % b64encode(key), b"mg %s v\r\n" % (PREFIX + b"k" * 245),
            b"ms %s 2 c\r\nab\r\n" % (PREFIX + b"k" * 245), b"mg  %s  v\r\n" % key, b"mg\t%s v\r\n" % key,
        )
    )  # fmt: skip


def _key(rng: Random, drawn: Drawn) -> tuple[bytes, bytes | None]:
    """A key and, if it is asked for in base64, what stands in the line."""
    draw = rng.random()
    if draw < 0.82:
        return rng.choice(drawn.keys), None
    key = rng.choice(BINARY_KEYS[:3] if draw < 0.94 else BINARY_KEYS)
    return key, rng.choice(BAD_BASE64) if draw > 0.99 else b64encode(key)


def _length(rng: Random, value: bytes) -> bytes:
    draw = rng.random()
    if draw < 0.02:
        return rng.choice((b"-1", b"x", b"1x", b"+3", b"2147483646", b"99999999999", b"00000000003", b"S1"))
    return b"%d" % (len(value) if draw > 0.05 else max(0, len(value) + rng.choice((-1, 1))))


def _flags(rng: Random, word: str, drawn: Drawn, key: bytes) -> list[list[Part]]:
    count = rng.choice((0, 1, 1, 2, 2, 3, 3, 4, 5, 7, 10))
    known = [letter for letter in FLAGS[word] if letter != "b"]
    letters = rng.sample(known, min(count, len(known)))
    if rng.random() < 0.4:
        # What a reply shows with k and c can be referred to, and most of what marks an item shows in c, t, v and f.
        letters += [letter for letter in "kcv" if letter not in letters]
    if rng.random() < 0.04:
        letters += [letter for letter in rng.sample(EVERY, 2) if letter not in [*letters, "b"]]
    rng.shuffle(letters)
    flags = [_flag(rng, word, letter, drawn, key) for letter in letters]
    draw = rng.random()
    if draw < 0.015 and flags:
        flags.append(rng.choice(flags))
    elif draw < 0.035:
        flags.insert(rng.randrange(len(flags) + 1), [rng.choice(STRANGE)])
    return flags


def _flag(rng: Random, word: str, letter: str, drawn: Drawn, key: bytes) -> list[Part]:
    """One flag with its argument: mostly good, now and then bad."""
    name = letter.encode()
    if letter in NAKED:
        return [name + (b"1" if rng.random() < 0.01 else b"")]
    if letter == "M":
        mode = rng.choice(BAD_MODES) if rng.random() < 0.04 else rng.choice(MODES.get(word, MODES["ms"]))
        return [name + mode]
    draw = rng.random()
    if letter == "C" and draw < 0.75:
        return [name, CasRef(key, 0 if draw < 0.5 else -1 if draw < 0.65 else 1)]
    if letter == "O" and draw < 0.03:
        return [b"O" + b"o" * 32]
    if letter == "E" and draw < 0.005:
        return [b"E0"]
    if letter not in "OPL" and draw > 0.97:
        return [name + rng.choice(BAD_NUMBERS)]
    if letter in "TNR" and drawn.soon and draw > 0.8:
        return [name + rng.choice(SOON)]
    return [name + rng.choice(GOOD[letter])]


def _joined(parts: list[Part]) -> list[Part]:
    """The parts with literals that follow each other as one."""
    joined: list[Part] = []
    for part in parts:
        before = joined[-1] if joined else None
        if isinstance(part, bytes) and isinstance(before, bytes):
            joined[-1] = before + part
        else:
            joined.append(part)
    return joined
