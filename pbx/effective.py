"""Asterisk's files as Asterisk reads them: includes and templates resolved, each setting with its file and line.

After main/config.c and pbx/pbx_config.c of Asterisk 22: there is no continuation of lines; `;-- … --;` is a comment
over lines, and nests; names in brackets are compared without regard to case, blanks count in a list of templates; what
stands after an include belongs to the section before it.
https://docs.asterisk.org/Fundamentals/Asterisk-Configuration/Asterisk-Configuration-Files
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

#: what Asterisk takes of a line, and of includes within includes
_LINE_LIMIT, _INCLUDE_LEVELS = 8190, 10
#: what Asterisk takes for blank (ast_strip): no letter of another alphabet that only looks so
BLANKS = "".join(map(chr, range(1, 33)))
_SECTION = re.compile(r"\[([^\]]*)\](?:\(([^)]*)\).*)?")
_DIRECTIVE = re.compile(r"#(\S*)\s*(.*)", re.DOTALL | re.ASCII)
_PRIORITY = re.compile(r"\s*(\w+)\s*(?:\+(\d+))?\s*(?:\(([^)]*)\))?\s*(?:\+(\d+))?\s*,\s*(.*)$", re.DOTALL | re.ASCII)
_APPLICATION = re.compile(r"([A-Za-z_]\w*)\s*(?:\((.*)\))?$", re.DOTALL | re.ASCII)


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

    def all(self, key: str) -> list[Setting]:
        """Every occurrence, in any case of letters. Which one holds differs between Asterisk's modules."""
        return [setting for setting in self.settings if setting.key.casefold() == key.casefold()]

    def last(self, key: str) -> Setting | None:
        """The last one, which most modules take."""
        found = self.all(key)
        return found[-1] if found else None

    def value(self, key: str) -> str:
        found = self.last(key)
        return found.value if found else ""


@dataclass(frozen=True, slots=True)
class Priority:
    """One line of the dialplan. `number`: as Asterisk counts it; 0 for a hint."""

    file: str
    line: int
    context: str
    exten: str
    label: str
    app: str
    args: str
    number: int = 0


@dataclass(frozen=True, slots=True)
class Plan:
    """extensions.conf. `others`: what is neither an extension nor [general] nor [globals], by its context."""

    priorities: list[Priority]
    contexts: dict[str, Section]
    general: list[Section]
    globals: list[Section]
    others: list[tuple[str, Setting]]


class Unreadable(Exception):
    """A file that is included does not exist, or a line is no configuration. `rule`: by which id it is reported."""

    def __init__(self, file: str, line: int, what: str, rule: str = "unreadable") -> None:
        super().__init__(f"{file}:{line}: {what}")
        self.file, self.line, self.what, self.rule = file, line, what, rule


