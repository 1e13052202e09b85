"""``mcspec explain``."""

from __future__ import annotations

import click

from mcconform.cli.common import UsageError, judge, selection
from mcconform.phases.vectors import all_vectors
from mcconform.reports.shown import escaped, steps
from mcspec import Event, Happening, Now, Outcome, Rules, World, clauses, describe, models, step
from mcspec.explore import Law

MOST_VECTORS = 12
"""Vectors that an explanation shows."""

EPILOG = """\b
Examples:
  mcspec explain text.incr.wraps
  mcspec explain --bytes 'set a 0 0 1\\r\\nx\\r\\nget a\\r\\n'
  mcspec explain --bytes 'incr a +1\\r\\n' --profile memcached-1.6.18
"""


@click.command(epilog=EPILOG)
@click.argument("clause", required=False)
@click.option(
    "--bytes", "stream", metavar="STREAM", help="What happens to these bytes (escapes: \\r \\n \\t \\0 \\xHH)."
)
@click.option("--profile", default="base", show_default=True, metavar="NAME", help="With --bytes: by whose rules.")
def explain(clause: str | None, stream: str | None, profile: str) -> None:
    """Say what a clause is, or what the specification makes of some bytes on a fresh server.

    With --bytes each request is shown with the replies that are allowed, the rows of the connection table that were
    taken, and the clauses that it went through.
    """
    if (clause is None) == (stream is None):
        raise UsageError("type either a clause id or --bytes 'STREAM'")
    if stream is not None:
        _, judged = judge(profile, b"")
        _explain_bytes(unescaped(stream), judged.rules)
        return
    law = models.laws().get(str(clause))
    if law is not None:
        _explain_law(law)
        return
    known = clauses.load()
    for name in [clause] if clause in known else selection([str(clause)]):
        _explain_clause(str(name))


def _explain_clause(name: str) -> None:
    clause = clauses.load()[name]
    click.echo(f"{name} ({clause.level}), {clause.section}")
    click.echo(f"  {clause.text}")
    click.echo(f"  Source: {clause.source}")
    vectors = [vector for vector in all_vectors() if name in vector.clauses]
    for vector in vectors[:MOST_VECTORS]:
        click.echo(f"\n  vector {vector.id}" + (f": {vector.note}" if vector.note else ""))
        if vector.options:
            click.echo(f"    server options: {' '.join(vector.options)}")
        for line in steps(vector):
            click.echo(f"    {line}")
    if len(vectors) > MOST_VECTORS:
        click.echo(f"\n  and {len(vectors) - MOST_VECTORS} vectors more")
    click.echo()


def _explain_law(law: Law) -> None:
    model = next(model for model in models.load().values() if law in model.laws)
    click.echo(f"{law.clause} (law), {law.kind.value}")
    click.echo(f"  {law.text}")
    click.echo(f"  Model: {model.name}, {model.summary}")
    for plant in model.plants:
        if plant.clause == law.clause:
            click.echo(f"  Broken by a planted bug: {plant.name}")


def _explain_bytes(stream: bytes, rules: Rules) -> None:
    """Find the requests byte by byte; show what each does when it arrives whole."""
    now = Now(0, 0)
    worlds = {outcome.world for outcome in step(World(), Happening(0, Event.CONNECT), now, rules)}
    start = 0
    for end in range(1, len(stream) + 1):
        outcomes = _all(worlds, stream[start:end], now, rules)
        if not any(outcome.owed or outcome.unspecified for outcome in outcomes):
            continue
        click.echo(f"request  {escaped(stream[start:end])}")
        for number, outcome in enumerate(outcomes):
            _outcome(number, outcome)
        if any(outcome.unspecified for outcome in outcomes):
            return
        worlds, start = {outcome.world for outcome in outcomes}, end
    if start < len(stream):
        click.echo(f"pending  {escaped(stream[start:])}   (no reply is owed for this yet)")
        worlds = {outcome.world for outcome in _all(worlds, stream[start:], now, rules)}
    found = {world.conns.find(0) for world in worlds}
    click.echo(f"the connection is then: {', '.join(sorted({conn.state.value for conn in found if conn is not None}))}")


def _all(worlds: set[World], chunk: bytes, now: Now, rules: Rules) -> list[Outcome]:
    happening = Happening(0, Event.DATA, chunk)
    return [outcome for world in worlds for outcome in step(world, happening, now, rules, trace=True)]


def _outcome(number: int, outcome: Outcome) -> None:
    if outcome.unspecified:
        click.echo(f"  unspecified: {outcome.unspecified}")
        return
    for owed in outcome.owed:
        reply = describe(outcome.world.cache, owed.pieces) if owed.pieces else "(nothing)"
        click.echo(f"  {'reply' if number == 0 else 'or':8} {reply}")
        if number == 0:
            click.echo(f"  clauses  {', '.join(owed.clauses) or '(none)'}")
    if number == 0:
        click.echo("  rows     " + f"\n{'':11}".join(outcome.rows))


def unescaped(text: str) -> bytes:
    r"""The bytes that a command-line argument stands for: ``\r``, ``\n``, ``\t``, ``\0``, ``\\`` and ``\xHH``.

    Raises:
        UsageError: if an escape is not complete.
    """
    try:
        raw = text.encode("utf-8", "surrogateescape")
        return raw.decode("latin-1").encode("latin-1").decode("unicode_escape").encode("latin-1")
    except (UnicodeDecodeError, UnicodeEncodeError) as error:
        raise UsageError(f"--bytes: {error.reason}; write \\r \\n \\t \\0 \\\\ or \\xHH") from error
