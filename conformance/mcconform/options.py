"""The rules of a server that was started with options.

A conversation names memcached's own options; what they change in the specification's rules is said here once.  Options
that change nothing a client can see (``-t``, ``-v``) pass.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mcconform.targets.credentials import PASSWORD, USER

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcspec import Rules

KNOWN = ((USER.encode(), PASSWORD.encode()),)
"""Who may log in where a conversation asks for a server that wants a password."""

_PROTOCOLS = ("auto", "negotiating", "ascii", "binary", "packet")

_SWITCHES: dict[str, dict[str, Any]] = {
    "-F": {"flush_allowed": False},
    "-M": {"evictions": False},
    "-X": {"dumps_allowed": False},
    "-W": {"watch_allowed": False},
    "-A": {"shutdown_allowed": True},
    "-S": {"authentication": "sasl", "credentials": KNOWN},
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
    """The rules with the options ``-m -M -c -I -F -X -W -A -D -B -S -Y`` taken into account.

    The value of -Y is a file, of which all that is known is that the user of conversations stands in it.

    Raises:
        ValueError: if an option lacks its value or the value is none.
    """
    limits = rules.limits
    words = iter(options)
    for word in words:
        if word in _SWITCHES:
            rules = rules._replace(**_SWITCHES[word])
        elif word in ("-m", "-c", "-I", "-D", "-B", "-Y"):
            value = next(words, None)
            if value is None:
                raise ValueError(f"option {word} lacks its value")
            if word == "-B":
                if value not in _PROTOCOLS:
                    raise ValueError(f"no protocol {value!r}; type -B {', '.join(_PROTOCOLS)}")
                rules = rules._replace(protocol="auto" if value == "negotiating" else value)
            elif word == "-Y":
                rules = rules._replace(authentication="ascii", credentials=KNOWN)
            elif word == "-D":
                rules = rules._replace(delimiter=value.encode("latin-1"))
            elif word == "-m":
                limits = limits._replace(memory=size(value, _UNITS["m"]))
            elif word == "-c":
                limits = limits._replace(connections=int(value))
            else:
                limits = limits._replace(item=size(value))
    return rules._replace(limits=limits)
