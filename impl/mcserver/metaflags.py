"""The flags of the meta commands: reading them, and the parts of replies that repeat them.

A flag is a letter and whatever follows it up to the next blank. All meta commands read all flags alike, also those that
mean nothing to them; so ``mg`` refuses a delta that is no number.
"""

from base64 import b64encode

from mcserver import replies
from mcserver.numbers import strict_i32, strict_u32, strict_u64
from mcserver.settings import KEY_MAX

#: Most tokens on a line, command word and key included.
_TOKEN_MAX = 20
#: Tokens of a line that are told apart at all.
_TOKENS_SEEN = 23
#: Longest opaque in bytes, its letter included.
_OPAQUE_MAX = 32

#: The letters of all flags.
_KNOWN = frozenset(b"bcCDEfFhIJklLMNOPqRstTuvx")
#: What a flag may begin with: letters, digits and the signs that stand between the letters in ASCII.
_FIRST = frozenset(range(ord("A"), ord("z") + 1)) | frozenset(b"0123456789")

_B, _C, _D, _E, _F = b"bCDEF"
_J, _K, _M, _N, _O, _T = b"JkMNOT"

#: Those of them that say all by being there.
_PLAIN = _KNOWN - frozenset(b"bCDEFJMNRT")
_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_BASE64 = {byte: value for value, byte in enumerate(_ALPHABET)}
_PAD = ord("=")
_GROUP = 4


def decode_key(token: bytes) -> bytes | None:
    """A key from base64, as memcached reads it; None when it is none.

    Bytes outside the alphabet are skipped. What counts comes in groups of four, and the first group that holds ``=``,
    anywhere, is the last one read: each stands for 0 and takes a byte off the end.
    """
    digits = [byte for byte in token if byte in _BASE64 or byte == _PAD]
    if not digits or len(digits) % _GROUP:
        return None
    key = bytearray()
    for at in range(0, len(digits), _GROUP):
        group = digits[at : at + _GROUP]
        number = 0
        for byte in group:
            number = number << 6 | _BASE64.get(byte, 0)
        key += number.to_bytes(3, "big")
        pads = group.count(_PAD)
        if pads:
            if pads > 2:
                return None
            del key[-pads:]
            break
    return bytes(key)


def key_reply(key: bytes, *, binary: bool) -> bytes:
    """The ``k`` of a reply, with a blank before it; a binary key is followed by ``b``."""
    return b" k%b b" % b64encode(key) if binary else b" k" + key


class Flags:
    """Key and flags of one meta command. A number that was not given is None."""

    __slots__ = (
        "binary",
        "compare",
        "delta",
        "exptime",
        "flags",
        "initial",
        "key",
        "letters",
        "mode",
        "recache",
        "tokens",
        "unique",
        "vivify",
    )

    def __init__(self, key: bytes, tokens: list[bytes]) -> None:
        """Make a record of `tokens` for `key` with nothing read yet."""
        self.key = key
        self.tokens = tokens
        #: The letters given.
        self.letters = bytes([token[0] for token in tokens])
        #: Whether the key was given in base64.
        self.binary = False
        #: What C, D, E, F, J and M say; the mode is 0 when it is not given, and 10 (never a letter) when it is empty.
        self.compare: int | None = None
        self.delta: int | None = None
        self.unique: int | None = None
        self.flags: int | None = None
        self.initial: int | None = None
        self.mode = 0
        #: Exptimes of T, N and R.
        self.exptime: int | None = None
        self.vivify: int | None = None
        self.recache: int | None = None

    def echo(self) -> bytes | None:
        """The flags ``k`` and ``O`` of a reply as they were asked for; None when the opaque is too long."""
        reply = b""
        for token in self.tokens:
            letter = token[0]
            if letter == _O:
                if len(token) > _OPAQUE_MAX:
                    return None
                reply += b" " + token
            elif letter == _K:
                reply += key_reply(self.key, binary=self.binary)
        return reply

    def take(self, token: bytes) -> bytes:
        """Read one flag; the error, empty for none."""
        letter = token[0]
        rest = token[1:]
        if letter in b"TNR":
            seconds = strict_i32(rest)
            if seconds is None:
                return replies.BAD_TOKEN
            if letter == _T:
                self.exptime = seconds
            elif letter == _N:
                self.vivify = seconds
            else:
                self.recache = seconds
        elif letter in b"CEDJ":
            number = strict_u64(rest)
            if number is None:
                return {_D: replies.BAD_DELTA_VALUE, _J: replies.BAD_INITIAL}.get(letter, replies.BAD_TOKEN)
            if letter == _C:
                self.compare = number
            elif letter == _E:
                self.unique = number
            elif letter == _D:
                self.delta = number
            else:
                self.initial = number
        elif letter == _F:
            self.flags = strict_u32(rest)
            if self.flags is None:
                return replies.BAD_FORMAT
        elif letter == _M:
            self.mode = rest[0] if rest else 10
        elif letter == _B:
            key = decode_key(self.key)
            if key is None:
                return replies.BAD_KEY
            self.key = key
            self.binary = True
        return b""


def well_formed(tokens: list[bytes], first: int) -> bool:
    """Whether there is a key and the flags, from token `first` on, begin with a digit or in the range of letters."""
    return len(tokens) > 1 and _FIRST.issuperset([token[0] for token in tokens[first:_TOKENS_SEEN]])


def opaque_fits(token: bytes) -> bool:
    """Whether an ``O`` flag is short enough."""
    return len(token) <= _OPAQUE_MAX


def read(tokens: list[bytes], first: int) -> Flags | bytes:
    """Read key (the second token) and flags (from token `first` on) of a well-formed line; the error if it is bad."""
    if len(tokens[1]) > KEY_MAX:
        return replies.BAD_FORMAT
    rest = tokens[first:]
    flags = Flags(tokens[1], rest)
    letters = flags.letters
    if len(tokens) > _TOKEN_MAX:
        return replies.TOO_MANY_FLAGS
    # Most lines are in order, and most flags stand alone: the loops are for the others.
    if len(set(letters)) != len(letters) or not _KNOWN.issuperset(letters):
        for at, letter in enumerate(letters):
            if letter in letters[:at]:
                return replies.DUPLICATE_FLAG
            if letter not in _KNOWN:
                return replies.INVALID_FLAG
    if _PLAIN.issuperset(letters):
        return flags
    error = b""
    for token in rest:
        found = flags.take(token)
        # The last error is told, but for that of an F, which has no words of its own.
        if found and (not error or found != replies.BAD_FORMAT):
            error = found
    return error or flags
