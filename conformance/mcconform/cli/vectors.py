"""``mcspec vectors``."""

from __future__ import annotations

from fnmatch import fnmatchcase

import click

from mcconform import export
from mcconform.cli.common import UsageError, judge, matches
from mcconform.phases.vectors import all_vectors


@click.group()
def vectors() -> None:
    """The hand-picked and enumerated conversations, for other programs."""


@vectors.command("export")
@click.argument("pattern", required=False, metavar="[GLOB]")
@click.option("--profile", default="base", show_default=True, metavar="NAME", help="Whose allowed outputs.")
def export_vectors(pattern: str | None, profile: str) -> None:
    """Print vectors as JSON Lines: chunks to send, and every output that is allowed.

    GLOB selects vectors by id (incr-*), or by the beginning of a clause that they aim at (text.incr). The form is
    described in the manual's page on conversations; docs/examples/run_vectors.py runs it without this package.
    """
    name, judged = judge(profile, b"")
    written, left_out = 0, []
    for vector in all_vectors():
        aimed = pattern is None or any(matches(clause, pattern) for clause in vector.clauses)
        if not aimed and not fnmatchcase(vector.id, str(pattern)):
            continue
        try:
            exported = export.record(vector, judged.rules, name)
        except export.UnfitError as error:
            left_out.append(f"{vector.id} ({error})")
            continue
        click.echo(export.line(exported))
        written += 1
    if not written and not left_out:
        raise UsageError(f"no vector matches {pattern!r}; type `mcspec vectors export` for all of them")
    if left_out:
        click.echo(f"left out: {', '.join(left_out)}", err=True)
