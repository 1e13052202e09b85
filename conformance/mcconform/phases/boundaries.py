"""Vectors at the edges of sizes: a byte less, exactly so much, a byte more, in several forms.

Keys, lines and items have limits that clauses name. Values, lines and pipelines also have sizes at which a server may
change its way (a buffer is full, a value is sent instead of copied, a step ends), and no client may notice. Each
vector is what stands on both sides of one such edge.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mcconform.conversation import PREFIX, Conversation, HalfClose, Part, Repeat, Send, Settle, Step, say

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Said = Step | bytes | Sequence[Part]
"""A step, or what connection 0 writes in one chunk."""

KEY = PREFIX + b"-b"
GET, GETS, TOUCH, VERSION = b"get %s\r\n" % KEY, b"gets %s\r\n" % KEY, b"touch %s 0\r\n" % KEY, b"version\r\n"
LITTLE = b"set %s 0 0 1\r\nx\r\n" % KEY

KEYS = (249, 250, 251)
"""Bytes of keys: the limit is 250."""

ITEMS = {"1k": (("-I", "1k"), 1024), "1m": ((), 1024 * 1024)}
"""Item limits, with the options that set them."""

FIXED = 48 + 8 + 1 + 2
"""Bytes that an item takes beside key, flags and value."""

VALUES = (16384 - 25, 16384 - 24, 16383, 16384, 16385, 65536 - 26, 65536 - 25, 65535, 65536, 65537)
"""Bytes of values around 16 and 64 KiB, alone and with the head of their reply."""

LINES = (2046, 2047, 2048, 2049, 2050)
"""Bytes of lines with their LF: those that retrieve nothing have 2,048 at most."""

LONG_LINES = (4095, 4096, 4097, 4098, 8191, 8192, 8193, 8194, 16384, 16385)
"""Bytes of retrieval lines with their LF, which may be so long."""

LONGEST = 1024 * 1024
"""Bytes of a retrieval line with its LF, at most."""

COUNTS = (256, 257, 1020)
"""Requests in one chunk, keys of one retrieval."""


def _vector(name: str, clauses: str, steps: Iterable[Said], options: tuple[str, ...] = ()) -> Conversation:
    made: list[Step] = []
    for step in steps:
        if isinstance(step, bytes):
            made.append(say(0, step))
        else:
            made.append(say(0, *step) if isinstance(step, Sequence) else step)
    aimed = tuple(f"text.{clause}" for clause in clauses.split())
    return Conversation(f"enum.{name}", (*made, Settle()), aimed, options)


def _set(size: int, mode: bytes = b"set", flags: int = 0) -> list[Part]:
    return [b"%s %s %d 0 %d\r\n" % (mode, KEY, flags, size), Repeat(b"v", size), b"\r\n"]


def keys() -> Iterator[Conversation]:
    """Keys at their limit, in requests of their own, in one chunk, and with the value in another chunk."""
    for size in KEYS:
        key = Repeat(b"k", size - len(PREFIX))
        good = size <= 250
        clauses = "get.hit get.miss" if good else "key.too-long get.key-too-long"
        clauses += " key.limit" if size == 250 else ""
        line: list[Part] = [b"set " + PREFIX, key, b" 0 0 1\r\n"]
        rest = b"x\r\n"
        looks: list[list[Part]] = [[word + PREFIX, key, b"\r\n"] for word in (b"get ", b"gets ", b"gat 0 ")]
        looks.append([b"get " + PREFIX, key, b" " + PREFIX, key, b"\r\n"])
        looks.append([b"get " + PREFIX, Repeat(b"j", size - len(PREFIX)), b"\r\n"])
        whole: list[Part] = [*line, rest]
        yield _vector(f"key.{size}.alone", clauses, [whole, *looks, VERSION])
        yield _vector(f"key.{size}.value-apart", clauses, [line, rest, *looks, VERSION])
        yield _vector(f"key.{size}.one-chunk", clauses, [[*whole, *(part for look in looks for part in look), VERSION]])


def items() -> Iterator[Conversation]:
    """Items at their limit, by every way that stores them."""
    for limit, (options, size) in ITEMS.items():
        look = GET if size < 5000 else TOUCH
        for flags in (0, 1):
            most = size - FIXED - len(KEY) - 4 * flags
            clauses = "store.largest store.too-large store.too-large-deletes"
            tries = [_set(most + more, flags=flags) for more in (-1, 0, 1)]
            one: list[Said] = [step for made in tries for step in (made, look)]
            two: list[Said] = [step for line, *rest in tries for step in ([line], rest, look)]
            yield _vector(f"item.{limit}.flags-{flags}.one-chunk", clauses, [LITTLE, *one], options)
            yield _vector(f"item.{limit}.flags-{flags}.value-apart", clauses, [LITTLE, *two], options)
        most = size - FIXED - len(KEY)
        clauses = "store.too-large store.too-large-keeps"
        for mode in (b"add", b"replace"):
            setup = [] if mode == b"add" else [LITTLE]
            yield _vector(
                f"item.{limit}.{mode.decode()}",
                clauses,
                [*setup, _set(most, mode), look, _set(most + 1, mode), look],
                options,
            )
        for mode in (b"append", b"prepend"):
            clauses = f"{mode.decode()}.joined {mode.decode()}.too-large"
            joined: list[Said] = [LITTLE, _set(most - 1, mode), look, _set(0, mode), _set(1, mode), look, VERSION]
            yield _vector(f"item.{limit}.{mode.decode()}", clauses, joined, options)
            yield _vector(
                f"item.{limit}.{mode.decode()}-more", clauses.split()[1], [LITTLE, _set(most, mode), look], options
            )


def values() -> Iterator[Conversation]:
    """Values at sizes where buffers change hands."""
    for size in VALUES:
        for flags in (0, 7):
            line, value, end = _set(size, flags=flags)
            looks = [GET, GETS, b"get %s %s\r\n" % (KEY, KEY), b"append %s 0 0 1\r\ny\r\n" % KEY, GETS]
            name = f"value.{size}.flags-{flags}"
            yield _vector(f"{name}.alone", "set.stored get.hit gets.hit append.joined", [[line, value, end], *looks])
            stream: tuple[Part, ...] = (line, value, end, *looks)
            start = len(line) if isinstance(line, bytes) else 0
            cuts = (10, start, start + size // 2, start + size, start + size + 1, start + size + 2)
            yield _vector(f"{name}.cut", "set.stored get.hit stream.chunks", [Send(0, stream, cuts)])


def lines() -> Iterator[Conversation]:
    """Lines of commands that retrieve nothing, at their limit."""
    for size in LINES:
        for name, end in (("crlf", b"\r\n"), ("lf", b"\n")):
            clauses = "line.unknown" if size <= 2048 else "line.too-long"
            line: list[Part] = [b"x", Repeat(b"y", size - 1 - len(end)), end]
            yield _vector(f"line.{size}.{name}", clauses, [VERSION, line, VERSION])
            yield _vector(
                f"line.{size}.{name}.cut", clauses, [Send(0, (*line, VERSION), (1000, size - 1, size, 2047, 2048))]
            )
            yield _vector(
                f"line.{size}.{name}.one-chunk", f"{clauses} stream.pipelined", [[VERSION, GET, *line, VERSION]]
            )
            store: list[Part] = [b"set %s 0 0 1" % KEY, Repeat(b" ", size - len(KEY) - 10 - len(end)), end, b"x\r\n"]
            yield _vector(f"line.{size}.{name}.set", "line.trailing-spaces" if size <= 2048 else clauses, [store, GET])
        yield _vector(
            f"line.{size}.no-lf",
            "line.too-long" if size > 2048 else "line.unknown",
            [[b"x", Repeat(b"y", 1000)], [Repeat(b"y", size - 1003)], b"z", b"\n", VERSION],
        )


def retrievals() -> Iterator[Conversation]:
    """Retrieval lines, which may be longer, at sizes where they may be read in another way, and at their limit."""
    for size in (*LINES, *LONG_LINES):
        for word in (b"get ", b"gats 0 "):
            room = size - len(word) - 2
            many, rest = divmod(room, len(KEY) + 1)
            line: list[Part] = [word, (KEY + b" ") * many, Repeat(b"z", rest), b"\r\n"]
            yield _vector(f"{word.split()[0].decode()}.line-{size}", "get.many", [LITTLE, line, VERSION])
        apart: list[Part] = [b"get %s" % KEY, Repeat(b" ", size - 6 - 2 * len(KEY)), KEY + b"\r\n"]
        yield _vector(f"get.line-{size}.blanks", "line.words get.multi", [LITTLE, apart, VERSION])
        late: list[Part] = [
            b"get ",
            (KEY + b" ") * ((size - 257) // (len(KEY) + 1)),
            Repeat(b" ", (size - 257) % (len(KEY) + 1)),
            Repeat(b"z", 251),
            b"\r\n",
        ]
        yield _vector(f"get.line-{size}.last-key-too-long", "get.key-too-long", [LITTLE, late, VERSION])
        yield _vector(
            f"get.line-{size}.no-lf",
            "line.trailing-spaces",
            [LITTLE, [b"get %s" % KEY, Repeat(b" ", size - 5 - len(KEY))], b"\n", VERSION],
        )
    for size in (LONGEST - 1, LONGEST, LONGEST + 1):
        clauses = "get.hit" if size <= LONGEST else "line.get-too-long"
        line = [b"get ", Repeat(b" ", size - 6 - len(KEY)), KEY + b"\r\n"]
        yield _vector(f"get.line-{size}", clauses, [LITTLE, line, VERSION])
        yield _vector(f"get.line-{size}.one-chunk", clauses, [LITTLE, [VERSION, *line, VERSION]])
        yield _vector(
            f"get.line-{size}.no-lf",
            clauses,
            [LITTLE, [b"get %s" % KEY, Repeat(b" ", size - 9 - len(KEY))], b"wxyz", b"\n", VERSION],
        )


def pipelines() -> Iterator[Conversation]:
    """Many requests in one chunk, many keys on one line, many bytes of replies."""
    for count in COUNTS:
        for name, request in (
            ("version", VERSION),
            ("get-miss", b"get %s-\r\n" % KEY),
            ("get-hit", GET),
            ("short", b"\r\n"),
            ("set", LITTLE),
        ):
            yield _vector(
                f"pipeline.{name}.{count}",
                "stream.pipelined",
                [LITTLE, [request * count], VERSION, [request * count, b"versi"], b"on\r\n"],
            )
        yield _vector(
            f"pipeline.gets.{count}",
            "stream.pipelined cas.grows",
            [[(LITTLE + GETS) * count, b"set %s 0 0 4\r\n" % KEY], b"abcd\r\n", GET],
        )
        yield _vector(
            f"pipeline.noreply.{count}",
            "stream.pipelined noreply.silent",
            [[(b"incr %s 1 noreply\r\n" % KEY) * count, b"quit\r\n", VERSION]],
        )
        for word in (b"get ", b"gets ", b"gat 0 "):
            line: list[Part] = [word, (KEY + b" ") * count, b"%s-\r\n" % KEY]
            missed: list[Part] = [word, (KEY + b"- ") * count, KEY + b"\r\n"]
            yield _vector(
                f"{word.split()[0].decode()}.keys-{count}",
                "get.many",
                [LITTLE, [*line, *missed, VERSION], [*line, b"vers"], b"ion\r\n"],
            )
    large = _set(50000)
    hits = GET * 12
    line = [b"get ", (KEY + b" ") * 12, b"\r\n"]
    ends: dict[str, tuple[str, list[Said]]] = {
        "version": ("stream.pipelined", [[hits, VERSION], [*line, VERSION], [GETS * 12, VERSION]]),
        "half-value": ("stream.prompt", [[hits, b"set %s 0 0 5\r\nab" % KEY], b"cde\r\n", GET]),
        "half-line": ("stream.prompt", [[hits, b"vers"], b"ion\r\n", [*line, b"vers"], b"ion\r\n"]),
        "quit": ("quit.after-replies", [[hits, *line, b"quit\r\nversion\r\n"]]),
        "long-line": ("stream.owed-before-close", [[*line, b"x", Repeat(b"y", 3000)]]),
        "fin": ("stream.half-close", [[hits, *line], HalfClose(0)]),
        "overwritten": ("stream.pipelined", [[*line, LITTLE, hits, GET], GET]),
    }
    for name, (clauses, steps) in ends.items():
        yield _vector(f"pipeline.much.{name}", clauses, [large, *steps])


def every() -> Iterator[Conversation]:
    """All of them."""
    yield from keys()
    yield from items()
    yield from values()
    yield from lines()
    yield from retrievals()
    yield from pipelines()
