"""The command ``mcspec``."""

from __future__ import annotations

import signal
import sys
import traceback
from typing import TYPE_CHECKING

import click

from mcconform.cli import check, explain, fuzz, listing, replay, vectors, verify
from mcconform.cli.common import HARNESS, USAGE
from mcconform.targets.spawn import ENDINGS

if TYPE_CHECKING:
    from types import FrameType

EPILOG = """\b
Examples:
  mcspec check                            judge the bundled server
  mcspec check localhost:11211            judge a running server; it is neither flushed nor overwritten
  mcspec check localhost:11211 text.incr  only the clauses of incr
  mcspec check --spawn 'memcached -p {port} -U 0 {options}'
  mcspec verify                           explore the models and prove their laws
  mcspec explain text.set.stored          what a clause says
  mcspec explain --bytes 'incr n 1\\r\\n'   what happens to these bytes

Exit status: 0 all clauses hold, 1 a clause failed, 2 usage or unreachable target or empty selection, 3 error of the
harness.
"""


@click.group(context_settings={"help_option_names": ["-h", "--help"]}, epilog=EPILOG)
@click.version_option(package_name="mcspec", prog_name="mcspec")
def cli() -> None:
    """Judge a memcached-compatible server by the executable specification of the protocol."""


for _command in (
    check.check, replay.replay, explain.explain, listing.list_clauses, fuzz.fuzz, vectors.vectors, verify.verify,
):  # fmt: skip
    cli.add_command(_command)


class Told(KeyboardInterrupt):
    """A signal told us to end: what we started is cleaned up, as after Ctrl-C."""

    def __init__(self, number: int) -> None:
        """The signal's number."""
        super().__init__()
        self.status = 128 + number


def _end(number: int, _frame: FrameType | None) -> None:
    raise Told(number)


def main() -> None:
    """Entry point: errors of the user are one line and exit status 2, errors of ours are 3.

    A signal that ends us makes the status 128 and its number, after every server that we started is stopped.
    """
    for number in ENDINGS:
        # What we were started to ignore (nohup) stays ignored.
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _end)
    try:
        status = cli.main(prog_name="mcspec", standalone_mode=False)
    except click.UsageError as error:
        where = f"`{error.ctx.command_path} --help`" if error.ctx is not None else "`mcspec --help`"
        message = " ".join(error.format_message().split())
        click.echo(f"mcspec: {message.rstrip('.')}; type {where}", err=True)
        status = USAGE
    except click.ClickException as error:
        click.echo(f"mcspec: {' '.join(error.format_message().split())}", err=True)
        status = error.exit_code
    except click.Abort as error:
        click.echo("mcspec: interrupted", err=True)
        status = error.__cause__.status if isinstance(error.__cause__, Told) else 130
    except BrokenPipeError:
        # Whoever read our output has enough of it.
        sys.stderr.close()
        status = 0
    except Exception:  # noqa: BLE001 - whatever it is, it is our fault and has an exit status of its own
        traceback.print_exc()
        click.echo("mcspec: this is an error of mcspec itself; please report it with the lines above", err=True)
        status = HARNESS
    sys.exit(status if isinstance(status, int) else 0)
