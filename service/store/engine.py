"""The store: opens the database, hands out units of work, brings the schema up to date.

    async with store.transaction() as session: ...   # committed at the end, rolled back on an exception
    async with store.reading() as session: ...       # never commits

On SQLite one writer at a time is let in, in order of asking; PostgreSQL does that itself, row by row.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from sqlalchemy import Connection, event, make_url, text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from service.store import one_trip

#: How long a statement waits for somebody else's lock before it fails.
LOCK_TIMEOUT_MS: Final = 5_000
_WRITES: Final = "ecoute_writes"


class Store:
    """One database. `url`: as SQLAlchemy has it, `sqlite+aiosqlite:///path` or `postgresql+asyncpg://…`.

    What `transaction()` committed survives a crash of the process, of the machine and of the power.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.dialect: str = make_url(url).get_backend_name()
        self.engine = _sqlite_engine(url) if self.dialect == "sqlite" else _postgresql_engine(url)
        self._session = async_sessionmaker(self.engine, expire_on_commit=False)
        self._writer = asyncio.Lock()
        self._writing: asyncio.Task[Any] | None = None

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """A unit of work that may write. Commits when the block ends; only then is anything saved.

        Not to be nested: pass the session on instead.
        """
        if self.dialect != "sqlite":
            async with self._session.begin() as session:
                yield session
            return
        if self._writing is asyncio.current_task():
            raise RuntimeError("a transaction is open in this task already: pass its session on")
        async with self._writer:
            self._writing = asyncio.current_task()
            try:
                writing = self.engine.execution_options(**{_WRITES: True})
                async with self._session(bind=writing) as session, session.begin():
                    yield session
            finally:
                self._writing = None

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncSession]:
        """A session for reading alone; nothing done in it is kept. What was read may be used after the block."""
        async with self._session() as session:
            yield session

    async def upgrade(self) -> None:
        """Bring the schema to the newest revision. Safe to call from several processes at once."""
        from service.store.upgrade import upgrade

        await upgrade(self.engine)

    async def ping(self) -> None:
        """Raise if the database does not answer."""
        async with self.engine.connect() as connection:
            await connection.execute(text("SELECT 1"))

    async def close(self) -> None:
        await self.engine.dispose()


def _sqlite_engine(url: str) -> AsyncEngine:
    database = make_url(url).database or ""
    engine = create_async_engine(
        url, hide_parameters=True, pool_size=8, max_overflow=16, async_creator=lambda: one_trip.connect(database)
    )
    event.listen(engine.sync_engine, "connect", _prepare_sqlite)
    event.listen(engine.sync_engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: sqlite3.Connection, _record: ConnectionPoolEntry) -> None:
    """synchronous=FULL: with NORMAL a power cut takes acknowledged commits along. secure_delete: erased is gone."""
    connection.isolation_level = None  # we begin ourselves, see below
    cursor = connection.cursor()
    for pragma in (
        f"busy_timeout={LOCK_TIMEOUT_MS}",
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        "secure_delete=ON",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    """A writer takes the write lock at once: a reader that turns writer later could fail without waiting."""
    writes = connection.get_execution_options().get(_WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _postgresql_engine(url: str) -> AsyncEngine:
    return create_async_engine(
        url,
        hide_parameters=True,
        pool_size=8,
        max_overflow=16,
        pool_pre_ping=True,
        connect_args={
            "timeout": 5,
            "server_settings": {
                "application_name": "ecoute",
                "timezone": "UTC",
                "lock_timeout": str(LOCK_TIMEOUT_MS),
                "synchronous_commit": "on",
            },
        },
    )
