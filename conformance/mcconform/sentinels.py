"""Requests that ask for nothing but an answer: whatever comes before it was not owed.

Text connections are asked for the version, binary ones with a NOOP whose opaque no request of the conversation has,
packet ones with a noop. Where SASL is wanted a NOOP would close a connection that has not logged in: there the sentinel
is the binary version, which everybody may ask for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mcconform.conversation import streams

if TYPE_CHECKING:
    from mcconform.conversation import Conversation

TEXT = b"version\r\n"
PACKET = b"\0\0\0\x05\0"
NOOP, VERSION = 0x0A, 0x0B


class Sentinels:
    """The sentinels of one conversation."""

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation
        self._written = b"\n".join(streams(conversation).values())
        self._opcode = VERSION if "-S" in conversation.options else NOOP
        self._count = 0

    def request(self, conn: int) -> bytes:
        """The next sentinel of a connection, in the protocol that it speaks."""
        speech = self._conversation.speech(conn)
        if speech == "packet":
            return PACKET
        if speech == "text":
            return TEXT
        return b"\x80%c\0\0\0\0\0\0\0\0\0\0%b\0\0\0\0\0\0\0\0" % (self._opcode, self._fresh(b"\xa5%c%c\x5a"))

    def datagram(self, conn: int) -> bytes:
        """The same as a datagram, with a request id of its own."""
        return self._fresh(b"%c%c") + b"\0\0\0\1\0\0" + self.request(conn)

    def _fresh(self, form: bytes) -> bytes:
        """Bytes of that form, with a number of 16 bits in it, that stand nowhere in what the conversation writes."""
        while True:
            self._count += 1
            found = form % divmod(self._count % 65536, 256)
            if found not in self._written:
                return found
