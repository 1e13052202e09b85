"""What meta-memcache can do, as stories that a server has to play along with; nothing here knows which server it is."""

from __future__ import annotations

from typing import Any

import pytest
from meta_memcache import (
    Conflict,
    Key,
    LeasePolicy,
    MemcacheServerError,
    MetaCommand,
    Miss,
    NotStored,
    RecachePolicy,
    SetMode,
    StalePolicy,
    Success,
    Value,
)
from meta_memcache.compression.zstd_manager import ThreadLocalZstdManager
from meta_memcache.protocol import MA_MODE_DEC, MA_MODE_INC, ValueContainer
from meta_memcache.serializer import MixedSerializer, ZstdSerializer

from tests.e2e.meta_client import Api

STALE = StalePolicy(mark_stale_on_deletion_ttl=100, mark_stale_on_cas_mismatch=True)


def values(api: Api) -> None:
    """Every type of value comes back, under every kind of key."""
    client = api.client()
    for name, value in {"str": "text", "bytes": b"\r\n\0\xff", "int": -5, "list": [1, "x"], "long": "x" * 9000}.items():
        assert client.set(api.key(name), value, ttl=0)
        assert client.get(api.key(name)) == value
    large = bytes(range(256)) * 3000
    for key in (
        Key(api.key("ключ 🍺")),
        Key(api.key("a blank")),
        Key(api.key("long") + "x" * 300),
        Key(api.key("plain"), routing_key="r", domain="d", disabled_compression=True),
    ):
        assert client.set(key, large, ttl=100)
        assert client.get(key) == large
    assert client.get(api.key("nothing")) is None
    zstd = api.client(serializer=ZstdSerializer(ThreadLocalZstdManager()))
    assert zstd.set(api.key("zstd"), "x" * 9000, ttl=0)
    assert zstd.get(api.key("zstd")) == "x" * 9000
    assert zstd.meta_get(Key(api.key("zstd")), flags=api.flags(return_size=True)).flags.size < 100
    # A value that compresses badly and is too large: the server says so, the client drops the connection.
    incompressible = b"".join(n.to_bytes(4, "big") for n in range(0, 2**32, 2**13 - 1))
    with pytest.raises(MemcacheServerError):
        client.set(api.key("too large"), incompressible, ttl=0)
    assert client.get(api.key("int")) == -5


def modes(api: Api) -> None:
    """set in each mode, on a key that is missing and on one that is there."""
    client = api.client()
    told = {
        SetMode.SET: (True, "new", True, "new"),
        SetMode.ADD: (True, "new", False, "old"),
        SetMode.REPLACE: (False, None, True, "new"),
        SetMode.APPEND: (False, None, True, "oldnew"),
        SetMode.PREPEND: (False, None, True, "newold"),
    }
    assert set(told) == set(SetMode)
    for mode, (stored, left, stored_over, left_over) in told.items():
        for command in (client.set, lambda *args, **more: client.set_cas(*args, **more) is not None):
            assert client.invalidate(api.key())
            assert command(api.key(), "new", ttl=100, set_mode=mode) is stored, mode
            assert client.get(api.key()) == left, mode
            assert client.set(api.key(), "old", ttl=100)
            assert command(api.key(), "new", ttl=100, set_mode=mode) is stored_over, mode
            assert client.get(api.key()) == left_over, mode


def no_reply(api: Api) -> None:
    """Silence where it was asked for: an answer too many would be taken for the next one's."""
    client = api.client()
    assert client.set(api.key("a"), "1", ttl=0, no_reply=True)
    assert client.refill(api.key("a"), "no", ttl=0, no_reply=True)
    assert client.set(api.key("a"), "no", ttl=0, no_reply=True, cas_token=1)
    assert client.get(api.key("a")) == "1"
    assert client.touch(api.key("a"), ttl=100, no_reply=True)
    assert not client.touch(api.key("none"), ttl=100, no_reply=True)
    assert client.set(api.key("n"), 5, ttl=0)
    assert client.delta(api.key("n"), 2, no_reply=True)
    assert client.delta(api.key("none"), 2, no_reply=True)
    assert client.delta(api.key("a"), 2, no_reply=True, cas_token=1)
    assert client.delta_initialize(api.key("m"), 2, initial_value=9, initial_ttl=100, no_reply=True)
    assert client.get(api.key("n")) == 7
    assert client.get(api.key("m")) == "9"
    assert client.delete(api.key("a"), no_reply=True)
    assert client.delete(api.key("a"), no_reply=True)
    assert client.invalidate(api.key("n"), no_reply=True)
    assert list(client.multi_get(api.keys("a", "n", "m")).values()) == [None, None, "9"]


