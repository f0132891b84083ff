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

_NOT_OURS = {"node_modules", "var", "build", "dist"}
_COMPOSE = "docker-compose.yml"


def problems(checkout: Path) -> Iterator[Problem]:
    """Of what lies in the checkout."""
    compose = checkout / _COMPOSE
    if compose.is_file():
        yield from _compose(compose.name, compose.read_text().splitlines())
    yield from _beside(checkout)
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

#: Containers whose end is the end of calls: `net` holds what the PBX lives in, its sockets and its processes' numbers.
#: Key → its value, in one line. Everything else may limit them, or start them anew.
_LIST = r"\[[^]]*\]|(- \S+ ?)+"
_OF_CALLS = {
    "net": {
        "image": r"(?!ecoute\b)[\w.:@-]+", "entrypoint": r'\["sleep", "infinity"\]', "init": r"true",
        "restart": r"always|unless-stopped", "ports": _LIST,
    },
    "pbx": {
        "image": r".*", "build": r".*", "command": r'\["pbx", "run"(, "[a-z0-9-]+")*\]',
        "restart": r"always|unless-stopped", "stop_grace_period": r".*", "ulimits": r".*", "volumes": _LIST,
        "network_mode": r'"?service:net"?', "pid": r'"?service:net"?', "depends_on": r"\[net\]|- net",
        "environment": r".*",
    },
}  # fmt: skip
#: What docker-compose.yml may begin with; `include` would bring in more than is looked at.
_TOPS = re.compile(r"name|services|configs|volumes|networks|secrets|x-[\w-]+")
#: Docker reads these in place of docker-compose.yml, or on top of it.
_BESIDE = (
    "compose.yaml", "compose.yml", "docker-compose.yaml", "compose.override.yaml", "compose.override.yml",
    "docker-compose.override.yaml", "docker-compose.override.yml",
)  # fmt: skip
_GRACE_HOURS = 6

Written = dict[str, tuple[int, str]]


def _beside(checkout: Path) -> Iterator[Problem]:
    for name in _BESIDE:
        if (checkout / name).exists():
            sentence = f"Docker reads {name} too, or in place of {_COMPOSE}; nobody looks at it."
            yield Problem(name, 1, "container", sentence, f"Write it into {_COMPOSE}, and remove it.")
    environment = checkout / ".env"
    if environment.is_file():
        for number, line in enumerate(environment.read_text().splitlines(), start=1):
            if re.match(r"\s*(export\s+)?COMPOSE_FILE\b", line):
                sentence = f"COMPOSE_FILE names other files than {_COMPOSE}; nobody looks at them."
                yield Problem(".env", number, "container", sentence, "Remove the line.")


def _read(lines: list[str]) -> Iterator[tuple[int, int, str, str, str]]:
    """Number, indentation, name, what follows the colon, the whole; comments and empty lines are left out."""
    for number, raw in enumerate(lines, start=1):
        text = re.sub(r"(^|\s)#.*$", "", raw).rstrip()
        if text:
            name, _, rest = text.strip().partition(":")
            yield number, len(text) - len(text.lstrip()), name.strip("'\""), rest.strip(), text.strip()


def services(lines: list[str]) -> dict[str, tuple[int, Written]]:
    """Service → its line, and key → (line, rest of the line with what is indented below it). Nothing is merged yet."""
    found: dict[str, tuple[int, Written]] = {}
    inside, written, key = False, Written(), ""
    for number, indent, name, rest, text in _read(lines):
        if indent == 0:
            inside = name == "services"
        elif inside and indent == 2:
            written, key = Written({"(in one line)": (number, rest)} if rest else {}), ""
            found[name] = (number, written)
        elif inside:
            key = _keep(written, key, (number, indent - 4, name, rest, text))
    return found


def anchors(lines: list[str]) -> dict[str, Written]:
    """`image` of `x-image: &image` → key → (line, value), as in `services`."""
    found: dict[str, Written] = {}
    written, key = Written(), ""
    for number, indent, name, rest, text in _read(lines):
        if indent == 0:
            written, key = Written(), ""
            if named := re.fullmatch(r"&([\w-]+)", rest):
                found[named[1]] = written
        else:
            key = _keep(written, key, (number, indent - 2, name, rest, text))
    return found


def _keep(written: Written, key: str, line: tuple[int, int, str, str, str]) -> str:
    """A line of a mapping: a key of its own, or more of the last one's value. Returns the key that it belongs to."""
    number, indent, name, rest, text = line
    if indent == 0:
        written[name] = (number, rest)
        return name
    if key:
        begun, before = written[key]
        written[key] = (begun, f"{before} {text}".strip())
    return key


