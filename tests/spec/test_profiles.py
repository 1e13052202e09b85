"""Every trait of a profile has a reason and evidence that fails without it; base.md lists every fork."""

from __future__ import annotations

from pathlib import Path

import pytest

import mcspec.profiles
from mcconform import recordings
from mcspec import clauses, profiles
from mcspec.rules import Traits

RELEASES = [name for name in profiles.names() if name != "base"]
TRAITS = [(name, trait) for name in RELEASES for trait in profiles.load(name).traits]


def test_there_are_profiles() -> None:
    """Base comes first."""
    releases = ["memcached-1.4.24", "memcached-1.5.22", "memcached-1.6.18", "memcached-1.6.39", "memcached-1.6.45"]
    assert profiles.names() == ["base", *releases]


@pytest.mark.parametrize(("name", "trait"), TRAITS)
def test_evidence(name: str, trait: str) -> None:
    """Accepted under the profile, refused when this one trait is what base says."""
    profile = profiles.load(name)
    note = profile.traits[trait]
    assert len(note.reason) > 20
    assert note.value != getattr(Traits(), trait)
    assert recordings.judge(note.evidence, profile.rules).refusal is None
    without = profile.rules._replace(traits=profile.rules.traits._replace(**{trait: getattr(Traits(), trait)}))
    oracle = recordings.judge(note.evidence, without)
    assert oracle.refusal is not None
    assert oracle.unspecified is None


def test_every_trait_is_some_release_s() -> None:
    """A trait that no profile uses is dead."""
    assert {trait for _, trait in TRAITS} == set(Traits._fields)


def test_base_lists_every_fork() -> None:
    """The table of base.md has one row for each trait, and names a clause that exists."""
    text = (Path(mcspec.profiles.__file__).parent / "base.md").read_text(encoding="utf-8")
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("| ")]
    listed = {row[0]: row for row in rows[2:]}
    assert set(listed) == set(Traits._fields)
    assert {row[1] for row in listed.values()} <= set(clauses.load())
    assert all(len(row) == 8 and all(row) for row in listed.values())


def test_what_does_not_apply_is_named_with_a_reason() -> None:
    """Every beginning is that of a clause; base, which the whole specification is about, has none."""
    assert profiles.load("base").absent == {}
    for name in RELEASES:
        profile = profiles.load(name)
        assert {begun for begun in profile.absent if not any(c.startswith(begun) for c in clauses.load())} == set()
        assert profile.inapplicable("packet.frame.length") == profile.inapplicable("udp.protocol.packet")
        assert profile.inapplicable("packet.frame.length") is not None
        assert profile.inapplicable("udp.protocol.first-byte") is None


def test_matching_by_version() -> None:
    """`auto` picks the release, and base for anything else."""
    assert profiles.match(b"1.4.24") == "memcached-1.4.24"
    assert profiles.match(b"1.6.18") == "memcached-1.6.18"
    assert profiles.match(b"1.6.39") == "memcached-1.6.39"
    assert profiles.match(b"1.6.45") == "memcached-1.6.45"
    assert profiles.match(b"1.6.45-mcserver-0.1.0") == "base"
    assert profiles.match(b"\xff") == "base"


def test_errors(tmp_path: Path) -> None:
    """Bad profiles are refused in one line that says why."""
    with pytest.raises(profiles.ProfileError, match="there are: base"):
        profiles.load("nonsense")
    bad = tmp_path / "bad.toml"
    bad.write_text("[traits.nonsense]\nvalue = 'x'\n")
    with pytest.raises(profiles.ProfileError, match="unknown trait"):
        profiles.load(str(bad))
    bad.write_text("[traits.nul]\nvalue = 'ends-line'\n")
    with pytest.raises(profiles.ProfileError, match="lacks"):
        profiles.load(str(bad))
    bad.write_text("[absent]\n'packet.' = 1\n")
    with pytest.raises(profiles.ProfileError, match="no table of reasons"):
        profiles.load(str(bad))
    bad.write_text("[")
    with pytest.raises(profiles.ProfileError, match="not a TOML file"):
        profiles.load(str(bad))
    bad.write_bytes(b"\xff\xfe")
    with pytest.raises(profiles.ProfileError, match="not a TOML file"):
        profiles.load(str(bad))
