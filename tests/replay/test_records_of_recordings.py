"""What the record of a call, and the words for its steps, say of each recorded shape in which a centre has a part."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pbx.facts import CallEnded, CallFact, CallQueued, EndedBy, ListenerLost, Stage
from service.calls.fold import fold, stage_of, told
from service.calls.model import Reason, Result
from service.cli.sentences import Story, sentence
from tests.replay.record import RECORDINGS, facts_of

#: shape → result, reason, centre
RECORDS = {
    "department-keyed-and-the-centres-queue": (Result.CENTRE, Reason.CENTRE_ENDED, "centre-38"),
    "centre-telephone-answers": (Result.CENTRE, Reason.CENTRE_ENDED, "centre-38"),
    "centre-telephone-and-the-caller-ends": (Result.CENTRE, Reason.CALLER_ENDED, "centre-38"),
    "centre-listener-lost-and-back": (Result.CENTRE, Reason.CALLER_ENDED, "centre-38"),
    "centre-lost": (Result.ANSWERED, Reason.CALLER_ENDED, "centre-38"),
    "centre-lost-and-the-caller-leaves": (Result.CENTRE, Reason.LEFT_AFTER_LOSS, "centre-38"),
    "centre-dies-without-a-word": (Result.CENTRE, Reason.LEFT_AFTER_LOSS, "centre-38"),
    "centre-queue-not-answered": (Result.ABANDONED, Reason.LEFT_AFTER_CENTRE, None),
    "centre-queue-without-a-listener": (Result.ABANDONED, Reason.LEFT_AFTER_CENTRE, None),
    "centre-telephone-out-of-reach": (Result.ABANDONED, Reason.LEFT_AFTER_CENTRE, None),
    "centre-without-a-route": (Result.ABANDONED, Reason.LEFT_AFTER_CENTRE, None),
    "centre-declined": (Result.ABANDONED, Reason.LEFT_WAITING, None),
    "leaves-during-the-offer": (Result.ABANDONED, Reason.LEFT_ASKED, None),
    "leaves-while-the-centres-telephone-rings": (Result.ABANDONED, Reason.LEFT_CENTRE_RINGING, None),
    "leaves-while-the-centres-listener-is-rung": (Result.ABANDONED, Reason.LEFT_CENTRE_RINGING, None),
}


async def of_call(shape: str) -> list[CallFact]:
    return [fact for fact in await facts_of(RECORDINGS / f"{shape}.ami") if isinstance(fact, CallFact)]


@pytest.mark.parametrize("shape", RECORDS)
async def test_the_record_of_a_shape_says_what_became_of_the_caller(shape: str) -> None:
    record = fold(map(told, await of_call(shape)))
    assert (record.result, record.reason, record.centre) == RECORDS[shape]


BACK = "centre-listener-lost-and-back"


async def test_a_return_whose_queue_was_not_known_is_of_the_centre_whose_answer_was_told_before() -> None:
    """As where the service came in the middle of it; and as it was told until this was known."""
    facts = [told(fact) for fact in await of_call(BACK)]
    unknown = [
        replace(fact, detail={**fact.detail, "queue": "national"}) if fact.detail.get("via") == "return" else fact
        for fact in facts
    ]
    record = fold(unknown)
    assert (record.result, record.centre) == (Result.CENTRE, "centre-38")


async def test_a_return_to_a_centres_caller_is_the_centres_though_its_first_answer_was_never_told() -> None:
    facts = [told(fact) for fact in await of_call(BACK)]
    record = fold(fact for fact in facts if fact.detail.get("via") != "centre-queue")
    assert (record.result, record.centre) == (Result.CENTRE, "centre-38")


async def test_a_return_to_a_caller_of_the_national_queue_is_not_a_centres() -> None:
    record = fold(map(told, await of_call("listener-lost-and-back")))
    assert (record.result, record.centre) == (Result.ANSWERED, None)


# --- a centre's telephone that is lost ------------------------------------------------------------------------------


async def in_words(shape: str) -> list[str]:
    facts = await of_call(shape)
    story = Story(facts[0].call_id, facts[0].at)
    return [sentence(fact, story) for fact in facts]


LOST = (
    "The leg of the telephone of centre-38 was lost (cause 44, leg lost): the caller is spoken to, and goes back to "
    "the queue at their rank."
)


async def test_a_caller_who_leaves_after_a_centres_telephone_was_lost_was_not_being_offered_a_centre() -> None:
    assert (await in_words("centre-lost-and-the-caller-leaves"))[-2:] == [
        LOST,
        "The caller hung up, while they were spoken to, the centre's telephone being lost.",
    ]


async def test_a_caller_whose_centre_was_lost_goes_back_to_the_queue_without_a_grace() -> None:
    told_ = await in_words("centre-lost")
    assert told_[told_.index(LOST) + 1] == "The caller is back at their rank in the queue national."
    assert not any("grace" in words for words in told_)


def test_an_end_in_a_later_overflow_says_nothing_of_a_centre_that_was_lost_before() -> None:
    story = Story("c", 1.0)
    common: dict[str, Any] = {"pbx": "pbx1", "call_id": "c"}
    for fact in (
        ListenerLost(**common, at=1.0, ordinal=5, interface="centre-38", cause=44),
        CallQueued(**common, at=2.0, ordinal=6, queue="national"),
    ):
        sentence(fact, story)
    ended = CallEnded(**common, at=9.0, ordinal=8, by=EndedBy.CALLER, stage=Stage.OVERFLOW)
    assert sentence(ended, story) == "The caller hung up, while a centre was offered or rung."


async def test_a_call_that_died_after_its_centre_was_lost_was_where_the_live_view_had_it() -> None:
    facts = [fact for fact in await of_call("centre-lost-and-the-caller-leaves") if not isinstance(fact, CallEnded)]
    assert stage_of(map(told, facts)) is Stage.OVERFLOW
    grace = [fact for fact in await of_call("leaves-during-the-grace") if not isinstance(fact, CallEnded)]
    assert stage_of(map(told, grace)) is Stage.LOST
