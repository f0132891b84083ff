"""Nothing may end, limit or record a call: the static proof, over the files that Asterisk loads and our own code.

    findings = check(layout.etc) + check_code([Path("pbx"), Path("service")])

Reads effective files: includes and templates resolved, generated ones too. What it does not know is a finding. What is
loaded in a PBX that runs is `loaded.py`'s; the rules and their reasons are `no_cap.py`'s.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from pbx import code_rules, effective, machine_rules, settings_rules
from pbx.dialplan_rules import Dialplan
from pbx.layout import SOURCES
from pbx.no_cap import Problem

Finding = Problem
_HEADER = ("Who enters:", "Must be set:", "Leaves:")
POLICY = SOURCES / "recordings-policy" / "policy.toml"


def check(etc: Path, policy: Path = POLICY) -> list[Finding]:
    """Every finding in the configuration below `etc`, sorted."""
    rules = tomllib.loads(policy.read_text())
    findings = [*settings_rules.problems(etc), *_headers(etc)]
    try:
        plan = effective.dialplan(etc)
        callers = settings_rules.callers_of(etc)
        findings += Dialplan(plan, settings_rules.modules_of(etc), set(rules["allowed_contexts"]), callers).problems()
    except effective.Unreadable as error:
        findings.append(settings_rules.unreadable(error))
    if rules["recording"] is not False:
        findings.append(
            Finding(policy.name, 1, "records", "The policy says that calls are recorded.", "Nothing enforces that yet.")
        )
    return once(findings)


def check_code(folders: Sequence[Path], checkout: Path | None = None) -> list[Finding]:
    """Every finding in the Python files below `folders`, and in what runs the PBX in `checkout`; sorted."""
    machine = machine_rules.problems(checkout) if checkout is not None else ()
    return once([*code_rules.problems(folders), *machine])


def once(findings: Iterable[Finding]) -> list[Finding]:
    """Sorted; one for each place and rule, however many phones inherit it."""
    first: dict[tuple[str | int, ...], Finding] = {}
    for finding in sorted(set(findings)):
        first.setdefault((finding.file, finding.line, finding.id) if finding.line else finding[:4], finding)
    return sorted(first.values())


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
                sentence = f"{text} does not say {missing}."
                yield Finding(f"dialplan/{file.name}", at + 1, "context-header", sentence, "Write it above.")
