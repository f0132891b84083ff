"""How often one session may ask for what is dear, and what is too dear to be done twice at once.

Routes on a call's way have no limit.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from service.errors import Conflict, TooMany

#: counters kept; beyond, those that were not used for longest are forgotten
_KEPT: Final = 4096


class Throttle:
    """A bucket per session and route, in memory: holds a minute's share, fills evenly. Single-threaded."""

    def __init__(self) -> None:
        self._buckets: OrderedDict[tuple[int, str], tuple[float, float]] = OrderedDict()
        self._under_way: set[str] = set()

    def take(self, session_id: int, route: str, per_minute: int, now: float) -> None:
        """One more request at `now` (monotonic seconds). TooMany `asked-too-often` says when again."""
        key = (session_id, route)
        left, at = self._buckets.pop(key, (float(per_minute), now))
        left = min(float(per_minute), left + (now - at) * per_minute / 60)
        allowed = left >= 1
        self._buckets[key] = (left - 1 if allowed else left, now)
        while len(self._buckets) > _KEPT:
            self._buckets.popitem(last=False)
        if not allowed:
            raise TooMany(
                "asked-too-often",
                "That was asked very often: wait a moment, then go on.",
                details={"retry_after_seconds": (1 - left) * 60 / per_minute},
            )

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
