"""A live socket and a recording are two sources of one tracker: what is replayed is what was told live."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import stat
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from pbx import site
from pbx.commands import EndConversation, Heartbeat
from pbx.facts import (
    PRESUMED,
    CallAnswered,
    CallEnded,
    CallEntered,
    CallFact,
    CallQueued,
    Fact,
    MemberChanged,
    PbxConnected,
    PbxLost,
    PhoneChanged,
)
from pbx.layout import Layout
from pbx.link import LinkConfig, PbxLink
from pbx.replay import RecordedSessions
from service.app import build
from service.settings import load
from tests.asterisk.line import Line
from tests.fakes.reader import Reader
from tests.support.ami_recorder import AmiRecorder
from tests.support.sipp import number
from tests.support.wait import until


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Line]:
    with Line(tmp_path) as line:
        yield line


@contextlib.asynccontextmanager
async def recorded(line: Line, path: Path) -> AsyncIterator[Reader]:
    secrets = line.pbx.secrets
    config = LinkConfig(
        pbx="pbx1",
        host="127.0.0.1",
        port=line.pbx.ports.ami,
        username="service",
        secret=secrets["service"],
        provision_username="provision",
        provision_secret=secrets["provision"],
    )
    reader = Reader(PbxLink(config, record=path))
    try:
        yield reader
    finally:
        await reader.close()


async def replayed(path: Path) -> tuple[list[Fact], RecordedSessions]:
    sessions = RecordedSessions(path)
    return [fact async for batch in sessions.batches() for fact in batch], sessions


def without_time(fact: Fact) -> Fact:
    return dataclasses.replace(fact, at=0.0)


async def test_a_recorded_run_with_a_reconnection_and_a_dead_pbx_replays_fact_for_fact(
    line: Line, tmp_path: Path
) -> None:
    aside = asyncio.to_thread
    file = tmp_path / "run.ami"
    async with recorded(line, file) as reader:
        await reader.connected()
        await reader.link.send(Heartbeat(pbx="pbx1"))
        phone = await aside(line.listener, "l1")
        caller = await aside(line.caller, number("+33639980001"))
        await reader.until(lambda _: reader.count(CallAnswered) == 1)
        await aside(line.caller, number("+33639980002"))
        await reader.until(lambda _: reader.count(CallQueued) == 2)
        assert reader.link._session is not None
        assert reader.link._session.protocol is not None
        reader.link._session.protocol.transport.abort()
        await aside(caller.leave)  # perhaps before we are back: then the snapshot says that it is gone
        await reader.connected(times=2)
        third = await aside(line.caller, number("+33639980003"))
        await reader.until(lambda _: reader.count(CallQueued) == 3)
        await aside(line.ami.ask, "QueuePause", Interface="PJSIP/l1", Paused="false")
        await reader.until(lambda _: reader.count(CallAnswered) == 2)
        talking = next(call for call in reader.link.state.calls.values() if call.answered_at)
        await reader.link.send(EndConversation(pbx="pbx1", channel=talking.listener_channel))
        await aside(line.pbx.kill)
        await reader.until(lambda _: reader.count(PbxLost) == 2)
        await aside(line.pbx.start_again)
        await reader.connected(times=3)
        assert phone.rung
        assert third.answered
    told, sessions = await replayed(file)
    assert [without_time(fact) for fact in told] == [without_time(fact) for fact in reader.facts]
    for live, again in zip(reader.facts, told, strict=True):
        from_asterisk = isinstance(live, CallFact) and live.ordinal != PRESUMED
        assert abs(live.at - again.at) < (1e-6 if from_asterisk else 4), (live, again)
    kinds = {type(fact) for fact in told}
    assert kinds >= {CallEntered, CallAnswered, CallEnded, MemberChanged, PhoneChanged, PbxConnected, PbxLost}
    assert sessions.state.calls == reader.link.state.calls
    assert sessions.state.members == reader.link.state.members
    assert sessions.state.phones == reader.link.state.phones
    assert (sessions.counts.sessions, sessions.counts.odd, sessions.counts.cut) == (3, [], None)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    secrets = line.pbx.secrets
    assert not [mark for mark in (*secrets.values(), "39980001") if mark.encode() in file.read_bytes()]


async def test_a_snapshot_taken_while_the_guard_runs_records_no_number_and_no_name(line: Line, tmp_path: Path) -> None:
    aside = asyncio.to_thread
    file, callers = tmp_path / "run.ami", ("+33639980001", "0639980002")
    # the line that takes up the number, as long as a caller waits; in the shipped guard it is over within a millisecond
    taking_up = "national,,${FILTER(0-9+,${CALLERID(num)})}"
    await aside(
        line.ami.ask,
        "DialplanExtensionAdd",
        Context="guard",
        Extension="s",
        Priority="12",
        Application="Queue",
        ApplicationData=taking_up,
        Replace="yes",
    )
    for caller in callers:
        await aside(line.caller, number(caller, "Zoe Exemple"))
        await aside(line.ami.event, "QueueCallerJoin", CallerIDNum=caller)
    async with recorded(line, file) as reader:
        await reader.connected()
    written = file.read_bytes()
    for listed in (b"Event: Status\r\n", b"Event: QueueEntry\r\n", b"\r\nData: x\r\n", b"\r\nCallerIDNum: x\r\n"):
        assert written.count(listed) >= len(callers), listed
    assert not [mark for mark in (b"63998000", b"Zoe", b"Exemple") if mark in written]
    told, sessions = await replayed(file)
    assert [without_time(fact) for fact in told] == [without_time(fact) for fact in reader.facts]
    assert sessions.counts.odd == []


async def test_an_account_that_hears_everything_records_the_same_calls(line: Line, tmp_path: Path) -> None:
    aside = asyncio.to_thread
    file = tmp_path / "all.ami"
    recorder = await aside(AmiRecorder, line.pbx.ports.ami, "witness", "witness", file)
    async with recorded(line, tmp_path / "own.ami") as reader:
        await reader.connected()
        await aside(line.heartbeat)
        await aside(line.listener, "l1")
        caller = await aside(line.caller, number("+33639980001"))
        await reader.until(lambda _: reader.count(CallAnswered) == 1)
        await aside(caller.leave)
        await reader.until(lambda _: reader.count(CallEnded) == 1)
        await aside(until, lambda: b"What: ended" in recorder.recorded(), "the other account heard the end, too")
        recorder.close()
    told, sessions = await replayed(file)
    live = [fact for fact in reader.facts if isinstance(fact, CallFact)]
    assert [fact for fact in told if isinstance(fact, CallFact)] == live
    assert sessions.counts.unneeded["Newexten"] > 50, "which the service's own account never hears"
    _, own = await replayed(tmp_path / "own.ami")
    assert "Newexten" not in own.counts.unneeded


async def test_each_of_several_pbxs_has_its_own_recording_beside_the_other(tmp_path: Path) -> None:
    settings = tmp_path / "ecoute.toml"
    pbxs = "".join(
        f"[[pbx]]\nid = 'pbx{n}'\nsip_port = {n}5060\nhttp_port = {n}8088\nami_port = {n}5038\n"
        f"rtp_start = {n}0000\nrtp_end = {n}1000\n"
        for n in (1, 2)
    )
    settings.write_text(f"[store]\ndata_dir = '{tmp_path / 'var'}'\n{pbxs}")
    loaded = load(settings)
    for pbx in loaded.pbx:
        layout = Layout.of(tmp_path / "var", pbx.id)
        layout.data.mkdir(parents=True)
        site.ensure_secrets(layout)
    service = await build(loaded, record_ami=tmp_path / "fault.ami")
    try:
        assert sorted(path.name for path in tmp_path.glob("*.ami")) == ["fault-pbx1.ami", "fault-pbx2.ami"]
    finally:
        for parts in service.pbxs:
            assert parts.link._recording is not None
            parts.link._recording.close()
        await service.store.close()
