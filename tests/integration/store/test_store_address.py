"""An address of the database that is written wrongly: one sentence that says what to write, and no password in it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from pbx.errors import SetupError
from pbx.no_cap import Layer
from service.cli import backup, check, people
from service.settings import Settings, from_values

NOT_READ = "postgresql+asyncpg://ecoute:hidden-word@localhost:54x32/ecoute"
NO_SUCH_OPTION = "postgresql+asyncpg://ecoute:hidden-word@127.0.0.1:1/ecoute?sslmode=require"
NO_NUMBER = "postgresql+asyncpg://ecoute:hidden-word@127.0.0.1:1/ecoute?command_timeout=soon"
NO_SUCH_PORT = "postgresql+asyncpg://ecoute:hidden-word@127.0.0.1:99999/ecoute"
HOW = "Write it like postgresql+asyncpg://user@host:5432/database;"


def settings_of(folder: Path, url: str) -> Settings:
    (folder / "var").mkdir()
    return from_values(store={"data_dir": folder / "var", "url": url})


@pytest.mark.parametrize("url", [NOT_READ, NO_SUCH_OPTION, NO_NUMBER, NO_SUCH_PORT])
def test_how_calls_ended_is_not_known_and_what_to_write_is_said(tmp_path: Path, url: str) -> None:
    (report,) = check.check(settings_of(tmp_path, url), [Layer.OUTCOME])
    (problem,) = report.findings
    assert problem.id == "outcome-unseen"
    assert "store.url in ecoute.toml" in problem.sentence
    assert problem.mend.startswith(HOW)
    assert "hidden-word" not in str(problem)


@pytest.mark.parametrize("url", [NOT_READ, NO_SUCH_OPTION, NO_NUMBER, NO_SUCH_PORT])
def test_every_other_command_says_the_same(tmp_path: Path, url: str) -> None:
    with pytest.raises(SetupError) as refused:
        asyncio.run(people.accounts(settings_of(tmp_path, url)))
    assert refused.value.id == "store-url-unfit"
    assert refused.value.mend.startswith(HOW)
    assert "hidden-word" not in str(refused.value)


def test_no_backup_is_made_of_what_cannot_be_read_and_what_to_write_is_said(tmp_path: Path) -> None:
    with pytest.raises(SetupError) as refused:
        backup.backup(settings_of(tmp_path, NOT_READ), tmp_path / "copy.db")
    assert refused.value.id == "store-url-unfit"
    assert refused.value.mend.startswith(HOW)
    assert "hidden-word" not in str(refused.value)


def test_who_writes_sslmode_is_told_what_to_write_instead(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=r"\?ssl=require"):
        asyncio.run(people.accounts(settings_of(tmp_path, NO_SUCH_OPTION)))
