"""Rotation of the master key while others are at work: processes that run, that stop, that are killed at any time."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import delete, select, update

from service.accounts.model import Account
from service.cases.model import Case
from service.keys import KeysError
from service.store.engine import Store
from service.store.key_watch import KeyWatch
from service.store.model import CallerKey, KeyHolder, MasterKeyMark
from service.store.rotation import retire, rotate, status
from service.store.secrets import open_keys
from tests.integration.store.conftest import NOW
from tests.integration.store.rotating import all_opens, fill, key_files, nobody
from tests.support.wait import until

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
from service.cases.use_cases import number_context
from service.calls.model import Call
from service.calls.use_cases import number_context as call_context
from service.store.engine import Store
from service.store.key_watch import KeyWatch
from service.store.secrets import open_keys
from tests.support.contacts import open_contact

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
