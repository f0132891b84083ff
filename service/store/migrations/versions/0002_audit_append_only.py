"""The audit trail is append-only in the database itself: no change, no deletion above the purged mark."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_SQLITE = (
    """CREATE TRIGGER audit_entry_keep BEFORE UPDATE ON audit_entries
    BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END""",
    """CREATE TRIGGER audit_entry_purge BEFORE DELETE ON audit_entries
    WHEN OLD.seq > COALESCE((SELECT purged_seq FROM audit_head), 0)
    BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END""",
)
_POSTGRESQL = (
    """CREATE FUNCTION audit_entry_guard() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF TG_OP = 'DELETE' THEN
        IF OLD.seq <= COALESCE((SELECT purged_seq FROM audit_head), 0) THEN
          RETURN OLD;
        END IF;
      END IF;
      RAISE EXCEPTION 'the audit trail is append-only';
    END $$""",
    """CREATE TRIGGER audit_entry_guard BEFORE UPDATE OR DELETE ON audit_entries
    FOR EACH ROW EXECUTE FUNCTION audit_entry_guard()""",
    """CREATE TRIGGER audit_entry_whole BEFORE TRUNCATE ON audit_entries
    FOR EACH STATEMENT EXECUTE FUNCTION audit_entry_guard()""",
)


def upgrade() -> None:
    """Make it so."""
    for statement in _SQLITE if op.get_bind().dialect.name == "sqlite" else _POSTGRESQL:
        op.execute(statement)


def downgrade() -> None:
    """Take it back."""
    if op.get_bind().dialect.name == "sqlite":
        op.execute("DROP TRIGGER audit_entry_keep")
        op.execute("DROP TRIGGER audit_entry_purge")
        return
    op.execute("DROP TRIGGER audit_entry_guard ON audit_entries")
    op.execute("DROP TRIGGER audit_entry_whole ON audit_entries")
    op.execute("DROP FUNCTION audit_entry_guard()")
