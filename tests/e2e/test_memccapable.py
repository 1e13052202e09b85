"""memccapable, libmemcached's own test of a server's protocols: all 54 cases of it."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

import pytest

from tests.conftest import RunningServer
from tests.e2e.peers import program

CASES = 27
"""As many of each protocol."""


@pytest.fixture(scope="module")
def memccapable() -> str:
    """Its path; skips where it is not installed, fails if it was promised (MCSPEC_REQUIRE_MEMCACHED=1)."""
    return program("memccapable", "libmemcached-tools")


def cases(memccapable: str, server: RunningServer, *options: str) -> tuple[int, list[str]]:
    """The exit status, and the line of each case."""
    done = subprocess.run(
        [memccapable, *options, "-h", server.host, "-p", str(server.port)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    written = (done.stdout + done.stderr).splitlines()
    return done.returncode, [line for line in written if line.startswith(("ascii ", "binary "))]


@pytest.mark.memcached
def test_every_case_of_both_protocols_passes(memccapable: str, mcserver_process: RunningServer) -> None:
    status, found = cases(memccapable, mcserver_process)
    assert [line for line in found if not line.endswith("[pass]")] == []
    assert [line.split()[0] for line in found] == ["ascii"] * CASES + ["binary"] * CASES
    assert status == 0


@pytest.mark.memcached
def test_a_case_can_fail(memccapable: str, start_mcserver: Callable[..., RunningServer]) -> None:
    """A server that does not flush fails the cases that want it to."""
    status, found = cases(memccapable, start_mcserver("-F"), "-b")
    assert sum(line.endswith("[pass]") for line in found) < CASES
    assert status != 0
