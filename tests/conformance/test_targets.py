"""Targets: addresses, sockets, processes."""

from __future__ import annotations

import os
import shlex
import socket
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mcconform import targets
from mcconform.targets import SpawnTarget, TargetError, UnreachableError, UnsupportedError
from mcconform.targets.tcp import SocketTarget, parse_address

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mcconform.targets import Session

SERVER = f"{shlex.quote(sys.executable)} -m mcserver -l 127.0.0.1"


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("127.0.0.1:11211", ("127.0.0.1", 11211)),
        (":11211", ("127.0.0.1", 11211)),
        ("[::1]:80", ("::1", 80)),
        ("unix:/tmp/x", "/tmp/x"),
        ("/tmp/x", "/tmp/x"),
    ],
)
def test_addresses(name: str, address: object) -> None:
    assert targets.is_target(name)
    assert parse_address(name).address == address


@pytest.mark.parametrize("name", ["host", "host:", "host:0", "host:99999", "host:x"])
def test_what_is_no_address(name: str) -> None:
    with pytest.raises(TargetError, match="type HOST:PORT"):
        parse_address(name)


def test_clause_ids_are_no_targets() -> None:
    assert not targets.is_target("text.set.stored")
    assert not targets.is_target("text.*.noreply")


def ask(session: Session, request: bytes, conn: int = 0) -> bytes:
    """The answer to a request, read until nothing comes for 0.3 s."""
    session.open(conn)
    session.write(conn, request)
    answer = b""
    while arrived := session.pump(0.3):
        answer += b"".join(data or b"<end>" for _, data in arrived)
        if arrived[-1][1] is None:
            break
    session.end()
    return answer


@pytest.fixture(scope="module")
def spawned() -> Iterator[SpawnTarget]:
    target = SpawnTarget(f"{SERVER} -p {{port}} {{options}}")
    yield target
    target.close()


def test_spawned_server_answers(spawned: SpawnTarget) -> None:
    session = spawned.session()
    now = session.now()
    assert now.lo < time.time() < now.hi
    assert ask(session, b"get a\r\n") == b"END\r\n"


def test_a_process_for_each_set_of_options(spawned: SpawnTarget) -> None:
    assert ask(spawned.session(("-F",)), b"flush_all\r\n") == b"CLIENT_ERROR flush_all not allowed\r\n"
    assert ask(spawned.session(), b"flush_all\r\n") == b"OK\r\n"


def test_a_server_that_does_not_start_with_options_does_not_support_them(spawned: SpawnTarget) -> None:
    with pytest.raises(UnsupportedError, match="does not start"):
        spawned.session(("--no-such-option",))


def test_options_need_a_place() -> None:
    target = SpawnTarget(f"{SERVER} -p {{port}}")
    try:
        with pytest.raises(UnsupportedError, match="options"):
            target.session(("-F",))
    finally:
        target.close()


def test_unix_sockets() -> None:
    target = SpawnTarget(f"{SERVER} -s {{socket}}".replace("-l 127.0.0.1", ""))
    try:
        assert ask(target.session(), b"get a\r\n") == b"END\r\n"
    finally:
        target.close()


def test_a_death_is_noticed_and_the_server_started_again(spawned: SpawnTarget) -> None:
    assert spawned.death() is None
    os.kill(spawned.process().pid, 9)
    death = spawned.death(5.0)
    assert death is not None
    assert death.startswith("signal 9 (SIGKILL)")
    assert spawned.death() is None
    assert ask(spawned.session(), b"get a\r\n") == b"END\r\n"


def test_the_whole_process_group_is_stopped(tmp_path: Path) -> None:
    script = tmp_path / "wrapper.sh"
    script.write_text(f"#!/bin/sh\n{SERVER} -p $1 &\necho $! > {tmp_path}/pid\nwait\n", encoding="ascii")
    script.chmod(0o755)
    target = SpawnTarget(f"{script} {{port}}")
    child = int((tmp_path / "pid").read_text(encoding="ascii"))
    target.close()
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            os.kill(child, 0)
        except ProcessLookupError:
            return
        if _zombie(child):
            return
        time.sleep(0.05)
    pytest.fail("the server outlived its wrapper")


def _zombie(pid: int) -> bool:
    """Whether only the entry of a process is left, for a parent that never asks."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


@pytest.fixture
def deaf() -> Iterator[tuple[str, int]]:
    """A listener that reads nothing and sends a great deal."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()

        def serve() -> None:
            made, _ = listener.accept()
            with made:
                made.sendall(b"x" * 5_000_000)
                while made.recv(65536):
                    pass

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()


def test_writing_never_blocks_on_a_server_that_wants_to_be_read_first(deaf: tuple[str, int]) -> None:
    session = SocketTarget(parse_address(f"{deaf[0]}:{deaf[1]}")).session()
    session.open(0)
    session.write(0, b"y" * 20_000_000)
    count = 0
    while count < 5_000_000:
        arrived = session.pump(5)
        assert arrived
        count += sum(len(data or b"") for _, data in arrived)
    session.end()


def test_nothing_listens() -> None:
    session = targets.make("127.0.0.1:1").session()
    with pytest.raises(UnreachableError, match="is the server running"):
        session.open(0)
    session.end()
