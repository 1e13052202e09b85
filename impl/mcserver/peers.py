"""Who is connected, as ``stats conns`` and log lines show it."""

from dataclasses import dataclass
from typing import Protocol


class Served(Protocol):
    """What a connection tells about itself."""

    #: The second in which its last command began.
    last: int

    def state_name(self) -> str:
        """Name of its state, as memcached calls it."""


@dataclass(frozen=True, slots=True)
class Peer:
    """Where a connection comes from: as ``stats conns`` and as log lines show it."""

    address: str
    listener: str
    event: str


#: The peer of a connection without a socket.
NOWHERE = Peer("inproc", "inproc", "rip=- rport=0 transport=local")
