"""memcached's command line, read strictly: every option that is accepted does something."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from mcserver.settings import ITEM_OVERHEAD, KIB, MIB, Settings

#: ``-I`` takes from 1 KiB to 1024 MiB.
ITEM_SIZE_RANGE = (KIB, 1024 * MIB)
#: ``-f`` takes factors above the first, up to the second.
FACTOR_RANGE = (1.0, 10.0)
_PORT_MAX = 65535
_SECONDS_MAX = 10**9
#: Hot and warm items may take so many percent of a class, each of them and both together.
_SHARE_RANGE = (1, 79)
_SHARES_MAX = 80
#: Ages are multiplied by less than this.
_FACTOR_LIMIT = 1e9
_SHARE = "a percentage from 1 to 79"
_EXTENDED_WITH_VALUE = frozenset(
    "slab_chunk_max idle_timeout temporary_ttl hot_lru_pct warm_lru_pct hot_max_factor warm_max_factor".split()
)
_ANSWERS = ("h", "V")

HELP = """\
usage: mcserver [options]
-p, --port=<num>           TCP port to listen on (default: 11211, 0: off, -1: any free port)
-U, --udp-port=<num>       UDP port; only 0 (off)
-s, --unix-socket=<file>   Unix socket to listen on (switches TCP off)
-l, --listen=<addr>        address to listen on, <host>[:<port>], several separated by commas (default: all)
-m, --memory-limit=<num>   item memory in megabytes (default: 64)
-M, --disable-evictions    answer an error when memory is full instead of evicting
-c, --conn-limit=<num>     max simultaneous connections (default: 1024)
-t, --threads=<num>        number of threads; only 1
-I, --max-item-size=<num>  largest item, in bytes or with k or m (default: 1m, min: 1k, max: 1024m)
-F, --disable-flush-all    disable the flush_all command
-A, --enable-shutdown      enable the shutdown command
-X, --disable-dumping      refuse stats cachedump, stats detail and the dumps of lru_crawler
-W, --disable-watch        refuse watch
-C, --disable-cas          no cas uniques: items show 0, and cas always answers EXISTS
-D, --prefix-delimiter=<char>  delimiter of key prefixes for stats detail (default: ':'), which it switches on
-f, --slab-growth-factor=<num>  ratio of chunk sizes, by which memory is accounted (default: 1.25)
-n, --slab-min-size=<num>  bytes for key, value and flags in the smallest chunk (default: 48)
-R, --max-reqs-per-event=<num>  commands of one client between two turns of the others (default: 256)
-b, --listen-backlog=<num> connections that wait to be accepted (default: 1024)
-o, --extended=<list>      separated by commas:
                           slab_chunk_max=<kilobytes>  largest chunk (default: 512)
                           idle_timeout=<seconds>      disconnect silent clients (default: 0, never)
                           temporary_ttl=<seconds>     never evict items with so short a life (default: off)
                           hot_lru_pct, warm_lru_pct=<percent>  share of new and of used items (default: 20, 40)
                           hot_max_factor, warm_max_factor=<factor>
                                                their age, by that of the oldest others (default: 0.2, 2)
                           [no_]lru_maintainer  divide items by their use; without, one list (default: with)
                           [no_]lru_crawler     carry out lru_crawler commands (default: yes)
                           modern, no_modern    no_modern: chunks of 1m, one list of items, lru_crawler disabled
                           debugtime            let the debugtime command move the clock: for tests
