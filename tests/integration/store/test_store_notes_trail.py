"""Who rewrites notes is on the trail: once each time they sit down to it, not once for each pause in their typing."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from service.accounts.rights import Role
from service.accounts.viewer import Viewer
from service.audit import queries as audit
from service.audit.model import Action
from service.cases import editing, use_cases
from service.cases.schemas import NotesSaved
from service.keys import Keyring
from service.store.engine import Store
from tests.integration.store.conftest import NOW, Hire
from tests.integration.store.test_store_contacts import answer

MINUTE = timedelta(minutes=1)


class Notes:
    """The notes of one contact, and who saves them when."""

    def __init__(self, store: Store, keyring: Keyring, contact_id: int) -> None:
        self.store, self.keyring, self.contact_id = store, keyring, contact_id
        self.version = 0

    async def save(self, viewer: Viewer, at: datetime) -> None:
        async with self.store.transaction() as session:
            saved = await editing.save_notes(
                session, self.keyring, viewer, self.contact_id, text=f"texte {at}", version=self.version, at=at
            )
        assert isinstance(saved, NotesSaved)
        self.version = saved.version

    async def end_writing(self, viewer: Viewer, at: datetime) -> None:
        async with self.store.transaction() as session:
            await use_cases.end_contacts(session, "pbx1", {"call-1": at})
            assert await use_cases.end_writing(session, viewer.account_id, at) == [self.contact_id]

    async def on_trail(self) -> list[tuple[int | None, datetime]]:
        async with self.store.reading() as session:
            entries = await audit.entries(session, subject="contact", subject_id=str(self.contact_id))
        return [(one.account_id, one.at) for one in entries if one.action is Action.NOTES_SAVED]


@pytest.fixture
async def lise(hire: Hire) -> Viewer:
    return await hire("lise", Role.LISTENER)


@pytest.fixture
async def notes(store: Store, keyring: Keyring, lise: Viewer) -> Notes:
    opened = await answer(store, keyring, lise, call_id="call-1")
    return Notes(store, keyring, opened.contact_id)


async def test_who_types_a_whole_conversation_long_is_on_the_trail_once(notes: Notes, lise: Viewer) -> None:
    for second in range(30):
        await notes.save(lise, NOW + timedelta(seconds=second))
    for quarter in range(1, 5):
        await notes.save(lise, NOW + timedelta(seconds=29) + quarter * 15 * MINUTE)
    assert await notes.on_trail() == [(lise.account_id, NOW)]


async def test_who_rewrites_their_notes_after_the_writing_up_is_on_the_trail_again_and_once(
    notes: Notes, lise: Viewer
) -> None:
    await notes.save(lise, NOW)
    await notes.end_writing(lise, NOW + MINUTE)
    for second in range(20):
        await notes.save(lise, NOW + 2 * MINUTE + timedelta(seconds=second))
    assert await notes.on_trail() == [(lise.account_id, NOW), (lise.account_id, NOW + 2 * MINUTE)]


async def test_who_rewrites_their_notes_months_later_is_on_the_trail_each_time(notes: Notes, lise: Viewer) -> None:
    later = NOW + timedelta(days=90)
    at = [NOW, later, later + 16 * MINUTE]
    for instant in at:
        await notes.save(lise, instant)
        await notes.save(lise, instant + timedelta(seconds=1))
    assert await notes.on_trail() == [(lise.account_id, instant) for instant in at]


async def test_a_coordinator_who_rewrites_what_they_saved_last_is_on_the_trail_again(
    notes: Notes, hire: Hire, lise: Viewer
) -> None:
    paul = await hire("paul", Role.COORDINATOR)
    await notes.save(lise, NOW)
    await notes.save(paul, NOW + MINUTE)
    await notes.save(paul, NOW + 2 * MINUTE)
    await notes.save(paul, NOW + timedelta(days=90))
    wanted = [(lise.account_id, NOW), (paul.account_id, NOW + MINUTE), (paul.account_id, NOW + timedelta(days=90))]
    assert await notes.on_trail() == wanted


async def test_a_clock_that_was_put_back_hides_no_rewriting(notes: Notes, lise: Viewer) -> None:
    await notes.save(lise, NOW)
    await notes.save(lise, NOW - timedelta(days=1))
    await notes.save(lise, NOW - timedelta(days=1) + MINUTE)
    assert [at for _, at in await notes.on_trail()] == [NOW, NOW - timedelta(days=1)]
