"""The web side over a real store: sign-in, the guard, errors, notes as the page saves them, pages and their headers."""

from __future__ import annotations

import asyncio
import io
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, get_args

import aiohttp
import pytest
from aiohttp import WSServerHandshakeError
from sqlalchemy import update
from yarl import URL

from service.accounts.model import SignedInSession
from service.accounts.rights import Role
from service.http.errors import FaultId
from service.http.keys import ContactChanged, KnownChanged, SessionEnded
from tests.integration.store.site import API, Open, Site
from tests.support.stores import held


async def _pbx_is_away() -> None:
    raise ConnectionError


async def answer_of(response: aiohttp.ClientResponse) -> tuple[int, Any]:
    return response.status, await response.json()


# --- signing in -------------------------------------------------------------------------------------------------------


async def test_signing_in_sets_a_cookie_that_scripts_and_other_sites_do_not_get(site: Site) -> None:
    _, password = await site.hire("lise", Role.LISTENER)
    client = await site.visitor()
    async with client.post(f"{API}/session", json={"username": "lise", "password": password}) as response:
        me = await response.json()
        cookie = response.headers["Set-Cookie"]
        assert response.headers["Cache-Control"] == "no-store"
    assert cookie.startswith("__Host-ecoute=")
    assert {"Secure", "HttpOnly", "SameSite=Strict", "Path=/"} <= {part.strip() for part in cookie.split(";")}
    assert "Domain" not in cookie
    assert (me["username"], me["roles"], me["listener"], me["locale"]) == ("lise", ["listener"], True, "fr")
    assert {"breathing-space", "break"} <= {reason["key"] for reason in me["pause_reasons"]}
    async with client.get(f"{API}/session") as response:
        assert await response.json() == me


async def test_a_wrong_password_is_401_and_too_many_are_429_with_the_time_to_wait(site: Site) -> None:
    client = await site.visitor()
    body = {"username": "nobody", "password": "wrong"}
    statuses = []
    for _ in range(7):
        async with client.post(f"{API}/session", json=body) as response:
            statuses.append(response.status)
            error = (await response.json())["error"]
            wait = response.headers.get("Retry-After")
    assert statuses == [401] * 6 + [429]
    assert error["id"] == "sign-in-too-often"
    assert error["retry_after_seconds"] == int(wait or 0)
    assert 840 < int(wait or 0) <= 900, "until the first of them lapses"


async def test_the_language_is_kept_and_signing_out_ends_the_session_and_tells_so(site: Site) -> None:
    _, client = await site.signed_in("lise", Role.LISTENER)
    async with client.get(f"{API}/account/sessions") as response:
        (mine,) = (await response.json())["sessions"]
    async with client.patch(f"{API}/session", json={"locale": "en"}) as response:
        assert (await response.json())["locale"] == "en"
    async with client.get(f"{API}/session") as response:
        assert (await response.json())["locale"] == "en"
    async with client.delete(f"{API}/session") as response:
        assert response.status == 204
    async with client.get(f"{API}/session") as response:
        assert response.status == 401
    assert site.changes == [SessionEnded(session_id=mine["session_id"])]


# --- the guard --------------------------------------------------------------------------------------------------------


async def test_nobody_gets_anything_without_signing_in(site: Site) -> None:
    client = await site.visitor()
    async with client.get(f"{API}/contacts/1") as response:
        status, body = await answer_of(response)
    assert (status, body["error"]["id"]) == (401, "not-signed-in")


async def test_a_role_without_the_right_is_refused(site: Site) -> None:
    _, client = await site.signed_in("ada", Role.ADMINISTRATOR)
    async with client.get(f"{API}/cases/1") as response:
        status, body = await answer_of(response)
    assert (status, body["error"]["id"]) == (403, "right-missing")


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost:1"])
async def test_another_site_s_page_can_change_nothing_for_a_signed_in_person(site: Site, origin: str) -> None:
    _, client = await site.signed_in("lise", Role.LISTENER)
    async with client.delete(f"{API}/session", headers={"Origin": origin}) as response:
        status, body = await answer_of(response)
    assert (status, body["error"]["id"]) == (403, "origin-refused")
    async with client.get(f"{API}/session") as response:
        assert response.status == 200