-B, --protocol=<name>      protocol of the clients; only ascii, which includes the meta commands
-d, --daemon               run in the background, detached from the terminal
-P, --pidfile=<file>       write the process id to a file, which is removed at the end
-v, --verbose              report listeners and trouble on stderr; -vv: also every command line
-V, --version              print the version and exit
-h, --help                 print this help and exit
"""


class OptionError(Exception):
    """A command line that cannot be carried out; the message is one line that names the culprit and the cure."""


@dataclass(frozen=True, slots=True)
class Parsed:
    """A command line: what to do (``run``, ``help`` or ``version``) and with which settings."""

    action: str
    settings: Settings


# Short name, long name, whether a value follows.
_OPTIONS = (
    ("p", "port", True),
    ("U", "udp-port", True),
    ("s", "unix-socket", True),
    ("l", "listen", True),
    ("m", "memory-limit", True),
    ("M", "disable-evictions", False),
    ("c", "conn-limit", True),
    ("t", "threads", True),
    ("I", "max-item-size", True),
    ("F", "disable-flush-all", False),
    ("A", "enable-shutdown", False),
    ("X", "disable-dumping", False),
    ("W", "disable-watch", False),
    ("C", "disable-cas", False),
    ("D", "prefix-delimiter", True),
    ("f", "slab-growth-factor", True),
    ("n", "slab-min-size", True),
    ("R", "max-reqs-per-event", True),
    ("b", "listen-backlog", True),
    ("o", "extended", True),
    ("B", "protocol", True),
    ("d", "daemon", False),
    ("P", "pidfile", True),
    ("v", "verbose", False),
    ("V", "version", False),
    ("h", "help", False),
)
_TAKES_VALUE = {short: takes for short, _, takes in _OPTIONS}
_SHORT_OF = {long: short for short, long, _ in _OPTIONS}


def _words(arguments: Sequence[str]) -> list[tuple[str, str, str]]:
    """Split `arguments` into (short name, name as typed, value), as getopt_long does."""
    found: list[tuple[str, str, str]] = []
    queue = list(arguments)
    while queue:
        word = queue.pop(0)
        if word.startswith("--"):
            name, given, value = word[2:].partition("=")
            short = _SHORT_OF.get(name, "")
            if not short:
                message = f"unknown option '{word}': type mcserver --help for the list"
                raise OptionError(message)
            if _TAKES_VALUE[short] and not given:
                value = _next_value(queue, f"--{name}")
            elif given and not _TAKES_VALUE[short]:
                message = f"option '--{name}' takes no value: type --{name} alone"
                raise OptionError(message)
            found.append((short, f"--{name}", value))
        elif word.startswith("-") and word != "-":
            _short_words(word, queue, found)
        else:
            message = f"unexpected argument '{word}': every option begins with '-', type mcserver --help for the list"
            raise OptionError(message)
    return found


def _short_words(word: str, queue: list[str], found: list[tuple[str, str, str]]) -> None:
    at = 1
    while at < len(word):
        short = word[at]
        at += 1
        if short not in _TAKES_VALUE:
            message = f"unknown option '-{short}': type mcserver --help for the list"
            raise OptionError(message)
        if _TAKES_VALUE[short]:
            found.append((short, f"-{short}", word[at:] or _next_value(queue, f"-{short}")))
            return
        found.append((short, f"-{short}", ""))


def _next_value(queue: list[str], name: str) -> str:
    if not queue:
        message = f"option '{name}' needs a value: type {name} <value>"
        raise OptionError(message)
    return queue.pop(0)


def _number(name: str, value: str, low: int, high: int, meaning: str) -> int:
    digits = value.removeprefix("-")
    if digits.isascii() and digits.isdigit() and len(digits) <= len(str(high)) and low <= int(value) <= high:
        return int(value)
    message = f"bad value '{value}' for {name}: type {meaning}"
    raise OptionError(message)


def _item_size(name: str, value: str) -> int:
    unit = {"k": KIB, "m": MIB}.get(value[-1:].lower(), 1)
    digits = value if unit == 1 else value[:-1]
    low, high = ITEM_SIZE_RANGE
    if digits.isascii() and digits.isdigit() and len(digits) <= len(str(high)) and low <= int(digits) * unit <= high:
        return int(digits) * unit
    message = f"bad value '{value}' for {name}: type a size from 1k to 1024m, as in {name} 2m"
    raise OptionError(message)


def _address(name: str, text: str) -> tuple[str, int | None]:
    """``host``, ``host:port``, ``[v6]``, ``[v6]:port`` or a bare v6 address; the host ``*`` means all."""
    host, port = text, ""
    if text.startswith("["):
        host, closed, port = text[1:].partition("]")
        if not closed or (port and not port.startswith(":")):
            message = f"bad address '{text}' for {name}: type [host]:port"
            raise OptionError(message)
        port = port[1:]
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
    if not host:
        message = f"empty address in the value of {name}: type a host, as in {name} 127.0.0.1"
        raise OptionError(message)
    if not port:
        return host, None
    return host, _number(name, port, 0, _PORT_MAX, f"a port from 0 to {_PORT_MAX} after the host")


def _apply(settings: Settings, short: str, name: str, value: str) -> Settings:
    match short:
        case "p":
            meaning = f"a port from 0 (off) to {_PORT_MAX}, or -1 for any free one"
            return replace(settings, port=_number(name, value, -1, _PORT_MAX, meaning))
        case "s":
            if not value:
                message = f"empty path for {name}: type {name} /path/of/socket"
                raise OptionError(message)
            return replace(settings, unix_socket=value)
        case "l":
            addresses = tuple(_address(name, part) for part in value.split(","))
            return replace(settings, listen=settings.listen + addresses)
        case "m":
            megabytes = _number(name, value, 1, 2**43, "a number of megabytes, 1 or more")
            return replace(settings, memory_limit=megabytes * MIB)
        case "M":
            return replace(settings, evict=False)
        case "c":
            most = _number(name, value, 1, 10**6, "a number of connections from 1 to 1000000")
            return replace(settings, max_connections=most)
        case "I":
            return replace(settings, item_size_max=_item_size(name, value))
        case "F":
            return replace(settings, flush_allowed=False)
        case "A":
            return replace(settings, shutdown_allowed=True)
        case "X":
            return replace(settings, dump_allowed=False)
        case "W":
            return replace(settings, watch_allowed=False)
        case "C":
            return replace(settings, cas=False)
        case "B" | "d" | "P":
            return _process(settings, short, name, value)
        case "D" | "f" | "n" | "R" | "b":
            return _measure(settings, short, name, value)
        case "o":
            for part in value.split(","):
                settings = _extended(settings, part)
            return settings
        case "v":
            return replace(settings, verbosity=min(settings.verbosity + 1, 2))
        case "t":
            _number(name, value, 1, 1, f"{name} 1, this server has one thread")
        case "U":
            _number(name, value, 0, 0, f"{name} 0, this server has no UDP")
        case _:  # h and V, which are answered before
            pass
    return settings


def _process(settings: Settings, short: str, name: str, value: str) -> Settings:
    match short:
        case "d":
            return replace(settings, daemon=True)
        case "P":
            if not value:
                message = f"empty path for {name}: type {name} /path/of/file"
                raise OptionError(message)
            return replace(settings, pid_file=value)
        case _:
            if value != "ascii":
                message = f"bad value '{value}' for {name}: type {name} ascii, this server has no other protocol"
                raise OptionError(message)
            return settings


def _measure(settings: Settings, short: str, name: str, value: str) -> Settings:
    match short:
        case "D":
            delimiter = value.encode(errors="surrogateescape")
            if len(delimiter) != 1:
                message = f"bad value '{value}' for {name}: type one character"
                raise OptionError(message)
            return replace(settings, prefix_delimiter=delimiter, detail=True)
        case "f":
            try:
                factor = float(value)
            except ValueError:
                factor = 0.0
            if not FACTOR_RANGE[0] < factor <= FACTOR_RANGE[1]:
                message = f"bad value '{value}' for {name}: type a factor above 1 and up to 10, as in {name} 1.25"
                raise OptionError(message)
            return replace(settings, growth_factor=factor)
        case "n":
            return replace(settings, chunk_size=_number(name, value, 1, KIB, "a number of bytes from 1 to 1024"))
        case "R":
            turn = _number(name, value, 1, 4096, "a number of commands from 1 to 4096")
            return replace(settings, requests_per_turn=turn)
        case _:
            return replace(settings, backlog=_number(name, value, 1, _PORT_MAX, "a number from 1 to 65535"))


def _factor(name: str, value: str) -> float:
    try:
        factor = float(value)
    except ValueError:
        factor = 0.0
    if not 0 < factor < _FACTOR_LIMIT:
        message = f"bad value '{value}' for {name}: type a factor above 0, as in {name}=0.5"
        raise OptionError(message)
    return factor


def _extended(settings: Settings, part: str) -> Settings:
    name, given, value = part.partition("=")
    shown = f"-o {name}"
    if bool(given) != (name in _EXTENDED_WITH_VALUE):
        message = f"bad option '-o {part}': type mcserver --help for the list"
        raise OptionError(message)
    match name:
        case "slab_chunk_max":
            return replace(settings, chunk_max=_number(shown, value, 1, KIB, "kilobytes from 1 to 1024") * KIB)
        case "idle_timeout":
            return replace(settings, idle_timeout=_number(shown, value, 0, _SECONDS_MAX, "a number of seconds"))
        case "temporary_ttl":
            return replace(settings, temporary_ttl=_number(shown, value, 0, _SECONDS_MAX, "a number of seconds"))
        case "hot_lru_pct":
            return replace(settings, hot_percent=_number(shown, value, *_SHARE_RANGE, _SHARE))
        case "warm_lru_pct":
            return replace(settings, warm_percent=_number(shown, value, *_SHARE_RANGE, _SHARE))
        case "hot_max_factor":
            return replace(settings, hot_factor=_factor(shown, value))
        case "warm_max_factor":
            return replace(settings, warm_factor=_factor(shown, value))
        case "lru_maintainer" | "no_lru_maintainer":
            return replace(settings, segmented=name == "lru_maintainer")
        case "lru_crawler" | "no_lru_crawler":
            return replace(settings, crawler=name == "lru_crawler")
        case "modern":
            return replace(settings, modern=True, segmented=True, crawler=True, chunk_max=512 * KIB)
        case "no_modern":
            return replace(settings, modern=False, segmented=False, crawler=False, chunk_max=MIB)
        case "debugtime":
            return replace(settings, debugtime=True)
        case _:
            message = f"unknown option '-o {part}': type mcserver --help for the list"
            raise OptionError(message)


def parse(arguments: Sequence[str]) -> Parsed:
    """Read a command line without the program's name. Raises OptionError."""
    settings = Settings()
    words = _words(arguments)
    for short, name, value in words:
        if short in _ANSWERS:
            return Parsed("help" if short == "h" else "version", settings)
        settings = _apply(settings, short, name, value)
    if settings.item_size_max * 2 > settings.memory_limit:
        message = (
            f"-I ({settings.item_size_max} bytes) is more than half of -m ({settings.memory_limit // MIB} megabytes): "
            f"type -m {-(-settings.item_size_max * 2 // MIB)} or a smaller -I"
        )
        raise OptionError(message)
    if settings.hot_percent + settings.warm_percent > _SHARES_MAX:
        message = f"-o hot_lru_pct and warm_lru_pct are more than {_SHARES_MAX} together: type smaller percentages"
        raise OptionError(message)
    if settings.chunk_size + ITEM_OVERHEAD > settings.chunk_max:
        message = "-n is more than a chunk may hold (-o slab_chunk_max): type a smaller -n"
        raise OptionError(message)
    if settings.port == 0 and settings.unix_socket is None and not any(port for _, port in settings.listen):
        message = "-p 0 leaves nothing to listen on: type -s <file>, or a port"
        raise OptionError(message)
    if settings.unix_socket is not None and (
        settings.listen or any(word[0] == "p" and settings.port for word in words)
    ):
        message = "-s switches TCP off and goes with neither -l nor -p: type -s <file> alone, or with -p 0"
        raise OptionError(message)
    return Parsed("run", settings)
