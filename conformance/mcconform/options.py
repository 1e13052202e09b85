"""The rules of a server that was started with options.

A conversation names memcached's own options; what they change in the specification's rules is said here once.  Options
that change nothing a client can see (``-t``, ``-v``) pass.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcspec import Rules

_SWITCHES: dict[str, dict[str, Any]] = {
    "-F": {"flush_allowed": False},
    "-M": {"evictions": False},
    "-X": {"dumps_allowed": False},
    "-W": {"watch_allowed": False},
    "-A": {"shutdown_allowed": True},
}
"""The options without a value, and what they change in the rules."""

_UNITS = {"k": 1024, "m": 1024 * 1024}


def size(text: str, unit: int = 1) -> int:
    """Bytes of a size such as ``512k``, ``1m`` or ``8`` (times ``unit``).

    Raises:
        ValueError: if it is no size.
    """
    factor = _UNITS.get(text[-1:].lower())
    return int(text) * unit if factor is None else int(text[:-1]) * factor


def apply(rules: Rules, options: Sequence[str]) -> Rules:
    """The rules with the options ``-m -M -c -I -F -X -W -A -D`` taken into account.

    Raises:
        ValueError: if an option lacks its value or the value is none.
    """
    limits = rules.limits
    words = iter(options)
    for word in words:
        if word in _SWITCHES:
            rules = rules._replace(**_SWITCHES[word])
        elif word in ("-m", "-c", "-I", "-D"):
            value = next(words, None)
            if value is None:
                raise ValueError(f"option {word} lacks its value")
            if word == "-D":
                rules = rules._replace(delimiter=value.encode("latin-1"))
            elif word == "-m":
                limits = limits._replace(memory=size(value, _UNITS["m"]))
            elif word == "-c":
                limits = limits._replace(connections=int(value))
            else:
                limits = limits._replace(item=size(value))
    return rules._replace(limits=limits)
