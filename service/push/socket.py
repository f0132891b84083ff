"""One page's live socket: one bounded queue (in `Reader`) and one writer. A slow reader is told to fetch again."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final

from aiohttp import WSCloseCode, WSMsgType, web

from service.push.hub import Board, Reader

#: after a frame, changes are gathered this long: a calm page hears at once, a storm costs few frames
GATHER_SECONDS: Final = 0.03
#: …or this long with so many pages open that frames, not their waiting, are what a change costs
GATHER_MANY_SECONDS: Final = 0.05
MANY_PAGES: Final = 200
#: a socket that takes no byte for so long is given up
WRITE_SECONDS: Final = 10.0
#: pings of the protocol itself find a page whose machine vanished
HEARTBEAT_SECONDS: Final = 8.0
#: pages send nothing; what they send is read and dropped
_MESSAGE_BYTES: Final = 4096


REFETCH_FRAME: Final = b'{"type":"refetch"}'


def snapshot_frame(account_id: int, entities: bytes) -> bytes:
    """The first message. `account_id`: who reads; `entities`: encoded, comma separated."""
    return b'{"type":"snapshot","seq":0,"account_id":%d,"entities":[' % account_id + entities + b"]}"


def changes_frame(number: int, entities: bytes) -> bytes:
    """The `number`th change after the snapshot, from 1."""
    return b'{"type":"changes","seq":%d,"entities":[' % number + entities + b"]}"


def tick_frame(at: str) -> bytes:
    """The service lives and it is `at`."""
    return b'{"type":"tick","at":"' + at.encode() + b'"}'


async def serve_reader(request: web.Request, board: Board, reader: Reader) -> web.WebSocketResponse:
    """Runs until the page goes, falls behind, or its session ends."""
    socket = web.WebSocketResponse(
        heartbeat=HEARTBEAT_SECONDS, compress=False, max_msg_size=_MESSAGE_BYTES, timeout=2.0
    )
    await socket.prepare(request)
    snapshot = board.join(reader)
    writer = asyncio.create_task(_write(request, socket, board, reader, snapshot))
    try:
        async for message in socket:
            if message.type is WSMsgType.ERROR:
                break
    finally:
        board.leave(reader)
        writer.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await writer
    return socket


async def _write(
    request: web.Request, socket: web.WebSocketResponse, board: Board, reader: Reader, snapshot: bytes
) -> None:
    try:
        await _send(socket, snapshot_frame(reader.account_id, snapshot))
        number = 0
        while not reader.behind and not reader.dismissed:
            await reader.ready.wait()
            at = reader.take_tick()
            changes = reader.take()
            if changes and not reader.behind:
                number += 1
                await _send(socket, changes_frame(number, changes))
            if at is not None:
                await _send(socket, tick_frame(at))
            await asyncio.sleep(GATHER_SECONDS if board.pages < MANY_PAGES else GATHER_MANY_SECONDS)
        if reader.behind:
            await _send(socket, REFETCH_FRAME)
        code = WSCloseCode.TRY_AGAIN_LATER if reader.behind else WSCloseCode.POLICY_VIOLATION
        await asyncio.wait_for(socket.close(code=code), WRITE_SECONDS)
    except (ConnectionError, TimeoutError, RuntimeError):  # RuntimeError: aiohttp, when the socket is closing already
        if request.transport is not None:
            request.transport.abort()


async def _send(socket: web.WebSocketResponse, frame: bytes) -> None:
    """Bytes as they are: a thousand sockets at thirty frames a second feel every copy."""
    async with asyncio.timeout(WRITE_SECONDS):
        await socket.send_frame(frame, WSMsgType.TEXT)
