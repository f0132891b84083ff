"""What holds at every door alike: security headers on whatever is answered, no other site's page, a person's pace."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path

import aiohttp
import pytest
from aiohttp import WSServerHandshakeError, web
from sqlalchemy import delete, select, text, update

from service.accounts.rights import Right, Role
from service.accounts.use_cases import make_account
from service.app import PAGES, ROUTE_TABLES
from service.audit.anchors import Anchors
from service.audit.model import AuditEntry, AuditHead
from service.http.app import create_app
from service.http.cookie import COOKIE
from service.http.options import HttpOptions
from service.http.routing import PUBLIC, Route, RouteTable, Visit
from service.keys import Keyring
from service.live import LIVE
from service.store.engine import Store
from tests.integration.rights.house import API, every_route, quiet_line
from tests.integration.rights.records import NOW
from tests.support.web import browser, serving

SOCKET = "wss://pbx.example:8089/ws"
#: of every answer, whatever it is; connect-src is looked at by itself
HEADERS = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self'",
    "font-src": "'self'",
    "manifest-src": "'self'",
    "media-src": "'self' blob: mediastream:",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
}
#: what keeps a call going, or a listener in reach of one: never slowed down
ON_A_CALLS_WAY = (
    "POST /api/v1/phone",
    "POST /api/v1/listener/sign-in",
    "POST /api/v1/listener/sign-out",
    "POST /api/v1/listener/pause",
    "POST /api/v1/listener/resume",
    "POST /api/v1/calls/{call_id}/end",
    "GET /api/v1/calls/{call_id}/known",
    "POST /api/v1/calls/{call_id}/known/confirm",
    "PUT /api/v1/contacts/{contact_id}/notes",
    "GET /api/v1/drafts",
    "GET /api/v1/session",
    "GET /api/v1/live",
)


class Clock:
    """The time, which a test moves."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@dataclass
class Doors:
    """The application, and somebody who is signed in."""

    client: aiohttp.ClientSession
    stranger: aiohttp.ClientSession
    clock: Clock
    body: dict[str, str]
    account_id: int
    anchors: Path
    keeper: Anchors

    def token(self) -> str:
        """What the browser has."""
        (cookie,) = [one for one in self.client.cookie_jar if one.key == COOKIE]
        return cookie.value


@pytest.fixture
async def doors(sqlite_store: Store, keyring: Keyring, tmp_path: Path) -> AsyncIterator[Doors]:
    clock, failing = Clock(), RouteTable("failing")

    @failing.raw("/fails", right=PUBLIC)
    async def fails(_visit: Visit) -> web.StreamResponse:
        """Nobody foresaw this."""
        raise LookupError("secret")

    folder = tmp_path / "dist"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text("<!doctype html><title>Écoute</title>", encoding="utf-8")
    (folder / "assets" / "main-B4c9_xYz.js").write_text("export const a = 1;\n" * 200, encoding="utf-8")

    def application(origins: frozenset[str]) -> web.Application:
        app = create_app(
            store=sqlite_store,
            keyring=keyring,
            tables=[*ROUTE_TABLES, failing],
            options=HttpOptions(origins=origins, sockets=(SOCKET,), pages=folder, audit_anchors=tmp_path / "anchors"),
            clock=clock,
        )
        app[LIVE] = quiet_line(sqlite_store, keyring)
        return app

    async with sqlite_store.transaction() as session:
        made = await make_account(session, keyring, username="lise", display_name="Lise", roles=set(Role), at=NOW)
    body = {"username": "lise", "password": made.password}
    async with serving(application) as base, browser(base) as client, browser(base) as stranger:
        async with client.post(f"{API}/session", json=body) as response:
            assert response.status == 200
        kept = tmp_path / "anchors"
        keeper = Anchors(sqlite_store, keyring, kept)
        yield Doors(client, stranger, clock, body, made.account_id, kept, keeper)


def _hold(response: aiohttp.ClientResponse) -> None:
    """The headers are those of every answer."""
    headers = response.headers
    what = f"{response.method} {response.url.path} {response.status}"
    assert {name: headers.get(name) for name in HEADERS} == HEADERS, what
    directives = dict(part.strip().split(" ", 1) for part in headers["Content-Security-Policy"].split(";"))
    reached = set(directives.pop("connect-src").split())
    assert directives == POLICY, what
    port = response.url.port
    own = {f"ws://{host}:{port}" for host in ("localhost", "127.0.0.1")}
    assert reached == {"'self'", "wss://pbx.example:8089", *own}, what
    assert "camera=()" in headers["Permissions-Policy"], what
    assert "microphone=(self)" in headers["Permissions-Policy"], what
    assert "Server" not in headers, what
    if response.url.path.startswith(API):
        assert headers["Cache-Control"] == "no-store", what


def _address(route: Route) -> str:
    words = dict.fromkeys(("contact_id", "case_id", "session_id"), 777) | {"call_id": "c1", "path": ""}
    return route.address.replace("{path:.*}", "{path}").format(**words)


