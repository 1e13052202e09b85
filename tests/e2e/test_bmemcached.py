"""python-binary-memcached, a client of the binary protocol: every command that it has.

Plain, over a Unix socket, over TLS, and behind SASL; on the bundled server and on a real memcached alike.
"""

from __future__ import annotations

import bz2
import json
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bmemcached
import pytest
from bmemcached.exceptions import MemcachedException

from tests.conftest import RunningServer
from tests.e2e.noting import Notes, Noting, everything, made
from tests.e2e.peers import PASSWORD, USER, certificate, peer

Make = Callable[..., Noting]
KINDS = (bmemcached.ReplicatingClient, bmemcached.DistributedClient)
NOBODYS = 2**62


def storage(make: Make) -> None:
    client = make()
    client.flush_all()
    values = {"text": "grün", "bytes": b"\r\n\0\xff", "int": -5, "long": "x" * 9000, "list": [1, "x"]}
    for name, value in values.items():
        assert client.set(name, value) is True
        assert client.get(name) == value
    assert client.get("none") is None
    assert client.get("none", default="other") == "other"
    assert client.add("text", "no", time=100) is False
    assert client.add("new", "yes", time=100, compress_level=0) is True
    assert client.replace("new", "again", time=100, compress_level=9) is True
    assert client.replace("none", "no") is False
    assert client.set("long", "y" * 9000, time=100, compress_level=9)
    assert client.get("long") == "y" * 9000
    assert client.get_multi([*values, "none"]) == {**values, "long": "y" * 9000}
    assert client.get_multi([]) == {}
    assert client.delete("new") is True
    assert client.get("new") is None
    assert client.delete("new") is True, "a miss is as good"
    large = bytes(range(256)) * 4000
    assert client.set("large", large, compress_level=0)
    assert client.get("large") == large
    with pytest.raises(MemcachedException, match="Too large"):
        client.set("large", b"x" * (1 << 20), compress_level=0)
    assert client.get("large") is None, "a set that failed leaves nothing"
    assert client.get("text") == "grün", "the connection goes on"


def cas(make: Make) -> None:
    client = make()
    client.flush_all()
    assert client.gets("a") == (None, None)
    stored, first = client.set("a", "1", get_cas=True)
    assert stored
    assert client.gets("a") == client.get("a", get_cas=True) == ("1", first)
    stored, second = client.cas("a", "2", first, time=100, compress_level=0, get_cas=True)
    assert stored
    assert second not in {first, None}
    assert client.cas("a", "3", first) is False
    assert client.cas("a", "3", NOBODYS, get_cas=True) == (False, None)
    assert client.cas("none", "3", NOBODYS) is False
    stored, third = client.replace("a", "4", get_cas=True)
    assert stored
    assert client.add("b", "5", get_cas=True)[0]
    assert client.add("b", "5", get_cas=True) == (False, None)
    assert client.get_multi(["a", "none"], get_cas=True) == {"a": ("4", third)}
    assert client.delete("a", cas=NOBODYS) is False
    assert client.get("a") == "4"
    assert client.delete("a", cas=third) is True
    assert client.get("a") is None


def several(make: Make) -> None:
    """Quiet requests with a noop behind them: what failed is told, and nothing else."""
    client = make()
    client.flush_all()
    values = {f"key-{number}": f"value-{number}" for number in range(300)}
    assert client.set_multi(values, time=100, compress_level=0) == []
    assert client.get_multi(list(values)) == values
    uniques = client.set_multi_cas({"key-1": "one", "key-2": "two"}, time=100, compress_level=0)
    assert client.get_multi(list(uniques), get_cas=True) == {
        "key-1": ("one", uniques["key-1"]),
        "key-2": ("two", uniques["key-2"]),
    }
    # A pair (key, cas) compares, and 0 adds.
    pairs = {("key-1", uniques["key-1"]): "ONE", ("key-2", NOBODYS): "no", ("new", 0): "new"}
    right = client.set_multi_cas(pairs)
    assert right["key-2"] is None
    assert None not in {right["key-1"], right["new"]}
    failed = client.set_multi({("key-1", NOBODYS): "no", ("new", 0): "no", "key-3": "three"})
    assert sorted(key for key, _ in failed) == ["key-1", "new"]
    assert client.get_multi(["key-1", "key-2", "key-3", "new"]) == {
        "key-1": "ONE",
        "key-2": "two",
        "key-3": "three",
        "new": "new",
    }
    assert client.delete_multi(["key-1", "key-2"]) is True
    assert client.delete_multi(["key-2", "key-3"]) is False
    assert client.get_multi(["key-1", "key-2", "key-3"]) == {}


