"""A served application over a real store of both kinds, and people with their browsers, for tests of the web side."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from service.accounts import routes as account_routes
from service.accounts.rights import Role
from service.accounts.use_cases import make_account
from service.audit import routes as audit_routes
from service.cases import routes as case_routes
from service.cases.use_cases import OpenedContact
from service.drafts import routes as draft_routes
from service.http.app import create_app
from service.http.keys import Change
from service.http.options import HttpOptions
from service.http.routing import SIGNED_IN, RouteTable, Visit
from service.http.system import Check
from service.keys import Keyring
from service.store.engine import Store
from tests.support.contacts import open_contact
from tests.support.web import browser, serving

API = "/api/v1"
SOCKET = "ws://localhost:8088/ws"

live = RouteTable("live")


@live.websocket("/live", right=SIGNED_IN)
async def live_feed(visit: Visit) -> web.StreamResponse:
    """A WebSocket that says who it serves."""
    response = web.WebSocketResponse()
    await response.prepare(visit.request)
    await response.send_str(visit.viewer.username)
    await response.close()
    return response


TABLES = (account_routes.routes, case_routes.routes, draft_routes.routes, audit_routes.routes, live)


@dataclass
class Site:
    """The application of a small line, served."""

    store: Store
    keyring: Keyring
    base: URL
    stack: AsyncExitStack
    changes: list[Change] = field(default_factory=list)

    async def hire(self, username: str, *roles: Role) -> tuple[int, str]:
        """An account: its id and password."""
        async with self.store.transaction() as session:
            made = await make_account(
                session,
                self.keyring,
                username=username,
                display_name=username.title(),
                roles=roles,
                at=datetime.now(UTC),
            )
        return made.account_id, made.password

    async def visitor(self) -> aiohttp.ClientSession:
        """Somebody who is not signed in."""
        return await self.stack.enter_async_context(browser(self.base))

    async def signed_in(self, username: str, *roles: Role) -> tuple[int, aiohttp.ClientSession]:
        """Somebody who is: account id and browser."""
        account_id, password = await self.hire(username, *roles)
        client = await self.visitor()
        async with client.post(f"{API}/session", json={"username": username, "password": password}) as response:
            assert response.status == 200
        return account_id, client

    async def answered(self, account_id: int, call_id: str = "call-1") -> OpenedContact:
        """A call that this listener answered."""
        async with self.store.transaction() as session:
            return await open_contact(
                session,
                self.keyring,
                pbx="pbx1",
                call_id=call_id,
                account_id=account_id,
                number="+33639980101",
                line="+33199003133",
                at=datetime.now(UTC),
            )


Open = Callable[..., Awaitable[Site]]


@pytest.fixture
async def open_site(store: Store, keyring: Keyring) -> AsyncIterator[Open]:
    async with AsyncExitStack() as stack:

        async def make(pages: Path | None = None, readiness: Mapping[str, Check] | None = None) -> Site:
            changes: list[Change] = []

            def application(origins: frozenset[str]) -> web.Application:
                return create_app(
                    store=store,
                    keyring=keyring,
                    tables=TABLES,
                    options=HttpOptions(origins=origins, sockets=(SOCKET,), pages=pages),
                    readiness=readiness,
                    publish=changes.append,
                )

            base = await stack.enter_async_context(serving(application))
            return Site(store, keyring, base, stack, changes)

        yield make


@pytest.fixture
async def site(open_site: Open) -> Site:
    return await open_site()
