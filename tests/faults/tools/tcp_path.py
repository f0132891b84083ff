"""The way of a TCP connection: a forwarder on loopback that delays, trickles, holds or cuts.

    with TcpPath(pbx.ports.ami) as path:
        config.port = path.port
        with path.slower(delay=0.5):
            ...

Whoever connects to `port` reaches the target, over a connection of the path's own. It runs in a thread of its own, in
the network of the thread that made it.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from tests.faults.tools.effect import prove

_HOST = "127.0.0.1"
_CHUNK = 4096
#: read ahead of a slow way: more, and the sender is held back as by a full window
_AHEAD = 64
#: a trickle is written so often, seconds
_STEP = 0.01
_RESET = struct.pack("ii", 1, 0)  # socket(7), SO_LINGER: close at once, with RST


@dataclass(frozen=True, slots=True)
class Manner:
    """How bytes travel. `delay`: seconds each way. `rate`: bytes a second each way; 0: as they come."""

    delay: float = 0.0
    rate: int = 0


@dataclass(slots=True)
class Counts:
    """What the path did. `late`: reads that were delayed or trickled; `reset`: connections that were cut."""

    towards: int = 0
    back: int = 0
    late: int = 0
    reset: int = 0
    connections: int = 0


class _Pair:
    """One connection of a client, and the path's own to the target."""

    def __init__(self, client: asyncio.StreamWriter, target: asyncio.StreamWriter) -> None:
        self.ends = (client, target)
        self.source_port: int = target.get_extra_info("sockname")[1]

    def reset(self) -> None:
        """RST to both."""
        for end in self.ends:
            end.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            end.transport.abort()

    def close(self) -> None:
        for end in self.ends:
            end.close()


class TcpPath:
    """`target`: the port on loopback that it leads to. `port`: where it is entered."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.port = 0
        self.counts = Counts()
        self._manner = Manner()
        self._refusing = False
        self._pairs: set[_Pair] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=f"path to {target}", daemon=True)

    # --- faults

    @contextmanager
    def slower(self, *, delay: float = 0.0, rate: int = 0) -> Iterator[Counts]:
        """Every byte comes late, or few come at a time."""
        before, late = self._manner, self.counts.late
        self._manner = Manner(delay, rate)
        try:
            yield self.counts
        finally:
            self._manner = before
        prove(self.counts.late > late, "nothing travelled while the path was slow")

    def reset(self) -> int:
        """Cut every connection with RST at both ends; how many."""
        cut = self._there(self._reset())
        prove(cut, "there was no connection to cut")
        return cut

    @contextmanager
    def refusing(self) -> Iterator[Counts]:
        """Cut what there is, and whatever comes, with RST."""
        before = self.counts.reset
        self._refusing = True
        try:
            self._there(self._reset())
            yield self.counts
        finally:
            self._refusing = False
        prove(self.counts.reset > before, "nobody was on the path, and nobody came")

    def source_ports(self) -> list[int]:
        """Of the path's own connections to the target."""
        return [pair.source_port for pair in list(self._pairs)]

    # --- the forwarder

    async def _reset(self) -> int:
        pairs = list(self._pairs)
        for pair in pairs:
            pair.reset()
        self.counts.reset += len(pairs)
        return len(pairs)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.counts.connections += 1
        if self._refusing:
            self.counts.reset += 1
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            writer.transport.abort()
            return
        try:
            back, target = await asyncio.open_connection(_HOST, self.target)
        except OSError:
            writer.close()
            return
        pair = _Pair(writer, target)
        self._pairs.add(pair)
        ways = [
            asyncio.create_task(self._carry(reader, target, self._towards)),
            asyncio.create_task(self._carry(back, writer, self._back)),
        ]
        try:
            with contextlib.suppress(asyncio.CancelledError):  # the path is closed; asyncio's streams would complain
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._pairs.discard(pair)
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            pair.close()

    def _towards(self, count: int) -> None:
        self.counts.towards += count

    def _back(self, count: int) -> None:
        self.counts.back += count

    async def _carry(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, count: Callable[[int], None]
    ) -> None:
        """One direction, until its sender ends it; what was read before is delivered then."""
        ahead: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_AHEAD)
        delivering = asyncio.create_task(self._deliver(ahead, writer))
        try:
            with contextlib.suppress(ConnectionError):
                while data := await reader.read(_CHUNK):
                    count(len(data))
                    await ahead.put((time.monotonic() + self._manner.delay, data))
                await ahead.put((0.0, b""))
                await delivering
        finally:
            delivering.cancel()

    async def _deliver(self, ahead: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter) -> None:
        while True:
            due, data = await ahead.get()
            if not data:
                return
            wait = due - time.monotonic()
            if wait > 0:
                self.counts.late += 1
                await asyncio.sleep(wait)
            with contextlib.suppress(ConnectionError):
                await self._write(writer, data)

    async def _write(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        while data:
            rate = self._manner.rate
            size = max(1, int(rate * _STEP)) if rate else len(data)
            writer.write(data[:size])
            await writer.drain()
            data = data[size:]
            if rate:
                self.counts.late += 1
                await asyncio.sleep(size / rate)

    # --- its thread

    def _there(self, work: Coroutine[Any, Any, int]) -> int:
        done: Future[int] = asyncio.run_coroutine_threadsafe(work, self._loop)
        return done.result(5)

    async def _open(self) -> int:
        self._server = await asyncio.start_server(self._connected, _HOST, 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def _close(self) -> int:
        self._server.close()
        for pair in list(self._pairs):
            pair.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        return 0

    def __enter__(self) -> Self:
        self._thread.start()
        self.port = self._there(self._open())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._there(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()
