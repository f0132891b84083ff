"""Why the store does not take what is written, from what its driver says: the next step differs."""

from __future__ import annotations

import errno
import sqlite3
from typing import Final

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from service.health.model import Cause
from service.keys import KeysError

#: primary result codes of SQLite (https://www.sqlite.org/rescode.html)
_SQLITE: Final = {
    sqlite3.SQLITE_BUSY: Cause.LOCKED,
    sqlite3.SQLITE_LOCKED: Cause.LOCKED,
    sqlite3.SQLITE_FULL: Cause.FULL,
    sqlite3.SQLITE_READONLY: Cause.GONE,
    sqlite3.SQLITE_IOERR: Cause.GONE,
    sqlite3.SQLITE_CORRUPT: Cause.GONE,
    sqlite3.SQLITE_CANTOPEN: Cause.GONE,
    sqlite3.SQLITE_NOTADB: Cause.GONE,
}
#: PostgreSQL's SQLSTATE (appendix A of its documentation): lock_timeout, deadlock, disk_full, shutting down
_POSTGRESQL: Final = {
    "55P03": Cause.LOCKED,
    "40P01": Cause.LOCKED,
    "53100": Cause.FULL,
    "57P01": Cause.GONE,
    "57P02": Cause.GONE,
    "57P03": Cause.GONE,
}


def cause_of(error: Exception | None) -> Cause | None:
    """None: nothing is wrong."""
    if error is None:
        return None
    if isinstance(error, KeysError):
        return Cause.KEYS
    if isinstance(error, PoolTimeout):  # all connections wait for something
        return Cause.LOCKED
    driver: BaseException | None = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(driver, OSError):  # ConnectionError and TimeoutError, too
        return Cause.FULL if driver.errno in (errno.ENOSPC, errno.EDQUOT) else Cause.GONE
    found = _by_code(driver)
    lost = isinstance(error, DBAPIError) and error.connection_invalidated
    return Cause.GONE if lost and found is Cause.UNKNOWN else found


def _by_code(driver: BaseException | None) -> Cause:
    code = getattr(driver, "sqlite_errorcode", None)
    if isinstance(code, int):
        return _SQLITE.get(code & 0xFF, Cause.UNKNOWN)
    state = str(getattr(driver, "sqlstate", ""))
    return _POSTGRESQL.get(state, Cause.GONE if state.startswith("08") else Cause.UNKNOWN)
