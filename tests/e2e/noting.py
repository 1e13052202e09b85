"""What a client can do, from its own public interface, and what of that a test has done.

A command or parameter that a new release of a client brings is thereby a failing test, not a gap that nobody sees.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import Any

Notes = set[str]
"""`Client.get` for a command, `Client.get(default)` for a parameter of it, `Client(timeout)` for one that makes it."""

VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def signature(function: Any, hidden: Iterable[str]) -> inspect.Signature | None:
    """The parameters that a caller may give; None for code in C that does not tell them.

    `hidden` are parameters that a decorator fills in.
    """
    try:
        found = inspect.signature(function)
    except ValueError:
        return None
    left = [one for one in found.parameters.values() if one.name not in {"self", *hidden}]
    return found.replace(parameters=left)


def everything(*kinds: type, hidden: Iterable[str] = ()) -> Notes:
    """All that these classes have in public: commands and their parameters, and those of the constructor."""
    found: Notes = set()
    for kind in kinds:
        for name, member in inspect.getmembers(kind):
            if name.startswith("_") and name != "__init__":
                continue
            title = kind.__name__ if name == "__init__" else f"{kind.__name__}.{name}"
            if name != "__init__":
                found.add(title)
            known = signature(member, hidden) if callable(member) else None
            if known is not None:
                found |= {f"{title}({one.name})" for one in known.parameters.values() if one.kind not in VARIADIC}
    return found


class Noting:
    """Passes everything on, and notes each command that is used with the parameters that are given."""

    def __init__(self, inner: Any, notes: Notes, hidden: Iterable[str] = ()) -> None:
        self._inner, self._notes, self._hidden = inner, notes, tuple(hidden)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        title = f"{type(self._inner).__name__}.{name}"
        self._notes.add(title)
        return noted(found, title, self._notes, self._hidden) if callable(found) else found


def noted(function: Callable[..., Any], title: str, notes: Notes, hidden: Iterable[str] = ()) -> Callable[..., Any]:
    """The function; it notes its parameters when it is called."""
    known = signature(function, hidden)

    def call(*args: Any, **kwargs: Any) -> Any:
        if known is not None:
            notes.update(f"{title}({one})" for one in known.bind(*args, **kwargs).arguments)
        return function(*args, **kwargs)

    return call


def made(kind: type, notes: Notes, *args: Any, hidden: Iterable[str] = (), **kwargs: Any) -> Noting:
    """A new client of the class, noting."""
    return Noting(noted(kind, kind.__name__, notes, hidden)(*args, **kwargs), notes, hidden)
