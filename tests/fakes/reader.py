"""A consumer of a link: runs it, and keeps the facts that came out of it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

from pbx.facts import Fact, PbxConnected
from pbx.link import LinkConfig, PbxLink, Timing
from tests.fakes.ami_server import AmiServer


class Reader:
    """A link that runs, and the facts that came out of it."""

    def __init__(self, link: PbxLink) -> None:
        self.link = link
        self.facts: list[Fact] = []
        self.changed = asyncio.Condition()
        self.held = asyncio.Event()
        self.held.set()
        self._tasks = [asyncio.create_task(link.run()), asyncio.create_task(self._read())]

    async def _read(self) -> None:
        async for batch in self.link.batches():
            await self.held.wait()
            async with self.changed:
                self.facts += batch
                self.changed.notify_all()

    async def until(self, condition: Callable[[list[Fact]], object], seconds: float = 15.0) -> None:
        async with asyncio.timeout(seconds), self.changed:
            try:
                await self.changed.wait_for(lambda: condition(self.facts))
            except BaseException:
                print(*self.facts, sep="\n")
                raise

    def count(self, kind: type[Fact]) -> int:
        return sum(isinstance(fact, kind) for fact in self.facts)

    async def connected(self, times: int = 1) -> None:
        await self.until(lambda _: self.count(PbxConnected) >= times)

    @property
    def ended(self) -> bool:
        """Has the link stopped, or what reads it?"""
        return any(task.done() for task in self._tasks)

    async def close(self) -> None:
        await self.link.close()
        async with asyncio.timeout(15):
            await asyncio.gather(*self._tasks)


#: Every deadline short, so that a test of them is short.
QUICK = Timing(
    connect=1.0,
    login=0.6,
    boot=0.3,
    listing=1.0,
    phones=1.0,
    ping_every=0.2,
    dead_after=0.6,
    look_every=0.05,
    retry_first=0.05,
    retry_most=0.4,
    check_queues_every=30.0,
    provision_idle=0.3,
)


def config_of(server: AmiServer, *, secret: str = "right", provision_secret: str = "right") -> LinkConfig:  # noqa: S107
    return LinkConfig(
        pbx="pbx1",
        host="127.0.0.1",
        port=server.port,
        username="service",
        secret=secret,
        provision_username="provision",
        provision_secret=provision_secret,
    )


@contextlib.asynccontextmanager
async def linked(server: AmiServer, timing: Timing = QUICK, **secrets: str) -> AsyncIterator[Reader]:
    """A link to the fake, read by a `Reader`; closed at the end."""
    async with linked_to(config_of(server, **secrets), timing) as reader:
        yield reader


@contextlib.asynccontextmanager
async def linked_to(config: LinkConfig, timing: Timing | None = None) -> AsyncIterator[Reader]:
    """The same to whatever is there."""
    reader = Reader(PbxLink(config, timing))
    try:
        yield reader
    finally:
        await reader.close()
