"""Contracts on moments and cas uniques, for CrossHair: each an independent definition, with its precondition first."""

from __future__ import annotations

from mcspec import arith
from mcspec.arith import Span


def expiry_classes_by_sign_and_limit(exptime: int, limit: int) -> None:
    """The four classes are told apart by sign and limit."""
    assert limit > 0
    kind = arith.expiry_class(exptime, limit)
    assert (kind == arith.NEVER) == (exptime == 0)
    assert (kind == arith.PAST) == (exptime < 0)
    assert (kind == arith.RELATIVE) == (0 < exptime <= limit)
    assert (kind == arith.ABSOLUTE) == (exptime > limit)


def shifted_moves_both_ends(low: int, high: int, seconds: int) -> None:
    """A shift keeps the width, moves by what it says and can be undone."""
    assert low <= high
    after = arith.shifted(Span(low, high), seconds)
    assert after.lo - low == seconds
    assert after.hi - after.lo == high - low
    assert arith.shifted(after, -seconds) == Span(low, high)


def shifted_clocks_agree(now: int, moment: int, width: int, seconds: int) -> None:
    """Whether a moment is reached does not depend on where a clock begins to count."""
    assert width >= 0
    before = arith.reached(Span(now, now + width), Span(moment, moment))
    later = arith.shifted(Span(now, now + width), seconds)
    assert arith.reached(later, arith.shifted(Span(moment, moment), seconds)) == before


def relative_deadline_counts_seconds(stored: int, exptime: int, waited: int) -> None:
    """On an exact clock an item is dead once it is as old as its exptime."""
    assert exptime > 0
    assert waited >= 0
    dies = arith.shifted(Span(stored, stored), exptime)
    now = Span(stored + waited, stored + waited)
    assert (arith.reached(now, dies) == arith.DEAD) == (waited >= exptime)


def around_is_symmetric(second: int, slack: int) -> None:
    """The second lies in the middle, `slack` from either end."""
    assert slack >= 0
    span = arith.around(second, slack)
    assert span.lo + span.hi == 2 * second
    assert span.hi - span.lo == 2 * slack


def slack_only_where_the_clock_is_not_ours(low: int, high: int, second: int) -> None:
    """A second of the calendar is exact on an exact clock; on another it may come two seconds early or late."""
    assert low <= high
    span = arith.around(second, arith.clock_slack(Span(low, high)))
    assert (span == Span(second, second)) == (low == high)
    assert span.hi - span.lo in (0, 4)


def reached_by_the_ends_of_the_spans(low: int, high: int, first: int, last: int) -> None:
    """DEAD if all of now is at or after all of the moment, ALIVE if all of it is before."""
    assert low <= high
    assert first <= last
    kind = arith.reached(Span(low, high), Span(first, last))
    assert (kind == arith.DEAD) == (low >= last)
    assert (kind == arith.ALIVE) == (high < first)
    assert kind in (arith.DEAD, arith.ALIVE, arith.UNSURE)


def reached_holds_for_each_pair(now: int, moment: int, before: int, after: int) -> None:
    """Whatever now and the moment really are within their spans, a sure answer is theirs."""
    assert before >= 0
    assert after >= 0
    kind = arith.reached(Span(now - before, now + after), Span(moment - after, moment + before))
    assert kind != arith.DEAD or now >= moment
    assert kind != arith.ALIVE or now < moment


def reached_is_exact_on_an_exact_clock(now: int, moment: int) -> None:
    """On an exact clock nothing is unsure."""
    assert now >= 0
    kind = arith.reached(Span(now, now), Span(moment, moment))
    assert (kind == arith.DEAD) == (now >= moment)
    assert kind != arith.UNSURE


def reached_once_is_reached_for_ever(low: int, high: int, later: int, moment: int) -> None:
    """What is dead stays dead while the clock goes on."""
    assert low <= high
    assert later >= 0
    if arith.reached(Span(low, high), Span(moment, moment)) == arith.DEAD:
        assert arith.reached(Span(low + later, high + later), Span(moment, moment)) == arith.DEAD


def both_is_and(first: bool, second: bool) -> None:  # noqa: FBT001 - truth values, not options
    """Of two sure answers: dead if and only if both say so."""
    assert first in (True, False)
    kinds = [arith.DEAD if dead else arith.ALIVE for dead in (first, second)]
    assert arith.both(*kinds) == (arith.DEAD if first and second else arith.ALIVE)


def both_is_the_weaker_answer(first: int, second: int) -> None:
    """In the order ALIVE, UNSURE, DEAD the answer is the lower of the two."""
    assert 0 <= first <= 2
    assert 0 <= second <= 2
    assert (arith.both(first, second) + 2) % 3 == min((first + 2) % 3, (second + 2) % 3)


def cas_is_open_until_it_is_known(given: int, held: int) -> None:
    """Open if and only if no number was seen; else the difference decides."""
    assert given > 0
    assert held >= 0
    kind = arith.cas_compared(given, held)
    assert (kind == arith.OPEN) == (held <= 0)
    assert (kind == arith.SAME) == (given - held == 0)
    assert (kind == arith.DIFFERENT) == (held > 0 and given - held != 0)


def cas_order_is_that_of_the_stores(store: int, unique: int, other: int, seen: int) -> None:
    """The later of two stores has the greater cas unique, never the same."""
    assert store != other
    later, earlier = (unique, seen) if store > other else (seen, unique)
    assert arith.cas_in_order(store, unique, other, seen) == (later > earlier)


def cas_order_is_mutual(store: int, unique: int, other: int, seen: int) -> None:
    """It does not matter which of two cas uniques was seen first."""
    assert store != other
    assert arith.cas_in_order(store, unique, other, seen) == arith.cas_in_order(other, seen, store, unique)


def cas_order_is_transitive(first: int, second: int, third: int) -> None:
    """Three cas uniques that are in order pair by pair next to each other are in order at the ends."""
    assert first > 0
    if arith.cas_in_order(1, first, 2, second) and arith.cas_in_order(2, second, 3, third):
        assert arith.cas_in_order(1, first, 3, third)
        assert first < third
