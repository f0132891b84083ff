"""One call shape, played by real callers and phones on a real Asterisk while the service's own link records it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pbx.facts import Fact, PbxConnected
from pbx.link import LinkConfig, PbxLink, Timing
from tests.asterisk.line import Line
from tests.fakes.reader import Reader
from tests.support.keypad import Handset
from tests.support.sipp import Caller, Phone, number
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

    def told(self, kind: type[Fact], times: int = 1) -> None:
        """Facts of this kind have been told so often."""
        until(lambda: sum(isinstance(fact, kind) for fact in self.facts) >= times, f"{kind.__name__} ({times})")

    def connected(self, times: int) -> None:
        """The link has taken its snapshot for the nth time."""
        self.told(PbxConnected, times)


# --- how most shapes begin ------------------------------------------------------------------------------------------

CRASH = "Q.850;cause=44"
END = "Q.850;cause=31"
CALLER = number("+33639980001")


def talking(line: Line) -> tuple[Caller, Phone]:
    """A caller in a conversation with l1."""
    line.heartbeat()
    phone = line.listener("l1")
    caller = line.caller(CALLER)
    line.ami.joined("connecting national")
    until(lambda: phone.talks, "the conversation is up")
    time.sleep(1.0)  # a conversation that was one
    return caller, phone


def waiting(line: Line, ears: Handset | None = None) -> Caller:
    """A caller in the queue; nobody is there."""
    line.heartbeat()
    caller = line.caller(CALLER, audio=ears or Handset(), stay=300)
    line.ami.step("queued")
    line.ami.event("QueueCallerJoin")
    return caller


# --- a shape, played and recorded -----------------------------------------------------------------------------------


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
    reader = Reader(PbxLink(config, Timing(retry_first=AWAY, refused_again=AWAY), record=path))
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
