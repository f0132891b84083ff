"""What a snapshot says of calls: those that were there before, went on, or ended meanwhile."""

from __future__ import annotations

from pbx.events import LegListed, LegsListed, SessionBegan, SessionLost, SnapshotTaken
from pbx.facts import (
    CallAnswered,
    CallEnded,
    CallQueued,
    CentreRefused,
    EndedBy,
    Fact,
    ListenerLost,
    ListenerRangOut,
    PbxConnected,
    Stage,
)
from pbx.state import PbxState
from tests.unit.pbx.ami_frames import CALL, CALLER, Wire, leg
from tests.unit.pbx.call_facts import follow, talking, waiting

# --- the snapshot --------------------------------------------------------------------------------------------------


def listed(**values: object) -> LegListed:
    usual: dict[str, object] = {
        "call_id": CALL,
        "channel": CALLER[0],
        "uniqueid": CALLER[1],
        "bridge": "",
        "up": True,
        "step": 2,
        "stage": "waiting",
        "arrived": 999,
        "line": "+33199003133",
        "queue_now": "national",
        "centre": "",
        "listener": "",
        "listener_channel": "",
        "connected_at": None,
        "step_what": "queued",
        "step_detail": "national",
        "waiting_since": 1000.0,
        "overflow_at": None,
    }
    return LegListed(**{**usual, **values})  # type: ignore[arg-type]


def member_leg(number: int, *, up: bool, bridge: str = "") -> LegListed:
    channel, uniqueid = leg(number)
    return listed(
        channel=channel, uniqueid=uniqueid, up=up, bridge=bridge, step=0, stage="", step_what="", queue_now=""
    )


def snapshot(state: PbxState, *legs: LegListed, at: float = 5000.0, started: str = "one") -> list[Fact]:
    events = (
        SessionBegan(at=at, started=started, version="22.10.1"),
        LegsListed(at=at, legs=legs),
        SnapshotTaken(at=at),
    )
    return [fact for event in events for fact in state.apply(event)]


def test_a_service_that_just_started_learns_waiting_ringing_and_talking_calls() -> None:
    state = PbxState("pbx1")
    facts = snapshot(state, listed(), member_leg(1, up=False))
    assert [type(fact) for fact in facts] == [PbxConnected]
    call = state.calls[CALL]
    assert (call.stage, call.queue, call.waiting_since, call.arrived) == (Stage.WAITING, "national", 1000.0, 999)
    assert call.ringing == {"PJSIP/l1": leg(1)[0]}
    state = PbxState("pbx1")
    talk = listed(
        stage="talking", bridge="b", step=3, step_what="connecting", listener="PJSIP/l1", connected_at=1010.0,
        listener_channel=leg(1)[0],
    )  # fmt: skip
    snapshot(state, talk, member_leg(1, up=True, bridge="b"))
    call = state.calls[CALL]
    assert (call.stage, call.listener, call.answered_at) == (Stage.TALKING, "PJSIP/l1", 1010.0)
    assert (call.listener_channel, call.ringing, call.centre) == (leg(1)[0], {}, "")


def test_a_call_caught_between_connecting_and_its_bridge_is_answered_with_the_right_step() -> None:
    state = PbxState("pbx1")
    channel = leg(1)[0]
    caught = listed(
        stage="talking", step=3, step_what="connecting", step_detail=f"national PJSIP/l1 {channel}",
        listener_channel=channel,
    )  # fmt: skip
    snapshot(state, caught, member_leg(1, up=True))
    wire = Wire()
    wire.bridge(CALLER)
    (answer,) = follow(wire, state)
    assert isinstance(answer, CallAnswered)
    assert (answer.ordinal, answer.interface, answer.queue) == (3, "PJSIP/l1", "national")


def test_who_calls_is_remembered_of_a_call_that_was_there_before_and_what_was_seen_live_outranks_it() -> None:
    state = PbxState("pbx1")
    snapshot(state, listed())
    assert state.calls[CALL].caller_token == ""
    state.remember_token("ended-long-ago", "k1.n.c")
    state.remember_token(CALL, "k1.n.c")
    state.remember_token(CALL, "another")
    assert {call.call_id: call.caller_token for call in state.calls.values()} == {CALL: "k1.n.c"}


def test_what_was_seen_live_outranks_the_snapshot() -> None:
    state = PbxState("pbx1")
    state.apply(SessionBegan(at=1.0, started="one", version=""))
    follow(talking(Wire()), state)
    state.apply(LegsListed(at=2.0, legs=(listed(),)))
    assert state.calls[CALL].stage is Stage.TALKING


def test_a_call_that_ended_before_the_list_came_is_not_raised_again() -> None:
    state = PbxState("pbx1")
    state.apply(SessionBegan(at=1.0, started="one", version=""))
    wire = waiting(Wire())
    wire.step(3, "ended caller waiting")
    follow(wire, state)
    state.apply(LegsListed(at=2.0, legs=(listed(step=3),)))
    assert state.calls == {}


