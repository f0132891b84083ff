"""The store: opens the database, hands out units of work, brings the schema up to date.

    async with store.transaction() as session: ...   # committed at the end, rolled back on an exception
    async with store.reading() as session: ...       # never commits

On SQLite one writer at a time is let in, in order of asking; PostgreSQL does that itself, row by row.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, Dialect, NullPool, create_engine, event, make_url, text
from sqlalchemy.exc import TimeoutError as TurnTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from pbx.errors import SetupError
from service.store import one_trip

#: How long a statement waits for somebody else's lock before it fails.
LOCK_TIMEOUT_MS: Final = 5_000
#: How long a unit of work on SQLite waits for those before it. With the lock's own time it is less than a page waits
#: for its answer (10 s): who writes notes while the database is locked is told so.
TURN_SECONDS: Final = 3.0
#: How long SQLite's files may take to close, the last of which writes its log back.
CLOSING_SECONDS: Final = 5.0
_WRITES: Final = "ecoute_writes"
_T = TypeVar("_T")


class StoreGone(ConnectionError):
    """SQLite's file is not the one any more that was opened: SQLite would go on writing where nobody finds it."""


class Store:
    """One database. `url`: as SQLAlchemy has it, `sqlite+aiosqlite:///path` or `postgresql+asyncpg://…`.

    What `transaction()` committed survives a crash of the process, of the machine and of the power.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.dialect: str = make_url(url).get_backend_name()
        #: SQLite's file; None: the database is no file of ours
        self.file = _file_of(url) if self.dialect == "sqlite" else None
        self._identity: tuple[int, int] | None = None  #: device and inode of the file
        self._endings: set[asyncio.Future[Any]] = set()  #: SQLite's connections that are about to end
        self.engine = (
            _sqlite_engine(url, self.check_file, self._endings) if self.dialect == "sqlite" else _postgresql_engine(url)
        )
        self._session = async_sessionmaker(self.engine, expire_on_commit=False)
        self._writer = asyncio.Lock()
        self._writing: asyncio.Task[Any] | None = None

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """A unit of work that may write. Commits when the block ends; only then is anything saved.

        Not to be nested: pass the session on instead. SQLAlchemy's errors when the database does not answer in time.
        """
        if self.dialect != "sqlite":
            async with self._session.begin() as session:
                yield session
            return
        if self._writing is asyncio.current_task():
            raise RuntimeError("a transaction is open in this task already: pass its session on")
        await self._turn()
        try:
            self.check_file()
            self._writing = asyncio.current_task()
            writing = self.engine.execution_options(**{_WRITES: True})
            async with self._session(bind=writing) as session, session.begin():
                yield session
        finally:
            self._writing = None
            self._writer.release()

    async def _turn(self) -> None:
        """Take the writer's lock, or raise sqlalchemy.exc.TimeoutError: somebody else holds the database."""
        try:
            async with asyncio.timeout(TURN_SECONDS):
                await self._writer.acquire()
        except TimeoutError:
            raise TurnTimeout("somebody else has held the database for too long") from None

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncSession]:
        """A session for reading alone; nothing done in it is kept. What was read may be used after the block."""
        async with self._session() as session:
            yield session

    def check_file(self) -> None:
        """Raise StoreGone where SQLite's file was moved away or replaced. Put back, it is taken again."""
        if self.file is None:
            return
        try:
            status = self.file.stat()
        except OSError:
            found = None
        else:
            found = (status.st_dev, status.st_ino)
        if self._identity is None:
            self._identity = found
        elif found != self._identity:
            raise StoreGone(f"{self.file.name} is not the file any more that was opened")

    async def look(self, question: Callable[[Connection], _T]) -> _T:
        """What a question finds that only reads; asked before the first unit of work, it leaves SQLite's file alone.

        Also what a process that was killed left beside the file (-wal) stays there, which others would write back.
        """
        if self.file is None:
            async with self.engine.connect() as connection:
                return await connection.run_sync(question)
        self.check_file()
        return await asyncio.to_thread(_look, self.file, question)

    async def upgrade(self) -> None:
        """Bring the schema to the newest revision. Safe to call from several processes at once.

        SetupError when the store is of a newer version: then nothing was changed.
        """
        from service.store.upgrade import is_current, upgrade

        if not await self.look(is_current):
            await upgrade(self.engine)

    async def ping(self) -> None:
        """Raise if the database does not answer."""
        async with self.engine.connect() as connection:
            await connection.execute(text("SELECT 1"))

    async def close(self) -> None:
        """Ends every connection that nobody holds, and waits for those that were told to end before."""
        await self.engine.dispose()
        if self._endings:
            await asyncio.wait(tuple(self._endings), timeout=CLOSING_SECONDS)


