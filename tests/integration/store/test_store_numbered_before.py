"""A store from before rows were numbered once and for all: nothing of it changes, and it goes on above all numbers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from sqlalchemy import insert, select, text
from sqlalchemy.exc import DBAPIError

from service.accounts.model import QueueWish, RecoveryCode, SecondStep, SignedInSession
from service.accounts.rights import Role
from service.accounts.viewer import Viewer
from service.audit.chain import verify
from service.audit.model import Action
from service.audit.use_cases import Act, append
from service.cases import editing
from service.cases.model import Case, CaseClosedTo, Contact
from service.cases.schemas import CaseNames
from service.keys import Keyring
from service.store.engine import Store
from service.store.tables import metadata
from service.store.upgrade import config
from tests.integration.store.conftest import NOW, Hire
from tests.integration.store.test_store_contacts import answer
from tests.integration.store.test_store_names import named
from tests.support.postgres import Postgres

OLD = "0008"


async def migrate(store: Store, revision: str, *, back: bool = False) -> None:
    way = command.downgrade if back else command.upgrade
    async with store.engine.execution_options(ecoute_writes=True).begin() as connection:
        await connection.run_sync(lambda sync: way(config(sync), revision))


@pytest.fixture(params=["sqlite", "postgresql"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    """A store as it was."""
    url = f"sqlite+aiosqlite:///{tmp_path / 'old.db'}"
    if request.param == "postgresql":
        server: Postgres = request.getfixturevalue("postgres")
        name = request.node.name.partition("[")[0][5:60]
        server.sql(f"CREATE DATABASE {name}")
        url = server.url(name)
    store = Store(url)
    await migrate(store, OLD)
    yield store
    await store.close()


@pytest.fixture
async def lise(store: Store, keyring: Keyring, hire: Hire) -> Viewer:
    """Somebody with all that hangs on an account."""
    lise = await hire("lise", Role.LISTENER)
    sealed = keyring.seal("secret", "of lise")
    of_hers: dict[str, Any] = {"account_id": lise.account_id}
    async with store.transaction() as session:
        session.add_all(
            [
                SignedInSession(**of_hers, token_hash="t", made_at=NOW, used_at=NOW, phone_password=sealed),
                SecondStep(**of_hers, secret=sealed, made_at=NOW),
                RecoveryCode(**of_hers, code_hash="c"),
                QueueWish(**of_hers, queue="national", wanted=True, at=NOW),
            ]
        )
    return lise


@pytest.fixture
async def given(store: Store, keyring: Keyring, hire: Hire, lise: Viewer) -> list[int]:
    """Numbers of all the cases that there were; of the last ones the trail alone tells."""
    omar = await hire("omar", Role.LISTENER)
    opened = [await answer(store, keyring, lise, call_id=f"call-{n}") for n in range(6)]
    first, *others = opened
    await named(store, keyring, lise, first.case_id, CaseNames(caller="Zoé Exemple", person_concerned=None))
    async with store.transaction() as session:
        await session.execute(insert(CaseClosedTo).values(case_id=first.case_id, account_id=omar.account_id))
        await editing.save_notes(session, keyring, lise, first.contact_id, text="a dit", version=0, at=NOW)
        await editing.shield(session, keyring, lise, first.contact_id, shielded=True, at=NOW)
        for draft in others[2:]:
            await editing.read_case(session, keyring, lise, draft.case_id, NOW)
            await editing.link(session, keyring, lise, draft.contact_id, case_id=first.case_id, at=NOW)
    return [one.case_id for one in opened]


async def rows(store: Store) -> dict[str, list[tuple[Any, ...]]]:
    """All that is stored."""
    async with store.reading() as session:
        return {
            table.name: [tuple(row) for row in await session.execute(select(table).order_by(*table.primary_key))]
            for table in metadata().sorted_tables
        }


async def schema(store: Store) -> dict[str, str]:
    """What SQLite's tables, indexes and triggers are made of."""
    async with store.reading() as session:
        found = await session.execute(text("SELECT name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'"))
        return {row.name: row.sql for row in found}


async def test_nothing_that_was_stored_is_lost_and_what_comes_is_numbered_above_all_that_was(
    store: Store, keyring: Keyring, given: list[int]
) -> None:
    before = await rows(store)
    assert not [name for name in ("cases", "case_numbers", "case_names", "sessions", "contacts") if not before[name]]
    async with store.reading() as session:
        assert set(await session.scalars(select(Case.id))) == set(given[:3]), "the others are gone"
    await store.upgrade()
    assert await rows(store) == before
    assert (await verify(store, keyring)).whole
    after = await answer(store, keyring, None, call_id="after")
    assert after.case_id > max(given)
    async with store.transaction() as session:
        await session.delete(await session.get_one(Contact, after.contact_id))
        await session.flush()
        await session.delete(await session.get_one(Case, after.case_id))
    assert await rows(store) == before, "what hung on them went with them, and nothing else"
    assert (await answer(store, keyring, None, call_id="later")).case_id > after.case_id


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)
async def test_of_the_schema_nothing_else_changes_and_it_can_be_taken_back(store: Store, given: list[int]) -> None:
    before, stored = await schema(store), await rows(store)
    await store.upgrade()
    after = await schema(store)
    assert {name for name in after if after[name] != before.get(name)} == {
        "accounts",
        "cases",
        "contacts",
        "failed_sign_ins",
        "sessions",
    }
    assert {name: sql.replace(" AUTOINCREMENT", "") for name, sql in after.items()} == before
    async with store.reading() as session:
        assert (await session.scalars(text("PRAGMA integrity_check"))).all() == ["ok"]
        assert (await session.scalars(text("PRAGMA foreign_key_check"))).all() == []
        assert await session.scalar(text("PRAGMA writable_schema")) == 0
    with pytest.raises(DBAPIError, match="append-only"):
        async with store.transaction() as session:
            await session.execute(text("DELETE FROM audit_entries"))
    await migrate(store, OLD, back=True)
    assert (await schema(store), await rows(store)) == (before, stored)
    await store.upgrade()
    assert (await schema(store), await rows(store)) == (after, stored)


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)
async def test_whatever_the_trail_names_is_not_named_again_also_by_who_has_the_store_open_already(
    store: Store, keyring: Keyring, hire: Hire, lise: Viewer
) -> None:
    acts = [
        Act(action=Action.CASE_READ, subject="case", subject_id=9),
        Act(action=Action.CASE_READ, subject="case", subject_id=41),
        Act(action=Action.CONTACT_READ, subject="contact", subject_id=52),
        Act(action=Action.ACCOUNT_MADE, subject="account", subject_id=61),
    ]
    other = Store(store.url)
    async with other.transaction() as session:
        await append(session, keyring, acts, account_id=63, at=NOW)
    await store.upgrade()
    opened = await answer(other, keyring, lise)
    assert (opened.case_id, opened.contact_id) == (42, 53)
    assert (await hire("omar", Role.LISTENER)).account_id == 64
    await other.close()


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)
async def test_a_table_that_is_not_as_it_was_made_is_left_as_it_is(store: Store, given: list[int]) -> None:
    async with store.engine.execution_options(ecoute_writes=True).begin() as connection:
        await connection.execute(text("ALTER TABLE sessions RENAME TO visits"))
    before = await schema(store)
    with pytest.raises(RuntimeError, match="sessions"):
        await store.upgrade()
    assert await schema(store) == before
    async with store.reading() as session:
        assert await session.scalar(text("SELECT version_num FROM alembic_version")) == OLD
        assert await session.scalar(text("PRAGMA writable_schema")) == 0
        assert len((await session.scalars(select(Case.id))).all()) == 3
