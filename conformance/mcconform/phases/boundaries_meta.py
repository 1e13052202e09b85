"""Vectors at the edges of sizes and numbers of the meta protocol: a byte less, exactly so much, a byte more."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING

from mcconform.conversation import PREFIX, PREFIX_BASE64, Conversation, Repeat, Send, Settle, say
from mcconform.phases.boundaries import FIXED, ITEMS, LINES, VALUES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mcconform.conversation import Part

KEY = PREFIX + b"-b"
MN = b"mn\r\n"
LOOK = b"mg %s u c f h k s t v\r\nme %s\r\nget %s\r\n" % (KEY, KEY, KEY)
LITTLE = b"ms %s 1\r\n5\r\n" % KEY
LINE = {
    "mg": b"mg %s v%s\r\n",
    "ms": b"ms %s 1%s\r\nx\r\n",
    "md": b"md %s%s\r\n",
    "ma": b"ma %s%s\r\n",
    "me": b"me %s%s\r\n",
}
"""A request of each command: its key, then more flags."""

WORDS = (18, 19, 20, 21, 22, 23, 24, 40)
"""Words of a line: at most 20 are allowed, the command included."""

WORDS_OF = {"mg": 3, "ms": 3, "md": 2, "ma": 2}
"""Words that a request of `LINE` has without more flags."""

SPARE = b"PLOkqFTNEDJCMIRcxstuh"
"""Letters for lines of many words."""

SIGNED = (
    *(b"0", b"-0", b"1", b"-1", b"2592000", b"2592001", b"2147483647", b"2147483648", b"-2147483648", b"-2147483649"),
    *(b"4294967295", b"4294967296", b"00000000001", b"000000000001", b"-", b"+1", b""),
)
UNSIGNED = (
    *(b"0", b"1", b"9223372036854775807", b"9223372036854775808", b"18446744073709551615", b"18446744073709551616"),
    *(b"0000000000000000000001", b"00000000000000000000001", b"-1", b"-", b"+1", b""),
)
FLAGS = (
    *(b"0", b"4294967295", b"4294967296", b"00000000001", b"000000000001", b"-1", b"+1"),
    *(b"18446744073709551616", b""),
)
NUMBERS: Mapping[str, Mapping[str, tuple[bytes, ...]]] = {
    "mg": {"T": SIGNED, "N": SIGNED, "R": SIGNED, "C": UNSIGNED},
    "ms": {"T": SIGNED, "N": SIGNED, "C": UNSIGNED, "E": UNSIGNED[1:], "F": FLAGS},
    "md": {"C": UNSIGNED},
    "ma": {"T": SIGNED, "C": UNSIGNED, "D": UNSIGNED, "J": UNSIGNED},
}
LENGTHS = (b"0", b"-0", b"00000000001", b"000000000001", b"2147483645", b"2147483646", b"2147483647", b"4294967297",
           b"-1", b"1x", b"+1")  # fmt: skip


def _vector(name: str, *steps: Send | bytes, options: tuple[str, ...] = ()) -> Conversation:
    made = [say(0, step) if isinstance(step, bytes) else step for step in steps]
    return Conversation(f"enum.{name}", (*made, Settle()), (), options)


def keys() -> Iterator[Conversation]:
    """Keys at their limit of 250 bytes, as they are and in base64."""
    for command, line in LINE.items():
        for size in (249, 250, 251):
            key = PREFIX + b"k" * (size - len(PREFIX))
            yield _vector(
                f"{command}.key-{size}", b"ms %s 1\r\n7\r\n" % key, line % (key, b""), b"mg %s v\r\n" % key, MN
            )
        for size in (244, 248, 252):
            word = PREFIX_BASE64 + b"a" * (size - len(PREFIX_BASE64))
            flags = b" b k" if command != "me" else b" b x"
            yield _vector(f"{command}.base64-{size}", line % (word, flags), line % (word, flags), MN)
    raw = PREFIX + b"k" * 244
    yield _vector("mg.base64-of-250", b"set %s 0 0 1\r\nx\r\n" % raw, b"mg %s b k v\r\n" % b64encode(raw), MN)


def words() -> Iterator[Conversation]:
    """Lines of as many words as are allowed, and of more."""
    arguments = {b"F": b"1", b"T": b"0", b"N": b"0", b"E": b"9", b"D": b"1", b"J": b"1", b"C": b"0", b"R": b"0"}
    modes = {"ms": b"S", "ma": b"I"}
    for command, fixed in WORDS_OF.items():
        letters = [SPARE[at : at + 1] for at in range(len(SPARE))]
        flags = [one + arguments.get(one, modes.get(command, b"S") if one == b"M" else b"") for one in letters]
        for count in WORDS:
            more = b"".join(b" " + flag for flag in (flags * 2)[: count - fixed])
            yield _vector(f"{command}.words-{count}", LITTLE, LINE[command] % (KEY, more), LOOK, MN)


def opaques() -> Iterator[Conversation]:
    """Opaques of 31, 32 and 33 bytes, their letter included, on a hit and on a miss."""
    for command in WORDS_OF:
        for size in (31, 32, 33):
            request = LINE[command] % (KEY, b" O" + b"o" * (size - 1))
            yield _vector(f"{command}.opaque-{size}", request, LITTLE, request, LOOK, MN)


def numbers() -> Iterator[Conversation]:
    """Arguments of flags at the edges of 32 and 64 bits, and their longest and shortest forms."""
    for command, letters in NUMBERS.items():
        for letter, arguments in letters.items():
            for argument in arguments:
                flags = b" %s%s" % (letter.encode(), argument)
                flags += b" N0" if letter == "J" else b""
                request = LINE[command] % (KEY, flags)
                name = f"{command}.number-{letter}-{argument.decode() or 'none'}"
                yield _vector(name, request, LITTLE, request, LOOK, MN)
    for length in LENGTHS:
        yield _vector(f"ms.length-{length.decode()}", b"ms %s %s\r\n5\r\n" % (KEY, length), LOOK, MN)


def items() -> Iterator[Conversation]:
    """Items at their limit, by every mode of ms."""
    for limit, (options, size) in ITEMS.items():
        for mode in (b"S", b"E", b"A", b"P", b"R"):
            for flags in (0, 1) if mode == b"S" else (0,):
                most = size - FIXED - len(KEY) - 4 * flags
                first = b"" if mode == b"E" else LITTLE
                steps: list[Send | bytes] = []
                for length in (most - 1, most, most + 1) if mode in b"SER" else (most - 2, most - 1, most):
                    head = b"ms %s %d M%s F%d c s k\r\n" % (KEY, length, mode, flags)
                    parts: tuple[Part, ...] = (head, Repeat(b"v", length), b"\r\n")
                    tail = b"me %s\r\nmd %s q\r\nmn\r\n" % (KEY, KEY)
                    steps += [first, say(0, *parts), tail] if first else [say(0, *parts), tail]
                yield _vector(f"ms.item-{limit}-{mode.decode()}-flags-{flags}", *steps, options=options)


def values() -> Iterator[Conversation]:
    """Values at sizes where buffers change hands, and lines at their limit."""
    for size in VALUES:
        stored = say(0, b"ms %s %d F7\r\n" % (KEY, size), Repeat(b"v", size), b"\r\n")
        looks = b"mg %s k v c\r\nmg %s v\r\nmn\r\nmg %s s v Oabc\r\n" % (KEY, KEY, KEY)
        yield _vector(f"mg.value-{size}", stored, looks, MN)
    for size in LINES:
        for command in WORDS_OF:
            head, tail = (LINE[command] % (KEY, b" @")).split(b"@")
            line = Send(0, (head, Repeat(b" ", size - len(head) - tail.index(b"\n") - 1), tail))
            yield _vector(f"{command}.line-{size}", LITTLE, line, LOOK, MN)


def pipelines() -> Iterator[Conversation]:
    """Many requests in one chunk, loud and quiet."""
    for name, request in {
        "mn": MN,
        "mg-hit": b"mg %s v\r\n" % KEY,
        "mg-miss": b"mg %s-\r\n" % KEY,
        "mg-quiet": b"mg %s- v q\r\n" % KEY,
        "ms": LITTLE,
        "ms-quiet": b"ms %s 1 q\r\n5\r\n" % KEY,
        "ma": b"ma %s v\r\n" % KEY,
        "ma-quiet": b"ma %s q\r\n" % KEY,
        "md-miss": b"md %s-\r\n" % KEY,
    }.items():
        for count in (257, 1020):
            steps = LITTLE, request * count, MN, request * count + b"m", b"n\r\n", LOOK
            yield _vector(f"{name.split('-', maxsplit=1)[0]}.pipeline-{name}-{count}", *steps)


def every() -> Iterator[Conversation]:
    """All of them."""
    yield from keys()
    yield from words()
    yield from opaques()
    yield from numbers()
    yield from items()
    yield from values()
    yield from pipelines()
