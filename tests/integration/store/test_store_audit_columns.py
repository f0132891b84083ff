"""Whatever an entry of the trail says, and whatever an anchor says: a change of it is found."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from sqlalchemy import Column, select, text, update

from service.audit import anchors
from service.audit.chain import verify
from service.audit.model import Action, AuditEntry
from service.audit.use_cases import Act, append
from service.keys import Keyring
from service.store.engine import Store
from tests.integration.store.conftest import NOW

#: type of a column's value → another one that somebody could have put in its place; the trail's numbers are small
_OTHERS: Final[dict[type, Callable[[Any], object]]] = {
    int: lambda value: value + 1000,
    str: lambda value: f"{value}0",
    bytes: lambda value: bytes(255 - byte for byte in value),
    datetime: lambda value: value + timedelta(microseconds=1),
    Action: lambda value: next(one for one in Action if one is not value),
}


_COLUMNS: Final = [pytest.param(column, id=column.name) for column in AuditEntry.__table__.columns]


async def _written(store: Store, keyring: Keyring) -> None:
    acts = [Act(action=Action.CASE_READ, subject="case", subject_id=case) for case in (1, 2, 3)]
    async with store.transaction() as session:
        await append(session, keyring, acts, account_id=12, at=NOW)


async def _change(store: Store, column: Column[Any], row: int) -> None:
    """In the row with this primary key, with the database in one's hands."""
    (key,) = column.table.primary_key.columns
    async with store.transaction() as session:
        if store.dialect == "sqlite":
            await session.execute(text("DROP TRIGGER audit_entry_keep"))
        else:
            await session.execute(text("ALTER TABLE audit_entries DISABLE TRIGGER ALL"))
        was = await session.scalar(select(column).where(key == row))
        other = _OTHERS[type(was)](was)
        assert other != was
        await session.execute(update(column.table).where(key == row).values({column: other}))


@pytest.mark.parametrize("column", _COLUMNS)
async def test_a_change_of_any_column_of_an_entry_is_found(store: Store, keyring: Keyring, column: Column[Any]) -> None:
    await _written(store, keyring)
    assert (await verify(store, keyring)).whole
    await _change(store, column, 2)
    found = await verify(store, keyring)
    assert found.broken_at == (3 if column.name == "seq" else 2)


@pytest.mark.parametrize("column", _COLUMNS)
async def test_a_change_of_any_column_of_the_last_entry_is_found(
    store: Store, keyring: Keyring, column: Column[Any]
) -> None:
    await _written(store, keyring)
    await _change(store, column, 3)
    assert (await verify(store, keyring)).broken_at == (1003 if column.name == "seq" else 3)


# --- anchors ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", ["at", "seq", "hash", "mark"])
async def test_a_change_of_whatever_an_anchor_says_is_found(
    sqlite_store: Store, keyring: Keyring, tmp_path: Path, word: str
) -> None:
    await _written(sqlite_store, keyring)
    file = anchors.file_of(tmp_path)
    await anchors.Anchors(sqlite_store, keyring, file).drop()
    assert len(anchors.read(file, keyring)) == 1
    line = json.loads(file.read_bytes())
    assert set(line) == {"at", "seq", "hash", "mark"}, "each of them is tried here"
    others = {"at": "2020-01-01T00:00:00Z", "seq": 2, "hash": "ab" * 32, "mark": "ab" * 32}
    file.write_text(json.dumps(line | {word: others[word]}) + "\n")
    with pytest.raises(anchors.AnchorsDamaged):
        anchors.read(file, keyring)
    file.write_text(json.dumps(line) + "\n")
    assert len(anchors.read(file, keyring)) == 1, "nothing but the change was refused"
