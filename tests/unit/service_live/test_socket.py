"""The live socket over a real connection: snapshot, numbered changes, and a reader that does not read."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import WSMsgType, web
from aiohttp.test_utils import TestClient, TestServer

from service.push.audiences import EVERYBODY, WATCHING, Kind
from service.push.hub import READER_LIMIT, Board, Reader
from service.push.socket import serve_reader

Client = TestClient[web.Request, web.Application]


@pytest.fixture
def board() -> Board:
    return Board()


@pytest.fixture
async def client(board: Board) -> AsyncIterator[Client]:
    async def live(request: web.Request) -> web.WebSocketResponse:
        return await serve_reader(request, board, Reader([EVERYBODY, WATCHING], 1, 7))

    app = web.Application()
    app.router.add_get("/live", live)
    async with TestClient(TestServer(app)) as client:
        yield client


async def message(socket: aiohttp.ClientWebSocketResponse) -> dict[str, Any]:
    text = await asyncio.wait_for(socket.receive_str(), 5)
    found: dict[str, Any] = json.loads(text)
    return found


async def test_a_page_gets_a_snapshot_then_changes_one_number_apart(client: Client, board: Board) -> None:
    board.show(Kind.LINE, "pbx1", {"state": "up"})
    async with client.ws_connect("/live") as socket:
        first = await message(socket)
        assert first == {
            "type": "snapshot",
            "seq": 0,
            "account_id": 1,
            "entities": [{"kind": "line", "id": "pbx1", "value": {"state": "up"}}],
        }
        for number in (1, 2):
            board.show(Kind.CALL, "c1", {"position": number})
            board.flush()
            changes = await message(socket)
            assert (changes["type"], changes["seq"]) == ("changes", number)
            assert changes["entities"] == [{"kind": "call", "id": "c1", "value": {"position": number}}]


async def test_a_tick_tells_the_time_and_has_no_number(client: Client, board: Board) -> None:
    async with client.ws_connect("/live") as socket:
        await message(socket)
        board.tick("2026-03-01T08:00:00Z")
        assert await message(socket) == {"type": "tick", "at": "2026-03-01T08:00:00Z"}


async def test_a_storm_costs_few_frames_and_loses_nothing(client: Client, board: Board) -> None:
    async with client.ws_connect("/live") as socket:
        await message(socket)
        for number in range(READER_LIMIT // 2):
            board.show(Kind.CALL, f"c{number}", {"position": number})
            board.flush()
        seen: list[str] = []
        frames = 0
        while len(seen) < READER_LIMIT // 2:
            seen += [entity["id"] for entity in (await message(socket))["entities"]]
            frames += 1
        assert seen == [f"c{number}" for number in range(READER_LIMIT // 2)]
        assert frames <= 3


async def test_a_reader_that_falls_behind_is_told_to_fetch_again_and_let_go(client: Client, board: Board) -> None:
    async with client.ws_connect("/live") as socket:
        await message(socket)
        for number in range(READER_LIMIT + 1):
            board.show(Kind.CALL, "c1", {"position": number})
            board.flush()
        assert (await message(socket))["type"] == "refetch"
        closed = await asyncio.wait_for(socket.receive(), 5)
        assert closed.type in (WSMsgType.CLOSE, WSMsgType.CLOSED)


async def test_a_session_that_ended_closes_its_page(client: Client, board: Board) -> None:
    async with client.ws_connect("/live") as socket:
        await message(socket)
        board.dismiss(7)
        closed = await asyncio.wait_for(socket.receive(), 5)
        assert closed.type in (WSMsgType.CLOSE, WSMsgType.CLOSED)
