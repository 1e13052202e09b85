"""Every number of the protocol: its name, its unit and where it comes from.

All limits are fields of one record, so that a model can shrink them (a counter that wraps at 4, a key of at most
2 bytes) and a mutant can move one of them by one, without a second copy of any rule.
"""

from __future__ import annotations

from typing import NamedTuple


class Limits(NamedTuple):
    """The numbers that the rules read. Source "written" is memcached's protocol text, "measured" a live server."""

    key: int = 250
    """Bytes: the longest key. Written."""

    line: int = 2048
    """Bytes, LF included: the longest command line that does not begin with a retrieval word. Measured."""

    retrieval_line: int = 1024 * 1024
    """Bytes, LF included: the longest line of get, gets, gat or gats. Chosen; real servers grow until memory ends."""

    first_key: int = 65532
    """Bytes before the first key of get and gets, behind more of which some releases find none. Measured (1.6.45)."""

    read_buffer: int = 16384
    """Bytes: where a memcached that limits lines per read, not per line, can see no further. Measured."""

    short_line: int = 4
    """Bytes, terminator included: a line of fewer is refused before it is read as a command. Measured (1.6.40)."""

    words: int = 23
    """Words of a line that are told apart: `noreply` and `HTTP/` are looked for in the last of them. Measured."""

    meta_words: int = 20
    """Words of a meta line, command, key and length included. Measured (1.6.40)."""

    opaque: int = 32
    """Bytes of an opaque, its letter included. Written."""

    item: int = 1024 * 1024
    """Bytes: the largest item, header and key included (the option -I). Measured."""

    item_header: int = 48
    """Bytes that an item costs beside cas unique, key, flags and value. Measured."""

    item_cas: int = 8
    """Bytes that the cas unique costs an item. Measured."""

    item_flags: int = 4
    """Bytes that client flags cost an item, if they are not 0. Measured."""

    chunked: int = 512 * 1024
    """Bytes: items above this are stored in pieces, which no arithmetic command reads. Measured."""

    counter: int = 2**64
    """incr and decr work modulo this. Written."""

    flags: int = 2**32
    """Client flags are kept modulo this. Written (32 bits), the truncation measured."""

    relative: int = 60 * 60 * 24 * 30
    """Seconds: an exptime above this is an absolute unix time. Written."""

    length_digits: int = 11
    """Characters: the longest number of 32 bits in strict syntax, leading zeros included. Measured (1.6.40)."""

    counter_digits: int = 22
    """Characters: the longest number of 64 bits in strict syntax, leading zeros included. Measured (1.6.45)."""

    value_length: int = 2**31 - 3
    """Bytes: the largest length that a header may announce. Measured."""

    memory: int = 64 * 1024 * 1024
    """Bytes of items (the option -m); far below it nothing may be evicted. Written in the manual page."""

    bump: int = 60
    """Seconds: a use of an item that took its place in a flat LRU order no longer ago does not move it. Measured."""

    connections: int = 1024
    """Connections at once (the option -c). Written in the manual page."""

    body: int = 2**30
    """Bytes: the longest body that a header of the binary protocol may announce. Measured (1.6.42)."""

    packet: int = 2**30
    """Bytes: the longest packet, all of it counted. Chosen."""

    packet_data: int = 1024
    """Bytes: the most data of a packet that is no store. Chosen."""

    auth_line: int = 6
    """Bytes, LF included: a line of a stranger that is no longer says nothing. Measured (1.6.44)."""

    auth_token: int = 16384
    """Bytes of the longest token of ASCII authentication. Measured (1.6.42)."""

    mechanism: int = 32
    """Bytes of the longest name of a SASL mechanism. Measured."""

    datagram: int = 1392
    """Bytes of a message that a datagram holds behind its header. Measured."""

    datagrams: int = 65535
    """Datagrams: the largest number that the header of one can tell. Written (16 bits)."""
