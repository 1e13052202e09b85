"""The models that `mcspec verify` explores, one file each.

A model is a small automaton over the specification's own functions and tables: never a second copy of them. To add one,
write a module of this package that ends in a constant `MODEL`; nothing else has to be told. Its laws are clauses in
their own right, and every law needs a `Plant` that breaks it: a law that no planted bug breaks says nothing.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from mcspec.explore import Law, System

BOUNDS = ("small", "standard", "large")


class Plant(NamedTuple):
    """A planted bug: its name, the clause of the law that must catch it, and the design with the bug in it."""

    name: str
    clause: str
    alter: Callable[[Any], Any]


class Model(NamedTuple):
    """An automaton, its laws and its planted bugs.

    `design` is what a planted bug replaces a part of: the `Rules` of the specification (with its functions and rows),
    or a table of guarded commands. `bounds` maps small, standard and large to what `build` takes, and `build` makes the
    system of a design at such bounds. `show` tells a state in a few words. `breaks` are the clauses that the model
    breaks as it stands: of something that was built wrong and is modelled to show where.
    """

    name: str
    summary: str
    design: Any
    bounds: Mapping[str, Any]
    build: Callable[[Any, Any], System]
    laws: tuple[Law, ...]
    plants: tuple[Plant, ...]
    show: Callable[[Any], str]
    breaks: frozenset[str] = frozenset()


def planted(model: Model, name: str) -> Any:
    """The model's design, with the planted bug of that name in it. Raises KeyError if there is none."""
    return {plant.name: plant.alter for plant in model.plants}[name](model.design)


@functools.cache
def load() -> dict[str, Model]:
    """All models by name, in the order of their names."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    found = (importlib.import_module(f"{__name__}.{name}").__dict__.get("MODEL") for name in names)
    return {model.name: model for model in found if model is not None}


@functools.cache
def laws() -> dict[str, Law]:
    """The laws of all models by clause. Raises ValueError if two have the same."""
    found: dict[str, Law] = {}
    for model in load().values():
        for law in model.laws:
            if law.clause in found:
                raise ValueError(f"{law.clause} stands twice")
            found[law.clause] = law
    return found