def test_calls_that_went_on_keep_their_record_and_calls_that_ended_meanwhile_are_named() -> None:
    other = "9d0c7d3e-1b1f-4f0a-9a3e-000000000002"
    state = PbxState("pbx1")
    snapshot(state)
    follow(waiting(Wire()), state)
    follow(waiting(Wire(other)), state)
    facts = snapshot(state, listed(step=5, stage="lost", listener="PJSIP/l1"))
    (connected,) = facts
    assert isinstance(connected, PbxConnected)
    assert (connected.gone, connected.restarted) == (frozenset({other}), False)
    call = state.calls[CALL]
    assert (call.stage, call.listener, call.waiting_since) == (Stage.LOST, "PJSIP/l1", None)
    more = Wire()
    more.step(6, "queued national")
    assert [type(fact) for fact in follow(more, state)] == [CallQueued]


def test_a_phone_that_stopped_ringing_meanwhile_rang_out() -> None:
    state = PbxState("pbx1")
    snapshot(state)
    wire = waiting(Wire())
    wire.ring(leg(1))
    follow(wire, state)
    facts = snapshot(state, listed())
    assert [type(fact) for fact in facts] == [ListenerRangOut, PbxConnected]
    assert state.calls[CALL].ringing == {}


def test_when_the_pbx_died_its_calls_ended_by_fault_once() -> None:
    state = PbxState("pbx1")
    snapshot(state)
    follow(waiting(Wire()), state)
    facts = snapshot(state, started="two")
    assert [type(fact) for fact in facts] == [CallEnded, PbxConnected]
    ended, connected = facts
    assert isinstance(ended, CallEnded)
    assert isinstance(connected, PbxConnected)
    assert (ended.by, ended.ordinal, connected.restarted, connected.gone) == (EndedBy.FAULT, 0, True, frozenset())
    assert [type(fact) for fact in snapshot(state, started="two")] == [PbxConnected]


def test_a_call_of_a_pbx_that_died_ended_when_the_pbx_was_last_heard_and_not_when_it_was_back() -> None:
    state = PbxState("pbx1")
    snapshot(state, at=500.0)
    follow(waiting(Wire()), state)
    state.apply(SessionLost(at=2000.0, reason="no-answer"))
    state.apply(SessionLost(at=3000.0, reason="timeout"))  # tried again in vain
    ended, _connected = snapshot(state, at=90_000.0, started="two")
    assert isinstance(ended, CallEnded)
    assert ended.at == 2000.0


def test_a_call_of_a_pbx_that_died_in_a_later_session_lived_through_the_gap_before() -> None:
    state = PbxState("pbx1")
    snapshot(state, at=500.0)
    follow(waiting(Wire()), state)
    state.apply(SessionLost(at=2000.0, reason="no-answer"))
    snapshot(state, listed(), at=2100.0)
    state.apply(SessionLost(at=4000.0, reason="no-answer"))
    ended, _connected = snapshot(state, at=90_000.0, started="two")
    assert isinstance(ended, CallEnded)
    assert ended.at == 4000.0


def test_a_call_does_not_end_before_it_was_last_heard_of() -> None:
    state = PbxState("pbx1")
    snapshot(state, at=500.0)
    wire = waiting(Wire())
    follow(wire, state)
    state.apply(SessionLost(at=wire.at - 3.0, reason="no-answer"))  # our guess of its clock was behind
    ended, _connected = snapshot(state, at=90_000.0, started="two")
    assert isinstance(ended, CallEnded)
    assert wire.at - 3.0 < ended.at <= wire.at


def test_a_call_that_ended_unseen_is_named_though_the_session_that_saw_it_missing_was_lost_at_once() -> None:
    state = PbxState("pbx1")
    snapshot(state)
    follow(waiting(Wire()), state)
    state.apply(SessionLost(at=2000.0, reason="no-answer"))
    state.apply(SessionBegan(at=2001.0, started="one", version=""))
    state.apply(LegsListed(at=2001.0, legs=()))
    state.apply(SessionLost(at=2002.0, reason="no-answer"))
    (connected,) = snapshot(state)
    assert isinstance(connected, PbxConnected)
    assert connected.gone == frozenset({CALL})


def test_a_restart_is_told_though_the_first_session_after_it_was_lost_before_its_snapshot() -> None:
    state = PbxState("pbx1")
    snapshot(state)
    follow(waiting(Wire()), state)
    (ended,) = state.apply(SessionBegan(at=5.0, started="two", version=""))
    assert isinstance(ended, CallEnded)
    newer = "9d0c7d3e-1b1f-4f0a-9a3e-000000000002"
    follow(waiting(Wire(newer)), state)
    state.apply(SessionLost(at=6.0, reason="connection-lost"))
    (connected,) = snapshot(state, listed(call_id=newer), started="two")
    assert isinstance(connected, PbxConnected)
    assert connected.restarted
    assert list(state.calls) == [newer], "the call of the new process goes on"


def test_a_centre_that_did_not_take_the_caller_is_named_with_its_reason() -> None:
    wire = waiting(Wire())
    wire.step(3, "overflow centre:centre-38 service")
    wire.step(4, "centre-called centre-38 telephone")
    wire.step(5, "centre-refused centre-38 no-person")
    refused = follow(wire)[-1]
    assert isinstance(refused, CentreRefused)
    assert (refused.centre, refused.reason) == ("centre-38", "no-person")


def test_a_lost_listener_is_named_with_the_cause() -> None:
    wire = talking(Wire())
    wire.step(4, "listener-lost PJSIP/l1 44")
    lost = follow(wire)[-1]
    assert isinstance(lost, ListenerLost)
    assert (lost.interface, lost.cause) == ("PJSIP/l1", 44)
