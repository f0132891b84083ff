"""a place in a PBX's journal names its file by its beginning; queue_log has a place; wishes to be rung are kept."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make it so."""
    for name in ("began", "purged_began"):
        column = sa.Column(name, sa.BigInteger(), server_default="0", nullable=False)
        op.add_column("journal_positions", column)
    op.create_table(
        "queue_log_positions",
        sa.Column("pbx", sa.String(length=32), nullable=False),
        sa.Column("inode", sa.BigInteger(), nullable=False),
        sa.Column("offset", sa.BigInteger(), nullable=False),
        sa.Column("began", sa.BigInteger(), nullable=False),
        sa.Column("committed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("pbx", name=op.f("pk_queue_log_positions")),
    )
    op.create_table(
        "queue_wishes",
        sa.Column("account_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("queue", sa.String(length=48), nullable=False),
        sa.Column("wanted", sa.Boolean(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"],
            ["accounts.id"],
            name=op.f("fk_queue_wishes_account_id_accounts"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("account_id", "queue", name=op.f("pk_queue_wishes")),
    )


def downgrade() -> None:
    """Take it back."""
    op.drop_table("queue_wishes")
    op.drop_table("queue_log_positions")
    for name in ("purged_began", "began"):
        op.drop_column("journal_positions", name)
