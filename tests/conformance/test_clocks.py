"""Clocks of targets: injected, held by debugtime, waited for, or none."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING

import pytest

from mcconform import runner, targets
from mcconform.conversation import Advance, Conversation, Settle, say
from mcconform.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from conftest import Run
    from mcconform.targets import Target

SPAWN = f"{shlex.quote(sys.executable)} -m mcserver -l 127.0.0.1 -p {{port}} -o debugtime {{options}}"
STEPS = (
    say(0, "ms mcspec-a 1 T100\r\nx\r\n"), Advance(60), say(0, "mg mcspec-a t\r\n"), Advance(39),
    say(0, "mg mcspec-a t\r\n"), Advance(1), say(0, "mg mcspec-a t\r\n"), Settle(),
)  # fmt: skip
EXACT = Conversation("exact", STEPS, exact=True)
MOVING = Conversation("moving", STEPS)


@pytest.fixture(scope="module")
def held() -> Iterator[Target]:
    made = targets.with_clock(targets.SpawnTarget(SPAWN), "debugtime")
    yield made
    made.close()


@pytest.mark.parametrize("options", [(), ("-m", "8")])
def test_a_clock_that_is_held_is_exact(held: Target, setting: runner.Setting, options: tuple[str, ...]) -> None:
    """Twice: what is sent is the difference to the move before; on a server with options, a clock of its own."""
    for number in range(2):
        made = Conversation("exact", EXACT.steps, options=options, exact=True)
        result = runner.run(made, held, setting, b"held%d%d" % (number, len(options)))
        assert result.verdict is Verdict.PASS, (result.difference, result.reason)
        assert {"meta.flag.ttl", "text.exptime.relative"} <= result.passed


def test_the_time_of_a_held_clock_is_known(held: Target, setting: runner.Setting) -> None:
    """To the second, and it moves by whole ones."""
    steps = (*STEPS[:3], Advance(40), say(0, "mg mcspec-a t\r\n"), Settle())
    assert runner.run(Conversation("exact", steps, exact=True), held, setting, b"held_a").verdict is Verdict.PASS
    session = held.session()
    before = session.now()
    assert before.lo == before.hi
    session.advance(5)
    assert session.now().lo == before.lo + 5
    with pytest.raises(targets.UnsupportedError, match="whole seconds"):
        session.advance(0.5)
    session.end()


def test_without_a_clock_that_moves_nothing_is_said_and_the_reason_is_told(setting: runner.Setting) -> None:
    target = targets.with_clock(targets.make("inproc:"), "none")
    result = runner.run(MOVING, target, setting, b"prefix")
    assert (result.verdict, "--clock sleep" in result.reason) == (Verdict.UNSUPPORTED, True)
    target.clock = "sleep"
    result = runner.run(EXACT, target, setting, b"prefix")
    assert (result.verdict, "--clock debugtime" in result.reason) == (Verdict.UNSUPPORTED, True)
    assert runner.run(MOVING, targets.make("inproc:"), setting, b"prefix").verdict is Verdict.PASS


def test_a_clock_that_a_target_does_not_have_is_a_usage_error(mcspec: Callable[..., Run]) -> None:
    plain = SPAWN.replace(" -o debugtime", "")
    for arguments, says in (
        (("inproc:", "--clock", "sleep"), "is injected"),
        (("--clock", "injected"), "is sleep"),
        (("127.0.0.1:1", "--clock", "debugtime"), "--allow-flush"),
        (("--spawn", plain, "--clock", "debugtime"), "does not know debugtime"),
    ):
        done = mcspec("check", *arguments, "text.version")
        assert done.returncode == 2, done.stdout + done.stderr
        assert says in done.stderr
        assert done.stderr.count("\n") == 1
