"""aiomcache, an asyncio client of the text protocol: every command that it has, over TCP and over TLS.

Its own connections are its business; the tests are about the server, the bundled one and a real memcached alike.
"""

from __future__ import annotations

import asyncio
import gc
import json
import ssl
import time
import warnings
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiomcache import Client, ClientException, FlagClient

from tests.conftest import RunningServer
from tests.e2e.noting import Notes, Noting, everything, made
from tests.e2e.peers import BOTH, certificate, peer

Make = Callable[..., Noting]
Story = Callable[[Make], Awaitable[None]]
HIDDEN = ("conn",)
"""The client's own decorator gives each command its connection."""


async def storage(make: Make) -> None:
    client = make()
    await client.flush_all()
    assert await client.set(b"a", b"1")
    assert await client.add(b"a", b"2", exptime=100) is False
    assert await client.add(b"b", b"2", exptime=100) is True
    assert await client.replace(b"b", b"3", exptime=100) is True
    assert await client.replace(b"none", b"3") is False
    assert await client.append(b"b", b">", exptime=100) is True
    assert await client.append(b"none", b">") is False
    assert await client.prepend(b"b", b"<", exptime=100) is True
    assert await client.prepend(b"none", b"<") is False
    assert await client.get(b"b") == b"<3>"
    assert await client.get(b"none") is None
    assert await client.get(b"none", default=b"other") == b"other"
    assert await client.multi_get(b"a", b"none", b"b") == (b"1", None, b"<3>")
    assert await client.multi_get() == ()
    binary = bytes(range(256)) * 4000
    assert await client.set(b"binary", binary)
    assert await client.get(b"binary") == binary
    with pytest.raises(ClientException, match="too large"):
        await client.set(b"binary", b"x" * (1 << 20))
    assert await client.get(b"a") == b"1", "the connection goes on"


async def cas(make: Make) -> None:
    client = make()
    await client.flush_all()
    assert await client.gets(b"a") == (None, None)
    assert await client.gets(b"a", default=b"other") == (b"other", None)
    assert await client.set(b"a", b"1")
    value, unique = await client.gets(b"a")
    assert value == b"1"
    assert await client.cas(b"a", b"2", unique, exptime=100) is True
    assert await client.cas(b"a", b"3", unique) is False
    assert await client.cas(b"none", b"3", unique) is False
    assert await client.get(b"a") == b"2"


async def counters_touch_and_delete(make: Make) -> None:
    client = make()
    await client.flush_all()
    assert await client.set(b"n", b"10")
    assert await client.incr(b"n") == 11
    assert await client.incr(b"n", increment=5) == 16
    assert await client.decr(b"n") == 15
    assert await client.decr(b"n", decrement=20) == 0
    assert await client.incr(b"n", 2**64 - 1) == 2**64 - 1
    assert await client.incr(b"n", 1) == 0
    for command in (client.incr, client.decr):
        with pytest.raises(ClientException, match="NOT_FOUND"):
            await command(b"none")
    assert await client.set(b"text", b"x")
    with pytest.raises(ClientException, match="non-numeric"):
        await client.incr(b"text")
    assert await client.touch(b"n", exptime=100) is True
    assert await client.touch(b"none", 100) is False
    assert await client.delete(b"n") is True
    assert await client.delete(b"n") is False


async def exptimes(make: Make) -> None:
    client = make()
    assert await client.set(b"stays", b"x", exptime=3600)
    assert await client.set(b"soon", b"x", exptime=1)
    end = time.monotonic() + 10
    while await client.get(b"soon") is not None and time.monotonic() < end:  # noqa: ASYNC110 - nobody tells when
        await asyncio.sleep(0.05)
    assert await client.get(b"soon") is None
    assert await client.get(b"stays") == b"x"


async def reports(make: Make) -> None:
    client = make()
    before = await client.stats()
    assert await client.set(b"a", b"x")
    version = await client.version()
    stats = await client.stats()
    assert stats[b"version"] == version
    assert int(stats[b"cmd_set"]) == int(before[b"cmd_set"]) + 1
    assert (await client.stats(args=b"settings"))[b"maxbytes"] == b"67108864"
    with pytest.raises(ClientException, match="stats failed"):
        await client.stats(b"nonsense")
    assert await client.version() == version


