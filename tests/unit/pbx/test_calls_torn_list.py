"""A list that was made while a step was being written: the dialplan sets STEP, STEP_WHAT, STEP_DETAIL one by one."""

from __future__ import annotations

import pytest

from pbx.events import BridgeLeft, LegListed, LegsListed, SessionBegan
from pbx.facts import (
    AnsweredVia,
    CallAnswered,
    CallEnded,
    CallFact,
    EndedBy,
    ListenerLost,
    ListenerRung,
    PbxConnected,
    Stage,
)
from pbx.state import PbxState
from tests.unit.pbx.ami_frames import CALL, CALLER, Wire, leg
from tests.unit.pbx.call_facts import follow, keys, waiting
from tests.unit.pbx.test_calls_snapshot import listed, member_leg, snapshot

LISTENER = leg(1)
DETAIL = f"national PJSIP/l1 {LISTENER[0]}"


def caught(**values: object) -> LegListed:
    """The caller's leg, listed while a listener's leg says that it was answered."""
    usual: dict[str, object] = {
        "stage": "talking",
        "step": 3,
        "step_what": "connecting",
        "step_detail": DETAIL,
        "listener": "PJSIP/l1",
        "listener_channel": LISTENER[0],
        "connected_at": 1010.0,
    }
    return listed(**{**usual, **values})


@pytest.mark.parametrize(
    ("what", "detail"),
    [
        ("queued", "national"),
        ("connecting", "national"),
        ("connecting", "PJSIP/l2 44"),
        ("connecting", "centre-38 queue"),
        ("connecting", "national PJSIP/l2 PJSIP/l2-000000ff"),
        ("connecting", DETAIL),
    ],
)
@pytest.mark.parametrize("bridge_first", [False, True])
def test_a_caller_listed_within_the_step_of_an_answer_is_answered_by_whoever_took_the_call(
    what: str, detail: str, *, bridge_first: bool
) -> None:
    state = PbxState("pbx1")
    snapshot(state, caught(step_what=what, step_detail=detail), member_leg(1, up=True))
    steps, bridges = Wire(), Wire()
    steps.step(3, f"connecting {DETAIL}", LISTENER)
    bridges.bridge(CALLER)
    order = (bridges, steps) if bridge_first else (steps, bridges)
    answers = [fact for wire in order for fact in follow(wire, state)]
    assert [type(fact) for fact in answers] == [CallAnswered]
    (answer,) = answers
    assert isinstance(answer, CallAnswered)
    assert (answer.ordinal, answer.interface, answer.via) == (3, "PJSIP/l1", AnsweredVia.QUEUE)
    call = state.calls[CALL]
    assert (call.stage, call.listener, call.listener_channel) == (Stage.TALKING, "PJSIP/l1", LISTENER[0])


def test_an_answer_is_told_once_though_its_step_comes_after_the_list_and_the_bridge() -> None:
    state = PbxState("pbx1")
    snapshot(state, caught(), member_leg(1, up=True))
    wire = Wire()
    wire.bridge(CALLER)
    wire.step(3, f"connecting {DETAIL}", LISTENER)
    wire.bridge(CALLER)  # into another bridge: two conversations have met
    assert keys(follow(wire, state)) == [(CALL, "CallAnswered", 3)]


@pytest.mark.parametrize("ring_first", [False, True])
def test_a_phone_that_was_answered_while_the_list_was_made_did_not_ring_in_vain(*, ring_first: bool) -> None:
    """Its leg is gone already, and what it said comes late."""
    state = PbxState("pbx1")
    state.apply(SessionBegan(at=1.0, started="one", version=""))
    wire = Wire()
    wire.ring(LISTENER)
    early = follow(wire, state) if ring_first else []
    state.apply(LegsListed(at=2.0, legs=(caught(),)))
    wire = Wire()
    wire.bridge(CALLER)
    if not ring_first:
        wire.ring(LISTENER)
    wire.step(3, f"connecting {DETAIL}", LISTENER)
    wire.hangup(LISTENER, 44)
    names = [type(fact) for fact in [*early, *follow(wire, state)]]
    assert sorted(names, key=str) == [CallAnswered, ListenerRung]


def test_a_phone_that_was_answered_in_a_gap_did_not_ring_in_vain_though_its_leg_is_gone_again() -> None:
    state = PbxState("pbx1")
    snapshot(state)
    wire = waiting(Wire())
    wire.ring(LISTENER)
    follow(wire, state)
    assert [type(fact) for fact in snapshot(state, caught())] == [PbxConnected]
    assert state.calls[CALL].ringing == {}


def test_a_phone_whose_leg_was_hung_up_while_the_list_was_made_does_not_ring() -> None:
    state = PbxState("pbx1")
    state.apply(SessionBegan(at=1.0, started="one", version=""))
    wire = Wire()
    wire.hangup(LISTENER, 19)
    follow(wire, state)
    state.apply(LegsListed(at=2.0, legs=(listed(), member_leg(1, up=False))))
    assert state.calls[CALL].ringing == {}


