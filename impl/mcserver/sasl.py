"""Authentication of the binary protocol (``-S``): the mechanism PLAIN, its exchange, and the file of users.

Nothing of what a client says here, and nothing of the file, is ever logged.
"""

import hashlib
import hmac
import os
from collections.abc import Callable, Mapping

from mcserver import binary_wire as wire
from mcserver.auth_text import UsersError, read_users
from mcserver.incoming import Incoming
from mcserver.stats import Stats

#: Names the file of users.
VARIABLE = "MEMCACHED_SASL_PWDB"
#: The only mechanism.
MECHANISM = b"PLAIN"
#: Longer names of mechanisms are refused, in bytes.
MECHANISM_MAX = 32

_FIELDS = 3


def _digest(user: bytes, password: bytes) -> bytes:
    # What is compared has one length, whatever was typed.
    return hashlib.sha256(user + b"\0" + password).digest()


def _read(environment: Mapping[str, str]) -> list[bytes]:
    """Digests of those in the file that `VARIABLE` names; a user's ``@realm`` may be left out when he comes."""
    path = environment.get(VARIABLE)
    if not path:
        message = f"-S needs a file of users: set {VARIABLE} to one with lines 'user:password'"
        raise UsersError(message)
    shown = f"{path} ({VARIABLE})"
    digests: list[bytes] = []
    for number, line in enumerate(read_users(path, shown).splitlines(), 1):
        user, _, password = line.partition(b":")
        password = password.rstrip(b":")
        if not line:
            continue
        if not user or not password or b"\0" in line:
            message = f"line {number} of the users' file {shown} is no 'user:password'"
            raise UsersError(message)
        digests += [_digest(name, password) for name in (user, user.partition(b"@")[0])]
    return digests


class Users:
    """Who may come in, by digests of user and password."""

    __slots__ = ("_digests",)

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        """Read the file that `VARIABLE` names, a ``user:password`` a line; colons at its end are not the password's.

        Raises UsersError.
        """
        self._digests = _read(environment)

    def reload(self, environment: Mapping[str, str] = os.environ) -> None:
        """Read the file again. Raises UsersError, and then those who could come in still can."""
        self._digests = _read(environment)

    def admits(self, token: bytes) -> bool:
        """Whether a client's PLAIN token may come in; the time it takes tells nothing about the users.

        The token is ``[identity] NUL user NUL password``; the identity to act as can only be the user's own.
        """
        fields = token.split(b"\0")
        identity, user, password = fields if len(fields) == _FIELDS else (b"", b"", b"")
        told = _digest(user, password)
        found = False
        for digest in self._digests:
            found |= hmac.compare_digest(told, digest)
        return found and identity in {b"", user}


class Exchange:
    """One connection's way in, step by step, as Cyrus SASL takes it under memcached."""

    __slots__ = ("_done", "_started", "_stats", "_users", "authenticated")

    def __init__(self, users: Users, stats: Stats) -> None:
        """Begin with a stranger."""
        self._users = users
        self._stats = stats
        self._started = False
        self._done = False  # an exchange that succeeded, and that the next one with a token only ends
        #: Whether everything may be asked for. Any request of this exchange takes that away at first.
        self.authenticated = False

    def mechanisms(self) -> bytes:
        """The mechanisms there are."""
        self.authenticated = False
        return MECHANISM

    def begin(self, mechanism: bytes, token: bytes) -> wire.Status:
        """An AUTH; without a token the client is asked for it."""
        self.authenticated = False
        self._started = False
        if mechanism.partition(b"\0")[0].upper() != MECHANISM:
            self._done = False
            return self._refuse()
        if not token:
            self._started = True
            return wire.AUTH_CONTINUE
        if self._done:
            self._done = False
            return self._refuse()
        self._started = True
        status = self._judge(token)
        self._started = self._done
        return status

    def proceed(self, token: bytes) -> wire.Status:
        """A STEP: the token that an AUTH came without."""
        self.authenticated = False
        return self._judge(token) if self._started and not self._done else self._refuse()

    def _judge(self, token: bytes) -> wire.Status:
        if not self._users.admits(token):
            return self._refuse()
        self._stats.auth_cmds += 1
        self._done = self.authenticated = True
        return wire.AUTHENTICATED

    def _refuse(self) -> wire.Status:
        self._stats.auth_cmds += 1
        self._stats.auth_errors += 1
        return wire.AUTH_FAILURE


class Token(Incoming):
    """What a client says in an AUTH or STEP, on its way in."""

    __slots__ = ("_judge",)

    kept = True

    def __init__(self, missing: int, judge: Callable[[bytes], bytes]) -> None:
        """Collect `missing` bytes; `judge` makes the reply to them."""
        self._judge = judge
        self._buffer = bytearray()
        self.missing = missing

    def finish(self) -> bytes:
        """The reply."""
        return self._judge(bytes(self._buffer))
