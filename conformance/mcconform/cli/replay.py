"""``mcspec replay``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mcconform import runner, verification
from mcconform.cli.common import (
    FAILED,
    FAILURES,
    HARNESS,
    HOLDS,
    UsageError,
    judge,
    ours,
    target,
    tls,
    version,
    with_tls,
)
from mcconform.jsonform import from_record
from mcconform.keys import Prefixes
from mcconform.reports.shown import escaped, steps
from mcconform.targets.tcp import CAREFUL
from mcconform.verdict import Result, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mcconform.conversation import Conversation


@click.command()
@click.argument("what", metavar="FILE-OR-ID")
@click.argument("where", metavar="[TARGET]", required=False)
@click.option("--spawn", metavar="CMD", help="Start the server: 'CMD -p {port} {options}'.")
@click.option("--profile", default=None, metavar="NAME", help="Judge by this profile  [default: that of the failure]")
@with_tls
@click.option("--allow-flush", is_flag=True, help="The server may be flushed.")
@click.pass_context
def replay(
    context: click.Context, /, what: str, where: str | None, spawn: str | None, profile: str | None, **flags: Any
) -> None:
    r"""Run a saved failure again and print FIXED, FAILED or ERROR.

    FILE-OR-ID is the id that a failure printed, a saved failure, or a file with one conversation. Without TARGET the
    server is started as it was when the failure was found. A trace that `mcspec verify` saved is followed in its model.

    \b
    Exit status: 0 FIXED, 1 FAILED, 2 usage, 3 ERROR.
    """
    saved = load(what)
    if saved.get("format") == verification.FORMAT:
        context.exit(_follow(saved, what))
    conversation = conversation_of(saved, what)
    if where is None and spawn is None and saved.get("spawn"):
        spawn = str(saved["spawn"])
    with target(where, spawn, tls=tls(flags)) as made:
        server = version(made)
        made.gap = CAREFUL
        name = profile or str(saved.get("profile") or "auto")
        _, judged = judge(name, server)
        setting = runner.Setting(judged, flags["allow_flush"] or ours(made))
        result = runner.run(conversation, made, setting, Prefixes(0).take())
    context.exit(_tell(result, str(saved.get("clause", ""))))


def _follow(saved: Mapping[str, Any], what: str) -> int:
    """Follow a trace of a model."""
    try:
        followed = verification.follow(saved)
    except ValueError as error:
        raise UsageError(f"{what}: {error}") from error
    taken, enabled = followed.replay.taken, followed.replay.enabled
    if taken < followed.steps:
        step = saved["steps"][taken]
        # With its planted bug in it the model should do what it did: somebody has changed the trace, or the model.
        word = "REFUSED" if saved.get("plant") else "FIXED"
        click.echo(f"{word} {followed.law.clause}: step {taken + 1} of {followed.steps} is refused")
        click.echo(f"  wanted   {step['source']} -> {step['target']}: {step['text']}")
        for index, move in enumerate(enabled or ((None,) * 3,)):
            said = f"{move[0]} -> {move[1]}: {move[2]}" if move[0] is not None else "(nothing)"
            click.echo(f"  {'enabled' if index == 0 else '     or'}  {said}")
        return FAILED if saved.get("plant") else HOLDS
    click.echo(f"{'FAILED' if followed.broken else 'FIXED'} {followed.law.clause}: {followed.law.text}")
    return FAILED if followed.broken else HOLDS


def _tell(result: Result, clause: str) -> int:
    if result.verdict in (Verdict.PASS, Verdict.DEVIATES):
        click.echo(
            f"FIXED {clause}".strip() + (" (known to the profile)" if result.verdict is Verdict.DEVIATES else "")
        )
        return HOLDS
    if result.difference is None:
        click.echo(f"ERROR {result.verdict}: {result.reason}")
        return HARNESS
    found = result.difference
    other = f" (it was {clause})" if clause and clause != found.clause else ""
    click.echo(f"FAILED {found.clause}{other}: {found.kind}")
    for line in steps(result.conversation):
        click.echo(f"  {line}")
    for index, expected in enumerate(found.expected[:8]):
        click.echo(f"  {'expected' if index == 0 else '      or'}  {expected[:300]}")
    click.echo(f"  observed  {escaped(found.observed) or '(nothing)'}")
    if found.detail:
        click.echo(f"  {found.detail}")
    return FAILED


def load(what: str) -> Mapping[str, Any]:
    """The JSON object of a saved failure, by path or by id.

    Raises:
        UsageError: if there is none.
    """
    for path in (Path(what), FAILURES / f"{what}.json"):
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
        except OSError:
            continue
        except ValueError as error:
            raise UsageError(f"{path} is no saved failure: {error}") from error
        if not isinstance(record, dict):
            raise UsageError(f"{path} is no saved failure: it holds no JSON object")
        return record
    raise UsageError(f"no failure {what!r}: type the path of a file, or an id of those in {FAILURES}")


def conversation_of(saved: Mapping[str, Any], what: str) -> Conversation:
    """The conversation of a saved failure, or of a plain conversation record.

    Raises:
        UsageError: if it holds none.
    """
    record = saved.get("conversation", saved)
    try:
        return from_record(record)
    except (ValueError, AttributeError) as error:
        raise UsageError(f"{what} holds no conversation: {error}") from error
