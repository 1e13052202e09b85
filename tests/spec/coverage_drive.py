"""Drive the specification through much of what the suite has, and note what of it was reached.

    python -m tests.spec.coverage_drive REPORT [--only TEXT]

Hand-picked vectors and random streams go through it in lock-step with the server, the vectors once more alone under
the rules of each profile, recordings under the profile of their release, and last what is too rare for all of them.
The enumerated vectors, and most recordings, are left to other tests: they reach nothing more. REPORT becomes a JSON
object: the `rows` of the connection table that no allowed outcome took and the `clauses` that none rests on. With
`--only` only vectors whose id holds TEXT are driven. `coverage`, under which the test runs this, knows the branches.
"""

from __future__ import annotations

import argparse
import inspect
import json
import os
import re
import sys
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING
from unittest.mock import patch

from mcconform import export, lockstep, options, oracle, recordings
from mcconform.phases.vectors import picked
from mcconform.streams import Scope, conversation
from mcconform.targets.credentials import Credentials
from mcserver import inproc
from mcspec import (
    Happening,
    Now,
    Outcome,
    Rules,
    World,
    access,
    clauses,
    packet_answers,
    profiles,
    statistics,
    step,
    udp,
)
from mcspec.connection import FRAMINGS, TABLE
from mcspec.counters import COUNTERS
from mcspec.machine import Table, name
from tests.spec import coverage_framed, coverage_rare, test_lru
from tests.spec.test_recordings import WHEN as META_WHEN

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mcconform.conversation import Conversation

DATA = Path(__file__).resolve().parents[1] / "data"
OLDEST, NEWEST = "1.6.18", "1.6.45"
STREAMS = 500
SCOPE = Scope(options=True, large=3000)


OF_REPORTS = frozenset(re.findall(r'"((?:stats|admin|memory)\.[a-z]+\.[a-z-]+)"', inspect.getsource(statistics)))
"""Clauses on the numbers of a report: no outcome owes them, they are decided once it has come (test_stats.py)."""


PERMITTED = frozenset((*access.PERMITTED, *packet_answers.PERMITTED, *udp.PERMITTED))
"""Clauses on what no reply shows."""


class Reached:
    """Collects what every allowed outcome went through: its `step` stands in for the specification's."""

    def __init__(self) -> None:
        self.rows: set[str] = set()
        self.owed: set[str] = set()

    def step(self, world: World, happening: Happening, now: Now, rules: Rules, **_trace: bool) -> tuple[Outcome, ...]:
        """What the specification says, traced whether or not the caller asks for it."""
        outcomes = step(world, happening, now, rules, trace=True)
        for outcome in outcomes:
            self.rows.update(outcome.rows)
            for owed in outcome.owed:
                self.owed.update(owed.clauses)
                self.owed.update(COUNTERS[name] for name in (*owed.counts, *owed.might) if name in COUNTERS)
        return outcomes

    def unreached_rows(self, table: Table, protocol: str = "") -> set[str]:
        """The rows of a table that were not taken."""
        return {f"{protocol}{name(*at, row)}" for at, rows in table.items() for row in rows} - self.rows

    def unreached_clauses(self, table: Table) -> set[str]:
        """The clauses that no reply that is owed, and no row that was taken, rests on; `table` is that of text."""
        tables = {"": table, **{f"{protocol}: ": other for protocol, other in FRAMINGS.items()}}
        of_rows = {
            clause
            for protocol, some in tables.items()
            for at, rows in some.items()
            for row in rows
            if f"{protocol}{name(*at, row)}" in self.rows
            for clause in row.clauses
        }
        return set(clauses.load()) - self.owed - of_rows - OF_REPORTS - PERMITTED


def beside_the_server(conversations: Iterable[Conversation], rules: Rules) -> None:
    """In lock-step with the server: what it answers is matched, and settles what the specification leaves open."""
    known = Credentials()
    with patch.dict(os.environ, known.environment):
        for one in conversations:
            server = inproc.create(known.fill(one.options))
            found = lockstep.judge(one, server, options.apply(rules, one.options))
            assert found is None, found
    known.close()


def alone(conversations: Iterable[Conversation]) -> None:
    """Under each profile, every allowed world at once."""
    for profile in profiles.names():
        rules = profiles.load(profile).rules
        for one in conversations:
            try:
                export.record(one, rules, profile)
            except export.UnfitError:
                continue


def recorded() -> None:
    """What the oldest release said, after others had stored things on it; and what the newest one evicted."""
    rules = profiles.load(f"memcached-{OLDEST}").rules
    for chapter, now in (("text", recordings.RECORDED), ("meta", META_WHEN[OLDEST]), ("binary", recordings.RECORDED)):
        for one in recordings.read(DATA / f"{chapter}-{OLDEST}.jsonl.gz"):
            assert recordings.judge(one["steps"], rules, used=True, now=now).refusal is None
    for mode, policy in test_lru.POLICIES.items():
        assert test_lru.permits(test_lru.recorded(NEWEST, mode), policy) is None


def drive(only: str = "", rules: Rules | None = None) -> Reached:
    """Everything, or only the vectors whose id holds a text; what was reached."""
    reached = Reached()
    vectors = [one for one in picked() if only in one.id]
    with patch.object(oracle, "step", reached.step), patch.object(export, "step", reached.step):
        beside_the_server(vectors, rules or Rules())
        if not only:
            alone(picked())
            recorded()
            streams = (conversation(Random(seed), SCOPE, f"seed {seed}") for seed in range(STREAMS))
            beside_the_server(streams, Rules())
            coverage_rare.listen()
    if not only:
        coverage_rare.walk(reached.step)
        coverage_framed.walk(reached.step)
        coverage_rare.walk(step)  # the specification untraced
    return reached


def main() -> None:
    """Drive and write the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("report", type=Path)
    parser.add_argument("--only", default="", help="only vectors whose id holds this")
    given = parser.parse_args()
    reached = drive(given.only)
    rows = reached.unreached_rows(TABLE)
    for protocol, table in FRAMINGS.items():
        rows |= reached.unreached_rows(table, f"{protocol}: ")
    found = {"rows": sorted(rows), "clauses": sorted(reached.unreached_clauses(TABLE))}
    given.report.write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
