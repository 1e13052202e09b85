"""Cuts never matter, steps are bounded, lines have their limits."""

import random

import pytest

from mcserver.connection import Connection
from mcserver.engine import Engine
from mcserver.framing import STEP_BYTES, STEP_COMMANDS
from mcserver.inproc import create
from mcserver.settings import Settings
from tests.impl.support import ask

TALK = (
    b"set a 5 0 3\r\nabc\r\nget a b\r\nset b 0 0 0\r\n\r\ngets a b\r\nset c 0 0 2 noreply\r\nxx\r\n"
    b"set d x 0 5\r\n12345\r\nset e 0 0 3\r\nabcdefoo\r\nincr a 1\nadd n 0 0 2\r\n98\r\nincr n 1\r\nincr n 1\r\n"
    b"get n\r\ndecr n 95\r\nget n a c\r\n"
    b"set big 0 0 2000000\r\n" + b"v" * 20 + b"\r\n"
)


def test_every_single_cut() -> None:
    """One cut at every place gives the replies of no cut."""
    whole = ask(create(), TALK)
    for at in range(1, len(TALK)):
        assert ask(create(), TALK[:at], TALK[at:]) == whole, at


def test_byte_by_byte_and_random_cuts() -> None:
    """Any number of cuts."""
    whole = ask(create(), TALK)
    assert ask(create(), *(TALK[at : at + 1] for at in range(len(TALK)))) == whole
    draw = random.Random(7)
    for _ in range(200):
        at = sorted(draw.sample(range(len(TALK)), 6))
        pieces = [TALK[a:b] for a, b in zip([0, *at], [*at, len(TALK)], strict=True)]
        assert ask(create(), *pieces) == whole


@pytest.mark.parametrize("cut", [1, 100, 2047, 2048, 2049])
def test_line_limit_does_not_depend_on_cuts(cut: int) -> None:
    """2,048 bytes with the LF are served, one more closes without an answer for the line."""
    for length, served in ((2048, True), (2049, False), (2500, False)):
        line = b"set a 0 0 1".ljust(length - 2) + b"\r\n"
        connection = create().open()
        connection.send(b"version\r\n" + line[:cut])
        connection.send(line[cut:] + b"1\r\n")
        assert connection.receive().endswith(b"0\r\nSTORED\r\n" if served else b"mcserver-0.1.0\r\n")
        assert connection.closed is not served


def test_unterminated_line_closes_at_the_limit() -> None:
    """The connection ends with byte 2,048, not before."""
    connection = create().open()
    ends = []
    for piece in (b"x" * 2047, b"x"):
        connection.send(piece)
        ends.append(connection.closed)
    assert ends == [False, True]
    assert connection.receive() == b""


@pytest.mark.parametrize("start", [b"get ", b"gets ", b"gat 0 ", b"gats 0 "])
def test_retrieval_lines_may_be_long(start: bytes) -> None:
    """Up to 1 MiB; then the error and the end."""
    server = create()
    ask(server, b"set a 0 0 1\r\n1\r\n")
    for length, served in ((5000, True), (1 << 20, True), ((1 << 20) + 1, False)):
        line = start.ljust(length - 3) + b"a\r\n"
        for chunks in ([line], [line[at : at + 65536] for at in range(0, length, 65536)]):
            connection = server.open()
            for chunk in chunks:
                connection.send(chunk)
            reply = connection.receive()
            assert reply.endswith(b"1\r\nEND\r\n" if served else b"SERVER_ERROR out of memory reading request\r\n")
            assert connection.closed is not served


def test_line_limit_needs_the_whole_start() -> None:
    """A blank before get, or touch, earns no long line."""
    for start in (b" get ", b"touch ", b"getx ", b"get\t"):
        connection = create().open()
        connection.send(start.ljust(3000) + b"a\r\n")
        assert (connection.closed, connection.receive()) == (True, b"")


def test_long_line_with_a_bad_key_answers_only_the_error() -> None:
    """Keys are checked before the first value leaves."""
    server = create()
    ask(server, b"set a 0 0 1\r\n1\r\n")
    line = b"get " + b"a " * 100000 + b"k" * 251 + b"\r\n"
    assert ask(server, line) == b"CLIENT_ERROR bad command line format\r\n"


