"""What released servers answered is accepted under their profiles, and a changed answer is not."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from mcconform import recordings
from mcspec import Now, profiles

if TYPE_CHECKING:
    from collections.abc import Callable

DATA = Path(__file__).resolve().parents[1] / "data"
RELEASES = ("1.6.18", "1.6.39", "1.6.45")
WHEN = {
    "1.6.18": Now(1795186668, 1795186673),
    "1.6.39": Now(1795186675, 1795186680),
    "1.6.45": Now(1795186682, 1795186687),
}
"""When the meta recordings were made: what they answer to `t` for an absolute expiry tells it to the second."""


@pytest.fixture(scope="module", params=RELEASES)
def release(request: pytest.FixtureRequest) -> tuple[profiles.Profile, list[dict[str, Any]]]:
    """A profile and all recorded conversations of its release."""
    name = request.param
    return profiles.load(f"memcached-{name}"), list(recordings.read(DATA / f"text-{name}.jsonl.gz"))


@pytest.fixture(scope="module", params=RELEASES)
def meta(request: pytest.FixtureRequest) -> tuple[profiles.Profile, Now, list[dict[str, Any]]]:
    """A profile, the moment of the recording, and all conversations that were recorded in the meta protocol."""
    name = request.param
    conversations = list(recordings.read(DATA / f"meta-{name}.jsonl.gz"))
    return profiles.load(f"memcached-{name}"), WHEN[name], conversations


def test_every_meta_recording_is_accepted(meta: tuple[profiles.Profile, Now, list[dict[str, Any]]]) -> None:
    """800 conversations a release, none of them left half judged for want of worlds."""
    profile, now, conversations = meta
    assert len(conversations) == 800
    unspecified = 0
    for conversation in conversations:
        oracle = recordings.judge(conversation["steps"], profile.rules, used=True, now=now)
        assert oracle.refusal is None, (conversation["id"], oracle.refusal)
        assert not oracle.exhausted
        unspecified += oracle.unspecified is not None
    assert unspecified <= 20


def test_other_releases_refuse_meta_recordings(meta: tuple[profiles.Profile, Now, list[dict[str, Any]]]) -> None:
    """What one release answers is wrong, now and then, under the profile of each other one."""
    profile, now, conversations = meta
    for other in profiles.names():
        if other in (profile.name, "base"):
            continue
        rules = profiles.load(other).rules
        found = [recordings.judge(one["steps"], rules, used=True, now=now).refusal for one in conversations]
        assert sum(refusal is not None for refusal in found) >= 1, other


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
    other = profiles.load("memcached-1.6.18" if profile.name.endswith("45") else "memcached-1.6.45")
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


META_CHANGES = {
    "another code": (r"(?<![^\n])HD", "NF"),
    "a mark too many": (r"(?<![^\n])HD\r", "HD W\r"),
    "a win that is missing": (r" W\r", "\r"),
    "a win twice": (r" Z\r", " W\r"),
    "a stale item that seems fresh": (r" X", ""),
    "stale and won in another order": (r" Z X\r", " X Z\r"),
    "another time to live": (r" t-1", " t77"),
    "a time to live that is over": (r" t(30|60|90|100)\b", " t9"),
    "another size": (r" s[0-9]+", " s77777"),
    "other client flags": (r" f[0-9]+", " f123"),
    "a hit before that was none": (r" h0", " h1"),
    "a cas unique of 0": (r"(?<![^\n])HD c[1-9][0-9]*", "HD c0"),
    "another opaque": (r" O12", " O21"),
    "another key": (r" ka\b", " kz"),
    "a miss that is not quiet": (r"(?<![^\n])EN\r\n", "EN\r\nEN\r\n"),
    "a length of one more": (r"(?<![^\n])VA 2", "VA 3"),
    "a no-op without reply": (r"(?<![^\n])MN\r\n", ""),
    "another error": (r"CLIENT_ERROR duplicate flag", "CLIENT_ERROR invalid flag"),
}


@pytest.mark.parametrize("change", META_CHANGES)
def test_a_changed_meta_recording_is_refused(
    meta: tuple[profiles.Profile, Now, list[dict[str, Any]]], change: str
) -> None:
    """Each planted change, in the first 25 conversations that have a place for it, is refused."""
    profile, now, conversations = meta
    pattern, replacement = META_CHANGES[change]
    planted = 0
    for conversation in conversations:
        steps = copy.deepcopy(conversation["steps"])
        for step in steps:
            changed = re.sub(pattern, replacement, step.get("recv", ""), count=1)
            if step.get("settled") and changed != step["recv"]:
                step["recv"] = changed
                break
        else:
            continue
        oracle = recordings.judge(steps, profile.rules, used=True, now=now)
        if oracle.unspecified is not None:
            continue
        assert oracle.refusal is not None, (conversation["id"], step)
        planted += 1
        if planted >= 25:
            break
    assert planted >= 1
