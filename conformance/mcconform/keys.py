"""Key prefixes: which keys a run may touch, and that no two of its conversations touch the same ones."""

from __future__ import annotations

import hashlib
import itertools
import os
import threading

LETTERS = b"abcdefghijklmnopqrstuvwxyz"
DIGITS = LETTERS + b"0123456789"


class Prefixes:
    """Prefixes of six bytes: two letters derived from the seed, then four that count from a random start.

    The first two make a run's keys recognisable.  The count starts at random because an interrupted run with the same
    seed may have left keys behind; reports and logs show the canonical prefix, so they do not depend on it.
    """

    def __init__(self, seed: int) -> None:
        digest = hashlib.sha256(f"mcspec {seed}".encode()).digest()
        self._head = bytes((LETTERS[digest[0] % 26], LETTERS[digest[1] % 26]))
        self._count = itertools.count(int.from_bytes(os.urandom(4), "big"))
        self._lock = threading.Lock()

    def take(self) -> bytes:
        """A prefix that this run has not used yet (it repeats after 36**4 conversations)."""
        with self._lock:
            number = next(self._count)
        tail = bytearray()
        for _ in range(4):
            number, digit = divmod(number, len(DIGITS))
            tail.append(DIGITS[digit])
        return self._head + bytes(tail)
