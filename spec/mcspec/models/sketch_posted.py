"""The 2004 sketch with the pointer arithmetic that C gives it: `p` points to u32, so adding 1 moves it by 4 bytes."""

from __future__ import annotations

from mcspec.models import Model
from mcspec.models.sketch import BOUNDS, build, laws, show
from mcspec.sketch import WORD, posted

NAME = "sketch-posted"
LAWS = laws(NAME)

MODEL = Model(
    name=NAME,
    summary="the receive loop of the 2004 sketch, with its literal pointer arithmetic",
    design=posted(WORD),
    bounds=BOUNDS,
    build=build,
    laws=LAWS,
    plants=(),
    show=show,
    breaks=frozenset(law.clause for law in LAWS),
)
