"""Whose pages are open: their live sockets come and go. A page is not the phone; losing either keeps the caller."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from service.decisions.recovery import PageSocket
from service.errors import TooMany

#: Sockets of one session: several tabs, each with one or two from before its network failed, which ended unheard.
#: The newest is refused, not the oldest put out: that may be the page with the conversation, and whoever stole a
#: session could put it out. Nor would it end: a page that was put out comes again, and puts out the next.
PAGES_AT_ONCE: Final = 16
#: such a socket is found by the protocol's pings about this late
_AGAIN_SECONDS: Final = 15


class Presence:
    """`sockets`: account → is a page open, and when did the last one go (the service's monotonic clock)."""

    def __init__(self) -> None:
        self.sockets: dict[int, PageSocket] = {}
        self._count: dict[int, int] = {}
        self._pages: Counter[int] = Counter()

    @contextmanager
    def page_of(self, session_id: int) -> Iterator[None]:
        """One more page of this session, from its handshake on. TooMany `too-many-pages` where there are enough."""
        if self._pages[session_id] >= PAGES_AT_ONCE:
            raise TooMany(
                "too-many-pages",
                "Too many pages are open: close one of them.",
                details={"retry_after_seconds": _AGAIN_SECONDS},
            )
        self._pages[session_id] += 1
        try:
            yield
        finally:
            self._pages[session_id] -= 1
            if not self._pages[session_id]:
                del self._pages[session_id]

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
