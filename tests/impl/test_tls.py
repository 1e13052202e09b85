"""TLS (``-Z``): certificates of both sides, versions and ciphers, resumption, and clients that never finish."""

import contextlib
import re
import shutil
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mcserver.settings import TlsSettings
from mcserver.tls import Certificates, TlsError
from tests.impl.support import Running, read_to_end, talk, wait_for

Start = Callable[..., Running]
OPENSSL = shutil.which("openssl")
pytestmark = pytest.mark.skipif(OPENSSL is None, reason="openssl is not installed: it makes the certificates")


class Files:
    """Keys and certificates, made when they are asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def run(self, *words: str) -> None:
        assert OPENSSL is not None
        subprocess.run([OPENSSL, *words], cwd=self.folder, capture_output=True, check=True, timeout=60)

    def make(self, name: str) -> None:
        """A certificate that vouches for itself, `name`.pem, and its key, `name`.key."""
        curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")
        subject = ("-subj", f"/CN={name}", "-days", "2")
        self.run("req", "-x509", *curve, "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.pem", *subject)

    def options(self, name: str, *more: str) -> list[str]:
        """The server's options for that certificate."""
        pair = f"ssl_chain_cert={self.folder / name}.pem,ssl_key={self.folder / name}.key"
        return ["-Z", "-o", ",".join([pair, *more])]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    made = Files(tmp_path_factory.mktemp("tls"))
    for name in ("one", "two"):
        made.make(name)
    return made


@pytest.fixture
def connect() -> Iterator[Callable[..., ssl.SSLSocket]]:
    """Connect with TLS, to whomever: ``connect(running, context)``."""
    opened: list[socket.socket] = []

    def begin(
        running: Running, context: ssl.SSLContext | None = None, session: ssl.SSLSession | None = None
    ) -> ssl.SSLSocket:
        opened.append(running.connect())
        secure = (context or trusting()).wrap_socket(opened[-1], session=session)
        opened.append(secure)
        return secure

    yield begin
    for sock in opened:
        sock.close()


Connect = Callable[..., ssl.SSLSocket]


def trusting() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def shown(sock: socket.socket, name: str) -> str:
    reply = talk(sock, b"stats\r\n", b"END\r\n") + talk(sock, b"stats settings\r\n", b"END\r\n")
    found = re.search(rf"STAT {name} (.*)\r\n", reply.decode())
    assert found is not None
    return found[1]


@pytest.mark.parametrize("threads", ["1", "2"])
def test_everything_goes_through_it(start: Start, files: Files, connect: Connect, threads: str) -> None:
    """Large values, orderly ends; a client that speaks plainly is dropped, one that says nothing disturbs nobody."""
    running = start(*files.options("one"), "-t", threads)
    value = bytes(range(256)) * 4000
    sock = connect(running)
    stored = talk(sock, b"set a 0 0 %d\r\n" % len(value) + value + b"\r\n", b"\r\n")
    assert stored == b"STORED\r\n"
    assert talk(sock, b"get a\r\n", b"\r\nEND\r\n") == b"VALUE a 0 %d\r\n" % len(value) + value + b"\r\nEND\r\n"
    with running.connect() as silent, running.connect() as plain:
        silent.settimeout(0.1)
        plain.sendall(b"get a\r\n")
        assert b"VALUE" not in read_to_end(plain)
        other = connect(running)
        other.sendall(b"get a\r\n" * 5 + b"quit\r\n")
        assert read_to_end(other).count(b"END\r\n") == 5
        assert wait_for(lambda: shown(sock, "ssl_handshake_errors") == "1")
        other.close()
        assert wait_for(lambda: shown(sock, "curr_connections") == "2")
        with pytest.raises(TimeoutError):
            silent.recv(1)
    sock.close()
    assert running.stop() == 0


