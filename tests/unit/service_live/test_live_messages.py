"""Every live message is as the API describes it: made by the real views from worlds, sent by the real socket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any, cast, get_args, get_type_hints

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from pbx.facts import DeviceState, Stage
from service.calls.known import KnownCaller
from service.calls.lookup import Lookup
from service.cases.model import CaseStatus
from service.cases.schemas import ContactState, Known, KnownCase
from service.health.model import Alarm, AlarmId, Cause, Key
from service.push.audiences import EVERYBODY, WATCHING, WRITING, Kind, own, rung
from service.push.hub import Board, Page, Reader
from service.push.schemas import Entity
from service.push.socket import paced, serve_reader
from service.push.views import ListenerContact, Views, iso
from service.world import LinkState
from tests.support.live_messages import unfit_for_the_description
from tests.unit.service_live.worlds import PBX, member, talking, waiting, world

Client = TestClient[web.Request, web.Application]

ME = 12
AT = 1_764_000_000.0
CONTACT = ContactState(
    contact_id=5,
    call_id="c2",
    case_id=9,
    case_reference="2026-38-00123",
    case_status=CaseStatus.OPEN,
    notes_version=3,
    saved_at=datetime(2026, 11, 21, 14, 2, tzinfo=UTC),
    started_at=datetime(2026, 11, 21, 14, 0, tzinfo=UTC),
    ended_at=None,
    listener_name="Camille",
    known_hidden=False,
)
KNOWN = Known(
    number="known",
    shielded=False,
    contacts=2,
    last_contact_at=CONTACT.started_at,
    cases=[
        KnownCase(
            case_id=9,
            reference=None,
            status=CaseStatus.DRAFT,
            department=None,
            opened_at=CONTACT.started_at,
            last_contact_at=CONTACT.started_at,
        )
    ],
)


class Told:
    """As `Lookup`: takes note of what was shown."""

    def shown(self, _account_id: int, _known: Known) -> None: ...


class Full:
    """A page whose connection takes nothing more."""

    def __init__(self, page: Page | None) -> None:
        assert page is not None
        self._page = page

    def send(self, _frame: bytes) -> bool:
        return False

    def close(self, *, again: bool) -> None:
        self._page.close(again=again)


@pytest.fixture
def board() -> Board:
    return Board(paced)


@pytest.fixture
async def client(board: Board) -> AsyncIterator[Client]:
    async def live(request: web.Request) -> web.WebSocketResponse:
        return await serve_reader(request, board, Reader([EVERYBODY, WATCHING, WRITING, own(ME), rung(ME)], ME, 7))

    app = web.Application()
    app.router.add_get("/live", live)
    async with TestClient(TestServer(app)) as client:
        yield client


async def heard(socket: aiohttp.ClientWebSocketResponse, kind: str) -> list[dict[str, Any]]:
    """Messages up to the first of a type; each is as described, or the test fails."""
    messages: list[dict[str, Any]] = []
    while not messages or messages[-1]["type"] != kind:
        text = await asyncio.wait_for(socket.receive_str(), 5)
        assert unfit_for_the_description(text) == [], text
        messages.append(json.loads(text))
    return messages


def full(board: Board) -> Views:
    """Views of a world with something of every kind, for the listener whose page it is."""
    ringing, held = waiting("c1"), talking("c2", "PJSIP/l12")
    ringing.ringing["PJSIP/l12"] = "PJSIP/l12-0002"
    made = world(ringing, held, waiting("c3", arrived=0), members=(member(), member("PJSIP/l13", paused="break")))
    made.known["c1"] = KnownCaller(KNOWN)
    views = Views(made, board, cast("Lookup", Told()), clock=lambda: AT)
    views.contacts[ME] = ListenerContact(5, "c2", CONTACT.model_dump(mode="json"))
    views.show_line(made.lines[PBX], AT)
    views.refresh_all(AT)
    views.show_alarms(
        [Alarm(Key(AlarmId.NOTES_NOT_SAVING), AT, Cause.LOCKED), Alarm(Key(AlarmId.CLOCK_OFFSET, PBX), AT)]
    )
    return views


def kinds(messages: list[dict[str, Any]], *, gone: bool) -> set[str]:
    entities = [entity for message in messages for entity in message.get("entities", [])]
    return {entity["kind"] for entity in entities if (entity["value"] is None) is gone}


async def test_every_kind_of_entity_comes_changes_and_goes_as_described(client: Client, board: Board) -> None:
    views = full(board)
    async with client.ws_connect("/live") as socket:
        assert kinds(await heard(socket, "snapshot"), gone=False) == set(Kind)

        line = views.world.lines[PBX]
        line.link = LinkState.LOST
        line.state.members["PJSIP/l12"] = member(device=DeviceState.UNREACHABLE)
        line.state.calls["c2"].stage, line.state.calls["c2"].listener = Stage.LOST, ""
        views.show_line(line, AT)
        views.refresh_all(AT + 1)
        board.tick(iso(AT) or "")
        board.flush()
        changed = await heard(socket, "tick")
        assert kinds(changed, gone=False) >= {"line", "me", "contact", "call", "listener"}

        line.state.calls.clear()
        line.state.members.clear()
        views.drop_contact(ME)
        views.show_alarms([])
        views.refresh_all(AT + 2)
        board.remove(Kind.LINE, PBX)
        board.remove(Kind.ME, str(ME), ME)
        board.tick(iso(AT) or "")
        board.flush()
        assert kinds(await heard(socket, "tick"), gone=True) == set(Kind)


async def test_a_page_that_fell_behind_is_told_so_as_described(client: Client, board: Board) -> None:
    views = full(board)
    async with client.ws_connect("/live") as socket:
        await heard(socket, "snapshot")
        (reader,) = board._all
        reader.page = Full(reader.page)
        views.show_line(views.world.lines[PBX], AT + 1)
        board.flush()
        assert (await heard(socket, "refetch"))[-1] == {"type": "refetch"}


def test_the_description_knows_every_kind_that_the_board_shows() -> None:
    union, *_ = get_args(Entity)
    described = {word for model in get_args(union) for word in get_args(get_type_hints(model)["kind"])}
    assert described == {kind.value for kind in Kind}


@pytest.mark.parametrize(
    "text",
    [
        '{"type":"snapshot","seq":0,"account_id":1,"entities":[{"kind":"line","id":"pbx1","value":{"state":"up"}}]}',
        '{"type":"changes","seq":"1","entities":[]}',
        '{"type":"changes","seq":1,"entities":[{"kind":"weather","id":"1","value":null}]}',
        '{"type":"changes","seq":1,"entities":[{"kind":"me","id":"12","value":{"state":"up"}}]}',
        '{"type":"tick","at":"2026-11-21T14:02:00Z","more":1}',
        '{"type":"weather"}',
    ],
)
def test_a_message_that_is_not_as_described_is_found_out(text: str) -> None:
    assert unfit_for_the_description(text)
