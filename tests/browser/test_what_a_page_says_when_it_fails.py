"""What did not work is said on the page, with the next step: in a real browser, over a house of people and calls."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pyotp
import pytest
from aiohttp import web
from playwright.async_api import Locator, Page, Route, async_playwright, expect

from service.accounts.model import FailedSignIn
from service.accounts.rights import Role
from service.app import PAGES
from service.cases import naming
from service.cases import use_cases as cases
from service.cases.model import Case, CaseStatus
from service.cases.schemas import NAMES_LENGTH, CaseNames
from service.keys import Keyring
from service.push.views import ListenerContact
from service.store.engine import Store
from tests.integration.rights.house import House, Viewer, open_house
from tests.support.stores import keyring, sqlite_store, sqlite_template
from tests.support.web import serving

__all__ = ["keyring", "sqlite_store", "sqlite_template"]

expect.set_options(timeout=15_000)

AXE: Final = Path(__file__).parents[2] / "service" / "frontend" / "node_modules" / "axe-core" / "axe.min.js"
_TELLS_OF_SOUND: Final = """
window.AudioContext = class extends AudioContext {
  constructor() {
    super();
    console.log("sound");
  }
};
"""
_SESSION: Final = re.compile(r"/api/v1/session$")
_NOTES: Final = re.compile(r"/api/v1/contacts/\d+/notes$")
_KNOWN: Final = re.compile(r"/api/v1/calls/[^/]+/known")
_STORED: Final = re.compile("a dit")  # what is typed before it is there meets it as somebody else's
_CASE: Final = re.compile(r"/api/v1/cases/\d+$")


@asynccontextmanager
async def _page(
    house: House, cast: str = "listener", *, flags: Sequence[str] = ()
) -> AsyncIterator[tuple[Page, Viewer]]:
    """Somebody's page, signed in; what fails in it unforeseen fails the test."""
    viewer = next(viewer for viewer in house.viewers if viewer.cast == cast)
    async with async_playwright() as driver:
        chromium = await driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox", *flags])
        try:
            context = await chromium.new_context(locale="fr-FR", viewport={"width": 1280, "height": 1000})
            page = await context.new_page()
            said: list[str] = []
            page.on("pageerror", lambda error: said.append(str(error)))
            await page.goto(str(house.base))
            await _sign_in(page, viewer)
            yield page, viewer
            assert said == []
        finally:
            await chromium.close()


async def _sign_in(page: Page, viewer: Viewer) -> None:
    await page.get_by_test_id("username").fill(viewer.username)
    await page.get_by_test_id("password").fill(viewer.password)
    await page.get_by_test_id("sign-in").click()
    await expect(page.get_by_test_id("account")).to_be_visible()


async def _accessible(page: Page) -> None:
    await page.evaluate(AXE.read_text(encoding="utf-8"))
    found = await page.evaluate("axe.run().then((result) => result.violations.map((one) => one.id))")
    assert found == []


async def _answer(page: Page, path: re.Pattern[str], status: int, body: object, method: str = "") -> None:
    """From now on this is what the page's requests get; with `method`, those alone."""

    async def handle(route: Route) -> None:
        if method and route.request.method != method:
            await route.fallback()
        else:
            await route.fulfill(status=status, content_type="application/json", body=json.dumps(body))

    await page.route(path, handle)


def _refused(error_id: str) -> object:
    return {"error": {"id": error_id, "message": ""}}


_AWAY: Final = _refused("store-unavailable")


def _ends(house: House, viewer: Viewer) -> None:
    """Their conversation is over, and its writing-up; nobody rings, and they are free."""
    for what in ("talks", "rings"):
        del house.line().state.calls[house.calls[what, viewer.account_id]]
    house.line().state.phones[f"l{viewer.account_id}"] = True
    house.live.views.drop_contact(viewer.account_id)
    house.live.views.refresh_all(1_001.0)
    house.live.board.flush()


async def test_a_page_loaded_again_while_the_service_is_away_asks_it_again_and_nobody_for_a_password(
    sqlite_store: Store, keyring: Keyring
) -> None:
    async with open_house(sqlite_store, keyring, casts=["listener"], pages=PAGES) as house, _page(house) as (page, _):
        await _answer(page, _SESSION, 503, _AWAY)
        await page.reload()
        await expect(page.get_by_test_id("loading")).to_have_attribute("data-untold", "true")
        await expect(page.get_by_test_id("loading")).to_contain_text("réessaie toute seule")
        await expect(page.get_by_test_id("password")).to_have_count(0)
        await _accessible(page)
        await page.unroute(_SESSION)
        await expect(page.get_by_test_id("account")).to_be_visible(timeout=15_000)


