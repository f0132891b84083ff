"""A real Asterisk, the shipped dialplan, SIP phones: what the link tells live is what the journal tells later."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from pathlib import Path
from typing import ParamSpec, TypeVar

import pytest

from pbx.commands import (
    AddMember,
    DropLostLeg,
    EndConversation,
    Heartbeat,
    PauseMember,
    PutRoute,
    ReadRoutes,
    ReloadPhones,
    ReloadQueues,
    RemoveMember,
    WithdrawCaller,
)
from pbx.facts import (
    AnsweredVia,
    CallAnswered,
    CallEnded,
    CallFact,
    CallQueued,
    CentreRefused,
    EndedBy,
    Fact,
    ListenerLost,
    ListenerRangOut,
    ListenerRung,
    MemberChanged,
    MemberRemoved,
    OverflowBegan,
    PbxConnected,
    PbxLost,
    PhoneChanged,
    Stage,
)
from pbx.journal import JournalReplay, Position, read
from pbx.link import CommandRefused, LinkConfig, PbxLink, Timing
from tests.asterisk.line import Line
from tests.fakes.reader import Reader
from tests.support.sipp import Phone, number
from tests.support.wait import until

#: What an event told wrongly is not mended by a list: a list that is made while an event is on its way differs from it.
EVENTS_ALONE = Timing(check_queues_every=3600.0)

P = ParamSpec("P")
T = TypeVar("T")


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Line]:
    with Line(tmp_path) as line:
        yield line


@contextlib.asynccontextmanager
async def linked(line: Line, timing: Timing | None = None) -> AsyncIterator[Reader]:
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
    reader = Reader(PbxLink(config, timing))
    try:
        yield reader
    finally:
        await reader.close()


async def aside(do: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What waits for SIP does so beside the loop in which the link reads."""
    return await asyncio.to_thread(do, *args, **kwargs)


def last(facts: list[Fact], kind: type[Fact]) -> Fact | None:
    return next((fact for fact in reversed(facts) if isinstance(fact, kind)), None)


def by_key(facts: list[Fact]) -> dict[tuple[str, str, int], CallFact]:
    found: dict[tuple[str, str, int], CallFact] = {}
    for fact in facts:
        if isinstance(fact, CallFact):
            key = (fact.call_id, type(fact).__name__, fact.ordinal)
            assert key not in found
            found[key] = fact
    return found


def journal(line: Line) -> dict[tuple[str, str, int], CallFact]:
    replay, position, facts = JournalReplay("pbx1"), Position(), list[Fact]()
    while True:
        events, after = read(line.pbx.layout.journal, position, 4096)
        facts += replay.feed(events)
        if after == position:
            return by_key(facts)
        position = after


async def written(line: Line, keys: Collection[tuple[str, str, int]]) -> dict[tuple[str, str, int], CallFact]:
    """The journal, once it holds these: a line may reach the file a moment after its event reached us."""
    await aside(until, lambda: set(keys) <= set(journal(line)), "the journal is written")
    return journal(line)


def same(live: dict[tuple[str, str, int], CallFact], later: dict[tuple[str, str, int], CallFact]) -> None:
    assert set(live) == set(later)
    for key, fact in live.items():
        other = later[key]
        assert abs(fact.at - other.at) < 1
        for name in fact.__dataclass_fields__:
            assert name == "at" or getattr(fact, name) == getattr(other, name), (key, name)


