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

from service.push.audiences import EVERYBODY, WATCHING, Kind, rung
from service.push.hub import Board, Reader
from service.push.socket import HEARTBEAT_SECONDS, UNSENT_BYTES, paced, serve_reader, text_frame

Client = TestClient[web.Request, web.Application]


@pytest.fixture
def board() -> Board:
    return Board(paced)


@pytest.fixture
async def client(board: Board) -> AsyncIterator[Client]:
    async def live(request: web.Request) -> web.WebSocketResponse:
        return await serve_reader(request, board, Reader([EVERYBODY, WATCHING], 1, 7))

    app = web.Application()
    app.router.add_get("/live", live)
    async with TestClient(TestServer(app)) as client:
        yield client


class Heard:
    """A page's frames, as they were sent."""

    def __init__(self, frames: list[bytes]) -> None:
        self._frames = frames

    def send(self, frame: bytes) -> bool:
        self._frames.append(frame)
        return True

    def close(self, *, again: bool) -> None:
        raise AssertionError(again)


#: what a page's browser says, and a page of these tests that is more than its browser
UPGRADE = (
    b"GET /live HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


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
        for number in range(300):
            board.show(Kind.CALL, f"c{number}", {"position": number})
            board.flush()
        seen: list[str] = []
        frames = 0
        while len(seen) < 300:
            seen += [entity["id"] for entity in (await message(socket))["entities"]]
            frames += 1
        assert seen == [f"c{number}" for number in range(300)]
        assert frames <= 3


async def test_what_is_a_listeners_own_waits_for_no_gathering(board: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    """The telephone rings: who calls comes with the next turn of the loop, whatever the line's state just sent."""
    monkeypatch.setattr("service.push.socket.GATHER_SECONDS", 60.0)  # a busy machine may be that late, else
    heard: list[bytes] = []
    board.join(Reader([EVERYBODY, rung(1)], 1, 7), Heard(heard))
    board.show(Kind.LINE, "pbx1", {"state": "up"})
    board.flush()
    await asyncio.sleep(0)
    board.show(Kind.LINE, "pbx1", {"state": "down"})
    board.flush()
    await asyncio.sleep(0)
    assert len(heard) == 2, "the snapshot and a change: the next one is gathered"
    board.show(Kind.OFFER, "c1", {"call_id": "c1"}, 1)
    board.flush()
    await asyncio.sleep(0)
    assert [json.loads(frame)["seq"] for frame in heard] == [0, 1, 2]
    assert [entity["kind"] for entity in json.loads(heard[2])["entities"]] == ["line", "offer"]


async def test_a_page_that_reads_no_more_is_told_to_fetch_again_and_let_go(client: Client, board: Board) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", client.port)
    try:
        writer.write(UPGRADE)
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
        assert b"snapshot" in await reader.readuntil(b"]}")
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        began = asyncio.get_running_loop().time()
        for number in range(64):  # the system's own buffers fill first
            board.show(Kind.CALL, "c1", {"position": number, "ballast": "x" * UNSENT_BYTES})
            board.tick("2026-03-01T08:00:00Z")
            await asyncio.sleep(0)
        assert [reader.behind for reader in board._all] == [True]
        assert asyncio.get_running_loop().time() - began < HEARTBEAT_SECONDS, "before any ping could tell"
        async with asyncio.timeout(HEARTBEAT_SECONDS):
            while board.pages:
                await asyncio.sleep(0.05)
        writer.transport.resume_reading()  # type: ignore[attr-defined]
        rest = await asyncio.wait_for(reader.read(), 10)
        assert rest.count(b'{"type":"refetch"}') <= 1, "once, where the connection still took it"
    finally:
        writer.close()


async def test_one_page_that_reads_no_more_costs_the_others_nothing(client: Client, board: Board) -> None:
    _, stuck = await asyncio.open_connection("127.0.0.1", client.port)
    stuck.write(UPGRADE)
    stuck.transport.pause_reading()  # type: ignore[attr-defined]
    async with client.ws_connect("/live", max_msg_size=0) as socket:
        await message(socket)
        for number in range(40):
            board.show(Kind.CALL, "c1", {"position": number, "ballast": "x" * 60_000})
            board.flush()
            changes = await message(socket)
            assert (changes["seq"], changes["entities"][0]["value"]["position"]) == (number + 1, number)
    stuck.transport.abort()


@pytest.mark.parametrize("length", [0, 1, 125, 126, 127, 65_535, 65_536, 200_000])
async def test_a_message_of_any_length_is_read_as_it_was_written(client: Client, board: Board, length: int) -> None:
    async with client.ws_connect("/live", max_msg_size=0) as socket:
        await message(socket)
        for page in board._all:
            assert page.page is not None
            assert page.page.send(b"x" * length)
        assert await asyncio.wait_for(socket.receive_str(), 5) == "x" * length
    assert len(text_frame(b"x" * length)) - length == (2 if length < 126 else 4 if length < 65_536 else 10)


async def test_a_session_that_ended_closes_its_page(client: Client, board: Board) -> None:
    async with client.ws_connect("/live") as socket:
        await message(socket)
        board.dismiss(7)
        closed = await asyncio.wait_for(socket.receive(), 5)
        assert closed.type in (WSMsgType.CLOSE, WSMsgType.CLOSED)
