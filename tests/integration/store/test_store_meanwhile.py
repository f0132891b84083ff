"""While a PBX or the database is asked about a listener: whom they answer is theirs, what they end is over."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pbx.commands import Command
from pbx.link import Reply
from service.accounts.rights import Role
from service.calls.use_cases import Recorded
from service.cases import queries as case_queries
from service.cases import use_cases as cases
from service.keys import Keyring
from service.store.engine import Store
from service.world import Person
from tests.integration.store.conftest import NOW, Hire
from tests.integration.store.test_store_announce import Desk, desk
from tests.integration.store.test_store_ended_writing import Told, told
from tests.support.contacts import open_contact
from tests.support.tasks import end
from tests.unit.service_live.test_what_listeners_ask import Link
from tests.unit.service_live.worlds import PBX

__all__ = ["desk", "told"]


class SlowLink(Link):
    """A PBX that answers once it `may`."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.may = asyncio.Event(), asyncio.Event()

    async def send(self, command: Command, timeout: float = 5.0) -> Reply:
        self.asked.set()
        await self.may.wait()
        return await super().send(command, timeout)


async def _answered(store: Store, keyring: Keyring, account_id: int, call_id: str, at: datetime) -> int:
    async with store.transaction() as session:
        opened = await open_contact(
            session, keyring, pbx=PBX, call_id=call_id, account_id=account_id, number=None, line="", at=at
        )
    return opened.contact_id


@pytest.mark.parametrize("over", [False, True], ids=["talking", "writing"])
async def test_whom_they_answer_while_a_pbx_is_told_of_the_end_before_stays_theirs(
    told: Told, store: Store, keyring: Keyring, over: bool
) -> None:
    desk: Desk = told.desk
    slow: Any = SlowLink()
    told.live.links[PBX] = slow
    await desk.answered("c1", 0)
    await desk.resume()
    desk.serves()
    desk.line.held.add(desk.interface)  # back in the queue without the pause that they had for it
    ending, asking = asyncio.create_task(told.end()), asyncio.create_task(slow.asked.wait())
    await asyncio.wait([ending, asking], return_when=asyncio.FIRST_COMPLETED)
    desk.talks("c2")
    contact = await _answered(store, keyring, desk.me, "c2", datetime.now(UTC))
    await desk.announcer.recorded(Recorded(contacts=[(desk.me, contact)]))
    if over:
        desk.line.state.calls.clear()
    slow.may.set()
    await ending
    await end(asking)
    async with told.stores(), store.reading() as session:
        assert await case_queries.current_contact_of(session, desk.me) == contact
    assert desk.page() == "c2"


def _while_read(told: Told, monkeypatch: pytest.MonkeyPatch, account_id: int) -> None:
    """As the first contact is read, this listener ends their writing-up: told, stored, and remembered nowhere else."""
    read = cases.contact_state

    async def slowly(session: Any, contact_id: int) -> Any:
        monkeypatch.setattr("service.cases.use_cases.contact_state", read)
        state = await read(session, contact_id)
        told.recorder.writing_ended(account_id, NOW + timedelta(minutes=1))
        async with told.stores():
            assert told.desk.announcer.ending == {}
        return state

    monkeypatch.setattr("service.cases.use_cases.contact_state", slowly)


async def test_an_end_that_is_told_and_stored_while_the_contact_is_read_brings_nothing_back(
    told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    await told.desk.answered("c1", 0)
    _while_read(told, monkeypatch, told.desk.me)
    await told.desk.resume()
    assert told.desk.page() is None


async def test_an_end_that_is_told_and_stored_while_a_colleague_s_contact_is_read_brings_nothing_back(
    told: Told, store: Store, keyring: Keyring, hire: Hire, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk: Desk = told.desk
    omar = (await hire("omar", Role.LISTENER)).account_id
    desk.world.people[omar] = Person(omar, "Omar")
    await desk.answered("c1", 0)
    await _answered(store, keyring, omar, "c2", NOW)
    _while_read(told, monkeypatch, omar)
    await desk.resume()
    assert set(desk.views.contacts) == {desk.me}
