"""The vectors: one at least for each clause, and each goes through the clauses that it aims at."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from mcconform import runner, targets
from mcconform.conversation import Advance, Send
from mcconform.jsonform import dumps, loads
from mcconform.live import MOST_WORLDS
from mcconform.phases import enumerated, splits, vectors
from mcconform.phases.base import Plan
from mcconform.verdict import Verdict
from mcspec import access, clauses, packet_answers, profiles, udp

if TYPE_CHECKING:
    from mcconform.conversation import Conversation

INPROC = targets.make("inproc:")

# Nothing can be seen of these on a server that follows base.
UNSEEN = {
    "text.delta.blank-value": "what a server does with it is unspecified",
    **dict.fromkeys((*packet_answers.PERMITTED, *udp.PERMITTED, *access.PERMITTED), "no reply shows it"),
}


def test_every_clause_has_a_hand_picked_vector() -> None:
    aimed = {clause for vector in vectors.picked() for clause in vector.clauses}
    assert set(clauses.load()) <= aimed
    assert aimed <= set(clauses.load()), "a vector aims at a clause that no document names"


def test_ids_are_unique() -> None:
    ids = [vector.id for vector in vectors.all_vectors()]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("vector", vectors.picked(), ids=lambda vector: vector.id)
def test_a_vector_goes_through_the_clauses_that_it_aims_at(vector: Conversation, setting: runner.Setting) -> None:
    result = runner.run(vector, INPROC, setting, b"vector")
    assert result.difference is None
    missed = {clause for clause in vector.clauses if clause not in result.passed} - set(UNSEEN)
    assert not missed
    assert result.verdict in (Verdict.PASS, Verdict.UNSPECIFIED)


def test_vector_files_are_in_canonical_form() -> None:
    for vector in vectors.picked():
        assert loads(dumps(vector)) == vector


def test_enumerated_vectors_cover_every_command_in_every_state() -> None:
    words = {vector.id.split(".")[1] for vector in enumerated.every()}
    assert words >= {"get", "gets", "gat", "gats", "touch", "incr", "decr", "delete", *enumerated.STORES}
    assert len(enumerated.every()) > 2000
    for state in enumerated.STATES:
        assert sum(vector.id.endswith("." + state) for vector in enumerated.every()) > 200


def test_splits_cut_short_streams_at_every_byte() -> None:
    short = 0
    for vector in vectors.picked():
        joined = splits.join(vector)
        if joined.size * splits._lines(joined) > splits.LINES or vector.clock != "none" or vector.alone:
            continue
        if vector.options or vector.speech(0) == "binary":  # a few of their splits are enough
            continue
        found = {
            (index, step.cuts[0])
            for split in splits.of(joined, random.Random(1))
            for index, step in enumerate(split.steps)
            if isinstance(step, Send) and len(step.cuts) == 1 and ".split-" in split.id
        }
        wanted = {
            (index, cut)
            for index, step in enumerate(joined.steps)
            if isinstance(step, Send) and step.literal() is not None and len(step.parts) == 1
            for cut in range(1, len(step.literal() or b""))
        }
        assert wanted <= found
        short += 1
        if short == 40:
            return
    raise AssertionError(f"only {short} vectors are short")


def test_splits_do_not_repeat_what_failed_or_waits() -> None:
    plan = Plan(1, 100, allow_flush=True, wanted=lambda _: True, failed={"set-stored"})
    groups = list(splits.groups(plan))
    assert all(group.source != "set-stored" for group in groups)
    assert not any(isinstance(step, Advance) for group in groups for made in group.conversations for step in made.steps)
    assert sum(group.source == "" for group in groups) == 5


def test_the_same_seed_generates_the_same_splits() -> None:
    def ids(seed: int) -> list[Conversation]:
        plan = Plan(seed, 100, allow_flush=True, wanted=lambda _: True)
        return [made for group in splits.groups(plan) for made in group.conversations]

    assert ids(1) == ids(1)
    assert ids(1) != ids(2)


def test_pipelines_can_be_followed() -> None:
    """Counters whose text may be padded or not double the worlds: no pipeline has more than the judge can follow."""
    rules = profiles.load("memcached-1.6.18").rules
    most = 0
    for seed in range(20):
        plan = Plan(seed, 100, True, lambda c: any(clause.startswith("text.incr") for clause in c.clauses), rules=rules)
        for group in splits.groups(plan):
            if not group.source:
                most = max(most, splits._worlds(splits._text(group.conversations[0]), rules))
    assert 16 <= most <= MOST_WORLDS // 2