async def test_a_request_that_does_not_say_where_it_comes_from_changes_nothing(site: Site) -> None:
    async with aiohttp.ClientSession(site.base) as client:
        async with client.post(f"{API}/session", json={"username": "a", "password": "b"}) as response:
            assert response.status == 403
        headers = {"Sec-Fetch-Site": "same-origin"}
        async with client.post(f"{API}/session", json={"username": "a", "password": "b"}, headers=headers) as response:
            assert response.status == 401


async def test_a_websocket_opens_for_our_own_page_alone(site: Site) -> None:
    _, client = await site.signed_in("lise", Role.LISTENER)
    async with client.ws_connect(f"{API}/live") as socket:
        assert await socket.receive_str() == "lise"
    with pytest.raises(WSServerHandshakeError) as caught:
        await client.ws_connect(f"{API}/live", headers={"Origin": "https://evil.example"})
    assert caught.value.status == 403
    stranger = await site.visitor()
    with pytest.raises(WSServerHandshakeError) as caught:
        await stranger.ws_connect(f"{API}/live")
    assert caught.value.status == 401


@pytest.mark.parametrize(
    ("body", "status", "error_id", "field_name"),
    [
        (b'{"text": "a"}', 422, "body-unfit", "version"),
        (b'{"text": "a", "version": "no"}', 422, "body-unfit", "version"),
        (b'{"text": "a", "version": 0, "extra": 1}', 422, "body-unfit", "extra"),
        (b"{", 422, "body-not-json", None),
        (b'{"text": "' + b"a" * 1_100_000 + b'", "version": 0}', 413, "body-too-large", None),
    ],
    ids=["missing", "wrong type", "unknown field", "no JSON", "too large"],
)
async def test_a_body_that_does_not_fit_is_told_with_its_field_and_never_repeated(
    site: Site, body: bytes, status: int, error_id: str, field_name: str | None
) -> None:
    _, client = await site.signed_in("lise", Role.LISTENER)
    headers = {"Content-Type": "application/json"}
    async with client.put(f"{API}/contacts/1/notes", data=io.BytesIO(body), headers=headers) as response:
        got, error = await answer_of(response)
    assert (got, error["error"]["id"], error["error"].get("field")) == (status, error_id, field_name)
    if error_id == "body-unfit":
        assert error["error"]["faults"][0]["field"] == field_name
        assert error["error"]["faults"][0]["id"] in get_args(FaultId)


async def test_a_form_of_another_site_is_no_json(site: Site) -> None:
    _, client = await site.signed_in("lise", Role.LISTENER)
    async with client.post(f"{API}/cases/1/discard", data={"reason": "hoax"}) as response:
        status, body = await answer_of(response)
    assert (status, body["error"]["id"]) == (422, "body-not-json")


@pytest.mark.parametrize("path", [f"{API}/nothing", f"{API}/contacts/abc", f"{API}/contacts/99999999999999999999"])
async def test_an_address_that_does_not_exist_is_404_in_json(site: Site, path: str) -> None:
    _, client = await site.signed_in("lise", Role.LISTENER)
    async with client.get(path) as response:
        status, body = await answer_of(response)
    assert (status, body["error"]["id"]) == (404, "not-found")


async def test_a_method_that_does_not_exist_is_405_in_json(site: Site) -> None:
    client = await site.visitor()
    async with client.patch(f"{API}/contacts/1") as response:
        status, body = await answer_of(response)
    assert (status, body["error"]["id"]) == (405, "method-not-allowed")


# --- notes and cases, as the page does it -----------------------------------------------------------------------------


