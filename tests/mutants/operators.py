"""Operator mutants: every place where one operator, constant or condition of a source can be changed, changed once.

Left out is only what no client can tell from how it is made, wherever it stands:

- docstrings, annotations, imports, ``__slots__``, texts of exceptions, and values of enums, of which any will do;
- sizes and conditions under a comment ``#: tuning:``, comparisons with those sizes, and what sets the pace: how much
  a step may still do, and what handlers of commands return for it;
- what is rendered for an observer inside the process or as log lines, about whose text the specification is silent;
- what only the loop and its sockets ask for: the class of a UDP socket, and whether a client is idle;
- what the type checker would refuse, and could only raise: bytes with another operator than theirs, and
  ``isinstance`` turned round.

What only the statistics show is no exception: they are specified.
"""

from __future__ import annotations

import ast
import copy
from collections import Counter
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator


class Mutant(NamedTuple):
    """One changed source: the module, a name that no other mutant has, the line, the source, and where it is changed.

    The name holds the function and what was changed into what, and a number where the same change is possible there
    more than once: it outlives changes of other functions.
    """

    module: str
    id: str
    line: int
    source: str
    place: int
    kind: int

    @property
    def text(self) -> str:
        """The whole new source; made when it is asked for, as few are."""
        tree = ast.parse(self.source)
        node = next(islice(ast.walk(tree), self.place, None))
        _change(node, self.kind)
        return ast.unparse(ast.fix_missing_locations(tree))


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
_TUNED = frozenset({"COPY_MAX"})
"""Tuning constants that one module takes from another."""
_MAKE_BYTES = frozenset({"bytes", "bytearray", "key_reply", "_item_flag", "pack"})
"""Functions, and methods of structures, that return bytes."""
_PACE = frozenset({"self._room", "self._cost"})
"""Variables that say how far a step goes."""
_LOGGED = frozenset({"self.quit"})
"""Variables that only log lines show: whether a client that has gone said quit."""
_HOOKS = ("on_state", "on_command", "on_lookup", "observer", "watching")
"""How conditions name those who look on: tests in the process, and clients that watch the log."""
_UNSEEN = frozenset({"summary", "_told", "refusal_name", "between_commands", "_no_push"})
"""Functions that only log lines need, or only the loop: to close who is idle, and before a connection has its push."""


def mutants(module: str, text: str) -> Iterator[Mutant]:
    """All operator mutants of a source, in the order of its lines."""
    tree = ast.parse(text)
    tuning = _tuning(text)
    tuned = _TUNED | _assigned(tree, tuning)
    skip = _skipped(tree, tuning, tuned)
    inside = _functions(tree)
    seen: Counter[str] = Counter()
    for place, node in enumerate(ast.walk(tree)):
        if id(node) in skip:
            continue
        before = ast.unparse(node) if _count(node) else ""
        for kind in range(_count(node)):
            after = _change(copy.deepcopy(node), kind)
            if after is None:
                continue
            name = f"{module}.{inside.get(id(node), '')}: {_short(before)} -> {_short(after)}"
            seen[name] += 1
            if seen[name] > 1:
                name += f" #{seen[name]}"
            yield Mutant(module, name, getattr(node, "lineno", 0), text, place, kind)


def _tuning(text: str) -> frozenset[int]:
    """Lines (from 1) after a comment that begins `#: tuning:`: what stands there changes speed and no answer."""
    lines = text.splitlines()
    found = set()
    for number, line in enumerate(lines, 1):
        if line.strip().startswith("#: tuning:"):
            follow = number
            while follow < len(lines) and lines[follow].strip().startswith("#"):
                follow += 1
            found.add(follow + 1)
    return frozenset(found)


def _assigned(tree: ast.Module, lines: frozenset[int]) -> frozenset[str]:
    """Names that get their value on one of the lines."""
    return frozenset(
        ast.unparse(target)
        for node in tree.body
        if isinstance(node, ast.Assign) and node.lineno in lines
        for target in node.targets
    )


def _functions(tree: ast.Module) -> dict[int, str]:
    """The qualified name of the function, class or constant that each node stands in, by its id."""
    found: dict[int, str] = {}

    def visit(node: ast.AST, name: str) -> None:
        for child in ast.iter_child_nodes(node):
            inner = name
            if isinstance(child, ast.FunctionDef | ast.ClassDef):
                inner = f"{name}.{child.name}" if name else child.name
            elif not name and isinstance(child, ast.Assign | ast.AnnAssign):
                target = child.target if isinstance(child, ast.AnnAssign) else child.targets[0]
                inner = ast.unparse(target)
            found[id(child)] = inner
            visit(child, inner)

    visit(tree, "")
    return found


