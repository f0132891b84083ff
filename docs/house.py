"""Draws the house: rooms with their files and purposes, imports as arrows, the way of the data followed step by step.

`make house` writes docs/house.svg and docs/house.md from the code; a test says when they are old, when a file stands in
no room or does not say what it is for, and when the way of the data is not in the code any more.
"""

from __future__ import annotations

import ast
import os
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import grimp

from docs import house_svg
from docs.house_plan import MORE, ROOMS, WAY, Step, room_of

ROOT = Path(__file__).resolve().parent.parent
SVG, PAGE = ROOT / "docs/house.svg", ROOT / "docs/house.md"
#: what must be in a room and say what it is for
TOLD = {".py", ".ts", ".tsx", ".mjs", ".conf", ".css", ".toml", ".sh"}
#: where the house stands, and what lies about in it
TOPS = {"asterisk-config", "dialplan", "docs", "pbx", "recordings-policy", "service", "tests"}
PASSED_BY = {"node_modules", "dist", "__pycache__"}
#: written by a tool
MADE = {"service/frontend/src/api/schema.d.ts"}
_SENTENCE = re.compile(r"(.+?[.!?])(?:\s|$)", re.S)


@dataclass(frozen=True, slots=True)
class Item:
    """A file of a room, and the first sentence that it says of itself."""

    path: str
    purpose: str


@dataclass(slots=True)
class House:
    """`arrows`: (room, room) → how many imports; `homeless`: files that no room takes."""

    items: dict[str, list[Item]] = field(default_factory=dict)
    arrows: Counter[tuple[str, str]] = field(default_factory=Counter)
    homeless: list[str] = field(default_factory=list)

    def silent(self) -> list[str]:
        """Files that do not say what they are for."""
        return [item.path for items in self.items.values() for item in items if not item.purpose]


# --- files and what they say ----------------------------------------------------------------------------------------


def files() -> list[str]:
    """Everything that somebody wrote, sorted."""
    found: list[str] = []
    for folder, below, names in os.walk(ROOT):
        inside = Path(folder).relative_to(ROOT)
        below[:] = [name for name in below if name not in PASSED_BY and (inside != Path() or name in TOPS)]
        found += [(inside / name).as_posix() for name in names if Path(name).suffix in TOLD]
    return sorted(path for path in found if path not in MADE)


def purpose(path: str) -> str:
    """The first sentence of a docstring, or of the comment at a file's head."""
    text = (ROOT / path).read_text()
    if path.endswith(".py"):
        return first_sentence(ast.get_docstring(ast.parse(text)) or "")
    if path.endswith(".toml"):
        described = re.search(r'^description = "(.*)"', text, re.M)
        return described[1] if described else first_sentence(head_comment(text))
    return first_sentence(head_comment(text)) or "; ".join(re.findall(r'^describe\("(.*?)"', text, re.M))


def head_comment(text: str) -> str:
    """The words of the comment with which a file begins; empty for none."""
    text = text.lstrip()
    if text.startswith("/*"):
        lines = text[2 : text.find("*/")].lstrip("*").splitlines()
        return "\n".join(line.strip().removeprefix("*").strip() for line in lines)
    said: list[str] = []
    for line in text.splitlines():
        found = re.match(r"(?:;|#|//)+!?\s?(.*)", line)
        if found is None or line.startswith("#include"):
            break
        said.append(found[1] if not line.startswith("#!") else "")
    return "\n".join(said)


def first_sentence(text: str) -> str:
    """Up to the first full stop; of a text that is only a heading, its first line."""
    text = " ".join(text.strip().split("\n\n")[0].split())
    found = _SENTENCE.match(text)
    return (found[1] if found else text).rstrip(":.").strip()


@cache
def built() -> House:
    """The house as the code is now."""
    house = House({room.name: [] for room in ROOMS})
    for path in files():
        room = room_of(path)
        if room is None:
            house.homeless.append(path)
        elif not (path.endswith("__init__.py") and not (ROOT / path).read_text().strip()):
            house.items[room.name].append(Item(path, purpose(path)))
    house.arrows = arrows()
    return house


# --- imports --------------------------------------------------------------------------------------------------------


