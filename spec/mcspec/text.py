"""The classic text protocol: a command line becomes a request, a result becomes a reply.

`parse` is total: every line is a request, a refusal (with what it does to the bytes that follow), or, for commands
that other chapters specify, `Elsewhere`. Words are looked up in `GRAMMAR`, one row a command; each reader below does
its checks in the order in which a server does them, because with two faults in a line the order decides the answer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from mcspec import arith, scan

if TYPE_CHECKING:
    from mcspec.admin import Said
    from mcspec.meta import Line, MetaStore
    from mcspec.rules import Rules

BAD_FORMAT = b"CLIENT_ERROR bad command line format\r\n"
BAD_EXPTIME = b"CLIENT_ERROR invalid exptime argument\r\n"
BAD_DELTA = b"CLIENT_ERROR invalid numeric delta argument\r\n"
NON_NUMERIC = b"CLIENT_ERROR cannot increment or decrement non-numeric value\r\n"
BAD_CHUNK = b"CLIENT_ERROR bad data chunk\r\n"
DELETE_USAGE = b"CLIENT_ERROR bad command line format.  Usage: delete <key> [noreply]\r\n"
FLUSH_FORBIDDEN = b"CLIENT_ERROR flush_all not allowed\r\n"
TOO_LARGE = b"SERVER_ERROR object too large for cache\r\n"
NO_MEMORY = b"SERVER_ERROR out of memory storing object\r\n"
LINE_MEMORY = b"SERVER_ERROR out of memory reading request\r\n"
TOO_MANY = b"ERROR Too many open connections\r\n"
ERROR = b"ERROR\r\n"

RETRIEVALS = (b"get ", b"gets ", b"gat ", b"gats ")


class Retrieve(NamedTuple):
    """get, gets, gat, gats."""

    word: str
    keys: tuple[bytes, ...]
    exptime: int | None
    clauses: tuple[str, ...]


class Store(NamedTuple):
    """A store command whose value of `length` bytes and CR LF follows."""

    mode: str
    key: bytes
    flags: int
    exptime: int
    length: int
    unique: int | None
    quiet: bool
    clauses: tuple[str, ...]


class Simple(NamedTuple):
    """incr, decr, delete, touch, flush_all: a command on one line with one number."""

    word: str
    key: bytes
    number: int
    quiet: bool
    clauses: tuple[str, ...]


class Answer(NamedTuple):
    """A fixed answer: OK of verbosity, and every refusal. Then `swallow` bytes are dropped.

    `touches` are keys that get the `exptime` all the same, in servers that find the fault of a line too late.
    `counts`, `might` and `details` are what is counted, as in `Owed`.
    """

    reply: bytes
    quiet: bool
    clauses: tuple[str, ...]
    swallow: int = 0
    drops: str = "nothing"
    touches: tuple[bytes, ...] = ()
    exptime: int = 0
    counts: tuple[str, ...] = ()
    might: tuple[str, ...] = ()
    details: tuple[tuple[int, bytes], ...] = ()


class Version(NamedTuple):
    """version."""

    clauses: tuple[str, ...]


class Quit(NamedTuple):
    """quit: the connection closes when all that is owed has been sent."""

    clauses: tuple[str, ...]


class Hang(NamedTuple):
    """A line upon which the connection closes without an answer."""

    clauses: tuple[str, ...]


class Elsewhere(NamedTuple):
    """A line that this chapter does not specify, and why."""

    reason: str


Request = Retrieve | Store | Simple | Answer | Version | Quit | Hang | Elsewhere


def parse(raw: bytes, rules: Rules) -> Request | Line | MetaStore | Said:
    """Read one command line of any chapter, `raw` including its LF; `rules.grammar` knows the commands."""
    traits = rules.traits
    if traits.short_line == "bad-format" and len(raw) < rules.limits.short_line:
        return Answer(BAD_FORMAT, False, ("text.line.short",))
    line, clauses = _unwrap(raw, rules)
    words = scan.words(line)
    if any(byte in line for byte in b"\t\v\f"):
        clauses = (*clauses, "text.line.only-space")
    if line[:1] == b" ":
        clauses = (*clauses, "text.line.leading-space")
        if traits.leading_space != "ignored":
            if traits.leading_space == "some" and words[:1] and words[0] in (b"verbosity", b"flush_all"):
                return GRAMMAR[words[0]](words, clauses, rules)
            return _unknown(words, clauses, rules)
    if line[-1:] == b" ":
        clauses = (*clauses, "text.line.trailing-spaces")
    if b"  " in line.strip(b" "):
        clauses = (*clauses, "text.line.words")
    if not words or (traits.short_line == "error" and len(words[0]) < 2):
        return Answer(ERROR, False, (*clauses, "text.line.short"))
    if len(line) > rules.limits.first_key and traits.long_retrieval == "get" and _far(line, words, rules):
        return Elsewhere("a retrieval whose first key stands behind 65,532 bytes is refused by some releases")
    reader = rules.grammar.get(words[0])
    if reader is not None:
        return reader(words, clauses, rules)
    if words[0] == b"bget" and traits.bget == "alias":
        return _retrieval(words, (*clauses, "text.line.unknown"), rules)
    return _unknown(words, clauses, rules)


def _far(line: bytes, words: tuple[bytes, ...], rules: Rules) -> bool:
    """Whether the first key of a retrieval stands behind more bytes than that."""
    return words[0] in (b"get", b"gets") and len(words) > 1 and len(scan.words(line[: rules.limits.first_key + 1])) == 1


def _unwrap(raw: bytes, rules: Rules) -> tuple[bytes, tuple[str, ...]]:
    """Take LF and one CR off, and with the trait everything from a NUL on."""
    if raw[-2:-1] == b"\r":
        line = raw[:-2]
        clauses: tuple[str, ...] = ("text.line.cr-lf",)
        if line[-1:] == b"\r":
            clauses = (*clauses, "text.line.inner-cr")
    else:
        line, clauses = raw[:-1], ("text.line.bare-lf",)
    if b"\0" in line:
        clauses = (*clauses, "text.line.nul")
        if rules.traits.nul == "ends-line":
            line = line[: line.index(b"\0")]
    return line, clauses


def _unknown(words: tuple[bytes, ...], clauses: tuple[str, ...], rules: Rules) -> Request:
    traits = rules.traits
    words = words[: rules.limits.words]
    if words and words[-1].startswith(b"HTTP/"):
        first = words[0][:1]
        late = first not in (b"g", b"s", b"a", b"c", b"i", b"d", b"t") and not (first == b"m" and len(words[0]) == 2)
        if (traits.http == "late-branch" and late) or (traits.http == "unknown-word" and len(words) > 1):
            return Hang((*clauses, "text.line.http"))
    if words and words[0] not in rules.grammar and words[0].lower() in rules.grammar:
        clauses = (*clauses, "text.line.case")
    quiet = traits.noreply_unknown == "silent" and words[-1:] == (b"noreply",)
    # What makes the line odd (a leading space, upper case) is the more specific clause, and stands last.
    kind = "text.noreply.unknown" if quiet else "text.line.unknown"
    return Answer(ERROR, quiet, (*clauses[:1], kind, *clauses[1:]))


def missing(clauses: tuple[str, ...], rules: Rules, clause: str = "text.line.missing-words") -> Answer:
    """The refusal of a line with too few words."""
    reply = BAD_FORMAT if rules.traits.missing_words == "bad-format" else ERROR
    return Answer(reply, False, (*clauses, clause))


def _surplus(words: tuple[bytes, ...], most: int, rules: Rules) -> bool:
    """Whether the line is refused for having more than `most` words (command included)."""
    return rules.traits.extra_words == "error" and len(words) > most


def _extra(clauses: tuple[str, ...], words: tuple[bytes, ...], most: int) -> tuple[str, ...]:
    return (*clauses, "text.line.extra-words") if len(words) > most else clauses


def _noreply(words: tuple[bytes, ...], clauses: tuple[str, ...], rules: Rules) -> tuple[bool, tuple[str, ...]]:
    words = words[: rules.limits.words]
    quiet = words[-1] == b"noreply"
    if quiet:
        return True, (*clauses, "text.noreply.last-word")
    if b"noreply" in words[2:] or words[-1].lower() == b"noreply":
        return False, (*clauses, "text.noreply.only-last-word")
    return False, clauses


def signed(word: bytes, rules: Rules) -> int | None:
    """An exptime of touch, gat and flush_all."""
    traits = rules.traits
    if traits.argument_number == "strict":
        return scan.strict_signed(word, rules.limits.length_digits, bare_minus=traits.bare_minus == "zero")
    number = scan.c_signed(word)
    return None if number is None else arith.signed32(number)


def counter(word: bytes, rules: Rules) -> int | None:
    """A delta or a cas unique."""
    if rules.traits.argument_number == "strict":
        return scan.strict_unsigned(word, rules.limits.counter_digits, scan.U64)
    return scan.c_unsigned(word)


# ------------------------------------------------------------------------------------------------ retrieval


def _retrieval(words: tuple[bytes, ...], clauses: tuple[str, ...], rules: Rules) -> Request:
    if len(words) < 2:
        return missing(clauses, rules, "text.get.no-key")
    return _keys(words, 1, None, clauses, rules)


def _touching(words: tuple[bytes, ...], clauses: tuple[str, ...], rules: Rules) -> Request:
    traits = rules.traits
    ends = traits.gat_without_key == "end"
    if len(words) < (2 if ends else 3):
        return missing(clauses, rules, "text.gat.no-key")
    exptime = signed(words[1], rules)
    if exptime is None:
        return Answer(BAD_EXPTIME, False, (*clauses, "text.gat.bad-exptime", "text.number.exptime-strict"))
    if len(words) == 2:
        clauses = (*clauses, "text.gat.no-key")
    return _keys(words, 2, exptime, clauses, rules)


def _keys(words: tuple[bytes, ...], first: int, exptime: int | None, clauses: tuple[str, ...], rules: Rules) -> Request:
    keys = words[first:]
    if sum(map(len, words)) >= rules.limits.line:
        clauses = (*clauses, "text.line.get-may-grow")
    if any(len(key) > rules.limits.key for key in keys):
        clauses = (*clauses, "text.key.too-long", "text.get.key-too-long")
        if keys[-1] == b"noreply" and rules.traits.retrieval_noreply == "unclear":
            return Elsewhere("a retrieval with a long key and noreply is answered with parts of other replies")
        early = exptime is not None and rules.traits.get_error_drops != "nothing"
        first_bad = next(index for index, key in enumerate(keys) if len(key) > rules.limits.key)
        touches = keys[:first_bad] if early else ()
        # Real servers have counted the keys before the bad one.
        might = (
            ("cmd_get", "get_hits", "get_misses") if exptime is None else ("cmd_touch", "touch_hits", "touch_misses")
        )
        lost = ("get_expired", "get_flushed")
        drops = rules.traits.get_error_drops
        return Answer(BAD_FORMAT, False, clauses, 0, drops, touches, exptime or 0, (), (*might, *lost) * first_bad)
    if keys[-1:] == (b"noreply",):
        clauses = (*clauses, "text.noreply.retrieval")
    if len(keys) > 1:
        clauses = (*clauses, "text.get.many" if len(keys) > 24 else "text.get.multi")
    return Retrieve(words[0].decode(), keys, exptime, clauses)


# ------------------------------------------------------------------------------------------------ storage


def _storage(words: tuple[bytes, ...], clauses: tuple[str, ...], rules: Rules) -> Request:
    if rules.traits.blank_number == "next" and any(scan.blank(word) for word in words[2:4]):
        return Elsewhere("a number of blanks only is read on into the next word by some releases")
    least = 6 if words[0] == b"cas" and rules.traits.header_error == "keep" else 5
    if len(words) < least:
        return missing(clauses, rules)
    most = 7 if words[0] == b"cas" else 6
    if _surplus(words, most, rules):
        return Answer(ERROR, False, (*clauses, "text.line.extra-words"))
    clauses = _extra(clauses, words, most)
    if rules.traits.header_error == "keep":
        return _storage_kept(words, clauses, rules)
    length = announced(words[4], rules)
    if length is None:
        return Answer(BAD_FORMAT, False, (*clauses, "text.store.length-error", length_clause(words[4])))
    quiet, clauses = _noreply(words, clauses, rules)
    header = _header(words, rules)
    if isinstance(header, str):
        swallowed = (*clauses, *_quiet_error(quiet=quiet), "text.store.header-error", header)
        return Answer(BAD_FORMAT, quiet, swallowed, swallow=arith.block_length(length))
    return _accepted(words, header, length, clauses, quiet=quiet)


def _storage_kept(words: tuple[bytes, ...], clauses: tuple[str, ...], rules: Rules) -> Request:
    """The older order: nothing is swallowed, so the order of the checks does not show."""
    quiet, clauses = _noreply(words, clauses, rules)
    header = _header(words, rules)
    length = announced(words[4], rules)
    if isinstance(header, str):
        return Answer(BAD_FORMAT, quiet, (*clauses, *_quiet_error(quiet=quiet), "text.store.header-error", header))
    if length is None:
        return Answer(BAD_FORMAT, quiet, (*clauses, "text.store.length-error", length_clause(words[4])))
    return _accepted(words, header, length, clauses, quiet=quiet)


def _quiet_error(*, quiet: bool) -> tuple[str, ...]:
    return ("text.noreply.silent-error",) if quiet else ()


def _accepted(
    words: tuple[bytes, ...], header: tuple[int, int, int | None], length: int, clauses: tuple[str, ...], *, quiet: bool
) -> Store:
    flags, exptime, unique = header
    clauses = (*clauses, *_number_clauses(words, flags, exptime))
    return Store(words[0].decode(), words[1], flags, exptime, length, unique, quiet, clauses)


def _number_clauses(words: tuple[bytes, ...], flags: int, exptime: int) -> tuple[str, ...]:
    """Which number rules an accepted header exercised beyond the plain decimal form."""
    clauses: tuple[str, ...] = ()
    wide = scan.c_unsigned(words[2]), scan.c_signed(words[3])
    if wide[0] != flags:
        clauses = (*clauses, "text.number.flags-modulo")
    if wide[1] != exptime:
        clauses = (*clauses, "text.number.exptime-modulo")
    if b"%d" % (wide[0] or 0) != words[2] or b"%d" % (wide[1] or 0) != words[3]:
        clauses = (*clauses, "text.number.c-syntax")
    if len(words[4]) > 1 and words[4][:1] == b"0":
        clauses = (*clauses, "text.number.leading-zeros")
    return clauses


def _header(words: tuple[bytes, ...], rules: Rules) -> tuple[int, int, int | None] | str:
    """Flags, exptime and cas unique of a store line, or the clause that refuses it."""
    if len(words[1]) > rules.limits.key:
        return "text.key.too-long"
    flags = scan.c_unsigned(words[2])
    if flags is None:
        return "text.number.flags-refused"
    exptime = scan.c_signed(words[3])
    if exptime is None:
        return "text.number.exptime-refused"
    unique = None
    if words[0] == b"cas":
        unique = counter(words[5], rules) if len(words) > 5 else None
        if unique is None:
            return "text.number.cas-strict"
    return arith.truncated(flags, rules.limits.flags), arith.signed32(exptime), unique


def announced(word: bytes, rules: Rules) -> int | None:
    """The length in bytes that a header announces; None if it is no number, or not an allowed one."""
    traits = rules.traits
    if traits.length_number == "strict":
        number = scan.strict_signed(word, rules.limits.length_digits, bare_minus=traits.bare_minus == "zero")
    else:
        wide = scan.c_signed(word)
        number = None if wide is None else arith.signed32(wide)
    return number if number is not None and arith.length_allowed(number, rules.limits.value_length) else None


def length_clause(word: bytes) -> str:
    """The clause by which `announced` refuses a word."""
    if word[:1] == b"-":
        return "text.number.length-negative"
    return "text.number.length-range" if word.isdigit() else "text.number.length-strict"


# ------------------------------------------------------------------------------------------------ one-line commands


def _key_and_number(
    words: tuple[bytes, ...], clauses: tuple[str, ...], rules: Rules
) -> tuple[bool, tuple[str, ...]] | Answer:
    """What incr, decr and touch check before they look at their number: noreply and the clauses, or the refusal."""
    if len(words) < 3:
        return missing(clauses, rules)
    if _surplus(words, 4, rules):
        return Answer(ERROR, False, (*clauses, "text.line.extra-words"))
    clauses = _extra(clauses, words, 4)
    quiet, clauses = _noreply(words, clauses, rules)
    if len(words[1]) > rules.limits.key:
        return Answer(BAD_FORMAT, quiet, (*clauses, *_quiet_error(quiet=quiet), "text.key.too-long"))
    return quiet, clauses


def _arithmetic(words: tuple[bytes, ...], clauses: tuple[str, ...], rules: Rules) -> Request:
    begun = _key_and_number(words, clauses, rules)
    if isinstance(begun, Answer):
        return begun
    quiet, clauses = begun
    delta = counter(words[2], rules)
    if delta is None:
        clause = "text.number.delta-range" if words[2].isdigit() else "text.number.delta-strict"
        return Answer(BAD_DELTA, quiet, (*clauses, *_quiet_error(quiet=quiet), "text.delta.bad-delta", clause))
    if arith.top_bit(delta, scan.U64):
        clauses = (*clauses, "text.number.delta-range")
    return Simple(words[0].decode(), words[1], delta, quiet, clauses)


def _delete(words: tuple[bytes, ...], clauses: tuple[str, ...], rules: Rules) -> Request:
    traits = rules.traits
    if len(words) < 2:
        return missing(clauses, rules)
    if _surplus(words, 4, rules):
        return Answer(ERROR, False, (*clauses, "text.line.extra-words"))
    if len(words) == 2:
        quiet = words[1] == b"noreply" and traits.delete_noreply_key == "silent"
        clauses = (*clauses, "text.delete.noreply-key") if words[1] == b"noreply" else clauses
    else:
        quiet, clauses = _noreply(words, clauses, rules)
        zero = words[2] == b"0"
        if not (quiet and (len(words) == 3 or (len(words) == 4 and zero))) and not (len(words) == 3 and zero):
            clauses = (*clauses, "text.delete.usage")
            if traits.delete_extra == "usage":
                return Answer(DELETE_USAGE, quiet, clauses)
        elif zero:
            clauses = (*clauses, "text.delete.zero")
    if len(words[1]) > rules.limits.key:
        return Answer(BAD_FORMAT, quiet, (*clauses, *_quiet_error(quiet=quiet), "text.key.too-long"))
    return Simple("delete", words[1], 0, quiet, clauses)


def _touch(words: tuple[bytes, ...], clauses: tuple[str, ...], rules: Rules) -> Request:
    begun = _key_and_number(words, clauses, rules)
    if isinstance(begun, Answer):
        return begun
    quiet, clauses = begun
    exptime = signed(words[2], rules)
    if exptime is None:
        refused = (*clauses, *_quiet_error(quiet=quiet), "text.touch.bad-exptime", "text.number.exptime-strict")
        return Answer(BAD_EXPTIME, quiet, refused)
    return Simple("touch", words[1], exptime, quiet, clauses)


def _flush(words: tuple[bytes, ...], clauses: tuple[str, ...], rules: Rules) -> Request:
    if _surplus(words, 3, rules):
        return Answer(ERROR, False, (*clauses, "text.line.extra-words"))
    clauses = _extra(clauses, words, 3)
    quiet, clauses = _noreply(words, clauses, rules) if len(words) > 1 else (False, clauses)
    if not rules.flush_allowed:
        return Answer(FLUSH_FORBIDDEN, quiet, (*clauses, "text.flush.not-allowed"), counts=("cmd_flush",))
    delay: int | None = 0
    if len(words) > (2 if quiet else 1):
        delay = signed(words[1], rules)
    if delay is None:
        refused = (*clauses, *_quiet_error(quiet=quiet), "text.flush.bad-delay", "text.number.exptime-strict")
        return Answer(BAD_EXPTIME, quiet, refused, counts=("cmd_flush",))
    return Simple("flush_all", b"", delay, quiet, clauses)


def _version(words: tuple[bytes, ...], clauses: tuple[str, ...], _rules: Rules) -> Request:
    return Version((*_extra(clauses, words, 1), "text.version.line"))


def _verbosity(words: tuple[bytes, ...], clauses: tuple[str, ...], rules: Rules) -> Request:
    if len(words) < 2:
        return missing(clauses, rules, "text.verbosity.no-level")
    if _surplus(words, 3, rules):
        return Answer(ERROR, False, (*clauses, "text.line.extra-words"))
    clauses = _extra(clauses, words, 3)
    quiet, clauses = _noreply(words, clauses, rules)
    if rules.traits.argument_number == "strict":
        level = scan.strict_unsigned(words[1], rules.limits.length_digits, 2**32)
    else:
        level = scan.c_unsigned(words[1])
    if level is None:
        return Answer(BAD_FORMAT, quiet, (*clauses, *_quiet_error(quiet=quiet), "text.verbosity.bad-level"))
    return Answer(b"OK\r\n", quiet, (*clauses, "text.verbosity.ok"))


def _quit(words: tuple[bytes, ...], clauses: tuple[str, ...], _rules: Rules) -> Request:
    return Quit((*clauses, "text.quit.ignores-words" if len(words) > 1 else "text.quit.closes"))


Reader = Callable[[tuple[bytes, ...], tuple[str, ...], "Rules"], "Request | Line | MetaStore | Said"]

GRAMMAR: dict[bytes, Reader] = {
    b"get": _retrieval,
    b"gets": _retrieval,
    b"gat": _touching,
    b"gats": _touching,
    b"set": _storage,
    b"add": _storage,
    b"replace": _storage,
    b"append": _storage,
    b"prepend": _storage,
    b"cas": _storage,
    b"incr": _arithmetic,
    b"decr": _arithmetic,
    b"delete": _delete,
    b"touch": _touch,
    b"flush_all": _flush,
    b"version": _version,
    b"verbosity": _verbosity,
    b"quit": _quit,
}
"""The commands of this chapter, each with the reader of its line."""
