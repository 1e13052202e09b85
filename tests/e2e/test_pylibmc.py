"""pylibmc, and so libmemcached: every command that it has, in text and in binary, on every transport that it knows."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

if importlib.util.find_spec("pylibmc") is None:
    pytest.skip("pylibmc has no wheel for this Python and platform", allow_module_level=True)

import pylibmc

from tests.conftest import RunningServer
from tests.e2e.noting import Notes, Noting, everything, made
from tests.e2e.peers import PASSWORD, USER, missing

Make = Callable[..., Noting]
NOBODYS = 2**62


def storage(make: Make) -> None:
    client = make()
    client.flush_all()
    for value in ("grün", b"\r\n\0\xff", -5, True, 1.5, [1, "x"], {"a": None}, 2**70):
        assert client.set("a", value) is True
        assert client.get("a") == value
    assert client.get("none") is None
    assert client.get("none", "other") == "other"
    assert client.set("long", "x" * 9000, time=100, min_compress_len=100, compress_level=9)
    assert client.get("long") == "x" * 9000
    assert client.add("a", "no") is False
    assert client.add("b", "2", time=100) is True
    assert client.replace("b", "3", time=100) is True
    assert client.append("b", ">") is True
    assert client.append("none", ">") is False
    assert client.prepend("b", "<") is True
    assert client.prepend("none", "<") is False
    assert client.get("b") == "<3>"
    assert client.delete("b") is True
    assert client.delete("b") is False
    large = bytes(range(256)) * 4000
    assert client.set("large", large)
    assert client.get("large") == large


def touching(make: Make) -> None:
    """In binary, libmemcached reads the whole answer to a touch and then waits, in vain, for more of it."""
    client = make(behaviors={"_poll_timeout": 1500})
    client.flush_all()
    assert client.set("a", "x")
    assert client.touch("none", 100) is False
    assert client.touch("a", 100) is True
    assert client.get("a") == "x"


def missed(make: Make) -> None:
    """What is not there to be replaced: libmemcached hears `not stored` in text, and `not found` in binary."""
    client = make()
    client.flush_all()
    if client._inner.binary:
        with pytest.raises(pylibmc.NotFound):
            client.replace("none", "x")
    else:
        assert client.replace("none", "x") is False
    with pytest.raises(pylibmc.NotFound):
        client.incr("none")
    with pytest.raises(pylibmc.NotFound):
        client.decr("none")
    assert client.set("a", "x"), "the connection goes on"


def cas(make: Make) -> None:
    client = make(behaviors={"cas": True})
    client.flush_all()
    assert client.gets("a") == (None, None)
    assert client.set("a", "1")
    value, unique = client.gets("a")
    assert value == "1"
    assert client.cas("a", "2", unique, time=100) is True
    assert client.cas("a", "3", unique) is False
    with pytest.raises(pylibmc.NotFound):
        client.cas("none", "3", NOBODYS)
    value, later = client.gets("a")
    assert value == "2"
    assert later > unique


def counters(make: Make) -> None:
    client = make()
    client.flush_all()
    assert client.set("n", "10")
    assert client.incr("n") == 11
    assert client.incr("n", 5) == 16
    assert client.decr("n") == 15
    assert client.decr("n", 20) == 0
    assert client.incr("n", 2**31 - 1) == 2**31 - 1
    assert client.incr("n", 1) == 2**31
    assert client.set_multi({"m": 1, "o": 2}, key_prefix="pre-") == []
    assert client.incr_multi(["m", "o"], key_prefix="pre-", delta=3) is None
    assert client.get_multi(["pre-m", "pre-o"]) == {"pre-m": 4, "pre-o": 5}


def not_a_number(make: Make) -> None:
    client = make()
    assert client.set("text", "x")
    with pytest.raises(pylibmc.Error):
        client.incr("text")
    # libmemcached may have lost its place in the replies to it: a new client sees what is left.
    assert make().get("text") == "x"


def several(make: Make) -> None:
    client = make()
    client.flush_all()
    values = {f"key-{number}": number for number in range(300)}
    assert client.set_multi(values, time=100, min_compress_len=10) == []
    assert client.get_multi([*values, "none"]) == values
    assert client.get_multi(["1", "2", "none"], key_prefix="key-") == {"1": 1, "2": 2}
    assert client.add_multi({"key-1": 0, "new": 0}, time=100) == ["key-1"]
    assert client.delete_multi(["key-1", "new"]) is True
    assert client.delete_multi(["key-1", "key-2"]) is False
    assert client.get_multi(["key-1", "key-2", "key-3", "new"]) == {"key-3": 3}


def too_large(make: Make) -> None:
    client = make()
    assert client.set("a", "x")
    with pytest.raises(pylibmc.Error):
        client.set("a", os.urandom(1 << 20))
    assert make().get("a") is None, "a set that failed leaves nothing"


def exptimes(make: Make) -> None:
    client = make()
    assert client.set("stays", "x", time=3600)
    assert client.set("soon", "x", time=1)
    end = time.monotonic() + 10
    while client.get("soon") is not None and time.monotonic() < end:
        time.sleep(0.05)
    assert client.get("soon") is None
    assert client.flush_all(time=1000) is True
    assert client.get("stays") == "x"
    assert client.flush_all() is True
    assert client.get("stays") is None


def reports(make: Make) -> None:
    client = make()
    ((_, before),) = client.get_stats()
    assert client.set("a", "x")
    ((_, after),) = client.get_stats()
    assert int(after["cmd_set"]) == int(before["cmd_set"]) + 1
    client.disconnect_all()
    assert client.get("a") == "x", "it connects again"


def behaviours(make: Make) -> None:
    """Sockets that do not block, and hashes of the client's."""
    for behaviours in (
        {"no_block": True},
        {"tcp_nodelay": True, "tcp_keepalive": True},
        {"ketama": True, "hash": "md5"},
    ):
        client = make(behaviors=behaviours)
        client.flush_all()
        assert client.behaviors[next(iter(behaviours))]
        values = {f"key-{number}": "x" * number for number in range(200)}
        assert client.set_multi(values) == []
        assert client.get_multi(list(values)) == values
    client.set_behaviors({"cas": True})
    assert client.get_behaviors()["cas"]
    assert client.gets("key-1")[0] == "x"


