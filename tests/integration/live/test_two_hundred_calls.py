"""Two hundred callers at ten a second to fifty phones, some of whom leave while they wait: three witnesses agree.

The callers' and phones' own SIP logs, Asterisk's queue_log and the service's records are read independently and put
side by side for each SIP Call-ID: what became of the call, who took it, how long it waited (± 1 s).
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from service.calls.model import Call, Result
from service.cases.model import Case, Contact
from tests.integration.live.line import LiveLine, Page
from tests.support.sip_log import SipMessage
from tests.support.sipp import Caller, Phone
from tests.support.wait import until

Row = TypeVar("Row")

CALLS, LEAVERS, LISTENERS = 200, 40, 50
TALK = 8.0  #: 64 erlangs for 50 phones: a queue builds up
ALAW_BYTES_PER_SECOND = 8000


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one witness says. `listener`: `l12`, or empty where nobody answered. `wait`: seconds in the queue."""

    result: Result
    listener: str
    wait: float


@pytest.mark.alone
@pytest.mark.timeout(300)
def test_callers_phones_queue_log_and_records_agree_on_two_hundred_calls(tmp_path: Path) -> None:
    with LiveLine(tmp_path, listeners=LISTENERS, whole_prompts=True) as line:
        names = [f"listener{n}" for n in range(1, LISTENERS + 1)]
        phone = line.phone(*names, talk=TALK)
        pages = {line.ids[name]: Page(line.http_port, name, line.passwords[name]) for name in names}
        for page in pages.values():
            page.must("POST", "/listener/sign-in", {})
        supervisor = line.page("supervisor")
        until(lambda: len(supervisor.all("listener")) == LISTENERS, "all listeners are on the board", 30)

        numbers = [f"+336399{80000 + n}" for n in range(CALLS)]
        leaving, staying = numbers[::5], [n for i, n in enumerate(numbers) if i % 5]
        assert len(leaving) == LEAVERS
        callers = [
            line.caller(numbers=staying, rate=8, stay=120),
            line.caller(numbers=leaving, rate=2, stay=8),
        ]

        def everybody_is_gone() -> bool:
            for listener in supervisor.all("listener"):
                if listener["state"] == "wrap-up":  # each listener ends their writing-up themselves
                    status, answer = pages[listener["account_id"]].ask("POST", "/listener/resume", {})
                    # the board may be a moment behind: they may have taken the next call already
                    assert status == 200 or answer["error"]["id"] == "in-conversation"
            return all(caller.process.poll() is not None for caller in callers)

        until(everybody_is_gone, "all calls are over", 150)
        records = until(lambda: complete_records(line), "every call has a complete record", 30)
        keyring = line.keyring()
        by_number = {record.number_index: record for record in records}
        call_of = {number: by_number[keyring.blind_index(number)].call_id for number in numbers}
        said_by_sipp = outcomes_of_sipp(line, callers, phone, call_of)
        said_by_queue_log = outcomes_of_queue_log(line)
        assert len(set(call_of.values())) == len(records) == len(said_by_sipp) == CALLS
        for sip_call, (shown, seen) in said_by_sipp.items():
            record = by_number[keyring.blind_index(shown)]
            recorded = outcome_of_record(record)
            for witness in (seen, said_by_queue_log[record.call_id]):
                assert (witness.result, witness.listener) == (recorded.result, recorded.listener), sip_call
                assert abs(witness.wait - recorded.wait) <= 1.0, (sip_call, witness, recorded)

        results = Counter(record.result for record in records)
        assert set(results) == {Result.ANSWERED, Result.ABANDONED}
        assert results[Result.ABANDONED] >= 5, "some left while they waited"
        one_contact_on_one_case(line, {record.call_id for record in records if record.result is Result.ANSWERED})


def outcome_of_record(record: Call) -> Outcome:
    assert record.result is not None
    assert record.wait_seconds is not None
    return Outcome(record.result, f"l{record.listener_id}" if record.listener_id else "", record.wait_seconds)


