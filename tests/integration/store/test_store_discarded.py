"""Of a discarded draft nothing is left by which its caller is known again, in no table."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import select

from service.accounts.viewer import Viewer
from service.calls.model import NumberKind
from service.calls.use_cases import Archive
from service.cases import editing
from service.cases.model import DiscardReason
from service.store.engine import Store
from service.store.tables import metadata
from tests.integration.store.test_store_late_number import (
    BASE,
    NOW,
    NUMBER,
    archive,
    camille,
    facts,
    record,
    the_call,
    the_contact,
)

__all__ = ["archive", "camille"]


async def _tables_with(store: Store, value: str) -> set[str]:
    """The tables in which it is, in whatever column."""
    found = set()
    async with store.reading() as session:
        for table in metadata().sorted_tables:
            rows = await session.execute(select(table))
            if any(value in row for row in rows):
                found.add(table.name)
    return found


async def test_a_discarded_caller_s_number_is_in_no_table_and_does_not_come_back_from_the_journal(
    store: Store, archive: Archive, camille: Viewer
) -> None:
    happened = facts(camille)
    await record(store, archive, *happened)
    index, contact = archive.keyring.blind_index(NUMBER), await the_contact(store)
    assert await _tables_with(store, index) == {"calls", "contacts", "case_numbers"}
    async with store.transaction() as session:
        await editing.discard(session, archive.keyring, camille, contact.case_id, reason=DiscardReason.HOAX, at=NOW)
    for batch in [(), happened, [replace(happened[-1], at=BASE + 901)]]:
        await record(store, archive, *batch)
        call = await the_call(store)
        assert (call.number_kind, call.number, call.number_index) == (NumberKind.GIVEN, None, None)
        assert await _tables_with(store, index) == set()