def test_long_line_keys_in_order() -> None:
    """No key is lost or split where a long line is cut into windows."""
    server = create()
    keys = [b"key%d" % number + b"x" * (number % 240) for number in range(1000)]
    ask(server, b"".join(b"set %b 0 0 1\r\n1\r\n" % key for key in keys))
    reply = ask(server, b"get " + b"  ".join(keys) + b"  \r\n")
    assert reply == b"".join(b"VALUE %b 0 1\r\n1\r\n" % key for key in keys) + b"END\r\n"


def engine() -> Engine:
    """Make an engine whose clock stands still."""
    return Engine(Settings(), lambda: 1000.0)


def feed_all(connection: Connection, data: bytes) -> tuple[bytes, list[int]]:
    """Feed and resume; the replies and the size of each step's."""
    steps = [connection.feed(data)]
    while connection.more:
        steps.append(connection.resume())
    return b"".join(b"".join(step) for step in steps), [sum(map(len, step)) for step in steps]


def test_steps_are_bounded_in_bytes() -> None:
    """A step ends with the value that fills it, in a retrieval and between commands."""
    connection = engine().connection()
    size = 100_000
    connection.feed(b"set a 0 0 %d\r\n" % size + b"v" * size + b"\r\n")
    one = b"VALUE a 0 %d\r\n" % size + b"v" * size + b"\r\n"
    for sent, expected in (
        (b"get " + b"a " * 50 + b"\r\n", one * 50 + b"END\r\n"),
        (b"get a\r\n" * 50, (one + b"END\r\n") * 50),
        (b"gets a\r\n" * 50, (one.replace(b"100000\r", b"100000 2\r") + b"END\r\n") * 50),
    ):
        replies, steps = feed_all(connection, sent)
        assert replies == expected
        assert len(steps) > 10
        assert max(steps) <= STEP_BYTES + size + 100


def test_steps_are_bounded_in_commands() -> None:
    """A long run of commands is served in parts, whatever the commands."""
    for command, reply in (
        (b"get a\r\n", b"END\r\n"),
        (b"get a b\r\n", b"END\r\n"),
        (b"set x 0 0 1 x\r\n1\r\n", b"STORED\r\n"),
    ):
        connection = engine().connection()
        replies, steps = feed_all(connection, command * 3000)
        assert replies == reply * 3000
        least = -(-3000 // STEP_COMMANDS)
        assert least <= len(steps) <= 2 * least  # the keys of a retrieval count too


def test_fed_while_waiting_is_kept() -> None:
    """Input that comes before resume is served after it."""
    connection = engine().connection()
    first = connection.feed(b"get a\r\n" * 300)
    waiting = connection.more
    assert waiting
    assert connection.feed(b"version\r\n") == []
    rest: list[bytes | bytearray | memoryview] = []
    while connection.more:
        rest += connection.resume()
    assert b"".join(first + rest).endswith(b"END\r\nVERSION 1.6.45-mcserver-0.1.0\r\n")


def test_states_are_observable() -> None:
    """The hook names the states in the order they are entered."""
    connection = engine().connection()
    seen: list[str] = []
    connection.on_state = seen.append
    connection.feed(b"set a 0 0 2\r\n1")
    assert connection.phase.name == "VALUE"
    connection.feed(b"2\r\nset b x 0 1\r\n1")
    assert connection.phase.name == "SWALLOW"
    connection.feed(b"\r\nquit\r\n")
    assert connection.phase.name == "CLOSED"
    assert [name for name in seen if name != "read"] == [
        *("new_cmd", "parse_cmd", "nread", "waiting"),
        *("new_cmd", "new_cmd", "parse_cmd", "swallow", "mwrite", "waiting"),
        *("new_cmd", "new_cmd", "parse_cmd", "closing"),
    ]


def test_random_bytes_never_raise() -> None:
    """Noise is answered or closed, and leaves no memory held."""
    draw = random.Random(3)
    words = b"get|set|gat|cas|incr| |\r\n|\n|0|a|-|\x00|noreply|999999999".split(b"|")
    for _ in range(3000):
        server = create()
        connection = server.open()
        for _ in range(4):
            connection.send(b"".join(draw.choice(words) for _ in range(draw.randrange(20))))
        connection.half_close()
        assert connection.closed
        assert server.connection_count == 0
