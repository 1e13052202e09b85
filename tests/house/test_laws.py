"""The laws of the house that import-linter cannot say."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = {
    "mcspec": ROOT / "spec/mcspec",
    "mcserver": ROOT / "impl/mcserver",
    "mcconform": ROOT / "conformance/mcconform",
}
INSTALLED = {
    "mcspec": set(),
    "mcserver": {"uvloop"},
    "mcconform": {"mcspec", "hypothesis", "click", "rich", "jinja2"},
}

# What would let a pure function see a clock, a socket, the environment, another process, chance or another thread.
IMPURE = frozenset(
    """
    _socket _thread asyncio concurrent contextvars ctypes curses datetime email fcntl ftplib getpass glob http imaplib
    io locale logging mmap multiprocessing os platform poplib posix pty pwd queue random resource sched secrets select
    selectors shelve shutil signal smtplib socket socketserver sqlite3 ssl subprocess syslog tempfile termios threading
    time tty urllib uuid webbrowser xmlrpc zoneinfo
    """.split()
)
IMPURE_CALLS = frozenset({"open", "input", "print", "eval", "exec", "__import__", "breakpoint"})
FAULT = 600

MODULES = [
    pytest.param(package, path, id=f"{package}/{path.relative_to(folder)}")
    for package, folder in PACKAGES.items()
    for path in sorted(folder.rglob("*.py"))
]
SPECIFICATION = [case for case in MODULES if case.values[0] == "mcspec"]


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Line and full name of everything that the file imports from elsewhere, wherever in the file it does so."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module is not None:
            yield node.lineno, node.module


def test_the_three_packages_were_found() -> None:
    assert {case.values[0] for case in MODULES} == set(PACKAGES)


def test_an_import_is_seen_wherever_it_stands(tmp_path: Path) -> None:
    file = tmp_path / "module.py"
    file.write_text("import a.b\ndef f():\n    from c import d\n    from . import e\n", encoding="utf-8")
    assert list(imports(file)) == [(1, "a.b"), (3, "c")]


@pytest.mark.parametrize(("package", "path"), MODULES)
def test_a_package_imports_itself_the_standard_library_and_what_its_law_names(package: str, path: Path) -> None:
    allowed = sys.stdlib_module_names | INSTALLED[package] | {package}
    assert not [f"line {line}: {name}" for line, name in imports(path) if name.split(".")[0] not in allowed]


@pytest.mark.parametrize(("package", "path"), SPECIFICATION)
def test_the_specification_sees_no_clock_socket_environment_or_chance(package: str, path: Path) -> None:
    assert package == "mcspec"
    assert not [f"line {line}: {name}" for line, name in imports(path) if name.split(".")[0] in IMPURE]


@pytest.mark.parametrize(("package", "path"), SPECIFICATION)
def test_the_specification_calls_nothing_that_reads_or_writes_the_world(package: str, path: Path) -> None:
    assert package == "mcspec"
    calls = [
        f"line {node.lineno}: {node.func.id}"
        for node in ast.walk(ast.parse(path.read_bytes()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in IMPURE_CALLS
    ]
    assert not calls


@pytest.mark.parametrize(("package", "path"), MODULES)
def test_a_file_fits_in_a_head(package: str, path: Path) -> None:
    assert package in PACKAGES
    assert len(path.read_bytes().splitlines()) <= FAULT
