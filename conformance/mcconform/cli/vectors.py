"""``mcspec vectors``."""

from __future__ import annotations

import click


@click.command()
def vectors() -> None:
    """Not there yet."""
