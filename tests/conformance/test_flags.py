"""The table of flags: what counts as exercised, what a report says of it, and that the enumerated vectors fill it."""

from __future__ import annotations

import random
from collections import Counter
from itertools import permutations
from typing import TYPE_CHECKING

import pytest

from mcconform import runner, targets
from mcconform.conversation import Conversation, Settle, say, streams
from mcconform.flags import COMMANDS, events
from mcconform.generate import decode
from mcconform.phases import enumerated_meta, malformed
from mcconform.reports.flags import summary
from mcconform.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Run
    from mcconform.flags import Used

A = "mcspec-a"


def exercised(setting: runner.Setting, *requests: str) -> tuple[Used, ...]:
    made = Conversation("test", (*(say(0, request) for request in requests), Settle()))
    result = runner.run(made, targets.make("inproc:adapters:honest"), setting, b"prefix")
    assert result.verdict is Verdict.PASS, result.difference
    return result.flags


@pytest.mark.parametrize(
    ("request_", "found"),
    [
        (f"mg {A} v\r\n", (("mg", "v"),)),
        (f"mg  {A}  v  k \r\n", (("mg", "vk"),)),
        (f"mg {A} Tx0\r\n", ()),
        (f"mg {A} v v\r\n", ()),
        (f"mg {A} k v c\r\n", ()),
        (f"mg {A}\r\n", ()),
        (f"ms {A} 1 T0 I\r\nx\r\n", (("ms", "TI"),)),
        (f"ms {A} x T0\r\n", ()),
        (f"md {A} q v\r\n", ()),
        ("me bWNzcGVjLWE= b\r\n", (("me", "b"),)),
        (f"set {A} 0 0 5\r\nmg k v\r\n", ()),
        ("mn k\r\n", ()),
    ],
)
def test_what_counts(setting: runner.Setting, request_: str, found: tuple[Used, ...]) -> None:
    """One flag or two that the command knows, on a line that is carried out."""
    assert exercised(setting, request_) == found


def test_the_enumerated_vectors_exercise_every_flag_alone_and_every_ordered_pair(setting: runner.Setting) -> None:
    """On the bundled engine, which all of them accept; no id stands twice."""
    made = list(enumerated_meta.every())
    assert len({conversation.id for conversation in made}) == len(made)
    target = targets.make("inproc:")
    counted: Counter[Used] = Counter()
    for conversation in made:
        result = runner.run(conversation, target, setting, b"prefix")
        assert result.verdict is Verdict.PASS, (conversation.id, result.difference, result.reason)
        counted.update(result.flags)
    for command, letters in COMMANDS.items():
        for name in (*letters, *map("".join, permutations(letters, 2))):
            assert counted[command, name] >= 1, (command, name)


def test_the_summary_names_what_is_missing() -> None:
    assert events(Counter()) == []
    found = {str(event["command"]): event for event in events(Counter([("md", "q"), ("md", "qk"), ("me", "b")]))}
    assert list(found) == list(COMMANDS)
    assert summary(found["me"]) == "me  1 of 1 flags alone"
    said = summary(found["md"])
    assert said.startswith("md  1 of 12 flags alone, 1 of 132 ordered pairs; not: b k x C ")
    assert said.endswith("and 130 more")


def test_a_table_is_printed_where_it_is_asked_for(mcspec: Callable[..., Run]) -> None:
    """The summary comes with every run that exercised a flag, the table with the option."""
    shown = mcspec("check", "inproc:", "meta.me", "--phases", "vectors", "--seed", "1", "--report", "flags").stdout
    summaries, _, tables = shown.partition(" clauses: ")
    assert "  me  1 of 1 flags alone\n" in summaries
    assert "+k" not in summaries
    assert "me  1 of 1 flags alone\nme  alone\n" in tables
    assert "+k" in tables


@pytest.mark.parametrize("meta", [True, False])
def test_a_selection_without_the_chapter_draws_none_of_it(*, meta: bool) -> None:
    """So that a server that does not speak it can be judged by the classic commands."""
    rng = random.Random(1)
    drawn = [malformed.conversation(rng, "test", meta=meta) for _ in range(300)]
    drawn += [decode(rng.randbytes(40), "test", meta=meta) for _ in range(100)]
    written = b"".join(stream for conversation in drawn for stream in streams(conversation).values())
    assert all((word in written) is meta for word in (b"mg mcspec-", b"ms mcspec-", b"md mcspec-", b"ma mcspec-"))
