"""SASL PLAIN: who comes in, by which steps, and what a stranger may say."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mcserver.auth_text import UsersError
from mcserver.inproc import Connection, create
from mcserver.sasl import VARIABLE, Users
from tests.impl.frames import Reply, binary, parse
from tests.impl.support import Running, talk, wait_for

GET, QUIT, NOOP, VERSION, STAT, LIST, AUTH, STEP = 0, 7, 0x0A, 0x0B, 0x10, 0x20, 0x21, 0x22
GOOD, WRONG = b"\0mcuser\0mcpass", b"\0mcuser\0wrong"
IN, OUT, GO_ON = (0, b"Authenticated"), (0x20, b"Auth failure."), (0x21, b"")


def auth(token: bytes, mechanism: bytes = b"PLAIN") -> bytes:
    return binary(AUTH, mechanism, value=token)


def step(token: bytes, mechanism: bytes = b"PLAIN") -> bytes:
    return binary(STEP, mechanism, value=token)


@pytest.fixture
def enter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Connection]:
    """Connect to a server that knows one user and, of another, the realm too."""
    users = tmp_path / "users"
    users.write_bytes(b"mcuser:mcpass\nother@somewhere:pass:word::::\r\n\n")
    monkeypatch.setenv(VARIABLE, str(users))
    server = create(["-S"])
    return server.open


# A token of AUTH, then the answer; `step` and `list` where it is not AUTH. The last column: is the client in?
A, S, L = "auth", "step", "list"
EXCHANGES: list[tuple[list[tuple[str, bytes, tuple[int, bytes]]], bool]] = [
    ([(A, GOOD, IN)], True),
    ([(A, WRONG, OUT)], False),
    ([(A, WRONG, OUT), (A, GOOD, IN)], True),
    ([(A, GOOD, IN), (A, GOOD, OUT)], False),
    ([(A, GOOD, IN), (A, GOOD, OUT), (A, GOOD, IN)], True),
    ([(A, GOOD, IN), (A, WRONG, OUT), (A, GOOD, IN)], True),
    ([(A, GOOD, IN), (L, b"", (0, b"PLAIN"))], False),
    ([(A, GOOD, IN), (L, b"", (0, b"PLAIN")), (A, GOOD, OUT), (A, GOOD, IN)], True),
    ([(A, b"", GO_ON)], False),
    ([(A, b"", GO_ON), (S, GOOD, IN)], True),
    ([(A, b"", GO_ON), (L, b"", (0, b"PLAIN")), (S, GOOD, IN)], True),
    ([(A, b"", GO_ON), (S, WRONG, OUT), (S, b"", OUT), (S, GOOD, IN)], True),
    ([(A, b"", GO_ON), (S, WRONG, OUT), (A, GOOD, IN)], True),
    ([(A, b"", GO_ON), (A, GOOD, IN)], True),
    ([(A, b"", GO_ON), (A, WRONG, OUT), (S, GOOD, OUT)], False),
    ([(A, b"", GO_ON), (S, GOOD, IN), (S, GOOD, OUT), (A, GOOD, OUT), (A, GOOD, IN)], True),
    ([(S, GOOD, OUT)], False),
    ([(A, WRONG, OUT), (S, GOOD, OUT)], False),
    ([(A, GOOD, IN), (S, GOOD, OUT)], False),
    ([(A, GOOD, IN), (A, b"", GO_ON), (S, GOOD, OUT)], False),
    ([(A, GOOD, IN), (A, b"", GO_ON), (A, GOOD, OUT)], False),
]


@pytest.mark.parametrize(("exchange", "inside"), EXCHANGES)
@pytest.mark.parametrize("width", [1, 7, 10_000])
def test_exchange(
    enter: Callable[[], Connection],
    exchange: list[tuple[str, bytes, tuple[int, bytes]]],
    inside: bool,  # noqa: FBT001 - pytest gives arguments by name
    width: int,
) -> None:
    connection = enter()
    makers = {A: auth, S: step, L: lambda _token: binary(LIST)}
    codes = {A: AUTH, S: STEP, L: LIST}
    stream = b"".join(makers[kind](token) for kind, token, _ in exchange) + binary(GET, b"k")
    for at in range(0, len(stream), width):
        connection.send(stream[at : at + width])
    told = parse(connection.receive())
    assert told[:-1] == [Reply(codes[kind], *answer) for kind, _, answer in exchange]
    assert told[-1] == Reply(GET, *((1, b"Not found") if inside else OUT))
    assert connection.closed is not inside


@pytest.mark.parametrize(
    ("token", "mechanism", "answer"),
    [
        (b"mcuser\0mcuser\0mcpass", b"PLAIN", IN),
        (b"root\0mcuser\0mcpass", b"PLAIN", OUT),
        (b"mcuser mcpass", b"PLAIN", OUT),
        (b"\0mcuser", b"PLAIN", OUT),
        (b"\0mcuser\0", b"PLAIN", OUT),
        (b"\0\0mcpass", b"PLAIN", OUT),
        (b"\0\0", b"PLAIN", OUT),
        (b"\0mcuser\0mcpas", b"PLAIN", OUT),
        (b"\0mcuser\0mcpasss", b"PLAIN", OUT),
        (b"\0mcuser\0mcpass\0", b"PLAIN", OUT),
        (b"\0MCUSER\0mcpass", b"PLAIN", OUT),
        (b"\0nobody\0mcpass", b"PLAIN", OUT),
        (b"\0other\0pass:word", b"PLAIN", IN),
        (b"\0other@somewhere\0pass:word", b"PLAIN", IN),
        (b"\0other@elsewhere\0pass:word", b"PLAIN", OUT),
        (GOOD, b"plain", IN),
        (GOOD, b"PLAINER", OUT),
        (b"", b"CRAM-MD5", OUT),
        (GOOD, b"P" * 32, OUT),
        (GOOD, b"P" * 33, (4, b"Invalid arguments")),
        (b"x" * 500_000, b"PLAIN", OUT),
        (b"x" * 600_000, b"PLAIN", (0x82, b"Out of memory")),
    ],
)
def test_token(enter: Callable[[], Connection], token: bytes, mechanism: bytes, answer: tuple[int, bytes]) -> None:
    connection = enter()
    connection.send(auth(token, mechanism) + binary(VERSION))
    assert parse(connection.receive()) == [Reply(AUTH, *answer), Reply(VERSION, 0, b"1.6.45-mcserver-0.1.0")]


def test_another_mechanism_begins_anew(enter: Callable[[], Connection]) -> None:
    connection = enter()
    connection.send(auth(GOOD) + auth(GOOD, b"FOO") + auth(GOOD) + auth(b"", b"FOO") + step(GOOD))
    assert parse(connection.receive()) == [Reply(AUTH, *told) for told in (IN, OUT, IN, OUT)] + [Reply(STEP, *OUT)]


def test_what_a_stranger_may_say(enter: Callable[[], Connection]) -> None:
    """The mechanisms, the way in, the version; everything else ends the conversation, also what does not exist."""
    for opcode in range(256):
        connection = enter()
        connection.send(binary(opcode, b"k" if opcode in {GET, 4, AUTH, STEP} else b"") + binary(VERSION))
        told = parse(connection.receive())
        if opcode in {LIST, AUTH, STEP, VERSION}:
            assert told[-1].opcode == VERSION
            assert not connection.closed
        else:
            assert told == [Reply(opcode, *OUT)]
            assert connection.closed


def test_the_order_of_refusals(enter: Callable[[], Connection]) -> None:
    """Contradictions and sizes come before authentication, the length of the key and the shape behind it."""
    for request, status in (
        (binary(GET, b"abcde", bodylen=4), 0x81),
        (binary(GET, bodylen=(1 << 30) + 1), 4),
        (binary(GET, b"k" * 251), 0x20),
        (binary(GET), 0x20),
        (binary(AUTH, b"k" * 251), 4),
        (binary(AUTH), 4),
        (binary(LIST, b"k"), 4),
    ):
        connection = enter()
        connection.send(request)
        assert [reply.status for reply in parse(connection.receive())] == [status]
        assert connection.closed


def test_text_is_not_answered(enter: Callable[[], Connection]) -> None:
    connection = enter()
    connection.send(b"version\r\nget a\r\nversion\r\n")
    assert connection.receive() == b""
    assert connection.closed


def test_counters_and_settings(enter: Callable[[], Connection]) -> None:
    connection = enter()
    connection.send(auth(WRONG) + auth(b"") + step(GOOD) + binary(STAT) + binary(STAT, b"settings"))
    rows = {told.body[: told.keylen]: told.body[told.keylen :] for told in parse(connection.receive()) if told.keylen}
    assert (rows[b"auth_cmds"], rows[b"auth_errors"]) == (b"2", b"1")
    assert (rows[b"auth_enabled_sasl"], rows[b"binding_protocol"]) == (b"yes", b"binary")


def test_connections_are_let_in_one_by_one(enter: Callable[[], Connection]) -> None:
    one, other = enter(), enter()
    one.send(auth(GOOD))
    other.send(binary(GET, b"k"))
    assert parse(other.receive()) == [Reply(GET, *OUT)]
    one.send(binary(GET, b"k"))
    assert [reply.status for reply in parse(one.receive())] == [0, 1]


def test_everybody_is_compared_with_everybody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The number of comparisons does not depend on who comes, nor their length on what is typed."""
    users = tmp_path / "users"
    users.write_bytes(b"".join(b"user%d:secret%d\n" % (number, number) for number in range(20)))
    compared: list[tuple[int, int]] = []

    def compare(one: bytes, other: bytes) -> bool:
        compared.append((len(one), len(other)))
        return one == other

    monkeypatch.setattr("mcserver.sasl.hmac.compare_digest", compare)
    known = Users({VARIABLE: str(users)})
    counts = []
    for token in (b"\0user0\0secret0", b"\0user19\0secret19", b"\0user19\0x", b"\0nobody\0secret0", b"", b"\0" * 9):
        compared.clear()
        known.admits(token)
        counts.append(len(compared))
        assert set(compared) == {(32, 32)}
    assert len(set(counts)) == 1
    assert counts[0] >= 20


