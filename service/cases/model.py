"""Cases, contacts, and the numbers through which a case is found again."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from service.keys import Sealed
from service.store.base import (
    NUMBERED_ONCE,
    UNDER_CASE_KEY,
    Base,
    CallId,
    CentreId,
    NameIndex,
    NumberIndex,
    PbxId,
    RowId,
    words,
)


class CaseStatus(StrEnum):
    """Where a case stands. Later stages (handed off, closed, archived) are further words."""

    DRAFT = "draft"
    OPEN = "open"
    DISCARDED = "discarded"


class DiscardReason(StrEnum):
    """Why a draft was no case. Counted; nothing else of it is left."""

    WRONG_NUMBER = "wrong-number"
    HOAX = "hoax"
    SILENT = "silent"


class Case(Base):
    """A case record. `wrapped_key`: its data key; without it everything sealed in the case is gone, in backups too."""

    __tablename__ = "cases"
    __table_args__ = (
        Index(None, "status", "opened_at"),
        Index(None, "centre", "status"),
        Index(None, "department", "opened_at"),
        Index(None, "opened_at"),
        NUMBERED_ONCE,
    )

    id: Mapped[RowId] = mapped_column(primary_key=True)
    status: Mapped[CaseStatus] = mapped_column(words(CaseStatus))
    reference: Mapped[str | None] = mapped_column(String(16), unique=True)  #: 2026-38-00123
    department: Mapped[str | None] = mapped_column(String(3))  #: `00` where the place is not known
    centre: Mapped[CentreId | None]  #: whom it belongs to; none: the national team
    opened_at: Mapped[datetime]
    last_contact_at: Mapped[datetime]
    kept_at: Mapped[datetime | None]
    discarded_at: Mapped[datetime | None]
    discard_reason: Mapped[DiscardReason | None] = mapped_column(words(DiscardReason))
    wrapped_key: Mapped[Sealed | None]


class CaseClosedTo(Base):
    """A volunteer who must not know of a case (they know somebody in it)."""

    __tablename__ = "case_closed_to"

    case_id: Mapped[RowId] = mapped_column(ForeignKey("cases.id", ondelete="CASCADE"), primary_key=True)
    account_id: Mapped[RowId] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True)


class CaseNumber(Base):
    """A number from which this case was called: keyed hash to find it, sealed with the case's key to call back."""

    __tablename__ = "case_numbers"
    __table_args__ = (Index(None, "number_index", "case_id"),)

    case_id: Mapped[RowId] = mapped_column(ForeignKey("cases.id", ondelete="CASCADE"), primary_key=True)
    number_index: Mapped[NumberIndex] = mapped_column(primary_key=True)
    sealed: Mapped[Sealed] = mapped_column(info=UNDER_CASE_KEY)
    first_at: Mapped[datetime]


class Whose(StrEnum):
    """Whose name: that of whoever rings (as they chose to be called), or of the person concerned."""

    CALLER = "caller"
    PERSON_CONCERNED = "person-concerned"


class CaseName(Base):
    """A name in a case, sealed with the case's key."""

    __tablename__ = "case_names"

    case_id: Mapped[RowId] = mapped_column(ForeignKey("cases.id", ondelete="CASCADE"), primary_key=True)
    whose: Mapped[Whose] = mapped_column(words(Whose), primary_key=True)
    sealed: Mapped[Sealed] = mapped_column(info=UNDER_CASE_KEY)


class CaseNameWord(Base):
    """A word of a name, as a keyed hash: how a case is found by name, whatever the words' order."""

    __tablename__ = "case_name_words"
    __table_args__ = (Index(None, "word_index", "case_id", "whose"),)

    case_id: Mapped[RowId] = mapped_column(ForeignKey("cases.id", ondelete="CASCADE"), primary_key=True)
    whose: Mapped[Whose] = mapped_column(words(Whose), primary_key=True)
    word_index: Mapped[NameIndex] = mapped_column(primary_key=True)


class Contact(Base):
    """The conversation of one answered call: one call, one contact, whoever answered it and however often."""

    __tablename__ = "contacts"
    __table_args__ = (
        UniqueConstraint("pbx", "call_id"),
        Index(None, "case_id"),
        Index(None, "number_index", "case_id", "call_id", "started_at"),  # a caller is looked up by index alone
        Index(None, "call_id", "case_id"),
        NUMBERED_ONCE,
    )

    id: Mapped[RowId] = mapped_column(primary_key=True)
    pbx: Mapped[PbxId]
    call_id: Mapped[CallId]
    case_id: Mapped[RowId] = mapped_column(ForeignKey("cases.id"))
    line: Mapped[str] = mapped_column(String(20))  #: E.164 of the number dialled
    number_index: Mapped[NumberIndex | None]  #: none: withheld, no number, or discarded
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    speaker_confirmed_at: Mapped[datetime | None]  #: shielded number: the listener said who is speaking
    notes: Mapped[Sealed | None] = mapped_column(info=UNDER_CASE_KEY)
    notes_version: Mapped[int] = mapped_column(default=0)  #: 0 before the first save
    notes_saved_at: Mapped[datetime | None]
    notes_saved_by: Mapped[RowId | None] = mapped_column(ForeignKey("accounts.id"))


class ContactParticipant(Base):
    """A listener who took part in a contact. In contact until `released_at`: the end of their writing-up."""

    __tablename__ = "contact_participants"
    __table_args__ = (Index(None, "account_id", "released_at"),)

    contact_id: Mapped[RowId] = mapped_column(ForeignKey("contacts.id", ondelete="CASCADE"), primary_key=True)
    account_id: Mapped[RowId] = mapped_column(ForeignKey("accounts.id"), primary_key=True)
    joined_at: Mapped[datetime]  #: when they last answered it
    released_at: Mapped[datetime | None]


class ReferenceCounter(Base):
    """The last number given in a year and department."""

    __tablename__ = "reference_counters"

    year: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    department: Mapped[str] = mapped_column(String(3), primary_key=True)
    last: Mapped[int]


class ShieldedNumber(Base):
    """A number that the accused may use too: nothing is shown until the listener confirms who is speaking."""

    __tablename__ = "shielded_numbers"

    number_index: Mapped[NumberIndex] = mapped_column(primary_key=True)
    shielded_at: Mapped[datetime]
    shielded_by: Mapped[RowId | None] = mapped_column(ForeignKey("accounts.id"))
