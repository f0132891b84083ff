"""`ecoute up` waits for a database that is away, tells each cause once, and waits for nothing that does not pass."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from pbx.errors import SetupError
from service.cli import people, up
from service.settings import Http, Settings, Store
from service.store import engine
from tests.support.free_ports import free_port
from tests.support.pbx import quiet
from tests.support.postgres import Postgres

AGAIN = "It is tried again"


def settings_of(tmp_path: Path, url: str = "") -> Settings:
    data = tmp_path / "var"
    data.mkdir(exist_ok=True)
    return Settings(store=Store(data_dir=data, url=url), http=Http(port=free_port()))


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(up, "_RETRY_SECONDS", 0.05)
    monkeypatch.setattr(engine, "LOCK_TIMEOUT_MS", 50)


def test_another_cause_is_told_as_well(tmp_path: Path) -> None:
    later, said = tmp_path / "mounted later", list[str]()
    others: list[sqlite3.Connection] = []

    def tell(step: str) -> None:
        said.append(step)
        if "SQLITE_CANTOPEN" in step:
            later.mkdir()
            others.append(sqlite3.connect(later / "ecoute.db"))
            others[0].execute("BEGIN EXCLUSIVE")
        elif "SQLITE_BUSY" in step:
            others[0].close()

    up._begin_once_the_store_answers(settings_of(tmp_path, f"sqlite+aiosqlite:///{later}/ecoute.db"), tell)
    told = [line for line in said if AGAIN in line]
    assert ["SQLITE_CANTOPEN" in told[0], "SQLITE_BUSY" in told[1], len(told)] == [True, True, 2]


def test_what_waiting_does_not_mend_is_not_waited_for(tmp_path: Path) -> None:
    """An upgrade that fails: whatever is in its way stays there."""
    settings, said = settings_of(tmp_path), list[str]()

    def tell(step: str) -> None:
        said.append(step)
        assert AGAIN not in step

    with closing(sqlite3.connect(tmp_path / "var" / "ecoute.db")) as database, database:
        database.execute("CREATE TABLE accounts (somebody_else TEXT)")
    with pytest.raises(SetupError, match="SQLITE_ERROR") as refused:
        up._begin_once_the_store_answers(settings, tell)
    assert refused.value.id == "store-refuses"


def test_a_wrong_address_that_shows_once_the_server_is_there_ends_the_waiting(
    tmp_path: Path, postgres: Postgres
) -> None:
    said: list[str] = []

    def tell(step: str) -> None:
        said.append(step)
        if AGAIN in step:
            postgres.start()

    postgres.end()
    with pytest.raises(SetupError, match="InvalidCatalogName") as refused:
        up._begin_once_the_store_answers(settings_of(tmp_path, postgres.url("no_such_database")), tell)
    assert refused.value.id == "store-refuses"
    assert sum(AGAIN in line for line in said) == 1


@pytest.mark.parametrize(
    ("right", "wrong", "told"),
    [
        ("ecoute@", "nobody:secret@", "InvalidAuthorization"),
        ("ecoute@/postgres?", "ecoute:secret@/postgres?ssl=nonsense&", "ClientConfigurationError"),
    ],
)
async def test_a_wrong_user_or_option_is_the_address_s_fault_and_not_the_server_s(
    tmp_path: Path, postgres: Postgres, right: str, wrong: str, told: str
) -> None:
    url = postgres.url("postgres").replace(right, wrong)
    with pytest.raises(SetupError, match=told) as refused:
        await people.prepare_store(settings_of(tmp_path, url))
    assert refused.value.id == "store-refuses"
    assert "store.url" in refused.value.mend
    assert "secret" not in str(refused.value)


def test_an_address_that_cannot_be_read_is_one_sentence_without_its_password(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, "postgresql+asyncpg://ecoute:sec:ret@127.0.0.1:54x32/ecoute")
    with pytest.raises(SetupError) as refused:
        up.prepare(settings, quiet)
    assert refused.value.id == "store-url-unfit"
    assert "ret" not in refused.value.sentence.split()
