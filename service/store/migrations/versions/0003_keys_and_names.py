"""keys that rotate, names that are found."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make it so."""
    op.create_table(
        "key_holders",
        sa.Column("process", sa.String(length=36), nullable=False),
        sa.Column("machine", sa.String(length=255), nullable=False),
        sa.Column("knows", sa.String(length=255), nullable=False),
        sa.Column("seals_with", sa.String(length=8), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("process", name=op.f("pk_key_holders")),
    )
    op.create_table(
        "stored_keys",
        sa.Column("purpose", sa.String(length=32), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("purpose", name=op.f("pk_stored_keys")),
    )
    op.create_table(
        "case_name_words",
        sa.Column("case_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("whose", sa.String(length=32), nullable=False),
        sa.Column("word_index", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["case_id"], ["cases.id"], name=op.f("fk_case_name_words_case_id_cases"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("case_id", "whose", "word_index", name=op.f("pk_case_name_words")),
    )
    op.create_index(
        op.f("ix_case_name_words_word_index_case_id_whose"),
        "case_name_words",
        ["word_index", "case_id", "whose"],
        unique=False,
    )
    op.create_table(
        "case_names",
        sa.Column("case_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("whose", sa.String(length=32), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["case_id"], ["cases.id"], name=op.f("fk_case_names_case_id_cases"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("case_id", "whose", name=op.f("pk_case_names")),
    )
    op.create_index(op.f("ix_cases_department_opened_at"), "cases", ["department", "opened_at"], unique=False)
    op.create_index(op.f("ix_cases_opened_at"), "cases", ["opened_at"], unique=False)
    # a number that its case has, under the case's key, lies nowhere else
    op.execute(
        "UPDATE calls SET number = NULL WHERE EXISTS (SELECT 1 FROM contacts WHERE contacts.pbx = calls.pbx "
        "AND contacts.call_id = calls.call_id AND contacts.number_index IS NOT NULL)"
    )
    for name in ("purged_inode", "purged_offset"):
        op.add_column("journal_positions", sa.Column(name, sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("master_key_mark", sa.Column("next_fingerprint", sa.String(length=64), nullable=True))


def downgrade() -> None:
    """Take it back."""
    op.drop_column("master_key_mark", "next_fingerprint")
    op.drop_column("journal_positions", "purged_offset")
    op.drop_column("journal_positions", "purged_inode")
    op.drop_index(op.f("ix_cases_opened_at"), table_name="cases")
    op.drop_index(op.f("ix_cases_department_opened_at"), table_name="cases")
    op.drop_table("case_names")
    op.drop_index(op.f("ix_case_name_words_word_index_case_id_whose"), table_name="case_name_words")
    op.drop_table("case_name_words")
    op.drop_table("stored_keys")
    op.drop_table("key_holders")
