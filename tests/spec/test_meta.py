"""The meta protocol: what released servers answered to each flag, and the rules that no recording can show."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcconform import recordings
from mcconform.oracle import Oracle
from mcspec import Cache, Event, Fit, Happening, Now, Rules, World, match, meta, profiles, step
from mcspec.pattern import OneOf, Span, Unique, describe, regex

DATA = Path(__file__).resolve().parents[1] / "data"
RELEASES = ("1.6.18", "1.6.39", "1.6.45")
COMMANDS = (b"mg", b"ms", b"md", b"ma")
LETTERS = "bcfhklqstuvxCDEFIJLMNOPRT"
NOW = Now(2000, 2000)


def said(*exchanges: tuple[bytes, bytes], rules: Rules | None = None) -> Oracle:
    """An oracle that was told of requests and their answers, on a clock that stands still."""
    oracle = Oracle(rules or Rules())
    oracle.open(0, NOW)
    for request, answer in exchanges:
        oracle.send(0, request, NOW)
        oracle.received(0, answer)
        oracle.settled(0)
    return oracle


# ------------------------------------------------------------------------------------------------ released servers


@pytest.mark.parametrize("release", RELEASES)
def test_every_flag_alone_and_every_pair(release: str) -> None:
    """Each flag and each ordered pair of two, of each command, on a miss and on a hit; and some 600 odd lines."""
    rules = profiles.load(f"memcached-{release}").rules
    judged = 0
    firsts: set[tuple[str, ...]] = set()
    for one in recordings.read(DATA / f"meta-flags-{release}.jsonl.gz"):
        oracle = recordings.judge(one["steps"], rules, used=True, now=Now(one["at"] - 1, one["at"] + 2))
        assert oracle.refusal is None, (one["id"], one["steps"][0], oracle.refusal)
        assert not oracle.exhausted
        judged += oracle.unspecified is None
        if one["id"].startswith("flags"):
            words = one["steps"][0]["send"].split("\r\n")[0].split(" ")
            firsts.add((words[0], *(word[0] for word in words[3 if words[0] == "ms" else 2 :])))
    assert judged > 3000
    pairs = {(command, one, two) for command in ("mg", "ms", "md", "ma") for one in LETTERS for two in LETTERS}
    assert {pair for pair in pairs if pair[1] != pair[2]} <= firsts


def test_each_release_is_told_from_the_next() -> None:
    """The answers of each release are refused under the profile of the one after it, and of the one before."""
    for release, other in zip(RELEASES, (*RELEASES[1:], RELEASES[0]), strict=True):
        rules = profiles.load(f"memcached-{other}").rules
        refused = sum(
            recordings.judge(one["steps"], rules, used=True, now=Now(one["at"] - 1, one["at"] + 2)).refusal is not None
            for one in recordings.read(DATA / f"meta-flags-{release}.jsonl.gz")
        )
        assert refused > 50, (release, other)


# ------------------------------------------------------------------------------------------------ totality


line = st.lists(
    st.one_of(
        st.sampled_from([b"a", b"YQ==", b"2", b"-1", b"mn", b"me", b"b", b"\xff", b"k" * 251, b"O" + b"x" * 33]),
        st.builds(
            lambda letter, argument: letter.encode() + argument,
            st.sampled_from(LETTERS),
            st.sampled_from([b"", b"0", b"5", b"-1", b"99999999999999999999", b"x", b"A", b"D"]),
        ),
    ),
    max_size=24,
)


@given(st.sampled_from((*COMMANDS, b"me", b"mn")), line, st.sampled_from(profiles.names()))
def test_every_line_has_an_outcome(command: bytes, words: list[bytes], profile: str) -> None:
    """Whatever the words: no exception, at least one world, and one reply at most for the line itself."""
    rules = profiles.load(profile).rules
    (world,) = (outcome.world for outcome in step(World(), Happening(0, Event.CONNECT), NOW, rules))
    stream = b" ".join((command, *words)) + b"\r\n"
    outcomes = step(world, Happening(0, Event.DATA, stream), NOW, rules)
    assert outcomes
    assert all(len(outcome.owed) <= 1 for outcome in outcomes)
    assert all(outcome.owed[0].clauses for outcome in outcomes if outcome.owed and outcome.unspecified is None)


# ------------------------------------------------------------------------------------------------ keys in base64


@given(st.binary(min_size=1, max_size=250))
def test_base64_round_trip(key: bytes) -> None:
    """What is encoded is decoded, and is what everybody else calls base64."""
    assert meta.encode(key) == base64.b64encode(key)
    assert meta.decode(base64.b64encode(key)) == key


@pytest.mark.parametrize(
    "word", [b"YQ", b"YQ=", b"=", b"====", b"Y===", b"!", b"YWJj====", b"-_-_", b"Y\xc3Q=", b"YWJjZ"]
)
def test_no_base64(word: bytes) -> None:
    """Too short, not padded, padded too much, other alphabets."""
    assert meta.decode(word) is None


@pytest.mark.parametrize("word", [b"YQ==!!!!", b"Y!Q==", b"\x80YQ=-="])
def test_bytes_that_are_no_digits_are_passed_over(word: bytes) -> None:
    """As servers do, so that the key is the one without them."""
    assert meta.decode(word) == b"a"


@pytest.mark.parametrize("word", [b"YQ==YQ==", b"YQ=a", b"A==A", b"YQ=aYQ=="])
def test_padding_inside(word: bytes) -> None:
    """Servers read these, each in its way: the specification says nothing."""
    assert meta.decode(word) == b""
    assert said((b"mg %s b\r\n" % word, b"")).unspecified is not None


# ------------------------------------------------------------------------------------------------ time and use


def aged(asked: bytes, seconds: float, answer: bytes) -> bool:
    """Whether the answer to a flag of mg is accepted so long after an item with 100 seconds was stored."""
    oracle = said((b"ms a 1 T100\r\nx\r\n", b"HD\r\n"))
    oracle.send(0, b"mg a %s\r\n" % asked, Now(NOW.lo + seconds, NOW.hi + seconds))
    oracle.received(0, b"HD %s\r\n" % answer)
    return oracle.refusal is None


def test_time_to_live_is_exact_on_a_held_clock() -> None:
    """To the second, and either neighbour of half a one."""
    assert aged(b"t", 0, b"t100")
    assert aged(b"t", 40, b"t60")
    assert not aged(b"t", 40, b"t61")
    assert not aged(b"t", 40, b"t59")
    assert aged(b"t", 40.5, b"t59")
    assert aged(b"t", 40.5, b"t60")


def test_last_access_lies_between_use_and_store() -> None:
    """An item that nobody used shows its age; one that was used may show that or less, but not less than is true."""
    assert aged(b"l", 40, b"l40")
    assert not aged(b"l", 40, b"l39")
    for seconds, accepted in ((40, True), (20, True), (10, True), (9, False), (41, False)):
        oracle = said((b"ms a 1\r\nx\r\n", b"HD\r\n"))
        for moment, request, answer in ((30, b"mg a\r\n", b"HD\r\n"), (40, b"mg a l\r\n", b"HD l%d\r\n" % seconds)):
            oracle.send(0, request, Now(NOW.lo + moment, NOW.hi + moment))
            oracle.received(0, answer)
        assert (oracle.refusal is None) == accepted, seconds


def test_a_window_on_a_real_clock() -> None:
    """Where the moment is not known to the second, nor is the answer; but no further."""
    for left, accepted in ((100, True), (97, True), (103, True), (96, False), (104, False)):
        oracle = Oracle(Rules())
        window = Now(1000.0, 1003.0)
        oracle.open(0, window)
        oracle.send(0, b"ms a 1 T100\r\nx\r\nmg a t\r\n", window)
        oracle.received(0, b"HD\r\nHD t%d\r\n" % left)
        assert (oracle.refusal is None) == accepted, left


# ------------------------------------------------------------------------------------------------ cas uniques


def test_a_chosen_unique_is_outside_the_order() -> None:
    """It may be lower than all before, and what comes after it still grows from what the server gave itself."""
    start = (b"ms a 1 c\r\nx\r\n", b"HD c50\r\n")
    chosen = (b"ms a 1 E5 c\r\nx\r\n", b"HD c5\r\n")
    assert said(start, chosen, (b"gets a\r\n", b"VALUE a 0 1 5\r\nx\r\nEND\r\n")).refusal is None
    assert said(start, (chosen[0], b"HD c6\r\n")).refusal is not None
    assert said(start, chosen, (b"ms b 1 c\r\nx\r\n", b"HD c51\r\n")).refusal is None
    assert said(start, chosen, (b"ms b 1 c\r\nx\r\n", b"HD c6\r\n")).refusal is not None
    assert said(start, chosen, (b"md a C5\r\n", b"HD\r\n")).refusal is None
    assert said(start, chosen, (b"md a C50\r\n", b"HD\r\n")).refusal is not None


@pytest.mark.parametrize("release", ["memcached-1.6.18", "memcached-1.6.45"])
@pytest.mark.parametrize("mode", ["", " MA"])
def test_when_ms_takes_its_unique(release: str, mode: str) -> None:
    """With its line, before a store that another connection carries out meanwhile, or with its value, after that."""
    now, with_line = Now(1, 1), release == "memcached-1.6.45"
    for shown, right in ((10, with_line), (12, not with_line), (11, False)):
        oracle = Oracle(profiles.load(release).rules, alone=True)
        for conn in (0, 1):
            oracle.open(conn, now)
        oracle.send(0, b"set a 0 0 1\r\nx\r\nms a 1 c%s\r\n" % mode.encode(), now)
        oracle.received(0, b"STORED\r\n")
        oracle.send(1, b"set b 0 0 1\r\nx\r\ngets b\r\n", now)
        oracle.received(1, b"STORED\r\nVALUE b 0 1 11\r\nx\r\nEND\r\n")
        assert not oracle.over
        oracle.send(0, b"y\r\n", now)
        oracle.received(0, b"HD c%d\r\n" % shown)
        assert (oracle.refusal is None) == right, shown


def test_an_older_unique_demotes() -> None:
    """Lower: stored as stale; higher: refused; and what is known of the order says which of them it is."""
    stored = (b"ms a 1 T100 E100\r\nx\r\n", b"HD\r\n")
    assert said(stored, (b"ms a 1 I C99\r\ny\r\nmg a v t\r\n", b"HD\r\nVA 1 t100 X W\r\ny\r\n")).refusal is None
    assert said(stored, (b"ms a 1 I C99\r\ny\r\n", b"EX\r\n")).refusal is not None
    assert said(stored, (b"ms a 1 I C101\r\ny\r\n", b"EX\r\n")).refusal is None
    assert said(stored, (b"ms a 1 I C101\r\ny\r\n", b"HD\r\n")).refusal is not None
    bounds = (b"ms a 1 c\r\nx\r\nms b 1\r\nx\r\nms a 1 c\r\nx\r\n", b"HD c10\r\nHD\r\nHD c20\r\n")
    for unique, answers in ((10, {b"HD"}), (15, {b"HD", b"EX"}), (20, {b"EX"})):
        for answer in (b"HD", b"EX"):
            oracle = said(bounds, (b"ms b 1 I C%d\r\ny\r\n" % unique, answer + b"\r\n"))
            assert (oracle.refusal is None) == (answer in answers), (unique, answer)


# ------------------------------------------------------------------------------------------------ counters


@pytest.mark.parametrize(
    ("answer", "accepted"),
    [
        (b"VA 2 X W\r\n9 \r\n", True),
        (b"VA 1\r\n9\r\n", True),
        (b"VA 2\r\n9 \r\n", False),
        (b"VA 1 X W\r\n9\r\n", False),
    ],
)
def test_marks_stay_with_a_number_written_in_place(answer: bytes, accepted: bool) -> None:  # noqa: FBT001
    """In place: the padding and the marks; stored anew: neither."""
    oracle = said((b"ms n 2\r\n10\r\nmd n I\r\nma n MD v\r\n", b"HD\r\nHD\r\nVA 1\r\n9\r\n"), (b"mg n v\r\n", answer))
    assert (oracle.refusal is None) == accepted


def test_a_full_server_is_not_judged_on_what_it_makes_by_the_way() -> None:
    """Under -M the answer to mg and ma with N is left open; ms is refused and loses its item."""
    small = Rules(evictions=False)._replace(limits=Rules().limits._replace(memory=4))
    stored = (b"ms b 1\r\nx\r\n", b"HD\r\n")
    for request in (b"mg a N0\r\n", b"ma a N0\r\n"):
        assert said(stored, (request, b""), rules=small).unspecified is not None
    full = (b"ms b 1 q\r\ny\r\n", b"SERVER_ERROR out of memory storing object\r\n")
    assert said(stored, full, (b"mg b\r\n", b"EN\r\n"), rules=small).refusal is None
    assert said(stored, full, (b"mg b v\r\n", b"VA 1\r\nx\r\n"), rules=small).refusal is not None


# ------------------------------------------------------------------------------------------------ patterns


def test_a_number_within_a_range() -> None:
    """Whole numbers without leading zeros, ends included; more digits may come as long as the data ends."""
    pieces = (b"t", Span("seconds", 0, 12), b"\r\n")
    for data, fit in (
        *((b"t0\r\n", Fit.WHOLE), (b"t12\r\n", Fit.WHOLE), (b"t13\r\n", Fit.NOT), (b"t012\r\n", Fit.NOT)),
        *((b"t1", Fit.PART), (b"t", Fit.PART), (b"t\r\n", Fit.NOT), (b"t-1\r\n", Fit.NOT), (b"t00\r\n", Fit.NOT)),
    ):
        assert match(Cache(), pieces, data).fit is fit, data
    assert describe(Cache(), pieces) == "t<seconds, 0 to 12>\\r\\n"
    assert describe(Cache(), (Span("seconds", 7, 7),)) == "7"
    assert regex((Span("seconds", 3, 5),)) == "(?:3|4|5)"
    assert regex((Span("seconds", 0, 2**32 - 1),)) == "[0-9]{1,10}"


def test_one_of_several_texts() -> None:
    """One of them, a beginning of one, or none."""
    pieces = (OneOf((b"no", b"yes")), b" ")
    for data, fit in ((b"no ", Fit.WHOLE), (b"yes ", Fit.WHOLE), (b"ye", Fit.PART), (b"", Fit.PART), (b"ni", Fit.NOT)):
        assert match(Cache(), pieces, data).fit is fit, data
    assert describe(Cache(), pieces) == "<no or yes> "
    assert regex(pieces) == "(?:no|yes)\\ "
    assert describe(Cache(), (Unique(1),)) == "<cas unique>"


FAR = 2**31
"""Seconds from which a signed number of 32 bits is another one."""


@pytest.mark.parametrize(
    ("profile", "left", "shown", "right"),
    [
        *(("base", left, left, True) for left in (FAR - 1, FAR, FAR + 1, 2**32 - 2001)),
        *(("base", left, left - 2**32, False) for left in (FAR, 2**32 - 2001)),
        ("memcached-1.6.45", FAR - 100, FAR - 100, True),
        *(("memcached-1.6.45", FAR, shown, True) for shown in (FAR - 1, -FAR)),
        *(("memcached-1.6.45", FAR, shown, False) for shown in (FAR, 100 - FAR)),
        *(("memcached-1.6.45", 2**32 - 2001, shown, shown == -2001) for shown in (-2001, 2**32 - 2001, 2001)),
        *(("memcached-1.6.18", FAR, shown, shown < 0) for shown in (1 - FAR, -FAR, FAR - 1, FAR)),
        *(("memcached-1.6.18", 2**32 - 2001, shown, shown == 2001) for shown in (-2001, 2001, 2001 - 2**32)),
    ],
)
def test_me_of_an_item_that_lives_for_more_than_68_years(profile: str, left: int, shown: int, *, right: bool) -> None:
    """Only binary requests can ask for it; t shows it as it is."""
    oracle = Oracle(profiles.load(profile).rules)
    for conn in (0, 1):
        oracle.open(conn, NOW)
    exptime = int(NOW.lo) + left
    oracle.send(0, b"\x80\1\0\1\x08\0\0\0\0\0\0\x0a" + bytes(16) + exptime.to_bytes(4, "big") + b"ax", NOW)
    oracle.received(0, b"\x81\1" + bytes(21) + b"\7")
    oracle.send(1, b"mg a t\r\n", NOW)
    oracle.received(1, b"HD t%d\r\n" % left)
    assert oracle.refusal is None
    oracle.send(1, b"me a\r\n", Now(NOW.lo, NOW.lo + 1))
    oracle.received(1, b"ME a exp=%d la=0 cas=7 fetch=yes cls=1 size=61\r\n" % shown)
    assert (oracle.refusal is None) == right
