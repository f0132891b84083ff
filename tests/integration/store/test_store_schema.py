"""The schema and the unit of work, on both databases."""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, select, text
from sqlalchemy.exc import IntegrityError, StatementError

from service.accounts.model import Account, FailedSignIn
from service.cases.model import ReferenceCounter
from service.keys import Keyring
from service.store.engine import Store
from service.store.model import CallerKey
from service.store.secrets import current_caller_key, load_caller_keys, rotate_caller_key
from service.store.sql import count_up, insert_once
from service.store.tables import metadata
from service.store.upgrade import MIGRATIONS, newest
from tests.integration.store.conftest import NOW
from tests.support.postgres import Postgres


async def test_the_migrated_schema_is_what_the_models_say(store: Store) -> None:
    def differences(connection: Connection) -> list[object]:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return list(compare_metadata(context, metadata()))

    async with store.engine.connect() as connection:
        assert await connection.run_sync(differences) == []


async def test_every_feature_with_tables_is_part_of_the_schema() -> None:
    names = set(metadata().tables)
    assert {"accounts", "sessions", "cases", "contacts", "audit_entries", "caller_keys"} <= names


async def test_an_upgrade_of_a_new_store_changes_nothing_and_two_at_once_do_no_harm(
    tmp_path: Path, postgres: Postgres
) -> None:
    postgres.sql("CREATE DATABASE twice")
    for url in (f"sqlite+aiosqlite:///{tmp_path / 'twice.db'}", postgres.url("twice")):
        first, second = Store(url), Store(url)
        await asyncio.gather(first.upgrade(), second.upgrade())
        await first.upgrade()
        async with first.reading() as session:
            revisions = (await session.scalars(text("SELECT version_num FROM alembic_version"))).all()
        assert len(revisions) == 1
        await first.close()
        await second.close()


def test_the_newest_revision_is_known_by_its_script_s_name() -> None:
    scripts = ScriptDirectory(str(MIGRATIONS))
    assert scripts.get_heads() == [newest()]
    assert all(Path(script.path).name.startswith(f"{script.revision}_") for script in scripts.walk_revisions())


async def test_a_start_on_a_store_that_is_up_to_date_loads_no_tool_of_upgrades(sqlite_store: Store) -> None:
    loaded = (
        "import asyncio, sys; from service.store.engine import Store; "
        "asyncio.run(Store(sys.argv[1]).upgrade()); sys.exit('alembic' in sys.modules)"
    )
    run = await asyncio.create_subprocess_exec(sys.executable, "-c", loaded, sqlite_store.url)
    assert await run.wait() == 0


async def test_what_raises_is_rolled_back_whole(store: Store) -> None:
    async def fail() -> None:
        async with store.transaction() as session:
            session.add(FailedSignIn(username_index="a", address_index="b", at=NOW))
            await session.flush()
            _ = 1 / 0

    with pytest.raises(ZeroDivisionError):
        await fail()
    async with store.reading() as session:
        assert (await session.scalars(select(FailedSignIn))).all() == []


async def test_an_instant_comes_back_in_utc_and_a_naive_one_is_refused(store: Store) -> None:
    paris = datetime(2026, 9, 14, 12, 0, 0, 123456, tzinfo=timezone(timedelta(hours=2)))
    async with store.transaction() as session:
        session.add(FailedSignIn(username_index="a", address_index="b", at=paris))
    async with store.reading() as session:
        at = (await session.scalars(select(FailedSignIn.at))).one()
    assert at == paris
    assert at.tzinfo is UTC
    with pytest.raises(StatementError, match="time zone"):
        async with store.transaction() as session:
            session.add(FailedSignIn(username_index="a", address_index="b", at=datetime(2026, 1, 1)))  # noqa: DTZ001


async def test_clear_text_cannot_be_stored_where_ciphertext_belongs(store: Store) -> None:
    with pytest.raises(StatementError, match="sealed"):
        async with store.transaction() as session:
            session.add(CallerKey(key_id="k1", pbx="pbx1", sealed=b"0123456789abcdef", made_at=NOW))


async def test_of_many_writers_at_once_none_fails_and_none_is_lost(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.store.engine.TURN_SECONDS", 60.0)  # forty times the disk's own time, whatever that is

    async def write() -> int:
        async with store.transaction() as session:
            return await count_up(session, ReferenceCounter, {"year": 2026, "department": "38"}, "last")

    numbers = await asyncio.gather(*(write() for _ in range(40)))
    assert sorted(numbers) == list(range(1, 41))


async def test_a_row_inserted_twice_at_once_is_new_once(store: Store) -> None:
    async def write() -> int:
        async with store.transaction() as session:
            row = {"year": 2026, "department": "38", "last": 7}
            return await insert_once(session, ReferenceCounter, [row], keys=["year", "department"])

    assert sum(await asyncio.gather(*(write() for _ in range(10)))) == 1


async def test_a_reader_sees_the_store_while_a_writer_is_at_work(store: Store) -> None:
    async with store.transaction() as writing:
        writing.add(FailedSignIn(username_index="a", address_index="b", at=NOW))
        await writing.flush()
        async with store.reading() as reading:
            assert (await reading.scalars(select(FailedSignIn))).all() == []


async def test_sqlite_keeps_what_it_acknowledged_and_enforces_references(sqlite_store: Store) -> None:
    async with sqlite_store.reading() as session:
        found = [
            (await session.scalar(text(f"PRAGMA {name}")))
            for name in ("journal_mode", "synchronous", "foreign_keys", "secure_delete")
        ]
    assert found == ["wal", 2, 1, 1]


async def test_a_transaction_inside_a_transaction_is_refused_not_waited_for(sqlite_store: Store) -> None:
    async with sqlite_store.transaction():
        with pytest.raises(RuntimeError, match="pass its session on"):
            async with sqlite_store.transaction():
                pass


async def test_a_database_error_does_not_carry_the_statement_s_values(store: Store) -> None:
    row = {"locale": "fr", "active": True, "username": "same", "password_hash": "$argon2id$of-somebody", "made_at": NOW}
    with pytest.raises(IntegrityError, match="hidden due to hide_parameters") as caught:  # noqa: PT012
        async with store.transaction() as session:
            session.add_all([Account(**row, display_name="Somebody"), Account(**row, display_name="Somebody else")])
            await session.flush()
    assert "argon2id" not in str(caught.value)
    assert "Somebody" not in str(caught.value)


# --- keys in the store ------------------------------------------------------------------------------------------------


async def test_caller_keys_of_the_past_are_kept_and_the_newest_is_current(store: Store, keyring: Keyring) -> None:
    async with store.transaction() as session:
        ring = await load_caller_keys(session, keyring)
        assert await current_caller_key(session, keyring, "pbx1") is None
        await rotate_caller_key(session, keyring, ring, pbx="pbx1", at=NOW)
        second = await rotate_caller_key(session, keyring, ring, pbx="pbx1", at=NOW + timedelta(days=1))
    async with store.reading() as session:
        assert repr(await load_caller_keys(session, keyring)) == "CallerKeyRing(2 keys)"
        current = await current_caller_key(session, keyring, "pbx1")
        stored = (await session.scalars(select(CallerKey.sealed))).all()
    assert current is not None
    assert current[:2] == second
    assert all(second[1].encode() not in bytes(sealed) for sealed in stored)
