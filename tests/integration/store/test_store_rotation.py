"""Rotation of the master key: while services write, killed at any instant, until the old key is not needed any more."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from sqlalchemy import delete, select, text

from service.accounts.model import SignedInSession
from service.accounts.rights import Role
from service.accounts.use_cases import make_account
from service.calls.model import Call
from service.calls.use_cases import number_context
from service.cases.model import Case
from service.keys import KeysError, Sealed, load_keyring
from service.keys.ring import MasterKey
from service.keys.sealing import TEXT
from service.store import rotation
from service.store.engine import Store
from service.store.model import CallerKey, StoredKey
from service.store.rotation import OLD_FORM, retire, rotate, sealed_columns, status
from service.store.secrets import open_keys
from tests.integration.store.conftest import NOW
from tests.integration.store.rotating import NUMBER, all_opens, fill, key_files, nobody


async def test_after_a_rotation_everything_opens_and_the_old_key_is_not_needed(store: Store, tmp_path: Path) -> None:
    await fill(store, tmp_path)
    keyring = await open_keys(store, tmp_path)
    first = keyring.fingerprint
    assert {column.column.name for column in sealed_columns()} >= {"wrapped_key", "number", "phone_password", "sealed"}

    after = await rotate(store, keyring, tmp_path, tell=nobody)

    assert after.seals != first[:8]
    assert (after.elsewhere, after.coming) == (0, None)
    assert set(after.files) == {after.seals, first[:8]}
    assert await all_opens(store, tmp_path) == 3

    (away,) = await retire(store, tmp_path)

    assert away == tmp_path / "secrets" / "retired" / f"master-{first[:8]}.key"
    assert away.stat().st_mode & 0o777 == 0o600
    assert key_files(tmp_path) == {"master.key"}
    away.unlink()
    assert await all_opens(store, tmp_path) == 3
    assert (await open_keys(store, tmp_path)).known == (after.seals,)
    assert await retire(store, tmp_path) == []


async def test_a_value_that_does_not_open_is_named_and_no_key_is_put_away(store: Store, tmp_path: Path) -> None:
    await fill(store, tmp_path)
    keyring = await open_keys(store, tmp_path)
    async with store.transaction() as session:
        row = (await session.scalars(select(CallerKey))).one()
        damaged = bytearray(row.sealed)
        damaged[20] ^= 1
        row.sealed, damaged_id = Sealed(damaged), row.key_id
    with pytest.raises(KeysError, match=f"caller_keys.sealed, key_id {damaged_id}"):
        await rotate(store, keyring, tmp_path, tell=nobody)
    with pytest.raises(KeysError) as caught:
        await retire(store, tmp_path)
    assert caught.value.id == "key-still-used"


async def test_a_backup_from_before_a_rotation_opens_with_the_retired_key(sqlite_store: Store, tmp_path: Path) -> None:
    await fill(sqlite_store, tmp_path)
    await sqlite_store.engine.dispose()
    restored = tmp_path / "restored"
    (restored / "secrets").mkdir(parents=True)
    shutil.copy(sqlite_store.url.partition("///")[2], restored / "ecoute.db")
    await rotate(sqlite_store, await open_keys(sqlite_store, tmp_path), tmp_path, tell=nobody)
    (away,) = await retire(sqlite_store, tmp_path)
    backup = Store(f"sqlite+aiosqlite:///{restored / 'ecoute.db'}")
    shutil.copy(tmp_path / "secrets" / "master.key", restored / "secrets" / "master.key")
    with pytest.raises(KeysError, match="belongs to master key"):
        await open_keys(backup, restored)
    shutil.copy(away, restored / "secrets" / "master.key")
    assert await all_opens(backup, restored) == 3
    await backup.close()


async def test_a_second_rotation_makes_a_third_key_and_never_goes_back(store: Store, tmp_path: Path) -> None:
    await fill(store, tmp_path)
    keyring = await open_keys(store, tmp_path)
    first = keyring.known[0]
    second = (await rotate(store, keyring, tmp_path, tell=nobody)).seals
    third = (await rotate(store, keyring, tmp_path, tell=nobody)).seals
    assert len({first, second, third}) == 3
    assert len(await retire(store, tmp_path)) == 2
    assert await all_opens(store, tmp_path) == 3


async def test_a_store_from_before_rotations_loses_no_index_and_no_chain(store: Store, tmp_path: Path) -> None:
    """As version 0.1 left it: values without the key's id, keys that hash derived from the master key."""
    await fill(store, tmp_path)
    keyring = load_keyring(tmp_path)
    raw = keyring._again  # the files, read anew
    assert raw is not None
    (bytes_of_key,) = raw()
    master = MasterKey(bytes_of_key)
    await make_old(store, tmp_path, master)

    found = await open_keys(store, tmp_path)

    assert {"numbers": found.blind_index(NUMBER), "audit": found.audit_hash(b"", b"entry")} == {
        "numbers": keyed(master, "numbers", NUMBER.encode()).hex(),
        "audit": keyed(master, "audit", b"entry"),
    }
    assert (await status(store, found)).values[OLD_FORM] >= 8
    assert await all_opens(store, tmp_path) == 3
    after = await rotate(store, found, tmp_path, tell=nobody)
    assert OLD_FORM not in after.values
    (away,) = await retire(store, tmp_path)
    away.unlink()
    assert await all_opens(store, tmp_path) == 3


