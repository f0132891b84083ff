"""a caller is looked up by index alone: what is shown before a phone is answered reads no row that it does not show."""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make it so."""
    op.drop_index(op.f("ix_case_numbers_number_index"), table_name="case_numbers")
    op.create_index(
        op.f("ix_case_numbers_number_index_case_id"), "case_numbers", ["number_index", "case_id"], unique=False
    )
    op.drop_index(op.f("ix_contacts_number_index"), table_name="contacts")
    op.create_index(
        op.f("ix_contacts_number_index_case_id_call_id_started_at"),
        "contacts",
        ["number_index", "case_id", "call_id", "started_at"],
        unique=False,
    )
    op.drop_index(op.f("ix_contacts_call_id"), table_name="contacts")
    op.create_index(op.f("ix_contacts_call_id_case_id"), "contacts", ["call_id", "case_id"], unique=False)


def downgrade() -> None:
    """Take it back."""
    op.drop_index(op.f("ix_contacts_call_id_case_id"), table_name="contacts")
    op.create_index(op.f("ix_contacts_call_id"), "contacts", ["call_id"], unique=False)
    op.drop_index(op.f("ix_contacts_number_index_case_id_call_id_started_at"), table_name="contacts")
    op.create_index(op.f("ix_contacts_number_index"), "contacts", ["number_index"], unique=False)
    op.drop_index(op.f("ix_case_numbers_number_index_case_id"), table_name="case_numbers")
    op.create_index(op.f("ix_case_numbers_number_index"), "case_numbers", ["number_index"], unique=False)
