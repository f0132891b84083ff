"""A withdrawal at the very instant of an answer: no conversation is torn, no caller lost, every record right.

ECOUTE_WITHDRAWALS says how many (`make withdrawals`: 1,000). The oracle is what callers and phones saw: their SIP logs.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from pbx.facts import CallFact, EndedBy, ListenerRangOut, ListenerRung, OverflowBegan, Stage
from pbx.journal import JournalReplay, Position, read
from pbx.link import LinkConfig, PbxLink
from service.calls.fold import fold, told
from service.calls.model import Result
from tests.asterisk.line import Line
from tests.support.wait import until
from tests.support.withdrawals import Race, Seen, Withdrawn, seen, summary

COUNT = int(os.environ.get("ECOUTE_WITHDRAWALS", "100"))
LANES = 16 if COUNT <= 100 else 24  #: callers at once
#: Two sipp write their logs a moment after each message: an order within this many seconds says nothing.
BLUR = 0.02


@pytest.mark.timeout(900)
async def test_withdrawals_at_the_instant_of_an_answer_tear_and_lose_nobody(tmp_path: Path) -> None:
    with Line(tmp_path, queue_round=60, grace=20) as line:
        line.shorten("centre-offer", "keep-place")
        line.heartbeat()
        link = PbxLink(config(line))
        running = asyncio.create_task(link.run())
        race = Race(line, link, COUNT, LANES, seed=20261122)
        with race:
            await asyncio.to_thread(race.prepare)
            await race.run(patience=60 + COUNT * 30 / LANES)
            found = seen(race)
            leaving = told_to_leave(race)
            await asyncio.to_thread(until, lambda: len(ends(line)) == COUNT, "the tests' own client heard every end")
        await link.close()
        await running
        print(f"\n{summary(race, found)}")

        assert len(race.calls) == len(leaving) == COUNT
        assert [call.nth for call in race.calls.values() if torn(found[call.call_id], leaving[call.call_id])] == []
        assert [call.nth for call in race.calls.values() if lost(found[call.call_id])] == []
        steps = dialplan_steps(line)
        wrong = {
            call.nth: why
            for call in race.calls.values()
            if (why := wrong_record(call, found[call.call_id], steps[call.call_id]))
        }
        assert wrong == {}
        assert any(isinstance(fact, OverflowBegan) for call in race.calls.values() for fact in call.facts)
        assert link.odd.lost == 0
        assert link.state.calls == {}
        live = {key(fact) for call in race.calls.values() for fact in call.facts}
        until(lambda: journal_keys(line) == live, "the journal tells the same facts")


def told_to_leave(race: Race) -> dict[str, float]:
    """By call id, when its caller was told to hang up.

    sipp notes what it gets before it does anything, and what it sends afterwards: on a busy machine the caller's own
    goodbye may be noted after the phone's.
    """
    nth = {race.callers.call_id(call.nth): call.call_id for call in race.calls.values()}
    return {nth[told.call]: told.at for told in reversed(race.callers.all_seen("INFO"))}


def torn(saw: Seen, leaving: float) -> bool:
    """A phone that talked was hung up on before its caller wanted to leave, or the caller was."""
    return bool(saw.cut_at) or any(end and end < leaving - BLUR for _, end in saw.conversations)


def lost(saw: Seen) -> bool:
    """The caller did not end up with one listener, until they left themselves."""
    return not saw.left_at or len(saw.conversations) != 1 or not saw.conversations[0][1]


def wrong_record(call: Withdrawn, saw: Seen, steps: dict[int, str]) -> str:
    """What is wrong with the record, or nothing. `steps`: as an AMI client of the tests' own heard them."""
    record = fold(told(fact) for fact in call.facts)
    facts = [fact for fact in call.facts if not isinstance(fact, ListenerRung | ListenerRangOut)]
    if sorted(fact.ordinal for fact in facts) != sorted(steps):
        return f"facts {[key(fact)[1:] for fact in facts]}, but the dialplan told {steps}"
    if (record.result, record.ended_by, record.ended_stage) != (Result.ANSWERED, EndedBy.CALLER, Stage.TALKING):
        return f"{record.result}, ended by {record.ended_by} in {record.ended_stage}"
    if f"l{record.listener_id}" != saw.users[0]:
        return f"the record says l{record.listener_id}, the phone of {saw.users[0]} talked"
    overflowed = sum(isinstance(fact, OverflowBegan) for fact in facts)
    if overflowed != sum(words.startswith("overflow ") for words in steps.values()):
        return "the overflow is not told as it was"
    if overflowed > (call.at_refusal == "success") + (call.answer == "success"):
        return "an overflow that nobody asked for"
    return ""


def ends(line: Line) -> set[str]:
    return {step.call for step in line.ami.steps() if step.what == "ended"}


def dialplan_steps(line: Line) -> dict[str, dict[int, str]]:
    found: dict[str, dict[int, str]] = {}
    for step in line.ami.steps():
        assert step.n not in found.setdefault(step.call, {}), "a number of a step is given twice"
        found[step.call][step.n] = step.words
    return found


def journal_keys(line: Line) -> set[tuple[str, str, int]]:
    replay, position, facts = JournalReplay("pbx1"), Position(), list[CallFact]()
    while True:
        events, after = read(line.pbx.layout.journal, position)
        if after == position:
            return {key(fact) for fact in facts}
        facts += replay.feed(events)
        position = after


def key(fact: CallFact) -> tuple[str, str, int]:
    return fact.call_id, type(fact).__name__, fact.ordinal


def config(line: Line) -> LinkConfig:
    secrets = line.pbx.secrets
    return LinkConfig(
        pbx="pbx1",
        host="127.0.0.1",
        port=line.pbx.ports.ami,
        username="service",
        secret=secrets["service"],
        provision_username="provision",
        provision_secret=secrets["provision"],
    )
