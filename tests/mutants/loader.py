"""Import the server anew with one of its modules replaced by a mutated source."""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcconform.lockstep import Factory

ENGINE = Path(__file__).resolve().parents[2] / "impl" / "mcserver"

OTHERS = (
    *("at_once", "auth_text", "binary", "binary_commands", "binary_table", "binary_wire", "incoming"),
    *("packet", "packet_commands", "packet_wire", "sasl", "udp"),
)
"""Those of the engine's files that only other protocols than text, or datagrams, or strangers need."""

FILES = (
    *("arithmetic", "arrival", "cache", "connection", "framing", "meta", "metaflags", "metaset", "numbers"),
    *("retrieval", "storage", "text"),
    *OTHERS,
)
"""The engine's files: what decides replies. The loop, the options and the statistics are tested elsewhere; what memory
holds and evicts is bounded by few clauses, and only hand-written mutants reach it."""


def source(name: str) -> str:
    """The source of one engine module."""
    return (ENGINE / f"{name}.py").read_text(encoding="utf-8")


class _Replaced(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds and loads one module from a string."""

    def __init__(self, name: str, text: str) -> None:
        self.name, self.text = f"mcserver.{name}", text

    def find_spec(
        self, fullname: str, _path: Sequence[str] | None = None, _target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """The spec of our module; None for all others."""
        return importlib.util.spec_from_loader(fullname, self) if fullname == self.name else None

    def exec_module(self, module: ModuleType) -> None:
        """Run the mutated source."""
        exec(compile(self.text, f"<mutant of {self.name}>", "exec"), module.__dict__)


def unchanged() -> Factory:
    """The `create` of the engine as it is."""
    create: Factory = importlib.import_module("mcserver.inproc").create
    return create


def factory(name: str, text: str) -> Factory:
    """The `create` of an engine in which module `name` has the source `text`. Call it in a process of its own."""
    for loaded in [module for module in sys.modules if module == "mcserver" or module.startswith("mcserver.")]:
        del sys.modules[loaded]
    sys.meta_path.insert(0, _Replaced(name, text))
    create: Factory = importlib.import_module("mcserver.inproc").create
    return create