async def test_notes_of_an_earlier_call_that_were_written_elsewhere_too_are_chosen_about_where_they_are_said(
    sqlite_store: Store, keyring: Keyring
) -> None:
    async with open_house(sqlite_store, keyring, casts=["listener"], pages=PAGES) as house, _page(house) as (page, who):
        held = house.held[who.account_id]
        path = f"/api/v1/contacts/{held.contact_id}"
        await expect(page.get_by_test_id("notes")).to_have_value(_STORED)
        await _answer(page, _NOTES, 503, _AWAY)
        await page.get_by_test_id("notes").fill("Écrit ici.")
        await expect(page.get_by_test_id("notes-state")).to_have_attribute("data-state", "waiting", timeout=15_000)
        async with who.client.get(path) as stored:
            version = (await stored.json())["notes_version"]
        async with who.client.put(f"{path}/notes", json={"text": "Écrit ailleurs.", "version": version}) as saved:
            assert saved.status == 200, await saved.text()
        await page.unroute(_NOTES)
        await expect(page.get_by_test_id("notes-conflict")).to_be_visible(timeout=15_000)
        _ends(house, who)

        banner = page.get_by_test_id("earlier-notes")
        await expect(banner).to_contain_text("choisissez", timeout=15_000)
        await expect(banner).not_to_contain_text("dès que possible")
        await expect(page.get_by_test_id("sign-out")).to_be_enabled()
        await banner.locator("summary").click()
        await expect(banner.get_by_test_id("notes-conflict")).to_contain_text("Écrit ailleurs.")
        await _accessible(page)
        await banner.get_by_role("button", name="Réunir les deux textes").click()
        await expect(banner).to_have_count(0, timeout=15_000)
        async with who.client.get(path) as stored:
            assert (await stored.json())["notes"] == "Écrit ailleurs.\n\nÉcrit ici."


async def test_notes_of_an_earlier_call_that_are_refused_say_why_and_can_be_sent_again(
    sqlite_store: Store, keyring: Keyring
) -> None:
    async with open_house(sqlite_store, keyring, casts=["listener"], pages=PAGES) as house, _page(house) as (page, who):
        await expect(page.get_by_test_id("notes")).to_have_value(_STORED)
        await _answer(page, _NOTES, 409, _refused("case-discarded"))
        await page.get_by_test_id("notes").fill("Encore un mot.")
        await expect(page.get_by_test_id("notes-state")).to_have_attribute("data-state", "refused", timeout=15_000)
        _ends(house, who)

        banner = page.get_by_test_id("earlier-notes")
        await expect(banner).to_contain_text("n'accepte pas", timeout=15_000)
        await expect(banner).not_to_contain_text("dès que possible")
        await banner.locator("summary").click()
        await expect(banner).to_contain_text("Le dossier de cet entretien a été écarté")
        await _accessible(page)
        await page.unroute(_NOTES)
        await banner.get_by_test_id("send-again").click()
        await expect(banner).to_have_count(0, timeout=15_000)


async def test_what_cannot_be_shown_of_a_caller_or_a_case_is_said_as_that(
    sqlite_store: Store, keyring: Keyring
) -> None:
    async with open_house(sqlite_store, keyring, casts=["listener"], pages=PAGES) as house, _page(house) as (page, who):
        case_id = house.held[who.account_id].case_id
        case = {"case_id": case_id, "reference": None, "status": "draft", "opened_at": None, "department": None}
        told = {"number": "known", "contacts": 1, "last_contact_at": None, "cases": [case]}
        await _answer(page, _KNOWN, 200, {**told, "shielded": True, "cases": []})
        await page.reload()
        await expect(page.get_by_test_id("confirm-identity")).to_be_visible(timeout=15_000)
        await _answer(page, _KNOWN, 503, _AWAY)
        await page.get_by_test_id("confirm-identity").click()
        await expect(page.get_by_test_id("confirm-error")).to_contain_text("ne peut pas être montré")
        await _accessible(page)
        await _answer(page, _KNOWN, 200, {**told, "shielded": False})
        await page.get_by_test_id("confirm-identity").click()
        await _answer(page, _CASE, 503, _AWAY)
        await page.get_by_test_id("open-case").click()
        await expect(page.get_by_test_id("case-error")).to_contain_text("ne peut pas être montré")


async def test_signing_out_that_does_not_get_through_is_said_until_it_does(
    sqlite_store: Store, keyring: Keyring
) -> None:
    async with open_house(sqlite_store, keyring, casts=["listener"], pages=PAGES) as house, _page(house) as (page, who):
        _ends(house, who)
        await _answer(page, _SESSION, 503, _AWAY, "DELETE")
        await page.get_by_test_id("sign-out").click()
        await expect(page.get_by_test_id("still-in")).to_contain_text("encore connecté")
        await _accessible(page)
        await page.unroute(_SESSION)
        await page.get_by_test_id("still-in").get_by_role("button").click()
        await expect(page.get_by_test_id("password")).to_be_visible(timeout=15_000)


