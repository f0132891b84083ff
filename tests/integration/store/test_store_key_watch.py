"""A process that cannot read a new master key says that it is there, so that no rotation goes on without it."""

from __future__ import annotations

import asyncio
import base64
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select
from structlog.testing import capture_logs

from service.keys import KeysError
from service.keys.files import new_master_key
from service.store import key_watch, rotation
from service.store.engine import Store
from service.store.key_watch import KeyWatch
from service.store.model import KeyHolder
from service.store.rotation import rotate, status
from service.store.secrets import open_keys
from tests.support.tasks import end


def exposed(copy: Path, key: bytes) -> None:
    copy.write_bytes(key)
    copy.chmod(0o644)


def half_copied(copy: Path, key: bytes) -> None:
    copy.touch(mode=0o600)
    copy.write_bytes(base64.b64encode(base64.b64decode(key)[:15]))


@pytest.mark.parametrize(("put", "wrong"), [(exposed, "master-key-exposed"), (half_copied, "key-damaged")])
async def test_a_process_that_cannot_read_the_new_key_is_waited_for_and_takes_it_once_it_can(
    put: Callable[[Path, bytes], None],
    wrong: str,
    sqlite_store: Store,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its machine's copy came with the wrong rights, or only in part."""
    monkeypatch.setattr(key_watch, "SAY_SECONDS", 0.1)
    monkeypatch.setattr(rotation, "_ABSENT_AFTER", timedelta(seconds=1))
    here, elsewhere = tmp_path / "here", tmp_path / "elsewhere"
    ours = await open_keys(sqlite_store, here)
    shutil.copytree(here / "secrets", elsewhere / "secrets")
    theirs = await open_keys(sqlite_store, elsewhere)
    old = theirs.fingerprint
    copies: list[Path] = []

    def copy(said: str) -> None:
        if copies or "is made" not in said:
            return
        (made,) = (here / "secrets").glob("master-*.key")
        copies.append(elsewhere / "secrets" / made.name)
        put(copies[0], made.read_bytes())

    with capture_logs() as said:
        watching = asyncio.create_task(KeyWatch(sqlite_store, theirs, look_seconds=0.05).run())
        try:
            await asyncio.wait_for(_is_there(sqlite_store), 10)
            with pytest.raises(KeysError) as caught:
                await rotate(sqlite_store, ours, here, tell=copy, wait_seconds=2.5)
            assert caught.value.id == "key-not-everywhere"
            found = await status(sqlite_store, ours)
            assert (found.seals, found.elsewhere) == (old[:8], 0)
            assert [(line["error_id"], line["detail"]) for line in said if line["action"] == "keys-missing"][-1:] == [
                (wrong, copies[0].name)
            ]

            shutil.copy(here / "secrets" / copies[0].name, copies[0])
            copies[0].chmod(0o600)
            after = await rotate(sqlite_store, ours, here, tell=copy, wait_seconds=20)
            assert theirs.known[0] == after.seals != old[:8]
        finally:
            await end(watching)


async def test_a_process_that_knows_more_keys_than_a_line_holds_says_so_and_is_waited_for(
    store: Store, tmp_path: Path
) -> None:
    """Nobody ever put an old one away."""
    data_dir = tmp_path / "here"
    keyring = await open_keys(store, data_dir)
    for _ in range(29):
        new_master_key(data_dir)
    many = await open_keys(store, data_dir)
    assert len(many.known) == 30
    await KeyWatch(store, many).look()
    (holder,) = (await status(store, keyring)).holders
    assert holder.knows == many.known


async def _is_there(store: Store) -> None:
    while True:
        async with store.reading() as session:
            if (await session.scalars(select(KeyHolder))).first() is not None:
                return
        await asyncio.sleep(0.05)


def test_no_process_counts_as_absent_while_a_rotation_waits() -> None:
    assert timedelta(seconds=rotation.WAIT_SECONDS) < rotation._ABSENT_AFTER
    assert timedelta(seconds=2 * key_watch.SAY_SECONDS) < rotation._ABSENT_AFTER
