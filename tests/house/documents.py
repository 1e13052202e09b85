"""Reading the documents of the project as their tests need it: links, headings, and the commands they show."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
ANYWHERE = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/*.md", "spec/**/*.md")

RUN_BY = re.compile(r"<!-- run-by: (?P<file>\S+?) -->")
NOT_RUN = re.compile(r"<!-- not-run: (?P<reason>.+?) -->")
OUTPUT_VARIES = re.compile(r"<!-- output-varies: (?P<reason>.+?) -->")
EXIT = re.compile(r"<!-- exit: (?P<status>\d+) -->")


def documents() -> list[Path]:
    """Every document that a reader is meant to read."""
    return sorted({path for pattern in ANYWHERE for path in ROOT.glob(pattern)})


def name(path: Path) -> str:
    """The path as a reader of the project knows it."""
    return path.relative_to(ROOT).as_posix()


def links(path: Path) -> Iterator[tuple[int, str]]:
    """Line and target of each link `[text](target)` outside code."""
    fenced = False
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if line.lstrip().startswith(("```", "~~~")):
            fenced = not fenced
        if not fenced:
            prose = re.sub(r"`[^`]*`", "", line)
            yield from ((number, match[1]) for match in re.finditer(r"\]\(<?([^)\s>]+)>?[^)]*\)", prose))


def anchors(path: Path) -> set[str] | None:
    """The names that a link's `#part` may use: labels `(name)=`, and headings as GitHub and MyST spell them.

    None for a page that includes what the documentation build makes: there the build refuses links that lead nowhere.
    """
    text = path.read_text(encoding="utf-8")
    if "{include} generated/" in text:
        return None
    labels = set(re.findall(r"^\(([^)\s]+)\)=$", text, re.MULTILINE))
    headings = re.findall(r"^#{1,6} (.+)$", text, re.MULTILINE)
    return labels | {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


class Block(NamedTuple):
    """One fenced block of language `console`: commands after `$ `, and what they print."""

    path: Path
    line: int
    text: str
    run_by: str | None
    """The test that runs it; None: the one of all documents."""

    not_run: str | None
    """Why the test does not run it; None: it does."""

    output_varies: str | None
    """Why its output is not compared; None: it is."""

    status: int
    """Exit status of its last command."""

    @property
    def name(self) -> str:
        """Where it stands."""
        return f"{name(self.path)}:{self.line}"

    @property
    def commands(self) -> list[str]:
        """The commands, without `$ `; a line that ends with a backslash goes on in the next one."""
        found: list[str] = []
        goes_on = False
        for line in self.text.splitlines():
            if goes_on:
                found[-1] += "\n" + line.removeprefix("> ")
            elif line.startswith("$ "):
                found.append(line[2:])
            else:
                continue
            goes_on = line.endswith("\\")
        return found

    @property
    def output(self) -> list[str]:
        """The lines that are shown as printed, without empty ones."""
        shown: list[str] = []
        goes_on = False
        for line in self.text.splitlines():
            is_command = goes_on or line.startswith("$ ")
            goes_on = is_command and line.endswith("\\")
            if not is_command and line.strip():
                shown.append(line)
        return shown


def blocks(path: Path) -> Iterator[Block]:
    """The `console` blocks of a document; the comment lines directly above a block hold its markers."""
    text = path.read_text(encoding="utf-8")
    for match in re.finditer(r"^(?P<fence>`{3,})console\n(?P<text>.*?)^(?P=fence)$", text, re.MULTILINE | re.DOTALL):
        comments = re.search(r"(?:<!-- .+? -->\n+)*\Z", text[: match.start()])
        markers = comments[0] if comments else ""
        patterns = (RUN_BY, NOT_RUN, OUTPUT_VARIES, EXIT)
        run_by, not_run, varies, status = (pattern.search(markers) for pattern in patterns)
        yield Block(
            path,
            text.count("\n", 0, match.start()) + 1,
            match["text"],
            run_by["file"] if run_by else None,
            not_run["reason"] if not_run else None,
            varies["reason"] if varies else None,
            int(status["status"]) if status else 0,
        )
