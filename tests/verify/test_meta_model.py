"""What the meta model leaves out makes no difference, and a real memcached answers what its moves say."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from typing import Any

import pytest

from mcspec.cache import Cache
from mcspec.explore import explore
from mcspec.frozen import FrozenMap
from mcspec.models.meta import BOUNDS, Design, Stage, build, canonical, ends, wire
from mcspec.models.meta_account import STALE, Op, Reply
from tests.conftest import RunningServer

SCENES = {f"{name}-{number}": scene for name in ("small", "standard") for number, scene in enumerate(BOUNDS[name])}
DESIGN = Design()


def asked(op: Op, saw: int) -> Op:
    """The request with the cas unique that a client saw."""
    return op._replace(flags=tuple(f"C{saw}" if flag[0] == "C" else flag for flag in op.flags))


def renamed(reply: Reply, names: dict[int, int]) -> Reply:
    """The reply with its cas unique under another name."""
    shown = (f"c{names.get(int(one[1:]), int(one[1:]))}" if one[0] == "c" else one for one in reply.shown)
    return reply._replace(shown=tuple(shown))


@pytest.mark.parametrize("name", SCENES)
def test_a_canonical_cache_behaves_like_those_it_stands_for(name: str) -> None:
    """Side by side: a cache as it grew, and its canonical twin. They allow the same, and stay twins."""
    dice = random.Random(name)
    stage = Stage(SCENES[name], DESIGN)
    compared = 0
    for _ in range(15):
        held, clock = Cache(known=FrozenMap({0: STALE})), 0
        for _ in range(10):
            twin, names = canonical(held, clock)
            assert canonical(twin, clock)[0] == twin
            if clock < stage.scene.clock and dice.random() < 0.2:
                clock += 1
                continue
            onward = []
            for op in stage.requests:
                for saw, same in {STALE: STALE, **names}.items():
                    if op.flag("C") == "any":
                        continue
                    grown = ends(asked(op, saw), held, clock, DESIGN)
                    canon = ends(asked(op, same), twin, clock, DESIGN)
                    for (reply, after), (other, image) in zip(grown, canon, strict=True):
                        made, after_names = canonical(after, clock)
                        like, like_names = canonical(image, clock)
                        assert made == like, (op, held)
                        assert renamed(reply, after_names) == renamed(other, like_names), (op, held)
                    onward += [after for _, after in grown]
                    compared += 1
            held = dice.choice(onward)
    assert compared > 300


@pytest.mark.memcached
def test_a_real_memcached_answers_what_the_moves_say(start_memcached: Callable[..., RunningServer]) -> None:
    """Random walks, all in one second; a cas unique is as good as any other. 1.6.18 does not know E and x yet."""
    server = start_memcached()
    stage = Stage(BOUNDS["standard"][0], DESIGN)
    dice = random.Random("meta")
    seen = set()
    with server.connect() as connection:
        for walk in range(60):
            state = stage.start()
            name = b"meta%d" % walk
            for _ in range(15):
                moves = [(m, after) for m, after in stage.moves(state) if m.wire and m.wire[0] == "send"]
                moves = [(m, after) for m, after in moves if not re.search(rb" [Ex]", m.wire[2])]
                move, _ = dice.choice(moves)
                sent = move.wire[2].replace(b" a", b" " + name, 1)
                connection.sendall(sent + b"mn\r\n")
                answer = b""
                while not answer.endswith(b"MN\r\n"):
                    answer += connection.recv(4096)
                got = told(answer[: -len(b"MN\r\n")], name)
                allowed = {spoken(m.text): after for m, after in moves if m.wire == move.wire}
                assert got in allowed, (walk, move.text, got)
                state = allowed[got]
                seen.add(got)
    assert len(seen) > 25


def spoken(text: str) -> str:
    """What a move says was answered, whatever the cas unique."""
    return re.sub(r" c[1-9]\d*", " c*", text.rpartition("': ")[2])


def told(answer: bytes, name: bytes) -> str:
    """An answer in the words of a move."""
    head, _, rest = answer.replace(name, b"a").partition(b"\r\n")
    words = re.sub(r" c[1-9]\d*", " c*", head.decode())
    if words.startswith("VA "):
        _, length, *shown = words.split()
        return f"{' '.join(['VA', *shown])} {rest[: int(length)].decode()!r}"
    if words.startswith("VALUE"):
        return f"VALUE {rest[: int(words.split()[3])].decode()!r}"
    return words or "silence"


def test_every_answer_is_reached() -> None:
    """Each command comes to each of its codes, and mg to each set of marks."""
    system = build((BOUNDS["standard"][0],), DESIGN)
    assert explore(system, ()).complete
    cores: dict[Any, Any] = system.starts[0].core.stage.cores  # type: ignore[attr-defined]
    texts = {
        (op.command, step.acts[0].text) for core in cores.values() for op, steps in core.steps.items() for step in steps
    }
    codes: dict[str, set[str]] = {}
    marks = set()
    for command, text in texts:
        words = text.rpartition("': ")[2].split()
        codes.setdefault(command, set()).add(words[0])
        if command == "mg" and words[0] in ("HD", "VA"):
            marks.add("".join(word for word in words if word in ("Z", "X", "W")))
    assert codes.pop("tick")
    assert codes == {
        "mg": {"HD", "VA", "EN", "silence"},
        "ms": {"HD", "EX", "NS", "NF", "silence"},
        "md": {"HD", "EX", "NF", "silence"},
        "get": {"VALUE", "END"},
        "set": {"STORED"},
        "touch": {"TOUCHED", "NOT_FOUND"},
        "delete": {"DELETED", "NOT_FOUND"},
    }
    assert marks == {"", "W", "Z", "XW", "ZX"}


def test_requests_are_bytes() -> None:
    assert wire(Op("ms", flags=("T2", "k"), value=b"1")) == b"ms a 1 T2 k\r\n1\r\n"
    assert wire(Op("mg", flags=("R2", "v"))) == b"mg a R2 v\r\n"
    assert wire(Op("touch", flags=("T1",))) == b"touch a 1\r\n"
