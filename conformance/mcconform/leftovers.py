"""Taking away what a conversation may have left on a server that goes on living."""

from __future__ import annotations

import re
from base64 import b64decode, b64encode

from mcconform import headers, safety
from mcconform.conversation import PREFIX, PREFIX_BASE64, Conversation, rename, streams, swapped
from mcconform.sentinels import TEXT

_WORD = re.compile(rb"[^ \r\n]+")
_ENCODED = re.compile(re.escape(PREFIX_BASE64) + rb"[A-Za-z0-9+/]{,242}(?:==?)?")

_UNSAYABLE = re.compile(rb"[ \n\0]|\r$|^$", re.DOTALL)

MOST = 250
"""Bytes of a key."""

MOST_ENCODED = 186
"""Bytes of a key whose base64 is no longer than a key may be; a longer one stays until it is evicted."""


FLUSH = {
    "binary": b"\x80\x08" + bytes(22),
    "packet": b"\0\0\0\x05\x0c",
}
"""An immediate flush where nobody understands text."""


def farewell(conversation: Conversation, prefix: bytes, *, foreign: bool, answers: bool) -> bytes:
    """Requests without replies that take it away; ``foreign`` allows to touch keys that are not the run's own.

    ``flush_all`` alone is answered: it stands last, where the conversation flushed. Else, if ``answers`` are wanted,
    a request for the version does. Where options demand another protocol than text the server is not kept for long,
    and a flush is all that others could notice; where they demand a password, not even that.
    """
    if conversation.protocol:
        known = not {"-S", "-Y"} & set(conversation.options)
        if conversation.protocol != "ascii" or not known:
            return FLUSH[conversation.protocol] if known and conversation.flushes else b""
    written = streams(conversation).values()
    keys = safety.keys(conversation)
    own = dict.fromkeys(swapped(key, PREFIX, prefix) for key in keys)
    away = foreign and safety.danger(conversation) is not None
    if away:
        # What a damaged header made a key, or cut off, is met again by whoever damages one in the same way.
        for stream in streams(rename(conversation, prefix)).values():
            named = headers.keys(stream, packets=conversation.packets)
            own |= dict.fromkeys(key for key in named if len(key) <= MOST)
    requests = [b"delete %s noreply\r\n" % key for key in own if not _UNSAYABLE.search(key)]
    # A key of the binary protocol may hold what no line can.
    odd = [key for key in own if _UNSAYABLE.search(key)]
    requests += [b"md %s b q\r\n" % b64encode(key) for key in odd if len(key) <= MOST_ENCODED]
    encoded = dict.fromkeys(word for stream in written for word in _ENCODED.findall(stream) if len(word) % 4 == 0)
    # Only here is an answer possible, so only for keys that no line of the classic protocol can name.
    unnamed = [word for word in encoded if re.search(rb"[\0- ]", b64decode(word))]
    requests += [b"md %s b q\r\n" % swapped(word, PREFIX, prefix) for word in unnamed]
    if away:  # the same of a damaged line
        words = dict.fromkeys(word for stream in written for word in _WORD.findall(stream) if len(word) <= MOST)
        left = [word for word in words if word not in keys and not _UNSAYABLE.search(word)]
        requests += [b"delete %s noreply\r\n" % word for word in left]
    if any(b"verbosity" in stream for stream in written):
        # Nobody wants a log of all requests because his server was judged.
        requests.insert(0, b"verbosity 0 noreply\r\n")
    if conversation.flushes:
        # A delayed flush would hit the conversations that follow: an immediate one replaces it.
        requests.append(b"flush_all\r\n")
    elif requests and answers:
        requests.append(TEXT)
    return b"".join(requests)
