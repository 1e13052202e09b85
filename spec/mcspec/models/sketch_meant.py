"""The 2004 sketch as it was meant: pointers count bytes, all else is as it was posted."""

from __future__ import annotations

from mcspec.models import Model
from mcspec.models.sketch import BOUNDS, build, laws, show
from mcspec.sketch import posted

NAME = "sketch-meant"
LAWS = laws(NAME)

MODEL = Model(
    name=NAME,
    summary="the receive loop of the 2004 sketch, with pointers that count bytes",
    design=posted(1),
    bounds=BOUNDS,
    build=build,
    laws=LAWS,
    plants=(),
    show=show,
    breaks=frozenset(law.clause for law in LAWS),
)
