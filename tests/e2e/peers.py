"""The two servers that clients meet, each on any transport and with any access rule: `mcserver` and a real `memcached`.

A story about a client is told to both, so that what it expects is what memcached does, not what we think.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from tests import conftest
from tests.conftest import HOST, RunningServer, memcached_command, start_server, stop_server

BOTH = ["mcserver", pytest.param("memcached", marks=pytest.mark.memcached)]
USER, PASSWORD = "mcuser", "mcpass"
PATIENCE = 10.0

MAKE_SASLDB = r"""
use DB_File;
my ($file, $user, $realm, $password) = @ARGV;
tie my %users, "DB_File", $file, O_RDWR | O_CREAT, 0600, $DB_HASH or die "$file: $!";
$users{"$user\0$realm\0userPassword"} = $password;
"""
"""What saslpasswd2 writes, without the package that holds it: Perl's DB_File comes with Perl."""


def missing(what: str, package: str) -> None:
    """Skip visibly; fail if what is missing was promised (MCSPEC_REQUIRE_MEMCACHED=1)."""
    message = f"{what} is not installed (apt-get install {package})"
    if os.environ.get("MCSPEC_REQUIRE_MEMCACHED") == "1":
        pytest.fail(f"MCSPEC_REQUIRE_MEMCACHED=1, but {message}")
    pytest.skip(message)


def program(name: str, package: str) -> str:
    """Path of a program; skips or fails where it is missing."""
    found = shutil.which(name)
    if found is None:
        missing(name, package)
    assert found is not None
    return found


class Peer(NamedTuple):
    """One kind of server, ready to be started with options."""

    name: str
    memcached: str
    """Path of the real one; empty for the bundled one."""

    def command(self, options: Sequence[str], port: int | None, environment: Sequence[str] = ()) -> list[str]:
        """The command line; without a port for a server that listens elsewhere. `environment` holds `NAME=value`."""
        if self.memcached:
            words = memcached_command(self.memcached, port or 0, options)
        else:
            words = [sys.executable, "-m", "mcserver", *(["-l", HOST, "-p", str(port)] if port else []), *options]
        return ["env", *environment, *words] if environment else words

    @contextlib.contextmanager
    def running(self, *options: str, environment: Sequence[str] = ()) -> Iterator[RunningServer]:
        """A server behind TCP. `{port}` in an option becomes its port."""

        def command(port: int) -> list[str]:
            return self.command([word.replace("{port}", str(port)) for word in options], port, environment)

        server = start_server(command)
        try:
            yield server
        finally:
            status, written = stop_server(server)
        self.check(status, written)

    @contextlib.contextmanager
    def on_socket(self, path: Path, *options: str) -> Iterator[Path]:
        """A server behind a Unix socket."""
        with path.with_suffix(".log").open("w+b") as log:
            command = self.command(["-s", str(path), *options], None)
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            try:
                wait_until(lambda: accepts(path), process)
                yield path
            finally:
                process.terminate()
                status = process.wait(PATIENCE)
            log.seek(0)
            self.check(status, log.read().decode(errors="replace"))

    def check(self, status: int, written: str) -> None:
        """It ended in order."""
        expected = (0, -signal.SIGTERM) if self.memcached else (0,)
        assert status in expected, f"{self.name} ended with {status}: {written}"
        assert "Traceback" not in written, written

    @contextlib.contextmanager
    def with_sasl(self, folder: Path, *options: str) -> Iterator[RunningServer]:
        """A server that only lets USER in, with PASSWORD, over the binary protocol."""
        if self.memcached:
            environment = [f"SASL_CONF_PATH={cyrus(folder)}"]
        else:
            users = folder / "users"
            users.write_text(f"{USER}:{PASSWORD}\n", encoding="utf-8")
            environment = [f"MEMCACHED_SASL_PWDB={users}"]
        with contextlib.ExitStack() as stack:
            try:
                server = stack.enter_context(self.running("-S", *options, environment=environment))
            except conftest.NotStartedError as error:
                # One's own choice of a memcached may have been built without; Debian's has it.
                if not self.memcached or "MCSPEC_MEMCACHED" not in os.environ:
                    raise
                pytest.skip(f"this memcached has no SASL: {error}")
            yield server

    @contextlib.contextmanager
    def with_tls(self, folder: Path, *options: str) -> Iterator[RunningServer]:
        """A server that speaks TLS, with the certificate `certificate(folder)`."""
        chain, key = certificate(folder)
        with contextlib.ExitStack() as stack:
            try:
                arguments = ("-Z", "-o", f"ssl_chain_cert={chain},ssl_key={key}", *options)
                server = stack.enter_context(self.running(*arguments))
            except conftest.NotStartedError as error:
                if not self.memcached or "MCSPEC_MEMCACHED" not in os.environ:
                    raise
                pytest.skip(f"this memcached has no TLS: {error}")
            yield server


def peer(name: str, request: pytest.FixtureRequest) -> Peer:
    """The server of that name; skips or fails where memcached is missing."""
    return Peer(name, request.getfixturevalue("memcached_program") if name == "memcached" else "")


def wait_until(condition: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    """Wait until the condition holds; fails when the process ends or the patience does."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert process.poll() is None, f"{shlex.join(map(str, process.args))} ended with {process.returncode}"
        assert time.monotonic() < end
        time.sleep(0.02)


def accepts(path: Path) -> bool:
    """Whether somebody listens on a Unix socket."""
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0


def cyrus(folder: Path) -> Path:
    """A configuration folder of Cyrus SASL, which Debian's memcached is built with: one user, mechanism PLAIN."""
    database = folder / "sasldb"
    made = subprocess.run(
        [program("perl", "perl"), "-e", MAKE_SASLDB, database, USER, socket.gethostname(), PASSWORD],
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode:
        missing(f"Perl's DB_File ({made.stderr.strip()})", "perl")
    if not any(Path("/usr/lib").glob("*/sasl2/libplain.so*")):
        missing("the mechanism PLAIN of Cyrus SASL", "libsasl2-modules")
    (folder / "memcached.conf").write_text(
        f"mech_list: plain\npwcheck_method: auxprop\nauxprop_plugin: sasldb\nsasldb_path: {database}\n",
        encoding="utf-8",
    )
    return folder


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate of this run for 127.0.0.1, and its key."""
    chain, key = folder / "chain.pem", folder / "key.pem"
    if not chain.exists():
        curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        name = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2"]
        made = [program("openssl", "openssl"), "req", "-x509", *curve, *name, "-keyout", str(key), "-out", str(chain)]
        subprocess.run(made, capture_output=True, check=True)
    return chain, key
