"""The audit trail's tables. Triggers (migrations 0002, 0008) refuse changes, and deletions above the purged mark."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Protocol

from sqlalchemy import BigInteger, Index, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from service.store.base import Base, RowId, words


class Action(StrEnum):
    """What was done. A closed list: adding a word needs no migration."""

    CASE_READ = "case.read"
    CASE_SHOWN = "case.shown"  # its existence, in what is known about a caller, or in what a search found
    CASE_SEARCHED = "case.searched"  # that somebody looked, whatever was found; never for what
    CASE_KEPT = "case.kept"
    CASE_DISCARDED = "case.discarded"
    CONTACT_READ = "contact.read"
    CONTACT_LINKED = "contact.linked"
    NOTES_SAVED = "notes.saved"
    NAMES_SAVED = "names.saved"
    SPEAKER_CONFIRMED = "speaker.confirmed"  # a shielded number: the listener says who is speaking
    NUMBER_SHIELDED = "number.shielded"
    NUMBER_UNSHIELDED = "number.unshielded"
    ACCOUNT_MADE = "account.made"
    ACCOUNT_CHANGED = "account.changed"
    ACCOUNT_ENDED = "account.ended"
    ACCOUNT_RETURNED = "account.returned"
    SESSION_KEPT = "session.kept"  # somebody was deactivated in this contact: they keep what it needs
    SESSION_RELEASED = "session.released"  # …no longer; by themselves, or (none) by an administrator or the hours
    SECOND_STEP_ASKED = "second-step.asked"  # sessions from before lost their rights until it is shown
    SECOND_STEP_SET = "second-step.set"
    SECOND_STEP_REMOVED = "second-step.removed"
    RECOVERY_CODE_USED = "recovery-code.used"
    RECOVERY_CODES_MADE = "recovery-codes.made"  # others in place of those from before
    SESSIONS_ENDED = "sessions.ended"
    TOKEN_REPLAYED = "token.replayed"  # noqa: S105 an act: a session's old token was sent after its renewal
    TRAIL_READ = "trail.read"
    TRAIL_PURGED = "trail.purged"
    MASTER_KEY_ROTATION_BEGUN = "master-key.rotation-begun"  # of the key that sealed; each time that it is gone on with
    MASTER_KEY_ROTATED = "master-key.rotated"  # to this one, and nothing is left under others
    MASTER_KEY_RETIRED = "master-key.retired"  # its file was put away
    BACKUP_MADE = "backup.made"  # by `ecoute backup`, of a database of this master key; other copies tell nobody
    SIGN_IN_REFUSED = "sign-in.refused"  # a wrong password; not all of many
    CODE_REFUSED = "code.refused"  # the password was right, the code was not; not all of many
    SIGNED_IN = "signed-in"
    SIGNED_OUT = "signed-out"


class AuditEntry(Base):
    """One act. `subject` is of a kind, and its id; never content.

    Kinds: `case`, `contact`, `call`, `account`, `trail`, `master-key`, `store` (whose id is that of its master key).
    """

    __tablename__ = "audit_entries"
    __table_args__ = (Index(None, "subject", "subject_id"), Index(None, "account_id"), Index(None, "at"))

    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)  #: 1, 2, 3… without a gap
    at: Mapped[datetime]
    account_id: Mapped[RowId | None]  #: none: the service itself, or the command line
    action: Mapped[Action] = mapped_column(words(Action))
    subject: Mapped[str] = mapped_column(String(16))
    subject_id: Mapped[str] = mapped_column(String(64))
    hash: Mapped[bytes] = mapped_column(LargeBinary(32))  #: keyed, over the previous hash and this entry


class Written(Protocol):
    """What an entry says, be it a row or its columns alone."""

    @property
    def seq(self) -> int: ...
    @property
    def at(self) -> datetime: ...
    @property
    def account_id(self) -> int | None: ...
    @property
    def action(self) -> Action: ...
    @property
    def subject(self) -> str: ...
    @property
    def subject_id(self) -> str: ...
    @property
    def hash(self) -> bytes: ...


class AuditHead(Base):
    """One row: where the chain ends, and up to where it was purged. Locked while an entry is appended."""

    __tablename__ = "audit_head"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    last_seq: Mapped[int] = mapped_column(BigInteger)
    last_hash: Mapped[bytes] = mapped_column(LargeBinary(32))
    purged_seq: Mapped[int] = mapped_column(BigInteger)
    purged_hash: Mapped[bytes] = mapped_column(LargeBinary(32))
