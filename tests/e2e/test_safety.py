"""Without --allow-flush a run leaves what others have on the server as it was, and nothing of its own behind."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote_to_bytes

import pytest

from mcconform.keys import Prefixes
from tests import conftest
from tests.e2e.support import mcspec, talk

Start = Callable[..., conftest.RunningServer]
SEED = 11
FOREIGN = {
    **{f"user:{number}".encode(): (number * 1000, b"value %d" % number) for number in range(200)},
    b"a": (1, b"1"),
    b"b": (2, b"18446744073709551615"),
    b"n": (0, b"10"),
    b"k" * 250: (4294967295, b"\r\nEND\r\n"),
    b"0": (0, b""),
    b"mcspec": (5, b"the canonical prefix itself"),
    b"mcspec-a": (6, b"and a key that looks like one of ours"),
    b"large": (7, b"v" * 500_000),
}


def store(connection: socket.socket) -> None:
    for key, (flags, value) in FOREIGN.items():
        request = b"set %s %d 0 %d\r\n%s\r\n" % (key, flags, len(value), value)
        assert talk(connection, request, b"\r\n") == b"STORED\r\n"


def snapshot(connection: socket.socket) -> dict[bytes, bytes]:
    """Everything about the foreign items that a client can see: value, flags, cas unique."""
    return {key: talk(connection, b"gets %s\r\n" % key, b"\r\nEND\r\n") for key in FOREIGN}


def items(connection: socket.socket) -> int:
    """How many items the server holds."""
    found = re.search(rb"STAT curr_items (\d+)", talk(connection, b"stats\r\n", b"END\r\n"))
    assert found is not None
    return int(found[1])


def left_behind(connection: socket.socket) -> list[bytes]:
    """The keys of a memcached that are not foreign; only memcached can list them.

    A dump that meets another pass of the crawler, or an item that moves, is short: one with every foreign key is whole.
    """
    for _ in range(100):
        listing = talk(connection, b"lru_crawler metadump all\r\n", b"END\r\n")
        lines = [line.split()[0] for line in listing.splitlines() if line.startswith(b"key=")]
        keys = [unquote_to_bytes(line.removeprefix(b"key=")) for line in lines]
        if FOREIGN.keys() <= set(keys):
            return [key for key in keys if key not in FOREIGN]
        time.sleep(0.2)
    raise AssertionError("no dump lists every key")


def check(server: conftest.RunningServer, folder: Path, phases: str) -> None:
    done = mcspec(
        "check", server.target, "text", "--phases", phases, "--seed", str(SEED), "--max-examples", "60", "--max-time",
        "12", cwd=folder,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "needs --allow-flush" in done.stdout, "what could not be tried is named"


PHASES = ["vectors,stateful,malformed", "splits"]


@pytest.mark.slow
@pytest.mark.memcached
@pytest.mark.parametrize("phases", PHASES)
def test_memcached_keeps_what_it_held_and_nothing_else(start_memcached: Start, tmp_path: Path, phases: str) -> None:
    server = start_memcached()
    with server.connect() as connection:
        store(connection)
        before = snapshot(connection)
        assert len(before) == items(connection)
        check(server, tmp_path, phases)
        assert snapshot(connection) == before
        left = left_behind(connection)
        head = Prefixes(SEED).take()[:2]
        print(f"{len(left)} keys of the run remain: {left[:10]}")
        assert [key for key in left if not key.startswith(head)] == []
        assert left == []


@pytest.mark.slow
@pytest.mark.parametrize("phases", PHASES)
def test_the_bundled_server_keeps_what_it_held_and_nothing_else(
    start_mcserver: Start, tmp_path: Path, phases: str
) -> None:
    server = start_mcserver()
    with server.connect() as connection:
        store(connection)
        before = snapshot(connection)
        check(server, tmp_path, phases)
        assert snapshot(connection) == before
        left = items(connection) - len(FOREIGN)
        print(f"{left} keys of the run remain")
        assert left == 0
