"""What the pages ask for, with the real Asterisk behind: the phone, pauses, what is known, records, refusals."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.live.line import LiveLine, Page
from tests.support.sipp import Phone, number
from tests.support.wait import until


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveLine]:
    with LiveLine(tmp_path_factory.mktemp("line"), listeners=3) as line:
        yield line


def test_the_phone_of_a_session_can_register_as_soon_as_it_is_handed_out(line: LiveLine, tmp_path: Path) -> None:
    page = Page(line.http_port, "listener3", line.passwords["listener3"])
    given = page.must("POST", "/phone", {})
    assert given["endpoint"] == f"l{line.ids['listener3']}"
    assert given["websocket_url"].startswith("ws://")
    with Phone(tmp_path) as phone:
        phone.register(line.pbx.ports.sip, given["endpoint"], given["password"])
    assert page.must("POST", "/phone", {}) == given


def test_every_page_of_a_listener_is_told_which_of_them_has_the_phone(line: LiveLine) -> None:
    first, second = line.page("listener3"), line.page("listener3")
    sessions = []
    for taking in (first, second, first):
        held = taking.must("POST", "/phone", {})["session"]
        for page in (first, second):
            until(lambda: page.one("me")["phone_session"] == held, "both pages know whose phone it is")  # noqa: B023
        sessions.append(held)
    assert sessions[0] == sessions[2] != sessions[1]
    assert line.page("listener1").one("me")["phone_session"] not in sessions, "that is nobody else's business"


def test_a_listener_pauses_with_a_reason_and_comes_back(line: LiveLine) -> None:
    page = line.page("listener2")
    assert page.ask("POST", "/listener/pause", {"reason": "breathing-space"})[0] == 409
    page.must("POST", "/listener/sign-in", {})
    until(lambda: page.one("me")["state"] == "unreachable", "the listener is signed in, without a phone")
    page.must("POST", "/listener/pause", {"reason": "breathing-space"})
    until(lambda: page.one("me")["pause_reason"] == "breathing-space", "the pause is shown")
    assert page.one("me")["state"] == "paused"
    status, refused = page.ask("POST", "/listener/pause", {"reason": "because"})
    assert (status, refused["error"]["field"]) == (422, "reason")
    page.must("POST", "/listener/resume", {})
    until(lambda: page.one("me")["state"] == "unreachable", "the pause is over")
    page.must("POST", "/listener/sign-out", {})
    until(lambda: page.one("me")["state"] == "absent", "the listener is gone")


def test_only_who_is_in_contact_learns_what_is_known_and_may_end_the_call(tmp_path: Path) -> None:
    with LiveLine(tmp_path) as line:
        supervisor, stranger = line.page("supervisor"), line.page("listener2")
        page, _phone = line.listener("listener1")
        caller = line.caller(number("+33639980020"))
        call_id = until(lambda: page.one("contact"), "the listener talks")["call_id"]
        assert page.must("GET", f"/calls/{call_id}/known")["number"] == "unknown"
        assert stranger.ask("GET", f"/calls/{call_id}/known")[0] == 404
        assert supervisor.ask("GET", f"/calls/{call_id}/known")[0] == 403
        assert stranger.ask("POST", f"/calls/{call_id}/end", {})[0] == 403
        assert stranger.all("call") == []
        assert stranger.one("contact") is None
        page.must("POST", f"/calls/{call_id}/end", {})
        until(lambda: caller.was_hung_up_on, "the caller is let go")
        listed = until(  # not asked more often than a person may
            lambda: [c for c in supervisor.must("GET", "/calls")["calls"] if c["ended_at"]],
            "the record is listed",
            every=0.5,
        )
        assert [(c["call_id"], c["ended_by"], c["listener"]) for c in listed] == [(call_id, "listener", "Listener1")]
        assert page.ask("GET", f"/calls/{call_id}")[0] == 403


def test_who_signs_out_in_mid_call_keeps_the_writing_up_and_ends_it_themselves(tmp_path: Path) -> None:
    with LiveLine(tmp_path) as line:
        supervisor = line.page("supervisor")
        page, phone = line.listener("listener1")

        def serves() -> bool:
            return any(listener["queues"] for listener in supervisor.all("listener"))

        first = line.caller(number("+33639980022"))
        until(lambda: page.one("contact"), "the listener talks")
        page.must("POST", "/listener/sign-out", {})
        until(lambda: not serves(), "they left the queue")
        page.must("POST", "/listener/sign-in", {})
        until(serves, "they came back, still talking")
        phone.hang_up(reason="Q.850;cause=31")
        until(lambda: first.was_hung_up_on, "the call is over")
        until(lambda: page.one("me")["state"] == "wrap-up", "they write up")
        page.must("POST", "/listener/resume", {})
        until(lambda: page.one("me")["state"] == "free" and page.one("contact") is None, "they are free")

        second = line.caller(number("+33639980023"))
        until(lambda: page.one("contact"), "the listener talks again")
        page.must("POST", "/listener/sign-out", {})
        until(lambda: not serves(), "they left the queue for good")
        phone.hang_up(reason="Q.850;cause=31")
        until(lambda: second.was_hung_up_on, "the call is over")
        until(lambda: page.one("me")["state"] == "absent", "they are absent")
        assert page.one("contact")["call_live"] is False
        page.must("POST", "/listener/resume", {})
        until(lambda: page.one("contact") is None, "the writing is over")
