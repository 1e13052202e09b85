"""Rules on integers only: headers of the binary protocol, packets, and the datagrams that a message is sent in.

Written in plain arithmetic, as `arith` is, so that a symbolic executor can go through every path. Lengths are in bytes
and never negative on the wire; the functions are total all the same.
"""

from __future__ import annotations

# ---------------------------------------------------------------------------------------------------- binary headers

HEADER = 24
"""Bytes of a header of the binary protocol. Written."""

REQUEST = 0x80
"""The magic of a request, and so the first byte of a connection that speaks the binary protocol. Written."""

WAIT, BAD_MAGIC, CONTRADICTS, BODY_LONG, NOT_ADMITTED, KEY_LONG, SOUND = range(7)
"""What a header can be, in the order in which it is found out."""

NO_KEY, A_KEY, ANY_KEY = 0, 1, 2
"""What a request demands of its key: that there is none, that there is one, or nothing."""


def header_need(held: int, magic: int, keylen: int, extlen: int) -> int:
    """Bytes that must have come before a request is looked at: its header, then its extras and key as well.

    A header with a wrong magic says nothing of what follows it. `held` are the bytes that have come.
    """
    if held < HEADER or magic != REQUEST:
        return HEADER
    return HEADER + keylen + extlen


def header_class(
    held: int,
    magic: int,
    keylen: int,
    extlen: int,
    bodylen: int,
    *,
    admitted: bool,
    longest_body: int,
    longest_key: int,
) -> int:
    """What the header of a request is: the first thing that is wrong with it, WAIT or SOUND.

    `held` bytes have come, header included; `admitted` says that who sent it may ask for its opcode.
    """
    if held < header_need(held, magic, keylen, extlen):
        return WAIT
    if magic != REQUEST:
        return BAD_MAGIC
    if keylen + extlen > bodylen:
        return CONTRADICTS
    if bodylen > longest_body:
        return BODY_LONG
    if not admitted:
        return NOT_ADMITTED
    return KEY_LONG if keylen > longest_key else SOUND


def value_length(keylen: int, extlen: int, bodylen: int) -> int:
    """Bytes of a body behind extras and key; below 0 if the lengths contradict each other."""
    return bodylen - keylen - extlen


def key_right(keylen: int, demand: int) -> bool:
    """Whether a key of so many bytes is what the opcode demands: NO_KEY, A_KEY or ANY_KEY."""
    if demand == NO_KEY:
        return keylen == 0
    return demand == ANY_KEY or keylen > 0


def extras_right(extlen: int, demand: int, *, optional: bool) -> bool:
    """Whether the extras are as long as demanded; optional ones may be left out as a whole."""
    return extlen == demand or (optional and extlen == 0)


def body_right(keylen: int, extlen: int, bodylen: int, *, valued: bool) -> bool:
    """Whether nothing stands behind extras and key where no value may."""
    return valued or value_length(keylen, extlen, bodylen) == 0


# ---------------------------------------------------------------------------------------------------- packets

LENGTH = 4
"""Bytes of a packet's length."""

SHORTEST = 5
"""Bytes of the shortest packet: length and code."""

STORE_HEAD = 17
"""Bytes before the key in the data of a store: cas unique, flags, exptime, length of the key."""

UNSEEN, BAD_LENGTH, FRAMED = range(3)
"""What the beginning of a packet can be: its length has not come, or is wrong, or is right."""


def packet_class(held: int, length: int, longest: int) -> int:
    """What is known of a packet once `held` bytes of it have come: UNSEEN, BAD_LENGTH or FRAMED.

    `length` counts all of its bytes.
    """
    if held < LENGTH:
        return UNSEEN
    return FRAMED if SHORTEST <= length <= longest else BAD_LENGTH


def data_length(length: int) -> int:
    """Bytes behind the code of a packet that is `length` bytes long."""
    return length - SHORTEST


def data_right(data: int, least: int, most: int) -> bool:
    """Whether a packet has as many bytes of data as its code allows."""
    return least <= data <= most


def packet_value(data: int, keylen: int) -> int:
    """Bytes of the value of a store; below 0 if head and key do not fit its data."""
    return data - STORE_HEAD - keylen


# ---------------------------------------------------------------------------------------------------- datagrams

FRAME = 8
"""Bytes of the header of a datagram. Written."""


def datagram_accepted(size: int, total: int) -> bool:
    """Whether a datagram of `size` bytes is looked at: there is a payload, and it is the only one of its request."""
    return size > FRAME and total == 1


def datagrams(length: int, payload: int) -> int:
    """How many datagrams a message takes whose pieces are of at most `payload` bytes."""
    return (length + payload - 1) // payload


def piece_length(length: int, number: int, payload: int) -> int:
    """Bytes of the message in its datagram `number`, counted from 0; none beyond its end."""
    left = length - number * payload
    if left <= 0:
        return 0
    return min(payload, left)


def total_shown(count: int, most: int) -> int:
    """The number of datagrams that their headers tell: the field ends at `most`."""
    return min(most, count)


def sequence_shown(number: int, modulus: int) -> int:
    """The sequence number of datagram `number`, counted from 0: the field wraps."""
    return number % modulus


def piece_right(number: int, total: int, size: int, payload: int) -> bool:
    """Whether datagram `number` of `total` may hold `size` bytes of its message: all are full but the last."""
    if not 0 <= number < total:
        return False
    return 0 < size <= payload if number == total - 1 else size == payload
