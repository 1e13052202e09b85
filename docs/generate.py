"""Draws the fragments of the documentation from the code: clauses, tables, profiles, formats and help texts.

Run by `conf.py` before every build, or by hand: `python docs/generate.py FOLDER`.
"""

from __future__ import annotations

import ast
import inspect
import json
import re
import subprocess
import sys
import textwrap
from collections import Counter
from collections.abc import Callable, Container, Iterable, Sequence
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import click

from mcconform import cli, events, jsonform
from mcspec import clauses, connection, limits, machine, models, profiles, rules


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table; a `|` or line break inside a cell is made harmless."""
    cells = [list(header), ["---"] * len(header), *([cell(value) for value in row] for row in rows)]
    return "\n".join("| " + " | ".join(row) + " |" for row in cells) + "\n"


def cell(value: object) -> str:
    """One cell's text."""
    return linked(" ".join(str(value).replace("|", "\\|").split()))


def code(value: object) -> str:
    """Text in the type of code; nothing stays nothing."""
    text = str(value)
    return f"`{text}`" if text else ""


def fields(record: Any) -> list[tuple[str, object, str]]:
    """Name, default and docstring of each field of a NamedTuple whose docstrings stand below its fields."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(record)))
    class_ = next(node for node in tree.body if isinstance(node, ast.ClassDef))
    found = []
    for node, following in zip(class_.body, [*class_.body[1:], ast.Pass()], strict=True):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            name = node.target.id
            says = following.value if isinstance(following, ast.Expr) else None
            text = says.value if isinstance(says, ast.Constant) and isinstance(says.value, str) else ""
            found.append((name, record._field_defaults.get(name, ""), text))
    return found


def draw_limits() -> str:
    """Every limit with its default, unit and source."""
    rows = ((code(name), f"{value:,}", text) for name, value, text in fields(limits.Limits))
    return table(["limit", "value", "unit and source"], rows)


CHAPTERS = {
    "text": "text",
    "meta": "meta",
    "binary": "binary",
    "packet": "packet",
    "udp": "udp",
    "access": "access",
    "stats": "statistics",
    "admin": "administration",
    "memory": "memory",
}
"""The chapters of the clauses, by how their ids begin, each with the page that holds it."""


def draw_chapters() -> str:
    """How many clauses of each level a chapter has, and where they stand."""
    levels = Counter((name.split(".")[0], clause.level) for name, clause in clauses.load().items())
    rows = [
        [f"[{page}]({page}.md)", code(f"{chapter}.*"), *(levels[chapter, level] for level in clauses.LEVELS)]
        for chapter, page in CHAPTERS.items()
    ]
    every = [sum(number for (_, of), number in levels.items() if of == level) for level in clauses.LEVELS]
    return table(["chapter", "ids", *clauses.LEVELS], [*rows, ["all", "", *every]])


def draw_clauses(chapter: str) -> str:
    """The clauses of a chapter in the order and under the sections of its document, each with its id as anchor."""
    known = clauses.load()
    parts, section = [], None
    for clause in known.values():
        if not clause.id.startswith(f"{chapter}."):
            continue
        if clause.section != section:
            section = clause.section
            parts.append(f"## {section}\n")
        parts.append(f"({clause.id})=\n\n### `{clause.id}`\n\n**{clause.level}**: {linked(clause.text, known)}\n")
        parts.append(f"*Source: {clause.source}*\n")
    return "\n".join(parts)


def linked(text: str, known: Container[str] = ()) -> str:
    """Prose with every clause id in the type of code made a link, and a `<` outside code kept from being a tag."""
    parts = re.split(r"(`[^`]*`)", text)
    for at, part in enumerate(parts):
        name = part.strip("`")
        parts[at] = part.replace("<", "\\<") if at % 2 == 0 else f"[{part}](#{name})" if name in known else part
    return "".join(parts)


def draw_profiles() -> str:
    """What the traits decide; each profile with its traits and their evidence; the prose on `base`."""
    described = fields(rules.Traits)
    parts = [
        "## Traits\n",
        "What each trait decides, and what `base` says.\n",
        table(["trait", "base", "decides"], ((code(name), code(value), text) for name, value, text in described)),
    ]
    for name in profiles.names():
        profile = profiles.load(name)
        parts.append(f"## {name}\n\n{profile.title}.\n")
        if profile.version:
            parts.append(f"Chosen where `version` answers `{profile.version}`.\n")
        for trait, note in profile.traits.items():
            parts.append(f"### `{trait}` is `{note.value}` in {name}\n\n{linked(note.reason)}\n")
            parts.append("\n".join(["```text", *map(transcript_line, note.evidence), "```", ""]))
        if name == "base":
            prose = Path(profiles.__file__).with_name("base.md")
            parts.append(below(prose))
    return "\n".join(parts)


def transcript_line(evidence: dict[str, Any]) -> str:
    """One step of a trait's evidence, with its bytes as Python would show them."""
    return "  ".join(f"{name} {value!r}" for name, value in evidence.items())


def below(document: Path) -> str:
    """A Markdown document without its title, its headings one level down."""
    _, _, body = document.read_text(encoding="utf-8").partition("\n")
    return "\n".join("#" + line if line.startswith("##") else line for line in body.splitlines()).strip() + "\n"


