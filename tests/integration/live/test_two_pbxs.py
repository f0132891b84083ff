"""One service, two PBXs: each has a session, calls and a place on the board of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from pbx.facts import EndedBy
from service.calls.model import Call, Result
from service.cases.model import Contact, ContactParticipant
from tests.integration.live.line import LiveLine, Page
from tests.support.sipp import number
from tests.support.wait import stays, until


@pytest.fixture
def line(tmp_path: Path) -> Iterator[LiveLine]:
    with LiveLine(tmp_path, listeners=3, pbxs=("pbx1", "pbx2")) as line:
        yield line


def stored(line: LiveLine) -> dict[str, Call]:
    """The records, by PBX: there is one of each."""

    async def read(session: Any) -> list[Call]:
        return list((await session.scalars(select(Call))).all())

    found: list[Call] = line.query(read)
    assert len({call.pbx for call in found}) == len(found)
    return {call.pbx: call for call in found}


def contacts(line: LiveLine) -> set[tuple[str, int]]:
    """(PBX, listener) of each."""

    async def read(session: Any) -> set[tuple[str, int]]:
        rows = await session.execute(select(Contact.pbx, ContactParticipant.account_id).join(ContactParticipant))
        return {(row.pbx, row.account_id) for row in rows}

    found: set[tuple[str, int]] = line.query(read)
    return found


def links(page: Page) -> dict[str, str]:
    """Of each PBX the state of its session, as everybody sees it."""
    return {pbx: value["state"] for (kind, pbx), value in list(page.entities.items()) if kind == "line"}


def call_of(page: Page, listener: int) -> dict[str, Any] | None:
    """What the board shows of this listener's conversation."""
    return next((call for call in page.all("call") if call["listener_id"] == listener), None)


def test_a_pbx_that_dies_takes_its_own_calls_and_nothing_of_the_other(line: LiveLine) -> None:
    supervisor = line.page("supervisor")
    until(lambda: links(supervisor) == {"pbx1": "up", "pbx2": "up"}, "both are reached")
    one, _ = line.listener("listener1", pbx="pbx1")
    two, phone_two = line.listener("listener2", pbx="pbx2")
    line.caller(number("+33639980001"), pbx="pbx1")
    caller_two = line.caller(number("+33639980002"), pbx="pbx2")
    first, second = line.ids["listener1"], line.ids["listener2"]
    until(lambda: call_of(supervisor, first) and call_of(supervisor, second), "both conversations are on the board")
    until(lambda: one.one("contact") and two.one("contact"), "both have their contact")
    talk = call_of(supervisor, second)

    line.pbxs["pbx1"].kill()
    until(lambda: links(supervisor) == {"pbx1": "lost", "pbx2": "up"}, "the one is marked as lost, the other is not", 5)
    stays(lambda: call_of(supervisor, second) == talk, "the other's conversation is shown as it was", 2)
    assert two.one("me")["state"] == "talking"
    assert two.one("contact")["call_live"]
    assert caller_two.lives
    records = stored(line)
    assert records["pbx2"].ended_at is None
    assert line.ready(), "pages are served, and one PBX is reached"

    three, _ = line.listener("listener3", pbx="pbx2")
    phone_two.hang_up(reason="Q.850;cause=31")
    until(lambda: caller_two.was_hung_up_on, "the listener ends it")
    until(lambda: stored(line)["pbx2"].ended_at, "its record is complete")
    until(lambda: two.one("me")["state"] == "wrap-up", "they write")
    two.must("POST", "/listener/resume", {})
    until(lambda: two.one("me")["state"] == "free", "and are free again")
    assert three.one("me")["state"] == "free"

    line.pbxs["pbx1"].start_again()
    until(lambda: links(supervisor) == {"pbx1": "up", "pbx2": "up"}, "it is back", 20)
    until(lambda: stored(line)["pbx1"].ended_at, "its call has ended")
    records = stored(line)
    assert (records["pbx1"].result, records["pbx1"].ended_by) == (Result.ANSWERED, EndedBy.FAULT)
    assert (records["pbx2"].result, records["pbx2"].ended_by) == (Result.ANSWERED, EndedBy.LISTENER)
    assert contacts(line) == {("pbx1", first), ("pbx2", second)}
    until(lambda: not supervisor.all("call"), "no call is left on the board")
