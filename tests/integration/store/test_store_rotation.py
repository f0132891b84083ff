"""Rotation of the master key: while services write, killed at any instant, until the old key is not needed any more."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import delete, select, text, update

from service.accounts.model import Account, SignedInSession
from service.accounts.rights import Role
from service.accounts.use_cases import make_account
from service.audit.chain import verify
from service.calls.model import Call
from service.calls.use_cases import number_context
from service.cases.model import Case, CaseNumber, Contact
from service.cases.use_cases import number_context as case_number_context
from service.cases.use_cases import open_contact
from service.keys import KeysError, Sealed, load_keyring
from service.keys.ring import MasterKey
from service.keys.sealing import TEXT
from service.store import rotation
from service.store.engine import Store
from service.store.key_watch import KeyWatch
from service.store.model import CallerKey, KeyHolder, MasterKeyMark, StoredKey
from service.store.rotation import OLD_FORM, retire, rotate, sealed_columns, status
from service.store.secrets import load_caller_keys, open_keys, rotate_caller_key
from tests.integration.store.conftest import NOW
from tests.support.wait import until

NUMBER = "+33639980101"


def nobody(_: str) -> None:
    """Progress that nobody reads."""


async def fill(store: Store, data_dir: Path, cases: int = 3) -> None:
    """Something in every sealed column."""
    keyring = await open_keys(store, data_dir)
    async with store.transaction() as session:
        account = await make_account(
            session, keyring, username="camille", display_name="Camille", roles={Role.LISTENER}, at=NOW
        )
        await rotate_caller_key(session, keyring, await load_caller_keys(session, keyring), pbx="pbx1", at=NOW)
        sealed = keyring.seal("secret of a phone", f"phone:{account.account_id}")
        session.add(
            SignedInSession(
                token_hash="0", account_id=account.account_id, made_at=NOW, used_at=NOW, phone_password=sealed
            )
        )
        for n in range(cases):
            call_id = f"call-{n}"
            session.add(Call(pbx="pbx1", call_id=call_id, line="+33199003133", arrived_at=NOW))
            await session.flush()
            row = await session.get_one(Call, ("pbx1", call_id))
            row.number = keyring.seal(NUMBER, number_context(call_id))
            row.number_index = keyring.blind_index(NUMBER)
            opened = await open_contact(
                session,
                keyring,
                pbx="pbx1",
                call_id=call_id,
                account_id=account.account_id,
                number=NUMBER,
                line="+33199003133",
                at=NOW,
            )
            contact = await session.get_one(Contact, opened.contact_id)
            case = await session.get_one(Case, opened.case_id)
            assert case.wrapped_key is not None
            contact.notes = keyring.unwrap(case.wrapped_key).seal(f"note {n}", f"contact:{contact.id}:notes")


async def all_opens(store: Store, data_dir: Path) -> int:
    """Everything opens with the keys that lie there, the chain holds, a number is found; how many cases there are."""
    keyring = load_keyring(data_dir, create=False)
    found = await open_keys(store, data_dir)
    assert found.known == keyring.known or set(found.known) == set(keyring.known)
    async with store.reading() as session:
        assert len((await session.scalars(select(CallerKey))).all()) >= 1
        await load_caller_keys(session, found)
        for signed_in in await session.scalars(select(SignedInSession)):
            assert found.open(signed_in.phone_password, f"phone:{signed_in.account_id}") == "secret of a phone"
        for call in await session.scalars(select(Call).where(Call.number.is_not(None))):
            assert call.number is not None
            assert found.open(call.number, number_context(call.call_id)) == NUMBER
            assert call.number_index == found.blind_index(NUMBER)
        cases = (await session.scalars(select(Case))).all()
        for case in cases:
            assert case.wrapped_key is not None
            key = found.unwrap(case.wrapped_key)
            number = (await session.scalars(select(CaseNumber).where(CaseNumber.case_id == case.id))).one()
            assert key.open(number.sealed, case_number_context(case.id)) == NUMBER
            contact = (await session.scalars(select(Contact).where(Contact.case_id == case.id))).one()
            if contact.notes is not None:
                assert key.open(contact.notes, f"contact:{contact.id}:notes").startswith("note")
        chain = await verify(session, found)
    assert chain.entries >= 1
    assert chain.broken_at is None
    return len(cases)


def key_files(data_dir: Path) -> set[str]:
    return {path.name for path in (data_dir / "secrets").glob("master*.key")}


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


# --- with others at work ----------------------------------------------------------------------------------------------


@pytest.fixture
async def watched(store: Store, tmp_path: Path) -> AsyncIterator[KeyWatch]:
    """Another process of the service, as far as the store can tell."""
    await fill(store, tmp_path)
    other = await open_keys(store, tmp_path)
    watch = KeyWatch(store, other, look_seconds=0.05)
    task = asyncio.create_task(watch.run())
    yield watch
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_process_that_runs_takes_the_new_key_and_is_waited_for(
    store: Store, tmp_path: Path, watched: KeyWatch
) -> None:
    keyring = await open_keys(store, tmp_path)
    await asyncio.wait_for(_is_there(store), 10)
    after = await rotate(store, keyring, tmp_path, tell=nobody, wait_seconds=20)
    assert [holder.seals_with for holder in after.holders] == [after.seals]
    assert watched._keyring.known[0] == after.seals


async def _is_there(store: Store) -> None:
    while True:
        async with store.reading() as session:
            if (await session.scalars(select(KeyHolder))).first() is not None:
                return
        await asyncio.sleep(0.05)


async def test_a_process_that_stops_is_waited_for_no_longer(store: Store, tmp_path: Path) -> None:
    await fill(store, tmp_path)
    task = asyncio.create_task(KeyWatch(store, await open_keys(store, tmp_path), look_seconds=0.05).run())
    await asyncio.wait_for(_is_there(store), 10)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    async with store.reading() as session:
        assert (await session.scalars(select(KeyHolder))).all() == []


async def test_nothing_is_sealed_with_a_key_that_a_running_process_lacks(store: Store, tmp_path: Path) -> None:
    """On another machine, whose copy of the secrets the administrator forgot."""
    await fill(store, tmp_path)
    here = tmp_path / "here"
    shutil.copytree(tmp_path / "secrets", here / "secrets")
    async with store.transaction() as session:
        old = (await session.get_one(MasterKeyMark, 1)).fingerprint
        session.add(
            KeyHolder(process="p", machine="elsewhere", knows=old[:8], seals_with=old[:8], seen_at=datetime.now(UTC))
        )
    with pytest.raises(KeysError, match="elsewhere") as caught:
        await rotate(store, await open_keys(store, here), here, tell=nobody, wait_seconds=0.3)
    assert caught.value.id == "key-not-everywhere"
    found = await status(store, await open_keys(store, here))
    assert (found.seals, found.elsewhere) == (old[:8], 0)
    assert found.coming is not None
    with pytest.raises(KeysError, match="A rotation is under way"):
        await retire(store, here)

    async with store.transaction() as session:  # it was copied there
        await session.execute(update(KeyHolder).values(knows=f"{old[:8]} {found.coming}", seals_with=found.coming))
    after = await rotate(store, await open_keys(store, here), here, tell=nobody)
    assert (after.seals, after.elsewhere) == (found.coming, 0)
    assert await all_opens(store, here) == 3
    with pytest.raises(KeysError, match=f"sealed with master key {after.seals}, which is not here|belongs to"):
        await all_opens(store, tmp_path)  # a machine that has only the old key is told which it lacks


async def test_an_old_key_stays_while_anything_is_left_under_it_or_somebody_seals_with_it(
    store: Store, tmp_path: Path
) -> None:
    await fill(store, tmp_path)
    before = await open_keys(store, tmp_path)
    await rotate(store, await open_keys(store, tmp_path), tmp_path, tell=nobody)
    files = key_files(tmp_path)
    async with store.transaction() as session:  # by a process that slept through the rotation
        session.add(CallerKey(key_id="late", pbx="pbx1", sealed=before.seal("k", "caller-key:late"), made_at=NOW))
        session.add(
            KeyHolder(
                process="p",
                machine="asleep",
                knows=before.known[0],
                seals_with=before.known[0],
                seen_at=datetime.now(UTC) - timedelta(minutes=3),
            )
        )
    with pytest.raises(KeysError, match="asleep still seals with"):
        await retire(store, tmp_path)
    async with store.transaction() as session:
        await session.execute(delete(KeyHolder))
    with pytest.raises(KeysError, match="1 values are still sealed"):
        await retire(store, tmp_path)
    assert key_files(tmp_path) == files
    current = (await status(store, before)).seals
    after = await rotate(store, await open_keys(store, tmp_path), tmp_path, tell=nobody)
    assert after.seals == current, "what was left is sealed anew; no third key is made for it"
    assert len(await retire(store, tmp_path)) == 1


# --- real processes, killed -------------------------------------------------------------------------------------------

_ROTATE = """
import asyncio, sys
from pathlib import Path
from service.store import rotation
from service.store.engine import Store
from service.store.secrets import open_keys

