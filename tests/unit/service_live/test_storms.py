"""A phone that refuses call after call at once: its listener is paused, never those whose callers simply left."""

from __future__ import annotations

from dataclasses import replace
from itertools import count

from pbx import parse
from pbx.facts import (
    AnsweredVia,
    CallAnswered,
    CallEnded,
    CallFact,
    EndedBy,
    ListenerRangOut,
    ListenerRung,
    MemberChanged,
    MemberRemoved,
    OverflowBegan,
    Stage,
)
from pbx.state import PbxState
from service.decisions.storms import ASK_AGAIN_SECONDS, LEFT_TO_BE_RUNG, find_faulty
from service.listeners.legs import AT_ONCE_SECONDS, FailedLegs
from service.world import LinkState, World
from tests.unit.service_live.worlds import PBX, RULES, member, world

L12 = "PJSIP/l12"
NOW = 5000.0
#: of one leg: at once
REFUSED = 0.02
_legs = count(1)


def on_duty(*interfaces: str, **changes: str) -> World:
    """These listeners are free, or paused for `changes[name]`, on a line that is up."""
    names = [interface.removeprefix("PJSIP/") for interface in interfaces]
    return world(
        members=tuple(member(f"PJSIP/{name}", paused=changes.get(name, "")) for name in names),
    )


def leg(made: World, interface: str = L12, *, at: float = NOW, lasted: float = REFUSED, call: str = "c1") -> None:
    """A leg rings and ends without an answer."""
    said = {"pbx": PBX, "call_id": call, "ordinal": next(_legs), "interface": interface, "queue": "national"}
    rung = ListenerRung(at=at - lasted, **said)  # type: ignore[arg-type]
    tell(made, rung, ListenerRangOut(at=at, **said))  # type: ignore[arg-type]


def tell(made: World, *facts: CallFact | MemberChanged | MemberRemoved) -> None:
    made.apply(PBX, facts, 0.0)


def legs(made: World, number: int, interface: str = L12, *, lasted: float = REFUSED, every: float = 1.0) -> None:
    """So many of one waiting caller, the last one now."""
    for n in reversed(range(number)):
        leg(made, interface, at=NOW - n * every, lasted=lasted)


def paused(reason: str, interface: str = L12) -> MemberChanged:
    return MemberChanged(
        pbx=PBX,
        at=NOW,
        queue="national",
        interface=interface,
        paused=bool(reason),
        pause_reason=reason,
        device=member().device,
    )


def faulty(made: World, now: float = NOW) -> list[str]:
    return find_faulty(made.lines[PBX], made.rules, now)


def test_a_phone_that_refuses_five_times_at_once_is_at_fault_and_four_times_is_not() -> None:
    made = on_duty("l12", "l13")
    legs(made, RULES.storm_legs - 1)
    assert faulty(made) == []
    leg(made)
    assert faulty(made) == [L12]


def test_a_phone_that_nobody_takes_or_that_a_person_declines_is_no_fault() -> None:
    made = on_duty("l12", "l13")
    legs(made, 10, lasted=20.0, every=25.0)
    legs(made, 10, lasted=AT_ONCE_SECONDS)
    assert faulty(made) == []


def test_refusals_of_long_ago_do_not_count() -> None:
    made = on_duty("l12", "l13")
    legs(made, RULES.storm_legs)
    assert faulty(made, NOW + RULES.storm_seconds - 5) == [L12]
    assert faulty(made, NOW + RULES.storm_seconds) == []


def test_callers_who_leave_as_soon_as_it_rings_make_nobody_faulty() -> None:
    made = on_duty("l12", "l13")
    for n in range(20):
        leg(made, at=NOW + n * 0.1, call=f"c{n}")
        end = {"at": NOW + n * 0.1 + 0.01, "pbx": PBX, "call_id": f"c{n}", "ordinal": 9}
        tell(made, CallEnded(by=EndedBy.CALLER, stage=Stage.WAITING, **end))  # type: ignore[arg-type]
    assert faulty(made, NOW + 2) == []


def test_a_caller_who_is_taken_out_for_a_centre_makes_nobody_faulty() -> None:
    made = on_duty("l12", "l13")
    legs(made, RULES.storm_legs)
    tell(made, OverflowBegan(pbx=PBX, at=NOW + 0.01, call_id="c1", ordinal=7, target="ask", by="service"))
    assert faulty(made) == [], "the last of the five was the caller's"


def test_a_caller_who_gives_up_long_after_the_refusal_does_not_excuse_it() -> None:
    made = on_duty("l12", "l13")
    legs(made, RULES.storm_legs)
    tell(made, CallEnded(pbx=PBX, at=NOW + 2, call_id="c1", ordinal=9, by=EndedBy.CALLER, stage=Stage.WAITING))
    assert faulty(made, NOW + 2) == [L12]


