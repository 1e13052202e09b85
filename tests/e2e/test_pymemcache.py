"""pymemcache, a client in wide use: every command that it has, plain, pooled, hashed and over a Unix socket."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pymemcache.client.base import Client, PooledClient
from pymemcache.client.hash import HashClient
from pymemcache.exceptions import MemcacheClientError, MemcacheServerError, MemcacheUnknownCommandError

from mcserver import PROTOCOL_VERSION
from tests import conftest
from tests.e2e.support import mcserver_command, talk

Start = Callable[..., conftest.RunningServer]
VERSION = PROTOCOL_VERSION.encode()


@pytest.fixture(params=["plain", "pooled", "unix"])
def client(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    """A client of each kind that has all commands, each of a server of its own."""
    if request.param != "unix":
        server = request.getfixturevalue("mcserver_process")
        kind = Client if request.param == "plain" else PooledClient
        made = kind((server.host, server.port), timeout=5, connect_timeout=5, default_noreply=False)
        yield made
        made.close()
        return
    path = tmp_path / "memcached.sock"
    process = subprocess.Popen([*mcserver_command(), "-s", str(path)])
    try:
        end = time.monotonic() + 10
        while not path.exists() and time.monotonic() < end:
            time.sleep(0.02)
        made = Client(str(path), timeout=5, connect_timeout=5, default_noreply=False)
        yield made
        made.close()
    finally:
        process.terminate()
        assert process.wait(10) == 0
    assert not path.exists()


def test_storage(client: Any) -> None:
    assert client.set("a", b"1", flags=7)
    assert client.get("a") == b"1"
    assert client.add("a", b"2") is False
    assert client.add("b", b"2") is True
    assert client.replace("b", b"3") is True
    assert client.replace("nothing", b"3") is False
    assert client.append("b", b">") is True
    assert client.append("nothing", b">") is False
    assert client.prepend("b", b"<") is True
    assert client.prepend("nothing", b"<") is False
    assert client.get("b") == b"<3>"
    assert client.set_many({"c": b"4", "d": b"5"}) == []
    assert client.get_many(["a", "b", "c", "d", "e"]) == {"a": b"1", "b": b"<3>", "c": b"4", "d": b"5"}
    assert client.get_many([]) == {}


def test_cas(client: Any) -> None:
    assert client.gets("a") == (None, None)
    assert client.set("a", b"1")
    value, unique = client.gets("a")
    assert value == b"1"
    assert client.cas("a", b"2", unique) is True
    assert client.cas("a", b"3", unique) is False
    assert client.cas("nothing", b"3", unique) is None
    assert client.set("b", b"4")
    found = client.gets_many(["a", "b", "c"])
    assert {key: value for key, (value, _) in found.items()} == {"a": b"2", "b": b"4"}
    assert client.cas("b", b"5", found["b"][1]) is True


def test_counters_touch_and_delete(client: Any) -> None:
    assert client.set("n", b"10")
    assert client.incr("n", 5) == 15
    assert client.decr("n", 20) == 0
    assert client.incr("n", 2**64 - 1) == 2**64 - 1
    assert client.incr("n", 1) == 0
    assert client.incr("nothing", 1) is None
    assert client.decr("nothing", 1) is None
    assert client.set("text", b"x")
    with pytest.raises(MemcacheClientError, match="non-numeric"):
        client.incr("text", 1)
    assert client.touch("n", 100) is True
    assert client.touch("nothing", 100) is False
    assert client.touch("n", -1) is True
    assert client.get("n") is None
    assert client.delete("text") is True
    assert client.delete("text") is False
    assert client.set_many({"a": b"", "b": b""}) == []
    assert client.delete_many(["a", "b", "c"]) is True
    assert client.get_many(["a", "b"]) == {}


def test_exptimes(client: Any) -> None:
    assert client.set("gone", b"x", expire=-1)
    assert client.get("gone") is None
    assert client.set("stays", b"x", expire=3600)
    assert client.get("stays") == b"x"
    assert client.set("soon", b"x", expire=1)
    end = time.monotonic() + 5
    while client.get("soon") is not None and time.monotonic() < end:
        time.sleep(0.05)
    assert client.get("soon") is None


def test_noreply(client: Any) -> None:
    """Silence where it was asked for: an answer too many would be taken for the next one's."""
    client.set("a", b"1", noreply=True)
    client.add("a", b"no", noreply=True)
    client.add("b", b"2", noreply=True)
    client.replace("b", b"3", noreply=True)
    client.append("b", b">", noreply=True)
    client.prepend("b", b"<", noreply=True)
    client.set_many({"c": b"4", "d": b"5", "n": b"10"}, noreply=True)
    assert client.get_many("abcd") == {"a": b"1", "b": b"<3>", "c": b"4", "d": b"5"}
    unique = client.gets("a")[1]
    client.cas("a", b"6", unique, noreply=True)
    client.cas("a", b"no", unique, noreply=True)
    client.incr("n", 1, noreply=True)
    client.decr("n", 3, noreply=True)
    client.incr("nothing", 3, noreply=True)
    client.touch("a", 100, noreply=True)
    client.touch("nothing", 100, noreply=True)
    client.delete("c", noreply=True)
    client.delete_many(["c", "d"], noreply=True)
    assert client.get_many("abcdn") == {"a": b"6", "b": b"<3>", "n": b"8 "}
    client.flush_all(noreply=True)
    assert client.get_many("abn") == {}


