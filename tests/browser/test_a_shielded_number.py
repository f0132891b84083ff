"""A number that the accused may use too, in a real browser: hidden until the listener says who is speaking."""

from __future__ import annotations

from playwright.async_api import expect

from service.app import PAGES
from service.keys import Keyring
from service.store.engine import Store
from tests.browser.test_what_a_page_says_when_it_fails import _page as page_of
from tests.integration.rights.house import open_house
from tests.support.stores import keyring, sqlite_store, sqlite_template

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
