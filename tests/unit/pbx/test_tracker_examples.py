"""What the properties found, each as a plain case: gaps, races with the snapshot, events that overtake each other."""

from __future__ import annotations

from pbx.events import LegsListed, RingBegan, SessionBegan
from pbx.facts import CallAnswered, CallEnded, CallFact, ListenerRangOut, PbxConnected, Stage
from pbx.state import PbxState
from tests.unit.pbx.ami_frames import CALL, CALLER, Wire, leg
from tests.unit.pbx.call_facts import follow, read, talking, waiting
from tests.unit.pbx.test_calls_snapshot import listed, member_leg, snapshot

SESSION = SessionBegan(at=1.0, started="one", version="")


def after(state: PbxState, words: str, n: int) -> None:
    """A step on the caller's leg."""
    more = Wire()
    more.step(n, words)
    follow(more, state)


def test_a_phone_that_is_rung_again_rings_although_a_late_word_of_its_first_ring_comes_after() -> None:
    state, wire = PbxState("pbx1"), waiting(Wire())
    wire.ring(leg(1))
    wire.hangup(leg(1), 19)
    wire.ring(leg(2))
    first = [data for uniqueid, data in wire.live if uniqueid == leg(1)[1]]
    others = [data for uniqueid, data in wire.live if uniqueid != leg(1)[1]]
    for event in read([*others, first[0]]):
        state.apply(event)
    assert state.calls[CALL].ringing == {"PJSIP/l1": leg(2)[0]}
    for event in read(first[1:]):
        state.apply(event)
    assert state.calls[CALL].ringing == {"PJSIP/l1": leg(2)[0]}


def test_a_phone_that_was_answered_before_the_snapshot_does_not_ring_by_a_late_word_of_the_queue() -> None:
    state = PbxState("pbx1")
    talk = listed(stage="talking", bridge="b", step=3, step_what="connecting", listener="PJSIP/l1", connected_at=1.0)
    snapshot(state, talk, member_leg(1, up=True, bridge="b"))
    channel, uniqueid = leg(1)
    late = RingBegan(
        at=6000.0, call_id=CALL, queue="national", interface="PJSIP/l1", channel=channel, uniqueid=uniqueid
    )
    state.apply(late)
    assert state.calls[CALL].ringing == {}


def test_a_ring_that_was_heard_while_the_list_was_made_is_not_silenced_by_the_list() -> None:
    state, wire = PbxState("pbx1"), waiting(Wire())
    state.apply(SESSION)
    wire.ring(leg(1))
    follow(wire, state)
    facts = list(state.apply(LegsListed(at=2.0, legs=(listed(),))))
    assert not any(isinstance(fact, ListenerRangOut) for fact in facts)
    assert state.calls[CALL].ringing == {"PJSIP/l1": leg(1)[0]}


def test_an_end_that_was_told_in_a_gap_is_left_to_the_journal_when_only_the_hangup_is_heard() -> None:
    state = PbxState("pbx1")
    snapshot(state)
    follow(waiting(Wire()), state)
    state.apply(SESSION)
    wire = Wire()
    wire.hangup(CALLER)
    assert not any(isinstance(fact, CallFact) for fact in follow(wire, state))
    assert state.calls == {}


def test_a_leg_that_outlives_its_caller_does_not_keep_the_call_on_the_board() -> None:
    state, wire = PbxState("pbx1"), waiting(Wire())
    snapshot(state)
    wire.ring(leg(1))
    follow(wire, state)
    state.apply(SESSION)
    more = Wire()
    more.hangup(leg(1))
    follow(more, state)
    state.apply(LegsListed(at=6001.0, legs=()))
    assert state.calls == {}


def test_a_caller_who_is_just_leaving_is_not_taken_from_the_list() -> None:
    state = PbxState("pbx1")
    facts = snapshot(state, listed(step=3, step_what="ended", step_detail="caller waiting"))
    assert state.calls == {}
    wire = Wire()
    wire.hangup(CALLER)
    assert not any(isinstance(fact, CallEnded) for fact in [*facts, *follow(wire, state)])


def test_a_call_first_heard_of_by_a_step_that_says_no_place_has_its_place_from_the_list() -> None:
    state = PbxState("pbx1")
    state.apply(SESSION)
    after(state, "department -", 4)
    asked = listed(step=4, stage="overflow", step_what="department", step_detail="-", overflow_at=1001.0)
    state.apply(LegsListed(at=2.0, legs=(asked,)))
    assert state.calls[CALL].stage is Stage.OVERFLOW


def test_a_step_of_the_listeners_leg_that_comes_first_does_not_hide_that_the_caller_waits() -> None:
    state, wire = PbxState("pbx1"), waiting(Wire())
    wire.ring(leg(1))
    wire.step(3, f"connecting national PJSIP/l1 {leg(1)[0]}", leg(1))
    mine = [data for uniqueid, data in wire.live if uniqueid == leg(1)[1]]
    callers = [data for uniqueid, data in wire.live if uniqueid != leg(1)[1]]
    for event in read([*mine, *callers]):
        state.apply(event)
    assert state.calls[CALL].stage is Stage.WAITING


def test_a_listener_whose_loss_is_heard_before_their_answer_is_named() -> None:
    state, wire = PbxState("pbx1"), talking(Wire())
    wire.step(4, "listener-lost PJSIP/l1 44")
    mine = [data for uniqueid, data in wire.live if uniqueid == leg(1)[1]]
    callers = [data for uniqueid, data in wire.live if uniqueid != leg(1)[1]]
    facts = [fact for event in read([*callers, *mine]) for fact in state.apply(event)]
    call = state.calls[CALL]
    assert (call.stage, call.listener) == (Stage.LOST, "PJSIP/l1")
    assert any(isinstance(fact, CallAnswered) for fact in facts)


def test_who_tries_a_centre_waits_in_the_national_queue_also_for_a_service_that_just_started() -> None:
    state = PbxState("pbx1")
    tries = listed(step=4, stage="overflow", queue_now="centre-38", centre="centre-38", step_what="centre-called")
    snapshot(state, tries)
    assert (state.calls[CALL].queue, state.calls[CALL].centre) == ("national", "centre-38")


def test_a_phone_that_was_answered_in_a_gap_did_not_ring_in_vain() -> None:
    state, wire = PbxState("pbx1"), waiting(Wire())
    snapshot(state)
    wire.ring(leg(1))
    follow(wire, state)
    facts = snapshot(state, listed(step=4, stage="lost", listener="PJSIP/l1", step_what="listener-lost"))
    assert [type(fact) for fact in facts] == [PbxConnected]
    assert state.calls[CALL].ringing == {}


def test_a_phone_whose_answer_was_missed_did_not_ring_in_vain_when_its_leg_ends() -> None:
    state, wire = PbxState("pbx1"), waiting(Wire())
    snapshot(state)
    wire.ring(leg(1))
    follow(wire, state)
    state.apply(SESSION)
    more = Wire()
    more.hangup(leg(1))
    assert follow(more, state) == []
