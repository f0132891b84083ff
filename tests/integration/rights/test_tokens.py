"""The session's cookie at the door, on both databases: late answers, tokens that were replaced; proxies."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta

import aiohttp
import pytest
from aiohttp import web

from service.accounts.rights import Role
from service.accounts.use_cases import make_account
from service.app import ROUTE_TABLES
from service.audit import queries as audit
from service.audit.model import Action
from service.http.app import create_app
from service.http.cookie import COOKIE
from service.http.options import HttpOptions
from service.http.routing import SIGNED_IN, RouteTable, Visit
from service.keys import Keyring
from service.live import LIVE
from service.store.engine import Store
from tests.integration.rights.house import API, quiet_line
from tests.integration.rights.records import NOW
from tests.integration.rights.test_doors import Clock
from tests.support.web import browser, serving


@dataclass
class Door:
    """Somebody who is signed in, a browser that is not, and a route that answers when it is let."""

    clock: Clock = field(default_factory=Clock)
    inside: asyncio.Event = field(default_factory=asyncio.Event)
    let: asyncio.Event = field(default_factory=asyncio.Event)
    client: aiohttp.ClientSession = field(init=False)
    stranger: aiohttp.ClientSession = field(init=False)

    def token(self) -> str:
        """What the browser has."""
        (cookie,) = [one for one in self.client.cookie_jar if one.key == COOKIE]
        return cookie.value

    async def ask(self) -> int:
        """By the browser of who is signed in."""
        async with self.client.get(f"{API}/session") as response:
            return response.status


@pytest.fixture
async def door(store: Store, keyring: Keyring) -> AsyncIterator[Door]:
    door, table = Door(), RouteTable("slow")

    @table.raw("/slow", right=SIGNED_IN)
    async def slow(_visit: Visit) -> web.StreamResponse:
        """Answers when it is let."""
        door.inside.set()
        await door.let.wait()
        return web.Response()

    def application(origins: frozenset[str]) -> web.Application:
        options = HttpOptions(origins=origins | {"https://ecoute.example"})
        tables = [*ROUTE_TABLES, table]
        app = create_app(store=store, keyring=keyring, tables=tables, options=options, clock=door.clock)
        app[LIVE] = quiet_line(store, keyring)
        return app

    async with store.transaction() as session:
        made = await make_account(session, keyring, username="lise", display_name="Lise", roles=set(Role), at=NOW)
    async with serving(application) as base, browser(base) as door.client, browser(base) as door.stranger:
        body = {"username": "lise", "password": made.password}
        async with door.client.post(f"{API}/session", json=body) as response:
            assert response.status == 200
        yield door


async def test_an_answer_that_took_long_does_not_put_back_a_token_that_was_renewed_meanwhile(door: Door) -> None:
    first = door.token()
    door.clock.now += timedelta(days=1) - timedelta(seconds=1)  # its use is to be noted, its renewal not yet due
    slow = asyncio.create_task(door.client.get(f"{API}/slow"))
    await asyncio.wait_for(door.inside.wait(), 30)
    door.clock.now += timedelta(seconds=2)
    assert await door.ask() == 200
    second = door.token()
    door.let.set()
    async with await slow as response:
        assert (response.status, response.headers.get("Set-Cookie")) == (200, None)
    assert door.token() == second != first


async def test_the_old_token_gets_the_same_new_one_however_often_until_that_came_back(door: Door) -> None:
    first = {"Cookie": f"{COOKIE}={door.token()}"}
    door.clock.now += timedelta(days=1)
    assert await door.ask() == 200
    for _ in range(3):
        door.clock.now += timedelta(minutes=2)
        async with door.stranger.get(f"{API}/session", headers=first) as response:
            assert response.cookies[COOKIE].value == door.token()
        door.stranger.cookie_jar.clear()
    assert await door.ask() == 200, "nobody took it from them"
    async with door.stranger.get(f"{API}/session", headers=first) as response:
        assert (response.status, response.headers.get("Set-Cookie")) == (200, None)


async def test_a_token_that_was_replaced_long_ago_ends_the_session_and_is_on_the_trail_once(
    door: Door, store: Store
) -> None:
    first = door.token()
    door.clock.now += timedelta(days=1)
    assert [await door.ask(), await door.ask()] == [200, 200]
    door.clock.now += timedelta(minutes=6)
    for _ in range(3):
        async with door.stranger.get(f"{API}/session", headers={"Cookie": f"{COOKIE}={first}"}) as response:
            assert response.status == 401
    async with store.reading() as session:
        actions = [entry.action for entry in await audit.entries(session)]
    assert actions.count(Action.TOKEN_REPLAYED) == 1
    assert await door.ask() == 401, "it is not known which of the two browsers is the person's"


async def test_a_browser_that_came_through_a_proxy_that_encrypts_is_told_to_stay_with_https(door: Door) -> None:
    for headers, told in (({"Host": "ecoute.example"}, "max-age=31536000"), ({}, None)):
        async with door.stranger.get("/healthz", headers=headers) as response:
            assert response.headers.get("Strict-Transport-Security") == told
