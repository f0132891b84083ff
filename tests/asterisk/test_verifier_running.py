"""What a real Asterisk has loaded, and its channels: each violation that somebody makes while it runs is seen."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import pytest

from pbx import loaded, process
from pbx.no_cap import Layer, Problem
from pbx.phones import PhoneAccount
from service.cli import check
from service.settings import Settings, from_values
from tests.support.pbx import PbxUnderTest, start_test_pbx
from tests.support.sipp import Caller
from tests.support.wait import until
from tests.support.witness import Witness

PHONES = [PhoneAccount("l1", "secret-of-tests", "browser"), PhoneAccount("l2", "secret-of-tests", "sip")]


@dataclass(frozen=True)
class Stage:
    """A PBX that runs, somebody who waits on it, and an account of the manager interface."""

    pbx: PbxUnderTest
    manager: Witness
    settings: Settings

    def file(self, name: str) -> Path:
        return self.pbx.layout.etc / name

    def found(self) -> list[Problem]:
        return check.running(self.settings).findings

    def leg(self) -> str:
        """The caller's channel."""
        said = self.pbx.console("core show channels concise")
        return next(line.partition("!")[0] for line in said.splitlines() if line.startswith("PJSIP/trunk"))


def settings_of(folder: Path, *pbxs: PbxUnderTest) -> Settings:
    line = [{"id": pbx.site.pbx, "ami_port": pbx.ports.ami, "sip_port": pbx.ports.sip} for pbx in pbxs]
    return from_values(store={"data_dir": folder}, pbx=line)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("verified")
    with start_test_pbx(folder, sounds=False, centres=("centre-38",)) as pbx:
        pbx.write_phones(PHONES)
        with Witness(pbx.ports.ami, "service", pbx.secrets["service"]) as manager:
            manager.ask("QueueAdd", Queue="national", Interface="PJSIP/l2", MemberName="l2")
            manager.ask("Setvar", Variable="SERVICE_HEARTBEAT", Value=str(int(time.time()) + 3600))
            with Caller(pbx.ports.sip, folder, stay=3600):  # for all that follows
                until(lambda: "Calls: 1" in _queue(pbx), "the caller waits")
                yield Stage(pbx, manager, settings_of(folder, pbx))


def _queue(pbx: PbxUnderTest) -> str:
    return "Calls: 1" if "national has 1 calls" in pbx.console("queue show national") else ""


class Deed(NamedTuple):
    """What somebody does to the PBX, and how it is undone."""

    rule: str
    what: str
    do: Callable[[Stage], object]
    undo: Callable[[Stage], object]


def _say(*commands: str) -> Callable[[Stage], object]:
    return lambda stage: [stage.pbx.console(command) for command in commands]


def _limit(stage: Stage) -> None:
    stage.manager.ask("AbsoluteTimeout", Channel=stage.leg(), Timeout="3600")


def _function(stage: Stage) -> None:
    stage.pbx.console("module load func_timeout.so")
    stage.manager.ask("Setvar", Channel=stage.leg(), Variable="TIMEOUT(absolute)", Value="3600")


def _no_limit(stage: Stage) -> None:
    """As the finding says. AbsoluteTimeout itself refuses 0."""
    stage.pbx.console("module load func_timeout.so")
    stage.pbx.console(f"dialplan set chanvar {stage.leg()} TIMEOUT(absolute) 0")
    stage.pbx.console("module unload func_timeout.so")


def _both(*deeds: Callable[[Stage], object]) -> Callable[[Stage], object]:
    return lambda stage: [deed(stage) for deed in deeds]


def _reloaded_with(file: str, old: str, new: str, reload: str) -> Callable[[Stage], object]:
    """The file is changed, read by Asterisk, and put back as it was, with its time: only what is loaded differs."""

    def do(stage: Stage) -> None:
        path = stage.file(file)
        text, before = path.read_text(), path.stat()
        assert old in text
        path.write_text(text.replace(old, new))
        stage.pbx.console(reload)
        path.write_text(text)
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    return do


def _touched(file: str, seconds: float) -> Callable[[Stage], object]:
    def do(stage: Stage) -> None:
        path = stage.file(file)
        at = path.stat().st_mtime + seconds
        os.utime(path, (at, at))

    return do


