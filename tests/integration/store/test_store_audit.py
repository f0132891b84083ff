"""The audit trail: append-only, chained, ids alone."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import delete, text, update
from sqlalchemy.exc import DBAPIError

from service.audit import queries
from service.audit.model import Action, AuditEntry, AuditHead
from service.audit.use_cases import Act, append, verify
from service.keys import Keyring
from service.store.engine import Store
from tests.integration.store.conftest import NOW


async def _append(store: Store, keyring: Keyring, *cases: int) -> None:
    acts = [Act(action=Action.CASE_READ, subject="case", subject_id=case) for case in cases]
    async with store.transaction() as session:
        await append(session, keyring, acts, account_id=12, at=NOW)


async def _append_and_fail(store: Store, keyring: Keyring, case: int) -> None:
    async with store.transaction() as session:
        act = Act(action=Action.CASE_READ, subject="case", subject_id=case)
        await append(session, keyring, [act], account_id=1, at=NOW)
        _ = 1 / 0


async def _broken_at(store: Store, keyring: Keyring) -> int | None:
    async with store.reading() as session:
        return (await verify(session, keyring)).broken_at


async def _without_triggers(store: Store, *statements: str) -> None:
    """What somebody with the database in their hands could do."""
    async with store.transaction() as session:
        if store.dialect == "sqlite":
            await session.execute(text("DROP TRIGGER audit_entry_keep"))
            await session.execute(text("DROP TRIGGER audit_entry_purge"))
        else:
            await session.execute(text("ALTER TABLE audit_entries DISABLE TRIGGER ALL"))
        for statement in statements:
            await session.execute(text(statement))


async def test_entries_are_numbered_without_a_gap_and_the_chain_holds(store: Store, keyring: Keyring) -> None:
    await _append(store, keyring, 1, 2)
    await _append(store, keyring, 3)
    async with store.reading() as session:
        entries = await queries.entries(session)
        state = await verify(session, keyring)
    assert [(entry.seq, entry.subject_id) for entry in entries] == [(1, "1"), (2, "2"), (3, "3")]
    assert (state.entries, state.broken_at) == (3, None)


async def test_writers_at_once_make_one_chain(store: Store, keyring: Keyring) -> None:
    await asyncio.gather(*(_append(store, keyring, case) for case in range(20)))
    async with store.reading() as session:
        state = await verify(session, keyring)
    assert (state.entries, state.broken_at) == (20, None)


async def test_an_act_that_fails_leaves_no_entry(store: Store, keyring: Keyring) -> None:
    await _append(store, keyring, 1)
    with pytest.raises(ZeroDivisionError):
        await _append_and_fail(store, keyring, 2)
    await _append(store, keyring, 3)
    async with store.reading() as session:
        assert [entry.subject_id for entry in await queries.entries(session)] == ["1", "3"]
    assert await _broken_at(store, keyring) is None


@pytest.mark.parametrize(
    "statement",
    [update(AuditEntry).values(account_id=99), delete(AuditEntry), delete(AuditEntry).where(AuditEntry.seq == 2)],
    ids=["change", "delete all", "delete one"],
)
async def test_the_database_itself_refuses_to_change_or_delete(
    store: Store, keyring: Keyring, statement: object
) -> None:
    await _append(store, keyring, 1, 2)
    with pytest.raises(DBAPIError, match="append-only"):
        async with store.transaction() as session:
            await session.execute(statement)  # type: ignore[call-overload]


async def test_what_was_purged_may_go_and_the_chain_holds_from_there(store: Store, keyring: Keyring) -> None:
    await _append(store, keyring, 1, 2, 3)
    async with store.transaction() as session:
        second = await session.get_one(AuditEntry, 2)
        await session.execute(update(AuditHead).values(purged_seq=2, purged_hash=second.hash))
        await session.execute(delete(AuditEntry).where(AuditEntry.seq <= 2))
    async with store.reading() as session:
        state = await verify(session, keyring)
    assert (state.entries, state.broken_at) == (1, None)


@pytest.mark.parametrize(
    ("statement", "broken_at"),
    [
        ("UPDATE audit_entries SET subject_id = '7' WHERE seq = 2", 2),
        ("UPDATE audit_entries SET account_id = NULL WHERE seq = 1", 1),
        ("DELETE FROM audit_entries WHERE seq = 2", 3),
        ("DELETE FROM audit_entries WHERE seq = 3", 3),
        ("DELETE FROM audit_entries", 1),
    ],
    ids=["changed", "who", "one taken out", "cut off at the end", "all gone"],
)
async def test_tampering_with_the_database_is_found(
    store: Store, keyring: Keyring, statement: str, broken_at: int
) -> None:
    await _append(store, keyring, 1, 2, 3)
    await _without_triggers(store, statement)
    assert await _broken_at(store, keyring) == broken_at


async def test_the_chain_cannot_be_made_anew_without_the_key(store: Store, keyring: Keyring) -> None:
    await _append(store, Keyring(bytes(32)), 1, 2)
    assert await _broken_at(store, keyring) == 1


async def test_an_instant_of_another_zone_chains_like_its_utc(store: Store, keyring: Keyring) -> None:
    async with store.transaction() as session:
        act = Act(action=Action.CASE_READ, subject="case", subject_id=1)
        await append(session, keyring, [act], account_id=None, at=NOW + timedelta(microseconds=123457))
    assert await _broken_at(store, keyring) is None