async def test_live_and_journal_tell_the_same_of_a_call_through_loss_return_and_overflow(line: Line) -> None:
    async with linked(line, EVENTS_ALONE) as reader:
        await reader.connected()
        await reader.link.send(Heartbeat(pbx="pbx1"))
        link = reader.link
        busy = await aside(line.listener, "l1", status="486 Busy Here")
        good = await aside(line.phone, "l9")
        caller = await aside(line.caller, number("+33639980001"))
        await reader.until(lambda facts: last(facts, ListenerRangOut))
        assert busy.rung
        await link.send(PauseMember(pbx="pbx1", interface="PJSIP/l1", paused=True, reason="coffee"))
        await link.send(AddMember(pbx="pbx1", queue="national", interface="PJSIP/l9", name="9"))
        await reader.until(lambda facts: last(facts, CallAnswered))
        ((call_id, call),) = link.state.calls.items()
        assert (call.stage, call.listener, call.queue) == (Stage.TALKING, "PJSIP/l9", "national")
        assert call.line == "+33199003133"
        member = link.state.members["PJSIP/l9"]
        assert (member.paused, member.pause_reason) == (True, "wrap-up")

        await link.send(DropLostLeg(pbx="pbx1", channel=call.listener_channel))
        await reader.until(lambda facts: last(facts, ListenerLost))
        await reader.until(lambda _: reader.count(CallAnswered) == 2)
        returned = last(reader.facts, CallAnswered)
        assert isinstance(returned, CallAnswered)
        assert (returned.via, returned.interface, returned.queue) == (AnsweredVia.RETURN, "PJSIP/l9", "national")

        await aside(good.register, line.port, "l9", "secret-of-tests", expires=0)
        await reader.until(lambda facts: facts and last(facts, PhoneChanged))
        await link.send(DropLostLeg(pbx="pbx1", channel=call.listener_channel))
        await reader.until(lambda _: reader.count(CallQueued) == 2, 20)
        await link.send(PutRoute(pbx="pbx1", family="centre", key="centre-38/queue", value="centre-38"))
        withdraw = WithdrawCaller(pbx="pbx1", queue="national", channel=call.channel, info="centre:centre-38")
        await _withdrawn(reader, withdraw)
        await reader.until(lambda facts: last(facts, CentreRefused), 20)
        await reader.until(lambda _: reader.count(CallQueued) == 3)
        await aside(line.listener, "l3", queue="centre-38")
        await _withdrawn(reader, withdraw)
        await reader.until(lambda _: reader.count(CallAnswered) == 3, 20)
        centre = last(reader.facts, CallAnswered)
        assert isinstance(centre, CallAnswered)
        assert (centre.via, centre.queue, centre.interface) == (AnsweredVia.CENTRE_QUEUE, "centre-38", "PJSIP/l3")
        assert link.state.calls[call_id].centre == "centre-38"

        # Seen: a leg hung up at once after its bridge may lose our cause (16 instead of 31). Nobody is so quick.
        await asyncio.sleep(1.0)
        await link.send(EndConversation(pbx="pbx1", channel=link.state.calls[call_id].listener_channel))
        await reader.until(lambda facts: last(facts, CallEnded))
        ended = last(reader.facts, CallEnded)
        assert isinstance(ended, CallEnded)
        assert (ended.by, ended.stage) == (EndedBy.LISTENER, Stage.TALKING)
        assert link.state.calls == {}
        await aside(lambda: caller.was_hung_up_on)
        live = by_key(reader.facts)
        same(live, await written(line, live))
        assert link.odd.lost == 0
        async with linked(line) as asked:  # whoever asks now, when nothing moves, knows no more than we by the events
            await asked.connected()
            await aside(until, lambda: link.state.members == asked.link.state.members, "events told all of the members")


async def _withdrawn(reader: Reader, withdraw: WithdrawCaller) -> None:
    """The caller may be between two rounds of the queue for a moment."""
    before = reader.count(OverflowBegan)
    async with asyncio.timeout(20):
        while reader.count(OverflowBegan) == before:
            with contextlib.suppress(CommandRefused):
                await reader.link.send(withdraw)
            with contextlib.suppress(TimeoutError):
                await reader.until(lambda _: reader.count(OverflowBegan) > before, 2)