def test_the_rest(client: Any) -> None:
    assert client.version() == VERSION
    assert client.set("a", b"x")
    stats = client.stats()
    assert (stats[b"version"], stats[b"curr_items"]) == (VERSION, 1)
    assert client.stats("settings")[b"maxbytes"] == 64 << 20
    with pytest.raises(MemcacheUnknownCommandError):
        client.raw_command("nonsense")
    assert client.raw_command(b"verbosity 0") == b"OK"
    assert client.flush_all(delay=100) is True
    assert client.get("a") == b"x"
    assert client.flush_all() is True
    assert client.get("a") is None
    client.quit()
    assert client.set("after-quit", b"x"), "it connects again"


def test_large_values_and_refusals(client: Any) -> None:
    large = bytes(range(256)) * 4000
    assert client.set("large", large)
    assert client.get("large") == large
    with pytest.raises(MemcacheServerError, match="too large"):
        client.set("large", b"x" * (1 << 20))
    assert client.version() == VERSION


def test_gat_and_gats(mcserver_process: conftest.RunningServer) -> None:
    """This client's version has neither: the commands are written through its raw form."""
    with mcserver_process.connect() as raw:
        client = Client((mcserver_process.host, mcserver_process.port), timeout=5, default_noreply=False)
        assert client.set("a", b"x", flags=3)
        assert client.raw_command("gat 100 a", end_tokens=b"END\r\n") == b"VALUE a 3 1\r\nx\r\n"
        unique = client.gets("a")[1].decode()
        assert client.raw_command("gats 100 a", end_tokens=b"END\r\n") == f"VALUE a 3 1 {unique}\r\nx\r\n".encode()
        assert client.raw_command("gat 100 b", end_tokens=b"END\r\n") == b""
        assert talk(raw, b"gat -1 a\r\nget a\r\n", b"END\r\nEND\r\n") == b"VALUE a 3 1\r\nx\r\nEND\r\nEND\r\n"
        client.close()


def test_what_an_operator_may_do(mcserver_process: conftest.RunningServer) -> None:
    """The client reports what the server refuses, and the connection goes on."""
    client = Client((mcserver_process.host, mcserver_process.port), timeout=5, default_noreply=False)
    assert client.cache_memlimit(64)
    with pytest.raises(MemcacheServerError):
        client.shutdown()
    with pytest.raises(MemcacheServerError):
        client.shutdown(graceful=True)
    with pytest.raises(MemcacheUnknownCommandError):
        client.stats("nothing")
    assert client.version() == VERSION
    client.close()
    assert mcserver_process.process.poll() is None


def test_hash_client(start_mcserver: Start) -> None:
    servers = [start_mcserver() for _ in range(3)]
    client = HashClient([(server.host, server.port) for server in servers], timeout=5, default_noreply=False)
    values = {f"key-{number}": b"%d" % number for number in range(60)}
    assert client.set_many(values) == []
    assert client.get_many(list(values)) == values
    assert {key: value for key, (value, _) in client.gets_many(list(values)).items()} == values
    assert client.incr("key-1", 1) == 2
    assert client.decr("key-1", 1) == 1
    assert client.add("key-1", b"no") is False
    assert client.replace("key-1", b"r") is True
    assert client.append("key-1", b">") is True
    assert client.prepend("key-1", b"<") is True
    value, unique = client.gets("key-1")
    assert value == b"<r>"
    assert client.cas("key-1", b"c", unique) is True
    assert client.touch("key-1", 100) is True
    assert client.get("key-1") == b"c"
    assert client.delete("key-1") is True
    assert client.delete_many(["key-2", "key-3"]) is True
    held = []
    for server in servers:
        one = Client((server.host, server.port), timeout=5)
        held.append(one.stats()[b"curr_items"])
        one.close()
    assert sum(held) == len(values) - 3
    assert min(held) > 0, "every server has its share"
    client.flush_all()
    assert client.get_many(list(values)) == {}
    client.quit()
    client.close()
