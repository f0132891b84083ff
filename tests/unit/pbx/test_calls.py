"""What the steps, rings and bridges of a call mean."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pbx.facts import (
    AnsweredVia,
    CallAnswered,
    CallEnded,
    CallEntered,
    CallFact,
    EndedBy,
    Fact,
    ListenerRung,
    Stage,
)
from pbx.journal import JournalReplay, parse_line
from pbx.state import PbxState
from tests.unit.pbx.ami_frames import CALL, CALLER, Wire, eventful_call, leg
from tests.unit.pbx.call_facts import content, follow, keys, read, talking, waiting


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
