"""Profiles: valuations of the traits that `step` reads, one file a released server.

A profile is a TOML file: a title, the pattern of the version it speaks for, and a table for each trait that differs
from `base`, with the value, the reason, and an evidence transcript: what was sent to that server and what it answered.
The specification accepts the evidence with the trait and refuses it without; a test enforces that of every trait.
A table `absent` names what is not for that server at all: how the ids of such clauses begin, and why.
"""

from __future__ import annotations

import re
import tomllib
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

from mcspec.rules import Rules, Traits


class Trait(NamedTuple):
    """One difference: the value, the reason in words, and the transcript that shows it (steps of send and recv)."""

    value: str
    reason: str
    evidence: tuple[dict[str, Any], ...]


class Profile(NamedTuple):
    """A named valuation. `version` is a regular expression for the text after `VERSION `; empty matches nothing.

    `absent` are the beginnings of ids of clauses that do not apply, each with the reason.
    """

    name: str
    title: str
    version: str
    traits: dict[str, Trait]
    rules: Rules
    absent: dict[str, str]

    def inapplicable(self, clause: str) -> str | None:
        """Why a clause does not apply; None if it does."""
        return next((reason for begun, reason in self.absent.items() if clause.startswith(begun)), None)


class ProfileError(ValueError):
    """A profile that cannot be read: unknown name, unknown trait or malformed file."""


def names() -> list[str]:
    """The names of the profiles that come with the specification, base first."""
    found = [entry.name.removesuffix(".toml") for entry in resources.files(__name__).iterdir()]
    found = sorted(name for name in found if not name.startswith("__") and not name.endswith(".md") and name != "base")
    return ["base", *(name for name in found if name[:1] != "_")]


def load(name: str) -> Profile:
    """Load a profile by name or, if `name` ends in .toml, by path. Raises ProfileError."""
    if name == "base":
        return Profile("base", "memcached 1.6.45 with its oddities straightened out", "", {}, Rules(), {})
    try:
        if name.endswith(".toml"):
            text, name = Path(name).read_text(encoding="utf-8"), Path(name).stem
        else:
            text = (resources.files(__name__) / f"{name}.toml").read_text(encoding="utf-8")
        data = tomllib.loads(text)
    except OSError:
        raise ProfileError(f"no profile {name!r}; there are: {', '.join(names())}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ProfileError(f"profile {name!r} is not a TOML file: {error}") from None
    return _profile(name, data)


def _profile(name: str, data: dict[str, Any]) -> Profile:
    traits = {}
    for trait, note in data.get("traits", {}).items():
        if trait not in Traits._fields:
            raise ProfileError(f"profile {name!r} names an unknown trait {trait!r}")
        try:
            traits[trait] = Trait(str(note["value"]), str(note["reason"]), tuple(note["evidence"]))
        except (KeyError, TypeError):
            raise ProfileError(f"trait {trait!r} of profile {name!r} lacks value, reason or evidence") from None
    values = {trait: note.value for trait, note in traits.items()}
    absent = data.get("absent", {})
    if not isinstance(absent, dict) or not all(isinstance(reason, str) for reason in absent.values()):
        raise ProfileError(f"absent of profile {name!r} is no table of reasons")
    title, version = str(data.get("title", name)), str(data.get("version", ""))
    return Profile(name, title, version, traits, rules_with(values), absent)


def rules_with(values: dict[str, str]) -> Rules:
    """Base rules with some traits replaced."""
    return Rules(traits=Traits()._replace(**values))


def match(version: bytes) -> str:
    """The profile for a server that answers `VERSION <version>`: the first whose pattern fits, else base."""
    text = version.decode("latin-1")
    for name in names():
        pattern = load(name).version
        if pattern and re.fullmatch(pattern, text):
            return name
    return "base"