@cache
def graph() -> grimp.ImportGraph:
    return grimp.build_graph("pbx", "service", cache_dir=None)


def path_of(module: str) -> str:
    """`pbx.parse` → `pbx/parse.py`; a package is its `__init__.py`."""
    path = module.replace(".", "/")
    return f"{path}.py" if (ROOT / f"{path}.py").is_file() else f"{path}/__init__.py"


def arrows() -> Counter[tuple[str, str]]:
    """Imports between rooms."""
    found: Counter[tuple[str, str]] = Counter()
    for module in graph().modules:
        here = room_of(path_of(module))
        for other in graph().find_modules_directly_imported_by(module):
            there = room_of(path_of(other))
            if here is not None and there is not None and here is not there:
                found[here.name, there.name] += 1
    return found


# --- the way of the data, held against the code ---------------------------------------------------------------------


def missing(step: Step) -> str:
    """Why a step is not in the code; empty when it is.

    Both ends exist; the first names the second in its own lines; and, where both are Python, its module imports that
    of the second, or gets it from a module that it imports.
    """
    for end in (step.source, step.target):
        if not _exists(end.path, end.name):
            return f"{end} does not exist"
    body = _body(step.source.path, step.source.name)
    word = step.word or step.target.name.rpartition(".")[2]
    if not re.search(rf"\b{re.escape(word)}\b", body):
        return f"{step.source} does not name {word}"
    if step.imports and not _imports(step.source.path, step.target.path):
        return f"{step.source.path} does not import {step.target.path}"
    return ""


def _module(path: str) -> str:
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def _imports(path: str, other: str) -> bool:
    here, there = _module(path), _module(other)
    return here == there or there in graph().find_modules_directly_imported_by(here)


def _exists(path: str, name: str) -> bool:
    return (ROOT / path).is_file() and bool(_body(path, name))


def _body(path: str, name: str) -> str:
    """The lines of `Class.method`, `function` or `NAME` of a Python file; of any other, all that follows the name."""
    text = (ROOT / path).read_text()
    if not path.endswith(".py"):
        return text[max(text.find(name), 0) :] if name in text else ""
    nodes: Iterable[ast.AST] = ast.parse(text).body
    node: ast.AST | None = None
    for part in name.split("."):
        node = next((found for found in nodes if part in _names(found)), None)
        if node is None:
            return ""
        nodes = getattr(node, "body", [])
    return ast.get_source_segment(text, node) or "" if node is not None else ""


def _names(node: ast.AST) -> set[str]:
    if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        return {node.name}
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return {target.id for target in targets if isinstance(target, ast.Name)}


# --- what is written ------------------------------------------------------------------------------------------------


def svg() -> str:
    """The drawing."""
    house = built()
    listed = {name: [(item.path, item.purpose) for item in items] for name, items in house.items.items()}
    return house_svg.draw(listed, house.arrows)


def page() -> str:
    """docs/house.md: the drawing, the rooms in a few words, and every file under its room."""
    house = built()
    lines = [
        "# The house",
        "",
        "Made from the code by `make house`: nothing here is written by hand but the words about each room.",
        "",
        "![The rooms, their imports, and the way of the data](house.svg)",
        "",
        "## The way of the data",
        "",
    ]
    for number, step in enumerate(WAY, start=1):
        lines.append(f"{number}. {step.says} (`{step.source}` → `{step.target}`)")
    lines += ["", "Each step is held against the code: both ends exist, and the first names the second.", ""]
    lines += ["## The rooms", ""]
    for room in ROOMS:
        goes = sorted(there for here, there in house.arrows if here == room.name)
        lines += [f"### {room.title}", "", f"{room.says} {MORE[room.name]}", ""]
        if goes:
            lines += [f"Imports: {', '.join(goes)}.", ""]
        for item in house.items[room.name]:
            lines.append(f"- `{item.path}`: {item.purpose}")
        lines += [""] if house.items[room.name] else []
    return "\n".join(lines).rstrip() + "\n"


def main() -> None:
    """Write the drawing and its page."""
    SVG.write_text(svg())
    PAGE.write_text(page())


if __name__ == "__main__":
    main()
