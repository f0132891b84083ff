"""A withdrawal at the very instant of an answer: no conversation is torn, no caller lost, every record right.

ECOUTE_WITHDRAWALS says how many (`make withdrawals`: 1,000). The oracle is what callers and phones saw: their SIP logs.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import select

from pbx.facts import CallFact, EndedBy, Stage
from pbx.journal import JournalReplay, Position, read
from pbx.link import LinkConfig, PbxLink
from service.accounts.model import Account
from service.calls import queries
from service.calls.model import Call, Result
from service.calls.numbers import CallerNumbers
from service.calls.recorder import Recorder
from service.calls.use_cases import Archive, Recorded
from service.cases.model import Contact, ContactParticipant
from service.keys import CallerKeyRing, Keyring
from service.store.engine import Store
from service.world import live_calls
from tests.asterisk.line import CALLER_KEY, Line
from tests.support.tasks import end
from tests.support.wait import until
from tests.support.withdrawals import ALREADY_TAKEN, TAKEN, TOO_LATE, Race, Seen, Withdrawn, outcomes_of, seen, summary

COUNT = int(os.environ.get("ECOUTE_WITHDRAWALS", "100"))
#: how many must have met the answer within ±`withdrawals.SPREAD`: where a hundred stand for the thousand, half of them
NEAR = COUNT // 2 if COUNT <= 100 else COUNT
LANES = 16 if COUNT <= 100 else 24  #: callers at once
#: Two sipp write their logs a moment after each message: an order within this many seconds says nothing.
BLUR = 0.02
KEYRING = Keyring(bytes(range(32)))


@pytest.mark.timeout(1800)  # up to three times as many callers where the machine is too busy to meet enough answers
async def test_withdrawals_at_the_instant_of_an_answer_tear_and_lose_nobody(tmp_path: Path) -> None:
    with Line(tmp_path, queue_round=60, grace=20) as line:
        line.shorten("centre-offer", "keep-place")
        line.heartbeat()
        link = PbxLink(config(line))
        running = asyncio.create_task(link.run())
        async with recording(line, link) as (store, recorder):
            race = Race(line, link, LANES, seed=20261122, record=recorder.offer)
            await hire(store, race.answering)
            with race:
                await asyncio.to_thread(race.prepare)
                await race.run(COUNT, near=NEAR)
                found = await asyncio.to_thread(seen, race)
                outcomes = outcomes_of(race, found)
                leaving = told_to_leave(race)
                await asyncio.to_thread(until, lambda: len(ends(line)) == race.count, "the tests' own client heard all")
            await link.close()
            await running
            await recorder.settled()
            booked = await books(store)
        print(f"\n{summary(race, outcomes)}")

        assert len(race.calls) == len(leaving) == race.count >= COUNT
        assert booked.keys() == race.calls.keys()
        assert [call.nth for call in race.calls.values() if torn(found[call.call_id], leaving[call.call_id])] == []
        assert [call.nth for call in race.calls.values() if lost(found[call.call_id])] == []
        assert {call.nth: why for call in race.calls.values() if (why := wrong_answer(call))} == {}
        assert outcomes.enough(NEAR), outcomes
        assert outcomes.withdrawn >= race.overflows_first
        steps = dialplan_steps(line)
        wrong = {
            call.nth: why
            for call in race.calls.values()
            if (why := wrong_record(call, found[call.call_id], steps[call.call_id], booked[call.call_id]))
        }
        assert wrong == {}
        assert link.odd.lost == 0
        assert link.state.calls == {}
        live = {key(fact) for call in race.calls.values() for fact in call.facts}
        until(lambda: journal_keys(line) == live, "the journal tells the same facts")


# --- the service's books --------------------------------------------------------------------------------------------


@asynccontextmanager
async def recording(line: Line, link: PbxLink) -> AsyncIterator[tuple[Store, Recorder]]:
    """A store of its own, and the service's recorder at work on it, as the service wires it; nobody is at a page."""

    async def announce(_recorded: Recorded) -> None:
        """Nobody looks."""

    keys = CallerKeyRing()
    keys.add("k1", CALLER_KEY)
    archive = Archive("pbx1", KEYRING, CallerNumbers(keys, "FR"))
    store = Store(f"sqlite+aiosqlite:///{line.folder / 'ecoute.db'}")
    await store.upgrade()
    journal = line.pbx.layout.journal
    recorder = Recorder(store, archive, journal, live=lambda: live_calls(link.state), announce=announce)
    task = asyncio.create_task(recorder.run())
    try:
        yield store, recorder
    finally:
        await end(task)
        await store.close()


