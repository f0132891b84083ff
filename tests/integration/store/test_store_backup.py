"""A backup that is made while the service writes: whole, with everything that was acknowledged, and of its own keys."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest

from pbx.errors import SetupError
from service.cli import backup as command
from service.keys.ring import key_id
from service.settings import Settings, load
from service.store.engine import Store
from service.store.secrets import open_keys
from tests.support.wait import until


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "ecoute.toml").write_text(f"[store]\ndata_dir = '{tmp_path / 'var'}'\n")
    (tmp_path / "var").mkdir()
    return load(tmp_path / "ecoute.toml")


async def made(settings: Settings) -> Path:
    """A store as the service leaves it while it runs. Its file."""
    store = Store(settings.store_url)
    await open_keys(store, settings.store.data_dir)
    await store.close()
    assert store.file is not None
    return store.file


def notes_in(file: Path) -> list[int]:
    with closing(sqlite3.connect(file)) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return [n for (n,) in database.execute("SELECT n FROM notes ORDER BY n")]


async def test_a_backup_has_what_was_acknowledged_and_is_whole_while_others_write(
    settings: Settings, tmp_path: Path
) -> None:
    file = await made(settings)
    acknowledged: list[int] = []
    enough = threading.Event()
    faults: list[BaseException] = []

    def write() -> None:
        try:
            with closing(sqlite3.connect(file, isolation_level=None, timeout=10)) as database:
                while not enough.is_set() and len(acknowledged) < 20_000:
                    database.execute("INSERT INTO notes VALUES (?, ?)", (len(acknowledged), "x" * 500))
                    acknowledged.append(len(acknowledged))
        except BaseException as error:
            faults.append(error)

    with closing(sqlite3.connect(file, isolation_level=None)) as database:
        database.execute("PRAGMA wal_autocheckpoint=0")
        database.execute("CREATE TABLE notes (n INTEGER PRIMARY KEY, said TEXT)")
        writer = threading.Thread(target=write)
        writer.start()
        try:
            until(lambda: len(acknowledged) > 50 or faults, "somebody writes")
            before = len(acknowledged)
            key = command.backup(settings, tmp_path / "copy.db")
            until(lambda: len(acknowledged) > before + 50 or faults, "and nobody was held up")
        finally:
            enough.set()
            writer.join()
    assert not faults
    found = notes_in(tmp_path / "copy.db")
    assert found == list(range(len(found)))
    assert len(found) >= before
    assert stat.S_IMODE((tmp_path / "copy.db").stat().st_mode) == 0o600
    assert not list(tmp_path.glob("copy.db?*")), "one file is all of it"
    restored = Store(f"sqlite+aiosqlite:///{tmp_path / 'copy.db'}")
    keyring = await open_keys(restored, settings.store.data_dir)
    await restored.close()
    assert key_id(keyring.fingerprint) == key


async def test_a_backup_takes_the_place_of_nothing_and_a_failed_one_leaves_nothing(
    settings: Settings, tmp_path: Path
) -> None:
    with pytest.raises(SetupError, match="There is no database"):
        command.backup(settings, tmp_path / "copy.db")
    file = await made(settings)
    (tmp_path / "older.db").write_text("an older backup")
    with pytest.raises(SetupError, match="there already"):
        command.backup(settings, tmp_path / "older.db")
    assert (tmp_path / "older.db").read_text() == "an older backup"
    with pytest.raises(SetupError, match="could not be copied"):
        command.backup(settings, tmp_path / "nowhere" / "copy.db")
    file.write_bytes(file.read_bytes()[:4096] + b"rubbish" * 20_000)
    with pytest.raises(SetupError, match="could not be copied"):
        command.backup(settings, tmp_path / "copy.db")
    assert {path.name for path in tmp_path.iterdir()} == {"ecoute.toml", "var", "older.db"}


def test_of_postgresql_it_says_what_makes_one(settings: Settings, tmp_path: Path) -> None:
    elsewhere = settings.store.model_copy(update={"url": "postgresql+asyncpg://ecoute@localhost/ecoute"})
    settings = settings.model_copy(update={"store": elsewhere})
    with pytest.raises(SetupError, match="pg_dump"):
        command.backup(settings, tmp_path / "copy.db")


def test_the_command_says_which_master_key_the_copy_wants_and_what_else_to_keep(
    settings: Settings, tmp_path: Path
) -> None:
    name = key_id(asyncio.run(_fingerprint(settings)))
    done = subprocess.run(
        [sys.executable, "-m", "service.cli.main", "backup", "copy.db"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert f"of master key {name}" in done.stdout
    assert str(settings.store.data_dir / "secrets") in done.stdout
    assert (tmp_path / "copy.db").is_file()


async def _fingerprint(settings: Settings) -> str:
    store = Store(settings.store_url)
    try:
        return (await open_keys(store, settings.store.data_dir)).fingerprint
    finally:
        await store.close()