async def test_every_route_answers_with_the_headers_whoever_asks_and_however_badly(doors: Doors) -> None:
    routes = [route for route in every_route() if (route.method, route.address) != ("DELETE", f"{API}/session")]
    seen = set()
    for route in routes:
        for client in (doors.client, doors.stranger):
            for body in (None, "no json"):
                async with client.request(route.method, _address(route), json=body) as response:
                    _hold(response)
                    seen.add(response.status)
    assert {200, 400, 401, 404, 422} <= seen, seen


@pytest.mark.parametrize(
    ("method", "path", "more", "status"),
    [
        ("GET", "/api/v1/fails", {}, 500),
        ("GET", "/api/v1/nothing", {}, 404),
        ("GET", "/assets/nothing.js", {}, 404),
        ("GET", "/assets/main-B4c9_xYz.js", {}, 200),
        ("GET", "/", {}, 200),
        ("HEAD", "/", {}, 405),
        ("OPTIONS", "/api/v1/session", {}, 405),
        ("PATCH", "/api/v1/contacts/1", {}, 405),
        ("PUT", "/api/v1/contacts/1/notes", {"data": io.BytesIO(b"x" * 1_100_000)}, 413),
        ("POST", "/api/v1/session", {"headers": {"Origin": "https://evil.example"}}, 403),
        ("GET", "/api/v1/live", {}, 400),
    ],
)
async def test_errors_and_files_have_them_as_well(
    doors: Doors, method: str, path: str, more: dict[str, object], status: int
) -> None:
    if "data" in more:
        more = more | {"headers": {"Content-Type": "application/json"}}
    async with doors.client.request(method, path, **more) as response:  # type: ignore[arg-type]
        _hold(response)
        assert response.status == status
        assert "secret" not in await response.text()


async def test_a_file_that_did_not_change_and_a_socket_that_opens_have_them(doors: Doors) -> None:
    async with doors.client.get("/") as response:
        etag = response.headers["ETag"]
    async with doors.client.get("/", headers={"If-None-Match": etag}) as response:
        assert response.status == 304
        _hold(response)
    async with doors.client.ws_connect(f"{API}/live") as socket:
        _hold(socket._response)


# --- other sites ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost:1", "http://127.0.0.1", ""])
async def test_no_other_site_s_page_changes_anything_or_opens_a_socket_on_any_route(doors: Doors, origin: str) -> None:
    guarded = [route for route in every_route() if route.method != "GET" or route.websocket]
    assert len(guarded) > 15
    for route in guarded:
        headers = {"Origin": origin}
        if route.websocket:
            with pytest.raises(WSServerHandshakeError) as caught:
                await doors.client.ws_connect(_address(route), headers=headers)
            assert caught.value.status == 403
            continue
        async with doors.client.request(route.method, _address(route), json={}, headers=headers) as response:
            assert response.status == 403, route
            assert (await response.json())["error"]["id"] == "origin-refused"


async def test_a_socket_without_an_origin_is_refused(doors: Doors) -> None:
    async with aiohttp.ClientSession(cookie_jar=doors.client.cookie_jar) as bare:
        with pytest.raises(WSServerHandshakeError) as caught:
            await bare.ws_connect(doors.client._base_url / "api/v1/live")  # type: ignore[operator]
    assert caught.value.status == 403


# --- another person in the same browser -------------------------------------------------------------------------------


async def test_what_a_page_asks_in_one_person_s_name_is_never_done_in_another_one_s(doors: Doors) -> None:
    guarded = [route for route in every_route() if route.need is not PUBLIC and not route.websocket]
    assert len(guarded) > 15
    for route in guarded:
        as_another = {"X-Ecoute-Account": str(doors.account_id + 1)}
        async with doors.client.request(route.method, _address(route), json={}, headers=as_another) as response:
            assert response.status == 401, route
            assert (await response.json())["error"]["id"] == "another-account"
    async with doors.client.get(f"{API}/session", headers={"X-Ecoute-Account": str(doors.account_id)}) as response:
        assert response.status == 200


# --- the audit trail --------------------------------------------------------------------------------------------------


async def _chain(doors: Doors) -> dict[str, object]:
    async with doors.client.get(f"{API}/audit/chain") as response:
        assert response.status == 200
        found: dict[str, object] = await response.json()
        return found


async def test_a_trail_whose_end_was_cut_off_is_told_on_the_web_as_well(doors: Doors, sqlite_store: Store) -> None:
    async with doors.client.get(f"{API}/audit") as response:
        assert response.status == 200
    await doors.keeper.drop()
    found = await _chain(doors)
    last = found["last"]
    assert isinstance(last, int)
    assert (found["anchored"], found["missing_from"], found["anchors_damaged"]) == (last, None, None)
    async with sqlite_store.transaction() as session:
        for name in ("audit_entry_keep", "audit_entry_purge"):
            await session.execute(text(f"DROP TRIGGER {name}"))
        before = (await session.execute(select(AuditEntry).where(AuditEntry.seq == last - 1))).scalar_one()
        await session.execute(update(AuditHead).values(last_seq=before.seq, last_hash=before.hash))
        await session.execute(delete(AuditEntry).where(AuditEntry.seq == last))
    found = await _chain(doors)
    assert (found["broken_at"], found["missing_from"]) == (None, last)
    doors.anchors.write_bytes(b"{}\n" + doors.anchors.read_bytes())
    assert (await _chain(doors))["anchors_damaged"] == 1


