"""The ``mcserver`` command."""

import sys
from collections.abc import Sequence

import uvloop

from mcserver import __version__
from mcserver.options import HELP, OptionError, parse
from mcserver.server import ListenError, allow_connections, open_sockets, serve

#: Exit codes: stopped by a signal or only answered, cannot listen, wrong command line.
EXIT_OK = 0
EXIT_LISTEN = 1
EXIT_USAGE = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line `arguments` (default: the process's) and return the exit code."""
    try:
        parsed = parse(sys.argv[1:] if arguments is None else arguments)
    except OptionError as error:
        print(f"mcserver: {error}", file=sys.stderr)
        return EXIT_USAGE
    if parsed.action == "help":
        print(f"mcserver {__version__}\n{HELP}", end="")
        return EXIT_OK
    if parsed.action == "version":
        print(f"mcserver {__version__}")
        return EXIT_OK
    try:
        allow_connections(parsed.settings.max_connections)
        sockets = open_sockets(parsed.settings)
    except ListenError as error:
        print(f"mcserver: {error}", file=sys.stderr)
        return EXIT_LISTEN
    uvloop.run(serve(parsed.settings, sockets))
    return EXIT_OK
