"""``mcspec fuzz``."""

from __future__ import annotations

import click


@click.command()
def fuzz() -> None:
    """Not there yet."""