# --- the session's cookie ---------------------------------------------------------------------------------------------


async def test_the_token_is_renewed_in_passing_and_nothing_under_way_is_refused(doors: Doors) -> None:
    first = doors.token()
    doors.clock.now += timedelta(days=1, minutes=1)

    async def ask() -> int:
        async with doors.client.get(f"{API}/session") as response:
            return response.status

    assert await asyncio.gather(*(ask() for _ in range(8))) == [200] * 8
    second = doors.token()
    assert second != first
    assert await ask() == 200
    doors.clock.now += timedelta(minutes=10)
    assert (await ask(), doors.token()) == (200, second)
    async with doors.stranger.get(f"{API}/session", headers={"Cookie": f"{COOKIE}={first}"}) as response:
        assert response.status == 401, "the old one opens nothing any more"


async def test_neither_a_file_that_caches_may_keep_nor_a_socket_carries_a_cookie(doors: Doors) -> None:
    token = doors.token()
    doors.clock.now += timedelta(days=2)
    for path in ("/", "/assets/main-B4c9_xYz.js", "/api/v1/openapi.json", "/healthz"):
        async with doors.client.get(path) as response:
            assert "Set-Cookie" not in response.headers, path
    async with doors.client.ws_connect(f"{API}/live") as socket:
        assert "Set-Cookie" not in socket._response.headers
        assert doors.token() == token
        async with doors.client.get(f"{API}/session") as response:
            assert "Set-Cookie" in response.headers
        doors.clock.now += timedelta(days=1)
        assert not socket.closed, "a page that is open stays open whatever becomes of tokens"


async def test_an_old_token_does_not_push_the_new_one_out_of_the_browser(doors: Doors) -> None:
    first = doors.token()
    doors.clock.now += timedelta(days=1)
    async with doors.client.get(f"{API}/session") as response:
        assert "Set-Cookie" in response.headers
    async with doors.client.get(f"{API}/session") as response:
        assert response.status == 200, "the new one came back"
    doors.clock.now += timedelta(seconds=30)
    async with doors.stranger.get(f"{API}/session", headers={"Cookie": f"{COOKIE}={first}"}) as response:
        assert (response.status, response.headers.get("Set-Cookie")) == (200, None)


# --- pace -------------------------------------------------------------------------------------------------------------


async def test_what_is_dear_is_slowed_down_by_session_and_says_when_again(doors: Doors) -> None:
    statuses = []
    for _ in range(8):
        async with doors.client.get(f"{API}/audit/chain") as response:
            statuses.append(response.status)
            wait = response.headers.get("Retry-After")
    assert statuses == [200] * 6 + [429] * 2
    assert wait is not None
    assert 1 <= int(wait) <= 10
    async with doors.stranger.post(f"{API}/session", json=doors.body) as response:
        assert response.status == 200
    async with doors.stranger.get(f"{API}/audit/chain") as response:
        assert response.status == 200, "another session has a share of its own"
    async with doors.client.get(f"{API}/audit") as response:
        assert response.status == 200, "so has another route"


def test_nothing_on_a_calls_way_has_a_limit() -> None:
    limited = {f"{route.method} {route.address}" for route in every_route() if route.per_minute is not None}
    known = {f"{route.method} {route.address}" for route in every_route()}
    assert set(ON_A_CALLS_WAY) <= known
    assert not limited & set(ON_A_CALLS_WAY)
    assert not [route for route in every_route() if route.need is Right.TAKE_CALLS and route.per_minute is not None]
    assert limited


@pytest.mark.parametrize("address", ["/cases/{}", "/contacts/{}", "/calls/c{}/contact"])
async def test_a_session_that_was_stolen_does_not_read_one_case_after_another_at_full_speed(
    doors: Doors, address: str
) -> None:
    for opened in range(600):
        async with doors.client.get(f"{API}{address.format(opened)}") as response:
            if response.status == 429:
                break
    assert 60 < opened < 599, "somebody at work opens sixty in a minute"


# --- the built pages --------------------------------------------------------------------------------------------------


class _Inline(HTMLParser):
    """What a strict policy would not run."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = dict(attrs)
        self.found += [name for name in names if name == "style" or name.startswith("on")]
        if tag == "style" or (tag == "script" and "src" not in names):
            self.found.append(tag)


@pytest.mark.skipif(not PAGES.is_dir(), reason="the pages are not built: make setup")
def test_the_built_page_has_nothing_inline() -> None:
    reader = _Inline()
    reader.feed((PAGES / "index.html").read_text(encoding="utf-8"))
    assert reader.found == []
