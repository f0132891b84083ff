"""The books held against queue_log: what differs is told, and what only looks like a difference is not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pbx.facts import (
    AnsweredVia,
    CallAnswered,
    CallEnded,
    CallEntered,
    CallFact,
    CallQueued,
    CentreCalled,
    EndedBy,
    Stage,
)
from service.calls.books import DifferenceKind, compare, told
from tests.unit.pbx.test_queue_log import ANSWERED, CALL, ENTER, log_of, tally

T = 1795301760
_OF: dict[str, Any] = {"pbx": "pbx1", "call_id": CALL}
ENTERED = CallEntered(**_OF, ordinal=1, at=T - 5.0, line="+33199003133", caller_token="none", arrived=T - 5)
QUEUED = CallQueued(**_OF, ordinal=2, at=T + 1.9, queue="national")
TALKS = CallAnswered(**_OF, ordinal=3, at=T + 7.1, interface="PJSIP/l5", via=AnsweredVia.QUEUE, queue="national")
OVER = CallEnded(**_OF, ordinal=4, at=T + 47.0, by=EndedBy.LISTENER, stage=Stage.TALKING)
LEFT = CallEnded(**_OF, ordinal=3, at=T + 9.0, by=EndedBy.CALLER, stage=Stage.WAITING)
WAITED = log_of(ENTER, "pbx1-1.0|national|NONE|ABANDON|1|1|8", at=T + 2)
CONNECT = "pbx1-1.0|national|l5|CONNECT|1|pbx1-1.2|0"


def differ(text: str, *facts: CallFact) -> list[DifferenceKind]:
    return [found.kind for found in compare(tally(text).get(CALL), [told(fact) for fact in facts], CALL)]


def test_two_witnesses_who_agree_differ_in_nothing() -> None:
    assert differ(ANSWERED, ENTERED, QUEUED, TALKS, OVER) == []
    assert differ(WAITED, ENTERED, QUEUED, LEFT) == []


FINDINGS: dict[str, tuple[str, list[CallFact], DifferenceKind]] = {
    "a call that the books do not know": (WAITED, [], DifferenceKind.UNKNOWN_CALL),
    "a call that queue_log does not know": ("", [ENTERED, QUEUED, LEFT], DifferenceKind.NOT_IN_QUEUE_LOG),
    "no visit of the queue in the books": (WAITED, [ENTERED, LEFT], DifferenceKind.ENTERED),
    "a visit too many in the books": (
        WAITED, [ENTERED, QUEUED, replace(QUEUED, ordinal=7), replace(LEFT, ordinal=8)], DifferenceKind.ENTERED,
    ),
    "a conversation that the books do not know": (ANSWERED, [ENTERED, QUEUED, OVER], DifferenceKind.CONNECTED),
    "a conversation that queue_log does not know": (WAITED, [ENTERED, QUEUED, TALKS, OVER], DifferenceKind.CONNECTED),
    "another listener": (
        ANSWERED, [ENTERED, QUEUED, replace(TALKS, interface="PJSIP/l6"), OVER], DifferenceKind.CONNECTED,
    ),
    "a conversation without an end": (
        log_of(ENTER, CONNECT), [ENTERED, QUEUED, TALKS, OVER], DifferenceKind.NOT_COMPLETED,
    ),
    "left, but in the books ended by the listener": (
        log_of(ENTER, CONNECT, "pbx1-1.0|national|l5|COMPLETEAGENT|1|40|1", ENTER,
               "pbx1-1.0|national|NONE|ABANDON|1|1|8", at=T + 45),
        [ENTERED, QUEUED, TALKS, OVER], DifferenceKind.ABANDONED,
    ),
    "never left the queue": (log_of(ENTER), [ENTERED, QUEUED, LEFT], DifferenceKind.STILL_WAITING),
}  # fmt: skip


@pytest.mark.parametrize("what", FINDINGS)
def test_what_differs_is_told(what: str) -> None:
    text, facts, kind = FINDINGS[what]
    assert kind in differ(text, *facts)
    assert not kind.benign


def test_rounds_of_the_queue_and_withdrawals_are_no_difference() -> None:
    withdrawn = log_of(
        ENTER, "pbx1-1.0|national|NONE|EXITWITHTIMEOUT|1|1|4", ENTER,
        "pbx1-1.0|national|NONE|WITHDRAW|1|1|4|centre:centre-38", ENTER, "pbx1-1.0|national|NONE|ABANDON|1|1|8",
        at=T + 2,
    )  # fmt: skip
    assert differ(withdrawn, ENTERED, QUEUED, LEFT) == []


def test_a_centre_s_queue_is_no_queue_too_many() -> None:
    text = log_of(ENTER, "pbx1-1.0|national|NONE|WITHDRAW|1|1|4|ask", ENTER.replace("national", "centre-38"),
                  "pbx1-1.0|centre-38|NONE|EXITWITHTIMEOUT|1|1|4", ENTER, "pbx1-1.0|national|NONE|ABANDON|1|1|3",
                  at=T)  # fmt: skip
    tried = CentreCalled(**_OF, ordinal=5, at=T + 3.0, centre="centre-38", way="queue")
    assert differ(text, ENTERED, QUEUED, tried, replace(QUEUED, ordinal=7), replace(LEFT, ordinal=8)) == []
    assert DifferenceKind.ENTERED in differ(text, ENTERED, QUEUED, replace(LEFT, ordinal=8))


def test_led_elsewhere_by_force_is_no_abandonment_and_is_counted_as_what_it_is() -> None:
    later = replace(TALKS, ordinal=5, at=T + 30.0, via=AnsweredVia.RETURN)
    found = differ(WAITED, ENTERED, QUEUED, later, OVER)
    assert found == [DifferenceKind.BENIGN_REDIRECTED]


def test_a_conversation_that_never_was_one_is_benign() -> None:
    text = log_of(ENTER, CONNECT, "pbx1-1.0|national|l5|COMPLETECALLER|1|0|1", at=T + 2)
    left = replace(LEFT, stage=Stage.TALKING)
    assert differ(text, ENTERED, QUEUED, left) == [DifferenceKind.BENIGN_NEVER_TALKED]


def test_left_at_the_door_of_the_queue_is_benign_or_nothing() -> None:
    at_once = replace(LEFT, at=QUEUED.at + 0.2)
    assert differ("", ENTERED, QUEUED, at_once) == []
    between = log_of(ENTER, "pbx1-1.0|national|NONE|EXITWITHTIMEOUT|1|1|4", at=T + 2)
    assert differ(between, ENTERED, QUEUED, LEFT) == [DifferenceKind.BENIGN_LEFT_BETWEEN]


def test_a_pbx_that_died_leaves_open_ends_that_are_none() -> None:
    text = log_of(ENTER, CONNECT, "NONE|NONE|NONE|QUEUESTART|", at=T + 2)
    cut = replace(OVER, ordinal=0, by=EndedBy.FAULT)
    assert differ(text, ENTERED, QUEUED, TALKS, cut) == []
