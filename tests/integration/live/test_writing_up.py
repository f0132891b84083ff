"""Whoever writes up a call goes on writing, whatever becomes of queues, service and other PBXs: the real Asterisk."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from service.cases.model import ContactParticipant
from tests.integration.live.line import LiveLine, Page
from tests.support.pbx import PbxUnderTest
from tests.support.sipp import Phone, number
from tests.support.wait import stays, until

WITHIN = 15.0  #: what differs at the PBX is found and put right
LOOKS = 5.0  #: more than two rounds of what looks after those who left


@pytest.fixture
def line(tmp_path: Path) -> Iterator[LiveLine]:
    with LiveLine(tmp_path) as line:
        yield line


@contextmanager
def halted(pbx: PbxUnderTest) -> Iterator[None]:
    """The PBX takes connections and does nothing, as under a machine that swaps."""
    os.kill(pbx.running.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pbx.running.pid, signal.SIGCONT)


@contextmanager
def locked(line: LiveLine) -> Iterator[None]:
    """Nothing can be stored; what is there can be read."""
    lock = sqlite3.connect(line.folder / "var" / "ecoute.db", isolation_level=None, timeout=5)
    lock.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        lock.rollback()
        lock.close()


def in_contact(line: LiveLine) -> list[int]:
    """Whose contacts are not over, by the database."""

    async def read(session: Any) -> list[int]:
        still = select(ContactParticipant.account_id).where(ContactParticipant.released_at.is_(None))
        return list((await session.scalars(still)).all())

    found: list[int] = line.query(read)
    return found


def writes(line: LiveLine, page: Page, phone: Phone, caller: str, pbx: str = "pbx1") -> dict[str, Any]:
    """Somebody calls, is answered, and the listener ends it. The contact that is written up."""
    rang = line.caller(number(caller), pbx=pbx)
    until(lambda: page.one("contact"), "the listener talks")
    phone.hang_up(reason="Q.850;cause=31")
    until(lambda: rang.was_hung_up_on, "the call is over")
    until(lambda: page.one("me")["state"] == "wrap-up", "they write up")
    until(lambda: page.one("contact")["ended_at"], "the page knows that the call is over")
    found: dict[str, Any] = page.one("contact")
    return found


def again(page: Page) -> None:
    """The page is open again, in the session that it has."""
    page.messages.clear()
    page.open_live()


def test_who_is_taken_out_of_the_queue_while_they_write_keeps_the_contact_and_ends_it(line: LiveLine) -> None:
    page, phone = line.listener("listener1")
    supervisor = line.page("supervisor")
    contact = writes(line, page, phone, "+33639980031")
    me = f"PJSIP/l{line.ids['listener1']}"
    line.pbx.console(f"queue remove member {me} from national")
    until(lambda: page.one("me")["state"] == "absent", "they are in no queue")
    assert page.one("contact")["contact_id"] == contact["contact_id"]
    until(lambda: page.one("me")["state"] == "wrap-up", "they are back in it, and nobody rings them", WITHIN)
    assert page.one("contact")["contact_id"] == contact["contact_id"]
    assert in_contact(line) == [line.ids["listener1"]]
    page.must("POST", "/listener/resume", {})
    until(lambda: page.one("contact") is None, "they ended it")
    until(lambda: not in_contact(line), "which is stored")
    until(lambda: [one["state"] for one in supervisor.all("listener")] == ["free"], "the board says so")


def test_who_is_deactivated_while_they_write_keeps_page_and_contact_until_they_end_it(line: LiveLine) -> None:
    page = line.page("listener1")
    given = page.must("POST", "/phone", {})
    with Phone(line.folder) as phone:
        phone.register(line.pbx.ports.sip, given["endpoint"], given["password"])
        page.must("POST", "/listener/sign-in", {})
        until(lambda: page.one("me")["state"] == "free", "they are free")
        contact = writes(line, page, phone, "+33639980032")
        command = [sys.executable, "-m", "service.cli.main", "listeners", "deactivate", "listener1"]
        subprocess.run([*command, "--config", str(line.settings)], check=True, timeout=60, capture_output=True)
        until(lambda: given["endpoint"] not in line.pbx.console("queue show national"), "nobody rings them any more")
        until(lambda: page._thread is not None and not page._thread.is_alive(), "the page is told to open anew")
        again(page)
        stays(lambda: (page.one("contact") or {}).get("contact_id") == contact["contact_id"], "they write", LOOKS)
        page.must("PUT", f"/contacts/{contact['contact_id']}/notes", {"text": "la fin", "version": 0})
        assert in_contact(line) == [line.ids["listener1"]]
        page.must("POST", "/listener/resume", {})
        until(lambda: page.ask("GET", "/session")[0] == 401, "with the writing their session ends")
        assert in_contact(line) == []


def test_who_writes_in_no_queue_has_their_contact_back_after_a_restart(line: LiveLine) -> None:
    page, phone = line.listener("listener1")
    caller = line.caller(number("+33639980033"))
    until(lambda: page.one("contact"), "the listener talks")
    page.must("POST", "/listener/sign-out", {})
    phone.hang_up(reason="Q.850;cause=31")
    until(lambda: caller.was_hung_up_on, "the call is over")
    until(lambda: page.one("me")["state"] == "absent" and page.one("contact")["ended_at"], "they write, in no queue")
    contact = page.one("contact")
    line.kill_service()
    page.close_live()
    line.start_service()
    again(page)
    until(lambda: page.one("contact") == contact, "it is on the page again")
    stays(lambda: page.one("contact"), "and stays there", LOOKS)
    assert in_contact(line) == [line.ids["listener1"]]
    page.must("POST", "/listener/resume", {})
    until(lambda: page.one("contact") is None and not in_contact(line), "they ended it")


def test_a_pbx_that_is_reached_first_releases_nobody_who_writes_at_the_other(tmp_path: Path) -> None:
    with LiveLine(tmp_path, pbxs=("pbx1", "pbx2")) as line:
        page, phone = line.listener("listener1", pbx="pbx2")
        contact = writes(line, page, phone, "+33639980034", pbx="pbx2")
        line.kill_service()
        page.close_live()
        with halted(line.pbxs["pbx2"]):
            line.start_service()
            supervisor = line.page("supervisor")
            until(lambda: {"up"} <= {one["state"] for one in supervisor.all("line")}, "one of them is reached")
            stays(lambda: in_contact(line) == [line.ids["listener1"]], "what is not heard is not over", LOOKS)
        again(page)
        until(lambda: (page.one("contact") or {}).get("contact_id") == contact["contact_id"], "it is back", 30)
        assert page.one("me")["state"] == "wrap-up"
        page.must("POST", "/listener/resume", {})
        until(lambda: page.one("contact") is None and not in_contact(line), "they ended it")


def test_after_a_gap_the_page_never_has_the_caller_before_while_one_talks(line: LiveLine) -> None:
    page, phone = line.listener("listener1")
    before = writes(line, page, phone, "+33639980035")
    line.kill_service()
    page.close_live()
    line.pbx.console(f"queue unpause member PJSIP/l{line.ids['listener1']}")  # as `ready`, dialled on their telephone
    line.caller(number("+33639980036"))
    until(lambda: phone.talks, "the listener answers the next, with the service dead")
    with halted(line.pbx):
        line.start_service(wait=False)
        until(lambda: line.answers("/healthz"), "the pages are served", 30)
        again(page)
        with locked(line):
            os.kill(line.pbx.running.pid, signal.SIGCONT)
            until(lambda: page.one("me") and page.one("me")["state"] == "talking", "they talk", 30)
            stays(lambda: page.one("contact") is None, "the call is not stored yet, and the one before is not it", 3)
    now = until(lambda: page.one("contact"), "the journal was read")
    assert now["call_id"] != before["call_id"]
    shown = [one["id"] for message in page.messages for one in message.get("entities", []) if one["kind"] == "contact"]
    assert set(shown) == {str(now["contact_id"])}
