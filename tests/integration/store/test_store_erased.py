"""What is erased is gone from SQLite's file; a copy from before has it still, and opens with its master key."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

from sqlalchemy import event

from service.accounts.rights import Role
from service.accounts.use_cases import make_account
from service.accounts.viewer import Viewer
from service.cases import editing
from service.cases.model import Case, Contact, DiscardReason
from service.keys.ring import HEAD_BYTES
from service.store.engine import Store
from service.store.secrets import open_keys
from tests.integration.store.conftest import NOW
from tests.integration.store.rotating import NUMBER
from tests.support.contacts import open_contact

#: several pages of the file
STORY: Final = "a story, " * 1000


def _without_secure_delete(store: Store) -> None:
    """As SQLite is where it was not built for it: what is deleted stays in the file until something is put there."""

    def off(connection: sqlite3.Connection, _record: object) -> None:
        connection.execute("PRAGMA secure_delete=OFF").close()

    event.listen(store.engine.sync_engine, "connect", off, insert=True)


def _parts(sealed: bytes) -> list[bytes]:
    """What is put in its place may cover some of it."""
    return [sealed[at : at + 8] for at in range(HEAD_BYTES, len(sealed) - 7, 8)]


async def test_an_erased_case_is_gone_from_the_file_and_a_copy_from_before_still_opens(tmp_path: Path) -> None:
    file, copy = tmp_path / "ecoute.db", tmp_path / "restored" / "ecoute.db"
    copy.parent.mkdir()
    store = Store(f"sqlite+aiosqlite:///{file}")
    _without_secure_delete(store)
    keyring = await open_keys(store, tmp_path)
    async with store.transaction() as session:
        made = await make_account(
            session, keyring, username="camille", display_name="Camille", roles={Role.LISTENER}, at=NOW
        )
    viewer = Viewer(
        account_id=made.account_id,
        session_id=0,
        username="camille",
        display_name="Camille",
        locale="fr",
        roles=frozenset({Role.LISTENER}),
        centre=None,
    )
    async with store.transaction() as session:
        opened = await open_contact(
            session,
            keyring,
            pbx="pbx1",
            call_id="call-1",
            account_id=made.account_id,
            number=NUMBER,
            line="+33199003133",
            at=NOW,
        )
    async with store.transaction() as session:
        await editing.save_notes(session, keyring, viewer, opened.contact_id, text=STORY, version=0, at=NOW)
    async with store.reading() as session:
        case = await session.get_one(Case, opened.case_id)
        contact = await session.get_one(Contact, opened.contact_id)
    assert case.wrapped_key is not None
    assert contact.notes is not None
    key, notes = bytes(case.wrapped_key), bytes(contact.notes)
    with closing(sqlite3.connect(file)) as database:
        database.execute("VACUUM INTO ?", (str(copy),))
    assert key in copy.read_bytes()
    async with store.transaction() as session:
        await editing.discard(session, keyring, viewer, opened.case_id, reason=DiscardReason.WRONG_NUMBER, at=NOW)
    await store.close()
    left = file.read_bytes()
    assert [part for part in _parts(key) + _parts(notes) if part in left] == []
    shutil.copytree(tmp_path / "secrets", copy.parent / "secrets")
    before = Store(f"sqlite+aiosqlite:///{copy}")
    theirs = await open_keys(before, copy.parent)
    async with before.transaction() as session:
        found = await editing.read_contact(session, theirs, viewer, opened.contact_id, NOW)
    await before.close()
    assert found.notes == STORY, "so docs/keys.md says for how long to keep backups"
