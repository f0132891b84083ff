"""What is known of callers changes while they are on the line: who is asked about again, what is shown until then."""

from __future__ import annotations

import pytest

from pbx.facts import CallEnded, EndedBy, PbxConnected, Stage
from service.calls.known import KnownCaller
from service.calls.lookup import Question
from service.push.audiences import Kind
from tests.unit.service_live.test_pump import Parts, entered, one_case, rung
from tests.unit.service_live.worlds import PBX

WAITS, TALKS = Question("c1", "one"), Question("c2", "two")


@pytest.fixture
def parts() -> Parts:
    """One caller waits and is known, and one talks."""
    made = Parts()
    for question in (WAITS, TALKS):
        made.pump.take([entered(made, question.call_id)])
        made.link.state.calls[question.call_id].caller_token = question.token
        made.views.learn(question, one_case())
    made.link.state.calls["c2"].stage = Stage.TALKING
    made.lookup.asked.clear()
    return made


async def test_who_waits_is_asked_about_until_an_answer_comes_and_keeps_what_was_found(parts: Parts) -> None:
    parts.views.look_again()
    for _ in range(2):  # there was no room, or the database did not answer
        parts.pump.tick()
    assert parts.lookup.asked == [WAITS] * 3
    assert parts.world.known_department("c1") == "38"
    parts.views.learn(WAITS, one_case())
    parts.pump.tick()
    assert parts.lookup.asked == [WAITS] * 3


async def test_who_talks_is_asked_about_once_they_are_lost(parts: Parts) -> None:
    parts.views.look_again()
    parts.lookup.asked.clear()
    parts.link.state.calls["c2"].stage = Stage.LOST
    parts.pump.take([rung(parts, "c2")])
    assert parts.lookup.asked == [TALKS]


async def test_of_a_shielded_number_nothing_is_left_whoever_talks_with_it(parts: Parts) -> None:
    parts.views.look_again("two")
    assert parts.lookup.asked == [WAITS, TALKS]
    assert set(parts.world.known) == {"c1"}


async def test_what_is_known_to_one_listener_alone_is_asked_again_too(parts: Parts) -> None:
    parts.views.learn(WAITS, one_case(12))
    personal = Question("c1", "one", 12)
    parts.views.learn(personal, one_case())
    parts.pump.take([rung(parts)])
    parts.views.look_again()
    parts.lookup.asked.clear()
    parts.pump.tick()
    assert personal in parts.lookup.asked
    offer = parts.board.value(Kind.OFFER, "c1", 12)
    assert offer is not None
    assert offer["cases"] == []


async def test_of_a_call_that_is_over_nothing_is_remembered(parts: Parts) -> None:
    parts.views.look_again()
    now = parts.pump.now()
    parts.pump.take([CallEnded(pbx=PBX, at=now, call_id="c1", ordinal=9, by=EndedBy.CALLER, stage=Stage.WAITING)])
    assert parts.world.outdated == {"c2"}
    del parts.link.state.calls["c2"]
    parts.pump.take([PbxConnected(pbx=PBX, at=now, version="22.10.1")])
    assert parts.world.outdated == set()


async def test_a_case_that_comes_to_an_offer_later_is_audited_too_and_the_first_one_once(parts: Parts) -> None:
    parts.pump.take([rung(parts)])
    (first,) = one_case().known.cases
    second = first.model_copy(update={"case_id": 4})
    for cases in ([second, first], [], [second, first]):
        parts.views.learn(WAITS, KnownCaller(one_case().known.model_copy(update={"cases": cases})))
    audited = [[case.case_id for case in known.cases] for account_id, known in parts.lookup.audited if account_id == 12]
    assert audited == [[3], [4]]
