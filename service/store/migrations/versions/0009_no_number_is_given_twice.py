"""no row's number is given to another row once the first is gone, on SQLite: the audit trail names rows by theirs.

Without AUTOINCREMENT the greatest number is given anew (https://www.sqlite.org/autoinc.html); PostgreSQL's sequences
only rise. Numbers go on above all that are there, and above all that the trail names.

The tables' text alone is changed, by SQLite's own procedure for what leaves each row as it lies
(https://www.sqlite.org/lang_altertable.html#otheralter). A table that is built anew and put in the place of the one
before would take along all that refers to it: DROP TABLE deletes row by row (ON DELETE CASCADE), and no transaction can
put that off.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

#: table → what the trail calls its rows; none: it names none of them
_TABLES = {"accounts": "account", "cases": "case", "contacts": "contact", "failed_sign_ins": None, "sessions": None}
_ONCE, _ANEW = "PRIMARY KEY (id AUTOINCREMENT)", "PRIMARY KEY (id)"


def upgrade() -> None:
    """Make it so."""
    if op.get_bind().dialect.name != "sqlite":
        return
    op.execute("CREATE TABLE numbers_begin (id INTEGER PRIMARY KEY AUTOINCREMENT)")  # and with it sqlite_sequence
    op.execute("DROP TABLE numbers_begin")
    _write(_ANEW, _ONCE)
    for table, subject in _TABLES.items():
        _go_on_above(table, subject)


def downgrade() -> None:
    """Take it back."""
    if op.get_bind().dialect.name == "sqlite":
        op.execute("DELETE FROM sqlite_sequence")
        _write(_ONCE, _ANEW)


def _write(old: str, new: str) -> None:
    connection = op.get_bind()
    change = sa.text(
        "UPDATE sqlite_master SET sql = replace(sql, :old, :new) "
        "WHERE type = 'table' AND name = :name AND instr(sql, :old) > 0"
    )
    version: int = connection.execute(sa.text("PRAGMA schema_version")).scalar_one()
    op.execute("PRAGMA writable_schema = ON")
    try:
        for table in _TABLES:
            values = {"name": table, "old": f"CONSTRAINT pk_{table} {old}", "new": f"CONSTRAINT pk_{table} {new}"}
            if connection.execute(change, values).rowcount != 1:
                raise RuntimeError(f"the table {table} is not as it was made")
        op.execute(f"PRAGMA schema_version = {version + 1}")  # who has the database open reads it again
    finally:
        op.execute("PRAGMA writable_schema = RESET")


def _go_on_above(table: str, subject: str | None) -> None:
    """The next row's number is above those that are there, and those that the trail names."""
    trail = sa.table("audit_entries", sa.column("subject"), sa.column("subject_id"), sa.column("account_id"))
    named = sa.cast(trail.c.subject_id, sa.BigInteger)
    taken: list[sa.Select[Any]] = [
        sa.select(sa.func.max(sa.column("id"))).select_from(sa.table(table)),
        sa.select(sa.func.max(named)).where(trail.c.subject == subject),
    ]
    if subject == "account":
        taken.append(sa.select(sa.func.max(trail.c.account_id)))
    connection = op.get_bind()
    last = max(connection.scalar(numbers) or 0 for numbers in taken)
    op.execute(
        sa.text("INSERT INTO sqlite_sequence (name, seq) VALUES (:name, :last)").bindparams(name=table, last=last)
    )