async def test_notes_are_saved_read_again_and_kept_as_a_case(site: Site) -> None:
    account_id, client = await site.signed_in("lise", Role.LISTENER)
    opened = await site.answered(account_id)
    contact = f"{API}/contacts/{opened.contact_id}"
    async with client.put(f"{contact}/notes", json={"text": "Elle hésite.", "version": 0}) as response:
        assert response.status == 200
        saved = await response.json()
    async with client.get(f"{API}/calls/call-1/contact") as response:
        shown = await response.json()
    assert (saved["version"], shown["notes"], shown["notes_version"]) == (1, "Elle hésite.", 1)
    assert shown["saved_at"] == saved["saved_at"]
    assert shown["saved_at"].endswith("Z")
    async with client.post(f"{API}/cases/{opened.case_id}/keep", json={"department": "38"}) as response:
        kept = await response.json()
    assert kept["reference"] == f"{datetime.now(UTC).year}-38-00001"
    async with client.get(f"{API}/cases/{opened.case_id}") as response:
        assert [one["contact_id"] for one in (await response.json())["contacts"]] == [opened.contact_id]
    assert site.changes == [change(contact_id=opened.contact_id) for change in (ContactChanged, KnownChanged)]


async def test_a_stale_save_is_409_with_the_stored_text(site: Site) -> None:
    account_id, client = await site.signed_in("lise", Role.LISTENER)
    opened = await site.answered(account_id)
    address = f"{API}/contacts/{opened.contact_id}/notes"
    async with client.put(address, json={"text": "premier", "version": 0}) as response:
        assert response.status == 200
    async with client.put(address, json={"text": "second", "version": 0}) as response:
        status, body = await answer_of(response)
    assert (status, body["error"]["id"]) == (409, "notes-changed-elsewhere")
    assert (body["error"]["stored"]["text"], body["error"]["stored"]["version"]) == ("premier", 1)


@pytest.mark.parametrize("department", ["20", "99", "38 ", "1", "2C", "978x"])
async def test_what_is_no_department_is_refused(site: Site, department: str) -> None:
    _, client = await site.signed_in("lise", Role.LISTENER)
    async with client.post(f"{API}/cases/1/keep", json={"department": department}) as response:
        status, body = await answer_of(response)
    assert (status, body["error"]["field"]) == (422, "department")


