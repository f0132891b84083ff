"""What the world says of a listener whom several PBXs know; a PBX that is lost neither hides nor blocks another."""

from __future__ import annotations

import pytest

from pbx.calls import LiveCall
from pbx.facts import DeviceState, Fact, MemberChanged, PbxConnected, PbxLost
from pbx.queues import Member
from service.errors import Unavailable
from service.listeners.model import ListenerState, doing_by_interface
from service.live import Live
from service.pump import Pump
from service.push.presence import Presence
from service.push.views import ListenerContact
from service.world import Line, LinkState, World
from tests.unit.service_live.test_pump import FakeLink, Parts
from tests.unit.service_live.worlds import PBX, State, member, talking, world

ME, ACCOUNT = "PJSIP/l12", 12
ELSEWHERE = member(device=DeviceState.UNREACHABLE)  #: of the PBX at which the phone is not registered


def two(
    first: Member | None,
    second: Member | None,
    *calls: LiveCall,
    links: tuple[LinkState, LinkState] = (LinkState.UP, LinkState.UP),
) -> World:
    """`calls` are on the second."""
    made = world(members=(first,) if first else (), link=links[0])
    state = State(
        {call.call_id: call for call in calls},
        {second.interface: second} if second else {},
        {"l12": True},
    )
    made.lines["pbx2"] = Line("pbx2", state, link=links[1])  # type: ignore[arg-type]
    return made


@pytest.mark.parametrize(
    ("first", "second", "state"),
    [
        (ELSEWHERE, member(), ListenerState.FREE),
        (member(), ELSEWHERE, ListenerState.FREE),
        (ELSEWHERE, member(paused="wrap-up"), ListenerState.WRAP_UP),
        (member(), member(paused="wrap-up"), ListenerState.WRAP_UP),
        (member(paused="coffee"), member(), ListenerState.PAUSED),
        (None, member(), ListenerState.FREE),
        (None, None, ListenerState.ABSENT),
        (ELSEWHERE, ELSEWHERE, ListenerState.UNREACHABLE),
        (member(), member(device=DeviceState.TALKING, paused="wrap-up"), ListenerState.TALKING),
    ],
)
def test_what_keeps_a_listener_from_a_call_on_one_pbx_outranks_what_another_says(
    first: Member | None, second: Member | None, state: ListenerState
) -> None:
    assert two(first, second).doing(ACCOUNT).state is state
    assert two(second, first).doing(ACCOUNT).state is state


def test_a_conversation_on_one_pbx_outranks_a_pause_on_another() -> None:
    doing = two(member(paused="coffee"), member(), talking("c2", ME)).doing(ACCOUNT)
    assert (doing.state, doing.call_id) == (ListenerState.TALKING, "c2")


def test_what_a_lost_pbx_said_last_does_not_hold_a_listener_whom_another_knows() -> None:
    lost_first = (LinkState.LOST, LinkState.UP)
    here = two(member(paused="wrap-up"), member(), links=lost_first)
    assert here.doing(ACCOUNT).state is ListenerState.FREE
    assert not here.writing(ACCOUNT)
    assert two(member(paused="wrap-up"), None, links=lost_first).queues_of(ACCOUNT) == []


def test_with_every_pbx_lost_what_was_heard_last_stays() -> None:
    here = two(member(paused="wrap-up"), None, links=(LinkState.LOST, LinkState.REFUSED))
    assert here.doing(ACCOUNT).state is ListenerState.WRAP_UP
    assert here.writing(ACCOUNT)
    assert here.queues_of(ACCOUNT) == ["national"]


def test_a_call_on_a_lost_pbx_is_still_theirs_for_all_that_is_known() -> None:
    here = two(member(), member(), talking("c2", ME), links=(LinkState.UP, LinkState.LOST))
    assert here.doing(ACCOUNT).state is ListenerState.TALKING
    assert set(doing_by_interface(here.lines["pbx2"].state.calls.values())) == {ME}


async def test_a_phone_is_told_to_every_pbx_that_is_reached_and_to_no_other() -> None:
    told: list[tuple[str, str]] = []

    def phones_of(pbx: str) -> object:
        async def ensure(endpoint: str, _password: str) -> None:
            told.append((pbx, endpoint))

        return ensure

    def live(first: LinkState, second: LinkState) -> Live:
        made = object.__new__(Live)
        made.world = two(member(), member(), links=(first, second))
        made.phones = {pbx: phones_of(pbx) for pbx in ("pbx1", "pbx2")}  # type: ignore[misc]
        return made

    await live(LinkState.LOST, LinkState.UP).ensure_phone("l12", "secret")
    assert told == [("pbx2", "l12")]
    await live(LinkState.UP, LinkState.UP).ensure_phone("l12", "secret")
    assert told[1:] == [("pbx1", "l12"), ("pbx2", "l12")]
    with pytest.raises(Unavailable):
        await live(LinkState.LOST, LinkState.REFUSED).ensure_phone("l12", "secret")