def counters(make: Make) -> None:
    client = make()
    client.flush_all()
    assert client.incr("n", 5, default=40, time=100) == 40, "made, not counted"
    assert client.incr("n", 5) == 45
    assert client.decr("n", 3) == 42
    assert client.decr("m", 3, default=7, time=100) == 7
    assert client.decr("m", 100) == 0
    assert client.incr("m", 2**64 - 1) == 2**64 - 1
    assert client.incr("m", 1) == 0
    with pytest.raises(MemcachedException, match="Code: 1 "):
        client.incr("none", 1, time=0xFFFFFFFF)
    assert client.set("text", "x")
    for command in (client.incr, client.decr):
        with pytest.raises(MemcachedException, match="Non-numeric"):
            command("text", 1)
    assert client.get("n") == "42"


def exptimes(make: Make) -> None:
    client = make()
    assert client.set("stays", "x", time=3600)
    assert client.set("soon", "x", time=1)
    assert client.set("far", "x", time=-1), "which this client sends as 0xfffffffe"
    end = time.monotonic() + 10
    while client.get("soon") is not None and time.monotonic() < end:
        time.sleep(0.05)
    assert client.get("soon") is None
    assert client.get("stays") == "x"
    assert client.flush_all(time=1000) is True
    assert client.get("stays") == "x"
    assert client.flush_all() is True
    assert client.get("stays") is None


def reports(make: Make) -> None:
    client = make()
    (server,) = client.servers
    before = client.stats()[server.server]
    assert client.set("a", "x")
    after = client.stats()[server.server]
    assert int(after["cmd_set"]) == int(before["cmd_set"]) + 1
    assert client.stats(key="settings")[server.server]["maxbytes"] == b"67108864"
    assert client.stats(key=b"items")[server.server]
    assert server.noop() == 0
    client.disconnect_all()
    assert client.get("a") == "x", "it connects again"
    client.disconnect_all()
    client.set_servers([server.server])
    assert client.stats()[server.server]


def ways_to_store(make: Make) -> None:
    """Pickles, compression and bare bytes: the server keeps whatever flags the client needs."""
    client = make(pickle_protocol=4, compression=bz2, socket_timeout=10)
    assert client.set("a", {"deep": [1, 2]}, compress_level=9)
    assert client.get("a") == {"deep": [1, 2]}

    class Json:
        def __init__(self, file: Any, *_: Any) -> None:
            self.file = file

        def dump(self, value: Any) -> None:
            self.file.write(json.dumps(value).encode())

        def load(self) -> Any:
            return json.loads(self.file.read())

    client = make(pickler=Json, unpickler=Json)
    assert client.set("a", [1, "x"])
    assert client.get("a") == [1, "x"]
    raw = make(raw_data=True)
    assert raw.get("a") == b'[1, "x"]'
    assert raw.set("a", b"\0\1")
    assert client.get("a") in {"\0\1", b"\0\1"}


def patience(make: Make) -> None:
    client = make(kind=bmemcached.ReplicatingClient)
    client.enable_retry_delay(enable=False)
    assert client.set("a", "x")


STORIES: dict[str, Callable[[Make], None]] = {
    story.__name__: story for story in (storage, cas, several, counters, exptimes, reports, ways_to_store, patience)
}


def tell(name: str, address: str, notes: Notes, kind: type = KINDS[0], **options: Any) -> None:
    """One story; its clients are closed in the end."""
    clients: list[Noting] = []

    def make(kind: type = kind, **more: Any) -> Noting:
        clients.append(made(kind, notes, servers=[address], **options, **more))
        return clients[-1]

    try:
        STORIES[name](make)
    finally:
        for client in clients:
            client.disconnect_all()


@pytest.mark.parametrize("name", STORIES)
def test_story(name: str, server: RunningServer) -> None:
    tell(name, server.target, set())


@pytest.mark.parametrize("name", ["storage", "several", "reports"])
def test_story_over_a_unix_socket(name: str, unix_server: Path) -> None:
    tell(name, str(unix_server), set())


