"""How often one may ask for what is dear, and how many at once: all in memory, before the store is asked.

Routes on a call's way have no limit.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final

from service.errors import Conflict, TooMany

#: counters kept; beyond, those that were not used for longest are forgotten
_KEPT: Final = 4096


class Throttle:
    """A bucket per asker (a session, an address) and route: holds a minute's share, fills evenly. Single-threaded."""

    def __init__(self) -> None:
        self._buckets: OrderedDict[tuple[int | str, str], tuple[float, float]] = OrderedDict()
        self._under_way: set[str] = set()

    def take(self, asker: int | str, route: str, per_minute: int, now: float) -> None:
        """One more request at `now` (monotonic seconds). TooMany `asked-too-often` says when again."""
        wait = self.wait(asker, route, per_minute, now)
        if wait > 0:
            raise TooMany(
                "asked-too-often",
                "That was asked very often: wait a moment, then go on.",
                details={"retry_after_seconds": wait},
            )

    def wait(self, asker: int | str, route: str, per_minute: int, now: float) -> float:
        """Nothing: it is let pass, and counted. Else seconds until it may be asked again."""
        key = (asker, route)
        left, at = self._buckets.pop(key, (float(per_minute), now))
        left = min(float(per_minute), left + (now - at) * per_minute / 60)
        allowed = left >= 1
        self._buckets[key] = (left - 1 if allowed else left, now)
        while len(self._buckets) > _KEPT:
            self._buckets.popitem(last=False)
        return 0 if allowed else (1 - left) * 60 / per_minute

    @contextmanager
    def alone(self, route: str) -> Iterator[None]:
        """What is done for one person at a time, whoever asks. Conflict `asked-already` for the second."""
        if route in self._under_way:
            raise Conflict("asked-already", "This is being done already, for you or somebody else: ask again soon.")
        self._under_way.add(route)
        try:
            yield
        finally:
            self._under_way.discard(route)


class Crowd:
    """Those who do the same dear thing: so many at once, so many more wait for their turn. Single-threaded."""

    def __init__(self, at_once: int, waiting: int) -> None:
        self._turns = asyncio.Semaphore(at_once)
        self._most = at_once + waiting
        self._here = 0

    @property
    def full(self) -> bool:
        """As many wait already as may: to be looked at before `turn`, in the same step."""
        return self._here >= self._most

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """In order of coming."""
        self._here += 1
        try:
            async with self._turns:
                yield
        finally:
            self._here -= 1
