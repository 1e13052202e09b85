"""What is special to the models of the 2004 sketch: real C agrees with them, and the page shows what is found today."""

from __future__ import annotations

import ctypes
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from mcspec.explore import Exploration, System, Violation, explore
from mcspec.models import Model, sketch_meant, sketch_mended, sketch_posted
from mcspec.models.sketch import RESTS, show
from mcspec.sketch import At, State

MODELS: dict[str, Model] = {module.MODEL.name: module.MODEL for module in (sketch_posted, sketch_meant, sketch_mended)}
PAGE = Path(__file__).parents[2] / "docs/sketch.md"
FRONT = 4096  # bytes before and behind the buffer that C may touch without harm

# The functions of the post with the braces that the archive lost. What is added notes the calls, and ends a loop that
# does not end by itself.
SOURCE = r"""
#include <setjmp.h>
#include <stdint.h>
#include <string.h>
typedef uint32_t u32;
typedef uint8_t u8;
struct conn { int rbytes; u8 *rbuf; u8 *rcurr; };
u32 calls[64][3];
int noted;
static jmp_buf endless;

static void note(struct conn *c, u32 is_command, u32 len, u8 *s) {
    if (noted == 64) longjmp(endless, 1);
    calls[noted][0] = is_command; calls[noted][1] = len; calls[noted++][2] = s - c->rbuf;
}
static void command(struct conn *c, u32 len, u8 *s) { note(c, 1, len, s); }
static void (*commands[256])(struct conn *, u32, u8 *) = {command};

static void process_command(struct conn *c, u32 len, u8 *s) {
    note(c, 0, len, s);
    if(!len || !commands[*s]) return;
    commands[*s](c, len-1, s+1);
}

#define PCKT_HEAD 4
static void handle_data(struct conn *c) {
    u32 pktlen;
    POINTER *p = (POINTER *)c->rbuf;
    if(c->rbytes < PCKT_HEAD) return;
    for(pktlen = *(u32 *)p; c->rbytes >= pktlen; pktlen = *(u32 *)p) {
        process_command(c, pktlen - 4, (u8 *)(p + 4));
        c->rbytes -= pktlen;
        p += pktlen;
        if(c->rbytes < PCKT_HEAD) break;
    }
    if(c->rbytes && (u8 *)p != c->rbuf) memmove(c->rbuf, p, c->rbytes);
    c->rcurr = c->rbuf + c->rbytes;
}

int run(u8 *rbuf, int *rbytes, int *rcurr) {
    struct conn c = {*rbytes, rbuf, rbuf + *rcurr};
    noted = 0;
    if (setjmp(endless)) return 0;
    handle_data(&c);
    *rbytes = c.rbytes;
    *rcurr = c.rcurr - c.rbuf;
    return 1;
}
"""


class Run(NamedTuple):
    """One call of `handle_data`: (is a command, len, s) of each call that it made, and how it left the connection."""

    calls: list[tuple[int, int, int]]
    ends: bool
    rbytes: int
    received: bytes


@cache
def system(name: str, bounds: str) -> System:
    model = MODELS[name]
    return model.build(model.bounds[bounds], model.design)


@cache
def explored(name: str, bounds: str) -> Exploration:
    return explore(system(name, bounds), MODELS[name].laws)


def reads(name: str) -> list[State]:
    """Every state in which a read of the model ends, once for each content of the buffer."""
    made = system(name, "small")
    seen: dict[Any, None] = dict.fromkeys(made.starts)
    todo = list(seen)
    for state in todo:
        fresh = [after for _, after in made.moves(state) if after not in seen]
        seen.update(dict.fromkeys(fresh))
        todo += fresh
    return list({(s.size, s.order, s.memory, s.rbytes, s.due): s for s in seen if s.at is At.ENTRY}.values())


def follow(name: str, state: State) -> tuple[list[State], bool]:
    """The states that the loop goes through until it rests, or until it comes to a state again (False)."""
    moves = system(name, "small").moves
    path = [state]
    while path[-1].at not in RESTS:
        ((_, after),) = moves(path[-1])
        if after in path:
            return path, False
        path.append(after)
    return path, True


def in_c(library: ctypes.CDLL, state: State) -> Run:
    arena = ctypes.create_string_buffer(2 * FRONT)
    ctypes.memmove(ctypes.addressof(arena) + FRONT, state.memory, len(state.memory))
    rbytes, rcurr = ctypes.c_int(state.rbytes), ctypes.c_int(len(state.memory))
    buffer = ctypes.c_void_p(ctypes.addressof(arena) + FRONT)
    ends = library.run(buffer, ctypes.byref(rbytes), ctypes.byref(rcurr))
    noted = ctypes.c_int.in_dll(library, "noted").value
    table = (ctypes.c_uint32 * 3 * 64).in_dll(library, "calls")
    calls = [(row[0], row[1], row[2]) for row in table[:noted]]
    return Run(calls, bool(ends), rbytes.value, arena.raw[FRONT : FRONT + rcurr.value])


