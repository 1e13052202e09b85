"""The models: their laws hold, every planted bug is caught by its law, and no law is vacuous."""

from __future__ import annotations

import re

import pytest

from mcconform.verification import Job, run
from mcspec import models

MODELS = models.load()
PLANTS = [
    pytest.param(model, plant, id=f"{name}-{plant.name}") for name, model in MODELS.items() for plant in model.plants
]


def test_there_are_enough() -> None:
    assert {"framing", "session", "cache", "half-sent", "dispatch", "meta", "eviction"} <= set(MODELS)
    assert {"binary", "packet", "udp"} <= set(MODELS)
    assert len(PLANTS) >= 340


@pytest.mark.parametrize("name", MODELS)
def test_the_laws_hold(name: str) -> None:
    """At small bounds; a model that was built wrong breaks exactly what it is known to break."""
    report = run(Job(name, "small"))
    assert report.complete
    assert set(report.broken) == set(MODELS[name].breaks)


@pytest.mark.parametrize(("model", "plant"), PLANTS)
def test_a_planted_bug_is_caught_by_its_law(model: models.Model, plant: models.Plant) -> None:
    report = run(Job(model.name, "small", plant.name))
    assert plant.clause in report.broken
    assert plant.clause not in model.breaks


@pytest.mark.parametrize("name", MODELS)
def test_no_law_is_vacuous(name: str) -> None:
    """A law that no planted bug breaks says nothing (a model that is broken itself shows it by breaking laws)."""
    model = MODELS[name]
    laws = {law.clause for law in model.laws}
    broken = {plant.clause for plant in model.plants} | model.breaks
    assert broken <= laws
    assert laws == broken


def test_laws_are_clauses() -> None:
    """Each has an id of its own and a sentence."""
    for clause, law in models.laws().items():
        assert re.fullmatch(r"law\.[a-z0-9-]+\.[a-z0-9-]+", clause)
        assert law.text[0].isupper()
        assert law.text.endswith(".")


def test_names_of_planted_bugs_are_unique() -> None:
    for model in MODELS.values():
        names = [plant.name for plant in model.plants]
        assert len(names) == len(set(names))
