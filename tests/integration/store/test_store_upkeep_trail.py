"""What an administrator does with keys and copies of the database from the command line is on the audit trail."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from sqlalchemy import text

from service.audit import queries
from service.audit.model import Action
from service.store.engine import Store
from tests.integration.store.line import Line


@pytest.fixture
def line(tmp_path: Path) -> Line:
    return Line(tmp_path)


async def test_a_master_key_s_rotation_and_its_end_are_on_the_trail(line: Line) -> None:
    first = await line.made()
    done = line.run("keys", "rotate", "--json")
    assert done.returncode == 0, done.stderr
    found = re.search(r'"seals": "(\w{8})"', done.stdout)
    assert found is not None
    begun = (None, Action.MASTER_KEY_ROTATION_BEGUN, "master-key", first)
    rotated = (None, Action.MASTER_KEY_ROTATED, "master-key", found[1])
    assert await line.trail() == [begun, rotated]
    done = line.run("keys", "retire")
    assert (done.returncode, f"master-{first}.key" in done.stdout) == (0, True), done.stderr
    retired = (None, Action.MASTER_KEY_RETIRED, "master-key", first)
    assert await line.trail() == [begun, rotated, retired]
    assert line.run("keys", "retire").returncode == 0
    assert await line.trail() == [begun, rotated, retired], "there was nothing to put away"


async def test_a_copy_of_the_database_is_on_the_trail_and_one_that_failed_is_not(line: Line) -> None:
    name = await line.made()
    done = line.run("backup", "copy.db")
    assert (done.returncode, done.stderr) == (0, "")
    assert line.run("backup", "copy.db").returncode == 1
    assert await line.trail() == [(None, Action.BACKUP_MADE, "store", name)]


async def test_a_copy_is_made_also_where_the_trail_cannot_be_written_and_says_so(line: Line) -> None:
    await line.made()
    shutil.move(line.data / "secrets", line.place / "secrets")
    done = line.run("backup", "copy.db")
    assert (done.returncode, (line.place / "copy.db").is_file()) == (1, True), done.stderr
    assert "not on the audit trail" in done.stderr
    assert "master key" in done.stderr
    assert not list((line.data / "secrets").glob("*")), "no key is made in place of one that is away"
    shutil.move(line.place / "secrets", line.data / "secrets")
    assert await line.trail() == []


async def test_a_copy_from_before_an_upgrade_upgrades_nothing_and_says_that_it_is_not_on_the_trail(line: Line) -> None:
    await line.made()
    store = Store(line.url)
    async with store.transaction() as session:
        await session.execute(text("UPDATE alembic_version SET version_num = '0007'"))
    done = line.run("backup", "copy.db")
    assert (done.returncode, (line.place / "copy.db").is_file()) == (0, True), done.stderr
    assert "not on the audit trail" in done.stderr
    assert "another version" in done.stderr
    async with store.reading() as session:
        assert await session.scalar(text("SELECT version_num FROM alembic_version")) == "0007"
        assert await queries.entries(session) == []
    await store.close()


async def test_no_master_key_is_made_for_a_copy_s_entry(line: Line) -> None:
    store = Store(line.url)
    await store.upgrade()
    await store.close()
    done = line.run("backup", "copy.db")
    assert (done.returncode, "no master key yet" in done.stderr) == (0, True), done.stderr
    assert not (line.data / "secrets").exists()
