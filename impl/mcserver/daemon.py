"""Running in the background (``-d``), and the files that tell the process id (``-P``) and the ports."""

import contextlib
import os
import socket
import sys
from dataclasses import replace
from pathlib import Path

from mcserver.listeners import Listening
from mcserver.settings import Settings


class PidFileError(Exception):
    """A pid file, or one with the ports, that cannot be written; the message is one line that names it."""


def rooted(settings: Settings) -> Settings:
    """The same settings with absolute paths, for a process that is going to leave its directory."""
    tls = settings.tls_settings
    return replace(
        settings,
        unix_socket=settings.unix_socket and _absolute(settings.unix_socket),
        auth_file=settings.auth_file and _absolute(settings.auth_file),
        pid_file=settings.pid_file and _absolute(settings.pid_file),
        tls_settings=replace(
            tls, chain_cert=_absolute(tls.chain_cert), key=_absolute(tls.key), ca_cert=_absolute(tls.ca_cert)
        ),
    )


def _absolute(path: str) -> str:
    return str(Path(path).absolute()) if path else ""


def detach() -> None:
    """Go on in a child process without terminal, in the root directory; the caller's process ends with code 0."""
    sys.stdout.flush()
    sys.stderr.flush()
    if os.fork():
        os._exit(0)
    os.setsid()
    os.chdir("/")


def silence() -> None:
    """Let standard input, output and error lead nowhere."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in range(3):
        os.dup2(nowhere, number)
    if nowhere > 2:
        os.close(nowhere)


def write_pid(path: str) -> None:
    """Write this process's id and a line feed to `path`, replacing what is there. Raises PidFileError."""
    whole = Path(f"{path}.tmp")
    try:
        whole.write_text(f"{os.getpid()}\n", encoding="ascii")
        whole.replace(path)
    except OSError as error:
        message = f"cannot write the pid file {path}: {error.strerror}"
        raise PidFileError(message) from error


def write_ports(path: str, sockets: list[Listening]) -> None:
    """Write a line for each socket to `path`, as in ``TCP INET: 11211``. Raises PidFileError."""
    lines = [
        f"{'UDP' if one.udp else 'TCP'} INET{'6' if one.sock.family == socket.AF_INET6 else ''}:"
        f" {one.sock.getsockname()[1]}\n"
        for one in sockets
        if one.sock.family != socket.AF_UNIX
    ]
    whole = Path(f"{path}.lck")
    try:
        whole.write_text("".join(lines), encoding="ascii")
        whole.replace(path)
    except OSError as error:
        message = f"cannot write the ports to {path}: {error.strerror}"
        raise PidFileError(message) from error


def remove_pid(path: str) -> None:
    """Remove the pid file, if it is still there."""
    with contextlib.suppress(OSError):
        Path(path).unlink()