async def hire(store: Store, users: Collection[str]) -> None:
    """Listeners whose accounts have the numbers of these phones."""
    async with store.transaction() as session:
        for user in users:
            number = int(user.removeprefix("l"))
            account = Account(
                id=number, username=user, display_name=user, password_hash="none", made_at=datetime.now(UTC)
            )
            session.add(account)


@dataclass(frozen=True, slots=True)
class Booked:
    """What the store has of a call. `contacts`: the caller's blind index, and the accounts of those who took part."""

    record: Call
    facts: list[tuple[int, str]]
    contacts: list[tuple[str | None, list[int]]]


async def books(store: Store) -> dict[str, Booked]:
    """The whole store: a call that nobody made would be there as well."""
    async with store.reading() as session:
        records = list(await session.scalars(select(Call)))
        facts = await queries.facts_of(session, "pbx1", [record.call_id for record in records])
        contacts = list(await session.scalars(select(Contact)))
        took_part = list(await session.scalars(select(ContactParticipant)))
        return {
            record.call_id: Booked(
                record,
                sorted((fact.ordinal, fact.what) for fact in facts[record.call_id]),
                [
                    (contact.number_index, [one.account_id for one in took_part if one.contact_id == contact.id])
                    for contact in contacts
                    if contact.call_id == record.call_id
                ],
            )
            for record in records
        }


# --- what must hold of each -----------------------------------------------------------------------------------------


def told_to_leave(race: Race) -> dict[str, float]:
    """By call id, when its caller was told to hang up.

    sipp notes what it gets before it does anything, and what it sends afterwards: on a busy machine the caller's own
    goodbye may be noted after the phone's.
    """
    sip_calls = race.sip_calls()
    told = [message for message in race.messages() if message.method == "INFO" and not message.ours]
    return {sip_calls[message.call]: message.at for message in reversed(told) if not message.status}


def torn(saw: Seen, leaving: float) -> bool:
    """A phone that talked was hung up on before its caller wanted to leave, or the caller was."""
    return bool(saw.cut_at) or any(end and end < leaving - BLUR for _, end in saw.conversations)


def lost(saw: Seen) -> bool:
    """The caller did not end up with one listener, until they left themselves."""
    return not saw.left_at or len(saw.conversations) != 1 or not saw.conversations[0][1]


def wrong_answer(call: Withdrawn) -> str:
    """What Asterisk must not have said to the withdrawals of a caller, or nothing."""
    taken = TAKEN in call.at_refusals
    for answer in (*call.at_refusals, call.answer):
        if answer not in {TAKEN, TOO_LATE} and not (taken and answer == ALREADY_TAKEN):
            return f"at the answer: {call.answer or 'nothing'}, at refusals: {call.at_refusals}"
    return ""


def wrong_record(call: Withdrawn, saw: Seen, steps: dict[int, str], booked: Booked) -> str:
    """What is wrong with the record, or nothing. `steps`: as an AMI client of the tests' own heard them."""
    record = booked.record
    told = [(ordinal, what) for ordinal, what in booked.facts if what not in {"rung", "rang-out"}]
    if [ordinal for ordinal, _ in told] != sorted(steps):
        return f"facts {told}, but the dialplan told {steps}"
    if (record.result, record.ended_by, record.ended_stage) != (Result.ANSWERED, EndedBy.CALLER, Stage.TALKING):
        return f"{record.result}, ended by {record.ended_by} in {record.ended_stage}"
    talked = int(saw.users[0].removeprefix("l"))
    if record.listener_id != talked:
        return f"the record says {record.listener_id}, the phone of {talked} talked"
    if booked.contacts != [(KEYRING.blind_index(call.number), [talked])]:
        return f"contacts {booked.contacts}, but {talked} talked, once"
    return wrong_overflows(call, steps, booked)


def wrong_overflows(call: Withdrawn, steps: dict[int, str], booked: Booked) -> str:
    """As many as the dialplan told of, and none that nobody asked for."""
    overflowed = sum(words.startswith("overflow ") for words in steps.values())
    if not overflowed == booked.record.overflows == sum(what == "overflow" for _, what in booked.facts):
        return "the overflow is not told as it was"
    if overflowed > [*call.at_refusals, call.answer].count(TAKEN):
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
