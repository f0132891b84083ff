"""Callers' tokens leave the PBX's journal once they are stored here: the key to them lies on the same disk.

What the journal tells stays; a token becomes unreadable in its place. Never beyond the position that the database has
committed: whatever may have to be read again is as it was.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final

import structlog

from pbx import journal
from pbx.journal import Position
from service.calls import queries
from service.store.engine import Store

#: the database is asked this often how far it came
PURGE_SECONDS: Final = 5.0
#: read at once: some milliseconds of a thread
_CHUNK_BYTES: Final = 256 * 1024

_log = structlog.get_logger(__name__)


class JournalPurge:
    """Of one PBX, beside its recorder."""

    def __init__(self, store: Store, pbx: str, path: Path) -> None:
        self._store = store
        self._pbx = pbx
        self._path = path
        self._failed = ""

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self.purge()
                self._failed = ""
            except Exception as error:
                self._complain(type(error).__name__)
            await asyncio.sleep(PURGE_SECONDS)

    async def purge(self) -> None:
        """All up to the committed position. Raises OSError, and the database's errors; nothing is lost then."""
        async with self._store.reading() as session:
            until = await queries.journal_position(session, self._pbx)
            done = await queries.purged_position(session, self._pbx)
        if until == Position() or done == until:
            return
        before = done
        while True:
            after = await asyncio.to_thread(journal.purge, self._path, done, until, _CHUNK_BYTES)
            if after == done:
                break
            done = after
        if done != before:
            async with self._store.transaction() as session:
                await queries.put_purged_position(session, self._pbx, done)

    def _complain(self, error: str) -> None:
        """Once, until it works again."""
        if error != self._failed:
            self._failed = error
            _log.error(
                "callers' encrypted numbers stay in the PBX's journal: check the rights on it, its disk, and the store",
                action="journal-unpurged",
                pbx=self._pbx,
                error=error,
            )
