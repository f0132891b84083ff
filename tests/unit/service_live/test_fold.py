"""The record of a call is a pure fold over its facts: neither order nor repetition matters."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
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
    ClosedHoursHeard,
    DepartmentKeyed,
    EndedBy,
    ListenerLost,
    ListenerRung,
    OverflowBegan,
    Stage,
)
from service.calls.fold import WHAT, fold, told, without_presumed
from service.calls.model import Result

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
