"""Random streams: well-formed, odd and broken requests on several connections, cut and interleaved anywhere.

`conversation(rng)` is a pure function of the random source, and cheap: no strategy, no shrinking. Most requests are
meant to work on a handful of keys, so that they meet each other's items; a few are wrong in ways that the grammar
knows, and a few are noise. The lock-step test, the fuzzer and the live comparison all draw from here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mcconform import streams_binary, streams_lanes, streams_meta, streams_packet
from mcconform.conversation import (
    PREFIX,
    Advance,
    CasRef,
    Conversation,
    HalfClose,
    Open,
    Part,
    Repeat,
    Reset,
    Send,
    Settle,
    Step,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

KEYS = tuple(PREFIX + name for name in (b"a", b"b", b"c"))
ODD_KEYS = (
    PREFIX + b"k" * 244,
    PREFIX + b"k" * 245,
    PREFIX + b"\x01\xff\t",
    PREFIX + b"nul\0in",
    PREFIX + b"\rcr",
)
NUMBERS = (b"0", b"1", b"5", b"9", b"10", b"99", b"100", b"18446744073709551615", b"18446744073709551614", b"12345")
ODD_NUMBERS = (b"007", b" 7", b"+7", b"7x", b"-1", b"\t7 ", b"0x10", b"18446744073709551616", b"-0", b"7 8", b"")
VALUES = (b"x", b"abc", b"hello world", b"", b"\r\n", b"a\nb\0c", b"get %sa\r\n" % PREFIX, b"END\r\n")
FLAGS = (b"0", b"0", b"0", b"1", b"65535", b"4294967295")
ODD_FLAGS = (b"4294967296", b"-1", b"+5", b"007", b"x", b"18446744073709551616", b"1\t", b"")
TIMES = (b"0", b"0", b"0", b"0", b"0", b"100", b"2592000", b"2000000000")
SOON = (b"1", b"2", b"3")
ODD_TIMES = (b"-1", b"2592001", b"2147483648", b"4294967296", b"+2", b"x", b"1x", b"-2147483649")
DELTAS = (b"1", b"1", b"2", b"5", b"10", b"100", b"18446744073709551615", b"18446744073709551614")
ODD_DELTAS = (b"0", b"-1", b"+1", b"x", b"18446744073709551616", b"0000000000000000000001", b"00000000000000000000001")
ODD_LENGTHS = (b"-1", b"x", b"1x", b"+3", b"2147483646", b"99999999999", b"00000000003", b"000000000003")
MODES = (b"set", b"set", b"set", b"set", b"set", b"add", b"replace", b"append", b"prepend", b"cas")
NOISE = (
    b"\r\n",
    b"\n",
    b"ab\n",
    b"x\r\n",
    b"foo\r\n",
    b"foo noreply\r\n",
    b"foo bar HTTP/1.1\r\n",
    b"HTTP/1.1\r\n",
    b"GET %sa\r\n" % PREFIX,
    b"get\r\n",
    b"gets\r\n",
    b"gat 0\r\n",
    b"gat x %sa\r\n" % PREFIX,
    b"set %sa\r\n" % PREFIX,
    b"incr %sa\r\n" % PREFIX,
    b"touch %sa\r\n" % PREFIX,
    b"delete\r\n",
    b"verbosity\r\n",
    b"verbosity x\r\n",
    b"verbosity 1\r\n",
    b"verbosity 0 noreply\r\n",
    b"version x\r\n",
    b"stats bogus\r\n",
    b"get\t%sa\r\n" % PREFIX,
    b"\0\r\n",
    b"get %sa noreply\r\n" % PREFIX,
)
UNFINISHED = (
    b"set %sa 0 0 10\r\nabc" % PREFIX,
    b"set %sa x 0 10\r\nabc" % PREFIX,
    b"version\r\nset %sb 0 0 9\r\n" % PREFIX,
    b"get %sa" % PREFIX,
)
LARGE = (b"set %sa 0 0 %d\r\n", b"add %sa 1 0 %d\r\n", b"append %sb 0 0 %d\r\n", b"prepend %sa 0 0 %d\r\n")
CUT_STYLES = (*("whole",) * 7, *("some",) * 10, *("many",) * 3, "bytes")
ITEM_LIMIT, SMALL_LIMIT, OVERHEAD = 1024 * 1024, 1024, 48 + 8 + 1 + 2


@dataclass(frozen=True, slots=True)
class Scope:
    """What a stream may hold.

    `foreign`: keys without our prefix, and flush_all. `advance`: time that passes at once. `large`: one store in this
    many has a value near the item limit, one odd line in this many is endless (0: none). `options`: some streams ask
    for a server with options, such as `-I 1k`, whose limit is cheap to reach. `endings`: quit, FIN, RST and lines that
    close. `binary`, `udp`, `packets`: some connections speak the binary protocol, some are UDP clients, and some
    streams are for a server that speaks packets; without them the same source gives the same text as ever.
    """

    foreign: bool = True
    advance: bool = True
    large: int = 1500
    options: bool = False
    endings: bool = True
    binary: bool = False
    udp: bool = False
    packets: bool = False


def conversation(rng: Random, scope: Scope | None = None, name: str = "stream") -> Conversation:
    """One random conversation on two or three connections that ends settled."""
    scope = scope or Scope()
    count = rng.choice((2, 2, 3))
    lanes: list[list[Step]] = [[] for _ in range(count)]
    speech = streams_lanes.speech(rng, scope, count)
    for key in KEYS[: rng.randrange(3)]:
        value = _pick(rng, NUMBERS, VALUES, 0.4)
        lanes[0].append(streams_lanes.setup(rng, speech[0], key, value))
    for _ in range(rng.randrange(3, 7)):
        lane = rng.randrange(count)
        parts: list[Part] = []
        for _ in range(rng.choice((1, 1, 2, 3, 4))):
            parts += _spoken(rng, scope, speech[lane])
        if speech[lane] in streams_lanes.DATAGRAMS:
            lanes[lane].append(streams_lanes.datagram(rng, lane, parts))
        else:
            lanes[lane] += _sends(rng, lane, parts)
    opened: list[Step] = [Open(lane, "udp") for lane in range(count) if speech[lane] in streams_lanes.DATAGRAMS]
    steps = [*opened, *_interleaved(rng, scope, lanes)]
    if scope.endings and rng.random() < 0.12:
        lane = rng.randrange(count)
        if speech[lane] == "text":
            if rng.random() < 0.4:
                steps.append(Send(lane, (rng.choice(UNFINISHED),)))
            steps += rng.choice(([HalfClose(lane)], [Reset(lane)], [Send(lane, (b"quit\r\n",))]))
            steps += [Settle(), Send(lane, (b"version\r\n",))] if rng.random() < 0.3 else []
        else:
            steps += streams_lanes.ending(rng, lane, speech[lane])
    options = _options(rng) if scope.options else ()
    if speech[0] in streams_lanes.PACKETS:
        options = (*options, "-B", "packet")
    return Conversation(name, (*steps, Settle()), options=options)


def _options(rng: Random) -> tuple[str, ...]:
    draw = rng.random()
    if draw < 0.25:
        return ("-I", "1k")
    if draw < 0.26:
        return ("-c", "2")
    return ("-F",) if draw < 0.27 else ()


def _interleaved(rng: Random, scope: Scope, lanes: list[list[Step]]) -> list[Step]:
    steps: list[Step] = []
    waiting = [lane for lane in lanes if lane]
    while waiting:
        lane = rng.choice(waiting)
        run = min(len(lane), rng.choice((1, 1, 2, 5)))
        steps += lane[:run]
        del lane[:run]
        if not lane:
            waiting.remove(lane)
        if scope.advance and rng.random() < 0.02:
            steps.append(Advance(rng.choice((1, 1, 2, 3))))
        if rng.random() < 0.08:
            steps.append(Settle())
    return steps


def _sends(rng: Random, lane: int, parts: list[Part]) -> list[Step]:
    """The parts as one write or several, each with cuts; literal parts may fall apart anywhere."""
    steps: list[Step] = []
    held: list[Part] = []
    style = rng.choice(CUT_STYLES)
    for part in parts:
        if isinstance(part, bytes) and len(part) > 1 and style != "whole" and rng.random() < 0.2:
            cut = rng.randrange(1, len(part))
            steps.append(_send(rng, lane, [*held, part[:cut]], style))
            held = [part[cut:]]
        else:
            held.append(part)
    steps.append(_send(rng, lane, held, style))
    return steps


def _send(rng: Random, lane: int, parts: list[Part], style: str) -> Send:
    size = sum(len(part) for part in parts if isinstance(part, bytes))
    cuts: tuple[int, ...] = ()
    if style == "bytes" and size < 300:
        cuts = tuple(range(1, size + 20))
    elif style == "many":
        cuts = tuple(sorted(rng.randrange(1, size + 2) for _ in range(8)))
    elif style == "some" and size:
        cuts = (rng.randrange(1, size + 2),)
    return Send(lane, tuple(parts), cuts)


# ------------------------------------------------------------------------------------------------ requests


def _spoken(rng: Random, scope: Scope, speech: str) -> list[Part]:
    """One request on a connection that speaks so."""
    if speech == "text":
        return _request(rng, scope)
    if scope.large and rng.randrange(scope.large) == 0:
        return streams_lanes.large(rng, speech, KEYS[0], ITEM_LIMIT)
    if scope.options and rng.random() < 0.02:
        return streams_lanes.large(rng, speech, KEYS[0], SMALL_LIMIT)
    if "text" in speech:
        return _request(rng, scope)
    drawn = streams_meta.Drawn((*KEYS, _key(rng)), _value(rng), scope.advance)
    make = streams_packet.request if speech in streams_lanes.PACKETS else streams_binary.request
    return make(rng, drawn, foreign=scope.foreign, endings=scope.endings)


def _request(rng: Random, scope: Scope) -> list[Part]:
    draw = rng.random()
    for bound, make in _MIX:
        if draw < bound:
            return make(rng, scope)
    return [_strange(rng, scope)]


def _key(rng: Random) -> bytes:
    draw = rng.random()
    if draw < 0.02:
        return rng.choice(ODD_KEYS)
    return ODD_KEYS[0] if draw < 0.04 else rng.choice(KEYS)


def _pick(rng: Random, usual: tuple[bytes, ...], odd: tuple[bytes, ...], chance: float = 0.06) -> bytes:
    return rng.choice(odd) if rng.random() < chance else rng.choice(usual)


def _time(rng: Random, scope: Scope, chance: float) -> bytes:
    """An exptime; one that soon comes true only where time is ours, for elsewhere nothing could be said of it."""
    if rng.random() >= chance:
        return rng.choice(TIMES)
    return rng.choice(SOON) if scope.advance and rng.random() < 0.3 else rng.choice(ODD_TIMES)


def _line(rng: Random, words: list[bytes], *, noreply: bool = True) -> bytes:
    draw = rng.random()
    if noreply and draw < 0.08:
        words = [*words, b"noreply"]
    elif draw > 0.985:
        words = [*words, rng.choice((b"0", b"x", b"noreply x", b"NOREPLY", b"x noreply"))]
    gap = b"  " if rng.random() < 0.02 else b" "
    line = gap.join(words)
    draw = rng.random()
    if draw < 0.02:
        line += b" "
    elif draw < 0.03:
        line = b" " + line
    return line + (b"\n" if rng.random() < 0.1 else b"\r\n" if rng.random() < 0.995 else b"\r\r\n")


def _value(rng: Random) -> bytes:
    draw = rng.random()
    if draw > 0.97:
        return bytes(rng.randrange(256) for _ in range(rng.randrange(1, 30)))
    return rng.choice(VALUES) if draw < 0.3 else _pick(rng, NUMBERS, ODD_NUMBERS, 0.15)


def _store(rng: Random, scope: Scope) -> list[Part]:
    if scope.large and rng.randrange(scope.large) == 0:
        return _large(rng, ITEM_LIMIT)
    if scope.options and rng.random() < 0.02:
        return _large(rng, SMALL_LIMIT)
    value = _value(rng)
    length = b"%d" % len(value)
    draw = rng.random()
    if draw < 0.02:
        length = rng.choice(ODD_LENGTHS)
    elif draw < 0.05:
        length = b"%d" % max(0, len(value) + rng.choice((-1, 1)))
    mode, key = rng.choice(MODES), _key(rng)
    words = [mode, key, _pick(rng, FLAGS, ODD_FLAGS), _time(rng, scope, 0.08), length]
    data = value + b"\r\n"
    if mode != b"cas":
        return [_line(rng, words) + data]
    draw = rng.random()
    if draw < 0.2:
        return [_line(rng, [*words, rng.choice((b"0", b"1", b"2", b"3", b"999", b"x", b"+1"))]) + data]
    rest = _line(rng, [b""], noreply=draw < 0.5)
    return [b" ".join(words) + b" ", CasRef(key, 0 if draw < 0.8 else 1), rest + data]


def _large(rng: Random, limit: int) -> list[Part]:
    """A value at the item limit, give or take a byte or many."""
    size = limit - OVERHEAD - len(KEYS[0]) + rng.choice((-1, 0, 0, 1, 2, 500))
    return [rng.choice(LARGE) % (PREFIX, size), Repeat(b"v", size), b"\r\n"]


def _retrieval(rng: Random, scope: Scope) -> list[Part]:
    word = rng.choice((b"get", b"get", b"gets", b"gets", b"gat", b"gats"))
    words = [word]
    if word in (b"gat", b"gats"):
        words.append(_time(rng, scope, 0.1))
    count = rng.choice((1, 1, 1, 2, 3, 5))
    if rng.random() < 0.005:
        count = rng.choice((30, 280))
    words += [_key(rng) for _ in range(count)]
    return [_line(rng, words, noreply=False)]


def _count(rng: Random, _scope: Scope) -> list[Part]:
    return [_line(rng, [rng.choice((b"incr", b"decr")), _key(rng), _pick(rng, DELTAS, ODD_DELTAS, 0.1)])]


def _delete(rng: Random, _scope: Scope) -> list[Part]:
    words = [b"delete", _key(rng)]
    if rng.random() < 0.15:
        words.append(rng.choice((b"0", b"1", b"0 noreply", b"noreply 0")))
    return [_line(rng, words)]


def _touch(rng: Random, scope: Scope) -> list[Part]:
    return [_line(rng, [b"touch", _key(rng), _time(rng, scope, 0.15)])]


def _meta(rng: Random, scope: Scope) -> list[Part]:
    value = _value(rng)
    return streams_meta.request(rng, streams_meta.Drawn((*KEYS, _key(rng)), value, scope.advance))


def _strange(rng: Random, scope: Scope) -> Part:
    if scope.large and rng.randrange(scope.large) == 0:
        return b"get " + b"k" * ITEM_LIMIT
    draw = rng.random()
    if draw < 0.14 and scope.foreign:
        if draw < 0.01:
            return b"set noreply 0 0 1\r\nx\r\ndelete noreply\r\nget noreply\r\n"
        soon = tuple(b" " + delay for delay in SOON) if scope.advance else ()
        delay = rng.choice((b"", b"", b" 0", *soon, b" -1", b" x", b" 100", b" 0 0"))
        return _line(rng, [b"flush_all" + delay])
    if draw < 0.27:
        return rng.choice((b"version\r\n", b"version\n", b"stats\r\n", b"version noreply\r\n"))
    if draw < 0.29 and scope.endings:
        return rng.choice((b"quit\r\n", b"quit now\r\n", b"x" * 2049, b"touch %s\r\n" % (b"y" * 2100)))
    if draw < 0.34:
        return bytes(rng.randrange(256) for _ in range(rng.randrange(1, 40))).replace(b" ", b"_") + b"\r\n"
    if draw < 0.36:
        return b"verbosity 1" + b" " * rng.choice((2034, 2035)) + b"\r\n"
    noise = rng.choice(NOISE)
    return noise if scope.endings or b"HTTP/" not in noise else b"ERROR\r\n"


_MIX: tuple[tuple[float, Callable[[Random, Scope], list[Part]]], ...] = (
    (0.42, _meta),
    (0.64, _store),
    (0.81, _retrieval),
    (0.87, _count),
    (0.91, _delete),
    (0.94, _touch),
)