async def test_a_service_that_starts_in_the_middle_sees_who_waits_who_is_rung_and_who_talks(line: Line) -> None:
    await aside(line.heartbeat)
    await aside(line.listener, "l1")
    await aside(line.caller, number("+33639980001"))
    await aside(line.ami.step, "connecting")
    telephone = await aside(line.listener, "l2", ring=3600.0)
    await aside(line.caller, number("+33639980002"))
    await aside(until, lambda: telephone.rung, "the second phone rings")
    await aside(line.caller, number("+33639980003"))
    await aside(line.ami.step, "queued", nth=3)
    await asyncio.sleep(0.3)
    async with linked(line) as reader:
        await reader.connected()
        calls = sorted(reader.link.state.calls.values(), key=lambda call: call.channel)
        assert [call.stage for call in calls] == [Stage.TALKING, Stage.WAITING, Stage.WAITING]
        talking, ringing, waiting = calls
        assert (talking.listener, talking.waiting_since) == ("PJSIP/l1", None)
        assert talking.listener_channel.startswith("PJSIP/l1-")
        assert talking.answered_at is not None
        assert abs(talking.answered_at - talking.arrived) < 30
        assert set(ringing.ringing) == {"PJSIP/l2"}
        assert (waiting.queue, waiting.ringing) == ("national", {})
        assert waiting.waiting_since is not None
        assert all(call.line == "+33199003133" for call in calls)
        assert reader.link.state.phones["l1"]
        assert reader.link.state.members["PJSIP/l1"].pause_reason == "wrap-up"
        await reader.link.send(EndConversation(pbx="pbx1", channel=talking.listener_channel))
        await reader.until(lambda facts: last(facts, CallEnded))
        ended = last(reader.facts, CallEnded)
        assert isinstance(ended, CallEnded)
        key = (talking.call_id, "CallEnded", ended.ordinal)
        later = (await written(line, [key]))[key]
        assert abs(ended.at - later.at) < 1


async def test_what_happens_while_nobody_listens_is_in_the_journal_with_the_keys_that_it_would_have_had(
    line: Line,
) -> None:
    async with linked(line) as reader:
        await reader.connected()
        await reader.link.send(Heartbeat(pbx="pbx1"))
        first = await aside(line.caller, number("+33639980001"))
        await reader.until(lambda facts: last(facts, CallQueued))
        before = by_key(reader.facts)
    await aside(line.heartbeat)
    phone: Phone = await aside(line.listener, "l1")
    await aside(line.conversation)
    await aside(lambda: phone.hang_up("Q.850;cause=31"))
    await aside(line.ami.step, "ended")
    assert first.answered
    second = await aside(line.caller, number("+33639980002"))
    await aside(line.ami.step, "queued", nth=2)
    async with linked(line) as reader:
        await reader.connected()
        assert len(reader.link.state.calls) == 1
        await aside(second.leave)
        await reader.until(lambda facts: last(facts, CallEnded))
        after = by_key(reader.facts)
    told = await written(line, {**before, **after})
    kinds = {key[1] for key in set(told) - set(before) - set(after)}
    assert kinds == {"ListenerRung", "CallAnswered", "CallEnded", "CallEntered", "CallQueued"}
    for key, fact in {**before, **after}.items():
        assert abs(told[key].at - fact.at) < 1


async def test_a_pbx_that_dies_ends_its_calls_by_fault_and_keeps_its_members(line: Line) -> None:
    async with linked(line) as reader:
        await reader.connected()
        await reader.link.send(
            AddMember(pbx="pbx1", queue="national", interface="PJSIP/l1", name="1", paused=True, pause_reason="coffee")
        )
        await reader.until(lambda facts: last(facts, MemberChanged))
        await asyncio.sleep(3.0)  # AstDB writes once a second
        await aside(line.caller, number("+33639980001"))
        await reader.until(lambda facts: last(facts, CallQueued))
        await aside(line.pbx.kill)
        await reader.until(lambda facts: last(facts, PbxLost))
        await aside(line.pbx.start_again)
        await reader.connected(times=2)
        ended, connected = last(reader.facts, CallEnded), last(reader.facts, PbxConnected)
        assert isinstance(ended, CallEnded)
        assert isinstance(connected, PbxConnected)
        assert (ended.by, ended.ordinal, connected.restarted) == (EndedBy.FAULT, 0, True)
        assert reader.link.state.calls == {}
        assert reader.link.state.members["PJSIP/l1"].pause_reason == "coffee"
    replay = JournalReplay("pbx1")
    replay.feed(read(line.pbx.layout.journal, Position())[0])
    (presumed,) = replay.presume_ended(())
    assert (presumed.call_id, presumed.ordinal) == (ended.call_id, 0)