@pytest.mark.parametrize(
    "text",
    ["nobody\n", ":password\n", "user:\n", "user::::\n", "mcuser:mcpass\nuser\n", "mcuser:mc\0pass\n"],
    ids=["no colon", "no user", "no password", "colons", "second line", "NUL"],
)
def test_bad_files(tmp_path: Path, text: str) -> None:
    """The complaint names file and line, and no secret."""
    users = tmp_path / "users"
    users.write_text(text)
    with pytest.raises(UsersError, match=r"line \d of the users' file .* is no 'user:password'") as caught:
        Users({VARIABLE: str(users)})
    assert "mcpass" not in str(caught.value)


def test_start_without_users(tmp_path: Path) -> None:
    """One line says what to set, or which file cannot be read."""
    environment = {name: value for name, value in os.environ.items() if name != VARIABLE}
    for extra, told in (({}, f"set {VARIABLE}"), ({VARIABLE: str(tmp_path / "none")}, str(tmp_path / "none"))):
        done = subprocess.run(
            [sys.executable, "-m", "mcserver", "-S", "-p", "-1"],
            env={**environment, **extra},
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
        assert done.returncode != 0
        assert told in done.stderr
        assert done.stderr.count("\n") == 1


def test_secrets_are_not_logged(tmp_path: Path, start: Callable[..., Running], monkeypatch: pytest.MonkeyPatch) -> None:
    """At the highest verbosity neither what clients say nor the file is shown; SIGHUP reads the file again."""
    users = tmp_path / "users"
    users.write_text("mcuser:mcpass\n")
    monkeypatch.setenv(VARIABLE, str(users))
    running = start("-S", "-vv")
    with running.connect() as sock:
        assert talk(sock, auth(b"\0mcuser\0wrongsecret") + auth(GOOD), b"Authenticated").count(b"Auth") == 2
        assert parse(talk(sock, binary(NOOP), b"\0")) == [Reply(NOOP, 0)]
    users.write_text("mcuser:newsecret\n")
    running.process.send_signal(signal.SIGHUP)

    def let_in() -> bool:
        with running.connect() as sock:
            return talk(sock, auth(b"\0mcuser\0newsecret") + binary(VERSION), b"0.1.0").count(b"Authenticated") == 1

    assert wait_for(let_in)
    running.process.terminate()
    assert running.process.stderr is not None
    log = running.process.stderr.read()
    assert "PLAIN" in log
    assert "mcpass" not in log
    assert "wrongsecret" not in log
    assert "newsecret" not in log
