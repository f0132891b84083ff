"""A number that the accused may use too, with the real Asterisk: from the shield of one listener to another's phone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.integration.live.line import LiveLine, Page
from tests.support.sipp import number
from tests.support.wait import until

NUMBER = "+33639980031"


def offered(page: Page) -> dict[str, Any]:
    """Of the call that rings: whether it is shielded, and what is told of earlier ones."""
    offer = page.one("offer") or {}
    return {key: offer.get(key) for key in ("shielded", "contacts", "cases")}


def test_who_redials_before_the_listener_shields_the_number_rings_with_nothing_known(tmp_path: Path) -> None:
    with LiveLine(tmp_path) as line:
        first, phone = line.listener("listener1")
        caller = line.caller(number(NUMBER))
        contact = until(lambda: first.one("contact"), "the first listener talks")
        phone.hang_up(reason="Q.850;cause=31")
        until(lambda: caller.was_hung_up_on, "the caller is let go")
        until(lambda: first.one("me")["state"] == "wrap-up", "the listener writes")

        second, _rings = line.listener("listener2", ring=10)
        line.caller(number(NUMBER))
        until(lambda: offered(second)["cases"], "the next phone rings with what is known")
        call_id = second.one("offer")["call_id"]
        first.must("PUT", f"/contacts/{contact['contact_id']}/shield", {"shielded": True})
        hidden = {"shielded": True, "contacts": 0, "cases": []}
        until(lambda: offered(second) == hidden, "nothing of it is shown any more", 5)
        assert second.ask("POST", f"/calls/{call_id}/known/confirm", {})[0] == 404, "nobody speaks yet"
        assert second.must("GET", f"/calls/{call_id}/known?confirmed=true")["cases"] == []

        until(lambda: second.one("contact"), "the second listener talks", 30)
        assert second.must("GET", f"/calls/{call_id}/known")["cases"] == []
        told = second.must("POST", f"/calls/{call_id}/known/confirm", {})
        assert [case["case_id"] for case in told["cases"]] == [contact["case_id"]]
        assert first.one("contact")["contact_id"] == contact["contact_id"], "who shielded it writes on"


def test_who_talks_with_a_number_that_somebody_else_shields_is_shown_nothing_of_it_any_more_and_writes_on(
    tmp_path: Path,
) -> None:
    with LiveLine(tmp_path) as line:
        first, phone = line.listener("listener1")
        caller = line.caller(number(NUMBER))
        earlier = until(lambda: first.one("contact"), "the first listener talks")
        phone.hang_up(reason="Q.850;cause=31")
        until(lambda: caller.was_hung_up_on, "the caller is let go")
        until(lambda: first.one("me")["state"] == "wrap-up", "the listener writes")

        second, _talks = line.listener("listener2")
        line.caller(number(NUMBER))
        now = until(lambda: second.one("contact"), "the second listener talks")
        assert now["known_hidden"] is False
        notes = f"/contacts/{now['contact_id']}/notes"
        assert second.must("PUT", notes, {"text": "Elle appelle", "version": 0})["version"] == 1

        first.must("PUT", f"/contacts/{earlier['contact_id']}/shield", {"shielded": True})
        until(lambda: second.one("contact")["known_hidden"], "the page hides what it showed", 5)
        assert second.one("contact")["call_live"] is True
        assert second.must("PUT", notes, {"text": "Elle appelle encore", "version": 1})["version"] == 2
        assert second.must("GET", f"/calls/{now['call_id']}/known")["shielded"] is True

        told = second.must("POST", f"/calls/{now['call_id']}/known/confirm", {})
        assert [case["case_id"] for case in told["cases"]] == [earlier["case_id"]]
        until(lambda: not second.one("contact")["known_hidden"], "it was checked who is speaking", 5)
        assert second.must("GET", f"/contacts/{now['contact_id']}")["notes"] == "Elle appelle encore"