# --- the end of a listener's writing-up


class SecondLink(FakeLink):
    class config:  # noqa: N801 - as PbxLink names it
        pbx = "pbx2"


class Desk(Parts):
    """Two PBXs; the listener, whose phone is at the first, has a contact on their page."""

    def __init__(self) -> None:
        super().__init__()
        self.second = SecondLink()
        pump = Pump(
            self.second,  # type: ignore[arg-type]
            world=self.world,
            views=self.views,
            presence=Presence(),
            recorder=self.recorder,  # type: ignore[arg-type]
            lookup=self.lookup,  # type: ignore[arg-type]
            on_connected=self.connected.append,
        )
        self.pumps = {PBX: self.pump, "pbx2": pump}
        self.connect("pbx2")
        self.views.set_contact(ACCOUNT, ListenerContact(7, "c1", {"contact_id": 7}))

    def tell(self, pbx: str, fact: Fact) -> None:
        self.pumps[pbx].take([fact])

    def connect(self, pbx: str) -> None:
        self.tell(pbx, PbxConnected(pbx=pbx, at=self.pump.now(), version="22"))

    def lose(self, pbx: str) -> None:
        self.tell(pbx, PbxLost(pbx=pbx, at=self.pump.now(), reason="connection-lost"))

    def say(self, pbx: str, known: Member) -> None:
        link = self.link if pbx == PBX else self.second
        link.state.members[known.interface] = known
        fact = MemberChanged(
            pbx=pbx,
            at=self.pump.now(),
            queue="national",
            interface=known.interface,
            paused=known.paused,
            pause_reason=known.pause_reason,
            device=known.device,
        )
        self.tell(pbx, fact)

    @property
    def ended(self) -> bool:
        assert (ACCOUNT in self.views.contacts) is (self.recorder.ended == [])
        return self.recorder.ended != []


@pytest.fixture
def desk() -> Desk:
    made = Desk()
    made.say(PBX, member(paused="wrap-up"))
    return made


def test_what_another_pbx_says_ends_no_writing_up_of_the_pbx_that_is_lost(desk: Desk) -> None:
    desk.lose(PBX)
    desk.say("pbx2", ELSEWHERE)
    assert not desk.ended
    desk.connect(PBX)
    assert not desk.ended
    desk.say(PBX, member())
    assert desk.ended


def test_with_both_lost_the_one_that_is_back_first_ends_no_writing_up_of_the_other(desk: Desk) -> None:
    desk.lose(PBX)
    desk.lose("pbx2")
    desk.connect("pbx2")
    assert not desk.ended
    desk.connect(PBX)
    assert not desk.ended


def test_a_writing_up_that_ended_in_the_gap_ends_with_the_snapshot_and_not_before(desk: Desk) -> None:
    desk.lose(PBX)
    desk.say(PBX, member())  # of the list of members: the snapshot is not taken yet
    assert not desk.ended
    desk.connect(PBX)
    assert desk.ended


def test_with_one_pbx_nothing_ends_while_it_is_lost_and_nothing_when_it_still_holds_them(desk: Desk) -> None:
    del desk.world.lines["pbx2"]
    desk.lose(PBX)
    desk.pump.tick()
    assert not desk.ended
    desk.connect(PBX)
    assert not desk.ended


def test_a_conversation_that_the_snapshot_has_no_more_is_written_up_until_it_says_otherwise(desk: Desk) -> None:
    desk.say(PBX, member())  # the last word of their pause is from before the conversation
    desk.recorder.ended.clear()
    desk.views.set_contact(ACCOUNT, ListenerContact(8, "c2", {"contact_id": 8}))
    desk.link.state.calls["c2"] = talking("c2", ME)
    desk.lose(PBX)
    desk.link.state.calls.clear()  # the list of legs; that of members comes after it
    desk.say("pbx2", ELSEWHERE)
    assert not desk.ended
    desk.link.state.members[ME] = member(paused="wrap-up")
    desk.connect(PBX)
    assert not desk.ended
