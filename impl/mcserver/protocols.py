"""The protocols a connection may speak, and what ``-B`` calls them."""

from typing import Final

#: Not decided before the first byte has come: `MAGIC` chooses the binary protocol, any other byte text.
UNDECIDED: Final = 0
TEXT: Final = 1
BINARY: Final = 2
PACKET: Final = 3

#: First byte of every binary request.
MAGIC: Final = 0x80

#: Protocols by the words that ``-B`` takes.
BY_NAME: Final[dict[str, int]] = {
    "auto": UNDECIDED,
    "negotiating": UNDECIDED,
    "ascii": TEXT,
    "binary": BINARY,
    "packet": PACKET,
}

#: Protocols as ``stats settings`` names them.
SHOWN: Final = ("auto-negotiate", "ascii", "binary", "packet")