async def _register(request: web.Request) -> web.WebSocketResponse:
    """A PBX, as far as a phone needs one to be registered."""
    socket = web.WebSocketResponse(protocols=("sip",))
    await socket.prepare(request)
    async for message in socket:
        lines = message.data.split("\r\n")
        if lines[0].startswith("REGISTER"):
            kept = [line for line in lines if line.split(":")[0] in {"Via", "From", "Call-ID", "CSeq", "Contact"}]
            to = next(line for line in lines if line.startswith("To:"))
            answer = ["SIP/2.0 200 OK", *kept, f"{to};tag=pbx", "Expires: 120", "Content-Length: 0", "", ""]
            await socket.send_str("\r\n".join(answer))
    return socket


def _pbx(_origins: frozenset[str]) -> web.Application:
    app = web.Application()
    app.router.add_get("/ws", _register)
    return app


async def test_a_page_that_would_ring_unheard_says_so_until_it_is_touched(
    sqlite_store: Store, keyring: Keyring
) -> None:
    async with (
        open_house(sqlite_store, keyring, casts=["listener"], pages=PAGES) as house,
        serving(_pbx) as pbx,
        _page(house, flags=[f"--host-resolver-rules=MAP localhost:8088 127.0.0.1:{pbx.port}"]) as (touched, who),
    ):
        _ends(house, who)
        page = await touched.context.new_page()
        await touched.close()
        # Nothing may look into the page before it tried its ring: that would count as touching it.
        await page.add_init_script(_TELLS_OF_SOUND)
        async with page.expect_console_message(lambda message: message.text == "sound"):
            await page.goto(str(house.base))
        await expect(page.get_by_test_id("ring-silent")).to_be_visible()
        await expect(page.get_by_role("heading", name="Vous êtes disponible")).to_be_visible()
        await expect(page.get_by_text("Cette page sonnera")).to_have_count(0)
        await _accessible(page)
        await page.get_by_test_id("let-ring").press("Enter")
        await expect(page.get_by_test_id("ring-silent")).to_have_count(0)
        await expect(page.get_by_text("Cette page sonnera")).to_be_visible()


@pytest.mark.parametrize("required", [True, False])
async def test_recovery_codes_are_replaced_also_where_the_role_asks_for_the_second_step(
    sqlite_store: Store, keyring: Keyring, *, required: bool
) -> None:
    asked = frozenset({Role.SUPERVISOR} if required else ())
    async with (
        open_house(sqlite_store, keyring, casts=["supervisor"], pages=PAGES, second_step_roles=asked) as house,
        _page(house, "supervisor") as (page, viewer),
    ):
        await page.get_by_test_id("account").click()
        await page.get_by_test_id("own-password").fill(viewer.password)
        await page.get_by_test_id("own-password-submit").click()
        telephone = pyotp.TOTP((await page.get_by_test_id("step-secret").inner_text()).replace(" ", ""))
        now = telephone.timecode(_now())
        await page.get_by_test_id("step-code").fill(telephone.generate_otp(now))
        await page.get_by_test_id("step-code-submit").click()
        codes = page.get_by_test_id("recovery-codes").locator("code")
        await expect(codes).to_have_count(10)
        first = await codes.all_inner_texts()
        await page.get_by_test_id("codes-done").click()
        await page.get_by_test_id("account").click()

        await page.get_by_test_id("new-codes").click()
        await expect(page.get_by_test_id("own-password")).to_have_count(1)
        await _accessible(page)
        await page.get_by_test_id("own-password").fill(viewer.password)
        await page.get_by_test_id("step-code").fill("000000")
        await page.get_by_test_id("step-code-submit").click()
        await expect(page.get_by_test_id("step-code-error")).to_contain_text("code")
        await page.get_by_test_id("own-password").fill(viewer.password)
        await page.get_by_test_id("step-code").fill(telephone.generate_otp(now + 1))
        await page.get_by_test_id("step-code-submit").click()
        await expect(codes).to_have_count(10)
        assert not set(first) & set(await codes.all_inner_texts())
        await page.get_by_test_id("codes-done").click()
        await expect(page.get_by_test_id("second-step")).to_contain_text("10")


def _now() -> datetime:
    return datetime.now(UTC)


async def _picture(page: Page, name: str) -> None:
    """For whoever asks for pictures (`PICTURES`: a directory)."""
    if folder := os.environ.get("PICTURES"):
        await page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


async def _width(found: Locator) -> float:
    width: float = await found.evaluate("(element) => element.getBoundingClientRect().width")
    return width


