"""Runs the alembic chain from inside the service: no ini file, no second connection."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncEngine

from pbx.errors import SetupError

MIGRATIONS: Final = Path(__file__).resolve().parent / "migrations"
_LOCK: Final = 5_170_533_133  # any number of our own: who migrates a PostgreSQL database holds this advisory lock


def config(connection: Connection) -> Config:
    """Alembic's settings, with the connection to work on."""
    settings = Config()
    settings.set_main_option("script_location", str(MIGRATIONS))
    settings.attributes["connection"] = connection
    return settings


def refuse_newer(connection: Connection) -> None:
    """SetupError `database-newer` for a store that a later version has upgraded. Only reads."""
    known = {script.revision for script in ScriptDirectory.from_config(config(connection)).walk_revisions()}
    unknown = set(MigrationContext.configure(connection).get_current_heads()) - known
    if unknown:
        raise SetupError(
            "database-newer",
            f"The database is of a newer version of Écoute: its schema is {max(unknown)}, this version knows up to "
            f"{max(known)}. It was left as it is",
            "Install that version again, or restore the backup from before its upgrade.",
        )


def _upgrade(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text("SET LOCAL lock_timeout = 0"))
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    command.upgrade(config(connection), "head")


async def upgrade(engine: AsyncEngine) -> None:
    """Bring the schema to the newest revision, in one transaction: all or nothing. SetupError for a newer store."""
    async with engine.connect() as connection:
        await connection.run_sync(refuse_newer)
    writing = engine.execution_options(ecoute_writes=True)
    async with writing.begin() as connection:
        await connection.run_sync(_upgrade)
