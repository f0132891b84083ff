"""A phone that refuses every call at once: its listener rests and is told, the callers go to others."""

from __future__ import annotations

from pathlib import Path

from tests.integration.live.line import LiveLine
from tests.support.sipp import number
from tests.support.wait import stays, until

LEGS = 3


def test_a_phone_that_refuses_every_call_is_paused_told_and_ended_by_its_listener_alone(tmp_path: Path) -> None:
    with LiveLine(tmp_path, storms={"failed_legs": LEGS, "within_seconds": 30}) as line:
        supervisor = line.page("supervisor")
        page, broken = line.listener("listener1", status="488 Not Acceptable Here")
        caller = line.caller(number("+33639980001"))
        until(lambda: page.one("me")["state"] == "paused", "the listener is paused")
        assert page.one("me")["pause_reason"] == "fault"
        until(lambda: [entry["pause_reason"] for entry in supervisor.all("listener")] == ["fault"], "the board says so")
        until(lambda: "member-storm" in [alarm["id"] for alarm in supervisor.all("alarm")], "and it is an alarm")
        rung = len(broken.rung)
        assert LEGS <= rung <= LEGS + 1
        stays(lambda: len(broken.rung) == rung and caller.process.poll() is None, "they are left in peace", 2.5)
        line.listener("listener2")
        until(lambda: supervisor.one("call")["stage"] == "talking", "the caller talks with somebody else")
        assert caller.lives
        working = line.phone("listener1")  # put right; the newer registration counts
        page.must("POST", "/listener/resume", {})
        until(lambda: page.one("me")["state"] == "free", "they came back by themselves")
        line.caller(number("+33639980002"))
        until(lambda: working.talks, "and take calls")
        until(lambda: "member-storm" not in [alarm["id"] for alarm in supervisor.all("alarm")], "the alarm is over", 30)


def test_callers_who_leave_as_soon_as_it_rings_pause_nobody(tmp_path: Path) -> None:
    with LiveLine(tmp_path, storms={"failed_legs": LEGS, "within_seconds": 60}) as line:
        page, phone = line.listener("listener1", ring=10.0)
        for n in range(1, LEGS + 2):
            caller = line.caller(number(f"+3363998001{n}"))
            until(lambda n=n: len(phone.rung) == n, "the phone rings")  # type: ignore[misc]
            until(lambda: page.one("me")["state"] == "ringing", "and the page says so")
            caller.leave()
            caller.process.wait(15)
            until(lambda: page.one("me")["state"] == "free", "free again")
        stays(lambda: page.one("me")["state"] == "free", "free they stay", 1.5)
