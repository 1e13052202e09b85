"""What may be written to a server that holds other people's data.

A server that misreads a stream may take any part of it for a command.  So without ``--allow-flush`` a conversation is
refused if what one of its connections writes contains, *at any offset*, a command that would flush, shut down or
reconfigure the server, or one that writes to a key without the run's prefix.

The same holds for headers (`mcconform.headers`). A binary header is 24 bytes; the two first of them decide: the magic
0x80 and the opcode of a flush (0x08, 0x18), of verbosity (0x1b), or of stat with a key (0x10, which may reset or
reconfigure) are refused wherever they stand beside each other, whatever lengths follow, since a server that loses its
place is one that may not look at lengths either. Headers of requests with a key are refused if the key, which is where
the lengths say, does not begin with the run's prefix: to read somebody else's item would look like a wrong answer.
Only bytes that the judge knows can be looked at: the bytes of a cas unique that is filled in later are not. Packets
are looked at only where a conversation asks for a server that speaks nothing else.
"""

from __future__ import annotations

import re
from base64 import b64decode

from mcconform import headers
from mcconform.conversation import PREFIX, PREFIX_BASE64, Conversation, Datagram, Repeat, Send, streams, width

FORBIDDEN = (
    b"flush_all",
    b"shutdown",
    b"cache_memlimit",
    b"refresh_certs",
    b"lru_crawler",
    b"extstore",
    b"debugtime",
    b"debugitem",
    b"misbehave",
    b"verbosity",
)
"""Words that are commands whatever follows them, and change the server for everybody."""

_COMMANDS_WITH_WORD = re.compile(rb"(?:slabs|lru|watch|stats) +[^ \r\n]")
"""Commands that reconfigure the server, or occupy it, when a word follows."""

_WRITES = re.compile(
    rb"(?:set|add|replace|append|prepend|cas|incr|decr|delete|touch|ms|md|ma|mg) +([^ \r\n]*)"
    rb"|gats? +[^ \r\n]*((?: +[^ \r\n]+)*)",
)

_READS = re.compile(rb"(?:^|\n)gets? +([^\r\n]*)")
"""Lines that read keys: what somebody else stored under one of them would look like a wrong answer."""


def danger(conversation: Conversation) -> str | None:
    """Why this conversation needs ``--allow-flush``, or None if it cannot harm what it did not store itself."""
    for stream in streams(conversation).values():
        found = danger_in(stream, packets=conversation.packets)
        if found is not None:
            return found
    return None


def danger_in(stream: bytes, *, packets: bool = False) -> str | None:
    """The same for the bytes that one connection writes, with the canonical key prefix."""
    shared = change_in(stream, packets=packets)
    if shared is not None:
        return shared
    for key in headers.keys(stream, packets=packets):
        if not key.startswith(PREFIX):
            return f"it holds the header of a request for a key of somebody else: {key[:60].decode('latin-1')!r}"
    for line in _READS.findall(stream):
        for key in line.split(b" "):
            if key and len(key) <= 250 and not key.startswith(PREFIX):
                return f"it reads a key of somebody else: {key[:60].decode('latin-1')!r}"
    start = 0
    while (found := _WRITES.search(stream, start)) is not None:
        keys = found.group(2).split() if found.group(2) is not None else [found.group(1)]
        for key in keys:
            if not key.startswith((PREFIX, PREFIX_BASE64)) and key != b"":
                return f"it writes to a key of somebody else: {found.group()[:60].decode('latin-1')!r}"
        # The next match may begin inside this one: at any offset means at any offset.
        start = found.start() + 1
    return None


def concerns_others(conversation: Conversation) -> bool:
    """Whether a server that reads it right flushes or reconfigures, or works on a key without the prefix."""
    packets = conversation.packets
    return any(danger_in(stream, packets=packets) is not None for stream in _samples(conversation).values())


def change_in(stream: bytes, *, packets: bool = False) -> str | None:
    """How these bytes change the server for everybody, or None if they do not."""
    header = headers.change(stream, packets=packets)
    if header is not None:
        return header
    for word in FORBIDDEN:
        if word in stream:
            return f"it writes {word.decode()}"
    with_word = _COMMANDS_WITH_WORD.search(stream)
    if with_word is not None:
        return f"it writes {with_word.group()[:-1].decode('latin-1').strip()} with an argument"
    return None


def keys(conversation: Conversation) -> list[bytes]:
    """Every key with the canonical prefix that the conversation mentions, in order; for cleaning up.

    A repetition is looked at twice over at least: its ends may join to a key, and the rest repeats.
    """
    seen: dict[bytes, None] = {}
    for stream in _samples(conversation).values():
        for word in _KEY.findall(stream):
            # For some servers a NUL ends the key, for others it is a byte of it.
            for key in (word, word.split(b"\0")[0]):
                if len(key) <= 250:
                    seen.setdefault(key)
        for word in _KEY_BASE64.findall(stream):
            # Stored as it is by a server that does not know the flag b, decoded by others.
            seen.setdefault(word)
            if len(word) % 4 == 0 and not re.search(rb"[\0- ]", b64decode(word)):
                seen.setdefault(b64decode(word))
        for key in headers.keys(stream, packets=conversation.packets):
            if key.startswith(PREFIX):
                seen.setdefault(key)
    return list(seen)


_KEY = re.compile(re.escape(PREFIX) + rb"[^ \r\n]*")
_KEY_BASE64 = re.compile(re.escape(PREFIX_BASE64) + rb"[A-Za-z0-9+/]{,242}(?:==?)?")


_LONGER = 300
"""Bytes that no key has."""


def _samples(conversation: Conversation) -> dict[int, bytes]:
    """What each connection writes; of a repetition only two rounds, or more than a key is long."""
    joined: dict[int, bytes] = {}
    for step in conversation.steps:
        if isinstance(step, Send | Datagram):
            for part in step.parts:
                shown = b"0"
                if isinstance(part, Repeat):
                    shown = part.unit * min(part.times, 2 + _LONGER // max(1, len(part.unit)))
                elif isinstance(part, bytes):
                    shown = part
                elif part.encoding != "decimal":
                    shown = bytes(width(part))
                joined[step.conn] = joined.get(step.conn, b"") + shown
    return joined