def mapping(make: Make) -> None:
    client = make()
    plain = client._inner
    plain["a"] = "x"
    assert plain["a"] == "x"
    assert "a" in plain
    del plain["a"]
    assert "a" not in plain
    with pytest.raises(KeyError):
        plain["a"]
    again = client.clone()
    assert again.set("a", "y")
    assert client.get("a") == "y"
    pool = pylibmc.ClientPool(plain, 3)
    with pool.reserve() as one, pool.reserve() as other:
        assert one.set("a", "z")
        assert other.get("a") == "z"
    assert client.hash("a") >= 0
    data, flags = client.serialize([1])
    assert client.deserialize(data, flags) == [1]


STORIES: dict[str, Callable[[Make], None]] = {
    story.__name__: story
    for story in (
        storage,
        touching,
        missed,
        cas,
        counters,
        not_a_number,
        several,
        too_large,
        exptimes,
        reports,
        behaviours,
        mapping,
    )
}
QUICK = ("storage", "missed", "cas", "several", "too_large")
BINARY = pytest.mark.parametrize("binary", [False, True], ids=["text", "binary"])


def tell(name: str, address: str, notes: Notes, *, binary: bool) -> None:
    """One story in one of the two protocols."""

    def make(**more: Any) -> Noting:
        return made(pylibmc.Client, notes, [address], binary=binary, **more)

    STORIES[name](make)


@BINARY
@pytest.mark.parametrize("name", STORIES)
def test_story(name: str, server: RunningServer, *, binary: bool) -> None:
    tell(name, server.target, set(), binary=binary)


