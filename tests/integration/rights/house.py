"""The application over a real store, with people of every role in two teams, and a line on which calls are live."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import aiohttp
from aiohttp import web
from sqlalchemy import select
from yarl import URL

from service.accounts.rights import Right, Role, rights_of
from service.accounts.use_cases import make_account, set_active
from service.app import ROUTE_TABLES
from service.audit.model import Action, AuditEntry
from service.calls.known import KnownCaller
from service.calls.lookup import Lookup
from service.calls.numbers import CallerNumbers
from service.cases import use_cases as cases
from service.http.app import create_app
from service.http.keys import Change
from service.http.options import HttpOptions
from service.http.pages import pages
from service.http.routing import Route, RouteTable, all_routes
from service.http.system import system
from service.keys import CallerKeyRing, Keyring
from service.live import LIVE, Live
from service.push.hub import Board
from service.push.presence import Presence
from service.push.views import ListenerContact, Views
from service.settings import from_values
from service.store.engine import Store
from service.world import Line, World
from tests.fakes.links import TakingLink
from tests.integration.rights.records import NOW, TEAMS, Record, Registry
from tests.support.tasks import end
from tests.support.web import browser, serving
from tests.unit.service_live.worlds import PBX, member, talking, waiting, world

API: Final = "/api/v1"
#: a person with many roles, of which nothing is left but the contact that they are in
LEFT: Final = "somebody who was deactivated in a contact"
#: what people are, alone and together
CASTS: Final[dict[str, frozenset[Role]]] = {
    **{role.value: frozenset({role}) for role in Role},
    "listener, supervisor and coordinator": frozenset({Role.LISTENER, Role.SUPERVISOR, Role.COORDINATOR}),
    "every role": frozenset(Role),
    LEFT: frozenset({Role.LISTENER, Role.SUPERVISOR, Role.COORDINATOR}),
}
#: teams of the people who ask; the third centre's records are foreign to all of them
HOMES: Final[tuple[str | None, ...]] = (None, "centre-38")


@dataclass(slots=True)
class Viewer:
    """Somebody who asks, with a browser; `cast` none: nobody is signed in."""

    cast: str
    home: str | None
    client: aiohttp.ClientSession
    account_id: int = 0
    username: str = ""
    password: str = ""
    secret: str = ""  #: of the second step that they set up

    @property
    def roles(self) -> frozenset[Role]:
        return CASTS.get(self.cast, frozenset())

    @property
    def rights(self) -> frozenset[Right]:
        return frozenset() if self.left else rights_of(self.roles)

    @property
    def left(self) -> bool:
        return self.cast == LEFT


class Entry(NamedTuple):
    """What an entry of the audit trail says, but for when."""

    account_id: int | None
    action: Action
    subject: str
    subject_id: str


@dataclass(slots=True)
class House:
    """Everything that a cell needs."""

    store: Store
    keyring: Keyring
    base: URL
    stack: AsyncExitStack
    live: Live
    registry: Registry
    bystanders: dict[str | None, int]
    viewers: list[Viewer] = field(default_factory=list)
    #: (what, account or none for the team's bystander, team) → a live call
    calls: dict[tuple[str, int], str] = field(default_factory=dict)
    shown: dict[int, Record] = field(default_factory=dict)
    #: account → the contact that they are in
    held: dict[int, Record] = field(default_factory=dict)
    #: account → cases of another team that they may see, because its caller calls them
    callers: dict[int, set[int]] = field(default_factory=dict)
    #: all that is on the trail, as far as it was read
    entries: list[Entry] = field(default_factory=list)

    @property
    def world(self) -> World:
        return self.live.world

    def line(self) -> Line:
        return self.world.lines[PBX]

    async def client(self) -> aiohttp.ClientSession:
        return await self.stack.enter_async_context(browser(self.base))

    async def sign_in(self, viewer: Viewer) -> None:
        """The viewer's browser gets a session; a second step that they set up is used."""
        body = {"username": viewer.username, "password": viewer.password}
        async with viewer.client.post(f"{API}/session", json=body) as response:
            assert response.status == 200, await response.text()

    def offer(self, account_id: int) -> Entry:
        """What is known of who rings this listener was shown to them."""
        return Entry(account_id, Action.CASE_SHOWN, "case", str(self.shown[account_id].case_id))

    async def new_entries(self) -> list[Entry]:
        """What was put on the trail since this was last asked."""
        async with self.store.reading() as session:
            rows = await session.execute(
                select(AuditEntry.account_id, AuditEntry.action, AuditEntry.subject, AuditEntry.subject_id)
                .where(AuditEntry.seq > len(self.entries))
                .order_by(AuditEntry.seq)
            )
            fresh = [Entry(*row) for row in rows]
        self.entries += fresh
        return fresh


def every_route() -> list[Route]:
    """All that the application answers to."""
    return all_routes([*system({}, dict), *ROUTE_TABLES, pages(None)])


