"""A call from ring to record, with the real Asterisk, SIP phones and the service as a process of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from service.calls.model import Call
from service.cases.model import Case, Contact
from tests.integration.live.line import LiveLine, Page
from tests.support.sipp import number
from tests.support.wait import until


def record(line: LiveLine, supervisor: Any, call_id: str) -> Any:
    """The record of a call, once it has ended."""

    def look() -> Any:
        status, found = supervisor.ask("GET", f"/calls/{call_id}")
        return found if status == 200 and found["ended_at"] else None

    return until(look, "the call's record is complete", every=0.5)


def looked_up(page: Page, before: int = 0) -> list[Any]:
    """The offers behind so many that say who calls. With a short welcome a phone may ring before that was found."""
    return [offer for offer in page.shown("offer")[before:] if offer["number"] != "unavailable"]


def test_a_call_from_ring_to_record(tmp_path: Path) -> None:
    with LiveLine(tmp_path) as line:
        supervisor = line.page("supervisor")
        page, phone = line.listener("listener1", ring=1.0)
        caller = line.caller(number("+33639980001"))
        offer = until(lambda: looked_up(page), "the page shows the offer")[0]
        assert offer["number"] == "unknown"
        until(lambda: page.one("me")["state"] == "talking", "the listener talks")
        contact = until(lambda: page.one("contact"), "the contact is on the page")
        assert contact["call_id"] == offer["call_id"]
        assert contact["call_live"] is True
        assert contact["case_status"] == "draft"
        until(lambda: supervisor.one("call")["stage"] == "talking", "the supervisor sees it")
        assert supervisor.one("call")["listener_name"] == "Listener1"
        phone.hang_up(reason="Q.850;cause=31")
        until(lambda: caller.was_hung_up_on, "the caller is let go")
        until(lambda: page.one("me")["state"] == "wrap-up", "the listener writes")
        assert page.one("contact")["call_live"] is False
        page.must("POST", "/listener/resume", {})
        until(lambda: page.one("me")["state"] == "free", "the listener is free again")
        assert page.one("contact") is None
        found = record(line, supervisor, offer["call_id"])
        assert (found["result"], found["ended_by"]) == ("answered", "listener")
        assert found["listener_id"] == line.ids["listener1"]
        assert found["line"] == "+33199003133"
        whats = [fact["what"] for fact in found["timeline"]]
        assert whats == ["entered", "queued", "rung", "answered", "ended"]
        until(lambda: supervisor.one("call") is None, "the call is off the board")
        assert line.query(lambda s: s.scalar(select(func.count()).select_from(Contact))) == 1
        assert line.query(lambda s: s.scalar(select(func.count()).select_from(Case))) == 1
        assert line.query(lambda s: s.scalar(select(Call.number_index))) is not None
        assert line.stop_service() == 0
