"""Where Asterisk cuts a line into condition and branches: what the verifier refuses goes where nobody would look."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from pbx.dialplan_flow import Flow, branches, jumps, unreadable
from pbx.effective import Priority
from pbx.layout import SOURCES
from tests.support.pbx import start_test_pbx
from tests.support.wait import until
from tests.support.witness import Witness

ON, OVER = "on", "hung up"
#: What is read → where Asterisk goes.
READ = {
    "Goto(there,yes,1)": "yes",
    "GotoIf($[1]?there,yes,1)": "yes",
    "GotoIf($[0]?there,yes,1)": ON,
    "GotoIf($[0]?there,yes,1:there,no,1)": "no",
    "GotoIf($[1]?:there,no,1)": ON,
    'GotoIf($["a?b:c" = "a?b:c" & (1 | 0)]?there,yes,1:there,no,1)': "yes",
    'GotoIf($["${IF($[1]?a:b)}" = "b"]?there,yes,1:there,no,1)': "no",
    "ExecIf($[1]?Goto(there,yes,1):Goto(there,no,1))": "yes",
    "ExecIf($[0]?Goto(there,yes,1):Goto(there,no,1))": "no",
    "ExecIf($[1]?NoOp(${IF($[1]?a:b)},c:d):Goto(there,no,1))": ON,
}
#: What is refused, because it looks like one thing and is another.
REFUSED = {
    "GotoIf($[1]?there,yes,1:x?there,no,1)": "yes",
    "GotoIf($[0]?there,yes,1(:there,no,1)": "no",
    'GotoIf("$[1]?there,yes,1:"?there,no,1)': "yes",
    'GotoIf($["]" = "x"]?there,yes,1:there,no,1)': "yes",
    "Goto(there,yes,1,cut,1)": "yes",
    "ExecIf($[1]?${A}(there,yes,1))": "yes",
    "ExecIf($[1]?Goto(there,yes,1):NoOp?NoOp(x))": "yes",
    "ExecIf($[1])": OVER,
    "Return()": OVER,
    "Goto\N{NO-BREAK SPACE}(there,yes,1)": OVER,
}
LINES = {**READ, **REFUSED}


def _dialplan() -> str:
    text = "[there]\n"
    text += "".join(f"exten => {where},1,UserEvent(Went,Case: ${{CASE}},Where: {where})\n" for where in ("yes", "no"))
    text += "[cut]\n"
    for case, line in enumerate(LINES):
        text += f"exten => c{case},1,Set(CASE={case})\n same => n,Set(A=Goto)\n same => n,{line}\n"
        text += f" same => n,UserEvent(Went,Case: ${{CASE}},Where: {ON})\n"
    return text + f"exten => h,1,UserEvent(Went,Case: ${{CASE}},Where: {OVER})\n"


@pytest.fixture(scope="module")
def went(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Each line, and the first place to which it led."""
    where = tmp_path_factory.mktemp("cut")
    sources = where / "sources"
    for name in ("asterisk-config", "dialplan"):
        shutil.copytree(SOURCES / name, sources / name)
    plan = sources / "asterisk-config" / "extensions.conf"
    plan.write_text(plan.read_text() + '#include "dialplan/cut.conf"\n')
    (sources / "dialplan" / "cut.conf").write_text(_dialplan())
    with start_test_pbx(where, sources=sources, sounds=False) as pbx:
        pbx.add_manager("witness", "witness", "read = all\nwrite = all\nwritetimeout = 5000\n")
        with Witness(pbx.ports.ami, "witness", "witness") as ami:
            for case in range(len(LINES)):
                ami.ask("Originate", Channel=f"Local/c{case}@cut", Application="Wait", Data="1", Async="true")
            yield until(lambda: _places(ami), "every line has led somewhere")


def _places(ami: Witness) -> dict[str, str] | None:
    found: dict[str, str] = {}
    for event in list(ami.events):
        if event.get("UserEvent") == "Went":
            found.setdefault(event["Case"], event["Where"])
    return {line: found[str(case)] for case, line in enumerate(LINES)} if len(found) == len(LINES) else None


def _read(line: str) -> Priority:
    app, _, args = line.partition("(")
    return Priority("cut.conf", 1, "cut", "c", "", app, args.removesuffix(")"), 1)


@pytest.mark.parametrize("line", LINES)
def test_asterisk_goes_where_it_is_known_to_go(went: dict[str, str], line: str) -> None:
    assert went[line] == LINES[line]


@pytest.mark.parametrize("line", READ)
def test_what_is_read_leads_where_asterisk_goes(line: str) -> None:
    here = _read(line)
    assert not list(unreadable(here))
    targets = {jump.target.split(",")[-2] for jump in jumps(here)}
    ways = branches(here.app, here.args)
    assert READ[line] in targets | (
        {ON} if ways is None or not ways.yes or not ways.no or "NoOp" in ways.yes else set()
    )


@pytest.mark.parametrize("line", REFUSED)
def test_what_asterisk_takes_otherwise_is_refused(line: str) -> None:
    here = _read(line)
    flow = Flow([here, *(Priority("cut.conf", 1, "there", where, "", "Return", "", 1) for where in ("yes", "no"))])
    refused = [*unreadable(here), *(jump for jump in jumps(here) if not flow.exists(here, jump))]
    assert refused or here.app == "Return" or not here.app.isascii()
