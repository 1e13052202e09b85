"""Phase ``malformed``: garbage that knows the grammar, with a sentinel after it.

Valid streams are bent: bytes flipped, dropped, doubled; words left out, swapped, replaced by limits of the grammar;
line ends damaged; lengths that lie.  Text never begins with the first byte of the binary protocol; binary requests and
packets are bent in streams of their own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mcconform import streams_binary, streams_lanes, streams_packet
from mcconform.conversation import PREFIX, PREFIX_BASE64, Conversation, Datagram, Open, Send, Settle
from mcconform.generate import ODD, request
from mcconform.streams_meta import EVERY, FLAGS, STRANGE, Drawn

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterator

    from mcconform.conversation import Part, Step
    from mcconform.phases.base import Plan

NUMBERS = (
    b"0", b"1", b"-1", b"+1", b"-", b"+", b"00", b"1 ", b"4294967295", b"4294967296", b"2147483647", b"2147483648",
    b"18446744073709551615", b"18446744073709551616", b"99999999999999999999999", b"1e3", b"0x10", b"1.5", b"1\x00",
    b"\t1", b"1\t", b"", b"noreply", b"-2147483649", b"\xb2",
)  # fmt: skip
WORDS = (
    b"get", b"gets", b"gat", b"gats", b"set", b"add", b"replace", b"append", b"prepend", b"cas", b"incr", b"decr",
    b"delete", b"touch", b"version", b"quit", b"stats", b"GET", b"sett", b"ge", b"", b"\x00", b"HTTP/1.1", b"bget",
)  # fmt: skip
META_WORDS = (b"mn", b"mg", b"ms", b"md", b"ma", b"me", b"MG", b"mx")
ENDS = (b"\r\n", b"\r\n", b"\r\n", b"\n", b"\r\r\n", b" \r\n", b"\r", b"\n\r", b"\x00\r\n", b"")


def conversations(plan: Plan) -> Iterator[Conversation]:
    """As many as the plan asks for."""
    rng = plan.random("malformed")
    for number in range(plan.max_examples):
        name = f"malformed-{number}"
        if plan.binary and number % 3 == 1:
            yield broken_binary(rng, name, flush=plan.allow_flush)
        elif plan.packet and number % 3 == 2:
            yield broken_packets(rng, name, flush=plan.allow_flush)
        elif plan.udp and number % 2 == 0:
            yield broken_datagrams(rng, name, binary=plan.binary)
        else:
            yield conversation(rng, name, meta=plan.meta)


def conversation(rng: random.Random, name: str, *, meta: bool = True) -> Conversation:
    """One stream of one to six pieces of garbage, cut somewhere or nowhere."""
    stream = b"".join(piece(rng, meta=meta) for _ in range(rng.randrange(1, 7)))
    if rng.random() < 0.3:
        stream = mutate(rng, stream)
    stream = tame(stream)
    if rng.random() < 0.7 and not stream.endswith(b"\n"):
        stream += b"\r\n"
    count = rng.choice((0, 0, 0, 1, 2, 5))
    cuts = sorted({rng.randrange(len(stream)) for _ in range(count)}) if stream else ()
    return Conversation(name, (Send(0, (stream,), tuple(cuts)), Settle()))


def broken_binary(rng: random.Random, name: str, *, flush: bool) -> Conversation:
    """The same of the binary protocol: requests of which some lie, and bytes that are wrong."""
    parts = _drawn(rng, streams_binary.request, flush=flush)
    if parts[0][:1] != b"\x80":
        parts[0] = b"\x80" + parts[0][1:]
    return _broken(rng, name, parts, ())


def broken_packets(rng: random.Random, name: str, *, flush: bool) -> Conversation:
    """The same of the packet protocol."""
    return _broken(rng, name, _drawn(rng, streams_packet.request, flush=flush), ("-B", "packet"))


def broken_datagrams(rng: random.Random, name: str, *, binary: bool) -> Conversation:
    """The same in datagrams: a request or two in each, frames that are none, what the end of a datagram cuts off."""
    steps: list[Step] = [Open(0, "udp")]
    for _ in range(rng.randrange(1, 5)):
        if binary and rng.random() < 0.4:
            parts = streams_binary.request(rng, Drawn((PREFIX + b"-a",), b"1"), foreign=False)
            data = b"".join(part if isinstance(part, bytes) else bytes(7) + b"\1" for part in parts)
        else:
            data = tame(b"".join(piece(rng, meta=False) for _ in range(rng.choice((1, 1, 2)))))
        steps.append(streams_lanes.datagram(rng, 0, [data]) if data else Datagram(0, (b"\0",)))
    return Conversation(name, (*steps, Settle()))


def _drawn(rng: random.Random, make: Callable[..., list[Part]], *, flush: bool) -> list[bytes]:
    keys = (PREFIX + b"-a", PREFIX + b"-b")
    parts: list[Part] = []
    for _ in range(rng.randrange(1, 7)):
        parts += make(rng, Drawn(keys, rng.choice((b"1", b"abc", b"", b"\x80\x81"))), foreign=flush)
    # A cas unique that nobody has seen is a number like any other.
    return [part if isinstance(part, bytes) else bytes(7) + b"\1" for part in parts]


def _broken(rng: random.Random, name: str, parts: list[bytes], options: tuple[str, ...]) -> Conversation:
    stream = b"".join(mutate(rng, part) if rng.random() < 0.3 else part for part in parts)
    cuts = sorted({rng.randrange(len(stream)) for _ in range(rng.choice((0, 0, 1, 2, 5)))}) if stream else ()
    return Conversation(name, (Send(0, (stream,), tuple(cuts)), Settle()), options=options)


def piece(rng: random.Random, *, meta: bool = True) -> bytes:
    """One line or request, most likely a wrong one."""
    if meta and rng.random() < 0.3:
        return _meta(rng)
    kind = rng.randrange(10)
    if kind < 3:
        return mutate(rng, _valid(rng, meta=meta))
    if kind < 6:
        words = [rng.choice((*WORDS, *META_WORDS) if meta else WORDS)]
        words += [PREFIX + b"-" + rng.choice((b"a", b"b", b"k" * 243, b"k" * 244, b"\xff\x01"))]
        words += [rng.choice(NUMBERS) for _ in range(rng.choice((0, 1, 2, 3, 3, 3, 4, 5)))]
        if rng.random() < 0.2:
            words.append(b"noreply")
        line = rng.choice((b" ", b" ", b" ", b"  ")).join(words) + rng.choice(ENDS)
        return line + (rng.choice((b"x\r\n", b"abc\r\n", b"")) if rng.random() < 0.5 else b"")
    if kind < 8:
        return rng.choice(ODD)
    if kind < 9:
        return bytes(rng.randrange(256) for _ in range(rng.randrange(1, 40))) + rng.choice(ENDS)
    return _valid(rng, meta=meta)


def _meta(rng: random.Random) -> bytes:
    """A line of the meta protocol with any letters and bytes for flags; perhaps a block."""
    key = rng.choice((PREFIX + b"-a", PREFIX + b"-a", PREFIX_BASE64 + b"LWE=", PREFIX_BASE64 + b"LW"))
    words = [rng.choice((b"mg", b"mg", b"ms", b"ms", b"md", b"ma", b"me", b"mn")), key]
    if words[0] == b"ms" or rng.random() < 0.1:
        words.append(rng.choice(NUMBERS) if rng.random() < 0.3 else b"3")
    letters = FLAGS.get(words[0].decode(), EVERY) if rng.random() < 0.6 else EVERY
    for _ in range(rng.choice((0, 1, 1, 2, 2, 3, 5, 9, 17, 18, 19, 22))):
        letter = rng.choice(letters).encode() if rng.random() < 0.95 else rng.choice(STRANGE)
        argument = letter.isupper() and rng.random() < 0.8
        words.append(letter + (rng.choice((*NUMBERS, b"100", b"S", b"I", b"o" * 31, b"o" * 32)) if argument else b""))
    line = rng.choice((b" ", b" ", b" ", b"  ")).join(words) + rng.choice(ENDS)
    return line + (rng.choice((b"abc\r\n", b"abc\r\n", b"x\r\n", b"abcd\r\n")) if words[0] == b"ms" else b"")


def _valid(rng: random.Random, *, meta: bool) -> bytes:
    parts = request(rng.randrange(256), rng.randrange(256), rng.randrange(256), meta=meta)
    return b"".join(part if isinstance(part, bytes) else b"1" for part in parts)


def mutate(rng: random.Random, data: bytes) -> bytes:
    """The bytes with one to three small damages."""
    bent = bytearray(data)
    for _ in range(rng.randrange(1, 4)):
        if not bent:
            break
        at = rng.randrange(len(bent))
        kind = rng.randrange(6)
        if kind == 0:
            bent[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            del bent[at : at + rng.randrange(1, 4)]
        elif kind == 2:
            bent[at:at] = bent[at : at + rng.randrange(1, 9)]
        elif kind == 3:
            bent[at] = rng.choice(b"\r\n \0\t\x7f\xff0-")
        elif kind == 4:
            bent[at:at] = rng.choice(NUMBERS)
        else:
            bent[at:] = b""
    return bytes(bent)


def tame(stream: bytes) -> bytes:
    """Keep a stream within the text protocol: its first byte must not select the binary one."""
    return b"g" + stream[1:] if stream[:1] == b"\x80" else stream
