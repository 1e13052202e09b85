"""pymemcache, a client of the text protocol in wide use: every command that it has.

Plain, pooled, hashed, over a Unix socket and over TLS; on the bundled server and on a real memcached alike.
"""

from __future__ import annotations

import contextlib
import ssl
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pymemcache.client.base import Client, PooledClient
from pymemcache.client.hash import HashClient
from pymemcache.exceptions import MemcacheClientError, MemcacheServerError, MemcacheUnknownCommandError

from tests.conftest import RunningServer
from tests.e2e.noting import Notes, Noting, everything, made
from tests.e2e.peers import certificate, peer
from tests.e2e.support import talk

Story = Callable[[Any], None]
KINDS = (Client, PooledClient)


def storage(client: Any) -> None:
    client.flush_all()
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
    assert client.get("e", default=b"other") == b"other"
    # The same under other names, and with every option.
    options: dict[str, Any] = {"expire": 100, "noreply": False, "flags": 5}
    for command in (client.set, client.replace, client.append, client.prepend):
        assert command("a", b"-", **options) is True
    assert client.add("new", b"-", **options) is True
    assert client.set_multi({"x": b"1"}, **options) == []
    assert client.set_many({"y": b"2"}, **options) == []
    assert client.get_multi(["a", "x", "y"]) == {"a": b"---", "x": b"1", "y": b"2"}
    assert client.delete_multi(["x", "none"], noreply=False) is True


def cas(client: Any) -> None:
    client.flush_all()
    assert client.gets("a") == (None, None)
    if hasattr(client, "cache_memlimit"):  # a pool has fewer options
        assert client.gets("a", default=b"v", cas_default=b"c") == (b"v", b"c")
    assert client.set("a", b"1")
    value, unique = client.gets("a")
    assert value == b"1"
    assert client.cas("a", b"2", unique) is True
    assert client.cas("a", b"3", unique) is False
    assert client.cas("nothing", b"3", unique) is None
    assert client.set("b", b"4")
    found = client.gets_many(["a", "b", "c"])
    assert {key: value for key, (value, _) in found.items()} == {"a": b"2", "b": b"4"}
    assert client.cas("b", b"5", found["b"][1], expire=100, noreply=False, flags=5) is True


def counters_touch_and_delete(client: Any) -> None:
    client.flush_all()
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


def exptimes(client: Any) -> None:
    assert client.set("gone", b"x", expire=-1)
    assert client.get("gone") is None
    assert client.set("stays", b"x", expire=3600)
    assert client.get("stays") == b"x"
    assert client.set("soon", b"x", expire=1)
    end = time.monotonic() + 5
    while client.get("soon") is not None and time.monotonic() < end:
        time.sleep(0.05)
    assert client.get("soon") is None


def noreply(client: Any) -> None:
    """Silence where it was asked for: an answer too many would be taken for the next one's."""
    client.flush_all()
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


def the_rest(client: Any) -> None:
    before = client.stats()
    assert client.set("a", b"x")
    stats = client.stats()
    assert stats[b"cmd_set"] == before[b"cmd_set"] + 1
    assert client.version() == stats[b"version"]
    assert client.stats("settings")[b"maxbytes"] == 64 << 20
    with pytest.raises(MemcacheUnknownCommandError):
        client.raw_command("nonsense")
    assert client.raw_command(b"verbosity 0") == b"OK"
    assert client.flush_all(delay=100, noreply=False) is True
    assert client.get("a") == b"x"
    assert client.flush_all() is True
    assert client.get("a") is None
    client.quit()
    assert client.set("after-quit", b"x"), "it connects again"
    client.disconnect_all()
    assert client.get("after-quit") == b"x"


def large_values_and_refusals(client: Any) -> None:
    version = client.version()
    large = bytes(range(256)) * 4000
    assert client.set("large", large)
    assert client.get("large") == large
    with pytest.raises(MemcacheServerError, match="too large"):
        client.set("large", b"x" * (1 << 20))
    assert client.version() == version


def gat_and_gats(client: Any) -> None:
    """This client's version has neither: the commands are written through its raw form."""
    assert client.set("a", b"x", flags=3)
    assert client.raw_command("gat 100 a", end_tokens=b"END\r\n") == b"VALUE a 3 1\r\nx\r\n"
    unique = client.gets("a")[1].decode()
    assert client.raw_command("gats 100 a", end_tokens=b"END\r\n") == f"VALUE a 3 1 {unique}\r\nx\r\n".encode()
    assert client.raw_command("gat 100 none", end_tokens=b"END\r\n") == b""


def what_an_operator_may_do(client: Any) -> None:
    """The client reports what the server refuses, and the connection goes on."""
    if hasattr(client, "cache_memlimit"):  # a pool has fewer commands
        assert client.cache_memlimit(64)
    for graceful in (False, True):
        with pytest.raises((MemcacheServerError, MemcacheUnknownCommandError)):
            client.shutdown(graceful=graceful)
    with pytest.raises(MemcacheUnknownCommandError):
        client.stats("nothing")
    assert client.version()