_PLAN = _say("dialplan reload")
_QUEUES = "queue reload all"
_SIP = "module reload res_pjsip.so"
SEEDS = [
    Deed("loaded-time-limit", "AbsoluteTimeout on a caller", _limit, _no_limit),
    Deed("loaded-time-limit", "Setvar TIMEOUT(absolute)", _function, _no_limit),
    Deed("loaded-dialplan", "a line is added", _say("dialplan add extension s,99,Hangup,16 into waiting"),
         _say("dialplan remove extension s@waiting 99")),
    Deed("loaded-dialplan", "an extension is added", _say("dialplan add extension x,1,Hangup,16 into waiting"),
         _say("dialplan remove extension x@waiting")),
    Deed("loaded-dialplan", "a line is replaced",
         _say("dialplan add extension status-FULL,1,Hangup,16 into waiting replace"), _PLAN),
    Deed("loaded-dialplan", "a line is removed", _say("dialplan remove extension status-TIMEOUT@waiting 3"), _PLAN),
    Deed("loaded-dialplan", "a context is included", _say("dialplan add include listeners into from-trunk"),
         _say("dialplan remove include listeners from from-trunk")),
    Deed("loaded-dialplan", "a changed file was loaded",
         _reloaded_with("dialplan/waiting.conf", "status-FULL,1,Goto(again,1)", "status-FULL,1,Hangup()",
                        "dialplan reload"), _both(_touched("dialplan/waiting.conf", 1), _PLAN,
                                                  _touched("dialplan/waiting.conf", -1))),
    Deed("loaded-queue", "a maximum was loaded", _reloaded_with("queues.conf", "maxlen = 0", "maxlen = 3", _QUEUES),
         _both(_touched("queues.conf", 1), _say(_QUEUES), _touched("queues.conf", -1))),
    Deed("loaded-queue", "another strategy was loaded",
         _reloaded_with("queues.conf", "strategy = rrmemory", "strategy = ringall", _QUEUES),
         _both(_touched("queues.conf", 1), _say(_QUEUES), _touched("queues.conf", -1))),
    Deed("loaded-queue", "a queue was loaded by hand",
         _reloaded_with("queues.conf", "[national]", "[other](keeps-callers)\n[national]", _QUEUES),
         _both(_touched("queues.conf", 1), _say(_QUEUES), _touched("queues.conf", -1))),
    Deed("loaded-queue", "a member who is no phone", _say("queue add member Local/s@waiting to national"),
         _say("queue remove member Local/s@waiting from national")),
    Deed("loaded-queue", "a phone behind a Local channel, under the phone's name",
         _say("queue add member Local/s@waiting/n to national penalty 0 as l2 state_interface PJSIP/l2"),
         _say("queue remove member Local/s@waiting/n from national")),
    Deed("loaded-queue", "a member who is rung in use", _say("queue set ringinuse yes on PJSIP/l2"),
         _say("queue set ringinuse no on PJSIP/l2")),
    Deed("loaded-endpoint", "silence ends calls of the trunk",
         _reloaded_with("pjsip.conf", "rtp_timeout = 0", "rtp_timeout = 30", _SIP),
         _both(_touched("pjsip.conf", 1), _say(_SIP), _touched("pjsip.conf", -1))),
    Deed("loaded-endpoint", "timers of browsers", _reloaded_with("pjsip.conf", "timers = no", "timers = yes", _SIP),
         _both(_touched("pjsip.conf", 1), _say(_SIP), _touched("pjsip.conf", -1))),
    Deed("loaded-endpoint", "several contacts",
         _reloaded_with("pjsip.conf", "max_contacts = 1", "max_contacts = 5", _SIP),
         _both(_touched("pjsip.conf", 1), _say(_SIP), _touched("pjsip.conf", -1))),
    Deed("loaded-endpoint", "an endpoint's limit",
         _reloaded_with("pjsip.conf", "webrtc = yes", "webrtc = yes\ndevice_state_busy_at = 1", _SIP),
         _both(_touched("pjsip.conf", 1), _say(_SIP), _touched("pjsip.conf", -1))),
    Deed("loaded-endpoint", "another trigger",
         _reloaded_with("pjsip.conf", "trigger = pjsip_only", "trigger = global", _SIP),
         _both(_touched("pjsip.conf", 1), _say(_SIP), _touched("pjsip.conf", -1))),
    Deed("loaded-module", "a module was loaded", _say("module load func_timeout.so"),
         _say("module unload func_timeout.so")),
    Deed("loaded-module", "a module was unloaded", _say("module unload app_read.so"), _say("module load app_read.so")),
    Deed("loaded-globals", "a global was set", _say("dialplan set global GRACE 1"), _PLAN),
    Deed("loaded-globals", "a global was added", _say("dialplan set global LIMIT_X 1"),
         lambda stage: stage.manager.ask("Setvar", Variable="LIMIT_X", Value="")),
    Deed("loaded-before", "a file changed", _touched("queues.conf", 86400), _touched("queues.conf", -86400)),
    Deed("loaded-before", "the phones' file changed", _touched("generated/pjsip_phones.conf", 86400),
         _touched("generated/pjsip_phones.conf", -86400)),
]  # fmt: skip
#: Proven by the tests below, each with a PBX of its own or in a state of its own.
OTHERS = {"loaded-limit", "loaded-backlog", "loaded-unseen"}


def test_a_line_as_it_ships_has_loaded_what_it_should(stage: Stage) -> None:
    report = check.running(stage.settings)
    assert (report.layer, report.ran, report.told, report.findings) == (Layer.LOADED, True, "pbx1", [])


@pytest.mark.parametrize("deed", SEEDS, ids=[f"{deed.rule}: {deed.what}" for deed in SEEDS])
def test_what_is_done_to_a_pbx_that_runs_is_seen(stage: Stage, deed: Deed) -> None:
    deed.do(stage)
    try:
        found = stage.found()
    finally:
        deed.undo(stage)
    mine = [problem for problem in found if problem.id == deed.rule]
    assert mine, found
    assert all(problem.mend and problem.sentence for problem in found)
    assert stage.found() == []