def _file_of(url: str) -> Path | None:
    database = make_url(url).database
    return None if database in (None, "", ":memory:") else Path(str(database))


def _sqlite_engine(url: str, check_file: Callable[[], None], endings: set[asyncio.Future[Any]]) -> AsyncEngine:
    database = make_url(url).database or ""

    async def connect() -> Any:
        check_file()  # SQLite would make an empty one
        return await one_trip.connect(database, endings)

    engine = create_async_engine(url, hide_parameters=True, pool_size=8, max_overflow=16, async_creator=connect)
    event.listen(engine.sync_engine, "connect", _prepare_sqlite)
    event.listen(engine.sync_engine, "begin", _begin_sqlite)
    return engine


def _look(file: Path, question: Callable[[Connection], _T]) -> _T:
    engine = create_engine("sqlite://", creator=lambda: _onlooker(file), poolclass=NullPool, hide_parameters=True)
    with engine.connect() as connection:
        return question(connection)


def _onlooker(file: Path) -> sqlite3.Connection:
    """The last one who may write and closes the file writes its log back; one who may not leaves an empty log behind.

    So only where there is something in a log do we come as one who may not.
    """
    try:
        logged = file.with_name(f"{file.name}-wal").stat().st_size
    except FileNotFoundError:
        logged = 0
    wait = LOCK_TIMEOUT_MS / 1000
    if logged:
        return sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True, timeout=wait)
    return sqlite3.connect(file, timeout=wait)


def _prepare_sqlite(connection: sqlite3.Connection, _record: ConnectionPoolEntry) -> None:
    """Nothing here writes: the file may turn out to be another line's.

    synchronous=FULL: with NORMAL a power cut takes acknowledged commits along. secure_delete: erased is gone; not every
    SQLite is built so.
    """
    connection.isolation_level = None  # we begin ourselves, see below
    cursor = connection.cursor()
    for pragma in (
        f"busy_timeout={LOCK_TIMEOUT_MS}",
        "synchronous=FULL",
        "foreign_keys=ON",
        "secure_delete=ON",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    """A writer takes the write lock at once: a reader that turns writer later could fail without waiting.

    Before its first time it sees that readers need not wait for it (WAL), which a copy of the database does not have.
    """
    writes = connection.get_execution_options().get(_WRITES, False)
    if writes and not connection.info.get(_WRITES):
        connection.exec_driver_sql("PRAGMA journal_mode=WAL")
        connection.info[_WRITES] = True
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _postgresql_engine(url: str) -> AsyncEngine:
    engine = create_async_engine(
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
    event.listen(engine.sync_engine, "do_connect", _connect)
    return engine


def _connect(dialect: Dialect, _record: ConnectionPoolEntry, given: list[Any], named: dict[str, Any]) -> Any:
    """A server that is not there, or hangs, says so in one way: ConnectionError, where asyncpg knows several.

    SetupError where the address has something that asyncpg does not take: what was written is not repeated, a password
    may be in it.
    """
    try:
        return dialect.connect(*given, **named)
    except (OSError, TimeoutError) as error:
        raise ConnectionError("the database's server does not answer") from error
    except (TypeError, ValueError, OverflowError) as error:
        raise SetupError(
            "store-url-unfit",
            "The database's address, store.url in ecoute.toml, has a port or an option that there is not.",
            "Write it like postgresql+asyncpg://user@host:5432/database; for TLS add ?ssl=require, where others say "
            "sslmode.",
        ) from error
