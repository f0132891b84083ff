"""A connection of aiosqlite that goes to its thread once per statement.

aiosqlite takes a trip to the connection's thread for each of: a cursor, its statement, its rows, its end. A trip costs
more than most of our statements do, so all of that is done in one. What SQLAlchemy's dialect uses of a cursor is here,
and no more; rows are all fetched at once, as that dialect does anyway.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Generator
from typing import Any

import aiosqlite


class OneTripCursor:
    """A statement, its rows and its end, in one trip."""

    def __init__(self, connection: OneTripConnection) -> None:
        self._conn = connection
        self._description: Any = None
        self._rows: list[Any] = []
        self._rowcount = -1
        self._lastrowid: int | None = None
        self._arraysize = 1

    async def __aenter__(self) -> OneTripCursor:
        return self

    async def execute(self, sql: str, parameters: Any = None) -> OneTripCursor:
        """Run one statement."""
        return await self._trip(lambda cursor: cursor.execute(sql, () if parameters is None else parameters))

    async def executemany(self, sql: str, parameters: Any) -> OneTripCursor:
        """Run one statement for each of the parameters."""
        return await self._trip(lambda cursor: cursor.executemany(sql, parameters))

    async def _trip(self, work: Callable[[sqlite3.Cursor], sqlite3.Cursor]) -> OneTripCursor:
        def there() -> None:
            cursor = self._conn.raw.cursor()
            try:
                work(cursor)
                self._description = cursor.description
                self._rows = cursor.fetchall() if cursor.description else []
                self._rowcount, self._lastrowid = cursor.rowcount, cursor.lastrowid
            finally:
                cursor.close()

        await self._conn.run(there)
        return self

    async def fetchall(self) -> list[Any]:
        """All rows that were not taken yet."""
        rows, self._rows = self._rows, []
        return rows

    async def fetchone(self) -> Any:
        """The next row, or None."""
        return self._rows.pop(0) if self._rows else None

    async def fetchmany(self, size: int | None = None) -> list[Any]:
        """The next rows."""
        size = self._arraysize if size is None else size
        rows, self._rows = self._rows[:size], self._rows[size:]
        return rows

    async def close(self) -> None:
        """It was ended with its statement."""
        self._rows = []

    @property
    def description(self) -> Any:
        return self._description

    @property
    def rowcount(self) -> int:
        return self._rowcount

    @property
    def lastrowid(self) -> int | None:
        return self._lastrowid

    @property
    def arraysize(self) -> int:
        return self._arraysize

    @arraysize.setter
    def arraysize(self, value: int) -> None:
        self._arraysize = value


class OneTripConnection(aiosqlite.Connection):
    """aiosqlite's connection with cursors of ours. What still has to end in its thread is in `endings`."""

    def __init__(self, database: str, endings: set[asyncio.Future[Any]]) -> None:
        super().__init__(lambda: sqlite3.connect(database, check_same_thread=False), iter_chunk_size=64)
        self._thread.daemon = True  # as SQLAlchemy does: aiosqlite has no word for it
        self._endings = endings
        self._ending: asyncio.Future[Any] | None = None

    def __await__(self) -> Generator[Any, None, OneTripConnection]:
        yield from super().__await__()
        return self

    @property
    def raw(self) -> sqlite3.Connection:
        """To be used in its own thread alone."""
        return self._conn

    async def run(self, work: Callable[[], None]) -> None:
        """In the connection's thread."""
        await self._execute(work)  # type: ignore[no-untyped-call]

    def cursor(self) -> Any:
        """Nothing happens before its statement."""
        return OneTripCursor(self)

    def stop(self) -> asyncio.Future[Any] | None:
        """As aiosqlite's, which is not awaited where opening failed or somebody's work was broken off.

        Asked again, it gives the same ending: a thread that has ended takes no further word, and would be waited for
        for ever.
        """
        if self._ending is None:
            self._ending = super().stop()
            if self._ending is not None:
                self._keep(self._ending)
        return self._ending

    async def close(self) -> None:
        """As aiosqlite's; SQLAlchemy goes on without it where the work that it ends was cancelled."""
        closing: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._keep(closing)
        try:
            await super().close()
        finally:
            if not closing.done():
                closing.set_result(None)

    def _keep(self, ending: asyncio.Future[Any]) -> None:
        self._endings.add(ending)
        ending.add_done_callback(self._endings.discard)


def connect(database: str, endings: set[asyncio.Future[Any]]) -> OneTripConnection:
    """To be awaited. Its thread does not keep the process alive.

    `endings`: takes what the connection's thread was told to end and has not yet. A loop that closes before is told
    of it in vain, and the thread dies of that.
    """
    return OneTripConnection(database, endings)
