"""The end of a writing-up is the listener's own word: leaving a queue, by whomever, is none."""

from __future__ import annotations

import pytest

from pbx.commands import PauseMember
from pbx.facts import DeviceState, MemberRemoved, PbxConnected, PbxLost
from service.listeners import use_cases
from service.listeners.model import ListenerState
from service.push.views import ListenerContact
from tests.unit.service_live import test_what_listeners_ask as asking
from tests.unit.service_live.test_pump import Parts, changed
from tests.unit.service_live.test_several_pbxs import ACCOUNT, ELSEWHERE, ME, Desk
from tests.unit.service_live.worlds import PBX, member


@pytest.fixture
def desk() -> Desk:
    """Writing up what was talked about at the first PBX; free at the second, where their phone is not."""
    made = Desk()
    made.say("pbx2", ELSEWHERE)
    made.recorder.ended.clear()
    made.views.set_contact(ACCOUNT, ListenerContact(7, "c1", {"contact_id": 7}))
    made.say(PBX, member(paused="wrap-up"))
    return made


def leave(desk: Desk, pbx: str) -> None:
    """As somebody takes them out of the queue."""
    link = desk.link if pbx == PBX else desk.second
    link.state.members.pop(ME)
    desk.tell(pbx, MemberRemoved(pbx=pbx, at=desk.pump.now(), queue="national", interface=ME))


@pytest.mark.parametrize("first", [PBX, "pbx2"])
def test_who_is_taken_out_of_the_queues_while_they_write_goes_on_writing(desk: Desk, first: str) -> None:
    leave(desk, first)
    desk.tell("pbx2", PbxConnected(pbx="pbx2", at=desk.pump.now(), version="22"))
    assert not desk.ended
    leave(desk, "pbx2" if first == PBX else PBX)
    assert desk.world.doing(ACCOUNT).state is ListenerState.ABSENT
    assert not desk.ended


def test_another_pbx_where_they_are_free_ends_nothing(desk: Desk) -> None:
    leave(desk, PBX)
    desk.say("pbx2", member(device=DeviceState.UNREACHABLE))
    assert not desk.ended


def test_they_are_back_in_the_queue_as_they_were_and_end_it_themselves(desk: Desk) -> None:
    leave(desk, PBX)
    desk.say(PBX, member(paused="wrap-up"))
    assert not desk.ended
    desk.say(PBX, member())
    assert desk.ended


def test_a_pbx_that_forgot_its_members_ends_nothing(desk: Desk) -> None:
    desk.lose(PBX)
    desk.link.state.members.clear()
    desk.tell(PBX, MemberRemoved(pbx=PBX, at=desk.pump.now(), queue="national", interface=ME))
    desk.connect(PBX)
    desk.say("pbx2", member(device=DeviceState.INVALID))
    assert not desk.ended


def test_who_writes_in_no_queue_goes_on_when_the_connection_comes_back() -> None:
    parts = Parts()
    parts.views.set_contact(12, ListenerContact(7, "gone", {"contact_id": 7}))
    parts.pump.take([PbxLost(pbx=PBX, at=parts.pump.now(), reason="connection-lost")])
    parts.pump.take([PbxConnected(pbx=PBX, at=parts.pump.now(), version="22.10.1")])
    assert 12 in parts.views.contacts
    assert parts.recorder.ended == []


def test_who_only_leaves_and_comes_back_wrote_nothing() -> None:
    parts = Parts()
    parts.pump.take([changed(parts)])
    parts.link.state.members.clear()
    parts.pump.take([MemberRemoved(pbx=PBX, at=parts.pump.now(), queue="national", interface=ME)])
    parts.pump.take([changed(parts)])
    assert parts.recorder.ended == []


async def test_their_own_word_ends_it_where_no_pause_of_theirs_is_left() -> None:
    desk = asking.Desk(members=(member(),), contact="gone")
    desk.live.world.lines[PBX].held.add(ME)
    await use_cases.resume(desk.live, desk.viewer)
    assert desk.link.sent == [PauseMember(pbx=PBX, interface=ME, paused=False)]
    assert desk.ended == [12]
    assert not desk.live.world.in_contact(12)


async def test_the_end_is_by_the_clock_of_the_pbx_that_told_the_beginning() -> None:
    """A PBX whose clock is ahead of ours: by ours the writing would end before it began."""
    desk = asking.Desk(contact="gone")
    desk.link.clock_offset = 3600.0
    await use_cases.resume(desk.live, desk.viewer)
    (at,) = desk.ended_at
    assert at.timestamp() == pytest.approx(desk.link.pbx_now(), abs=60)
