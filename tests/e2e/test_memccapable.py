"""memccapable, libmemcached's own test of a server's protocol."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

from tests import conftest

CASES = 27


@pytest.fixture(scope="module")
def memccapable() -> str:
    """Its path; skips where it is not installed, fails if it was promised (MCSPEC_REQUIRE_MEMCACHED=1)."""
    program = shutil.which("memccapable")
    if program is None:
        message = "memccapable is not installed (apt-get install libmemcached-tools)"
        if os.environ.get("MCSPEC_REQUIRE_MEMCACHED") == "1":
            pytest.fail(f"MCSPEC_REQUIRE_MEMCACHED=1, but {message}")
        pytest.skip(message)
    return program


@pytest.mark.memcached
def test_every_case_of_the_text_protocol_passes(memccapable: str, mcserver_process: conftest.RunningServer) -> None:
    server = mcserver_process
    done = subprocess.run(
        [memccapable, "-a", "-h", server.host, "-p", str(server.port)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    cases = [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("ascii ")]
    assert [line for line in cases if not line.endswith("[pass]")] == []
    assert len(cases) == CASES
    assert done.returncode == 0
