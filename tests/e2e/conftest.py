"""Fixtures of the clients' tests: the bundled server and a real memcached, one after the other, on any transport."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import RunningServer
from tests.e2e.peers import BOTH, peer


@pytest.fixture(scope="module", params=BOTH)
def server(request: pytest.FixtureRequest) -> Iterator[RunningServer]:
    """Both servers in turn, one for all tests of a module: flush as you like."""
    with peer(request.param, request).running() as running:
        yield running


@pytest.fixture(scope="module", params=BOTH)
def unix_server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Both in turn, behind a Unix socket."""
    path = tmp_path_factory.mktemp("unix") / "memcached.sock"
    with peer(request.param, request).on_socket(path) as running:
        yield running
    assert request.param == "memcached" or not path.exists(), "the bundled one takes its socket away"


@pytest.fixture(scope="module", params=BOTH)
def sasl_server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """Both in turn, behind SASL."""
    with peer(request.param, request).with_sasl(tmp_path_factory.mktemp("sasl")) as running:
        yield running


@pytest.fixture(scope="module", params=BOTH)
def udp_server(request: pytest.FixtureRequest) -> Iterator[RunningServer]:
    """Both in turn; UDP is on at the number of the TCP port."""
    with peer(request.param, request).running("-U", "{port}") as running:
        yield running


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which `certificate` makes one."""
    return tmp_path_factory.mktemp("tls")


@pytest.fixture(scope="module", params=BOTH)
def tls_server(request: pytest.FixtureRequest, certificates: Path) -> Iterator[RunningServer]:
    """Both in turn, behind TLS."""
    with peer(request.param, request).with_tls(certificates) as running:
        yield running
