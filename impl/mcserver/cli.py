"""The ``mcserver`` command."""

import os
import sys
from collections.abc import Sequence

import uvloop

from mcserver import __version__
from mcserver.auth_text import UsersError
from mcserver.daemon import PidFileError, detach, remove_pid, rooted, silence, write_pid, write_ports
from mcserver.engine import Engine
from mcserver.handover import Trace
from mcserver.listeners import ListenError, allow_connections, open_sockets
from mcserver.options import OptionError, parse
from mcserver.server import serve, steady_clock
from mcserver.tls import Certificates, TlsError
from mcserver.usage import HELP

#: Exit codes: stopped by a signal or only answered; cannot listen, read or write a file; wrong command line.
EXIT_OK = 0
EXIT_LISTEN = 1
EXIT_USAGE = 2
#: This environment variable names a file to write the ports to that the server listens on, as memcached's does.
PORTS_VARIABLE = "MEMCACHED_PORT_FILENAME"


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
        allow_connections(settings)
        engine = Engine(settings, steady_clock())
        certificates = Certificates(settings.tls_settings) if settings.tls else None
        trace = Trace(settings.trace_dispatch)
        sockets = open_sockets(settings)
        if PORTS_VARIABLE in os.environ:
            write_ports(os.environ[PORTS_VARIABLE], sockets)
        if settings.daemon:
            detach()
        if settings.pid_file is not None:
            write_pid(settings.pid_file)
        if settings.daemon and not settings.verbosity:
            silence()
    except (ListenError, PidFileError, TlsError, UsersError) as error:
        print(f"mcserver: {error}", file=sys.stderr)
        return EXIT_LISTEN
    uvloop.run(serve(engine, sockets, certificates, trace))
    if settings.pid_file is not None:
        remove_pid(settings.pid_file)
    return EXIT_OK
