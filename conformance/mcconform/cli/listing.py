"""``mcspec list``."""

from __future__ import annotations

import click

from mcconform.cli.common import selection


@click.command("list")
@click.argument("patterns", nargs=-1, metavar="[GLOB]...")
def list_clauses(patterns: tuple[str, ...]) -> None:
    """List the clauses: id, level, and the beginning of what they say.

    GLOB is the beginning of a clause id, or a glob.
    """
    section = ""
    for name, clause in selection(patterns).items():
        if clause.section != section:
            section = clause.section
            click.echo(f"# {section}")
        said = clause.text if len(clause.text) <= 76 else clause.text[:75] + "…"
        click.echo(f"{name:34} {clause.level:8} {said}")
