"""What the steps, rings and bridges of a call mean."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pbx import parse
from pbx.events import Event, LegListed, LegsListed, SessionBegan, SnapshotTaken
from pbx.facts import (
    AnsweredVia,
    CallAnswered,
    CallEnded,
    CallEntered,
    CallFact,
    CallQueued,
    CentreRefused,
    EndedBy,
    Fact,
    ListenerLost,
    ListenerRangOut,
    ListenerRung,
    PbxConnected,
    Stage,
)
from pbx.journal import JournalReplay, parse_line
from pbx.state import PbxState
from tests.unit.pbx.ami_frames import CALL, CALLER, Wire, eventful_call, leg


def read(frames: Iterable[bytes]) -> list[Event]:
    """Frames as the protocol would hand them on."""
    found = []
    for data in frames:
        text = data.decode().removesuffix("\r\n\r\n")
        name = text[7 : text.find("\r\n")].encode()
        event = parse.EVENTS[name](text, 0.0)
        if event is not None:
            found.append(event)
    return found


def follow(wire: Wire, state: PbxState | None = None) -> list[Fact]:
    state = state or PbxState("pbx1")
    return [fact for event in read(data for _, data in wire.live) for fact in state.apply(event)]


def keys(facts: Iterable[Fact]) -> list[tuple[str, str, int]]:
    return [(fact.call_id, type(fact).__name__, fact.ordinal) for fact in facts if isinstance(fact, CallFact)]


def content(facts: Iterable[Fact]) -> dict[tuple[str, str, int], Fact]:
    return dict(zip(keys(facts), [fact for fact in facts if isinstance(fact, CallFact)], strict=True))


def waiting(wire: Wire) -> Wire:
    wire.step(1, "entered none +33199003133 999")
    wire.step(2, "queued national")
    return wire


def talking(wire: Wire) -> Wire:
    waiting(wire)
    wire.ring(leg(1))
    wire.step(3, f"connecting national PJSIP/l1 {leg(1)[0]}", leg(1))
    wire.bridge(leg(1))
    wire.bridge(CALLER)
    return wire


def test_an_eventful_call_is_told_step_by_step() -> None:
    wire = eventful_call()
    facts = follow(wire)
    assert [(kind, ordinal) for _, kind, ordinal in keys(facts)] == [
        ("CallEntered", 1),
        ("CallQueued", 2),
        ("ListenerRung", 1),
        ("ListenerRangOut", 1),
        ("ListenerRung", 2),
        ("CallAnswered", 3),
        ("ListenerLost", 4),
        ("ListenerRung", 3),
        ("CallAnswered", 5),
        ("ListenerLost", 6),
        ("CallQueued", 7),
        ("OverflowBegan", 8),
        ("DepartmentKeyed", 9),
        ("CentreCalled", 10),
        ("ListenerRung", 4),
        ("ListenerRangOut", 4),
        ("CentreRefused", 11),
        ("CallQueued", 12),
        ("OverflowBegan", 13),
        ("CentreCalled", 14),
        ("CallAnswered", 15),
        ("CallEnded", 16),
    ]
    entered, *_ = facts
    assert isinstance(entered, CallEntered)
    assert (entered.line, entered.caller_token, entered.arrived) == ("+33199003133", "3.00ff.YWJj", 999)
    answers = [fact for fact in facts if isinstance(fact, CallAnswered)]
    assert [(fact.via, fact.interface, fact.queue) for fact in answers] == [
        (AnsweredVia.QUEUE, "PJSIP/l2", "national"),
        (AnsweredVia.RETURN, "PJSIP/l2", "national"),
        (AnsweredVia.CENTRE_TELEPHONE, "centre-73", "centre-73"),
    ]
    assert isinstance(facts[-1], CallEnded)
    assert (facts[-1].by, facts[-1].stage) == (EndedBy.CENTRE, Stage.TALKING)


def test_the_live_picture_follows_the_call() -> None:
    state = PbxState("pbx1")
    follow(talking(Wire()), state)
    call = state.calls[CALL]
    assert (call.stage, call.listener, call.listener_channel) == (Stage.TALKING, "PJSIP/l1", leg(1)[0])
    assert (call.channel, call.queue, call.waiting_since, call.ringing) == (CALLER[0], "national", None, {})
    assert call.answered_at is not None
    more = Wire()
    more.hangup(leg(1), 44)
    more.step(4, "listener-lost PJSIP/l1 44")
    follow(more, state)
    assert (call.stage, call.listener_channel) == (Stage.LOST, "")
    more = Wire()
    more.step(5, "queued national")
    more.step(6, "overflow centre:centre-38 service")
    follow(more, state)
    assert (call.stage, call.centre, call.last_overflow_at) == (Stage.OVERFLOW, "centre-38", more.at)
    more = Wire()
    more.step(7, "ended caller overflow")
    follow(more, state)
    assert state.calls == {}


def test_a_caller_who_leaves_between_connecting_and_the_bridge_was_not_answered() -> None:
    wire = waiting(Wire())
    wire.ring(leg(1))
    wire.step(3, f"connecting national PJSIP/l1 {leg(1)[0]}", leg(1))
    wire.step(4, "ended caller waiting")
    wire.hangup(CALLER)
    wire.hangup(leg(1))
    kinds = [kind for _, kind, _ in keys(follow(wire))]
    assert "CallAnswered" not in kinds
    assert kinds[-1] == "CallEnded"


def test_a_listener_of_a_centre_answers_by_the_centres_queue() -> None:
    wire = waiting(Wire())
    wire.step(3, "overflow centre:centre-38 service")
    wire.step(4, "centre-called centre-38 queue")
    wire.ring(leg(1, "l9"), "centre-38")
    wire.step(5, f"connecting centre-38 PJSIP/l9 {leg(1, 'l9')[0]}", leg(1, "l9"))
    wire.bridge(CALLER)
    (answer,) = [fact for fact in follow(wire) if isinstance(fact, CallAnswered)]
    assert (answer.via, answer.queue, answer.interface) == (AnsweredVia.CENTRE_QUEUE, "centre-38", "PJSIP/l9")


def test_a_ring_told_by_the_dialplan_and_by_the_queue_counts_once() -> None:
    wire = waiting(Wire())
    wire.ring(leg(1))
    state = PbxState("pbx1")
    facts = follow(wire, state)
    called = "\r\n".join(
        [
            "Event: AgentCalled",
            "Timestamp: 1001.0",
            f"ChanVariable: CALL_ID={CALL}",
            f"DestChannel: {leg(1)[0]}",
            f"DestUniqueid: {leg(1)[1]}",
            "Queue: national",
            "Interface: PJSIP/l1",
        ]
    )
    assert [type(fact) for fact in facts][-1] is ListenerRung
    (event,) = read([called.encode() + b"\r\n\r\n"])
    assert list(state.apply(event)) == []
    assert state.calls[CALL].ringing == {"PJSIP/l1": leg(1)[0]}


def test_a_channel_that_goes_without_its_last_step_is_an_end_that_nobody_hides() -> None:
    wire = waiting(Wire())
    wire.hangup(CALLER)
    ended = follow(wire)[-1]
    assert isinstance(ended, CallEnded)
    assert (ended.by, ended.ordinal, ended.stage) == (EndedBy.SYSTEM, 0, Stage.WAITING)


@pytest.mark.parametrize(
    "words", ["entered", "queued", "listener-lost PJSIP/l1", "ended", "ended nobody nowhere", "new"]
)
def test_a_step_with_missing_or_unknown_words_stops_nothing(words: str) -> None:
    wire = Wire()
    wire.step(1, words)
    follow(wire)


def test_a_number_dialled_that_is_in_no_table_enters_all_the_same() -> None:
    wire = Wire()
    wire.step(1, "entered withheld  999")
    (entered,) = follow(wire)
    assert isinstance(entered, CallEntered)
    assert (entered.caller_token, entered.line, entered.arrived) == ("withheld", "", 999)


# --- live and journal, in any order --------------------------------------------------------------------------------


def journal_facts(wire: Wire, replay: JournalReplay | None = None) -> list[CallFact]:
    events = [event for line in wire.journal if (event := parse_line(line)) is not None]
    return (replay or JournalReplay("pbx1")).feed(events)


def test_the_journal_tells_the_same_facts_as_the_live_stream() -> None:
    wire = eventful_call()
    live, journal = content(follow(wire)), content(journal_facts(wire))
    assert list(live) == list(journal)
    for key, fact in live.items():
        other = journal[key]
        assert abs(fact.at - other.at) < 1
        assert {**_plain(fact), "at": 0} == {**_plain(other), "at": 0}


def _plain(fact: Fact) -> dict[str, object]:
    return {name: getattr(fact, name) for name in fact.__dataclass_fields__}


def test_replaying_the_journal_twice_gives_the_same_keys_and_nothing_new_in_one_tracker() -> None:
    wire = eventful_call()
    assert keys(journal_facts(wire)) == keys(journal_facts(wire))
    replay = JournalReplay("pbx1")
    journal_facts(wire, replay)
    assert journal_facts(wire, replay) == []


def test_a_journal_that_stops_without_an_end_is_a_fault_unless_the_call_lives() -> None:
    replay = JournalReplay("pbx1")
    journal_facts(talking(Wire()), replay)
    assert replay.open_calls == {CALL}
    assert replay.presume_ended({CALL}) == []
    (ended,) = replay.presume_ended(set())
    assert isinstance(ended, CallEnded)
    assert (ended.by, ended.ordinal, ended.stage) == (EndedBy.FAULT, 0, Stage.TALKING)
    assert replay.presume_ended(set()) == []


def test_a_call_that_was_expected_and_never_seen_again_ended_by_fault_when_it_was_last_heard_of() -> None:
    replay = JournalReplay("pbx1")
    replay.expect(CALL, 77.0)
    (ended,) = replay.presume_ended(())
    assert (ended.at, ended.call_id) == (77.0, CALL)


def test_a_journal_read_from_the_middle_still_tells_who_answered() -> None:
    wire = talking(Wire())
    wire.step(4, "ended caller talking")
    wire.journal = wire.journal[2:]
    assert [kind for _, kind, _ in keys(journal_facts(wire))] == ["ListenerRung", "CallAnswered", "CallEnded"]


@st.composite
def interleavings(draw: st.DrawFn) -> tuple[Wire, list[bytes]]:
    """The frames of a call in any order that keeps the order within each channel."""
    wire = eventful_call()
    by_channel: dict[str, list[bytes]] = {}
    for channel, data in wire.live:
        by_channel.setdefault(channel, []).append(data)
    order = []
    while by_channel:
        channel = draw(st.sampled_from(sorted(by_channel)))
        order.append(by_channel[channel].pop(0))
        if not by_channel[channel]:
            del by_channel[channel]
    return wire, order


@given(interleavings())
@settings(deadline=None, max_examples=300)
def test_any_order_between_channels_gives_the_same_records(drawn: tuple[Wire, list[bytes]]) -> None:
    wire, order = drawn
    state = PbxState("pbx1")
    facts = [fact for event in read(order) for fact in state.apply(event)]
    assert content(facts) == content(follow(wire))
    assert len(keys(facts)) == len(set(keys(facts)))
    assert state.calls == {}


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
    detail = f"national PJSIP/l1 {leg(1)[0]}"
    snapshot(state, listed(stage="talking", step=3, step_what="connecting", step_detail=detail), member_leg(1, up=True))
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
