"""A number that the accused may use too, in a real browser: hidden until the listener says who is speaking."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from playwright.async_api import expect

from service.app import PAGES
from service.cases import use_cases as cases
from service.keys import Keyring
from service.push.views import ListenerContact
from service.store.engine import Store
from tests.browser.test_what_a_page_says_when_it_fails import _page as page_of
from tests.integration.rights.house import API, House, Viewer, open_house
from tests.support.stores import keyring, sqlite_store, sqlite_template
from tests.support.tasks import end

__all__ = ["keyring", "sqlite_store", "sqlite_template"]


async def test_who_confirms_the_speaker_sees_the_cases_and_is_asked_no_more(
    sqlite_store: Store, keyring: Keyring
) -> None:
    async with (
        open_house(sqlite_store, keyring, casts=["listener"], pages=PAGES) as house,
        page_of(house) as (page, who),
    ):
        contact = house.held[who.account_id]
        async with house.store.transaction() as session:
            house.registry.shield(session, contact)
        await page.reload()
        confirm = page.get_by_test_id("confirm-identity")
        await expect(confirm).to_be_visible()
        await expect(page.get_by_test_id("open-case")).to_have_count(0)
        await confirm.click()
        await page.get_by_test_id("open-case").click()
        await expect(page.get_by_test_id("case-record")).to_be_visible()
        await expect(confirm).to_have_count(0)
        await expect(page.get_by_test_id("number-shielded")).to_contain_text("est protégé")
        await expect(page.get_by_test_id("shield-number"), "it is shielded already").to_have_count(0)


async def test_who_shields_the_number_of_their_conversation_keeps_what_they_see_and_is_told_that_it_is_shielded(
    sqlite_store: Store, keyring: Keyring
) -> None:
    async with (
        open_house(sqlite_store, keyring, casts=["listener"], pages=PAGES) as house,
        page_of(house) as (page, who),
    ):
        await page.locator("details.shield summary").click()
        await page.get_by_test_id("shield-number").click()
        await expect(page.get_by_test_id("number-shielded")).to_contain_text("est protégé")
        await _tell(house, who)
        await expect(page.get_by_test_id("shield-number")).to_have_count(0)
        await page.get_by_test_id("open-case").click()
        await expect(page.get_by_test_id("case-record")).to_be_visible()


async def test_a_number_that_somebody_else_shields_takes_its_cases_from_the_page_of_who_talks_and_no_word_of_theirs(
    sqlite_store: Store, keyring: Keyring
) -> None:
    async with (
        open_house(sqlite_store, keyring, casts=["listener"], pages=PAGES) as house,
        page_of(house) as (page, who),
        _heard(house),
    ):
        held = house.held[who.account_id]
        await page.get_by_test_id("open-case").click()
        await page.get_by_test_id("read-notes").click()
        record = page.get_by_test_id("case-record")
        await expect(record).to_contain_text("a dit")
        notes = page.get_by_test_id("notes")
        await notes.press_sequentially("Avant. ")
        async with house.store.transaction() as session:
            house.registry.shield(session, held)
        await notes.press_sequentially("Pendant. ")
        await _tell(house, who)
        await expect(record).to_have_count(0)
        await expect(page.get_by_test_id("open-case")).to_have_count(0)
        await expect(page.get_by_test_id("offer-number")).to_have_attribute("data-number", "shielded")
        await expect(page.get_by_test_id("in-call"), "the conversation goes on").to_be_visible()
        await notes.press_sequentially("Après.")
        await expect(page.get_by_test_id("notes-state")).to_have_attribute("data-state", "saved")
        async with who.client.get(f"{API}/contacts/{held.contact_id}") as stored:
            text = (await stored.json())["notes"]
        for word in ("a dit", "Avant. ", "Pendant. ", "Après."):
            assert word in text
        await page.get_by_test_id("confirm-identity").click()
        await expect(page.get_by_test_id("open-case")).to_be_visible()


@asynccontextmanager
async def _heard(house: House) -> AsyncIterator[None]:
    """The feed is not silent: a page whose feed is lost shows no case either."""

    async def tick() -> None:
        while True:
            house.live.board.tick("2026-09-14T10:00:00Z")
            await asyncio.sleep(1)

    task = asyncio.create_task(tick())
    try:
        yield
    finally:
        await end(task)


async def _tell(house: House, who: Viewer) -> None:
    """The listener's contact as it is stored comes to their page, as after each change of it."""
    held = house.held[who.account_id]
    async with house.store.reading() as session:
        state = await cases.contact_state(session, held.contact_id)
    assert state is not None
    contact = ListenerContact(held.contact_id, held.call_id, state.model_dump(mode="json"))
    house.live.views.set_contact(who.account_id, contact)
    house.live.board.flush()
