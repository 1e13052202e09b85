"""The engine: a server without sockets. It makes connections that turn bytes into bytes."""

from mcserver.connection import Connection
from mcserver.state import ServerState


class Engine(ServerState):
    """A whole server but for its sockets: ``Engine(settings, clock)``, then one `Connection` per client."""

    def connection(self) -> Connection:
        """Make the state machine of a new client. Whether it is admitted (`admit`) is the caller's question."""
        return Connection(self)

    def datagram(self) -> Connection:
        """Make the state machine of one datagram."""
        connection = Connection(self)
        connection.choose_by_datagram()
        return connection
