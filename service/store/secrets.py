"""What the store keeps of keys: caller keys, sealed; and the fingerprint of the master key that it belongs to."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from service.keys import CallerKeyRing, Keyring, KeysError, new_caller_key
from service.store.model import CallerKey, MasterKeyMark
from service.store.sql import insert_once


async def check_master_key(session: AsyncSession, keyring: Keyring) -> None:
    """Refuse to work with a master key that is not the store's: nothing would open, and new texts would be lost.

    The first start marks the store. KeysError `master-key-foreign` otherwise.
    """
    await insert_once(session, MasterKeyMark, [{"id": 1, "fingerprint": keyring.fingerprint}], keys=["id"])
    mark = await session.get_one(MasterKeyMark, 1)
    if mark.fingerprint != keyring.fingerprint:
        raise KeysError(
            "master-key-foreign",
            "This database belongs to another master key: restore <data dir>/secrets/master.key from the same backup.",
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
