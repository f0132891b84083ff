"""Who wants to be rung from which queue: a listener's own last word, by signing in or out.

The PBX holds the members; this holds what they are to be held against (decisions/drift.py). A word counts from the
instant at which it is said, also while the database cannot take it: it is kept here and stored as soon as it can be.
Of two words the later said one counts, whatever the clock said: it may have been set back between them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from datetime import UTC, datetime
from typing import Final

import structlog

from service.queues import queries
from service.store.engine import Store

#: whoever signs in or out waits no longer than this for the database
PATIENCE_SECONDS: Final = 2.0

_Wishes = dict[tuple[int, str], tuple[bool, datetime]]
_log = structlog.get_logger(__name__)


class Wishes:
    """Of all listeners."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._said: _Wishes = {}  #: not stored yet
        self._left: dict[int, datetime] = {}  #: accounts that left all that is stored of them, not stored yet
        self._away: set[int] = set()  #: accounts that left and did not sign in since
        self._one_at_a_time = asyncio.Lock()  #: an earlier word is never stored over a later one

    async def join(self, account_id: int, queues: Collection[str]) -> None:
        """They want to be rung from these."""
        now = datetime.now(UTC)
        self._away.discard(account_id)
        self._said.update({(account_id, queue): (True, now) for queue in queues})
        await self._keep_soon()

    async def adopt(self, account_id: int, queue: str) -> bool:
        """A member of whom nothing was said is taken at the PBX's word, unless they left since: whether they are."""
        wanted = account_id not in self._away
        self._said.setdefault((account_id, queue), (wanted, datetime.now(UTC)))
        await self._keep_soon()
        return wanted

    async def leave(self, account_id: int) -> None:
        """They want to be rung no more, from any queue. Holds at once."""
        now = datetime.now(UTC)
        self._away.add(account_id)
        self._left[account_id] = now
        self._said.update(
            {key: (False, now) for key, (wanted, _) in self._said.items() if wanted and key[0] == account_id}
        )
        await self._keep_soon()

    async def all(self) -> _Wishes:
        """(account, queue) → wanted, and since when. Raises the database's errors."""
        async with self._one_at_a_time, self._store.reading() as session:
            return self._with_news(await queries.wishes(session))

    async def keep(self) -> None:
        """Store what could not be stored before. Raises the database's errors."""
        async with self._one_at_a_time:
            said, left = dict(self._said), dict(self._left)
            if not said and not left:
                return
            async with self._store.transaction() as session:
                stored = await queries.wishes(session)
                news = {key: word for key, word in self._with_news(stored).items() if stored.get(key) != word}
                await queries.put_wishes(session, news)
            self._said = {key: word for key, word in self._said.items() if said.get(key) != word}
            self._left = {account: at for account, at in self._left.items() if left.get(account) != at}

    def _with_news(self, stored: _Wishes) -> _Wishes:
        """Leaving ends what was stored before it; `_said` has whatever was said after."""
        found = dict(stored)
        for key, (wanted, _) in stored.items():
            left = self._left.get(key[0])
            if wanted and left is not None:
                found[key] = (False, left)
        return {**found, **self._said}

    async def _keep_soon(self) -> None:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await self.keep()
        except Exception as error:
            _log.warning(
                "who wants to be rung is kept in memory until the database takes it",
                action="wishes-unstored",
                error=type(error).__name__,
            )
