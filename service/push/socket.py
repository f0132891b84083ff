"""One page's live socket: one bounded queue (in `Reader`) and one writer. A slow reader is told to fetch again."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final

from aiohttp import WSCloseCode, WSMsgType, web

from service.push.hub import Board, Reader

#: after a frame, changes are gathered this long: a calm page hears at once, a storm costs few frames
GATHER_SECONDS: Final = 0.03
#: a socket that takes no byte for so long is given up
WRITE_SECONDS: Final = 10.0
#: pings of the protocol itself find a page whose machine vanished
HEARTBEAT_SECONDS: Final = 8.0
#: pages send nothing; what they send is read and dropped
_MESSAGE_BYTES: Final = 4096


async def serve_reader(request: web.Request, board: Board, reader: Reader) -> web.WebSocketResponse:
    """Runs until the page goes, falls behind, or its session ends."""
    socket = web.WebSocketResponse(
        heartbeat=HEARTBEAT_SECONDS, compress=False, max_msg_size=_MESSAGE_BYTES, timeout=2.0
    )
    await socket.prepare(request)
    snapshot = board.join(reader)
    writer = asyncio.create_task(_write(request, socket, reader, snapshot))
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


async def _write(request: web.Request, socket: web.WebSocketResponse, reader: Reader, snapshot: bytes) -> None:
    try:
        await _send(socket, b'{"type":"snapshot","seq":0,"entities":[' + snapshot + b"]}")
        number = 0
        while not reader.behind and not reader.dismissed:
            await reader.ready.wait()
            at = reader.take_tick()
            changes = reader.take()
            if changes and not reader.behind:
                number += 1
                await _send(socket, b'{"type":"changes","seq":%d,"entities":[' % number + changes + b"]}")
            if at is not None:
                await _send(socket, b'{"type":"tick","at":"' + at.encode() + b'"}')
            await asyncio.sleep(GATHER_SECONDS)
        if reader.behind:
            await _send(socket, b'{"type":"refetch"}')
        code = WSCloseCode.TRY_AGAIN_LATER if reader.behind else WSCloseCode.POLICY_VIOLATION
        await asyncio.wait_for(socket.close(code=code), WRITE_SECONDS)
    except (ConnectionError, TimeoutError, RuntimeError):  # RuntimeError: aiohttp, when the socket is closing already
        if request.transport is not None:
            request.transport.abort()


async def _send(socket: web.WebSocketResponse, frame: bytes) -> None:
    await asyncio.wait_for(socket.send_str(frame.decode()), WRITE_SECONDS)