STORIES: dict[str, Story] = {
    story.__name__: story
    for story in (
        storage,
        cas,
        counters_touch_and_delete,
        exptimes,
        noreply,
        the_rest,
        large_values_and_refusals,
        gat_and_gats,
        what_an_operator_may_do,
    )
}


@contextlib.contextmanager
def connected(kind: type, address: Any, notes: Notes, **options: Any) -> Iterator[Noting]:
    """A client that waits for every reply, and is closed in the end."""
    client = made(kind, notes, address, timeout=10, connect_timeout=10, default_noreply=False, **options)
    try:
        yield client
    finally:
        client.close()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", STORIES)
def test_story(name: str, kind: type, server: RunningServer) -> None:
    with connected(kind, (server.host, server.port), set()) as client:
        STORIES[name](client)
    assert server.process.poll() is None


@pytest.mark.parametrize("name", ["storage", "noreply", "the_rest", "large_values_and_refusals"])
def test_story_over_a_unix_socket(name: str, unix_server: Path) -> None:
    with connected(Client, str(unix_server), set()) as client:
        STORIES[name](client)


@pytest.mark.parametrize("name", ["storage", "noreply", "the_rest", "large_values_and_refusals"])
def test_story_over_tls(name: str, tls_server: RunningServer, certificates: Path) -> None:
    context = ssl.create_default_context(cafile=str(certificate(certificates)[0]))
    with connected(Client, (tls_server.host, tls_server.port), set(), tls_context=context) as client:
        STORIES[name](client)


def test_an_old_item_is_touched_and_gone(server: RunningServer) -> None:
    with server.connect() as raw:
        assert talk(raw, b"set touched 3 0 1\r\nx\r\n", b"\r\n") == b"STORED\r\n"
        found = talk(raw, b"gat -1 touched\r\nget touched\r\n", b"END\r\nEND\r\n")
        assert found == b"VALUE touched 3 1\r\nx\r\nEND\r\nEND\r\n"


@pytest.mark.parametrize("pooled", [False, True])
def test_hash_client(server: RunningServer, request: pytest.FixtureRequest, *, pooled: bool) -> None:
    name = "memcached" if "memcached" in request.node.callspec.id else "mcserver"
    notes: Notes = set()
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(peer(name, request).running()) for _ in range(2)]
        client = made(
            HashClient, notes, [(one.host, one.port) for one in servers], default_noreply=False, use_pooling=pooled
        )
        client.add_server(server.host, server.port)
        values = {f"key-{number}": b"%d" % number for number in range(60)}
        assert client.set_many(values) == client.set_multi(values) == []
        assert client.get_many(list(values)) == client.get_multi(list(values)) == values
        for command in (client.gets_many, client.gets_multi):
            assert {key: value for key, (value, _) in command(list(values)).items()} == values
        held = []
        for one in (*servers, server):
            with connected(Client, (one.host, one.port), set()) as alone:
                held.append(len(alone.get_many(list(values))))
        assert sum(held) == len(values)
        assert min(held) > 0, "every server has its share"
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
        assert client.set("key-1", b"d") is True
        assert client.delete("key-1") is True
        assert client.delete_many(["key-2", "key-3"]) is client.delete_multi(["key-2"]) is True
        assert set(values) - set(client.get_many(list(values))) == {"key-1", "key-2", "key-3"}
        client.flush_all()
        assert client.get_many(list(values)) == {}
        client.disconnect_all()
        client.quit()
        client.close()
    # A server can be removed only after it failed, which is between the client and itself.
    own = {"HashClient.client_class", "HashClient.remove_server"}
    wanted = {note for note in everything(HashClient) if "(" not in note} - own
    assert len(wanted) > 20
    assert wanted - notes == set()


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_that_the_client_has_is_left_out(kind: type, server: RunningServer) -> None:
    notes: Notes = set()
    for story in STORIES.values():
        with connected(kind, (server.host, server.port), notes) as client:
            story(client)
    # What makes a client, and what asks no server, is its own business.
    title, own = f"{kind.__name__}.", ("client_class", "check_key")
    wanted = {
        note for note in everything(kind) if note.startswith(title) and not note.removeprefix(title).startswith(own)
    }
    assert len(wanted) > 90
    assert wanted - notes == set()


def test_a_story_left_out_is_noticed(server: RunningServer) -> None:
    notes: Notes = set()
    for name in ("storage", "cas"):
        with connected(Client, (server.host, server.port), notes) as client:
            STORIES[name](client)
    assert {"Client.incr", "Client.flush_all(delay)"} <= everything(Client) - notes
