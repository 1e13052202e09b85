"""The command line: what it takes, and what it says about the rest."""

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from mcserver import __version__
from mcserver.options import OptionError, parse
from mcserver.settings import Address, Settings, TlsSettings
from tests.impl.support import wait_for


def run(*options: str) -> subprocess.CompletedProcess[str]:
    """Run a command that ends by itself."""
    return subprocess.run(
        [sys.executable, "-m", "mcserver", *options], capture_output=True, text=True, timeout=10, check=False
    )


@pytest.mark.parametrize(
    ("options", "settings"),
    [
        ("", Settings()),
        ("-p 123 -t 1 -U 0", Settings(port=123)),
        ("-p123 -t1 -U0", Settings(port=123)),
        ("--port=123 --threads 1 --udp-port=0", Settings(port=123)),
        ("-p -1", Settings(port=-1)),
        ("-m 8 -M", Settings(memory_limit=8 << 20, evict=False)),
        ("-Mm8", Settings(memory_limit=8 << 20, evict=False)),
        ("-I 512k -c 7 -F", Settings(item_size_max=512 << 10, max_connections=7, flush_allowed=False)),
        ("-I 1K", Settings(item_size_max=1024)),
        ("-I 1024m -m 2048", Settings(item_size_max=1 << 30, memory_limit=1 << 31)),
        ("-vv", Settings(verbosity=2)),
        ("-v -v -v", Settings(verbosity=2)),
        ("-l 127.0.0.1,[::1]:5;h:7", Settings(listen=(Address("127.0.0.1"), Address("::1", 5), Address("h", 7)))),
        ("-l * -l ::1", Settings(listen=(Address("*"), Address("::1")))),
        ("-U 123", Settings(port=123, udp_port=123)),
        ("-U -1 -p 0", Settings(port=0, udp_port=-1)),
        ("-t 4 -b 7 -o no_maxconns_fast", Settings(threads=4, backlog=7, maxconns_fast=False)),
        ("-s sock -a 660", Settings(unix_socket="sock", unix_mode=0o660)),
        ("-B packet -U 5 -p 6", Settings(protocol="packet", udp_port=5, port=6)),
        ("-Y users", Settings(auth_file="users", protocol="ascii")),
        ("-S", Settings(sasl=True, protocol="binary")),
        (
            "-Z -o ssl_chain_cert=a,ssl_key=b -l notls:c:5,d,mtls:[::1]:6,btls:e",
            Settings(
                tls=True,
                tls_settings=TlsSettings(chain_cert="a", key="b"),
                listen=(
                    Address("c", 5, "notls"),
                    Address("d"),
                    Address("::1", 6, "mtls"),
                    Address("e", None, "btls"),
                ),
            ),
        ),
        (
            (
                "-Z -o ssl_chain_cert=a,ssl_keyformat=2,ssl_verify_mode=3,ssl_ca_cert=c,ssl_ciphers=X:Y,ssl_wbuf_size=8"
                " -o ssl_min_version=3,ssl_session_cache"
            ),
            Settings(
                tls=True,
                tls_settings=TlsSettings(
                    chain_cert="a",
                    key_der=True,
                    verify_mode=3,
                    ca_cert="c",
                    ciphers="X:Y",
                    min_version=3,
                    write_buffer=8192,
                    session_cache=True,
                ),
            ),
        ),
        ("-p 0 -s sock", Settings(port=0, unix_socket="sock")),
        ("--disable-evictions --conn-limit=3 --verbose", Settings(evict=False, max_connections=3, verbosity=1)),
    ],
)
def test_settings(options: str, settings: Settings) -> None:
    """memcached's flags, short, joined and long."""
    assert parse(options.split()).settings == settings


