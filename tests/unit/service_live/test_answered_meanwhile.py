"""The next caller, answered while a PBX is still told of the end of the writing-up before: theirs, to be written up."""

from __future__ import annotations

from pbx.commands import PauseMember
from pbx.facts import DeviceState
from service.push.views import ListenerContact
from tests.unit.service_live.test_ending_the_writing import Writing
from tests.unit.service_live.test_several_pbxs import ACCOUNT, ME
from tests.unit.service_live.worlds import PBX, member, talking


def answer(desk: Writing) -> None:
    """Where their phone is by now: at the second PBX, in whose queue nothing pauses them."""
    desk.second.state.calls["c2"] = talking("c2", ME)
    desk.say("pbx2", member(paused="wrap-up", device=DeviceState.TALKING))
    desk.views.set_contact(ACCOUNT, ListenerContact(8, "c2", {"contact_id": 8}))


async def test_the_end_of_a_writing_up_is_not_told_to_a_pbx_where_they_talk_with_the_next_caller_by_then() -> None:
    desk = Writing()
    desk.meanwhile(lambda: answer(desk))
    await desk.end()
    assert not [sent for sent in desk.second.sent if isinstance(sent, PauseMember)]
    desk.say(PBX, member())
    desk.second.state.calls.clear()
    desk.say("pbx2", member(paused="wrap-up"))
    assert not desk.ended, "they write up what the next caller said"
    desk.say("pbx2", member())
    assert desk.ended