def test_a_caller_who_left_a_bridge_while_the_list_was_made_is_in_none() -> None:
    state = PbxState("pbx1")
    state.apply(SessionBegan(at=1.0, started="one", version=""))
    channel, uniqueid = CALLER
    state.apply(BridgeLeft(at=1.5, call_id=CALL, channel=channel, uniqueid=uniqueid, linkedid=uniqueid, bridge="b"))
    state.apply(LegsListed(at=2.0, legs=(caught(bridge="b"),)))
    assert state.calls[CALL].legs[uniqueid].bridge == ""


def test_who_comes_back_to_a_caller_had_found_them_in_the_national_queue_though_nobody_heard_it() -> None:
    state = PbxState("pbx1")
    state.apply(SessionBegan(at=1.0, started="one", version=""))
    wire = Wire()
    wire.step(5, f"connecting return PJSIP/l1 {LISTENER[0]}", LISTENER)
    wire.bridge(CALLER)
    (answer,) = follow(wire, state)
    assert isinstance(answer, CallAnswered)
    assert (answer.via, answer.queue) == (AnsweredVia.RETURN, "national")


def test_an_answer_that_was_heard_before_the_list_is_not_told_again_from_it() -> None:
    state = PbxState("pbx1")
    state.apply(SessionBegan(at=1.0, started="one", version=""))
    wire = Wire()
    wire.step(3, f"connecting {DETAIL}", LISTENER)
    wire.bridge(CALLER)
    follow(wire, state)
    state.apply(LegsListed(at=2.0, legs=(caught(),)))
    more = Wire()
    more.bridge(CALLER)
    assert [fact for fact in follow(more, state) if isinstance(fact, CallFact)] == []


def test_a_caller_who_leaves_while_the_list_is_made_has_ended_the_call() -> None:
    """STEP is the end's already, the other two are still the answer's."""
    state = PbxState("pbx1")
    snapshot(state, caught(step=4), member_leg(1, up=True))
    wire = Wire()
    wire.step(4, "ended caller talking")
    wire.hangup(CALLER)
    (ended,) = follow(wire, state)
    assert isinstance(ended, CallEnded)
    assert (ended.ordinal, ended.by) == (4, EndedBy.CALLER)
    assert state.calls == {}


def test_a_centre_lost_while_the_list_is_made_is_lost_and_answers_nothing_later() -> None:
    """STEP is the loss's already, the other two are still the answer's; STAGE is set after it."""
    telephone = "PJSIP/trunk-00000005"
    state = PbxState("pbx1")
    detail = f"centre-73 centre-73 {telephone}"
    snapshot(state, caught(step=7, step_detail=detail, listener="centre-73", listener_channel=telephone))
    wire = Wire()
    wire.step(7, "listener-lost centre-73 44")
    wire.step(8, "queued national")
    wire.step(9, f"connecting national PJSIP/l1 {LISTENER[0]}", LISTENER)
    wire.bridge(CALLER)
    lost, _, answer = follow(wire, state)
    assert isinstance(lost, ListenerLost)
    assert isinstance(answer, CallAnswered)
    assert (lost.ordinal, answer.ordinal, answer.interface) == (7, 9, "PJSIP/l1")


@pytest.mark.parametrize(
    ("what", "detail"),
    [
        ("overflow", "centre:centre-73 pbx"),
        ("department", "73"),
        ("centre-called", "73"),
        ("centre-called", "centre:centre-73 pbx"),
        ("centre-called", "centre-73 telephone"),
    ],
)
def test_a_centres_telephone_that_is_dialled_while_the_list_is_made_is_no_listeners_phone(
    what: str, detail: str
) -> None:
    trunk = ("PJSIP/trunk-out-00000005", "pbx1-100.5")
    dialled = listed(channel=trunk[0], uniqueid=trunk[1], up=False, step=0, stage="", step_what="", queue_now="")
    state = PbxState("pbx1")
    caller = listed(step=5, stage="overflow", step_what=what, step_detail=detail, centre="centre-73", overflow_at=1.0)
    snapshot(state, caller, dialled)
    assert state.calls[CALL].ringing == {}
    wire = Wire()
    wire.step(5, "centre-called centre-73 telephone")
    wire.hangup(trunk, 17)
    assert "ListenerRangOut" not in [name for _, name, _ in keys(follow(wire, state))]


def test_a_listener_who_is_rung_in_a_centres_queue_is_shown_to_a_service_that_just_started() -> None:
    state = PbxState("pbx1")
    caller = listed(
        step=5, stage="overflow", step_what="centre-called", step_detail="centre-38 queue", queue_now="centre-38"
    )
    snapshot(state, caller, member_leg(1, up=False))
    assert state.calls[CALL].ringing == {"PJSIP/l1": LISTENER[0]}
