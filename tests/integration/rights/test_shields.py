"""From the lookup to the offer, over the real store: what people say of a number reaches whoever is on the line."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import aiohttp
import pytest
from aiohttp import web

from pbx.facts import CallEntered, ListenerRung, PbxConnected, Stage
from service.accounts.rights import Role
from service.accounts.use_cases import make_account
from service.app import ROUTE_TABLES
from service.audit.model import Action
from service.audit.queries import entries
from service.calls.known import KnownCaller
from service.calls.lookup import Question
from service.calls.model import Call, NumberKind
from service.cases import use_cases as cases
from service.cases.use_cases import OpenedContact
from service.http.app import create_app
from service.http.options import HttpOptions
from service.keys import Keyring
from service.live import LIVE, Live
from service.pump import Pump
from service.push.audiences import Kind
from service.store.engine import Store
from tests.integration.rights.house import API, quiet_line
from tests.integration.rights.records import NOW
from tests.integration.store.test_store_stop import service_of
from tests.support.caller_tokens import KEY, token
from tests.support.contacts import open_contact
from tests.support.tasks import end
from tests.support.web import browser, serving
from tests.unit.service_live.test_pump import FakeLink, FakeRecorder
from tests.unit.service_live.worlds import PBX, talking, waiting

NUMBER, ANOTHER = "+33639980101", "+33639980102"


@dataclass
class Desk:
    """Lise and Paul listen. `link`: a PBX of the test's own; everything else is the service's."""

    store: Store
    keyring: Keyring
    live: Live
    link: FakeLink
    pump: Pump
    clients: dict[str, aiohttp.ClientSession] = field(default_factory=dict)
    ids: dict[str, int] = field(default_factory=dict)

    async def talked(self, who: str, call_id: str, number: str = NUMBER, *, department: str = "") -> OpenedContact:
        """Somebody took a call from this number; its case is a draft, or was kept."""
        async with self.store.transaction() as session:
            session.add(
                Call(
                    pbx=PBX,
                    call_id=call_id,
                    line="+33199003133",
                    arrived_at=NOW,
                    number_kind=NumberKind.GIVEN,
                    number_index=self.keyring.blind_index(number),
                )
            )
            opened = await open_contact(
                session,
                self.keyring,
                pbx=PBX,
                call_id=call_id,
                account_id=self.ids[who],
                number=number,
                line="",
                at=NOW,
            )
        if department:
            assert await self.asks(who, "POST", f"/cases/{opened.case_id}/keep", {"department": department}) == 200
        return opened

    async def asks(self, who: str, method: str, path: str, body: object = None) -> int:
        """The status of the answer."""
        async with self.clients[who].request(method, f"{API}{path}", json=body) as response:
            await response.read()
            return response.status

    def enters(self, call_id: str, number: str = NUMBER) -> None:
        call = self.link.state.calls[call_id] = waiting(call_id)
        call.caller_token = token(number)
        self.pump.take(
            [
                CallEntered(
                    pbx=PBX,
                    at=self.pump.now(),
                    call_id=call_id,
                    ordinal=1,
                    line="+33199003133",
                    caller_token=call.caller_token,
                    arrived=1000,
                )
            ]
        )

    def rings(self, call_id: str, who: str) -> None:
        interface = f"PJSIP/l{self.ids[who]}"
        self.link.state.calls[call_id].ringing = {interface: f"{interface}-0001"}
        fact = ListenerRung(
            pbx=PBX, at=self.pump.now(), call_id=call_id, ordinal=5, interface=interface, queue="national"
        )
        self.pump.take([fact])

    def offer(self, call_id: str, who: str) -> Mapping[str, Any]:
        found = self.live.board.value(Kind.OFFER, call_id, self.ids[who])
        assert found is not None
        return found

    def told(self, call_id: str, who: str) -> tuple[bool, int, int]:
        """Of the offer: whether it is shielded, earlier contacts, cases."""
        offer = self.offer(call_id, who)
        return offer["shielded"], offer["contacts"], len(offer["cases"])

    async def until(self, done: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not done():
                await asyncio.sleep(0.01)

    async def looked_up(self, call_id: str, found: int) -> None:
        """The service has found so many cases of the caller."""
        known = self.live.world.known
        await self.until(lambda: call_id in known and len(known[call_id].known.cases) == found)


@pytest.fixture
async def desk(store: Store, keyring: Keyring) -> AsyncIterator[Desk]:
    live, link = quiet_line(store, keyring), FakeLink()
    live.lookup._numbers.keys.add("k1", KEY)
    pump = Pump(
        link,  # type: ignore[arg-type]
        world=live.world,
        views=live.views,
        presence=live.presence,
        recorder=cast("Any", FakeRecorder()),
        lookup=live.lookup,
        on_connected=lambda _pbx: None,
    )
    pump.take([PbxConnected(pbx=PBX, at=pump.now(), version="22.10.1")])
    service = service_of(store, live)

    def application(origins: frozenset[str]) -> web.Application:
        options = HttpOptions(origins=origins, sockets=("ws://localhost:8088/ws",))
        app = create_app(store=store, keyring=keyring, tables=ROUTE_TABLES, options=options, publish=service.publish)
        app[LIVE] = live
        return app

    made = Desk(store, keyring, live, link, pump)
    worker = asyncio.create_task(live.lookup.run())
    try:
        async with serving(application) as base, browser(base) as lise, browser(base) as paul:
            for name, client in (("lise", lise), ("paul", paul)):
                async with store.transaction() as session:
                    account = await make_account(
                        session, keyring, username=name, display_name=name, roles={Role.LISTENER}, at=NOW
                    )
                made.ids[name], made.clients[name] = account.account_id, client
                body = {"username": name, "password": account.password}
                async with client.post(f"{API}/session", json=body) as response:
                    assert response.status == 200
            yield made
    finally:
        await end(worker)


async def test_a_shield_reaches_a_caller_who_waits_already(desk: Desk) -> None:
    contact = await desk.talked("lise", "call-1", department="38")
    desk.enters("call-2")
    await desk.looked_up("call-2", 1)
    assert desk.live.world.known_department("call-2") == "38"
    shield = f"/contacts/{contact.contact_id}/shield"
    assert await desk.asks("lise", "PUT", shield, {"shielded": True}) == 200
    desk.rings("call-2", "paul")
    assert desk.told("call-2", "paul")[1:] == (0, 0)
    await desk.until(lambda: desk.told("call-2", "paul") == (True, 0, 0))
    assert desk.live.world.known_department("call-2") == "", "nothing is decided by a number that the accused may use"


async def test_a_shield_takes_away_what_a_phone_rings_with(desk: Desk) -> None:
    contact = await desk.talked("lise", "call-1")
    desk.enters("call-2")
    desk.rings("call-2", "paul")
    await desk.until(lambda: desk.told("call-2", "paul") == (False, 1, 1))
    shield = f"/contacts/{contact.contact_id}/shield"
    assert await desk.asks("lise", "PUT", shield, {"shielded": True}) == 200
    assert desk.told("call-2", "paul")[1:] == (0, 0), "at once, before it is looked up anew"
    await desk.until(lambda: desk.told("call-2", "paul") == (True, 0, 0))
    assert await desk.asks("lise", "PUT", shield, {"shielded": False}) == 200
    await desk.until(lambda: desk.told("call-2", "paul") == (False, 1, 1))


async def test_a_caller_whose_listener_shielded_them_and_crashed_rings_shielded(desk: Desk) -> None:
    await desk.talked("paul", "call-0")
    desk.enters("call-1")
    await desk.looked_up("call-1", 1)
    contact = await desk.talked("lise", "call-1")
    call = desk.link.state.calls["call-1"]
    call.stage, call.listener = Stage.TALKING, f"PJSIP/l{desk.ids['lise']}"
    shield = f"/contacts/{contact.contact_id}/shield"
    assert await desk.asks("lise", "PUT", shield, {"shielded": True}) == 200
    call.stage = Stage.LOST
    for who in ("lise", "paul"):
        desk.rings("call-1", who)
        await desk.until(lambda: desk.told("call-1", who) == (True, 0, 0))  # noqa: B023


async def test_a_shield_hides_nothing_of_another_caller_not_even_for_a_moment(desk: Desk) -> None:
    contact = await desk.talked("lise", "call-1")
    await desk.talked("paul", "call-2", ANOTHER)
    desk.enters("call-3", ANOTHER)
    desk.rings("call-3", "paul")
    await desk.until(lambda: desk.told("call-3", "paul") == (False, 1, 1))
    shown: list[tuple[bool, int, int]] = []
    tell = desk.live.lookup.tell

    def heard(question: Question, known: KnownCaller) -> None:
        shown.append(desk.told("call-3", "paul"))
        tell(question, known)
        shown.append(desk.told("call-3", "paul"))

    desk.live.lookup.tell = heard
    shield = f"/contacts/{contact.contact_id}/shield"
    assert await desk.asks("lise", "PUT", shield, {"shielded": True}) == 200
    await desk.until(lambda: bool(shown))
    assert set(shown) == {(False, 1, 1)}


async def test_what_was_read_before_a_shield_is_not_told_after_it(desk: Desk) -> None:
    contact = await desk.talked("lise", "call-1")
    read, going, go = desk.live.lookup._read, asyncio.Event(), asyncio.Event()

    async def slowly(question: Question) -> KnownCaller:
        found = await read(question)
        going.set()
        await go.wait()
        return found

    desk.live.lookup._read = slowly  # type: ignore[method-assign]
    desk.enters("call-2")
    desk.rings("call-2", "paul")
    await going.wait()
    shield = f"/contacts/{contact.contact_id}/shield"
    assert await desk.asks("lise", "PUT", shield, {"shielded": True}) == 200
    go.set()
    await desk.until(lambda: desk.offer("call-2", "paul")["number"] != "unavailable")
    assert desk.told("call-2", "paul") == (True, 0, 0)


async def test_a_case_that_was_discarded_is_offered_no_more(desk: Desk) -> None:
    contact = await desk.talked("lise", "call-1")
    desk.enters("call-2")
    desk.rings("call-2", "paul")
    await desk.until(lambda: desk.told("call-2", "paul") == (False, 1, 1))
    assert await desk.asks("lise", "POST", f"/cases/{contact.case_id}/discard", {"reason": "hoax"}) == 200
    await desk.until(lambda: desk.told("call-2", "paul") == (False, 0, 0))


async def test_a_caller_who_is_talked_with_is_looked_up_anew_when_they_ring_again(desk: Desk) -> None:
    contact = await desk.talked("lise", "call-1")
    desk.enters("call-2")
    await desk.looked_up("call-2", 1)
    call = desk.link.state.calls["call-2"] = talking("call-2", f"PJSIP/l{desk.ids['paul']}")
    call.caller_token = token(NUMBER)
    assert await desk.asks("lise", "POST", f"/cases/{contact.case_id}/discard", {"reason": "hoax"}) == 200
    call.stage = Stage.LOST
    desk.rings("call-2", "paul")
    await desk.until(lambda: desk.told("call-2", "paul") == (False, 0, 0))


# --- who is speaking --------------------------------------------------------------------------------------------------


async def _trail(desk: Desk) -> list[Action]:
    async with desk.store.reading() as session:
        return [entry.action for entry in await entries(session)]


async def test_who_is_speaking_cannot_be_confirmed_before_anybody_speaks(desk: Desk) -> None:
    contact = await desk.talked("lise", "call-1")
    assert await desk.asks("lise", "PUT", f"/contacts/{contact.contact_id}/shield", {"shielded": True}) == 200
    desk.enters("call-2")
    desk.rings("call-2", "paul")
    before = await _trail(desk)
    for method, path in (("POST", "known/confirm"), ("GET", "known?confirmed=true")):
        async with desk.clients["paul"].request(method, f"{API}/calls/call-2/{path}") as response:
            assert (await response.json()).get("cases", []) == [], path
    assert await desk.asks("paul", "POST", "/calls/call-2/known/confirm", {}) == 404
    assert await _trail(desk) == before

    call = desk.link.state.calls["call-2"]
    call.stage, call.ringing, call.listener = Stage.TALKING, {}, f"PJSIP/l{desk.ids['paul']}"
    await desk.talked("paul", "call-2")
    async with desk.clients["paul"].post(f"{API}/calls/call-2/known/confirm", json={}) as response:
        assert [case["case_id"] for case in (await response.json())["cases"]] == [contact.case_id]
    assert await _trail(desk) == [*before, Action.SPEAKER_CONFIRMED, Action.CASE_SHOWN]
    assert await desk.asks("lise", "POST", "/calls/call-2/known/confirm", {}) == 404, "it is Paul who talks"


async def test_the_writing_up_of_another_call_is_no_contact_with_the_one_that_rings(desk: Desk) -> None:
    contact = await desk.talked("lise", "call-1")
    assert await desk.asks("lise", "PUT", f"/contacts/{contact.contact_id}/shield", {"shielded": True}) == 200
    desk.enters("call-2")
    desk.rings("call-2", "lise")
    assert await desk.asks("lise", "POST", "/calls/call-2/known/confirm", {}) == 404
    assert await desk.asks("lise", "POST", "/calls/call-1/known/confirm", {}) == 200
    async with desk.store.transaction() as session:
        await cases.end_writing(session, desk.ids["lise"], NOW)
    assert await desk.asks("lise", "POST", "/calls/call-1/known/confirm", {}) == 404