@asynccontextmanager
async def open_house(
    store: Store,
    keyring: Keyring,
    *,
    tables: Sequence[RouteTable] = ROUTE_TABLES,
    casts: Iterable[str] = CASTS,
    **options: Any,
) -> AsyncIterator[House]:
    """People, records and live calls; ends with all its browsers. `tables`: what the application is made of."""
    async with AsyncExitStack() as stack:
        ids = {team: (await _hire(store, keyring, f"by-{TEAMS[team]}", {Role.LISTENER}, team))[0] for team in TEAMS}
        live = quiet_line(store, keyring)
        changes: list[Change] = []

        def application(origins: frozenset[str]) -> web.Application:
            app = create_app(
                store=store,
                keyring=keyring,
                tables=tables,
                options=HttpOptions(origins=origins, sockets=("ws://localhost:8088/ws",), **options),
                publish=changes.append,
            )
            app[LIVE] = live
            return app

        base = await stack.enter_async_context(serving(application))
        house = House(store, keyring, base, stack, live, Registry(keyring, ids), ids)
        house.viewers = [await _arrive(house, cast, home) for cast in casts for home in HOMES]
        house.viewers.append(Viewer("nobody", None, await house.client()))
        await _busy(house)
        for viewer in house.viewers:
            if viewer.left:
                await _leave(house, viewer)
        worker = asyncio.create_task(live.lookup.run())
        try:
            await _told(house)
            yield house
        finally:
            await end(worker)


async def _hire(
    store: Store, keyring: Keyring, username: str, roles: set[Role] | frozenset[Role], home: str | None
) -> tuple[int, str]:
    async with store.transaction() as session:
        made = await make_account(
            session, keyring, username=username, display_name=username.title(), roles=roles, at=NOW, centre=home
        )
    return made.account_id, made.password


async def _arrive(house: House, cast: str, home: str | None) -> Viewer:
    username = f"v{len(house.viewers)}-{list(CASTS).index(cast)}-{TEAMS[home]}"
    account_id, password = await _hire(house.store, house.keyring, username, CASTS[cast], home)
    viewer = Viewer(cast, home, await house.client(), account_id, username, password)
    await house.sign_in(viewer)
    return viewer


async def _leave(house: House, viewer: Viewer) -> None:
    """Deactivated while they talk, with their phone in this browser."""
    async with viewer.client.post(f"{API}/phone", json={}) as response:
        assert response.status == 200, await response.text()
    async with house.store.transaction() as session:
        await set_active(session, house.keyring, username=viewer.username, active=False, at=datetime.now(UTC))


def quiet_line(store: Store, keyring: Keyring) -> Live:
    """A line without calls, whose PBX takes every command."""
    lookup = Lookup(store, keyring, CallerNumbers(CallerKeyRing(), "FR"))
    board = Board()
    made = world()
    views = Views(made, board, lookup)
    lookup.tell = views.learn
    live = Live(from_values(), made, board, views, Presence(), lookup)
    live.links[PBX] = TakingLink()  # type: ignore[assignment]
    live.phones[PBX] = _known_phone
    live.websocket_urls[live.settings.pbx[0].id] = "ws://localhost:8088/ws"
    return live


async def _known_phone(_endpoint: str, _password: str) -> None:
    """The PBX knows the phone."""


async def _told(house: House) -> None:
    """The offers that are shown are on the trail."""
    shown = {house.offer(account_id) for account_id in house.shown}
    for _ in range(500):
        await house.new_entries()
        if shown <= set(house.entries):
            return
        await asyncio.sleep(0.02)
    raise AssertionError("offers that were shown are not on the trail")


async def _busy(house: House) -> None:
    """For each listener: a caller who rings, known from a case of the listener's team; a conversation; its contact."""
    people = [
        (viewer.account_id, viewer.home) for viewer in house.viewers if viewer.left or Right.TAKE_CALLS in viewer.rights
    ]
    people += [(account_id, team) for team, account_id in house.bystanders.items()]
    async with house.store.transaction() as session:
        for account_id, team in people:
            known = house.registry.make(session, team)
            rings = waiting(f"ca11{TEAMS[team]}-1111-4000-8000-{account_id:012}")
            rings.ringing = {f"PJSIP/l{account_id}": f"PJSIP/l{account_id}-1"}
            house.registry.ring_again(session, known, rings.call_id)
            contact = house.registry.make(session, team, in_contact=account_id)
            talks = talking(contact.call_id, f"PJSIP/l{account_id}", f"PJSIP/l{account_id}-2")
            await session.flush()
            found = await cases.known(session, known.number_index, account_id=account_id, call_id=rings.call_id)
            house.world.known[rings.call_id] = KnownCaller(found)
            state = await cases.contact_state(session, contact.contact_id)
            assert state is not None
            view = state.model_dump(mode="json")
            house.live.views.set_contact(account_id, ListenerContact(contact.contact_id, contact.call_id, view))
            house.shown[account_id] = known
            house.held[account_id] = contact
            for what, call in (("rings", rings), ("talks", talks)):
                house.calls[what, account_id] = call.call_id
                house.line().state.calls[call.call_id] = call
            house.line().state.members[f"PJSIP/l{account_id}"] = member(f"PJSIP/l{account_id}")
    house.live.views.refresh_all(1_000.0)
    house.live.board.flush()
