"""The service is stopped: the PBX answers, keeps hours and overflows alone; the books are complete afterwards."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from service.calls.model import Call, NumberKind, Result, StoredFact
from service.calls.use_cases import number_context
from service.cases import use_cases as cases
from service.cases.model import Case, CaseNumber
from tests.integration.live.line import PASSWORD, LiveLine
from tests.support.keypad import Handset
from tests.support.second_witness import differences
from tests.support.sipp import Caller, Phone, number
from tests.support.wait import until

#: in the detail of a fact, what differs from call to call by nature
_ITS_OWN = {"uptime", "arrived"}
#: their ordinals are the serial numbers of channels
_RINGS = {"rung", "rang-out"}
#: seconds: two clocks' readings of one moment, on a busy machine; arrivals are whole seconds
_MOMENT = 2.0


@dataclass(frozen=True)
class Book:
    """All that is known of one call. `number`: opened, from wherever it lies."""

    record: Call
    facts: list[StoredFact]
    number: str | None

    def told(self) -> list[tuple[str, int, dict[str, Any]]]:
        """What happened, in order, without what is each call's own."""
        return [
            (
                fact.what,
                0 if fact.what in _RINGS else fact.ordinal,
                {key: value for key, value in fact.detail.items() if key not in _ITS_OWN},
            )
            for fact in self.facts
        ]

    def outcome(self) -> tuple[Any, ...]:
        record = self.record
        return (
            record.result, record.ended_by, record.ended_stage, record.listener_id, record.centre, record.department,
            record.line, record.number_kind, record.number_index is not None, self.number is not None,
        )  # fmt: skip


def book(line: LiveLine, digits: str) -> Book | None:
    """Of the call from this number, found as the service finds it: by the number's blind index."""
    keyring = line.keyring()

    async def read(session: Any) -> Book | None:
        found = await session.scalars(select(Call).where(Call.number_index == keyring.blind_index(digits)))
        record = found.one_or_none()
        if record is None:
            return None
        statement = select(StoredFact).where(StoredFact.call_id == record.call_id)
        facts = list(await session.scalars(statement.order_by(StoredFact.at, StoredFact.ordinal)))
        opened = None
        if record.number is not None:
            opened = keyring.open(record.number, number_context(record.call_id))
        else:
            index = keyring.blind_index(digits)
            row = (await session.scalars(select(CaseNumber).where(CaseNumber.number_index == index))).first()
            if row is not None:
                case = await session.get_one(Case, row.case_id)
                opened = keyring.unwrap(case.wrapped_key).open(row.sealed, cases.number_context(case.id))
        return Book(record, facts, opened)

    made: Book | None = line.query(read)
    return made


def ended(line: LiveLine, digits: str) -> Book:
    def look() -> Book | None:
        found = book(line, digits)
        return found if found is not None and found.record.ended_at is not None else None

    return until(look, f"the call from {digits} has ended in the books", 20, every=0.3)


def the_same(live: Book, away: Book) -> None:
    """But for its own instants, channels and call id."""
    assert live.told() == away.told()
    assert live.outcome() == away.outcome()


def as_the_telephone_had_it(told: Book, caller: Caller) -> None:
    """When they rang, and when they or the line said goodbye."""
    rang, bye = caller.seen("INVITE", ours=True), caller.was_hung_up_on or caller.seen("BYE", ours=True)
    assert rang is not None
    assert bye is not None
    assert told.record.ended_at is not None
    assert abs(told.record.arrived_at.timestamp() + 0.5 - rang.at) < _MOMENT
    assert abs(told.record.ended_at.timestamp() - bye.at) < _MOMENT


@pytest.fixture
def line(tmp_path: Path) -> Iterator[LiveLine]:
    with LiveLine(tmp_path, whole_prompts=True) as line:
        yield line


def ready(line: LiveLine, phone: Phone) -> None:
    """The listener ends their wrap-up on the telephone: it needs no page and no service."""
    found = phone.dial(line.pbx.ports.sip, f"l{line.ids['listener1']}", PASSWORD, "ready")
    assert found.status == 200
    until(lambda: "(paused" not in line.pbx.console("queue show national"), "the listener is free")


def joined(line: LiveLine) -> int:
    """How often somebody came to hear somebody, by the journal's word: two of a conversation.

    Who hangs up before that was not in one, whoever was told that they answered.
    """
    journal = line.pbx.layout.journal
    return journal.read_text().count('"BRIDGE_ENTER"') if journal.exists() else 0


def talk(line: LiveLine, phone: Phone, digits: str) -> Caller:
    """Somebody rings, and hears the listener: Asterisk has both in a bridge."""
    before = joined(line)
    caller = line.caller(number(digits))
    until(lambda: phone.talks and joined(line) >= before + 2, "they hear each other")
    return caller


def a_morning(line: LiveLine, phone: Phone, last: int) -> tuple[list[str], list[Caller]]:
    """Answered and ended; left during the welcome; left while waiting; and one who is still on the line at its end."""
    numbers = [f"+3363998{n}0{last}" for n in ("10", "11", "12", "13")]
    first = talk(line, phone, numbers[0])
    phone.hang_up(reason="Q.850;cause=31")
    until(lambda: first.was_hung_up_on, "the conversation is over")
    hasty = line.caller(number(numbers[1]), stay=1.0)
    patient = line.caller(number(numbers[2]), stay=11.0)  # the listener writes: nobody is free
    for caller in (hasty, patient):
        until(lambda caller=caller: caller.process.poll() is not None, "they leave")  # type: ignore[misc]
    ready(line, phone)
    return numbers, [first, hasty, patient, talk(line, phone, numbers[3])]


