"""Many pages' live sockets in one process, as cheap as they can be: the bench's cores are the service's too.

python -m tests.bench.live_clients PORT PAGES COOKIE…

Each socket speaks RFC 6455 itself: it reads every frame, answers pings, and notes when a numbered change came. Says how
many are open, then, when a line comes on standard input, for each change how many sockets had it and when the last did.
"""

from __future__ import annotations

import asyncio
import base64
import os
import re
import sys
import time
from collections import Counter
from typing import Final, cast

import uvloop

from tests.bench import processes

#: A change's number, as the bench puts it into a pause reason.
MARK: Final = re.compile(rb'"pause_reason":"m(\d+)"')
_PING: Final = 0x9
_AT_ONCE: Final = 20


class Tally:
    """What all sockets of this process saw. Times: the monotonic clock, one for all processes of a machine."""

    def __init__(self) -> None:
        self.seen: Counter[int] = Counter()
        self.last: dict[int, float] = {}
        self.snapshots = 0
        self.refetches = 0
        self.closed = 0


class LiveSocket(asyncio.Protocol):
    """One page's socket."""

    transport: asyncio.Transport

    def __init__(self, port: int, cookie: str, tally: Tally) -> None:
        self._request = (
            f"GET /api/v1/live HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nOrigin: http://127.0.0.1:{port}\r\n"
            f"Cookie: {cookie}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}\r\n\r\n"
        ).encode()
        self._tally = tally
        self._rest = b""
        self._upgraded = False
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's own class
        self.transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        now = time.monotonic()
        data = self._rest + data
        at = 0
        if not self._upgraded:
            end = data.find(b"\r\n\r\n")
            if end < 0:
                self._rest = data
                return
            if not data.startswith(b"HTTP/1.1 101 "):
                self.ready.set_exception(RuntimeError(data[:40].decode("ascii", "replace")))
                self.transport.abort()
                return
            self._upgraded, at = True, end + 4
        self._rest = data[self._frames(data, at, now) :]

    def _frames(self, data: bytes, at: int, now: float) -> int:
        """Read whole frames from `at` on; where the next one begins."""
        while len(data) >= at + 2:
            length, head = data[at + 1], 2
            if length == 126:
                length, head = int.from_bytes(data[at + 2 : at + 4], "big"), 4
            elif length == 127:
                length, head = int.from_bytes(data[at + 2 : at + 10], "big"), 10
            end = at + head + length
            if len(data) < end or len(data) < at + head:
                break
            self._frame(data[at] & 0x0F, data[at + head : end], now)
            at = end
        return at

    def _frame(self, kind: int, payload: bytes, now: float) -> None:
        tally = self._tally
        if kind == _PING:
            self.transport.write(bytes([0x8A, 0x80 | len(payload), 0, 0, 0, 0]) + payload)  # masked with nothing
        elif payload.startswith(b'{"type":"changes"'):
            for number in MARK.findall(payload):
                tally.seen[int(number)] += 1
                tally.last[int(number)] = now
        elif payload.startswith(b'{"type":"snapshot"'):
            tally.snapshots += 1
            self.ready.set_result(None)
        elif payload.startswith(b'{"type":"refetch"'):
            tally.refetches += 1

    def connection_lost(self, exc: Exception | None) -> None:
        self._tally.closed += 1
        if not self.ready.done():
            self.ready.set_exception(ConnectionError("closed before its snapshot"))


async def _run(port: int, pages: int, cookies: list[str]) -> None:
    loop, tally, gate = asyncio.get_running_loop(), Tally(), asyncio.Semaphore(_AT_ONCE)

    async def open_one(number: int) -> None:
        async with gate:
            socket = LiveSocket(port, cookies[number % len(cookies)], tally)
            await loop.create_connection(lambda: socket, "127.0.0.1", port)
            await socket.ready

    await asyncio.gather(*(open_one(number) for number in range(pages)))
    processes.tell(open=tally.snapshots)
    await asyncio.to_thread(sys.stdin.readline)
    processes.tell(seen=tally.seen, last=tally.last, refetches=tally.refetches, closed=tally.closed)


def main() -> None:
    port, pages, *cookies = sys.argv[1:]
    uvloop.run(_run(int(port), int(pages), cookies))


if __name__ == "__main__":
    main()
