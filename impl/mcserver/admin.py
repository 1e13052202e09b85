"""Commands of the operator that are one line in and one reply out: memory, LRU, crawler, slabs, clock, shutdown."""

import math
import re

from mcserver import replies
from mcserver.numbers import lenient_u32, strict_i32, strict_u32
from mcserver.settings import MIB
from mcserver.slabs import CLASS_LIMIT
from mcserver.state import ServerState

#: ``cache_memlimit`` takes megabytes: at least so many, and more than the last would be a number of bytes.
MEMLIMIT_RANGE = (8, 1_000_000_000)
#: Longest pause of the crawler between items, in microseconds.
CRAWLER_SLEEP_MAX = 1_000_000
#: Shortest and longest window of the automover, in seconds.
WINDOW_RANGE = (3, 1800)
#: Hot and warm segments may take so many percent together.
_PERCENT_MAX = 80

#: What C's ``strtod`` takes.
_FLOAT = re.compile(
    rb"(?i)[+-]?(?:(?P<word>inf|infinity|nan(?:\(\w*\))?)|(?P<hex>0x(?:[0-9a-f]+\.?[0-9a-f]*|\.[0-9a-f]+)(?:p[+-]?\d+)?)"
    rb"|(?P<decimal>(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?))"
)
_U32 = 1 << 32
#: Class ids are read from so many bytes at most.
_CLASSES_MAX = 511


def abbreviates(token: bytes, word: bytes) -> bool:
    """Whether `token` stands for `word`: memcached 1.6.45 takes any beginning of it."""
    return word.startswith(token)


def _number(token: bytes) -> float | None:
    """A number as C's ``strtod`` reads it: also hexadecimal, infinite or none; out of range it is refused."""
    match = _FLOAT.fullmatch(token)
    if match is None:
        return None
    text = token.decode("ascii")
    if match["word"]:
        return float(text.partition("(")[0])
    try:
        value = float.fromhex(text) if match["hex"] else float(text)
    except OverflowError:
        return None
    digits = (match["hex"] or match["decimal"]).lower().partition(b"p" if match["hex"] else b"e")[0]
    vanished = not value and bool(digits.strip(b"0.x"))
    return None if vanished or math.isinf(value) else value


def memlimit(state: ServerState, tokens: list[bytes]) -> bytes:
    """``cache_memlimit <megabytes>``."""
    size = strict_u32(tokens[1]) if len(tokens) > 1 else None
    if size is None:
        return replies.ERROR
    low, high = MEMLIMIT_RANGE
    if size < low:
        return replies.MEMLIMIT_SMALL
    if size > high:
        return replies.MEMLIMIT_BYTES
    state.cache.set_limit(size * MIB)
    return replies.OK


def lru(state: ServerState, tokens: list[bytes]) -> bytes:
    """``lru tune|mode|temp_ttl``."""
    runtime = state.runtime
    match tokens[1:]:
        case [word, hot, warm, hot_factor, warm_factor, *_] if abbreviates(word, b"tune"):
            percents = strict_u32(hot), strict_u32(warm)
            factors = _number(hot_factor), _number(warm_factor)
            if None in percents or None in factors:
                return replies.ERROR
            hot_percent, warm_percent = percents[0] or 0, percents[1] or 0
            if (hot_percent + warm_percent) % _U32 > _PERCENT_MAX:
                return replies.LRU_PERCENTS
            first, second = factors[0] or 0.0, factors[1] or 0.0
            if first <= 0 or second <= 0:
                return replies.LRU_FACTORS
            tuning = runtime.tuning
            tuning.hot_percent, tuning.warm_percent = hot_percent, warm_percent
            tuning.hot_factor, tuning.warm_factor = first, second
            return replies.OK
        case [word, mode, *_] if abbreviates(word, b"mode") and state.settings.segmented:
            if not abbreviates(mode, b"flat") and not abbreviates(mode, b"segmented"):
                return replies.ERROR
            runtime.segmented = abbreviates(mode, b"segmented")
            state.cache.divide(segmented=runtime.segmented)
            return replies.OK
        case [word, ttl, *_] if abbreviates(word, b"temp_ttl") and state.settings.segmented:
            seconds = strict_i32(ttl)
            if seconds is None:
                return replies.ERROR
            runtime.temporary_ttl = state.cache.temporary_ttl = seconds if seconds >= 0 else None
            return replies.OK
        case _:
            return replies.ERROR


def class_set(text: bytes) -> frozenset[int] | None:
    """Class ids separated by commas; None when one of them is no class."""
    numbers = [lenient_u32(part + b"\n") for part in text[:_CLASSES_MAX].split(b",") if part]
    chosen = frozenset(number for number in numbers if number is not None)
    return None if None in numbers or not all(0 < number < CLASS_LIMIT for number in chosen) else chosen