def merged(written: Written, known: dict[str, Written]) -> Written:
    """With what `<<` brings in, each with the line where it stands. What cannot be followed stays as it is written."""
    if "<<" not in written:
        return written
    rest = {key: value for key, value in written.items() if key != "<<"}
    at, said = written["<<"]
    names = re.findall(r"\*([\w-]+)", said)
    if not re.fullmatch(r"\*[\w-]+|\[\s*\*[\w-]+(\s*,\s*\*[\w-]+)*\s*\]|(- \*[\w-]+ ?)+", said) or set(names) - set(
        known
    ):
        return {"<<": (at, said), **rest}
    for name in names:
        rest = {**merged(known[name], {k: v for k, v in known.items() if k != name}), **rest}
    return rest


def _compose(file: str, lines: list[str]) -> Iterator[Problem]:
    for number, indent, name, _, _ in _read(lines):
        if indent == 0 and not _TOPS.fullmatch(name):
            mend = "Remove it, or add it to pbx/machine_rules.py."
            yield Problem(file, number, "container", f"{name} is not known to leave calls alone.", mend)
    found, known = services(lines), anchors(lines)
    for name in sorted(_OF_CALLS.keys() - found.keys()):
        yield Problem(file, 1, "container", f"There is no service {name}.", "Name the PBX's container so.")
    for name in sorted(_OF_CALLS.keys() & found.keys()):
        line, written = found[name]
        written = merged(written, known)
        for key, (at, value) in written.items():
            wanted = _OF_CALLS[name].get(key)
            if wanted is None:
                sentence = f"{name}: {key} is not known to leave calls alone."
                yield Problem(file, at, "container", sentence, "Remove it, or add it to pbx/machine_rules.py.")
            elif not re.fullmatch(wanted, value):
                yield Problem(file, at, "container", f"{name}: {key} is {value}.", f"Write {key} as {wanted}.")
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

_ECOUTE = r"\S*/ecoute"
#: Section → key → its value. Everything else may end, limit or hold up the PBX, or stop it along with another unit.
#: No ExecStop: systemd runs it whenever the main process is gone, so that a lost helper would stop a PBX with calls.
_UNIT = {
    "[Unit]": {
        "Description": r".*", "Documentation": r".*", "After": r".*", "Before": r".*", "Wants": r".*",
        "StartLimitIntervalSec": r"0",
    },
    "[Service]": {
        "Type": r"simple|exec", "ExecStart": rf"{_ECOUTE} (pbx run|up|serve)( [\w%./-]+)*",
        "ExecStartPre": rf"{_ECOUTE} (init|install)( [\w%./-]+)*",
        "Restart": r"always", "RestartSec": r"\d{1,4}ms|\d(\.\d+)?s?|10s?", "TimeoutStopSec": r"infinity|0",
        "KillMode": r"process", "SendSIGKILL": r"no", "LimitNOFILE": r"infinity|\d+", "TasksMax": r"infinity",
        "OOMPolicy": r"continue", "OOMScoreAdjust": r"-\d+|0", "CPUWeight": r"[1-9]\d{2,3}|10000",
        "User": r".*", "Group": r".*", "UMask": r".*", "WorkingDirectory": r".*", "Environment": r".*",
        "EnvironmentFile": r".*", "StandardOutput": r".*", "StandardError": r".*", "NoNewPrivileges": r".*",
        "ProtectSystem": r".*", "ProtectHome": r".*", "ReadWritePaths": r".*", "PrivateTmp": r".*",
    },
    "[Install]": {"WantedBy": r".*", "DefaultInstance": r".*"},
}  # fmt: skip
#: What a unit says in which the PBX runs: each default would end it, or leave it ended.
_UNIT_MUST = {
    "[Unit]": ("StartLimitIntervalSec",),
    "[Service]": ("KillMode", "LimitNOFILE", "OOMPolicy", "Restart", "RestartSec", "TasksMax", "TimeoutStopSec"),
}


def _unit(file: str, lines: list[str]) -> Iterator[Problem]:
    section, seen, begun = "", dict[str, str](), 1
    for number, raw in enumerate(lines, start=1):
        text = raw.strip()
        if text.startswith("["):
            section = text
            begun = number if section == "[Service]" else begun
        elif text and text[0] not in "#;":
            key, _, value = (part.strip() for part in text.partition("="))
            seen[key] = value
            wanted = _UNIT.get(section, {}).get(key)
            few = key == "LimitNOFILE" and value.isdigit() and int(value) < ENOUGH_FILES
            if wanted is None:
                sentence = f"{key} of {section or 'no section'} is not known to leave calls alone."
                yield Problem(file, number, "service-unit", sentence, "Remove it, or add it to pbx/machine_rules.py.")
            elif few or text.endswith("\\") or not re.fullmatch(wanted, value):
                yield Problem(file, number, "service-unit", f"{key} is {value}.", f"Write {key} as {wanted}.")
    if not file.endswith(".service") or re.match(rf"{_ECOUTE} serve\b", seen.get("ExecStart", "")):
        return  # more of a unit that stands elsewhere; or no call lives in it
    for section, keys in _UNIT_MUST.items():
        for key in (key for key in ("ExecStart", *keys) if key not in seen):
            mend = f"Write {key} as {_UNIT[section].get(key, 'that of ecoute')}."
            yield Problem(file, begun, "service-unit", f"{key} is not set.", mend)