def cas(api: Api) -> None:
    """Every command that reads a cas unique, and every one that compares."""
    client = api.client()
    assert client.get_cas(api.key()) == (None, None)
    first = client.set_cas(api.key(), "1", ttl=100)
    assert first, "no item has 0"
    assert client.get_cas(api.key(), touch_ttl=200, recache_policy=RecachePolicy(ttl=50)) == ("1", first)
    second = client.set_cas(api.key(), "2", ttl=100, cas_token=first)
    assert second > first
    assert client.set_cas(api.key(), "no", ttl=100, cas_token=first) is None
    assert client.set(api.key(), "no", ttl=100, cas_token=first) is False
    assert client.set(api.key("none"), "no", ttl=100, cas_token=first) is False
    assert client.delete(api.key(), cas_token=first) is False
    assert client.invalidate(api.key(), cas_token=first) is False
    found = client.multi_get_cas(api.keys("key", "none"), touch_ttl=100, recache_policy=RecachePolicy(ttl=50))
    assert list(found.values()) == [("2", second), (None, None)]
    assert client.set(api.key(), "3", ttl=100, cas_token=second) is True
    third = client.get_cas(api.key())[1]
    assert client.delete(api.key(), cas_token=third) is True
    assert client.invalidate(api.key(), cas_token=third) is True, "it is gone"


def stale_sets(api: Api) -> None:
    """A write that comes too late is stored as stale: one reader is told to write again, the others read it."""
    client = api.client()
    for command in (client.set, client.set_cas):
        old = client.set_cas(api.key(), "1", ttl=100)
        assert client.set(api.key(), "2", ttl=100)
        assert command(api.key(), "late", ttl=100, cas_token=old, stale_policy=STALE)
        assert client.get(api.key()) is None, "the first wins"
        assert client.get(api.key()) == "late"
        newer = client.get_cas(api.key())[1] + 10**6
        assert not command(api.key(), "early", ttl=100, cas_token=newer, stale_policy=STALE)
        assert client.get(api.key()) == "late"


def deletion(api: Api) -> None:
    """delete and invalidate; with a stale policy the item stays for those who did not win."""
    client = api.client()
    assert client.delete(api.key()) is False
    assert client.invalidate(api.key()) is True
    for command in (client.delete, client.invalidate):
        assert client.set(api.key(), "1", ttl=0)
        assert command(api.key()) is True
        assert client.get(api.key()) is None
        assert client.set(api.key(), "1", ttl=0)
        assert command(api.key(), stale_policy=STALE) is True
        result = client.meta_get(Key(api.key()), flags=api.flags(return_ttl=True, return_value=True))
        assert (result.flags.stale, result.flags.win, 90 < result.flags.ttl <= 100) == (True, True, True)
        assert [client.get(api.key()) for _ in range(3)] == ["1"] * 3
        assert client.set(api.key(), "2", ttl=0)
        assert client.get(api.key()) == "2"


