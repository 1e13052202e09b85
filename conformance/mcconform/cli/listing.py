"""``mcspec list``."""

from __future__ import annotations

import click

from mcconform.cli.common import matches, selection
from mcspec import models


@click.command("list")
@click.argument("patterns", nargs=-1, metavar="[GLOB]...")
def list_clauses(patterns: tuple[str, ...]) -> None:
    """List the clauses: id, level, and the beginning of what they say.

    GLOB is the beginning of a clause id, or a glob. `law` lists the laws that `mcspec verify` proves of the models.
    """
    laws = [law for law in models.laws().values() if any(matches(law.clause, pattern) for pattern in patterns)]
    for law in laws:
        said = law.text if len(law.text) <= 76 else law.text[:75] + "…"
        click.echo(f"{law.clause:34} {'law':8} {said}")
    patterns = tuple(p for p in patterns if not any(matches(law.clause, p) for law in laws))
    if laws and not patterns:
        return
    section = ""
    for name, clause in selection(patterns).items():
        if clause.section != section:
            section = clause.section
            click.echo(f"# {section}")
        said = clause.text if len(clause.text) <= 76 else clause.text[:75] + "…"
        click.echo(f"{name:34} {clause.level:8} {said}")
