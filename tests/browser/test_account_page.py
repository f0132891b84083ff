"""One's own account in a real browser: a second step set up, signed in with, and other sessions ended."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pyotp
from playwright.async_api import Page, async_playwright, expect

from service.accounts.rights import Role
from service.app import PAGES
from service.keys import Keyring
from service.store.engine import Store
from tests.integration.rights.house import House, Viewer, open_house
from tests.support.stores import keyring, sqlite_store, sqlite_template

__all__ = ["keyring", "sqlite_store", "sqlite_template"]

expect.set_options(timeout=15_000)

AXE = Path(__file__).parents[2] / "service" / "frontend" / "node_modules" / "axe-core" / "axe.min.js"


@asynccontextmanager
async def _browser(house: House) -> AsyncIterator[Page]:
    """A page of the application, in French; what its policy forbids, or what fails in it, fails the test."""
    async with async_playwright() as driver:
        chromium = await driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        try:
            context = await chromium.new_context(locale="fr-FR", viewport={"width": 1280, "height": 1000})
            page = await context.new_page()
            said: list[str] = []
            page.on("console", lambda message: said.append(message.text) if "Security Policy" in message.text else None)
            page.on("pageerror", lambda error: said.append(str(error)))
            await page.goto(str(house.base))
            yield page
            assert said == []
        finally:
            await chromium.close()


async def _sign_in(page: Page, viewer: Viewer) -> None:
    await page.get_by_test_id("username").fill(viewer.username)
    await page.get_by_test_id("password").fill(viewer.password)
    await page.get_by_test_id("sign-in").click()


async def _enrol(page: Page, viewer: Viewer) -> tuple[pyotp.TOTP, list[str]]:
    """As a person does: password, key into the telephone, code back, recovery codes noted."""
    await page.get_by_test_id("own-password").fill(viewer.password)
    await page.get_by_test_id("own-password-submit").click()
    secret = (await page.get_by_test_id("step-secret").inner_text()).replace(" ", "")
    telephone = pyotp.TOTP(secret)
    await page.get_by_test_id("step-code").fill("000000")
    await page.get_by_test_id("step-code-submit").click()
    await expect(page.get_by_test_id("step-code-error")).not_to_be_empty()
    await page.get_by_test_id("step-code").fill(telephone.now())
    await page.get_by_test_id("step-code-submit").click()
    await expect(page.get_by_test_id("recovery-codes").locator("code")).to_have_count(10)
    codes = await page.get_by_test_id("recovery-codes").locator("code").all_inner_texts()
    return telephone, codes


async def _accessible(page: Page) -> None:
    await page.evaluate(AXE.read_text(encoding="utf-8"))
    found = await page.evaluate("axe.run().then((result) => result.violations.map((one) => one.id))")
    assert found == []


async def test_a_second_step_is_set_up_asked_for_and_replaced_by_a_recovery_code(
    sqlite_store: Store, keyring: Keyring
) -> None:
    async with open_house(sqlite_store, keyring, casts=["supervisor"], pages=PAGES) as house, _browser(house) as page:
        viewer = next(viewer for viewer in house.viewers if viewer.cast == "supervisor")
        await _sign_in(page, viewer)
        await page.get_by_test_id("account").click()
        await expect(page.get_by_test_id("second-step")).to_have_attribute("data-on", "false")
        await _accessible(page)
        _, codes = await _enrol(page, viewer)
        await _accessible(page)
        await page.get_by_test_id("codes-done").click()
        await expect(page.get_by_test_id("second-step")).to_have_attribute("data-on", "true")

        await page.get_by_test_id("sign-out").click()
        await _sign_in(page, viewer)
        await expect(page.get_by_test_id("code")).to_be_focused()
        await _accessible(page)
        await page.get_by_test_id("code").fill("000000")
        await page.get_by_test_id("sign-in").click()
        await expect(page.get_by_test_id("sign-in-error")).not_to_be_empty()
        await page.get_by_test_id("code").fill(codes[3])
        await page.get_by_test_id("sign-in").click()
        await expect(page.get_by_test_id("account")).to_be_visible()


async def test_a_role_that_asks_for_it_has_no_other_page_before_it_is_set_up(
    sqlite_store: Store, keyring: Keyring
) -> None:
    asked = frozenset({Role.SUPERVISOR})
    async with open_house(sqlite_store, keyring, casts=["supervisor"], pages=PAGES, second_step_roles=asked) as house:
        viewer = next(viewer for viewer in house.viewers if viewer.cast == "supervisor")
        async with _browser(house) as page:
            await _sign_in(page, viewer)
            await expect(page.get_by_test_id("second-step")).to_have_attribute("data-on", "false")
            await page.goto(f"{house.base}#/board")
            await expect(page.get_by_test_id("second-step")).to_be_visible()
            await _enrol(page, viewer)
            await page.get_by_test_id("codes-done").click()
            await expect(page.get_by_role("heading", name="Tableau de supervision")).to_be_visible()


async def test_a_session_elsewhere_is_seen_and_ended_from_here(sqlite_store: Store, keyring: Keyring) -> None:
    async with open_house(sqlite_store, keyring, casts=["supervisor"], pages=PAGES) as house, _browser(house) as page:
        viewer = next(viewer for viewer in house.viewers if viewer.cast == "supervisor")
        await _sign_in(page, viewer)  # the first one is the house's own
        await page.get_by_test_id("account").click()
        await expect(page.get_by_test_id("sessions").locator("li")).to_have_count(2)
        await page.get_by_test_id("end-others").click()
        await expect(page.get_by_test_id("sessions").locator("li")).to_have_count(1)
        async with viewer.client.get("/api/v1/session") as response:
            assert response.status == 401
