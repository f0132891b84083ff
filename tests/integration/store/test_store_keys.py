"""A store opens with its own master key alone, and with no older service; whoever refuses says what to do."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import select, text

from pbx.errors import SetupError
from service.accounts.rights import Role
from service.accounts.use_cases import make_account
from service.audit.chain import verify
from service.keys import HASHING, Keyring, KeysError, load_keyring
from service.store.engine import Store
from service.store.model import StoredKey
from service.store.secrets import open_keys
from service.store.upgrade import config
from tests.support.postgres import Postgres


async def whole(store: Store) -> dict[str, object]:
    """Every row of every table; on SQLite the file itself."""
    if store.dialect == "sqlite":
        await store.engine.dispose()
        file = Path(store.url.partition("///")[2])
        return {"file": hashlib.sha256(file.read_bytes()).hexdigest()}
    async with store.engine.connect() as connection:
        names = await connection.scalars(
            text("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' ORDER BY 1")
        )
        found: dict[str, object] = {}
        for name in names.all():
            rows = await connection.execute(text(f"SELECT xmin::text, t.* FROM {name} t ORDER BY 1, 2"))  # noqa: S608
            found[name] = rows.all()
    return found


def secrets_of(data_dir: Path) -> dict[str, bytes]:
    folder = data_dir / "secrets"
    return {path.name: path.read_bytes() for path in folder.glob("*")} if folder.is_dir() else {}


async def test_another_master_key_is_refused_by_name_and_nothing_is_changed(store: Store, tmp_path: Path) -> None:
    ours = (await open_keys(store, tmp_path / "ours")).known[0]
    theirs = load_keyring(tmp_path / "theirs").known[0]
    before, keys = await whole(store), secrets_of(tmp_path / "theirs")
    with pytest.raises(KeysError) as caught:
        await open_keys(store, tmp_path / "theirs")
    said = str(caught.value)
    assert caught.value.id == "master-key-foreign"
    assert f"belongs to master key {ours}" in said
    assert f"is master key {theirs}" in said
    assert str(tmp_path / "theirs" / "secrets" / "master.key") in said
    assert f"beside it, as {tmp_path / 'theirs' / 'secrets' / f'master-{ours}.key'}" in said
    assert (await whole(store), secrets_of(tmp_path / "theirs")) == (before, keys)


async def test_a_store_whose_master_key_is_lost_asks_for_it_and_makes_no_other(store: Store, tmp_path: Path) -> None:
    wanted = (await open_keys(store, tmp_path)).known[0]
    shutil.move(tmp_path / "secrets" / "master.key", tmp_path / "elsewhere")
    with pytest.raises(KeysError, match=f"wants master key {wanted}") as caught:
        await open_keys(store, tmp_path)
    assert caught.value.id == "master-key-missing"
    assert secrets_of(tmp_path) == {}
    shutil.move(tmp_path / "elsewhere", tmp_path / "secrets" / "master.key")
    assert (await open_keys(store, tmp_path)).known == (wanted,)


async def test_two_that_start_on_a_new_store_at_once_hash_with_the_same_keys(store: Store, tmp_path: Path) -> None:
    beside = Store(store.url)
    first, second = await asyncio.gather(open_keys(store, tmp_path), open_keys(beside, tmp_path))
    await beside.close()
    assert first.blind_index("+33639980101") == second.blind_index("+33639980101")
    assert first.name_index("marie") != first.blind_index("marie")
    async with store.reading() as session:
        assert set(await session.scalars(select(StoredKey.purpose))) == set(HASHING)


async def test_a_new_store_s_keys_that_hash_cannot_be_derived_from_its_master_key(store: Store, tmp_path: Path) -> None:
    keyring = await open_keys(store, tmp_path)
    derived = load_keyring(tmp_path)._seals.old_hashing["numbers"]
    assert keyring._hashing is not None
    assert keyring._hashing["numbers"] != derived


async def test_a_trail_that_an_older_release_began_without_marking_the_store_holds(
    store: Store, tmp_path: Path
) -> None:
    """An account was made from the command line, and the service of that release never started."""
    files = load_keyring(tmp_path)._again
    assert files is not None
    derived = Keyring(*files())
    async with store.transaction() as session:
        await make_account(
            session, derived, username="camille", display_name="C", roles={Role.LISTENER}, at=datetime.now(UTC)
        )
    keyring = await open_keys(store, tmp_path)
    async with store.transaction() as session:
        await make_account(
            session, keyring, username="dominique", display_name="D", roles={Role.LISTENER}, at=datetime.now(UTC)
        )
    found = await verify(store, await open_keys(store, tmp_path))
    assert (found.entries, found.broken_at) == (2, None)


async def test_a_keyring_hashes_nothing_before_it_has_the_store_s_keys(tmp_path: Path) -> None:
    with pytest.raises(KeysError) as caught:
        load_keyring(tmp_path).blind_index("+33639980101")
    assert caught.value.id == "keys-locked"


async def test_a_database_of_a_newer_version_is_refused_and_stays_as_it_is(store: Store, tmp_path: Path) -> None:
    await open_keys(store, tmp_path)
    async with store.transaction() as session:
        await session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        await session.execute(text("DROP TABLE master_key_mark"))  # whatever the newer version did with it
    before = await whole(store)
    for attempt in (store.upgrade, lambda: open_keys(store, tmp_path), lambda: open_keys(store, tmp_path / "empty")):
        with pytest.raises(SetupError) as caught:
            await attempt()
        assert caught.value.id == "database-newer"
        assert "9999" in str(caught.value)
        assert "restore the backup" in caught.value.mend
    assert await whole(store) == before
    assert not (tmp_path / "empty").exists(), "no master key is made for a database that has its own"


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_a_database_of_the_first_release_keeps_its_mark_and_gives_up_numbers_that_cases_have(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path / 'old.db'}"
    if kind == "postgresql":
        server: Postgres = request.getfixturevalue("postgres")
        server.sql("CREATE DATABASE first_release")
        url = server.url("first_release")
    store, now = Store(url), datetime(2026, 9, 14, tzinfo=UTC)
    fingerprint = load_keyring(tmp_path).fingerprint
    other = tmp_path / "other"
    load_keyring(other)
    async with store.engine.execution_options(ecoute_writes=True).begin() as connection:
        await connection.run_sync(lambda sync: command.upgrade(config(sync), "0002"))
        at = now if kind == "postgresql" else now.replace(tzinfo=None).isoformat(" ")
        for sql in (
            "INSERT INTO master_key_mark (id, fingerprint) VALUES (1, :fingerprint)",
            "INSERT INTO cases (id, status, opened_at, last_contact_at) VALUES (1, 'draft', :at, :at)",
            """INSERT INTO calls (pbx, call_id, line, arrived_at, number_kind, number_index, number)
            VALUES ('pbx1', 'c1', '', :at, 'given', 'i', :number), ('pbx1', 'c2', '', :at, 'given', 'i', :number)""",
            """INSERT INTO contacts (id, pbx, call_id, case_id, line, number_index, started_at, notes_version)
            VALUES (1, 'pbx1', 'c1', 1, '', 'i', :at, 0)""",
        ):
            values = {"at": at, "number": b"sealed", "fingerprint": fingerprint}
            await connection.execute(text(sql), {name: values[name] for name in values if f":{name}" in sql})
    with pytest.raises(KeysError, match="belongs to master key"):
        await open_keys(store, other)
    async with store.reading() as session:
        assert (await session.scalars(text("SELECT version_num FROM alembic_version"))).all() == ["0002"]
    keyring = await open_keys(store, tmp_path)
    assert keyring.fingerprint == fingerprint
    async with store.reading() as session:
        rows = await session.execute(text("SELECT call_id, number FROM calls"))
        numbers = {row.call_id: row.number for row in rows}
        stored = await session.scalars(select(StoredKey.purpose))
        assert set(stored) == set(HASHING)
    assert (numbers["c1"], bytes(numbers["c2"])) == (None, b"sealed")
    await store.close()


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_the_service_refuses_in_a_sentence_and_touches_nothing(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path / 'var' / 'ecoute.db'}"
    if kind == "postgresql":
        server: Postgres = request.getfixturevalue("postgres")
        server.sql("CREATE DATABASE refused")
        url = server.url("refused")
    settings = tmp_path / "ecoute.toml"
    settings.write_text(f'[store]\ndata_dir = "{tmp_path / "var"}"\nurl = "{url}"\n')
    (tmp_path / "var").mkdir()
    store = Store(url)
    await open_keys(store, tmp_path / "var")
    key = tmp_path / "var" / "secrets" / "master.key"
    right = key.read_bytes()
    load_keyring(tmp_path / "other")
    key.write_bytes((tmp_path / "other" / "secrets" / "master.key").read_bytes())
    before = await whole(store)
    for words in (["serve"], ["keys", "status"]):
        code, said = run([*words, "--config", str(settings)])
        assert (code, "belongs to master key" in said, "Traceback" in said) == (1, True, False), said
    key.write_bytes(right)
    assert await whole(store) == before
    async with store.transaction() as session:
        await session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    before = await whole(store)
    code, said = run(["serve", "--config", str(settings)])
    assert (code, "newer version" in said, "Traceback" in said) == (1, True, False), said
    assert await whole(store) == before
    await store.close()


def run(arguments: list[str]) -> tuple[int, str]:
    command = [sys.executable, "-m", "service.cli.main", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout + done.stderr


async def test_keys_are_rotated_and_put_away_from_the_command_line(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path / 'var' / 'ecoute.db'}"
    settings = tmp_path / "ecoute.toml"
    settings.write_text(f'[store]\ndata_dir = "{tmp_path / "var"}"\nurl = "{url}"\n')
    (tmp_path / "var").mkdir()
    store = Store(url)
    first = (await open_keys(store, tmp_path / "var")).known[0]
    await store.close()
    at = ["--config", str(settings)]
    code, said = run(["keys", "rotate", *at])
    assert code == 0, said
    assert f"Sealed anew: {len(HASHING)} of {len(HASHING)}" in said
    assert "ecoute keys retire" in said
    code, said = run(["keys", "status", "--json", *at])
    assert code == 0, said
    assert '"elsewhere": 0' in said
    code, said = run(["keys", "retire", *at])
    assert (code, f"master-{first}.key" in said) == (0, True), said
    code, said = run(["keys", "status", *at])
    assert (code, first in said) == (0, False), said
