"""A consumer of a link: runs it, and keeps the facts that came out of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from pbx.facts import Fact, PbxConnected
from pbx.link import PbxLink


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

    async def until(self, condition: Callable[[list[Fact]], object], seconds: float = 5.0) -> None:
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

    async def close(self) -> None:
        await self.link.close()
        async with asyncio.timeout(3):
            await asyncio.gather(*self._tasks)