def draw_state_machine() -> str:
    """Of each protocol the rows as a Mermaid diagram and as a table; what the guards and actions in them mean."""
    tables = {"text": connection.TABLE, **connection.FRAMINGS}
    rows = {
        protocol: [(state, event, row) for (state, event), all_ in one.items() for row in all_]
        for protocol, one in tables.items()
    }
    every = [row for some in rows.values() for _, _, row in some]
    guards = {row.guard.__name__: inspect.getdoc(row.guard) for row in every}
    actions = {row.action.__name__: inspect.getdoc(row.action) for row in every}
    return "\n".join(
        [
            docstring(connection),
            "A row that stands in every table is listed with text alone; its clauses are those of each chapter.\n",
            *(draw_rows(protocol, some, rows["text"]) for protocol, some in rows.items()),
            "## Guards\n",
            table(["guard", "holds when"], ((code(name), text) for name, text in guards.items())),
            "## Actions\n",
            table(["action", "does"], ((code(name), text) for name, text in actions.items())),
        ]
    )


Place = tuple[machine.State, machine.Event, machine.Row]


def draw_rows(protocol: str, rows: list[Place], common: list[Place]) -> str:
    """The rows of a protocol, but for those that are `common`, and its diagram."""
    seen = set() if rows is common else {(state, event, row[:3]) for state, event, row in common}
    header = ["state", "event", "guard", "action", "next state", "clauses"]
    body = (
        (
            code(state.value),
            code(event.value),
            code(row.guard.__name__),
            code(row.action.__name__),
            code(row.to.value),
            " ".join(f"[{code(name)}](#{name})" for name in row.clauses),
        )
        for state, event, row in rows
        if (state, event, row[:3]) not in seen
    )
    lines = [f"    {state.value} --> {row.to.value}: {step(event, row)}" for state, event, row in rows]
    return "\n".join(
        [
            f"## Rows of {protocol}\n",
            table(header, body),
            "As a diagram in Mermaid's notation; a row without a guard or an action shows only its event.\n",
            "\n".join(["```text", "stateDiagram-v2", "    [*] --> listening", *lines, "    closed --> [*]", "```", ""]),
        ]
    )


def draw_models() -> str:
    """Each model: what it is, its bounds, its laws with the planted bugs that break them."""
    parts = []
    for model in models.load().values():
        module = sys.modules[model.build.__module__]
        parts.append(f"## {model.name}\n\n{model.summary[0].upper()}{model.summary[1:]}.\n")
        parts.append(docstring(module))
        rows = ((name, code(shown_bounds(model.bounds[name]))) for name in models.BOUNDS)
        parts.append(table(["bounds", "values"], rows))
        plants: dict[str, list[str]] = {law.clause: [] for law in model.laws}
        for plant in model.plants:
            plants[plant.clause].append(plant.name)
        laws = [(code(law.clause), law.text, law.kind.value, "; ".join(plants[law.clause])) for law in model.laws]
        parts.append(table(["law", "says", "looked at", "planted bugs that it catches"], laws))
    return "\n".join(parts)


def shown_bounds(bounds: object) -> str:
    """Bounds as `name=value` pairs, or as they are."""
    values = getattr(bounds, "_asdict", dict)()
    return ", ".join(f"{name}={value}" for name, value in values.items()) or str(bounds)


def step(event: machine.Event, row: machine.Row) -> str:
    """What stands at an arrow of the diagram: `event [guard] / action`."""
    guard = "" if row.guard.__name__ == "always" else f" [{row.guard.__name__}]"
    action = "" if row.action.__name__ == "nothing" else f" / {row.action.__name__}"
    return f"{event.value}{guard}{action}"


def draw_conversation_format() -> str:
    """The docstring of the module that reads and writes the format."""
    return docstring(jsonform)


def draw_event_log() -> str:
    """What the module says, and the schema."""
    schema = json.loads(Path(events.__file__).with_name("schema").joinpath("events.json").read_text(encoding="utf-8"))
    text = json.dumps(schema, indent=2, ensure_ascii=False)
    return f"{docstring(events)}\n## Schema\n\n```json\n{text}\n```\n"


def docstring(documented: ModuleType) -> str:
    """A module's docstring without its title, as it stands in the source."""
    _, _, body = (inspect.getdoc(documented) or "").partition("\n")
    return f"```text\n{body.strip()}\n```\n"


def draw_command_line() -> str:
    """The help text of every command."""
    return "\n".join(help_texts(cli.cli, ["mcspec"], None))


def help_texts(command: click.Command, names: list[str], parent: click.Context | None) -> Iterable[str]:
    """A command's help, then that of the commands below it, each under a heading."""
    options = {**command.context_settings, "terminal_width": 100, "max_content_width": 100}
    context = click.Context(command, info_name=names[-1], parent=parent, **options)
    yield f"## {' '.join(names)}\n\n```text\n{command.get_help(context)}\n```\n"
    if isinstance(command, click.Group):
        for name, one in sorted(command.commands.items()):
            yield from help_texts(one, [*names, name], context)


def draw_server() -> str:
    """What `mcserver -h` prints."""
    done = subprocess.run([sys.executable, "-m", "mcserver", "-h"], capture_output=True, text=True, check=True)
    return f"```text\n{done.stdout.rstrip()}\n```\n"


FRAGMENTS: dict[str, Callable[[], str]] = {
    "chapters": draw_chapters,
    **{f"clauses-{chapter}": partial(draw_clauses, chapter) for chapter in CHAPTERS},
    "command-line": draw_command_line,
    "conversation-format": draw_conversation_format,
    "event-log": draw_event_log,
    "limits": draw_limits,
    "models": draw_models,
    "profiles": draw_profiles,
    "server": draw_server,
    "state-machine": draw_state_machine,
}


def write(folder: Path) -> None:
    """Write every fragment into the folder; one that has not changed keeps its time."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, draw in FRAGMENTS.items():
        text = draw()
        file = folder / f"{name}.md"
        if not file.exists() or file.read_text(encoding="utf-8") != text:
            file.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
