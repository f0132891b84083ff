"""What the service decides, seen by callers and phones: overflow to a centre, and a listener whose browser died."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from tests.integration.live.line import LiveLine, Page
from tests.integration.live.test_a_call import looked_up
from tests.support.sipp import number
from tests.support.wait import until


def timeline(supervisor: Page, call_id: str) -> list[dict[str, Any]]:
    """What is stored of a call until now."""
    status, found = supervisor.ask("GET", f"/calls/{call_id}")
    assert status in {200, 404}, found
    return found["timeline"] if status == 200 else []


#: how often the record may be asked for: the API limits it
SOMETIMES = 0.6


def details(supervisor: Page, call_id: str, what: str) -> list[dict[str, Any]]:
    return [fact["detail"] for fact in timeline(supervisor, call_id) if fact["what"] == what]


def test_with_nobody_signed_in_the_caller_is_offered_a_centre_and_keeps_their_place(tmp_path: Path) -> None:
    with LiveLine(tmp_path) as line:
        supervisor = line.page("supervisor")
        caller = line.caller(number("+33639980010"))
        call_id = until(lambda: supervisor.one("call"), "the caller is on the board")["call_id"]
        until(lambda: details(supervisor, call_id, "overflow"), "the caller is offered a centre", 30, every=SOMETIMES)
        assert details(supervisor, call_id, "overflow") == [{"target": "ask", "by": "service"}]
        until(
            lambda: len(details(supervisor, call_id, "queued")) == 2,
            "who keys nothing waits again",
            40,
            every=SOMETIMES,
        )
        assert caller.lives
        # the board gathers what it tells for a moment: the record may be read before
        until(lambda: supervisor.one("call")["stage"] == "waiting", "the board shows that they wait")
        assert supervisor.one("call")["position"] == 1


def test_a_caller_with_a_known_case_is_brought_to_the_centre_of_its_department(tmp_path: Path) -> None:
    with LiveLine(tmp_path) as line:
        supervisor = line.page("supervisor")
        page, phone = line.listener("listener1")
        first = line.caller(number("+33639980011"))
        contact = until(lambda: page.one("contact"), "the listener talks")
        phone.hang_up(reason="Q.850;cause=31")
        until(lambda: first.was_hung_up_on, "the first call is over")
        page.must("POST", f"/cases/{contact['case_id']}/keep", {"department": "38"})
        page.must("POST", "/listener/sign-out", {})
        until(lambda: supervisor.one("call") is None and not supervisor.all("listener"), "nobody is there")
        second = line.caller(number("+33639980011"))
        call_id = until(lambda: supervisor.one("call"), "they ring again")["call_id"]
        until(
            lambda: details(supervisor, call_id, "centre-refused"),
            "the centre was called and did not answer",
            40,
            every=SOMETIMES,
        )
        assert details(supervisor, call_id, "overflow") == [{"target": "centre:centre-38", "by": "service"}]
        assert details(supervisor, call_id, "centre-called") == [{"centre": "centre-38", "way": "queue"}]
        until(lambda: len(details(supervisor, call_id, "queued")) >= 2, "they wait again", every=SOMETIMES)
        assert second.lives


def test_a_number_used_before_is_on_the_offer(tmp_path: Path) -> None:
    with LiveLine(tmp_path) as line:
        page, phone = line.listener("listener1", ring=1.0)
        first = line.caller(number("+33639980012"))
        contact = until(lambda: page.one("contact"), "the listener talks")
        phone.hang_up(reason="Q.850;cause=31")
        until(lambda: first.was_hung_up_on, "the first call is over")
        page.must("POST", f"/cases/{contact['case_id']}/keep", {"department": "38"})
        reference = until(lambda: (page.one("contact") or {}).get("case_reference"), "the page shows the reference")
        page.must("POST", "/listener/resume", {})
        before = len(page.shown("offer"))
        line.caller(number("+33639980012"))
        offer = until(lambda: looked_up(page, before), "the phone rings")[0]
        assert (offer["number"], offer["contacts"]) == ("known", 1)
        assert [case["reference"] for case in offer["cases"]] == [reference]


def test_a_caller_whose_listener_lost_page_and_phone_is_freed_at_once_and_goes_to_the_other(tmp_path: Path) -> None:
    with LiveLine(tmp_path, recovery={"settle_seconds": 1, "grace_seconds": 6}) as line:
        supervisor = line.page("supervisor")
        page, phone = line.listener("listener1")
        caller = line.caller(number("+33639980013"))
        call_id = until(lambda: page.one("contact"), "the listener talks")["call_id"]
        other, _other_phone = line.listener("listener2")
        page.close_live()
        gone = phone.register(line.pbx.ports.sip, f"l{line.ids['listener1']}", "secret-of-tests", expires=0)
        lost = until(
            lambda: next((fact for fact in timeline(supervisor, call_id) if fact["what"] == "listener-lost"), None),
            "the caller is freed from the dead leg",
            every=SOMETIMES,
        )
        assert datetime.fromisoformat(lost["at"]).timestamp() - gone < 3
        until(lambda: other.one("contact"), "the other listener talks with them")
        assert other.one("contact")["call_id"] == call_id
        assert caller.lives
        answers = details(supervisor, call_id, "answered")
        assert [answer["interface"] for answer in answers] == [
            f"PJSIP/l{line.ids['listener1']}",
            f"PJSIP/l{line.ids['listener2']}",
        ]


def test_losing_the_page_alone_keeps_the_conversation(tmp_path: Path) -> None:
    with LiveLine(tmp_path) as line:
        supervisor = line.page("supervisor")
        page, phone = line.listener("listener1")
        line.caller(number("+33639980014"))
        call_id = until(lambda: page.one("contact"), "the listener talks")["call_id"]
        page.close_live()
        ticks = len(supervisor.messages)
        until(lambda: len([m for m in supervisor.messages[ticks:] if m["type"] == "tick"]) >= 3, "some seconds pass")
        assert phone.talks
        assert details(supervisor, call_id, "listener-lost") == []


def test_a_pause_chosen_during_a_call_outlives_the_loss_of_the_leg(tmp_path: Path) -> None:
    with LiveLine(tmp_path) as line:
        supervisor = line.page("supervisor")
        page, phone = line.listener("listener1")
        caller = line.caller(number("+33639980015"))
        call_id = until(lambda: page.one("contact"), "the listener talks")["call_id"]
        page.must("POST", "/listener/pause", {"reason": "breathing-space"})
        phone.hang_up(reason="Q.850;cause=41")
        until(
            lambda: len(details(supervisor, call_id, "answered")) == 2,
            "lost, and back within the grace",
            every=SOMETIMES,
        )
        phone.hang_up(reason="Q.850;cause=31")
        until(lambda: caller.was_hung_up_on, "the conversation is over")
        until(lambda: page.one("me")["state"] in ("paused", "wrap-up"), "what follows")
        assert page.one("me")["pause_reason"] == "breathing-space"


def test_a_listener_held_for_a_caller_whom_the_pbx_took_along_in_its_death_writes_up(tmp_path: Path) -> None:
    with LiveLine(tmp_path) as line:
        page, phone = line.listener("listener1")
        line.caller(number("+33639980016"))
        until(lambda: page.one("contact"), "the listener talks")
        # nobody is there to be rung again: the grace runs
        phone.register(line.pbx.ports.sip, f"l{line.ids['listener1']}", "secret-of-tests", expires=0)
        phone.hang_up(reason="Q.850;cause=41")
        until(lambda: page.one("me")["pause_reason"] == "reconnecting", "they are held for their caller")
        assert page.one("me")["state"] == "paused"
        line.pbx.kill()
        line.pbx.start_again()
        until(lambda: page.one("me")["state"] == "wrap-up", "they write up, and may end it", 40)
        page.must("POST", "/listener/resume", {})
        until(lambda: page.one("me")["state"] == "unreachable", "the wrap-up is over")
