"""The options of one server, as one immutable record."""

from dataclasses import dataclass
from typing import NamedTuple

#: Bytes in a kibibyte and a mebibyte, the units of ``-I`` and ``-m``.
KIB = 1024
MIB = 1024 * 1024

#: Every item costs this many bytes beside key, flags and value: a 48-byte header and a cas unique ...
ITEM_OVERHEAD = 56
#: ... which takes so many of them, and none with ``-C``.
CAS_SIZE = 8
#: Stored client flags cost this many bytes, unless they are 0.
FLAGS_SIZE = 4
#: Longest key in bytes.
KEY_MAX = 250
#: A line other than a retrieval holds at most this many bytes, its line feed included.
LINE_MAX = 2048
#: A get, gets, gat or gats line holds at most this many bytes, its line feed included.
RETRIEVAL_LINE_MAX = MIB
#: Largest value length a storage command may announce, in bytes; more is a format error.
VALUE_LENGTH_MAX = 2**31 - 3
#: Exptimes up to this many seconds count from now, greater ones are Unix times.
RELATIVE_MAX = 60 * 60 * 24 * 30
#: Items above this many bytes are kept in pieces by memcached, which therefore never does arithmetic on them.
ARITHMETIC_ITEM_MAX = 512 * KIB


class Address(NamedTuple):
    """Where to listen (``-l``)."""

    #: Name or address; ``*`` for all.
    host: str
    #: None for the port of ``-p``, and of ``-U`` for UDP.
    port: int | None = None
    #: With ``-Z``: empty for TLS as the options say, ``notls`` for none, ``btls`` for TLS that asks for no certificates
    #: of clients, ``mtls`` for TLS that demands them.
    tls: str = ""


@dataclass(frozen=True, slots=True)
class TlsSettings:
    """What ``-o ssl_...`` says; meaningless without ``-Z``."""

    #: File with the server's certificate and those that vouch for it, PEM.
    chain_cert: str = ""
    #: File with its private key; empty when that is in `chain_cert`.
    key: str = ""
    #: Whether the key's file is DER instead of PEM.
    key_der: bool = False
    #: Client certificates: 0 not asked for, 1 asked for and checked when there is one, 2 and 3 demanded.
    verify_mode: int = 0
    #: Ciphers up to TLS 1.2 as OpenSSL writes them; empty for the library's own choice.
    ciphers: str = ""
    #: File with the certificates that client certificates must come from, PEM; empty for none.
    ca_cert: str = ""
    #: Unsent bytes of one client before it is no longer served.
    write_buffer: int = 16 * KIB
    #: Whether clients may resume a session.
    session_cache: bool = False
    #: Oldest version spoken: 0 is TLS 1.0, 1 is 1.1, 2 is 1.2 and 3 is 1.3.
    min_version: int = 2


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything the command line can say. The defaults are memcached's."""

    #: TCP port; 0 switches TCP off, -1 takes a free one.
    port: int = 11211
    #: UDP port; 0 for no UDP, -1 takes a free one (``-U``).
    udp_port: int = 0
    #: Addresses to listen on; empty means all interfaces.
    listen: tuple[Address, ...] = ()
    #: Path of a Unix socket, which replaces TCP and UDP; None for those.
    unix_socket: str | None = None
    #: Mode of the Unix socket's file (``-a``).
    unix_mode: int = 0o700
    #: Threads that serve connections (``-t``); one serves them itself, without hand-over.
    threads: int = 1
    #: What connections speak (``-B``): ``auto``, ``negotiating``, ``ascii``, ``binary`` or ``packet``.
    protocol: str = "auto"
    #: True (``-S``) demands that clients of the binary protocol authenticate.
    sasl: bool = False
    #: File of users and passwords that clients of the text protocol must know (``-Y``); None for no such demand.
    auth_file: str | None = None
    #: True (``-Z``) speaks TLS on TCP.
    tls: bool = False
    tls_settings: TlsSettings = TlsSettings()
    #: Bytes of items held before the least recently used ones go (``-m``).
    memory_limit: int = 64 * MIB
    #: Evict when memory is full; False (``-M``) answers an error instead.
    evict: bool = True
    #: Simultaneous connections (``-c``).
    max_connections: int = 1024
    #: Largest item in bytes, header, key and line end included (``-I``).
    item_size_max: int = MIB
    #: False (``-F``) refuses ``flush_all``.
    flush_allowed: bool = True
    #: Number of ``-v``: 1 reports listeners and trouble, 2 also every command line.
    verbosity: int = 0
    #: True answers the client too many and closes; False (``-o no_maxconns_fast``) lets it wait to be accepted.
    maxconns_fast: bool = True
    #: True (``-A``) lets the ``shutdown`` command end the process.
    shutdown_allowed: bool = False
    #: False (``-C``) gives items no cas unique: 0 is shown, and the cas command always answers EXISTS.
    cas: bool = True
    #: Byte that ends the prefix of a key in ``stats detail`` (``-D``), which also switches the counting on.
    prefix_delimiter: bytes = b":"
    #: Whether prefixes are counted from the start.
    detail: bool = False
    #: False (``-X``) refuses the commands that list keys.
    dump_allowed: bool = True
    #: False (``-W``) refuses ``watch``.
    watch_allowed: bool = True
    #: Ratio of the chunk sizes of neighbouring slab classes (``-f``).
    growth_factor: float = 1.25
    #: Bytes for key, value and flags in the smallest chunk (``-n``).
    chunk_size: int = 48
    #: Largest chunk in bytes (``-o slab_chunk_max``, in KiB there).
    chunk_max: int = 512 * KIB
    #: Commands of one client between two turns of the others (``-R``); None takes the server's own measure.
    requests_per_turn: int | None = None
    #: Connections the system may queue before they are accepted (``-b``).
    backlog: int = 1024
    #: Answer with the pages, segments and crawler of memcached's present defaults; False is ``-o no_modern``.
    modern: bool = True
    #: Divide items by their use into segments; False (``-o no_lru_maintainer``) moves a used one to the front of a
    #: single list, at most once a minute.
    segmented: bool = True
    #: Percent of a class that hot and warm items may take (``-o hot_lru_pct``, ``-o warm_lru_pct``) ...
    hot_percent: int = 20
    warm_percent: int = 40
    #: ... and how old they may be beside the oldest cold one (``-o hot_max_factor``, ``-o warm_max_factor``).
    hot_factor: float = 0.2
    warm_factor: float = 2.0
    #: Items with at most this many seconds to live are not evicted; None for no such favour (``-o temporary_ttl``).
    temporary_ttl: int | None = None
    #: Whether ``lru_crawler`` commands are carried out from the start (``-o no_lru_crawler``).
    crawler: bool = True
    #: Seconds after which a client that sent nothing is disconnected; 0 for never (``-o idle_timeout``).
    idle_timeout: int = 0
    #: Whether the ``debugtime`` command of memcached's debug builds works (``-o debugtime``): for tests.
    debugtime: bool = False
    #: File to record the hand-over of connections in (``-o trace_dispatch``), for tests; None for none.
    trace_dispatch: str | None = None
    #: Run in the background (``-d``).
    daemon: bool = False
    #: File to hold the process id while the server runs (``-P``); None for none.
    pid_file: str | None = None
