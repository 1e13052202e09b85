"""The ``mcserver`` command."""

import sys
from collections.abc import Sequence

import uvloop

from mcserver import __version__
from mcserver.daemon import PidFileError, detach, remove_pid, rooted, silence, write_pid
from mcserver.options import HELP, OptionError, parse
from mcserver.server import ListenError, allow_connections, open_sockets, serve

#: Exit codes: stopped by a signal or only answered, cannot listen or write the pid file, wrong command line.
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
    settings = rooted(parsed.settings) if parsed.settings.daemon else parsed.settings
    try:
        allow_connections(settings.max_connections)
        sockets = open_sockets(settings)
        if settings.daemon:
            detach()
        if settings.pid_file is not None:
            write_pid(settings.pid_file)
        if settings.daemon and not settings.verbosity:
            silence()
    except (ListenError, PidFileError) as error:
        print(f"mcserver: {error}", file=sys.stderr)
        return EXIT_LISTEN
    uvloop.run(serve(settings, sockets))
    if settings.pid_file is not None:
        remove_pid(settings.pid_file)
    return EXIT_OK
