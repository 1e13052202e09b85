"""What the documents point to exists."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote

import pytest

from mcspec import clauses, models, profiles
from tests.house import documents

DOCUMENTS = [pytest.param(path, id=documents.name(path)) for path in documents.documents()]
GENERATED = documents.ROOT / "docs/generated"


def test_there_are_documents() -> None:
    names = [documents.name(path) for path in documents.documents()]
    assert {"README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/index.md"} <= set(names)


@pytest.mark.parametrize("path", DOCUMENTS)
def test_every_relative_link_resolves(path: Path) -> None:
    broken = []
    for line, target in documents.links(path):
        if re.match(r"[a-z][a-z0-9+.-]*:", target):
            continue
        place, _, part = unquote(target).partition("#")
        file = (path.parent / place).resolve() if place else path
        # Pages made by the documentation build: the build itself (sphinx -W) refuses a link that leads nowhere.
        if GENERATED in file.parents:
            continue
        known = documents.anchors(file) if part and file.suffix == ".md" and file.exists() else None
        if not file.exists() or (known is not None and part not in known):
            broken.append(f"line {line}: {target}")
    assert not broken


@pytest.mark.parametrize("path", DOCUMENTS)
def test_no_document_names_a_place_of_one_machine(path: Path) -> None:
    assert not re.findall(r"(?<![\w.])/(?:home|root|work|tmp|opt)/\S*", path.read_text(encoding="utf-8"))


def test_counts_in_the_documents_are_those_of_today() -> None:
    changelog, readme = ((documents.ROOT / name).read_text(encoding="utf-8") for name in ("CHANGELOG.md", "README.md"))
    changelog = " ".join(changelog.split())
    ids = list(clauses.load())
    assert f"specification in {len(ids)} clauses:" in changelog
    counted = re.findall(r"(?<=[ ,])[^,:(]+\((\d+)\)", changelog.partition("clauses:")[2].partition(";")[0])
    chapters = ("text", "meta", "binary", "packet", "udp", "access", "stats", "admin", "memory")
    assert [int(count) for count in counted] == [sum(one.startswith(f"{each}.") for one in ids) for each in chapters]
    known = models.load().values()
    assert f"{len(models.laws())} laws proved" in changelog
    assert f"{sum(len(model.plants) for model in known)} planted bugs" in changelog
    assert f"profile lists {len(profiles.load('memcached-1.6.18').traits)} traits" in " ".join(readme.split())