def keyed(master: MasterKey, purpose: str, value: bytes) -> bytes:
    import hashlib
    import hmac

    return hmac.new(master.old_hashing[purpose], value, hashlib.sha256).digest()


async def make_old(store: Store, data_dir: Path, master: MasterKey) -> None:
    """Every value in the old form, hashed with derived keys; the audit trail's entry anew, with its derived key."""
    keyring = await open_keys(store, data_dir)
    async with store.transaction() as session:
        for case in await session.scalars(select(Case)):
            assert case.wrapped_key is not None
            clear = keyring._unwrap(case.wrapped_key)
            case.wrapped_key = master.wrapping.seal_bytes(clear, "data key")
        for call in await session.scalars(select(Call)):
            call.number = master.old_service.seal(NUMBER, number_context(call.call_id))
            call.number_index = keyed(master, "numbers", NUMBER.encode()).hex()
        for row in await session.scalars(select(CallerKey)):
            context = f"caller-key:{row.key_id}"
            row.sealed = master.old_service.seal(keyring.open(row.sealed, context), context)
        for signed_in in await session.scalars(select(SignedInSession)):
            context = f"phone:{signed_in.account_id}"
            signed_in.phone_password = master.old_service.seal("secret of a phone", context)
            assert signed_in.phone_password[:1] == TEXT
        await session.execute(delete(StoredKey))
        await session.execute(text("UPDATE audit_head SET purged_seq = last_seq"))
        await session.execute(text("DELETE FROM audit_entries"))
        await session.execute(text("DELETE FROM audit_head"))
    old = await open_keys(store, data_dir)
    async with store.transaction() as session:
        await make_account(session, old, username="dominique", display_name="D", roles={Role.LISTENER}, at=NOW)
        await session.execute(delete(StoredKey))


def test_a_column_sealed_by_the_keyring_is_found_without_being_named() -> None:
    names = {(one.table.name, one.column.name) for one in sealed_columns()}
    assert ("contacts", "notes") not in names
    assert ("case_names", "sealed") not in names
    assert names >= {
        ("cases", "wrapped_key"),
        ("calls", "number"),
        ("caller_keys", "sealed"),
        ("stored_keys", "sealed"),
    }
    assert sealed_columns()[-1].table.name == "stored_keys"
    assert isinstance(Sealed(b""), bytes)
    assert rotation.BATCH <= 500
