"""Fixtures: an engine in this process, and a server in another one."""

from collections.abc import Callable, Iterator

import pytest

from mcserver.inproc import Server, create
from tests.impl.support import Running, spawn


@pytest.fixture
def server() -> Server:
    """Make an engine with default settings."""
    return create()


@pytest.fixture
def start() -> Iterator[Callable[..., Running]]:
    """Start servers that end with the test: ``start("-c", "5")``."""
    running: list[Running] = []

    def begin(*options: str) -> Running:
        chosen = options if "-s" in options else ("-l", "127.0.0.1", "-p", "-1", *options)
        running.append(spawn(chosen))
        return running[-1]

    yield begin
    for one in running:
        if one.process.poll() is None:
            one.process.kill()
            one.process.wait(timeout=5)
        if one.process.stderr is not None:
            one.process.stderr.close()
