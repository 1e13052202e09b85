"""Authentication of the text protocol (``-Y``): a file of users, and the ``set`` that names one before anything else.

Until then a line either announces ``user password`` as if they were a value, or is refused; nothing else is read, and
nothing of it is ever logged.
"""

import hmac
from pathlib import Path

from mcserver.numbers import strict_u32
from mcserver.settings import LINE_MAX

#: Longest line of the file, its line end included.
ENTRY_MAX = 255
#: Shortest line that is answered, its line feed not included; a client that sends a shorter one is not listened to.
LINE_MIN = 6
#: Most bytes that may be announced.
TOKEN_MAX = 16384

#: Nothing is judged before so many bytes are there.
_JUDGED_MIN = 3
_END = 2

STORED = b"STORED\r\n"
UNAUTHENTICATED = b"CLIENT_ERROR unauthenticated\r\n"
TOO_LONG = b"CLIENT_ERROR auth token too long\r\n"
BAD_END = b"CLIENT_ERROR bad command line termination\r\n"
BAD_FORMAT = b"CLIENT_ERROR bad authentication token format\r\n"
FAILURE = b"CLIENT_ERROR authentication failure\r\n"


class UsersError(Exception):
    """A file of users that cannot be used; the message is one line that names it, and holds no secret."""


def read_users(path: str, shown: str) -> bytes:
    """What is in a file of users; `shown` names it to people. Raises UsersError."""
    try:
        return Path(path).read_bytes()
    except OSError as error:
        message = f"cannot read the users' file {shown}: {error.strerror}"
        raise UsersError(message) from error


class Users:
    """Who may come in."""

    __slots__ = ("_entries",)

    def __init__(self, entries: list[bytes]) -> None:
        """Take users and passwords, each ``user:password``; a password may hold a colon, a user may not."""
        self._entries = entries

    @classmethod
    def load(cls, path: str) -> "Users":
        """Read a file with one entry a line. Raises UsersError."""
        lines = read_users(path, path).split(b"\n")
        if not lines[-1]:
            lines.pop()
        for number, line in enumerate(lines, 1):
            if b":" not in line or b"\0" in line:
                message = f"line {number} of the users' file {path} is no 'user:password'"
                raise UsersError(message)
            if len(line) >= ENTRY_MAX:
                message = f"line {number} of the users' file {path} is longer than {ENTRY_MAX} bytes"
                raise UsersError(message)
        return cls([line.partition(b"\r")[0] for line in lines])

    def admits(self, user: bytes, password: bytes) -> bool:
        """Whether `user` has that password: compared with every entry, in a time that tells nothing about them."""
        if b":" in user:
            return False
        told = user + b":" + password
        found = False
        for entry in self._entries:
            found |= hmac.compare_digest(told, entry)
        return found


def announced(line: bytes) -> int | bytes:
    """How many bytes a line before authentication announces, or its refusal. `line` is without its end."""
    tokens = [token for token in line.split(b" ") if token]
    size = strict_u32(tokens[4]) if len(tokens) > 4 and line.startswith(b"set") else None
    if size is None:
        return UNAUTHENTICATED
    return TOO_LONG if size > TOKEN_MAX else size


def judge(users: Users, token: bytes) -> bytes:
    """The reply to what was announced and has come, its two last bytes included; `STORED` lets the client in."""
    if not token.endswith(b"\r\n"):
        return BAD_END
    user, blank, password = token[:-2].partition(b" ")
    if not blank:
        return BAD_FORMAT
    return STORED if users.admits(user, password) else FAILURE


class Door:
    """What a client says until it is let in."""

    __slots__ = ("_missing",)

    def __init__(self) -> None:
        """Nothing was announced yet."""
        self._missing = 0

    def step(self, users: Users, data: bytes, pos: int) -> tuple[int, bytes | None]:
        """Judge what begins at `pos`: the position after it, and the reply.

        The reply is empty when nothing has to be said yet; the position is then `pos` where more bytes are needed. It
        is None when the conversation is over.
        """
        if self._missing:
            end = pos + self._missing
            if len(data) < end:
                return pos, b""
            self._missing = 0
            return end, judge(users, data[pos:end])
        if len(data) - pos < _JUDGED_MIN:
            return pos, b""
        end = data.find(b"\n", pos, pos + LINE_MAX)
        if end < 0:
            return pos, b"" if len(data) - pos < LINE_MAX else None
        if end - pos < LINE_MIN:
            return end + 1, None
        found = announced(data[pos:end].removesuffix(b"\r"))
        if isinstance(found, bytes):
            return end + 1, found
        self._missing = found + _END
        return end + 1, b""


#: For connections that need not authenticate.
NOBODY = Door()