@BINARY
@pytest.mark.parametrize("name", QUICK)
def test_story_over_a_unix_socket(name: str, unix_server: Path, *, binary: bool) -> None:
    tell(name, str(unix_server), set(), binary=binary)


@BINARY
def test_writing_over_udp(udp_server: RunningServer, *, binary: bool) -> None:
    """All that libmemcached does over UDP: it asks for no replies, so what is left is seen over TCP."""
    client = pylibmc.Client([f"udp:{udp_server.target}"], binary=binary)
    beside = pylibmc.Client([udp_server.target])

    def found() -> dict[str, str]:
        # A counter that became shorter may keep its length, with a blank.
        return {key: value.rstrip() for key, value in beside.get_multi(["a", "b", "c"]).items()}

    def left(expected: dict[str, str]) -> None:
        end = time.monotonic() + 10
        while found() != expected and time.monotonic() < end:
            time.sleep(0.01)
        assert found() == expected

    assert client.set("a", "1")
    assert client.set("b", "2")
    left({"a": "1", "b": "2"})
    client.add("a", "no")
    client.add("c", "3")
    left({"a": "1", "b": "2", "c": "3"})
    client.replace("a", "10")
    client.append("b", ">")
    left({"a": "10", "b": "2>", "c": "3"})
    client.prepend("b", "<")
    client.incr("a", 5)
    client.delete("c")
    left({"a": "15", "b": "<2>"})
    client.decr("a", 100)
    left({"a": "0", "b": "<2>"})
    client.flush_all()
    left({})
    for reads in (lambda: client.get("a"), client.get_stats):
        with pytest.raises(pylibmc.NotSupportedError):
            reads()


SASL = """
import sys, pylibmc
address, user, password = sys.argv[1:]
client = pylibmc.Client([address], binary=True, username=user, password=password)
try:
    print(client.set("a", "x"), client.get("a"), client.set_multi({"b": 1, "c": 2}), client.get_multi(["b", "c"]))
except pylibmc.Error as error:
    print("refused", error)
"""


@pytest.mark.parametrize(("password", "expected"), [(PASSWORD, "True x [] {'b': 1, 'c': 2}"), ("wrong", "refused")])
def test_sasl(password: str, expected: str, sasl_server: RunningServer) -> None:
    """Cyrus SASL on the client's side; the one in pylibmc's wheel is told where the system has the mechanisms."""
    plain = next(Path("/usr/lib").glob("*/sasl2/libplain.so*"), None)
    if plain is None:
        missing("the mechanism PLAIN of Cyrus SASL", "libsasl2-modules")
    assert plain is not None
    done = subprocess.run(
        [sys.executable, "-c", SASL, sasl_server.target, USER, password],
        env={**os.environ, "SASL_PATH": str(plain.parent)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.startswith(expected), done.stdout


def test_without_a_name_nothing_is_answered(sasl_server: RunningServer) -> None:
    for binary in (False, True):
        client = pylibmc.Client([sasl_server.target], binary=binary, behaviors={"_poll_timeout": 300})
        with pytest.raises(pylibmc.Error):
            client.set("a", "x")


def test_nothing_that_the_client_has_is_left_out(server: RunningServer) -> None:
    notes: Notes = set()
    for name in STORIES:
        tell(name, server.target, notes, binary=False)
    # Its commands are C and do not tell their parameters; the names of a constructor's are known.
    wanted = {note for note in everything(pylibmc.Client) if not note.endswith(")")} - {"Client.behaviours"}
    assert len(wanted) > 25
    assert wanted - notes == set()


def test_a_story_left_out_is_noticed(server: RunningServer) -> None:
    notes: Notes = set()
    for name in QUICK:
        tell(name, server.target, notes, binary=True)
    assert "Client.incr_multi" in everything(pylibmc.Client) - notes
