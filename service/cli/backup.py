"""`ecoute backup`: the database as it is at one instant, in one file, while the service runs.

SQLite keeps its last commits in a second file (-wal) until it has time to move them: a copy of the first alone lacks
them, and one that is taken while they move is torn. https://www.sqlite.org/lang_vacuum.html#vacuuminto
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from sqlalchemy import make_url

from pbx.errors import SetupError
from service.cli.people import refuse_lost_database
from service.keys import KeysError, load_keyring
from service.keys.ring import key_id
from service.settings import Settings
from service.store.model import MasterKeyMark


def backup(settings: Settings, file: Path) -> str:
    """Copies the database to `file`, which is new. The short name of the master key that it belongs to.

    Nothing is upgraded, and nobody waits for it. SetupError when the database is not SQLite's, or the copy fails: then
    there is no `file`.
    """
    refuse_lost_database(settings)
    url = make_url(settings.store_url)
    if url.get_backend_name() != "sqlite":
        raise SetupError(
            "backup-not-ours",
            "The database is PostgreSQL, which copies itself.",
            "Use `pg_dump --format=custom --file=FILE`, and `pg_restore` to put it back; docs/keys.md has the rest.",
        )
    if file.exists():
        raise SetupError("backup-exists", f"{file} is there already.", "Name a file that is not there yet.")
    begun = file.with_name(f"{file.name}.part")
    try:
        begun.unlink(missing_ok=True)
        begun.touch(mode=0o600)
        with closing(sqlite3.connect(str(url.database), timeout=60)) as database:
            database.execute("VACUUM INTO ?", (str(begun),))
        with begun.open("rb+") as whole:
            os.fsync(whole.fileno())
        with closing(sqlite3.connect(begun)) as copy:
            name = copy.execute(f"SELECT fingerprint FROM {MasterKeyMark.__tablename__}").fetchone()  # noqa: S608 - ours
        begun.replace(file)
    except (sqlite3.Error, OSError) as error:
        begun.unlink(missing_ok=True)
        raise SetupError(
            "backup-failed",
            f"The database could not be copied to {file} ({error}).",
            "See that there is room for it, that the directory is there and yours, and run this again.",
        ) from error
    return "" if name is None else key_id(str(name[0]))


def wrong_with_keys(settings: Settings, key: str) -> str:
    """Why a copy of this master key does not open with what lies in the secrets directory; empty: it does."""
    try:
        known = load_keyring(settings.store.data_dir.absolute(), create=False).known
    except KeysError as error:
        return str(error)
    return "" if key in known else f"It is not here: here is master key {', '.join(known)}."
