"""Contracts on binary headers, packets and datagrams, for CrossHair: each an independent definition."""

from __future__ import annotations

from mcspec import arith, arith_frames

BODY, KEY = 2**30, 250
"""Bytes of the longest body and the longest key."""

PAYLOAD, MOST = 1392, 65535
"""Bytes of a message in a datagram, and the largest number of datagrams that a header can tell."""


# ------------------------------------------------------------------------------------------------ binary headers


LONG = 2**20
"""So much has come that nothing is waited for."""


def _judged(
    held: int, keylen: int, extlen: int, bodylen: int, *, magic: int = arith_frames.REQUEST, admitted: bool = True
) -> int:
    return arith_frames.header_class(
        held, magic, keylen, extlen, bodylen, admitted=admitted, longest_body=BODY, longest_key=KEY
    )


def header_waits_for_key_and_extras(held: int, keylen: int, extlen: int) -> None:
    """A request is looked at when header, key and extras have come, not a byte sooner; a value is not waited for."""
    assert held >= 0
    assert 0 <= keylen < 2**16
    assert 0 <= extlen < 2**8
    waits = _judged(held, keylen, extlen, 2**32 - 1) == arith_frames.WAIT
    assert waits == (held < 24 or held - 24 < keylen + extlen)


def header_once_judged_stays_so(held: int, more: int, keylen: int, extlen: int, bodylen: int, magic: int) -> None:
    """What comes behind a header that was judged does not change the judgement: chunks do not matter."""
    assert 0 <= held <= more
    assert 0 <= keylen < 2**16
    assert 0 <= extlen < 2**8
    assert 0 <= bodylen < 2**32
    before = _judged(held, keylen, extlen, bodylen, magic=magic)
    after = _judged(more, keylen, extlen, bodylen, magic=magic)
    assert before in (arith_frames.WAIT, after)


def header_without_magic_is_not_waited_for(held: int, magic: int, keylen: int, extlen: int, bodylen: int) -> None:
    """With another first byte than 0x80 nothing else of a whole header counts; and with that one it never does."""
    assert held >= 24
    assert 0 <= magic < 256
    assert 0 <= keylen < 2**16
    assert 0 <= extlen < 2**8
    assert 0 <= bodylen < 2**32
    bad = _judged(held, keylen, extlen, bodylen, magic=magic) == arith_frames.BAD_MAGIC
    assert bad == (magic != 128)


def header_need_is_header_first(held: int, keylen: int, extlen: int) -> None:
    """What is asked for never falls as bytes come, and with all of it there it is what was asked for."""
    assert held >= 0
    assert 0 <= keylen < 2**16
    assert 0 <= extlen < 2**8
    need = arith_frames.header_need(held, 0x80, keylen, extlen)
    assert need in (24, 24 + keylen + extlen)
    assert arith_frames.header_need(held + need, 0x80, keylen, extlen) == 24 + keylen + extlen


def sound_headers_have_room_for_their_parts(keylen: int, extlen: int, bodylen: int) -> None:
    """Of a sound header key, extras and value add up to the body, and none is below zero or over its limit."""
    assert 0 <= keylen < 2**16
    assert 0 <= extlen < 2**8
    assert 0 <= bodylen < 2**32
    sound = _judged(LONG, keylen, extlen, bodylen) == arith_frames.SOUND
    value = arith_frames.value_length(keylen, extlen, bodylen)
    assert sound == (value >= 0 and bodylen <= BODY and keylen <= KEY)
    assert keylen + extlen + value == bodylen


def contradiction_is_found_before_size(keylen: int, extlen: int, bodylen: int) -> None:
    """Lengths that contradict each other are that, whatever their size and whoever asks; then size, then who asks."""
    assert 0 <= keylen < 2**16
    assert 0 <= extlen < 2**8
    assert 0 <= bodylen < 2**32
    judged = _judged(LONG, keylen, extlen, bodylen, admitted=False)
    if bodylen < keylen + extlen:
        assert judged == arith_frames.CONTRADICTS
    elif bodylen >= BODY + 1:
        assert judged == arith_frames.BODY_LONG
    else:
        assert judged == arith_frames.NOT_ADMITTED


def long_key_is_found_last(keylen: int, bodylen: int) -> None:
    """A key that is too long is told from the rest only where nothing else is wrong."""
    assert 0 <= keylen < 2**16
    assert keylen <= bodylen < 2**32
    judged = _judged(LONG, keylen, 0, bodylen)
    assert (judged == arith_frames.KEY_LONG) == (keylen >= 251 and bodylen < 2**30 + 1)


def key_is_as_demanded(keylen: int, demand: int) -> None:
    """Each length is refused by one of the two demands; the third refuses none."""
    assert keylen >= 0
    assert 0 <= demand <= 2
    right = arith_frames.key_right(keylen, demand)
    none, some = arith_frames.key_right(keylen, 0), arith_frames.key_right(keylen, 1)
    assert none != some
    assert some == (keylen >= 1)
    assert right == (none, some, True)[demand]


def extras_are_as_demanded(extlen: int, demand: int, optional: int) -> None:
    """As long as demanded; what may be left out is left out as a whole."""
    assert 0 <= extlen < 2**8
    assert 0 < demand < 2**8
    assert 0 <= optional <= 1
    right = arith_frames.extras_right(extlen, demand, optional=optional == 1)
    assert right == (extlen in ((demand, 0) if optional else (demand,)))


