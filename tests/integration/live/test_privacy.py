"""A run with marked data: nothing of it lies in clear in any file or log line that the run left behind.

The marks: a caller's number and name, names in a case, what was written in notes, sign-in passwords, the cookie of a
session.
"""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from sqlalchemy import select

from service.calls.model import Call, JournalPosition, NumberKind
from tests.integration.live.line import LiveLine, Page
from tests.support.marks import leaks
from tests.support.sipp import hidden, number
from tests.support.wait import until

NUMBER, SECOND = "+33639984217", "+33536490862"
MARKS = {
    "number": NUMBER,
    "second number": SECOND,
    "hidden number": "+33261914905",
    "name from the carrier": "Zébulonne Marquefictive",
    "name of the caller": "Philomène Repérée",
    "person concerned": "Théodule Balisé-Fictif",
    "note": "orchidée-7731 : sa sœur l'enferme à clé",
    "later note": "palissandre-2298",
}


def everything_a_listener_does(page: Page, mark: str) -> None:
    """Read, write, conflict, shield, read again, with a mistake or two: each may quote what it was given."""
    contact = until(lambda: page.one("contact"), "the contact is on the page")
    path = f"/contacts/{contact['contact_id']}"
    page.must("PUT", f"{path}/notes", {"text": mark, "version": 0})
    assert page.ask("PUT", f"{path}/notes", {"text": f"{mark} again", "version": 0})[0] == 409
    assert page.ask("PUT", f"{path}/notes", {"text": [mark], "version": "x"})[0] == 422
    assert page.ask("PUT", f"{path}/notes?{quote(mark)}", {mark: mark})[0] == 422
    page.ask("PUT", f"{path}/shield", {"shielded": True})
    assert page.must("GET", path)["notes"] == mark
    page.ask("GET", f"/contacts/{quote(mark, safe='')}")
    page.must("POST", f"/calls/{contact['call_id']}/known/confirm", {})
    names = {"caller": MARKS["name of the caller"], "person_concerned": MARKS["person concerned"]}
    page.must("PUT", f"/cases/{contact['case_id']}/names", names)
    assert page.ask("PUT", f"/cases/{contact['case_id']}/names", {"caller": 3, MARKS["person concerned"]: 1})[0] == 422
    found = page.must("POST", "/cases/search", {"name": MARKS["person concerned"].upper()})["cases"]
    assert contact["case_id"] in [case["case_id"] for case in found]
    assert page.must("GET", f"/cases/{contact['case_id']}")["names"] == names
    page.must("POST", f"/cases/{contact['case_id']}/keep", {"department": "38"})


def call(line: LiveLine, page: Page, phone: Any, identity: Any, mark: str) -> None:
    """From ring to wrap-up."""
    caller = line.caller(identity)
    until(lambda: page.one("me")["state"] == "talking", "the listener talks")
    everything_a_listener_does(page, mark)
    phone.hang_up(reason="Q.850;cause=31")
    until(lambda: caller.was_hung_up_on, "the caller is let go")
    until(lambda: page.one("me")["state"] == "wrap-up", "the listener writes")
    page.must("POST", "/listener/resume", {})
    until(lambda: page.one("me")["state"] == "free" and page.one("contact") is None, "the listener is free again")


def records(line: LiveLine) -> list[Call]:
    async def read(session: Any) -> list[Call]:
        return list(await session.scalars(select(Call).order_by(Call.arrived_at)))

    found: list[Call] = line.query(read)
    return found


def purged_to_the_end(line: LiveLine) -> bool:
    """Every token in the journal was stored, and is unreadable now."""
    row: JournalPosition | None = line.query(lambda session: session.get(JournalPosition, "pbx1"))
    return row is not None and row.purged_offset == line.pbx.layout.journal.stat().st_size


def tokens(line: LiveLine) -> list[str]:
    """What stands in the journal where a caller's number was, in the order of the calls."""
    text = line.pbx.layout.journal.read_text()
    return [part.split(" ", 1)[0].split(".")[0].rstrip("-") for part in text.split(" entered ")[1:]]


def test_a_run_with_marked_data_leaves_none_of_it_in_clear(tmp_path: Path) -> None:
    with LiveLine(tmp_path, whole_prompts=True) as line:
        page, phone = line.listener("listener1")
        marks = MARKS | {
            "password of a listener": line.passwords["listener1"],
            "password of the supervisor": line.passwords["supervisor"],
            "cookie": page.cookie.partition("=")[2],
            "mistyped password": "Hirondelle-5514",
        }
        status, _ = page.ask("POST", "/session", {"username": "listener1", "password": marks["mistyped password"]})
        assert status in (401, 403)
        call(line, page, phone, number(NUMBER, MARKS["name from the carrier"]), MARKS["note"])
        call(line, page, phone, number(SECOND, "+33 5 36 49 08 62"), MARKS["later note"])
        until(lambda: tokens(line)[:1] == ["purged"], "the first call's token is gone while the line is open", 60)
        line.kill_service()
        while_away = line.caller(hidden(MARKS["hidden number"]))
        until(lambda: phone.talks, "a call is answered while the service is away", 30)
        line.start_service()
        phone.hang_up(reason="Q.850;cause=31")
        until(lambda: while_away.was_hung_up_on, "the caller is let go")
        until(lambda: [row.ended_at is not None for row in records(line)] == [True] * 3, "three records are whole")
        until(lambda: tokens(line) == ["purged", "purged", "withheld"], "gone after half a minute of quiet", 60)
        kinds = [row.number_kind for row in records(line)]
        keyring = line.keyring()
        assert kinds == [NumberKind.GIVEN, NumberKind.GIVEN, NumberKind.WITHHELD]
        assert [row.number_index for row in records(line)][:2] == [keyring.blind_index(n) for n in (NUMBER, SECOND)]
        assert line.stop_service() == 0
        assert "a new caller key was made" in line.log(), "the service told what it did"
        line.pbx.console("database show")  # whatever AstDB holds is on the disk
        left = [line.folder / "var", line.folder / "service.log"]
        assert leaks(marks, left) == []
    assert leaks(marks, left) == [], "after the PBX has stopped, too"


@pytest.mark.parametrize(
    "content",
    [
        "0639984217",
        "call from +33 6 39 98 42 17",
        "tel:%2B33639984217",
        base64.b64encode(b"x" + b"+33639984217" + b"yz").decode(),
        base64.urlsafe_b64encode("é0639984217".encode()).decode(),
        b"639984217".hex(),
        "06.39.98.42.17",
        '{"name": "Z\\u00e9bulonne Marquefictive"}',
        "Z%C3%A9bulonne%20Marquefictive",
        "zébulonne marquefictive",
        base64.b64encode("…palissandre-2298…".encode()).decode(),
        "palissandre-2298".encode("utf-16-le").decode("latin-1"),
    ],
)
def test_a_seeded_leak_is_found(tmp_path: Path, content: str) -> None:
    (tmp_path / "log").write_bytes(b"noise " * 100 + content.encode("latin-1", errors="ignore") + b" noise")
    (tmp_path / "clean").write_text("2026-11-22T01:39:00Z a call ended call_id=3f2b8c1e-0d4a-4b6e-9f10-6399801010ab")
    (only,) = leaks(MARKS, [tmp_path])
    assert only.endswith(f"in {tmp_path / 'log'}")


def test_a_name_of_a_file_is_looked_at_too(tmp_path: Path) -> None:
    (tmp_path / "0639984217.wav").touch()
    assert len(leaks(MARKS, [tmp_path])) == 1
