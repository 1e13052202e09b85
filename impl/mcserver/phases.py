"""The phases of a connection: what the next byte of its input belongs to."""

from enum import IntEnum
from typing import Final


class Phase(IntEnum):
    """What the next byte of input belongs to."""

    COMMAND = 0
    RETRIEVAL = 1
    VALUE = 2
    SWALLOW = 3
    CLOSED = 4
    WATCH = 5
    STRANGER = 6


# The phases as plain integers: the hot path compares them, and members of an enum are slow to look up.
COMMAND: Final = Phase.COMMAND.value
RETRIEVAL: Final = Phase.RETRIEVAL.value
VALUE: Final = Phase.VALUE.value
SWALLOW: Final = Phase.SWALLOW.value
CLOSED: Final = Phase.CLOSED.value
WATCH: Final = Phase.WATCH.value
STRANGER: Final = Phase.STRANGER.value

#: Phases as ``stats conns`` names them.
STATE_NAMES = ("read", "mwrite", "nread", "swallow", "closing", "watch", "read")