def leases(api: Api) -> None:
    """One client gets the miss; the others wait until it has written, or give up."""
    client = api.client()
    policy = LeasePolicy(ttl=50, miss_retries=4, miss_retry_wait=0.5, wait_backoff_factor=2.0, miss_max_retry_wait=1.5)
    for name in ("get_or_lease", "get_or_lease_cas"):
        key = api.key(name)
        waits: list[float] = []

        def command(*args: Any, name: str = name, **options: Any) -> Any:
            answer = getattr(client, name)(*args, **options)
            return answer[0] if name == "get_or_lease_cas" else answer

        assert client.invalidate(key)
        assert command(key, policy, lease_wait_fn=waits.append) is None
        assert waits == [], "the winner does not wait"
        assert command(key, policy, lease_wait_fn=waits.append) is None
        assert waits == [0.5, 1.0, 1.5], "it tries again, and gives up"

        def written(seconds: float, key: str = key) -> None:
            assert seconds == 0.5
            assert client.set(key, "there", ttl=100)

        assert command(key, policy, lease_wait_fn=written) == "there"
        assert command(key, policy, touch_ttl=100, recache_policy=RecachePolicy(ttl=200)) is None, "recached"
        assert command(key, policy) == "there"
    key = api.key("winner")
    unique = client.get_or_lease_cas(key, policy)[1]
    assert client.set(key, "mine", ttl=100, cas_token=unique)
    assert client.set(key, "late", ttl=100, cas_token=unique) is False
    assert client.get_or_lease_cas(key, policy)[0] == "mine"


def recaching(api: Api) -> None:
    """Near its end an item is a miss to one client; until that writes, the others read the old value."""
    client = api.client()
    soon = RecachePolicy(ttl=60)
    assert client.set(api.key(), "1", ttl=50)
    assert client.get(api.key(), recache_policy=RecachePolicy(ttl=20)) == "1"
    assert client.get(api.key(), recache_policy=soon) is None
    assert client.get(api.key(), recache_policy=soon) == "1"
    assert client.set(api.key(), "2", ttl=50)
    assert list(client.multi_get(api.keys("key"), recache_policy=soon).values()) == [None]
    assert list(client.multi_get(api.keys("key"), recache_policy=soon).values()) == ["2"]
    assert client.get(api.key(), touch_ttl=500) == "2"
    assert list(client.multi_get(api.keys("key", "none"), touch_ttl=600).values()) == ["2", None]
    assert client.touch(api.key(), ttl=700) is True
    assert client.touch(api.key("none"), ttl=700) is False
    left = client.meta_get(Key(api.key()), flags=api.flags(return_ttl=True)).flags.ttl
    assert 600 < left <= 700


def types(api: Api) -> None:
    """The typed forms: another type is a miss, or an error."""
    client = api.client()
    assert client.set(api.key(), "text", ttl=100)
    more: dict[str, Any] = {"touch_ttl": 100, "recache_policy": RecachePolicy(ttl=10)}
    assert client.get_typed(api.key(), str, **more) == "text"
    assert client.get_typed(api.key(), int) is None
    assert client.get_cas_typed(api.key(), str, **more)[0] == "text"
    assert client.get_cas_typed(api.key(), int)[0] is None
    for command in (client.get_typed, client.get_cas_typed):
        with pytest.raises(ValueError, match="Expecting"):
            command(api.key(), int, error_on_type_mismatch=True)


def counters(api: Api) -> None:
    """The delta family: up, down, not below 0, with a start where there is none."""
    client = api.client()
    start: dict[str, int] = {"initial_value": 10, "initial_ttl": 100}
    assert client.delta(api.key(), 1) is False
    assert client.delta_and_get(api.key(), 1) is None
    assert client.delta_initialize(api.key(), 1, **start) is True
    assert client.get(api.key()) == "10"
    assert client.delta_initialize(api.key(), 5, **start, refresh_ttl=100) is True
    assert client.delta_and_get(api.key(), -3, refresh_ttl=500) == 12
    assert 400 < client.meta_get(Key(api.key()), flags=api.flags(return_ttl=True)).flags.ttl <= 500
    assert client.delta(api.key(), -20, refresh_ttl=100) is True
    assert client.delta_and_get(api.key(), 2**64 - 1) == 2**64 - 1
    assert client.delta_and_get(api.key(), 3) == 2
    assert client.delta_initialize_and_get(api.key("other"), 1, **start) == 10
    assert client.delta_initialize_and_get(api.key("other"), 1, **start, refresh_ttl=100) == 11
    unique = client.get_cas(api.key())[1]
    assert client.delta(api.key(), 1, cas_token=unique + 10**6) is False
    assert client.delta_and_get(api.key(), 1, cas_token=unique + 10**6) is None
    assert client.delta_initialize(api.key(), 1, **start, cas_token=unique + 10**6) is False
    assert client.delta_initialize_and_get(api.key(), 1, **start, cas_token=unique + 10**6) is None
    assert client.delta_and_get(api.key(), 1, cas_token=unique) == 3
    assert client.set(api.key("text"), "x", ttl=0)
    with pytest.raises(MemcacheServerError):
        client.delta(api.key("text"), 1)


