"""A writing-up that was ended and is not stored yet, because the database is slow, does not come back to the page."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from service.calls.numbers import CallerNumbers
from service.calls.recorder import Recorder
from service.calls.routes import _is_in_contact
from service.calls.use_cases import Archive, Recorded
from service.cases import use_cases as cases
from service.keys import CallerKeyRing, Keyring
from service.listeners import use_cases
from service.live import Live
from service.push.presence import Presence
from service.store.engine import Store
from tests.integration.store.conftest import NOW
from tests.integration.store.test_store_announce import Desk, desk
from tests.unit.service_live.test_what_listeners_ask import Link
from tests.unit.service_live.worlds import PBX

__all__ = ["desk"]


class Told:
    """What the desk's listener clicks reaches a recorder, which stores nothing before it `stores`."""

    def __init__(self, desk: Desk, store: Store, keyring: Keyring, journal: Path) -> None:
        self.desk = desk
        archive = Archive(PBX, keyring, CallerNumbers(CallerKeyRing(), "FR"))
        self.recorder = Recorder(
            store, archive, journal, live=list, announce=desk.announcer.recorded, ending=desk.announcer.ending
        )
        nothing: Any = None
        link: Any = Link()
        self.live = Live(nothing, desk.world, desk.views.board, desk.views, Presence(), nothing)
        self.live.links[PBX] = link
        self.live.recorders[PBX] = self.recorder.writing_ended

    async def end(self) -> None:
        viewer: Any = type("Viewer", (), {"account_id": self.desk.me, "confined": False})
        await use_cases.resume(self.live, viewer)

    @contextlib.asynccontextmanager
    async def stores(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.recorder.run())
        try:
            await self.recorder.settled()
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def told(desk: Desk, store: Store, keyring: Keyring, tmp_path: Path) -> Told:
    return Told(desk, store, keyring, tmp_path / "journal.json")


async def test_a_pbx_that_connects_before_the_end_is_stored_brings_no_contact_back(told: Told) -> None:
    contact = await told.desk.answered("c1", 0)
    await told.desk.resume()
    assert told.desk.page() == "c1", "of nobody's member"
    await told.end()
    assert told.desk.page() is None
    await told.desk.resume()
    await told.desk.announcer.recorded(Recorded(contacts=[(told.desk.me, contact)]))
    assert told.desk.page() is None
    async with told.stores():
        await told.desk.resume()
        assert told.desk.page() is None
        assert told.desk.announcer.ending == {}


async def test_what_is_read_while_they_end_it_is_not_shown(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    await told.desk.answered("c1", 0)
    await told.desk.resume()
    told.desk.views.drop_contact(told.desk.me)
    read = cases.contact_state

    async def slowly(session: Any, contact_id: int) -> Any:
        told.recorder.writing_ended(told.desk.me, NOW + timedelta(minutes=1))
        return await read(session, contact_id)

    monkeypatch.setattr("service.cases.use_cases.contact_state", slowly)
    await told.desk.resume()
    assert told.desk.page() is None


async def test_the_next_caller_is_shown_while_the_end_of_the_one_before_waits(told: Told) -> None:
    await told.desk.answered("c1", 0)
    await told.desk.resume()
    told.recorder.writing_ended(told.desk.me, NOW + timedelta(minutes=1))
    told.desk.views.drop_contact(told.desk.me)
    await told.desk.answered("c2", 2)
    await told.desk.resume()
    assert told.desk.page() == "c2"


async def test_a_writing_up_that_nobody_ends_tells_hours_later_no_more_what_is_known_of_the_caller(desk: Desk) -> None:
    await desk.answered("c1", 0)
    row: Any = SimpleNamespace(pbx=PBX, call_id="c1")

    async def told_at(hours: int) -> bool:
        async with desk.store.reading() as session:
            return await _is_in_contact(session, row, desk.me, NOW + timedelta(hours=hours))

    assert await told_at(13), "the call may go on: nothing is timed"
    async with desk.store.transaction() as session:
        await cases.end_contacts(session, PBX, {"c1": NOW})
    assert await told_at(11)
    assert not await told_at(13)
