"""Requests as they are answered: how long they took, and whether what people write is being saved."""

from __future__ import annotations

import time
from typing import Final

from prometheus_client import CollectorRegistry, Histogram

#: saving notes: its failures are said on every writer's page
NOTES_ROUTE: Final = ("PUT", "/api/v1/contacts/{contact_id}/notes")
#: after so long without another failure nobody writes, or it is over; a store that takes nothing is told by other means
FORGOTTEN_SECONDS: Final = 7.0
_STORE_AWAY: Final = 503
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})
_BUCKETS: Final = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Traffic:
    """`answered` is called by the web side for each request, live sockets excepted."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._seconds = Histogram(
            "ecoute_http_request_seconds",
            "Requests by declared route, from their head to their answer. Live sockets are not counted.",
            ["method", "route", "status"],
            buckets=_BUCKETS,
            registry=registry,
        )
        self._failed_at = self._saved_at = float("-inf")

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """`route`: as it was declared, with names in braces; `status`: 499 where the client went away."""
        if (method, route) == NOTES_ROUTE:
            if status == _STORE_AWAY:  # one contact that cannot be opened (500) says nothing of the others'
                self._failed_at = time.monotonic()
            elif status < 300:
                self._saved_at = time.monotonic()
        known = method if method in _METHODS else "other"
        self._seconds.labels(known, route, f"{status // 100}xx").observe(seconds)

    def fail(self, instant: float) -> bool:
        """Somebody's notes were refused by the store lately, and nobody's were taken since."""
        return self._failed_at > self._saved_at and instant - self._failed_at < FORGOTTEN_SECONDS
