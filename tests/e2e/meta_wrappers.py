"""meta-memcache's routers and wrappers, as stories like those of `meta_stories`."""

from __future__ import annotations

from typing import Any

import pytest
from meta_memcache import FailureHandling, Key, MemcacheServerError, Value, is_error_response
from meta_memcache.configuration import MigrationMode
from meta_memcache.extras.migrating_cache_client import MigratingCacheClient
from meta_memcache.extras.probabilistic_hot_cache import ProbabilisticHotCache
from meta_memcache.serializer import MixedSerializer

from tests.e2e.meta_client import Api, Noting, nowhere


def failures(api: Api) -> None:
    """A server that is not there: an error, or a miss that says so; lost writes are told."""
    dead = api.client(servers=[nowhere()])
    with pytest.raises(MemcacheServerError):
        dead.get(api.key())
    lost: list[Key] = []
    dead.on_write_failure.__iadd__(lost.append)
    quiet, untracked = FailureHandling(raise_on_server_error=False), FailureHandling(track_write_failures=False)
    key = Key(api.key())
    for command, arguments in (
        (dead.meta_get, (key,)),
        (dead.meta_set, (key, "x")),
        (dead.meta_delete, (key,)),
        (dead.meta_arithmetic, (key,)),
    ):
        assert is_error_response(command(*arguments, failure_handling=quiet))
        with pytest.raises(MemcacheServerError):
            command(*arguments, failure_handling=untracked)
    assert is_error_response(dead.meta_multiget([key], failure_handling=quiet)[key])
    assert lost == [key, key], "set and delete, where they are tracked"
    told: list[str] = []
    options: dict[str, Any] = {"raise_on_server_error": False, "stats_sampler": lambda: 1}
    mild = api.client(servers=[nowhere()], stats_callback=lambda stats: told.append(stats.command.name), **options)
    assert mild.get(api.key()) is None
    assert mild.set(api.key(), "x", ttl=0) is False
    assert told == ["META_GET", "META_SET"]


def routers(api: Api) -> None:
    """A gutter takes over for a server that is down, and a ceiling holds the exptime down."""
    shared: dict[str, Any] = {"serializer": MixedSerializer(), "raise_on_server_error": True, "stats_sampler": None}
    shared |= {"stats_callback": None, "key_encoder_fn": lambda key: key.key.encode()}
    factory = "cache_client_with_gutter_from_servers"
    gutter = api.client(factory, servers=[nowhere()], gutter_servers=[api.address()], gutter_ttl=60, **shared)
    ephemeral = api.client("ephemeral_cache_client_from_servers", max_ttl=60, **shared)
    plain = api.client()
    for client in (gutter, ephemeral):
        assert client.set(api.key(), "x", ttl=0)
        assert client.get(api.key()) == "x"
        assert list(client.multi_get(api.keys("key", "none")).values()) == ["x", None]
        left = plain.meta_get(Key(api.key()), flags=api.flags(return_ttl=True)).flags.ttl
        assert 0 < left <= 60
        assert client.delete(api.key())


def migration(api: Api) -> None:
    """From one cache to another, through every mode."""
    origin = api.client(key_encoder_fn=lambda key: b"o-" + key.key.encode())
    destination = api.client(key_encoder_fn=lambda key: b"d-" + key.key.encode())
    for mode in MigrationMode:
        api.notes.add(("MigrationMode", mode.name))
        both = Noting(MigratingCacheClient(origin.inner, destination.inner, mode), "Migrating", api.notes)
        key = api.key(mode.name)
        assert both.set(key, "x", ttl=100)
        assert both.get(key) == "x"
        assert list(both.multi_get([key]).values()) == ["x"]
        held = (origin.get(key), destination.get(key))
        assert held == {1: ("x", None), 6: (None, "x")}.get(mode, ("x", "x"))
        assert both.touch(key, ttl=200)
        assert both.delta_initialize_and_get(f"{key}:n", 1, initial_value=3, initial_ttl=0) == 3
        assert both.delete(key)
        assert (origin.get(key), destination.get(key)) == (None, None)
    # One read in ten is copied: of 400 some are.
    copying = MigratingCacheClient(origin.inner, destination.inner, MigrationMode.POPULATE_WRITES_AND_READS_10PCT)
    names = [api.key(str(number)) for number in range(400)]
    for name in names:
        origin.set(name, "x", ttl=100)
        assert copying.get(name) == "x"
    assert any(destination.multi_get(names).values())


def hot_cache(api: Api) -> None:
    """What is read often stays with the client: the server says how long ago it was read before."""
    client = api.client()
    store: dict[str, object] = {}
    hot = ProbabilisticHotCache(client.inner, store, 60, 100, 1, allowed_prefixes=[api.prefix])  # type: ignore[arg-type]
    assert client.set(api.key(), "x", ttl=100)
    assert hot.get(api.key()) == "x"
    assert not store, "nobody had read it before"
    assert hot.get(api.key()) == "x"
    assert set(store) == {api.key()}
    assert client.delete(api.key())
    assert hot.get(api.key()) == "x", "it is served from the store"
    assert isinstance(client.meta_get(Key(api.key())), Value) is False
