"""A conversation that began, was moved or ended while nobody listened: when it began is the journal's to tell."""

from __future__ import annotations

from pbx.events import BridgeLeft, LegListed, LegsListed, SessionBegan
from pbx.facts import CallAnswered, ListenerRangOut, Stage
from pbx.state import PbxState
from tests.unit.pbx.ami_frames import CALL, CALLER, Wire, leg
from tests.unit.pbx.call_facts import follow, waiting
from tests.unit.pbx.test_calls_snapshot import listed, member_leg, snapshot

LISTENER = leg(1)
SESSION = SessionBegan(at=1.0, started="one", version="")


def talks(bridge: str = "") -> LegListed:
    """The caller's leg once a listener took the call."""
    return listed(
        stage="talking", step=3, step_what="connecting", step_detail=f"national PJSIP/l1 {LISTENER[0]}",
        listener="PJSIP/l1", listener_channel=LISTENER[0], connected_at=900.0, bridge=bridge,
    )  # fmt: skip


def about_to_talk() -> PbxState:
    """Somebody took the call, and more was not heard."""
    state, wire = PbxState("pbx1"), waiting(Wire())
    wire.ring(LISTENER)
    wire.step(3, f"connecting national PJSIP/l1 {LISTENER[0]}", LISTENER)
    follow(wire, state)
    return state


def enters_a_bridge(state: PbxState) -> list[CallAnswered]:
    wire = Wire()
    wire.bridge(CALLER)
    return [fact for fact in follow(wire, state) if isinstance(fact, CallAnswered)]


def test_an_answer_in_a_gap_is_not_told_when_the_caller_is_moved_to_another_bridge_later() -> None:
    state = about_to_talk()
    snapshot(state, talks("b-0"), member_leg(1, up=True, bridge="b-0"))
    assert enters_a_bridge(state) == []
    assert (state.calls[CALL].stage, state.calls[CALL].listener) == (Stage.TALKING, "PJSIP/l1")


def test_an_answer_in_a_gap_is_not_told_when_the_move_is_heard_before_the_list() -> None:
    state = about_to_talk()
    state.apply(SESSION)
    assert enters_a_bridge(state) == []
    state.apply(LegsListed(at=2.0, legs=(talks("b-1"), member_leg(1, up=True, bridge="b-1"))))
    assert state.calls[CALL].stage is Stage.TALKING


def test_who_was_about_to_talk_before_a_gap_and_still_is_after_it_is_answered_by_the_next_bridge() -> None:
    state = about_to_talk()
    snapshot(state, talks(), member_leg(1, up=True))
    (answer,) = enters_a_bridge(state)
    assert (answer.ordinal, answer.interface) == (3, "PJSIP/l1")


def test_a_conversation_that_is_over_when_the_list_is_made_is_not_answered_by_a_late_word_of_its_last_bridge() -> None:
    state = PbxState("pbx1")
    snapshot(state, talks())
    assert enters_a_bridge(state) == []


def test_a_caller_who_was_heard_in_a_bridge_before_the_list_is_answered_then_and_not_by_the_next_bridge() -> None:
    """Their call entered in the gap: the bridge is the first that is heard of it."""
    state = PbxState("pbx1")
    state.apply(SESSION)
    assert enters_a_bridge(state) == []
    first = next(iter(state.calls))
    wire = Wire()
    wire.at = 2000.0
    wire.bridge(CALLER)
    follow(wire, state)
    wire = Wire()
    wire.step(3, f"connecting national PJSIP/l1 {LISTENER[0]}", LISTENER)
    (answer,) = (fact for fact in follow(wire, state) if isinstance(fact, CallAnswered))
    assert (answer.call_id, answer.at < 2000.0) == (first, True)


def test_a_late_word_of_an_earlier_conversation_is_not_the_answer_of_the_next_person() -> None:
    state, wire = PbxState("pbx1"), Wire()
    snapshot(state, listed(step=7))
    wire.bridge(CALLER)
    wire.at += 60
    wire.step(8, f"connecting national PJSIP/l1 {LISTENER[0]}", LISTENER)
    assert [fact for fact in follow(wire, state) if isinstance(fact, CallAnswered)] == []


def test_a_person_who_took_the_call_is_not_taken_for_the_answer_of_a_list_caught_within_the_end() -> None:
    """STEP is the end's already, the other two are still the answer's, and the answer itself was heard."""
    state, wire = PbxState("pbx1"), Wire()
    state.apply(SESSION)
    wire.step(3, f"connecting national PJSIP/l1 {LISTENER[0]}", LISTENER)
    follow(wire, state)
    caught = talks()
    state.apply(LegsListed(at=2.0, legs=(listed(**{**_fields(caught), "step": 4}), member_leg(1, up=True))))
    wire = Wire()
    wire.step(1, "entered none +33199003133 999")
    wire.step(2, "queued national")
    wire.bridge(CALLER)
    wire.step(4, "ended caller talking")
    answers = [fact.ordinal for fact in follow(wire, state) if isinstance(fact, CallAnswered)]
    assert answers == [], "the journal tells of it"


def _fields(leg_listed: LegListed) -> dict[str, object]:
    return {name: getattr(leg_listed, name) for name in leg_listed.__struct_fields__}


def test_who_leaves_a_bridge_that_was_entered_in_a_gap_is_in_none() -> None:
    state, wire = PbxState("pbx1"), waiting(Wire())
    wire.bridge(CALLER)
    follow(wire, state)
    state.apply(SESSION)
    channel, uniqueid = CALLER
    left = BridgeLeft(at=1500.0, call_id=CALL, channel=channel, uniqueid=uniqueid, linkedid=uniqueid, bridge="b-2")
    state.apply(left)
    assert state.calls[CALL].legs[uniqueid].bridge == ""


def test_a_phone_that_only_a_list_told_of_did_not_ring_in_vain_when_steps_were_missed_since() -> None:
    """It was answered and lost again in the gap; the only step that was heard came later."""
    state, wire = PbxState("pbx1"), Wire()
    snapshot(state, listed(step=7, stage="lost", queue_now="return"), member_leg(1, up=False))
    state.apply(SESSION)
    wire.step(12, "centre-refused centre-73 no-route")
    follow(wire, state)
    refused = listed(step=12, stage="overflow", step_what="centre-refused", step_detail="centre-73 no-route")
    facts = state.apply(LegsListed(at=9000.0, legs=(refused,)))
    assert [fact for fact in facts if isinstance(fact, ListenerRangOut)] == []
    assert state.calls[CALL].ringing == {}