@pytest.mark.parametrize("threads", ["1", "2"])
def test_a_handshake_has_a_time_limit(files: Files, connect: Connect, threads: str) -> None:
    """Whoever has not finished it by then is closed, and counts no more; others go on."""
    code = "import sys, mcserver.workers as w; w.HANDSHAKE_SECONDS = 0.2; from mcserver.cli import main; main()"
    options = ["-v", "-l", "127.0.0.1", "-p", "-1", "-t", threads, *files.options("one")]
    with subprocess.Popen([sys.executable, "-c", code, *options], stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        running = Running(process, process.stderr.readline().split("listening on ")[1].strip())
        sock = connect(running)
        with running.connect() as silent:
            assert read_to_end(silent) == b""
        assert wait_for(lambda: shown(sock, "curr_connections") == "1")
        assert running.stop() == 0


def test_settings_are_shown(start: Start, files: Files, connect: Connect) -> None:
    sock = connect(start(*files.options("one", "ssl_verify_mode=1", "ssl_wbuf_size=8", "ssl_min_version=3")))
    assert shown(sock, "ssl_enabled") == "yes"
    assert shown(sock, "ssl_chain_cert") == str(files.folder / "one.pem")
    assert shown(sock, "ssl_key") == str(files.folder / "one.key")
    assert shown(sock, "ssl_verify_mode") == "1"
    assert shown(sock, "ssl_wbuf_size") == "8192"
    assert shown(sock, "ssl_min_version") == "tlsv1.3"
    assert shown(sock, "ssl_session_cache") == "no"


@pytest.mark.parametrize("how", ["refresh_certs", "SIGHUP"])
def test_certificates_are_read_again(start: Start, files: Files, connect: Connect, tmp_path: Path, how: str) -> None:
    """New handshakes see the new one; files that do not fit leave the old one in force, and say so."""
    for end in ("pem", "key"):
        shutil.copy(files.folder / f"one.{end}", tmp_path / f"now.{end}")
    running = start(*Files(tmp_path).options("now"))
    sock = connect(running)
    first = connect(running).getpeercert(binary_form=True)

    def again() -> bytes:
        if how == "refresh_certs":
            return talk(sock, b"refresh_certs\r\n", b"\r\n")
        running.process.send_signal(1)
        return b""

    shutil.copy(files.folder / "two.pem", tmp_path / "now.pem")
    assert again().startswith(b"Error loading " if how == "refresh_certs" else b"")
    assert connect(running).getpeercert(binary_form=True) == first
    shutil.copy(files.folder / "two.key", tmp_path / "now.key")
    assert again() == (b"OK\r\n" if how == "refresh_certs" else b"")
    assert wait_for(lambda: connect(running).getpeercert(binary_form=True) != first)
    assert talk(sock, b"mn\r\n", b"\r\n") == b"MN\r\n"


def test_without_tls_there_is_nothing_to_read_again(start: Start) -> None:
    with start().connect() as sock:
        assert talk(sock, b"refresh_certs\r\n", b"\r\n") == b"ERROR\r\n"


@pytest.mark.parametrize(
    ("mode", "certificate", "comes_in"),
    [
        (0, None, True),
        (0, "two", True),
        (1, None, True),
        (1, "one", True),
        (1, "two", False),
        (2, None, False),
        (2, "one", True),
        (2, "two", False),
        (3, None, False),
        (3, "one", True),
    ],
)
def test_certificates_of_clients(
    start: Start,
    files: Files,
    connect: Connect,
    mode: int,
    certificate: str | None,
    comes_in: bool,  # noqa: FBT001
) -> None:
    """`one` is trusted and `two` is not."""
    running = start(*files.options("one", f"ssl_verify_mode={mode}", f"ssl_ca_cert={files.folder / 'one.pem'}"))
    context = trusting()
    if certificate is not None:
        context.load_cert_chain(files.folder / f"{certificate}.pem", files.folder / f"{certificate}.key")
    if comes_in:
        assert talk(connect(running, context), b"mn\r\n", b"\r\n") == b"MN\r\n"
    else:
        # With TLS 1.3 a client learns of it only after its own part of the handshake.
        reply = b""
        with contextlib.suppress(ssl.SSLError, ConnectionError):
            reply = talk(connect(running, context), b"mn\r\n", b"\r\n")
        assert reply == b""


def test_versions(start: Start, files: Files, connect: Connect) -> None:
    """-o ssl_min_version, and 1.2 without it."""
    older = trusting()
    older.maximum_version = ssl.TLSVersion.TLSv1_2
    assert connect(start(*files.options("one")), older).version() == "TLSv1.2"
    running = start(*files.options("one", "ssl_min_version=3"))
    assert connect(running).version() == "TLSv1.3"
    with pytest.raises(ssl.SSLError):
        connect(running, older)


def test_ciphers(start: Start, files: Files, connect: Connect) -> None:
    """-o ssl_ciphers: those and no others, up to TLS 1.2."""
    older = trusting()
    older.maximum_version = ssl.TLSVersion.TLSv1_2
    running = start(*files.options("one", "ssl_ciphers=ECDHE-ECDSA-AES256-GCM-SHA384"))
    cipher = connect(running, older).cipher()
    assert cipher is not None
    assert cipher[0] == "ECDHE-ECDSA-AES256-GCM-SHA384"
    older.set_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256")
    with pytest.raises(ssl.SSLError):
        connect(running, older)


@pytest.mark.parametrize("cached", [True, False])
def test_sessions(start: Start, files: Files, connect: Connect, cached: bool) -> None:  # noqa: FBT001
    """-o ssl_session_cache: a client may come back without a whole handshake; not without it."""
    running = start(*files.options("one", *(["ssl_session_cache"] if cached else [])))
    context = trusting()
    first = connect(running, context)
    talk(first, b"mn\r\n", b"\r\n")  # the ticket comes with the first reply
    second = connect(running, context, first.session)
    assert talk(second, b"mn\r\n", b"\r\n") == b"MN\r\n"
    assert second.session_reused is cached
    if cached:
        assert shown(second, "ssl_new_sessions") == "1"


def test_some_addresses_without(start: Start, files: Files, connect: Connect) -> None:
    """-l notls:..."""
    running = start(*files.options("one"), "-l", "notls:127.0.0.2")
    assert running.process.stderr is not None
    plain = Running(running.process, running.process.stderr.readline().split("listening on ")[1].strip())
    with plain.connect() as sock:
        assert talk(sock, b"set a 0 0 1\r\n1\r\n", b"\r\n") == b"STORED\r\n"
    assert talk(connect(running), b"get a\r\n", b"END\r\n") == b"VALUE a 0 1\r\n1\r\nEND\r\n"


def test_some_addresses_with_other_rules(start: Start, files: Files, connect: Connect) -> None:
    """-l btls: asks for no certificate, mtls: demands one, whatever -o ssl_verify_mode says."""
    trusted = f"ssl_ca_cert={files.folder / 'one.pem'}"
    running = start(*files.options("one", "ssl_verify_mode=2", trusted), "-l", "btls:127.0.0.2,mtls:127.0.0.3")
    assert running.process.stderr is not None
    lax, strict = (
        Running(running.process, running.process.stderr.readline().split("listening on ")[1].strip()) for _ in range(2)
    )
    assert talk(connect(lax), b"mn\r\n", b"\r\n") == b"MN\r\n"
    reply = b""
    with contextlib.suppress(ssl.SSLError, ConnectionError):
        reply = talk(connect(strict), b"mn\r\n", b"\r\n")
    assert reply == b""
    known = trusting()
    known.load_cert_chain(files.folder / "one.pem", files.folder / "one.key")
    assert talk(connect(strict, known), b"mn\r\n", b"\r\n") == b"MN\r\n"


def test_unsent_replies_are_bounded(start: Start, files: Files, connect: Connect) -> None:
    """A client that does not read costs little, and gets everything when it does."""
    running = start(*files.options("one", "ssl_wbuf_size=8"))
    greedy, other = connect(running), connect(running)
    talk(other, b"set a 0 0 1000000\r\n" + b"v" * 1_000_000 + b"\r\n", b"\r\n")
    before = running.rss()
    greedy.sendall(b"get " + b"a " * 60 + b"\r\n")
    for _ in range(20):
        talk(other, b"mn\r\n", b"\r\n")
    assert running.rss() - before < 16 * 1024
    got = 0
    while got < 60 * (1_000_000 + len(b"VALUE a 0 1000000\r\n\r\n")) + len(b"END\r\n"):
        got += len(greedy.recv(1 << 20))


def test_keys_in_der(files: Files) -> None:
    """-o ssl_keyformat=2, in each of the forms that openssl writes."""
    files.run("pkcs8", "-topk8", "-nocrypt", "-in", "one.key", "-outform", "DER", "-out", "new.der")
    files.run("ec", "-in", "one.key", "-outform", "DER", "-out", "old.der")
    files.run("ec", "-in", "two.key", "-outform", "DER", "-out", "other.der")
    chain = str(files.folder / "one.pem")
    for name in ("new", "old"):
        settings = TlsSettings(chain_cert=chain, key=str(files.folder / f"{name}.der"), key_der=True)
        assert Certificates(settings).reload() == ""
    with pytest.raises(TlsError):
        Certificates(TlsSettings(chain_cert=chain, key=str(files.folder / "other.der"), key_der=True))


def test_what_cannot_be_used(files: Files) -> None:
    """One line that names the file, without asking anybody for a password."""
    files.run("ec", "-in", "one.key", "-aes128", "-passout", "pass:secret", "-out", "locked.key")
    one, two = str(files.folder / "one"), str(files.folder / "two")
    bad = [
        (TlsSettings(chain_cert=f"{one}.pem", key=f"{two}.key"), f"{two}.key"),
        (TlsSettings(chain_cert=f"{one}.pem"), f"{one}.pem"),
        (TlsSettings(chain_cert="/missing.pem"), "/missing.pem"),
        (TlsSettings(chain_cert=f"{one}.pem", key=str(files.folder / "locked.key")), "password"),
        (TlsSettings(chain_cert=f"{one}.pem", key=f"{one}.key", ca_cert=f"{one}.key"), "CA certificate"),
        (TlsSettings(chain_cert=f"{one}.pem", key=f"{one}.key", ciphers="NONSENSE"), "NONSENSE"),
    ]
    for settings, named in bad:
        with pytest.raises(TlsError) as caught:
            Certificates(settings)
        assert named in str(caught.value)
        assert "\n" not in str(caught.value)
        assert "secret" not in str(caught.value)
