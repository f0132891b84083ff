"""Runs the alembic chain from inside the service: no ini file, no second connection."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncEngine

MIGRATIONS: Final = Path(__file__).resolve().parent / "migrations"
_LOCK: Final = 5_170_533_133  # any number of our own: who migrates a PostgreSQL database holds this advisory lock


def config(connection: Connection) -> Config:
    """Alembic's settings, with the connection to work on."""
    settings = Config()
    settings.set_main_option("script_location", str(MIGRATIONS))
    settings.attributes["connection"] = connection
    return settings


def _upgrade(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text("SET LOCAL lock_timeout = 0"))
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    command.upgrade(config(connection), "head")


async def upgrade(engine: AsyncEngine) -> None:
    """Bring the schema to the newest revision, in one transaction: all or nothing."""
    writing = engine.execution_options(ecoute_writes=True)
    async with writing.begin() as connection:
        await connection.run_sync(_upgrade)
