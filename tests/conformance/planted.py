"""The bundled server with a bug planted in it: `python planted.py BUG SERVER-OPTION...`.

Each bug needs a certain request or a certain cut, as real ones do.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from typing import TYPE_CHECKING, Any

from mcserver import cli, connection

if TYPE_CHECKING:
    from collections.abc import Callable

    Feed = Callable[[Any, bytes], list[Any]]


def crash(feed: Feed) -> Feed:
    """Ends the process when an incr meets a number of 20 digits."""

    def bent(self: Any, data: bytes) -> list[Any]:
        out = feed(self, data)
        if b"incr " in data and any(len(bytes(piece)) == 22 for piece in out):
            os.kill(os.getpid(), signal.SIGSEGV)
        return out

    return bent


def hang(feed: Feed) -> Feed:
    """Spins for ever when a chunk ends between CR and LF of a store line."""

    def bent(self: Any, data: bytes) -> list[Any]:
        if data.endswith(b"\r") and data.startswith((b"set ", b"add ")):
            while True:
                pass
        return feed(self, data)

    return bent


def sleep(feed: Feed) -> Feed:
    """Stops answering, without using the CPU, after a touch with a large exptime."""

    def bent(self: Any, data: bytes) -> list[Any]:
        if b"touch " in data and b" 2592000" in data:
            time.sleep(3600)
        return feed(self, data)

    return bent


def desync(feed: Feed) -> Feed:
    """Answers a noreply delete that finds nothing."""

    def bent(self: Any, data: bytes) -> list[Any]:
        out = feed(self, data)
        if data.startswith(b"delete ") and data.endswith(b" noreply\r\n") and not out:
            out = [*out, b"NOT_FOUND\r\n"]
        return out

    return bent


def wrong(feed: Feed) -> Feed:
    """Sends a value of 100 as 10."""

    def bent(self: Any, data: bytes) -> list[Any]:
        return [bytes(piece).replace(b" 3\r\n100\r\n", b" 2\r\n10\r\n") for piece in feed(self, data)]

    return bent


BUGS = {"none": lambda feed: feed, "crash": crash, "hang": hang, "sleep": sleep, "desync": desync, "wrong": wrong}

if __name__ == "__main__":
    connection.Connection.feed = BUGS[sys.argv[1]](connection.Connection.feed)  # type: ignore[method-assign]
    sys.argv = ["mcserver", *sys.argv[2:]]
    cli.main()
