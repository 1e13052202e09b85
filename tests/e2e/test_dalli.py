"""Dalli, Ruby's client of the binary protocol: every command that it has, from the script `dalli.rb`."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import RunningServer
from tests.e2e.peers import PASSWORD, USER, missing

SCRIPT = Path(__file__).with_name("dalli.rb")


@pytest.fixture(scope="module")
def ruby() -> str:
    """Ruby with its client; skips where they are not installed."""
    found = shutil.which("ruby")
    if found is None or subprocess.run([found, "-rdalli", "-e", ""], capture_output=True, check=False).returncode:
        missing("Ruby with dalli", "ruby ruby-dalli")
    assert found is not None
    return found


def tell(ruby: str, address: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Run the script."""
    return subprocess.run(
        [ruby, SCRIPT, address, *options], capture_output=True, text=True, timeout=100, check=False, encoding="utf-8"
    )


def test_every_command(ruby: str, server: RunningServer) -> None:
    """A method of a newer release that no story calls is printed, and this fails."""
    done = tell(ruby, server.target)
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr


def test_a_story_left_out_is_noticed(ruby: str, server: RunningServer) -> None:
    done = tell(ruby, server.target, "only=storage,fetch,cas,quiet,reports")
    assert done.stdout.split() == ["incr", "decr", "flush"], done.stdout + done.stderr


def test_over_a_unix_socket(ruby: str, unix_server: Path) -> None:
    done = tell(ruby, str(unix_server), "only=storage,quiet,reports")
    assert done.returncode == 0, done.stderr


def test_behind_sasl(ruby: str, sasl_server: RunningServer) -> None:
    done = tell(
        ruby, sasl_server.target, f"user={USER}", f"password={PASSWORD}", "only=storage,cas,quiet,counters,reports"
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("options", [(), (f"user={USER}", "password=wrong"), ("user=nobody", f"password={PASSWORD}")])
def test_who_is_not_let_in(options: tuple[str, ...], ruby: str, sasl_server: RunningServer) -> None:
    done = tell(ruby, sasl_server.target, *options, "only=storage")
    assert done.returncode == 1
    assert "Dalli::DalliError" in done.stderr or "Dalli::RingError" in done.stderr, done.stderr


def test_the_stories_can_fail(ruby: str) -> None:
    """Nobody answers at this address."""
    done = tell(ruby, "127.0.0.1:1", "only=storage")
    assert done.returncode == 1
    assert "storage" in done.stderr
