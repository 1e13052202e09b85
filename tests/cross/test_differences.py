"""Where the two protocols differ by design: what only one of them can say, or says differently. The list is complete.

`test_laws.py` holds for everything else; among it what one might look for here: negative exptimes, `cas` with 0, the
exptime of append, the blanks behind a counter that became shorter, errors of arithmetic.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import pytest

from mcconform.oracle import Oracle
from mcspec import Now, Rules, profiles
from tests.cross.conftest import in_process
from tests.cross.runs import START, Exchange

LONG = b"k" * 251
LARGE = b"%d\r\n" % (1 << 20) + b"x" * (1 << 20)
NON_NUMERIC = b"CLIENT_ERROR cannot increment or decrement non-numeric value\r\n"
BAD_FORMAT = b"CLIENT_ERROR bad command line format\r\n"
BAD_FLAG = b"CLIENT_ERROR invalid or duplicate flag\r\n"


class Difference(NamedTuple):
    """The nearest that each protocol has to one intent, and what is answered; then a look at what is left."""

    before: bytes
    text: tuple[bytes, bytes]
    meta: tuple[bytes, bytes]
    look: bytes = b""
    after_text: bytes = b""
    after_meta: bytes = b""


DIFFERENCES: dict[str, Difference] = {
    "noreply silences all; q lets a refusal pass": Difference(
        b"set a 0 0 1\r\nx\r\n",
        (b"add a 0 0 1 noreply\r\ny\r\n", b""),
        (b"ms a 1 ME q\r\ny\r\n", b"NS\r\n"),
    ),
    "noreply silences all; q lets a miss of delete pass": Difference(
        b"",
        (b"delete a noreply\r\n", b""),
        (b"md a q\r\n", b"NF\r\n"),
    ),
    "noreply silences all; q lets errors pass": Difference(
        b"set a 0 0 1\r\nx\r\n",
        (b"incr a 1 noreply\r\n", b""),
        (b"ma a q\r\n", NON_NUMERIC),
    ),
    "noreply silences all; q lets a bad block pass": Difference(
        b"",
        (b"set a 0 0 1 noreply\r\nxyz", b""),
        (b"ms a 1 q\r\nxyz", b"CLIENT_ERROR bad data chunk\r\n"),
    ),
    "a retrieval of several keys: a line of its own for each, and silent misses only with q": Difference(
        b"set a 0 0 1\r\nx\r\n",
        (b"get b a\r\n", b"VALUE a 0 1\r\nx\r\nEND\r\n"),
        (b"mg b v\r\nmg a v\r\n", b"EN\r\nVA 1\r\nx\r\n"),
    ),
    "a value that is too large: in text only set loses the item, in meta every mode": Difference(
        b"set a 0 0 1\r\nx\r\n",
        (b"add a 0 0 " + LARGE + b"\r\n", b"SERVER_ERROR object too large for cache\r\n"),
        (b"ms a " + LARGE.replace(b"\r\n", b" ME\r\n", 1) + b"\r\n", b"SERVER_ERROR object too large for cache\r\n"),
        b"get a\r\n",
        b"VALUE a 0 1\r\nx\r\nEND\r\n",
        b"END\r\n",
    ),
    "a bad exptime: other words": Difference(
        b"set a 0 0 1\r\nx\r\n",
        (b"touch a x\r\n", b"CLIENT_ERROR invalid exptime argument\r\n"),
        (b"mg a Tx\r\n", b"CLIENT_ERROR bad token in command line format\r\n"),
    ),
    "a bad delta: other words": Difference(
        b"set a 0 0 1\r\n1\r\n",
        (b"incr a x\r\n", b"CLIENT_ERROR invalid numeric delta argument\r\n"),
        (b"ma a Dx\r\n", BAD_FLAG),
    ),
    "a key of arithmetic that is too long: other words": Difference(
        b"",
        (b"incr " + LONG + b" 1\r\n", BAD_FORMAT),
        (b"ma " + LONG + b"\r\n", BAD_FLAG),
    ),
    "a missing counter: only meta can make it": Difference(
        b"",
        (b"incr a 5\r\n", b"NOT_FOUND\r\n"),
        (b"ma a D5 N0 J13 v\r\n", b"VA 2\r\n13\r\n"),
        b"get a\r\n",
        b"END\r\n",
        b"VALUE a 0 2\r\n13\r\nEND\r\n",
    ),
    "a missing item: only mg can leave a place for it, which text sees as an empty value": Difference(
        b"",
        (b"get a\r\n", b"END\r\n"),
        (b"mg a N30\r\n", b"HD W\r\n"),
        b"get a\r\n",
        b"END\r\n",
        b"VALUE a 0 0\r\n\r\nEND\r\n",
    ),
    "a missing item: only meta can append to it, and only there its exptime counts": Difference(
        b"",
        (b"append a 0 100 1\r\nx\r\n", b"NOT_STORED\r\n"),
        (b"ms a 1 MA N0\r\nx\r\n", b"HD\r\n"),
        b"mg a t\r\n",
        b"EN\r\n",
        b"HD t-1\r\n",
    ),
    "cas unique 0: cas takes it for that of no item, append and arithmetic of meta for none given": Difference(
        b"set a 0 0 1\r\n1\r\n",
        (b"cas a 0 0 1 0\r\n2\r\n", b"EXISTS\r\n"),
        (b"ma a C0\r\nms a 1 MA C0\r\n5\r\n", b"HD\r\nHD\r\n"),
        b"get a\r\n",
        b"VALUE a 0 1\r\n1\r\nEND\r\n",
        b"VALUE a 0 2\r\n25\r\nEND\r\n",
    ),
    "a stale item: text reads it like any other; mg says so, and wins it": Difference(
        b"set a 0 0 1\r\nx\r\nmd a I\r\n",
        (b"get a\r\n", b"VALUE a 0 1\r\nx\r\nEND\r\n"),
        (b"mg a v\r\n", b"VA 1 X W\r\nx\r\n"),
        b"mg a\r\n",
        b"HD X W\r\n",
        b"HD Z X\r\n",
    ),
    "a look that leaves no trace: only mg has one": Difference(
        b"set a 0 0 1\r\nx\r\n",
        (b"get a\r\n", b"VALUE a 0 1\r\nx\r\nEND\r\n"),
        (b"mg a u v\r\n", b"VA 1\r\nx\r\n"),
        b"mg a h\r\n",
        b"HD h1\r\n",
        b"HD h0\r\n",
    ),
    "a key with a blank: only base64 can say it": Difference(
        b"ms YSBi 1 b\r\nx\r\n",
        (b"get a b\r\n", b"END\r\n"),
        (b"mg YSBi b v k\r\n", b"VA 1 kYSBi b\r\nx\r\n"),
    ),
    "a cas unique of the client's choice: only meta has it": Difference(
        b"",
        (b"set a 0 0 1\r\nx\r\n", b"STORED\r\n"),
        (b"ms a 1 E7000000000000\r\nx\r\n", b"HD\r\n"),
        b"cas a 0 0 1 7000000000000\r\ny\r\n",
        b"EXISTS\r\n",
        b"STORED\r\n",
    ),
}
"""By name; the answers are those of the base profile."""


def course(one: Difference, protocol: str) -> tuple[bytes, tuple[bytes, bytes], tuple[bytes, bytes]]:
    """What is sent first, then the request and the look, each with its answer."""
    text = protocol == "text"
    return one.before, one.text if text else one.meta, (one.look, one.after_text if text else one.after_meta)


def test_the_documentation_names_each() -> None:
    page = Path(__file__).parents[2] / "docs/meta.md"
    section = page.read_text(encoding="utf-8").partition("## Said in both protocols")[2]
    assert re.findall(r"^\| (.*?) \|", section, re.MULTILINE)[2:] == list(DIFFERENCES)


@pytest.mark.parametrize("name", DIFFERENCES)
def test_the_protocols_differ(name: str) -> None:
    """The server answers so, and the specification allows that and not the other's answer in its place."""
    one = DIFFERENCES[name]
    assert one.text[1] != one.meta[1] or one.after_text != one.after_meta
    for protocol in ("text", "meta"):
        before, asked, looked = course(one, protocol)
        exchange, _ = in_process()
        heard = [(request, exchange(0, request)) for request in (before, asked[0], looked[0]) if request]
        assert heard[bool(before) :] == [pair for pair in (asked, looked) if pair[0]]
        assert judged(heard, Rules()).refusal is None


