"""Whose contact is on whose page after a gap, and who is told to be in contact no more."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from pbx.calls import LiveCall
from pbx.facts import Stage
from pbx.queues import Member
from service.accounts.rights import Role
from service.calls.announce import Announcer
from service.calls.use_cases import Recorded
from service.cases import use_cases as cases
from service.keys import Keyring
from service.listeners.model import interface_of
from service.push.hub import Board
from service.push.views import Views
from service.store.engine import Store
from service.world import Line, LinkState, Person
from tests.integration.store.conftest import NOW, Hire
from tests.support.contacts import open_contact
from tests.unit.service_live.worlds import PBX, State, member, talking, world


class Desk:
    """A listener, what the database holds of their contacts, and what their page shows. `over`: told of them."""

    def __init__(self, store: Store, keyring: Keyring, account_id: int) -> None:
        self.store, self.keyring, self.me = store, keyring, account_id
        self.world = world()
        self.world.people[account_id] = Person(account_id, "Lise")
        nothing: Any = None
        self.views = Views(self.world, Board(), nothing)
        self.announcer = Announcer(store, self.world, self.views)
        self.over: list[int] = []

    @property
    def interface(self) -> str:
        return interface_of(self.me)

    @property
    def line(self) -> Line:
        return self.world.lines[PBX]

    def serves(self, paused: str = "") -> Member:
        found = self.line.state.members[self.interface] = member(self.interface, paused=paused)
        return found

    def talks(self, call_id: str) -> LiveCall:
        self.serves("wrap-up")
        found = self.line.state.calls[call_id] = talking(call_id, self.interface)
        return found

    async def answered(self, call_id: str, minute: int) -> int:
        async with self.store.transaction() as session:
            opened = await open_contact(
                session,
                self.keyring,
                pbx=PBX,
                call_id=call_id,
                account_id=self.me,
                number=None,
                line="+33199003133",
                at=NOW + timedelta(minutes=minute),
            )
        return opened.contact_id

    async def resume(self) -> list[int]:
        await self.announcer.resume(self.over.append)
        return self.over

    def page(self) -> str | None:
        shown = self.views.contacts.get(self.me)
        return None if shown is None else shown.call_id


@pytest.fixture
async def desk(store: Store, keyring: Keyring, hire: Hire) -> Desk:
    return Desk(store, keyring, (await hire("lise", Role.LISTENER)).account_id)


# --- after a connection


async def test_who_talks_or_writes_at_a_pbx_that_is_not_reached_yet_has_not_left(desk: Desk) -> None:
    await desk.answered("c1", 0)
    desk.serves()
    elsewhere: Any = State()
    second = desk.world.lines["pbx2"] = Line("pbx2", elsewhere)
    assert await desk.resume() == []
    assert desk.page() is None, "free here: whether they write there is not known"
    second.link = LinkState.UP
    elsewhere.members[desk.interface] = member(desk.interface, paused="wrap-up")
    assert await desk.resume() == []
    assert desk.page() == "c1"


async def test_who_ended_their_writing_in_the_gap_has_left(desk: Desk) -> None:
    await desk.answered("c1", 0)
    desk.serves()
    assert await desk.resume() == [desk.me]
    assert desk.page() is None


async def test_who_writes_in_no_queue_gets_their_contact_back_at_a_restart(desk: Desk) -> None:
    await desk.answered("c1", 0)
    assert await desk.resume() == []
    assert desk.page() == "c1"


async def test_a_contact_that_is_on_the_page_is_shown_as_it_is_now_also_in_no_queue(desk: Desk) -> None:
    contact = await desk.answered("c1", 0)
    await desk.resume()
    async with desk.store.transaction() as session:
        await cases.end_contacts(session, PBX, {"c1": NOW + timedelta(minutes=9)})
    await desk.announcer.changed(contact)
    assert desk.views.contacts[desk.me].view["ended_at"] is not None


# --- the contact of the caller with whom they talk


async def test_the_contact_of_an_earlier_caller_is_not_shown_while_they_talk_with_the_next(desk: Desk) -> None:
    earlier = await desk.answered("c1", 0)
    desk.talks("c2")
    assert await desk.resume() == []
    assert desk.page() is None
    await desk.announcer.recorded(Recorded(contacts=[(desk.me, earlier)]))
    assert desk.page() is None
    await desk.announcer.recorded(Recorded(contacts=[(desk.me, await desk.answered("c2", 5))]))
    assert desk.page() == "c2"


async def test_who_took_the_next_caller_while_the_link_was_lost_has_the_earlier_contact_on_the_page_no_more(
    desk: Desk,
) -> None:
    await desk.answered("c1", 0)
    desk.serves("wrap-up")
    await desk.resume()
    assert desk.page() == "c1"
    desk.talks("c2")
    assert await desk.resume() == []
    assert desk.page() is None
    desk.line.state.calls.clear()
    await desk.answered("c2", 5)
    assert await desk.resume() == []
    assert desk.page() == "c2"


@pytest.mark.parametrize("lives", [True, False])
async def test_of_several_answers_in_one_batch_the_last_is_theirs_whatever_their_order(desk: Desk, lives: bool) -> None:
    last, earlier = await desk.answered("c2", 5), await desk.answered("c1", 0)
    desk.talks("c2")
    if not lives:  # they write it up
        desk.line.state.calls.clear()
    await desk.announcer.recorded(Recorded(contacts=[(desk.me, last), (desk.me, earlier)]))
    assert desk.page() == "c2"


async def test_a_caller_who_waits_for_their_return_is_still_theirs(desk: Desk) -> None:
    await desk.answered("c1", 0)
    desk.talks("c1").stage = Stage.LOST
    await desk.resume()
    assert desk.page() == "c1"


async def test_of_a_thousand_answers_from_the_journal_none_is_asked_about_that_is_long_over(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The recorder waits for it, and commits nothing meanwhile."""
    desk.serves()
    asked: list[int] = []

    async def state(_session: object, contact_id: int) -> None:
        asked.append(contact_id)

    async def current(_session: object, account_id: int, **_since: object) -> None:
        asked.append(account_id)

    monkeypatch.setattr("service.cases.use_cases.contact_state", state)
    monkeypatch.setattr("service.cases.queries.current_contact_of", current)
    await desk.announcer.recorded(Recorded(contacts=[(desk.me, contact) for contact in range(1000)]))
    assert asked == []
    desk.serves("wrap-up")
    await desk.announcer.recorded(Recorded(contacts=[(desk.me, contact) for contact in range(1000)]))
    assert asked == [desk.me]
