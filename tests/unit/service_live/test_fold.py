"""The record of a call is a pure fold over its facts: neither order nor repetition matters."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pbx import facts
from pbx.facts import (
    AnsweredVia,
    CallAnswered,
    CallEnded,
    CallEntered,
    CallFact,
    CallQueued,
    CentreCalled,
    CentreRefused,
    ClosedHoursHeard,
    DepartmentKeyed,
    EndedBy,
    ListenerLost,
    ListenerRangOut,
    ListenerRung,
    OverflowBegan,
    Stage,
)
from service.calls import exits
from service.calls.exits import EXITS
from service.calls.fold import WHAT, fold, journey_of, told, without_presumed
from service.calls.model import Reason, Result

CALL = "0f9c1f5e-0000-4000-8000-000000000001"


def common(ordinal: int, at: float) -> dict[str, Any]:
    return {"pbx": "pbx1", "call_id": CALL, "ordinal": ordinal, "at": at}


def entered(ordinal: int = 1, at: float = 1000.4) -> CallFact:
    return CallEntered(**common(ordinal, at), line="+33199003133", caller_token="k1.n.c", arrived=1000)


def queued(ordinal: int = 2, at: float = 1008.0, queue: str = "national") -> CallFact:
    return CallQueued(**common(ordinal, at), queue=queue)


def rung(ordinal: int = 17, at: float = 1010.0) -> CallFact:
    return ListenerRung(**common(ordinal, at), interface="PJSIP/l12", queue="national")


def answered(
    ordinal: int = 3,
    at: float = 1012.5,
    interface: str = "PJSIP/l12",
    via: AnsweredVia = AnsweredVia.QUEUE,
    queue: str = "national",
) -> CallFact:
    return CallAnswered(**common(ordinal, at), interface=interface, via=via, queue=queue)


def ended(ordinal: int = 9, at: float = 1100.0, by: EndedBy = EndedBy.CALLER, stage: Stage = Stage.TALKING) -> CallFact:
    return CallEnded(**common(ordinal, at), by=by, stage=stage)


LONG_CALL = [
    entered(),
    queued(),
    rung(),
    answered(),
    ListenerLost(**common(4, 1020.0), interface="PJSIP/l12", cause=44),
    queued(5, 1026.0),
    OverflowBegan(**common(6, 1090.0), target="ask", by="service"),
    DepartmentKeyed(**common(7, 1094.0), department="38"),
    CentreCalled(**common(8, 1094.1), centre="centre-38", way="queue"),
    answered(9, 1099.0, "PJSIP/l40", AnsweredVia.CENTRE_QUEUE, "centre-38"),
    ended(10, 1500.0, EndedBy.CENTRE),
]


@given(st.permutations(LONG_CALL), st.lists(st.sampled_from(LONG_CALL)))
def test_order_and_repetition_do_not_matter(shuffled: Sequence[CallFact], again: Sequence[CallFact]) -> None:
    assert fold(map(told, [*shuffled, *again])) == fold(map(told, LONG_CALL))


def test_a_long_call_says_who_talked_last_and_where_it_ended_up() -> None:
    record = fold(map(told, LONG_CALL))
    assert record.result is Result.ANSWERED
    assert record.arrived_at == datetime.fromtimestamp(1000, UTC)
    assert record.wait_seconds == pytest.approx(4.5)
    assert (record.listener_id, record.centre, record.department) == (40, "centre-38", "38")
    assert (record.ended_by, record.ended_stage) == (EndedBy.CENTRE, Stage.TALKING)


@pytest.mark.parametrize(
    ("happened", "result"),
    [
        ([entered()], None),
        ([entered(), queued()], None),
        ([entered(), queued(), answered()], Result.ANSWERED),
        ([entered(), ended(2, stage=Stage.ENTRY)], Result.ABANDONED),
        ([entered(), queued(), ended(3, stage=Stage.WAITING)], Result.ABANDONED),
        ([entered(), ClosedHoursHeard(**common(2, 1002.0)), ended(3, by=EndedBy.CLOSED)], Result.CLOSED),
        ([entered(), queued(), ended(0, by=EndedBy.FAULT, stage=Stage.WAITING)], Result.FAULT),
        ([entered(), queued(), ended(3, by=EndedBy.SYSTEM, stage=Stage.WAITING)], Result.FAULT),
        (
            [entered(), queued(), answered(3, 1012.0, "centre-05", AnsweredVia.CENTRE_TELEPHONE, "centre-05")],
            Result.CENTRE,
        ),
        ([entered(), queued(), answered(), ended(0, by=EndedBy.FAULT)], Result.ANSWERED),
    ],
)
def test_the_result_of_a_call(happened: list[CallFact], result: Result | None) -> None:
    assert fold(map(told, happened)).result is result


def test_an_end_that_the_dialplan_told_outranks_a_presumed_one() -> None:
    presumed, certain = ended(0, 1050.0, EndedBy.FAULT), ended(4, 1060.0, EndedBy.LISTENER)
    record = fold(map(told, [entered(), queued(), answered(), presumed, certain]))
    assert (record.ended_by, record.ended_at) == (EndedBy.LISTENER, datetime.fromtimestamp(1060, UTC))


def test_a_caller_who_leaves_before_the_queue_did_not_wait() -> None:
    assert fold(map(told, [entered(), ended(2, stage=Stage.ENTRY)])).wait_seconds is None


def test_every_kind_of_fact_has_a_word_of_its_own() -> None:
    kinds = {kind for kind in vars(facts).values() if isinstance(kind, type) and issubclass(kind, CallFact)}
    assert set(WHAT) == kinds - {CallFact}
    assert len(set(WHAT.values())) == len(WHAT)


def test_the_callers_token_is_not_among_the_details_that_are_stored() -> None:
    assert told(entered()).detail == {"line": "+33199003133", "arrived": 1000}


def test_an_end_that_was_presumed_too_early_is_where_and_when_the_journal_leaves_the_call() -> None:
    presumed = CallEnded(**common(facts.PRESUMED, 1009.0), by=EndedBy.FAULT, stage=Stage.WAITING)
    record = fold(map(told, [entered(), queued(), presumed, answered()]))
    assert (record.ended_stage, record.ended_by) == (Stage.TALKING, EndedBy.FAULT)
    assert record.ended_at == told(answered()).at


def test_a_timeline_has_one_end_and_it_is_the_one_that_was_told() -> None:
    presumed, certain = told(ended(0, 1050.0, EndedBy.FAULT)), told(ended(4, 1060.0, EndedBy.LISTENER))
    assert without_presumed([told(entered()), presumed, certain]) == [told(entered()), certain]
    assert without_presumed([told(entered()), presumed]) == [told(entered()), presumed]


# --- what became of it --------------------------------------------------------------------------------------------

_ORDINALS, _INSTANTS = st.integers(0, 12), st.floats(900.0, 2000.0)
_COMMON = {"pbx": st.just("pbx1"), "call_id": st.just(CALL), "ordinal": _ORDINALS, "at": _INSTANTS}
_WORDS = st.sampled_from(["national", "centre-38", "return"])
_PHONES = st.sampled_from(["PJSIP/l12", "PJSIP/l40", "centre-05"])
ANY_FACT = st.one_of(
    st.builds(CallEntered, **_COMMON, line=st.just(""), caller_token=st.just("none"), arrived=st.just(1000)),
    st.builds(ClosedHoursHeard, **_COMMON),
    st.builds(CallQueued, **_COMMON, queue=_WORDS),
    st.builds(ListenerRung, **_COMMON, interface=_PHONES, queue=_WORDS),
    st.builds(ListenerRangOut, **_COMMON, interface=_PHONES, queue=_WORDS),
    st.builds(CallAnswered, **_COMMON, interface=_PHONES, via=st.sampled_from(AnsweredVia), queue=_WORDS),
    st.builds(ListenerLost, **_COMMON, interface=_PHONES, cause=st.just(44)),
    st.builds(OverflowBegan, **_COMMON, target=st.just("ask"), by=st.just("pbx")),
    st.builds(DepartmentKeyed, **_COMMON, department=st.sampled_from(["", "38"])),
    st.builds(CentreCalled, **_COMMON, centre=_WORDS, way=st.sampled_from(["queue", "telephone"])),
    st.builds(CentreRefused, **_COMMON, centre=_WORDS, reason=st.sampled_from(["declined", "busy"])),
    st.builds(CallEnded, **_COMMON, by=st.sampled_from(EndedBy), stage=st.sampled_from(Stage), ringing=st.booleans()),
)


@settings(max_examples=1000)
@given(st.lists(ANY_FACT, min_size=1, max_size=12), st.randoms())
def test_whatever_is_known_of_a_call_it_ended_in_one_of_the_listed_ways(facts: list[CallFact], order: Random) -> None:
    record = fold(map(told, facts))
    ends = any(isinstance(fact, CallEnded) for fact in facts)
    assert ((record.result, record.reason) in EXITS) == ends == (record.reason is not None)
    assert (record.talk_seconds is not None) == (ends and record.answered_at is not None)
    for seconds in (record.wait_seconds, record.waiting_seconds, record.talk_seconds):
        assert seconds is None or seconds >= 0
    by_key = list({told(fact).key: fact for fact in facts}.values())
    again = order.sample(by_key, len(by_key))
    assert fold(map(told, by_key)) == fold(map(told, again))


def centre_called(ordinal: int, way: str = "queue") -> CallFact:
    return CentreCalled(**common(ordinal, 1000.0 + ordinal), centre="centre-38", way=way)


def refused(ordinal: int, reason: str = "no-answer") -> CallFact:
    return CentreRefused(**common(ordinal, 1000.0 + ordinal), centre="centre-38", reason=reason)


def overflow(ordinal: int = 3) -> CallFact:
    return OverflowBegan(**common(ordinal, 1000.0 + ordinal), target="ask", by="service")


def left(stage: Stage, *, ringing: bool = False) -> CallFact:
    return CallEnded(**common(9, 1100.0), by=EndedBy.CALLER, stage=stage, ringing=ringing)


def at_the_centre(at: float) -> CallFact:
    return answered(5, at, "centre-38", AnsweredVia.CENTRE_TELEPHONE, "centre-38")


LOST = ListenerLost(**common(4, 1020.0), interface="PJSIP/l12", cause=44)
WAITED = [entered(), queued()]
TALKED = [*WAITED, answered()]
CENTRE = [
    *WAITED,
    overflow(),
    centre_called(4),
    answered(5, 1012.0, "PJSIP/l40", AnsweredVia.CENTRE_QUEUE, "centre-38"),
]
CLOSED = [entered(), ClosedHoursHeard(**common(2, 1002.0))]


#: What is known of a call, and how it ended.
HOW_CALLS_END: list[tuple[list[CallFact], tuple[Result, Reason]]] = [
    ([*TALKED, ended(9, by=EndedBy.LISTENER)], (Result.ANSWERED, Reason.LISTENER_ENDED)),
    ([*TALKED, ended(9)], (Result.ANSWERED, Reason.CALLER_ENDED)),
    ([*TALKED, LOST, left(Stage.LOST)], (Result.ANSWERED, Reason.LEFT_AFTER_LOSS)),
    ([*TALKED, LOST, queued(5), left(Stage.WAITING, ringing=True)], (Result.ANSWERED, Reason.LEFT_AFTER_LOSS)),
    (
        [*TALKED, LOST, answered(5, 1030.0, via=AnsweredVia.RETURN), ended(9)],
        (Result.ANSWERED, Reason.CALLER_ENDED),
    ),
    (LONG_CALL, (Result.ANSWERED, Reason.CENTRE_ENDED)),
    ([*TALKED, ended(0, by=EndedBy.FAULT)], (Result.ANSWERED, Reason.PBX_DIED)),
    ([*TALKED, ended(9, by=EndedBy.SYSTEM)], (Result.ANSWERED, Reason.SYSTEM)),
    ([*CENTRE, ended(9, by=EndedBy.LISTENER)], (Result.CENTRE, Reason.CENTRE_ENDED)),
    ([*CENTRE, ended(9)], (Result.CENTRE, Reason.CALLER_ENDED)),
    ([entered(), left(Stage.ENTRY)], (Result.ABANDONED, Reason.LEFT_WELCOME)),
    ([*WAITED, left(Stage.WAITING)], (Result.ABANDONED, Reason.LEFT_WAITING)),
    ([*WAITED, left(Stage.WAITING, ringing=True)], (Result.ABANDONED, Reason.LEFT_RINGING)),
    ([*WAITED, left(Stage.TALKING)], (Result.ABANDONED, Reason.LEFT_RINGING)),
    ([*WAITED, overflow(), left(Stage.OVERFLOW)], (Result.ABANDONED, Reason.LEFT_ASKED)),
    (
        [*WAITED, overflow(), centre_called(4), refused(5, "declined"), left(Stage.OVERFLOW)],
        (Result.ABANDONED, Reason.LEFT_ASKED),
    ),
    (
        [*WAITED, overflow(), centre_called(4, "telephone"), left(Stage.OVERFLOW)],
        (Result.ABANDONED, Reason.LEFT_CENTRE_RINGING),
    ),
    (
        [*WAITED, overflow(), centre_called(4), refused(5), left(Stage.OVERFLOW)],
        (Result.ABANDONED, Reason.LEFT_AFTER_CENTRE),
    ),
    (
        [*WAITED, overflow(), centre_called(4), refused(5), queued(6), left(Stage.WAITING)],
        (Result.ABANDONED, Reason.LEFT_AFTER_CENTRE),
    ),
    (
        [*WAITED, overflow(), centre_called(4), refused(5), queued(6), left(Stage.WAITING, ringing=True)],
        (Result.ABANDONED, Reason.LEFT_RINGING),
    ),
    (
        [*WAITED, overflow(), refused(5, "declined"), queued(6), left(Stage.WAITING)],
        (Result.ABANDONED, Reason.LEFT_WAITING),
    ),
    ([*CLOSED, ended(9, by=EndedBy.CLOSED, stage=Stage.CLOSED)], (Result.CLOSED, Reason.NOTICE_HEARD)),
    ([*CLOSED, left(Stage.CLOSED)], (Result.CLOSED, Reason.LEFT_NOTICE)),
    ([*WAITED, ended(0, by=EndedBy.FAULT)], (Result.FAULT, Reason.PBX_DIED)),
    ([*WAITED, ended(9, by=EndedBy.SYSTEM)], (Result.FAULT, Reason.SYSTEM)),
    ([*WAITED, ended(9, by=EndedBy.CENTRE)], (Result.FAULT, Reason.ENDED_UNHEARD)),
]
#: records from before the list of exits took these for conversations
IN_AN_INSTANT: list[tuple[list[CallFact], tuple[Result, Reason]]] = [
    ([*WAITED, at_the_centre(1099.996), ended(9, by=EndedBy.CENTRE)], (Result.FAULT, Reason.ENDED_UNHEARD)),
    ([*WAITED, rung(4711), at_the_centre(1099.996), ended(9, by=EndedBy.CENTRE)], (Result.FAULT, Reason.ENDED_UNHEARD)),
    ([*WAITED, at_the_centre(1300.0), ended(9, by=EndedBy.CENTRE)], (Result.CENTRE, Reason.CENTRE_ENDED)),
    ([*WAITED, at_the_centre(1099.994), ended(9, by=EndedBy.CENTRE)], (Result.CENTRE, Reason.CENTRE_ENDED)),
    ([*WAITED, at_the_centre(1099.999), ended(9)], (Result.CENTRE, Reason.CALLER_ENDED)),
    ([*TALKED, at_the_centre(1099.999), ended(9, by=EndedBy.CENTRE)], (Result.ANSWERED, Reason.CENTRE_ENDED)),
]


@pytest.mark.parametrize(("happened", "pair"), [*HOW_CALLS_END, *IN_AN_INSTANT])
def test_how_a_call_ended(happened: list[CallFact], pair: tuple[Result, Reason]) -> None:
    record = fold(map(told, happened))
    assert (record.result, record.reason) == pair


def test_the_list_of_exits_in_the_documentation_is_the_codes() -> None:
    page = Path(exits.__file__).parents[2] / "docs" / "exits.md"
    assert page.read_text() == exits.document()


# --- visits and conversations -------------------------------------------------------------------------------------


def test_visits_waits_and_conversations_of_a_long_call() -> None:
    record, journey = fold(map(told, LONG_CALL)), journey_of(map(told, LONG_CALL))
    assert [(v.queue, v.outcome, v.seconds, v.rings) for v in journey.visits] == [
        ("national", "answered", 4.5, 1),
        ("national", "overflow", 64.0, 0),
        ("centre-38", "answered", pytest.approx(4.9), 0),
    ]
    assert record.talk_seconds == pytest.approx(7.5 + 401.0)
    assert record.waiting_seconds == pytest.approx(1500.0 - 1008.0 - 7.5 - 401.0)
    assert (record.visits, record.overflows, record.overflows_answered) == (2, 1, 1)