async def test_a_frozen_pbx_is_noticed_and_its_calls_are_the_same_afterwards(line: Line) -> None:
    async with linked(line) as reader:
        await reader.connected()
        await aside(line.caller, number("+33639980001"))
        await reader.until(lambda facts: last(facts, CallQueued))
        pid = line.pbx.running.pid
        os.kill(pid, signal.SIGSTOP)
        began = asyncio.get_running_loop().time()
        try:
            await reader.until(lambda facts: last(facts, PbxLost))
            assert asyncio.get_running_loop().time() - began < 7  # three seconds are measured where a test runs alone
        finally:
            os.kill(pid, signal.SIGCONT)
        await reader.connected(times=2)
        connected = last(reader.facts, PbxConnected)
        assert isinstance(connected, PbxConnected)
        assert (connected.restarted, connected.gone) == (False, frozenset())
        (call,) = reader.link.state.calls.values()
        assert call.stage is Stage.WAITING
        assert reader.count(CallEnded) == 0


async def test_every_command_is_understood_by_the_real_one(line: Line) -> None:
    async with linked(line) as reader:
        await reader.connected()
        send = reader.link.send
        await send(ReloadPhones(pbx="pbx1"))
        await send(ReloadQueues(pbx="pbx1"))
        await send(Heartbeat(pbx="pbx1"))
        assert abs(int(line.ami.ask("Getvar", Variable="SERVICE_HEARTBEAT")["Value"]) - reader.link.pbx_now()) < 2
        for key in ("centre-38/telephone", "centre-73/queue"):
            await send(PutRoute(pbx="pbx1", family="centre", key=key, value="x"))
        await send(PutRoute(pbx="pbx1", family="centre", key="centre-73/queue", value=""))
        await send(PutRoute(pbx="pbx1", family="centre", key="centre-73/queue", value=""))
        assert (await send(ReadRoutes(pbx="pbx1", family="centre"))).values == {"centre-38/telephone": "x"}
        assert (await send(ReadRoutes(pbx="pbx1", family="nothing"))).values == {}
        add = AddMember(
            pbx="pbx1", queue="national", interface="PJSIP/l1", name="1", paused=True, pause_reason="coffee"
        )
        await send(add)
        await reader.until(lambda facts: last(facts, MemberChanged))
        assert reader.link.state.members["PJSIP/l1"].pause_reason == "coffee"
        for command, why in [
            (add, "already-there"),
            (RemoveMember(pbx="pbx1", queue="national", interface="PJSIP/l4"), "not-there"),
            (PauseMember(pbx="pbx1", interface="PJSIP/l4", paused=True), "not-there"),
            (RemoveMember(pbx="pbx1", queue="nowhere", interface="PJSIP/l4"), "no-such-queue"),
            (EndConversation(pbx="pbx1", channel="PJSIP/none-00000001"), "no-such-channel"),
            (WithdrawCaller(pbx="pbx1", queue="national", channel="PJSIP/none", info="ask"), "no-such-caller"),
        ]:
            with pytest.raises(CommandRefused) as refused:
                await send(command)
            assert refused.value.id == why
        await send(RemoveMember(pbx="pbx1", queue="national", interface="PJSIP/l1"))
        await reader.until(lambda facts: last(facts, MemberRemoved))
        assert reader.link.state.members == {}


async def test_a_ring_is_told_before_the_phone_answers(line: Line) -> None:
    async with linked(line) as reader:
        await reader.connected()
        await aside(line.listener, "l1", ring=3.0)
        await aside(line.caller, number("+33639980001"))
        await reader.until(lambda facts: last(facts, ListenerRung))
        (call,) = reader.link.state.calls.values()
        assert set(call.ringing) == {"PJSIP/l1"}
        await reader.until(lambda facts: last(facts, CallAnswered))
        assert call.ringing == {}
        assert reader.count(ListenerRangOut) == 0
