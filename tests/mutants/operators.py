"""Operator mutants: every place where one operator, constant or condition of a source can be changed, changed once."""

from __future__ import annotations

import ast
import copy
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator


class Mutant(NamedTuple):
    """One changed source: the module, the line (from 1), what was changed into what, and the whole new text."""

    module: str
    line: int
    change: str
    text: str

    @property
    def id(self) -> str:
        """A name for the table."""
        return f"{self.module}:{self.line} {self.change}"


_COMPARE: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
_ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Add,
}


def mutants(module: str, text: str) -> Iterator[Mutant]:
    """All operator mutants of a source, in the order of its lines."""
    tree = ast.parse(text)
    skip = _skipped(tree)
    places = [node for node in ast.walk(tree) if id(node) not in skip]
    for place, node in enumerate(places):
        for kind in range(_count(node)):
            clone = copy.deepcopy(tree)
            skip_clone = _skipped(clone)
            twin = [other for other in ast.walk(clone) if id(other) not in skip_clone][place]
            before = ast.unparse(twin)
            after = _change(twin, kind)
            if after is None:
                continue
            change = f"{_short(before)} -> {_short(after)}"
            yield Mutant(module, getattr(node, "lineno", 0), change, ast.unparse(ast.fix_missing_locations(clone)))


def _skipped(tree: ast.Module) -> set[int]:
    """Nodes that decide nothing: docstrings, annotations, __slots__, imports, and texts of exceptions."""
    skip: set[int] = set()
    for node in ast.walk(tree):
        dead: list[ast.AST | None] = []
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            dead.append(node)
        if isinstance(node, ast.AnnAssign):
            dead.append(node.annotation)
        if isinstance(node, ast.arg):
            dead.append(node.annotation)
        if isinstance(node, ast.FunctionDef):
            dead.append(node.returns)
        if isinstance(node, ast.Assign) and any("__slots__" in ast.unparse(target) for target in node.targets):
            dead.append(node)
        if isinstance(node, ast.Import | ast.ImportFrom | ast.Raise):
            dead.append(node)
        if isinstance(node, ast.Compare) and "on_state" in ast.unparse(node):
            dead.append(node)
        if isinstance(node, ast.AugAssign) and "stats." in ast.unparse(node.target):
            dead.append(node)  # what the statistics count is specified in another chapter
        for root in dead:
            if root is not None:
                skip.update(id(inner) for inner in ast.walk(root))
    return skip


def _count(node: ast.AST) -> int:
    """How many mutants a node has."""
    if isinstance(node, ast.Compare):
        return len(node.ops)
    if isinstance(node, ast.BinOp):
        return int(type(node.op) in _ARITHMETIC)
    if isinstance(node, ast.AugAssign):
        return int(type(node.op) in _ARITHMETIC)
    if isinstance(node, ast.Constant):
        return int(isinstance(node.value, bool | int))
    if isinstance(node, ast.UnaryOp):
        return int(isinstance(node.op, ast.Not))
    return int(isinstance(node, ast.BoolOp | ast.If | ast.While))


def _change(node: ast.AST, kind: int) -> str | None:
    """Change a node in place; what it reads like afterwards."""
    if isinstance(node, ast.Compare):
        node.ops[kind] = _COMPARE[type(node.ops[kind])]()
        return ast.unparse(node)
    if isinstance(node, ast.BinOp | ast.AugAssign):
        node.op = _ARITHMETIC[type(node.op)]()
        return ast.unparse(node)
    if isinstance(node, ast.Constant):
        if isinstance(node.value, bool):
            node.value = not node.value
        elif isinstance(node.value, int):
            node.value += 1
        return ast.unparse(node)
    if isinstance(node, ast.UnaryOp):
        node.op = ast.UAdd()
        inner = node.operand
        node.operand = ast.Call(ast.Name("bool", ast.Load()), [inner], [])
        return ast.unparse(node)
    if isinstance(node, ast.BoolOp):
        node.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        return ast.unparse(node)
    if isinstance(node, ast.If | ast.While):
        if isinstance(node.test, ast.Compare | ast.BoolOp | ast.Constant) or "on_" in ast.unparse(node.test):
            return None  # changed by its own kind already, or an observer's business
        node.test = ast.UnaryOp(ast.Not(), node.test)
        return f"if {ast.unparse(node.test)}"
    return None


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 60 else f"{line[:57]}..."
