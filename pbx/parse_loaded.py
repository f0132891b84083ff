"""What a PBX says that it has loaded: answers of the manager interface and of the console that the verifier alone asks
for. Beside parse.py, which knows the headers of everything else."""

from __future__ import annotations

import re
from typing import NamedTuple

from pbx.parse import EOL, field, is_event


class Channel(NamedTuple):
    """`hung_up_at`: epoch seconds at which Asterisk hangs up on it; 0: never, as it must be. -1: not told."""

    name: str
    call_id: str
    hung_up_at: int


class Line(NamedTuple):
    """One loaded line of the dialplan. `what`: empty for an extension, else what opens others (include, switch, …)."""

    context: str
    exten: str
    number: int
    label: str
    app: str
    args: str
    what: str = ""


class LoadedQueue(NamedTuple):
    name: str
    maximum: str
    strategy: str
    weight: str


class LoadedMember(NamedTuple):
    queue: str
    interface: str
    membership: str
    wrapup: str


def channel(text: str) -> Channel | None:
    """A `Status` event."""
    if not is_event(text, "Status"):
        return None
    seconds = field(text, "\r\nTimeToHangup: ")
    call_id = field(text, "\r\nVariable: CALL_ID=")
    return Channel(
        field(text, "\r\nChannel: "),
        "" if call_id == "(null)" else call_id,
        int(seconds) if re.fullmatch(r"-?\d+", seconds) else -1,
    )


_OPENS = {"include": "\r\nIncludeContext: ", "switch": "\r\nSwitch: ", "ignorepat": "\r\nIgnorePattern: "}


def line(text: str) -> Line | None:
    """A `ListDialplan` event."""
    if not is_event(text, "ListDialplan"):
        return None
    context, exten = field(text, "\r\nContext: "), field(text, "\r\nExtension: ")
    for what, header in _OPENS.items():
        if header in text:
            return Line(context, "", 0, "", "", field(text, header), what)
    number = field(text, "\r\nPriority: ")
    return Line(
        context,
        exten,
        int(number) if number.isdigit() else 0,
        field(text, "\r\nExtensionLabel: "),
        field(text, "\r\nApplication: "),
        field(text, "\r\nAppData: ").strip(),
        "" if number.isdigit() else "hint",
    )


def queue(text: str) -> LoadedQueue | None:
    """A `QueueParams` event of QueueStatus."""
    if not is_event(text, "QueueParams"):
        return None
    headers = ("Queue", "Max", "Strategy", "Weight")
    return LoadedQueue(*(field(text, f"{EOL}{header}: ") for header in headers))


def member(text: str) -> LoadedMember | None:
    """A `QueueMember` event of QueueStatus."""
    if not is_event(text, "QueueMember"):
        return None
    headers = ("Queue", "Location", "Membership", "Wrapuptime")
    return LoadedMember(*(field(text, f"{EOL}{header}: ") for header in headers))


# --- the console ------------------------------------------------------------------------------------------------------


def table(said: str) -> dict[str, str]:
    """`pjsip show endpoint l1` and its like: name → value, in the words of the files."""
    rows = re.findall(r"^ ([\w.]+) *: ?(.*)$", said, re.MULTILINE)
    return {name: _as_written(value.strip()) for name, value in rows if name != "ParameterName"}


def _as_written(value: str) -> str:
    if re.fullmatch(r"\(.*\)", value):
        return value[1:-1].replace("|", ",")
    if re.fullmatch(r"\d+\.0+", value):
        return value.partition(".")[0]
    return {"true": "yes", "false": "no"}.get(value.casefold(), value)


def names(said: str, kind: str) -> list[str]:
    """Of `pjsip show endpoints`, aors, transports: what stands behind `Endpoint:` and its like."""
    found = re.findall(rf"^ *{kind}: +([^\s<]\S*)", said, re.MULTILINE)
    return [name.partition("/")[0] for name in found]


def modules(said: str) -> set[str]:
    """Of `module show`: those that are files, without `.so`."""
    return set(re.findall(r"^(\S+)\.so\s", said, re.MULTILINE))


def global_variables(said: str) -> dict[str, str]:
    """Of `dialplan show globals`."""
    return {name: value.strip() for name, value in re.findall(r"^   (\w+)=(.*)$", said, re.MULTILINE)}


def core_settings(said: str) -> dict[str, str]:
    """Of `core show settings`."""
    return {name.strip(): value.strip() for name, value in re.findall(r"^  ([^:]+):+ +(.*)$", said, re.MULTILINE)}


def backlogs(said: str) -> dict[str, int]:
    """Of `core show taskprocessors`: name → tasks that wait."""
    return {name: int(waiting) for name, waiting in re.findall(r"^(\S+)\s+\d+\s+(\d+)\s+\d+\s+\d+", said, re.MULTILINE)}


def seconds(said: str, what: str) -> int | None:
    """Of `core show uptime seconds`: `System uptime` or `Last reload`."""
    found = re.search(rf"^{what}: (\d+)", said, re.MULTILINE)
    return int(found[1]) if found else None


def rung_in_use(said: str) -> list[tuple[str, str]]:
    """Of `queue show`: (queue, member) of those who are rung while they talk."""
    found, name = [], ""
    for text in said.splitlines():
        if match := re.match(r"(\S+) has \d+ calls", text):
            name = match[1]
        elif "(ringinuse enabled)" in text:
            found.append((name, text.split("(", 1)[0].strip()))
    return found
