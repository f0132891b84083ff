"""Thirty callers at ten a second: phones, queue_log and records agree."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from service.calls.model import Call, Result
from service.cases.model import Case, Contact
from tests.integration.live.line import LiveLine, Page
from tests.support.wait import until

CALLS, LISTENERS = 30, 20


def waits_of_queue_log(line: LiveLine) -> dict[int, float]:
    """Account → seconds that its caller had waited, as app_queue counted them."""
    waits = {}
    for row in line.pbx.layout.queue_log.read_text().splitlines():
        _time, _call, _queue, agent, event, *data = row.split("|")
        if event == "CONNECT":
            waits[int(agent.removeprefix("l"))] = float(data[0])
    return waits


def positions(supervisor: Page) -> list[int]:
    return [call["position"] for call in supervisor.all("call") if call["stage"] == "waiting"]


def test_thirty_calls_give_thirty_records_and_a_contact_for_each_answered_one(tmp_path: Path) -> None:
    with LiveLine(tmp_path, listeners=LISTENERS) as line:
        names = [f"listener{n}" for n in range(1, LISTENERS + 1)]
        phone = line.phone(*names)
        for name in names:
            Page(line.http_port, name, line.passwords[name]).must("POST", "/listener/sign-in", {})
        supervisor = line.page("supervisor")
        until(lambda: len(supervisor.all("listener")) == LISTENERS, "all listeners are on the board")
        line.caller(calls=CALLS, rate=10, stay=16)
        until(lambda: len(phone.talks) == LISTENERS, "every listener talks", 30)
        until(lambda: len(supervisor.all("call")) == CALLS, "every call is on the board")
        ranks = list(range(1, CALLS - LISTENERS + 1))
        until(lambda: sorted(positions(supervisor)) == ranks, "who waits has a rank")

        async def read(session: Any) -> list[Call]:
            return list((await session.scalars(select(Call))).all())

        def look() -> list[Call] | None:
            found = line.query(read)
            return found if len(found) == CALLS and all(call.ended_at for call in found) else None

        calls = until(look, "every call has a complete record", 60)
        answered = [call for call in calls if call.result is Result.ANSWERED]
        left = [call for call in calls if call.result is Result.ABANDONED]
        assert (len(answered), len(left)) == (LISTENERS, CALLS - LISTENERS)
        assert all(call.ended_by == "caller" for call in calls)
        queue_log = waits_of_queue_log(line)
        assert {call.listener_id for call in answered} == set(queue_log) == {line.ids[name] for name in names}
        waits = {call.listener_id: call.wait_seconds for call in answered}
        assert all(abs((waits[listener] or 0.0) - waited) <= 1.5 for listener, waited in queue_log.items())
        contacts = line.query(lambda s: s.scalar(select(func.count(func.distinct(Contact.call_id)))))
        assert contacts == line.query(lambda s: s.scalar(select(func.count()).select_from(Case))) == LISTENERS
        until(lambda: supervisor.all("call") == [], "the board is empty")