def refill(api: Api) -> None:
    """refill writes only where there is nothing."""
    client = api.client()
    assert client.refill(api.key(), "1", ttl=100) is True
    assert client.refill(api.key(), "2", ttl=100) is False
    assert client.get(api.key()) == "1"


def every_flag(api: Api) -> None:
    """The commands below: every flag of a request, every flag of a response."""
    client, key = api.client(), Key(api.key())
    assert isinstance(client.meta_get(key), Miss)
    made = client.meta_get(key, flags=api.flags(vivify_on_miss_ttl=100, return_value=True))
    assert (made.size, made.flags.win, made.flags.stale) == (0, True, False)
    written = client.meta_set(
        key, "x", flags=api.flags(cache_ttl=100, return_cas_token=True, return_size=True, opaque=b"o", return_key=True)
    )
    assert isinstance(written, Success)
    assert (written.flags.opaque, written.flags.cas_token is None) == (b"o", False)
    shows: dict[str, Any] = dict.fromkeys(
        f"return_{name}" for name in "client_flag cas_token value ttl size last_access fetched key".split()
    )
    asked = api.flags(**dict.fromkeys(shows, True), no_update_lru=True, opaque=b"token")
    for _ in range(2):
        read = client.meta_get(key, flags=asked)
        assert isinstance(read, Value)
        assert read.flags.last_access is not None
        assert read.flags.ttl is not None
        assert (read.value, read.size, read.flags.size, read.flags.client_flag) == ("x", 1, 1, MixedSerializer.STR)
        assert read.flags.cas_token == written.flags.cas_token
        assert (read.flags.fetched, read.flags.opaque, read.flags.win) == (False, b"token", None)
        assert 0 <= read.flags.last_access <= 50 < read.flags.ttl <= 100
    assert client.meta_get(key, flags=api.flags(return_fetched=True)).flags.fetched is False
    assert client.meta_get(key, flags=api.flags(return_fetched=True, recache_ttl=200)).flags.win is True
    lost = client.meta_get(key, flags=api.flags(return_fetched=True, recache_ttl=200)).flags
    assert (lost.win, lost.fetched) == (False, True)
    many = client.meta_multiget([key, Key(api.key("none"))], flags=api.flags(return_value=True))
    assert [type(one) for one in many.values()] == [Value, Miss]
    assert isinstance(client.meta_set(key, "y", flags=api.flags(mode=SetMode.ADD.value)), NotStored)
    assert isinstance(client.meta_set(key, "y", flags=api.flags(cas_token=1)), Conflict)
    assert isinstance(client.meta_delete(key, flags=api.flags(cas_token=1)), Conflict)
    assert isinstance(client.meta_delete(key, flags=api.flags(mark_stale=True, cache_ttl=50, no_reply=True)), Success)
    assert client.meta_get(key).flags.stale is True
    assert isinstance(client.meta_delete(key), Success)
    assert isinstance(client.meta_delete(key), Miss)
    assert isinstance(client.meta_arithmetic(key), Miss)
    counted = api.flags(
        ma_initial_value=7, vivify_on_miss_ttl=100, ma_delta_value=3, mode=MA_MODE_INC, return_value=True
    )
    assert [client.meta_arithmetic(key, flags=counted).value for _ in range(2)] == ["7", "10"]
    down = api.flags(ma_delta_value=4, mode=MA_MODE_DEC, return_value=True, return_ttl=True, return_cas_token=True)
    less = client.meta_arithmetic(key, flags=down)
    assert (less.value, 50 < less.flags.ttl <= 100, less.flags.cas_token > 0) == ("6", True, True)
    assert isinstance(client.meta_arithmetic(key, flags=api.flags(cas_token=1)), Conflict)


