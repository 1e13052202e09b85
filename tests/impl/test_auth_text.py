"""ASCII authentication (``-Y``): what a stranger may say, who is let in, and that no secret gets out."""

import hmac
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from mcserver.auth_text import Users, UsersError
from mcserver.inproc import Server, create
from tests.conftest import RunningServer
from tests.impl.support import Running, read_to_end, talk, wait_for

Start = Callable[..., Running]
IN = b"set auth 0 0 13\r\nmcuser mcpass\r\n"
UNAUTHENTICATED = b"CLIENT_ERROR unauthenticated\r\n"
FAILURE = b"CLIENT_ERROR authentication failure\r\n"


@pytest.fixture
def users(tmp_path: Path) -> Path:
    path = tmp_path / "users"
    path.write_text("mcuser:mcpass\nb:c:d\r\nempty:", encoding="ascii")
    return path


@pytest.fixture
def server(users: Path) -> Server:
    return create(["-Y", str(users)])


#: One request of a stranger each; the replies are those of memcached 1.6.45.
STRANGERS = [
    (IN + b"get a\r\nmn\r\n", b"STORED\r\nEND\r\nMN\r\n", False),
    (b"setx a b c 13\r\nmcuser mcpass\r\nmn\r\n", b"STORED\r\nMN\r\n", False),
    (b"set a 0 0 13 noreply\r\nmcuser mcpass\r\nmn\r\n", b"STORED\r\nMN\r\n", False),
    (b"set a 0 0 13 x y z\r\nmcuser mcpass\r\nmn\r\n", b"STORED\r\nMN\r\n", False),
    (b"set a 0 0 013\r\nmcuser mcpass\r\n", b"STORED\r\n", False),
    (b"set a 0 0 5\r\nb c:d\r\n", b"STORED\r\n", False),
    (b"set a 0 0 6\r\nempty \r\n", b"STORED\r\n", False),
    (b"set a 0 0 3\r\nb c\r\n", FAILURE, False),
    (b"set a 0 0 5\r\nb:c d\r\n", FAILURE, False),
    (b"set a 0 0 7\r\n mcpass\r\n", FAILURE, False),
    (b"set a 0 0 13\r\nmcuser mcpasS\r\n", FAILURE, False),
    (b"set a 0 0 14\r\nmcuser mcpass \r\n", FAILURE, False),
    (b"set a 0 0 6\r\nmcuser\r\n", b"CLIENT_ERROR bad authentication token format\r\n", False),
    (b"set a 0 0 0\r\n\r\n", b"CLIENT_ERROR bad authentication token format\r\n", False),
    (b"set a 0 0 13\r\nmcuser mcpassxx", b"CLIENT_ERROR bad command line termination\r\n", False),
    (b"set a 0 0 16384\r\n" + b"x" * 16384 + b"\r\n", b"CLIENT_ERROR bad authentication token format\r\n", False),
    (b"set a 0 0 16385\r\n", b"CLIENT_ERROR auth token too long\r\n", False),
    (b"set a 0 0 4294967295\r\n", b"CLIENT_ERROR auth token too long\r\n", False),
    (b"set a 0 0 4294967296\r\n", UNAUTHENTICATED, False),
    (b"set a 0 0 -1\r\n", UNAUTHENTICATED, False),
    (b"set a 0 0 x\r\n", UNAUTHENTICATED, False),
    (b"set a 0 0\r\n", UNAUTHENTICATED, False),
    (b" set a 0 0 13\r\n", UNAUTHENTICATED, False),
    (b"add a 0 0 13\r\n", UNAUTHENTICATED, False),
    (b"get abcdef\r\n", UNAUTHENTICATED, False),
    (b"version\r\n", UNAUTHENTICATED, False),
    (b"stats\n", UNAUTHENTICATED[:0], True),
    (b"stats\r\n", UNAUTHENTICATED, False),
    (b"mn\r\n", b"", True),
    (b"quit\r\n", b"", True),
    (b"\r\n", b"", False),
    (b"\r\nm", b"", True),
    (b"x" * 2047, b"", False),
    (b"x" * 2048, b"", True),
    (b"\x80" + b"\n" * 23, b"", True),
]


@pytest.mark.parametrize(("stream", "reply", "closed"), STRANGERS, ids=range(len(STRANGERS)))
def test_what_a_stranger_is_told(server: Server, stream: bytes, reply: bytes, closed: bool) -> None:  # noqa: FBT001
    """Whole, byte by byte, and cut in two anywhere near its start."""
    cuts = [[stream], [stream[at : at + 1] for at in range(len(stream))]]
    cuts += [[stream[:at], stream[at:]] for at in range(1, min(len(stream), 40))]
    for chunks in cuts:
        connection = server.open()
        for chunk in chunks:
            connection.send(chunk)
        assert (connection.receive(), connection.closed) == (reply, closed)
        connection.reset()


