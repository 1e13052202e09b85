r"""mcspec: an executable specification of the memcached protocols.

`step(world, event, now, rules)` returns every allowed outcome of an event, each with the clauses that allow it. It is
pure and total: it reads no clock, no socket, no environment and no random number. Standard library only.

    >>> from mcspec import Event, Happening, Now, Rules, World, step
    >>> world = step(World(), Happening(0, Event.CONNECT), Now(0, 0), Rules())[0].world
    >>> outcome, = step(world, Happening(0, Event.DATA, b"get a\r\n"), Now(0, 0), Rules())
    >>> outcome.owed[0].pieces
    (b'END\r\n',)
"""

from mcspec import clauses, profiles
from mcspec.cache import Cache, Item, Now
from mcspec.describing import describe
from mcspec.limits import Limits
from mcspec.machine import Conn, Event, State
from mcspec.pattern import Fit, Match, Owed, Text, Unique, match, regex
from mcspec.rules import Rules, Traits
from mcspec.world import Happening, Outcome, World, idle, step

__all__ = [
    "Cache",
    "Conn",
    "Event",
    "Fit",
    "Happening",
    "Item",
    "Limits",
    "Match",
    "Now",
    "Outcome",
    "Owed",
    "Rules",
    "State",
    "Text",
    "Traits",
    "Unique",
    "World",
    "clauses",
    "describe",
    "idle",
    "match",
    "profiles",
    "regex",
    "step",
]