def test_a_conversation_in_between_shows_that_the_phone_works() -> None:
    made = on_duty("l12", "l13")
    legs(made, RULES.storm_legs - 1)
    answered = {"pbx": PBX, "at": NOW, "call_id": "c2", "ordinal": 4, "interface": L12}
    tell(made, CallAnswered(via=AnsweredVia.QUEUE, queue="national", **answered))  # type: ignore[arg-type]
    leg(made)
    assert faulty(made) == []


def test_once_paused_or_gone_what_was_is_forgotten() -> None:
    for settled in (paused("fault"), paused("meal"), MemberRemoved(pbx=PBX, at=NOW, queue="national", interface=L12)):
        made = on_duty("l12", "l13")
        legs(made, RULES.storm_legs)
        tell(made, settled)
        assert faulty(made) == [], settled
        leg(made)
        assert faulty(made) == [], settled


def test_the_pause_is_asked_for_once_and_again_when_nothing_was_seen_of_it() -> None:
    made = on_duty("l12", "l13")
    legs(made, RULES.storm_legs)
    made.lines[PBX].faults_asked[L12] = NOW
    assert faulty(made, NOW + ASK_AGAIN_SECONDS - 0.1) == []
    assert faulty(made, NOW + ASK_AGAIN_SECONDS) == [L12]
    tell(made, paused("fault"))
    assert made.lines[PBX].faults_asked == {}


def test_who_is_paused_already_is_left_alone() -> None:
    made = on_duty("l12", "l13", l12="wrap-up")
    legs(made, RULES.storm_legs)
    assert faulty(made) == []


def test_who_is_alone_on_duty_is_paused_too_callers_are_then_offered_a_centre() -> None:
    made = on_duty("l12", "l13", l13="meal")
    legs(made, RULES.storm_legs)
    assert faulty(made) == [L12]


def test_when_everybodys_legs_fail_half_of_them_stay_to_be_rung_when_it_is_over() -> None:
    made = on_duty("l12", "l13", "l14", "l15")
    for name in ("l12", "l13", "l14", "l15"):
        legs(made, RULES.storm_legs, f"PJSIP/{name}")
    leg(made, "PJSIP/l15")
    assert faulty(made) == ["PJSIP/l15", L12], "the worst, and the first of those alike"
    made.lines[PBX].faults_asked["PJSIP/l15"] = NOW
    assert faulty(made) == [L12]
    resting = on_duty("l12", "l13", "l14", "l15", l14="fault", l15="fault")
    legs(resting, RULES.storm_legs)
    assert faulty(resting) == []


def test_of_a_large_team_five_are_rung_on_so_that_the_storm_is_small() -> None:
    names = [f"l{n}" for n in range(100, 130)]
    made = on_duty(*names)
    for name in names:
        legs(made, RULES.storm_legs, f"PJSIP/{name}")
    assert len(faulty(made)) == 30 - LEFT_TO_BE_RUNG


def test_a_line_that_is_not_up_decides_nothing() -> None:
    made = on_duty("l12", "l13")
    legs(made, RULES.storm_legs)
    made.lines[PBX].link = LinkState.LOST
    assert faulty(made) == []


def test_the_settings_say_how_many_and_how_fast() -> None:
    made = on_duty("l12", "l13")
    made.rules = replace(RULES, storm_legs=3, storm_seconds=10)
    legs(made, 3, every=6.0)
    assert faulty(made) == []
    legs(made, 3, every=2.0)
    assert faulty(made) == [L12]


def test_callers_who_heard_the_busy_tone_are_counted_and_are_no_calls() -> None:
    state = PbxState(PBX)
    said = "Event: UserEvent\r\nTimestamp: 5000.25\r\nChannel: PJSIP/trunk-00000007\r\nUniqueid: pbx1-7.1\r\n"
    event = parse.EVENTS[b"UserEvent"](f"{said}UserEvent: CallRefused\r\nReason: line-full", NOW)
    assert event is not None
    assert state.apply(event) == ()
    assert (state.refused, state.calls) == (1, {})


def test_what_is_remembered_does_not_grow() -> None:
    memory = FailedLegs()
    said = {"pbx": PBX, "call_id": "c1", "interface": L12, "queue": "national"}
    for n in range(1000):
        memory.take(ListenerRung(at=NOW, ordinal=n, **said))
        memory.take(ListenerRangOut(at=NOW, ordinal=n, **said))
    assert memory.count(L12, 0) == 100
    assert memory._rung == {}