async def test_the_officer_sees_who_read_what_and_that_the_chain_holds(site: Site) -> None:
    account_id, client = await site.signed_in("lise", Role.LISTENER)
    opened = await site.answered(account_id)
    async with client.get(f"{API}/contacts/{opened.contact_id}") as response:
        assert response.status == 200
    _, officer = await site.signed_in("dora", Role.DPO)
    async with officer.get(f"{API}/audit", params={"subject": "contact"}) as response:
        (entry,) = (await response.json())["entries"]
    assert (entry["action"], entry["account_id"], entry["subject_id"]) == (
        "contact.read",
        account_id,
        str(opened.contact_id),
    )
    async with officer.get(f"{API}/audit/chain") as response:
        assert (await response.json())["broken_at"] is None
    async with officer.get(f"{API}/audit", params={"limit": "many"}) as response:
        status, body = await answer_of(response)
    assert (status, body["error"]["id"], body["error"]["field"]) == (422, "query-unfit", "limit")


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for long. Before the store is opened: PostgreSQL is told with each connection."""
    monkeypatch.setattr("service.store.engine.LOCK_TIMEOUT_MS", 50)
    monkeypatch.setattr("service.store.engine.TURN_SECONDS", 0.05)


@pytest.mark.usefixtures("impatient")
async def test_a_locked_database_is_503_and_the_save_works_once_it_is_free(site: Site) -> None:
    account_id, client = await site.signed_in("lise", Role.LISTENER)
    opened = await site.answered(account_id)
    address = f"{API}/contacts/{opened.contact_id}/notes"
    async with held(site.store), client.put(address, json={"text": "patience", "version": 0}) as response:
        status, body = await answer_of(response)
    assert (status, body["error"]["id"]) == (503, "store-unavailable")
    async with client.put(address, json={"text": "patience", "version": 0}) as response:
        assert response.status == 200


@pytest.mark.usefixtures("impatient")
async def test_who_comes_back_after_a_while_sees_their_page_though_nobody_can_write(site: Site) -> None:
    """That the session is in use is noted with a later request: it waits its turn, and gives it up."""
    _, client = await site.signed_in("lise", Role.LISTENER)
    async with site.store.transaction() as session:
        await session.execute(update(SignedInSession).values(used_at=datetime.now(UTC) - timedelta(hours=1)))
    async with held(site.store), site.store.transaction(), client.get(f"{API}/session") as response:
        assert response.status == 200


async def test_saves_of_many_pages_at_once_all_arrive(site: Site) -> None:
    account_id, client = await site.signed_in("lise", Role.LISTENER)
    contacts = [(await site.answered(account_id, f"call-{n}")).contact_id for n in range(12)]

    async def save(contact_id: int) -> int:
        async with client.put(f"{API}/contacts/{contact_id}/notes", json={"text": "x", "version": 0}) as response:
            return response.status

    assert await asyncio.gather(*map(save, contacts)) == [200] * len(contacts)


# --- pages, health, description ---------------------------------------------------------------------------------------


def _built(folder: Path) -> Path:
    (folder / "assets").mkdir()
    (folder / "index.html").write_text("<!doctype html><title>Écoute</title>", encoding="utf-8")
    (folder / "assets" / "main-B4c9_xYz.js").write_text("export const a = 1;\n" * 200, encoding="utf-8")
    (folder.parent / "secret.txt").write_text("secret", encoding="utf-8")
    return folder


async def test_pages_come_with_a_strict_policy_and_the_right_life(open_site: Open, tmp_path: Path) -> None:
    folder = tmp_path / "dist"
    folder.mkdir()
    site = await open_site(pages=_built(folder))
    client = await site.visitor()
    async with client.get("/") as response:
        policy = response.headers["Content-Security-Policy"]
        etag = response.headers["ETag"]
        assert response.headers["Cache-Control"] == "no-cache"
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Permissions-Policy"].startswith("microphone=(self)")
        assert "Server" not in response.headers
        assert response.content_type == "text/html"
    directives = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    assert directives["default-src"] == "'none'"
    assert directives["script-src"] == "'self'"
    assert "ws://localhost:8088" in directives["connect-src"].split()
    assert "unsafe" not in policy
    async with client.get("/", headers={"If-None-Match": etag}) as response:
        assert response.status == 304
    async with client.get("/assets/main-B4c9_xYz.js") as response:
        assert response.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert response.headers["Content-Encoding"] == "gzip"
        assert (await response.text()).startswith("export const a")


@pytest.mark.parametrize("path", ["/../secret.txt", "/%2e%2e/secret.txt", "/..%2fsecret.txt", "/assets/missing.js"])
async def test_nothing_outside_the_pages_is_served(open_site: Open, tmp_path: Path, path: str) -> None:
    folder = tmp_path / "dist"
    folder.mkdir()
    site = await open_site(pages=_built(folder))
    client = await site.visitor()
    async with client.get(URL(f"{site.base}{path}", encoded=True)) as response:
        assert response.status in (400, 404)
        assert await response.text() != "secret"


async def test_pages_that_are_not_built_say_what_to_do(site: Site) -> None:
    client = await site.visitor()
    async with client.get("/") as response:
        assert response.status == 503
        assert "make run" in await response.text()


async def test_health_is_about_the_process_and_readiness_about_its_parts(open_site: Open) -> None:
    site = await open_site(readiness={"pbx": _pbx_is_away})
    client = await site.visitor()
    async with client.get("/healthz") as response:
        assert response.status == 200
    async with client.get("/readyz") as response:
        status, body = await answer_of(response)
    assert (status, body) == (
        503,
        {
            "ready": False,
            "checks": {"store": "ok", "pbx": "failed"},
            "reasons": ["pbx-does-not-answer"],
            "alarms": [],
        },
    )


async def test_the_api_describes_itself(site: Site) -> None:
    client = await site.visitor()
    async with client.get(f"{API}/openapi.json") as response:
        described = await response.json()
    notes = described["paths"]["/api/v1/contacts/{contact_id}/notes"]["put"]
    assert notes["x-right"] == "write-cases"
    assert "409" in notes["responses"]