def complete_records(line: LiveLine) -> list[Call] | None:
    found: list[Call] = line.query(lambda s: _all(s, Call))
    return found if len(found) == CALLS and all(call.ended_at for call in found) else None


async def _all(session: AsyncSession, model: type[Row]) -> list[Row]:
    return list((await session.scalars(select(model))).all())


def one_contact_on_one_case(line: LiveLine, answered: set[str]) -> None:
    contacts: list[Contact] = line.query(lambda s: _all(s, Contact))
    cases: list[Case] = line.query(lambda s: _all(s, Case))
    assert sorted(contact.call_id for contact in contacts) == sorted(answered)
    assert sorted(contact.case_id for contact in contacts) == sorted(case.id for case in cases)


def outcomes_of_sipp(
    line: LiveLine, callers: list[Caller], phone: Phone, call_of: dict[str, str]
) -> dict[str, tuple[str, Outcome]]:
    """SIP Call-ID of the caller → the number shown, and the outcome as callers and phones saw it.

    A phone's INVITE carries the call's id as From user: by it, and by the number that the record found for that id
    (`call_of`), the two sides of a call are put together.
    """
    welcome = (line.pbx.layout.sounds / "fr" / "welcome.alaw").stat().st_size / ALAW_BYTES_PER_SECOND
    taken = calls_taken(phone)
    outcomes: dict[str, tuple[str, Outcome]] = {}
    for caller in callers:
        by_call: dict[str, list[SipMessage]] = defaultdict(list)
        for message in caller.messages():
            by_call[message.call].append(message)
        for sip_call, messages in by_call.items():
            shown = messages[0].header("From").split("sip:")[1].split("@")[0]
            joined = next(m.at for m in messages if m.method == "INVITE" and m.status == 200) + welcome
            left = next(m.at for m in messages if m.method == "BYE" and not m.status)
            if took := taken.get(call_of[shown]):
                outcome = Outcome(Result.ANSWERED, took[0], took[1] - joined)
            else:
                outcome = Outcome(Result.ABANDONED, "", left - joined)
            outcomes[sip_call] = (shown, outcome)
    return outcomes


def calls_taken(phone: Phone) -> dict[str, tuple[str, float]]:
    """Call id → phone that answered, and when, as the phones saw it."""
    rings = {message.call: message for message in phone.all_seen("INVITE")}
    acknowledged = {message.call for message in phone.all_seen("ACK")}
    taken: dict[str, tuple[str, float]] = {}
    for message in phone.all_seen("INVITE", status=200, ours=True):
        if message.call in acknowledged and message.call in rings:
            ring = rings[message.call]
            call_id = ring.header("From").split("sip:")[1].split("@")[0]
            user = ring.start.split("sip:")[1].split("@")[0]
            taken.setdefault(call_id, (user, message.at))
    return taken


def outcomes_of_queue_log(line: LiveLine) -> dict[str, Outcome]:
    """Call id → outcome as app_queue wrote it; the journal tells which channel was which call."""
    call_of = {
        entry["uniqueid"]: entry["accountcode"]
        for entry in map(json.loads, line.pbx.layout.journal.read_text().splitlines())
        if entry["accountcode"]
    }
    entered: dict[str, float] = {}
    outcomes: dict[str, Outcome] = {}
    for row in line.pbx.layout.queue_log.read_text().splitlines():
        at, channel, _queue, agent, event, *_ = row.split("|")
        if channel not in call_of:
            continue
        call = call_of[channel]
        if event == "ENTERQUEUE":
            entered.setdefault(call, float(at))
        elif event == "CONNECT":
            outcomes[call] = Outcome(Result.ANSWERED, agent, float(at) - entered[call])
        elif event in {"ABANDON", "EXITWITHTIMEOUT"} and (call not in outcomes or not outcomes[call].listener):
            # who leaves between two rounds is last heard of at the end of the first
            outcomes[call] = Outcome(Result.ABANDONED, "", float(at) - entered[call])
    return outcomes
