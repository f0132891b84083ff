"""What is the store's fault and no request's: pages wait and try again, and writers are told that nothing is saved."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from service.http.errors import store_is_away
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
