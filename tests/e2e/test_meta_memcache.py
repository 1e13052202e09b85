"""meta-memcache, a client that speaks only the meta protocol: every command that it has, with every option.

The same stories are told to the bundled server and to a real memcached: they are about the protocol, not a server.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator

import pytest

if sys.version_info >= (3, 14):
    pytest.skip("a part of meta-memcache (marisa-trie 1.2) has no wheel for this Python", allow_module_level=True)

from tests import conftest
from tests.conftest import RunningServer
from tests.e2e import meta_stories, meta_wrappers
from tests.e2e.meta_client import Api, Note, everything

STORIES: dict[str, Callable[[Api], None]] = {
    name: story
    for module in (meta_stories, meta_wrappers)
    for name, story in vars(module).items()
    if getattr(story, "__module__", "") == module.__name__ and not isinstance(story, type)
}


@pytest.fixture(scope="module")
def bundled() -> Iterator[RunningServer]:
    """One bundled server for all stories."""
    command = [sys.executable, "-m", "mcserver", "-l", conftest.HOST, "-p"]
    server = conftest.start_server(lambda port: [*command, str(port)])
    yield server
    status, written = conftest.stop_server(server)
    assert status == 0, f"mcserver ended with {status}: {written}"
    assert "Traceback" not in written, written


def tell(name: str, server: RunningServer, notes: set[Note], prefix: str) -> None:
    """One story on one server."""
    api = Api(server, f"{prefix}-{name}", notes)
    try:
        STORIES[name](api)
    finally:
        api.close()


@pytest.mark.parametrize("name", STORIES)
def test_the_bundled_server(name: str, bundled: RunningServer) -> None:
    tell(name, bundled, set(), "story")


@pytest.mark.memcached
@pytest.mark.parametrize("name", STORIES)
def test_memcached(name: str, memcached: RunningServer) -> None:
    tell(name, memcached, set(), "meta-memcache")


def test_nothing_that_the_client_has_is_left_out(bundled: RunningServer) -> None:
    """A command, option or flag that a new release of the client brings makes this fail until a story uses it."""
    notes: set[Note] = set()
    for name in STORIES:
        tell(name, bundled, notes, "again")
    assert len(everything()) > 150
    assert everything() - notes == set()


def test_a_server_that_has_no_cas_uniques_is_no_such_server(start_mcserver: Callable[..., RunningServer]) -> None:
    """The stories can fail."""
    with pytest.raises(AssertionError):
        tell("cas", start_mcserver("-C"), set(), "story")


def test_a_story_left_out_is_noticed(bundled: RunningServer) -> None:
    notes: set[Note] = set()
    for name in STORIES:
        if name != "counters":
            tell(name, bundled, notes, "but-one")
    assert ("CacheClient.delta_and_get", "") in everything() - notes