@pytest.mark.memcached
def test_memcached_says_the_same(start_memcached: Callable[..., RunningServer], users: Path) -> None:
    """Those of them that releases 1.6.18 and 1.6.45 answer alike: memcached says one thing per chunk."""
    memcached = start_memcached("-Y", str(users))
    alike = (b"set a", b"add", b"get", b"version")
    for stream, reply, closed in STRANGERS:
        if not stream.startswith(alike) or b"16385" in stream or b"42949" in stream or closed or not reply:
            continue
        if any(part in stream for part in (b"set a 0 0 7", b"16384", b"empty", b"mcpass ")):
            continue
        with memcached.connect() as sock:
            assert talk(sock, stream, reply[-4:]) == reply, stream


def test_a_stranger_changes_nothing(server: Server) -> None:
    """What comes before authentication is no command, and a failure leaves room for another try."""
    connection = server.open()
    connection.send(
        b"set a 0 0 5\r\nwrong\r\nset a 0 0 3\r\nx y\r\nflush_all\r\nstats reset\r\n" + IN + b"get a auth\r\n"
    )
    bad = b"CLIENT_ERROR bad authentication token format\r\n"
    assert connection.receive() == bad + FAILURE + UNAUTHENTICATED * 2 + b"STORED\r\nEND\r\n"
    connection.send(b"stats\r\n")
    shown = connection.receive()
    assert b"STAT auth_cmds 2\r\n" in shown
    assert b"STAT auth_errors 1\r\n" in shown
    assert b"STAT cmd_set 0\r\n" in shown
    connection.send(b"stats settings\r\n" + IN + b"get auth\r\n")
    assert b"STAT auth_enabled_ascii /" in (reply := connection.receive())
    # Whoever is in may use such a set as any other.
    assert reply.endswith(b"STORED\r\nVALUE auth 0 13\r\nmcuser mcpass\r\nEND\r\n")


def test_a_stranger_takes_no_memory(server: Server) -> None:
    """An announced token is kept, at most 16 KiB of it; the end of the connection ends that too."""
    connection = server.open()
    connection.send(b"set a 0 0 16384\r\n" + b"x" * 16000)
    connection.half_close()
    assert connection.closed
    assert connection.receive() == b""


def test_every_entry_is_compared(users: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a function whose time does not depend on where texts differ, and as often for a user that is there."""
    compared: list[int] = []
    compare = hmac.compare_digest

    def counted(one: bytes, other: bytes) -> bool:
        compared[-1] += 1
        return compare(one, other)

    monkeypatch.setattr(hmac, "compare_digest", counted)
    known = Users.load(str(users))
    for user, password, admitted in ((b"mcuser", b"mcpass", True), (b"mcuser", b"x", False), (b"x", b"mcpass", False)):
        compared.append(0)
        assert known.admits(user, password) is admitted
    assert compared == [3, 3, 3]


@pytest.mark.parametrize("text", ["nobody\n", "\n", "a:b\n\nc:d\n", "a:b\n" + "x" * 250 + ":1234\n", "a:\0\n"])
def test_a_file_that_is_none(tmp_path: Path, text: str) -> None:
    """One line that names the file, and nothing of what is in it."""
    path = tmp_path / "users"
    path.write_text(text, encoding="ascii")
    with pytest.raises(UsersError) as caught:
        Users.load(str(path))
    assert str(path) in str(caught.value)
    assert "nobody" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(UsersError, match="No such file"):
        Users.load(str(tmp_path / "users"))


@pytest.mark.parametrize("threads", ["1", "2"])
def test_the_file_is_read_again(start: Start, users: Path, threads: str) -> None:
    """SIGHUP: new entries count for new tries, a file that is none changes nothing; whoever is in stays in."""
    running = start("-Y", str(users), "-t", threads)
    old, new = running.connect(), running.connect()
    with old, new:
        assert talk(old, IN, b"\r\n") == b"STORED\r\n"
        users.write_text("other:word\n", encoding="ascii")
        running.process.send_signal(signal.SIGHUP)
        assert wait_for(lambda: talk(new, b"set a 0 0 10\r\nother word\r\n", b"\r\n") == b"STORED\r\n")
        assert talk(old, b"mn\r\n", b"\r\n") == b"MN\r\n"
        with running.connect() as late:
            assert talk(late, IN, b"\r\n") == FAILURE
            users.write_text("broken", encoding="ascii")
            running.process.send_signal(signal.SIGHUP)
            assert running.process.stderr is not None
            assert "line 1 of the users' file" in running.process.stderr.readline()
            assert talk(late, b"set a 0 0 10\r\nother word\r\n", b"\r\n") == b"STORED\r\n"


def test_no_secret_is_logged(start: Start, users: Path) -> None:
    """Not even with -vv, and not when it stands where a command would stand."""
    running = start("-Y", str(users), "-vv", "-t", "2")
    with running.connect() as sock:
        talk(
            sock, b"set a 0 0 13\r\nmcuser mcpasS\r\nmcuser mcpass\r\nset a 0 0 3\r\nmcuser mcpass\r\n", UNAUTHENTICATED
        )
        talk(sock, IN, b"\r\n")
        talk(sock, b"get visible\r\n", b"END\r\n")
    with running.connect() as sock:
        sock.sendall(b"quit\r\n")
        assert read_to_end(sock) == b""
    assert running.stop() == 0
    assert running.process.stderr is not None
    written = running.process.stderr.read()
    assert "visible" in written
    assert "mcpas" not in written
    assert "mcuser" not in written
