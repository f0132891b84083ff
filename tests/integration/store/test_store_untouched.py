"""A copy that is refused, of a newer version or of another master key, stays byte for byte what it was."""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

import pytest
from sqlalchemy import text

from pbx.errors import SetupError
from service.keys import KeysError, load_keyring
from service.store.engine import Store
from service.store.secrets import open_keys

COMMANDS = (
    ["serve"],
    ["init"],
    ["keys", "status"],
    ["keys", "rotate"],
    ["keys", "retire"],
    ["audit", "verify"],
    ["audit", "anchor"],
    ["purge"],
    ["listeners", "list"],
    ["centres", "list"],
)
#: they refuse nothing: they look, and copy
ONLOOKERS = (["check", "--layer", "outcome"], ["backup", "{copy}"])


def files_of(data_dir: Path) -> dict[str, str]:
    """The database and what lies beside it."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(data_dir.glob("ecoute.db*"))}


def url_of(data_dir: Path) -> str:
    return f"sqlite+aiosqlite:///{data_dir / 'ecoute.db'}"


async def copied(tmp_path: Path, kind: str) -> Path:
    """A data directory into which somebody put a copy, made as `ecoute backup` does."""
    origin, data_dir = tmp_path / "origin", tmp_path / "var"
    origin.mkdir()
    data_dir.mkdir()
    store = Store(url_of(origin))
    await open_keys(store, origin)
    if kind == "newer":
        async with store.transaction() as session:
            await session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    await store.close()
    with closing(sqlite3.connect(origin / "ecoute.db")) as database:
        database.execute("VACUUM INTO ?", (str(data_dir / "ecoute.db"),))
    if kind == "newer":
        shutil.copytree(origin / "secrets", data_dir / "secrets")
    else:
        load_keyring(data_dir)
    (tmp_path / "ecoute.toml").write_text(f'[store]\ndata_dir = "{data_dir}"\n')
    return data_dir


def run(place: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "service.cli.main", *words],
        cwd=place,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("kind", "says"), [("newer", "newer version"), ("foreign", "belongs to master key")], ids=["newer", "foreign"]
)
async def test_each_command_leaves_a_copy_that_is_not_ours_byte_for_byte_as_it_was(
    tmp_path: Path, kind: str, says: str
) -> None:
    data_dir = await copied(tmp_path, kind)
    before = files_of(data_dir)
    assert list(before) == ["ecoute.db"]
    for words in COMMANDS:
        done = run(tmp_path, *words)
        assert (done.returncode, says in done.stderr) == (1, True), (words, done.stdout, done.stderr)
        assert files_of(data_dir) == before, words
    for words in ONLOOKERS:
        done = run(tmp_path, *(word.format(copy=tmp_path / "copy.db") for word in words))
        assert "Traceback" not in done.stderr, (words, done.stderr)
        assert files_of(data_dir) == before, words


async def test_a_file_of_a_service_that_stopped_is_left_as_it_is_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    store = Store(url_of(tmp_path))
    await open_keys(store, tmp_path)
    await store.close()
    before = files_of(tmp_path)
    theirs = tmp_path / "theirs"
    load_keyring(theirs)
    again = Store(url_of(tmp_path))
    with pytest.raises(KeysError, match="belongs to master key"):
        await open_keys(again, theirs)
    await again.close()
    assert files_of(tmp_path) == before
    assert list(before) == ["ecoute.db"]


@contextmanager
def killed_while_it_wrote(file: Path, statement: str) -> Iterator[Path]:
    """A copy of the file and of its -wal as a process leaves them that dies behind this commit."""
    away = file.with_name("died")
    away.mkdir()
    with closing(sqlite3.connect(file, isolation_level=None)) as database:
        database.execute("PRAGMA wal_autocheckpoint=0")
        database.execute(statement)
        for end in ("", "-wal"):
            shutil.copy(f"{file}{end}", away / f"ecoute.db{end}")
    yield away


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("UPDATE alembic_version SET version_num = '9999'", "newer version"),
        ("UPDATE master_key_mark SET fingerprint = lower(hex(randomblob(32)))", "belongs to master key"),
    ],
    ids=["newer", "foreign"],
)
async def test_what_a_service_that_was_killed_left_in_its_log_is_seen_and_stays_there(
    tmp_path: Path, statement: str, says: str
) -> None:
    store = Store(url_of(tmp_path))
    await open_keys(store, tmp_path)
    await store.close()
    with killed_while_it_wrote(tmp_path / "ecoute.db", statement) as away:
        shutil.copytree(tmp_path / "secrets", away / "secrets")
        before = files_of(away)
        assert set(before) == {"ecoute.db", "ecoute.db-wal"}
        left = Store(url_of(away))
        with pytest.raises((SetupError, KeysError), match=says):
            await open_keys(left, away)
        await left.close()
    after = files_of(away)
    after.pop("ecoute.db-shm", None)  # an index of the log: it is made anew whenever it lacks
    assert after == before


async def test_a_copy_that_is_ours_is_written_to_as_safely_as_any_store(tmp_path: Path) -> None:
    data_dir = await copied(tmp_path, "foreign")
    shutil.rmtree(data_dir / "secrets")
    shutil.copytree(tmp_path / "origin" / "secrets", data_dir / "secrets")
    store = Store(url_of(data_dir))
    await open_keys(store, data_dir)
    async with store.reading() as session:
        assert await session.scalar(text("PRAGMA journal_mode")) == "wal"
    await store.close()


async def test_a_file_of_any_name_is_looked_at(tmp_path: Path) -> None:
    data_dir = tmp_path / "a line #1? 50%"
    data_dir.mkdir()
    url = f"sqlite+aiosqlite:///{quote(str(data_dir / 'ecoute.db'), safe='/ #')}"
    store = Store(url)
    first = (await open_keys(store, data_dir)).known
    with closing(sqlite3.connect(store.file or "", isolation_level=None)) as database:
        database.execute("UPDATE alembic_version SET version_num = version_num")  # so that there is a log to look into
        assert (await open_keys(store, data_dir)).known == first
    await store.close()