rotation.BATCH = 2

async def main():
    store, data_dir = Store(sys.argv[1]), Path(sys.argv[2])
    print("ready", flush=True)
    await rotation.rotate(store, await open_keys(store, data_dir), data_dir, tell=lambda line: print(line, flush=True))
    await rotation.retire(store, data_dir)
    print("done", flush=True)

asyncio.run(main())
"""
_SERVICE = """
import asyncio, sys, itertools
from datetime import UTC, datetime
from pathlib import Path
from service.cases.model import Case, Contact
from service.cases.use_cases import number_context, open_contact
from service.calls.model import Call
from service.calls.use_cases import number_context as call_context
from service.store.engine import Store
from service.store.key_watch import KeyWatch
from service.store.secrets import open_keys

NUMBER = "+33639980101"

async def main():
    store, data_dir, name = Store(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    keyring = await open_keys(store, data_dir)
    watch = KeyWatch(store, keyring, look_seconds=0.1)
    task = asyncio.create_task(watch.run())
    for number in itertools.count():
        call_id = f"{name}-{number}"
        async with store.transaction() as session:
            call = Call(pbx="pbx1", call_id=call_id, line="", arrived_at=datetime.now(UTC),
                        number=keyring.seal(NUMBER, call_context(call_id)), number_index=keyring.blind_index(NUMBER))
            session.add(call)
            opened = await open_contact(session, keyring, pbx="pbx1", call_id=call_id, account_id=None, number=NUMBER,
                                        line="", at=datetime.now(UTC))
            contact = await session.get_one(Contact, opened.contact_id)
            case = await session.get_one(Case, opened.case_id)
            contact.notes = keyring.unwrap(case.wrapped_key).seal("note", f"contact:{contact.id}:notes")
        async with store.reading() as session:  # what anybody wrote can be read at once
            for row in (await session.scalars(Case.__table__.select().with_only_columns(Case.wrapped_key))).all():
                keyring.unwrap(row)
            stored = await session.get_one(Call, ("pbx1", call_id))
            assert keyring.open(stored.number, call_context(call_id)) == NUMBER
        print("wrote", keyring.known[0], flush=True)
        await asyncio.sleep(0.02)

asyncio.run(main())
"""


def spawn(script: str, said: Path, *arguments: str) -> subprocess.Popen[bytes]:
    with said.open("ab") as output:
        return subprocess.Popen([sys.executable, "-c", script, *arguments], stdout=output, stderr=output)


async def test_a_rotation_killed_again_and_again_comes_to_its_end(store_url: str, tmp_path: Path) -> None:
    store = Store(store_url)
    await fill(store, tmp_path, cases=30)
    said = tmp_path / "said"
    kills = 0
    # in front of each step, and between batches: each lives a little longer than the one before
    for life in (0.0, 0.01, 0.02, 0.03, 0.05, 0.08, 0.12, 0.18, 0.25):
        said.unlink(missing_ok=True)
        process = spawn(_ROTATE, said, store_url, str(tmp_path))
        try:
            await asyncio.to_thread(until, lambda: b"ready" in said.read_bytes(), "it is about to begin", 60)
            await asyncio.sleep(life)  # the instant of the kill, not a wait for something
        finally:
            process.kill()
            process.wait()
        kills += b"done" not in said.read_bytes()
        assert await all_opens(store, tmp_path) == 30
    assert kills >= 3, "most were killed before their end"
    keyring = await open_keys(store, tmp_path)
    await rotate(store, keyring, tmp_path, tell=nobody)
    for away in await retire(store, tmp_path):
        away.unlink()
    shutil.rmtree(tmp_path / "secrets" / "retired")
    assert await all_opens(store, tmp_path) == 30
    assert key_files(tmp_path) == {"master.key"}
    await store.close()


async def test_services_that_write_go_on_through_a_rotation(store_url: str, tmp_path: Path) -> None:
    store = Store(store_url)
    await fill(store, tmp_path)
    first = (await open_keys(store, tmp_path)).known[0]
    said = [tmp_path / "said-a", tmp_path / "said-b"]
    services = [spawn(_SERVICE, file, store_url, str(tmp_path), file.name) for file in said]

    try:
        await asyncio.to_thread(until, lambda: all(first in lines(file) for file in said), "both write", 60)
        after = await rotate(store, await open_keys(store, tmp_path), tmp_path, tell=nobody)
        so_far = [len(lines(file)) for file in said]
        await retire(store, tmp_path)
        shutil.rmtree(tmp_path / "secrets" / "retired")

        def went_on() -> bool:
            return all(len(lines(file)) > count + 5 for file, count in zip(said, so_far, strict=True))

        await asyncio.to_thread(until, went_on, "both go on without the old key", 60)
        assert [service.poll() for service in services] == [None, None], said[0].read_text()[-3000:]
    finally:
        for service in services:
            service.kill()
            service.wait()
    assert all(set(lines(file)) == {first, after.seals} for file in said)
    assert (await status(store, await open_keys(store, tmp_path))).elsewhere == 0
    assert await all_opens(store, tmp_path) == 3 + await _cases(store, said)
    await store.close()


def lines(file: Path) -> list[str]:
    """The master key of each acknowledged call."""
    return [line.split()[1] for line in file.read_text().splitlines() if line.startswith("wrote ")]


async def _cases(store: Store, said: list[Path]) -> int:
    """Those that the services acknowledged, and at most one each that was committed but not said."""
    async with store.reading() as session:
        count = len((await session.scalars(select(Case.id))).all()) - 3
        assert (await session.scalars(select(Account.id))).all()
    acknowledged = sum(len(lines(file)) for file in said)
    assert acknowledged <= count <= acknowledged + len(said)
    return count


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
