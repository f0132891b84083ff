"""Which errors are the database's own trouble, and no fault of what was asked of it."""

from __future__ import annotations

import sqlite3
from typing import Final

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

#: primary result codes (https://www.sqlite.org/rescode.html); SQLITE_ERROR is not among them: "no such table" is one
_SQLITE_DAMAGED: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_SQLITE_AWAY: Final = _SQLITE_DAMAGED | {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_PROTOCOL,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CANTOPEN,
}
#: PostgreSQL's lock_timeout; shutting down, crashed, starting; deadlock; disk full, no memory, too many; read-only
_POSTGRESQL_AWAY: Final = frozenset({"55P03", "57P01", "57P02", "57P03", "40P01", "53100", "53200", "53300", "25006"})
_CONNECTION_LOST: Final = "08"  #: the class of SQLSTATEs (appendix A of PostgreSQL's documentation)


def store_is_away(error: BaseException) -> bool:
    """Whether the database serves nobody now (locked, stopped, full, read-only, damaged): not this request's fault."""
    if isinstance(error, (PoolTimeout, ConnectionError)):
        return True
    if not isinstance(error, DBAPIError):
        return False
    if error.connection_invalidated:
        return True
    if (code := _sqlite_code(error)) is not None:
        return code in _SQLITE_AWAY
    if state := getattr(error.orig, "sqlstate", None):
        return state in _POSTGRESQL_AWAY or state.startswith(_CONNECTION_LOST)
    return isinstance(error, (OperationalError, InterfaceError)) and not _has_wrong_address(error)


def store_is_damaged(error: BaseException) -> bool:
    """SQLite says so of its file: no database at all, or one that contradicts itself."""
    return _sqlite_code(error) in _SQLITE_DAMAGED


def word_of(error: BaseException) -> str:
    """The driver's own word for what is wrong, like `SQLITE_BUSY`. Never its message, which may quote values."""
    said = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    return getattr(said, "sqlite_errorname", "") or type(said.__cause__ or said).__name__


def _sqlite_code(error: BaseException) -> int | None:
    """Without what extends it; None: not of SQLite."""
    code = getattr(error.orig, "sqlite_errorcode", None) if isinstance(error, DBAPIError) else None
    return code & 0xFF if isinstance(code, int) else None


def _has_wrong_address(error: DBAPIError) -> bool:
    """asyncpg says InterfaceError also of options in the address that cannot be."""
    return error.orig is not None and isinstance(error.orig.__cause__, ValueError)
