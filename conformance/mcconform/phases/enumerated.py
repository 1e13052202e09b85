"""Vectors enumerated in a small scope: every command x every state of its item x classes of every argument.

One argument at a time leaves its plain class, so that a difference names one cause.  Each vector brings the item into
its state, sends the request, and looks at the item with ``gets``.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from mcconform.conversation import Conversation, Settle, say
from mcconform.phases import boundaries, boundaries_meta, enumerated_binary, enumerated_meta

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY = "mcspec-e"

STATES: dict[str, str] = {
    "absent": "",
    "text": f"set {KEY} 7 0 3\r\nabc\r\n",
    "empty": f"set {KEY} 0 0 0\r\n\r\n",
    "counter": f"set {KEY} 0 0 2\r\n12\r\n",
    "largest-counter": f"set {KEY} 0 0 20\r\n18446744073709551615\r\n",
    "padded-counter": f"set {KEY} 0 0 3\r\n 7 \r\n",
    "zero-led-counter": f"set {KEY} 0 0 4\r\n0041\r\n",
    "expired": f"set {KEY} 0 -1 2\r\n12\r\n",
    "living": f"set {KEY} 1 1000 2\r\n12\r\n",
    "deleted": f"set {KEY} 0 0 2\r\n12\r\ndelete {KEY}\r\n",
}
"""What stands under the key before the request."""

FLAGS = {"flags-max": "4294967295", "flags-2^32": "4294967296", "flags-minus": "-1", "flags-word": "x"}
EXPTIMES = {
    "exptime-minus": "-1",
    "exptime-short": "1000",
    "exptime-30d": "2592000",
    "exptime-1970": "2592001",
    "exptime-word": "x",
    "exptime-min": "-2147483648",
}
STRICT_EXPTIMES = EXPTIMES | {"exptime-2^31": "2147483648", "exptime-plus": "+1", "exptime-zeros": "0000"}
DELTAS = {
    "delta-0": "0",
    "delta-1": "1",
    "delta-12": "12",
    "delta-13": "13",
    "delta-99": "99",
    "delta-max": "18446744073709551615",
    "delta-2^64": "18446744073709551616",
    "delta-minus": "-1",
    "delta-plus": "+1",
    "delta-word": "x",
    "delta-zeros": "007",
}
LENGTHS = {
    "length-word": ("x", "5"),
    "length-minus": ("-1", "5"),
    "length-short": ("1", "55"),
    "length-zero": ("0", ""),
    "length-zeros": ("001", "5"),
    "length-range": ("2147483646", "5"),
}
STORES = ("set", "add", "replace", "append", "prepend", "cas")


def requests() -> Iterator[tuple[str, str]]:
    """Every request of the scope, with a name."""
    for word in ("get", "gets"):
        yield word, f"{word} {KEY}\r\n"
        yield f"{word}.twice", f"{word} {KEY} {KEY}\r\n"
        yield f"{word}.noreply", f"{word} {KEY} noreply\r\n"
    for word in ("gat", "gats"):
        yield word, f"{word} 0 {KEY}\r\n"
        for name, exptime in STRICT_EXPTIMES.items():
            yield f"{word}.{name}", f"{word} {exptime} {KEY}\r\n"
    yield from _one_line("touch", {"exptime-0": "0"} | STRICT_EXPTIMES)
    yield from _one_line("incr", DELTAS)
    yield from _one_line("decr", DELTAS)
    for name, rest in (("", ""), (".zero", " 0"), (".noreply", " noreply"), (".zero-noreply", " 0 noreply")):
        yield f"delete{name}", f"delete {KEY}{rest}\r\n"
    yield "delete.word", f"delete {KEY} x\r\n"
    for word in STORES:
        yield from _store(word)


def _one_line(word: str, arguments: dict[str, str]) -> Iterator[tuple[str, str]]:
    for name, argument in arguments.items():
        yield f"{word}.{name}", f"{word} {KEY} {argument}\r\n"
        yield f"{word}.{name}.noreply", f"{word} {KEY} {argument} noreply\r\n"
    yield f"{word}.missing", f"{word} {KEY}\r\n"


def _store(word: str) -> Iterator[tuple[str, str]]:
    unique = " 1" if word == "cas" else ""

    def line(flags: str = "3", exptime: str = "0", length: str = "1", value: str = "5", rest: str = "") -> str:
        return f"{word} {KEY} {flags} {exptime} {length}{unique}{rest}\r\n{value}\r\n"

    yield word, line()
    yield f"{word}.noreply", line(rest=" noreply")
    for name, flags in FLAGS.items():
        yield f"{word}.{name}", line(flags=flags)
    for name, exptime in EXPTIMES.items():
        yield f"{word}.{name}", line(exptime=exptime)
    for name, (length, value) in LENGTHS.items():
        yield f"{word}.{name}", line(length=length, value=value)
        yield f"{word}.{name}.noreply", line(length=length, value=value, rest=" noreply")
    yield f"{word}.extra-word", line(rest=" x")


@cache
def every() -> tuple[Conversation, ...]:
    """Every request in every state, every flag of the meta commands, what stands at the edges of sizes, and binary."""
    found = []
    for name, request in requests():
        for state, setup in STATES.items():
            steps = [say(0, setup)] if setup else []
            steps += [say(0, request), say(0, f"gets {KEY}\r\n")]
            found.append(Conversation(f"enum.{name}.{state}", (*steps, Settle())))
    others = (enumerated_meta, boundaries, boundaries_meta, enumerated_binary)
    return (*found, *(conversation for module in others for conversation in module.every()))