def pipelines(api: Api) -> None:
    """Many requests at once, through the router: answers in order, and none where none was asked for."""
    client = api.client(servers=[api.address("one"), api.address("two")])
    keys = [Key(api.key(str(number))) for number in range(40)]
    contents = [ValueContainer(number) for number in range(40)]
    router = client.router
    stored = router.exec_multi(MetaCommand.META_SET, keys, contents, api.flags(cache_ttl=100))
    assert all(isinstance(one, Success) for one in stored.values())
    again = router.exec_multi(MetaCommand.META_SET, keys, contents, api.flags(mode=SetMode.ADD.value))
    assert all(isinstance(one, NotStored) for one in again.values())
    assert client.multi_get(keys) == dict(zip(keys, range(40), strict=True))
    added = router.exec_multi(MetaCommand.META_ARITHMETIC, keys, flags=api.flags(ma_delta_value=5, return_value=True))
    assert {key.key: int(one.value) for key, one in added.items()} == {key.key: n + 5 for n, key in enumerate(keys)}
    gone = router.exec_multi(MetaCommand.META_DELETE, keys[:20])
    assert [type(one) for one in gone.values()] == [Success] * 20
    assert [type(one) for one in router.exec_multi(MetaCommand.META_DELETE, keys[:20]).values()] == [Miss] * 20
    assert [client.get(key) for key in keys[18:22]] == [None, None, 25, 26]
    counts = client.get_counters()
    assert sorted(map(str, counts)) == ["one", "two"]
    assert all(one.total_errors == 0 for one in counts.values())


def sockets(api: Api) -> None:
    """Below the commands: send and receive apart, a batch, a raw line."""
    raw, key = api.raw(), api.key()
    shown = api.flags(return_value=True)
    assert isinstance(raw.meta_set(key, b"1", api.flags(cache_ttl=100, client_flag=2**32 - 1)), Success)
    read = raw.meta_get(key, api.flags(return_value=True, return_client_flag=True))
    assert (bytes(read.value), read.flags.client_flag) == (b"1", 2**32 - 1)
    assert isinstance(raw.meta_arithmetic(key, api.flags(ma_delta_value=2)), Success)
    assert [type(one) for one in raw.meta_multiget([key, api.key("none")], shown)] == [Value, Miss]
    assert isinstance(raw.meta_delete(key, api.flags(mark_stale=True)), Success)
    raw.send_meta_delete(key, api.flags(no_reply=True))
    raw.send_meta_set(key, b"5", api.flags(cache_ttl=100))
    raw.send_meta_get(key, shown)
    raw.send_meta_arithmetic(key, api.flags(ma_delta_value=2, return_value=True))
    raw.send_meta_delete(key, api.flags(return_key=True))
    answers = [raw.get_response() for _ in range(4)]
    assert [type(one) for one in answers] == [Success, Value, Value, Success]
    assert [bytes(one.value) for one in answers[1:3]] == [b"5", b"7"]
    raw.sendall(f"mg {key} v\r\n".encode(), with_noop=False)
    assert isinstance(raw.get_response(), Miss)
    raw.sendall(f"ms {key} 1 q\r\n6\r\n".encode(), with_noop=True)
    raw.send_meta_get(key, shown)
    assert bytes(raw.get_response().value) == b"6", "the client has read MN"
    assert raw.raw_cmd(f"me {key}".encode()).startswith(f"ME {key} exp=-1 la=".encode())
    assert raw.raw_cmd(b"mn").strip() == b"MN"
    assert b"STAT curr_items " in raw.raw_cmd(b"stats", multi_line=True)
    assert raw.get_version() == api.address().version
    raw.set_socket(api.connection())
    assert bytes(raw.meta_get(key, shown).value) == b"6"
    raw.close()