def test_a_time_limit_names_the_call_and_when_it_would_end(stage: Stage) -> None:
    before = time.time()
    _limit(stage)
    (problem,) = stage.found()
    call = stage.pbx.console(f"core show channel {stage.leg()}")
    _no_limit(stage)
    assert problem.file == f"pbx1: channel {stage.leg()}"
    call_id, at = problem.sentence.split()[1], problem.sentence.split()[-1].rstrip(".")
    assert f"CALL_ID={call_id}" in call
    assert abs(datetime.fromisoformat(at).timestamp() - before - 3600) < 10


def test_a_backlog_is_seen(stage: Stage) -> None:
    seen = asyncio.run(loaded.look(stage.pbx.layout, "127.0.0.1", stage.pbx.ports.ami, stage.pbx.secrets["service"]))
    lines = seen.console["task processors"].splitlines()
    at = next(n for n, text in enumerate(lines) if text.startswith("pjsip/options/manage"))
    assert not [p for p in loaded.check(stage.pbx.layout.etc, seen, "pbx1") if p.id == "loaded-backlog"]
    name, done, _waiting, *rest = lines[at].split()
    lines[at] = "  ".join([name, done, "451", *rest])
    seen.console["task processors"] = "\n".join(lines)
    (problem,) = (p for p in loaded.check(stage.pbx.layout.etc, seen, "pbx1") if p.id == "loaded-backlog")
    assert problem.sentence == "451 tasks wait for pjsip/options/manage."


def test_a_pbx_that_does_not_answer_is_a_finding_and_not_a_silence(stage: Stage) -> None:
    pid = stage.pbx.running.pid
    os.kill(pid, signal.SIGSTOP)
    try:
        (problem,) = stage.found()
    finally:
        os.kill(pid, signal.SIGCONT)
    assert (problem.id, problem.file) == ("loaded-unseen", "pbx1: runs")
    until(lambda: not stage.found(), "it answers again")


def test_a_wrong_secret_is_a_finding(stage: Stage) -> None:
    secrets = stage.pbx.layout.secrets
    before = secrets.read_text()
    secrets.write_text('{"service": "wrong", "provision": "wrong"}')
    try:
        (problem,) = stage.found()
    finally:
        secrets.write_text(before)
    assert problem.id == "loaded-unseen"
    assert "wrong" not in str(problem)


def test_no_pbx_here_is_said_and_is_no_finding(tmp_path: Path) -> None:
    report = check.running(from_values(store={"data_dir": tmp_path}))
    assert (report.ran, report.why, report.findings) == (False, "no PBX of these settings runs here", [])


def test_limits_of_asterisk_itself_are_seen_in_each_of_several_pbxs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = process.asterisk_conf

    def limited(*given: object) -> str:
        return plain(*given) + "maxcalls = 100\nmaxload = 4.0\nminmemfree = 1\n"  # type: ignore[arg-type]

    with start_test_pbx(tmp_path, sounds=False) as first:
        monkeypatch.setattr(process, "asterisk_conf", limited)
        with start_test_pbx(tmp_path, sounds=False, pbx="pbx2") as second:
            report = check.running(settings_of(tmp_path, first, second))
    assert report.told == "pbx1, pbx2"
    by_rule = {(problem.id, problem.sentence) for problem in report.findings}
    assert {what for rule, what in by_rule if rule == "loaded-limit"} == {
        "Maximum calls: 100 (Current 0).",
        "Maximum load average: 4.000000.",
        "Minimum free memory: 1 MB.",
    }
    assert {rule for rule, _ in by_rule} == {"loaded-limit", "refuses-calls"}
    assert all("pbx2" in problem.file for problem in report.findings)


@pytest.mark.parametrize("what", ["uptime", "task processors", "sip"])
def test_an_answer_that_cannot_be_read_is_a_finding_and_not_a_silence(stage: Stage, what: str) -> None:
    seen = asyncio.run(loaded.look(stage.pbx.layout, "127.0.0.1", stage.pbx.ports.ami, stage.pbx.secrets["service"]))
    assert loaded.check(stage.pbx.layout.etc, seen, "pbx1") == []
    seen.console[what] = "No such command (type 'core show help' for other possible commands)\n"
    (problem,) = loaded.check(stage.pbx.layout.etc, seen, "pbx1")
    assert (problem.id, problem.file) == ("loaded-unseen", "pbx1: runs")


def test_an_endpoint_that_tells_nothing_is_a_finding_and_not_a_silence(stage: Stage) -> None:
    seen = asyncio.run(loaded.look(stage.pbx.layout, "127.0.0.1", stage.pbx.ports.ami, stage.pbx.secrets["service"]))
    seen.sip["endpoint"]["trunk"] = {}
    (problem,) = loaded.check(stage.pbx.layout.etc, seen, "pbx1")
    assert (problem.id, problem.sentence) == ("loaded-unseen", "pbx1 did not tell how the endpoint trunk is set.")
