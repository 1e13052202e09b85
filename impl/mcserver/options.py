"""memcached's command line, read strictly: every option that is accepted does something."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from mcserver.option_values import PORT_MAX, OptionError, addresses, factor, item_size, mode, number, path
from mcserver.options_extended import SHARES_MAX, extend
from mcserver.protocols import BY_NAME
from mcserver.settings import ITEM_OVERHEAD, KIB, MIB, Settings

__all__ = ["OptionError", "Parsed", "parse"]

_ANSWERS = ("h", "V")
#: Most threads (``-t``).
THREADS_MAX = 64


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
    ("a", "unix-mask", True),
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
    ("S", "enable-sasl", False),
    ("Y", "auth-file", True),
    ("Z", "enable-ssl", False),
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


def _apply(settings: Settings, short: str, name: str, value: str) -> Settings:
    match short:
        case "m":
            megabytes = number(name, value, 1, 2**43, "a number of megabytes, 1 or more")
            return replace(settings, memory_limit=megabytes * MIB)
        case "M":
            return replace(settings, evict=False)
        case "I":
            return replace(settings, item_size_max=item_size(name, value))
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
        case "D":
            delimiter = value.encode(errors="surrogateescape")
            if len(delimiter) != 1:
                message = f"bad value '{value}' for {name}: type one character"
                raise OptionError(message)
            return replace(settings, prefix_delimiter=delimiter, detail=True)
        case "f":
            return replace(settings, growth_factor=factor(name, value))
        case "n":
            return replace(settings, chunk_size=number(name, value, 1, KIB, "a number of bytes from 1 to 1024"))
        case "R":
            turn = number(name, value, 1, 4096, "a number of commands from 1 to 4096")
            return replace(settings, requests_per_turn=turn)
        case "o":
            for part in value.split(","):
                settings = extend(settings, part)
            return settings
        case "v":
            return replace(settings, verbosity=min(settings.verbosity + 1, 2))
        case "d":
            return replace(settings, daemon=True)
        case "P":
            return replace(settings, pid_file=path(name, value))
        case _:
            return _reach(settings, short, name, value)


def _reach(settings: Settings, short: str, name: str, value: str) -> Settings:
    """Options that say where clients come in, which ones, and what they speak."""
    match short:
        case "p":
            meaning = f"a port from 0 (off) to {PORT_MAX}, or -1 for any free one"
            return replace(settings, port=number(name, value, -1, PORT_MAX, meaning))
        case "U":
            meaning = f"a port from 0 (off) to {PORT_MAX}, or -1 for any free one"
            return replace(settings, udp_port=number(name, value, -1, PORT_MAX, meaning))
        case "s":
            return replace(settings, unix_socket=path(name, value))
        case "a":
            return replace(settings, unix_mode=mode(name, value))
        case "l":
            return replace(settings, listen=settings.listen + addresses(name, value))
        case "c":
            most = number(name, value, 1, 10**6, "a number of connections from 1 to 1000000")
            return replace(settings, max_connections=most)
        case "t":
            return replace(settings, threads=number(name, value, 1, THREADS_MAX, f"a number from 1 to {THREADS_MAX}"))
        case "b":
            return replace(settings, backlog=number(name, value, 1, PORT_MAX, "a number from 1 to 65535"))
        case "B":
            if value not in BY_NAME:
                message = f"bad value '{value}' for {name}: type {name} with one of {', '.join(BY_NAME)}"
                raise OptionError(message)
            return replace(settings, protocol=value)
        case "S":
            return replace(settings, sasl=True)
        case "Y":
            return replace(settings, auth_file=path(name, value))
        case "Z":
            return replace(settings, tls=True)
        case _:  # h and V, which are answered before
            return settings


def parse(arguments: Sequence[str]) -> Parsed:
    """Read a command line without the program's name. Raises OptionError."""
    settings = Settings()
    words = _words(arguments)
    for short, name, value in words:
        if short in _ANSWERS:
            return Parsed("help" if short == "h" else "version", settings)
        settings = _apply(settings, short, name, value)
    given = {short for short, _, _ in words}
    if settings.udp_port and "p" not in given:
        settings = replace(settings, port=settings.udp_port)
    for message in (_memory_trouble(settings), _socket_trouble(settings, given), _access_trouble(settings, given)):
        if message:
            raise OptionError(message)
    if settings.sasl or settings.auth_file is not None:
        settings = replace(settings, protocol="binary" if settings.sasl else "ascii")
    return Parsed("run", settings)


def _memory_trouble(settings: Settings) -> str:
    if settings.item_size_max * 2 > settings.memory_limit:
        return (
            f"-I ({settings.item_size_max} bytes) is more than half of -m ({settings.memory_limit // MIB} megabytes): "
            f"type -m {-(-settings.item_size_max * 2 // MIB)} or a smaller -I"
        )
    if settings.hot_percent + settings.warm_percent > SHARES_MAX:
        message = f"-o hot_lru_pct and warm_lru_pct are more than {SHARES_MAX} together: type smaller percentages"
        raise OptionError(message)
    if settings.chunk_size + ITEM_OVERHEAD > settings.chunk_max:
        return "-n is more than a chunk may hold (-o slab_chunk_max): type a smaller -n"
    return ""


def _socket_trouble(settings: Settings, given: set[str]) -> str:
    if settings.unix_socket is not None:
        others = settings.listen or ("p" in given and settings.port) or settings.udp_port
        if others:
            return "-s switches TCP and UDP off and goes with none of -l, -p and -U: type -s <file> alone"
        return "-Z secures TCP only, and -s switches TCP off: type one of them" if settings.tls else ""
    if "a" in given:
        return "-a is about the socket of -s: type -s <file> too"
    if settings.port == 0 and settings.udp_port == 0 and not any(address.port for address in settings.listen):
        return "-p 0 leaves nothing to listen on: type -s <file>, or a port"
    return ""


def _access_trouble(settings: Settings, given: set[str]) -> str:
    if settings.sasl and settings.auth_file is not None:
        return "-S is for the binary protocol and -Y for text: type one of them"
    for name, demanded, needed in (("-S", settings.sasl, "binary"), ("-Y", settings.auth_file is not None, "ascii")):
        if demanded and "B" in given and settings.protocol != needed:
            return f"{name} is for one protocol and -B {settings.protocol} allows another: type -B {needed}"
        if demanded and settings.udp_port:
            return f"{name} cannot tell who sent a datagram, and -U lets them in: type -U 0"
    secure = settings.tls_settings
    if settings.tls and not secure.chain_cert:
        return "-Z needs a certificate: type -o ssl_chain_cert=<file>"
    if not settings.tls and secure != Settings().tls_settings:
        return "-o ssl_... is about TLS, which is off: type -Z too"
    if not settings.tls and any(address.tls for address in settings.listen):
        return "notls:, btls: and mtls: are for a server that speaks TLS: type -Z too, or the address alone"
    return ""
