"""Who may come in: what a connection may say before it has shown who it is, and how it shows that.

There are two ways, and a server has at most one of them. ASCII (-Y): the first value that a connection stores is `user
password`, and it speaks text from then on. SASL (-S): the binary opcodes LIST, AUTH and STEP, with the mechanism PLAIN.
Here are the decisions, as pure functions; `rows_access` has the rows of the machine that ask for them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from mcspec import binary, scan, text

if TYPE_CHECKING:
    from mcspec.rules import Rules

PERMITTED = (
    *("access.server.options", "access.server.file", "access.server.reload", "access.server.secrets"),
    *("access.server.constant-time", "access.transport.same", "access.transport.limit"),
)
"""Clauses on what no reply shows: how a server is started, and what it does with what it knows."""


def known(user: bytes, password: bytes, rules: Rules) -> bool:
    """Whether a user with this password may come in."""
    return (user, password) in rules.credentials


# ------------------------------------------------------------------------------------------------ ASCII (-Y)

UNAUTHENTICATED = b"CLIENT_ERROR unauthenticated\r\n"
FAILURE = b"CLIENT_ERROR authentication failure\r\n"
BAD_END = b"CLIENT_ERROR bad command line termination\r\n"
BAD_TOKEN = b"CLIENT_ERROR bad authentication token format\r\n"
TOKEN_LONG = b"CLIENT_ERROR auth token too long\r\n"
STORED = b"STORED\r\n"


class Token(NamedTuple):
    """A line of a stranger that announces a token of `length` bytes and CR LF."""

    length: int
    clauses: tuple[str, ...]


def read(raw: bytes, rules: Rules) -> Token | text.Answer | text.Hang | text.Elsewhere:
    """Read one line of a stranger, `raw` including its LF."""
    if rules.traits.auth_line == "words":
        return _read_words(raw, rules)
    if len(raw) <= rules.limits.auth_line:
        return text.Hang(("access.ascii.short-line",))
    words = scan.words(raw[:-2] if rules.traits.auth_line == "cut" else raw[:-1].removesuffix(b"\r"))
    length = None
    if raw.startswith(b"set") and len(words) > _LENGTH:
        length = scan.strict_unsigned(words[_LENGTH], rules.limits.length_digits, 2**32)
    if length is None:
        return _stranger(words)
    if length > rules.limits.auth_token:
        return text.Answer(TOKEN_LONG, False, ("access.ascii.too-long",))
    return _announced(words, length, rules)


def _read_words(raw: bytes, rules: Rules) -> Token | text.Answer | text.Elsewhere:
    """The same by older releases: the words are those of every other line, and the length has no limit."""
    words = scan.words(raw[:-1].removesuffix(b"\r").partition(b"\0")[0])
    length = scan.c_unsigned(words[_LENGTH]) if len(words) > _LENGTH and words[0] == b"set" else None
    return _stranger(words) if length is None else _announced(words, length, rules)


def _announced(words: tuple[bytes, ...], length: int, rules: Rules) -> Token | text.Elsewhere:
    if length + 2 > rules.limits.read_buffer:
        return text.Elsewhere("a token that does not fit the buffer of one read is the end of some connections")
    clauses: tuple[str, ...] = ("access.ascii.set",)
    if words[1:4] != (b"auth", b"0", b"0") or len(words) > _LENGTH + 1:
        clauses = (*clauses, "access.ascii.ignored")
    return Token(length, clauses)


_LENGTH = 4
"""The word of a line that says how long the token is."""


def _stranger(words: tuple[bytes, ...]) -> text.Answer:
    sets = words[:1] == (b"set",)
    clauses = ("access.ascii.set", "access.ascii.bad-set") if sets else ("access.ascii.refused",)
    return text.Answer(UNAUTHENTICATED, False, clauses)


_LET_IN: tuple[str, ...] = ("auth_cmds",)
_TURNED_AWAY: tuple[str, ...] = ("auth_cmds", "auth_errors")
"""What counts when somebody was let in, and when a user or a password was wrong."""


class Verdict(NamedTuple):
    """What a token is answered, why, whether it lets its connection in, and what it counts."""

    reply: bytes
    clause: str
    lets_in: bool = False
    counts: tuple[str, ...] = ()


def judge(block: bytes, rules: Rules) -> Verdict:
    """Look at a token that has come, with its two last bytes."""
    if block[-2:] != b"\r\n":
        return Verdict(BAD_END, "access.ascii.bad-end")
    user, blank, password = block[:-2].partition(b" ")
    if rules.traits.auth_line == "words":
        words = scan.words(block[:-2].partition(b"\0")[0])
        user, blank, password = (words[0], b" ", words[1]) if len(words) > 1 else (b"", b"", b"")
    if not blank:
        return Verdict(BAD_TOKEN, "access.ascii.no-blank")
    if rules.functions.known(user, password, rules):
        return Verdict(STORED, "access.ascii.stored", lets_in=True, counts=_LET_IN)
    return Verdict(FAILURE, "access.ascii.failure", counts=_TURNED_AWAY)


# ------------------------------------------------------------------------------------------------ SASL (-S)

BEGUN, IN, OUT = "begun", "in", "out"
"""Where a connection stands beside "": STEP is due, it was let in, it was let in once and is no longer."""

LIST, AUTH, STEP = 0x20, 0x21, 0x22
VERSION = 0x0B
OPEN_TO_ALL = frozenset((LIST, AUTH, STEP, VERSION))
"""The opcodes that a stranger may use."""

MECHANISMS = b"PLAIN"
AUTHENTICATED = b"Authenticated"
NO_ROOM = b"Out of memory"


def admitted(opcode: int, standing: str, rules: Rules) -> bool:
    """Whether who stands so may ask for an opcode."""
    return rules.authentication != "sasl" or standing == IN or opcode in OPEN_TO_ALL


class Answer(NamedTuple):
    """What LIST, AUTH or STEP is answered: status, body, why, where the connection stands then, and what counts."""

    status: int
    body: bytes
    standing: str
    clauses: tuple[str, ...]
    unspecified: str | None = None
    counts: tuple[str, ...] = ()


def answer(opcode: int, standing: str, mechanism: bytes, data: bytes, rules: Rules) -> Answer:
    """Carry out LIST, AUTH or STEP; `mechanism` and `data` are key and value of the request."""
    was_in = standing in (IN, OUT)
    again = ("access.sasl.again",) if was_in else ()
    if opcode == LIST:
        return Answer(binary.OK, MECHANISMS, OUT if was_in else standing, (*again, "access.sasl.list"))
    if b"@" in data or b"\0" in mechanism:
        return Answer(0, b"", standing, (), "what a realm, or a NUL in the name of a mechanism, means is left to SASL")
    if opcode == STEP:
        return _step(standing, data, again, rules)
    if mechanism.upper() != MECHANISMS:
        unclear = "what follows an unknown mechanism on a connection that was let in is left to SASL"
        return _refused("", (*again, "access.sasl.mechanism"), unclear if was_in else None)
    if not data:
        if was_in:
            return Answer(0, b"", standing, (), "how a connection that was let in once begins again is left to SASL")
        return Answer(binary.CONTINUE, b"", BEGUN, ("access.sasl.continue",))
    if was_in:
        return _refused("", ("access.sasl.again",))
    if plain(data, rules):
        return Answer(binary.OK, AUTHENTICATED, IN, ("access.sasl.authenticated",), counts=_LET_IN)
    return _refused("", ("access.sasl.failure",))


def _step(standing: str, data: bytes, again: tuple[str, ...], rules: Rules) -> Answer:
    """STEP carries what AUTH left out; it says nothing where no AUTH was begun."""
    if standing != BEGUN:
        return _refused(OUT if again else "", (*again, "access.sasl.step-alone"))
    if plain(data, rules):
        return Answer(binary.OK, AUTHENTICATED, IN, ("access.sasl.step",), counts=_LET_IN)
    return _refused(BEGUN, ("access.sasl.step-failure",))


def _refused(standing: str, clauses: tuple[str, ...], unspecified: str | None = None) -> Answer:
    return Answer(binary.AUTH, binary.TEXTS[binary.AUTH], standing, clauses, unspecified, _TURNED_AWAY)


def plain(data: bytes, rules: Rules) -> bool:
    """Whether a message of PLAIN (whom to act for, user, password, a NUL between each) lets its sender in."""
    parts = data.split(b"\0")
    if len(parts) != _PARTS or parts[0] not in (b"", parts[1]):
        return False
    return rules.functions.known(parts[1], parts[2], rules)


_PARTS = 3
