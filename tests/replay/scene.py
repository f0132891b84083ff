"""One call shape, played by real callers and phones on a real Asterisk while the service's own link records it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pbx.facts import Fact, PbxConnected
from pbx.link import LinkConfig, PbxLink, Timing
from tests.asterisk.line import Line
from tests.fakes.reader import Reader
from tests.support.wait import until

#: Seconds for which the link is away after a drop, at the most: long enough for something to happen meanwhile.
AWAY = 2.0


class Scene:
    """What a shape has at hand, from its own thread: the line, and the link that records."""

    def __init__(self, line: Line, reader: Reader, loop: asyncio.AbstractEventLoop) -> None:
        self.line = line
        self._reader = reader
        self._loop = loop

    @property
    def facts(self) -> list[Fact]:
        """Told so far."""
        return list(self._reader.facts)

    def drop(self) -> None:
        """The manager interface's connection is reset; the link connects again by itself."""
        self._loop.call_soon_threadsafe(self._reset)

    def _reset(self) -> None:
        session = self._reader.link._session
        assert session is not None
        assert session.protocol is not None
        session.protocol.transport.abort()

    def connected(self, times: int) -> None:
        """The link has taken its snapshot for the nth time."""
        until(lambda: sum(isinstance(fact, PbxConnected) for fact in self.facts) >= times, f"connected ({times})")


@dataclass(frozen=True, slots=True)
class Shape:
    """`play` returns when all is said; `line`: how the line differs from the usual one of the tests."""

    name: str
    play: Callable[[Scene], object]
    line: dict[str, Any] = field(default_factory=dict)

    @property
    def says(self) -> str:
        """What happens, one sentence."""
        return (self.play.__doc__ or "").strip().partition("\n")[0]


@contextlib.asynccontextmanager
async def recorded(line: Line, path: Path | None) -> AsyncIterator[Reader]:
    """The service's link to the line's PBX, recorded to `path`."""
    secrets = line.pbx.secrets
    config = LinkConfig(
        pbx="pbx1",
        host="127.0.0.1",
        port=line.pbx.ports.ami,
        username="service",
        secret=secrets["service"],
        provision_username="provision",
        provision_secret=secrets["provision"],
    )
    reader = Reader(PbxLink(config, Timing(retry_first=AWAY), record=path))
    try:
        yield reader
    finally:
        await reader.close()


async def play(shape: Shape, folder: Path, path: Path) -> list[Fact]:
    """Play it, record it to `path`; the facts that were told live."""
    with Line(folder, **shape.line) as line:
        async with recorded(line, path) as reader:
            await reader.connected()
            await asyncio.to_thread(shape.play, Scene(line, reader, asyncio.get_running_loop()))
            await asyncio.to_thread(until, lambda: line.pbx.running.channels() == 0, "nobody is left on the line")
            await reader.until(lambda _: not reader.link.state.calls)
        return reader.facts
