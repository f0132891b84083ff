"""What runs the PBX: docker-compose.yml and systemd's units, where there are any. Nothing there may end it.

Read by lines, with their indentation: enough for these files, and every finding has its line. A part that is written in
another way is a finding.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from pbx.no_cap import Problem
from pbx.settings_rules import ENOUGH_FILES

#: Containers whose end is the end of calls: `net` holds the network that the PBX's sockets live in.
_OF_CALLS = {"pbx", "net"}
#: What a service may say; everything else may limit it.
_COMPOSE_KEYS = {
    "image", "build", "entrypoint", "command", "restart", "ports", "stop_grace_period", "network_mode", "depends_on",
    "volumes", "ulimits", "environment", "configs", "profiles", "<<",
}  # fmt: skip
_RESTARTS = {"always", "unless-stopped"}
_GRACE_HOURS = 6

_UNIT = {
    "LimitNOFILE": r"infinity|\d+", "Restart": r"always", "TimeoutStopSec": r"infinity|0", "RestartSec": r".*",
    "ExecStart": r".*", "ExecStop": r".*\becoute down\b.*", "ExecStartPre": r".*", "User": r".*", "Group": r".*",
    "WorkingDirectory": r".*", "Environment": r".*", "EnvironmentFile": r".*", "Type": r".*",
    "KillMode": r"none|process|mixed", "StandardOutput": r".*", "StandardError": r".*", "UMask": r".*",
    "NoNewPrivileges": r".*", "ProtectSystem": r".*",
    "ProtectHome": r".*", "ReadWritePaths": r".*", "PrivateTmp": r".*", "SendSIGKILL": r"no",
}  # fmt: skip
_UNIT_MUST = ("LimitNOFILE", "Restart", "TimeoutStopSec", "ExecStop")
_NOT_OURS = {"node_modules", "var", "build", "dist"}


def problems(checkout: Path) -> Iterator[Problem]:
    """Of what lies in the checkout."""
    compose = checkout / "docker-compose.yml"
    if compose.is_file():
        yield from _compose(compose.name, compose.read_text().splitlines())
    for unit in sorted(_units(checkout)):
        yield from _unit(str(unit.relative_to(checkout)), unit.read_text().splitlines())


def _units(checkout: Path) -> Iterator[Path]:
    for folder, folders, files in os.walk(checkout):
        folders[:] = [name for name in folders if not name.startswith(".") and name not in _NOT_OURS]
        dropin = folder.endswith(".service.d")
        yield from (
            Path(folder, name) for name in files if name.endswith(".service") or (dropin and name.endswith(".conf"))
        )


# --- docker compose ---------------------------------------------------------------------------------------------------

Written = dict[str, tuple[int, str]]


def services(lines: list[str]) -> dict[str, tuple[int, Written]]:
    """Service → its line, and key → (line, rest of the line with what is indented below it)."""
    found: dict[str, tuple[int, Written]] = {}
    inside, service, key = False, "", ""
    for number, raw in enumerate(lines, start=1):
        text = re.sub(r"(^|\s)#.*$", "", raw).rstrip()
        if not text:
            continue
        indent = len(text) - len(text.lstrip())
        name, _, rest = text.strip().partition(":")
        if indent == 0:
            inside = name == "services"
        elif inside and indent == 2:
            service, key = name, ""
            found[service] = (number, {})
            if rest.strip():
                found[service][1]["(in one line)"] = (number, rest.strip())
        elif inside and indent == 4:
            key = name.strip("'\"")
            found[service][1][key] = (number, rest.strip())
        elif inside and key:
            line, before = found[service][1][key]
            found[service][1][key] = (line, f"{before} {text.strip()}".strip())
    return found


def _compose(file: str, lines: list[str]) -> Iterator[Problem]:
    found = services(lines)
    for name in sorted(_OF_CALLS - set(found)):
        yield Problem(file, 1, "container", f"There is no service {name}.", "Name the PBX's container so.")
    for name in sorted(_OF_CALLS & set(found)):
        line, written = found[name]
        for key, (at, value) in written.items():
            if key not in _COMPOSE_KEYS:
                sentence = f"{name}: {key} is not known to leave calls alone."
                yield Problem(file, at, "container", sentence, "Remove it, or add it to pbx/machine_rules.py.")
            elif key == "restart" and value not in _RESTARTS:
                yield Problem(file, at, "container", f"{name}: restart is {value}.", "Write restart: unless-stopped.")
        if "restart" not in written:
            yield Problem(file, line, "container", f"{name} is not started again.", "Write restart: unless-stopped.")
        if name == "pbx":
            yield from _pbx_container(file, line, written)


def _pbx_container(file: str, line: int, written: Written) -> Iterator[Problem]:
    at, grace = written.get("stop_grace_period", (line, ""))
    hours = re.fullmatch(r"(\d+)h", grace)
    if not hours or int(hours[1]) < _GRACE_HOURS:
        mend = f"Write stop_grace_period: {_GRACE_HOURS}h or more."
        yield Problem(file, at, "container", f"pbx is killed {grace or '10 s'} after it was asked to stop.", mend)
    at, limits = written.get("ulimits", (line, ""))
    files = re.search(r"nofile:\s*\{?\s*(?:soft:\s*)?(\d+)", limits)
    if not files or int(files[1]) < ENOUGH_FILES:
        sentence = f"pbx may open {files[1] if files else 'too few'} files."
        yield Problem(file, at, "container", sentence, f"Write ulimits: {{ nofile: {ENOUGH_FILES} }}.")
    for limit in set(re.findall(r"(\w+):", limits)) - {"nofile", "soft", "hard"}:
        yield Problem(file, at, "container", f"pbx is limited by {limit}.", "Remove the limit.")


# --- systemd ----------------------------------------------------------------------------------------------------------


def _unit(file: str, lines: list[str]) -> Iterator[Problem]:
    section, seen, begun = "", {}, 1
    for number, raw in enumerate(lines, start=1):
        text = raw.strip()
        if text.startswith("["):
            section = text
            begun = number if section == "[Service]" else begun
        elif section == "[Service]" and text and text[0] not in "#;":
            key, _, value = (part.strip() for part in text.partition("="))
            seen[key] = value
            wanted = _UNIT.get(key)
            few = key == "LimitNOFILE" and value.isdigit() and int(value) < ENOUGH_FILES
            if wanted is None:
                sentence = f"{key} is not known to leave calls alone."
                yield Problem(file, number, "service-unit", sentence, "Remove it, or add it to pbx/machine_rules.py.")
            elif few or not re.fullmatch(wanted, value):
                yield Problem(file, number, "service-unit", f"{key} is {value}.", f"Write {key} as {wanted}.")
    for key in _UNIT_MUST:
        if seen and key not in seen:
            yield Problem(file, begun, "service-unit", f"{key} is not set.", f"Write {key} as {_UNIT[key]}.")