async def many_at_once(make: Make) -> None:
    """Commands in flight on as many connections as the pool has: each gets its own reply."""
    client = make(pool_size=8, pool_minsize=2)
    keys = [b"key-%d" % number for number in range(200)]
    await asyncio.gather(*(client.set(key, key * 50) for key in keys))
    assert await asyncio.gather(*map(client.get, keys)) == [key * 50 for key in keys]
    assert await client.multi_get(*keys) == tuple(key * 50 for key in keys)
    assert await client.stats() != {}


async def flags(make: Make) -> None:
    """Values of any type, told apart by the flags that the server keeps."""

    async def write(value: Any) -> tuple[bytes, int]:
        return json.dumps(value).encode(), 7

    async def read(value: bytes, number: int) -> Any:
        assert number == 7
        return json.loads(value)

    client = make(kind=FlagClient, get_flag_handler=read, set_flag_handler=write)
    plain = make()
    assert await client.set(b"a", [1, "x"])
    assert await client.get(b"a") == [1, "x"]
    assert await client.set(b"b", b"bytes")
    assert await client.multi_get(b"a", b"b") == ([1, "x"], b"bytes")
    value, unique = await client.gets(b"a")
    assert value == [1, "x"]
    assert await client.cas(b"a", {"y": 2}, cas_token=unique) is True
    assert await client.add(b"a", 1) is False
    assert await client.replace(b"a", 1) is True
    assert await client.get(b"a") == 1
    with pytest.raises(ClientException, match="without handler"):
        await plain.get(b"a")


STORIES: dict[str, Story] = {
    story.__name__: story for story in (storage, cas, counters_touch_and_delete, exptimes, reports, many_at_once, flags)
}


def tell(story: Story, server: RunningServer, notes: Notes, **options: Any) -> None:
    """One story; its clients are closed in the end."""

    async def telling() -> None:
        clients: list[Noting] = []

        def make(kind: type = Client, **more: Any) -> Noting:
            given = {"host": server.host, "port": server.port, **options, **more}
            clients.append(made(kind, notes, hidden=HIDDEN, **given))
            return clients[-1]

        try:
            await story(make)
        finally:
            for client in clients:
                await client.close()

    with warnings.catch_warnings():
        # A closed transport of its pool is freed a moment later, when the loop is gone.
        warnings.simplefilter("ignore", ResourceWarning)
        asyncio.run(telling())
        gc.collect()


@pytest.mark.parametrize("name", STORIES)
def test_story(name: str, server: RunningServer) -> None:
    tell(STORIES[name], server, set())


@pytest.mark.parametrize("name", ["storage", "many_at_once"])
def test_story_over_tls(name: str, tls_server: RunningServer, certificates: Path) -> None:
    chain, _ = certificate(certificates)
    context = ssl.create_default_context(cafile=str(chain))
    tell(STORIES[name], tls_server, set(), conn_args={"ssl": context})


@pytest.mark.parametrize("name", BOTH)
def test_many_connections_of_many_threads(name: str, request: pytest.FixtureRequest) -> None:
    with peer(name, request).running("-t", "4") as server:
        tell(STORIES["many_at_once"], server, set())
        tell(STORIES["cas"], server, set())


def test_nothing_that_the_client_has_is_left_out(server: RunningServer) -> None:
    notes: Notes = set()
    for story in STORIES.values():
        tell(story, server, notes, conn_args={"limit": 1 << 16})
    # A parameter is its own whichever of the two classes was used: one inherits all from the other.
    used = {note.replace("FlagClient", "Client") for note in notes}
    wanted = everything(Client, hidden=HIDDEN) | everything(FlagClient, hidden=HIDDEN)
    assert len(wanted) > 60
    assert {note.replace("FlagClient", "Client") for note in wanted} - used == set()


def test_a_story_left_out_is_noticed(server: RunningServer) -> None:
    notes: Notes = set()
    for name in STORIES.keys() - {"reports", "exptimes"}:
        tell(STORIES[name], server, notes)
    assert "Client.stats(args)" in everything(Client, hidden=HIDDEN) - notes
