"""A shell command that shows a conversation without this tool: ``printf`` into ``nc``, pauses at chunk boundaries."""

from __future__ import annotations

from mcconform.conversation import (
    Advance,
    CasRef,
    Close,
    Conversation,
    Datagram,
    HalfClose,
    Part,
    Repeat,
    Reset,
    Send,
    Step,
    pieces,
    width,
)

PAUSE = "sleep .1"
"""What stands at a chunk boundary: long enough for the server to read the chunk alone."""


def quoted(data: bytes) -> str:
    r"""Bytes as the argument of ``printf``, in single quotes.

    >>> print(quoted(b"get it's 100%\r\n"))
    'get it\47s 100%%\r\n'
    """
    out = []
    for index, byte in enumerate(data):
        if byte in _NAMED:
            out.append(_NAMED[byte])
        elif 32 <= byte < 127 and (index or byte != 45):
            # A leading minus would be an option.
            out.append(chr(byte))
        else:
            out.append(f"\\{byte:03o}")
    return "'" + "".join(out) + "'"


_NAMED = {13: "\\r", 10: "\\n", 9: "\\t", 92: "\\\\", 37: "%%", 39: "\\47"}


def one_liner(conversation: Conversation, address: str) -> str:
    """The command.  ``address`` is ``HOST PORT`` or the path of a Unix socket.

    A cas unique is read by hand: it stands as ``$CAS``.  A datagram is one ``printf`` if it holds nothing but literal
    bytes, and goes to the server's UDP port, which must be the TCP port too.
    """
    datagrams = conversation.datagrams
    if len(conversation.connections) == 1 and not datagrams:
        shown = [_do(step) for step in conversation.steps]
        steps = [line for line in shown if line]
        to = f"nc -U {address}" if address.startswith("/") else f"nc {address}"
        return f"({'; '.join(_spaced(steps))}; sleep 1) | {to}"
    host, _, port = address.partition(" ")
    kinds = {conn: "udp" if conn in datagrams else "tcp" for conn in sorted(conversation.connections)}
    opened = [f"exec {3 + conn}<>/dev/{kind}/{host}/{port}" for conn, kind in kinds.items()]
    lines = []
    for step in conversation.steps:
        done = _do(step)
        if done and not isinstance(step, Advance):
            done = f"{{ {done}; }} >&{3 + (step.conn or 0)}"
        if done:
            lines.append(done)
    ends = [f"timeout 1 cat <&{3 + conn}" for conn in sorted(conversation.connections)]
    script = "; ".join([*opened, *_spaced(lines), *ends])
    return f"bash -c {_shell(script)}"


def _spaced(lines: list[str]) -> list[str]:
    spaced: list[str] = []
    for line in lines:
        if spaced:
            spaced.append(PAUSE)
        spaced.append(line)
    return spaced


def _do(step: Step) -> str:
    if isinstance(step, Advance):
        return f"sleep {step.seconds:g}"
    if isinstance(step, HalfClose | Reset | Close):
        return ": the client closes its side"
    if isinstance(step, Datagram):
        return "; ".join(_part(part) for part in _merged(step.parts))
    if not isinstance(step, Send):
        return ""
    literal = step.literal()
    if literal is not None and len(literal) <= 4096:
        return "; ".join(_spaced([f"printf {quoted(piece)}" for piece in pieces(literal, step.cuts)]))
    return "; ".join(_part(part) for part in step.parts if part != b"")


def _part(part: Part) -> str:
    if isinstance(part, bytes):
        return f"printf {quoted(part)}"
    if isinstance(part, Repeat):
        return f"yes {quoted(part.unit)} | tr -d '\\n' | head -c {len(part.bytes())}"
    number = f"$CAS{part.offset:+d}" if isinstance(part, CasRef) else f"$(date +%s){part.offset:+d}"
    if part.encoding == "decimal":
        return f'printf %s "$(({number}))"'
    digits = 2 * width(part)
    mask = "" if digits == 16 else "&0xffffffff"
    return f'printf "$(printf %0{digits}x "$((({number}){mask}))" | sed "s/../\\\\x&/g")"'


def _merged(parts: tuple[Part, ...]) -> list[Part]:
    """Literal bytes joined: each write is a datagram."""
    merged: list[Part] = []
    for part in parts:
        before = merged[-1] if merged else None
        literal = part.bytes() if isinstance(part, Repeat) else part
        if isinstance(literal, bytes) and isinstance(before, bytes):
            merged[-1] = before + literal
        else:
            merged.append(literal)
    return merged


def _shell(script: str) -> str:
    return "'" + script.replace("'", "'\\''") + "'"
