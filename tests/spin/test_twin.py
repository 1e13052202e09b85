"""The dispatch model and its Promela twin agree: states, transitions, temporal properties, simulated runs."""

from __future__ import annotations

import os

import pytest

from tests.spin import twin
from tests.spin.twin import BUGS, NONE, PROPERTIES, PROPERTY_SIZE, SEEDS, SIZES, UNFAIR, Bug, Size, Trail

SMALL = SIZES[0]


@pytest.fixture(scope="module", autouse=True)
def _programs() -> None:
    """Skips where Spin or a compiler is missing, fails if they were promised (MCSPEC_REQUIRE_SPIN=1)."""
    missing = twin.missing()
    if missing:
        if os.environ.get("MCSPEC_REQUIRE_SPIN") == "1":
            pytest.fail(f"MCSPEC_REQUIRE_SPIN=1, but there is no {missing} (apt-get install spin gcc)")
        pytest.skip(f"no {missing} (apt-get install spin gcc)")


@pytest.fixture(scope="module")
def runs() -> list[Trail]:
    """Random runs of the twin at the largest size."""
    return [twin.simulate(PROPERTY_SIZE, seed) for seed in SEEDS]


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_states_and_transitions_are_the_same(size: Size) -> None:
    assert twin.by_explorer(size) == twin.by_spin(size)


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_with_a_bug_in_both_they_are_the_same_too(bug: Bug) -> None:
    assert twin.by_explorer(bug.size, bug) == twin.by_spin(bug.size, bug)


def test_a_bug_in_one_of_them_is_a_difference() -> None:
    assert twin.by_explorer(BUGS[0].size) != twin.by_spin(BUGS[0].size, BUGS[0])


def test_every_temporal_property_holds_under_weak_fairness() -> None:
    assert {name: found.holds for name, found in twin.check(PROPERTY_SIZE).items()} == dict.fromkeys(PROPERTIES, True)


def test_all_but_one_need_the_fairness() -> None:
    assert {name: found.holds for name, found in twin.check(PROPERTY_SIZE, fair=False).items()} == UNFAIR


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_a_planted_bug_breaks_its_property(bug: Bug) -> None:
    assert twin.check(bug.size, NONE, bug.breaks)[bug.breaks].holds
    assert not twin.check(bug.size, bug, bug.breaks)[bug.breaks].holds


def test_every_property_is_broken_by_a_bug() -> None:
    assert {bug.breaks for bug in BUGS} == set(PROPERTIES)


def test_simulated_runs_replay_and_end_in_the_same_state(runs: list[Trail]) -> None:
    assert sum(len(run.steps) >= 15 for run in runs) >= 3
    for run in runs:
        met, same = twin.follow(PROPERTY_SIZE, run)
        assert (met.taken, met.enabled) == (len(run.steps), ())
        assert same, run.end


def test_a_run_with_other_variables_at_its_end_is_refused(runs: list[Trail]) -> None:
    run = runs[0]
    assert not twin.follow(PROPERTY_SIZE, run._replace(end=run.end | {"open": run.end["open"] + 1}))[1]


def test_an_altered_run_is_refused_at_the_altered_step(runs: list[Trail]) -> None:
    """A byte that goes to the worker that did not get the connection."""
    altered = [(run, *twin.misdirect(run)) for run in runs]
    altered = [(run, at, bad) for run, at, bad in altered if at >= 0]
    assert len(altered) >= 3
    for run, at, bad in altered:
        met, same = twin.follow(PROPERTY_SIZE, bad)
        assert (met.taken, same) == (at, False)
        enabled = {move[:3] for move in met.enabled}
        assert run.steps[at] in enabled
        assert bad.steps[at] not in enabled


def test_a_run_that_misses_a_step_is_refused_where_it_was_needed(runs: list[Trail]) -> None:
    needed = ("operator", "server")
    at, run = next((at, run) for run in runs for at, step in enumerate(run.steps) if step[:2] == needed)
    met, _ = twin.follow(PROPERTY_SIZE, run._replace(steps=run.steps[:at] + run.steps[at + 1 :]))
    assert met.taken >= at
    assert met.enabled