def _skipped(tree: ast.Module, tuning: frozenset[int], tuned: frozenset[str]) -> set[int]:
    """Nodes that decide nothing: docstrings, annotations, __slots__, imports, texts of exceptions, values of enums."""
    skip: set[int] = set()
    known = _bytes_names(tree)
    for node in ast.walk(tree):
        dead: list[ast.AST | None] = []
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            dead.append(node)
        if isinstance(node, ast.AnnAssign):
            dead.append(node.annotation)
        if isinstance(node, ast.arg):
            dead.append(node.annotation)
        if isinstance(node, ast.FunctionDef):
            dead.append(node if node.name in _UNSEEN else node.returns)
        if isinstance(node, ast.Assign) and any("__slots__" in ast.unparse(target) for target in node.targets):
            dead.append(node)
        if isinstance(node, ast.Import | ast.ImportFrom | ast.Raise):
            dead.append(node)
        if isinstance(node, ast.ClassDef) and any("Enum" in ast.unparse(base) for base in node.bases):
            dead.append(node)  # any distinct values are as good
        if isinstance(node, ast.ClassDef) and any("DatagramProtocol" in ast.unparse(base) for base in node.bases):
            dead.append(node)  # a socket's business
        if isinstance(node, ast.stmt) and node.lineno in tuning:
            dead.append(node.test if isinstance(node, ast.If) else node)
        if isinstance(node, ast.If) and _observes(node.test):
            dead += [node.test, *node.body]  # an observer's business
            skip.add(id(node))
        if isinstance(node, ast.FunctionDef) and [arg.arg for arg in node.args.args][-1:] == ["out"]:
            # Handlers of commands return how much they have sent, which sets the pace and no answer.
            dead += [inner for inner in ast.walk(node) if isinstance(inner, ast.Return) and not _calls(inner)]
        if _unseen(node) or _asks(node):
            dead.append(node)
        if isinstance(node, ast.Compare | ast.AugAssign) and any(name in tuned for name in _names(node)):
            dead.append(node)  # it chooses between two ways to the same answer
        if isinstance(node, ast.If) and ast.unparse(node.test).startswith("isinstance("):
            skip.add(id(node))  # the other type than was tested for: it could only raise
        if isinstance(node, ast.BinOp) and _is_bytes(node, known):
            skip.add(id(node))  # bytes know no other operator: it could only raise
        if isinstance(node, ast.AugAssign) and (_is_bytes(node.target, known) or _is_bytes(node.value, known)):
            skip.add(id(node))  # likewise
        for root in dead:
            if root is not None:
                skip.update(id(inner) for inner in ast.walk(root))
    return skip


def _unseen(node: ast.AST) -> bool:
    """Whether a statement does nothing but set the pace, or note what only log lines show."""
    if isinstance(node, ast.AugAssign):
        return ast.unparse(node.target) in _PACE
    return isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in _PACE | _LOGGED


def _observes(test: ast.AST) -> bool:
    """Whether a condition asks if anybody looks on."""
    return any(word in ast.unparse(test) for word in _HOOKS)


def _asks(node: ast.AST) -> bool:
    """Whether an expression is no more than the question if a test of the process, or a watcher, looks on."""
    if isinstance(node, ast.Compare):
        return ast.unparse(node.left).removeprefix("self.") in _HOOKS
    return isinstance(node, ast.UnaryOp) and ast.unparse(node.operand).endswith("observer.active")


def _calls(node: ast.AST) -> bool:
    return any(isinstance(inner, ast.Call) and ast.unparse(inner.func) != "len" for inner in ast.walk(node))


def _names(node: ast.AST) -> set[str]:
    return {inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name)}


def _bytes_names(tree: ast.Module) -> frozenset[str]:
    """Names that are only ever given what is bytes by its look."""
    given: dict[str, bool] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                name = ast.unparse(target)
                given[name] = given.get(name, True) and _is_bytes(node.value, frozenset())
    return frozenset(name for name, always in given.items() if always)


def _is_bytes(node: ast.AST, known: frozenset[str]) -> bool:
    """Whether the source shows that a value is bytes."""
    if isinstance(node, ast.Constant):
        return isinstance(node.value, bytes)
    if isinstance(node, ast.BinOp):
        both = isinstance(node.op, ast.Add) and _is_bytes(node.right, known)
        return both or (isinstance(node.op, ast.Add | ast.Mod) and _is_bytes(node.left, known))
    if isinstance(node, ast.Attribute):
        return isinstance(node.value, ast.Name) and node.value.id == "replies"
    if isinstance(node, ast.Name):
        return node.id in known
    if isinstance(node, ast.IfExp):
        return _is_bytes(node.body, known) and _is_bytes(node.orelse, known)
    if not isinstance(node, ast.Call):
        return False
    name = node.func.attr if isinstance(node.func, ast.Attribute) else ast.unparse(node.func)
    return name in _MAKE_BYTES


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
        if isinstance(node.test, ast.Compare | ast.BoolOp | ast.UnaryOp | ast.Constant):
            return None  # changed by its own kind already
        node.test = ast.UnaryOp(ast.Not(), node.test)
        return f"if {ast.unparse(node.test)}"
    return None


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 60 else f"{line[:57]}..."