@pytest.mark.parametrize("name", ["storage", "several", "reports"])
def test_story_over_tls(name: str, tls_server: RunningServer, certificates: Path) -> None:
    chain, _ = certificate(certificates)
    tell(name, tls_server.target, set(), tls_context=ssl.create_default_context(cafile=str(chain)))


@pytest.mark.parametrize("name", ["storage", "cas", "several", "counters", "reports"])
def test_story_behind_sasl(name: str, sasl_server: RunningServer) -> None:
    tell(name, sasl_server.target, set(), username=USER, password=PASSWORD)


STRANGERS = [(USER, "wrong"), ("nobody", PASSWORD), (USER, PASSWORD + "s"), (USER, PASSWORD[:1])]


@pytest.mark.parametrize(("user", "password"), STRANGERS)
def test_who_is_not_let_in(user: str, password: str, sasl_server: RunningServer) -> None:
    client = bmemcached.Client([sasl_server.target], user, password)
    (server,) = client.servers
    with pytest.raises(MemcachedException, match="Auth failure"):
        server.authenticate(user, password)
    assert not server.authenticated
    client.disconnect_all()
    assert server.authenticate(USER, PASSWORD) is True, "who errs may try again"
    assert client.set("a", "x")
    client.disconnect_all()


def test_without_a_name_nothing_is_answered(sasl_server: RunningServer) -> None:
    inside = bmemcached.Client([sasl_server.target], USER, PASSWORD)
    assert inside.set("secret", "x")
    outside = bmemcached.Client([sasl_server.target])
    with pytest.raises(MemcachedException, match="Auth failure"):
        outside.get("secret")
    outside.disconnect_all()
    with pytest.raises(MemcachedException, match="Auth failure"):
        outside.set("secret", "y")
    outside.disconnect_all()
    assert inside.get("secret") == "x"
    inside.disconnect_all()


def test_a_name_where_none_is_asked_for(server: RunningServer) -> None:
    """The server has no SASL: it says that it does not know the command, and the client goes on."""
    client = bmemcached.Client([server.target], USER, PASSWORD)
    assert client.set("a", "x")
    client.disconnect_all()


def test_no_password_is_logged(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """At the highest verbosity, of those who come in and those who do not."""
    with peer("mcserver", request).with_sasl(tmp_path, "-vvv") as server:
        for password in (PASSWORD, "wrong-pass"):
            client = bmemcached.Client([server.target], USER, password)
            try:
                client.set("a", "x")
            except MemcachedException:
                assert password != PASSWORD
            client.disconnect_all()
        written = server.log.read_text(encoding="utf-8", errors="replace")
    assert PASSWORD not in written
    assert "wrong-pass" not in written


def test_two_servers(server: RunningServer, request: pytest.FixtureRequest) -> None:
    """Distributed, each has its share; replicated, both have all."""
    name = "memcached" if "memcached" in request.node.callspec.id else "mcserver"
    with peer(name, request).running() as second:
        targets = [server.target, second.target]
        values = {f"key-{number}": f"{number}" for number in range(100)}
        spread, copied = bmemcached.DistributedClient(targets), bmemcached.ReplicatingClient(targets)
        alone = [bmemcached.Client([target]) for target in targets]
        assert spread.flush_all()
        assert spread.set_multi(values) == []
        assert spread.get_multi(list(values)) == values
        shares = [one.get_multi(list(values)) for one in alone]
        assert {**shares[0], **shares[1]} == values
        assert sum(map(len, shares)) == len(values)
        assert all(shares)
        assert copied.set_multi(values) == []
        assert [one.get_multi(list(values)) for one in alone] == [values, values]
        for client in (spread, copied, *alone):
            client.disconnect_all()


def test_nothing_that_the_client_has_is_left_out(server: RunningServer, certificates: Path) -> None:
    notes: Notes = {f"{kind.__name__}(tls_context)" for kind in KINDS}  # `test_story_over_tls`
    assert certificate(certificates)
    for name in STORIES:
        for kind in KINDS:
            tell(name, server.target, notes, kind, username=USER, password=PASSWORD)
    wanted = everything(*KINDS)
    assert len(wanted) > 100
    assert wanted - notes == set()


def test_a_story_left_out_is_noticed(server: RunningServer) -> None:
    notes: Notes = set()
    for name in STORIES.keys() - {"several", "exptimes"}:
        tell(name, server.target, notes)
    assert "ReplicatingClient.delete_multi" in everything(*KINDS) - notes
