"""Runs the alembic chain from inside the service: no ini file, no second connection.

Alembic is loaded where there is something to upgrade, which a start almost never has: it takes a fifth of a second.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from sqlalchemy import Connection, inspect, text
from sqlalchemy.ext.asyncio import AsyncEngine

from pbx.errors import SetupError

if TYPE_CHECKING:
    from alembic.config import Config

MIGRATIONS: Final = Path(__file__).resolve().parent / "migrations"
_LOCK: Final = 5_170_533_133  # any number of our own: who migrates a PostgreSQL database holds this advisory lock


def config(connection: Connection) -> Config:
    """Alembic's settings, with the connection to work on."""
    from alembic.config import Config

    settings = Config()
    settings.set_main_option("script_location", str(MIGRATIONS))
    settings.attributes["connection"] = connection
    return settings


def newest() -> str:
    """The newest revision that this version knows: each script's name begins with its own, and they rise."""
    return max(script.name[:4] for script in (MIGRATIONS / "versions").glob("[0-9]*.py"))


def is_newest(connection: Connection) -> bool:
    """Whether nothing is to be done. Only reads."""
    if not inspect(connection).has_table("alembic_version"):
        return False
    return list(connection.scalars(text("SELECT version_num FROM alembic_version"))) == [newest()]


def is_current(connection: Connection) -> bool:
    """Whether nothing is to be done; SetupError for a newer store. Only reads."""
    refuse_newer(connection)
    return is_newest(connection)


def refuse_newer(connection: Connection) -> None:
    """SetupError `database-newer` for a store that a later version has upgraded. Only reads."""
    if is_newest(connection):
        return
    from alembic.migration import MigrationContext
    from alembic.script import ScriptDirectory

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
    from alembic import command

    if connection.dialect.name == "postgresql":
        connection.execute(text("SET LOCAL lock_timeout = 0"))
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    refuse_newer(connection)  # whoever was quicker may have been of a newer version
    command.upgrade(config(connection), "head")


async def upgrade(engine: AsyncEngine) -> None:
    """Bring the schema to the newest revision, in one transaction: all or nothing. SetupError for a newer store."""
    writing = engine.execution_options(ecoute_writes=True)
    async with writing.begin() as connection:
        await connection.run_sync(_upgrade)
