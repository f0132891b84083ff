"""The tables of the first release."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make it so."""
    op.create_table(
        "accounts",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("username", sa.String(length=64), nullable=False),
        sa.Column("display_name", sa.String(length=120), nullable=False),
        sa.Column("password_hash", sa.String(length=200), nullable=False),
        sa.Column("locale", sa.String(length=8), nullable=False),
        sa.Column("centre", sa.String(length=48), nullable=True),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_accounts")),
        sa.UniqueConstraint("username", name=op.f("uq_accounts_username")),
    )
    op.create_table(
        "audit_entries",
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("account_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("action", sa.String(length=32), nullable=False),
        sa.Column("subject", sa.String(length=16), nullable=False),
        sa.Column("subject_id", sa.String(length=64), nullable=False),
        sa.Column("hash", sa.LargeBinary(length=32), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_audit_entries")),
    )
    op.create_index(op.f("ix_audit_entries_account_id"), "audit_entries", ["account_id"], unique=False)
    op.create_index(op.f("ix_audit_entries_at"), "audit_entries", ["at"], unique=False)
    op.create_index(
        op.f("ix_audit_entries_subject_subject_id"), "audit_entries", ["subject", "subject_id"], unique=False
    )
    op.create_table(
        "audit_head",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("last_seq", sa.BigInteger(), nullable=False),
        sa.Column("last_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("purged_seq", sa.BigInteger(), nullable=False),
        sa.Column("purged_hash", sa.LargeBinary(length=32), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_head")),
    )
    op.create_table(
        "call_facts",
        sa.Column("pbx", sa.String(length=32), nullable=False),
        sa.Column("call_id", sa.String(length=36), nullable=False),
        sa.Column("what", sa.String(length=24), nullable=False),
        sa.Column("ordinal", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("pbx", "call_id", "what", "ordinal", name=op.f("pk_call_facts")),
    )
    op.create_table(
        "caller_keys",
        sa.Column("key_id", sa.String(length=32), nullable=False),
        sa.Column("pbx", sa.String(length=32), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key_id", name=op.f("pk_caller_keys")),
    )
    op.create_index(op.f("ix_caller_keys_pbx_made_at"), "caller_keys", ["pbx", "made_at"], unique=False)
    op.create_table(
        "calls",
        sa.Column("pbx", sa.String(length=32), nullable=False),
        sa.Column("call_id", sa.String(length=36), nullable=False),
        sa.Column("line", sa.String(length=16), nullable=False),
        sa.Column("arrived_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("result", sa.String(length=32), nullable=True),
        sa.Column("ended_by", sa.String(length=32), nullable=True),
        sa.Column("ended_stage", sa.String(length=32), nullable=True),
        sa.Column("listener_id", sa.BigInteger(), nullable=True),
        sa.Column("wait_seconds", sa.Double(), nullable=True),
        sa.Column("centre", sa.String(length=48), nullable=True),
        sa.Column("department", sa.String(length=3), nullable=True),
        sa.Column("number_kind", sa.String(length=32), nullable=False),
        sa.Column("number_index", sa.String(length=64), nullable=True),
        sa.Column("number", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("pbx", "call_id", name=op.f("pk_calls")),
    )
    op.create_index("ix_calls_arrived_at", "calls", ["arrived_at"], unique=False)
    op.create_index(op.f("ix_calls_call_id"), "calls", ["call_id"], unique=False)
    op.create_index(op.f("ix_calls_number_index"), "calls", ["number_index"], unique=False)
    op.create_index("ix_calls_pbx_ended_at", "calls", ["pbx", "ended_at"], unique=False)
    op.create_table(
        "cases",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("status", sa.String(length=32), nullable=False),
        sa.Column("reference", sa.String(length=16), nullable=True),
        sa.Column("department", sa.String(length=3), nullable=True),
        sa.Column("centre", sa.String(length=48), nullable=True),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_contact_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kept_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("discarded_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("discard_reason", sa.String(length=32), nullable=True),
        sa.Column("wrapped_key", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cases")),
        sa.UniqueConstraint("reference", name=op.f("uq_cases_reference")),
    )
    op.create_index(op.f("ix_cases_centre_status"), "cases", ["centre", "status"], unique=False)
    op.create_index(op.f("ix_cases_status_opened_at"), "cases", ["status", "opened_at"], unique=False)
    op.create_table(
        "centres",
        sa.Column("id", sa.String(length=48), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("route", sa.String(length=32), nullable=False),
        sa.Column("telephone", sa.String(length=16), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_centres")),
    )
    op.create_table(
        "failed_sign_ins",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("username_index", sa.String(length=64), nullable=False),
        sa.Column("address_index", sa.String(length=64), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_failed_sign_ins")),
    )
    op.create_index(
        op.f("ix_failed_sign_ins_address_index_at"), "failed_sign_ins", ["address_index", "at"], unique=False
    )
    op.create_index(
        op.f("ix_failed_sign_ins_username_index_at"), "failed_sign_ins", ["username_index", "at"], unique=False
    )
    op.create_table(
        "journal_positions",
        sa.Column("pbx", sa.String(length=32), nullable=False),
        sa.Column("inode", sa.BigInteger(), nullable=False),
        sa.Column("offset", sa.BigInteger(), nullable=False),
        sa.Column("committed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("pbx", name=op.f("pk_journal_positions")),
    )
    op.create_table(
        "master_key_mark",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_master_key_mark")),
    )
    op.create_table(
        "reference_counters",
        sa.Column("year", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("department", sa.String(length=3), nullable=False),
        sa.Column("last", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("year", "department", name=op.f("pk_reference_counters")),
    )
    op.create_table(
        "account_roles",
        sa.Column("account_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("role", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_account_roles_account_id_accounts"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("account_id", "role", name=op.f("pk_account_roles")),
    )
    op.create_table(
        "case_closed_to",
        sa.Column("case_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("account_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_case_closed_to_account_id_accounts"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["case_id"], ["cases.id"], name=op.f("fk_case_closed_to_case_id_cases"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("case_id", "account_id", name=op.f("pk_case_closed_to")),
    )
    op.create_table(
        "case_numbers",
        sa.Column("case_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("number_index", sa.String(length=64), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("first_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["case_id"], ["cases.id"], name=op.f("fk_case_numbers_case_id_cases"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("case_id", "number_index", name=op.f("pk_case_numbers")),
    )
    op.create_index(op.f("ix_case_numbers_number_index"), "case_numbers", ["number_index"], unique=False)
    op.create_table(
        "centre_departments",
        sa.Column("department", sa.String(length=3), nullable=False),
        sa.Column("centre_id", sa.String(length=48), nullable=False),
        sa.ForeignKeyConstraint(
            ["centre_id"], ["centres.id"], name=op.f("fk_centre_departments_centre_id_centres"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("department", name=op.f("pk_centre_departments")),
    )
    op.create_index(op.f("ix_centre_departments_centre_id"), "centre_departments", ["centre_id"], unique=False)
    op.create_table(
        "contacts",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("pbx", sa.String(length=32), nullable=False),
        sa.Column("call_id", sa.String(length=36), nullable=False),
        sa.Column("case_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("line", sa.String(length=20), nullable=False),
        sa.Column("number_index", sa.String(length=64), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("speaker_confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("notes", sa.LargeBinary(), nullable=True),
        sa.Column("notes_version", sa.Integer(), nullable=False),
        sa.Column("notes_saved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("notes_saved_by", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_contacts_case_id_cases")),
        sa.ForeignKeyConstraint(["notes_saved_by"], ["accounts.id"], name=op.f("fk_contacts_notes_saved_by_accounts")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contacts")),
        sa.UniqueConstraint("pbx", "call_id", name=op.f("uq_contacts_pbx_call_id")),
    )
    op.create_index(op.f("ix_contacts_call_id"), "contacts", ["call_id"], unique=False)
    op.create_index(op.f("ix_contacts_case_id"), "contacts", ["case_id"], unique=False)
    op.create_index(op.f("ix_contacts_number_index"), "contacts", ["number_index"], unique=False)
    op.create_table(
        "sessions",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("account_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("phone_password", sa.LargeBinary(), nullable=False),
        sa.Column("phone_asked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_sessions_account_id_accounts"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sessions")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_sessions_token_hash")),
    )
    op.create_index(
        op.f("ix_sessions_account_id_phone_asked_at"), "sessions", ["account_id", "phone_asked_at"], unique=False
    )
    op.create_table(
        "shielded_numbers",
        sa.Column("number_index", sa.String(length=64), nullable=False),
        sa.Column("shielded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("shielded_by", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.ForeignKeyConstraint(
            ["shielded_by"], ["accounts.id"], name=op.f("fk_shielded_numbers_shielded_by_accounts")
        ),
        sa.PrimaryKeyConstraint("number_index", name=op.f("pk_shielded_numbers")),
    )
    op.create_table(
        "contact_participants",
        sa.Column("contact_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("account_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("joined_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("released_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_contact_participants_account_id_accounts")
        ),
        sa.ForeignKeyConstraint(
            ["contact_id"],
            ["contacts.id"],
            name=op.f("fk_contact_participants_contact_id_contacts"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("contact_id", "account_id", name=op.f("pk_contact_participants")),
    )
    op.create_index(
        op.f("ix_contact_participants_account_id_released_at"),
        "contact_participants",
        ["account_id", "released_at"],
        unique=False,
    )


def downgrade() -> None:
    """Take it back."""
    op.drop_index(op.f("ix_contact_participants_account_id_released_at"), table_name="contact_participants")
    op.drop_table("contact_participants")
    op.drop_table("shielded_numbers")
    op.drop_index(op.f("ix_sessions_account_id_phone_asked_at"), table_name="sessions")
    op.drop_table("sessions")
    op.drop_index(op.f("ix_contacts_number_index"), table_name="contacts")
    op.drop_index(op.f("ix_contacts_case_id"), table_name="contacts")
    op.drop_index(op.f("ix_contacts_call_id"), table_name="contacts")
    op.drop_table("contacts")
    op.drop_index(op.f("ix_centre_departments_centre_id"), table_name="centre_departments")
    op.drop_table("centre_departments")
    op.drop_index(op.f("ix_case_numbers_number_index"), table_name="case_numbers")
    op.drop_table("case_numbers")
    op.drop_table("case_closed_to")
    op.drop_table("account_roles")
    op.drop_table("reference_counters")
    op.drop_table("master_key_mark")
    op.drop_table("journal_positions")
    op.drop_index(op.f("ix_failed_sign_ins_username_index_at"), table_name="failed_sign_ins")
    op.drop_index(op.f("ix_failed_sign_ins_address_index_at"), table_name="failed_sign_ins")
    op.drop_table("failed_sign_ins")
    op.drop_table("centres")
    op.drop_index(op.f("ix_cases_status_opened_at"), table_name="cases")
    op.drop_index(op.f("ix_cases_centre_status"), table_name="cases")
    op.drop_table("cases")
    op.drop_index("ix_calls_pbx_ended_at", table_name="calls")
    op.drop_index(op.f("ix_calls_number_index"), table_name="calls")
    op.drop_index(op.f("ix_calls_call_id"), table_name="calls")
    op.drop_index("ix_calls_arrived_at", table_name="calls")
    op.drop_table("calls")
    op.drop_index(op.f("ix_caller_keys_pbx_made_at"), table_name="caller_keys")
    op.drop_table("caller_keys")
    op.drop_table("call_facts")
    op.drop_table("audit_head")
    op.drop_index(op.f("ix_audit_entries_subject_subject_id"), table_name="audit_entries")
    op.drop_index(op.f("ix_audit_entries_at"), table_name="audit_entries")
    op.drop_index(op.f("ix_audit_entries_account_id"), table_name="audit_entries")
    op.drop_table("audit_entries")
    op.drop_table("accounts")
