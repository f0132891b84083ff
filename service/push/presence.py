"""Whose pages are open: their live sockets come and go. A page is not the phone; losing either keeps the caller."""

from __future__ import annotations

from service.decisions.recovery import PageSocket


class Presence:
    """`sockets`: account → is a page open, and when did the last one go (the service's monotonic clock)."""

    def __init__(self) -> None:
        self.sockets: dict[int, PageSocket] = {}
        self._count: dict[int, int] = {}

    def opened(self, account_id: int) -> None:
        """A page's socket opened."""
        self._count[account_id] = self._count.get(account_id, 0) + 1
        known = self.sockets.get(account_id)
        self.sockets[account_id] = PageSocket(open=True, gone_at=known.gone_at if known else float("-inf"))

    def closed(self, account_id: int, at: float) -> None:
        """A page's socket closed."""
        self._count[account_id] -= 1
        if self._count[account_id] == 0:
            del self._count[account_id]
            self.sockets[account_id] = PageSocket(open=False, gone_at=at)