class _Reader:
    """One file and all that it includes. `current`: the section that a file begins in which has none of its own."""

    def __init__(self, etc: Path) -> None:
        self.etc = etc
        self.sections: list[Section] = []
        self.files: list[Path] = []
        self.current: Section | None = None

    def read(self, name: str, by: tuple[str, int], *, required: bool, level: int = 1) -> None:
        if level > _INCLUDE_LEVELS:
            raise Unreadable(*by, f"{name} is included by what it includes")
        wild = any(letter in name for letter in "*?[")
        files = sorted(self.etc.glob(name)) if wild else [self.etc / name]
        files = [path for path in files if path.is_file()]
        if not files and required:
            raise Unreadable(*by, f"{name} does not exist")
        for path in files:
            self._file(path, level)

    def _file(self, path: Path, level: int) -> None:
        file = str(path.relative_to(self.etc)) if path.is_relative_to(self.etc) else str(path)
        self.files.append(path)
        here = self.current
        for line, text in _lines(file, path.read_bytes().decode(errors="replace")):
            if text.startswith("["):
                here = self._section(text, file, line)
            elif text.startswith("#"):
                self._directive(text, file, line, level)
            else:
                _setting(here, text, file, line)

    def _directive(self, text: str, file: str, line: int, level: int) -> None:
        match = _DIRECTIVE.match(text)
        word, target = (match[1].casefold(), match[2].strip(BLANKS)) if match else ("", "")
        if word == "exec":
            raise Unreadable(file, line, "#exec runs a program", "dangerous")
        if word not in {"include", "tryinclude"} or not target:
            raise Unreadable(file, line, f"no directive: {text}")
        if target[0] in '"<' and target[-1] == {'"': '"', "<": ">"}[target[0]]:
            target = target[1:-1]
        self.read(target, (file, line), required=word == "include", level=level + 1)

    def _section(self, text: str, file: str, line: int) -> Section:
        match = _SECTION.match(text)
        if not match:
            raise Unreadable(file, line, "a section without its closing bracket")
        if not match[1].isascii():
            raise Unreadable(
                file, line, "a section's name with a letter beyond ASCII, which may only look like another"
            )
        section = Section(match[1], file, line)
        for option in match[2].split(",") if match[2] is not None else []:
            if option == "!":
                section.template = True
            elif option == "+":
                known = self._named(match[1])
                if known is None:
                    raise Unreadable(file, line, f"no [{match[1]}] before this line to add to")
                known.template |= section.template
                known.settings += section.settings
                section = known
            elif option.startswith("+"):
                raise Unreadable(file, line, f"({option}) is not read here")
            elif (base := self._named(option)) is None:
                raise Unreadable(file, line, f"no template [{option}] before this line")
            else:
                section.settings += list(base.settings)
        if all(section is not known for known in self.sections):
            self.sections.append(section)
        self.current = section
        return section

    def _named(self, name: str) -> Section | None:
        """The first of that name, which is what Asterisk takes."""
        return next((known for known in self.sections if known.name.casefold() == name.casefold()), None)


def sections(etc: Path, name: str) -> list[Section]:
    """Every section of a file below `etc`, templates included and marked. Raises Unreadable."""
    reader = _Reader(etc)
    reader.read(name, (name, 0), required=True)
    return reader.sections


def files(etc: Path, name: str) -> list[Path]:
    """The file and all that it includes, as far as they can be read."""
    reader = _Reader(etc)
    try:
        reader.read(name, (name, 0), required=True)
    except Unreadable:
        return reader.files
    return reader.files


def dialplan(etc: Path) -> Plan:
    """extensions.conf and what it includes. Raises Unreadable."""
    plan = Plan([], {}, [], [], [])
    for section in sections(etc, "extensions.conf"):
        if section.template:
            continue
        name = section.name.casefold()
        if name in {"general", "globals"}:
            (plan.general if name == "general" else plan.globals).append(section)
            continue
        plan.contexts.setdefault(section.name, section)
        _context(section, plan)
    return plan


def split(text: str, separator: str = ",") -> list[str]:
    """Arguments, at separators outside brackets and quotes."""
    parts, depth, quoted, current = [], 0, False, ""
    for letter in text:
        quoted ^= letter == '"'
        depth += (letter in "([{") - (letter in ")]}") if not quoted else 0
        if letter == separator and depth == 0 and not quoted:
            parts.append(current.strip(BLANKS))
            current = ""
        else:
            current += letter
    return [*parts, current.strip(BLANKS)]


def options(text: str) -> dict[str, str]:
    """`cib(member^s^1)` → {c: "", i: "", b: "member^s^1"}. What is no letter is kept by itself."""
    return {match[1]: match[2] or "" for match in re.finditer(r"(\S)(?:\(([^)]*)\))?", text)}


def _context(section: Section, plan: Plan) -> None:
    exten, last = "", 0
    for setting in section.settings:
        key = setting.key.casefold()
        if not setting.value.isascii():
            raise Unreadable(setting.file, setting.line, "a letter beyond ASCII, which may only look like another")
        if key == "exten":
            exten, comma, rest = (part.strip(BLANKS) for part in setting.value.partition(","))
            if not comma or not exten:
                raise Unreadable(setting.file, setting.line, "not an extension")
        elif key.startswith("same"):
            rest = setting.value
            if not exten:
                raise Unreadable(setting.file, setting.line, "`same` without an extension before it")
        else:
            plan.others.append((section.name, setting))
            continue
        priority = _priority(plan, (section.name, exten, last), rest, setting)
        plan.priorities.append(priority)
        last = priority.number or last