def crawler(state: ServerState, tokens: list[bytes]) -> bytes:
    """``lru_crawler`` but for its dumps: ``crawl`` removes dead items at once, before its reply."""
    runtime = state.runtime
    match tokens[1:]:
        case [word] if abbreviates(word, b"enable"):
            if runtime.crawler:
                return replies.CRAWLER_START_FAILED
            runtime.crawler = True
            return replies.OK
        case [word] if abbreviates(word, b"disable"):
            runtime.crawler = False
            return replies.OK
        case [word, classes] if abbreviates(word, b"crawl"):
            return _crawl(state, classes)
        case [word, number] if abbreviates(word, b"tocrawl"):
            most = strict_u32(number)
            if most is None:
                return replies.BAD_FORMAT
            runtime.crawler_tocrawl = most
            return replies.OK
        case [word, number] if abbreviates(word, b"sleep"):
            pause = strict_u32(number)
            if pause is None:
                return replies.BAD_FORMAT
            if pause > CRAWLER_SLEEP_MAX:
                return replies.CRAWLER_SLEEP
            runtime.crawler_sleep = pause
            return replies.OK
        case _:
            return replies.ERROR


def _crawl(state: ServerState, word: bytes) -> bytes:
    if not state.runtime.crawler:
        return replies.CRAWLER_DISABLED
    if word == b"hash":
        return replies.CRAWLER_UNKNOWN
    classes = None if word == b"all" else class_set(word)
    if classes is None and word != b"all":
        return replies.BAD_CLASS
    if classes is not None and not classes:
        return replies.NOTHING_TO_CRAWL
    state.cache.crawl(classes, state.runtime.crawler_tocrawl)
    state.runtime.crawler_starts += 1
    return replies.OK


def slabs(state: ServerState, tokens: list[bytes]) -> bytes:
    """``slabs reassign|automove``."""
    match tokens[1:]:
        case [word, source, target] if abbreviates(word, b"reassign"):
            return _reassign(state, source, target)
        case [word, what, *rest] if abbreviates(word, b"automove"):
            return _automove(state, what, rest)
        case _:
            return replies.ERROR


def _automove(state: ServerState, what: bytes, rest: list[bytes]) -> bytes:
    runtime = state.runtime
    if abbreviates(what, b"ratio") or abbreviates(what, b"freeratio"):
        ratio = _number(rest[0]) if rest else None
        if ratio is None:
            return replies.ERROR
        if abbreviates(what, b"ratio"):
            runtime.automove_ratio = ratio
        else:
            runtime.automove_free_ratio = ratio
        return replies.OK
    if abbreviates(what, b"window"):
        seconds = strict_u32(rest[0]) if rest else None
        if seconds is None:
            return replies.BAD_FORMAT
        if not WINDOW_RANGE[0] <= seconds <= WINDOW_RANGE[1]:
            return replies.WINDOW_RANGE
        runtime.automove_window = seconds
        return replies.OK
    mode = strict_u32(what)
    if mode is None:
        return replies.BAD_FORMAT
    if mode > 2:
        return replies.ERROR
    runtime.automove = mode
    return replies.OK


def _reassign(state: ServerState, source: bytes, target: bytes) -> bytes:
    if not state.settings.modern:
        return replies.REASSIGN_DISABLED
    first, second = strict_i32(source), strict_i32(target)
    if first is None or second is None:
        return replies.BAD_FORMAT
    if first == second:
        return replies.REASSIGN_SAME
    classes = state.cache.slabs.classes
    if not (first < len(classes) and 0 <= second < len(classes)) or first < -1:
        return replies.REASSIGN_BAD_CLASS
    if first == -1:
        first = max((slab.id for slab in classes if slab.id != second), key=lambda number: classes[number].pages)
        if classes[first].pages < 2:
            return replies.REASSIGN_BAD_CLASS
    # Pages belong to whoever needs them, so that there is nothing to move; but a class with one page has none to give.
    return replies.OK if classes[first].pages > 1 else replies.REASSIGN_NO_SPARE


def debugtime(state: ServerState, tokens: list[bytes]) -> bytes:
    """``debugtime p|r|<seconds>``: stop the clock, let it run, move it on."""
    if len(tokens) < 2:
        return replies.ERROR
    if tokens[1] == b"p":
        state.paused = True
    elif tokens[1] == b"r":
        state.paused = False
    else:
        seconds = strict_i32(tokens[1])
        if seconds is None:
            return replies.ERROR
        state.move(seconds)
    return replies.OK


def shutdown(state: ServerState, tokens: list[bytes]) -> bytes | None:
    """``shutdown [graceful]``: None when the process ends now."""
    if not state.settings.shutdown_allowed:
        return replies.SHUTDOWN_REFUSED
    if len(tokens) > 2 or (len(tokens) > 1 and not abbreviates(tokens[1], b"graceful")):
        return replies.SHUTDOWN_MODE
    if state.on_shutdown is not None:
        state.on_shutdown()
    return None
