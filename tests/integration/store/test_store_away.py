"""What is the store's fault and no request's: pages wait and try again, and writers are told that nothing is saved."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from service.store import engine
from service.store.away import store_is_away, store_is_damaged, word_of
from service.store.engine import Store
from tests.support.postgres import Postgres

_PAGE = 4096


async def _failure(store: Store, *statements: str) -> DBAPIError:
    async def ask() -> None:
        async with store.transaction() as session:
            for statement in statements:
                await session.execute(text(statement))

    with pytest.raises(DBAPIError) as caught:
        await ask()
    await store.close()
    return caught.value


@pytest.mark.parametrize("kept", [_PAGE, 0], ids=["the rows", "the whole file"])
async def test_a_damaged_file_is_the_store_s_fault(sqlite_template: Path, tmp_path: Path, kept: int) -> None:
    file = tmp_path / "damaged.db"
    shutil.copy(sqlite_template, file)
    with file.open("r+b") as damaged:
        damaged.seek(kept)
        damaged.write(b"\xa5" * (file.stat().st_size - kept))
    error = await _failure(Store(f"sqlite+aiosqlite:///{file}"), "SELECT * FROM accounts")
    assert store_is_away(error), error


@pytest.mark.parametrize("state", ["53100", "53200", "53300", "25006"])
async def test_a_full_or_read_only_postgresql_is_the_store_s_fault(
    postgres: Postgres, postgres_template: str, state: str
) -> None:
    store = Store(postgres.url(postgres_template))
    full = f"DO $$ BEGIN RAISE EXCEPTION 'as it says itself' USING ERRCODE = '{state}'; END $$"
    assert store_is_away(await _failure(store, full))


async def test_a_postgresql_that_takes_no_writing_is_the_store_s_fault(
    postgres: Postgres, postgres_template: str
) -> None:
    store = Store(postgres.url(postgres_template))
    error = await _failure(store, "SET TRANSACTION READ ONLY", "DELETE FROM accounts")
    assert store_is_away(error), error


async def test_what_one_request_asks_wrongly_is_not_the_store_s_fault(store: Store) -> None:
    assert not store_is_away(await _failure(store, "INSERT INTO accounts (username) VALUES (NULL)"))


async def test_a_table_that_is_not_there_is_not_the_store_s_fault(store: Store) -> None:
    """Waiting brings none: pages would wait for ever, and nobody be told."""
    error = await _failure(store, "SELECT * FROM no_such_table")
    assert not store_is_away(error), error


@pytest.mark.parametrize(
    ("asked", "word"),
    [
        (["PRAGMA query_only = ON", "DELETE FROM accounts"], "SQLITE_READONLY"),
        (["PRAGMA max_page_count = 1", "CREATE TABLE more AS SELECT zeroblob(1000000)"], "SQLITE_FULL"),
    ],
)
async def test_a_full_or_read_only_file_is_the_store_s_fault(sqlite_store: Store, asked: list[str], word: str) -> None:
    error = await _failure(sqlite_store, *asked)
    assert store_is_away(error), error
    assert not store_is_damaged(error)
    assert word_of(error) == word


async def test_a_locked_file_is_the_store_s_fault(sqlite_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "LOCK_TIMEOUT_MS", 50)
    assert sqlite_store.file is not None
    with closing(sqlite3.connect(sqlite_store.file)) as other:
        other.execute("BEGIN IMMEDIATE")
        error = await _failure(sqlite_store, "DELETE FROM accounts")
    assert store_is_away(error), error
    assert word_of(error) == "SQLITE_BUSY"


async def test_a_file_that_cannot_be_opened_is_the_store_s_fault(tmp_path: Path) -> None:
    error = await _failure(Store(f"sqlite+aiosqlite:///{tmp_path}/not mounted/ecoute.db"), "SELECT 1")
    assert store_is_away(error), error
    assert word_of(error) == "SQLITE_CANTOPEN"
