"""Statistics and administration: `stats` and its sub-commands, and the commands that set a server up while it runs.

Each reader turns a line into what it is answered (`Said`), since no item depends on these commands: what they change
is how a server keeps items, not which. Two of them reach further: `stats` reports what was counted (`statistics`), and
`cache_memlimit` may make room by evicting.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from mcspec import counters, scan, statistics, text
from mcspec.pattern import STATISTICS, OneOf, Piece, Text
from mcspec.text import Answer, Elsewhere

if TYPE_CHECKING:
    from collections.abc import Callable

    from mcspec.rules import Rules

DETAIL_USAGE = b"CLIENT_ERROR usage: stats detail on|off|dump\r\n"
BAD_LINE = b"CLIENT_ERROR bad command line\r\n"
BAD_CLASS = b"BADCLASS invalid class id\r\n"
CRAWLER_OFF = b"CLIENT_ERROR lru crawler disabled\r\n"
OK = b"OK\r\n"

CLASSES = 63
"""The highest number that a slab class can have."""

SETTINGS = Text("STAT lines of settings and END", rb"STAT [^ \r\n]+ [^\r\n]*", rb"END")
ITEMS = Text("STAT items:CLASS:NAME lines and END", rb"STAT items:[0-9]+:[a-z0-9_]+ [0-9]+", rb"END")
SLABS = Text("STAT CLASS:NAME lines and END", rb"STAT (?:[0-9]+:[a-z_]+|active_slabs|total_malloced) [0-9]+", rb"END")
SIZES = Text("STAT lines of sizes and END", rb"STAT (?:sizes_status [a-z]+|[0-9]+ [0-9]+)", rb"END")
CONNS = Text("STAT CONNECTION:NAME lines and END", rb"STAT [0-9]+:[a-z_]+ [^\r\n]+", rb"END")
PREFIXES = Text("PREFIX lines and END", rb"PREFIX [^ \r\n]* get [0-9]+ hit [0-9]+ set [0-9]+ del [0-9]+", rb"END")
CACHEDUMP = Text("ITEM lines and END", rb"ITEM [^ \r\n]+ \[[0-9]+ b; [0-9]+ s\]", rb"END")
METADUMP = Text(
    "key= lines and END",
    rb"key=[^ \r\n]+ exp=(?:-1|[0-9]+) la=[0-9]+ cas=[0-9]+ fetch=(?:yes|no) cls=[0-9]+ size=[0-9]+"
    rb"(?: flags=[0-9]+)? ?",
    rb"END",
    b"\n",
)
MGDUMP = Text("mg lines and EN", rb"mg [^ \r\n]+(?: b)?", rb"EN")


class Said(NamedTuple):
    """A line that is answered with a pattern. `limit` is the memory in bytes that the server has from now on.

    `instead` is what else it may be answered, with the clause that allows it.
    """

    pieces: tuple[Piece, ...]
    clauses: tuple[str, ...]
    counts: tuple[str, ...] = ()
    report: str = ""
    limit: int = 0
    quiet: bool = False
    instead: tuple[tuple[bytes, str], ...] = ()


Words = tuple[bytes, ...]
Clauses = tuple[str, ...]
Read = Said | Answer | Elsewhere


def _error(clauses: Clauses, clause: str, reply: bytes = text.ERROR) -> Answer:
    return Answer(reply, False, (*clauses, clause))


def _number(word: bytes, rules: Rules) -> int | None:
    """A number of these commands: unsigned, of 32 bits."""
    if rules.traits.argument_number == "strict":
        return scan.strict_unsigned(word, rules.limits.length_digits, 2**32)
    number = scan.c_unsigned(word)
    return number if number is not None and number < 2**32 else None


def _decimal(word: bytes) -> float | None:
    """A decimal fraction, as in `0.8`."""
    whole, dot, part = word.partition(b".")
    if not (whole + part).isdigit() or (dot and not part):
        return None
    return float(word)


# ------------------------------------------------------------------------------------------------ stats


def _stats(words: Words, clauses: Clauses, rules: Rules) -> Read:
    if len(words) == 1:
        return Said((STATISTICS,), (*clauses, "text.stats.framing"), report=statistics.GENERAL)
    word = words[1]
    reader = _STATS.get(word)
    if reader is None:
        begun = next((name for name in _BEGINNINGS if name.startswith(word)), None)
        if begun is None or rules.traits.stats_words == "whole":
            return _error(clauses, "text.stats.unknown" if begun is None else "stats.word.beginning")
        reader, clauses = _STATS[begun], (*clauses, "stats.word.beginning")
    elif len(words) > 2 and word not in (b"detail", b"cachedump"):
        clauses = (*clauses, "stats.word.extra")
    return reader(words, clauses, rules)


def _reset(_words: Words, clauses: Clauses, _rules: Rules) -> Read:
    return Said((b"RESET\r\n",), (*clauses, "stats.reset.reply"), counts=(counters.RESET,))


def _detail(words: Words, clauses: Clauses, rules: Rules) -> Read:
    if not rules.dumps_allowed:
        return Elsewhere("whether -X forbids stats detail depends on the release")
    word = words[2] if len(words) > 2 else b""
    if word and rules.traits.stats_words == "begun":
        word = next((name for name in (b"on", b"off", b"dump") if name.startswith(word)), word)
    if word == b"on":
        return Said((OK,), (*clauses, "stats.detail.on"), counts=(counters.DETAIL_ON,))
    if word == b"off":
        return Said((OK,), (*clauses, "stats.detail.off"), counts=(counters.DETAIL_OFF,))
    if word == b"dump":
        return Said((PREFIXES,), (*clauses, "stats.detail.dump"), report=statistics.PREFIXES)
    return _error(clauses, "stats.detail.usage", DETAIL_USAGE)


def _settings(_words: Words, clauses: Clauses, _rules: Rules) -> Read:
    return Said((SETTINGS,), (*clauses, "stats.settings.framing"), report=statistics.SETTINGS)


def _items(_words: Words, clauses: Clauses, _rules: Rules) -> Read:
    return Said((ITEMS,), (*clauses, "stats.items.framing"), report=statistics.ITEMS)


def _slabs_report(_words: Words, clauses: Clauses, _rules: Rules) -> Read:
    return Said((SLABS,), (*clauses, "stats.slabs.framing"), report=statistics.SLABS)


def _sizes(_words: Words, clauses: Clauses, _rules: Rules) -> Read:
    return Said((SIZES,), (*clauses, "stats.sizes.framing"))


def _conns(_words: Words, clauses: Clauses, _rules: Rules) -> Read:
    return Said((CONNS,), (*clauses, "stats.conns.framing"))


def _cachedump(words: Words, clauses: Clauses, rules: Rules) -> Read:
    if not rules.dumps_allowed:
        return _error(clauses, "stats.cachedump.forbidden", b"CLIENT_ERROR stats cachedump not allowed\r\n")
    if len(words) < 4:
        return _error(clauses, "stats.cachedump.missing-words", BAD_LINE)
    number, limit = _number(words[2], rules), _number(words[3], rules)
    if number is None or limit is None:
        return _error(clauses, "stats.cachedump.bad-number", text.BAD_FORMAT)
    if number > CLASSES:
        return _error(clauses, "stats.cachedump.bad-class", b"CLIENT_ERROR Illegal slab id\r\n")
    return Said((CACHEDUMP,), (*clauses, "stats.cachedump.framing"))


def _others(_words: Words, _clauses: Clauses, _rules: Rules) -> Read:
    return Elsewhere("whether a server knows this sub-command of stats depends on how it was built")


_STATS: dict[bytes, Callable[[Words, Clauses, Rules], Read]] = {
    b"reset": _reset,
    b"detail": _detail,
    b"settings": _settings,
    b"items": _items,
    b"slabs": _slabs_report,
    b"sizes": _sizes,
    b"conns": _conns,
    b"cachedump": _cachedump,
    **dict.fromkeys((b"sizes_enable", b"sizes_disable", b"extstore", b"proxy", b"proxyfuncs", b"proxybe"), _others),
}
_BEGINNINGS = (
    b"reset",
    b"detail",
    b"settings",
    b"cachedump",
    b"conns",
    b"extstore",
    b"proxy",
    b"proxyfuncs",
    b"proxybe",
)
"""Sub-commands whose beginnings some releases accept, in the order in which they try them."""


# ------------------------------------------------------------------------------------------------ administration


def _quiet(words: Words, rules: Rules) -> bool:
    return len(words) > 1 and words[: rules.limits.words][-1] == b"noreply"


def _said(reply: Piece, clauses: Clauses, clause: str, *, quiet: bool, limit: int = 0) -> Said:
    clauses = (*clauses, "admin.noreply.silent", clause) if quiet else (*clauses, clause)
    return Said((reply,), clauses, quiet=quiet, limit=limit)


def _shutdown(words: Words, clauses: Clauses, rules: Rules) -> Read:
    if not rules.shutdown_allowed:
        reply = b"SERVER_ERROR: shutdown not enabled\r\n"
        if rules.traits.shutdown_text == "error":
            reply = b"ERROR: shutdown not enabled\r\n"
        return _error(clauses, "admin.shutdown.forbidden", reply)
    if len(words) > 1 and words[1] != b"graceful":
        return _error(clauses, "admin.shutdown.bad-mode", b"CLIENT_ERROR invalid shutdown mode\r\n")
    return Elsewhere("the server ends")


_MEGABYTE = 1024 * 1024
_LEAST_MEGABYTES, _MOST_MEGABYTES = 8, 1_000_000_000


def _memlimit(words: Words, clauses: Clauses, rules: Rules) -> Read:
    quiet = _quiet(words, rules)
    if len(words) < 2:
        return _error(clauses, "admin.memlimit.bad-number")
    number = _number(words[1], rules)
    if number is None:
        return _said(text.ERROR, clauses, "admin.memlimit.bad-number", quiet=quiet)
    if number < _LEAST_MEGABYTES:
        reply = b"MEMLIMIT_TOO_SMALL cannot set maxbytes to less than 8m\r\n"
        return _said(reply, clauses, "admin.memlimit.too-small", quiet=quiet)
    if number > _MOST_MEGABYTES:
        reply = b"MEMLIMIT_ADJUST_FAILED input value is megabytes not bytes\r\n"
        return _said(reply, clauses, "admin.memlimit.megabytes", quiet=quiet)
    return _said(OK, clauses, "admin.memlimit.ok", quiet=quiet, limit=number * _MEGABYTE)


def _lru(words: Words, clauses: Clauses, rules: Rules) -> Read:
    quiet = _quiet(words, rules)
    if len(words) < 2 or (len(words) == 2 and not quiet):
        return _error(clauses, "admin.lru.missing-words")
    word = words[1]
    if word == b"mode" and len(words) > 2:
        if words[2] in (b"flat", b"segmented"):
            return _said(OK, clauses, "admin.lru.mode", quiet=quiet)
        return _said(text.ERROR, clauses, "admin.lru.bad-mode", quiet=quiet)
    if word == b"temp_ttl" and len(words) > 2:
        number = text.signed(words[2], rules)
        if number is None:
            return _said(text.ERROR, clauses, "admin.lru.bad-temp-ttl", quiet=quiet)
        return _said(OK, clauses, "admin.lru.temp-ttl", quiet=quiet)
    if word == b"tune" and len(words) > 5:
        return _tune(words, clauses, rules, quiet=quiet)
    clause = "admin.lru.missing-words" if word == b"tune" else "admin.lru.unknown"
    return _said(text.ERROR, clauses, clause, quiet=quiet)


_MOST_PERCENT = 80


def _tune(words: Words, clauses: Clauses, rules: Rules, *, quiet: bool) -> Said:
    percents = _number(words[2], rules), _number(words[3], rules)
    factors = _decimal(words[4]), _decimal(words[5])
    if None in percents or None in factors:
        return _said(text.ERROR, clauses, "admin.lru.tune-numbers", quiet=quiet)
    if sum(percent or 0 for percent in percents) > _MOST_PERCENT:
        reply = b"ERROR hot and warm pcts must not exceed 80\r\n"
        return _said(reply, clauses, "admin.lru.tune-percents", quiet=quiet)
    if not all(factors):
        reply = b"ERROR hot/warm age factors must be greater than 0\r\n"
        return _said(reply, clauses, "admin.lru.tune-factors", quiet=quiet)
    return _said(OK, clauses, "admin.lru.tune", quiet=quiet)


_STARTED = OneOf((OK, b"ERROR failed to start lru crawler thread\r\n"))
_STOPPED = OneOf((OK, b"ERROR failed to stop lru crawler thread\r\n"))
_MOST_SLEEP = 1_000_000


def _crawler(words: Words, clauses: Clauses, rules: Rules) -> Read:
    quiet = _quiet(words, rules) and rules.traits.crawler_noreply == "silent"
    if quiet:
        words = words[:-1]
    word = words[1] if len(words) > 1 else b""
    if len(words) == 2 and word in (b"enable", b"disable"):
        return _said(
            _STARTED if word == b"enable" else _STOPPED, clauses, f"admin.crawler.{word.decode()}", quiet=quiet
        )
    if len(words) == 3 and word in (b"sleep", b"tocrawl"):
        number = _number(words[2], rules)
        if number is None:
            return _said(text.BAD_FORMAT, clauses, "admin.crawler.bad-number", quiet=quiet)
        if word == b"sleep" and number > _MOST_SLEEP:
            reply = b"CLIENT_ERROR sleep must be one second or less\r\n"
            return _said(reply, clauses, "admin.crawler.sleep-too-long", quiet=quiet)
        return _said(OK, clauses, f"admin.crawler.{word.decode()}", quiet=quiet)
    if len(words) == 3 and word in (b"crawl", b"metadump", b"mgdump"):
        return _crawl(words, clauses, rules, quiet=quiet)
    return _said(text.ERROR, clauses, "admin.crawler.unknown", quiet=quiet)


_FORBIDDEN = {b"metadump": b"ERROR metadump not allowed\r\n", b"mgdump": b"ERROR key dump not allowed\r\n"}
_BUSY = b"BUSY currently processing crawler request\r\n"
_ENDING = b"ERROR an unknown error happened\r\n"
"""What a crawler answers that was told to stop and has not yet."""
_NOT_STARTED = b"NOTSTARTED no items to crawl\r\n"


def _crawl(words: Words, clauses: Clauses, rules: Rules, *, quiet: bool) -> Read:
    word, which = words[1], words[2]
    if word == b"mgdump" and rules.traits.mgdump == "unknown":
        return _said(text.ERROR, clauses, "admin.mgdump.framing", quiet=quiet)
    if word in _FORBIDDEN and not rules.dumps_allowed:
        return _said(_FORBIDDEN[word], clauses, f"admin.{word.decode()}.forbidden", quiet=quiet)
    hashed = which == b"hash" and word != b"crawl"
    known = which == b"all" or hashed or all(_class(part) for part in which.split(b","))
    if not known:
        return _said(OneOf((BAD_CLASS, CRAWLER_OFF)), clauses, "admin.crawler.bad-class", quiet=quiet)
    if quiet:
        return Elsewhere("what a dump is without its reply")
    if word == b"crawl":
        return _said(
            OneOf((OK, _BUSY, _NOT_STARTED, _ENDING, CRAWLER_OFF)), clauses, "admin.crawler.crawl", quiet=False
        )
    late = b"ERROR cannot pipeline other commands before %s\r\n" % word
    instead = (
        (late, "admin.dump.first"),
        (_BUSY, "admin.dump.busy"),
        (CRAWLER_OFF, "admin.dump.busy"),
        (_ENDING, "admin.dump.busy"),
    )
    if word == b"metadump":
        begins: tuple[Piece, ...] = (OK, METADUMP) if rules.traits.dump_begins == "ok" else (METADUMP,)
        return Said(begins, (*clauses, "admin.metadump.framing"), instead=instead)
    begins = (OK, MGDUMP) if rules.traits.dump_begins == "ok" else (MGDUMP,)
    return Said(begins, (*clauses, "admin.mgdump.framing"), instead=instead)


def _class(word: bytes) -> bool:
    return word.isdigit() and 1 <= int(word) <= CLASSES


_MOVING = b"BUSY currently processing reassign request\r\n"
"""Whatever is asked for, while the page of an earlier request is under way."""
_MOVE_REPLIES = OneOf((OK, _MOVING, b"NOSPARE source class has no spare pages\r\n"))
_BAD_MOVE = b"BADCLASS invalid src or dst class id\r\n"
_BAD_WINDOW = b"CLIENT_ERROR automove window too low or too high\r\n"
_LEAST_WINDOW, _MOST_WINDOW = 3, 1800
_ANY = -1
"""Instead of a class to take a page from: whichever has one to spare."""


def _slabs(words: Words, clauses: Clauses, rules: Rules) -> Read:
    quiet = _quiet(words, rules)
    if quiet:
        words = words[:-1]
    word = words[1] if len(words) > 1 else b""
    if word == b"reassign" and len(words) == 4:
        source, to = text.signed(words[2], rules), text.signed(words[3], rules)
        if source is None or to is None:
            return _said(text.BAD_FORMAT, clauses, "admin.slabs.bad-number", quiet=quiet)
        if source == to:
            reply = b"SAME src and dst class are identical\r\n"
            return _said(OneOf((reply, _MOVING)), clauses, "admin.slabs.same", quiet=quiet)
        if not (_ANY <= source <= CLASSES and 0 <= to <= CLASSES):
            return _said(OneOf((_BAD_MOVE, _MOVING)), clauses, "admin.slabs.bad-class", quiet=quiet)
        # Whether a class is in use depends on the growth factor; one that is not may be refused as well, and so is _ANY
        # where no class has a page to spare.
        replies = OneOf((*_MOVE_REPLIES.choices, _BAD_MOVE))
        return _said(replies, clauses, "admin.slabs.reassign", quiet=quiet)
    if word == b"automove" and len(words) > 2:
        return _automove(words, clauses, rules, quiet=quiet)
    return _said(text.ERROR, clauses, "admin.slabs.unknown", quiet=quiet)


_MODES = 2


def _automove(words: Words, clauses: Clauses, rules: Rules, *, quiet: bool) -> Read:
    word = words[2]
    known = rules.traits.automove_words == "known"
    if word == b"ratio" or (word == b"freeratio" and known):
        ratio = _decimal(words[3]) if len(words) > 3 else None
        return _said(text.ERROR if ratio is None else OK, clauses, "admin.slabs.automove-ratio", quiet=quiet)
    if word == b"window" and known:
        window = _number(words[3], rules) if len(words) > 3 else None
        if window is None:
            return _said(text.BAD_FORMAT, clauses, "admin.slabs.bad-number", quiet=quiet)
        bounded = rules.traits.automove_window == "bounded"
        fits = not bounded or _LEAST_WINDOW <= window <= _MOST_WINDOW
        return _said(OK if fits else _BAD_WINDOW, clauses, "admin.slabs.window", quiet=quiet)
    if word in (b"freeratio", b"window"):
        return _said(text.BAD_FORMAT, clauses, "admin.slabs.window", quiet=quiet)
    number = _number(word, rules)
    if number is None:
        return _said(text.BAD_FORMAT, clauses, "admin.slabs.bad-number", quiet=quiet)
    return _said(OK if number <= _MODES else text.ERROR, clauses, "admin.slabs.automove", quiet=quiet)


_LOGS = frozenset(
    b"fetchers mutations evictions connevents sysevents rawcmds proxyreqs proxyevents proxyuser deletions".split()
)


def _watch(words: Words, clauses: Clauses, rules: Rules) -> Read:
    if not rules.watch_allowed:
        return _error(clauses, "admin.watch.forbidden", b"CLIENT_ERROR watch commands not allowed\r\n")
    if any(word not in _LOGS for word in words[1:]):
        begun = all(any(name.startswith(word) for name in _LOGS) for word in words[1:])
        if begun and rules.traits.stats_words != "whole":
            return Elsewhere("the beginning of the name of a log is read as that by some releases")
        replies = OneOf((text.ERROR, b"ERROR cannot pipeline other commands before watch\r\n"))
        return Said((replies,), (*clauses, "admin.dump.first", "admin.watch.unknown"))
    return Elsewhere("a connection that watches is never a connection for requests again")


def _debugging(words: Words, _clauses: Clauses, _rules: Rules) -> Read:
    return Elsewhere(f"{words[0].decode()} is known to some builds only")


GRAMMAR: dict[bytes, text.Reader] = {
    b"stats": _stats,
    b"shutdown": _shutdown,
    b"cache_memlimit": _memlimit,
    b"lru": _lru,
    b"lru_crawler": _crawler,
    b"slabs": _slabs,
    b"watch": _watch,
    **dict.fromkeys((b"extstore", b"refresh_certs", b"misbehave", b"debugtime", b"debugitem"), _debugging),
}
"""The commands of this chapter, each with the reader of its line."""
