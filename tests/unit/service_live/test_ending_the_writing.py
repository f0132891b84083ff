"""The listener's own "end" on its way to the PBXs: refused means that nothing was ended, taken that all of it was."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pbx.commands import Command, PauseMember, RemoveMember
from pbx.replies import NotConnected, Reply
from service.errors import Conflict, Unavailable
from service.listeners import use_cases
from service.live import Live
from service.push.presence import Presence
from service.push.views import ListenerContact
from tests.unit.service_live import test_what_listeners_ask as asking
from tests.unit.service_live.test_pump import FakeLink
from tests.unit.service_live.test_several_pbxs import ACCOUNT, ELSEWHERE, ME, Desk
from tests.unit.service_live.worlds import PBX, member


class Meanwhile(FakeLink):
    """A PBX of which something is told between the asking and the answer."""

    def __init__(self, state: Any, tell: Callable[[], None]) -> None:
        super().__init__()
        self.state, self._tell = state, tell

    async def send(self, command: Command, timeout: float = 5.0) -> Reply:
        self._tell()
        return await super().send(command, timeout)


class Writing(Desk):
    """Writing up what was talked about at the first PBX; free at the second, where their phone is not."""

    def __init__(self) -> None:
        super().__init__()
        self.say("pbx2", ELSEWHERE)
        self.recorder.ended.clear()
        self.views.set_contact(ACCOUNT, ListenerContact(7, "c1", {"contact_id": 7}))
        self.say(PBX, member(paused="wrap-up"))
        nothing: Any = None
        self.live = Live(nothing, self.world, self.board, self.views, Presence(), nothing)
        links: Any = {PBX: self.link, "pbx2": self.second}
        self.live.links = links
        self.live.recorders[PBX] = self.recorder.writing_ended

    def meanwhile(self, tell: Callable[[], None]) -> None:
        """At the first PBX, when it is asked."""
        link: Any = Meanwhile(self.link.state, tell)
        self.live.links[PBX] = link

    async def end(self) -> None:
        await use_cases.resume(self.live, asking.VIEWER)


async def test_an_end_that_a_dying_pbx_did_not_take_is_refused_and_not_done_by_what_another_says() -> None:
    desk = Writing()

    def die() -> None:
        raise NotConnected("the connection is gone")

    desk.meanwhile(die)
    with pytest.raises(Unavailable):
        await desk.end()
    desk.lose(PBX)
    desk.say("pbx2", ELSEWHERE)
    assert not desk.ended
    desk.connect(PBX)
    desk.say(PBX, member())
    assert desk.ended


async def test_an_end_that_is_told_before_it_is_answered_ends_also_what_another_pbx_held() -> None:
    desk = Writing()
    desk.world.lines["pbx2"].held.add(ME)
    desk.meanwhile(lambda: desk.say(PBX, member()))
    await desk.end()
    assert desk.ended
    assert not desk.world.in_contact(ACCOUNT)


async def test_an_end_that_is_told_after_its_answer_ends_then() -> None:
    desk = Writing()
    await desk.end()
    assert not desk.ended
    assert desk.link.sent[-1] == PauseMember(pbx=PBX, interface=ME, paused=False)
    desk.say(PBX, member())
    assert desk.recorder.ended == [ACCOUNT]


async def test_who_ends_it_in_no_queue_is_let_in_again_without_its_pause() -> None:
    desk = asking.Desk(contact="gone")
    told: list[int] = []
    desk.live.forget_wrapups.append(told.append)
    await use_cases.resume(desk.live, desk.viewer)
    assert told == desk.ended == [12]


async def test_a_queue_that_refuses_keeps_nobody_in_the_others() -> None:
    desk = asking.Desk(members=(member(queues=frozenset({"centre-38", "national"})),))
    desk.link.refuses = (RemoveMember,)
    with pytest.raises(Conflict):
        await use_cases.sign_out(desk.live, desk.viewer)
    assert [sent.queue for sent in desk.link.sent if isinstance(sent, RemoveMember)] == ["centre-38", "national"]