def test_what_happened_while_the_service_was_stopped_is_in_the_books_as_if_it_had_watched(line: LiveLine) -> None:
    page, phone = line.listener("listener1")
    watched, callers = a_morning(line, phone, 1)
    phone.hang_up(reason="Q.850;cause=31")
    until(lambda: callers[3].was_hung_up_on, "the last conversation is over")
    live = [ended(line, digits) for digits in watched]
    ready(line, phone)
    until(lambda: page.one("me")["state"] == "free", "the page has followed")

    assert line.stop_service() == 0
    missed, callers = a_morning(line, phone, 2)
    line.start_service()
    page = line.page("listener1")
    until(lambda: page.one("contact"), "the call that goes on is on the page, with its contact")
    assert page.one("me")["state"] == "talking"
    complete = [ended(line, digits) for digits in missed[:3]]
    open_book = book(line, missed[3])
    assert open_book is not None
    assert (open_book.record.ended_at, open_book.record.listener_id) == (None, line.ids["listener1"])
    phone.hang_up(reason="Q.850;cause=31")
    until(lambda: callers[3].was_hung_up_on, "the last conversation is over")
    away = [*complete, ended(line, missed[3])]

    assert [one.record.result for one in away] == [
        Result.ANSWERED, Result.ABANDONED, Result.ABANDONED, Result.ANSWERED,
    ]  # fmt: skip
    for digits, watched_call, missed_call, caller in zip(missed, live, away, callers, strict=True):
        the_same(watched_call, missed_call)
        as_the_telephone_had_it(missed_call, caller)
        assert missed_call.number == digits
    assert differences(line) == (6, []), "queue_log says the same; who left during the welcome was in no queue"


def test_a_listener_answers_on_any_telephone_and_nobody_waits_for_the_service(line: LiveLine) -> None:
    _page, phone = line.listener("listener1")
    line.kill_service()
    phone.stop()
    other = line.phone("listener1")  # another telephone, at another address
    caller = talk(line, other, "+33639981401")
    assert caller.lives
    caller.leave()
    line.start_service()
    found = ended(line, "+33639981401")
    assert (found.record.result, found.record.ended_by) == (Result.ANSWERED, "caller")
    assert found.record.listener_id == line.ids["listener1"]


def closed_now() -> str:
    """Opening hours of another day."""
    day = (datetime.now(UTC) + timedelta(days=3)).strftime("%a").lower()
    return f"{day} 09:00-10:00"


def test_hours_hold_without_the_service_and_the_books_say_that_the_line_was_closed(tmp_path: Path) -> None:
    with LiveLine(tmp_path, site={"hours": (closed_now(),)}, line={"hours": [closed_now()]}) as line:
        for file in (line.pbx.layout.sounds / "fr").glob("closed.*"):
            file.unlink()
        (line.pbx.layout.sounds / "fr" / "closed.alaw").write_bytes(b"\xd5" * 4000)
        watched = line.caller(number("+33639981501"))
        until(lambda: watched.was_hung_up_on, "they heard that the line is closed")
        live = ended(line, "+33639981501")
        line.kill_service()
        missed = line.caller(number("+33639981502"))
        until(lambda: missed.was_hung_up_on, "they heard it too")
        line.start_service()
        away = ended(line, "+33639981502")
        assert (away.record.result, away.record.ended_by) == (Result.CLOSED, "closed")
        the_same(live, away)


def _key_department(line: LiveLine, ears: Handset) -> None:
    """A machine under load may swallow a key: whoever keys nothing is asked again."""
    question, since = line.pbx.layout.sounds / "fr" / "ask-department.alaw", 0.0

    def keyed() -> list[str]:
        return re.findall(r" department (\S+?)\\", line.pbx.layout.journal.read_text())

    for tries in range(1, 5):
        until(lambda since=since: ears.heard_at(question, since), "they are asked", 60)  # type: ignore[misc]
        since = time.monotonic()
        ears.press("74")
        if until(lambda tries=tries: keyed()[tries - 1 :], "what they keyed is told", 30) == ["74"]:  # type: ignore[misc]
            return
    raise AssertionError("no key arrived")


def test_overflow_follows_the_synchronised_routes_once_the_heartbeat_is_older_than_ten_seconds(tmp_path: Path) -> None:
    with LiveLine(tmp_path, site={"overflow_again": 6}) as line, Handset() as ears, Handset() as person:
        centre = line.phone(port=line.pbx.ports.spare[0], audio=person)
        until(lambda: "centre-01" in line.pbx.console("database get department 74"), "the PBX has its routes")
        line.kill_service()
        died = datetime.now(UTC)
        caller = line.caller(number("+33639981601"), audio=ears)
        _key_department(line, ears)
        until(lambda: centre.talks, "the centre of their department answers its telephone", 30)
        until(lambda: person.heard_at(line.pbx.layout.sounds / "fr" / "centre-press-one.alaw", 0), "a person is asked")
        person.press("1")
        invited = centre.rung[0]
        assert invited.start.startswith("INVITE sip:+33465711000@"), "as the routes say that were synchronised"

        def connected() -> bool:
            return " connecting centre-01 " in line.pbx.layout.journal.read_text()

        until(connected, "the journal says who answered")
        until(lambda: joined(line) == 2, "they hear each other")
        centre.hang_up()
        until(lambda: caller.was_hung_up_on, "the conversation is over")
        line.start_service()
        found = ended(line, "+33639981601")
        assert (found.record.result, found.record.centre, found.record.department) == (Result.CENTRE, "centre-01", "74")
        assert found.record.ended_by == "centre"
        assert found.record.number_kind is NumberKind.GIVEN
        first = next(fact for fact in found.facts if fact.what == "overflow")
        assert first.detail["by"] == "pbx"
        assert (first.at - died).total_seconds() > 7.9, "not before the heartbeat was ten seconds old"
