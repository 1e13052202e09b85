"""Where conversations come from: one module a phase."""

from __future__ import annotations

NAMES = ("vectors", "splits", "stateful", "malformed")
"""The phases, in the order in which they run."""
