"""Asterisk's files as Asterisk reads them: includes and templates resolved, each setting with its file and line.

https://docs.asterisk.org/Fundamentals/Asterisk-Configuration/Asterisk-Configuration-Files
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

_SECTION = re.compile(r"\[([^\]]+)\](?:\(([^)]*)\))?$")
_INCLUDE = re.compile(r"#(try)?include\s+[\"<]?([^\">]+)[\">]?$")
_EXTEN = re.compile(r"([^,]+),\s*([^,(]+)(?:\(([^)]*)\))?\s*,\s*(.*)$")
_APPLICATION = re.compile(r"([A-Za-z_]\w*)\s*(?:\((.*)\))?$")


@dataclass(frozen=True, slots=True)
class Setting:
    """One `key = value`. `file` is relative to the directory of the configuration."""

    file: str
    line: int
    key: str
    value: str


@dataclass(slots=True)
class Section:
    """A `[name]`, with what it inherits from its templates first."""

    name: str
    file: str
    line: int
    template: bool = False
    settings: list[Setting] = field(default_factory=list)

    def last(self, key: str) -> Setting | None:
        """The setting that holds: Asterisk takes the last one."""
        return next((setting for setting in reversed(self.settings) if setting.key == key), None)

    def value(self, key: str) -> str:
        found = self.last(key)
        return found.value if found else ""


@dataclass(frozen=True, slots=True)
class Priority:
    """One line of the dialplan."""

    file: str
    line: int
    context: str
    exten: str
    label: str
    app: str
    args: str


class Unreadable(Exception):
    """A file that is included does not exist, or a line is no configuration."""

    def __init__(self, file: str, line: int, what: str) -> None:
        super().__init__(f"{file}:{line}: {what}")
        self.file, self.line, self.what = file, line, what


def sections(etc: Path, name: str) -> list[Section]:
    """Every section of a file below `etc`, templates included and marked. Raises Unreadable."""
    found: list[Section] = []
    for file, line, text in _lines(etc, name, "", 0, required=True):
        if match := _SECTION.match(text):
            options = [option.strip() for option in (match[2] or "").split(",") if option.strip()]
            section = Section(match[1], file, line, "!" in options)
            if "+" in options and (known := next((s for s in found if s.name == match[1]), None)):
                section = known
            else:
                found.append(section)
            for parent in (option for option in options if option not in "!+"):
                section.settings += _template(found, parent, section, file, line).settings
        elif found:
            key, equals, value = text.partition("=")
            if not equals:
                raise Unreadable(file, line, f"not a setting: {text}")
            found[-1].settings.append(Setting(file, line, key.strip(), value.lstrip(">").strip()))
        else:
            raise Unreadable(file, line, "a setting before the first section")
    return found


def dialplan(etc: Path) -> list[Priority]:
    """Every priority of extensions.conf and what it includes. Raises Unreadable."""
    priorities: list[Priority] = []
    for section in sections(etc, "extensions.conf"):
        exten = ""
        for setting in section.settings:
            if setting.key == "exten":
                match = _EXTEN.match(setting.value)
                if not match:
                    raise Unreadable(setting.file, setting.line, "not an extension")
                exten, label, rest = match[1].strip(), match[3] or "", match[4]
            elif setting.key == "same":
                match = re.match(r"([^,(]+)(?:\(([^)]*)\))?\s*,\s*(.*)$", setting.value)
                if not match:
                    raise Unreadable(setting.file, setting.line, "not a priority")
                label, rest = match[2] or "", match[3]
            else:
                continue
            call = _APPLICATION.match(rest.strip())
            if not call:
                raise Unreadable(setting.file, setting.line, f"not an application: {rest}")
            priorities.append(
                Priority(setting.file, setting.line, section.name, exten, label, call[1], (call[2] or "").strip())
            )
    return priorities


def split(text: str, separator: str = ",") -> list[str]:
    """Arguments, at separators outside brackets and quotes."""
    parts, depth, quoted, current = [], 0, False, ""
    for letter in text:
        quoted ^= letter == '"'
        depth += (letter in "([{") - (letter in ")]}") if not quoted else 0
        if letter == separator and depth == 0 and not quoted:
            parts.append(current.strip())
            current = ""
        else:
            current += letter
    return [*parts, current.strip()]


def options(text: str) -> dict[str, str]:
    """`cib(member^s^1)` → {c: "", i: "", b: "member^s^1"}."""
    return {match[1]: match[2] or "" for match in re.finditer(r"([A-Za-z])(?:\(([^)]*)\))?", text)}


def _template(found: list[Section], parent: str, section: Section, file: str, line: int) -> Section:
    """The template of that name that came before, which is how Asterisk looks for it."""
    template = next((s for s in found if s.name == parent and s is not section), None)
    if template is None:
        raise Unreadable(file, line, f"no template [{parent}] before this line")
    return template


def _lines(etc: Path, name: str, by: str, at: int, *, required: bool) -> Iterator[tuple[str, int, str]]:
    """(file, line, text) without comments, includes followed in place."""
    files = sorted(etc.glob(name)) if "*" in name else [etc / name] if (etc / name).is_file() else []
    if not files and required:
        raise Unreadable(by or name, at, f"{name} does not exist")
    for path in files:
        file = str(path.relative_to(etc))
        for line, raw in enumerate(path.read_text().splitlines(), start=1):
            text = re.split(r"(?<!\\);", raw, maxsplit=1)[0].strip()
            if not text:
                continue
            if match := _INCLUDE.match(text):
                yield from _lines(etc, match[2].strip(), file, line, required=not match[1])
            else:
                yield file, line, text
