"""What is special to the dispatch model: its table, its counts, and what its laws do not see."""

from __future__ import annotations

import pytest

from mcspec.dispatch import TABLE, Bounds, Hand, State, build
from mcspec.explore import Move, explore, replay
from mcspec.models import planted
from mcspec.models.dispatch import MODEL
from tests.spin import twin

SMALL = MODEL.bounds["small"]
IN_VAIN = "finds its queue empty"


def texts(design: object) -> set[str]:
    """The words of every move that can be made."""
    return {move.text for _, move, _ in transitions(design)}


def transitions(design: object) -> list[tuple[State, Move, State]]:
    """Every transition at small bounds."""
    system = MODEL.build(SMALL, design)
    todo: list[State] = list(system.starts)  # type: ignore[arg-type]
    seen, found = set(todo), []
    for state in todo:
        for move, after in system.moves(state):
            found.append((state, move, after))
            if after not in seen:
                seen.add(after)
                todo.append(after)
    return found


def test_every_row_is_reached_but_the_one_that_needs_a_bug() -> None:
    words = {row.text.format(i, j) for row in TABLE for i in range(2) for j in range(2)}
    assert texts(MODEL.design) == words - {IN_VAIN}
    assert IN_VAIN in texts(planted(MODEL, "notify-before-push"))


def test_names_and_words_of_rows_are_told_apart() -> None:
    assert len({row.name for row in TABLE}) == len({row.text for row in TABLE}) == len(TABLE)


def test_no_move_leads_to_where_it_came_from_and_none_is_made_twice() -> None:
    made = transitions(MODEL.design)
    assert not [move for before, move, after in made if before == after]
    assert len({(before, move) for before, move, _ in made}) == len(made)


# As Spin counts them on the Promela twin, so that a change is seen where there is no Spin.
@pytest.mark.parametrize(
    ("bounds", "states", "steps"),
    [(Bounds(2, 2, (1,)), 4926, 17598), (Bounds(2, 2, (2,)), 12558, 52306), (Bounds(2, 2, (1, 2)), 17484, 69904)],
)
def test_states_and_transitions(bounds: Bounds, states: int, steps: int) -> None:
    found = explore(build(bounds), ())
    assert (found.states, found.transitions) == (states, steps)


def test_with_maxconns_fast_nobody_waits_for_room() -> None:
    made = transitions(MODEL.design)
    assert {before.hand for before, _, _ in made if before.fast} == {Hand.READY, Hand.HOLDS, Hand.TELLS}
    assert Hand.FULL in {before.hand for before, _, _ in made if not before.fast}


def test_a_lost_wake_up_is_told_in_order() -> None:
    clause = "law.dispatch.resumes"
    system = MODEL.build(SMALL, planted(MODEL, "resume-at-close-only"))
    trace = explore(system, MODEL.laws).broken[clause].steps
    words = [step.move.text for step in trace]
    assert words.index("sees that there is no room") < words.index("closes") < words.index("stops accepting")
    assert replay(system, [step.move[:3] for step in trace]).enabled == ()
    # The design as it stands cannot lose it: its listener may look again where the trace ends.
    met = replay(build(SMALL), [step.move[:3] for step in trace])
    assert met.taken == len(trace)
    assert {move.text for state in met.states for move, _ in build(SMALL).moves(state)} >= {
        "finds room and accepts again"
    }


def test_a_drain_that_answers_for_ever_breaks_no_law_here() -> None:
    """Its end can be reached, and nothing says that it is: the Promela twin tells it from the design."""
    found = explore(twin.system(twin.ENDLESS.size, twin.ENDLESS), MODEL.laws)
    assert found.complete
    assert not found.broken


def test_what_clients_do_can_be_done_on_a_wire() -> None:
    wires = {move.wire[0]: move for _, move, _ in transitions(MODEL.design) if move.wire}
    assert set(wires) == {"open", "send", "half-close"}
    assert all(move.source == f"client {move.wire[1]}" for move in wires.values())


def test_a_state_in_words() -> None:
    start = State.start(2, 1, 1)
    assert MODEL.show(start) == (
        "server not started, 0 of 1 open; listener deaf, ready; worker 0 waits, queue [], 0 bytes, owns [];"
        " client 0 away/-; client 1 away/-"
    )
    told = start._replace(stage=1, fast=True, listening=True, accepting=True, open=1, hand=2, told=0, queues=((1,),))
    assert MODEL.show(told._replace(socks=(1, 2), peers=(1, 3))) == (
        "server runs for ever, maxconns_fast, 1 of 1 open; listener accepts, is about to tell worker 0;"
        " worker 0 waits, queue [1], 0 bytes, owns []; client 0 silent/backlog; client 1 sent/open"
    )