@pytest.mark.parametrize("name", DIFFERENCES)
def test_the_specification_refuses_it_the_other_way(name: str) -> None:
    """An answer that means what the other protocol's does is refused."""
    one = DIFFERENCES[name]
    exchange, _ = in_process()
    before, asked, looked = course(one, "meta")
    heard = [(before, exchange(0, before))] if before else []
    same = one.text[1] == asked[1]
    wrong = [asked, (looked[0], one.after_text)] if same else [(asked[0], one.text[1])]
    assert judged([*heard, *wrong], Rules()).refusal is not None


@pytest.mark.memcached
@pytest.mark.parametrize("name", DIFFERENCES)
def test_memcached_differs_so_too(name: str, released: Exchange) -> None:
    """By the profile of its release, and word for word where that is the base's."""
    version = released(0, b"version\r\n").split()[1].decode()
    profile = profiles.match(version.encode())
    if profile == "base" and version[0].isdigit():
        pytest.skip(f"no profile says what {version} does")
    rules = profiles.load(profile).rules
    one = DIFFERENCES[name]
    for protocol in ("text", "meta"):
        released(0, b"flush_all\r\n")
        before, asked, looked = course(one, protocol)
        heard = [(request, released(0, request)) for request in (before, asked[0], looked[0]) if request]
        assert judged(heard, rules).refusal is None, heard
        if profile in ("base", "memcached-1.6.45"):
            assert heard[bool(before) :] == [pair for pair in (asked, looked) if pair[0]]


def judged(heard: list[tuple[bytes, bytes]], rules: Rules) -> Oracle:
    """An oracle that was told of requests and their answers."""
    oracle = Oracle(rules)
    now = Now(START, START + 2)
    oracle.open(0, now)
    for request, answer in heard:
        oracle.send(0, request, now)
        oracle.received(0, answer)
        oracle.settled(0)
        assert not oracle.exhausted
        assert oracle.unspecified is None, oracle.unspecified
    return oracle