def body_without_value_ends_with_the_key(keylen: int, extlen: int, bodylen: int) -> None:
    """Where no value may stand a body is right exactly if it can be no byte shorter without a contradiction."""
    assert 0 <= keylen < 2**8
    assert 0 <= extlen < 2**8
    assert keylen + extlen <= bodylen < 2**30
    right = arith_frames.body_right(keylen, extlen, bodylen, valued=False)
    assert right == (_judged(LONG, keylen, extlen, bodylen - 1) == arith_frames.CONTRADICTS)
    assert arith_frames.body_right(keylen, extlen, bodylen, valued=True)


# ------------------------------------------------------------------------------------------------ packets


def packet_length_is_judged_once_it_is_there(held: int, length: int, longest: int) -> None:
    """Four bytes are enough to judge a length, and fewer are not; more of the packet changes nothing."""
    assert held >= 0
    assert 0 <= length < 2**32
    assert longest >= 5
    judged = arith_frames.packet_class(held, length, longest)
    assert (judged == arith_frames.UNSEEN) == (held <= 3)
    assert judged in (arith_frames.UNSEEN, arith_frames.packet_class(4, length, longest))


def packet_length_is_between_its_limits(length: int, longest: int) -> None:
    """A packet has a code, and is not longer than the longest: nothing else is asked of a length."""
    assert 0 <= length < 2**32
    assert longest >= 5
    judged = arith_frames.packet_class(4, length, longest)
    assert judged in (arith_frames.BAD_LENGTH, arith_frames.FRAMED)
    assert (judged == arith_frames.FRAMED) == (length in range(5, longest + 1))


def packet_is_length_code_and_data(length: int) -> None:
    """What a packet that is right has behind its code is the rest of it, and may be nothing."""
    assert 4 < length <= 2**30
    data = arith_frames.data_length(length)
    assert data + 4 + 1 == length
    assert arith_frames.packet_class(4, length - data, 2**30) == arith_frames.FRAMED
    assert arith_frames.packet_class(4, length - data - 1, 2**30) == arith_frames.BAD_LENGTH


def data_is_between_its_limits(data: int, least: int, span: int) -> None:
    """Data is right from the least length to the longest, both included."""
    assert data >= 0
    assert least >= 0
    assert span >= 0
    right = arith_frames.data_right(data, least, least + span)
    assert right == (0 <= data - least <= span)


def store_data_is_head_key_and_value(keylen: int, value: int) -> None:
    """Eight bytes of cas unique, four of flags, four of exptime, one of key length, the key; the rest is the value."""
    assert 0 <= keylen < 2**8
    assert value >= 0
    data = 8 + 4 + 4 + 1 + keylen + value
    assert arith_frames.packet_value(data, keylen) == value
    assert arith_frames.packet_value(16 + keylen, keylen) < 0


# ------------------------------------------------------------------------------------------------ datagrams


def datagram_has_a_payload_and_no_companions(size: int, total: int) -> None:
    """Nine bytes are the fewest, and a request is never of several datagrams."""
    assert 0 <= size < 2**16
    assert 0 <= total < 2**16
    accepted = arith_frames.datagram_accepted(size, total)
    assert accepted == (total - 1 == 0 and size - 8 >= 1)


def datagrams_hold_the_message_and_no_more(length: int) -> None:
    """As many as are needed: with one fewer the message does not fit, with these it does."""
    assert length >= 0
    count = arith_frames.datagrams(length, PAYLOAD)
    assert count >= 0
    assert (count - 1) * PAYLOAD < length <= count * PAYLOAD or length == count == 0


def pieces_add_up(length: int) -> None:
    """A message is its first piece, and then what a message without it would be."""
    assert length >= 0
    first = arith_frames.piece_length(length, 0, PAYLOAD)
    assert first == min(length, PAYLOAD)
    assert arith_frames.datagrams(length, PAYLOAD) == (
        1 + arith_frames.datagrams(length - first, PAYLOAD) if first else 0
    )


def pieces_go_on_where_the_last_ended(length: int, number: int) -> None:
    """The next piece of a message is this piece of a message that is one payload shorter; past the end is none."""
    assert length >= PAYLOAD
    assert number >= 0
    piece = arith_frames.piece_length(length, number + 1, PAYLOAD)
    assert piece == arith_frames.piece_length(length - PAYLOAD, number, PAYLOAD)
    assert 0 <= piece <= PAYLOAD


def pieces_of_a_message_are_right(length: int, number: int) -> None:
    """Each piece of a message is one that a client may take, and what is none of its pieces it may not."""
    assert length > 0
    assert number >= 0
    count = arith_frames.datagrams(length, PAYLOAD)
    size = arith_frames.piece_length(length, number, PAYLOAD)
    assert arith_frames.piece_right(number, count, size, PAYLOAD) == (number < count)


def pieces_of_another_length_are_wrong(number: int, total: int, size: int) -> None:
    """A piece in the middle is full, the last is not empty, and no other place is right."""
    assert 0 <= size < 2**16
    assert 0 <= total < 2**16
    right = arith_frames.piece_right(number, total, size, PAYLOAD)
    if right:
        assert 0 <= number <= total - 1
        assert 1 <= size <= PAYLOAD
        assert size == PAYLOAD or number + 1 == total


def total_is_told_up_to_the_largest(count: int) -> None:
    """The field holds what is told; below its end it is the truth."""
    assert count >= 0
    told = arith_frames.total_shown(count, MOST)
    assert told <= MOST
    assert told == count or (told == MOST and count > MOST)


def sequence_wraps_like_its_field(number: int) -> None:
    """Two bytes hold it, and the first 65,536 are told apart."""
    assert number >= 0
    told = arith_frames.sequence_shown(number, MOST + 1)
    assert 0 <= told <= MOST
    assert told == arith.truncated(number, 65536)
