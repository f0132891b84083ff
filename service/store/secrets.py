"""What the store keeps of keys: which master key it belongs to; the keys that hash, and caller keys, sealed."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection, inspect, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from service.keys import HASHING, CallerKeyRing, Keyring, KeysError, load_keyring, new_caller_key
from service.keys.ring import key_id
from service.store.engine import Store
from service.store.model import CallerKey, MasterKeyMark, StoredKey
from service.store.sql import insert_once
from service.store.upgrade import refuse_newer


async def open_keys(store: Store, data_dir: Path) -> Keyring:
    """The keyring of the data directory, unlocked, over the store, which is upgraded. A new store gets a master key.

    KeysError when the master key is missing or another store's, SetupError when the store is of a newer version: then
    nothing was changed, in neither of them.
    """
    wanted = await store.look(_marked)
    keyring = load_keyring(data_dir) if wanted is None else _load_for(data_dir, wanted)
    await store.upgrade()
    async with store.transaction() as session:
        await unlock(session, keyring)
    return keyring


async def unlock(session: AsyncSession, keyring: Keyring) -> None:
    """Refuse to work with a master key that is not the store's; load the keys that hash. To be committed.

    The first start marks the store. KeysError `master-key-foreign`: nothing would open, and new texts would be lost.
    """
    is_marked = await session.get(MasterKeyMark, 1) is not None
    as_derived = is_marked or await _has_trail(session)
    if not is_marked:
        values = {"id": 1, "fingerprint": keyring.fingerprint, "next_fingerprint": None}
        await insert_once(session, MasterKeyMark, [values], keys=["id"])
    mark = await session.get_one(MasterKeyMark, 1, populate_existing=True)
    if not keyring.knows(mark.fingerprint):
        raise _foreign(keyring, mark.fingerprint)
    keyring.seal_with(mark.fingerprint)
    stored = await _stored_keys(session)
    if missing := HASHING.keys() - stored.keys():
        rows = [{"purpose": name, "sealed": keyring.new_hashing_key(name, as_derived=as_derived)} for name in missing]
        await insert_once(session, StoredKey, rows, keys=["purpose"])
        stored = await _stored_keys(session)
    keyring.unlock({key.purpose: key.sealed for key in stored.values()})


async def _has_trail(session: AsyncSession) -> bool:
    """Of an unmarked store: accounts made with an older release, whose service never started, began the audit trail.

    With another key than the derived one its chain would look broken.
    """
    statement = text("SELECT 1 WHERE EXISTS (SELECT 1 FROM audit_head) OR EXISTS (SELECT 1 FROM audit_entries)")
    return await session.scalar(statement) is not None


async def _stored_keys(session: AsyncSession) -> dict[str, StoredKey]:
    rows = await session.scalars(select(StoredKey).execution_options(populate_existing=True))
    return {row.purpose: row for row in rows}


def _marked(connection: Connection) -> str | None:
    """Fingerprint of the master key that the store belongs to; None: a new store. SetupError for a newer one."""
    refuse_newer(connection)
    if not inspect(connection).has_table(MasterKeyMark.__tablename__):
        return None
    found: str | None = connection.scalar(text("SELECT fingerprint FROM master_key_mark WHERE id = 1"))
    return found


def _load_for(data_dir: Path, wanted: str) -> Keyring:
    """The store exists: no key is made, and one that is missing or another's is asked for by name."""
    try:
        keyring = load_keyring(data_dir, create=False)
    except KeysError as error:
        if error.id != "master-key-missing":
            raise
        raise KeysError(error.id, f"{error} This database wants master key {key_id(wanted)}.") from None
    if not keyring.knows(wanted):
        raise _foreign(keyring, wanted)
    return keyring


def _foreign(keyring: Keyring, wanted: str) -> KeysError:
    found, name = ", ".join(keyring.known), key_id(wanted)
    return KeysError(
        "master-key-foreign",
        f"This database belongs to master key {name}, but {keyring.place / 'master.key'} is master key {found}: put "
        f"the file of {name} beside it, as {keyring.place / f'master-{name}.key'} (chmod 600). Replace none that is "
        "there: newer backups may need it.",
    )


async def load_caller_keys(session: AsyncSession, keyring: Keyring) -> CallerKeyRing:
    """All caller keys ever handed to a PBX, oldest first."""
    ring = CallerKeyRing()
    for row in await session.scalars(select(CallerKey).order_by(CallerKey.made_at, CallerKey.key_id)):
        ring.add(row.key_id, keyring.open(row.sealed, f"caller-key:{row.key_id}"))
    return ring


async def rotate_caller_key(
    session: AsyncSession, keyring: Keyring, ring: CallerKeyRing, *, pbx: str, at: datetime
) -> tuple[str, str]:
    """A new key for that PBX: (id, 16 characters). To be committed **before** the PBX gets it."""
    key_id, key = new_caller_key()
    session.add(CallerKey(key_id=key_id, pbx=pbx, sealed=keyring.seal(key, f"caller-key:{key_id}"), made_at=at))
    await session.flush()
    ring.add(key_id, key)
    return key_id, key


async def current_caller_key(session: AsyncSession, keyring: Keyring, pbx: str) -> tuple[str, str, datetime] | None:
    """The newest key of that PBX: (id, 16 characters, made at); None before the first."""
    newest = select(CallerKey).where(CallerKey.pbx == pbx).order_by(CallerKey.made_at.desc()).limit(1)
    row = await session.scalar(newest)
    if row is None:
        return None
    return row.key_id, keyring.open(row.sealed, f"caller-key:{row.key_id}"), row.made_at
