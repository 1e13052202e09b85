"""Sphinx configuration: MyST pages, and fragments that `generate.py` makes from the code before every build."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import generate  # noqa: E402 - found through the line above

if TYPE_CHECKING:
    from sphinx.application import Sphinx

project = "mcspec"
copyright = "The mcspec authors"
release = tomllib.loads((HERE.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]

extensions = ["myst_parser"]
exclude_patterns = ["generated"]
myst_heading_anchors = 3
myst_enable_extensions = ["colon_fence", "deflist"]
nitpicky = True
html_theme = "furo"
html_title = "mcspec"


def setup(app: Sphinx) -> None:
    """Make the fragments before Sphinx reads the first page."""
    app.connect("builder-inited", lambda _: generate.write(HERE / "generated"))
