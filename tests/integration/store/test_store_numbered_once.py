"""A row's number is its own for good: what the audit trail, a log or a person names is never something else later."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import pytest
from sqlalchemy import delete, insert, text

from service.accounts.model import Account, FailedSignIn, SignedInSession
from service.accounts.rights import Role
from service.accounts.viewer import Viewer
from service.audit import queries as audit
from service.audit.model import Action
from service.cases import editing
from service.cases.model import Case, CaseStatus, Contact
from service.keys import Keyring
from service.store.base import Base
from service.store.engine import Store
from service.store.sql import table_of
from service.store.tables import metadata
from tests.integration.store.conftest import NOW, Hire
from tests.integration.store.test_store_contacts import answer

#: every table that numbers its rows → a row of it, from a number that makes it another and the account that all are of
ROWS: Final[dict[type[Base], Callable[[int, int], dict[str, Any]]]] = {
    Account: lambda n, _: {
        "username": f"u{n}",
        "display_name": "U",
        "password_hash": "-",
        "locale": "fr",
        "active": True,
        "made_at": NOW,
    },
    Case: lambda _n, _: {"status": CaseStatus.DRAFT, "opened_at": NOW, "last_contact_at": NOW},
    Contact: lambda n, _: {
        "pbx": "pbx1",
        "call_id": f"c{n}",
        "case_id": 1,
        "line": "",
        "started_at": NOW,
        "notes_version": 0,
    },
    FailedSignIn: lambda n, _: {"username_index": f"{n}", "address_index": f"{n}", "at": NOW},
    SignedInSession: lambda n, account: {
        "token_hash": f"{n}",
        "account_id": account,
        "made_at": NOW,
        "used_at": NOW,
    },
}


@pytest.fixture
async def lise(hire: Hire) -> Viewer:
    return await hire("lise", Role.LISTENER)


def test_every_table_that_numbers_its_rows_numbers_each_once() -> None:
    numbered = {name: table for name, table in metadata().tables.items() if table.autoincrement_column is not None}
    assert set(numbered) == {table_of(model).name for model in ROWS}
    assert all(table.dialect_options["sqlite"]["autoincrement"] for table in numbered.values())


async def test_the_migrated_tables_number_as_the_models_say(sqlite_store: Store) -> None:
    """Alembic compares no AUTOINCREMENT, and loses it from a table that it builds anew."""
    async with sqlite_store.reading() as session:
        found = await session.scalars(text("SELECT name FROM sqlite_master WHERE sql LIKE '%AUTOINCREMENT%'"))
        assert set(found) == {table_of(model).name for model in ROWS}


@pytest.mark.parametrize("model", ROWS, ids=lambda model: model.__tablename__)
async def test_the_last_row_is_gone_and_its_number_is_not_given_again(
    store: Store, keyring: Keyring, lise: Viewer, model: type[Base]
) -> None:
    await answer(store, keyring, None)
    given: list[int] = []
    for n in range(3):
        values = ROWS[model](n, lise.account_id)
        if model is SignedInSession:
            values["phone_password"] = keyring.seal("secret", "phone")
        async with store.transaction() as session:
            done = await session.execute(insert(model).values(**values).returning(table_of(model).c.id))
            given.append(done.scalar_one())
        async with store.transaction() as session:
            await session.execute(delete(model).where(table_of(model).c.id == given[-1]))
    assert given == sorted(set(given))


async def test_nobody_is_on_the_trail_of_a_case_that_they_never_saw(
    store: Store, keyring: Keyring, hire: Hire, lise: Viewer
) -> None:
    omar = await hire("omar", Role.LISTENER)
    known = await answer(store, keyring, lise, call_id="known")
    draft = await answer(store, keyring, lise, call_id="draft")
    async with store.transaction() as session:
        await editing.read_case(session, keyring, lise, draft.case_id, NOW)
        await editing.link(session, keyring, lise, draft.contact_id, case_id=known.case_id, at=NOW)
    after = await answer(store, keyring, omar, call_id="after", number="+33639980102")
    async with store.transaction() as session:
        await editing.read_case(session, keyring, omar, after.case_id, NOW)
        entries = await audit.entries(session, subject="case", subject_id=str(after.case_id))
    assert [(entry.action, entry.account_id) for entry in entries] == [(Action.CASE_READ, omar.account_id)]