def _priority(plan: Plan, at: tuple[str, str, int], rest: str, setting: Setting) -> Priority:
    """`at`: context, extension, and the number of the priority before."""
    context, exten, last = at
    match = _PRIORITY.match(rest)
    if not match:
        raise Unreadable(setting.file, setting.line, "not a priority")
    word, label = match[1].casefold(), match[3] or ""
    if word == "hint":
        return Priority(setting.file, setting.line, context, exten, label, "hint", match[5].strip(BLANKS), 0)
    if word in {"n", "next"}:
        number = last + 1
    elif word in {"s", "same"}:
        number = last
    elif word.isdigit():
        number = int(word)
    else:
        number = next(
            (p.number for p in plan.priorities if (p.context, p.exten, p.label) == (context, exten, match[1])), 0
        )
    number += int(match[2] or match[4] or 0)
    call = _APPLICATION.match(match[5].strip(BLANKS))
    if number < 1 or not call:
        what = f"not an application: {match[5]}" if number else f"no priority or label {match[1]}"
        raise Unreadable(setting.file, setting.line, what)
    return Priority(setting.file, setting.line, context, exten, label, call[1], (call[2] or "").strip(BLANKS), number)


def _setting(section: Section | None, text: str, file: str, line: int) -> None:
    key, equals, value = text.partition("=")
    if not equals or text.startswith("\\"):
        raise Unreadable(file, line, f"not a setting: {text}")
    if section is None:
        raise Unreadable(file, line, "a setting before the first section")
    appends = key.endswith("+")
    key = key.rstrip("+").strip(BLANKS) if appends else key.strip(BLANKS)
    if not key:
        raise Unreadable(file, line, "a setting without a name")
    if not key.isascii():
        raise Unreadable(file, line, "a setting's name with a letter beyond ASCII, which may only look like another")
    value = value.removeprefix(">") if not appends else value
    if appends and (known := next((s for s in reversed(section.settings) if s.key == key), None)):
        at = section.settings.index(known)
        section.settings[at] = Setting(file, line, key, (known.value + value.rstrip(BLANKS)).strip(BLANKS))
    else:
        section.settings.append(Setting(file, line, key, value.strip(BLANKS)))


def _lines(file: str, content: str) -> Iterator[tuple[int, str]]:
    """(line, text) without comments and blank lines."""
    depth, begun = 0, 0
    for line, raw in enumerate(content.split("\n"), start=1):
        if any(letter < " " and letter != "\t" for letter in raw.removesuffix("\r")):
            raise Unreadable(file, line, "a control character within the line")
        if len(raw.encode()) > _LINE_LIMIT:
            raise Unreadable(file, line, "longer than a line that Asterisk reads")
        before = depth
        text, depth = _uncommented(raw, depth)
        if depth < 0:
            raise Unreadable(file, line, "`--;` without `;--`: all that follows is a comment to Asterisk")
        begun = line if depth > before else begun
        if text:
            yield line, text
    if depth:
        raise Unreadable(file, begun, "a comment `;--` that never ends")


def _uncommented(raw: str, depth: int) -> tuple[str, int]:
    """The text of a line outside comments, and how deep in comments its end is. As config_text_file_load does it."""
    kept, start, look = "", 0, 0
    while (at := raw.find(";", look)) >= 0:
        if at > look and raw[at - 1] == "\\":
            raw, look = raw[: at - 1] + raw[at:], at
        elif raw.startswith("--", at + 1) and raw[at + 3 : at + 4] != "-":
            kept += raw[start:at] if depth == 0 else ""
            depth, look = depth + 1, at + 3
        elif at >= look + 2 and raw[at - 2 : at] == "--":
            depth, look = depth - 1, at + 1
            if depth < 0:
                return "", depth
            start = look if depth == 0 else start
        elif depth == 0:
            return (kept + raw[start:at]).strip(BLANKS), 0
        else:
            look = at + 1
    return (kept + raw[start:] if depth == 0 else kept).strip(BLANKS), depth