async def test_who_is_free_while_they_write_for_a_lost_pbx_is_told_that_a_ring_would_be_silent(
    sqlite_store: Store, keyring: Keyring
) -> None:
    async with (
        open_house(sqlite_store, keyring, casts=["listener"], pages=PAGES) as house,
        serving(_pbx) as pbx,
        _page(house, flags=[f"--host-resolver-rules=MAP localhost:8088 127.0.0.1:{pbx.port}"]) as (touched, who),
    ):
        contact = house.live.views.contacts[who.account_id]
        _ends(house, who)
        house.live.views.set_contact(who.account_id, contact)
        house.live.board.flush()
        page = await touched.context.new_page()
        await touched.close()
        await page.add_init_script(_TELLS_OF_SOUND)  # as above
        async with page.expect_console_message(lambda message: message.text == "sound"):
            await page.goto(str(house.base))
        silent = page.get_by_test_id("ring-silent")
        writing = page.get_by_role("heading", name="Temps d'écriture")
        await expect(page.locator("#app").filter(has=writing).filter(has=silent)).to_be_visible()
        await _accessible(page)
        await _picture(page, "ring-silent-while-writing")
        assert await _width(silent.get_by_role("button")) < await _width(silent) / 3, "as wide as its words"

        house.live.views.phones_moved({who.account_id: 0})
        elsewhere = page.get_by_test_id("phone-elsewhere")
        await expect(elsewhere).to_be_visible()
        await expect(silent).to_have_count(0)
        await _picture(page, "phone-elsewhere")
        assert await _width(elsewhere.get_by_role("button")) < await _width(elsewhere) / 3, "as wide as its words"


async def test_names_of_two_cases_that_are_too_long_together_are_said_as_that_with_what_to_do(
    sqlite_store: Store, keyring: Keyring
) -> None:
    async with open_house(sqlite_store, keyring, casts=["listener"], pages=PAGES) as house, _page(house) as (page, who):
        held, known = house.held[who.account_id], house.shown[who.account_id]
        async with house.store.transaction() as session:
            for record, first in ((held, "Ange"), (known, "Zita")):
                case = await session.get_one(Case, record.case_id)
                assert case.wrapped_key is not None
                names = CaseNames(caller=f"{first} {'x' * (NAMES_LENGTH - 10)}", person_concerned=None)
                await naming.put_names(session, keyring, keyring.unwrap(case.wrapped_key), case.id, names)
                if record is held:
                    case.status, case.reference = CaseStatus.DRAFT, None
            await session.flush()
            state = await cases.contact_state(session, held.contact_id)
            assert state is not None
        case_known = {"case_id": known.case_id, "reference": known.reference, "status": "open", "opened_at": None}
        told = {"number": "known", "contacts": 1, "last_contact_at": None, "shielded": False}
        await _answer(page, _KNOWN, 200, {**told, "cases": [{**case_known, "department": "38"}]})
        contact = ListenerContact(held.contact_id, held.call_id, state.model_dump(mode="json"))
        house.live.views.set_contact(who.account_id, contact)
        house.live.board.flush()
        await page.reload()
        await page.get_by_test_id("link-case").click()
        said = page.get_by_test_id("case-error")
        await expect(said).to_contain_text(re.compile("trop longs pour être réunis.*dossier à part"))
        await _picture(page, "names-too-long")
        await page.get_by_test_id("locale-en").click()
        await page.get_by_test_id("link-case").click()
        await expect(said).to_contain_text(re.compile("too long to be joined.*a case of its own"))
        await _picture(page, "names-too-long-en")


async def test_an_address_that_others_filled_is_said_as_that_and_no_new_password_is_offered(
    sqlite_store: Store, keyring: Keyring
) -> None:
    async with open_house(sqlite_store, keyring, casts=["listener"], pages=PAGES) as house, _page(house) as (page, who):
        async with house.store.transaction() as session:
            index = keyring.attempt_index("address:127.0.0.1")
            session.add_all(FailedSignIn(username_index=str(n), address_index=index, at=_now()) for n in range(30))
        await page.context.clear_cookies()
        await page.reload()
        await page.get_by_test_id("username").fill(who.username)
        await page.get_by_test_id("password").fill(who.password)
        await page.get_by_test_id("sign-in").click()
        said = page.get_by_test_id("sign-in-error")
        await expect(said).to_contain_text(re.compile("depuis votre connexion à Internet.* Réessayez dans 15 minutes"))
        await expect(said).not_to_contain_text("mot de passe")
        await _accessible(page)
        await _picture(page, "address-too-often")
        await page.get_by_test_id("locale-en").click()
        await expect(said).to_contain_text("from your internet connection")
        await _picture(page, "address-too-often-en")
