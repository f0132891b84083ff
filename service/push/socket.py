"""One page's live socket. It is never waited for: a page that does not keep up is told to fetch again."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final

from aiohttp import WSCloseCode, WSMsgType, web

from service.push.hub import REFETCH_FRAME, Board, Group, Reader

#: after a frame, changes are gathered this long: a calm page hears at once, a storm costs few frames
GATHER_SECONDS: Final = 0.03
#: what may be unsent to one page; its socket's buffer in the system comes on top
UNSENT_BYTES: Final = 512 << 10
#: pings of the protocol itself find a page whose machine vanished, or that reads no more: in half as long again
HEARTBEAT_SECONDS: Final = 8.0
#: for a page to answer that it closes
_CLOSE_SECONDS: Final = 2.0
#: pages send nothing; what they send is read and dropped
_MESSAGE_BYTES: Final = 4096


def paced(group: Group, *, urgent: bool) -> None:
    """A `Board`'s pace: soon, when it is urgent or the last frame was sent a while ago; else gathered for a moment."""
    loop = asyncio.get_running_loop()

    def send() -> None:
        group.sent_at = loop.time()
        group.send()

    wait = group.sent_at + GATHER_SECONDS - loop.time()
    if urgent or wait <= 0:
        loop.call_soon(send)
    else:
        loop.call_later(wait, send)


class SocketPage:
    """The socket as the board's `Page`.

    A message is one unmasked, uncompressed text frame (RFC 6455, 5.2), written to the connection as it is: the bytes
    are the same for a thousand pages, and none of them needs a task. aiohttp reads, pings and says goodbye.
    """

    _last: tuple[bytes, bytes] = (b"", b"")  #: a message and its frame; of all pages: they are sent the same

    def __init__(self, socket: web.WebSocketResponse, transport: asyncio.Transport) -> None:
        self._socket = socket
        self._transport = transport
        self._closing: asyncio.Task[None] | None = None

    def send(self, frame: bytes) -> bool:
        transport = self._transport
        if transport.is_closing():
            return True  # whoever reads the socket sees it end, and leaves
        if transport.get_write_buffer_size() > UNSENT_BYTES:
            return False
        transport.write(self._framed(frame))
        return True

    def close(self, *, again: bool) -> None:
        if again and not self._transport.is_closing():
            self._transport.write(self._framed(REFETCH_FRAME))
        code = WSCloseCode.TRY_AGAIN_LATER if again else WSCloseCode.POLICY_VIOLATION
        self._closing = asyncio.get_running_loop().create_task(self._goodbye(code))

    async def closed(self) -> None:
        """The goodbye, if one was begun, has been said."""
        if self._closing is not None:
            await self._closing

    async def _goodbye(self, code: WSCloseCode) -> None:
        try:
            async with asyncio.timeout(2 * _CLOSE_SECONDS):
                await self._socket.close(code=code)
        except (ConnectionError, TimeoutError, RuntimeError):  # RuntimeError: aiohttp, when it is closing already
            self._transport.abort()

    @classmethod
    def _framed(cls, message: bytes) -> bytes:
        if cls._last[0] is not message:
            cls._last = (message, text_frame(message))
        return cls._last[1]


def text_frame(message: bytes) -> bytes:
    """A whole text message as a server sends it. RFC 6455, 5.2."""
    length = len(message)
    if length < 126:
        return bytes((0x81, length)) + message
    if length < 1 << 16:
        return b"\x81\x7e" + length.to_bytes(2, "big") + message
    return b"\x81\x7f" + length.to_bytes(8, "big") + message


async def serve_reader(request: web.Request, board: Board, reader: Reader) -> web.WebSocketResponse:
    """Runs until the page goes, falls behind, or its session ends."""
    socket = web.WebSocketResponse(
        heartbeat=HEARTBEAT_SECONDS, compress=False, max_msg_size=_MESSAGE_BYTES, timeout=_CLOSE_SECONDS
    )
    await socket.prepare(request)
    if request.transport is None:
        return socket
    page = SocketPage(socket, request.transport)
    board.join(reader, page)
    try:
        async for message in socket:
            if message.type is WSMsgType.ERROR:
                break
    finally:
        board.leave(reader)
        with contextlib.suppress(asyncio.CancelledError):
            await page.closed()
    return socket
