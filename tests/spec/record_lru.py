"""Record which items a real memcached evicts, and after what: python -m tests.spec.record_lru BINARY NAME

Writes tests/data/lru-NAME-flat.jsonl and tests/data/lru-NAME-segmented.jsonl, in about two minutes: that long it
takes until a use moves an item of a flat order. Each line is one command on one key: `do` (its first word, `mgu` for mg
with the flag u), `key`, `at` (seconds of this program's clock, from its sending to its answer) and `gone` (the keys
that were there before it and not after it). `me`, which is no use, tells what is there.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tests.conftest import find_free_port

DATA = Path(__file__).resolve().parents[1] / "data"
MODES = {"flat": ["-o", "no_lru_crawler,no_lru_maintainer"], "segmented": []}
VALUE = b"1".rjust(250_000, b"0")
WAITS = 66.0
"""Seconds until the uses of the second round: by then a flat order is moved by them."""

LINES = {
    "set": b"set %s 0 0 250000\r\n" + VALUE + b"\r\n",
    "add": b"add %s 0 0 1\r\n1\r\n",
    "gat": b"gat 0 %s\r\n",
    "touch": b"touch %s 0\r\n",
    "incr": b"incr %s 1\r\n",
    "mgu": b"mg %s u\r\n",
    "md": b"md %s I\r\n",
}
WORDS = ("get", "gat", "touch", "mg", "incr", "ma", "add", "mgu", "me", "md")


class Recorder:
    """A connection to a server, what it holds, and what was seen."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.began = time.monotonic()
        self.held: list[str] = []
        self.seen: list[dict[str, Any]] = []

    def ask(self, line: bytes) -> bytes:
        """The reply to a command; the sentinel behind it says that it is whole."""
        self.socket.sendall(line + b"mn\r\n")
        reply = b""
        while not reply.endswith(b"MN\r\n"):
            reply += self.socket.recv(2**20)
        return reply[: -len(b"MN\r\n")]

    def do(self, word: str, key: str) -> list[str]:
        """Send a command, and note what is gone."""
        at = time.monotonic() - self.began
        reply = self.ask(LINES.get(word, word.encode() + b" %s\r\n") % key.encode())
        assert not reply.startswith((b"ERROR", b"CLIENT", b"SERVER", b"EN", b"NF", b"NOT_FOUND")), (word, reply[:80])
        end = time.monotonic() - self.began
        there = [one for one in self.held if self.ask(b"me %s\r\n" % one.encode()).startswith(b"ME")]
        gone = [one for one in self.held if one not in there]
        self.held = [*(one for one in there if one != key), key]
        self.seen.append({"do": word, "key": key, "at": [round(at, 3), round(end, 3)], "gone": gone})
        return gone

    def fill(self, name: str, more: int) -> None:
        """Store until something was evicted `more` times."""
        number = 0
        while more:
            more -= bool(self.do("set", f"{name}{number}"))
            number += 1


def record(port: int) -> list[dict[str, Any]]:
    """Fill a server, use items at once and twice, go on, wait, use others in every way, and go on."""
    server = Recorder(port)
    server.fill("a", 3)
    for word in WORDS:
        server.do(word, server.held[0])
    for key in server.held[10:13]:
        server.do("mg", key)
        server.do("get", key)
        server.do("mg", key)
    time.sleep(2)
    server.fill("b", 8)
    server.do("set", server.held[1])
    server.do("set", server.held[4])
    time.sleep(max(0.0, WAITS - (time.monotonic() - server.began)))
    for word in WORDS:
        server.do(word, server.held[0])
    server.fill("c", 45)
    return server.seen


def main(program: str, name: str) -> None:
    """Record both modes of a program."""
    for mode, options in MODES.items():
        port = find_free_port()
        command = [program, "-u", "root", "-l", "127.0.0.1", "-p", str(port), "-U", "0", "-t", "1", "-m", "8", *options]
        with subprocess.Popen(command) as process:
            time.sleep(1)
            seen = record(port)
            process.kill()
        lines = "".join(json.dumps(one) + "\n" for one in seen)
        (DATA / f"lru-{name}-{mode}.jsonl").write_text(lines, encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
