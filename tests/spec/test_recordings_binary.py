"""What released servers answered in the binary protocol is accepted under their profiles; a changed answer is not."""

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
RELEASES = ("1.4.24", "1.5.22", "1.6.18", "1.6.45")
HEADER = 24
SENTINEL = bytes.fromhex("810a00000000000000000000feedbeef0000000000000000")
BLANKS = "arithmetic on a value of blanks only reads beyond the value"

Recorded = tuple[profiles.Profile, list[dict[str, Any]]]


@pytest.fixture(scope="module", params=RELEASES)
def release(request: pytest.FixtureRequest) -> Recorded:
    """A profile and all conversations that were recorded of its release."""
    name = request.param
    return profiles.load(f"memcached-{name}"), list(recordings.read(DATA / f"binary-{name}.jsonl.gz"))


def test_every_recording_is_accepted(release: Recorded) -> None:
    """800 conversations a release; the few that end unspecified count on blanks."""
    profile, conversations = release
    assert len(conversations) == 800
    unspecified = []
    for conversation in conversations:
        oracle = recordings.judge(conversation["steps"], profile.rules, used=True)
        assert oracle.refusal is None, (conversation["id"], oracle.refusal)
        assert not oracle.exhausted
        if oracle.unspecified is not None:
            unspecified.append(oracle.unspecified)
    assert len(unspecified) <= 8
    assert set(unspecified) == {BLANKS}


def packets(data: bytes) -> list[bytes]:
    """A stream of replies, packet by packet."""
    found = []
    while data:
        end = HEADER + int.from_bytes(data[8:12], "big")
        found.append(data[:end])
        data = data[end:]
    return found


def _set(packet: bytes, at: int, value: bytes) -> bytes:
    return packet[:at] + value + packet[at + len(value) :]


def _sized(packet: bytes, body: bytes) -> bytes:
    return _set(packet[:HEADER], 8, len(body).to_bytes(4, "big")) + body


def _ok(packet: bytes, *opcodes: int) -> bool:
    return packet[1] in opcodes and packet[6:8] == b"\0\0"


def _flipped(packet: bytes, at: int) -> bytes:
    return _set(packet, at, bytes([packet[at] ^ 1]))


RETRIEVALS = (0x00, 0x09, 0x0C, 0x0D, 0x1D, 0x1E, 0x23, 0x24)
STORES = (0x01, 0x02, 0x03, 0x0E, 0x0F)

CHANGES: dict[str, Callable[[bytes], bytes | None]] = {
    "another magic": lambda p: _set(p, 0, b"\x80"),
    "the opcode of the loud form": lambda p: _set(p, 1, b"\0") if p[1] == 0x09 else None,
    "another data type": lambda p: _set(p, 5, b"\1"),
    "another status": lambda p: _flipped(p, 7),
    "another opaque": lambda p: _flipped(p, 15),
    "a store without cas unique": lambda p: _set(p, 16, bytes(8)) if _ok(p, *STORES) else None,
    "a refusal with a cas unique": lambda p: _set(p, 23, b"\1") if p[6:8] != b"\0\0" else None,
    "a delete with a cas unique": lambda p: _set(p, 23, b"\1") if _ok(p, 0x04) else None,
    "other flags": lambda p: _flipped(p, 27) if _ok(p, *RETRIEVALS, 0x1C) else None,
    "another value": lambda p: _flipped(p, len(p) - 1) if _ok(p, *RETRIEVALS) and len(p) > HEADER + 4 else None,
    "a value that is cut": lambda p: _sized(p, p[HEADER:-1]) if _ok(p, 0x00) and len(p) > HEADER + 4 else None,
    "another number": lambda p: _flipped(p, HEADER + 7) if _ok(p, 5, 6) else None,
    "another text": lambda p: _flipped(p, HEADER) if p[6:8] == b"\0\2" else None,
    "a miss that does not show the key": lambda p: _sized(p, b"Not found") if p[1] == 0x0C and p[7] == 1 else None,
    "a key that is not shown": lambda p: _sized(_set(p, 2, b"\0\0"), p[24:28] + p[29:]) if _ok(p, 0x0C) else None,
    "no reply": lambda _p: b"",
    "two replies": lambda p: p + p,
    "a quiet success that is answered": lambda p: _set(p, 1, b"\x11") + p if p == SENTINEL else None,
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_recording_is_refused(release: Recorded, name: str) -> None:
    """Each planted change, in the first 20 conversations that have a place for it, is refused."""
    profile, conversations = release
    planted = 0
    for conversation in conversations:
        changed = _changed(conversation["steps"], CHANGES[name])
        if changed is None:
            continue
        oracle = recordings.judge(changed, profile.rules, used=True)
        if oracle.unspecified is not None:
            continue
        assert oracle.refusal is not None, (conversation["id"], name)
        planted += 1
        if planted >= 20:
            break
    assert planted >= 10


def _changed(steps: list[dict[str, Any]], change: Callable[[bytes], bytes | None]) -> list[dict[str, Any]] | None:
    """The steps with the first packet changed that has a place for it; of these none that opens a connection's end."""
    for index, step in enumerate(steps):
        if not step.get("recv") or not step["settled"]:
            continue
        found = packets(step["recv"].encode("latin-1"))
        for number, packet in enumerate(found):
            other = change(packet)
            if other is None:
                continue
            twin = copy.deepcopy(steps)
            said = b"".join((*found[:number], other, *found[number + 1 :]))
            twin[index]["recv"] = said.decode("latin-1")
            return twin
    return None


def test_replies_in_another_order_are_refused(release: Recorded) -> None:
    """Two replies that differ in more than their opaque, one before the other."""
    profile, conversations = release
    planted = 0
    for conversation in conversations[:100]:
        for index, step in enumerate(conversation["steps"]):
            found = packets(step.get("recv", "").encode("latin-1"))
            if not step.get("settled") or len(found) < 3 or found[0] == found[1]:
                continue
            steps = copy.deepcopy(conversation["steps"])
            steps[index]["recv"] = b"".join((found[1], found[0], *found[2:])).decode("latin-1")
            oracle = recordings.judge(steps, profile.rules, used=True)
            assert oracle.refusal is not None or oracle.unspecified is not None, (conversation["id"], index)
            planted += oracle.refusal is not None
            break
    assert planted >= 20
