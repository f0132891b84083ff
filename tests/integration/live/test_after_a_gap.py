"""The service was away, or the database was: afterwards the records are as if nothing had been."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from service.calls.model import Call, Result
from service.cases.model import Contact
from tests.integration.live.line import LiveLine
from tests.support.sipp import Caller, number
from tests.support.wait import until


@pytest.fixture
def line(tmp_path: Path) -> Iterator[LiveLine]:
    with LiveLine(tmp_path) as line:
        yield line


def stored_calls(line: LiveLine) -> list[Call]:
    """All records, in the order of arrival."""

    async def read(session: Any) -> list[Call]:
        return list((await session.scalars(select(Call).order_by(Call.arrived_at))).all())

    found: list[Call] = line.query(read)
    return found


def contacts(line: LiveLine) -> int:
    count: int = line.query(lambda session: session.scalar(select(func.count()).select_from(Contact)))
    return count


def ended(line: LiveLine, count: int) -> list[Call]:
    """The records, once so many calls have ended in them."""

    def look() -> list[Call] | None:
        found = stored_calls(line)
        return found if sum(call.ended_at is not None for call in found) == count else None

    return until(look, f"{count} calls have ended records")


def test_a_conversation_that_ends_while_the_service_is_dead_has_the_right_record(line: LiveLine) -> None:
    page, phone = line.listener("listener1")
    caller = line.caller(number("+33639980001"))
    until(lambda: page.one("contact"), "the listener talks, with a contact")
    line.kill_service()
    assert caller.lives
    phone.hang_up(reason="Q.850;cause=31")
    until(lambda: caller.was_hung_up_on, "the caller is let go, with the service dead")
    line.start_service()
    (call,) = ended(line, 1)
    assert (call.result, call.ended_by) == (Result.ANSWERED, "listener")
    assert call.listener_id == line.ids["listener1"]
    assert contacts(line) == 1


def test_a_call_that_came_and_was_answered_while_the_service_was_dead_has_record_and_contact(line: LiveLine) -> None:
    _page, phone = line.listener("listener1")
    line.kill_service()
    line.caller(number("+33639980002"))
    until(lambda: phone.talks, "the listener answers, with the service dead")
    line.start_service()
    page = line.page("listener1")
    until(lambda: page.one("contact"), "the contact of the live call is on the page")
    assert page.one("me")["state"] == "talking"
    phone.hang_up(reason="Q.850;cause=31")
    (call,) = ended(line, 1)
    assert call.result is Result.ANSWERED
    assert call.number_index is not None
    assert contacts(line) == 1


def test_a_waiting_caller_is_on_the_board_after_a_restart_and_their_record_is_one(line: LiveLine) -> None:
    caller = line.caller()
    supervisor = line.page("supervisor")
    until(lambda: supervisor.one("call") and supervisor.one("call")["stage"] == "waiting", "the caller waits")
    before = supervisor.one("call")
    line.kill_service()
    line.start_service()
    supervisor = line.page("supervisor")
    after = until(lambda: supervisor.one("call"), "the caller is on the board again")
    assert (after["call_id"], after["arrived_at"], after["position"]) == (before["call_id"], before["arrived_at"], 1)
    caller.leave()
    (call,) = ended(line, 1)
    assert (call.result, call.ended_by) == (Result.ABANDONED, "caller")


def test_a_caller_who_waits_through_a_restart_is_still_a_number_used_before(line: LiveLine) -> None:
    page, phone = line.listener("listener1", ring=3.0)
    line.caller(number("+33639980005"))
    until(lambda: page.one("contact"), "the listener talks")
    phone.hang_up(reason="Q.850;cause=31")
    until(lambda: page.one("me")["state"] == "wrap-up", "the listener writes")
    line.caller(number("+33639980005"))
    supervisor = line.page("supervisor")
    until(lambda: supervisor.one("call"), "they call again, and wait")
    line.kill_service()
    line.start_service()
    page = line.page("listener1")
    page.must("POST", "/listener/resume", {})
    until(lambda: (page.one("offer") or {}).get("number") == "known", "the offer says: number used before")


def test_calls_go_on_and_nothing_is_missing_after_the_database_was_locked(line: LiveLine) -> None:
    page, phone = line.listener("listener1")
    lock = sqlite3.connect(line.folder / "var" / "ecoute.db", isolation_level=None)
    lock.execute("BEGIN IMMEDIATE")
    line.caller(number("+33639980003"))
    until(lambda: page.one("me")["state"] == "talking", "the listener talks while the database is locked")
    assert page.one("contact") is None
    lock.execute("ROLLBACK")
    lock.close()
    until(lambda: page.one("contact"), "the contact comes when the database is back")
    phone.hang_up(reason="Q.850;cause=31")
    (call,) = ended(line, 1)
    assert call.result is Result.ANSWERED
    assert contacts(line) == 1


def test_when_the_pbx_dies_its_calls_are_ended_once_by_fault(line: LiveLine) -> None:
    page, _phone = line.listener("listener1")
    line.caller(number("+33639980004"))
    until(lambda: page.one("contact"), "the listener talks")
    supervisor = line.page("supervisor")
    line.pbx.kill()
    until(lambda: supervisor.one("line")["state"] == "lost", "the board says that the PBX is lost")
    line.pbx.start_again()
    until(lambda: supervisor.one("line")["state"] == "up", "the PBX is back")
    (call,) = ended(line, 1)
    assert (call.result, call.ended_by) == (Result.ANSWERED, "fault")
    until(lambda: supervisor.one("call") is None, "the dead call is off the board")


def test_killed_again_and_again_while_callers_come_and_go_each_call_has_one_record(line: LiveLine) -> None:
    _page, phone = line.listener("listener1", talk=4.0)
    callers = line.caller(calls=12, rate=2, stay=18)
    for count in (2, 6, 10):
        until(lambda count=count: len(callers.all_seen("INVITE", status=200)) >= count, "callers arrive")  # type: ignore[misc]
        line.kill_service()
        line.start_service()
    calls = ended_after(line, callers)
    assert [call.result for call in calls].count(Result.ANSWERED) == len(phone.rung) == contacts(line)
    assert all(call.ended_by in ("caller", "listener") for call in calls)


def ended_after(line: LiveLine, callers: Caller) -> list[Call]:
    """The records, once sipp says that all its calls are over."""
    until(lambda: callers.process.poll() is not None, "every caller has gone", 60)
    return ended(line, 12)