@pytest.mark.parametrize(("name", "pointer"), [("sketch-posted", "u32"), ("sketch-meant", "u8")])
def test_c_does_what_the_model_does_after_every_read(name: str, pointer: str, tmp_path: Path) -> None:
    compiler = shutil.which("cc")
    if compiler is None or sys.byteorder != "little":
        pytest.skip("needs a C compiler, and a machine that writes the low byte first")
    source, binary = tmp_path / "sketch.c", tmp_path / "sketch.so"
    source.write_text(SOURCE, encoding="ascii")
    options = [f"-DPOINTER={pointer}", "-O0", "-w", "-fno-strict-aliasing", "-fPIC", "-shared"]
    subprocess.run([compiler, *options, "-o", binary, source], check=True)
    library = ctypes.CDLL(str(binary))
    ways = set()
    for state in reads(name):
        path, ends = follow(name, state)
        last, run = path[-1], in_c(library, state)
        calls = [
            (int(at.at is At.COMMAND), at.length - (at.at is At.COMMAND), at.s + (at.at is At.COMMAND))
            for at in path
            if at.at in {At.CODE, At.COMMAND}
        ]
        ways.add(last.at if ends else None)
        if not ends:
            assert not run.ends, show(state)
        if last.at is At.WAIT:
            assert run == Run(calls, True, last.rbytes, last.memory), show(state)
        else:
            # Where memory was touched that holds nothing received, the model says no more.
            assert run.calls[: len(calls)] == calls, show(state)
    assert ways >= {At.WAIT, At.OUTSIDE, None}


@pytest.mark.parametrize("name", ["sketch-posted", "sketch-meant"])
def test_the_trace_to_no_progress_ends_in_a_loop_for_ever(name: str) -> None:
    violation = explored(name, "standard").broken[f"law.{name}.progress"]
    path, ends = follow(name, violation.steps[-1].state)
    assert not ends
    assert {state.at for state in path[1:]} == {
        At.TEST, At.CALL, At.CODE, At.SUBTRACT, At.STEP, At.CHECK, At.LOAD,
    }  # fmt: skip


@pytest.mark.parametrize("name", ["sketch-posted", "sketch-meant"])
def test_a_packet_that_does_not_fit_ends_in_a_full_buffer_that_nobody_empties(name: str) -> None:
    state = explored(name, "standard").broken[f"law.{name}.accepts"].steps[-1].state
    assert state.due[0].length == state.size + 1
    moves = system(name, "standard").moves
    while len(state.memory) < state.size:
        found = [after for move, after in moves(state) if move.source != "client"]
        state = found[-1]
    path, ends = follow(name, state)
    assert ends
    assert path[-1].at is At.WAIT
    assert path[-1].due
    assert not [move for move, _ in moves(path[-1]) if move.source != "client"]


def test_the_completed_loop_waits_closes_and_does_nothing_else() -> None:
    ends = {follow("sketch-mended", state)[0][-1].at for state in reads("sketch-mended")}
    assert ends == {At.WAIT, At.CLOSED}


def lines(violation: Violation) -> str:
    """A trace as the page shows it."""
    told = [f"{move.source + ':':<9}{move.text}" for move, _ in violation.steps]
    return "\n".join([*told, f"-> {show(violation.steps[-1].state)}", ""])


def cell(violation: Violation | None) -> str:
    """What the page's table says of a law in a model."""
    if violation is None:
        return "holds"
    moves = len(violation.steps)
    return f"broken, {moves} move{'s' if moves > 1 else ''}"


def test_the_traces_of_the_page_are_what_is_found() -> None:
    marked = r"<!-- trace: law\.([a-z-]+)\.([a-z]+) -->\n+```text\n(.*?)```\n"
    quoted = re.findall(marked, PAGE.read_text("utf-8"), re.DOTALL)
    assert len(quoted) >= 6
    for model, law, trace in quoted:
        assert trace == lines(explored(model, "standard").broken[f"law.{model}.{law}"])


def test_the_table_of_the_page_is_what_is_found() -> None:
    row = r"^\| \*\*([a-z]+)\*\*: (.+?) \| (.+?) \| (.+?) \| (.+?) \|$"
    rows = re.findall(row, PAGE.read_text("utf-8"), re.MULTILINE)
    found = []
    for law in MODELS["sketch-mended"].laws:
        short = law.clause.rpartition(".")[2]
        found.append((short, law.text, *(cell(explored(m, "standard").broken.get(f"law.{m}.{short}")) for m in MODELS)))
    assert rows == found


def test_the_counts_of_the_page_are_what_is_explored() -> None:
    text = PAGE.read_text("utf-8")
    for name in MODELS:
        result = explored(name, "standard")
        assert f"| `{name}` | {result.states:,} | {result.transitions:,} | {result.depth} |" in text
