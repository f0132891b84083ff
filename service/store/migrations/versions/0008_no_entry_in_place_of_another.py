"""no entry of the audit trail is put in the place of another on SQLite; a process may know as many keys as there are.

`INSERT OR REPLACE` deletes what is in its way, and no trigger is told (https://www.sqlite.org/lang_conflict.html). That
may have the same `seq`, or the same rowid under another `seq`. An entry that is given no rowid has -1 until it is in.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make it so."""
    if op.get_bind().dialect.name == "sqlite":
        op.execute(
            """CREATE TRIGGER audit_entry_add BEFORE INSERT ON audit_entries
            WHEN EXISTS (SELECT 1 FROM audit_entries WHERE seq = NEW.seq)
              OR EXISTS (SELECT 1 FROM audit_entries WHERE rowid = NEW.rowid)
            BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END"""
        )
    with op.batch_alter_table("key_holders") as table:
        table.alter_column("knows", existing_type=sa.String(length=255), type_=sa.Text(), existing_nullable=False)


def downgrade() -> None:
    """Take it back."""
    op.execute("DELETE FROM key_holders")  # said again within seconds
    with op.batch_alter_table("key_holders") as table:
        table.alter_column("knows", existing_type=sa.Text(), type_=sa.String(length=255), existing_nullable=False)
    if op.get_bind().dialect.name == "sqlite":
        op.execute("DROP TRIGGER audit_entry_add")
