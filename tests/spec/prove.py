"""Prove the integer and token rules: every contract over all paths, and none of them empty.

    python -m tests.spec.prove

CrossHair runs each contract of `contracts_*.py` symbolically and must confirm it over all paths; then it runs it once
more for each mutant that `contract_mutants.toml` says it refutes, and must find a counterexample. Prints a table and
exits 1 on anything else.
"""

from __future__ import annotations

import ast
import sys
import time
import tomllib
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from importlib import import_module
from inspect import getsource, isfunction
from multiprocessing import get_context
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from crosshair.core_and_libs import MessageType, analyze_function, run_checkables
from crosshair.options import AnalysisKind, AnalysisOptionSet

CHAPTERS = ("tokens", "numbers", "framing", "time", "meta", "frames")  # the longest first
MUTANTS = Path(__file__).with_name("contract_mutants.toml")
CONFIRMED = "confirmed over all paths"

# Far more than any contract takes: a slow machine must not turn a proof into "not confirmed".
OPTIONS = AnalysisOptionSet(
    analysis_kind=[AnalysisKind.asserts], report_all=True, per_condition_timeout=300.0, per_path_timeout=100.0
)


class Mutant(NamedTuple):
    """One change of a module of the specification: `old`, which stands there once, becomes `new`."""

    module: str
    old: str
    new: str
    refuted_by: tuple[str, ...]


class Task(NamedTuple):
    """One run of CrossHair: a contract, on the specification or on a mutant of it."""

    chapter: str
    contract: str
    mutant: Mutant | None = None


class Verdict(NamedTuple):
    """What came of a task: CONFIRMED, or CrossHair's message, such as a counterexample."""

    task: Task
    message: str
    refuted: bool
    seconds: float


def contracts(module: ModuleType) -> dict[str, Callable[..., None]]:
    """The contracts of a module by name: the functions that are defined in it, but for those beginning with `_`."""
    return {
        name: item
        for name, item in vars(module).items()
        if isfunction(item) and item.__module__ == module.__name__ and not name.startswith("_")
    }


def chapter(name: str) -> ModuleType:
    return import_module(f"tests.spec.contracts_{name}")


def read_mutants() -> tuple[Mutant, ...]:
    rows = tomllib.loads(MUTANTS.read_text(encoding="utf-8"))["mutant"]
    return tuple(Mutant(row["module"], row["old"], row["new"], tuple(row["refuted_by"])) for row in rows)


def claims_too_early(contract: Callable[..., None]) -> bool:
    """Whether CrossHair would take a claim for a precondition, and so prove nothing.

    It takes every assert before the first other statement for one (but for the last statement of all), so none of
    these may say anything of the specification.
    """
    about = ("arith", "arith_frames", "_judged", "scan", "meta")
    function = ast.parse(getsource(contract)).body[0]
    assert isinstance(function, ast.FunctionDef)
    for statement in function.body[1:-1]:
        if not isinstance(statement, ast.Assert):
            return False
        if any(isinstance(node, ast.Name) and node.id in about for node in ast.walk(statement)):
            return True
    return False


def run(task: Task) -> Verdict:
    """Let CrossHair go through one contract."""
    contract = contracts(chapter(task.chapter))[task.contract]
    if task.mutant is None:
        return _check(task, contract)
    module = import_module(f"mcspec.{task.mutant.module}")
    path = Path(str(module.__file__))
    source = path.read_text(encoding="utf-8")
    if source.count(task.mutant.old) != 1:
        return Verdict(task, f"does not stand once in {path.name}: {task.mutant.old}", refuted=False, seconds=0.0)
    # In place: the contracts look the functions up in the module.
    _load(source.replace(task.mutant.old, task.mutant.new), path, module)
    try:
        return _check(task, contract)
    finally:
        _load(source, path, module)


def _load(source: str, path: Path, module: ModuleType) -> None:
    exec(compile(source, str(path), "exec"), vars(module))


def _check(task: Task, contract: Callable[..., None]) -> Verdict:
    begun = time.perf_counter()
    messages = run_checkables(analyze_function(contract, OPTIONS))
    seconds = time.perf_counter() - begun
    if messages and all(message.state == MessageType.CONFIRMED for message in messages):
        return Verdict(task, CONFIRMED, refuted=False, seconds=seconds)
    refuted = any(message.state in (MessageType.POST_FAIL, MessageType.EXEC_ERR) for message in messages)
    said = "; ".join(message.message for message in messages) or "CrossHair found no contract here"
    return Verdict(task, " ".join(said.split()), refuted, seconds)


def prove(tasks: Iterable[Task]) -> list[Verdict]:
    """All tasks on two processes, each verdict in the place of its task."""
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        return list(pool.map(run, tasks))


def all_tasks() -> list[Task]:
    """Each contract on the specification, then on each mutant that it refutes."""
    mutants = read_mutants()
    tasks = []
    for name in CHAPTERS:
        for contract in contracts(chapter(name)):
            tasks.append(Task(name, contract))
            tasks += [Task(name, contract, mutant) for mutant in mutants if contract in mutant.refuted_by]
    return tasks


def faults(verdicts: list[Verdict]) -> list[str]:
    """What is not as it must be, a line each."""
    found = []
    for verdict in verdicts:
        task = verdict.task
        if task.mutant is None and verdict.message != CONFIRMED:
            found.append(f"{task.contract}: {verdict.message}")
        elif task.mutant is not None and not verdict.refuted:
            found.append(f"{task.contract} does not refute `{task.mutant.new}`: {verdict.message}")
    written = {name for each in CHAPTERS for name in contracts(chapter(each))}
    refuting = {name for mutant in read_mutants() for name in mutant.refuted_by}
    found += [f"{name} has no mutant" for name in sorted(written - refuting)]
    found += [f"{name} is no contract, but refutes a mutant" for name in sorted(refuting - written)]
    for each in CHAPTERS:
        early = [name for name, contract in contracts(chapter(each)).items() if claims_too_early(contract)]
        found += [f"{name}: CrossHair takes its claim for a precondition" for name in early]
    return found


def main() -> int:
    """Print the table of all contracts and what is wrong with them."""
    begun = time.perf_counter()
    verdicts = prove(all_tasks())
    print(f"{'contract':44} {'verdict':26} {'seconds':>7}")
    for verdict in verdicts:
        if verdict.task.mutant is None:
            print(f"{verdict.task.contract:44} {verdict.message:26} {verdict.seconds:7.2f}")
        else:
            change = " ".join(verdict.task.mutant.new.split())
            done = "refutes" if verdict.refuted else "DOES NOT REFUTE"
            print(f"{f'    {done} {change}':71} {verdict.seconds:7.2f}")
    found = faults(verdicts)
    proved = sum(verdict.message == CONFIRMED for verdict in verdicts if verdict.task.mutant is None)
    refuted = sum(verdict.refuted for verdict in verdicts)
    print(f"\n{proved} contracts confirmed, {refuted} times a mutant refuted, {time.perf_counter() - begun:.0f} s")
    for fault in found:
        print(fault, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
