"""Nothing may end, limit or record a call: the static proof, over the files that Asterisk loads and our own code.

    findings = check(layout.etc, code=[Path("pbx"), Path("service")])

Reads effective files: includes and templates resolved, generated ones too. What it does not know is a finding.
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path

from pbx import effective, settings_rules
from pbx.dialplan_rules import Dialplan, Problem
from pbx.layout import SOURCES

Finding = Problem

#: What our code may ask of Asterisk, each from one named function of actions.py.
AMI_ACTIONS = {
    "Login", "Logoff", "Ping", "CoreStatus", "CoreSettings", "Status", "QueueStatus", "PJSIPShowContacts", "QueueAdd",
    "QueueRemove", "QueuePause", "QueueWithdrawCaller", "Hangup", "Setvar", "DBPut", "DBDel", "DBGetTree", "Reload",
}  # fmt: skip
#: May end, cut or record a call whoever sends it, or run anything.
AMI_NEVER = {
    "AbsoluteTimeout", "Park", "BridgeKick", "BridgeDestroy", "Command", "Redirect", "MixMonitor", "Monitor", "Bridge",
    "ConfbridgeKick", "ConfbridgeStartRecord", "MixMonitorMute", "Originate", "Atxfer", "BlindTransfer", "UpdateConfig",
    "PlayDTMF", "ControlPlayback", "AGI", "ModuleLoad",
}  # fmt: skip
_HEADER = ("Who enters:", "Must be set:", "Leaves:")


def check(
    etc: Path, code: Sequence[Path] = (), policy: Path = SOURCES / "recordings-policy" / "policy.toml"
) -> list[Finding]:
    """Every finding in the configuration below `etc` and in the Python files below `code`, sorted."""
    rules = tomllib.loads(policy.read_text())
    findings = [*_settings(etc), *_headers(etc)]
    try:
        plan = Dialplan(effective.dialplan(etc), _loaded(etc), set(rules["allowed_contexts"]))
        findings += plan.problems()
    except effective.Unreadable as error:
        findings.append(_unreadable(error))
    for folder in code:
        for file in sorted(folder.rglob("*.py")):
            findings += _actions(file)
    if rules["recording"] is not False:
        findings.append(
            Finding(policy.name, 1, "records", "The policy says that calls are recorded.", "Nothing enforces that yet.")
        )
    return sorted(set(findings))


def _settings(etc: Path) -> Iterator[Finding]:
    for name, rule in settings_rules.FILES.items():
        if name == "asterisk.conf" and not (etc / name).exists():
            continue  # written when the PBX is started
        try:
            yield from rule(effective.sections(etc, name))
        except effective.Unreadable as error:
            yield _unreadable(error)


def _loaded(etc: Path) -> set[str]:
    found = effective.sections(etc, "modules.conf")
    return {s.value.removesuffix(".so") for section in found for s in section.settings if s.key == "load"}


def _headers(etc: Path) -> Iterator[Finding]:
    """Each context of dialplan/ says who may enter, with what, and where it leaves."""
    for file in sorted((etc / "dialplan").glob("*.conf")):
        lines = file.read_text().splitlines()
        for at, text in enumerate(lines):
            if not re.match(r"\[[\w-]+\]", text):
                continue
            begin = at
            while begin > 0 and lines[begin - 1].startswith(";"):
                begin -= 1
            missing = [word for word in _HEADER if word not in "\n".join(lines[begin:at])]
            if missing:
                yield Finding(
                    f"dialplan/{file.name}",
                    at + 1,
                    "context-header",
                    f"{text} does not say {missing}.",
                    "Write it above.",
                )


def _actions(file: Path) -> Iterator[Finding]:
    """AMI actions are written as `{"Action": "Name"}`; the dangerous ones appear nowhere as an action at all."""
    for node in ast.walk(ast.parse(file.read_text())):
        if not isinstance(node, ast.Dict):
            continue
        for key, value in zip(node.keys, node.values, strict=True):
            if not (isinstance(key, ast.Constant) and str(key.value).lower() == "action"):
                continue
            if file.name != "actions.py" and not isinstance(value, ast.Constant):
                continue
            name = str(value.value) if isinstance(value, ast.Constant) else "(computed)"
            if name in AMI_NEVER or (file.name == "actions.py" and name not in AMI_ACTIONS):
                yield Finding(
                    str(file), node.lineno, "ami-action", f"{name} is not an action that we may send.", "Remove it."
                )


def _unreadable(error: effective.Unreadable) -> Finding:
    return Finding(error.file, error.line, "unreadable", f"{error.what}.", "Mend the file; Asterisk would refuse it.")