BAD = [
    ("-x", "-x"),
    ("-Z", "ssl_chain_cert"),
    ("-o ssl_chain_cert=x", "-Z"),
    ("-l notls:h", "-Z"),
    ("-Z -o ssl_chain_cert=", "ssl_chain_cert"),
    ("-Z -o ssl_chain_cert=x,ssl_verify_mode=4", "'4'"),
    ("-Z -o ssl_chain_cert=x,ssl_min_version=4", "'4'"),
    ("-Z -o ssl_chain_cert=x,ssl_keyformat=3", "'3'"),
    ("-Z -o ssl_chain_cert=x,ssl_bogus", "ssl_bogus"),
    ("-Z -o ssl_chain_cert=x -s y", "-s"),
    ("-a 700", "-s"),
    ("-s x -a 8", "'8'"),
    ("-s x -a 1777", "'1777'"),
    ("-s x -U 5", "-U"),
    ("-Y x -U 5", "-U"),
    ("-S -U 5", "-U"),
    ("-Y x -B auto", "-B"),
    ("-Y x -B packet", "-B"),
    ("-S -B ascii", "-B"),
    ("-S -B packet", "-B"),
    ("-S -Y x", "-Y"),
    ("-B text", "'text'"),
    ("-o trace_dispatch=", "trace_dispatch"),
    ("--bogus=1", "--bogus=1"),
    ("extra", "extra"),
    ("-p", "-p"),
    ("--port", "--port"),
    ("-p x", "'x'"),
    ("-p 65536", "65536"),
    ("-p -2", "-2"),
    ("-t 0", "'0'"),
    ("-t 65", "'65'"),
    ("-U 65536", "'65536'"),
    ("-m 0", "'0'"),
    ("-m x", "'x'"),
    ("-c 0", "'0'"),
    ("-I 1023", "1023"),
    ("-I 1025m", "1025m"),
    ("-I 1g", "1g"),
    ("-I 0.5m", "0.5m"),
    ("-m 1", "-I"),
    ("-I 40m", "-m 80"),
    ("-p 0", "-p 0"),
    ("-s x -l y", "-s"),
    ("-s x -p 5", "-s"),
    ("-l 127.0.0.1:x", "'x'"),
    ("-l a,,b", "-l"),
    ("-l [::1", "[::1"),
    ("--disable-evictions=1", "--disable-evictions"),
]


@pytest.mark.parametrize(("options", "named"), BAD)
def test_refused(options: str, named: str) -> None:
    """One line that names the culprit and says what to type."""
    with pytest.raises(OptionError) as caught:
        parse(options.split())
    message = str(caught.value)
    assert named in message
    assert "type " in message
    assert "\n" not in message


def test_usage_error_of_the_command() -> None:
    """It goes to stderr, as one line, with status 2."""
    done = run("-p", "99999")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert done.stderr.startswith("mcserver: ")


def test_answers() -> None:
    """-V and -h answer and end."""
    assert (run("-V").stdout, run("--version").returncode) == (f"mcserver {__version__}\n", 0)
    done = run("-h")
    assert (done.returncode, "--max-item-size" in done.stdout) == (0, True)


def test_port_in_use() -> None:
    """One line, status 1."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = run("-l", "127.0.0.1", "-p", port)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert f"127.0.0.1:{port}" in done.stderr


def test_ports_are_written_to_a_file(tmp_path: Path) -> None:
    """MEMCACHED_PORT_FILENAME names it, as for memcached."""
    path = tmp_path / "ports"
    command = [sys.executable, "-m", "mcserver", "-l", "127.0.0.1", "-p", "-1", "-U", "-1"]
    with subprocess.Popen(command, env={**os.environ, "MEMCACHED_PORT_FILENAME": str(path)}) as process:
        assert wait_for(path.exists, 20)
        written = re.fullmatch(r"TCP INET: (\d+)\nUDP INET: (\d+)\n", path.read_text(encoding="ascii"))
        assert written is not None
        socket.create_connection(("127.0.0.1", int(written[1])), timeout=10).close()
        with pytest.raises(OSError, match="in use"), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind(("127.0.0.1", int(written[2])))
        process.terminate()
    missing = {**os.environ, "MEMCACHED_PORT_FILENAME": str(tmp_path / "no" / "ports")}
    done = subprocess.run(command, env=missing, capture_output=True, text=True, timeout=20, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)


def test_unusable_unix_socket(tmp_path: Path) -> None:
    """A path that cannot be bound, or is in use, is refused; a file that is no socket stays."""
    done = run("-s", str(tmp_path / "missing" / "x"))
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    plain = tmp_path / "plain"
    plain.write_text("kept")
    assert run("-s", str(plain)).returncode == 1
    assert plain.read_text() == "kept"
    used = tmp_path / "used"
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(used))
        other.listen()
        assert run("-s", str(used)).returncode == 1
    assert used.exists()
