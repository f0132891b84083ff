"""Upgraded, empty databases of both kinds, and an application over one. Fixtures for a conftest to import.

from tests.support.stores import *  # in a conftest.py
"""

from __future__ import annotations

import asyncio
import itertools
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from sqlalchemy import text

from service.keys import Keyring
from service.store.engine import Store
from service.store.tables import metadata
from tests.support.postgres import Postgres, running_postgres

__all__ = ["keyring", "postgres", "postgres_template", "sqlite_store", "sqlite_template", "store", "store_url"]

_TEMPLATE = "template_ecoute"
_numbers = itertools.count(1)


async def _upgrade(url: str) -> None:
    store = Store(url)
    await store.upgrade()
    await store.close()


@asynccontextmanager
async def held(store: Store) -> AsyncIterator[None]:
    """Another process holds the whole database while the block lasts: it can be read, and nobody else can write."""
    tables = ", ".join(sorted(metadata().tables))
    hold = "SELECT 1" if store.dialect == "sqlite" else f"LOCK TABLE {tables} IN EXCLUSIVE MODE"
    other = Store(store.url)
    try:
        async with other.transaction() as session:
            await session.execute(text(hold))
            yield
    finally:
        await other.close()


@pytest.fixture
def keyring() -> Keyring:
    """A keyring of the test's own, the same each time."""
    return Keyring(bytes(range(32)))


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """One cluster for the whole run."""
    with running_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def postgres_template(postgres: Postgres) -> str:
    """An upgraded database, to be copied."""
    postgres.sql(f"CREATE DATABASE {_TEMPLATE}")
    asyncio.run(_upgrade(postgres.url(_TEMPLATE)))
    return _TEMPLATE


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An upgraded file, to be copied."""
    file = tmp_path_factory.mktemp("sqlite") / "template.db"
    asyncio.run(_upgrade(f"sqlite+aiosqlite:///{file}"))
    return file


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Address of an upgraded, empty database: the test runs on SQLite and on PostgreSQL."""
    if request.param == "sqlite":
        file = tmp_path / "ecoute.db"
        shutil.copy(request.getfixturevalue("sqlite_template"), file)
        return f"sqlite+aiosqlite:///{file}"
    template = request.getfixturevalue("postgres_template")
    server: Postgres = request.getfixturevalue("postgres")
    name = f"test_{next(_numbers)}"
    server.sql(f"CREATE DATABASE {name} TEMPLATE {template}")
    return server.url(name)


@pytest.fixture
async def store(store_url: str) -> AsyncIterator[Store]:
    """An upgraded, empty store, of both kinds in turn."""
    store = Store(store_url)
    yield store
    await store.close()


@pytest.fixture
async def sqlite_store(tmp_path: Path, sqlite_template: Path) -> AsyncIterator[Store]:
    """An upgraded, empty store on SQLite, for tests that are not about the database."""
    file = tmp_path / "ecoute.db"
    shutil.copy(sqlite_template, file)
    store = Store(f"sqlite+aiosqlite:///{file}")
    yield store
    await store.close()
