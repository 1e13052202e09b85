"""What released servers answered is accepted under their profiles, and a changed answer is not."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from mcconform import recordings
from mcspec import profiles

if TYPE_CHECKING:
    from collections.abc import Callable

DATA = Path(__file__).resolve().parents[1] / "data"
RELEASES = ("1.6.18", "1.6.45")


@pytest.fixture(scope="module", params=RELEASES)
def release(request: pytest.FixtureRequest) -> tuple[profiles.Profile, list[dict[str, Any]]]:
    """A profile and all recorded conversations of its release."""
    name = request.param
    return profiles.load(f"memcached-{name}"), list(recordings.read(DATA / f"text-{name}.jsonl.gz"))


def test_every_recording_is_accepted(release: tuple[profiles.Profile, list[dict[str, Any]]]) -> None:
    """800 conversations a release; the few that end unspecified say why."""
    profile, conversations = release
    assert len(conversations) == 800
    unspecified = 0
    for conversation in conversations:
        oracle = recordings.judge(conversation["steps"], profile.rules, used=True)
        assert oracle.refusal is None, (conversation["id"], oracle.refusal)
        assert not oracle.exhausted
        unspecified += oracle.unspecified is not None
    assert unspecified <= 40


def test_the_other_release_is_refused(release: tuple[profiles.Profile, list[dict[str, Any]]]) -> None:
    """Profiles are not a licence: many recordings of a release break the rules of the other one."""
    profile, conversations = release
    other = profiles.load("memcached-1.6.45" if profile.name.endswith("18") else "memcached-1.6.18")
    refused = sum(
        recordings.judge(conversation["steps"], other.rules, used=True).refusal is not None
        for conversation in conversations
    )
    assert refused > 50


def _drop_reply(text: str) -> str | None:
    return text.replace("STORED\r\n", "", 1) if text.startswith("STORED\r\n") else None


def _double_reply(text: str) -> str | None:
    return "STORED\r\n" + text if text.startswith("STORED\r\n") else None


def _other_status(text: str) -> str | None:
    return text.replace("NOT_FOUND", "DELETED", 1) if text.startswith("NOT_FOUND") else None


def _other_value(text: str) -> str | None:
    if not text.startswith("VALUE "):
        return None
    end = text.index("\r\n") + 2
    changed = chr((ord(text[end]) + 1) % 256)
    return text[:end] + changed + text[end + 1 :]


def _swap_order(text: str) -> str | None:
    return text.replace("STORED\r\nEND\r\n", "END\r\nSTORED\r\n", 1) if text.startswith("STORED\r\nEND\r\n") else None


@pytest.mark.parametrize("change", [_drop_reply, _double_reply, _other_status, _other_value, _swap_order])
def test_a_changed_recording_is_refused(
    release: tuple[profiles.Profile, list[dict[str, Any]]], change: Callable[[str], str | None]
) -> None:
    """Each planted change, wherever it can be planted in the first 100 places, is refused."""
    profile, conversations = release
    planted = 0
    for conversation in conversations:
        for index, step in enumerate(conversation["steps"]):
            if "recv" not in step or not step["settled"]:
                continue
            changed = change(step["recv"])
            if changed is None:
                continue
            steps = copy.deepcopy(conversation["steps"])
            steps[index]["recv"] = changed
            oracle = recordings.judge(steps, profile.rules, used=True)
            if oracle.unspecified is not None:
                continue
            assert oracle.refusal is not None, (conversation["id"], index, changed)
            planted += 1
            break
        if planted >= 100:
            break
    assert planted >= 5
