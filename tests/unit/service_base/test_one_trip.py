"""A statement is one trip to the connection's thread, with all that SQLAlchemy wants of it."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import aiosqlite
import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from service.store.engine import Store
from service.store.one_trip import OneTripConnection, connect


async def test_a_statement_its_rows_and_its_end_are_one_trip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trips: list[object] = []
    go: Any = aiosqlite.Connection._execute

    async def counted(connection: OneTripConnection, work: Callable[[], object]) -> object:
        trips.append(work)
        return await go(connection, work)

    store = Store(f"sqlite+aiosqlite:///{tmp_path / 'one.db'}")
    async with store.engine.connect() as connection:
        await connection.execute(text("SELECT 1"))
        monkeypatch.setattr(aiosqlite.Connection, "_execute", counted)
        rows = (await connection.execute(text("SELECT 1 AS one UNION SELECT 2"))).all()
        monkeypatch.undo()
    await store.close()
    assert [row.one for row in rows] == [1, 2]
    assert len(trips) == 1


async def test_rows_counts_and_ids_are_those_of_sqlite(tmp_path: Path) -> None:
    connection = await connect(str(tmp_path / "one.db"), set())
    cursor = connection.cursor()
    await cursor.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, word TEXT)")
    assert cursor.description is None
    await cursor.executemany("INSERT INTO t (word) VALUES (?)", [("un",), ("deux",), ("trois",)])
    assert cursor.rowcount == 3
    await cursor.execute("INSERT INTO t (word) VALUES (?)", ("quatre",))
    assert cursor.lastrowid == 4
    await cursor.execute("SELECT word FROM t ORDER BY id")
    description: Any = cursor.description
    assert [column[0] for column in description] == ["word"]
    assert await cursor.fetchone() == ("un",)
    assert await cursor.fetchmany(2) == [("deux",), ("trois",)]
    assert await cursor.fetchall() == [("quatre",)]
    assert await cursor.fetchone() is None
    await connection.close()


async def test_an_error_is_sqlites_own_and_the_connection_goes_on(tmp_path: Path) -> None:
    connection = await connect(str(tmp_path / "one.db"), set())
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        await connection.cursor().execute("SELECT * FROM nowhere")
    cursor = await connection.cursor().execute("SELECT 1")
    assert await cursor.fetchall() == [(1,)]
    await connection.close()


async def test_a_statement_waits_in_its_thread_and_not_in_the_loop(tmp_path: Path) -> None:
    """Somebody else's lock holds the statement up, and nothing else."""
    other = sqlite3.connect(tmp_path / "one.db", isolation_level=None)
    other.execute("CREATE TABLE t (id INTEGER)")
    other.execute("BEGIN EXCLUSIVE")
    connection = await connect(str(tmp_path / "one.db"), set())
    waiting = asyncio.create_task(connection.cursor().execute("INSERT INTO t VALUES (1)"))
    beats = 0
    while beats < 20:
        await asyncio.sleep(0.01)
        beats += 1
    assert not waiting.done()
    other.execute("COMMIT")
    other.close()
    assert (await waiting).rowcount == 1
    await connection.rollback()
    await connection.close()


#: Takes tens of milliseconds.
_COUNTING = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 200000) SELECT count(*) FROM n"


async def _breaks_off_what_it_asked(file: Path) -> None:
    """Twice: the second time in its wait for the connection's end."""
    store = Store(f"sqlite+aiosqlite:///{file}")

    async def asks() -> None:
        async with store.reading() as session:
            await session.execute(text("SELECT 1"))
            began.set()
            await session.execute(text(_COUNTING))

    began = asyncio.Event()
    asking = asyncio.create_task(asks())
    await began.wait()
    while not asking.done():
        await asyncio.sleep(0.001)
        asking.cancel()
    await store.close()
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == {asyncio.current_task()}, "nobody waits for a thread that has ended"


async def _opens_what_is_not_there(file: Path) -> None:
    store = Store(f"sqlite+aiosqlite:///{file}/not mounted/ecoute.db")
    with pytest.raises(OperationalError):
        await store.ping()
    await store.close()


@pytest.mark.parametrize(("asks", "times"), [(_breaks_off_what_it_asked, 5), (_opens_what_is_not_there, 500)])
def test_no_thread_has_anything_to_tell_a_loop_that_is_closed(
    asks: Callable[[Path], Coroutine[Any, Any, None]], times: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    died: list[threading.ExceptHookArgs] = []
    monkeypatch.setattr(threading, "excepthook", died.append)
    for attempt in range(times):
        asyncio.run(asks(tmp_path / f"{attempt}.db"))
    for thread in threading.enumerate():
        if "_connection_worker_thread" in thread.name:
            thread.join(5)
    assert not died
