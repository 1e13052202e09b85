"""What reports show: bytes, one-liners that really show the thing."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcconform.conversation import CasRef, Conversation, Repeat, Send, Settle, say
from mcconform.observed import Canon, Uniques
from mcconform.reports.oneliner import one_liner, quoted
from mcconform.reports.shown import escaped, steps


@pytest.mark.parametrize(
    "data", [b"get it's 100%\r\n", bytes(range(256)), b"\\r\\n", b"7\x007", b"'\"$`!%s", b"-n", b"\r\n0"]
)
def test_printf_writes_exactly_these_bytes(data: bytes) -> None:
    done = subprocess.run(["sh", "-c", f"printf {quoted(data)}"], capture_output=True, check=True)
    assert done.stdout == data


@given(st.binary(max_size=20))
def test_escaped_is_printable(data: bytes) -> None:
    assert escaped(data).isprintable()


def test_a_one_liner_shows_it(mcserver_process: Any) -> None:
    made = Conversation(
        "c", (Send(0, (b"set one-liner 0 0 3\r\na'%\r\nget one-liner\r\n",), (5, 20)), say(0, "quit\r\n"), Settle())
    )
    line = one_liner(made, "HOST PORT")
    assert line.endswith("| nc HOST PORT")
    # nc need not be installed: bash can connect, too.
    port = mcserver_process.port
    line = line.replace("| nc HOST PORT", f"| (exec 3<>/dev/tcp/127.0.0.1/{port}; cat >&3; timeout 1 cat <&3)")
    done = subprocess.run(["bash", "-c", line], capture_output=True, check=False, timeout=20)
    assert done.stdout == b"STORED\r\nVALUE one-liner 0 3\r\na'%\r\nEND\r\n"


def test_a_one_liner_for_two_connections(mcserver_process: Any) -> None:
    made = Conversation(
        "c", (say(0, "set two 0 0 1\r\n"), say(1, "get two\r\n"), say(0, "x\r\n"), say(1, "get two\r\n"))
    )
    line = one_liner(made, f"127.0.0.1 {mcserver_process.port}")
    done = subprocess.run(["bash", "-c", line], capture_output=True, check=False, timeout=20)
    assert done.stdout == b"STORED\r\nEND\r\nVALUE two 0 1\r\nx\r\nEND\r\n"


def test_long_things_are_cut() -> None:
    made = Conversation("c", (Send(0, (b"set a 0 0 1000000\r\n", Repeat(b"x", 1_000_000), b"\r\n")),))
    assert len(steps(made)[0]) < 100
    assert len(escaped(b"x" * 10_000)) < 320


def test_canonical_bytes_hold_nothing_of_the_run() -> None:
    canon = Canon(b"prefix")
    data = (
        b"VALUE prefix-a 0 1 812\r\nx\r\nVALUE prefix-b 0 1 900\r\ny\r\nVALUE prefix-a 0 1 812\r\nx\r\nSTAT pid 77\r\n"
    )
    assert canon(data) == (
        b"VALUE mcspec-a 0 1 <cas 1>\r\nx\r\nVALUE mcspec-b 0 1 <cas 2>\r\ny\r\nVALUE mcspec-a 0 1 <cas 1>\r\nx\r\n"
        b"STAT pid <value>\r\n"
    )


@given(st.integers(0, 90), st.integers(0, 90))
def test_cas_uniques_are_read_at_any_chunking_and_never_from_values(first: int, second: int) -> None:
    data = b"VALUE a 0 24 7\r\nx\r\nVALUE a 0 1 666\r\nx\r\nz\r\nVALUE b 1 0 9\r\n\r\nEND\r\n"
    low, high = sorted((min(first, len(data)), min(second, len(data))))
    uniques = Uniques()
    for piece in (data[:low], data[low:high], data[high:]):
        uniques.feed(0, piece)
    assert uniques.bind(CasRef(b"a", 1), 0) == b"8"
    assert uniques.bind(CasRef(b"b"), 0) == b"9"
    assert uniques.bind(CasRef(b"c"), 0) == b"0"
    assert uniques.bind(CasRef(b"a", 0, 1), 0) == b"0"
