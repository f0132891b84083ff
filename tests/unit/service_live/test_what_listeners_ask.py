"""What a listener asks for around a conversation that they left, or whose leg was lost: no wrap-up is lost by it."""

from __future__ import annotations

import time
from datetime import datetime
from types import SimpleNamespace
from typing import Any

import pytest

from pbx import actions
from pbx.calls import LiveCall
from pbx.commands import AddMember, Command, KeepOwnReason, PauseMember
from pbx.facts import Stage
from pbx.link import CommandRefused, Reply
from pbx.queues import Member
from service.accounts.viewer import Viewer
from service.errors import Conflict
from service.listeners import use_cases
from service.live import Live
from service.push.audiences import Kind
from service.push.hub import Board
from service.push.presence import Presence
from service.push.views import ListenerContact, Views
from tests.unit.service_live.worlds import PBX, member, talking, world

ME = "PJSIP/l12"
VIEWER: Any = SimpleNamespace(account_id=12, display_name="Camille", centre=None, confined=False)


class Link:
    """Keeps what is sent; refuses the kinds of `refuses`."""

    def __init__(self, *refuses: type[Command]) -> None:
        self.sent: list[Command] = []
        self.refuses = refuses
        self.clock_offset = 0.0

    def pbx_now(self) -> float:
        return time.time() + self.clock_offset

    async def send(self, command: Command, timeout: float = 5.0) -> Reply:
        self.sent.append(command)
        if isinstance(command, self.refuses):
            raise CommandRefused("no-such-channel", "No such channel")
        return Reply("ok")


class Desk:
    """The listener 12 before the service."""

    def __init__(self, *calls: LiveCall, members: tuple[Member, ...] = (), contact: str = "") -> None:
        self.link = Link()
        made = world(*calls, members=members)
        board = Board()
        nothing: Any = None
        self.live = Live(nothing, made, board, Views(made, board, nothing), Presence(), nothing)
        self.live.links[PBX] = self.link  # type: ignore[assignment]
        self.ended: list[int] = []
        self.ended_at: list[datetime] = []
        self.live.recorders[PBX] = self._ended
        if contact:
            self.live.views.set_contact(12, ListenerContact(7, contact, {"contact_id": 7}))

    def _ended(self, account_id: int, at: datetime) -> None:
        assert at.tzinfo is not None
        self.ended.append(account_id)
        self.ended_at.append(at)

    @property
    def viewer(self) -> Viewer:
        viewer: Viewer = VIEWER
        return viewer

    def added(self) -> list[tuple[bool, str]]:
        return [(sent.paused, sent.pause_reason) for sent in self.link.sent if isinstance(sent, AddMember)]


async def test_who_signs_in_again_in_mid_call_comes_back_to_the_wrap_up_and_is_not_rung() -> None:
    desk = Desk(talking("c1", ME))
    await use_cases.sign_in(desk.live, desk.viewer)
    assert desk.added() == [(True, "wrap-up")]


async def test_who_signs_in_again_with_a_contact_on_the_page_writes_it_up() -> None:
    desk = Desk(contact="gone")
    await use_cases.sign_in(desk.live, desk.viewer)
    assert desk.added() == [(True, "wrap-up")]


async def test_who_begins_is_free() -> None:
    desk = Desk(talking("c1", "PJSIP/l13"))
    await use_cases.sign_in(desk.live, desk.viewer)
    assert desk.added() == [(False, "")]


async def test_who_signed_out_in_mid_call_ends_the_writing_without_coming_back() -> None:
    desk = Desk(contact="gone")
    await use_cases.resume(desk.live, desk.viewer)
    assert desk.ended == [12]
    assert desk.live.board.ids(Kind.CONTACT, 12) == []
    assert desk.link.sent == []
    with pytest.raises(Conflict, match="not-signed-in"):
        await use_cases.resume(desk.live, desk.viewer)


@pytest.mark.parametrize("stage", [Stage.TALKING, Stage.LOST])
async def test_the_writing_is_not_ended_while_the_caller_is_theirs(stage: Stage) -> None:
    call = talking("c1", ME)
    call.stage = stage
    desk = Desk(call, contact="c1")
    with pytest.raises(Conflict):
        await use_cases.resume(desk.live, desk.viewer)
    assert (desk.ended, desk.live.board.ids(Kind.CONTACT, 12)) == ([], ["7"])


@pytest.mark.parametrize("stage", [Stage.TALKING, Stage.LOST])
async def test_a_pause_chosen_during_a_call_is_kept_when_the_leg_is_lost(stage: Stage) -> None:
    call = talking("c1", ME)
    call.stage = stage
    desk = Desk(call, talking("c2", "PJSIP/l13"), members=(member(paused="wrap-up"),))
    await use_cases.pause(desk.live, desk.viewer, "breathing-space")
    assert desk.link.sent == [
        KeepOwnReason(pbx=PBX, channel="PJSIP/trunk-c1"),
        PauseMember(pbx=PBX, interface=ME, paused=True, reason="breathing-space"),
    ]


async def test_a_call_that_is_over_just_then_does_not_keep_them_from_pausing() -> None:
    desk = Desk(talking("c1", ME), members=(member(paused="wrap-up"),))
    desk.link.refuses = (KeepOwnReason,)
    await use_cases.pause(desk.live, desk.viewer, "breathing-space")
    assert isinstance(desk.link.sent[-1], PauseMember)


def test_the_callers_channel_learns_that_the_reason_is_their_own() -> None:
    action = actions.of(KeepOwnReason(pbx=PBX, channel="PJSIP/trunk-1"), 0.0)
    assert action.fields == {
        "Action": "Setvar",
        "Channel": "PJSIP/trunk-1",
        "Variable": "OWN_REASON",
        "Value": "1",
    }
    with pytest.raises(CommandRefused):
        actions.of(KeepOwnReason(pbx=PBX, channel=""), 0.0)
